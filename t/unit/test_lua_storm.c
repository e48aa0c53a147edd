
/*
 * Signals at any instruction of LuaJIT while all happens that a walk may meet:
 * traces that are made and thrown away, a collector that never rests,
 * coroutines whose stacks grow and end, callbacks from C, states that end and
 * are made anew.  No walk crashes, and what runs in Lua has a function.
 *
 * SAMPLES: how many walks, 40000; `make storm` takes ten million.
 */

/* sources: ngx_http_profiling_module/stack/ngx_prof_cfi_parse.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_cfi_rules.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_cfi_table.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_objects.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_unwind.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_unwind_step.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_unwind_expr.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_unwind_recover.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_lua_check.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_lua_frames.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_lua_name.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_lua_phase.c */
/* sources: ngx_http_profiling_module/base/ngx_prof_guard.c */
/* sources: shm/ngx_prof_functions.c */
/* libs: -ldl -lpthread -lm */


#include <ngx_config.h>
#include <ngx_core.h>

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <time.h>
#include <cmocka.h>

#include "lua_guard.h"
#include "ngx_prof_lua_check.h"
#include "ngx_prof_lua_vm.h"
#include "ngx_prof_objects.h"
#include "ngx_prof_unwind.h"


#define N      4096
#define RUNS   100                                /* of a state */
#define EVERY  20000                              /* ns from walk to walk */


typedef struct {
    const char      *name;
    ngx_uint_t       anew;                        /* a state for each run */
    const char      *first;
} storm_t;


static const storm_t  storms[] = {
    { "traces on", 0, "" },
    { "traces off", 0, "jit.off()\n" },
    { "the collector never rests", 0,
      "collectgarbage('setpause', 1)\ncollectgarbage('setstepmul', 1000)\n" },
    { "code loaded anew", 1, "" }
};

static const char  text[] =
    "local ffi = require('ffi')\n"
    "local keep, x = {}, 0\n"
    "local t = setmetatable({}, { __index = function(t, k)\n"
    "  return k .. 'x'\n"
    "end, __call = function(t, a, ...) return select('#', ...) end,\n"
    "__lt = function(a, b) return true end })\n"
    "local function deep(n, ...)\n"
    "  if n == 0 then return 0 end\n"
    "  return 1 + deep(n - 1, n, ...)\n"
    "end\n"
    "local function tail(n) if n > 0 then return tail(n - 1) end end\n"
    "local sort = ffi.new('int[16]')\n"
    "ffi.cdef [[ void qsort(void *base, size_t n, size_t size,\n"
    "  int (*compare)(const int *a, const int *b)); ]]\n"
    "local compare = ffi.cast('int (*)(const int *, const int *)',\n"
    "  function(a, b) return a[0] - b[0] end)\n"
    "for i = 1, 200 do\n"
    "  keep[i % 50] = { string.rep('x', i), { i }, function() return i end }\n"
    "  local co = coroutine.wrap(function(n)\n"
    "    coroutine.yield(deep(n))\n"
    "    return deep(n) + #tostring({})\n"
    "  end)\n"
    "  x = x + co(i % 60) + co()\n"
    "  pcall(error, { i })\n"
    "  xpcall(function() return nil + i end, debug.traceback)\n"
    "  x = x + #(('a b'):gsub('%w', function(c) return c .. c end))\n"
    "  x = x + #t[tostring(i)] + t(i, 1, 2, 3)\n"
    "  tail(i)\n"
    "  for k = 1, 100 do x = (x + k * i) % 1000003 end\n"
    "  table.sort({ 3, 1, 2, i }, function(a, b) return a < b end)\n"
    "  for k = 0, 15 do sort[k] = (i * k) % 7 end\n"
    "  ffi.C.qsort(sort, 16, 4, compare)\n"
    "  load('return ' .. i)()\n"
    "  if i % 50 == 0 then\n"
    "    jit.flush()\n"
    "    collectgarbage()\n"
    "  end\n"
    "end\n"
    "compare:free()\n";


static ngx_prof_function_t      functions[N];
static ngx_prof_stack_t         stack;
static ngx_prof_unwind_cache_t  cache;
static timer_t                  timer;
static ngx_uint_t               walks, ours, told, whole;
static volatile sig_atomic_t    stormy, running;

static void  *(*newstate)(void);
static void   (*libraries)(void *l);
static void   (*closed)(void *l);
static int    (*load)(void *l, const char *text, size_t len, const char *name);
static int    (*pcall)(void *l, int args, int results, int handler);
static const char *(*tostring)(void *l, int index, size_t *len);


/* the next signal comes so long after a walk, however long that took */

static void
next(void)
{
    struct itimerspec  its;

    ngx_memzero(&its, sizeof(struct itimerspec));
    its.it_value.tv_nsec = EVERY;
    timer_settime(timer, 0, &its, NULL);
}


static void
walk(int signo, siginfo_t *info, void *data)
{
    uintptr_t           pc;
    uint64_t            pcs[NGX_PROF_FRAMES];
    ngx_uint_t          i, n;
    ucontext_t         *uc;
    ngx_prof_unwind_t   result;

    if (!stormy) {
        return;
    }

    uc = data;
    n = ngx_prof_unwind_cached(&stack, uc, &cache, pcs, NGX_PROF_FRAMES,
                               &result);

    for (i = 0; i < n && !ngx_prof_frame_is_lua(pcs[i]); i++) { /* void */ }

    pc = ngx_prof_arch_pc(uc);
    walks++;

    /* of a state that opens its libraries, nothing is known yet */

    if (running && pc - ngx_prof_lua_vm.start
                   < ngx_prof_lua_vm.end - ngx_prof_lua_vm.start)
    {
        ours++;
        told += i < n;
        whole += result.cause == NGX_PROF_UNWIND_COMPLETE;
    }

    next();
}


static ngx_int_t
functions_of(void)
{
    void  *luajit;

    luajit = NGX_PROF_ARCH_LUAJIT
             ? dlopen("libluajit-5.1.so.2", RTLD_NOW|RTLD_GLOBAL) : NULL;

    if (luajit == NULL) {
        return NGX_DECLINED;
    }

    *(void **) &newstate = dlsym(luajit, "luaL_newstate");
    *(void **) &libraries = dlsym(luajit, "luaL_openlibs");
    *(void **) &closed = dlsym(luajit, "lua_close");
    *(void **) &load = dlsym(luajit, "luaL_loadbuffer");
    *(void **) &pcall = dlsym(luajit, "lua_pcall");
    *(void **) &tostring = dlsym(luajit, "lua_tolstring");

    return NGX_OK;
}


static void *
state_new(const storm_t *storm)
{
    void  *l;

    l = newstate();
    libraries(l);

    /* in nginx too that of a closed state stays until one is entered */
    ngx_prof_lua_global = *(uintptr_t *) ((u_char *) l + NGX_PROF_LUA_GLOBAL);

    assert_int_equal(load(l, storm->first, ngx_strlen(storm->first), "@/f.lua"),
                     0);
    assert_int_equal(pcall(l, 0, 0, 0), 0);

    return l;
}


static void
test_storm(void **state)
{
    void              *l;
    ngx_uint_t         i, most, runs;
    struct sigaction   sa;
    struct sigevent    event;

    if (functions_of() != NGX_OK) {
        skip();
    }

    most = getenv("SAMPLES") ? (ngx_uint_t) atoll(getenv("SAMPLES")) : 40000;
    most /= sizeof(storms) / sizeof(storms[0]);

    guard();

    assert_int_equal(ngx_prof_objects_refresh(), NGX_OK);
    assert_int_equal(ngx_prof_unwind_stack(&stack), NGX_OK);
    assert_null(ngx_prof_lua_check(functions, N, NULL));

    sa.sa_sigaction = walk;
    sa.sa_flags = SA_SIGINFO|SA_RESTART;
    sigaction(SIGPROF, &sa, NULL);

    ngx_memzero(&event, sizeof(struct sigevent));
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGPROF;
    assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);

    for (i = 0; i < sizeof(storms) / sizeof(storms[0]); i++) {
        walks = ours = told = whole = 0;
        faults = 0;
        runs = 0;
        l = state_new(&storms[i]);

        stormy = 1;
        next();

        while (walks < most) {
            /* types of C that a state has seen stay in it */

            if (storms[i].anew || ++runs % RUNS == 0) {
                closed(l);
                l = state_new(&storms[i]);
            }

            assert_int_equal(load(l, text, sizeof(text) - 1, "@/x.lua"), 0);

            running = 1;

            if (pcall(l, 0, 0, 0) != 0) {
                fail_msg("%s", tostring(l, -1, NULL));
            }

            running = 0;
        }

        stormy = 0;
        closed(l);

        print_message("%s: %zu walks, %zu in LuaJIT's machine, of which %zu "
                      "have a function, %zu reach the start; %d guarded "
                      "faults\n", storms[i].name, walks, ours, told, whole,
                      (int) faults);

        assert_true(ours > most / 1000);
        assert_true(told * 10 >= ours * 9);
        assert_true(whole * 10 >= ours * 9);
    }

    timer_delete(timer);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_storm)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
