
/*
 * The clock of what each request and each pass of the event loop go through:
 * CLOCK_MONOTONIC, counted on by the processor's own counter of time.
 *
 * Where the kernel itself trusts that counter (its clock source is "tsc"; on
 * aarch64 always) a reading takes a tenth of clock_gettime()'s instructions.
 * It is set right at every tick: the rest of an error is spread over the next
 * interval, so that the clock never goes back.
 *
 * Worker, main thread, normal context; any else takes
 * ngx_prof_clock().
 */


#ifndef _NGX_PROF_CLOCK_H_INCLUDED_
#define _NGX_PROF_CLOCK_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_base.h"
#include "ngx_prof_arch.h"


/* bits behind the point of the scale */
#define NGX_PROF_CLOCK_BITS  32

/* ns that the clock may be late before it is set by a step */
#define NGX_PROF_CLOCK_STEP  1000000


/* ns + (counter - ticks) * scale / 2^BITS is CLOCK_MONOTONIC in ns */

typedef struct {
    uint64_t  ticks;        /* the counter when it was set */
    uint64_t  ns;
    uint64_t  scale;
    uint64_t  rate;         /* the scale without what an error is spread by */
    uint64_t  seen_ticks;   /* as read last: counter and clock, unspread */
    uint64_t  seen_ns;
} ngx_prof_counter_t;


__extension__ typedef unsigned __int128  ngx_prof_wide_t;
__extension__ typedef __int128           ngx_prof_wide_int_t;


extern ngx_prof_counter_t  ngx_prof_counter
    NGX_PROF_HIDDEN;
extern ngx_uint_t  ngx_prof_clock_chosen
    NGX_PROF_HIDDEN;


/*
 * Master, while the configuration is read: 1 if the processor's counter is to
 * be used.  The workers inherit the answer, see clock_counted().
 */
ngx_uint_t ngx_prof_clock_choose(void);

/*
 * Worker, at its start: the counter is measured from begin() to init(), which
 * waits until this is 0.2 ms.  Later than a second behind it begin() is due
 * again: the machine may have slept.
 */
void ngx_prof_clock_begin(void);
void ngx_prof_clock_init(void);

/* worker, at every tick */
void ngx_prof_clock_adjust(void);

/* ngx_prof_clock(), which it is not inlined in */
uint64_t ngx_prof_clock_read(void);

/*
 * What adjust() does with one reading of the counter and of the clock in ns;
 * apart from it for tests.
 */
void ngx_prof_counter_adjust(ngx_prof_counter_t *counter, uint64_t ticks,
    uint64_t ns);


static ngx_inline ngx_uint_t
ngx_prof_clock_counted(void)
{
    return ngx_prof_clock_chosen;
}


static ngx_inline uint64_t
ngx_prof_counter_read(void)
{
    return ngx_prof_arch_counter();
}


/* ns of a difference of two readings, to some millionths behind a tick */

static ngx_inline uint64_t
ngx_prof_counter_took(uint64_t ticks)
{
    return (uint64_t) (((ngx_prof_wide_t) ticks
                        * ngx_prof_counter.rate)
                       >> NGX_PROF_CLOCK_BITS);
}


/* the same by a factor, for what counts several */

static ngx_inline double
ngx_prof_counter_scale(void)
{
    return (double) (int64_t) ngx_prof_counter.rate
           * (1.0 / ((uint64_t) 1 << NGX_PROF_CLOCK_BITS));
}


/* of a reading before the latest setting, too, if that is not long ago */

static ngx_inline uint64_t
ngx_prof_counter_ns(const ngx_prof_counter_t *counter, uint64_t ticks)
{
    return counter->ns
           + (uint64_t) (((ngx_prof_wide_int_t)
                          (int64_t) (ticks - counter->ticks)
                          * (int64_t) counter->scale)
                         >> NGX_PROF_CLOCK_BITS);
}


/*
 * A reading whose time in ns is asked for later, or not at all; counted is
 * what clock_counted() says, and a constant to the compiler.
 */

static ngx_inline uint64_t
ngx_prof_loop_ticks(ngx_uint_t counted)
{
    return counted ? ngx_prof_counter_read() : ngx_prof_clock();
}


/* the same; what few machines need is called, so that others save nothing */

static ngx_inline uint64_t
ngx_prof_loop_now(void)
{
    return ngx_prof_likely(ngx_prof_clock_chosen) ? ngx_prof_counter_read()
                                                  : ngx_prof_clock_read();
}


static ngx_inline uint64_t
ngx_prof_loop_at(ngx_uint_t counted, uint64_t ticks)
{
    return counted ? ngx_prof_counter_ns(&ngx_prof_counter, ticks) : ticks;
}


/* ns of a difference of two readings */

static ngx_inline uint64_t
ngx_prof_loop_took(ngx_uint_t counted, uint64_t ticks)
{
    return counted ? ngx_prof_counter_took(ticks) : ticks;
}


/* the difference of two readings that so many ns are */

static ngx_inline uint64_t
ngx_prof_loop_span(ngx_uint_t counted, uint64_t ns)
{
    return counted ? (uint64_t) (((ngx_prof_wide_t) ns << NGX_PROF_CLOCK_BITS)
                                 / ngx_prof_counter.rate)
                   : ns;
}


static ngx_inline uint64_t
ngx_prof_loop_clock(ngx_uint_t counted)
{
    return ngx_prof_loop_at(counted, ngx_prof_loop_ticks(counted));
}


#endif /* _NGX_PROF_CLOCK_H_INCLUDED_ */
