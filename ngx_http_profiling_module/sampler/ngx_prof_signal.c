
#include <ngx_config.h>
#include <ngx_core.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include "ngx_prof_signal.h"
#include "ngx_prof_clock.h"
#include "ngx_prof_meter.h"
#include "ngx_prof_record.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_worker.h"


#define NGX_PROF_SIGNAL_TRIES  16


static void ngx_prof_signal_measure(void);
static void ngx_prof_signal_nothing(int signo, siginfo_t *info,
    void *context);
static void ngx_prof_signal_handler(int signo, siginfo_t *info, void *context);
static void ngx_prof_signal_expired(const siginfo_t *info,
    const ucontext_t *uc);


static const ngx_prof_signal_t
    *ngx_prof_signals[NGX_PROF_SIGNALS];
static volatile ngx_uint_t  ngx_prof_signal_n;
static uint64_t             ngx_prof_signal_seed;
static uintptr_t            ngx_prof_signal_secret;

/* the thread that init() was called in, and ticks of a signal's way */
static uintptr_t            ngx_prof_signal_main;
static uint64_t             ngx_prof_signal_ticks;


void
ngx_prof_signal_init_module(void)
{
    if (getrandom(&ngx_prof_signal_seed, sizeof(uint64_t), 0)
        != sizeof(uint64_t))
    {
        ngx_prof_signal_seed = (uintptr_t) &ngx_prof_signal_seed;
    }

    ngx_prof_signal_measure();
}


/*
 * Master: measures the kernel's way into a handler and back, which each sample
 * costs beside what the handler can see.  The shortest of some; by a call that
 * nginx makes, too.
 */

static void
ngx_prof_signal_measure(void)
{
    uint64_t          ticks, least;
    sigset_t          set;
    ngx_uint_t        i, counted;
    struct sigaction  sa, old;

    if (ngx_prof_signal_ticks
        || sigprocmask(SIG_BLOCK, NULL, &set) == -1
        || sigismember(&set, SIGPROF)
        || sigaction(SIGPROF, NULL, &old) == -1
        || old.sa_handler != SIG_DFL)
    {
        return;
    }

    ngx_memzero(&sa, sizeof(struct sigaction));

    sa.sa_sigaction = ngx_prof_signal_nothing;
    sa.sa_flags = SA_SIGINFO|SA_RESTART;
    (void) sigemptyset(&sa.sa_mask);

    if (sigaction(SIGPROF, &sa, NULL) == -1) {
        return;
    }

    counted = ngx_prof_clock_counted();
    least = (uint64_t) -1;

    for (i = 0; i < NGX_PROF_SIGNAL_TRIES; i++) {
        ticks = ngx_prof_loop_ticks(counted);

        if (kill(getpid(), SIGPROF) == -1) {
            break;
        }

        ticks = ngx_prof_loop_ticks(counted) - ticks;
        least = ngx_min(least, ticks);
    }

    (void) sigaction(SIGPROF, &old, NULL);

    if (i == NGX_PROF_SIGNAL_TRIES) {
        ngx_prof_signal_ticks = least;
    }
}


static void
ngx_prof_signal_nothing(int signo, siginfo_t *info, void *context)
{
    /* measured */
}


void *
ngx_prof_signal_value(const void *timer)
{
    uint64_t   n;
    uintptr_t  secret, none;

    /* by the finalizer of MurmurHash3 (public domain), Austin Appleby */

    n = ngx_prof_signal_seed ^ (uint64_t) getpid() << 32 ^ ngx_prof_clock();
    n = (n ^ n >> 33) * 0xff51afd7ed558ccdULL;
    n = (n ^ n >> 33) * 0xc4ceb9fe1a85ec53ULL;

    secret = (uintptr_t) (n ^ n >> 33) | 1;
    none = 0;

    /* the one of the first thread that asks is used by all */

    if (!__atomic_compare_exchange_n(&ngx_prof_signal_secret, &none, secret, 0,
                                     __ATOMIC_RELAXED, __ATOMIC_RELAXED))
    {
        secret = none;
    }

    return (void *) ((uintptr_t) timer ^ secret);
}


ngx_int_t
ngx_prof_signal_init(ngx_cycle_t *cycle)
{
    struct sigaction  sa;
    ngx_prof_slot_t  *slot;

    slot = ngx_prof_process.slot;
    ngx_prof_signal_main = ngx_prof_arch_thread();

    if (sigaction(SIGPROF, NULL, &sa) == -1
        || (sa.sa_handler != SIG_DFL && sa.sa_handler != SIG_IGN
            && sa.sa_sigaction != ngx_prof_signal_handler))
    {
        ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                      "SIGPROF has a handler of another tool, "
                      "CPU time of this worker is not profiled");
        ngx_prof_store(&slot->sampler, NGX_PROF_SAMPLER_TAKEN);
        return NGX_ERROR;
    }

    ngx_memzero(&sa, sizeof(struct sigaction));

    sa.sa_sigaction = ngx_prof_signal_handler;
    sa.sa_flags = SA_SIGINFO|SA_RESTART;
    (void) sigfillset(&sa.sa_mask);

    /* faults of the samplers come to the handler of faults */

    (void) sigdelset(&sa.sa_mask, SIGSEGV);
    (void) sigdelset(&sa.sa_mask, SIGBUS);
    (void) sigdelset(&sa.sa_mask, SIGILL);
    (void) sigdelset(&sa.sa_mask, SIGFPE);

    if (sigaction(SIGPROF, &sa, NULL) == -1) {
        ngx_log_error(NGX_LOG_ALERT, cycle->log, ngx_errno,
                      "sigaction(SIGPROF) failed");
        ngx_prof_store(&slot->sampler, NGX_PROF_SAMPLER_FAILED);
        return NGX_ERROR;
    }

    return NGX_OK;
}


void
ngx_prof_signal_register(const ngx_prof_signal_t *sampler)
{
    ngx_prof_signals[ngx_prof_signal_n] = sampler;

    /* a signal now finds the whole entry, or does not see it yet */

    __atomic_signal_fence(__ATOMIC_RELEASE);
    ngx_prof_signal_n++;
}


void
ngx_prof_signal_last(const ngx_prof_signal_t *sampler)
{
    ngx_prof_signal_n = 0;
    __atomic_signal_fence(__ATOMIC_RELEASE);

    if (sampler) {
        ngx_prof_signal_register(sampler);
    }
}


/* signal handler: makes system calls only, and keeps errno */

static void
ngx_prof_signal_handler(int signo, siginfo_t *info, void *context)
{
    int  err;

    err = errno;

    if (info->si_code == SI_TIMER) {
        ngx_prof_signal_expired(info, context);
    }

    errno = err;
}


static void
ngx_prof_signal_expired(const siginfo_t *info, const ucontext_t *uc)
{
    uintptr_t                 secret, timer, offset;
    ngx_uint_t                i;
    ngx_prof_meter_t           cost;
    const ngx_prof_signal_t  *sampler;

    secret = __atomic_load_n(&ngx_prof_signal_secret, __ATOMIC_RELAXED);

    if (secret == 0) {
        return;
    }

    ngx_prof_meter_begin(&cost);
    cost.start -= ngx_prof_signal_ticks;

    timer = (uintptr_t) info->si_value.sival_ptr ^ secret;

    for (i = 0; i < ngx_prof_signal_n; i++) {
        sampler = ngx_prof_signals[i];
        offset = timer - (uintptr_t) sampler->timers;

        if (offset < sampler->n * sampler->size) {

            if (offset % sampler->size == 0) {
                sampler->expired((const void *) timer, info, uc);

                ngx_prof_meter_end(&cost, *sampler->cost, 1,
                                   ngx_prof_arch_thread()
                                   == ngx_prof_signal_main);
            }

            return;
        }
    }
}


void
ngx_prof_signal_asked(const ucontext_t *uc)
{
    ngx_uint_t  i;

    for (i = 0; i < ngx_prof_signal_n; i++) {

        if (ngx_prof_signals[i]->asked) {
            ngx_prof_signals[i]->asked(uc);
        }
    }
}
