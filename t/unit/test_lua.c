
/*
 * A LuaJIT that is loaded is as it is taken to be; what a walk finds in it are
 * the functions that run, with names and lines, and no load of it faults: a
 * fault costs a signal.
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
#include <cmocka.h>

#include "lua_guard.h"
#include "ngx_prof_lua_check.h"
#include "ngx_prof_lua_vm.h"
#include "ngx_prof_objects.h"
#include "ngx_prof_unwind.h"


#define N      256
#define DEPTH  10


static ngx_prof_function_t    functions[N];
static ngx_prof_stack_t       stack;
static uint64_t               pcs[NGX_PROF_FRAMES];
static ngx_uint_t             n;


static int
probe(void *l)
{
    ngx_prof_unwind_t  result;

    n = ngx_prof_unwind_here(&stack, pcs, NGX_PROF_FRAMES, 0, &result, NULL);

    assert_int_equal(result.cause, NGX_PROF_UNWIND_COMPLETE);

    return 0;
}


static void
is_frame(uint64_t pc, const char *name, uint32_t line)
{
    ngx_prof_function_t  f;

    assert_true(ngx_prof_frame_is_lua(pc));
    assert_int_equal(ngx_prof_frame_lua_line(pc), line);
    assert_int_equal(ngx_prof_functions_get(functions, N,
                                            ngx_prof_frame_lua_index(pc), &f),
                     NGX_OK);
    assert_int_equal(f.file_len, 6);
    assert_memory_equal(f.file, "/x.lua", 6);
    assert_int_equal(f.name_len, ngx_strlen(name));
    assert_memory_equal(f.name, name, f.name_len);
}


static void
test_frames(void **state)
{
    void        *l;
    ngx_uint_t   i, k;

    void      *(*newstate)(void);
    void       (*closed)(void *l);
    int        (*load)(void *l, const char *text, size_t len,
                       const char *name);
    int        (*pcall)(void *l, int args, int results, int handler);
    void       (*push)(void *l, int (*f)(void *l), int up);

    static const char  text[] =
        "local probe = ...\n"
        "local function deep(n)\n"
        "  if n == 0 then\n"
        "    probe()\n"
        "    return 0\n"
        "  end\n"
        "  return 1 + deep(n - 1)\n"
        "end\n"
        "deep(10)\n";

    if (!NGX_PROF_ARCH_LUAJIT
        || dlopen("libluajit-5.1.so.2", RTLD_NOW|RTLD_GLOBAL) == NULL)
    {
        skip();
    }

    guard();

    assert_int_equal(ngx_prof_objects_refresh(), NGX_OK);
    assert_int_equal(ngx_prof_unwind_stack(&stack), NGX_OK);
    assert_null(ngx_prof_lua_check(functions, N, NULL));
    assert_true(ngx_prof_lua_vm.on);
    assert_true(ngx_prof_lua_vm.traces);

    *(void **) &newstate = dlsym(RTLD_DEFAULT, "luaL_newstate");
    *(void **) &closed = dlsym(RTLD_DEFAULT, "lua_close");
    *(void **) &load = dlsym(RTLD_DEFAULT, "luaL_loadbuffer");
    *(void **) &pcall = dlsym(RTLD_DEFAULT, "lua_pcall");
    *(void **) &push = dlsym(RTLD_DEFAULT, "lua_pushcclosure");

    l = newstate();
    ngx_prof_lua_global = *(uintptr_t *) ((u_char *) l + NGX_PROF_LUA_GLOBAL);
    faults = 0;

    assert_int_equal(load(l, text, sizeof(text) - 1, "@/x.lua"), 0);
    push(l, probe, 0);
    assert_int_equal(pcall(l, 1, 0, 0), 0);

    for (i = 0; i < n && !ngx_prof_frame_is_lua(pcs[i]); i++) { /* void */ }

    assert_true(i + DEPTH + 2 < n);
    is_frame(pcs[i++], "deep", 4);

    for (k = 0; k < DEPTH; k++) {
        is_frame(pcs[i++], "deep", 7);
    }

    is_frame(pcs[i++], "main chunk", 9);
    assert_false(ngx_prof_frame_is_lua(pcs[i]));
    assert_int_equal(faults, 0);

    closed(l);
}


#if (NGX_PROF_ARCH_LUAJIT)

/* what is seen of each instruction of the machine */

static ngx_uint_t  stepped;
static ngx_uint_t  untold;
static uintptr_t   first;
static volatile sig_atomic_t  stepping;


static void
step(int signo, siginfo_t *info, void *data)
{
    uintptr_t          pc;
    ngx_uint_t         i, frames;
    uint64_t           walked[NGX_PROF_FRAMES];
    ucontext_t        *uc;
    ngx_prof_unwind_t  result;

    uc = data;

    if (!stepping) {
        uc->uc_mcontext.gregs[REG_EFL] &= ~(greg_t) 0x100;
        return;
    }

    pc = uc->uc_mcontext.gregs[REG_RIP];

    if (pc - ngx_prof_lua_vm.start
        >= ngx_prof_lua_vm.end - ngx_prof_lua_vm.start)
    {
        return;
    }

    frames = ngx_prof_unwind(&stack, uc, walked, NGX_PROF_FRAMES, &result,
                             NULL);

    for (i = 0; i < frames && !ngx_prof_frame_is_lua(walked[i]); i++) {
        /* void */
    }

    stepped++;

    if (i == frames) {
        first = untold++ ? first : pc - ngx_prof_lua_vm.start;
    }
}


/* wherever a signal comes, the function of Lua is told */

static void
test_each_instruction(void **state)
{
    void              *l;
    struct sigaction   sa;

    void      *(*newstate)(void);
    void       (*libraries)(void *l);
    void       (*closed)(void *l);
    int        (*load)(void *l, const char *text, size_t len,
                       const char *name);
    int        (*pcall)(void *l, int args, int results, int handler);

    static const char  text[] =
        "jit.off()\n"
        "local t = setmetatable({}, { __index = function(t, k)\n"
        "  return k .. 'x'\n"
        "end, __call = function(t, a, ...) return select('#', ...) end })\n"
        "function t:method(...) return self, ... end\n"
        "local function add(a, b) return a + b end\n"
        "local function tail(n) if n > 0 then return tail(n - 1) end end\n"
        "local x = 0\n"
        "for i = 1, 2 do\n"
        "  x = add(x, i)\n"
        "  t:method(i, x)\n"
        "  tail(3)\n"
        "  local s = t[tostring(i)] .. t(i, 1, 2, 3)\n"
        "  pcall(add, i, i)\n"
        "  pcall(error, 'no')\n"
        "  x = x + coroutine.wrap(function(n)\n"
        "    return add(n, coroutine.yield(n) or 1)\n"
        "  end)(i)\n"
        "  for k, v in pairs({ i, s }) do x = add(x, k) end\n"
        "  table.sort({ 3, 1, 2 }, function(a, b) return a < b end)\n"
        "end\n";

    if (dlopen("libluajit-5.1.so.2", RTLD_NOW|RTLD_GLOBAL) == NULL
        || !ngx_prof_lua_vm.on)
    {
        skip();
    }

    *(void **) &newstate = dlsym(RTLD_DEFAULT, "luaL_newstate");
    *(void **) &libraries = dlsym(RTLD_DEFAULT, "luaL_openlibs");
    *(void **) &closed = dlsym(RTLD_DEFAULT, "lua_close");
    *(void **) &load = dlsym(RTLD_DEFAULT, "luaL_loadbuffer");
    *(void **) &pcall = dlsym(RTLD_DEFAULT, "lua_pcall");

    l = newstate();
    libraries(l);
    ngx_prof_lua_global = *(uintptr_t *) ((u_char *) l + NGX_PROF_LUA_GLOBAL);

    assert_int_equal(load(l, text, sizeof(text) - 1, "@/x.lua"), 0);

    guard();

    ngx_memzero(&sa, sizeof(struct sigaction));
    sa.sa_sigaction = step;
    sa.sa_flags = SA_SIGINFO;
    sigaction(SIGTRAP, &sa, NULL);

    stepping = 1;
    __asm__ volatile ("pushfq; orq $0x100, (%%rsp); popfq" ::: "memory", "cc");

    (void) pcall(l, 0, 0, 0);

    stepping = 0;
    __asm__ volatile ("nop; nop");

    closed(l);

    if (untold) {
        print_message("%zu of %zu instructions without a function, the first "
                      "at +0x%zx\n", untold, stepped, first);
    }

    assert_true(stepped > 5000);
    assert_true(untold * 25 < stepped);
}

#endif


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_frames),

#if (NGX_PROF_ARCH_LUAJIT)
        cmocka_unit_test(test_each_instruction)
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
