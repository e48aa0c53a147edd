
/*
 * What every file may use: the version, attributes, clocks.
 */


#ifndef _NGX_PROF_BASE_H_INCLUDED_
#define _NGX_PROF_BASE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_units.h"


#define NGX_PROF_VERSION  "0.1.0"


/*
 * Code that each request runs reads the module's own data directly, not
 * through the global offset table.
 */
#define NGX_PROF_HIDDEN  __attribute__((visibility("hidden")))

#define ngx_prof_always_inline                                                \
    ngx_inline __attribute__((always_inline))

#define ngx_prof_likely(e)    __builtin_expect(e, 1)
#define ngx_prof_unlikely(e)  __builtin_expect(e, 0)


/* ns of CLOCK_MONOTONIC, which all processes of the machine share */
static ngx_inline uint64_t
ngx_prof_clock(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * NGX_PROF_NSEC_PER_SEC + ts.tv_nsec;
}


/* from one reading to another; 0 if another process took the later one first */
static ngx_inline uint64_t
ngx_prof_passed(uint64_t since, uint64_t now)
{
    return now - ngx_min(now, since);
}


/* ms since the epoch, UTC, as of now */
static ngx_inline uint64_t
ngx_prof_time(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_REALTIME, &ts);

    return (uint64_t) ts.tv_sec * 1000 + ts.tv_nsec / NGX_PROF_NSEC_PER_MSEC;
}


/* the number of the tick at a clock reading; never 0 */
static ngx_inline uint32_t
ngx_prof_tick(uint64_t clock, int64_t interval)
{
    return (uint32_t) (clock / NGX_PROF_NSEC_PER_MSEC / (uint64_t) interval
                       + 1);
}


#endif /* _NGX_PROF_BASE_H_INCLUDED_ */
