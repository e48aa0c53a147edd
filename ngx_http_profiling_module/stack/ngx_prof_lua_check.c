
#include <ngx_config.h>
#include <ngx_core.h>
#include <dlfcn.h>
#include "ngx_prof_lua_check.h"
#include "ngx_prof_arch.h"
#include "ngx_prof_cfi.h"
#include "ngx_prof_lua_vm.h"
#include "ngx_prof_objects.h"
#include "ngx_prof_unwind.h"


/* bytes of the shared state that are searched, with what lies behind it */
#define NGX_PROF_LUA_SHARED  16384

/* what the shared state says while the machine is in C: ~1 */
#define NGX_PROF_LUA_IN_C    0xfffffffe

/* bytes of a trace in which its prototype is looked for */
#define NGX_PROF_LUA_HEAD    160

/* bytes of a coroutine in which it is looked for what belongs to its user */
#define NGX_PROF_LUA_THREAD_SIZE  128

/* functions of the chunk */
#define NGX_PROF_LUA_OWN     64

#define NGX_PROF_LUA_FRAMES  32


typedef struct {
    void *(*newstate)(void);
    void  (*openlibs)(void *l);
    void  (*close)(void *l);
    int   (*load)(void *l, const char *text, size_t len, const char *name);
    int   (*pcall)(void *l, int n, int results, int handler);
    int   (*resume)(void *l, int n);
    void *(*newthread)(void *l);
    void  (*pushcclosure)(void *l, int (*f)(void *l), int n);
    void  (*pushlightuserdata)(void *l, void *p);
} ngx_prof_lua_api_t;


/* what is seen while the chunk runs */

typedef struct {
    ngx_prof_stack_t     stack;
    uintptr_t            l;                     /* the first coroutine */
    uintptr_t            co;                    /* the second one */
    ngx_uint_t           second;                /* the offsets are known */
    ngx_uint_t           calls;                 /* with the frames expected */
    ngx_uint_t           traced;                /* the same, of a trace */
    const char          *error;
    uint64_t            *words[2];              /* the shared state, in both */
    ngx_prof_function_t  own[NGX_PROF_LUA_OWN];
} ngx_prof_lua_trial_t;


static const char *ngx_prof_lua_api(ngx_prof_lua_api_t *api);
static const char *ngx_prof_lua_trial(const ngx_prof_lua_api_t *api);
static void ngx_prof_lua_request(void *l);
static const char *ngx_prof_lua_go(const ngx_prof_lua_api_t *api, void *l);
static const char *ngx_prof_lua_first(uintptr_t l, uintptr_t caller);
static ngx_int_t ngx_prof_lua_strings(uintptr_t base);
static const char *ngx_prof_lua_machine(uintptr_t pc);
static ngx_uint_t ngx_prof_lua_rule(const ngx_prof_cfi_t *cfi, uint64_t pc);
static void ngx_prof_lua_words(uint64_t *words);
static ngx_int_t ngx_prof_lua_current(void);
static void ngx_prof_lua_made(uintptr_t caller);
static ngx_uint_t ngx_prof_lua_trace(uintptr_t trace, uintptr_t proto,
    uintptr_t caller);
static void ngx_prof_lua_compare(void);
static ngx_uint_t ngx_prof_lua_same(uint64_t pc, uint32_t line,
    const char *name);
static int ngx_prof_lua_probe(void *l);
static void ngx_prof_lua_probe_traced(void);


/* its lines are those of expected[] */

static const char  ngx_prof_lua_text[] =
    "local probe = ...\n"
    "local t = {}\n"
    "local function inner(n)\n"
    "  probe(n)\n"
    "  return n\n"
    "end\n"
    "function t.field(n)\n"
    "  probe(n)\n"
    "  return n\n"
    "end\n"
    "function t:method(...)\n"
    "  local n = inner(2)\n"
    "  probe(...)\n"
    "  return n\n"
    "end\n"
    "function global(n)\n"
    "  probe(n)\n"
    "  return n\n"
    "end\n"
    "inner(0)\n"
    "t.field(1)\n"
    "t:method(2)\n"
    "global(3)\n"
    "return 4\n";

static const struct {
    uint32_t     line;
    const char  *name;
    uint32_t     outer;
    uint32_t     main;                          /* line of the main chunk */
} ngx_prof_lua_expected[] = {
    { 4, "inner", 20, 0 },
    { 8, "field", 21, 0 },
    { 4, "inner", 12, 22 },
    { 13, "method", 22, 0 },
    { 17, "global", 23, 0 }
};

#define NGX_PROF_LUA_CALLS                                                    \
    (sizeof(ngx_prof_lua_expected) / sizeof(ngx_prof_lua_expected[0]))

/* the loop becomes a trace, which begins in the third line */

static const char  ngx_prof_lua_loop[] =
    "local ffi = require('ffi')\n"
    "local probe = ffi.cast('void (*)(void)', ...)\n"
    "for i = 1, 200 do\n"
    "  probe()\n"
    "end\n";

#define NGX_PROF_LUA_LOOP  3


static ngx_prof_lua_trial_t  *ngx_prof_lua_trying;


const char *
ngx_prof_lua_check(ngx_prof_function_t *table, ngx_uint_t n, ngx_log_t *log)
{
    uint64_t               value;
    const char            *error;
    ngx_prof_lua_api_t     api;
    ngx_prof_lua_trial_t  *t;

    value = 0;

    if (!NGX_PROF_ARCH_LUAJIT) {
        return "LuaJIT on this processor is not known";
    }

    if (ngx_prof_guard_load((uintptr_t) &value, &value) != NGX_OK) {
        return "profiling_crash is off, which makes reading them safe";
    }

    error = ngx_prof_lua_api(&api);
    if (error) {
        return error;
    }

    t = ngx_calloc(sizeof(ngx_prof_lua_trial_t) + 2 * NGX_PROF_LUA_SHARED,
                   log);
    if (t == NULL) {
        return "no memory";
    }

    t->words[0] = (uint64_t *) (t + 1);
    t->words[1] = t->words[0] + NGX_PROF_LUA_SHARED / 8;

    ngx_prof_lua_vm.table = t->own;
    ngx_prof_lua_vm.n = NGX_PROF_LUA_OWN;
    ngx_prof_lua_trying = t;

    error = (ngx_prof_unwind_stack(&t->stack) == NGX_OK)
            ? ngx_prof_lua_trial(&api) : "the stack has no bounds";

    ngx_prof_lua_trying = NULL;
    ngx_prof_lua_global = 0;
    ngx_free(t);

    ngx_prof_lua_vm.table = table;
    ngx_prof_lua_vm.n = n;
    ngx_prof_lua_vm.on = (error == NULL);

    return error;
}


static const char *
ngx_prof_lua_api(ngx_prof_lua_api_t *api)
{
    ngx_uint_t  i;

    const struct {
        const char  *name;
        void       **function;
    } imports[] = {
        { "luaL_newstate", (void **) &api->newstate },
        { "luaL_openlibs", (void **) &api->openlibs },
        { "luaL_loadbuffer", (void **) &api->load },
        { "lua_close", (void **) &api->close },
        { "lua_pcall", (void **) &api->pcall },
        { "lua_resume", (void **) &api->resume },
        { "lua_newthread", (void **) &api->newthread },
        { "lua_pushcclosure", (void **) &api->pushcclosure },
        { "lua_pushlightuserdata", (void **) &api->pushlightuserdata }
    };

    if (dlsym(RTLD_DEFAULT, "luaJIT_setmode") == NULL) {
        return "it is not LuaJIT";
    }

    for (i = 0; i < sizeof(imports) / sizeof(imports[0]); i++) {
        *imports[i].function = dlsym(RTLD_DEFAULT, imports[i].name);

        if (*imports[i].function == NULL) {
            return "its interface is not known";
        }
    }

    return NULL;
}


/* twice: the first time tells the offsets, the second one proves them */

static const char *
ngx_prof_lua_trial(const ngx_prof_lua_api_t *api)
{
    void                  *l;
    const char            *error;
    ngx_prof_lua_trial_t  *t;

    t = ngx_prof_lua_trying;

    for (t->second = 0; t->second < 2; t->second++) {
        l = api->newstate();

        if (l == NULL) {
            return "it makes no state";
        }

        t->l = (uintptr_t) l;
        ngx_prof_lua_global = ngx_prof_lua_load(t->l + NGX_PROF_LUA_GLOBAL);

        api->openlibs(l);
        ngx_prof_lua_request(l);
        error = ngx_prof_lua_go(api, l);
        api->close(l);

        if (error == NULL) {
            error = t->error;
        }

        if (error) {
            return error;
        }

        ngx_prof_lua_vm.on = 1;
    }

    if (t->calls != 2 * NGX_PROF_LUA_CALLS) {
        return "frames of a known chunk are not as expected";
    }

    if (ngx_prof_lua_vm.traces && t->traced == 0) {
        return "frames of a known trace are not as expected";
    }

    return NULL;
}


/* where OpenResty's LuaJIT keeps a pointer of its user */

static void
ngx_prof_lua_request(void *l)
{
    void      (*set)(void *l, void *data);
    uint32_t   at;

    *(void **) &set = dlsym(RTLD_DEFAULT, "lua_setexdata");

    if (set == NULL) {
        return;
    }

    set(l, &ngx_prof_lua_trying);

    for (at = NGX_PROF_LUA_CFRAME; at < NGX_PROF_LUA_THREAD_SIZE; at += 8) {

        if (ngx_prof_lua_load((uintptr_t) l + at)
            == (uintptr_t) &ngx_prof_lua_trying)
        {
            ngx_prof_lua_vm.request = at;
        }
    }

    set(l, NULL);
}


static const char *
ngx_prof_lua_go(const ngx_prof_lua_api_t *api, void *l)
{
    void                  *co;
    ngx_prof_lua_trial_t  *t;

    t = ngx_prof_lua_trying;

    if (api->load(l, ngx_prof_lua_text, sizeof(ngx_prof_lua_text) - 1,
                  "=profiling")
        != 0)
    {
        return "it does not load a chunk";
    }

    api->pushcclosure(l, ngx_prof_lua_probe, 0);

    if (api->pcall(l, 1, 0, 0) != 0 || t->error) {
        return t->error ? t->error : "it does not run a chunk";
    }

    co = api->newthread(l);
    t->co = (uintptr_t) co;

    (void) api->load(co, ngx_prof_lua_text, sizeof(ngx_prof_lua_text) - 1,
                     "=profiling");
    api->pushcclosure(co, ngx_prof_lua_probe, 0);

    if (api->resume(co, 1) != 0 || t->error) {
        return t->error ? t->error : "it does not run a coroutine";
    }

    if (!t->second && ngx_prof_lua_current() != NGX_OK) {
        return "the coroutine that runs is not found";
    }

    (void) api->load(l, ngx_prof_lua_loop, sizeof(ngx_prof_lua_loop) - 1,
                     "=profiling");
    api->pushlightuserdata(l, (void *) ngx_prof_lua_probe_traced);

    /* without the compiler, or the library for calls: there are no traces */

    (void) api->pcall(l, 1, 0, 0);

    return NULL;
}


__attribute__((noinline))
static int
ngx_prof_lua_probe(void *l)
{
    ngx_prof_lua_trial_t  *t;

    t = ngx_prof_lua_trying;

    if (t->second) {
        ngx_prof_lua_compare();
        return 0;
    }

    if (t->error == NULL) {
        t->error = ngx_prof_lua_first((uintptr_t) l,
                                 (uintptr_t) __builtin_return_address(0));
    }

    return 0;
}


/* what has to be right before the walk can be tried */

static const char *
ngx_prof_lua_first(uintptr_t l, uintptr_t caller)
{
    uint64_t               function;
    uintptr_t              base, cframe, here;
    ngx_prof_lua_trial_t  *t;

    t = ngx_prof_lua_trying;
    here = (uintptr_t) __builtin_frame_address(0);

    base = ngx_prof_lua_load(l + NGX_PROF_LUA_BASE);
    cframe = ngx_prof_lua_load(l + NGX_PROF_LUA_CFRAME)
             & ~(uintptr_t) NGX_PROF_LUA_C_FLAGS;
    function = ngx_prof_lua_load(base - 16);

    if (!ngx_prof_lua_is(l, NGX_PROF_LUA_THREAD)
        || ngx_prof_lua_load(l + NGX_PROF_LUA_STACK) >= base
        || ngx_prof_lua_load(l + NGX_PROF_LUA_MAXSTACK) <= base
        || ngx_prof_lua_tag(function) != NGX_PROF_LUA_TAG_FUNC
        || !ngx_prof_lua_is(ngx_prof_lua_pointer(function),
                            NGX_PROF_LUA_FUNC)
        || cframe <= here
        || cframe >= t->stack.top - NGX_PROF_LUA_C_SIZE
        || ngx_prof_lua_load(cframe + NGX_PROF_LUA_C_L) != l)
    {
        return "it has another layout (GC32, or not 2.1)";
    }

    if (t->co == 0) {
        ngx_prof_lua_words(t->words[0]);

    } else {
        ngx_prof_lua_words(t->words[1]);
    }

    if (ngx_prof_lua_vm.end) {
        return NULL;
    }

    return ngx_prof_lua_strings(base) ? "its strings are not known"
                                      : ngx_prof_lua_machine(caller);
}


/* where the length of a string is, by the name of the chunk that called */

static ngx_int_t
ngx_prof_lua_strings(uintptr_t base)
{
    uintptr_t  link, proto, chunk;

    link = ngx_prof_lua_load(base - 8);
    base -= 8 * (2 + (ngx_prof_lua_load32(link - 4) >> 8 & 0xff));

    proto = ngx_prof_lua_proto(ngx_prof_lua_load(base - 16));
    chunk = ngx_prof_lua_load(proto + NGX_PROF_LUA_CHUNK);

    if (proto == 0
        || !ngx_prof_lua_within(proto, link)
        || ngx_prof_lua_load(chunk + NGX_PROF_LUA_TEXT)
           != *(const uint64_t *) "=profili")
    {
        return NGX_ERROR;
    }

    for (ngx_prof_lua_vm.len = 16;
         ngx_prof_lua_vm.len < NGX_PROF_LUA_TEXT;
         ngx_prof_lua_vm.len += 4)
    {
        if (ngx_prof_lua_load32(chunk + ngx_prof_lua_vm.len)
            == sizeof("=profiling") - 1)
        {
            return NGX_OK;
        }
    }

    return NGX_ERROR;
}


/* the machine's code: one rule, by which its frame has a known size */

static const char *
ngx_prof_lua_machine(uintptr_t pc)
{
    const char                *error;
    uintptr_t                  start, end;
    const ngx_prof_object_t   *object;
    const ngx_prof_objects_t  *objects;

    error = "its machine has no unwind tables";
    objects = ngx_prof_objects_acquire();
    object = objects ? ngx_prof_objects_find(objects, pc) : NULL;

    if (object && object->jit != NGX_PROF_OBJECT_LUAJIT) {
        error = "it is linked statically";

    } else if (object && object->cfi && ngx_prof_lua_rule(object->cfi, pc)) {
        start = pc;
        end = pc;

        while (ngx_prof_lua_rule(object->cfi, start - 1)) {
            start--;
        }

        while (ngx_prof_lua_rule(object->cfi, end)) {
            end++;
        }

        ngx_prof_lua_vm.start = start;
        ngx_prof_lua_vm.end = end;
        error = NULL;
    }

    ngx_prof_objects_release();

    return error;
}


static ngx_uint_t
ngx_prof_lua_rule(const ngx_prof_cfi_t *cfi, uint64_t pc)
{
    const ngx_prof_cfi_rule_t  *rule;

    rule = ngx_prof_cfi_lookup(cfi, pc);

    return rule
           && rule->cfa_kind == NGX_PROF_CFI_CFA_REG
           && rule->cfa_reg == NGX_PROF_ARCH_SP
           && rule->cfa == NGX_PROF_LUA_C_SIZE;
}


static void
ngx_prof_lua_words(uint64_t *words)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_PROF_LUA_SHARED / 8; i++) {

        if (ngx_prof_guard_load(ngx_prof_lua_global + i * 8, &words[i])
            != NGX_OK)
        {
            return;
        }
    }
}


/* the word that is the coroutine that runs, before one that is 0 without a
 * trace
 */

static ngx_int_t
ngx_prof_lua_current(void)
{
    ngx_uint_t             i, n;
    ngx_prof_lua_trial_t  *t;

    t = ngx_prof_lua_trying;
    n = 0;

    for (i = 0; i < NGX_PROF_LUA_SHARED / 8 - 1; i++) {

        if (t->words[0][i] == t->l && t->words[0][i + 1] == 0
            && t->words[1][i] == t->co && t->words[1][i + 1] == 0)
        {
            ngx_prof_lua_vm.current = i * 8;
            ngx_prof_lua_vm.trace_base = (i + 1) * 8;
            n++;
        }
    }

    return (n == 1) ? NGX_OK : NGX_ERROR;
}


__attribute__((noinline))
static void
ngx_prof_lua_probe_traced(void)
{
    uintptr_t                  caller;
    const ngx_prof_object_t   *object;
    const ngx_prof_objects_t  *objects;

    caller = (uintptr_t) __builtin_return_address(0);

    objects = ngx_prof_objects_acquire();
    object = objects ? ngx_prof_objects_find(objects, caller) : NULL;
    ngx_prof_objects_release();

    /* the first calls are the interpreter's */

    if (object) {
        return;
    }

    if (ngx_prof_lua_trying->second) {
        ngx_prof_lua_compare();

    } else if (ngx_prof_lua_vm.traces == 0) {
        ngx_prof_lua_made(caller);
    }
}


/*
 * Of the trace that has called: where its number is, and where, from an array
 * of all traces, the trace itself
 */

static void
ngx_prof_lua_made(uintptr_t caller)
{
    uint64_t               array;
    uint32_t               number;
    uintptr_t              base, proto;
    ngx_uint_t             i, j;
    ngx_prof_lua_trial_t  *t;

    t = ngx_prof_lua_trying;
    base = ngx_prof_lua_load(ngx_prof_lua_global + ngx_prof_lua_vm.trace_base);
    proto = ngx_prof_lua_proto(ngx_prof_lua_load(base - 16));

    if (proto == 0) {
        return;
    }

    for (i = 0; i < NGX_PROF_LUA_SHARED / 4; i++) {
        number = ngx_prof_lua_load32(ngx_prof_lua_global + i * 4);

        if (((uint32_t *) t->words[0])[i] != NGX_PROF_LUA_IN_C
            || ((uint32_t *) t->words[1])[i] != NGX_PROF_LUA_IN_C
            || number == 0 || number > NGX_PROF_LUA_OWN)
        {
            continue;
        }

        ngx_prof_lua_vm.trace_number = i * 4;

        for (j = 0; j < NGX_PROF_LUA_SHARED / 8; j++) {
            array = ngx_prof_lua_load(ngx_prof_lua_global + j * 8);

            if (ngx_prof_lua_trace(
                    ngx_prof_lua_load(array + number * sizeof(uint64_t)),
                    proto, caller))
            {
                ngx_prof_lua_vm.traces = j * 8;
                return;
            }
        }
    }
}


/* whether it is a trace that begins in the prototype and has the caller */

static ngx_uint_t
ngx_prof_lua_trace(uintptr_t trace, uintptr_t proto, uintptr_t caller)
{
    uint32_t   i, size;
    uintptr_t  code;

    if (!ngx_prof_lua_is(trace, NGX_PROF_LUA_TRACE)) {
        return 0;
    }

    for (i = 16; i < NGX_PROF_LUA_HEAD; i += 8) {
        size = ngx_prof_lua_load32(trace + i + 20);
        code = ngx_prof_lua_load(trace + i + 24);

        if (ngx_prof_lua_load(trace + i) == proto
            && ngx_prof_lua_within(proto,
                                   ngx_prof_lua_load(trace + i + 8) + 4)
            && caller - code < size)
        {
            ngx_prof_lua_vm.trace_start = i;
            return 1;
        }
    }

    return 0;
}


/* the second time: the walk of this very stack has the frames expected */

static void
ngx_prof_lua_compare(void)
{
    uint64_t               pcs[NGX_PROF_LUA_FRAMES];
    uint32_t               outer;
    ngx_uint_t             i, n, k;
    ngx_prof_unwind_t      result;
    ngx_prof_lua_trial_t  *t;

    t = ngx_prof_lua_trying;
    n = ngx_prof_unwind_here(&t->stack, pcs, NGX_PROF_LUA_FRAMES, 0, &result,
                             NULL);

    for (i = 0; i < n && !ngx_prof_frame_is_lua(pcs[i]); i++) { /* void */ }

    if (i + 3 > n) {
        return;
    }

    if (t->calls == 2 * NGX_PROF_LUA_CALLS) {
        t->traced += ngx_prof_lua_same(pcs[i], NGX_PROF_LUA_LOOP,
                                       "main chunk")
                     && !ngx_prof_frame_is_lua(pcs[i + 1]);
        return;
    }

    k = t->calls % NGX_PROF_LUA_CALLS;
    outer = ngx_prof_lua_expected[k].main;

    t->calls += ngx_prof_lua_same(pcs[i], ngx_prof_lua_expected[k].line,
                                  ngx_prof_lua_expected[k].name)
                && ngx_prof_lua_same(pcs[i + 1],
                                     ngx_prof_lua_expected[k].outer,
                                     outer ? "method" : "main chunk")
                && (outer ? ngx_prof_lua_same(pcs[i + 2], outer, "main chunk")
                          : !ngx_prof_frame_is_lua(pcs[i + 2]));
}


static ngx_uint_t
ngx_prof_lua_same(uint64_t pc, uint32_t line, const char *name)
{
    size_t               len;
    ngx_prof_function_t  f;

    len = ngx_strlen(name);

    return ngx_prof_frame_is_lua(pc)
           && ngx_prof_frame_lua_line(pc) == line
           && ngx_prof_functions_get(ngx_prof_lua_trying->own,
                                     NGX_PROF_LUA_OWN,
                                     ngx_prof_frame_lua_index(pc), &f)
              == NGX_OK
           && f.file_len == sizeof("profiling") - 1
           && ngx_memcmp(f.file, "profiling", f.file_len) == 0
           && f.name_len == len
           && ngx_memcmp(f.name, name, len) == 0;
}
