
/*
 * Frames of Lua, where the virtual machine of LuaJIT 2.1 (GC64) runs on a
 * stack.
 *
 * Each time the machine is entered it keeps a frame on the thread's stack, as
 * a chain from its coroutine: that tells which Lua frames belong between which
 * others, and where the machine's caller is, in code that it has made as well.
 * Frames, functions and names are private structures of LuaJIT: they are used
 * if those of a chunk of our own, whose frames are known, prove to be as they
 * are taken to be.  Their memory is read by guarded loads only.
 */


#ifndef _NGX_PROF_LUA_H_INCLUDED_
#define _NGX_PROF_LUA_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_functions.h"
#include "ngx_prof_stack.h"


/*
 * Worker: looks whether the loaded LuaJIT is one that is known, and hooks what
 * enters it.  Functions are entered in a table of n entries.  Again: nothing
 * is done.
 */
void ngx_prof_lua_init(ngx_prof_function_t *table, ngx_uint_t n,
    ngx_log_t *log);

/*
 * Writes the frames of the coroutine that a request of HTTP has yielded in,
 * innermost first, its phase the last; their number, at most max.  0: it has
 * none, or none that is known.  Worker, normal context.
 */
ngx_uint_t ngx_prof_lua_waits(const void *request, uint64_t *pcs,
    ngx_uint_t max);

/* why Lua has no frames; NULL: it has, or there is no LuaJIT */
const char *ngx_prof_lua_reason(void);


#endif /* _NGX_PROF_LUA_H_INCLUDED_ */
