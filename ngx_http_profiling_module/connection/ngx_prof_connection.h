
/*
 * One connection of this worker, read whole: of what kind it is, what it
 * waits for, for which request, and which of nginx's handlers come next.
 *
 * What a connection is, is told by its listening socket; which request it
 * serves, by its log.  c->data is followed only where it is proved to be what
 * it is taken for: it lies in the connection's own pool, and leads back to its
 * listening socket.  Of what others made nothing is followed.  Worker, normal
 * context, from a handler of an event of our own: no request is half-way
 * through anything then.
 */


#ifndef _NGX_PROF_ENTRY_H_INCLUDED_
#define _NGX_PROF_ENTRY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_dump_area.h"


typedef struct {
    ngx_connection_t    *connection;    /* or that of a stream */
    ngx_log_t           *log;           /* NULL: not to be followed */
    ngx_http_request_t  *request;       /* that is told of, NULL: none */
    ngx_http_request_t  *owner;         /* of the upstream, NULL: none */

    ngx_uint_t           kind;
    ngx_uint_t           state;
    uint32_t             label;         /* place and upstream */
    uint64_t             id;
    uint64_t             connection_pool;       /* bytes */
    uint64_t             request_pool;          /* bytes */
    ngx_uint_t           cut;           /* pools too long to be measured */

    ngx_uint_t           depth;
    uint64_t             stack[NGX_PROF_DUMP_STACK];
                                        /* outermost first */

    /* by ngx_prof_connection_details() */
    int64_t              wait;          /* ms */
    int64_t              remaining;     /* ms */
    ngx_uint_t           timer;
    int64_t              in;            /* bytes */
    int64_t              out;
    ngx_str_t            text[NGX_PROF_DUMP_TEXTS];
    u_char               address[NGX_SOCKADDR_STRLEN];
} ngx_prof_connection_t;


/* before a walk, which has clients first */
void ngx_prof_connection_begin(void);

/*
 * NGX_DECLINED: a listening socket, one that workers are asked through, or a
 * stream of HTTP/3 that has no request: nobody's connection.
 */
ngx_int_t ngx_prof_connection_read(ngx_prof_connection_t *e,
    ngx_connection_t *c);


#if (NGX_HTTP_V2)

/* what HTTP/2 keeps of a client's connection; NULL: it is another's */
ngx_http_v2_connection_t *ngx_prof_connection_v2(const ngx_connection_t *c);

void ngx_prof_connection_stream(ngx_prof_connection_t *e,
    ngx_http_v2_stream_t *stream);

#endif


/* whether nginx has freed c->data already; of a client's connection */
ngx_uint_t ngx_prof_connection_closing(const ngx_connection_t *c);


#endif /* _NGX_PROF_ENTRY_H_INCLUDED_ */
