
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "heap.h"


#define PROFILING_TEST_KEPT   200000
#define PROFILING_TEST_CROSS  1000

#define profiling_test_noinline  __attribute__((noinline, noclone))

/* what a compiler must not know of a block or of a size */
#define profiling_test_hide(v)   __asm__ volatile ("" : "+r" (v) : : "memory")


typedef struct {
    void        **block;
    long          n;
    const char   *wrong;
} profiling_test_cross_t;


static void       *profiling_test_kept[PROFILING_TEST_KEPT];
static long        profiling_test_nkept;
static uint64_t    profiling_test_seed = 1;

static const struct {
    size_t  size;
    long    n;
} profiling_test_sizes[] = {
    { 16, 2000 }, { 112, 1000 }, { 1024, 300 }, { 10240, 60 },
    { 98304, 8 }, { 1048576, 2 }
};


/*
 * Whether the allocator is the C library's, asked by name: an address of a
 * function may lead to a hook.  Others need not set errno, and jemalloc lacks
 * pvalloc(), so that its free() cannot have those blocks.
 */

static int
profiling_test_libc(void)
{
    Dl_info  one, other;

    return dladdr(dlsym(RTLD_DEFAULT, "malloc"), &one)
           && dladdr(dlsym(RTLD_DEFAULT, "strtol"), &other)
           && one.dli_fbase == other.dli_fbase;
}


#define profiling_test_failed(p)                                              \
    ((p) == NULL && (errno == ENOMEM || !profiling_test_libc()))


#ifdef SHIFTED

/* the others are then found elsewhere */

__attribute__((used))
static void
profiling_test_shift(void)
{
    __asm__ volatile (".skip 2048, 0x90");
}

#endif


static size_t
profiling_test_random(void)
{
    profiling_test_seed = profiling_test_seed * 6364136223846793005ull
                          + 1442695040888963407ull;

    return (size_t) (profiling_test_seed >> 33);
}


profiling_test_noinline
const char *
profiling_test_leak(long n)
{
    char  *p;

    p = malloc((size_t) n);
    profiling_test_hide(p);

    if (p == NULL) {
        return "malloc() failed";
    }

    memset(p, 1, (size_t) n);
    profiling_test_hide(p);

    return NULL;
}


profiling_test_noinline
const char *
profiling_test_keep(long n)
{
    void  *p;

    while (n-- > 0 && profiling_test_nkept < PROFILING_TEST_KEPT) {
        p = malloc(1 + profiling_test_random() % 20000);
        profiling_test_kept[profiling_test_nkept++] = p;
    }

    return (n > 0) ? "no more can be kept" : NULL;
}


profiling_test_noinline
const char *
profiling_test_drop(long n)
{
    (void) n;

    while (profiling_test_nkept) {
        free(profiling_test_kept[--profiling_test_nkept]);
    }

    return NULL;
}


profiling_test_noinline
const char *
profiling_test_mixed(long n)
{
    void    *p;
    long     i, left[6];
    size_t   k;

    while (n-- > 0) {

        for (k = 0; k < 6; k++) {
            left[k] = profiling_test_sizes[k].n;
        }

        /* the sizes in turn, so that each follows each */

        for (i = 0; i < 2000; i++) {
            for (k = 0; k < 6; k++) {

                if (left[k] == 0) {
                    continue;
                }

                left[k]--;

                p = malloc(profiling_test_sizes[k].size);
                profiling_test_hide(p);
                free(p);
            }
        }
    }

    return NULL;
}


static const char *
profiling_test_chains(long n, int fail)
{
    char    *p, *q;
    size_t   size, huge;

    huge = PTRDIFF_MAX - 4096;
    profiling_test_hide(huge);

    while (n-- > 0) {
        p = NULL;

        for (size = 100; size < 1000000; size += size / 2) {
            q = realloc(p, size);

            if (q == NULL || (p && q[0] != 'a')) {
                return "realloc() lost a block that grew";
            }

            p = q;
            p[0] = 'a';
            p[size - 1] = 'z';

            if (!fail) {
                continue;
            }

            errno = 0;
            q = realloc(p, huge);

            if (!profiling_test_failed(q)) {
                return "realloc() of a huge size did not fail";
            }

            if (p[0] != 'a' || p[size - 1] != 'z') {
                return "realloc() that failed changed the block";
            }
        }

        for ( /* void */ ; size > 100; size -= size / 2) {
            p = realloc(p, size);

            if (p == NULL || p[0] != 'a') {
                return "realloc() lost a block that shrank";
            }
        }

        free(p);
    }

    return NULL;
}


profiling_test_noinline
const char *
profiling_test_chain(long n)
{
    return profiling_test_chains(n, 1);
}


profiling_test_noinline
const char *
profiling_test_grow(long n)
{
    return profiling_test_chains(n, 0);
}


static const char *
profiling_test_failures(void)
{
    int      rc;
    void    *p;
    size_t   huge, zero;

    huge = PTRDIFF_MAX - 4096;
    zero = 0;
    profiling_test_hide(huge);
    profiling_test_hide(zero);

    errno = 0;
    p = malloc(huge);

    if (!profiling_test_failed(p)) {
        return "malloc() of a huge size did not fail";
    }

    errno = 0;
    p = calloc(huge, 16);

    if (!profiling_test_failed(p)) {
        return "calloc() that overflows did not fail";
    }

    errno = 0;
    p = reallocarray(NULL, huge, 16);

    if (!profiling_test_failed(p)) {
        return "reallocarray() that overflows did not fail";
    }

    p = &zero;
    errno = 0;
    rc = posix_memalign(&p, 24, 100);

    if (rc != EINVAL || p != &zero || errno != 0) {
        return "posix_memalign() took an alignment of 24";
    }

    rc = posix_memalign(&p, 64, huge);

    if (rc != ENOMEM || p != &zero) {
        return "posix_memalign() of a huge size did not fail";
    }

    p = malloc(zero);
    profiling_test_hide(p);
    free(p);
    free(NULL);

    return NULL;
}


/* which of two calls leads to each of 20 frames, its bits say */

profiling_test_noinline
static long
profiling_test_branch(unsigned long bits, long depth)
{
    long   r, i;
    void  *p;

    if (depth == 0) {
        for (i = 0; i < 64; i++) {
            p = malloc(32);
            profiling_test_hide(p);
            free(p);
        }

        return 1;
    }

    if (bits & 1) {
        r = profiling_test_branch(bits >> 1, depth - 1) + 1;

    } else {
        r = profiling_test_branch(bits >> 1, depth - 1) * 3;
    }

    profiling_test_hide(r);

    return r;
}


/* the next n of 2^20 stacks, with 64 allocations in each */

profiling_test_noinline
const char *
profiling_test_storm(long n)
{
    static unsigned long  number;

    while (n-- > 0) {
        (void) profiling_test_branch(number++ * 0x9e3779b1, 20);
    }

    return NULL;
}


profiling_test_noinline
const char *
profiling_test_family(long n)
{
    int     rc, libc;
    size_t  i, k, zero;
    char   *p[10];

    libc = profiling_test_libc();

    for (zero = 1000; n-- > 0; /* void */ ) {
        profiling_test_hide(zero);

        p[0] = malloc(1000);
        p[1] = calloc(10, 100);
        p[2] = realloc(NULL, 1000);
        p[3] = reallocarray(NULL, 10, 100);
        p[5] = aligned_alloc(64, 1024);
        p[6] = memalign(256, 1000);
        p[7] = valloc(1000);
        p[8] = libc ? pvalloc(1000) : valloc(1000);

        memset(p[0], 'x', 1000);
        p[0][999] = '\0';
        p[9] = strdup(p[0]);

        p[4] = NULL;
        rc = posix_memalign((void **) &p[4], 128, zero);

        if (rc || ((uintptr_t) p[4] & 127) || ((uintptr_t) p[5] & 63)
            || ((uintptr_t) p[6] & 255) || ((uintptr_t) p[7] & 4095)
            || ((uintptr_t) p[8] & 4095))
        {
            return "a block is not aligned";
        }

        for (k = 0; k < 1000; k++) {
            if (p[1][k]) {
                return "calloc() gave what is not zero";
            }
        }

        for (i = 0; i < 10; i++) {
            if (malloc_usable_size(p[i]) < 1000) {
                return "a block is too small";
            }

            free(p[i]);
        }
    }

    return profiling_test_failures();
}


/* frees the first half, and allocates it anew */

static void *
profiling_test_cross_thread(void *arg)
{
    long                    i;
    profiling_test_cross_t *cross = arg;

    for (i = 0; i < cross->n; i++) {
        free(cross->block[i]);
        cross->block[i] = malloc(5000);
    }

    return NULL;
}


profiling_test_noinline
const char *
profiling_test_cross(long n)
{
    long                    i;
    void                   *block[PROFILING_TEST_CROSS];
    pthread_t               thread;
    profiling_test_cross_t  cross;

    cross.block = block;
    cross.n = n < PROFILING_TEST_CROSS ? n : PROFILING_TEST_CROSS;

    for (i = 0; i < cross.n; i++) {
        block[i] = malloc(5000);
    }

    if (pthread_create(&thread, NULL, profiling_test_cross_thread, &cross)
        != 0)
    {
        return "pthread_create() failed";
    }

    (void) pthread_join(thread, NULL);

    for (i = 0; i < cross.n; i++) {
        free(block[i]);
    }

    return NULL;
}


profiling_test_noinline
const char *
profiling_test_pairs(long n)
{
    void  *p;

    while (n-- > 0) {
        p = malloc(1000);
        profiling_test_hide(p);
        free(p);
    }

    return NULL;
}


profiling_test_noinline
const char *
profiling_test_small(long n)
{
    void  *p;

    while (n-- > 0) {
        p = malloc(32);
        profiling_test_hide(p);
        free(p);
    }

    return NULL;
}
