
/*
 * What Lua is run for: the phase, as lua-nginx-module calls it.
 *
 * Filters and the like call Lua from a function of the module that is on the
 * stack.  Coroutines continue later, called by a timer or a socket: a coroutine
 * has its request, and the module tells of a request in which phase it is.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <dlfcn.h>
#include "ngx_prof_lua_vm.h"


/* bytes of the module's context of a request that it may look at */
#define NGX_PROF_LUA_CONTEXT  512

/* frames of the module between Lua and what it is run for */
#define NGX_PROF_LUA_CALLERS  12


typedef struct {
    uintptr_t    start;
    uintptr_t    end;
    ngx_int_t    index;                         /* of the frame's function */
} ngx_prof_lua_site_t;


static ngx_int_t ngx_prof_lua_phase_index(const char *name);
static ngx_int_t ngx_prof_lua_phase_asked(uintptr_t l);


/* functions of the module, and what they run */

static const struct {
    const char  *function;
    const char  *phase;
} ngx_prof_lua_functions[] = {
    { "ngx_http_lua_header_filter_by_chunk", "header_filter_by_lua" },
    { "ngx_http_lua_body_filter_by_chunk", "body_filter_by_lua" },
    { "ngx_http_lua_set_by_chunk", "set_by_lua" },
    { "ngx_http_lua_balancer_handler_inline", "balancer_by_lua" },
    { "ngx_http_lua_balancer_handler_file", "balancer_by_lua" },
    { "ngx_http_lua_init_worker_by_inline", "init_worker_by_lua" },
    { "ngx_http_lua_init_worker_by_file", "init_worker_by_lua" },
    { "ngx_http_lua_exit_worker_by_inline", "exit_worker_by_lua" },
    { "ngx_http_lua_exit_worker_by_file", "exit_worker_by_lua" },
    { "ngx_http_lua_ssl_sess_store_handler", "ssl_session_store_by_lua" }
};

#define NGX_PROF_LUA_SITES                                                    \
    (sizeof(ngx_prof_lua_functions) / sizeof(ngx_prof_lua_functions[0]))

/* bits of what ngx_http_lua_ffi_get_phase() returns, from the lowest on */

static const char *const  ngx_prof_lua_phases[] = {
    "set_by_lua", "rewrite_by_lua", "access_by_lua", "content_by_lua",
    "log_by_lua", "header_filter_by_lua", "body_filter_by_lua", "timer",
    "init_worker_by_lua", "balancer_by_lua", "ssl_certificate_by_lua",
    "ssl_session_store_by_lua", "ssl_session_fetch_by_lua",
    "exit_worker_by_lua", "ssl_client_hello_by_lua", "server_rewrite_by_lua"
};

#define NGX_PROF_LUA_PHASES                                                   \
    (sizeof(ngx_prof_lua_phases) / sizeof(ngx_prof_lua_phases[0]))


static ngx_prof_lua_site_t  ngx_prof_lua_sites[NGX_PROF_LUA_SITES];
static ngx_int_t            ngx_prof_lua_known_phases[NGX_PROF_LUA_PHASES];
static ngx_module_t        *ngx_prof_lua_module;
static int                (*ngx_prof_lua_get_phase)(ngx_http_request_t *r,
    char **error);


void
ngx_prof_lua_phase_init(void)
{
    void        *function, *symbol;
    Dl_info      info;
    ngx_uint_t   i;

    for (i = 0; i < NGX_PROF_LUA_SITES; i++) {
        ngx_prof_lua_sites[i].end = 0;
        function = dlsym(RTLD_DEFAULT, ngx_prof_lua_functions[i].function);

#if (NGX_PROF_HAVE_DLADDR1)

        if (function
            && dladdr1(function, &info, &symbol, RTLD_DL_SYMENT) != 0
            && symbol)
        {
            ngx_prof_lua_sites[i].start = (uintptr_t) function;
            ngx_prof_lua_sites[i].end = (uintptr_t) function
                                       + ((ElfW(Sym) *) symbol)->st_size;
            ngx_prof_lua_sites[i].index =
                ngx_prof_lua_phase_index(ngx_prof_lua_functions[i].phase);
        }

#else

        (void) function;
        (void) symbol;
        (void) info;

#endif
    }

    for (i = 0; i < NGX_PROF_LUA_PHASES; i++) {
        ngx_prof_lua_known_phases[i] =
            ngx_prof_lua_phase_index(ngx_prof_lua_phases[i]);
    }

    ngx_prof_lua_module = dlsym(RTLD_DEFAULT, "ngx_http_lua_module");
    *(void **) &ngx_prof_lua_get_phase =
        dlsym(RTLD_DEFAULT, "ngx_http_lua_ffi_get_phase");
}


static ngx_int_t
ngx_prof_lua_phase_index(const char *name)
{
    ngx_str_t  phase, file;

    phase.len = ngx_strlen(name);
    phase.data = (u_char *) name;
    ngx_str_null(&file);

    return ngx_prof_functions_add(ngx_prof_lua_vm.table, ngx_prof_lua_vm.n,
                                  &file, &phase, 0);
}


uint64_t
ngx_prof_lua_phase(const ngx_prof_lua_walk_t *lua, const uint64_t *pcs,
    ngx_uint_t n)
{
    ngx_int_t   index;
    ngx_uint_t  i, j;

    for (i = 0; i < n && i < NGX_PROF_LUA_CALLERS; i++) {

        for (j = 0; j < NGX_PROF_LUA_SITES; j++) {

            if (pcs[i] - 1 - ngx_prof_lua_sites[j].start
                < ngx_prof_lua_sites[j].end - ngx_prof_lua_sites[j].start)
            {
                index = ngx_prof_lua_sites[j].index;
                return (index < 0) ? 0 : ngx_prof_frame_lua(index, 0u);
            }
        }
    }

    index = ngx_prof_lua_phase_asked(lua->l);

    return (index < 0) ? 0 : ngx_prof_frame_lua(index, 0u);
}


/* all that the module will read of the request is read before it is asked */

static ngx_int_t
ngx_prof_lua_phase_asked(uintptr_t l)
{
    int         phase;
    char       *error;
    uint32_t    i;
    uint64_t    word;
    uintptr_t   r, context;

    if (ngx_prof_lua_get_phase == NULL
        || ngx_prof_lua_module == NULL
        || ngx_prof_lua_vm.request == 0)
    {
        return NGX_DECLINED;
    }

    r = ngx_prof_lua_load(l + ngx_prof_lua_vm.request);

    if (r == 0
        || ngx_prof_lua_load32(r + offsetof(ngx_http_request_t, signature))
           != NGX_HTTP_MODULE)
    {
        return NGX_DECLINED;
    }

    context = ngx_prof_lua_load(r + offsetof(ngx_http_request_t, ctx));
    context = ngx_prof_lua_load(context + ngx_prof_lua_module->ctx_index
                                          * sizeof(void *));

    if (context & 7
        || ngx_prof_guard_load(context, &word) != NGX_OK
        || ngx_prof_guard_load(context + NGX_PROF_LUA_CONTEXT, &word)
           != NGX_OK)
    {
        return NGX_DECLINED;
    }

    phase = ngx_prof_lua_get_phase((ngx_http_request_t *) r, &error);

    for (i = 0; i < NGX_PROF_LUA_PHASES; i++) {
        if (phase == (1 << i)) {
            return ngx_prof_lua_known_phases[i];
        }
    }

    return NGX_DECLINED;
}
