
/*
 * The variables of what a request costs.
 */


#ifndef _NGX_PROF_VARIABLE_H_INCLUDED_
#define _NGX_PROF_VARIABLE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/* nginx's handler of all of them; data: ngx_prof_var_e */
ngx_int_t ngx_prof_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);


#endif /* _NGX_PROF_VARIABLE_H_INCLUDED_ */
