
/*
 * When a response is over: when nginx has handed its last bytes to the kernel.
 * A request may be worked for long after that: its body is discarded, the
 * connection is closed lingeringly, it is mirrored, or updates a cache.
 */


#ifndef _NGX_PROF_RESPONSE_H_INCLUDED_
#define _NGX_PROF_RESPONSE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* worker, that has its slot and clock */
void ngx_prof_response_init_process(void);


#endif /* _NGX_PROF_RESPONSE_H_INCLUDED_ */
