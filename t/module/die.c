
#include <ngx_config.h>
#include <ngx_core.h>
#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <sys/mman.h>
#include "die.h"


static volatile int  *profiling_test_nowhere;


/* the compiler knows none of this */

static void
profiling_test_touch_null(void)
{
    __asm__ volatile ("" : "=r" (profiling_test_nowhere)
                      : "0" ((uintptr_t) 0x10));

    *profiling_test_nowhere = 1;
}


/* n: the address */

void
profiling_test_die_null(long n, const char *file)
{
    __asm__ volatile ("" : "=r" (profiling_test_nowhere)
                      : "0" ((uintptr_t) (n ? n : 0x10)));

    *profiling_test_nowhere = 1;
}


void
profiling_test_die_jump(long n, const char *file)
{
    void  (*volatile go)(void);

    go = (void (*)(void)) (uintptr_t) (n ? n : 0x10);
    go();

    __asm__ volatile ("" ::: "memory");
}


/* where there is memory, but no code */

void
profiling_test_die_wild(long n, const char *file)
{
    void  (*volatile go)(void);

    go = (void (*)(void)) (uintptr_t) calloc(1, 4096);
    go();

    __asm__ volatile ("" ::: "memory");
}


void
profiling_test_die_stack(long n, const char *file)
{
    volatile u_char  room[512];

    room[n & 511] = 1;

    if (n >= 0) {
        profiling_test_die_stack(n + 1, file);
    }

    __asm__ volatile ("" :: "r" (room) : "memory");
}


void
profiling_test_die_abort(long n, const char *file)
{
    abort();
}


/* the allocator finds out with its arena locked */

void
profiling_test_die_malloc(long n, const char *file)
{
    u_char  *p, *volatile q;

    p = malloc(100000);

    if (p) {
        __asm__ volatile ("" : "+r" (p));
        ngx_memset(p + 100000, 0xff, 256);
    }

    q = malloc(120000);
    (void) q;
}


void
profiling_test_die_double(long n, const char *file)
{
    void       *p;
    uintptr_t   again;

    p = malloc(100);
    again = (uintptr_t) p;

    __asm__ volatile ("" : "+r" (again));
    free(p);
    free((void *) again);
    __asm__ volatile ("" ::: "memory");
}


/* in the profiler's hook of free() */

void
profiling_test_die_hook(long n, const char *file)
{
    void  *p;

    p = (void *) (uintptr_t) 0x1230;

    __asm__ volatile ("" : "+r" (p));
    free(p);
    __asm__ volatile ("" ::: "memory");
}


/* in hand-written assembly, if libcrypto is loaded */

void
profiling_test_die_crypto(long n, const char *file)
{
    u_char   context[512];
    int    (*init)(void *c);
    int    (*update)(void *c, const void *data, size_t len);

    init = (int (*)(void *)) dlsym(RTLD_DEFAULT, "SHA256_Init");
    update = (int (*)(void *, const void *, size_t))
                 dlsym(RTLD_DEFAULT, "SHA256_Update");

    if (init && update) {
        (void) init(context);
        (void) update(context, (void *) (uintptr_t) 0x1000, 65536);
    }

    __asm__ volatile ("" ::: "memory");
}


/* in the code that PCRE2 has made */

void
profiling_test_die_regex(long n, const char *file)
{
#if (NGX_PCRE2)
    ngx_str_t            text;
    u_char               err[NGX_MAX_CONF_ERRSTR];
    ngx_regex_compile_t  rc;

    ngx_memzero(&rc, sizeof(ngx_regex_compile_t));

    ngx_str_set(&rc.pattern, "(a|b)*c[^x]+y");
    rc.pool = ngx_cycle->pool;
    rc.err.len = NGX_MAX_CONF_ERRSTR;
    rc.err.data = err;

    if (ngx_regex_compile(&rc) == NGX_OK) {
        int  (*jit)(void *, uint32_t);

        jit = (int (*)(void *, uint32_t)) dlsym(RTLD_DEFAULT,
                                                "pcre2_jit_compile_8");
        if (jit) {
            (void) jit(rc.regex, 1);
        }

        text.data = (u_char *) (uintptr_t) 0x1000;
        text.len = 1000;
        (void) ngx_regex_exec(rc.regex, &text, NULL, 0);
    }
#endif

    __asm__ volatile ("" ::: "memory");
}


void
profiling_test_die_divide(long n, const char *file)
{
    volatile long  zero;

    zero = 0;
    zero = (n + 7) / zero;

    __asm__ volatile ("" ::: "memory");
}


void
profiling_test_die_trap(long n, const char *file)
{
    __builtin_trap();
}


void
profiling_test_die_bus(long n, const char *file)
{
    int              fd;
    volatile u_char  *p;

    fd = memfd_create("die", 0);
    p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

    n = *p;

    __asm__ volatile ("" :: "r" (n) : "memory");
}


void
profiling_test_die_raise(long n, const char *file)
{
    (void) raise(n ? (int) n : SIGSEGV);
}


void
profiling_test_die_exit(long n, const char *file)
{
    _exit((int) n);
}


static pthread_barrier_t  profiling_test_together;


static void *
profiling_test_die_one(void *data)
{
    (void) pthread_barrier_wait(&profiling_test_together);

    profiling_test_touch_null();

    return NULL;
}


/* two threads at once */

void
profiling_test_die_two(long n, const char *file)
{
    pthread_t  one, two;

    (void) pthread_barrier_init(&profiling_test_together, NULL, 2);
    (void) pthread_create(&one, NULL, profiling_test_die_one, NULL);
    (void) pthread_create(&two, NULL, profiling_test_die_one, NULL);
    (void) pthread_join(one, NULL);
}


/* not the worker, but a child that shares its memory, and one that does not */

void
profiling_test_die_child(long n, const char *file)
{
    int    status;
    pid_t  pid;

    pid = n ? vfork() : fork();

    if (pid == 0) {
        profiling_test_touch_null();
        _exit(1);
    }

    (void) waitpid(pid, &status, 0);
}


void
profiling_test_die_thread(uint64_t n)
{
    profiling_test_touch_null();
}


/* what the pool keeps in registers is on the stack alone, at its far end */

void
profiling_test_die_deep(uint64_t n)
{
#if (__x86_64__)
    __asm__ volatile ("xor %%ebx, %%ebx; xor %%r12d, %%r12d;"
                      "xor %%r13d, %%r13d; xor %%r14d, %%r14d;"
                      "xor %%r15d, %%r15d; xor %%ebp, %%ebp"
                      ::: "rbx", "rbp", "r12", "r13", "r14", "r15");
#endif

    profiling_test_die_stack(n, NULL);
}


void
profiling_test_die_init(const char *file)
{
    if (access(file, F_OK) == 0) {
        profiling_test_touch_null();
    }
}


static sigjmp_buf        profiling_test_back;
static struct sigaction  profiling_test_before;


static void
profiling_test_goes_back(int signo, siginfo_t *info, void *context)
{
    if (info->si_code <= 0) {
        return;
    }

    if (info->si_addr == (void *) 0x20) {
        siglongjmp(profiling_test_back, 1);
    }

    (void) sigaction(signo, &profiling_test_before, NULL);
}


/* a handler that was there before that of the profiler, for good */

void
profiling_test_goes_init(void)
{
    struct sigaction  sa;

    ngx_memzero(&sa, sizeof(struct sigaction));
    sa.sa_sigaction = profiling_test_goes_back;
    sa.sa_flags = SA_SIGINFO;

    (void) sigaction(SIGSEGV, &sa, &profiling_test_before);
}


/* n times a fault from which its handler jumps out, and a signal to itself */

void
profiling_test_die_goes(long n, const char *file)
{
    while (n-- > 0) {

        if (sigsetjmp(profiling_test_back, 1) == 0) {
            profiling_test_die_null(0x20, NULL);
        }

        (void) raise(SIGSEGV);
    }
}


const profiling_test_wait_t  profiling_test_deaths[] = {
    { "die_null", profiling_test_die_null },
    { "die_jump", profiling_test_die_jump },
    { "die_wild", profiling_test_die_wild },
    { "die_stack", profiling_test_die_stack },
    { "die_abort", profiling_test_die_abort },
    { "die_malloc", profiling_test_die_malloc },
    { "die_double", profiling_test_die_double },
    { "die_hook", profiling_test_die_hook },
    { "die_crypto", profiling_test_die_crypto },
    { "die_regex", profiling_test_die_regex },
    { "die_divide", profiling_test_die_divide },
    { "die_trap", profiling_test_die_trap },
    { "die_bus", profiling_test_die_bus },
    { "die_raise", profiling_test_die_raise },
    { "die_exit", profiling_test_die_exit },
    { "die_two", profiling_test_die_two },
    { "die_child", profiling_test_die_child },
    { "die_goes", profiling_test_die_goes },
    { "die_damaged", profiling_test_die_damaged },
    { NULL, NULL }
};
