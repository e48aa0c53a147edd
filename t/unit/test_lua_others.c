
/*
 * Machines of Lua that are not what they are taken to be: each has a reason why
 * its frames are not told, none is taken for LuaJIT 2.1, and no load faults
 * beyond the guard.
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
/* libs: -ldl -lpthread -lm -Wl,--wrap=dlsym */


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


#define N       64
#define WORDS   256
#define RANDOM  20000


/* what the library has beside what a program of Lua calls */

typedef enum {
    TEST_LUAJIT = 0,
    TEST_PUC,                   /* no compiler */
    TEST_PART,                  /* an interface that lacks a function */
    TEST_NONE                   /* it makes no state */
} test_library_e;


static ngx_prof_function_t  functions[N];
static test_library_e       library;
static uint64_t             state[2][WORDS];
static uint64_t             values[WORDS];
static int                (*pushed)(void *l);
static uint64_t             seed = 1;


static void *
fake_newstate(void)
{
    return (library == TEST_NONE) ? NULL : state[0];
}


static void *
fake_newthread(void *l)
{
    return state[1];
}


static void
fake_nothing(void *l)
{
}


static int
fake_load(void *l, const char *text, size_t len, const char *name)
{
    return 0;
}


static void
fake_pushcclosure(void *l, int (*f)(void *l), int n)
{
    pushed = f;
}


static int
fake_pcall(void *l, int n, int results, int handler)
{
    int  i;

    for (i = 0; i < 5; i++) {
        (void) pushed(l);
    }

    return 0;
}


static int
fake_resume(void *l, int n)
{
    return fake_pcall(l, n, 0, 0);
}


static void
fake_pushlightuserdata(void *l, void *p)
{
}


/* where the module looks for the interface of Lua */

void *__wrap_dlsym(void *handle, const char *name);
void *__real_dlsym(void *handle, const char *name);


void *
__wrap_dlsym(void *handle, const char *name)
{
    ngx_uint_t  i;

    static const struct {
        const char  *name;
        void        *function;
    } fakes[] = {
        { "luaL_newstate", fake_newstate },
        { "luaL_openlibs", fake_nothing },
        { "luaL_loadbuffer", fake_load },
        { "lua_close", fake_nothing },
        { "lua_pcall", fake_pcall },
        { "lua_newthread", fake_newthread },
        { "lua_pushcclosure", fake_pushcclosure },
        { "lua_pushlightuserdata", fake_pushlightuserdata }
    };

    for (i = 0; i < sizeof(fakes) / sizeof(fakes[0]); i++) {

        if (ngx_strcmp(name, fakes[i].name) == 0) {
            return fakes[i].function;
        }
    }

    if (ngx_strcmp(name, "luaJIT_setmode") == 0) {
        return (library == TEST_PUC) ? NULL : fake_nothing;
    }

    if (ngx_strcmp(name, "lua_resume") == 0) {
        return (library == TEST_PART) ? NULL : fake_resume;
    }

    return __real_dlsym(handle, name);
}


static const char *
check(test_library_e of)
{
    const char  *error;

    if (!NGX_PROF_ARCH_LUAJIT) {
        skip();
    }

    library = of;
    error = ngx_prof_lua_check(functions, N, NULL);

    assert_non_null(error);
    assert_false(ngx_prof_lua_vm.on);

    return error;
}


static int
test_begin(void **data)
{
    guard();
    (void) ngx_prof_objects_refresh();

    ngx_memzero(state, sizeof(state));
    ngx_memzero(values, sizeof(values));

    return 0;
}


static void
test_what_is_not_luajit(void **data)
{
    assert_string_equal(check(TEST_PUC), "it is not LuaJIT");
    assert_string_equal(check(TEST_PART), "its interface is not known");
    assert_string_equal(check(TEST_NONE), "it makes no state");
}


/*
 * A state as LuaJIT 2.0 has it, and 2.1 without GC64: references of 32 bits,
 * the function of a frame in the slot below its base.
 */

static void
test_gc32(void **data)
{
    uint32_t    *half;
    ngx_uint_t   i;

    for (i = 0; i < 2; i++) {
        half = (uint32_t *) state[i];

        half[0] = 0x40001000;                       /* the next object */
        half[1] = 0x00000661;                       /* marked, a thread */
        half[2] = 0x40001200;                       /* the shared state */
        state[i][2] = (uintptr_t) &values[8];       /* the base */
        state[i][3] = (uintptr_t) &values[12];      /* the top */
        half[8] = (uint32_t) (uintptr_t) &values[64];
        half[9] = (uint32_t) (uintptr_t) values;
        half[11] = 0x40001400;                      /* the environment */
        state[i][6] = (uintptr_t) __builtin_frame_address(0);
    }

    values[7] = 0x4000160000000018;

    assert_string_equal(check(TEST_LUAJIT),
                        "it has another layout (GC32, or not 2.1)");
}


static uint64_t
test_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;

    return seed;
}


/* a number that might be there */

static uint64_t
test_word(void)
{
    uint64_t  r;

    r = test_random();

    switch (r % 8) {

    case 0:
        return (uintptr_t) state[0] + (r >> 8) % sizeof(state);

    case 1:
    case 2:
        return (uintptr_t) &values[(r >> 8) % WORDS];

    case 3:
        return (uintptr_t) &values[(r >> 8) % WORDS]
               | (uint64_t) NGX_PROF_LUA_TAG_FUNC << 47;

    case 4:
        return (uintptr_t) __builtin_frame_address(0) + (r >> 8) % 4096;

    case 5:
        return (uintptr_t) fake_pcall + (r >> 8) % 64;

    case 6:
        return (r >> 8) % 256 | 0x0600ULL;

    default:
        return r;
    }
}


static void
test_any_memory(void **data)
{
    ngx_uint_t  i, k;

    for (i = 0; i < RANDOM; i++) {

        for (k = 0; k < WORDS; k++) {
            state[0][k] = test_word();
            state[1][k] = test_word();
            values[k] = test_word();
        }

        /* as far as it can be told before it runs, one of them is right */

        if (i % 2) {
            state[0][0] = (uintptr_t) values;
            ((u_char *) state[0])[9] = 6;
            ((u_char *) state[1])[9] = 6;
        }

        (void) check(TEST_LUAJIT);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup(test_what_is_not_luajit, test_begin),
        cmocka_unit_test_setup(test_gc32, test_begin),
        cmocka_unit_test_setup(test_any_memory, test_begin)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
