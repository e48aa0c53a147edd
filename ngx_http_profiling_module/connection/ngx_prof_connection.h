
/*
 * One connection of this worker, read completely: its kind, what it waits for,
 * for which request, and which of nginx's handlers will run next.
 *
 * A connection's listening socket says what it is, and its log says which
 * request it serves.  c->data is followed only after a proof of its type: it
 * lies in the connection's own pool and leads back to the listening socket.
 * Data of other modules is never followed.  Worker, normal context, from the
 * handler of an event of ours, when nginx is not in the middle of any request.
 */


#ifndef _NGX_PROF_CONNECTION_H_INCLUDED_
#define _NGX_PROF_CONNECTION_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_dump_area.h"


typedef struct {
    ngx_connection_t    *connection;    /* or that of a stream */
    ngx_log_t           *log;           /* NULL: must not be followed */
    ngx_http_request_t  *request;       /* being served, NULL: none */
    ngx_http_request_t  *owner;         /* of the upstream, NULL: none */

    ngx_uint_t           kind;
    ngx_uint_t           state;
    uint32_t             label;         /* place and upstream */
    uint64_t             id;
    uint64_t             connection_pool;       /* bytes */
    uint64_t             request_pool;          /* bytes */
    ngx_uint_t           cut;           /* number of pools too long to be
                                           measured */

    ngx_uint_t           depth;
    uint64_t             stack[NGX_PROF_DUMP_STACK];
                                        /* outermost first */

    /* set by ngx_prof_connection_details() */
    int64_t              wait;          /* ms */
    int64_t              remaining;     /* ms */
    ngx_uint_t           timer;
    int64_t              in;            /* bytes */
    int64_t              out;
    ngx_str_t            text[NGX_PROF_DUMP_TEXTS];
    u_char               address[NGX_SOCKADDR_STRLEN];
} ngx_prof_connection_t;


/* call before a walk, which must visit clients first */
void ngx_prof_connection_begin(void);

/*
 * NGX_DECLINED: not a connection to report: a listening socket, the descriptor
 * by which a worker is woken, or a stream of HTTP/3 without a request.
 */
ngx_int_t ngx_prof_connection_read(ngx_prof_connection_t *e,
    ngx_connection_t *c);


#if (NGX_HTTP_V2)

/* the HTTP/2 state of a client's connection; NULL: it does not use HTTP/2 */
ngx_http_v2_connection_t *ngx_prof_connection_v2(const ngx_connection_t *c);

void ngx_prof_connection_stream(ngx_prof_connection_t *e,
    ngx_http_v2_stream_t *stream);

#endif


#endif /* _NGX_PROF_CONNECTION_H_INCLUDED_ */
