
/*
 * Walks: under a profiling timer in assembly and in JIT code, over broken
 * stacks.  At every instruction: test_unwind_processors.c.
 */

/* sources: t/unit/unwind_code.S */
/* sources: t/unit/unwind_work.c */
/* sources: t/unit/unwind_step.c t/unit/unwind_trap_arm64.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_cfi_parse.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_cfi_rules.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_cfi_table.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_objects.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_unwind.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_unwind_step.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_unwind_expr.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_unwind_recover.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_lua_frames.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_lua_name.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_lua_phase.c */
/* sources: ngx_http_profiling_module/base/ngx_prof_guard.c */
/* sources: shm/ngx_prof_functions.c */
/* libs: -lcrypto -lpcre2-8 -lz -lm -ldl -lpthread */


#include <ngx_config.h>
#include <ngx_core.h>

#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <cmocka.h>

#include "ngx_prof_objects.h"
#include "ngx_prof_unwind.h"
#include "unwind_work.h"


#define MAX  NGX_PROF_FRAMES


static ngx_prof_stack_t  stack;

/* what the handler of the profiling timer saw */

static volatile unsigned           samples;
static volatile unsigned           causes[NGX_PROF_UNWIND_CAUSES];
static volatile unsigned           in_main;
static volatile unsigned           recovered;
static volatile unsigned           jit;
static volatile unsigned           told;     /* of them by their library */
static volatile unsigned           changed;      /* by the cache */
static ngx_prof_unwind_cache_t  cache;

static unwind_before_t             before;
static volatile unsigned           same;     /* walks with frames as before */
static volatile uint64_t           walk_ns;
static volatile uint64_t           walk_frames;
static uint64_t                    example[MAX];
static volatile unsigned           nexample;


static uint64_t
now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000000 + (uint64_t) ts.tv_nsec;
}


static void
on_prof(int signo, siginfo_t *si, void *uc)
{
    uint64_t           pcs[MAX], cached[MAX], t;
    ngx_uint_t         i, n;
    ngx_prof_unwind_t  result;

    (void) signo;
    (void) si;

    if (!unwind_inside) {
        return;
    }

    ngx_prof_unwind_prefetch(&cache);

    t = now();
    n = ngx_prof_unwind_cached(&stack, uc, &cache, cached, MAX, &result);
    walk_ns += now() - t;
    walk_frames += n;

    changed += !unwind_had(&before, cached, n, &result);
    same += (result.same != 0);

    changed += (ngx_prof_unwind(&stack, uc, pcs, MAX, &result, NULL) != n
                || memcmp(pcs, cached, n * sizeof(uint64_t)) != 0);

    samples++;
    causes[result.cause]++;
    recovered += (unsigned) result.recovered;
    jit += (unsigned) result.jit;

    /* unwind_profiled() is the root of what is profiled, beneath main() */

    for (i = 0; i < n; i++) {
        told += (pcs[i] == NGX_PROF_FRAME_PCRE2_JIT);
    }

    for (i = 0; i < n; i++) {
        if (pcs[i] == unwind_profiled_return) {
            in_main++;
            break;
        }
    }

    if (result.cause != NGX_PROF_UNWIND_COMPLETE || i == n) {
        for (i = 0; i < n; i++) {
            example[i] = pcs[i];
        }

        nexample = (unsigned) n;
    }
}


static void
print_frames(const uint64_t *pcs, unsigned n)
{
    unsigned                   i;
    const ngx_prof_object_t   *object;
    const ngx_prof_objects_t  *objects;

    objects = ngx_prof_objects_acquire();

    for (i = 0; i < n; i++) {
        object = ngx_prof_objects_find(objects, pcs[i]);
        printf("    %lx %s+%lx\n", pcs[i], object ? object->path : "-",
               object ? pcs[i] - object->base : 0);
    }

    ngx_prof_objects_release();
}


/* runs work under a timer of 1 ms for some time; returns the good share */

static double
profile(const char *name, void (*work)(void), unsigned ms)
{
    double            share;
    unsigned          i;
    struct sigaction  sa;
    struct itimerval  it;

    samples = in_main = recovered = jit = told = nexample = changed = 0;
    same = 0;
    walk_ns = walk_frames = 0;

    for (i = 0; i < NGX_PROF_UNWIND_CAUSES; i++) {
        causes[i] = 0;
    }

    memset(&sa, 0, sizeof(sa));
    sa.sa_sigaction = on_prof;
    sa.sa_flags = SA_SIGINFO|SA_RESTART;
    sigaction(SIGPROF, &sa, NULL);

    memset(&it, 0, sizeof(it));
    it.it_interval.tv_usec = 1000;
    it.it_value.tv_usec = 1000;
    setitimer(ITIMER_PROF, &it, NULL);

    unwind_profiled(work, ms);

    memset(&it, 0, sizeof(it));
    setitimer(ITIMER_PROF, &it, NULL);

    assert_true(samples > 10);
    assert_int_equal(changed, 0);
    assert_true(same > samples / 2);

    share = 100.0 * ngx_min(in_main, causes[NGX_PROF_UNWIND_COMPLETE])
            / samples;

    printf("%-12s %5u samples, %.2f%% whole, recovered %u, jit %u, "
           "%.0f ns a walk, %.0f a frame, causes", name, samples, share,
           recovered, jit, (double) walk_ns / samples,
           (double) walk_ns / (double) walk_frames);

    for (i = 0; i < NGX_PROF_UNWIND_CAUSES; i++) {
        printf(" %u", causes[i]);
    }

    printf("\n");

    if (nexample) {
        print_frames(example, nexample);
    }

    return share;
}


static void
test_profile(void **state)
{
    unsigned  i;

    (void) state;

    for (i = 0; unwind_works[i].name; i++) {
        assert_true(profile(unwind_works[i].name, unwind_works[i].once, 250)
                    >= 99.5);
    }
}


/* a handler on top of a handler */

static uint64_t     nested[MAX];
static ngx_uint_t   n_nested;
static uint64_t     interrupted;


static void
on_inner(int signo, siginfo_t *si, void *uc)
{
    ngx_prof_unwind_t  result;

    (void) signo;
    (void) si;

    n_nested = ngx_prof_unwind(&stack, uc, nested, MAX, &result, NULL);
    assert_int_equal(result.cause, NGX_PROF_UNWIND_COMPLETE);
}


static void
on_outer(int signo, siginfo_t *si, void *uc)
{
    (void) signo;
    (void) si;

    interrupted = (uint64_t) unwind_pc((ucontext_t *) uc);
    raise(SIGUSR2);
}


static void
test_signal_frame(void **state)
{
    ngx_uint_t        i;
    struct sigaction  sa;

    (void) state;

    memset(&sa, 0, sizeof(sa));
    sa.sa_flags = SA_SIGINFO;
    sa.sa_sigaction = on_inner;
    sigaction(SIGUSR2, &sa, NULL);
    sa.sa_sigaction = on_outer;
    sigaction(SIGUSR1, &sa, NULL);

    /* the assembly is interrupted with its CFA in a register nobody saves */

    unwind_code_scratch_cfa();

    for (i = 0; i < n_nested; i++) {
        if (nested[i] == interrupted) {
            break;
        }
    }

    assert_true(i < n_nested - 2);
    assert_true(nested[i + 1] == unwind_code_scratch_return);
}


static unsigned deep(unsigned n, ngx_prof_unwind_t *result, uint64_t *pcs);

/* through a pointer that may change, recursion stays recursion */

static unsigned (*volatile deeper)(unsigned n,
    ngx_prof_unwind_t *result, uint64_t *pcs) = deep;


__attribute__((noinline))
static unsigned
deep(unsigned n, ngx_prof_unwind_t *result, uint64_t *pcs)
{
    volatile unsigned  rc;

    if (n == 0) {
        rc = (unsigned) ngx_prof_unwind_here(&stack, pcs, MAX, 0, result, NULL);
    } else {
        rc = deeper(n - 1, result, pcs);
    }

    return rc;
}


static void
test_truncated(void **state)
{
    unsigned           n, base;
    uint64_t           pcs[MAX + 1];
    ngx_prof_unwind_t  result;

    (void) state;

    pcs[MAX] = 0x5a5a;

    base = deep(0, &result, pcs);
    assert_int_equal(result.cause, NGX_PROF_UNWIND_COMPLETE);

    /* as many as there is room for are not too many */

    n = deep(MAX - base, &result, pcs);
    assert_int_equal(n, MAX);
    assert_int_equal(result.cause, NGX_PROF_UNWIND_COMPLETE);
    assert_true(pcs[MAX - 1] > NGX_PROF_FRAME_RESERVED);

    n = deep(MAX - base + 1, &result, pcs);
    assert_int_equal(n, MAX);
    assert_int_equal(result.cause, NGX_PROF_UNWIND_TRUNCATED);
    assert_int_equal(pcs[MAX - 1], NGX_PROF_FRAME_TRUNCATED);

    n = deep(5000, &result, pcs);
    assert_int_equal(n, MAX);
    assert_int_equal(pcs[MAX - 1], NGX_PROF_FRAME_TRUNCATED);
    assert_int_equal(pcs[MAX], 0x5a5a);
}


__attribute__((noinline))
static ngx_uint_t
skipping(uint64_t *pcs, ngx_uint_t skip)
{
    ngx_prof_unwind_t  result;

    return ngx_prof_unwind_here(&stack, pcs, MAX, skip, &result, NULL);
}


static void
test_skip(void **state)
{
    uint64_t    a[MAX], b[MAX];
    ngx_uint_t  i, n, m;

    (void) state;

    n = 0;
    m = 0;

    for (i = 0; i < 2; i++) {
        m = i ? skipping(b, 2) : skipping(a, 1);
        n = i ? n : m;
    }

    assert_int_equal(m, n - 1);
    assert_true(a[1] == b[0]);
    assert_true(a[n - 1] == b[m - 1]);

    /* more than there are */

    assert_int_equal(skipping(a, 100000), 0);
}


/* a copy of the real stack with damage, walked from a copied context */

static ucontext_t   snapshot;
static char         saved[256 * 1024];
static char        *image, *mapping;
static size_t       image_size;
static uintptr_t    image_low;


__attribute__((no_sanitize("address")))
static void
on_snapshot(int signo, siginfo_t *si, void *uc)
{
    size_t  i;

    (void) signo;
    (void) si;

    snapshot = *(ucontext_t *) uc;

    image_low = (uintptr_t) unwind_sp(&snapshot);
    image_size = ngx_min(stack.top - image_low, sizeof(saved));

    /* not memcpy(), which a sanitizer would stop */

    for (i = 0; i < image_size; i++) {
        saved[i] = ((volatile char *) image_low)[i];
    }
}


/*
 * Walks a copy that was written over.  The copy is a stack of its own, the
 * walk runs at its lower end, and what follows its top cannot be read.
 */

static ngx_uint_t
damaged(unsigned seed, ngx_prof_unwind_t *result)
{
    uint64_t    *p, pcs[MAX];
    size_t       i, n;
    ngx_uint_t   frames;

    p = (uint64_t *) image;
    n = image_size / 8;

    for (i = 0; i < n; i++) {
        if (rand_r(&seed) % 4 == 0) {
            switch (rand_r(&seed) % 5) {
            case 0: p[i] = 0; break;
            case 1: p[i] = (uint64_t) -1; break;
            case 2: p[i] = (uint64_t) (uintptr_t) &p[rand_r(&seed) % n];
                break;
            case 3: p[i] = (uint64_t) rand_r(&seed) << 20; break;
            default: p[i] = (uint64_t) (uintptr_t) test_truncated
                            + rand_r(&seed) % 64;
            }
        }
    }

    frames = unwind_on_copy(mapping, image, image_size, &snapshot, pcs, MAX,
                            result);

    assert_true(frames >= 1 && frames <= MAX);

    if (result->cause == NGX_PROF_UNWIND_TRUNCATED) {
        assert_int_equal(pcs[frames - 1], NGX_PROF_FRAME_TRUNCATED);

    } else if (result->cause != NGX_PROF_UNWIND_COMPLETE) {
        assert_int_equal(pcs[frames - 1], NGX_PROF_FRAME_BROKEN);
    }

    return frames;
}


static void
test_broken(void **state)
{
    unsigned           i, broken;
    struct sigaction   sa;
    ngx_prof_unwind_t  result;

    (void) state;

    memset(&sa, 0, sizeof(sa));
    sa.sa_flags = SA_SIGINFO;
    sa.sa_sigaction = on_snapshot;
    sigaction(SIGUSR1, &sa, NULL);
    raise(SIGUSR1);

    assert_true(image_size > 512);

    broken = 0;

    for (i = 1; i < 3000; i++) {

        image = unwind_copy_stack(saved, image_low, image_size, &snapshot,
                                  &mapping);

        (void) damaged(i, &result);

        broken += (result.cause >= NGX_PROF_UNWIND_FOREIGN);
        unwind_free_stack(mapping);
    }

    printf("%u of %u damaged stacks were noticed\n", broken, i - 1);
    assert_true(broken > (i - 1) / 2);
}


/* with damage in a known place */

static void
test_bad_return(void **state)
{
    uint64_t           ra, pcs[MAX];
    ngx_uint_t         n;
    ngx_prof_unwind_t  result;

    (void) state;

    n = unwind_code_walk_with_return(0x4141414141414141, &stack, pcs, MAX,
                                     &result);
    assert_int_equal(result.cause, NGX_PROF_UNWIND_BAD_RA);
    assert_int_equal(pcs[n - 1], NGX_PROF_FRAME_BROKEN);

    /* around zero, where there is nothing to look at */

    for (ra = (uint64_t) -9; ra != 17; ra++) {
        n = unwind_code_walk_with_return(ra, &stack, pcs, MAX, &result);
        assert_int_equal(result.cause, NGX_PROF_UNWIND_BAD_RA);
        assert_int_equal(pcs[n - 1], NGX_PROF_FRAME_BROKEN);
    }

    /* data is no code */

    n = unwind_code_walk_with_return((uint64_t) (uintptr_t) &stack, &stack,
                                     pcs, MAX, &result);
    assert_int_equal(result.cause, NGX_PROF_UNWIND_BAD_RA);
    assert_int_equal(pcs[n - 1], NGX_PROF_FRAME_BROKEN);
}


/* the return address of a last call belongs to the function after it */

static void
test_last_call(void **state)
{
    uint64_t           pcs[MAX], here[MAX];
    ngx_uint_t         n, m;
    ngx_prof_unwind_t  result;

    (void) state;

    m = ngx_prof_unwind_here(&stack, here, MAX, 0, &result, NULL);
    n = unwind_code_last_call(&stack, pcs, MAX, &result);

    assert_int_equal(result.cause, NGX_PROF_UNWIND_COMPLETE);
    assert_int_equal(result.recovered, 0);
    assert_int_equal(n, m + 2);
    assert_true(pcs[1] == (uint64_t) (uintptr_t) unwind_code_after);
    assert_true(pcs[3] == here[1]);
}


/* which frame has each of three values in a register of its own, from 1 on */

#define VALUE  0x5eed0

static volatile unsigned  frames;
static volatile unsigned  frames_of[3];
static volatile unsigned  frames_with[3];        /* still, or again */


static ngx_uint_t
on_frame(void *data, const ngx_prof_unwind_frame_t *frame)
{
    uint64_t    value;
    ngx_uint_t  i;

    (void) data;

    frames++;

    for (i = 0; i < frame->n; i++) {
        value = frame->own[i] - VALUE;

        if (value < 3 && frames_of[value] == 0) {
            frames_of[value] = frames;
        }
    }

    for (i = frame->n; i < frame->all; i++) {
        value = frame->own[i] - VALUE;

        if (value < 3 && frames_with[value] == 0) {
            frames_with[value] = frames;
        }
    }

    return 0;
}


static void
on_frames(int signo, siginfo_t *si, void *uc)
{
    ngx_prof_unwind_path_t  path;

    (void) signo;
    (void) si;

    memset(&path, 0, sizeof(path));
    path.stack = &stack;
    path.uc = uc;

    frames = 0;
    frames_of[0] = frames_of[1] = frames_of[2] = 0;
    frames_with[0] = frames_with[1] = frames_with[2] = 0;

    ngx_prof_unwind_frames(&path, on_frame, NULL);
}


static void
on_call(void)
{
    on_frames(0, NULL, NULL);
}


/* what a function has saved and not written to yet is still its caller's */

static void
test_saved(void **state)
{
    (void) state;

    unwind_code_holds(VALUE, VALUE + 1, VALUE + 2, on_call);

    assert_int_not_equal(frames_of[2], 0);
    assert_int_equal(frames_of[0], frames_of[2] + 1);
    assert_int_equal(frames_of[1], frames_of[2] + 1);
    assert_int_equal(frames_with[0], frames_of[2]);
    assert_int_equal(frames_with[1], 0);
    assert_int_equal(frames_with[2], 0);
}


/* a library that is interrupted has what is left in registers of others */

static void
test_left(void **state)
{
    struct sigaction  sa;

    (void) state;

    memset(&sa, 0, sizeof(sa));
    sa.sa_flags = SA_SIGINFO;
    sa.sa_sigaction = on_frames;
    sigaction(SIGURG, &sa, NULL);

    frames = 0;
    (void) syscall(SYS_kill, getpid(), SIGURG, 0, (uint64_t) VALUE,
                   (uint64_t) VALUE + 1);

    assert_true(frames > 1);
    assert_int_not_equal(frames_of[0], 1);
    assert_int_not_equal(frames_of[1], 1);
}


static void
test_bounds(void **state)
{
    ucontext_t         uc;
    uint64_t           pcs[MAX];
    ngx_uint_t         n;
    struct sigaction   sa;
    ngx_prof_stack_t   narrow;
    ngx_prof_unwind_t  result;

    (void) state;

    memset(&sa, 0, sizeof(sa));
    sa.sa_flags = SA_SIGINFO;
    sa.sa_sigaction = on_snapshot;
    sigaction(SIGUSR1, &sa, NULL);
    raise(SIGUSR1);
    uc = snapshot;

    /* another stack's pointer */

    unwind_sp(&uc) = (uintptr_t) &snapshot;
    n = ngx_prof_unwind(&stack, &uc, pcs, MAX, &result, NULL);
    assert_int_equal(n, 2);
    assert_int_equal(result.cause, NGX_PROF_UNWIND_FOREIGN);

    unwind_sp(&uc) = stack.top;
    n = ngx_prof_unwind(&stack, &uc, pcs, MAX, &result, NULL);
    assert_int_equal(result.cause, NGX_PROF_UNWIND_FOREIGN);

    /* frames beyond the top that was given must not be looked at */

    narrow = stack;
    narrow.top = (uintptr_t) __builtin_frame_address(0) + 64;
    n = ngx_prof_unwind_here(&narrow, pcs, MAX, 0, &result, NULL);
    assert_true(result.cause == NGX_PROF_UNWIND_BAD_CFA
                || result.cause == NGX_PROF_UNWIND_BAD_RA);
    assert_int_equal(pcs[n - 1], NGX_PROF_FRAME_BROKEN);
}


static void
test_no_cfi(void **state)
{
    unwind_step_t  r;

    (void) state;

    unwind_step(&stack, unwind_code_frame_pointer, 200, &r);
    assert_true(r.steps >= 16);
    assert_int_equal(r.wrong, 0);

    /* only a direct call tells who has called */

    unwind_step(&stack, unwind_code_aligned, 200, &r);
    assert_true(r.steps >= 16);
    assert_int_equal(r.wrong, 0);

    /* with a frame pointer, as a leaf, and with neither */

    assert_true(profile("no-cfi-fp", unwind_code_frame_pointer, 100)
                >= 99.5);
    assert_true(recovered > samples / 2);

    assert_true(profile("no-cfi-leaf", unwind_code_leaf, 100) >= 99.5);
    assert_true(profile("no-cfi-none", unwind_code_nothing, 100) >= 99.5);
    assert_int_equal(jit, 0);
}


static void
test_pcre2_jit(void **state)
{
    (void) state;

    assert_true(profile("pcre2-jit", unwind_pcre2_jit, 500) >= 99.5);
    assert_true(jit > samples / 2);
    assert_true(told > jit - jit / 100);

    /* the caller of that code is in the library, none is before it */
    assert_true(recovered <= jit + samples / 20);
}


static void *
thread(void *data)
{
    uint64_t           pcs[MAX];
    ngx_uint_t         n;
    ngx_prof_stack_t   own;
    ngx_prof_unwind_t  result;

    (void) data;

    if (ngx_prof_unwind_stack(&own) != NGX_OK) {
        return NULL;
    }

    n = ngx_prof_unwind_here(&own, pcs, MAX, 0, &result, NULL);

    return (n > 1 && result.cause == NGX_PROF_UNWIND_COMPLETE)
           ? &stack : NULL;
}


static void
test_thread(void **state)
{
    void       *rc;
    pthread_t   tid;

    (void) state;

    assert_int_equal(pthread_create(&tid, NULL, thread, NULL), 0);
    pthread_join(tid, &rc);
    assert_non_null(rc);
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
        cmocka_unit_test(test_profile),
        cmocka_unit_test(test_signal_frame),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_skip),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_bad_return),
        cmocka_unit_test(test_last_call),
        cmocka_unit_test(test_saved),
        cmocka_unit_test(test_left),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_no_cfi),
        cmocka_unit_test(test_pcre2_jit),
        cmocka_unit_test(test_thread)
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
