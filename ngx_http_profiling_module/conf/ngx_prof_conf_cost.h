
/*
 * What is configured about the cost of requests: profiling_expensive, and
 * whether any of it is asked for at all.
 */


#ifndef _NGX_PROF_CONF_COST_H_INCLUDED_
#define _NGX_PROF_CONF_COST_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_conf.h"


/* what profiling_slow is without being set: ns, a second, requests */
#define NGX_PROF_SLOW_TIME   ((uint64_t) NGX_PROF_NSEC_PER_SEC)
#define NGX_PROF_SLOW_RATE   10
#define NGX_PROF_SLOW_KEEP   256

#define NGX_PROF_SLOW_UNSET  ((uint64_t) -1)


/* the variables, by the data of each */

typedef enum {
    NGX_PROF_VAR_CPU = 0,
    NGX_PROF_VAR_LOOP,
    NGX_PROF_VAR_LONGEST,
    NGX_PROF_VAR_BLOCKED,
    NGX_PROF_VAR_WAIT,
    NGX_PROF_VAR_WAIT_FOR,
    NGX_PROF_VAR_ALLOC,
    NGX_PROF_VAR_EXPENSIVE,
    NGX_PROF_VAR_SLOW_ID,
    NGX_PROF_VARS
} ngx_prof_var_e;


/* master, in preconfiguration: adds the variables, all with this handler */
ngx_int_t ngx_prof_conf_cost_variables(ngx_conf_t *cf,
    ngx_http_get_variable_pt get);

/* master: what the variables ask for that are named by what is read so far */
void ngx_prof_conf_cost_used(ngx_conf_t *cf, ngx_prof_main_conf_t *mcf);

/* the handler of profiling_expensive */
char *ngx_prof_conf_cost_expensive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


/* the handler of profiling_slow */
char *ngx_prof_conf_cost_slow(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


#endif /* _NGX_PROF_CONF_COST_H_INCLUDED_ */
