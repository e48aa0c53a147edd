
/*
 * One snapshot of the slots: all workers together, or one of them.
 *
 * Counters are summed over all slots ever used, gauges over slots whose owner
 * is alive.  Each step reads one slot, so that a snapshot of many workers does
 * not hold up the event loop.  Worker, normal context; private to a request.
 */


#ifndef _NGX_PROF_SNAPSHOT_H_INCLUDED_
#define _NGX_PROF_SNAPSHOT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_conf.h"
#include "ngx_prof_histogram.h"
#include "ngx_prof_ring.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_zone.h"


typedef enum {
    NGX_PROF_RUNNING = 0,
    NGX_PROF_DRAINING,
    NGX_PROF_STUCK
} ngx_prof_worker_state_e;


/* quantiles of durations, in ns */

typedef struct {
    uint64_t                       number;
    uint64_t                       p50;
    uint64_t                       p90;
    uint64_t                       p99;
    uint64_t                       p999;
    uint64_t                       max;
} ngx_prof_quantiles_t;


/*
 * a living worker: its own counters, without those of the slot's earlier
 * owners
 */

typedef struct {
    ngx_prof_slot_t      *slot;
    ngx_uint_t            index;
    ngx_pid_t             pid;
    ngx_uint_t            state;
    u_char                letter;               /* its state in /proc if
                                                   stuck, or 0 */
    uint64_t              silent;               /* ns since its loop ran */
    uint64_t              generation;
    uint64_t              worker;               /* ngx_worker */
    uint64_t              claimed;              /* ns, CLOCK_MONOTONIC */
    ngx_uint_t            known;                /* 1: the gauges could be
                                                   read */
    ngx_prof_gauges_t     gauges;
    ngx_prof_rated_t      rated;                /* clock 0: not known */
    ngx_prof_totals_t     totals;
    uint64_t              last_pause;               /* ns */
    uint64_t              requests;
    uint64_t              errors;
    uint64_t              client_errors;
    uint64_t              bytes_in;
    uint64_t              bytes_out;
    ngx_prof_quantiles_t  latency;
    ngx_prof_quantiles_t  passes;
} ngx_prof_worker_t;


typedef struct {
    ngx_prof_zone_t       *zone;
    ngx_prof_main_conf_t  *conf;
    uint64_t              memory_limit;     /* of now, bytes */
    ngx_pool_t            *pool;
    ngx_pid_t              filter;              /* one worker, 0: all */
    ngx_uint_t             next;                /* slot to read next */

    uint64_t               time;                /* ms since the epoch */
    uint64_t               clock;               /* ns, CLOCK_MONOTONIC */

    ngx_array_t            workers;
                                          /* ngx_prof_worker_t */
    ngx_array_t            helpers;       /* the same; in no sum */

    /* sums over living workers only; with NGX_PROF_NO_INTERVAL the rates are
       not those of all */
    ngx_prof_gauges_t      gauges;
    double                 request_rate;            /* per second */
    double                 error_rate;
    double                 cpu_usage;               /* percent of a core */
    double                 utilization;             /* of the loops, 0..1 */
    uint64_t               rated;                   /* ns, of all loops */
    uint64_t               busy;                    /* of them */

    /* sums over all slots, including workers that have ended */
    ngx_prof_totals_t      totals;
    ngx_prof_counts_t      all;
    ngx_prof_hist_t        passes;
    uint64_t               last_pause;                  /* ns */
    uint64_t               last_pause_clock;            /* ns, 0: never */

    ngx_prof_counts_t      scratch;
} ngx_prof_snapshot_t;


/* NULL: out of memory */
ngx_prof_snapshot_t *ngx_prof_snapshot_create(ngx_pool_t *pool,
    ngx_pid_t filter);

/* reads the next slot: NGX_AGAIN, or NGX_DONE when there is none left */
ngx_int_t ngx_prof_snapshot_next(ngx_prof_snapshot_t *s);

/* ns that the workers of a snapshot have lived, summed */
uint64_t ngx_prof_snapshot_lived(ngx_prof_snapshot_t *s);

/* 0 to 1; pauses of a pass that has not ended may be more than what has */
double ngx_prof_share(uint64_t part, uint64_t whole);

/* memory held from the system in bytes, and in percent of the limit */
uint64_t ngx_prof_snapshot_sys(ngx_prof_snapshot_t *s);
double ngx_prof_snapshot_usage(ngx_prof_snapshot_t *s);

/* seconds since the zone was created, or since the one worker started */
double ngx_prof_snapshot_uptime(ngx_prof_snapshot_t *s);

/*
 * Adds the requests of one place, over all slots of the snapshot or of its one
 * worker, to the zeroed dst.  NGX_DECLINED: there were none.
 */
ngx_int_t ngx_prof_snapshot_place(ngx_prof_snapshot_t *s, ngx_uint_t place,
    ngx_prof_counts_t *dst);

void ngx_prof_quantiles(const ngx_prof_hist_t *h, ngx_prof_quantiles_t *q);

/*
 * One tick of the history, summed over all workers: gauges of workers that
 * wrote a sample at that tick, and all counters as they stood then.  carry is
 * an array of one sample per slot, zero at first, that keeps each slot's last
 * counters from tick to tick; ticks must be asked for in ascending order.
 * NGX_DECLINED: no worker has a sample of that tick.  If one that lived then
 * has none, what it would tell is missing: NGX_PROF_NO_SAMPLE in unavailable.
 */
ngx_int_t ngx_prof_snapshot_sample(ngx_prof_snapshot_t *s, uint32_t tick,
    ngx_prof_sample_t *carry, ngx_prof_sample_t *sum, ngx_uint_t *workers);


#endif /* _NGX_PROF_SNAPSHOT_H_INCLUDED_ */
