
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_pace.h"


/* ns that may be owed while one begins */
#define NGX_PROF_PACE_LENT  ((uint64_t) NGX_PROF_PACE_PART                    \
                             * NGX_PROF_PACE_BURST)


void
ngx_prof_pace_took(ngx_prof_pace_t *pace, uint64_t ns, uint64_t now)
{
    uint64_t  most;

    most = NGX_PROF_PACE_LENT + NGX_PROF_PACE_WAIT;

    pace->owes = ngx_max(pace->owes, now)
                 + NGX_PROF_PACE_PART * ngx_min(ns, most);

    pace->owes = ngx_min(pace->owes, now + most);
}


ngx_uint_t
ngx_prof_pace_may(ngx_prof_pace_t *pace, uint64_t now, ngx_uint_t idle)
{
    if (idle) {
        pace->owes = ngx_min(pace->owes, now);
    }

    return pace->owes <= now + NGX_PROF_PACE_LENT;
}


void
ngx_prof_pace_look(ngx_prof_pace_look_t *look, uint64_t now, uint64_t busy)
{
    look->idle = (NGX_PROF_PACE_IDLE * (busy - look->busy) < now - look->seen);

    look->seen = now;
    look->busy = busy;
}
