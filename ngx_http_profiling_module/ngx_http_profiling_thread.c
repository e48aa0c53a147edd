
#include <ngx_config.h>
#include <ngx_core.h>
#include <sys/resource.h>
#include "ngx_http_profiling_thread.h"


#define NGX_HTTP_PROFILING_THREADS    256

/* pages asked for in one mincore(): 32 MiB of 4 KiB pages */
#define NGX_HTTP_PROFILING_PAGES      8192


typedef struct {
    uintptr_t   low;
    uintptr_t   high;
    uint64_t    reserved;   /* bytes */
    uint64_t    resident;   /* bytes, when last measured */
} ngx_http_profiling_stack_t;


static void ngx_http_profiling_thread_scan(uint64_t threads);
static uintptr_t ngx_http_profiling_thread_pointer(const char *tid);
static ngx_uint_t ngx_http_profiling_thread_map(FILE *maps, uintptr_t sp,
    ngx_http_profiling_stack_t *stack);
static void ngx_http_profiling_thread_measure(
    ngx_http_profiling_stack_t *stack);


static ngx_http_profiling_stack_t
    ngx_http_profiling_stacks[NGX_HTTP_PROFILING_THREADS];

static ngx_uint_t  ngx_http_profiling_stack_n;      /* 0: not known */
static ngx_uint_t  ngx_http_profiling_stack_next;
static uint64_t    ngx_http_profiling_thread_n;     /* when last scanned */


void
ngx_http_profiling_thread_init(void)
{
    ngx_http_profiling_stack_n = 0;
    ngx_http_profiling_thread_n = 0;
}


void
ngx_http_profiling_thread_stacks(ngx_http_profiling_gauges_t *g)
{
    ngx_uint_t                   i;
    ngx_http_profiling_stack_t  *stack;

    if (g->threads != ngx_http_profiling_thread_n
        || ngx_http_profiling_stack_n == 0)
    {
        ngx_http_profiling_thread_scan(g->threads);
    }

    if (ngx_http_profiling_stack_n == 0) {
        g->unavailable |= NGX_HTTP_PROFILING_NO_STACKS;
        return;
    }

    stack = ngx_http_profiling_stacks;

    ngx_http_profiling_thread_measure(&stack[0]);

    if (ngx_http_profiling_stack_n > 1) {
        i = 1 + ngx_http_profiling_stack_next++
                % (ngx_http_profiling_stack_n - 1);
        ngx_http_profiling_thread_measure(&stack[i]);
    }

    for (i = 0; i < ngx_http_profiling_stack_n; i++) {
        g->stack_inuse += stack[i].resident;
        g->stack_sys += stack[i].reserved;
    }
}


static void
ngx_http_profiling_thread_scan(uint64_t threads)
{
    DIR                         *dir;
    FILE                        *maps;
    uintptr_t                    sp;
    ngx_uint_t                   n;
    struct dirent               *de;
    struct rlimit                limit;
    ngx_http_profiling_stack_t  *stack;

    ngx_http_profiling_stack_n = 0;
    stack = ngx_http_profiling_stacks;

    dir = opendir("/proc/self/task");
    if (dir == NULL) {
        return;
    }

    maps = fopen("/proc/self/maps", "re");
    if (maps == NULL) {
        (void) closedir(dir);
        return;
    }

    /* the main thread is this one; the system lets its stack grow */

    n = ngx_http_profiling_thread_map(maps, (uintptr_t) &limit, &stack[0]);

    if (n
        && getrlimit(RLIMIT_STACK, &limit) == 0
        && limit.rlim_cur != RLIM_INFINITY
        && limit.rlim_cur > stack[0].reserved)
    {
        stack[0].reserved = limit.rlim_cur;
    }

    while (n && n < NGX_HTTP_PROFILING_THREADS) {

        de = readdir(dir);
        if (de == NULL) {
            break;
        }

        if (de->d_name[0] == '.' || atoi(de->d_name) == ngx_pid) {
            continue;
        }

        sp = ngx_http_profiling_thread_pointer(de->d_name);

        if (sp == 0 || !ngx_http_profiling_thread_map(maps, sp, &stack[n])) {
            n = 0;
            break;
        }

        ngx_http_profiling_thread_measure(&stack[n++]);
    }

    (void) fclose(maps);
    (void) closedir(dir);

    ngx_http_profiling_stack_n = n;
    ngx_http_profiling_thread_n = threads;
}


/* proc(5): "number arguments.. sp pc" of a waiting thread; 0: it runs */

static uintptr_t
ngx_http_profiling_thread_pointer(const char *tid)
{
    int      fd;
    char    *p, path[64], text[256];
    ssize_t  n;

    (void) snprintf(path, sizeof(path), "/proc/self/task/%s/syscall", tid);

    fd = open(path, O_RDONLY|O_CLOEXEC);
    if (fd == -1) {
        return 0;
    }

    n = read(fd, text, sizeof(text) - 1);
    (void) close(fd);

    text[n > 0 ? n : 0] = '\0';

    p = strrchr(text, ' ');

    if (p == NULL || p == text) {
        return 0;
    }

    *p = '\0';
    p = strrchr(text, ' ');

    return p ? (uintptr_t) strtoull(p + 1, NULL, 16) : 0;
}


/* the mapping that holds sp; 0: none */

static ngx_uint_t
ngx_http_profiling_thread_map(FILE *maps, uintptr_t sp,
    ngx_http_profiling_stack_t *stack)
{
    char                text[NGX_MAX_PATH + 128];
    unsigned long long  low, high;

    rewind(maps);

    while (fgets(text, sizeof(text), maps)) {

        if (sscanf(text, "%llx-%llx ", &low, &high) == 2
            && sp >= low && sp < high)
        {
            stack->low = low;
            stack->high = high;
            stack->reserved = high - low;
            stack->resident = 0;

            return 1;
        }
    }

    return 0;
}


static void
ngx_http_profiling_thread_measure(ngx_http_profiling_stack_t *stack)
{
    size_t         i, n;
    uintptr_t      low;
    static u_char  pages[NGX_HTTP_PROFILING_PAGES];

    /* a stack is used from its top: of a huge one, the upper part */

    n = ngx_min((stack->high - stack->low) / ngx_pagesize,
                NGX_HTTP_PROFILING_PAGES);
    low = stack->high - n * ngx_pagesize;

    /* ENOMEM: the thread has ended, and its stack with it */

    if (mincore((void *) low, n * ngx_pagesize, pages) == -1) {
        stack->resident = 0;
        return;
    }

    stack->resident = 0;

    for (i = 0; i < n; i++) {
        stack->resident += (pages[i] & 1) * ngx_pagesize;
    }
}
