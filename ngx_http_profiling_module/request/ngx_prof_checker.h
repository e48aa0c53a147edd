
/*
 * Requests on their way: the checkers of two phases of nginx's engine are
 * wrapped in functions that note where a request begins, and its location.
 */


#ifndef _NGX_PROF_CHECKER_H_INCLUDED_
#define _NGX_PROF_CHECKER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* master, once nginx has built its phase engine */
void ngx_prof_checker_init_module(ngx_cycle_t *cycle);


#endif /* _NGX_PROF_CHECKER_H_INCLUDED_ */
