
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_slice.h"
#include "ngx_prof_clock.h"
#include "ngx_prof_context.h"
#include "ngx_prof_conf.h"
#include "ngx_prof_try.h"


static void ngx_prof_slice_ready(void);
static void ngx_prof_slice_again(ngx_prof_cost_t *cost);
static void ngx_prof_slice_peer(ngx_prof_cost_t *cost, uint64_t ns);
static void ngx_prof_slice_part(ngx_prof_cost_t *cost, ngx_uint_t kind,
    uint64_t from, uint64_t until);
static ngx_prof_cost_t *ngx_prof_slice_find(const ngx_http_request_t *r);
static void ngx_prof_slice_cleanup(void *data);


ngx_prof_slice_t  ngx_prof_slicing;

void (*ngx_prof_slice_cut)(void);
void (*ngx_prof_slice_slow)(ngx_http_request_t *r);
void (*ngx_prof_slice_over)(ngx_http_request_t *r);
uint64_t  ngx_prof_slice_least = (uint64_t) -1;
uint64_t  ngx_prof_slice_long;

ngx_prof_slice_counts_t  ngx_prof_slice_counts;

ngx_log_handler_pt  ngx_prof_slice_handler;

ngx_queue_t  ngx_prof_slice_living;

/* until the slice in which a request began is over */
static ngx_prof_cost_t  ngx_prof_slice_first;


/* a single process that reloads has its requests still */

void
ngx_prof_slice_init(void)
{
    if (ngx_prof_slice_living.next == NULL) {
        ngx_queue_init(&ngx_prof_slice_living);
    }
}


void
ngx_prof_slice_take(ngx_http_request_t *r)
{
    ngx_prof_slice_t  *s;

    s = &ngx_prof_slicing;

    if (!s->charged) {
        return;
    }

    if (s->request || s->counter != NGX_PROF_NO_COUNTER) {
        ngx_prof_slice_cut();
    }

    ngx_prof_slice_own(r);
}


void
ngx_prof_slice_own(ngx_http_request_t *r)
{
    ngx_prof_cost_t   *cost;
    ngx_prof_slice_t  *s;

    s = &ngx_prof_slicing;

    if (!s->charged) {

        /* nothing tells when the request ends */

        ngx_prof_slice_note(r);
        return;
    }

    cost = ngx_prof_slice_find(r);

    s->request = r;
    s->cost = cost;
    s->owned = 1;

    if (!s->billed) {
        ngx_prof_slice_ready();
    }

    if (ngx_prof_likely(cost == NULL)) {

        if (ngx_prof_unlikely(ngx_prof_slice_handler == NULL)) {
            ngx_prof_slice_handler = r->connection->log->handler;
        }

        return;
    }

    ngx_prof_slice_again(cost);

    if (s->wait == 0) {
        return;
    }

    cost->wait += s->wait;

    if (s->held > cost->held) {
        cost->held = s->held;
        cost->holder = s->holder;
    }
}


/* requests that were logged in the slice have made its start later */

static void
ngx_prof_slice_ready(void)
{
    ngx_prof_slice_t  *s;

    s = &ngx_prof_slicing;

    s->wait = ngx_prof_loop_took(ngx_prof_clock_counted(),
                                 s->start - s->since);

    if (s->since == s->pass && s->longest > s->held) {
        s->held = s->longest;
        s->holder = s->longest_by;
    }
}


void
ngx_prof_slice_settle(void)
{
    uintptr_t          r;
    ngx_prof_slice_t  *s;

    s = &ngx_prof_slicing;
    r = ngx_prof_latest.request;

    if (r
        && r != NGX_PROF_NO_REQUEST
        && !s->owned)
    {
        ngx_prof_slice_own((ngx_http_request_t *) r);
    }
}


void
ngx_prof_slice_enter(ngx_http_request_t *r, ngx_uint_t stream)
{
    ngx_prof_slice_t  *s;

    s = &ngx_prof_slicing;

    if (ngx_prof_latest.request == (uintptr_t) r || s->request == r->main) {
        return;
    }

    if (r == r->main) {
        ngx_prof_slice_settle();

        if (s->owned) {

            /* it was ready as the pass began, behind others */

            ngx_prof_slice_cut();
            s->since = s->pass;
        }
    }

    if (r != r->main || stream) {
        ngx_prof_slice_for(r);
    }
}


void
ngx_prof_slice_logged(ngx_http_request_t *r, uint64_t now)
{
    ngx_prof_slice_t  *s;

    s = &ngx_prof_slicing;

    if (r != r->main || !s->charged) {
        return;
    }

    ngx_prof_slice_for(r);
    ngx_prof_slice_note(r);

    if (ngx_prof_unlikely(now - (s->cost ? s->cost->begun : s->since)
                          >= ngx_prof_slice_least))
    {
        ngx_prof_slice_slow(r);
    }

    if (s->cost && s->cost->parts) {
        ngx_prof_slice_over(r);
        now = 0;
    }

    ngx_prof_slice_leave(r, now);
}


void
ngx_prof_slice_end(ngx_http_request_t *r, uint64_t now)
{
    ngx_prof_slice_logged(r, now);

    /* no time of it is told by location */

    ngx_prof_slicing.logged = 0;
}


ngx_prof_cost_t *
ngx_prof_slice_begin(void)
{
    ngx_prof_cost_t   *cost;
    ngx_prof_slice_t  *s;

    s = &ngx_prof_slicing;
    cost = &ngx_prof_slice_first;

    ngx_memzero(cost, offsetof(ngx_prof_cost_t, queue));

    cost->begun = s->since;
    cost->wait = s->wait;
    cost->held = s->held;
    cost->holder = s->held ? s->holder : 0;

    s->cost = cost;

    return cost;
}


/* since its latest slice it has waited for something, then for the loop */

static void
ngx_prof_slice_again(ngx_prof_cost_t *cost)
{
    uint64_t           known;
    ngx_prof_slice_t  *s;

    s = &ngx_prof_slicing;

    if ((int64_t) (cost->left - s->since) > 0) {

        /* the event came while it held the loop itself */

        s->since = cost->left;
        s->wait = ngx_prof_loop_took(ngx_prof_clock_counted(),
                                     s->start - s->since);
    }

    known = cost->sum[NGX_PROF_PART_UPSTREAM];

    ngx_prof_slice_part(cost, s->kind, cost->left, s->since);

    if (s->kind == NGX_PROF_PART_UPSTREAM) {
        ngx_prof_slice_peer(cost, cost->sum[NGX_PROF_PART_UPSTREAM] - known);
    }
}


/* which peer it has waited for; a fifth one of a request is not told */

static void
ngx_prof_slice_peer(ngx_prof_cost_t *cost, uint64_t ns)
{
    ngx_uint_t           i, peer, step;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ngx_prof_slicing.request;
    c = ngx_prof_slicing.connection;

    if (r->upstream == NULL || r->upstream->peer.connection != c) {

        /*
         * A subrequest's, if it is any: c->data may be of another sort, which
         * is looked up, not followed.
         */

        if (ngx_prof_context_request((uintptr_t) c->data) == NULL) {
            return;
        }

        r = c->data;
    }

    peer = ngx_prof_try_peer(r, c, &step);

    for (i = 0; peer && i < NGX_PROF_SLICE_PEERS; i++) {

        if (cost->waited[i].peer == 0 || cost->waited[i].peer == peer) {
            cost->waited[i].peer = peer;
            cost->waited[i].ns[step] += ns;
            return;
        }
    }
}


void
ngx_prof_slice_waits(ngx_prof_cost_t *cost, ngx_uint_t kind, uint64_t until)
{
    ngx_prof_slice_part(cost, kind, cost->left, until);

    cost->left = until;
}


void
ngx_prof_slice_ran(ngx_prof_cost_t *cost, uint64_t until)
{
    ngx_prof_slice_t  *s;

    s = &ngx_prof_slicing;

    if (s->since != s->start) {
        ngx_prof_slice_part(cost, NGX_PROF_PART_WAIT, s->since, s->start);
    }

    ngx_prof_slice_part(cost, NGX_PROF_PART_LOOP, s->start, until);

    cost->left = until;
}


static void
ngx_prof_slice_part(ngx_prof_cost_t *cost, ngx_uint_t kind, uint64_t from,
    uint64_t until)
{
    uint64_t          ns;
    ngx_uint_t        counted;
    ngx_prof_part_t  *part;

    counted = ngx_prof_clock_counted();
    ns = ngx_prof_loop_took(counted, until - from);

    if (cost->parts == 0) {
        cost->joined = 0;
        ngx_memzero(cost->sum, sizeof(cost->sum));
        ngx_memzero(cost->waited, sizeof(cost->waited));
    }

    cost->sum[kind] += ns;
    part = &cost->part[cost->parts];

    if (cost->parts && (part[-1].kind == kind
                        || cost->parts == NGX_PROF_SLOW_PARTS))
    {
        cost->joined |= (part[-1].kind != kind);
        part[-1].duration += ns;
        return;
    }

    part->start = ngx_prof_loop_took(counted, from - cost->begun);
    part->duration = ns;
    part->kind = (uint32_t) kind;
    part->holder = ngx_prof_slicing.holder;

    cost->parts++;
}


/* NULL: the request has had no slice that is over */

static ngx_prof_cost_t *
ngx_prof_slice_find(const ngx_http_request_t *r)
{
    ngx_pool_cleanup_t  *cln;

    for (cln = r->pool->cleanup; cln; cln = cln->next) {

        if (cln->handler == ngx_prof_slice_cleanup) {
            return cln->data;
        }
    }

    return NULL;
}


void
ngx_prof_slice_keep(void)
{
    ngx_prof_cost_t     *cost;
    ngx_prof_slice_t    *s;
    ngx_pool_cleanup_t  *cln;

    s = &ngx_prof_slicing;

    if (s->cost != &ngx_prof_slice_first) {
        return;
    }

    cln = ngx_pool_cleanup_add(s->request->pool, sizeof(ngx_prof_cost_t));

    if (cln) {
        cln->handler = ngx_prof_slice_cleanup;

        cost = cln->data;
        ngx_memcpy(cost, s->cost, offsetof(ngx_prof_cost_t, part)
                                  + s->cost->parts * sizeof(ngx_prof_part_t));

        cost->request = s->request;
        ngx_queue_insert_tail(&ngx_prof_slice_living, &cost->queue);
    }
}


/* it tells where the cost of a request is, too; it lies in the pool itself */

static void
ngx_prof_slice_cleanup(void *data)
{
    ngx_prof_cost_t *cost = data;

    ngx_queue_remove(&cost->queue);
}


void
ngx_prof_slice_latest(void)
{
    ngx_prof_slice_t    *s;
    ngx_prof_context_t  *latest;

    s = &ngx_prof_slicing;
    latest = &ngx_prof_latest;

    if (s->connection == NULL) {
        return;
    }

    s->number = s->connection->number;

    if (latest->connection == (uintptr_t) s->connection
        && latest->start == ngx_prof_loop_pass_start())
    {
        s->marked = (uint32_t) latest->place;
    }
}
