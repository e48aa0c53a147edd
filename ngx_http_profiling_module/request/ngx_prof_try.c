
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_try.h"
#include "ngx_prof_base.h"
#include "ngx_prof_clock.h"
#include "ngx_prof_conf.h"
#include "ngx_prof_counter.h"
#include "ngx_prof_row.h"
#include "ngx_prof_worker.h"


/*
 * One at a time of a request and an upstream: the request's context of our
 * module.
 */

typedef struct {
    ngx_prof_try_told_t                 told;       /* the first, see try.h */

    ngx_uint_t                          upstream;
    uint64_t                            start;      /* ngx_prof_loop_ticks() */
    uint64_t                            connected;  /* 0: not yet, as below */
    uint64_t                            first;

    ngx_prof_counting_t                *counter;    /* NULL: none is open */
    ngx_prof_counting_t                *last;       /* of the try before, that
                                                       ended by itself */
    ngx_output_chain_filter_pt          output;
    void                               *output_data;
    ngx_int_t                         (*header)(ngx_http_request_t *r);

    ngx_uint_t                          result;     /* of the last one */
    ngx_uint_t                          status;

    /*
     * of the balancer, and what stood where ours are: in nginx's order, so that
     * several are copied at once
     */
    ngx_event_get_peer_pt               get;
    ngx_event_free_peer_pt              free;
    ngx_event_notify_peer_pt            notify;
    void                               *data;
#if (NGX_SSL || NGX_COMPAT)
    ngx_event_set_peer_session_pt       set_session;
    ngx_event_save_peer_session_pt      save_session;
#endif
} ngx_prof_try_t;


/*
 * Rows that this worker has found, by where the name of the peer lies, which
 * is never followed: a name of 8 to 24 bytes is compared with its first, middle
 * and last eight, any other by its hash.
 */

#define NGX_PROF_TRY_KNOWN  512

typedef struct {
    uint64_t                            id;         /* 0: free */
    uint64_t                            head;
    uint64_t                            middle;
    uint64_t                            tail;
    ngx_prof_counting_t                *counter;
    uint64_t                            unused[3];
} ngx_prof_try_known_t;

#define ngx_prof_try_id(upstream, len)                                        \
    (((uint64_t) (len) + 1) << 32 | (upstream))


static ngx_int_t ngx_prof_try_get(ngx_peer_connection_t *pc, void *data);
static void ngx_prof_try_free(ngx_peer_connection_t *pc, void *data,
    ngx_uint_t state);
static void ngx_prof_try_notify(ngx_peer_connection_t *pc, void *data,
    ngx_uint_t type);
#if (NGX_SSL || NGX_COMPAT)
static ngx_int_t ngx_prof_try_set_session(ngx_peer_connection_t *pc,
    void *data);
static void ngx_prof_try_save_session(ngx_peer_connection_t *pc, void *data);
#endif
static ngx_int_t ngx_prof_try_output(void *data, ngx_chain_t *in);
static ngx_int_t ngx_prof_try_header(ngx_http_request_t *r);
static ngx_int_t ngx_prof_try_header_clock(ngx_http_request_t *r,
    ngx_prof_try_t *try) __attribute__((noinline));
static ngx_inline ngx_prof_try_t *ngx_prof_try_of(const ngx_http_request_t *r);
static void ngx_prof_try_again(ngx_prof_try_t *try) __attribute__((noinline));
static ngx_int_t ngx_prof_try_none(ngx_prof_try_t *try, ngx_int_t rc)
    __attribute__((noinline));
static ngx_int_t ngx_prof_try_output_of(ngx_prof_try_t *try, ngx_int_t rc)
    __attribute__((noinline));
static ngx_inline void ngx_prof_try_first(ngx_prof_try_t *try);
static void ngx_prof_try_free_any(ngx_peer_connection_t *pc,
    ngx_prof_try_t *try, ngx_uint_t state) __attribute__((noinline));
static ngx_inline off_t ngx_prof_try_file(const ngx_prof_try_t *try);
static ngx_uint_t ngx_prof_try_failed(const ngx_http_upstream_state_t *us,
    const ngx_peer_connection_t *pc, ngx_uint_t state);
static ngx_inline ngx_uint_t ngx_prof_try_class(ngx_uint_t status);
static ngx_uint_t ngx_prof_try_retry(ngx_uint_t result, ngx_uint_t status);
static ngx_inline void ngx_prof_try_end(ngx_prof_counting_t *counter,
    const ngx_http_upstream_state_t *state, ngx_uint_t result);
static ngx_prof_counting_t *ngx_prof_try_counter(ngx_uint_t upstream,
    const ngx_str_t *name) __attribute__((noinline));
static ngx_prof_counting_t *ngx_prof_try_find(ngx_uint_t upstream,
    const ngx_str_t *name, ngx_prof_try_known_t *known)
    __attribute__((noinline));


static ngx_prof_try_known_t  ngx_prof_try_known[NGX_PROF_TRY_KNOWN];


ngx_int_t
ngx_prof_try_begin(ngx_http_request_t *r, ngx_uint_t upstream)
{
    ngx_prof_try_t         *try;
    ngx_prof_loc_conf_t    *lcf;
    ngx_peer_connection_t  *pc;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_profiling_module);

    if (ngx_prof_process.slot == NULL || !lcf->counted) {
        return NGX_OK;
    }

    try = ngx_palloc(r->pool, sizeof(ngx_prof_try_t));
    if (try == NULL) {
        return NGX_OK;
    }

    ngx_http_set_ctx(r, try, ngx_http_profiling_module);

    try->told.u = r->upstream;
    try->told.bucket = 0;
    try->upstream = upstream;
    try->counter = NULL;
    try->last = NULL;
    try->output = NULL;
    try->header = NULL;

    pc = &r->upstream->peer;

    try->get = pc->get;
    try->free = pc->free;
    try->notify = pc->notify;
    try->data = pc->data;

    pc->get = ngx_prof_try_get;
    pc->free = ngx_prof_try_free;
    pc->notify = ngx_prof_try_notify;
    pc->data = try;

#if (NGX_SSL || NGX_COMPAT)

    try->set_session = pc->set_session;
    try->save_session = pc->save_session;

    pc->set_session = ngx_prof_try_set_session;
    pc->save_session = ngx_prof_try_save_session;

#endif

    return NGX_OK;
}


static ngx_inline uint64_t
ngx_prof_try_word(const u_char *p)
{
    uint64_t  word;

    ngx_memcpy(&word, p, sizeof(uint64_t));

    return word;
}


/* NULL: there is no room for it */

static ngx_prof_always_inline ngx_prof_counting_t *
ngx_prof_try_known_counter(ngx_uint_t upstream, const ngx_str_t *name)
{
    size_t                 len;
    u_char                *p;
    ngx_prof_try_known_t  *known;

    p = name->data;
    len = name->len;
    known = &ngx_prof_try_known[((uintptr_t) name >> 5) % NGX_PROF_TRY_KNOWN];

    if (ngx_prof_likely(known->id == ngx_prof_try_id(upstream, len)
                        && len - 8 <= 16
                        && known->head == ngx_prof_try_word(p)
                        && known->tail == ngx_prof_try_word(p + len - 8)
                        && (len <= 16
                            || known->middle == ngx_prof_try_word(p + 8))))
    {
        return known->counter;
    }

    return ngx_prof_try_find(upstream, name, known);
}


/*
 * What each try goes through calls nothing but the balancer: other cases have
 * functions of their own, so that little has to be saved.
 */

static ngx_int_t
ngx_prof_try_get(ngx_peer_connection_t *pc, void *data)
{
    ngx_prof_try_t *try = data;

    ngx_int_t             rc;
    ngx_prof_tries_t     *tries;
    ngx_prof_counting_t  *counter;

    if (ngx_prof_unlikely(try->last != NULL)) {
        ngx_prof_try_again(try);
    }

    try->start = ngx_prof_loop_now();
    try->connected = 0;
    try->first = 0;
    try->told.bucket = 0;

    rc = try->get(pc, try->data);

    if (ngx_prof_unlikely(ngx_prof_process.slot == NULL
                          || rc == NGX_ERROR
                          || rc == NGX_BUSY
                          || pc->name == NULL
                          || pc->sockaddr == NULL))
    {
        return ngx_prof_try_none(try, rc);
    }

    counter = ngx_prof_try_known_counter(try->upstream, pc->name);

    try->counter = counter;

    if (ngx_prof_unlikely(counter == NULL)) {
        return rc;
    }

    tries = ngx_prof_tries(counter->cell->plain);
    ngx_prof_add(&tries->started, 1);

    if (pc->cached) {
        ngx_prof_add(&tries->reused, 1);

        if (ngx_prof_likely(!try->told.u->request_sent)) {
            ngx_prof_try_first(try);
            return rc;
        }

        /* nginx is going to set the parser of headers again */
    }

    return ngx_prof_try_output_of(try, rc);
}


/* another peer is tried, after one that failed */

static void
ngx_prof_try_again(ngx_prof_try_t *try)
{
    ngx_prof_tries_t  *tries;

    tries = ngx_prof_tries(try->last->cell->plain);
    ngx_prof_add(&tries->retried[ngx_prof_try_retry(try->result,
                                                    try->status)], 1);
    try->last = NULL;
}


/* the balancer has given no peer */

static ngx_int_t
ngx_prof_try_none(ngx_prof_try_t *try, ngx_int_t rc)
{
    ngx_str_t             none;
    ngx_prof_tries_t     *tries;
    ngx_prof_counting_t  *counter;

    if (ngx_prof_process.slot == NULL || rc == NGX_ERROR) {
        return rc;
    }

    ngx_str_null(&none);
    counter = ngx_prof_try_counter(try->upstream, &none);

    if (counter) {
        tries = ngx_prof_tries(counter->cell->plain);
        ngx_prof_add(&tries->started, 1);
        ngx_prof_add(&tries->ended, 1);
        ngx_prof_add(&tries->result[NGX_PROF_TRY_NO_LIVE], 1);
    }

    return rc;
}


/* a connection is made, or nginx sets its functions anew: see output() */

static ngx_int_t
ngx_prof_try_output_of(ngx_prof_try_t *try, ngx_int_t rc)
{
    ngx_http_upstream_t  *u;

    u = try->told.u;

    if (u->output.output_filter != ngx_prof_try_output) {
        try->output = u->output.output_filter;
        try->output_data = u->output.filter_ctx;
        u->output.output_filter = ngx_prof_try_output;
        u->output.filter_ctx = try;
    }

    return rc;
}


/* what is sent first goes out when the peer is connected, its TLS included */

static ngx_int_t
ngx_prof_try_output(void *data, ngx_chain_t *in)
{
    ngx_prof_try_t *try = data;

    ngx_http_upstream_t  *u;

    u = try->told.u;

    u->output.output_filter = try->output;
    u->output.filter_ctx = try->output_data;

    try->connected = ngx_prof_loop_now();

    ngx_prof_try_first(try);

    return try->output(try->output_data, in);
}


/* the parser of headers reports the first bytes that come */

static ngx_inline void
ngx_prof_try_first(ngx_prof_try_t *try)
{
    ngx_http_upstream_t  *u;

    u = try->told.u;

    if (u->process_header != ngx_prof_try_header) {
        try->header = u->process_header;
        u->process_header = ngx_prof_try_header;
    }
}


static ngx_int_t
ngx_prof_try_header(ngx_http_request_t *r)
{
    ngx_prof_try_t  *try;

    try = ngx_prof_try_of(r);

    if (ngx_prof_unlikely(try == NULL || !ngx_prof_clock_counted())) {
        return ngx_prof_try_header_clock(r, try);
    }

    if (ngx_prof_likely(try->first == 0)) {
        try->first = ngx_prof_counter_read();
    }

    r->upstream->process_header = try->header;

    return try->header(r);
}


static ngx_int_t
ngx_prof_try_header_clock(ngx_http_request_t *r, ngx_prof_try_t *try)
{
    if (try == NULL) {
        return NGX_ERROR;
    }

    if (try->first == 0) {
        try->first = ngx_prof_loop_now();
    }

    r->upstream->process_header = try->header;

    return try->header(r);
}


static ngx_inline ngx_prof_try_t *
ngx_prof_try_of(const ngx_http_request_t *r)
{
    return ngx_http_get_module_ctx(r, ngx_http_profiling_module);
}


/*
 * Most tries are over a connection that was there, end after their header, and
 * are the last of their request: nothing is called for them.  nginx notes the
 * time of a header that is complete, and has a state for a peer that another is
 * tried after.
 */

static void
ngx_prof_try_free(ngx_peer_connection_t *pc, void *data, ngx_uint_t state)
{
    ngx_prof_try_t *try = data;

    double                      scale, took, first;
    uint64_t                   *chunk, *first_chunk;
    ngx_uint_t                  bucket, first_bucket;
    ngx_prof_cell_t            *cell;
    ngx_prof_tries_t           *tries;
    ngx_prof_counting_t        *counter;
    ngx_http_upstream_state_t  *us;

    counter = try->counter;
    us = try->told.u->state;

    if (ngx_prof_unlikely(counter == NULL
                          || us == NULL
                          || ngx_prof_process.slot == NULL
                          || us->header_time == (ngx_msec_t) -1
                          || us->status - NGX_HTTP_OK >= 100
                          || state
                          || !pc->cached
                          || try->first == 0
                          || !ngx_prof_clock_counted()
                          || ngx_prof_try_file(try)))
    {
        ngx_prof_try_free_any(pc, try, state);
        return;
    }

    scale = ngx_prof_counter_scale();
    took = (double) (int64_t) (ngx_prof_counter_read() - try->start) * scale;
    first = (double) (int64_t) (try->first - try->start) * scale;

    bucket = ngx_prof_hist_bucket_of(took);
    first_bucket = ngx_prof_hist_bucket_of(first);
    chunk = ngx_prof_counting_chunk(counter, NGX_PROF_LATENCY, bucket);
    first_chunk = ngx_prof_counting_chunk(counter, NGX_PROF_UPSTREAM,
                                          first_bucket);

    if (ngx_prof_unlikely(chunk == NULL || first_chunk == NULL)) {
        ngx_prof_try_free_any(pc, try, state);
        return;
    }

    try->counter = NULL;
    try->told.took = (uint64_t) (int64_t) took;
    try->told.bucket = bucket + 1;

    cell = counter->cell;
    ngx_prof_cell_time(cell, first_chunk, NGX_PROF_UPSTREAM, first_bucket,
                       (uint64_t) (int64_t) first);
    ngx_prof_cell_time(cell, chunk, NGX_PROF_LATENCY, bucket,
                       try->told.took);

    tries = ngx_prof_tries(cell->plain);
    ngx_prof_add(&tries->result[NGX_PROF_TRY_2XX], 1);
    ngx_prof_add(&tries->sent, us->bytes_sent);
    ngx_prof_add(&tries->received, us->bytes_received);
    ngx_prof_add(&tries->ended, 1);

    try->free(pc, try->data, state);
}


static void
ngx_prof_try_free_any(ngx_peer_connection_t *pc, ngx_prof_try_t *try,
    ngx_uint_t state)
{
    off_t                       file;
    uint64_t                    took;
    ngx_uint_t                  clock;
    ngx_prof_tries_t           *tries;
    ngx_http_upstream_state_t  *us;
    ngx_prof_counting_t        *counter;

    counter = try->counter;
    us = try->told.u->state;

    if (counter && us && ngx_prof_process.slot) {
        try->counter = NULL;

        clock = ngx_prof_clock_counted();
        took = ngx_prof_loop_took(clock, ngx_prof_loop_now() - try->start);

        try->result = (us->header_time != (ngx_msec_t) -1)
                      ? ngx_prof_try_class(us->status)
                      : ngx_prof_try_failed(us, pc, state);

        if (try->connected && !pc->cached) {
            ngx_prof_counter_time(counter, NGX_PROF_CONNECT,
                       ngx_prof_loop_took(clock, try->connected - try->start));
        }

        if (try->first) {
            ngx_prof_counter_time(counter, NGX_PROF_UPSTREAM,
                       ngx_prof_loop_took(clock, try->first - try->start));
            ngx_prof_counter_time(counter, NGX_PROF_LATENCY, took);

            try->told.took = took;
            try->told.bucket = ngx_prof_hist_bucket(took) + 1;
        }

        ngx_prof_try_end(counter, us, try->result);

        file = ngx_prof_try_file(try);

        if (file) {
            tries = ngx_prof_tries(counter->cell->plain);
            ngx_prof_add(&tries->files, 1);
            ngx_prof_add(&tries->file_bytes, file);
        }

        try->last = counter;
        try->status = us->status;
    }

    try->free(pc, try->data, state);
}


/* bytes of the answer that went through a temporary file */

static ngx_inline off_t
ngx_prof_try_file(const ngx_prof_try_t *try)
{
    ngx_event_pipe_t  *p;

    p = try->told.u->pipe;

    return (p && p->temp_file) ? p->temp_file->offset : 0;
}


/* before its header was complete; what is wrong with that comes to no end */

static ngx_uint_t
ngx_prof_try_failed(const ngx_http_upstream_state_t *us,
    const ngx_peer_connection_t *pc, ngx_uint_t state)
{
    const ngx_connection_t  *c;

    c = pc->connection;

    if (c && (c->read->timedout || c->write->timedout)) {
        return NGX_PROF_TRY_TIMEOUT;
    }

    if (state == 0) {
        return NGX_PROF_TRY_ABANDONED;
    }

    return (c && us->bytes_received && !c->read->eof && !c->read->error)
           ? NGX_PROF_TRY_INVALID : NGX_PROF_TRY_ERROR;
}


static ngx_inline ngx_uint_t
ngx_prof_try_class(ngx_uint_t status)
{
    ngx_uint_t  class;

    class = (uint32_t) status / 100 - 1;

    return (class < 5) ? NGX_PROF_TRY_1XX + class : NGX_PROF_TRY_2XX;
}


static ngx_uint_t
ngx_prof_try_retry(ngx_uint_t result, ngx_uint_t status)
{
    ngx_uint_t  i;

    static const ngx_uint_t  known[] = { 403, 404, 429, 500, 502, 503, 504 };

    switch (result) {

    case NGX_PROF_TRY_ERROR:
        return NGX_PROF_RETRY_ERROR;

    case NGX_PROF_TRY_TIMEOUT:
        return NGX_PROF_RETRY_TIMEOUT;

    case NGX_PROF_TRY_INVALID:
        return NGX_PROF_RETRY_INVALID;

    case NGX_PROF_TRY_2XX:
        return NGX_PROF_RETRY_OTHER;
    }

    for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {

        if (known[i] == status) {
            return NGX_PROF_RETRY_403 + i;
        }
    }

    return NGX_PROF_RETRY_OTHER;
}


static ngx_inline void
ngx_prof_try_end(ngx_prof_counting_t *counter,
    const ngx_http_upstream_state_t *state, ngx_uint_t result)
{
    ngx_prof_tries_t  *tries;

    tries = ngx_prof_tries(counter->cell->plain);

    ngx_prof_add(&tries->result[result], 1);
    ngx_prof_add(&tries->sent, state->bytes_sent);
    ngx_prof_add(&tries->received, state->bytes_received);
    ngx_prof_add(&tries->ended, 1);
}


static ngx_prof_counting_t *
ngx_prof_try_counter(ngx_uint_t upstream, const ngx_str_t *name)
{
    return ngx_prof_try_known_counter(upstream, name);
}


static ngx_prof_counting_t *
ngx_prof_try_find(ngx_uint_t upstream, const ngx_str_t *name,
    ngx_prof_try_known_t *known)
{
    uint64_t              hash;
    ngx_uint_t            row, words;
    ngx_prof_zone_t      *zone;
    ngx_prof_counting_t  *counter;

    zone = ngx_prof_process.zone;
    hash = ngx_prof_row_hash(name, upstream);
    words = (name->len >= 8 && name->len <= 24);

    if (!words
        && known->id == ngx_prof_try_id(upstream, name->len)
        && known->head == hash)
    {
        return known->counter;
    }

    if (ngx_prof_row_open(zone, NGX_PROF_ROW_PEERS, hash, upstream, name, &row)
        == NGX_OK)
    {
        counter = ngx_prof_counter_row(row);

        if (counter) {
            known->id = ngx_prof_try_id(upstream, name->len);
            known->head = words ? ngx_prof_try_word(name->data) : hash;
            known->middle = (words && name->len > 16)
                            ? ngx_prof_try_word(name->data + 8) : 0;
            known->tail = words
                          ? ngx_prof_try_word(name->data + name->len - 8) : 0;
            known->counter = counter;

            return counter;
        }
    }

    (void) __atomic_fetch_add(&zone->header->rows_lost, 1, __ATOMIC_RELAXED);

    return NULL;
}


/* one that was found by name has no try of ours */

ngx_uint_t
ngx_prof_try_peer(ngx_http_request_t *r, const ngx_connection_t *c,
    ngx_uint_t *step)
{
    ngx_http_upstream_t   *u;
    ngx_prof_counting_t   *counter;
    const ngx_prof_try_t  *try;

    try = ngx_prof_try_of(r);

    if (try && try->counter && try->told.u->peer.connection == c) {
        *step = try->first ? NGX_PROF_PEER_BODY
                : (try->connected || try->told.u->peer.cached)
                  ? NGX_PROF_PEER_FIRST_BYTE
                  : NGX_PROF_PEER_CONNECT;

        return ngx_prof_counter_row_of(try->counter) + 1;
    }

    u = r->upstream;

    if (u == NULL
        || u->resolved == NULL
        || u->peer.connection != c
        || u->peer.name == NULL
        || u->state == NULL)
    {
        return 0;
    }

    *step = (u->state->header_time != (ngx_msec_t) -1) ? NGX_PROF_PEER_BODY
            : u->request_sent ? NGX_PROF_PEER_FIRST_BYTE
            : NGX_PROF_PEER_CONNECT;

    counter = ngx_prof_try_counter(0, u->peer.name);

    return counter ? ngx_prof_counter_row_of(counter) + 1 : 0;
}


uint64_t
ngx_prof_try_start(const ngx_http_request_t *r)
{
    const ngx_prof_try_t  *try;

    try = ngx_prof_try_of(r);

    return (try && try->told.u == r->upstream) ? try->start : 0;
}


static void
ngx_prof_try_notify(ngx_peer_connection_t *pc, void *data, ngx_uint_t type)
{
    ngx_prof_try_t *try = data;

    if (try->notify) {
        try->notify(pc, try->data, type);
    }
}


#if (NGX_SSL || NGX_COMPAT)

static ngx_int_t
ngx_prof_try_set_session(ngx_peer_connection_t *pc, void *data)
{
    ngx_prof_try_t *try = data;

    return try->set_session ? try->set_session(pc, try->data) : NGX_OK;
}


static void
ngx_prof_try_save_session(ngx_peer_connection_t *pc, void *data)
{
    ngx_prof_try_t *try = data;

    if (try->save_session) {
        try->save_session(pc, try->data);
    }
}

#endif


void
ngx_prof_try_resolved(ngx_http_request_t *r)
{
    uint64_t                    ns;
    ngx_uint_t                  i, result;
    ngx_prof_tries_t           *tries;
    ngx_prof_counting_t        *counter;
    ngx_http_upstream_state_t  *us;

    if (r->upstream->peer.get == ngx_prof_try_get) {
        return;
    }

    us = r->upstream_states->elts;

    for (i = 0; i < r->upstream_states->nelts; i++) {

        if (us[i].peer == NULL || us[i].response_time == (ngx_msec_t) -1) {
            continue;
        }

        counter = ngx_prof_try_counter(0, us[i].peer);

        if (counter == NULL) {
            continue;
        }

        tries = ngx_prof_tries(counter->cell->plain);
        ngx_prof_add(&tries->started, 1);

        if (us[i].header_time != (ngx_msec_t) -1) {
            result = ngx_prof_try_class(us[i].status);

        } else {
            result = (us[i].status == NGX_HTTP_GATEWAY_TIME_OUT)
                     ? NGX_PROF_TRY_TIMEOUT : NGX_PROF_TRY_ERROR;
        }

        if (us[i].connect_time != (ngx_msec_t) -1) {
            ns = (uint64_t) us[i].connect_time * NGX_PROF_NSEC_PER_MSEC;
            ngx_prof_counter_time(counter, NGX_PROF_CONNECT, ns);
        }

        if (us[i].header_time != (ngx_msec_t) -1) {
            ns = (uint64_t) us[i].header_time * NGX_PROF_NSEC_PER_MSEC;
            ngx_prof_counter_time(counter, NGX_PROF_UPSTREAM, ns);

            ns = (uint64_t) us[i].response_time * NGX_PROF_NSEC_PER_MSEC;
            ngx_prof_counter_time(counter, NGX_PROF_LATENCY, ns);
        }

        ngx_prof_try_end(counter, &us[i], result);
    }
}
