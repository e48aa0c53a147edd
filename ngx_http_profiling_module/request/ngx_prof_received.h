
/*
 * Bytes that came from the client for a request.  nginx's own figure has what
 * it has parsed, and the body that a handler has read.  It lacks a body that
 * is discarded, what a lingering close drops, what it could not parse, and
 * what came after an upgrade to another protocol.
 */


#ifndef _NGX_PROF_RECEIVED_H_INCLUDED_
#define _NGX_PROF_RECEIVED_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * Worker, when the main request ends.  What a connection dropped is known by
 * the kernel, and told if this was its only request, without TLS.
 */
off_t ngx_prof_received(ngx_http_request_t *r);


#endif /* _NGX_PROF_RECEIVED_H_INCLUDED_ */
