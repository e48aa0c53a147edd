
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_profiling_alive.h"
#include "ngx_http_profiling_gc.h"
#include "ngx_http_profiling_json.h"
#include "ngx_http_profiling_record.h"
#include "ngx_http_profiling_slot.h"
#include "ngx_http_profiling_worker.h"
#include "ngx_http_profiling_zone.h"


/* figures that may be unknown, as words of ngx_http_profiling_trim_heap_t */

typedef struct {
    size_t       offset;
    const char  *fields[3];
    const char  *reason;
} ngx_http_profiling_gc_reason_t;


static ngx_uint_t ngx_http_profiling_gc_sum(const ngx_array_t *workers,
    ngx_http_profiling_trim_t *sum);
static void ngx_http_profiling_gc_add(ngx_http_profiling_trim_heap_t *sum,
    const ngx_http_profiling_trim_heap_t *heap, ngx_uint_t first);
static uint64_t ngx_http_profiling_gc_pauses(void);
static void ngx_http_profiling_gc_figures(ngx_http_profiling_json_t *j,
    const ngx_http_profiling_trim_t *trim);
static void ngx_http_profiling_gc_heap(ngx_http_profiling_json_t *j,
    const char *key, const ngx_http_profiling_trim_heap_t *heap);
static void ngx_http_profiling_gc_megabytes(ngx_http_profiling_json_t *j,
    const char *key, uint64_t bytes);
static void ngx_http_profiling_gc_freed(ngx_http_profiling_json_t *j,
    const char *key, uint64_t before, uint64_t after);
static void ngx_http_profiling_gc_worker(ngx_http_profiling_json_t *j,
    const ngx_http_profiling_gc_worker_t *w);
static const char *ngx_http_profiling_gc_error(
    const ngx_http_profiling_gc_worker_t *w);
static void ngx_http_profiling_gc_unavailable(ngx_http_profiling_json_t *j,
    const ngx_http_profiling_trim_heap_t *heap, ngx_uint_t answered);


static const ngx_http_profiling_gc_reason_t  ngx_http_profiling_gc_reasons[] =
{
    { offsetof(ngx_http_profiling_trim_heap_t, alloc),
      { "heap_alloc_mb", NULL, NULL },
      "the allocator of the workers does not tell" },

    { offsetof(ngx_http_profiling_trim_heap_t, sys),
      { "heap_sys_mb", NULL, NULL },
      "the allocator of the workers does not tell" },

    { offsetof(ngx_http_profiling_trim_heap_t, resident),
      { "heap_resident_mb", NULL, NULL },
      "the allocator of the workers does not tell what it holds in memory" },

    { offsetof(ngx_http_profiling_trim_heap_t, anonymous),
      { "anonymous_mb", "anonymous_freed_mb", NULL },
      "/proc/self/statm cannot be read" },

    { 0, { NULL, NULL, NULL }, NULL }
};


void
ngx_http_profiling_gc_view(ngx_http_profiling_json_t *j,
    const ngx_array_t *workers, uint64_t duration)
{
    ngx_uint_t                       i, answered, failed;
    ngx_http_profiling_trim_t        sum;
    ngx_http_profiling_gc_worker_t  *w;

    answered = ngx_http_profiling_gc_sum(workers, &sum);
    failed = 0;
    w = workers->elts;

    for (i = 0; i < workers->nelts; i++) {
        failed += (ngx_http_profiling_gc_error(&w[i]) != NULL);
    }

    ngx_http_profiling_json_open(j, NULL, '{');
    ngx_http_profiling_json_bool(j, "success", failed == 0);
    ngx_http_profiling_json_double(j, "gc_duration_ms",
                                   (double) duration / 1e6);
    ngx_http_profiling_json_uint(j, "num_gc", ngx_http_profiling_gc_pauses());

    ngx_http_profiling_gc_figures(j, &sum);

    ngx_http_profiling_json_open(j, "workers", '[');

    for (i = 0; i < workers->nelts; i++) {
        ngx_http_profiling_gc_worker(j, &w[i]);
    }

    ngx_http_profiling_json_close(j, ']');
    ngx_http_profiling_gc_unavailable(j, &sum.after, answered);
    ngx_http_profiling_json_close(j, '}');
}


/* how many have answered; what one of them does not know is not known */

static ngx_uint_t
ngx_http_profiling_gc_sum(const ngx_array_t *workers,
    ngx_http_profiling_trim_t *sum)
{
    ngx_uint_t                       i, answered;
    ngx_http_profiling_gc_worker_t  *w;

    ngx_memzero(sum, sizeof(ngx_http_profiling_trim_t));

    answered = 0;
    w = workers->elts;

    for (i = 0; i < workers->nelts; i++) {

        if (!w[i].answered) {
            continue;
        }

        ngx_http_profiling_gc_add(&sum->before, &w[i].trim.before,
                                  answered == 0);
        ngx_http_profiling_gc_add(&sum->after, &w[i].trim.after,
                                  answered == 0);
        answered++;
    }

    return answered;
}


static void
ngx_http_profiling_gc_add(ngx_http_profiling_trim_heap_t *sum,
    const ngx_http_profiling_trim_heap_t *heap, ngx_uint_t first)
{
    uint64_t        *to;
    ngx_uint_t       i;
    const uint64_t  *from;

    to = (uint64_t *) sum;
    from = (const uint64_t *) heap;

    for (i = 0;
         i < sizeof(ngx_http_profiling_trim_heap_t) / sizeof(uint64_t);
         i++)
    {
        to[i] = (from[i] && (to[i] || first)) ? to[i] + from[i] : 0;
    }
}


/* of all workers, ended ones included */

static uint64_t
ngx_http_profiling_gc_pauses(void)
{
    uint64_t                    n;
    ngx_uint_t                  i;
    ngx_http_profiling_slot_t  *slot;
    ngx_http_profiling_zone_t  *zone;

    n = 0;
    zone = ngx_http_profiling_process.zone;

    for (i = 0; i < zone->slots; i++) {
        slot = ngx_http_profiling_zone_slot(zone, i);

        if (ngx_http_profiling_load(&slot->claims)) {
            n += ngx_http_profiling_load(&slot->totals.pauses);
        }
    }

    return n;
}


/*
 * What was given back is what the allocator has less in memory, by its own
 * account.  glibc keeps none: pages that are free between others stay in its
 * figures.  There it is what the process has less in memory.
 */

static void
ngx_http_profiling_gc_figures(ngx_http_profiling_json_t *j,
    const ngx_http_profiling_trim_t *trim)
{
    const ngx_http_profiling_trim_heap_t  *before, *after;

    before = &trim->before;
    after = &trim->after;

    ngx_http_profiling_gc_megabytes(j, "heap_alloc_mb", after->alloc);
    ngx_http_profiling_gc_megabytes(j, "heap_sys_mb", after->sys);

    if (before->resident && after->resident) {
        ngx_http_profiling_gc_freed(j, "heap_freed_mb", before->resident,
                                    after->resident);
        ngx_http_profiling_json_cstring(j, "heap_freed_by", "allocator");

    } else {
        ngx_http_profiling_gc_freed(j, "heap_freed_mb", before->anonymous,
                                    after->anonymous);
        ngx_http_profiling_json_cstring(j, "heap_freed_by",
                                        "resident memory");
    }

    ngx_http_profiling_gc_freed(j, "anonymous_freed_mb", before->anonymous,
                                after->anonymous);
    ngx_http_profiling_gc_heap(j, "before", before);
    ngx_http_profiling_gc_heap(j, "after", after);
}


static void
ngx_http_profiling_gc_heap(ngx_http_profiling_json_t *j, const char *key,
    const ngx_http_profiling_trim_heap_t *heap)
{
    ngx_http_profiling_json_open(j, key, '{');
    ngx_http_profiling_gc_megabytes(j, "heap_alloc_mb", heap->alloc);
    ngx_http_profiling_gc_megabytes(j, "heap_sys_mb", heap->sys);
    ngx_http_profiling_gc_megabytes(j, "heap_resident_mb", heap->resident);
    ngx_http_profiling_gc_megabytes(j, "anonymous_mb", heap->anonymous);
    ngx_http_profiling_json_close(j, '}');
}


/* null: not known */

static void
ngx_http_profiling_gc_megabytes(ngx_http_profiling_json_t *j, const char *key,
    uint64_t bytes)
{
    if (bytes == 0) {
        ngx_http_profiling_json_null(j, key);
        return;
    }

    ngx_http_profiling_json_double(j, key, (double) bytes / 1048576);
}


static void
ngx_http_profiling_gc_freed(ngx_http_profiling_json_t *j, const char *key,
    uint64_t before, uint64_t after)
{
    if (before == 0 || after == 0) {
        ngx_http_profiling_json_null(j, key);
        return;
    }

    ngx_http_profiling_json_double(j, key,
                                   (double) (before - ngx_min(before, after))
                                   / 1048576);
}


static void
ngx_http_profiling_gc_worker(ngx_http_profiling_json_t *j,
    const ngx_http_profiling_gc_worker_t *w)
{
    const char  *error;

    error = ngx_http_profiling_gc_error(w);

    ngx_http_profiling_json_open(j, NULL, '{');
    ngx_http_profiling_json_int(j, "pid", w->pid);
    ngx_http_profiling_json_bool(j, "success", error == NULL);

    if (error) {
        ngx_http_profiling_json_cstring(j, "error", error);
    }

    if (w->answered) {
        ngx_http_profiling_json_double(j, "duration_ms",
                                       (double) w->trim.duration / 1e6);
        ngx_http_profiling_gc_figures(j, &w->trim);
    }

    ngx_http_profiling_json_close(j, '}');
}


/* NULL: it has done what it was asked for */

static const char *
ngx_http_profiling_gc_error(const ngx_http_profiling_gc_worker_t *w)
{
    if (w->answered) {
        return w->trim.trimmed ? NULL
                               : "its allocator cannot give memory back";
    }

    if (!w->reached) {
        return "the worker cannot be woken: there was no descriptor for it";
    }

    if (!ngx_http_profiling_slot_worker(w->slot, w->pid)) {
        return "the worker has ended";
    }

    return "the worker did not answer in time";
}


static void
ngx_http_profiling_gc_unavailable(ngx_http_profiling_json_t *j,
    const ngx_http_profiling_trim_heap_t *heap, ngx_uint_t answered)
{
    ngx_uint_t                             i;
    const char                            *reason;
    const ngx_http_profiling_gc_reason_t  *r;

    reason = answered ? NULL : "no worker has answered";

    ngx_http_profiling_json_open(j, "unavailable", '{');

    for (r = ngx_http_profiling_gc_reasons; r->reason; r++) {

        if (*(const uint64_t *) ((const u_char *) heap + r->offset)) {
            continue;
        }

        for (i = 0; r->fields[i]; i++) {
            ngx_http_profiling_json_cstring(j, r->fields[i],
                                            reason ? reason : r->reason);
        }
    }

    if (heap->resident == 0 && heap->anonymous == 0) {
        ngx_http_profiling_json_cstring(j, "heap_freed_mb",
                                        reason ? reason
                                        : "neither the allocator nor "
                                          "/proc/self/statm tells");
    }

    ngx_http_profiling_json_close(j, '}');
}
