
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_watch.h"
#include "ngx_prof_alive.h"
#include "ngx_prof_base.h"
#include "ngx_prof_claim.h"
#include "ngx_prof_conf.h"
#include "ngx_prof_cpu_profile.h"
#include "ngx_prof_encode.h"
#include "ngx_prof_hang.h"
#include "ngx_prof_incident.h"
#include "ngx_prof_job.h"
#include "ngx_prof_owner.h"
#include "ngx_prof_proc.h"
#include "ngx_prof_record.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_shared.h"
#include "ngx_prof_snapshot.h"
#include "ngx_prof_worker.h"


/* a worker whose loop has not run for so many intervals is stuck */
#define NGX_PROF_WATCH_STUCK     3

/* requests of an interval from which on, and percent of errors that are many */
#define NGX_PROF_WATCH_REQUESTS  20
#define NGX_PROF_WATCH_ERRORS    5

/* percent of connections in use */
#define NGX_PROF_WATCH_FULL      90

/* ns in which the limit of memory is not asked for again */
#define NGX_PROF_WATCH_LIMIT     10000000000ULL


/* attempts to freeze one, and ns from the first to the second */
#define NGX_PROF_WATCH_TRIES     10
#define NGX_PROF_WATCH_AGAIN     2000000000ULL


/* what all workers have, at their latest ticks */

typedef struct {
    uint64_t              now;
    uint64_t              interval;             /* ns */
    uint64_t              anonymous;
    uint64_t              shared;
    uint64_t              requests;             /* of the latest interval */
    uint64_t              errors;
    uint64_t              full;                 /* percent, of the fullest */
    ngx_pid_t             fullest;
} ngx_prof_watched_t;


/* an incident that is being frozen by this worker */

typedef struct {
    ngx_prof_incident_t  *incident;             /* NULL: none */
    uint64_t              number;
    ngx_pool_t           *pool;
    ngx_prof_snapshot_t  *snapshot;
    ngx_prof_sample_t    *carry;                /* one a slot */
    uint32_t              tick;                 /* the next one, and the last */
    uint32_t              last;
    ngx_uint_t            step;                 /* ticks of which one is kept */
    ngx_uint_t            slot;
    ngx_prof_job_t        job;
} ngx_prof_freeze_t;


static uint64_t ngx_prof_watch_due(const ngx_prof_incident_t *incident);
static void ngx_prof_watch_all(void);
static void ngx_prof_watch_slot(ngx_prof_watched_t *w, ngx_prof_slot_t *slot,
    ngx_pid_t pid, ngx_uint_t *stuck);
static void ngx_prof_watch_stuck(ngx_prof_slot_t *slot, ngx_pid_t pid,
    uint64_t seen, uint64_t silent);
static void ngx_prof_watch_memory(const ngx_prof_watched_t *w);
static void ngx_prof_watch_when(ngx_uint_t reason, ngx_uint_t is, uint64_t pid,
    uint64_t value);
static void ngx_prof_freeze(ngx_prof_incident_t *incident, ngx_log_t *log);
static ngx_int_t ngx_prof_freeze_begin(void *data);
static ngx_int_t ngx_prof_freeze_samples(void *data);
static ngx_int_t ngx_prof_freeze_pauses(void *data);
static ngx_uint_t ngx_prof_freeze_same(const ngx_prof_incident_t *incident,
    const ngx_prof_pause_t *pause);
static void ngx_prof_freeze_pause(ngx_prof_incident_t *incident,
    const ngx_prof_pause_t *pause);
static void ngx_prof_freeze_profile(void *data, ngx_int_t rc);
static void ngx_prof_freeze_captured(void *data, ngx_int_t rc,
    ngx_prof_text_t *raw);
static void ngx_prof_freeze_encoded(void *data, ngx_int_t rc,
    ngx_prof_text_t *out, ngx_str_t *error);
static void ngx_prof_freeze_keep(ngx_prof_incident_t *incident,
    const ngx_prof_text_t *out);
static void ngx_prof_freeze_end(ngx_uint_t frozen);


static ngx_prof_freeze_t  ngx_prof_freezing;


void
ngx_prof_watch_init_module(ngx_cycle_t *cycle, ngx_prof_zone_t *zone)
{
    ngx_uint_t             n;
    ngx_prof_main_conf_t  *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle,
                                              ngx_http_profiling_module);

    n = ngx_prof_conf_setting(mcf, NGX_PROF_INCIDENTS);

    if (zone->incidents) {

        if (zone->incident_n != n) {
            ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                          "a new profiling_incidents takes effect when nginx "
                          "is started anew, it stays %ui", zone->incident_n);
        }

        return;
    }

    if (n == 0) {
        return;
    }

    zone->incidents = ngx_prof_shared(ngx_prof_incidents_size(n));

    if (zone->incidents == NULL) {
        ngx_log_error(NGX_LOG_WARN, cycle->log, ngx_errno,
                      "no incidents are kept: mmap() of %uz bytes failed",
                      ngx_prof_incidents_size(n));
        return;
    }

    zone->incident_n = n;
}


void
ngx_prof_watch_tick(ngx_log_t *log)
{
    uint64_t               now, checked, interval;
    ngx_uint_t             i;
    ngx_prof_zone_t       *zone;
    ngx_prof_incident_t   *incident;
    ngx_prof_incidents_t  *incidents;

    zone = ngx_prof_process.zone;
    incidents = zone->incidents;

    if (incidents == NULL) {
        return;
    }

    now = ngx_prof_clock();
    interval = (uint64_t) ngx_prof_setting(NGX_PROF_INTERVAL)
               * NGX_PROF_NSEC_PER_MSEC;
    checked = ngx_prof_load(&incidents->checked);

    if (now - checked < interval - interval / 4
        || !__atomic_compare_exchange_n(&incidents->checked, &checked, now, 0,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED))
    {
        return;
    }

    ngx_prof_watch_all();

    if (ngx_prof_freezing.incident || ngx_exiting || ngx_quit) {
        return;
    }

    for (i = 0; i < zone->incident_n; i++) {
        incident = &incidents->incident[i];

        if (ngx_prof_load_acquire(&incident->number)
            && ngx_prof_load(&incident->state) == NGX_PROF_INCIDENT_RECORDING
            && now >= ngx_prof_watch_due(incident))
        {
            ngx_prof_claim_reap(&incident->owner);

            if (ngx_prof_claim_take(&incident->owner) == NGX_OK) {
                ngx_prof_freeze(incident, log);
                return;
            }
        }
    }
}


/* an encoder that had no time may have some later, while it is recorded */

static uint64_t
ngx_prof_watch_due(const ngx_prof_incident_t *incident)
{
    uint64_t  tries;

    tries = ngx_min(ngx_prof_load(&incident->tries), NGX_PROF_WATCH_TRIES);

    return ngx_prof_load(&incident->clock) + NGX_PROF_INCIDENT_AFTER
           + tries * tries * NGX_PROF_WATCH_AGAIN;
}


void
ngx_prof_watch_finish(void)
{
    if (ngx_prof_freezing.incident) {
        ngx_prof_freeze_end(0);
    }
}


static void
ngx_prof_watch_all(void)
{
    ngx_pid_t            pid;
    ngx_uint_t           i, stuck;
    ngx_prof_slot_t     *slot;
    ngx_prof_zone_t     *zone;
    ngx_prof_watched_t   w;

    zone = ngx_prof_process.zone;
    stuck = 0;

    ngx_memzero(&w, sizeof(ngx_prof_watched_t));

    w.now = ngx_prof_clock();
    w.interval = (uint64_t) ngx_prof_setting(NGX_PROF_INTERVAL)
                 * NGX_PROF_NSEC_PER_MSEC;

    for (i = 0; i < zone->slots; i++) {
        slot = ngx_prof_zone_slot(zone, i);

        if (ngx_prof_load(&slot->claims) == 0) {
            continue;
        }

        pid = ngx_prof_slot_pid(slot);

        if (pid && ngx_prof_slot_alive(slot)) {
            ngx_prof_watch_slot(&w, slot, pid, &stuck);
        }
    }

    if (!stuck) {
        ngx_prof_incident_over(zone->incidents, NGX_PROF_INCIDENT_STUCK);
    }

    ngx_prof_watch_memory(&w);

    ngx_prof_watch_when(NGX_PROF_INCIDENT_ERRORS,
                        w.requests >= NGX_PROF_WATCH_REQUESTS
                        && w.errors * 100
                           > w.requests * NGX_PROF_WATCH_ERRORS,
                        0, w.requests ? w.errors * 100 / w.requests : 0);

    ngx_prof_watch_when(NGX_PROF_INCIDENT_CAPACITY,
                        w.full >= NGX_PROF_WATCH_FULL, w.fullest, w.full);
}


static void
ngx_prof_watch_slot(ngx_prof_watched_t *w, ngx_prof_slot_t *slot,
    ngx_pid_t pid, ngx_uint_t *stuck)
{
    uint64_t           seen, full;
    ngx_prof_gauges_t  g;

    if (ngx_prof_record_read(&slot->gauges_seq, &g, &slot->gauges,
                             sizeof(ngx_prof_gauges_t))
        != NGX_OK
        || g.clock == 0)
    {
        return;
    }

    seen = ngx_max(ngx_prof_load(&slot->pass_start),
                   ngx_prof_load(&slot->wait_start));
    seen = ngx_max(seen, g.clock);

    if (slot != ngx_prof_process.slot
        && w->now > seen + NGX_PROF_WATCH_STUCK * w->interval)
    {
        *stuck = 1;
        ngx_prof_watch_stuck(slot, pid, seen, w->now - seen);
    }

    w->anonymous += g.anonymous;
    w->shared = ngx_max(w->shared, g.shared);

    if (g.interval.clock && g.clock + 2 * w->interval > w->now) {
        w->requests += g.interval.requests;
        w->errors += g.interval.errors;
    }

    full = g.connections + g.free;
    full = full ? g.connections * 100 / full : 0;

    if (full > w->full) {
        w->full = full;
        w->fullest = pid;
    }
}


/* once for each pass that does not end */

static void
ngx_prof_watch_stuck(ngx_prof_slot_t *slot, ngx_pid_t pid, uint64_t seen,
    uint64_t silent)
{
    uint64_t                duration;
    ngx_uint_t              i;
    ngx_prof_pause_t        where;
    ngx_prof_pause_seen_t   at;

    ngx_memzero(&where, sizeof(ngx_prof_pause_t));

    where.pid = pid;
    where.duration = silent;

    if (ngx_prof_hang_read(slot, 0, &at, &duration) == NGX_OK) {
        where.duration = duration;
        where.label = at.label;
        where.cause = at.blocked ? NGX_PROF_CAUSE_BLOCKED : NGX_PROF_CAUSE_CPU;
        where.n = ngx_min(at.n, NGX_PROF_PAUSE_FRAMES);

        for (i = 0; i < where.n; i++) {
            where.frames[i] = at.frames[i];
        }
    }

    ngx_prof_incident(NGX_PROF_INCIDENT_STUCK, seen ^ (uint64_t) pid << 40,
                      pid, silent, &where);
}


static void
ngx_prof_watch_memory(const ngx_prof_watched_t *w)
{
    uint64_t         used, limit;
    static uint64_t  known, clock;

    limit = ngx_prof_setting(NGX_PROF_MEMORY_LIMIT);

    if (limit == 0) {

        if (known == 0 || w->now - clock > NGX_PROF_WATCH_LIMIT) {
            known = ngx_prof_memory_limit();
            clock = w->now;
        }

        limit = known;
    }

    used = limit ? (w->anonymous + w->shared) * 100 / limit : 0;

    ngx_prof_watch_when(NGX_PROF_INCIDENT_MEMORY,
                        used >= (uint64_t)
                                ngx_prof_setting(NGX_PROF_MEMORY_CRITICAL),
                        0, used);
}


/* once, until it is over */

static void
ngx_prof_watch_when(ngx_uint_t reason, ngx_uint_t is, uint64_t pid,
    uint64_t value)
{
    if (is) {
        ngx_prof_incident(reason, 1, pid, value, NULL);
        return;
    }

    ngx_prof_incident_over(ngx_prof_process.zone->incidents, reason);
}


/* samples and pauses first, then the profile */

static void
ngx_prof_freeze(ngx_prof_incident_t *incident, ngx_log_t *log)
{
    ngx_prof_freeze_t  *f;

    f = &ngx_prof_freezing;
    ngx_memzero(f, sizeof(ngx_prof_freeze_t));

    f->incident = incident;
    f->number = ngx_prof_load(&incident->number);
    f->pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, log);

    if (f->pool) {
        f->snapshot = ngx_prof_snapshot_create(f->pool, 0);
        f->carry = ngx_pcalloc(f->pool, ngx_prof_process.zone->slots
                                        * sizeof(ngx_prof_sample_t));
    }

    if (f->pool == NULL || f->snapshot == NULL || f->carry == NULL) {
        ngx_prof_freeze_end(0);
        return;
    }

    ngx_prof_store(&incident->sample_n, 0);
    ngx_prof_store(&incident->pause_n, 0);

    /* a worker that pauses often has overwritten the one that was seen */

    if (incident->reason == NGX_PROF_INCIDENT_STALL) {
        ngx_prof_freeze_pause(incident, &incident->where);
    }

    f->job.step = ngx_prof_freeze_begin;
    f->job.done = ngx_prof_freeze_profile;
    f->job.data = f;

    ngx_prof_job_start(&f->job, log);
}


static ngx_int_t
ngx_prof_freeze_begin(void *data)
{
    ngx_prof_freeze_t *f = data;

    uint64_t  interval, until, ticks;

    if (ngx_prof_snapshot_next(f->snapshot) == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    interval = ngx_prof_setting(NGX_PROF_INTERVAL);
    until = f->incident->clock + NGX_PROF_INCIDENT_AFTER;

    f->tick = ngx_prof_tick(f->incident->begin, interval);
    f->last = ngx_prof_tick(until, interval);

    /* older ticks than the history has tell nothing */

    ticks = ngx_min(f->last - f->tick + 1, ngx_prof_process.zone->history);
    f->tick = f->last - (uint32_t) ticks + 1;
    f->step = (ticks + NGX_PROF_INCIDENT_SAMPLES - 1)
              / NGX_PROF_INCIDENT_SAMPLES;

    f->job.step = ngx_prof_freeze_samples;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_prof_freeze_samples(void *data)
{
    ngx_prof_freeze_t *f = data;

    ngx_uint_t                   n, workers;
    ngx_prof_sample_t            sum;
    ngx_prof_incident_sample_t  *sample;

    if (ngx_prof_snapshot_sample(f->snapshot, f->tick, f->carry, &sum,
                                 &workers)
        == NGX_OK
        && (f->last - f->tick) % f->step == 0)
    {
        n = f->incident->sample_n;

        if (n < NGX_PROF_INCIDENT_SAMPLES) {
            sample = &f->incident->sample[n];
            sample->sum = sum;
            sample->workers = workers;

            ngx_prof_store(&f->incident->sample_n, n + 1);
        }
    }

    if (f->tick++ == f->last) {
        f->job.step = ngx_prof_freeze_pauses;
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_prof_freeze_pauses(void *data)
{
    ngx_prof_freeze_t *f = data;

    uint64_t          until;
    ngx_uint_t        i;
    ngx_prof_slot_t  *slot;
    ngx_prof_pause_t  pause;

    if (f->slot == ngx_prof_process.zone->slots) {
        return NGX_OK;
    }

    slot = ngx_prof_zone_slot(ngx_prof_process.zone, f->slot++);
    until = f->incident->clock + NGX_PROF_INCIDENT_AFTER;

    for (i = 0; ngx_prof_load(&slot->claims) && i < NGX_PROF_PAUSES; i++) {

        if (ngx_prof_load(&slot->pause[i].number)
            && ngx_prof_pause_read(&slot->pause[i], &pause) == NGX_OK
            && pause.clock >= f->incident->begin
            && pause.clock <= until
            && !ngx_prof_freeze_same(f->incident, &pause))
        {
            ngx_prof_freeze_pause(f->incident, &pause);
        }
    }

    return NGX_AGAIN;
}


/* 1: the pause is the stall itself, which is kept already */

static ngx_uint_t
ngx_prof_freeze_same(const ngx_prof_incident_t *incident,
    const ngx_prof_pause_t *pause)
{
    return incident->reason == NGX_PROF_INCIDENT_STALL
           && pause->pid == incident->where.pid
           && pause->number == incident->where.number;
}


/* the longest ones */

static void
ngx_prof_freeze_pause(ngx_prof_incident_t *incident,
    const ngx_prof_pause_t *pause)
{
    uint64_t    n;
    ngx_uint_t  i, least;

    n = incident->pause_n;

    if (n < NGX_PROF_INCIDENT_PAUSES) {
        incident->pause[n] = *pause;
        ngx_prof_store(&incident->pause_n, n + 1);
        return;
    }

    least = 0;

    for (i = 1; i < NGX_PROF_INCIDENT_PAUSES; i++) {

        if (incident->pause[i].duration < incident->pause[least].duration) {
            least = i;
        }
    }

    if (incident->pause[least].duration < pause->duration) {
        incident->pause[least] = *pause;
    }
}


static void
ngx_prof_freeze_profile(void *data, ngx_int_t rc)
{
    ngx_prof_freeze_t *f = data;

    ngx_prof_span_t  span;

    span.from = f->incident->begin / NGX_PROF_NSEC_PER_MSEC;
    span.until = (f->incident->clock + NGX_PROF_INCIDENT_AFTER)
                 / NGX_PROF_NSEC_PER_MSEC;

    if (rc != NGX_OK
        || ngx_prof_cpu_profile_past(f->pool, f->job.event.log, &span, 0,
                                     ngx_prof_freeze_captured, f)
           != NGX_OK)
    {
        ngx_prof_freeze_end(0);
    }
}


static void
ngx_prof_freeze_captured(void *data, ngx_int_t rc, ngx_prof_text_t *raw)
{
    ngx_prof_freeze_t *f = data;

    ngx_str_t  error;

    if (rc == NGX_OK) {
        rc = ngx_prof_encode(f->pool, f->job.event.log, raw,
                             NGX_PROF_ENCODE_CAPTURED, 0,
                             ngx_prof_freeze_encoded, f, &error);
    }

    if (rc != NGX_OK) {
        ngx_prof_freeze_end(0);
    }
}


static void
ngx_prof_freeze_encoded(void *data, ngx_int_t rc, ngx_prof_text_t *out,
    ngx_str_t *error)
{
    ngx_prof_freeze_t *f = data;

    if (rc == NGX_OK && ngx_prof_load(&f->incident->number) == f->number) {
        ngx_prof_freeze_keep(f->incident, out);
    }

    ngx_prof_freeze_end(rc == NGX_OK);
}


static void
ngx_prof_freeze_keep(ngx_prof_incident_t *incident, const ngx_prof_text_t *out)
{
    size_t              n, len;
    const ngx_chain_t  *cl;

    len = 0;

    for (cl = out->first; cl; cl = cl->next) {
        n = cl->buf->last - cl->buf->pos;

        if (n > NGX_PROF_INCIDENT_PROFILE - len) {
            return;
        }

        ngx_memcpy(incident->profile + len, cl->buf->pos, n);
        len += n;
    }

    ngx_prof_store_release(&incident->profile_len, len);
}


/* 0: another worker may try it, or this one, at a later tick */

static void
ngx_prof_freeze_end(ngx_uint_t frozen)
{
    uint64_t            kept;
    ngx_pool_t         *pool;
    ngx_prof_freeze_t  *f;

    f = &ngx_prof_freezing;
    pool = f->pool;

    kept = (uint64_t) ngx_prof_setting(NGX_PROF_RECORD)
           * NGX_PROF_NSEC_PER_MSEC;

    if (!frozen && f->pool) {
        ngx_prof_store(&f->incident->tries, f->incident->tries + 1);
    }

    if (frozen
        || f->incident->tries >= NGX_PROF_WATCH_TRIES
        || ngx_prof_clock() > f->incident->clock + kept)
    {
        ngx_prof_store_release(&f->incident->state, NGX_PROF_INCIDENT_FROZEN);
    }

    ngx_prof_claim_give(&f->incident->owner);
    ngx_prof_job_stop(&f->job);

    f->incident = NULL;

    if (pool) {
        ngx_destroy_pool(pool);
    }
}
