
/*
 * Raw captures of connections.  Worker, normal context.
 */


#ifndef _NGX_PROF_CONNECTIONS_PROFILE_H_INCLUDED_
#define _NGX_PROF_CONNECTIONS_PROFILE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_connection_list.h"
#include "ngx_prof_dump_area.h"
#include "ngx_prof_dumps.h"
#include "ngx_prof_raw_file.h"


/* a raw capture of connections, made in steps */

typedef struct {
    ngx_prof_rawfile_t         *file;
    ngx_prof_dumps_t           *dumps;
    ngx_prof_dumps_t           *base;               /* of a delta, or NULL */
    ngx_uint_t                  single;             /* one by one */
    ngx_uint_t                  limit;

    uint32_t                    process;            /* of the worker */
    uint32_t                   *stacks;             /* the first of each */
    ngx_uint_t                  worker;
    ngx_uint_t                  group;
    ngx_prof_list_cursor_t      cursor;

    uint32_t                    key_id;             /* strings */
    uint32_t                    key_kind;
    uint32_t                    key_wait;
    uint32_t                    unit_wait;
    uint32_t                    unlisted;
    uint32_t                    stuck;
    uint32_t                    silent;
    uint32_t                    root[NGX_PROF_KINDS];
    uint32_t                    kind[NGX_PROF_KINDS];
    uint32_t                    state[NGX_PROF_DUMP_STATES];
} ngx_prof_connections_raw_t;


/*
 * output: NGX_PROF_RAW_PPROF or _TEXT for all connections, counted; _DUMP for
 * up to limit connections one by one.  NULL: out of memory.
 */
ngx_prof_connections_raw_t *ngx_prof_connections_raw_create(ngx_pool_t *pool,
    ngx_uint_t output, ngx_prof_dumps_t *g, ngx_prof_dumps_t *base,
    ngx_uint_t limit);

/* NGX_AGAIN; NGX_DONE: raw->file->text is complete; NGX_ERROR: no memory */
ngx_int_t ngx_prof_connections_raw_step(ngx_prof_connections_raw_t *raw);


#endif /* _NGX_PROF_CONNECTIONS_PROFILE_H_INCLUDED_ */
