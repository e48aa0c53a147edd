
/*
 * What walks remember of the loaded objects: the list of them, and the cache of
 * their rules.
 */

/* sources: ngx_http_profiling_module/stack/ngx_prof_cfi_parse.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_cfi_rules.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_cfi_table.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_lua_frames.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_lua_name.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_lua_phase.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_objects.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_unwind.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_unwind_step.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_unwind_expr.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_unwind_recover.c */
/* sources: ngx_http_profiling_module/base/ngx_prof_guard.c */
/* sources: shm/ngx_prof_functions.c */
/* libs: -ldl */


#include <ngx_config.h>
#include <ngx_core.h>

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <ucontext.h>
#include <cmocka.h>

#include "ngx_prof_objects.h"
#include "ngx_prof_unwind.h"
#include "unwind_work.h"


#define MAX  NGX_PROF_FRAMES


static ngx_prof_stack_t         stack;
static ngx_prof_unwind_cache_t  cache;


/* the frames of this thread, if it were interrupted at pc over such a stack */

static ngx_uint_t
frames_over(uintptr_t pc, const uint64_t *words, uint64_t *pcs)
{
    ucontext_t         uc;
    ngx_prof_unwind_t  result;

    assert_int_equal(getcontext(&uc), 0);

    unwind_pc(&uc) = pc;
    unwind_sp(&uc) = (uintptr_t) words;

    return ngx_prof_unwind_cached(&stack, &uc, &cache, pcs, MAX, &result);
}


/* the innermost of them */

static uint64_t
first_frame(uintptr_t pc)
{
    uint64_t  word, pcs[MAX];

    word = 0;

    (void) frames_over(pc, &word, pcs);

    return pcs[0];
}


/* a library that is not loaded yet and has no dependencies, or NULL */

static void *
test_open(void)
{
    void        *handle;
    ngx_uint_t   i;

    static const char *const  names[] = { "libexpat.so.1", "libbz2.so.1.0" };

    /* one that is a part of what runs here does not come */

    for (i = 0; i < 2; i++) {

        if (dlopen(names[i], RTLD_NOW|RTLD_NOLOAD) == NULL) {
            handle = dlopen(names[i], RTLD_NOW);

            if (handle) {
                return handle;
            }
        }
    }

    return NULL;
}


/*
 * Callers are found in the cache without a search; not those of a library that
 * has gone, and in one that comes to its place they are found anew.
 */

static void
test_gone_callers(void **state)
{
    void        *handle, *f;
    uint64_t     words[16], pcs[MAX];
    uintptr_t    pc, ra;
    ngx_uint_t   i, n, round;

    (void) state;

    if (NGX_PROF_ARCH_LINKS) {
        printf("# a call leaves its return address in a register here\n");
        skip();
    }

    for (round = 0; round < 4; round++) {
        handle = test_open();

        if (handle == NULL) {
            printf("# neither libexpat nor libbz2 is here: install one\n");
            skip();
        }

        f = dlsym(handle, "XML_ParserCreate");
        f = f ? f : dlsym(handle, "BZ2_bzCompress");
        assert_int_equal(ngx_prof_objects_refresh(), NGX_OK);

        /* at its first byte a function has its return address on the stack */

        pc = (uintptr_t) f;
        ra = pc + 1;

        for (i = 0; i < 16; i++) {
            words[i] = ra;
        }

        words[12] = 0;

        /* the first walk has to search, the second need not */

        for (i = 0; i < 2; i++) {
            n = frames_over(pc, words, pcs);
            assert_int_equal(n, 14);
            assert_true(pcs[0] == pc && pcs[1] == ra && pcs[12] == ra);
            assert_int_equal(pcs[13], NGX_PROF_FRAME_BROKEN);
        }

        dlclose(handle);
        assert_int_equal(ngx_prof_objects_refresh(), NGX_OK);

        /* code of this program calls what is gone */

        n = frames_over((uintptr_t) frames_over, words, pcs);

        for (i = 0; i < n; i++) {
            assert_true(pcs[i] != ra);
        }
    }
}


static unsigned
filled(void)
{
    unsigned  i, n;

    n = 0;

    for (i = 0; i < NGX_PROF_UNWIND_CACHE; i++) {
        n += (cache.entry[i].len != 0);
    }

    return n;
}


/*
 * Frames that begin at the same places, of the same functions, below others:
 * a frame pointer tells where the outer one is, and its old words are still on
 * the stack.
 */

static struct {
    uint64_t           pcs[MAX], want[MAX];
    ngx_uint_t         n, wanted;
    ngx_prof_unwind_t  result;
} remembered[4];


__attribute__((noinline))
static void
innermost(ngx_uint_t i)
{
    ngx_prof_unwind_t       result;
    ngx_prof_unwind_path_t  path;

    path.cache = &cache;

    remembered[i].n = ngx_prof_unwind_here(&stack, remembered[i].pcs, MAX, 0,
                                           &remembered[i].result, &path);
    remembered[i].wanted = ngx_prof_unwind_here(&stack, remembered[i].want, MAX,
                                                0, &result, NULL);
}


__attribute__((noinline, no_sanitize("address")))
static void
inner(ngx_uint_t i, size_t size)
{
    volatile char  *p;

    p = __builtin_alloca(size);
    innermost(i);
    __asm__ volatile ("" : : "r" (p) : "memory");
}


/* two functions with the same code */

#define OUTER(name)                                                           \
                                                                              \
__attribute__((noinline, no_sanitize("address")))                             \
static void                                                                   \
name(ngx_uint_t i, size_t size)                                               \
{                                                                             \
    volatile char  *p;                                                        \
                                                                              \
    p = __builtin_alloca(size);                                               \
    inner(i, 2048 - size);                                                    \
    __asm__ volatile ("" : : "r" (p) : "memory");                             \
}

OUTER(outer)
OUTER(another)


static const struct {
    void    (*call)(ngx_uint_t i, size_t size);
    size_t    size;
} turns[] = {
    { outer, 1024 }, { another, 512 }, { outer, 512 }, { outer, 512 }
};


__attribute__((noinline, no_sanitize("address")))
static void
in_turn(void)
{
    ngx_uint_t           i;
    volatile ngx_uint_t  n;

    /* called from one place: the loop is not unrolled */

    n = 4;

    for (i = 0; i < n; i++) {
        turns[i].call(i, turns[i].size);
    }
}


static void
test_frames_at_the_same_places(void **state)
{
    ngx_uint_t  i, same;

    (void) state;

    memset(&cache, 0, sizeof(cache));
    in_turn();

    for (i = 0; i < 4; i++) {
        assert_int_equal(remembered[i].n, remembered[i].wanted);
        assert_int_equal(remembered[i].result.walk, i + 1);

        /* those of innermost() are of two calls */

        assert_memory_equal(&remembered[i].pcs[1], &remembered[i].want[1],
                            (remembered[i].n - 1) * sizeof(uint64_t));

        if (i == 0) {
            assert_int_equal(remembered[i].result.same, 0);
            continue;
        }

        same = remembered[i].result.same;

        assert_true(same > 0);
        assert_true(same <= remembered[i].n);
        assert_memory_equal(&remembered[i].pcs[remembered[i].n - same],
                            &remembered[i - 1].pcs[remembered[i - 1].n - same],
                            same * sizeof(uint64_t));
    }

    /* of the same calls, innermost()'s callers are */

    assert_true(remembered[3].result.same > remembered[1].result.same);
    assert_int_not_equal(memcmp(remembered[0].pcs, remembered[1].pcs,
                                remembered[1].n * sizeof(uint64_t)), 0);
}


/* a walk that interrupts one with the same cache does without it */

static void
test_busy_cache(void **state)
{
    uint64_t                pcs[MAX], want[MAX];
    uint32_t                i;
    ngx_uint_t              n;
    ngx_prof_unwind_t       result;
    ngx_prof_unwind_path_t  path;

    (void) state;

    for (i = 0; i < 2; i++) {
        memset(&cache, 0, sizeof(cache));
        cache.busy = i;
        path.cache = &cache;

        n = ngx_prof_unwind_here(&stack, want, MAX, 1, &result, NULL);
        assert_int_equal(ngx_prof_unwind_here(&stack, pcs, MAX, 1, &result,
                                              &path), n);
        assert_memory_equal(pcs, want, n * sizeof(uint64_t));
        assert_true(path.n >= n);
        assert_int_equal(filled() > 0, !i);
        assert_int_equal(cache.busy, i);
    }

    cache.busy = 0;
}


static void
test_objects(void **state)
{
    void                      *handle, *f;
    ngx_uint_t                 i, before;
    const ngx_prof_cfi_t      *cfi;
    const ngx_prof_object_t   *object;
    const ngx_prof_objects_t  *objects;

    (void) state;

    (void) ngx_prof_objects_refresh();
    assert_int_equal(ngx_prof_objects_refresh(), NGX_DECLINED);

    objects = ngx_prof_objects_acquire();
    before = objects->n;
    object = ngx_prof_objects_find(objects, (uintptr_t) test_objects);
    assert_non_null(object);
    assert_true(object->main);
    assert_true(object->build_id_len == 20 || object->build_id_len == 0);
    cfi = object->cfi;

    for (i = 1; i < objects->n; i++) {
        assert_true(objects->text[i - 1].end <= objects->text[i].start);
    }

    ngx_prof_objects_release();

    /* one comes */

    handle = test_open();

    if (handle == NULL) {
        printf("# neither libexpat nor libbz2 is here: install one\n");
        skip();
    }

    assert_int_equal(ngx_prof_objects_refresh(), NGX_OK);

    objects = ngx_prof_objects_acquire();
    assert_int_equal(objects->n, before + 1);

    /* and the tables of the others are the same memory */

    object = ngx_prof_objects_find(objects, (uintptr_t) test_objects);
    assert_ptr_equal(object->cfi, cfi);

    f = dlsym(handle, "XML_ParserCreate");
    f = f ? f : dlsym(handle, "BZ2_bzCompress");
    object = ngx_prof_objects_find(objects, (uintptr_t) f);
    assert_non_null(object);
    assert_non_null(object->cfi);
    ngx_prof_objects_release();

    assert_true(first_frame((uintptr_t) f) == (uintptr_t) f);
    assert_true(first_frame((uintptr_t) f) == (uintptr_t) f);

    /* and goes, from caches as well */

    dlclose(handle);
    assert_int_equal(ngx_prof_objects_refresh(), NGX_OK);
    assert_int_equal(first_frame((uintptr_t) f), NGX_PROF_FRAME_JIT);

    objects = ngx_prof_objects_acquire();
    assert_int_equal(objects->n, before);
    assert_null(ngx_prof_objects_find(objects, (uintptr_t) f));
    ngx_prof_objects_release();
}


/* a list in use by a walk outlives any number of refreshes */

static void
test_objects_in_use(void **state)
{
    void                      *handle;
    ngx_int_t                  rc;
    ngx_uint_t                 i, n;
    const ngx_prof_objects_t  *objects;

    (void) state;

    objects = ngx_prof_objects_acquire();
    n = objects->n;

    for (i = 0; i < 40; i++) {
        handle = test_open();

        if (handle == NULL) {
            ngx_prof_objects_release();
            printf("# neither libexpat nor libbz2 is here: install one\n");
            skip();
        }

        rc = ngx_prof_objects_refresh();
        dlclose(handle);
        assert_int_equal(rc, (i < 32) ? NGX_OK : NGX_ERROR);
        assert_int_equal(ngx_prof_objects_refresh(), rc);
    }

    /* no more than 64 lists may wait; this one is still what it was */

    assert_int_equal(objects->n, n);
    assert_non_null(objects->object[0].path);

    ngx_prof_objects_release();

    (void) ngx_prof_objects_refresh();
    assert_int_equal(ngx_prof_objects_refresh(), NGX_DECLINED);
}


static int
setup(void **state)
{
    (void) state;

    if (ngx_prof_unwind_stack(&stack) != NGX_OK) {
        return -1;
    }

    return (ngx_prof_objects_refresh() == NGX_OK) ? 0 : -1;
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_gone_callers),
        cmocka_unit_test(test_objects),
        cmocka_unit_test(test_frames_at_the_same_places),
        cmocka_unit_test(test_busy_cache),
        cmocka_unit_test(test_objects_in_use)
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
