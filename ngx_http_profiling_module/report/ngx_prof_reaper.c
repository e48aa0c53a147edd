
#include <ngx_config.h>
#include <ngx_core.h>
#include <sys/wait.h>
#include "ngx_prof_reaper.h"
#include "ngx_prof_alive.h"
#include "ngx_prof_base.h"
#include "ngx_prof_claim.h"
#include "ngx_prof_death.h"
#include "ngx_prof_frame.h"
#include "ngx_prof_heap.h"
#include "ngx_prof_label.h"
#include "ngx_prof_objects.h"
#include "ngx_prof_owner.h"
#include "ngx_prof_proc.h"
#include "ngx_prof_incident.h"
#include "ngx_prof_record.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_stacks.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


/* times of 1 ms that a worker which starts waits for one that reaps */
#define NGX_PROF_REAP_WAITS   100

/* ns after which the record of a worker whose end nobody saw is given up */
#define NGX_PROF_REAP_UNSEEN  ((uint64_t) 60 * NGX_PROF_NSEC_PER_SEC)

/* functions in the log, from the one that says where it was */
#define NGX_PROF_REAP_NAMES   4

/* frames that tell reports apart */
#define NGX_PROF_REAP_ALIKE   8


static void ngx_prof_reap_all(ngx_prof_deaths_t *deaths, ngx_log_t *log);
static void ngx_prof_reap_one(ngx_prof_deaths_t *deaths,
    const ngx_prof_exit_t *e, ngx_log_t *log);
static void ngx_prof_reap_spent(ngx_prof_deaths_t *deaths,
    const ngx_prof_exit_t *e);
static ngx_prof_slot_t *ngx_prof_reap_slot(uint64_t pid,
    ngx_uint_t *released);
static ngx_uint_t ngx_prof_reap_whole(const ngx_prof_slot_t *slot,
    const ngx_prof_exit_t *e);
static ngx_uint_t ngx_prof_reap_waited(uint64_t pid);
static ngx_uint_t ngx_prof_reap_kind(ngx_prof_deaths_t *deaths,
    const ngx_prof_report_t *r);
static void ngx_prof_reap_kills(ngx_prof_deaths_t *deaths, uint64_t now);
static void ngx_prof_reap_record(ngx_prof_deaths_t *deaths,
    ngx_prof_report_t *r, const ngx_prof_slot_t *slot);
static void ngx_prof_reap_words(ngx_prof_report_t *r,
    const ngx_prof_slot_t *slot);
static void ngx_prof_reap_before(ngx_prof_report_t *r,
    const ngx_prof_slot_t *slot);
static void ngx_prof_reap_heap(ngx_prof_report_t *r,
    const ngx_prof_slot_t *slot);
static void ngx_prof_reap_holder(ngx_prof_report_t *r, uint64_t bytes,
    const ngx_prof_tally_t *tally, const ngx_prof_stacks_t *stacks);
static void ngx_prof_reap_hash(ngx_prof_deaths_t *deaths,
    ngx_prof_report_t *r);
static void ngx_prof_reap_log(ngx_prof_deaths_t *deaths,
    const ngx_prof_report_t *r, ngx_log_t *log);
static const char *ngx_prof_reap_name(uint64_t frame);
static void ngx_prof_reap_unseen(ngx_prof_deaths_t *deaths);
static void ngx_prof_reap_incident(const ngx_prof_report_t *r);


/* by who has the claim */
static ngx_prof_report_t  ngx_prof_reaped;


static ngx_inline ngx_prof_deaths_t *
ngx_prof_reap_deaths(void)
{
    return &ngx_prof_process.zone->header->deaths;
}


void
ngx_prof_reap(ngx_log_t *log)
{
    ngx_prof_deaths_t  *deaths;

    deaths = ngx_prof_reap_deaths();

    if (ngx_prof_load(&deaths->exit_n) != ngx_prof_load(&deaths->seen)
        && ngx_prof_claim_take(&deaths->owner) == NGX_OK)
    {
        ngx_prof_reap_all(deaths, log);
        ngx_prof_claim_give(&deaths->owner);
    }
}


void
ngx_prof_reap_first(ngx_log_t *log)
{
    ngx_uint_t          i;
    ngx_prof_deaths_t  *deaths;

    deaths = ngx_prof_reap_deaths();

    for (i = 0; i < NGX_PROF_REAP_WAITS; i++) {
        ngx_prof_reap(log);

        if (ngx_prof_load_acquire(&deaths->owner) == 0) {
            return;
        }

        ngx_msleep(1);
    }
}


void
ngx_prof_reap_tick(ngx_log_t *log)
{
    uint64_t            now, interval;
    ngx_prof_deaths_t  *deaths;

    deaths = ngx_prof_reap_deaths();

    now = ngx_prof_clock();
    interval = (uint64_t) ngx_prof_setting(NGX_PROF_INTERVAL)
               * NGX_PROF_NSEC_PER_MSEC;

    /* one worker an interval reads the kernel's count */

    if (ngx_prof_load(&deaths->exit_n) == ngx_prof_load(&deaths->seen)
        && now - ngx_prof_load(&deaths->oom_read) < interval - interval / 4)
    {
        return;
    }

    if (ngx_prof_claim_take(&deaths->owner) != NGX_OK) {
        return;
    }

    ngx_prof_reap_all(deaths, log);
    ngx_prof_reap_kills(deaths, now);
    ngx_prof_reap_unseen(deaths);

    ngx_prof_claim_give(&deaths->owner);
}


static void
ngx_prof_reap_all(ngx_prof_deaths_t *deaths, ngx_log_t *log)
{
    ngx_prof_exit_t  e;

    while (ngx_prof_exit_next(deaths, &e) == NGX_OK) {
        ngx_prof_reap_one(deaths, &e, log);
    }
}


static void
ngx_prof_reap_one(ngx_prof_deaths_t *deaths, const ngx_prof_exit_t *e,
    ngx_log_t *log)
{
    int                 status;
    ngx_uint_t          i, released, whole;
    ngx_prof_slot_t    *slot;
    ngx_prof_report_t  *r;

    status = (int) e->status;
    slot = ngx_prof_reap_slot(e->pid, &released);

    ngx_prof_reap_spent(deaths, e);

    r = &ngx_prof_reaped;
    ngx_memzero(r, sizeof(ngx_prof_report_t));

    r->pid = e->pid;
    r->status = e->status;
    r->clock = e->clock;

    r->slot = (slot != NULL);
    whole = slot && ngx_prof_reap_whole(slot, e);

    if (whole) {
        r->generation = ngx_prof_load(&slot->generation);
        r->lived = ngx_prof_passed(ngx_prof_load(&slot->claimed), e->clock);
        ngx_prof_reap_words(r, slot);
    }

    ngx_prof_reap_record(deaths, r, slot);

    if (slot && !whole) {
        r->crash.damaged |= NGX_PROF_CRASH_SLOT;
    }

    for (i = 0; i < NGX_PROF_CRASH_UNBORN; i++) {

        if (ngx_prof_load(&deaths->unborn[i].pid) == e->pid) {
            ngx_prof_store_release(&deaths->unborn[i].pid, 0);
        }
    }

    /* it has ended as workers do */

    if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && slot == NULL) {
        return;
    }

    r->kind = ngx_prof_reap_kind(deaths, r);
    r->reason = ((slot && (ngx_prof_load(&slot->pass_start) || r->requests))
                 || (slot && !whole)
                 || released
                 || (slot == NULL && ngx_prof_reap_waited(e->pid)))
                ? r->kind : NGX_PROF_DEATH_STARTUP;

    if (whole) {
        ngx_prof_reap_before(r, slot);
        ngx_prof_reap_heap(r, slot);
    }

    i = ngx_min(ngx_prof_death_signo(r), NGX_PROF_DEATH_SIGNALS - 1);
    ngx_prof_add(&deaths->deaths[r->reason][i], 1);

    ngx_prof_reap_hash(deaths, r);
    ngx_prof_report_add(deaths, r);
    ngx_prof_reap_log(deaths, r, log);
    ngx_prof_reap_incident(r);
}


static void
ngx_prof_reap_incident(const ngx_prof_report_t *r)
{
    ngx_uint_t        i;
    ngx_prof_pause_t  where;

    ngx_memzero(&where, sizeof(ngx_prof_pause_t));

    where.pid = r->pid;
    where.clock = r->clock;

    if (r->recorded) {
        where.label = r->crash.label;
        where.n = ngx_min(r->crash.n, NGX_PROF_PAUSE_FRAMES);

        for (i = 0; i < where.n; i++) {
            where.frames[i] = r->crash.frames[i];
        }
    }

    ngx_prof_incident(NGX_PROF_INCIDENT_CRASH, 0, r->pid,
                      ngx_prof_death_signo(r), &where);
}


/*
 * The CPU time of its end: what the kernel counted for the process, and nobody
 * was there to tell
 */

static void
ngx_prof_reap_spent(ngx_prof_deaths_t *deaths, const ngx_prof_exit_t *e)
{
    uint64_t          told;
    ngx_uint_t        i;
    ngx_prof_slot_t  *slot;
    ngx_prof_spent_t  spent;

    for (i = 0; i < ngx_prof_process.zone->slots; i++) {
        slot = ngx_prof_zone_slot(ngx_prof_process.zone, i);

        if (ngx_prof_load(&slot->claims)
            && ngx_prof_slot_spent(slot, (ngx_pid_t) e->pid, &spent) == NGX_OK)
        {
            told = spent.user + spent.child_user;
            ngx_prof_add(&deaths->user, e->user - ngx_min(e->user, told));

            told = spent.system + spent.child_system;
            ngx_prof_add(&deaths->system, e->system - ngx_min(e->system, told));

            return;
        }
    }
}


/* of workers of one pid the latest; *released: it has given its slot back */

static ngx_prof_slot_t *
ngx_prof_reap_slot(uint64_t pid, ngx_uint_t *released)
{
    ngx_uint_t        i;
    ngx_prof_slot_t  *slot, *found;

    found = NULL;
    *released = 0;

    for (i = 0; i < ngx_prof_process.zone->slots; i++) {
        slot = ngx_prof_zone_slot(ngx_prof_process.zone, i);

        if (ngx_prof_load(&slot->claims) == 0) {
            continue;
        }

        if (ngx_prof_load(&slot->released) == pid) {
            *released = 1;
            continue;
        }

        if ((ngx_prof_load(&slot->owner) & ~NGX_PROF_CLAIMING) == pid
            && (found == NULL || slot->claimed > found->claimed))
        {
            found = slot;
        }
    }

    /* what has damaged the slot may have hit its owner, but not the record */

    for (i = 0; found == NULL && i < ngx_prof_process.zone->slots; i++) {
        slot = ngx_prof_zone_slot(ngx_prof_process.zone, i);

        if (ngx_prof_load(&slot->crash.pid) == pid
            && !ngx_prof_slot_alive(slot))
        {
            found = slot;
        }
    }

    return found;
}


/* 0: it tells what cannot be: what has ended the worker has hit its slot */

static ngx_uint_t
ngx_prof_reap_whole(const ngx_prof_slot_t *slot, const ngx_prof_exit_t *e)
{
    uint64_t  owner, claimed;

    owner = ngx_prof_load(&slot->owner);
    claimed = ngx_prof_load(&slot->claimed);

    if (owner & NGX_PROF_CLAIMING) {
        return 1;
    }

    return owner == e->pid
           && !(ngx_prof_load(&slot->crash.pid) == e->pid
                && (slot->crash.damaged & NGX_PROF_CRASH_SLOT))
           && ngx_prof_load(&slot->claims) != 0
           && claimed != 0
           && claimed <= e->clock
           && ngx_prof_load(&slot->pass_start) <= e->clock
           && ngx_prof_load(&slot->wait_start) <= e->clock;
}


/* whether it was one of the workers that find no slot */

static ngx_uint_t
ngx_prof_reap_waited(uint64_t pid)
{
    ngx_uint_t          i;
    ngx_prof_header_t  *h;

    h = ngx_prof_process.zone->header;

    for (i = 0; i < NGX_PROF_WAITING; i++) {

        if (ngx_prof_claim_pid(ngx_prof_load(&h->waiting[i])) == pid) {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_prof_reap_kind(ngx_prof_deaths_t *deaths, const ngx_prof_report_t *r)
{
    switch (ngx_prof_death_signo(r)) {

    case 0:
        return NGX_PROF_DEATH_CODE;

    case SIGKILL:
        ngx_prof_reap_kills(deaths, ngx_prof_clock());

        if (deaths->oom_left && deaths->oom_clock >= r->tick) {
            ngx_prof_store(&deaths->oom_left, deaths->oom_left - 1);
            return NGX_PROF_DEATH_OOM;
        }

        return NGX_PROF_DEATH_KILLED;

    case SIGSEGV:
    case SIGBUS:
    case SIGILL:
    case SIGFPE:
    case SIGABRT:
    case SIGSYS:
    case SIGTRAP:
        return NGX_PROF_DEATH_CRASH;
    }

    return NGX_PROF_DEATH_KILLED;
}


/*
 * The kernel counts whom it kills, not who it was: a worker that SIGKILL has
 * ended was one of them, if they have become more since its latest tick
 */

static void
ngx_prof_reap_kills(ngx_prof_deaths_t *deaths, uint64_t now)
{
    uint64_t  kills;

    kills = ngx_prof_memory_kills();
    ngx_prof_store(&deaths->oom_read, now);

    if (kills == 0) {
        return;
    }

    if (deaths->oom && kills > deaths->oom) {
        ngx_prof_store(&deaths->oom_left, kills - deaths->oom);
        ngx_prof_store(&deaths->oom_clock, now);
    }

    ngx_prof_store(&deaths->oom, kills);
}


/* what its handler wrote, if it is of this death */

static void
ngx_prof_reap_record(ngx_prof_deaths_t *deaths, ngx_prof_report_t *r,
    const ngx_prof_slot_t *slot)
{
    ngx_uint_t               i;
    const ngx_prof_crash_t  *c;

    c = slot ? &slot->crash : NULL;

    for (i = 0; c == NULL && i < NGX_PROF_CRASH_UNBORN; i++) {

        if (ngx_prof_load(&deaths->unborn[i].pid) == r->pid) {
            c = &deaths->unborn[i];
        }
    }

    if (c && c->pid == r->pid && c->signal
        && c->signal == ngx_prof_death_signo(r))
    {
        r->recorded = 1;
        r->crash = *c;
        ngx_prof_crash_bound(&r->crash);
    }
}


/* what it was doing, as far as others could see */

static void
ngx_prof_reap_words(ngx_prof_report_t *r, const ngx_prof_slot_t *slot)
{
    ngx_prof_gauges_t       g;
    ngx_prof_pause_seen_t   seen;

    if (ngx_prof_slot_waiting(slot)) {
        r->crash.label = ngx_prof_label(0, 0, NGX_PROF_STATE_IDLE);

    } else {
        r->crash.label = ngx_prof_label(0, 0, NGX_PROF_STATE_OTHER);
        r->crash.pass = ngx_prof_load(&slot->pass_start);

        if (ngx_prof_record_read(&slot->seen.seq, &seen.pass, &slot->seen.pass,
                                 NGX_PROF_PAUSE_SEEN_BODY)
            == NGX_OK
            && seen.pass == r->crash.pass)
        {
            r->crash.label = seen.label;
            r->crash.n = ngx_min(seen.n, NGX_PROF_PAUSE_FRAMES);
            ngx_memcpy(r->crash.frames, seen.frames,
                       r->crash.n * sizeof(uint64_t));
        }
    }

    r->requests = ngx_prof_counts_requests(&slot->all)
                  - ngx_prof_counts_requests(&slot->base_all);

    if (ngx_prof_record_read(&slot->gauges_seq, &g, &slot->gauges,
                             sizeof(ngx_prof_gauges_t))
        == NGX_OK)
    {
        r->tick = g.clock;
        r->anonymous = g.anonymous;
        r->heap_alloc = g.heap_alloc;
        r->heap_sys = g.heap_sys;
        r->connections = g.connections;
    }
}


/* the request of each pass, once */

static void
ngx_prof_reap_before(ngx_prof_report_t *r, const ngx_prof_slot_t *slot)
{
    uint64_t    i, n, pass, latest;

    /* a pass in progress has been numbered already */

    n = ngx_prof_load(&slot->totals.iterations)
        + (ngx_prof_slot_waiting(slot) ? 1 : 0);
    latest = r->crash.request ? ngx_prof_crash_pass(0, r->crash.start) : 0;

    for (i = 1; i <= NGX_PROF_CRASH_PASSES; i++) {
        pass = ngx_prof_load(&slot->before[(n - i) % NGX_PROF_CRASH_PASSES]);

        if (ngx_prof_crash_pass_place(pass) == 0
            || ngx_prof_crash_pass_start(pass) < slot->claimed
            || (latest && pass << 16 == latest << 16)
            || (r->before_n && pass == r->before[r->before_n - 1]))
        {
            continue;
        }

        r->before[r->before_n++] = pass;

        if (r->before_n == NGX_PROF_CRASH_BEFORE) {
            return;
        }
    }
}


/* what it had allocated, by stack and by place; estimates, as the profile */

static void
ngx_prof_reap_heap(ngx_prof_report_t *r, const ngx_prof_slot_t *slot)
{
    uint64_t                 first, count, value;
    uint64_t                *places;
    ngx_uint_t               i, n, size, place;
    ngx_prof_zone_t         *zone;
    ngx_prof_tally_t         tally;
    const ngx_prof_freed_t  *freed;
    const ngx_prof_stacks_t  *stacks;

    zone = ngx_prof_process.zone;

    if (ngx_prof_load(&slot->heap_owner) != r->pid) {
        return;
    }

    places = ngx_calloc((zone->places + 2) * sizeof(uint64_t),
                        ngx_cycle->log);
    if (places == NULL) {
        return;
    }

    size = ngx_prof_zone_heap_n(zone->stacks);
    stacks = ngx_prof_zone_heap(zone, slot);
    freed = ngx_prof_zone_freed(zone, slot);
    n = ngx_prof_stacks_tallies(stacks, size);

    for (i = 1; i < n; i++) {

        if (ngx_prof_stacks_tally(stacks, size, i, &tally) != NGX_OK
            || ngx_prof_stacks_frames(stacks, size, tally.node, &first, 1)
               == 0
            || first == NGX_PROF_HEAP_THREAD)
        {
            continue;
        }

        count = tally.count - freed[i].base_count;
        value = tally.value - freed[i].base_value;

        if (count <= freed[i].freed_count || value <= freed[i].freed_value) {
            continue;
        }

        value -= freed[i].freed_value;
        place = ngx_prof_label_place(tally.label);

        ngx_prof_reap_holder(r, value, &tally, stacks);

        if (place == 0 || place > zone->places) {
            continue;
        }

        places[place] += value;

        if (places[place] > r->place_bytes) {
            r->place_bytes = places[place];
            r->place_label = ngx_prof_label(place, 0, NGX_PROF_STATE_OTHER);
        }
    }

    ngx_free(places);
}


/* keeps the largest ones, in their order */

static void
ngx_prof_reap_holder(ngx_prof_report_t *r, uint64_t bytes,
    const ngx_prof_tally_t *tally, const ngx_prof_stacks_t *stacks)
{
    uint64_t                 pcs[NGX_PROF_HEAP_DEPTH];
    uint64_t                 frames[NGX_PROF_HEAP_DEPTH];
    ngx_int_t                cause;
    ngx_uint_t               i, n;

    i = r->holder_n;

    while (i > 0 && r->holder[i - 1].bytes < bytes) {
        i--;
    }

    if (i == NGX_PROF_CRASH_HOLDERS) {
        return;
    }

    r->holder_n = ngx_min(r->holder_n + 1, NGX_PROF_CRASH_HOLDERS);

    ngx_memmove(&r->holder[i + 1], &r->holder[i],
                (r->holder_n - 1 - i) * sizeof(ngx_prof_crash_holder_t));

    /* the size comes before the frames, what is mapped behind them */

    n = ngx_prof_stacks_frames(stacks,
                               ngx_prof_zone_heap_n(
                                            ngx_prof_process.zone->stacks),
                               tally->node, pcs, NGX_PROF_HEAP_DEPTH);
    n = (n > 2) ? ngx_prof_frame_pack(frames, NGX_PROF_FRAMES, &pcs[1], n - 2)
                : 0;

    cause = ngx_prof_frame_cause(frames, n);

    r->holder[i].bytes = bytes;
    r->holder[i].label = tally->label;
    r->holder[i].frame = (cause == NGX_ERROR) ? 0 : frames[cause];
}


static void
ngx_prof_reap_hash(ngx_prof_deaths_t *deaths, ngx_prof_report_t *r)
{
    uint64_t                  hash;
    ngx_int_t                 cause;
    ngx_uint_t                i, n;
    const ngx_prof_report_t  *other;

    hash = NGX_PROF_FNV_BASIS;
    hash = (hash ^ r->reason) * NGX_PROF_FNV_PRIME;
    hash = (hash ^ (r->status & ~(uint64_t) 0x80)) * NGX_PROF_FNV_PRIME;

    cause = ngx_prof_frame_cause(r->crash.frames, r->crash.n);
    i = (cause == NGX_ERROR) ? 0 : cause;
    n = ngx_min(r->crash.n, i + NGX_PROF_REAP_ALIKE);

    for ( /* void */ ; i < n; i++) {
        hash = (hash ^ r->crash.frames[i]) * NGX_PROF_FNV_PRIME;
    }

    r->hash = hash;

    for (i = 0; i < NGX_PROF_CRASH_REPORTS; i++) {
        other = &deaths->report[i];

        if (other->number && other->hash == hash) {
            r->alike = ngx_max(r->alike, other->alike + 1);
        }
    }
}


/* a line a second at most: a loop of deaths has one, with their number */

static void
ngx_prof_reap_log(ngx_prof_deaths_t *deaths, const ngx_prof_report_t *r,
    ngx_log_t *log)
{
    u_char    *p, *last, text[NGX_PROF_DEATH_TEXT];
    uint64_t   now;

    now = ngx_prof_clock();

    if (deaths->logged && now - deaths->logged < NGX_PROF_NSEC_PER_SEC) {
        ngx_prof_store(&deaths->quiet, deaths->quiet + 1);
        return;
    }

    p = text;
    last = text + sizeof(text);

    p = ngx_prof_death_head(p, last, r);
    p = ngx_prof_death_where(p, last, r, NGX_PROF_REAP_NAMES,
                             ngx_prof_reap_name);
    p = ngx_prof_death_while(p, last, r);

    if (r->kind != NGX_PROF_DEATH_CRASH && r->tick) {
        p = ngx_slprintf(p, last, ", anonymous memory: %uLK",
                         r->anonymous / 1024);

        if (r->place_bytes) {
            p = ngx_slprintf(p, last, ", held most, %uLK:",
                             r->place_bytes / 1024);
            p = ngx_prof_label_print(p, last, r->place_label);
        }
    }

    p = ngx_slprintf(p, last, ", report %uL", r->number);

    if (deaths->quiet) {
        p = ngx_slprintf(p, last, ", deaths since the last such line: %uL",
                         deaths->quiet);
    }

    ngx_log_error(NGX_LOG_ALERT, log, 0, "%*s", (size_t) (p - text), text);

    ngx_prof_store(&deaths->logged, now);
    ngx_prof_store(&deaths->quiet, 0);
}


static const char *
ngx_prof_reap_name(uint64_t frame)
{
    static char  name[NGX_PROF_NAME_LEN];

    (void) ngx_prof_frame_name(frame, name);

    return name;
}


/* records of workers whose end the master has not reported */

static void
ngx_prof_reap_unseen(ngx_prof_deaths_t *deaths)
{
    uint64_t           pid, now;
    ngx_uint_t         i;
    ngx_prof_crash_t  *c;

    now = ngx_prof_clock();

    for (i = 0; i < NGX_PROF_CRASH_UNBORN; i++) {
        c = &deaths->unborn[i];
        pid = ngx_prof_load(&c->pid);

        if (pid
            && ngx_prof_passed(ngx_prof_load(&c->clock), now)
               > NGX_PROF_REAP_UNSEEN
            && !ngx_prof_process_alive((ngx_pid_t) pid, 0))
        {
            ngx_prof_store_release(&c->pid, 0);
        }
    }
}
