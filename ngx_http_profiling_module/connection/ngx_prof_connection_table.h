
/*
 * Which entries of nginx's table of connections are in use, and by what.  The
 * record is updated as connections come and go, so that the table need not be
 * searched.
 *
 * A connection is seen when it is first added to the event method, through
 * nginx's own table of functions.  Connections that share a socket are never
 * added, and are found by a walk.  A client has gone when its pool has; other
 * connections are checked again.  nginx's number of free connections tells
 * whether the record is complete; if it is not, the table itself is walked.
 * Some modules take entries that are no connections: such a walk learns their
 * number.  Worker, normal context.
 */


#ifndef _NGX_PROF_CONNECTION_TABLE_H_INCLUDED_
#define _NGX_PROF_CONNECTION_TABLE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_base.h"


typedef struct {
    ngx_uint_t   http;          /* HTTP clients */
    ngx_uint_t   clients;       /* of mail, stream and others */
    ngx_uint_t   strange;       /* entries taken that are no connections */
    ngx_uint_t   high;          /* no client has this index or a higher one */
    ngx_uint_t   n;             /* entries of the list */
    uint32_t    *list;          /* indices that are, or were, not a client's */
} ngx_prof_connection_table_t;


/*
 * when the worker starts, before it serves; without memory there is no record
 */
void ngx_prof_connection_table_init(ngx_cycle_t *cycle);

/* the record, or NULL */
ngx_prof_connection_table_t *ngx_prof_connection_table(void);

/*
 * What an entry of nginx's table holds.  For clients the listening socket
 * decides: c->data and c->type may be anything.
 */

typedef enum {
    NGX_PROF_SORT_UNKNOWN = 0,
    NGX_PROF_SORT_OWN,                      /* a listening socket, a channel */
    NGX_PROF_SORT_RESOLVER,
    NGX_PROF_SORT_PEER,                     /* an upstream, or a module's */
    NGX_PROF_SORT_HTTP,                     /* a client, over TCP */
    NGX_PROF_SORT_QUIC,                     /* a client of HTTP/3 */
    NGX_PROF_SORT_STREAM,                   /* its stream, with a request */
    NGX_PROF_SORT_CONTROL,                  /* its stream, without one */
    NGX_PROF_SORT_CLIENT                    /* of mail, stream and others */
} ngx_prof_connection_sort_e;

/*
 * Returns the connection of an entry of the list and its sort, or NULL: it has
 * gone, and the last entry takes its place.
 */
ngx_connection_t *ngx_prof_connection_table_entry(ngx_uint_t i,
    ngx_prof_connection_sort_e *sort);

/*
 * The log handler of HTTP clients, for which nginx has no public name: in a
 * log with it, log->data leads to the request as long as there is one.  NULL:
 * no client has come yet.
 */
extern ngx_log_handler_pt  ngx_prof_client_log
    NGX_PROF_HIDDEN;

/* the sort of an open connection of the table, by its events */
ngx_prof_connection_sort_e ngx_prof_connection_sort(const ngx_connection_t *c);

/*
 * The handler that a listening socket was configured with; NULL: the socket is
 * not nginx's.  In a worker, sockets of UDP have a handler of ours instead.
 * Signal-safe.
 */
ngx_connection_handler_pt ngx_prof_connection_table_handler(
    const ngx_listening_t *ls);

/* 1: the record accounts for all entries in use */
ngx_uint_t ngx_prof_connection_table_complete(void);

/* after a walk of the table: it found n connections */
void ngx_prof_connection_table_found(ngx_uint_t n);


/* Lua holds entries with a descriptor of -1, like free ones, and with -2 */
#define ngx_prof_is_open(c)  ((int) (c)->fd >= 0)


#endif /* _NGX_PROF_CONNECTION_TABLE_H_INCLUDED_ */
