
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_dump.h"
#include "ngx_prof_base.h"
#include "ngx_prof_label.h"
#include "ngx_prof_dump_area.h"
#include "ngx_prof_connection.h"
#include "ngx_prof_connection_details.h"
#include "ngx_prof_job.h"
#include "ngx_prof_pool.h"
#include "ngx_prof_record.h"
#include "ngx_prof_connection_table.h"
#include "ngx_prof_signal.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_thread.h"
#include "ngx_prof_unwind.h"
#include "ngx_prof_wake.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"

#if (NGX_HTTP_V2)
#include <ngx_http_v2_module.h>
#endif


/* entries of the hash of groups, a power of two above twice their number */
#define NGX_PROF_DUMP_INDEX   8192

/* blocks of the configuration's pool that are measured in one step */
#define NGX_PROF_DUMP_BLOCKS  1024


/* a walk in progress */

typedef struct {
    ngx_event_t             event;
    ngx_connection_t        connection;             /* for the debug log */
    ngx_uint_t              running;
    ngx_prof_dump_area_t   *area;
    ngx_uint_t              copy;
    ngx_prof_dump_copy_t    head;
    ngx_prof_dump_group_t  *groups;
    u_char                 *details;
    ngx_uint_t              max;                    /* groups */
    size_t                  room;                   /* bytes of details */

    ngx_uint_t              full;                   /* no further details */
    ngx_uint_t              next;                   /* index of the
                                                       connection, in two
                                                       rounds */
    ngx_uint_t              unit;                   /* of the connection, see
                                                       dump_area.h */
    ngx_atomic_uint_t       number;                 /* of that connection */

    /* where the unit began: it is reported as a whole */
    uint64_t                cursor;
    uint64_t                details_before;
    uint64_t                used_before;

    ngx_prof_pool_t         configuration;
    uint16_t                index[NGX_PROF_DUMP_INDEX];
} ngx_prof_dump_t;


static ngx_prof_dump_area_t *ngx_prof_dump_own(void);
static void ngx_prof_dump_start(ngx_prof_dump_t *d, uint64_t number,
    uint64_t from, ngx_uint_t limit);
static void ngx_prof_dump_handler(ngx_event_t *ev);
static ngx_int_t ngx_prof_dump_step(ngx_prof_dump_t *d);
static ngx_int_t ngx_prof_dump_configuration(ngx_prof_dump_t *d);
static void ngx_prof_dump_unit(ngx_prof_dump_t *d);
static ngx_uint_t ngx_prof_dump_ended(const ngx_prof_dump_t *d);
static void ngx_prof_dump_connection(ngx_prof_dump_t *d, ngx_connection_t *c);
static ngx_int_t ngx_prof_dump_streams(ngx_prof_dump_t *d, ngx_connection_t *c,
    uint64_t end);
static void ngx_prof_dump_add(ngx_prof_dump_t *d, ngx_prof_connection_t *e);
static ngx_uint_t ngx_prof_dump_find_group(ngx_prof_dump_t *d,
    const ngx_prof_connection_t *e);
static ngx_uint_t ngx_prof_dump_is_group(const ngx_prof_dump_group_t *g,
    const ngx_prof_connection_t *e);
static void ngx_prof_dump_detail(ngx_prof_dump_t *d, ngx_prof_connection_t *e,
    ngx_uint_t group);
static void ngx_prof_dump_full(ngx_prof_dump_t *d);
static void ngx_prof_dump_finish(ngx_prof_dump_t *d);
static void ngx_prof_dump_native(const ucontext_t *uc);


static ngx_prof_dump_t  ngx_prof_dump;

static const ngx_prof_signal_t  ngx_prof_dump_signal = {
    NULL,
    0,
    0,
    NULL,
    NULL,
    ngx_prof_dump_native
};


void
ngx_prof_dump_init(void)
{
    ngx_prof_signal_register(&ngx_prof_dump_signal);
}


static ngx_prof_dump_area_t *
ngx_prof_dump_own(void)
{
    ngx_prof_zone_t  *zone;

    zone = ngx_prof_process.zone;

    return ngx_prof_zone_dump(zone,
                  ngx_prof_zone_slot_index(zone,
                                           ngx_prof_process.slot));
}


void
ngx_prof_dump_answer(void)
{
    uint64_t               number, from;
    ngx_uint_t             limit;
    ngx_prof_dump_t       *d;
    ngx_prof_dump_area_t  *area;

    d = &ngx_prof_dump;

    if (d->running) {

        /* a walk in progress looks for requests when it is done */

        return;
    }

    area = ngx_prof_dump_own();

    if (area == NULL) {
        return;
    }

    from = 0;
    number = ngx_prof_dump_take(area, &limit);

    if (number == 0) {
        from = ngx_prof_dump_take_part(area, &limit);

        if (from == 0) {
            return;
        }
    }

    d->area = area;

    ngx_prof_dump_start(d, number, from, limit);
}


static void
ngx_prof_dump_start(ngx_prof_dump_t *d, uint64_t number, uint64_t from,
    ngx_uint_t limit)
{
    size_t      size;
    ngx_uint_t  i;

    size = ngx_prof_process.zone->dump;

    d->running = 1;
    d->copy = ngx_prof_dump_begin(d->area);
    d->groups = ngx_prof_dump_group(d->area, size, d->copy);
    d->details = ngx_prof_dump_details(d->area, size, d->copy);
    d->max = ngx_min(ngx_prof_dump_groups(size), NGX_PROF_DUMP_INDEX / 2);
    d->room = ngx_prof_dump_room(size);
    d->full = 0;
    d->next = ngx_prof_dump_cursor_index(from);
    d->unit = ngx_prof_dump_cursor_unit(from);
    d->number = 0;

    ngx_memzero(&d->head, sizeof(ngx_prof_dump_copy_t));
    ngx_memzero(&d->configuration, sizeof(ngx_prof_pool_t));
    ngx_memzero(d->index, sizeof(d->index));

    d->head.number = number;
    d->head.from = from;
    d->head.limit = ngx_min(limit, NGX_PROF_DUMP_LIMIT_MAX);
    d->head.pid = ngx_pid;
    d->head.time = ngx_prof_time();
    d->head.clock = ngx_prof_clock();
    d->head.groups = NGX_PROF_DUMP_REST;

    ngx_memzero(d->groups, NGX_PROF_DUMP_REST * sizeof(ngx_prof_dump_group_t));

    for (i = 0; i < NGX_PROF_KINDS; i++) {
        d->groups[i].kind = i;
    }

    ngx_prof_event_init(&d->event, &d->connection,
                        ngx_prof_dump_handler,
                        ngx_cycle->log);

    ngx_prof_connection_begin();

    ngx_post_event(&d->event, &ngx_posted_next_events);
}


static void
ngx_prof_dump_handler(ngx_event_t *ev)
{
    uint64_t          start, spent;
    ngx_int_t         rc;
    ngx_prof_dump_t  *d;

    d = &ngx_prof_dump;

    if (ngx_prof_process.slot == NULL) {
        d->running = 0;
        return;
    }

    start = ngx_prof_thread_cpu();

    rc = ngx_prof_dump_step(d);

    spent = ngx_prof_thread_cpu() - start;

    d->head.spent += spent;

    ngx_prof_add(&d->area->steps, 1);
    ngx_prof_add(&d->area->spent, spent);

    if (spent > d->area->longest) {
        ngx_prof_store(&d->area->longest, spent);
    }

    if (rc == NGX_AGAIN) {
        ngx_post_event(ev, &ngx_posted_next_events);
        return;
    }

    ngx_prof_dump_finish(d);
}


static ngx_int_t
ngx_prof_dump_step(ngx_prof_dump_t *d)
{
    uint64_t           end;
    ngx_uint_t         i, n;
    ngx_cycle_t       *cycle;
    ngx_connection_t  *c;

    end = ngx_prof_clock() + NGX_PROF_DUMP_STEP;

    if (ngx_prof_dump_configuration(d) == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    cycle = (ngx_cycle_t *) ngx_cycle;

    if (cycle->connections == NULL) {
        return NGX_OK;
    }

    n = 0;

    /* clients first: they tell what other connections serve */

    for (i = d->next; i < 2 * cycle->connection_n; i++) {

        c = &cycle->connections[i % cycle->connection_n];

        if (ngx_prof_is_open(c)
            && (c->listening == NULL) == (i >= cycle->connection_n))
        {
            if (d->next != i) {
                d->next = i;
                d->unit = 0;
            }

            if (ngx_prof_dump_streams(d, c, end) == NGX_AGAIN) {
                return NGX_AGAIN;
            }

            if (ngx_prof_dump_ended(d)) {
                return NGX_OK;
            }

            n++;
        }

        if ((n == NGX_PROF_DUMP_CHECK
             || i % NGX_PROF_DUMP_FREE == 0)
            && ngx_prof_clock() >= end)
        {
            d->next = i + 1;
            d->unit = 0;
            return NGX_AGAIN;
        }

        n %= NGX_PROF_DUMP_CHECK;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_prof_dump_configuration(ngx_prof_dump_t *d)
{
    if (d->head.configuration || d->head.from) {
        return NGX_OK;
    }

    if (ngx_prof_pool_measure(&d->configuration, ngx_cycle->pool,
                              NGX_PROF_DUMP_BLOCKS)
        == NGX_AGAIN)
    {
        return NGX_AGAIN;
    }

    d->head.configuration = d->configuration.size;

    return NGX_OK;
}


static void
ngx_prof_dump_unit(ngx_prof_dump_t *d)
{
    d->cursor = ngx_prof_dump_cursor(d->next, d->unit);
    d->details_before = d->head.details;
    d->used_before = d->head.used;

    if (d->head.details >= d->head.limit && !d->full) {
        d->full = 1;
        d->head.next = d->cursor;
    }
}


/* a part need not count what it does not tell */

static ngx_uint_t
ngx_prof_dump_ended(const ngx_prof_dump_t *d)
{
    return d->head.from && d->full;
}


/* adds the connection and its streams, which may take several steps */

static ngx_int_t
ngx_prof_dump_streams(ngx_prof_dump_t *d, ngx_connection_t *c, uint64_t end)
{
#if (NGX_HTTP_V2)

    ngx_uint_t                 mask;
    ngx_http_v2_node_t        *node;
    ngx_http_v2_srv_conf_t    *h2scf;
    ngx_http_v2_connection_t  *h2c;
    ngx_prof_connection_t      e;

    h2c = ngx_prof_connection_v2(c);

    if (d->number == 0) {

        /* a part begins, perhaps in the midst of it */

        d->number = c->number;
    }

    if (h2c == NULL || d->unit <= 1 || d->number != c->number) {
        d->unit = 1;
        d->number = c->number;
        ngx_prof_dump_unit(d);
        ngx_prof_dump_connection(d, c);
        d->unit = 2;
    }

    if (h2c == NULL) {
        return NGX_OK;
    }

    h2scf = ngx_http_get_module_srv_conf(h2c->http_connection->conf_ctx,
                                         ngx_http_v2_module);
    mask = h2scf->streams_index_mask;

    for ( /* void */ ; d->unit <= mask + 2; d->unit++) {

        if (ngx_prof_dump_ended(d)) {
            return NGX_OK;
        }

        if (d->unit > 2 && ngx_prof_clock() >= end) {
            return NGX_AGAIN;
        }

        ngx_prof_dump_unit(d);

        for (node = h2c->streams_index[d->unit - 2];
             node;
             node = node->index)
        {
            if (node->stream) {
                ngx_prof_connection_stream(&e, node->stream);
                ngx_prof_dump_add(d, &e);
            }
        }
    }

#else

    d->unit = 1;
    ngx_prof_dump_unit(d);
    ngx_prof_dump_connection(d, c);

#endif

    return NGX_OK;
}


static void
ngx_prof_dump_connection(ngx_prof_dump_t *d, ngx_connection_t *c)
{
    ngx_prof_connection_t  e;

    if (ngx_prof_connection_read(&e, c) == NGX_OK) {
        ngx_prof_dump_add(d, &e);
    }
}


static void
ngx_prof_dump_add(ngx_prof_dump_t *d, ngx_prof_connection_t *e)
{
    ngx_uint_t              i;
    ngx_prof_dump_group_t  *g;

    i = ngx_prof_dump_find_group(d, e);
    g = &d->groups[i];

    g->count++;
    g->connection_pools += e->connection_pool;
    g->request_pools += e->request_pool;

    d->head.count++;
    d->head.cut += e->cut;

    if (e->id >> 52) {
        d->head.streams++;
    }

    if (!d->full) {
        ngx_prof_dump_detail(d, e, i);
    }
}


/*
 * finds the group of a connection, or adds one, or takes the rest of its kind
 */

static ngx_uint_t
ngx_prof_dump_find_group(ngx_prof_dump_t *d, const ngx_prof_connection_t *e)
{
    uint64_t                hash;
    ngx_uint_t              i, at;
    ngx_prof_dump_group_t  *g;

    hash = (uint64_t) e->label << 16 | e->kind << 8 | e->state;

    for (i = 0; i < e->depth; i++) {
        hash = (hash ^ e->stack[i]) * 0x9e3779b97f4a7c15ULL;
        hash ^= hash >> 29;
    }

    at = hash * 0x9e3779b97f4a7c15ULL >> 40;

    for ( ;; ) {
        at &= NGX_PROF_DUMP_INDEX - 1;
        i = d->index[at];

        if (i == 0) {
            break;
        }

        if (ngx_prof_dump_is_group(&d->groups[i], e)) {
            return i;
        }

        at++;
    }

    i = d->head.groups;

    if (i >= d->max) {
        return e->kind;
    }

    d->index[at] = i;
    d->head.groups++;

    g = &d->groups[i];
    ngx_memzero(g, offsetof(ngx_prof_dump_group_t, stack));

    g->label = e->label;
    g->kind = e->kind;
    g->state = e->state;
    g->depth = e->depth;

    for (at = 0; at < e->depth; at++) {
        g->stack[at] = e->stack[e->depth - 1 - at];
    }

    return i;
}


static ngx_uint_t
ngx_prof_dump_is_group(const ngx_prof_dump_group_t *g,
    const ngx_prof_connection_t *e)
{
    ngx_uint_t  i;

    if (g->label != e->label
        || g->kind != e->kind
        || g->state != e->state
        || g->depth != e->depth)
    {
        return 0;
    }

    for (i = 0; i < e->depth; i++) {

        if (g->stack[i] != e->stack[e->depth - 1 - i]) {
            return 0;
        }
    }

    return 1;
}


static void
ngx_prof_dump_detail(ngx_prof_dump_t *d, ngx_prof_connection_t *e,
    ngx_uint_t group)
{
    size_t                  size;
    u_char                 *p;
    ngx_uint_t              i;
    ngx_prof_dump_detail_t  detail, *to;

    ngx_prof_connection_details(e);

    detail.group = group;
    detail.id = e->id;
    detail.wait = e->wait;
    detail.remaining = e->remaining;
    detail.in = e->in;
    detail.out = e->out;
    detail.connection_pool = e->connection_pool;
    detail.request_pool = e->request_pool;
    detail.timer = e->timer;

    size = sizeof(ngx_prof_dump_detail_t);

    for (i = 0; i < NGX_PROF_DUMP_TEXTS; i++) {
        detail.len[i] = ngx_min(e->text[i].len, NGX_PROF_DUMP_TEXT);
        size += detail.len[i];
    }

    size = ngx_align(size, sizeof(uint64_t));
    detail.size = size;

    if (size > d->room - d->head.used) {
        ngx_prof_dump_full(d);
        return;
    }

    to = (ngx_prof_dump_detail_t *) (d->details + d->head.used);
    *to = detail;
    p = (u_char *) (to + 1);

    for (i = 0; i < NGX_PROF_DUMP_TEXTS; i++) {
        if (detail.len[i] != 0) {
            p = ngx_cpymem(p, e->text[i].data, detail.len[i]);
        }
    }

    d->head.used += size;
    d->head.details++;
}


/* the next part begins with the unit that did not fit, if it ever can */

static void
ngx_prof_dump_full(ngx_prof_dump_t *d)
{
    d->full = 1;

    if (d->used_before == 0) {
        d->head.next = d->cursor + 1;
        return;
    }

    d->head.next = d->cursor;
    d->head.details = d->details_before;
    d->head.used = d->used_before;
}


static void
ngx_prof_dump_finish(ngx_prof_dump_t *d)
{
    ngx_prof_dump_end(d->area, d->copy, &d->head);

    if (d->head.from == 0) {
        ngx_prof_add(&d->area->dumps, 1);
    }

    d->running = 0;

    ngx_prof_wake_awaiting();

    /* a request may have come meanwhile, too late for this walk */

    ngx_prof_dump_answer();
}


/* signal handler: writes the stack, for workers that got no answer */

static void
ngx_prof_dump_native(const ucontext_t *uc)
{
    uint64_t                  number;
    ngx_prof_slot_t          *slot;
    ngx_prof_unwind_t         result;
    ngx_prof_dump_area_t     *area;
    ngx_prof_unwind_path_t    path;
    ngx_prof_dump_native_t    native;
    const ngx_prof_thread_t  *t;

    slot = ngx_prof_process.slot;
    area = ngx_prof_dump_own();
    t = ngx_prof_thread_main();

    if (area == NULL || t == NULL) {
        return;
    }

    number = ngx_prof_load_acquire(&area->stack_asked);

    if (number == ngx_prof_load(&area->native.number)) {
        return;
    }

    native.number = number;
    native.pid = ngx_pid;
    native.clock = ngx_prof_clock();
    native.since = ngx_prof_slot_waiting(slot) ? 0
                                                         : slot->pass_start;

    if (slot->wait_start == 0 && slot->pass_start == 0) {

        /* the loop is not watched */

        native.since = native.clock;
    }

    native.depth = ngx_prof_unwind(&t->stack, uc, native.stack,
                                   NGX_PROF_DUMP_NATIVE, &result, &path);

    native.label = ngx_prof_context_label(ngx_prof_arch_sp(uc), &path);

    ngx_prof_record_write(&area->native.seq, &area->native.number,
                          &native.number,
                          NGX_PROF_DUMP_NATIVE_BODY);
}


const char *
ngx_prof_dump_kind_name(ngx_uint_t kind)
{
    static const char *const  names[] = {
        "other", "client", "http2 stream", "thread task", "upstream",
        "keepalive", "resolver", "http3 stream"
    };

    return kind < NGX_PROF_KINDS ? names[kind] : "unknown";
}


const char *
ngx_prof_dump_state_name(ngx_uint_t state)
{
    static const char *const  names[] = {
        "other", "tls", "waiting", "keepalive", "reading header",
        "reading body", "processing", "cache-lock", "resolving", "connecting",
        "sending request", "waiting for response", "reading response",
        "sending", "delayed", "thread-pool", "upgraded", "streams",
        "lingering", "closing", "idle", "stuck"
    };

    return state < NGX_PROF_DUMP_STATES ? names[state] : "unknown";
}


/* the directive that sets the timer, if it is known */

const char *
ngx_prof_dump_timer_name(ngx_uint_t kind, ngx_uint_t state, ngx_uint_t timer)
{
    switch (state) {

    case NGX_PROF_DUMP_TLS:
    case NGX_PROF_DUMP_WAITING:
    case NGX_PROF_DUMP_READING:
        return "client_header_timeout";

    case NGX_PROF_DUMP_BODY:
        return "client_body_timeout";

    case NGX_PROF_DUMP_KEEPALIVE:
    case NGX_PROF_DUMP_IDLE:
        return "keepalive_timeout";

    case NGX_PROF_DUMP_CONNECTING:
        return "upstream_connect_timeout";

    case NGX_PROF_DUMP_REQUEST:
        return "upstream_send_timeout";

    case NGX_PROF_DUMP_RESPONSE:
    case NGX_PROF_DUMP_UPSTREAM:
        return "upstream_read_timeout";

    case NGX_PROF_DUMP_SENDING:
        return (timer == 2) ? "send_timeout" : "upstream_read_timeout";

    case NGX_PROF_DUMP_DELAYED:
        return "delay";

    case NGX_PROF_DUMP_LINGERING:
        return "lingering_timeout";
    }

    return (timer == 2) ? "write" : "read";
}
