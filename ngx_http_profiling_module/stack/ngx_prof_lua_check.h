
/*
 * Whether the loaded LuaJIT is as it is taken to be: a chunk of our own runs in
 * a state of its own, and calls functions here, which look at its frames.
 */


#ifndef _NGX_PROF_LUA_CHECK_H_INCLUDED_
#define _NGX_PROF_LUA_CHECK_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_functions.h"


/*
 * Fills ngx_prof_lua_vm.  Worker, normal context, before its stacks are
 * sampled.  NULL, or what is wrong.
 */
const char *ngx_prof_lua_check(ngx_prof_function_t *table, ngx_uint_t n,
    ngx_log_t *log);


#endif /* _NGX_PROF_LUA_CHECK_H_INCLUDED_ */
