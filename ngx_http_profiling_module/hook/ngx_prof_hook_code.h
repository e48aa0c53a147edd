
/*
 * Hooks that call on lie in a section of their own: a stack tells the call, not
 * who has passed it on.
 */


#ifndef _NGX_PROF_HOOK_CODE_H_INCLUDED_
#define _NGX_PROF_HOOK_CODE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_PROF_HOOK_CODE                                                    \
    __attribute__((noinline, section("profiling_hooks")))


/* set by the linker: the bounds of that section, if there is one */

extern const u_char  __start_profiling_hooks[]
    __attribute__((visibility("hidden"), weak));
extern const u_char  __stop_profiling_hooks[]
    __attribute__((visibility("hidden"), weak));


/* whether this address, or the call that returns to it, is of a hook */

static ngx_inline ngx_uint_t
ngx_prof_hook_code(uintptr_t pc)
{
    return pc - (uintptr_t) __start_profiling_hooks
           <= (uintptr_t) __stop_profiling_hooks
              - (uintptr_t) __start_profiling_hooks;
}


#endif /* _NGX_PROF_HOOK_CODE_H_INCLUDED_ */
