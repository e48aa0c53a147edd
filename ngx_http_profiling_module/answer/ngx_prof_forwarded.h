
/*
 * Whom a request is for, by what proxies say of it.  Anybody can say so: what
 * is said may only reduce what the client gets.  Worker, normal context.
 */


#ifndef _NGX_PROF_FORWARDED_H_INCLUDED_
#define _NGX_PROF_FORWARDED_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * Whether the PROXY protocol, X-Forwarded-For, Forwarded, X-Real-IP or realip
 * names a client that is not on this machine, or one that cannot be read.
 */
ngx_uint_t ngx_prof_forwarded_foreign(ngx_http_request_t *r);

/* whether an address is of this machine: loopback, or a unix socket's */
ngx_uint_t ngx_prof_forwarded_loopback(struct sockaddr *sa);


#endif /* _NGX_PROF_FORWARDED_H_INCLUDED_ */
