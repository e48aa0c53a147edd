
/*
 * What the system has counted of this worker, in its slot.
 */


#ifndef _NGX_PROF_USAGE_H_INCLUDED_
#define _NGX_PROF_USAGE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* main thread, also in a handler of a signal, if usage_timed() says so */
void ngx_prof_usage(void);

/*
 * A timer is going to call usage() while the loop does not run: NGX_DECLINED
 * if that is no call for a handler on this system.
 */
ngx_int_t ngx_prof_usage_timed(void);


#endif /* _NGX_PROF_USAGE_H_INCLUDED_ */
