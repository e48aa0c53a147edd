
/*
 * The connections of the workers' dumps one by one, and their number.  Worker,
 * normal context.
 */


#ifndef _NGX_PROF_CONNECTION_LIST_H_INCLUDED_
#define _NGX_PROF_CONNECTION_LIST_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_dump_area.h"
#include "ngx_prof_dumps.h"


/* ids of stuck workers, apart from those of connections */
#define NGX_PROF_ID_WORKER  ((uint64_t) 1 << 51)


/*
 * The position in the list: stuck workers first, then connections, up to the
 * limit.  Zeroed at the beginning.
 */

typedef struct {
    ngx_uint_t                         listed;      /* 1: stuck workers are
                                                       done, connections
                                                       follow */
    ngx_uint_t                         worker;
    ngx_prof_dump_page_t              *page;        /* of the worker, NULL:
                                                       its first one */
    size_t                             offset;      /* in the page's details */
    ngx_uint_t                         n;           /* listed so far */
} ngx_prof_list_cursor_t;

typedef struct {
    ngx_prof_worker_dump_t  *worker;
    ngx_prof_dump_detail_t  *detail;                /* NULL: the worker is
                                                       stuck */
    uint64_t                 id;
} ngx_prof_listed_t;


/* NGX_OK, or NGX_DONE: no more */
ngx_int_t ngx_prof_connections_next(const ngx_prof_dumps_t *g,
    ngx_uint_t limit, ngx_prof_list_cursor_t *cursor,
    ngx_prof_listed_t *listed);

/* 1: there is nothing to list */
ngx_uint_t ngx_prof_connections_none(const ngx_prof_dumps_t *g,
    ngx_uint_t limit);

/* connections of all living workers as of their latest ticks */
uint64_t ngx_prof_connections_total(void);


#endif /* _NGX_PROF_CONNECTION_LIST_H_INCLUDED_ */
