
/*
 * Snapshots as text: one step function for each answer, for
 * ngx_http_profiling_work_t.step.  Names and meanings: CONTRACT of the API in
 * README.md.
 */


#ifndef _NGX_HTTP_PROFILING_VIEW_H_INCLUDED_
#define _NGX_HTTP_PROFILING_VIEW_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_profiling_aggregate.h"
#include "ngx_http_profiling_json.h"
#include "ngx_http_profiling_slot.h"
#include "ngx_http_profiling_work.h"


/* the figures that all workers together and each of them have alike */

typedef struct {
    const ngx_http_profiling_gauges_t   *gauges;
    const ngx_http_profiling_totals_t   *totals;
    uint64_t                             unavailable;
    uint64_t                             sys;           /* bytes */
    double                               usage;         /* percent */
    uint64_t                             lived;         /* ns */
    uint64_t                             last_pause;    /* ns */
    double                               request_rate;
    double                               error_rate;
    double                               cpu_usage;     /* percent */
    double                               utilization;   /* 0..1 */
    uint64_t                             requests;
    uint64_t                             errors;
    uint64_t                             client_errors;
    uint64_t                             bytes_in;
    uint64_t                             bytes_out;
    ngx_http_profiling_quantiles_t       latency;
    ngx_http_profiling_quantiles_t       passes;
} ngx_http_profiling_figures_t;


/*
 * Why a figure is null: NGX_HTTP_PROFILING_NO_* of the gauges, and what has
 * no value yet.  A table that ends with a bit of 0.
 */

#define NGX_HTTP_PROFILING_NO_LATENCY   ((uint64_t) 1 << 48)
#define NGX_HTTP_PROFILING_NO_PASS      ((uint64_t) 1 << 49)
#define NGX_HTTP_PROFILING_NO_PLACE     ((uint64_t) 1 << 50)
#define NGX_HTTP_PROFILING_NO_UPSTREAM  ((uint64_t) 1 << 51)
#define NGX_HTTP_PROFILING_NO_PCRE      ((uint64_t) 1 << 52)
#define NGX_HTTP_PROFILING_NO_OPENSSL   ((uint64_t) 1 << 53)
#define NGX_HTTP_PROFILING_NO_ZLIB      ((uint64_t) 1 << 54)

typedef struct {
    uint64_t                             bit;
    const char                          *fields;
    const char                          *reason;
} ngx_http_profiling_reason_t;

extern const ngx_http_profiling_reason_t  ngx_http_profiling_reasons[];


void ngx_http_profiling_figures(ngx_http_profiling_snapshot_t *s,
    ngx_http_profiling_figures_t *f);
void ngx_http_profiling_worker_figures(ngx_http_profiling_snapshot_t *s,
    const ngx_http_profiling_worker_t *w, ngx_http_profiling_figures_t *f);

/* "running", "draining", "stuck" */
const char *ngx_http_profiling_state_name(ngx_uint_t state);

/* parts of answers */
void ngx_http_profiling_view_memory_object(ngx_http_profiling_json_t *j,
    const ngx_http_profiling_figures_t *f);
void ngx_http_profiling_view_quantiles(ngx_http_profiling_json_t *j,
    const char *key, const ngx_http_profiling_quantiles_t *q);
void ngx_http_profiling_view_by_status(ngx_http_profiling_json_t *j,
    const ngx_http_profiling_counts_t *counts);
void ngx_http_profiling_view_worker(ngx_http_profiling_json_t *j,
    const ngx_http_profiling_worker_t *w);
/* server and location of a label, or null */
void ngx_http_profiling_view_place(ngx_http_profiling_json_t *j,
    uint64_t label);
void ngx_http_profiling_view_unavailable(ngx_http_profiling_json_t *j,
    uint64_t unavailable);

/* answers; that of memory has an ngx_http_profiling_pools_t as data */
ngx_int_t ngx_http_profiling_view_metrics(ngx_http_profiling_work_t *w);
ngx_int_t ngx_http_profiling_view_history(ngx_http_profiling_work_t *w);
ngx_int_t ngx_http_profiling_view_memory(ngx_http_profiling_work_t *w);
ngx_int_t ngx_http_profiling_view_gc(ngx_http_profiling_work_t *w);
ngx_int_t ngx_http_profiling_view_runtime(ngx_http_profiling_work_t *w);
ngx_int_t ngx_http_profiling_view_health(ngx_http_profiling_work_t *w);
ngx_int_t ngx_http_profiling_view_locations(ngx_http_profiling_work_t *w);
ngx_int_t ngx_http_profiling_view_prometheus(ngx_http_profiling_work_t *w);


#endif /* _NGX_HTTP_PROFILING_VIEW_H_INCLUDED_ */
