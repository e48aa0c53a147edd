
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_clock.h"


/* readings of the counter around one of the clock, the closest is taken */
#define NGX_PROF_CLOCK_TRIES    8

/* ns that the counter is measured for before the first tick */
#define NGX_PROF_CLOCK_MEASURE  200000

/* a shorter interval, in ns, tells too little of the rate */
#define NGX_PROF_CLOCK_SHORT    50000000

/* the largest part of its rate by which an error is spread: 1 / 1000 */
#define NGX_PROF_CLOCK_SLEW     1000

#define NGX_PROF_CLOCK_SOURCE                                                 \
    "/sys/devices/system/clocksource/clocksource0/current_clocksource"


static ngx_uint_t ngx_prof_clock_trusted(void);
static void ngx_prof_clock_pair(uint64_t *ticks, uint64_t *ns);


ngx_prof_counter_t  ngx_prof_counter;
ngx_uint_t          ngx_prof_clock_chosen;


ngx_uint_t
ngx_prof_clock_choose(void)
{
    ngx_prof_clock_chosen = ngx_prof_clock_trusted();

    return ngx_prof_clock_chosen;
}


/*
 * The kernel compares the counter with other clocks and drops it as its
 * source when it is not steady or differs between processors.
 */

static ngx_uint_t
ngx_prof_clock_trusted(void)
{
    int          fd;
    char         name[16];
    ssize_t      n;
    const char  *counter;

    counter = NGX_PROF_ARCH_COUNTER;

    if (counter == NULL) {
        return 1;
    }

    fd = open(NGX_PROF_CLOCK_SOURCE, O_RDONLY|O_CLOEXEC);

    if (fd == -1) {
        return 0;
    }

    n = read(fd, name, sizeof(name) - 1);

    (void) close(fd);

    if (n <= 0) {
        return 0;
    }

    name[n] = '\0';

    return ngx_strcmp(name, counter) == 0;
}


void
ngx_prof_clock_begin(void)
{
    ngx_prof_clock_pair(&ngx_prof_counter.ticks, &ngx_prof_counter.ns);
}


void
ngx_prof_clock_init(void)
{
    uint64_t             ticks, ns;
    ngx_prof_counter_t  *counter;

    counter = &ngx_prof_counter;

    do {
        ngx_prof_clock_pair(&ticks, &ns);
    } while (ns - counter->ns < NGX_PROF_CLOCK_MEASURE
             || ticks == counter->ticks);

    counter->scale = (uint64_t)
                         (((ngx_prof_wide_t) (ns - counter->ns)
                           << NGX_PROF_CLOCK_BITS)
                          / (ticks - counter->ticks));
    counter->rate = counter->scale;
    counter->seen_ticks = ticks;
    counter->seen_ns = ns;
}


uint64_t
ngx_prof_clock_read(void)
{
    return ngx_prof_clock();
}


void
ngx_prof_clock_adjust(void)
{
    uint64_t  ticks, ns;

    ngx_prof_clock_pair(&ticks, &ns);

    ngx_prof_counter_adjust(&ngx_prof_counter, ticks, ns);
}


void
ngx_prof_counter_adjust(ngx_prof_counter_t *counter, uint64_t ticks,
    uint64_t ns)
{
    int64_t   error, slew, scale;
    uint64_t  passed;

    passed = ns - counter->seen_ns;

    if (ticks > counter->seen_ticks && passed < NGX_PROF_CLOCK_SHORT) {
        return;
    }

    if (ticks <= counter->seen_ticks || passed == 0) {

        /* the machine has slept, or moved: the rate is the one known */

        counter->ns = ngx_max(counter->ns, ns);

    } else {
        counter->ns = ngx_prof_counter_ns(counter, ticks);

        error = (int64_t) (ns - counter->ns);

        if (error > NGX_PROF_CLOCK_STEP) {
            counter->ns = ns;
            error = 0;
        }

        scale = (int64_t) (((ngx_prof_wide_t) passed
                            << NGX_PROF_CLOCK_BITS)
                           / (ticks - counter->seen_ticks));

        /* the next interval is as long as this one */

        slew = (int64_t) ((double) scale * (double) error / (double) passed);
        slew = ngx_min(slew, scale / NGX_PROF_CLOCK_SLEW);
        slew = ngx_max(slew, -scale / NGX_PROF_CLOCK_SLEW);

        counter->rate = (uint64_t) scale;
        counter->scale = (uint64_t) (scale + slew);
    }

    counter->ticks = ticks;
    counter->seen_ticks = ticks;
    counter->seen_ns = ns;
}


/* the counter and the clock, read at the same time as nearly as can be */

static void
ngx_prof_clock_pair(uint64_t *ticks, uint64_t *ns)
{
    uint64_t    before, after, now, width;
    ngx_uint_t  i;

    width = (uint64_t) -1;

    for (i = 0; i < NGX_PROF_CLOCK_TRIES; i++) {
        before = ngx_prof_counter_read();
        now = ngx_prof_clock();
        after = ngx_prof_counter_read();

        if (after - before < width) {
            width = after - before;
            *ticks = before + width / 2;
            *ns = now;
        }
    }
}
