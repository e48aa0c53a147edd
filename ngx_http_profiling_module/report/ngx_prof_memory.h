
/*
 * Memory held by pools, for /api/profiling/memory: pools of connections and of
 * requests, by worker and by location, and the configuration's pool.  The
 * figures come from the workers' dumps.  Worker, normal context.
 */


#ifndef _NGX_PROF_MEMORY_H_INCLUDED_
#define _NGX_PROF_MEMORY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_dumps.h"


/* ms, the greatest age of a dump */
#define NGX_PROF_MEMORY_AGE  2000


typedef struct {
    uint64_t                      connections;
    uint64_t                      connection;       /* bytes */
    uint64_t                      request;          /* bytes */
} ngx_prof_pool_bytes_t;


typedef struct {
    ngx_http_request_t     *request;
    ngx_pid_t               filter;
    ngx_prof_dumps_t       *dumps;                  /* NULL: no dumps */
    ngx_uint_t              next;                   /* worker to add next */
    ngx_uint_t              places;
    ngx_prof_pool_bytes_t   all;
    ngx_prof_pool_bytes_t  *place;                  /* by place, as in
                                                       labels */
    ngx_prof_pool_bytes_t  *worker;                 /* as in dumps */
    uint64_t                configuration;          /* bytes of the latest */
    uint64_t                cut;
} ngx_prof_memory_t;


/* content handler: memory, including pools */
ngx_int_t ngx_prof_memory_request(ngx_http_request_t *r, ngx_pid_t worker);


#endif /* _NGX_PROF_MEMORY_H_INCLUDED_ */
