
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_cost.h"
#include "ngx_prof_block.h"
#include "ngx_prof_clock.h"
#include "ngx_prof_context.h"
#include "ngx_prof_counter.h"
#include "ngx_prof_heap.h"
#include "ngx_prof_latency.h"
#include "ngx_prof_request.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_thread.h"
#include "ngx_prof_worker.h"


/* slices that are remembered as ones that held the loop up */
#define NGX_PROF_COST_HOLDS  32

/* ns from one reading of the CPU clock where a pass begins to the next */
#define NGX_PROF_COST_EVERY  250000

/* the same where requests are watched only */
#define NGX_PROF_COST_SELDOM  4000000

/* ns for which passes are marked that follow a pause */
#define NGX_PROF_COST_WATCHED  ((uint64_t) 60 * NGX_PROF_NSEC_PER_SEC)

/* ns of CPU time that a wait takes that sleeps, at most */
#define NGX_PROF_COST_SLEEP  4000


typedef struct {
    uint64_t    start;          /* ticks */
    uint64_t    end;
    uint64_t    place;          /* + 1, 0: nobody's */
} ngx_prof_hold_slice_t;


typedef struct {
    ngx_uint_t             counted;     /* see clock.h */
    ngx_uint_t             cpus;        /* the CPU clock can be read */
    ngx_uint_t             allocs;      /* they are counted */
    uint64_t               every;       /* ns from one reading of the CPU clock
                                           to the next */

    uint64_t               until;       /* ticks: passes are marked after a
                                           pause */
    uint64_t               since;       /* ticks: when nothing was ready, or
                                           a wait began last */
    uint64_t               hold_n;      /* slices in the table below, so far */
    ngx_prof_hold_slice_t  hold[NGX_PROF_COST_HOLDS];

    /* the CPU clock when it was read last, and what was not CPU time since */

    uint64_t               read;        /* ticks; 0: never */
    uint64_t               cpu;         /* ns */
    uint64_t               blocked;     /* ns, as block_told was */
    uint64_t               off;         /* ns slept since */
    uint64_t               slept;       /* waits that slept since */

    /*
     * ns that locations were charged beyond it, by others that ran shortly in
     * short slices: slices after that have so much less
     */

    uint64_t               debt;
    ngx_uint_t             straight;    /* counted, and there is none */
} ngx_prof_costing_t;


static void ngx_prof_cost_watch(ngx_uint_t on);
static void ngx_prof_cost_cut(void);
static ngx_inline uint64_t ngx_prof_cost_bytes(void);
static uint64_t ngx_prof_cost_next_any(uint64_t ticks)
    __attribute__((noinline));
static void ngx_prof_cost_bill(ngx_prof_plain_t *plain, ngx_prof_charge_t part);
static void ngx_prof_cost_owe(uint64_t ticks, uint64_t cpu);
static ngx_inline ngx_uint_t ngx_prof_cost_nobodys(uint64_t ticks);
static ngx_prof_always_inline void ngx_prof_cost_longest(uint64_t loop);
static void ngx_prof_cost_end(uint64_t ticks, ngx_prof_charge_t part);
static ngx_prof_always_inline void ngx_prof_cost_begin(uint64_t ticks,
    uint64_t blocked, uint64_t bytes);
static void ngx_prof_cost_keep(uint64_t ticks, ngx_prof_charge_t part);
static ngx_prof_counting_t *ngx_prof_cost_counter(ngx_uint_t place);
static ngx_prof_always_inline ngx_prof_charge_t ngx_prof_cost_part(
    uint64_t loop, uint64_t blocked, uint64_t bytes);
static uint64_t ngx_prof_cost_cpu(uint64_t start, uint64_t loop)
    __attribute__((noinline));
static void ngx_prof_cost_read(uint64_t ticks, ngx_uint_t shortly)
    __attribute__((noinline));
static void ngx_prof_cost_add(ngx_prof_cost_t *cost, ngx_prof_charge_t part);
static ngx_prof_always_inline void ngx_prof_cost_sum(ngx_prof_plain_t *plain,
    ngx_prof_charge_t part);
static void ngx_prof_cost_over(ngx_http_request_t *r);
static void ngx_prof_cost_hold(uint64_t ticks, uint64_t place)
    __attribute__((noinline));


static ngx_prof_costing_t  ngx_prof_costing;


void
ngx_prof_cost_init(ngx_uint_t billed, ngx_uint_t watched)
{
    ngx_uint_t               on;
    ngx_prof_heap_thread_t  *t;

    ngx_prof_slice_init();

    t = &ngx_prof_heap_own;
    on = billed || watched;

    ngx_prof_slice_counts.blocked = &ngx_prof_block_told;
    ngx_prof_slice_counts.bytes = &t->bytes;
    ngx_prof_slice_counts.drawn = &t->drawn;
    ngx_prof_slice_counts.gap = &t->gap;

    ngx_prof_slicing.charged = on;
    ngx_prof_slicing.billed = billed;
    ngx_prof_slicing.counter = NGX_PROF_NO_COUNTER;
    ngx_prof_slice_cut = ngx_prof_cost_cut;
    ngx_prof_slice_over = ngx_prof_cost_over;

    ngx_prof_costing.counted = ngx_prof_clock_counted();
    ngx_prof_costing.straight = ngx_prof_costing.counted;
    ngx_prof_costing.debt = 0;
    ngx_prof_costing.cpus = (ngx_prof_thread_cpu() != 0);
    ngx_prof_costing.allocs = ngx_prof_heap_seen();
    ngx_prof_costing.until = ngx_prof_loop_ticks(ngx_prof_costing.counted);
    ngx_prof_costing.every = billed ? NGX_PROF_COST_EVERY
                                    : NGX_PROF_COST_SELDOM;

    ngx_prof_cost_watch(on);
}


/* events are distinguished from now on, or no longer */

static void
ngx_prof_cost_watch(ngx_uint_t on)
{
    ngx_prof_slicing.on = on;
    ngx_prof_slicing.late = 0;
    ngx_prof_slicing.longest = 0;

    ngx_prof_costing.since = ngx_prof_loop_ticks(ngx_prof_costing.counted);

    ngx_prof_dispatch_divert(NGX_PROF_DIVERT_SLICES, on);
    ngx_prof_cost_begin(ngx_prof_costing.since, ngx_prof_block_told,
                        ngx_prof_cost_bytes());
}


void
ngx_prof_cost_paused(void)
{
    uint64_t    now;
    ngx_uint_t  counted;

    if (ngx_prof_slicing.billed || ngx_prof_process.helper) {
        return;
    }

    counted = ngx_prof_clock_counted();
    now = ngx_prof_loop_ticks(counted);

    ngx_prof_costing.until = now + ngx_prof_loop_span(counted,
                                                      NGX_PROF_COST_WATCHED);

    if (!ngx_prof_slicing.on) {
        ngx_prof_cost_watch(1);
    }
}


ngx_uint_t
ngx_prof_cost_marked(void)
{
    ngx_prof_slice_t  *s;

    s = &ngx_prof_slicing;

    if (s->on
        && !s->charged
        && (int64_t) (s->pass - ngx_prof_costing.until) > 0)
    {
        ngx_prof_cost_watch(0);
    }

    return s->on;
}


/*
 * Where requests are watched only, and the kernel tells of nothing but clients
 * that were idle, each of their slices begins and ends with a request.
 */

ngx_uint_t
ngx_prof_cost_each(void)
{
    ngx_prof_slice_t  *s;

    s = &ngx_prof_slicing;

    return s->billed
           || s->late
           || (int64_t) (s->pass - ngx_prof_costing.until) <= 0;
}


ngx_uint_t
ngx_prof_cost_cpus(void)
{
    return ngx_prof_costing.cpus;
}


ngx_uint_t
ngx_prof_cost_allocs(void)
{
    return ngx_prof_costing.allocs;
}


/* bytes that the main thread has allocated so far */

static ngx_inline uint64_t
ngx_prof_cost_bytes(void)
{
    ngx_prof_heap_thread_t  *t;

    t = &ngx_prof_heap_own;

    return t->bytes + t->drawn - t->gap;
}


static void
ngx_prof_cost_cut(void)
{
    (void) ngx_prof_cost_next(ngx_prof_loop_ticks(ngx_prof_costing.counted));
}


static ngx_prof_always_inline void
ngx_prof_cost_begin(uint64_t ticks, uint64_t blocked, uint64_t bytes)
{
    ngx_prof_slice_t  *s;

    s = &ngx_prof_slicing;

    ngx_memzero(&s->connection, offsetof(ngx_prof_slice_t, holder)
                                - offsetof(ngx_prof_slice_t, connection));

    s->counter = NGX_PROF_NO_COUNTER;
    s->start = ticks;
    s->blocked = blocked;
    s->alloc = bytes;
    s->since = ticks;
}


/*
 * Most slices are short, and a request began and was logged in them: these
 * call nothing, so that nothing has to be saved.
 */

uint64_t
ngx_prof_cost_next(uint64_t ticks)
{
    uint64_t              loop, blocked, bytes;
    ngx_prof_slice_t     *s;
    ngx_prof_charge_t     part;
    ngx_prof_counting_t  *counter;

    s = &ngx_prof_slicing;

    if (ngx_prof_unlikely(!s->logged || !ngx_prof_costing.straight)) {
        return ngx_prof_cost_next_any(ticks);
    }

    loop = ngx_prof_counter_took(ticks - s->start);
    blocked = ngx_prof_block_told;
    counter = ngx_prof_counters[s->counter];

    if (ngx_prof_unlikely(loop >= NGX_PROF_COST_SURE
                          || blocked != s->blocked
                          || counter == NULL
                          || counter->elapsed == NULL))
    {
        return ngx_prof_cost_next_any(ticks);
    }

    bytes = ngx_prof_cost_bytes();

    part.cpu = loop;
    part.loop = loop;
    part.blocked = 0;
    part.wait = s->wait;
    part.alloc = bytes - s->alloc;

    ngx_prof_cost_sum(&counter->cell->plain[0], part);
    ngx_prof_latency_plain(&counter->elapsed->counts,
                           ngx_prof_counter_took(s->logged - s->start),
                           part.wait);

    if (loop > s->longest) {
        ngx_prof_cost_longest(loop);
    }

    ngx_prof_cost_begin(ticks, blocked, bytes);

    return ticks;
}


static uint64_t
ngx_prof_cost_next_any(uint64_t ticks)
{
    uint64_t           loop, blocked, bytes;
    ngx_prof_slice_t  *s;

    s = &ngx_prof_slicing;

    if (s->charged && !s->billed && ngx_prof_cost_nobodys(ticks)) {
        ngx_prof_cost_begin(ticks, ngx_prof_block_told, ngx_prof_cost_bytes());
        return ticks;
    }

    loop = ngx_prof_loop_took(ngx_prof_costing.counted, ticks - s->start);
    blocked = ngx_prof_block_told;
    bytes = ngx_prof_cost_bytes();

    if (s->charged) {
        ngx_prof_cost_end(ticks, ngx_prof_cost_part(loop, blocked, bytes));
    }

    if (loop > s->longest) {

        if (s->number == 0) {
            ngx_prof_slice_latest();
        }

        ngx_prof_cost_longest(loop);
    }

    if (loop >= NGX_PROF_COST_SURE && s->charged) {
        ngx_prof_cost_hold(ticks, s->marked);
    }

    ngx_prof_cost_begin(ticks, blocked, bytes);

    return ticks;
}


/* to a location, or to nobody: less what was too much before */

static void
ngx_prof_cost_bill(ngx_prof_plain_t *plain, ngx_prof_charge_t part)
{
    uint64_t             less;
    ngx_prof_costing_t  *c;

    c = &ngx_prof_costing;
    less = ngx_min(c->debt, part.cpu);

    part.cpu -= less;
    c->debt -= less;
    c->straight = c->counted && c->debt == 0;

    ngx_prof_cost_sum(plain, part);
}


/* since the CPU clock was read last all slices were short */

static void
ngx_prof_cost_owe(uint64_t ticks, uint64_t cpu)
{
    uint64_t             charged;
    ngx_prof_costing_t  *c;

    c = &ngx_prof_costing;

    charged = ngx_prof_loop_took(c->counted, ticks - c->read);
    charged -= ngx_min(charged, c->off + ngx_prof_block_told - c->blocked);

    /* what a sleep takes is known roughly */

    cpu += c->slept * NGX_PROF_COST_SLEEP - c->cpu;

    if (charged > cpu) {
        c->debt += charged - cpu;
        c->straight = 0;
    }
}


/*
 * Requests are watched only: most slices are short, and what began in them has
 * ended.  A request that goes on has the slice.
 */

static ngx_inline ngx_uint_t
ngx_prof_cost_nobodys(uint64_t ticks)
{
    ngx_prof_slice_t  *s;

    s = &ngx_prof_slicing;

    if (ngx_prof_likely(ngx_prof_slice_is_free())) {
        return s->connection == NULL
               && ticks - s->start < ngx_prof_slice_long;
    }

    if (ngx_prof_latest.request) {
        ngx_prof_slice_settle();
        ngx_prof_request_put_away();
    }

    return 0;
}


static ngx_prof_always_inline void
ngx_prof_cost_longest(uint64_t loop)
{
    ngx_prof_slice_t  *s;

    s = &ngx_prof_slicing;

    s->longest = loop;
    s->longest_start = s->start;
    s->longest_by = s->marked;
    s->longest_number = s->number;
    s->longest_method = s->method;
}


static void
ngx_prof_cost_end(uint64_t ticks, ngx_prof_charge_t part)
{
    ngx_prof_slice_t     *s;
    ngx_prof_counting_t  *counter;

    s = &ngx_prof_slicing;

    if (!s->billed) {

        if (s->counter == NGX_PROF_NO_COUNTER && s->request) {
            ngx_prof_cost_keep(ticks, part);
        }

        return;
    }

    if (s->counter != NGX_PROF_NO_COUNTER) {
        counter = ngx_prof_cost_counter(s->counter);

        if (counter == NULL) {
            return;
        }

        ngx_prof_cost_bill(&counter->cell->plain[0], part);

        if (s->logged) {
            ngx_prof_latency_only(counter,
                                  ngx_prof_loop_took(ngx_prof_costing.counted,
                                                     s->logged - s->start),
                                  part.cpu, part.blocked, part.wait);
        }

    } else if (s->request) {
        ngx_prof_cost_keep(ticks, part);

    } else {
        ngx_prof_cost_bill(&ngx_prof_process.slot->all.plain, part);
    }
}


/* the request continues */

static void
ngx_prof_cost_keep(uint64_t ticks, ngx_prof_charge_t part)
{
    ngx_prof_cost_t      *cost;
    ngx_prof_slice_t     *s;
    ngx_prof_counting_t  *counter;

    s = &ngx_prof_slicing;

    counter = ngx_prof_cost_counter(
                              ngx_prof_context_location(s->request)->counter);

    if (counter && s->billed) {
        ngx_prof_cost_bill(&counter->cell->plain[0], part);
    }

    cost = ngx_prof_slice_cost();

    ngx_prof_cost_add(cost, part);
    ngx_prof_slice_ran(cost, ticks);
    ngx_prof_slice_note(s->request);

    if (cost->sent == 0 && s->request->connection->sent) {
        cost->sent = ticks;
    }

    ngx_prof_slice_keep();
}


/* NULL: the location's requests are not counted */

static ngx_prof_counting_t *
ngx_prof_cost_counter(ngx_uint_t place)
{
    return (place == ngx_prof_process.zone->places)
           ? NULL : ngx_prof_counter_of(place);
}


/* the present slice, if it ended now */

static ngx_prof_always_inline ngx_prof_charge_t
ngx_prof_cost_part(uint64_t loop, uint64_t blocked, uint64_t bytes)
{
    ngx_prof_slice_t   *s;
    ngx_prof_charge_t   part;

    s = &ngx_prof_slicing;

    part.loop = loop;
    part.blocked = ngx_min(blocked - s->blocked, loop);
    part.alloc = bytes - s->alloc;
    part.cpu = loop - part.blocked;
    part.wait = s->wait;

    if (ngx_prof_unlikely(loop >= NGX_PROF_COST_SURE)) {
        part.cpu = ngx_prof_cost_cpu(s->start, loop);
    }

    return part;
}


/*
 * CPU time of a slice that ends now.  It was not read at the slice's start:
 * until then, since it was read last, time went into slices and waits that did
 * not sleep.
 */

static uint64_t
ngx_prof_cost_cpu(uint64_t start, uint64_t loop)
{
    uint64_t             since, off, cpu;
    ngx_prof_costing_t  *c;

    c = &ngx_prof_costing;

    cpu = ngx_prof_thread_cpu();

    if (c->read == 0 || cpu == 0) {
        return loop;
    }

    since = ngx_prof_loop_took(c->counted, start - c->read);
    off = c->off + ngx_prof_slicing.blocked - c->blocked;

    cpu -= c->cpu;
    cpu -= ngx_min(cpu, since - ngx_min(since, off));

    return ngx_min(cpu, loop);
}


/* shortly: all slices since it was read last were short, and are billed */

static void
ngx_prof_cost_read(uint64_t ticks, ngx_uint_t shortly)
{
    uint64_t             cpu;
    ngx_prof_costing_t  *c;

    c = &ngx_prof_costing;

    cpu = ngx_prof_thread_cpu();

    if (shortly && c->read && cpu) {
        ngx_prof_cost_owe(ticks, cpu);
    }

    c->cpu = cpu;
    c->read = ticks;
    c->blocked = ngx_prof_block_told;
    c->off = 0;
    c->slept = 0;
}


static void
ngx_prof_cost_add(ngx_prof_cost_t *cost, ngx_prof_charge_t part)
{
    cost->cpu += part.cpu;
    cost->loop += part.loop;
    cost->blocked += part.blocked;
    cost->alloc += part.alloc;
    cost->longest = ngx_max(cost->longest, part.loop);
}


static ngx_prof_always_inline void
ngx_prof_cost_sum(ngx_prof_plain_t *plain, ngx_prof_charge_t part)
{
    ngx_prof_add(&plain->cpu, part.cpu);
    ngx_prof_add(&plain->loop, part.loop);
    ngx_prof_add(&plain->blocked, part.blocked);
    ngx_prof_add(&plain->wait, part.wait);
    ngx_prof_add(&plain->alloc, part.alloc);
}


static void
ngx_prof_cost_hold(uint64_t ticks, uint64_t place)
{
    ngx_prof_costing_t     *c;
    ngx_prof_hold_slice_t  *hold;

    c = &ngx_prof_costing;

    ngx_prof_cost_read(ticks, 0);

    if (ngx_prof_loop_took(c->counted, ticks - ngx_prof_slicing.start)
        < NGX_PROF_COST_HOLD
        || (!ngx_prof_slicing.billed
            && ticks - ngx_prof_slicing.start < ngx_prof_slice_long))
    {
        return;
    }

    hold = &c->hold[c->hold_n++ % NGX_PROF_COST_HOLDS];

    hold->start = ngx_prof_slicing.start;
    hold->end = ticks;
    hold->place = place;

    ngx_prof_slicing.late = 1;
}


void
ngx_prof_cost_pass(uint64_t then, uint64_t now)
{
    uint64_t             wait;
    ngx_prof_costing_t  *c;

    c = &ngx_prof_costing;

    ngx_prof_slicing.pass = now;
    ngx_prof_slicing.longest = 0;
    ngx_prof_slicing.longest_by = 0;

    wait = ngx_prof_loop_took(c->counted, now - then);

    if (wait > NGX_PROF_COST_SLEEP) {
        c->off += wait - NGX_PROF_COST_SLEEP;
        c->slept++;
    }

    if (!ngx_prof_slicing.late) {
        c->since = then;
    }

    ngx_prof_cost_begin(now, ngx_prof_block_told, ngx_prof_cost_bytes());

    if (ngx_prof_unlikely(ngx_prof_loop_took(c->counted, now - c->read)
                          >= c->every)
        && ngx_prof_slicing.charged)
    {
        ngx_prof_cost_read(now, ngx_prof_slicing.billed);
    }
}


uint64_t
ngx_prof_cost_late(void)
{
    return ngx_prof_costing.since;
}


void
ngx_prof_cost_waited(uint64_t since)
{
    uint64_t                from, until, time;
    ngx_uint_t              i, n;
    ngx_prof_slice_t       *s;
    ngx_prof_costing_t     *c;
    ngx_prof_hold_slice_t  *hold;

    s = &ngx_prof_slicing;
    c = &ngx_prof_costing;

    s->since = since;
    s->wait = ngx_prof_loop_took(c->counted, s->start - since);
    s->held = s->longest;
    s->holder = s->longest_by;

    n = ngx_min(c->hold_n, NGX_PROF_COST_HOLDS);

    for (i = 0; i < n; i++) {
        hold = &c->hold[i];

        from = ngx_max(hold->start, since);
        until = ngx_min(hold->end, s->start);
        time = (until > from) ? ngx_prof_loop_took(c->counted, until - from)
                              : 0;

        if (time > s->held) {
            s->held = time;
            s->holder = (uint32_t) hold->place;
        }
    }
}


ngx_int_t
ngx_prof_cost_now(ngx_http_request_t *r, ngx_prof_cost_t *cost)
{
    uint64_t         now;
    ngx_prof_cost_t  *known;

    if (!ngx_prof_slicing.charged) {
        return NGX_DECLINED;
    }

    ngx_prof_slice_for(r);

    known = ngx_prof_slice_cost();

    now = ngx_prof_loop_ticks(ngx_prof_costing.counted);

    /* the parts behind those that there are have no meaning */

    ngx_memcpy(cost, known, offsetof(ngx_prof_cost_t, part)
                            + known->parts * sizeof(ngx_prof_part_t));

    ngx_prof_cost_add(cost,
        ngx_prof_cost_part(ngx_prof_loop_took(ngx_prof_costing.counted,
                                              now - ngx_prof_slicing.start),
                           ngx_prof_block_told, ngx_prof_cost_bytes()));
    ngx_prof_slice_ran(cost, now);

    return NGX_OK;
}


static void
ngx_prof_cost_over(ngx_http_request_t *r)
{
    ngx_uint_t       place;
    ngx_prof_cost_t  cost;

    place = ngx_prof_context_location(r)->counter;

    if (ngx_prof_slicing.billed
        && place != ngx_prof_process.zone->places
        && ngx_prof_cost_now(r, &cost) == NGX_OK)
    {
        ngx_prof_latency_over(place, &cost);
    }
}
