
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_slowness.h"
#include "ngx_prof_base.h"
#include "ngx_prof_claim.h"
#include "ngx_prof_clock.h"
#include "ngx_prof_conf.h"
#include "ngx_prof_context.h"
#include "ngx_prof_cost.h"
#include "ngx_prof_label.h"
#include "ngx_prof_request.h"
#include "ngx_prof_shared.h"
#include "ngx_prof_slice.h"
#include "ngx_prof_slow.h"
#include "ngx_prof_tls.h"
#include "ngx_prof_try.h"
#include "ngx_prof_worker.h"


/* the number of a request that was dropped, so that it is dropped once */
#define NGX_PROF_SLOWNESS_DROPPED  ((uint64_t) -1)

/* ns of a slice that is never long */
#define NGX_PROF_SLOWNESS_SHORT    100000

/* requests that a tick looks at, the oldest first */
#define NGX_PROF_SLOWNESS_LOOKS    256


static uint64_t ngx_prof_slowness_long(void);
static void ngx_prof_slowness_logged(ngx_http_request_t *r);
static uint64_t ngx_prof_slowness_keep(ngx_http_request_t *r,
    ngx_prof_loc_conf_t *lcf) __attribute__((noinline));
static void ngx_prof_slowness_fill(ngx_prof_slow_t *slow,
    ngx_http_request_t *r, ngx_prof_loc_conf_t *lcf,
    const ngx_prof_cost_t *cost);
static void ngx_prof_slowness_stamps(ngx_prof_slow_t *slow,
    ngx_http_request_t *r, const ngx_prof_cost_t *cost);
static void ngx_prof_slowness_tries(ngx_prof_slow_t *slow,
    ngx_http_request_t *r, const ngx_prof_cost_t *cost);
static void ngx_prof_slowness_goes_on(ngx_uint_t i,
    const ngx_prof_cost_t *cost, ngx_prof_loc_conf_t *lcf, uint64_t now);
static ngx_uint_t ngx_prof_slowness_for(const ngx_http_request_t *r);
static void ngx_prof_slowness_ended(const ngx_http_request_t *r);
static ngx_uint_t ngx_prof_slowness_is(const ngx_http_request_t *r,
    const ngx_prof_loc_conf_t *lcf, uint64_t age);


/* entries of this worker's requests in progress */

static struct {
    uintptr_t   request;
    ngx_uint_t  entry;
} ngx_prof_slowness_live[NGX_PROF_SLOW_LIVE];

static ngx_uint_t  ngx_prof_slowness_n;


void
ngx_prof_slowness_init_module(ngx_cycle_t *cycle, ngx_prof_zone_t *zone)
{
    size_t                 size;
    ngx_prof_main_conf_t  *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle,
                                              ngx_http_profiling_module);

    if (zone->slow || !(mcf->cost || mcf->watch)) {
        return;
    }

    size = ngx_prof_slow_size(mcf->slow_keep);

    zone->slow = ngx_prof_shared(size);

    if (zone->slow == NULL) {
        ngx_log_error(NGX_LOG_WARN, cycle->log, ngx_errno,
                      "slow requests will not be kept: mmap() of %uz bytes "
                      "failed", size);
        return;
    }

    zone->slow->keep = mcf->slow_keep;
}


void
ngx_prof_slowness_init(void)
{
    uint64_t               ticks;
    ngx_uint_t             i;
    ngx_prof_main_conf_t  *mcf;
    ngx_prof_loc_conf_t  **lcf;

    ngx_prof_slice_slow = NULL;
    ngx_prof_slice_least = (uint64_t) -1;
    ngx_prof_slice_long = ngx_prof_slowness_long();

    if (!ngx_prof_slicing.charged || ngx_prof_process.zone->slow == NULL) {
        return;
    }

    ngx_prof_slice_slow = ngx_prof_slowness_logged;

    mcf = ngx_prof_process.conf;
    lcf = mcf->locations.elts;

    for (i = 0; i < mcf->locations.nelts; i++) {
        ticks = ngx_prof_loop_span(ngx_prof_clock_counted(), lcf[i]->slow);

        if (ticks) {
            ngx_prof_slice_least = ngx_min(ngx_prof_slice_least, ticks);
        }
    }

    /* the rate of the counter may be set by some millionths meanwhile */

    ngx_prof_slice_least -= ngx_prof_slice_least / 1000;
    ngx_prof_slice_long = ngx_prof_slowness_long();
}


/* who holds the loop up for less is not told: neither of requests nor pauses */

static uint64_t
ngx_prof_slowness_long(void)
{
    uint64_t    pause, shortest;
    ngx_uint_t  counted;

    counted = ngx_prof_clock_counted();
    pause = ngx_prof_loop_span(counted, ngx_prof_process.pause_threshold);
    shortest = ngx_prof_loop_span(counted, NGX_PROF_SLOWNESS_SHORT);

    return ngx_max(shortest, ngx_min(ngx_prof_slice_least / 1000, pause / 10));
}


static void
ngx_prof_slowness_logged(ngx_http_request_t *r)
{
    (void) ngx_prof_slowness(r);
}


uint64_t
ngx_prof_slowness(ngx_http_request_t *r)
{
    uint64_t              age, number;
    ngx_uint_t            counted;
    ngx_prof_loc_conf_t  *lcf;

    if (ngx_prof_slice_slow == NULL) {
        return 0;
    }

    ngx_prof_slice_for(r);

    lcf = ngx_prof_context_location(r);
    counted = ngx_prof_clock_counted();
    age = ngx_prof_loop_took(counted, ngx_prof_loop_ticks(counted)
                                      - ngx_prof_slice_cost()->begun);

    if (ngx_prof_likely(!ngx_prof_slowness_is(r, lcf, age))) {
        return 0;
    }

    number = ngx_prof_slicing.cost->slow;

    if (number == 0) {
        number = ngx_prof_slowness_keep(r, lcf);
        ngx_prof_slicing.cost->slow = number ? number
                                             : NGX_PROF_SLOWNESS_DROPPED;
    }

    return number == NGX_PROF_SLOWNESS_DROPPED ? 0 : number;
}


static uint64_t
ngx_prof_slowness_keep(ngx_http_request_t *r, ngx_prof_loc_conf_t *lcf)
{
    ngx_prof_cost_t         cost;
    static ngx_prof_slow_t  slow;

    if (ngx_prof_cost_now(r, &cost) != NGX_OK) {
        return 0;
    }

    ngx_prof_slowness_fill(&slow, r, lcf, &cost);
    ngx_prof_slowness_ended(r);

    return ngx_prof_slow_add(ngx_prof_process.zone->slow, &slow,
                             lcf->slow_rate, ngx_prof_claim_alive);
}


static void
ngx_prof_slowness_fill(ngx_prof_slow_t *slow, ngx_http_request_t *r,
    ngx_prof_loc_conf_t *lcf, const ngx_prof_cost_t *cost)
{
    ngx_uint_t  counted;

    counted = ngx_prof_clock_counted();

    ngx_memzero(slow, sizeof(ngx_prof_slow_t));

    slow->clock = ngx_prof_loop_at(counted, cost->left);
    slow->total = ngx_prof_loop_took(counted, cost->left - cost->begun);
    slow->owner = ngx_prof_claim_own();
    slow->label = ngx_prof_label(lcf->marked, 0, NGX_PROF_STATE_OTHER);
    slow->connection = r->connection->number;
    slow->method = r->method;
    slow->status = r->err_status ? r->err_status : r->headers_out.status;
    slow->cpu = cost->cpu;
    slow->blocked = cost->blocked;
    slow->alloc = cost->alloc;
    slow->in = r->request_length;
    slow->out = r->connection->sent;
    slow->redirects = NGX_HTTP_MAX_URI_CHANGES + 1 - r->uri_changes;
    slow->parts = cost->parts;
    slow->joined = cost->joined;
    slow->uri_len = ngx_min(r->uri.len, NGX_PROF_SLOW_URI);

    if (r->request_body && r->request_body->temp_file) {
        slow->temporary += r->request_body->temp_file->file.offset;
    }

    ngx_prof_slowness_stamps(slow, r, cost);
    ngx_prof_slowness_tries(slow, r, cost);

    ngx_memcpy(slow->sum, cost->sum, sizeof(slow->sum));
    ngx_memcpy(slow->part, cost->part, cost->parts * sizeof(ngx_prof_part_t));
    ngx_memcpy(slow->uri, r->uri.data, slow->uri_len);
}


/*
 * What is known of a request anyway.  nginx has the accept in its milliseconds,
 * and it is no later than what came after it.
 */

static void
ngx_prof_slowness_stamps(ngx_prof_slow_t *slow, ngx_http_request_t *r,
    const ngx_prof_cost_t *cost)
{
    int64_t              begun, secured, *stamp;
    ngx_uint_t           i, counted;
    ngx_connection_t    *c;
    ngx_prof_context_t  *context;

    c = r->connection;
    stamp = slow->stamp;
    begun = (int64_t) (slow->clock - slow->total);
    counted = ngx_prof_clock_counted();

    for (i = 0; i < NGX_PROF_STAMPS; i++) {
        stamp[i] = NGX_PROF_NO_STAMP;
    }

    if (c->requests == 1 && !ngx_prof_is_stream(r)) {
        secured = (int64_t) ngx_prof_tls_secured(c);

        if (secured) {
            stamp[NGX_PROF_STAMP_SECURED] = ngx_min(secured - begun, 0);
        }

        stamp[NGX_PROF_STAMP_ACCEPTED] =
            ngx_min((int64_t) slow->total
                    - (int64_t) ((ngx_current_msec - c->start_time)
                                 * NGX_PROF_NSEC_PER_MSEC),
                    (secured ? stamp[NGX_PROF_STAMP_SECURED] : 0));
    }

    context = ngx_prof_context_owner((uintptr_t) c);

    if (context && context->request == (uintptr_t) r) {
        stamp[NGX_PROF_STAMP_HEADER] = ngx_max((int64_t) context->start - begun,
                                               0);
        if (context->end) {
            stamp[NGX_PROF_STAMP_SENT_LAST] = (int64_t)
                ngx_prof_loop_took(counted, context->end - cost->begun);
        }
    }

    if (cost->sent) {
        stamp[NGX_PROF_STAMP_SENT_FIRST] = (int64_t)
            ngx_prof_loop_took(counted, cost->sent - cost->begun);

    } else if (c->sent) {
        stamp[NGX_PROF_STAMP_SENT_FIRST] = (int64_t) slow->total;
    }

    /* the slice that has sent the first bytes may have sent the last ones */

    if (stamp[NGX_PROF_STAMP_SENT_LAST] != NGX_PROF_NO_STAMP) {
        stamp[NGX_PROF_STAMP_SENT_FIRST] =
                                    ngx_min(stamp[NGX_PROF_STAMP_SENT_FIRST],
                                            stamp[NGX_PROF_STAMP_SENT_LAST]);
    }
}


/*
 * Of the main request itself, the latest ones.  The start of the last one is
 * known, and each before it ended where the next one began.
 */

static void
ngx_prof_slowness_tries(ngx_prof_slow_t *slow, ngx_http_request_t *r,
    const ngx_prof_cost_t *cost)
{
    int64_t                           start;
    uint64_t                          ticks;
    ngx_uint_t                        i, n;
    ngx_prof_slow_try_t              *try;
    const ngx_http_upstream_state_t  *state;

    if (r->upstream_states == NULL) {
        return;
    }

    if (r->upstream && r->upstream->pipe && r->upstream->pipe->temp_file) {
        slow->temporary += r->upstream->pipe->temp_file->offset;
    }

    n = r->upstream_states->nelts;
    state = r->upstream_states->elts;

    for (i = n - ngx_min(n, NGX_PROF_SLOW_TRIES); i < n; i++) {

        if (state[i].peer == NULL) {
            continue;
        }

        try = &slow->try[slow->tries++];

        try->connect = (ngx_msec_int_t) state[i].connect_time;
        try->header = (ngx_msec_int_t) state[i].header_time;
        try->response = (ngx_msec_int_t) state[i].response_time;
        try->status = state[i].status;
        try->peer_len = ngx_min(state[i].peer->len, NGX_PROF_SLOW_PEER);

        ngx_memcpy(try->peer, state[i].peer->data, try->peer_len);
    }

    ticks = ngx_prof_try_start(r);
    start = ticks ? (int64_t) ngx_prof_loop_took(ngx_prof_clock_counted(),
                                                 ticks - cost->begun)
                  : NGX_PROF_NO_STAMP;

    for (i = slow->tries; i-- > 0; /* void */ ) {
        slow->try[i].start = start;

        if (i && start != NGX_PROF_NO_STAMP) {
            start = (slow->try[i - 1].response == -1)
                    ? NGX_PROF_NO_STAMP
                    : ngx_max(start - slow->try[i - 1].response
                                      * (int64_t) NGX_PROF_NSEC_PER_MSEC, 0);
        }
    }
}


/*
 * Requests in progress are written at each tick: those that began first, for
 * there may be many.
 */

void
ngx_prof_slowness_tick(void)
{
    uint64_t              now;
    ngx_int_t             i;
    ngx_uint_t            looked, counted;
    ngx_queue_t          *q;
    ngx_prof_cost_t      *cost;
    ngx_prof_loc_conf_t  *lcf;

    while (ngx_prof_slowness_n) {
        ngx_prof_slow_release(ngx_prof_process.zone->slow,
                          ngx_prof_slowness_live[--ngx_prof_slowness_n].entry);
    }

    if (ngx_prof_slice_slow == NULL) {
        return;
    }

    looked = 0;
    counted = ngx_prof_clock_counted();
    now = ngx_prof_loop_ticks(counted);

    for (q = ngx_queue_head(&ngx_prof_slice_living);
         q != ngx_queue_sentinel(&ngx_prof_slice_living)
         && looked++ < NGX_PROF_SLOWNESS_LOOKS;
         q = ngx_queue_next(q))
    {
        cost = ngx_queue_data(q, ngx_prof_cost_t, queue);
        lcf = ngx_prof_context_location(cost->request);

        if (now - cost->begun < ngx_prof_slice_least) {
            return;
        }

        if (!ngx_prof_slowness_is(cost->request, lcf,
                              ngx_prof_loop_took(counted, now - cost->begun)))
        {
            continue;
        }

        i = ngx_prof_slow_claim(ngx_prof_process.zone->slow,
                                ngx_prof_claim_own(), ngx_prof_claim_alive);

        if (i == -1) {
            return;
        }

        ngx_prof_slowness_goes_on(i, cost, lcf, now);
    }
}


static void
ngx_prof_slowness_goes_on(ngx_uint_t i, const ngx_prof_cost_t *cost,
    ngx_prof_loc_conf_t *lcf, uint64_t now)
{
    ngx_prof_cost_t         known;
    static ngx_prof_slow_t  slow;

    known = *cost;

    ngx_prof_slice_waits(&known, ngx_prof_slowness_for(cost->request), now);
    ngx_prof_slowness_fill(&slow, cost->request, lcf, &known);
    ngx_prof_slow_live(ngx_prof_process.zone->slow, i, &slow);

    ngx_prof_slowness_live[ngx_prof_slowness_n].request =
                                                   (uintptr_t) cost->request;
    ngx_prof_slowness_live[ngx_prof_slowness_n++].entry = i;
}


/* no event has told yet what it waits for */

static ngx_uint_t
ngx_prof_slowness_for(const ngx_http_request_t *r)
{
    const ngx_connection_t  *c;

    c = r->connection;

    if (r->upstream && r->upstream->peer.connection) {
        return NGX_PROF_PART_UPSTREAM;
    }

    if (c->buffered && !c->write->ready) {
        return NGX_PROF_PART_SENDING;
    }

    if (r->reading_body) {
        return NGX_PROF_PART_CLIENT;
    }

    return c->write->delayed ? NGX_PROF_PART_TIMER : NGX_PROF_PART_OTHER;
}


/* a request that is kept is no longer in progress */

static void
ngx_prof_slowness_ended(const ngx_http_request_t *r)
{
    ngx_uint_t  i;

    for (i = 0; i < ngx_prof_slowness_n; i++) {

        if (ngx_prof_slowness_live[i].request == (uintptr_t) r) {
            ngx_prof_slow_release(ngx_prof_process.zone->slow,
                                  ngx_prof_slowness_live[i].entry);

            ngx_prof_slowness_live[i] =
                                ngx_prof_slowness_live[--ngx_prof_slowness_n];
            return;
        }
    }
}


/* what goes over to another protocol is not meant to end soon */

static ngx_uint_t
ngx_prof_slowness_is(const ngx_http_request_t *r,
    const ngx_prof_loc_conf_t *lcf, uint64_t age)
{
    return lcf->slow
           && age >= lcf->slow
           && lcf->counted
           && !(r->upstream && r->upstream->upgrade);
}
