
#include <ngx_config.h>
#include <ngx_core.h>
#include <sys/syscall.h>
#include "ngx_prof_signal.h"
#include "ngx_prof_record.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_worker.h"


static void ngx_prof_signal_handler(int signo, siginfo_t *info, void *context);
static void ngx_prof_signal_expired(const siginfo_t *info,
    const ucontext_t *uc);


static const ngx_prof_signal_t
    *ngx_prof_signals[NGX_PROF_SIGNALS];
static volatile ngx_uint_t  ngx_prof_signal_n;


ngx_int_t
ngx_prof_signal_init(ngx_cycle_t *cycle)
{
    struct sigaction  sa;
    ngx_prof_slot_t  *slot;

    slot = ngx_prof_process.slot;

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


/* signal handler: makes system calls only, and keeps errno */

static void
ngx_prof_signal_handler(int signo, siginfo_t *info, void *context)
{
    int  err;

    err = errno;

    if (ngx_prof_process.slot && info->si_code == SI_TIMER) {
        ngx_prof_signal_expired(info, context);
    }

    errno = err;
}


static void
ngx_prof_signal_expired(const siginfo_t *info, const ucontext_t *uc)
{
    uintptr_t                 value;
    ngx_uint_t                i;
    const ngx_prof_signal_t  *sampler;

    value = (uintptr_t) info->si_value.sival_ptr;

    for (i = 0; i < ngx_prof_signal_n; i++) {
        sampler = ngx_prof_signals[i];

        if (value - (uintptr_t) sampler->timers < sampler->size) {
            sampler->expired(info, uc);
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
