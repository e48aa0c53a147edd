
/*
 * Memory that pools hold, for /api/profiling/memory: those of connections and
 * of requests by worker and by location, and the one of the configuration.
 * It comes from the dumps of the workers.  Worker, normal context.
 */


#ifndef _NGX_PROF_MEMORY_H_INCLUDED_
#define _NGX_PROF_MEMORY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_dumps.h"


/* ms that a dump may be old */
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
    ngx_uint_t              next;                   /* worker to be added */
    ngx_uint_t              places;
    ngx_prof_pool_bytes_t   all;
    ngx_prof_pool_bytes_t  *place;                  /* by label's place */
    ngx_prof_pool_bytes_t  *worker;                 /* as in gather */
    uint64_t                configuration;          /* bytes of the latest */
    uint64_t                cut;
} ngx_prof_memory_t;


/* content handler's work: memory, with its pools */
ngx_int_t ngx_prof_memory_request(ngx_http_request_t *r, ngx_pid_t worker);


#endif /* _NGX_PROF_MEMORY_H_INCLUDED_ */
