
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
ngx_prof_pace_may(ngx_prof_pace_t *pace, uint64_t now, uint64_t busy)
{
    uint64_t  passed, worked;

    if (pace->owes <= now + NGX_PROF_PACE_LENT) {
        return 1;
    }

    passed = now - pace->seen;

    if (passed < NGX_PROF_PACE_LOOK) {
        return 0;
    }

    worked = busy - pace->busy;

    pace->seen = now;
    pace->busy = busy;

    /* what it did long ago tells nothing */

    if (passed >= 10 * NGX_PROF_PACE_LOOK
        || NGX_PROF_PACE_BUSY * worked >= passed)
    {
        return 0;
    }

    pace->owes = now;

    return 1;
}
