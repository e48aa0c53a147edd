
/*
 * What programs need that walk stacks of Lua without nginx: its allocator, and
 * a handler for loads that fault, which are counted.
 */


#ifndef _LUA_GUARD_H_INCLUDED_
#define _LUA_GUARD_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_guard.h"


static volatile sig_atomic_t  faults;


/* instead of nginx's */

void *
ngx_calloc(size_t size, ngx_log_t *log)
{
    return calloc(1, size);
}


static void
fault(int signo, siginfo_t *info, void *uc)
{
    faults++;

    if (!ngx_prof_guard_fault(uc)) {
        _exit(1);
    }
}


/* cmocka has handlers of its own: once it has set them */

static void
guard(void)
{
    struct sigaction  sa;

    ngx_memzero(&sa, sizeof(struct sigaction));
    sa.sa_sigaction = fault;
    sa.sa_flags = SA_SIGINFO|SA_NODEFER;
    sigaction(SIGSEGV, &sa, NULL);
    sigaction(SIGBUS, &sa, NULL);

    ngx_prof_guard_set(1);
}


#endif /* _LUA_GUARD_H_INCLUDED_ */
