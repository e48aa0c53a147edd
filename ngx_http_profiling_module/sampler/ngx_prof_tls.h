
/*
 * TLS handshakes of a worker's main thread: their number, time and CPU time,
 * by protocol, key and result.  The functions of OpenSSL that nginx calls are
 * interposed; nothing is known if OpenSSL is linked into nginx.
 */


#ifndef _NGX_PROF_TLS_H_INCLUDED_
#define _NGX_PROF_TLS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* worker, when it has its slot */
void ngx_prof_tls_init(ngx_cycle_t *cycle);

/*
 * Worker: when the handshake of a connection ended, CLOCK_MONOTONIC in ns; of
 * the latest ones.  0: not known.
 */
uint64_t ngx_prof_tls_secured(const ngx_connection_t *c);


#endif /* _NGX_PROF_TLS_H_INCLUDED_ */
