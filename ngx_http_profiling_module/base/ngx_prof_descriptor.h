
/*
 * Descriptors of the module's own in nginx's event loop.  Each has a
 * connection structure beside nginx's table, as epoll's own notifications
 * have: it takes none of worker_connections, is not counted, and nginx neither
 * waits for it nor complains of it at exit.  Worker, normal context.
 */


#ifndef _NGX_PROF_DESCRIPTOR_H_INCLUDED_
#define _NGX_PROF_DESCRIPTOR_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>


/*
 * A connection for fd, without handlers, data and events yet; its structure is
 * used again but never freed, since an event of it may be under way when it is
 * closed.  With other methods than epoll it is one of nginx's.  NULL: there is
 * none, and fd stays open.
 */
ngx_connection_t *ngx_prof_descriptor_open(int fd, ngx_log_t *log);

/* closes fd too */
void ngx_prof_descriptor_close(ngx_connection_t *c);


#endif /* _NGX_PROF_DESCRIPTOR_H_INCLUDED_ */
