
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <dlfcn.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include "ngx_prof_crash.h"
#include "ngx_prof_barred.h"
#include "ngx_prof_base.h"
#include "ngx_prof_context.h"
#include "ngx_prof_deaths.h"
#include "ngx_prof_frame.h"
#include "ngx_prof_guard.h"
#include "ngx_prof_label.h"
#include "ngx_prof_record.h"
#include "ngx_prof_thread.h"
#include "ngx_prof_unwind.h"
#include "ngx_prof_worker.h"


/* bytes of a stack of the handler's, below which a page faults */
#define NGX_PROF_CRASH_STACK   65536

/* pages above a stack pointer, until those of its stack begin, and of it */
#define NGX_PROF_CRASH_GAP     512
#define NGX_PROF_CRASH_PAGES   16384

/* bytes at each end of another thread's stack that are searched for a task */
#define NGX_PROF_CRASH_TASK    65536

/* times of 10 ms that a thread waits for another one to end the process */
#define NGX_PROF_CRASH_WAITS   100

#define NGX_PROF_CRASH_SIGNALS  6


/* what the thread that dies works on; only one does at a time */

typedef struct {
    pid_t                      tid;         /* 0: none */
    pid_t                      called;      /* is in an older handler, */
    uintptr_t                  called_at;   /* or has left it by a jump: the
                                               frame that has called it */
    volatile ngx_uint_t        reading;     /* 1: a fault leads back */
    sigjmp_buf                 back;
    volatile ngx_uint_t        part;

    ngx_prof_crash_t          *record;
    const siginfo_t           *info;
    const ucontext_t          *uc;
    ngx_prof_stack_t           stack;       /* that may be loaded */
    const ngx_prof_thread_t   *thread;      /* NULL: not known */
    const ngx_prof_context_t  *owner;       /* of the request, or NULL */
    ngx_prof_unwind_cache_t    cache;
} ngx_prof_crash_state_t;


static ngx_uint_t ngx_prof_crash_sanitized(void);
static void ngx_prof_crash_install(ngx_log_t *log);
static void ngx_prof_crash_cleanup(void *data);
static void ngx_prof_crash_handler(int signo, siginfo_t *info, void *context);
static ngx_uint_t ngx_prof_crash_older(int signo, siginfo_t *info,
    ucontext_t *uc);
static ngx_uint_t ngx_prof_crash_first(void);
static void ngx_prof_crash_write(const siginfo_t *info, const ucontext_t *uc);
static ngx_prof_crash_t *ngx_prof_crash_record(void);
static void ngx_prof_crash_registers(void);
static void ngx_prof_crash_bounds(void);
static void ngx_prof_crash_frames(void);
static void ngx_prof_crash_request(void);
#if (NGX_THREADS)
static void ngx_prof_crash_task(void);
static void ngx_prof_crash_task_of(uint64_t word);
#endif
static void ngx_prof_crash_texts(void);
static void ngx_prof_crash_text(u_char *dst, size_t size,
    const ngx_str_t *text);
static void ngx_prof_crash_go_on(int signo, const siginfo_t *info);


static const int  ngx_prof_crash_signals[NGX_PROF_CRASH_SIGNALS] = {
    SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS
};

/* each may fault, if the process is damaged: the rest is read all the same */

static void (*const  ngx_prof_crash_parts[])(void) = {
    ngx_prof_crash_registers,
    ngx_prof_crash_bounds,
    ngx_prof_crash_frames,
    ngx_prof_crash_request,
    ngx_prof_crash_texts
};


static ngx_prof_crash_state_t  ngx_prof_crash;
static ngx_prof_deaths_t      *ngx_prof_crash_deaths;   /* NULL: not on */
static ngx_cycle_t            *ngx_prof_crash_cycle;
static struct sigaction        ngx_prof_crash_old[NGX_PROF_CRASH_SIGNALS];
static ngx_uint_t              ngx_prof_crash_installed;    /* bits */


void
ngx_prof_crash_init_module(ngx_cycle_t *cycle, ngx_prof_zone_t *zone,
    ngx_uint_t on)
{
    ngx_pool_cleanup_t  *cln;

    if (!on || ngx_prof_crash_sanitized()) {
        ngx_prof_crash_cleanup(ngx_prof_crash_cycle);
        return;
    }

    cln = ngx_pool_cleanup_add(cycle->pool, 0);
    if (cln == NULL) {
        return;
    }

    cln->handler = ngx_prof_crash_cleanup;
    cln->data = cycle;

    ngx_prof_crash_cycle = cycle;
    ngx_prof_crash_deaths = &zone->header->deaths;

    (void) ngx_prof_crash_stack();
    ngx_prof_crash_install(cycle->log);
    ngx_prof_guard_set(1);
}


void
ngx_prof_crash_init(ngx_log_t *log)
{
    if (ngx_prof_crash_deaths) {
        ngx_prof_crash_install(log);
    }
}


/* sanitizers have handlers of their own, and reports */

static ngx_uint_t
ngx_prof_crash_sanitized(void)
{
    return dlsym(RTLD_DEFAULT, "__asan_init") != NULL
           || dlsym(RTLD_DEFAULT, "__hwasan_init") != NULL
           || dlsym(RTLD_DEFAULT, "__msan_init") != NULL
           || dlsym(RTLD_DEFAULT, "__tsan_init") != NULL;
}


static void
ngx_prof_crash_install(ngx_log_t *log)
{
    int               signo;
    ngx_uint_t        i;
    struct sigaction  sa, now;

    ngx_memzero(&sa, sizeof(struct sigaction));

    /* a fault within the handler has to come to it as well */

    sa.sa_sigaction = ngx_prof_crash_handler;
    sa.sa_flags = SA_SIGINFO|SA_ONSTACK|SA_NODEFER|SA_RESTART;

    (void) sigfillset(&sa.sa_mask);
    (void) sigdelset(&sa.sa_mask, SIGSEGV);
    (void) sigdelset(&sa.sa_mask, SIGBUS);
    (void) sigdelset(&sa.sa_mask, SIGILL);
    (void) sigdelset(&sa.sa_mask, SIGFPE);

    for (i = 0; i < NGX_PROF_CRASH_SIGNALS; i++) {
        signo = ngx_prof_crash_signals[i];

        if (sigaction(signo, NULL, &now) == -1
            || now.sa_sigaction == ngx_prof_crash_handler)
        {
            continue;
        }

        /* the handler may run at once: it needs to know the older one */

        ngx_prof_crash_old[i] = now;

        if (sigaction(signo, &sa, NULL) == -1) {
            ngx_log_error(NGX_LOG_ALERT, log, ngx_errno,
                          "sigaction(%d) failed", signo);
            continue;
        }

        ngx_prof_crash_installed |= (ngx_uint_t) 1 << i;
    }
}


/* whoever came after the handler, and calls it, continues to */

static void
ngx_prof_crash_cleanup(void *data)
{
    ngx_uint_t        i;
    struct sigaction  now;

    if (ngx_prof_crash_cycle != data || data == NULL) {
        return;
    }

    ngx_prof_crash_cycle = NULL;
    ngx_prof_crash_deaths = NULL;
    ngx_prof_guard_set(0);

    for (i = 0; i < NGX_PROF_CRASH_SIGNALS; i++) {

        if ((ngx_prof_crash_installed & ((ngx_uint_t) 1 << i))
            && sigaction(ngx_prof_crash_signals[i], NULL, &now) == 0
            && now.sa_sigaction == ngx_prof_crash_handler)
        {
            (void) sigaction(ngx_prof_crash_signals[i], &ngx_prof_crash_old[i],
                             NULL);
        }
    }

    ngx_prof_crash_installed = 0;
}


void *
ngx_prof_crash_stack(void)
{
    u_char   *p;
    size_t    size;
    stack_t   ss;

    if (ngx_prof_crash_deaths == NULL
        || ngx_prof_barred(NGX_PROF_BARRED_CRASH)
        || sigaltstack(NULL, &ss) == -1
        || !(ss.ss_flags & SS_DISABLE))
    {
        return NULL;
    }

    size = ngx_pagesize + NGX_PROF_CRASH_STACK;

    p = mmap(NULL, size, PROT_READ|PROT_WRITE,
             MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE|MAP_STACK, -1, 0);
    if (p == MAP_FAILED) {
        return NULL;
    }

    ss.ss_sp = p + ngx_pagesize;
    ss.ss_size = NGX_PROF_CRASH_STACK;
    ss.ss_flags = 0;

    if (mprotect(p, ngx_pagesize, PROT_NONE) == -1
        || sigaltstack(&ss, NULL) == -1)
    {
        (void) munmap(p, size);
        return NULL;
    }

    return p;
}


void
ngx_prof_crash_stack_free(void *stack)
{
    stack_t  ss;

    if (stack == NULL) {
        return;
    }

    if (sigaltstack(NULL, &ss) == 0
        && ss.ss_sp == (u_char *) stack + ngx_pagesize)
    {
        ss.ss_flags = SS_DISABLE;
        (void) sigaltstack(&ss, NULL);
    }

    (void) munmap(stack, ngx_pagesize + NGX_PROF_CRASH_STACK);
}


/* system calls and loads only, and errno is kept */

static void
ngx_prof_crash_handler(int signo, siginfo_t *info, void *context)
{
    int    err;
    pid_t  tid;

    if (ngx_prof_guard_fault(context)) {
        return;
    }

    err = errno;
    tid = (pid_t) syscall(SYS_gettid);

    if (ngx_prof_crash.reading && ngx_prof_crash.tid == tid) {
        ngx_prof_crash.reading = 0;
        siglongjmp(ngx_prof_crash.back, 1);
    }

    if (ngx_prof_crash_older(signo, info, context)) {
        errno = err;
        return;
    }

    /* another process shares this memory, or was forked by a module */

    if ((ngx_pid_t) syscall(SYS_getpid) == ngx_pid
        && (ngx_process == NGX_PROCESS_WORKER
            || ngx_process == NGX_PROCESS_SINGLE)
        && ngx_prof_crash_deaths
        && ngx_prof_crash_first())
    {
        ngx_prof_crash_write(info, context);
    }

    ngx_prof_crash_go_on(signo, info);

    errno = err;
}


/*
 * Calls the handler that was there before, with the signals blocked that it
 * has asked for.  0: there is none, or it has given the signal up, by taking
 * itself out or by calling this one.
 */

static ngx_uint_t
ngx_prof_crash_older(int signo, siginfo_t *info, ucontext_t *uc)
{
    pid_t              tid, caller;
    sigset_t           mask, before;
    uintptr_t          at, caller_at;
    ngx_uint_t         i;
    struct sigaction  *old, now;

    for (i = 0; ngx_prof_crash_signals[i] != signo; i++) { /* void */ }

    old = &ngx_prof_crash_old[i];

    if (old->sa_handler == SIG_IGN) {
        return info->si_code <= 0;
    }

    tid = (pid_t) syscall(SYS_gettid);
    at = (uintptr_t) __builtin_frame_address(0);

    /* what it has called lies below; after a jump the stack begins again */

    if (old->sa_handler == SIG_DFL
        || (ngx_prof_crash.called == tid && at < ngx_prof_crash.called_at))
    {
        return 0;
    }

    mask = old->sa_mask;

    if (!(old->sa_flags & SA_NODEFER)) {
        (void) sigaddset(&mask, signo);
    }

    if (old->sa_flags & SA_RESETHAND) {
        (void) signal(signo, SIG_DFL);
    }

    caller = ngx_prof_crash.called;
    caller_at = ngx_prof_crash.called_at;

    ngx_prof_crash.called_at = at;
    ngx_prof_crash.called = tid;

    (void) pthread_sigmask(SIG_SETMASK, &uc->uc_sigmask, &before);
    (void) pthread_sigmask(SIG_BLOCK, &mask, NULL);

    if (old->sa_flags & SA_SIGINFO) {
        old->sa_sigaction(signo, info, uc);

    } else {
        old->sa_handler(signo);
    }

    (void) pthread_sigmask(SIG_SETMASK, &before, NULL);

    ngx_prof_crash.called = caller;
    ngx_prof_crash.called_at = caller_at;

    return sigaction(signo, NULL, &now) == 0
           && now.sa_sigaction == ngx_prof_crash_handler;
}


/* one thread reports the death; others wait for it, but not for ever */

static ngx_uint_t
ngx_prof_crash_first(void)
{
    pid_t            none, tid;
    ngx_uint_t       i;
    struct timespec  ts;

    none = 0;
    tid = (pid_t) syscall(SYS_gettid);

    if (__atomic_compare_exchange_n(&ngx_prof_crash.tid, &none, tid, 0,
                                    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
    {
        return 1;
    }

    if (none == tid) {
        return 0;
    }

    ts.tv_sec = 0;
    ts.tv_nsec = 10000000;

    for (i = 0; i < NGX_PROF_CRASH_WAITS; i++) {
        (void) syscall(SYS_nanosleep, &ts, NULL);
    }

    return 0;
}


static void
ngx_prof_crash_write(const siginfo_t *info, const ucontext_t *uc)
{
    ngx_uint_t               n;
    ngx_prof_crash_state_t  *c;

    c = &ngx_prof_crash;

    c->record = ngx_prof_crash_record();
    c->info = info;
    c->uc = uc;

    if (c->record == NULL) {
        return;
    }

    n = sizeof(ngx_prof_crash_parts) / sizeof(ngx_prof_crash_parts[0]);

    for (c->part = 0; c->part < n; c->part++) {

        if (sigsetjmp(c->back, 0) == 0) {
            c->reading = 1;
            ngx_prof_crash_parts[c->part]();
            c->reading = 0;

        } else {
            c->record->damaged |= (uint64_t) 1 << c->part;
        }
    }

    ngx_prof_store_release(&c->record->done, 1);
}


/* of the slot, or one of those that wait for workers without a slot */

static ngx_prof_crash_t *
ngx_prof_crash_record(void)
{
    uint64_t           pid, nobody;
    ngx_uint_t         i;
    ngx_prof_crash_t  *record;

    pid = (uint64_t) ngx_pid;

    if (ngx_prof_process.slot) {
        record = &ngx_prof_process.slot->crash;
        ngx_prof_store(&record->done, 0);
        ngx_prof_store_release(&record->pid, pid);

    } else {
        for (i = 0; /* void */ ; i++) {

            if (i == NGX_PROF_CRASH_UNBORN) {
                return NULL;
            }

            nobody = 0;
            record = &ngx_prof_crash_deaths->unborn[i];

            if (__atomic_compare_exchange_n(&record->pid, &nobody, pid, 0,
                                            __ATOMIC_ACQ_REL,
                                            __ATOMIC_RELAXED))
            {
                break;
            }
        }
    }

    ngx_memzero(&record->done, sizeof(ngx_prof_crash_t)
                               - offsetof(ngx_prof_crash_t, done));

    return record;
}


static void
ngx_prof_crash_registers(void)
{
    ngx_uint_t               i;
    const siginfo_t         *info;
    ngx_prof_crash_t        *r;
    ngx_prof_crash_state_t  *c;

    c = &ngx_prof_crash;
    r = c->record;
    info = c->info;

    r->tid = (uint64_t) c->tid;
    r->main = (r->tid == r->pid);
    r->clock = ngx_prof_clock();
    r->signal = (uint64_t) info->si_signo;
    r->code = (uint64_t) (int64_t) info->si_code;

    if (info->si_code <= 0) {
        r->sender = (uint64_t) info->si_pid;

    } else {
        r->address = (uint64_t) (uintptr_t) info->si_addr;
    }

    for (i = 0; i < NGX_PROF_ARCH_REGS; i++) {
        r->reg[i] = ngx_prof_arch_reg(c->uc, i);
    }

    r->reg[NGX_PROF_ARCH_REGS] = ngx_prof_arch_pc(c->uc);
}


/*
 * From the stack pointer up to the end of the thread's stack.  One that has
 * overflowed begins above its stack pointer; of one that nobody knows pages
 * are looked at.
 */

static void
ngx_prof_crash_bounds(void)
{
    uint64_t                 word;
    uintptr_t                sp, p;
    ngx_uint_t               i;
    const ngx_prof_thread_t  *t;
    ngx_prof_crash_state_t   *c;

    c = &ngx_prof_crash;
    sp = ngx_prof_arch_sp(c->uc);

    c->thread = NULL;
    c->owner = NULL;

    for (i = 0; i < NGX_PROF_THREADS; i++) {
        t = &ngx_prof_threads[i];

        if (ngx_prof_load_acquire(&t->state) == NGX_PROF_THREAD_RUNNING
            && t->pid == ngx_pid && t->tid == c->tid)
        {
            c->thread = t;
            break;
        }
    }

    p = (sp - NGX_PROF_ARCH_RED) & ~(uintptr_t) 7;

    for (i = 0; i < NGX_PROF_CRASH_GAP; i++) {

        if (ngx_prof_guard_load(p, &word) == NGX_OK) {
            break;
        }

        p = (p & ~(uintptr_t) (ngx_pagesize - 1)) + ngx_pagesize;
    }

    c->stack.lo = p;

    if (c->thread && p >= c->thread->stack.lo && p < c->thread->stack.top) {
        c->stack.top = c->thread->stack.top;
        return;
    }

    for (i = 0; i < NGX_PROF_CRASH_PAGES; i++) {

        if (ngx_prof_guard_load(p, &word) != NGX_OK) {
            break;
        }

        p = (p & ~(uintptr_t) (ngx_pagesize - 1)) + ngx_pagesize;
    }

    c->stack.top = (i == 0) ? c->stack.lo : p;
}


static void
ngx_prof_crash_frames(void)
{
    uint64_t                   word, pcs[NGX_PROF_CRASH_FRAMES];
    uintptr_t                  pc;
    ngx_uint_t                 n;
    ngx_prof_crash_t          *r;
    ngx_prof_unwind_t          result;
    ngx_prof_crash_state_t    *c;
    const ngx_prof_objects_t  *objects;

    c = &ngx_prof_crash;
    r = c->record;
    pc = ngx_prof_arch_pc(c->uc);

    objects = ngx_prof_objects_acquire();

    /* it is no code, either, if to fetch it was the fault */

    r->jump = (objects == NULL || ngx_prof_objects_find(objects, pc) == NULL)
              && (ngx_prof_guard_load(pc & ~(uintptr_t) 7, &word) != NGX_OK
                  || ((r->signal == SIGSEGV || r->signal == SIGBUS)
                      && r->address == pc));

    ngx_prof_objects_release();

    n = ngx_prof_unwind_fault(&c->stack, c->uc, &c->cache,
                              (ngx_uint_t) r->jump, pcs, NGX_PROF_CRASH_FRAMES,
                              &result);

    /* the first one is where it is; the others, where they return to */

    if (pcs[0] == pc && pc > NGX_PROF_FRAME_RESERVED) {
        pcs[0]++;
    }

    r->n = ngx_prof_frame_pack(r->frames, NGX_PROF_CRASH_FRAMES, pcs, n);
}


static void
ngx_prof_crash_request(void)
{
    ngx_prof_slot_t         *slot;
    ngx_prof_crash_t        *r;
    ngx_prof_crash_state_t  *c;

    c = &ngx_prof_crash;
    r = c->record;
    slot = ngx_prof_process.slot;

    r->label = ngx_prof_label(0, 0, NGX_PROF_STATE_OTHER);

    if (slot == NULL) {
        return;
    }

    /* a slot that was overwritten does not say what the worker does */

    if (slot->wait_start > r->clock || slot->pass_start > r->clock) {
        r->damaged |= NGX_PROF_CRASH_SLOT;
        ngx_prof_store(&slot->pass_start, r->clock);
        ngx_prof_store(&slot->wait_start, 0);
    }

    r->pass = ngx_prof_slot_waiting(slot) ? 0 : slot->pass_start;

    if (!r->main) {
        r->label = ngx_prof_label(0, 0, NGX_PROF_STATE_THREAD);

#if (NGX_THREADS)

        if (ngx_prof_array_n) {
            ngx_prof_crash_task();
        }

#endif

        return;
    }

    r->label = ngx_prof_context_running_label(c->stack.lo, &c->cache.path,
                                              &c->owner);
}


#if (NGX_THREADS)

/*
 * Another thread: the request of the task that it has, which its registers or
 * its stack point to, or one that they point to themselves
 */

static void
ngx_prof_crash_task(void)
{
    uint64_t                 word;
    uintptr_t                p, top;
    ngx_uint_t               i;
    ngx_prof_crash_state_t  *c;

    c = &ngx_prof_crash;
    top = ngx_min(c->stack.top, c->stack.lo + NGX_PROF_CRASH_TASK);

    for (i = 0; c->owner == NULL && i < NGX_PROF_ARCH_REGS; i++) {
        ngx_prof_crash_task_of(c->record->reg[i]);
    }

    for (p = c->stack.lo; c->owner == NULL && p < c->stack.top;
         p += sizeof(uint64_t))
    {
        /* a stack that has overflowed has the pool's frame at its other end */

        if (p == top) {
            p = (c->stack.top - NGX_PROF_CRASH_TASK) & ~(uintptr_t) 7;
            p = ngx_max(p, top);
        }

        if (ngx_prof_guard_load(p, &word) != NGX_OK) {
            return;
        }

        ngx_prof_crash_task_of(word);
    }
}


static void
ngx_prof_crash_task_of(uint64_t word)
{
    uint64_t                   r;
    ngx_uint_t                 i;
    ngx_prof_crash_state_t    *c;
    const ngx_prof_request_t  *request;

    c = &ngx_prof_crash;
    r = word;

    for (i = 0; i < 2 && r; i++) {

        if (r == ngx_prof_latest.request) {
            c->owner = &ngx_prof_latest;

        } else {
            request = ngx_prof_context_request((uintptr_t) r);
            c->owner = request ? ngx_prof_context_owner(request->client)
                               : NULL;
        }

        if (c->owner) {
            c->record->label = ngx_prof_label(c->owner->place, 0,
                                              NGX_PROF_STATE_THREAD);
            return;
        }

        if ((word & 7) || word < NGX_PROF_FRAME_RESERVED
            || ngx_prof_guard_load((uintptr_t) word
                                   + offsetof(ngx_thread_task_t, event)
                                   + offsetof(ngx_event_t, data), &r)
               != NGX_OK)
        {
            return;
        }
    }
}


#endif


static void
ngx_prof_crash_texts(void)
{
    ngx_str_t                name;
    ngx_connection_t         connection;
    ngx_prof_crash_t        *r;
    ngx_http_request_t       request;
    ngx_http_upstream_t      u;
    ngx_prof_crash_state_t  *c;

    c = &ngx_prof_crash;
    r = c->record;

    if (c->owner == NULL
        || ngx_prof_guard_copy(&request, (void *) c->owner->request,
                               sizeof(ngx_http_request_t))
           != NGX_OK
        || request.signature != NGX_HTTP_MODULE)
    {
        return;
    }

    r->request = 1;
    r->start = c->owner->start;

    ngx_prof_crash_text(r->method, NGX_PROF_CRASH_METHOD,
                        &request.method_name);
    r->uri.len = request.uri.len;
    ngx_prof_crash_text(r->uri.text, NGX_PROF_CRASH_URI, &request.uri);

    if (ngx_prof_guard_copy(&connection, request.connection,
                            sizeof(ngx_connection_t))
        == NGX_OK)
    {
        r->connection = connection.number;
        r->sent = (uint64_t) connection.sent;
        ngx_prof_crash_text(r->client, NGX_PROF_CRASH_ADDR,
                            &connection.addr_text);
    }

    if (request.upstream
        && ngx_prof_guard_copy(&u, request.upstream,
                               sizeof(ngx_http_upstream_t))
           == NGX_OK
        && u.peer.name
        && ngx_prof_guard_copy(&name, u.peer.name, sizeof(ngx_str_t))
           == NGX_OK)
    {
        ngx_prof_crash_text(r->peer, NGX_PROF_CRASH_ADDR, &name);
    }
}


/* cut to size with its zero */

static void
ngx_prof_crash_text(u_char *dst, size_t size, const ngx_str_t *text)
{
    size_t  n;

    n = ngx_min(text->len, size - 1);

    if (ngx_prof_guard_copy(dst, text->data, n) != NGX_OK) {
        n = 0;
    }

    dst[n] = '\0';
}


/*
 * To the system's way: an instruction that has faulted does so again when the
 * handler returns; what was sent is sent again, and waits until then.
 */

static void
ngx_prof_crash_go_on(int signo, const siginfo_t *info)
{
    pid_t             pid, tid;
    sigset_t          set;
    struct sigaction  sa;

    ngx_memzero(&sa, sizeof(struct sigaction));
    sa.sa_handler = SIG_DFL;

    (void) sigaction(signo, &sa, NULL);

    if (info->si_code > 0 && signo != SIGABRT && signo != SIGSYS) {
        return;
    }

    (void) sigemptyset(&set);
    (void) sigaddset(&set, signo);
    (void) pthread_sigmask(SIG_BLOCK, &set, NULL);

    pid = (pid_t) syscall(SYS_getpid);
    tid = (pid_t) syscall(SYS_gettid);

    if (ngx_prof_barred(NGX_PROF_BARRED_CRASH)
        || syscall(SYS_rt_tgsigqueueinfo, pid, tid, signo, info) == -1)
    {
        (void) syscall(SYS_tgkill, pid, tid, signo);
    }
}
