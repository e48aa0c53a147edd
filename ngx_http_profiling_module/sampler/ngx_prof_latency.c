
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_latency.h"
#include "ngx_prof_conf.h"
#include "ngx_prof_counter.h"
#include "ngx_prof_shared.h"
#include "ngx_prof_worker.h"


static void ngx_prof_latency_loop(uint64_t *ns, uint64_t loop, uint64_t cpu,
    uint64_t blocked);
static void ngx_prof_latency_add(ngx_prof_counting_t *counter,
    const uint64_t *ns);
static void ngx_prof_latency_peer(ngx_prof_counting_t *counter,
    const ngx_prof_waited_t *waited);
static ngx_prof_elapsed_row_t *ngx_prof_latency_row(
    const ngx_prof_counting_t *counter, ngx_uint_t peer);


void
ngx_prof_latency_init_module(ngx_cycle_t *cycle, ngx_prof_zone_t *zone)
{
    ngx_prof_main_conf_t  *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle,
                                              ngx_http_profiling_module);

    if (zone->elapsed || !mcf->cost) {
        return;
    }

    zone->elapsed = ngx_prof_shared(sizeof(ngx_prof_elapsed_t));

    if (zone->elapsed == NULL) {
        ngx_log_error(NGX_LOG_WARN, cycle->log, ngx_errno,
                      "what requests wait for will not be counted: mmap() of "
                      "%uz bytes failed", sizeof(ngx_prof_elapsed_t));
    }
}


void
ngx_prof_latency_only(ngx_prof_counting_t *counter, uint64_t loop,
    uint64_t cpu, uint64_t blocked, uint64_t wait)
{
    uint64_t  ns[NGX_PROF_ELAPSED_KINDS];

    if (ngx_prof_process.zone->elapsed == NULL) {
        return;
    }

    ngx_memzero(ns, sizeof(ns));

    ns[NGX_PROF_ELAPSED_WAIT] = wait;
    ngx_prof_latency_loop(ns, loop, cpu, blocked);

    ngx_prof_latency_add(counter, ns);
}


void
ngx_prof_latency_over(ngx_uint_t place, const ngx_prof_cost_t *cost)
{
    uint64_t              ns[NGX_PROF_ELAPSED_KINDS];
    ngx_uint_t            i, n;
    ngx_prof_counting_t  *counter;

    if (ngx_prof_process.zone->elapsed == NULL) {
        return;
    }

    counter = ngx_prof_counter_of(place);

    ngx_memzero(ns, sizeof(ns));
    ngx_memcpy(ns, cost->sum, sizeof(cost->sum));

    ngx_prof_latency_loop(ns, cost->sum[NGX_PROF_PART_LOOP], cost->cpu,
                          cost->blocked);

    for (i = 0; i < NGX_PROF_SLICE_PEERS && cost->waited[i].peer; i++) {
        ngx_prof_latency_peer(counter, &cost->waited[i]);

        for (n = 0; n < NGX_PROF_PEER_STEPS; n++) {
            ns[NGX_PROF_PART_UPSTREAM] -= cost->waited[i].ns[n];
        }
    }

    ngx_prof_latency_add(counter, ns);
}


/* the loop's time is that of three kinds */

static void
ngx_prof_latency_loop(uint64_t *ns, uint64_t loop, uint64_t cpu,
    uint64_t blocked)
{
    ns[NGX_PROF_ELAPSED_BLOCKED] = ngx_min(blocked, loop);
    loop -= ns[NGX_PROF_ELAPSED_BLOCKED];

    ns[NGX_PROF_ELAPSED_CPU] = ngx_min(cpu, loop);
    ns[NGX_PROF_ELAPSED_PREEMPTED] = loop - ns[NGX_PROF_ELAPSED_CPU];
}


static void
ngx_prof_latency_add(ngx_prof_counting_t *counter, const uint64_t *ns)
{
    ngx_uint_t           i;
    ngx_prof_elapsed_t  *elapsed;

    if (counter->elapsed == NULL) {
        counter->elapsed = ngx_prof_latency_row(counter, 0);
    }

    if (counter->elapsed) {
        ngx_prof_add(&counter->elapsed->counts.requests, 1);

        for (i = 0; i < NGX_PROF_ELAPSED_KINDS; i++) {
            ngx_prof_add(&counter->elapsed->counts.ns[i], ns[i]);
        }

        return;
    }

    elapsed = ngx_prof_process.zone->elapsed;

    (void) __atomic_fetch_add(&elapsed->other.requests, 1, __ATOMIC_RELAXED);

    for (i = 0; i < NGX_PROF_ELAPSED_KINDS; i++) {
        ngx_prof_elapsed_other(elapsed, i, ns[i]);
    }
}


static void
ngx_prof_latency_peer(ngx_prof_counting_t *counter,
    const ngx_prof_waited_t *waited)
{
    ngx_uint_t               i;
    ngx_prof_elapsed_row_t  *row;

    row = ngx_prof_latency_row(counter, waited->peer);

    for (i = 0; i < NGX_PROF_PEER_STEPS; i++) {

        if (row) {
            ngx_prof_add(&row->counts.ns[i], waited->ns[i]);

        } else {
            ngx_prof_elapsed_other(ngx_prof_process.zone->elapsed,
                                   NGX_PROF_PART_UPSTREAM, waited->ns[i]);
        }
    }
}


/* the cell of a place has the place + 1, that of all others has none */

static ngx_prof_elapsed_row_t *
ngx_prof_latency_row(const ngx_prof_counting_t *counter, ngx_uint_t peer)
{
    ngx_uint_t        place;
    ngx_prof_slot_t  *slot;
    ngx_prof_zone_t  *zone;

    zone = ngx_prof_process.zone;
    slot = ngx_prof_process.slot;
    place = ngx_prof_load(&counter->cell->place);
    place = place ? place - 1 : NGX_PROF_PLACE_OTHER;

    return ngx_prof_elapsed_open(zone->elapsed,
               ngx_prof_elapsed_key(ngx_prof_zone_slot_index(zone, slot),
                                    place, peer),
               slot->claims);
}
