
/*
 * What a hook of block.c and mutex.c adds to a call: the hooks themselves,
 * over functions that do nothing, in turns with the functions alone.  Run by
 * bench/block; prints "class ns" lines, medians of 51 turns.
 */


#include "../ngx_http_profiling_module/sampler/ngx_prof_block.c"
#include "../ngx_http_profiling_module/sampler/ngx_prof_mutex.c"


#define TURNS   51
#define CALLS   200000


/* what the hooks call when something took long, or is asked for */

volatile ngx_cycle_t  *ngx_cycle;
volatile uint64_t      ngx_prof_signal_asks;
ngx_prof_process_t     ngx_prof_process;
ngx_prof_waiter_t      ngx_prof_waiter;
ngx_prof_counter_t     ngx_prof_counter;

void ngx_prof_pause_call(const void *f, uint64_t d) { abort(); }
ngx_uint_t ngx_prof_wait_owner(void) { return 0; }
ngx_uint_t ngx_prof_wait_one_of(uint64_t n) { return 0; }
ngx_uint_t ngx_prof_wait_sample(uint64_t d, uint64_t rate,
    uint64_t *c, uint64_t *v) { return 0; }
ngx_uint_t ngx_prof_wait_stack(uintptr_t sp, const void *f,
    uint64_t *pcs) { return 0; }
void ngx_prof_wait_add(ngx_uint_t w, uint64_t *pcs, ngx_uint_t n,
    uint32_t l, uint64_t c, uint64_t v) { abort(); }
uint32_t ngx_prof_context_label(uintptr_t sp,
    const ngx_prof_unwind_cache_t *walk) { return 0; }
ngx_uint_t ngx_prof_zone_register_name(
    ngx_prof_zone_t *z, const ngx_str_t *name) { return 0; }
ngx_int_t ngx_prof_interpose(ngx_prof_hook_t *h,
    ngx_uint_t n, ngx_log_t *log) { return NGX_OK; }
void ngx_log_error_core(ngx_uint_t level, ngx_log_t *log, ngx_err_t err,
    const char *fmt, ...) { }


static __attribute__((noinline)) ssize_t
nothing(int fd, void *buf, size_t n, int flags)
{
    __asm__ volatile ("");
    return 0;
}


static __attribute__((noinline)) int
nothing_open(const char *path, int flags, mode_t mode)
{
    __asm__ volatile ("");
    return 0;
}


static __attribute__((noinline)) int
nothing_close(int fd)
{
    __asm__ volatile ("");
    return 0;
}


static int
by_time(const void *a, const void *b)
{
    return (*(double *) a > *(double *) b) - (*(double *) a < *(double *) b);
}


/* of the thread's own time: others may use the processor as well */

static double
cpu(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);

    return ts.tv_sec * 1e9 + ts.tv_nsec;
}


#define timed(what)                                                           \
    ({                                                                        \
        double  start = cpu();                                                \
        int     i;                                                            \
        for (i = 0; i < CALLS; i++) { what; }                                 \
        (cpu() - start) / CALLS;                                              \
    })


#define compare(name, alone, hooked)                                          \
    do {                                                                      \
        double  more[TURNS];                                                  \
        int     t;                                                            \
        for (t = 0; t < TURNS; t++) {                                         \
            double  a = timed(alone);                                         \
            double  h = timed(hooked);                                        \
            more[t] = h - a;                                                  \
        }                                                                     \
        qsort(more, TURNS, sizeof(double), by_time);                          \
        printf("%s %.1f\n", name, more[TURNS / 2]);                           \
    } while (0)


int
main(void)
{
    char             *stack = __builtin_frame_address(0);
    pthread_mutex_t   lock = PTHREAD_MUTEX_INITIALIZER;

    /* through pointers, as a call through an import table is */
    ssize_t (*volatile recv_alone)(int, void *, size_t, int) = nothing;
    ssize_t (*volatile recv_hooked)(int, void *, size_t, int)
        = ngx_prof_block_recv;
    int (*volatile open_alone)(const char *, int, mode_t) = nothing_open;
    int (*volatile open_hooked)(const char *, int, mode_t)
        = ngx_prof_block_open64;
    int (*volatile close_alone)(int) = nothing_close;
    int (*volatile close_hooked)(int) = ngx_prof_block_close;
    int (*volatile lock_alone)(pthread_mutex_t *) = pthread_mutex_lock;
    int (*volatile lock_hooked)(pthread_mutex_t *)
        = ngx_prof_mutex_lock;

    ngx_prof_real_recv = nothing;
    ngx_prof_real_open64 = nothing_open;
    ngx_prof_real_close = nothing_close;
    ngx_prof_real_mutex_lock = pthread_mutex_lock;

    ngx_prof_waiter.stack.lo = (uintptr_t) stack - 1048576;
    ngx_prof_waiter.stack.top = (uintptr_t) stack + 65536;

    ngx_prof_block_socket(10);
    ngx_prof_block_kind[11] = NGX_PROF_BLOCK_MAY;

    compare("socket", recv_alone(10, NULL, 0, 0), recv_hooked(10, NULL, 0, 0));
    compare("close", close_alone(12), close_hooked(12));
    compare("file", recv_alone(11, NULL, 0, 0), recv_hooked(11, NULL, 0, 0));
    compare("open", open_alone("", 0, 0), open_hooked("", 0, 0));
    compare("mutex", lock_alone(&lock); pthread_mutex_unlock(&lock),
            lock_hooked(&lock); pthread_mutex_unlock(&lock));

    return 0;
}
