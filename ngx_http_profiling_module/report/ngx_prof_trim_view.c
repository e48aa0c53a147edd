
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_trim_view.h"
#include "ngx_prof_answer.h"
#include "ngx_prof_argument.h"
#include "ngx_prof_base.h"
#include "ngx_prof_json.h"
#include "ngx_prof_record.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_text.h"
#include "ngx_prof_trim.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


/* figures that may be unknown, by their offset in ngx_prof_trim_heap_t */

typedef struct {
    size_t       offset;
    const char  *fields[3];
    const char  *reason;
} ngx_prof_trim_reason_t;


/* a request that waits for answers */

typedef struct {
    ngx_http_request_t  *request;
    ngx_prof_ask_t      *ask;
} ngx_prof_trims_t;


static void ngx_prof_trim_done(void *data);
static ngx_int_t ngx_prof_trim_send(ngx_prof_trims_t *t);
static void ngx_prof_trim_view(ngx_prof_json_t *j, const ngx_array_t *workers,
    uint64_t duration);
static ngx_uint_t ngx_prof_trim_sum(const ngx_array_t *workers,
    ngx_prof_trim_t *sum);
static void ngx_prof_trim_add(ngx_prof_trim_heap_t *sum,
    const ngx_prof_trim_heap_t *heap, ngx_uint_t first);
static uint64_t ngx_prof_trim_pauses(void);
static void ngx_prof_trim_figures(ngx_prof_json_t *j,
    const ngx_prof_trim_t *trim);
static void ngx_prof_trim_heap(ngx_prof_json_t *j, const char *key,
    const ngx_prof_trim_heap_t *heap);
static void ngx_prof_trim_megabytes(ngx_prof_json_t *j, const char *key,
    uint64_t bytes);
static void ngx_prof_trim_freed(ngx_prof_json_t *j, const char *key,
    uint64_t before, uint64_t after);
static void ngx_prof_trim_worker(ngx_prof_json_t *j,
    const ngx_prof_trim_worker_t *w);
static const char *ngx_prof_trim_error(const ngx_prof_trim_worker_t *w);
static void ngx_prof_trim_unavailable(ngx_prof_json_t *j,
    const ngx_prof_trim_heap_t *heap, ngx_uint_t answered);


static const ngx_prof_trim_reason_t
    ngx_prof_trim_reasons[] =
{
    { offsetof(ngx_prof_trim_heap_t, alloc),
      { "heap_alloc_mb", NULL, NULL },
      "the allocator of the workers does not tell" },

    { offsetof(ngx_prof_trim_heap_t, sys),
      { "heap_sys_mb", NULL, NULL },
      "the allocator of the workers does not tell" },

    { offsetof(ngx_prof_trim_heap_t, resident),
      { "heap_resident_mb", NULL, NULL },
      "the allocator of the workers does not tell what it holds in memory" },

    { offsetof(ngx_prof_trim_heap_t, anonymous),
      { "anonymous_mb", "anonymous_freed_mb", NULL },
      "/proc/self/statm cannot be read" },

    { 0, { NULL, NULL, NULL }, NULL }
};


ngx_int_t
ngx_prof_trim_request(ngx_http_request_t *r, ngx_pid_t worker)
{
    ngx_prof_trims_t  *t;

    t = ngx_palloc(r->pool, sizeof(ngx_prof_trims_t));
    if (t == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    t->request = r;
    t->ask = ngx_prof_trim_ask(r->pool, r->connection->log, worker,
                               ngx_prof_trim_done, t);
    if (t->ask == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (t->ask->workers.nelts == 0) {
        return NGX_HTTP_NOT_FOUND;
    }

    ngx_prof_answer_later(r);

    return NGX_DONE;
}


static void
ngx_prof_trim_done(void *data)
{
    ngx_prof_trims_t *t = data;

    ngx_prof_answer(t->request, ngx_prof_trim_send(t));
}


static ngx_int_t
ngx_prof_trim_send(ngx_prof_trims_t *t)
{
    ngx_str_t          type;
    ngx_prof_json_t    j;
    ngx_prof_fields_t  fields;

    ngx_memzero(&j, sizeof(ngx_prof_json_t));
    ngx_prof_text_init(&j.text, t->request->pool);

    if (ngx_prof_argument_fields(t->request, &fields) == NGX_OK) {
        j.fields = &fields;
    }

    ngx_prof_trim_view(&j, &t->ask->workers,
                       ngx_prof_clock() - t->ask->start);

    ngx_str_set(&type, "application/json; charset=utf-8");

    return ngx_prof_send(t->request, NGX_HTTP_OK, &type, &j.text);
}


static void
ngx_prof_trim_view(ngx_prof_json_t *j, const ngx_array_t *workers,
    uint64_t duration)
{
    ngx_uint_t               i, answered, failed;
    ngx_prof_trim_t          sum;
    ngx_prof_trim_worker_t  *w;

    answered = ngx_prof_trim_sum(workers, &sum);
    failed = 0;
    w = workers->elts;

    for (i = 0; i < workers->nelts; i++) {
        failed += (ngx_prof_trim_error(&w[i]) != NULL);
    }

    ngx_prof_json_open(j, NULL, '{');
    ngx_prof_json_bool(j, "success", failed == 0);
    ngx_prof_json_double(j, "gc_duration_ms",
                         ngx_prof_ms(duration));
    ngx_prof_json_uint(j, "num_gc", ngx_prof_trim_pauses());

    ngx_prof_trim_figures(j, &sum);

    ngx_prof_json_open(j, "workers", '[');

    for (i = 0; i < workers->nelts; i++) {
        ngx_prof_trim_worker(j, &w[i]);
    }

    ngx_prof_json_close(j, ']');
    ngx_prof_trim_unavailable(j, &sum.after, answered);
    ngx_prof_json_close(j, '}');
}


/* returns how many answered; a figure that one of them lacks is unknown */

static ngx_uint_t
ngx_prof_trim_sum(const ngx_array_t *workers, ngx_prof_trim_t *sum)
{
    ngx_uint_t               i, answered;
    ngx_prof_trim_worker_t  *w;

    ngx_memzero(sum, sizeof(ngx_prof_trim_t));

    answered = 0;
    w = workers->elts;

    for (i = 0; i < workers->nelts; i++) {

        if (w[i].asked.state != NGX_PROF_ASKED_ANSWERED) {
            continue;
        }

        ngx_prof_trim_add(&sum->before, &w[i].trim.before, answered == 0);
        ngx_prof_trim_add(&sum->after, &w[i].trim.after, answered == 0);
        answered++;
    }

    return answered;
}


static void
ngx_prof_trim_add(ngx_prof_trim_heap_t *sum, const ngx_prof_trim_heap_t *heap,
    ngx_uint_t first)
{
    uint64_t        *to;
    ngx_uint_t       i;
    const uint64_t  *from;

    to = (uint64_t *) sum;
    from = (const uint64_t *) heap;

    for (i = 0;
         i < sizeof(ngx_prof_trim_heap_t) / sizeof(uint64_t);
         i++)
    {
        to[i] = (from[i] && (to[i] || first)) ? to[i] + from[i] : 0;
    }
}


/* of all workers, including ended ones */

static uint64_t
ngx_prof_trim_pauses(void)
{
    uint64_t          n;
    ngx_uint_t        i;
    ngx_prof_slot_t  *slot;
    ngx_prof_zone_t  *zone;

    n = 0;
    zone = ngx_prof_process.zone;

    for (i = 0; i < zone->slots; i++) {
        slot = ngx_prof_zone_slot(zone, i);

        if (ngx_prof_load(&slot->claims)) {
            n += ngx_prof_load(&slot->totals.pauses);
        }
    }

    return n;
}


/*
 * The memory returned is what the allocator has less in memory, by its own
 * account.  glibc keeps no such account: its figures include free pages
 * between used ones.  There it is what the process has less in memory.
 */

static void
ngx_prof_trim_figures(ngx_prof_json_t *j, const ngx_prof_trim_t *trim)
{
    const ngx_prof_trim_heap_t  *before, *after;

    before = &trim->before;
    after = &trim->after;

    ngx_prof_trim_megabytes(j, "heap_alloc_mb", after->alloc);
    ngx_prof_trim_megabytes(j, "heap_sys_mb", after->sys);

    if (before->resident && after->resident) {
        ngx_prof_trim_freed(j, "heap_freed_mb", before->resident,
                                    after->resident);
        ngx_prof_json_cstring(j, "heap_freed_by", "allocator");

    } else {
        ngx_prof_trim_freed(j, "heap_freed_mb", before->anonymous,
                                    after->anonymous);
        ngx_prof_json_cstring(j, "heap_freed_by",
                              "resident memory");
    }

    ngx_prof_trim_freed(j, "anonymous_freed_mb", before->anonymous,
                                after->anonymous);
    ngx_prof_trim_heap(j, "before", before);
    ngx_prof_trim_heap(j, "after", after);
}


static void
ngx_prof_trim_heap(ngx_prof_json_t *j, const char *key,
    const ngx_prof_trim_heap_t *heap)
{
    ngx_prof_json_open(j, key, '{');
    ngx_prof_trim_megabytes(j, "heap_alloc_mb", heap->alloc);
    ngx_prof_trim_megabytes(j, "heap_sys_mb", heap->sys);
    ngx_prof_trim_megabytes(j, "heap_resident_mb", heap->resident);
    ngx_prof_trim_megabytes(j, "anonymous_mb", heap->anonymous);
    ngx_prof_json_close(j, '}');
}


/* null: unknown */

static void
ngx_prof_trim_megabytes(ngx_prof_json_t *j, const char *key, uint64_t bytes)
{
    if (bytes == 0) {
        ngx_prof_json_null(j, key);
        return;
    }

    ngx_prof_json_double(j, key, (double) bytes / 1048576);
}


static void
ngx_prof_trim_freed(ngx_prof_json_t *j, const char *key, uint64_t before,
    uint64_t after)
{
    if (before == 0 || after == 0) {
        ngx_prof_json_null(j, key);
        return;
    }

    ngx_prof_json_double(j, key,
                         (double) (before - ngx_min(before, after))
                         / 1048576);
}


static void
ngx_prof_trim_worker(ngx_prof_json_t *j, const ngx_prof_trim_worker_t *w)
{
    const char  *error;

    error = ngx_prof_trim_error(w);

    ngx_prof_json_open(j, NULL, '{');
    ngx_prof_json_int(j, "pid", w->asked.pid);
    ngx_prof_json_bool(j, "success", error == NULL);

    if (error) {
        ngx_prof_json_cstring(j, "error", error);
    }

    if (w->asked.state == NGX_PROF_ASKED_ANSWERED) {
        ngx_prof_json_double(j, "duration_ms",
                             ngx_prof_ms(w->trim.duration));
        ngx_prof_trim_figures(j, &w->trim);
    }

    ngx_prof_json_close(j, '}');
}


/* NULL: no error */

static const char *
ngx_prof_trim_error(const ngx_prof_trim_worker_t *w)
{
    if (w->asked.state == NGX_PROF_ASKED_ANSWERED) {
        return w->trim.trimmed ? NULL
                               : "its allocator cannot give memory back";
    }

    if (!w->asked.reached) {
        return "the worker cannot be woken: there was no descriptor for it";
    }

    if (w->asked.state == NGX_PROF_ASKED_GONE) {
        return "the worker has ended";
    }

    return "the worker did not answer in time";
}


static void
ngx_prof_trim_unavailable(ngx_prof_json_t *j, const ngx_prof_trim_heap_t *heap,
    ngx_uint_t answered)
{
    ngx_uint_t                     i;
    const char                    *reason;
    const ngx_prof_trim_reason_t  *r;

    reason = answered ? NULL : "no worker has answered";

    ngx_prof_json_open(j, "unavailable", '{');

    for (r = ngx_prof_trim_reasons; r->reason; r++) {

        if (*(const uint64_t *) ((const u_char *) heap + r->offset)) {
            continue;
        }

        for (i = 0; r->fields[i]; i++) {
            ngx_prof_json_cstring(j, r->fields[i],
                                  reason ? reason : r->reason);
        }
    }

    if (heap->resident == 0 && heap->anonymous == 0) {
        ngx_prof_json_cstring(j, "heap_freed_mb",
                              reason ? reason
                              : "neither the allocator nor "
                                          "/proc/self/statm tells");
    }

    ngx_prof_json_close(j, '}');
}
