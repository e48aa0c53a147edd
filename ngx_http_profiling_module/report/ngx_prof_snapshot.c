
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_snapshot.h"
#include "ngx_prof_alive.h"
#include "ngx_prof_base.h"
#include "ngx_prof_cell.h"
#include "ngx_prof_owner.h"
#include "ngx_prof_record.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_proc.h"
#include "ngx_prof_worker.h"


/* a worker whose loop has not run for so many intervals is stuck */
#define NGX_PROF_STUCK_INTERVALS  3


static uint64_t ngx_prof_snapshot_limit(const ngx_prof_snapshot_t *s);
static void ngx_prof_snapshot_slot(ngx_prof_snapshot_t *s,
    ngx_prof_slot_t *slot);
static ngx_prof_worker_t *ngx_prof_snapshot_worker(ngx_prof_snapshot_t *s,
    ngx_array_t *to, ngx_prof_slot_t *slot);
static void ngx_prof_snapshot_state(ngx_prof_snapshot_t *s,
    ngx_prof_worker_t *w);
static void ngx_prof_snapshot_counts(ngx_prof_snapshot_t *s,
    ngx_prof_worker_t *w);
static void ngx_prof_snapshot_killed(ngx_prof_snapshot_t *s,
    ngx_prof_slot_t *slot);
static void ngx_prof_snapshot_rated(ngx_prof_snapshot_t *s,
    ngx_prof_worker_t *w);
static uint64_t ngx_prof_snapshot_busy(ngx_prof_snapshot_t *s,
    const ngx_prof_slot_t *slot);
static void ngx_prof_snapshot_gauges(ngx_prof_snapshot_t *s,
    ngx_prof_worker_t *w);
static ngx_int_t ngx_prof_snapshot_read(ngx_prof_snapshot_t *s,
    ngx_prof_slot_t *slot, uint32_t tick, ngx_prof_sample_t *sample);
static void ngx_prof_snapshot_live(ngx_prof_sample_t *sum,
    const ngx_prof_sample_t *from, ngx_uint_t n);
static uint64_t ngx_prof_snapshot_absent(ngx_prof_snapshot_t *s,
    ngx_prof_slot_t *slot, uint32_t tick, ngx_prof_sample_t *carry);
static void ngx_prof_snapshot_counters(ngx_prof_sample_t *sum,
    const ngx_prof_sample_t *from);
static void ngx_prof_snapshot_less(ngx_prof_sample_t *sample,
    const ngx_prof_slot_t *slot);
static void ngx_prof_snapshot_missed(ngx_prof_snapshot_t *s,
    ngx_prof_slot_t *slot, uint32_t tick, ngx_prof_sample_t *sample);
static void ngx_prof_snapshot_ended(const ngx_prof_totals_t *t,
    const ngx_prof_counts_t *c, ngx_prof_sample_t *sample);


ngx_prof_snapshot_t *
ngx_prof_snapshot_create(ngx_pool_t *pool, ngx_pid_t filter)
{
    ngx_prof_snapshot_t  *s;

    s = ngx_pcalloc(pool, sizeof(ngx_prof_snapshot_t));
    if (s == NULL) {
        return NULL;
    }

    if (ngx_array_init(&s->workers, pool, 4,
                       sizeof(ngx_prof_worker_t))
        != NGX_OK
        || ngx_array_init(&s->helpers, pool, 2, sizeof(ngx_prof_worker_t))
           != NGX_OK)
    {
        return NULL;
    }

    s->zone = ngx_prof_process.zone;
    s->conf = ngx_prof_process.conf;
    s->pool = pool;
    s->filter = filter;
    s->time = ngx_prof_time();
    s->clock = ngx_prof_clock();
    s->memory_limit = ngx_prof_snapshot_limit(s);

    if (filter == 0) {
        s->totals.user = ngx_prof_load(&s->zone->header->deaths.user);
        s->totals.system = ngx_prof_load(&s->zone->header->deaths.system);
    }

    ngx_prof_zone_set_day(s->zone, s->time, s->clock);

    return s;
}


/* cgroups are given other limits while nginx runs */

static uint64_t
ngx_prof_snapshot_limit(const ngx_prof_snapshot_t *s)
{
    static uint64_t  limit, until;

    if (ngx_prof_conf_setting(s->conf, NGX_PROF_MEMORY_LIMIT)) {
        return ngx_prof_conf_setting(s->conf, NGX_PROF_MEMORY_LIMIT);
    }

    if (s->clock >= until) {
        limit = ngx_prof_memory_limit();
        until = s->clock + NGX_PROF_NSEC_PER_SEC;
    }

    return limit;
}


ngx_int_t
ngx_prof_snapshot_next(ngx_prof_snapshot_t *s)
{
    ngx_prof_slot_t    *slot;
    ngx_prof_worker_t  *w;

    if (s->next == ngx_prof_zone_process_n(s->zone)) {
        return NGX_DONE;
    }

    slot = ngx_prof_zone_process(s->zone, s->next++);

    /* pages of unused slots do not exist, and must not come to exist */

    if (ngx_prof_load(&slot->claims) == 0) {
        return NGX_AGAIN;
    }

    if (s->next <= s->zone->slots) {
        ngx_prof_snapshot_slot(s, slot);

    } else {
        w = ngx_prof_snapshot_worker(s, &s->helpers, slot);

        if (w) {
            ngx_prof_snapshot_counts(s, w);
        }
    }

    return NGX_AGAIN;
}


static void
ngx_prof_snapshot_slot(ngx_prof_snapshot_t *s, ngx_prof_slot_t *slot)
{
    uint64_t            clock;
    ngx_prof_worker_t  *w;

    w = ngx_prof_snapshot_worker(s, &s->workers, slot);

    if (w) {
        ngx_prof_snapshot_counts(s, w);

        ngx_prof_snapshot_rated(s, w);
        ngx_prof_snapshot_gauges(s, w);

    } else if (s->filter == 0) {
        ngx_prof_snapshot_killed(s, slot);
    }

    if (s->filter && w == NULL) {
        return;
    }

    ngx_prof_totals_sum(&s->totals, &slot->totals,
                        s->filter ? &slot->base : NULL);
    ngx_prof_hist_sum(&s->passes, &slot->passes,
                      s->filter ? &slot->base_passes : NULL);
    ngx_prof_counts_sum(&s->all, &slot->all,
                        s->filter ? &slot->base_all : NULL);

    clock = ngx_prof_load(&slot->last_pause_clock);

    if (clock > s->last_pause_clock
        && (s->filter == 0 || w->totals.pauses))
    {
        s->last_pause_clock = clock;
        s->last_pause = ngx_prof_load(&slot->last_pause);
    }
}


/* NULL: the slot has no living owner, or not the wanted one */

static ngx_prof_worker_t *
ngx_prof_snapshot_worker(ngx_prof_snapshot_t *s, ngx_array_t *to,
    ngx_prof_slot_t *slot)
{
    uint64_t            pass, wait, seen, silence;
    ngx_pid_t           pid;
    ngx_prof_worker_t  *w;

    pid = ngx_prof_slot_pid(slot);

    if (pid == 0 || (s->filter && pid != s->filter)) {
        return NULL;
    }

    pass = ngx_prof_load(&slot->pass_start);
    wait = ngx_prof_load(&slot->wait_start);
    seen = ngx_max(pass, wait);

    silence = NGX_PROF_STUCK_INTERVALS
              * ngx_prof_conf_ns(s->conf, NGX_PROF_INTERVAL);

    /*
     * A pid whose loop ran a moment ago has not passed to another process
     * since: its start time need not be read
     */

    if (!ngx_prof_process_exists(pid)) {
        return NULL;
    }

    if ((seen == 0 || seen + silence < s->clock) && !ngx_prof_slot_alive(slot))
    {
        return NULL;
    }

    w = ngx_array_push(to);
    if (w == NULL) {
        return NULL;
    }

    ngx_memzero(w, sizeof(ngx_prof_worker_t));

    w->slot = slot;
    w->index = ngx_prof_zone_slot_index(s->zone, slot);
    w->pid = pid;
    w->generation = ngx_prof_load(&slot->generation);
    w->worker = ngx_prof_load(&slot->worker);
    w->claimed = ngx_prof_load(&slot->claimed);
    w->last_pause = ngx_prof_load(&slot->last_pause);

    w->known = ngx_prof_record_read(&slot->gauges_seq, &w->gauges,
                                    &slot->gauges,
                                          sizeof(ngx_prof_gauges_t))
               == NGX_OK
               && w->gauges.clock;

    if (w->known) {
        seen = ngx_max(seen, w->gauges.clock);
    }

    w->silent = (seen && s->clock > seen) ? s->clock - seen : 0;

    ngx_prof_snapshot_state(s, w);

    return w;
}


static void
ngx_prof_snapshot_state(ngx_prof_snapshot_t *s, ngx_prof_worker_t *w)
{
    uint64_t  interval;

    interval = ngx_prof_conf_ns(s->conf, NGX_PROF_INTERVAL);

    if (w->silent > NGX_PROF_STUCK_INTERVALS * interval) {
        w->state = NGX_PROF_STUCK;
        w->letter = ngx_prof_system_state(w->pid);
        return;
    }

    if (w->gauges.draining
        || w->generation != ngx_prof_load(&s->zone->header->generation))
    {
        w->state = NGX_PROF_DRAINING;
        return;
    }

    w->state = NGX_PROF_RUNNING;
}


static void
ngx_prof_snapshot_counts(ngx_prof_snapshot_t *s, ngx_prof_worker_t *w)
{
    ngx_prof_hist_t    *passes;
    ngx_prof_slot_t    *slot;
    ngx_prof_counts_t  *c;

    slot = w->slot;
    c = &s->scratch;

    ngx_prof_totals_sum(&w->totals, &slot->totals, &slot->base);

    if (w->totals.pauses == 0) {
        w->last_pause = 0;
    }

    ngx_memzero(c, sizeof(ngx_prof_counts_t));
    ngx_prof_counts_sum(c, &slot->all, &slot->base_all);

    w->requests = ngx_prof_counts_requests(c);
    w->errors = ngx_prof_counts_class(c, 5);
    w->client_errors = ngx_prof_counts_class(c, 4);
    w->bytes_in = c->plain.bytes_in;
    w->bytes_out = c->plain.bytes_out;
    ngx_prof_quantiles(&c->latency, &w->latency);

    passes = &c->latency;
    ngx_memzero(passes, sizeof(ngx_prof_hist_t));
    ngx_prof_hist_sum(passes, &slot->passes, &slot->base_passes);
    ngx_prof_quantiles(passes, &w->passes);
}


/*
 * A worker was killed a moment ago: nobody tells what it did in the latest
 * interval, until the one that replaces it has one
 */

static void
ngx_prof_snapshot_killed(ngx_prof_snapshot_t *s, ngx_prof_slot_t *slot)
{
    uint64_t           silence;
    ngx_prof_gauges_t  gauges;

    silence = 2 * ngx_prof_conf_ns(s->conf, NGX_PROF_INTERVAL);

    if (ngx_prof_slot_pid(slot) == 0) {
        return;
    }

    if (ngx_prof_record_read(&slot->gauges_seq, &gauges, &slot->gauges,
                             sizeof(ngx_prof_gauges_t))
        != NGX_OK
        || gauges.clock + silence > s->clock)
    {
        s->gauges.unavailable |= NGX_PROF_NO_INTERVAL;
    }
}


/*
 * Rates of the latest interval.  Where the next tick is overdue, since that
 * interval: counters of requests and of CPU time are those of now.
 */

static void
ngx_prof_snapshot_rated(ngx_prof_snapshot_t *s, ngx_prof_worker_t *w)
{
    uint64_t           passed, interval;
    ngx_prof_slot_t   *slot;
    ngx_prof_rated_t  *rated, *since;

    if (!w->known) {
        w->gauges.unavailable |= NGX_PROF_NO_TICK|NGX_PROF_NO_INTERVAL;
        return;
    }

    slot = w->slot;
    rated = &w->rated;
    since = &w->gauges.since;
    *rated = w->gauges.interval;

    interval = ngx_prof_conf_ns(s->conf, NGX_PROF_INTERVAL);
    passed = ngx_prof_passed(since->clock, s->clock);

    if (passed > interval + interval / 10) {
        rated->clock = passed;
        rated->requests = ngx_prof_counts_requests(&slot->all)
                          - since->requests;
        rated->errors = ngx_prof_counts_class(&slot->all, 5) - since->errors;
        rated->cpu = ngx_prof_load(&slot->totals.user)
                     + ngx_prof_load(&slot->totals.system) - since->cpu;

        rated->busy = ngx_prof_snapshot_busy(s, slot);
        rated->busy = (rated->busy > since->busy)
                      ? ngx_min(rated->busy - since->busy, passed) : 0;

        if (w->silent > interval && !ngx_prof_load(&slot->usage_timed)) {
            w->gauges.unavailable |= NGX_PROF_NO_USAGE;
        }
    }

    if (rated->clock == 0) {
        w->gauges.unavailable |= NGX_PROF_NO_INTERVAL;
    }
}


/* ns that the loop of a worker has been busy, with those of its pass */

static uint64_t
ngx_prof_snapshot_busy(ngx_prof_snapshot_t *s, const ngx_prof_slot_t *slot)
{
    uint64_t  busy, pass;

    busy = ngx_prof_load(&slot->totals.busy);
    pass = ngx_prof_load(&slot->pass_start);

    if (ngx_prof_slot_waiting(slot) || pass == 0 || pass > s->clock) {
        return busy;
    }

    return busy + (s->clock - pass);
}


static void
ngx_prof_snapshot_gauges(ngx_prof_snapshot_t *s, ngx_prof_worker_t *w)
{
    double              seconds;
    ngx_prof_gauges_t  *sum, *g;

    g = &w->gauges;
    sum = &s->gauges;

    sum->unavailable |= g->unavailable;

    if (!w->known) {
        return;
    }

    sum->heap_alloc += g->heap_alloc;
    sum->heap_sys += g->heap_sys;
    sum->next_gc += g->next_gc;
    sum->anonymous += g->anonymous;
    sum->inherited += g->inherited;
    sum->estimated |= g->estimated;
    sum->files = ngx_max(sum->files, g->files);
    sum->shared = ngx_max(sum->shared, g->shared);
    sum->stack_inuse += g->stack_inuse;
    sum->stack_sys += g->stack_sys;
    sum->threads += g->threads;
    sum->descriptors += g->descriptors;
    sum->connections += g->connections;
    sum->active += g->active;
    sum->reading += g->reading;
    sum->writing += g->writing;
    sum->waiting += g->waiting;
    sum->upstream += g->upstream;
    sum->keepalive += g->keepalive;
    sum->other += g->other;
    sum->streams += g->streams;
    sum->free += g->free;
    sum->collect = ngx_max(sum->collect, g->collect);
    sum->clock = ngx_max(sum->clock, g->clock);

    if (w->rated.clock == 0) {
        return;
    }

    s->rated += w->rated.clock;
    s->busy += w->rated.busy;

    seconds = ngx_prof_seconds(w->rated.clock);

    s->request_rate += (double) w->rated.requests / seconds;
    s->error_rate += (double) w->rated.errors / seconds;
    s->cpu_usage += (double) w->rated.cpu / 1e4 / seconds;
    s->utilization = (double) s->busy / (double) s->rated;
}


uint64_t
ngx_prof_snapshot_lived(ngx_prof_snapshot_t *s)
{
    return s->totals.busy + s->totals.wait;
}


double
ngx_prof_share(uint64_t part, uint64_t whole)
{
    return whole ? (double) ngx_min(part, whole) / (double) whole : 0;
}


uint64_t
ngx_prof_snapshot_sys(ngx_prof_snapshot_t *s)
{
    return s->gauges.anonymous + s->gauges.shared;
}


double
ngx_prof_snapshot_usage(ngx_prof_snapshot_t *s)
{
    return 100.0 * (double) ngx_prof_snapshot_sys(s)
           / (double) s->memory_limit;
}


double
ngx_prof_snapshot_uptime(ngx_prof_snapshot_t *s)
{
    ngx_prof_worker_t  *w;

    if (s->filter && s->workers.nelts) {
        w = s->workers.elts;
        return ngx_prof_seconds(s->clock - w->claimed);
    }

    return ngx_prof_seconds(s->clock - s->zone->start_clock);
}


ngx_int_t
ngx_prof_snapshot_place(ngx_prof_snapshot_t *s, ngx_uint_t place,
    ngx_prof_counts_t *dst)
{
    ngx_prof_cells_sum(s->zone, place, s->filter, dst);

    return (dst->latency.top || dst->upstream.top || dst->plain.internal
            || dst->plain.handed_over || dst->plain.no_live || dst->plain.loop)
           ? NGX_OK : NGX_DECLINED;
}


void
ngx_prof_quantiles(const ngx_prof_hist_t *h, ngx_prof_quantiles_t *q)
{
    q->number = ngx_prof_hist_number(h);
    q->p50 = ngx_prof_hist_quantile(h, 0.5);
    q->p90 = ngx_prof_hist_quantile(h, 0.9);
    q->p99 = ngx_prof_hist_quantile(h, 0.99);
    q->p999 = ngx_prof_hist_quantile(h, 0.999);
    q->max = h->max;
}


ngx_int_t
ngx_prof_snapshot_sample(ngx_prof_snapshot_t *s, uint32_t tick,
    ngx_prof_sample_t *carry, ngx_prof_sample_t *sum, ngx_uint_t *workers)
{
    ngx_uint_t         i;
    ngx_prof_slot_t   *slot;
    ngx_prof_sample_t  sample;

    ngx_memzero(sum, sizeof(ngx_prof_sample_t));
    *workers = 0;

    for (i = 0; i < s->zone->slots; i++) {
        slot = ngx_prof_zone_slot(s->zone, i);

        if (!ngx_prof_slot_of(slot, s->filter)
            || (s->filter && tick <= ngx_prof_load(&slot->tick)))
        {
            continue;
        }

        if (ngx_prof_snapshot_read(s, slot, tick, &sample) == NGX_OK) {
            if (sample.clock) {
                ngx_prof_snapshot_live(sum, &sample, ++*workers);
            }

            if (s->filter) {
                ngx_prof_snapshot_less(&sample, slot);
            }

            carry[i] = sample;

        } else {
            sum->unavailable |= ngx_prof_snapshot_absent(s, slot, tick,
                                                         &carry[i]);
        }

        ngx_prof_snapshot_counters(sum, &carry[i]);
    }

    if (*workers == 0) {
        return NGX_DECLINED;
    }

    sum->tick = tick;

    return NGX_OK;
}


/*
 * samples written with another interval belong to other times than their ticks
 * say
 */

static ngx_int_t
ngx_prof_snapshot_read(ngx_prof_snapshot_t *s, ngx_prof_slot_t *slot,
    uint32_t tick, ngx_prof_sample_t *sample)
{
    if (ngx_prof_load_acquire(&slot->interval)
        != ngx_prof_conf_ms(s->conf, NGX_PROF_INTERVAL))
    {
        return NGX_DECLINED;
    }

    return ngx_prof_ring_read(ngx_prof_zone_history(slot),
                              s->zone->history, tick, sample);
}


/* n: workers, this one included; the time of the sum is the mean of theirs */

static void
ngx_prof_snapshot_live(ngx_prof_sample_t *sum, const ngx_prof_sample_t *from,
    ngx_uint_t n)
{
    uint64_t  inuse, sys;

    sum->clock += (uint64_t) ((int64_t) (from->clock - sum->clock)
                              / (int64_t) n);
    sum->unavailable |= from->unavailable;
    sum->heap_alloc += from->heap_alloc;
    sum->heap_sys += from->heap_sys;
    sum->next_gc += from->next_gc;
    sum->anonymous += from->anonymous;
    sum->shared = ngx_max(sum->shared, from->shared);
    sum->files = ngx_max(sum->files, from->files);
    sum->connections += from->connections;

    inuse = ngx_prof_sample_stack_inuse(sum)
            + ngx_prof_sample_stack_inuse(from);
    sys = ngx_prof_sample_stack_sys(sum)
          + ngx_prof_sample_stack_sys(from);

    sum->stacks = ngx_prof_sample_stacks(inuse, sys);
}


static void
ngx_prof_snapshot_counters(ngx_prof_sample_t *sum,
    const ngx_prof_sample_t *from)
{
    sum->tasks += from->tasks;
    sum->total_alloc += from->total_alloc;
    sum->mallocs += from->mallocs;
    sum->frees += from->frees;
    sum->pause_total += from->pause_total;
    sum->requests += from->requests;
    sum->errors += from->errors;
    sum->cpu += from->cpu;
    sum->pauses += from->pauses;
    sum->last_pause = ngx_max(sum->last_pause, from->last_pause);
}


/* subtracts the counters of the slot's earlier owners */

static void
ngx_prof_snapshot_less(ngx_prof_sample_t *sample, const ngx_prof_slot_t *slot)
{
    sample->tasks -= (uint32_t) slot->base.tasks;
    sample->total_alloc -= slot->base.total_alloc;
    sample->mallocs -= slot->base.mallocs;
    sample->frees -= slot->base.frees;
    sample->pause_total -= slot->base.pause_total;
    sample->requests -= ngx_prof_counts_requests(&slot->base_all);
    sample->errors -= ngx_prof_counts_class(&slot->base_all, 5);
    sample->cpu -= slot->base.user + slot->base.system;
    sample->pauses -= (uint32_t) slot->base.pauses;

    if (sample->pauses == 0) {
        sample->last_pause = 0;
    }
}


/*
 * A slot without a sample of the tick: its counters are those of the one
 * before.  A worker that has ended left them as they are.
 */

static uint64_t
ngx_prof_snapshot_absent(ngx_prof_snapshot_t *s, ngx_prof_slot_t *slot,
    uint32_t tick, ngx_prof_sample_t *carry)
{
    if (s->filter) {
        return 0;
    }

    if (carry->tick == 0) {
        ngx_prof_snapshot_missed(s, slot, tick, carry);
    }

    if (tick <= ngx_prof_load(&slot->tick)) {
        return 0;
    }

    if (ngx_prof_load(&slot->interval)
        == ngx_prof_conf_ms(s->conf, NGX_PROF_INTERVAL)
        && ngx_prof_slot_alive(slot))
    {
        return NGX_PROF_NO_SAMPLE;
    }

    if (carry->clock && ngx_prof_load(&slot->last_tick) < tick) {
        ngx_prof_snapshot_ended(&slot->totals, &slot->all, carry);
    }

    return 0;
}


/*
 * A slot without a sample of the first tick that is asked for.  Without one
 * before, its counters at that tick were at most those of its next sample.  If
 * that sample is of an owner that began later, or if there is none and the
 * owner is alive, they are known better: as the owner found them.  If its last
 * owner ended before, they did not change.
 */

static void
ngx_prof_snapshot_missed(ngx_prof_snapshot_t *s, ngx_prof_slot_t *slot,
    uint32_t tick, ngx_prof_sample_t *sample)
{
    uint32_t   first, next, last;
    ngx_int_t  rc;

    first = (uint32_t) ngx_prof_load(&slot->tick);
    last = (uint32_t) ngx_prof_load(&slot->last_tick);
    rc = NGX_DECLINED;

    for (next = ngx_min(last, tick - 1);
         next && tick - next < s->zone->history && rc != NGX_OK;
         next--)
    {
        rc = ngx_prof_snapshot_read(s, slot, next, sample);
    }

    if (rc == NGX_OK) {
        return;
    }

    for (next = tick;
         next < last && next - tick < s->zone->history && rc != NGX_OK; )
    {
        rc = ngx_prof_snapshot_read(s, slot, ++next, sample);
    }

    if (rc == NGX_OK && (next <= first || tick >= first)) {
        return;
    }

    if (rc == NGX_OK || ngx_prof_slot_alive(slot)) {
        ngx_prof_snapshot_ended(&slot->base, &slot->base_all, sample);
        return;
    }

    ngx_prof_snapshot_ended(&slot->totals, &slot->all, sample);
}


static void
ngx_prof_snapshot_ended(const ngx_prof_totals_t *t, const ngx_prof_counts_t *c,
    ngx_prof_sample_t *sample)
{
    ngx_memzero(sample, sizeof(ngx_prof_sample_t));

    sample->tick = 1;
    sample->tasks = (uint32_t) ngx_prof_load(&t->tasks);
    sample->total_alloc = ngx_prof_load(&t->total_alloc);
    sample->mallocs = ngx_prof_load(&t->mallocs);
    sample->frees = ngx_prof_load(&t->frees);
    sample->pause_total = ngx_prof_load(&t->pause_total);
    sample->requests = ngx_prof_counts_requests(c);
    sample->errors = ngx_prof_counts_class(c, 5);
    sample->cpu = ngx_prof_load(&t->user)
                  + ngx_prof_load(&t->system);
    sample->pauses = (uint32_t) ngx_prof_load(&t->pauses);
}
