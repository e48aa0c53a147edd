
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_connections.h"
#include "ngx_prof_budget.h"
#include "ngx_prof_answer.h"
#include "ngx_prof_connection_list.h"
#include "ngx_prof_dump_area.h"
#include "ngx_prof_encode.h"
#include "ngx_prof_dumps.h"
#include "ngx_prof_connections_profile.h"
#include "ngx_prof_connections_view.h"
#include "ngx_prof_json.h"
#include "ngx_prof_text.h"
#include "ngx_prof_work.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_raw.h"


/* bytes of Go's text that are copied or escaped in one step */
#define NGX_PROF_CONNECTIONS_TEXT  8192


/* what to do next */

typedef enum {
    NGX_PROF_CONNECTIONS_JOIN = 0,              /* the text, in one piece */
    NGX_PROF_CONNECTIONS_HEAD,
    NGX_PROF_CONNECTIONS_LISTED,
    NGX_PROF_CONNECTIONS_TRACE,
    NGX_PROF_CONNECTIONS_TAIL
} ngx_prof_connections_phase_e;


typedef struct {
    ngx_http_request_t          *request;
    ngx_pid_t                    worker;
    ngx_uint_t                   limit;
    ngx_prof_dumps_t            *dumps;
    ngx_prof_connections_raw_t  *raw;
    const char                  *error;             /* why there is no text */

    ngx_uint_t                   phase;
    ngx_prof_list_cursor_t       cursor;
    uint64_t                     count;
    ngx_chain_t                 *chain;             /* of the text */
    size_t                       copied;
    ngx_str_t                    text;
    u_char                      *pos;               /* next block in it */
} ngx_prof_connections_t;


static void ngx_prof_connections_dumped(void *data);
static ngx_int_t ngx_prof_connections_write(ngx_prof_work_t *w);
static ngx_int_t ngx_prof_connections_encode(ngx_prof_work_t *w);
static void ngx_prof_connections_encoded(void *data, ngx_int_t rc,
    ngx_prof_text_t *out, ngx_str_t *error);
static ngx_int_t ngx_prof_connections_run(ngx_prof_connections_t *ctx,
    ngx_int_t (*step)(ngx_prof_work_t *w),
    ngx_int_t (*finish)(ngx_prof_work_t *w));
static ngx_int_t ngx_prof_connections_step(ngx_prof_work_t *w);
static ngx_int_t ngx_prof_connections_join(ngx_prof_connections_t *ctx);
static void ngx_prof_connections_head(ngx_prof_work_t *w);
static void ngx_prof_connections_listed(ngx_prof_work_t *w,
    const ngx_prof_listed_t *listed);
static void ngx_prof_connections_stack(ngx_prof_connections_t *ctx,
    ngx_prof_json_t *j, const ngx_prof_listed_t *listed);
static u_char *ngx_prof_connections_block(ngx_prof_connections_t *ctx,
    uint64_t id);
static ngx_uint_t ngx_prof_connections_truncated(
    const ngx_prof_connections_t *ctx);
static ngx_int_t ngx_prof_connections_trace(ngx_prof_work_t *w);
static void ngx_prof_connections_tail(ngx_prof_work_t *w);


ngx_int_t
ngx_prof_connections_request(ngx_http_request_t *r, ngx_pid_t worker,
    ngx_uint_t limit)
{
    ngx_prof_connections_t  *ctx;

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_prof_connections_t));
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->request = r;
    ctx->worker = worker;
    ctx->limit = limit;
    ngx_str_set(&ctx->text, "");

    if (ngx_prof_process.zone->dump == 0) {
        ctx->error = "the profiling zone has no room for it: it needs a "
                     "larger size and a restart";

        return ngx_prof_connections_run(ctx, ngx_prof_connections_step, NULL);
    }

    ctx->dumps = ngx_prof_dumps_request(r->pool, r->connection->log,
                                    worker, limit, 0,
                                    ngx_prof_connections_dumped,
                                    ctx);
    if (ctx->dumps == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_prof_answer_later(r);

    return NGX_DONE;
}


static void
ngx_prof_connections_dumped(void *data)
{
    ngx_int_t                rc;
    ngx_http_request_t      *r;
    ngx_prof_connections_t  *ctx;

    ctx = data;
    r = ctx->request;
    rc = NGX_HTTP_INTERNAL_SERVER_ERROR;

    if (ngx_prof_connections_none(ctx->dumps, ctx->limit)) {
        rc = ngx_prof_connections_run(ctx, ngx_prof_connections_step, NULL);
        goto done;
    }

    ctx->raw = ngx_prof_connections_raw_create(r->pool,
                                               NGX_PROF_RAW_DUMP,
                                               ctx->dumps, NULL, ctx->limit);
    if (ctx->raw) {
        rc = ngx_prof_connections_run(ctx,
                                        ngx_prof_connections_write,
                                        ngx_prof_connections_encode);
    }

done:

    ngx_prof_answer(r, rc);
}


static ngx_int_t
ngx_prof_connections_run(ngx_prof_connections_t *ctx,
    ngx_int_t (*step)(ngx_prof_work_t *w),
    ngx_int_t (*finish)(ngx_prof_work_t *w))
{
    ngx_prof_work_t  *w;

    w = ngx_prof_work_create(ctx->request);
    if (w == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    w->worker = ctx->worker;
    w->parts = (finish == NULL) && ngx_prof_stream_able(ctx->request);
    w->step = step;
    w->finish = finish;
    w->data = ctx;

    return ngx_prof_work_run(w);
}


static ngx_int_t
ngx_prof_connections_write(ngx_prof_work_t *w)
{
    ngx_prof_connections_t *ctx = w->data;

    return ngx_prof_connections_raw_step(ctx->raw);
}


/* if names fail, the answer still has addresses */

static ngx_int_t
ngx_prof_connections_encode(ngx_prof_work_t *w)
{
    u_char                  *p;
    ngx_str_t                error;
    ngx_http_request_t      *r;
    ngx_prof_connections_t  *ctx;

    r = w->request;
    ctx = w->data;

    if (ngx_prof_encode(r->pool, r->connection->log,
                        &ctx->raw->file->text, NGX_PROF_ENCODE_SOON, 0,
                        ngx_prof_connections_encoded, ctx,
                        &error)
        == NGX_OK)
    {
        ngx_prof_answer_later(r);
        return NGX_DONE;
    }

    p = ngx_pnalloc(r->pool, error.len + 1);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    *ngx_cpymem(p, error.data, error.len) = '\0';
    ctx->error = (char *) p;

    return ngx_prof_connections_run(ctx, ngx_prof_connections_step, NULL);
}


static void
ngx_prof_connections_encoded(void *data, ngx_int_t rc, ngx_prof_text_t *out,
    ngx_str_t *error)
{
    u_char                  *text;
    ngx_http_request_t      *r;
    ngx_prof_connections_t  *ctx;

    ctx = data;
    r = ctx->request;

    if (rc == NGX_OK) {
        ctx->chain = ngx_prof_text_finish(out);
        text = ngx_prof_budget_alloc(r->pool, out->size + 1);

        if (text) {
            ctx->text.data = text;
            ctx->text.len = out->size;
        }
    }

    if (ctx->text.len == 0) {
        ctx->chain = NULL;
        ctx->error = "the encoder failed, see the error log";
    }

    ngx_prof_answer(r, ngx_prof_connections_run(ctx,
                                         ngx_prof_connections_step,
                                         NULL));
}


static ngx_int_t
ngx_prof_connections_step(ngx_prof_work_t *w)
{
    ngx_prof_listed_t        listed;
    ngx_prof_connections_t  *ctx;

    ctx = w->data;

    switch (ctx->phase) {

    case NGX_PROF_CONNECTIONS_JOIN:

        if (ngx_prof_connections_join(ctx) == NGX_AGAIN) {
            return NGX_AGAIN;
        }

        ctx->pos = ctx->text.data;
        break;

    case NGX_PROF_CONNECTIONS_HEAD:
        ngx_prof_connections_head(w);
        break;

    case NGX_PROF_CONNECTIONS_LISTED:

        if (ctx->dumps
            && ngx_prof_connections_next(ctx->dumps, ctx->limit,
                                         &ctx->cursor, &listed)
               == NGX_OK)
        {
            ngx_prof_connections_listed(w, &listed);
            return NGX_AGAIN;
        }

        ctx->pos = NULL;
        break;

    case NGX_PROF_CONNECTIONS_TRACE:

        if (ngx_prof_connections_trace(w) == NGX_AGAIN) {
            return NGX_AGAIN;
        }

        break;

    default:
        ngx_prof_connections_tail(w);
        return NGX_DONE;
    }

    ctx->phase++;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_prof_connections_join(ngx_prof_connections_t *ctx)
{
    size_t      n;
    ngx_buf_t  *b;

    if (ctx->chain == NULL) {
        return NGX_OK;
    }

    b = ctx->chain->buf;
    n = ngx_min(b->last - b->pos, NGX_PROF_CONNECTIONS_TEXT);
    n = ngx_min(n, ctx->text.len - ctx->copied);

    ngx_memcpy(ctx->text.data + ctx->copied, b->pos, n);
    ctx->copied += n;
    b->pos += n;

    if (b->pos == b->last) {
        ctx->chain = ctx->chain->next;
    }

    return ctx->chain ? NGX_AGAIN : NGX_OK;
}


static void
ngx_prof_connections_head(ngx_prof_work_t *w)
{
    ngx_uint_t               i;
    ngx_prof_json_t         *j;
    ngx_prof_worker_dump_t  *worker;
    ngx_prof_connections_t  *ctx;

    j = &w->json;
    ctx = w->data;

    ctx->count = w->snapshot->gauges.connections;

    if (ctx->dumps) {
        ctx->count = 0;
        worker = ctx->dumps->ask.workers.elts;

        for (i = 0; i < ctx->dumps->ask.workers.nelts; i++) {
            ctx->count += ngx_prof_dumps_count(&worker[i]);
        }
    }

    ngx_prof_json_open(j, NULL, '{');
    ngx_prof_json_uint(j, "count", ctx->count);
    ngx_prof_json_time(j, "timestamp", w->snapshot->time);
    ngx_prof_json_uint(j, "limit", ctx->limit);

    ngx_prof_connections_states(j, &w->snapshot->gauges);

    if (ctx->dumps == NULL) {
        ngx_prof_json_null(j, "goroutines");
        return;
    }

    ngx_prof_connections_sums(j, ctx->dumps);
    ngx_prof_connections_workers(j, ctx->dumps);
    ngx_prof_json_open(j, "goroutines", '[');
}


static void
ngx_prof_connections_listed(ngx_prof_work_t *w, const ngx_prof_listed_t *listed)
{
    ngx_prof_json_t  *j;

    j = &w->json;

    ngx_prof_json_open(j, NULL, '{');
    ngx_prof_json_uint(j, "id", listed->id);
    ngx_prof_json_uint(j, "worker", listed->worker->asked.pid);

    if (listed->detail) {
        ngx_prof_connections_detail(j, listed->detail,
                               &listed->worker->groups[listed->detail->group]);

    } else {
        ngx_prof_connections_stuck(j, listed->worker);
    }

    ngx_prof_connections_stack(w->data, j, listed);
    ngx_prof_json_close(j, '}');
}


/*
 * Names come from Go's text: two lines per frame, "name(...)" and a file.  The
 * outermost frame is the kind.
 */

static void
ngx_prof_connections_stack(ngx_prof_connections_t *ctx, ngx_prof_json_t *j,
    const ngx_prof_listed_t *listed)
{
    u_char                 *p, *end, *last;
    ngx_uint_t              i;
    ngx_prof_dump_group_t  *g;

    u_char  address[2 + NGX_INT64_LEN];

    ngx_prof_json_open(j, "stack", '[');

    p = ngx_prof_connections_block(ctx, listed->id);
    last = ctx->text.data + ctx->text.len;

    while (p && p < last && *p != '\n') {
        end = ngx_strlchr(p, last, '\n');
        end = end ? end : last;

        ngx_prof_json_string(j, NULL, p,
                           (end - p > 5 && ngx_strncmp(end - 5, "(...)", 5)
                            == 0) ? end - p - 5 : end - p);

        p = ngx_strlchr(ngx_min(end + 1, last), last, '\n');
        p = p ? p + 1 : last;
    }

    if (p) {
        ctx->pos = p;

    } else if (listed->detail) {
        g = &listed->worker->groups[listed->detail->group];

        for (i = 0; i < g->depth; i++) {
            end = ngx_prof_setting(NGX_PROF_ANONYMIZE)
                  ? ngx_sprintf(address, "[unknown]")
                  : ngx_sprintf(address, "0x%xL", g->stack[i]);
            ngx_prof_json_string(j, NULL, address, end - address);
        }
    }

    ngx_prof_json_close(j, ']');
}


/* blocks are in the order of the list; NULL: not found */

static u_char *
ngx_prof_connections_block(ngx_prof_connections_t *ctx, uint64_t id)
{
    u_char  *p, *last, *end, head[sizeof("goroutine  [") + NGX_INT64_LEN];
    size_t   len;

    p = ctx->pos;
    last = ctx->text.data + ctx->text.len;

    if (p == NULL) {
        return NULL;
    }

    while (p < last && *p == '\n') {
        p++;
    }

    len = ngx_sprintf(head, "goroutine %uL [", id) - head;

    if ((size_t) (last - p) < len || ngx_memcmp(p, head, len) != 0) {
        return NULL;
    }

    end = ngx_strlchr(p, last, '\n');

    return end ? end + 1 : NULL;
}


/* connections may come and go between their count and their details */

static ngx_uint_t
ngx_prof_connections_truncated(const ngx_prof_connections_t *ctx)
{
    ngx_uint_t               i;
    ngx_prof_worker_dump_t  *worker;

    if (ctx->dumps == NULL) {
        return 1;
    }

    worker = ctx->dumps->ask.workers.elts;

    for (i = 0; i < ctx->dumps->ask.workers.nelts; i++) {

        if (worker[i].asked.state == NGX_PROF_ASKED_ANSWERED
            ? worker[i].head.next != 0
            : ctx->cursor.n < ctx->count)
        {
            return 1;
        }
    }

    return ctx->cursor.n == ctx->limit && ctx->cursor.n < ctx->count;
}


static ngx_int_t
ngx_prof_connections_trace(ngx_prof_work_t *w)
{
    u_char                  *end, *last;
    ngx_prof_json_t         *j;
    ngx_prof_connections_t  *ctx;

    j = &w->json;
    ctx = w->data;

    if (ctx->pos == NULL) {

        if (ctx->dumps) {
            ngx_prof_json_close(j, ']');
        }

        ngx_prof_json_bool(j, "truncated",
                           ngx_prof_connections_truncated(ctx));

        if (ctx->error) {
            ngx_prof_json_null(j, "stack_trace");
            return NGX_OK;
        }

        ngx_prof_json_begin(j, "stack_trace");
        ctx->pos = ctx->text.data;
    }

    last = ctx->text.data + ctx->text.len;
    end = ngx_min(ctx->pos + NGX_PROF_CONNECTIONS_TEXT, last);

    if (end < last) {
        end = ngx_strlchr(end, last, '\n');
        end = end ? end : last;
    }

    ngx_prof_json_part(j, ctx->pos, end - ctx->pos);
    ctx->pos = end;

    if (end < last) {
        return NGX_AGAIN;
    }

    ngx_prof_json_end(j);

    return NGX_OK;
}


static void
ngx_prof_connections_tail(ngx_prof_work_t *w)
{
    ngx_uint_t               i;
    ngx_prof_json_t         *j;
    ngx_prof_worker_dump_t  *worker;
    ngx_prof_connections_t  *ctx;

    j = &w->json;
    ctx = w->data;

    ngx_prof_json_open(j, "unavailable", '{');

    if (ctx->error) {
        ngx_prof_json_cstring(j, "stack_trace", ctx->error);
    }

    for (i = 0; ctx->dumps && i < ctx->dumps->ask.workers.nelts; i++) {
        worker = ctx->dumps->ask.workers.elts;

        if (worker[i].asked.state == NGX_PROF_ASKED_SILENT) {
            ngx_prof_json_cstring(j, "goroutines",
                         "a worker does not answer, see workers: its count "
                         "is of its latest tick");
            break;
        }
    }

    ngx_prof_json_close(j, '}');
    ngx_prof_json_close(j, '}');
}
