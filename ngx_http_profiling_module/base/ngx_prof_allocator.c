
#include <ngx_config.h>
#include <ngx_core.h>
#include <dlfcn.h>
#include <malloc.h>
#include "ngx_prof_allocator.h"
#include "ngx_prof_barred.h"


/* the default of M_TRIM_THRESHOLD, mallopt(3) */
#define NGX_PROF_TRIM_THRESHOLD  131072

/* "all arenas" in jemalloc's names: MALLCTL_ARENAS_ALL, jemalloc(3) */
#define NGX_PROF_ARENAS          "arena.4096."


typedef struct {
    const char  *name;
    const char  *symbol;    /* exported by this allocator only */
    ngx_int_t  (*read)(ngx_prof_heap_t *heap);
    ngx_int_t  (*trim)(void);
    ngx_uint_t   walks;     /* read() takes the longer the more free blocks
                               there are */
} ngx_prof_allocator_t;


static ngx_uint_t ngx_prof_allocator_owns(const char *symbol, void **address);
static ngx_int_t ngx_prof_jemalloc_read(ngx_prof_heap_t *heap);
static ngx_int_t ngx_prof_jemalloc_trim(void);
static ngx_int_t ngx_prof_tcmalloc_read(ngx_prof_heap_t *heap);
static ngx_int_t ngx_prof_tcmalloc_trim(void);
#if (NGX_PROF_HAVE_MALLINFO2)
static ngx_int_t ngx_prof_glibc_read(ngx_prof_heap_t *heap);
#endif
#if (NGX_PROF_HAVE_MALLOC_TRIM)
static ngx_int_t ngx_prof_glibc_trim(void);
#endif


static ngx_prof_allocator_t  ngx_prof_allocators[] = {

    { "jemalloc", "mallctl",
      ngx_prof_jemalloc_read, ngx_prof_jemalloc_trim, 0 },

    { "tcmalloc", "MallocExtension_GetNumericProperty",
      ngx_prof_tcmalloc_read, ngx_prof_tcmalloc_trim, 0 },

    { "glibc", "gnu_get_libc_version",
#if (NGX_PROF_HAVE_MALLINFO2)
      ngx_prof_glibc_read,
#else
      NULL,
#endif
#if (NGX_PROF_HAVE_MALLOC_TRIM)
      ngx_prof_glibc_trim, 1 },
#else
      NULL, 1 },
#endif

    { "unknown", NULL, NULL, NULL, 0 }
};


static ngx_prof_allocator_t  *ngx_prof_allocator;
static void                  *ngx_prof_allocator_control;


void
ngx_prof_allocator_init(void)
{
    ngx_prof_allocator_t  *a;

    for (a = ngx_prof_allocators; a->symbol; a++) {

        if (ngx_prof_allocator_owns(a->symbol, &ngx_prof_allocator_control)) {
            break;
        }
    }

    ngx_prof_allocator = a;
}


/*
 * Several allocators may be loaded; the one in use is in the object whose
 * malloc() the linker found first.
 */

static ngx_uint_t
ngx_prof_allocator_owns(const char *symbol, void **address)
{
    void     *function, *allocate;
    Dl_info   one, other;

    function = dlsym(RTLD_DEFAULT, symbol);
    allocate = dlsym(RTLD_DEFAULT, "malloc");

    if (function == NULL
        || allocate == NULL
        || dladdr(function, &one) == 0
        || dladdr(allocate, &other) == 0
        || one.dli_fbase != other.dli_fbase)
    {
        return 0;
    }

    *address = function;

    return 1;
}


const char *
ngx_prof_allocator_name(void)
{
    return ngx_prof_allocator->name;
}


ngx_int_t
ngx_prof_allocator_read(ngx_prof_heap_t *heap)
{
    if (ngx_prof_allocator->read == NULL) {
        return NGX_DECLINED;
    }

    heap->estimated = 0;

    return ngx_prof_allocator->read(heap);
}


ngx_uint_t
ngx_prof_allocator_walks(void)
{
    return ngx_prof_allocator->walks;
}


ngx_int_t
ngx_prof_allocator_trim(void)
{
    if (ngx_prof_allocator->trim == NULL
        || ngx_prof_barred(NGX_PROF_BARRED_ADVICE))
    {
        return NGX_DECLINED;
    }

    return ngx_prof_allocator->trim();
}


#if (NGX_PROF_HAVE_MALLINFO2)

static ngx_int_t
ngx_prof_glibc_read(ngx_prof_heap_t *heap)
{
    struct mallinfo2  info;

    info = mallinfo2();

    heap->alloc = info.uordblks + info.hblkhd;
    heap->sys = info.arena + info.hblkhd;
    heap->resident = 0;
    heap->next_gc = heap->alloc + NGX_PROF_TRIM_THRESHOLD;

    return NGX_OK;
}

#endif


#if (NGX_PROF_HAVE_MALLOC_TRIM)

static ngx_int_t
ngx_prof_glibc_trim(void)
{
    (void) malloc_trim(0);

    return NGX_OK;
}

#endif


/* jemalloc(3): a write to "epoch" refreshes the figures */

static ngx_int_t
ngx_prof_jemalloc_read(ngx_prof_heap_t *heap)
{
    size_t     size, alloc, mapped, resident;
    uint64_t   epoch;
    int      (*control)(const char *, void *, size_t *, void *, size_t);

    control = (int (*)(const char *, void *, size_t *, void *, size_t))
                  ngx_prof_allocator_control;

    epoch = 1;
    size = sizeof(size_t);

    if (control("epoch", NULL, NULL, &epoch, sizeof(uint64_t)) != 0
        || control("stats.allocated", &alloc, &size, NULL, 0) != 0
        || control("stats.mapped", &mapped, &size, NULL, 0) != 0
        || control("stats.resident", &resident, &size, NULL, 0) != 0)
    {
        return NGX_DECLINED;
    }

    heap->alloc = alloc;
    heap->sys = mapped;
    heap->resident = resident;
    heap->next_gc = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_prof_jemalloc_trim(void)
{
    int (*control)(const char *, void *, size_t *, void *, size_t);

    control = (int (*)(const char *, void *, size_t *, void *, size_t))
                  ngx_prof_allocator_control;

    (void) control("thread.tcache.flush", NULL, NULL, NULL, 0);

    if (control(NGX_PROF_ARENAS "purge", NULL, NULL, NULL, 0) != 0)
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* gperftools/malloc_extension_c.h */

static ngx_int_t
ngx_prof_tcmalloc_read(ngx_prof_heap_t *heap)
{
    size_t   alloc, sys, resident;
    int    (*property)(const char *, size_t *);

    property = (int (*)(const char *, size_t *))
                   ngx_prof_allocator_control;

    if (!property("generic.current_allocated_bytes", &alloc)
        || !property("generic.heap_size", &sys))
    {
        return NGX_DECLINED;
    }

    /* older versions lack this property */

    if (!property("generic.total_physical_bytes", &resident)) {
        resident = 0;
    }

    heap->alloc = alloc;
    heap->sys = sys;
    heap->resident = resident;
    heap->next_gc = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_prof_tcmalloc_trim(void)
{
    void  (*release)(void), (*idle)(void);

    release = (void (*)(void)) dlsym(RTLD_DEFAULT,
                                     "MallocExtension_ReleaseFreeMemory");
    if (release == NULL) {
        return NGX_DECLINED;
    }

    /* memory cached by this thread is not yet free for other threads */

    idle = (void (*)(void)) dlsym(RTLD_DEFAULT,
                                  "MallocExtension_MarkThreadTemporarilyIdle");
    if (idle) {
        idle();
    }

    release();

    return NGX_OK;
}
