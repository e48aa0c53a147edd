
/* Hooks of what enters the machine, and its start: see the header. */


#include <ngx_config.h>
#include <ngx_core.h>
#include <dlfcn.h>
#include "ngx_prof_lua.h"
#include "ngx_prof_interpose.h"
#include "ngx_prof_lua_check.h"
#include "ngx_prof_lua_vm.h"


/* a power of two; of those with one place the latest is known */
#define NGX_PROF_LUA_REQUESTS  4096


static int ngx_prof_lua_resume(void *l, int n);
static int ngx_prof_lua_pcall(void *l, int n, int results, int handler);


static const char *ngx_prof_lua_why;

/* requests that coroutines were resumed for, by their address */

static struct {
    uintptr_t  request;
    uintptr_t  l;
} ngx_prof_lua_resumed[NGX_PROF_LUA_REQUESTS];

#define ngx_prof_lua_request(r)                                               \
    (&ngx_prof_lua_resumed[((r) * 0x9e3779b97f4a7c15ULL >> 32)                \
                           & (NGX_PROF_LUA_REQUESTS - 1)])

static int       (*ngx_prof_lua_resume_original)(void *l, int n);
static int       (*ngx_prof_lua_pcall_original)(void *l, int n, int results,
    int handler);


static ngx_prof_hook_t  ngx_prof_lua_hooks[] = {
    { "lua_resume", (void *) ngx_prof_lua_resume,
      (void **) &ngx_prof_lua_resume_original, NGX_PROF_HOOK_CALLERS },
    { "lua_pcall", (void *) ngx_prof_lua_pcall,
      (void **) &ngx_prof_lua_pcall_original, NGX_PROF_HOOK_CALLERS }
};

ngx_prof_hooks_expected(ngx_prof_lua_hooks)


/* whether there is a Lua of any kind */

static ngx_uint_t
ngx_prof_lua_loaded(void)
{
    return dlsym(RTLD_DEFAULT, "lua_resume") != NULL;
}


void
ngx_prof_lua_init(ngx_prof_function_t *table, ngx_uint_t n, ngx_log_t *log)
{
    if (ngx_prof_lua_vm.on || ngx_prof_lua_why || !ngx_prof_lua_loaded())
    {
        return;
    }

    if (n == 0) {
        ngx_prof_lua_why = "the profiling zone has no room for their names";

    } else {
        ngx_prof_lua_why = ngx_prof_lua_check(table, n, log);
    }

    if (ngx_prof_lua_why == NULL
        && ngx_prof_interpose(ngx_prof_lua_hooks, 2, log) == NGX_ERROR)
    {
        ngx_prof_lua_why = "its calls cannot be hooked";
    }

    if (ngx_prof_lua_why == NULL) {
        ngx_prof_lua_phase_init();

    } else {
        ngx_prof_lua_vm.on = 0;
        ngx_log_error(NGX_LOG_INFO, log, 0, "profiles have no frames of Lua: "
                      "%s", ngx_prof_lua_why);
    }
}


const char *
ngx_prof_lua_reason(void)
{
    return ngx_prof_lua_why;
}


/* both continue by a jump: they have no frame on the stack */

static int
ngx_prof_lua_resume(void *l, int n)
{
    uintptr_t  r;

    ngx_prof_lua_global = *(uintptr_t *) ((u_char *) l
                                          + NGX_PROF_LUA_GLOBAL);

    /* where LuaJIT has no such pointer it is no request, and nobody asks */

    r = *(uintptr_t *) ((u_char *) l + ngx_prof_lua_vm.request);

    ngx_prof_lua_request(r)->request = r;
    ngx_prof_lua_request(r)->l = (uintptr_t) l;

    return ngx_prof_lua_resume_original(l, n);
}


static int
ngx_prof_lua_pcall(void *l, int n, int results, int handler)
{
    ngx_prof_lua_global = *(uintptr_t *) ((u_char *) l
                                          + NGX_PROF_LUA_GLOBAL);

    return ngx_prof_lua_pcall_original(l, n, results, handler);
}


ngx_uint_t
ngx_prof_lua_waits(const void *request, uint64_t *pcs, ngx_uint_t max)
{
    uintptr_t            l;
    ngx_uint_t           n;
    ngx_prof_lua_walk_t  lua;

    if (!ngx_prof_lua_vm.on || ngx_prof_lua_vm.request == 0 || max < 2) {
        return 0;
    }

    l = ngx_prof_lua_request((uintptr_t) request)->l;

    if (ngx_prof_lua_request((uintptr_t) request)->request
        != (uintptr_t) request
        || ngx_prof_lua_load(l + ngx_prof_lua_vm.request)
           != (uintptr_t) request)
    {
        return 0;
    }

    n = ngx_prof_lua_yielded(l, pcs, max - 1);

    if (n) {
        lua.l = l;
        pcs[n] = ngx_prof_lua_phase(&lua, NULL, 0);
        n += (pcs[n] != 0);
    }

    return n;
}
