
/*
 * Connections as answers: /api/profiling/goroutines in JSON, and
 * /debug/pprof/goroutine in Go's forms.  Worker, normal context.
 */


#ifndef _NGX_HTTP_PROFILING_GOROUTINES_H_INCLUDED_
#define _NGX_HTTP_PROFILING_GOROUTINES_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_profiling_dump_area.h"
#include "ngx_http_profiling_gather.h"
#include "ngx_http_profiling_json.h"
#include "ngx_http_profiling_pprof.h"
#include "ngx_http_profiling_rawfile.h"
#include "ngx_http_profiling_slot.h"


/* ids of workers that are stuck, beside those of connections */
#define NGX_HTTP_PROFILING_ID_WORKER  ((uint64_t) 1 << 51)


/*
 * What is told one by one: workers that are stuck first, then connections, as
 * many as the limit allows.  Zeroed: before the first one.
 */

typedef struct {
    ngx_uint_t                         listed;      /* of the workers, stuck
                                                       ones are */
    ngx_uint_t                         worker;
    size_t                             offset;      /* in its details */
    ngx_uint_t                         n;           /* told so far */
} ngx_http_profiling_cursor_t;

typedef struct {
    ngx_http_profiling_gathered_t     *worker;
    ngx_http_profiling_dump_detail_t  *detail;      /* NULL: it is stuck */
    uint64_t                           id;
} ngx_http_profiling_item_t;


/* NGX_OK, or NGX_DONE: there are no more */
ngx_int_t ngx_http_profiling_goroutines_next(
    const ngx_http_profiling_gather_t *g, ngx_uint_t limit,
    ngx_http_profiling_cursor_t *cursor, ngx_http_profiling_item_t *item);

/* 1: there is nothing to be told one by one */
ngx_uint_t ngx_http_profiling_goroutines_none(
    const ngx_http_profiling_gather_t *g, ngx_uint_t limit);


/* a raw capture of connections, that is made in steps */

typedef struct {
    ngx_http_profiling_rawfile_t      *file;
    ngx_http_profiling_gather_t       *gather;
    ngx_http_profiling_gather_t       *base;        /* of a delta, or NULL */
    ngx_uint_t                         single;      /* one by one */
    ngx_uint_t                         limit;

    uint32_t                           process;     /* of that worker */
    uint32_t                          *stacks;      /* the first of each */
    ngx_uint_t                         worker;
    ngx_uint_t                         group;
    ngx_http_profiling_cursor_t        cursor;

    uint32_t                           key_id;      /* strings */
    uint32_t                           key_kind;
    uint32_t                           key_wait;
    uint32_t                           unit_wait;
    uint32_t                           unlisted;
    uint32_t                           stuck;
    uint32_t                           silent;
    uint32_t                           root[NGX_HTTP_PROFILING_KINDS];
    uint32_t                           kind[NGX_HTTP_PROFILING_KINDS];
    uint32_t                           state[NGX_HTTP_PROFILING_DUMP_STATES];
} ngx_http_profiling_goroutine_raw_t;


/*
 * output: NGX_HTTP_PROFILING_RAW_PPROF, _TEXT: all connections, counted;
 * _DUMP: up to limit of them, one by one.  NULL: out of memory.
 */
ngx_http_profiling_goroutine_raw_t *ngx_http_profiling_goroutine_raw_create(
    ngx_pool_t *pool, ngx_uint_t output, ngx_http_profiling_gather_t *g,
    ngx_http_profiling_gather_t *base, ngx_uint_t limit);

/* NGX_AGAIN; NGX_DONE: raw->file->text is complete; NGX_ERROR: no memory */
ngx_int_t ngx_http_profiling_goroutine_raw_step(
    ngx_http_profiling_goroutine_raw_t *raw);


/* parts of the answer in JSON: states are of the latest ticks */
void ngx_http_profiling_goroutines_states(
    ngx_http_profiling_json_t *j, const ngx_http_profiling_gauges_t *g);
void ngx_http_profiling_goroutines_sums(ngx_http_profiling_json_t *j,
    const ngx_http_profiling_gather_t *g);
void ngx_http_profiling_goroutines_workers(
    ngx_http_profiling_json_t *j, const ngx_http_profiling_gather_t *g);
void ngx_http_profiling_goroutines_stuck(ngx_http_profiling_json_t *j,
    const ngx_http_profiling_gathered_t *w);
void ngx_http_profiling_goroutines_detail(
    ngx_http_profiling_json_t *j,
    const ngx_http_profiling_dump_detail_t *d,
    const ngx_http_profiling_dump_group_t *g);

/* content handlers' work; up to limit connections are told one by one */
ngx_int_t ngx_http_profiling_goroutines_request(ngx_http_request_t *r,
    ngx_pid_t worker, ngx_uint_t limit);
ngx_int_t ngx_http_profiling_goroutine_pprof(ngx_http_request_t *r,
    ngx_http_profiling_error_pt error);

/* what dumps have cost since the zone was made: "dumps" */
void ngx_http_profiling_goroutines_overhead(ngx_http_profiling_json_t *j);

/* connections of all living workers at their latest ticks */
uint64_t ngx_http_profiling_goroutine_count(void);


#endif /* _NGX_HTTP_PROFILING_GOROUTINES_H_INCLUDED_ */
