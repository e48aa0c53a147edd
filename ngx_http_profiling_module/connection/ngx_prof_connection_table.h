
/*
 * Which places of nginx's table of connections are in use, and by what: kept
 * up to date as connections come and go, so that they need not be looked for.
 *
 * A connection is seen when it is first added to the event method, through
 * nginx's own table of functions; those that share a socket never are, and
 * are walked for.  A client is gone when its pool is; others
 * are looked at again.  Whether that is all is told by nginx's number of free
 * places; if not, the table itself has to be walked.  Some modules take places
 * for connections that are none: their number is learned from such a walk.
 * Worker, normal context.
 */


#ifndef _NGX_PROF_ROSTER_H_INCLUDED_
#define _NGX_PROF_ROSTER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_base.h"


typedef struct {
    ngx_uint_t   http;          /* HTTP clients */
    ngx_uint_t   clients;       /* of mail, stream and others */
    ngx_uint_t   strange;       /* places taken for no connection */
    ngx_uint_t   high;          /* no client has this place or one above */
    ngx_uint_t   n;             /* of the list */
    uint32_t    *list;          /* places that are or were no client's */
} ngx_prof_connection_table_t;


/* when the worker starts, before it serves; without memory there is no list */
void ngx_prof_connection_table_init(ngx_cycle_t *cycle);

/* the roster, or NULL: there is none */
ngx_prof_connection_table_t *ngx_prof_connection_table(void);

/*
 * What nginx has put into a place of its table.  The listening socket tells it
 * of clients: c->data may be anything, and so may c->type.
 */

typedef enum {
    NGX_PROF_SORT_UNKNOWN = 0,
    NGX_PROF_SORT_OWN,                      /* a listening socket, a channel */
    NGX_PROF_SORT_RESOLVER,
    NGX_PROF_SORT_PEER,                     /* an upstream, or a module's */
    NGX_PROF_SORT_HTTP,                     /* a client, over TCP */
    NGX_PROF_SORT_QUIC,                     /* a client of HTTP/3 */
    NGX_PROF_SORT_STREAM,                   /* of it, with a request */
    NGX_PROF_SORT_CONTROL,                  /* of it, with none */
    NGX_PROF_SORT_CLIENT                    /* of mail, stream and others */
} ngx_prof_connection_sort_e;

/*
 * The connection of an entry of the list, and its sort, or NULL: it is
 * gone, and the last entry stands in its place.
 */
ngx_connection_t *ngx_prof_connection_table_entry(ngx_uint_t i,
    ngx_prof_connection_sort_e *sort);

/*
 * The handler of the logs of HTTP clients, which nginx does not name: with it
 * log->data leads to the request as long as there is one.  NULL: none came.
 */
extern ngx_log_handler_pt  ngx_prof_client_log
    NGX_PROF_HIDDEN;

/* of an open connection of the table; it looks at its events */
ngx_prof_connection_sort_e ngx_prof_connection_sort(const ngx_connection_t *c);

/*
 * What a listening socket was configured with; NULL: it is none of nginx's.
 * Those of UDP have another handler, of ours, in a worker.  Signal-safe.
 */
ngx_connection_handler_pt ngx_prof_connection_table_handler(
    const ngx_listening_t *ls);

/* 1: it accounts for all places in use */
ngx_uint_t ngx_prof_connection_table_complete(void);

/* a walk of the table has found so many connections */
void ngx_prof_connection_table_found(ngx_uint_t n);


/* Lua keeps places with -1, as free ones have it, and with -2 */
#define ngx_prof_is_open(c)  ((int) (c)->fd >= 0)


#endif /* _NGX_PROF_ROSTER_H_INCLUDED_ */
