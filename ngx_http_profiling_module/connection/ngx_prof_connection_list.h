
/*
 * Connections of a gathered dump one by one, and how many there are.  Worker,
 * normal context.
 */


#ifndef _NGX_PROF_CONNECTION_LIST_H_INCLUDED_
#define _NGX_PROF_CONNECTION_LIST_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_dump_area.h"
#include "ngx_prof_dumps.h"


/* ids of workers that are stuck, beside those of connections */
#define NGX_PROF_ID_WORKER  ((uint64_t) 1 << 51)


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
} ngx_prof_list_cursor_t;

typedef struct {
    ngx_prof_worker_dump_t  *worker;
    ngx_prof_dump_detail_t  *detail;                /* NULL: it is stuck */
    uint64_t                 id;
} ngx_prof_listed_t;


/* NGX_OK, or NGX_DONE: there are no more */
ngx_int_t ngx_prof_connections_next(const ngx_prof_dumps_t *g,
    ngx_uint_t limit, ngx_prof_list_cursor_t *cursor, ngx_prof_listed_t *item);

/* 1: there is nothing to be told one by one */
ngx_uint_t ngx_prof_connections_none(const ngx_prof_dumps_t *g,
    ngx_uint_t limit);

/* connections of all living workers at their latest ticks */
uint64_t ngx_prof_connections_total(void);


#endif /* _NGX_PROF_CONNECTION_LIST_H_INCLUDED_ */
