
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_begun.h"
#include "ngx_prof_base.h"


/* settings of the day's clock that are remembered */
#define NGX_PROF_DAYS      4

/* ms by which its distance to nginx's coarse clock varies unset */
#define NGX_PROF_DAY_SLOP  20


/* a time during which the day's clock was not set; ms of ngx_current_msec */

typedef struct {
    int64_t  distance;      /* of the day's clock from ngx_current_msec */
    int64_t  from;          /* when the one before was seen last */
    int64_t  until;         /* when the next one was seen first */
    int64_t  seen;          /* last */
} ngx_prof_day_t;


static ngx_prof_day_t  ngx_prof_days[NGX_PROF_DAYS];
static ngx_uint_t      ngx_prof_day_n;


void
ngx_prof_begun_update(void)
{
    int64_t          now, distance, change;
    ngx_time_t      *tp;
    ngx_prof_day_t  *day, *next;

    /* nginx has read both clocks at the same time */

    tp = ngx_timeofday();
    now = (int64_t) ngx_current_msec;
    distance = (int64_t) tp->sec * 1000 + (int64_t) tp->msec - now;

    day = &ngx_prof_days[ngx_prof_day_n % NGX_PROF_DAYS];
    change = distance - day->distance;

    if (day->seen
        && change <= NGX_PROF_DAY_SLOP
        && change >= -NGX_PROF_DAY_SLOP)
    {
        /* what drifts slowly is followed */

        day->distance = distance;
        day->seen = now;
        return;
    }

    if (day->seen) {
        day->until = now;
        ngx_prof_day_n++;
    }

    next = &ngx_prof_days[ngx_prof_day_n % NGX_PROF_DAYS];

    next->from = day->seen;
    next->distance = distance;
    next->until = INT64_MAX;
    next->seen = now;
}


uint64_t
ngx_prof_begun(const ngx_http_request_t *r, uint64_t pass, uint64_t known)
{
    int64_t          began, latest, ms;
    ngx_uint_t       i;
    ngx_prof_day_t  *day;

    ngx_prof_begun_update();

#if (NGX_HAVE_CLOCK_MONOTONIC)

    /* a module may have had nginx read its clocks again in this pass */

    pass = ngx_max(pass, (uint64_t) ngx_current_msec * NGX_PROF_NSEC_PER_MSEC);

#endif

    latest = (int64_t) ngx_current_msec
             - (int64_t) ((pass - ngx_min(pass, known))
                          / NGX_PROF_NSEC_PER_MSEC);
    ms = -1;

    for (i = 0; i < NGX_PROF_DAYS && i <= ngx_prof_day_n; i++) {
        day = &ngx_prof_days[(ngx_prof_day_n - i) % NGX_PROF_DAYS];

        began = (int64_t) r->start_sec * 1000 + (int64_t) r->start_msec
                - day->distance;

        /* both ends of the difference were rounded down */

        if (began < latest - 1
            && began >= day->from - NGX_PROF_DAY_SLOP
            && began - NGX_PROF_DAY_SLOP <= day->until
            && (ms == -1 || (int64_t) ngx_current_msec - began < ms))
        {
            ms = (int64_t) ngx_current_msec - began;
        }
    }

    if (ms == -1) {
        return known;
    }

    return pass - ngx_min(pass, (uint64_t) ms * NGX_PROF_NSEC_PER_MSEC);
}
