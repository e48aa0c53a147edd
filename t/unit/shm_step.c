
/*
 * A process that might have been killed after any of its instructions: it is
 * traced, or, where nothing can be, this one has a trap at each of them.
 */

#include "shm_test.h"

#include <sys/prctl.h>
#include <sys/ptrace.h>

#include "unwind_trap_arm64.h"


#if defined(__aarch64__)

static struct {
    void        (*look)(void *);
    void         *data;
    ngx_uint_t    n;
} step;


static void
test_on_trap(int signo, siginfo_t *si, void *uc)
{
    ngx_uint_t  more;

    (void) signo;
    (void) si;

    more = unwind_trap_met(uc);

    step.look(step.data);
    step.n++;

    if (more) {
        (void) unwind_trap_next(uc);
    }
}


static ngx_uint_t
test_step_here(void (*fn)(void *), void *data, void (*look)(void *))
{
    struct sigaction  sa;

    step.look = look;
    step.data = data;
    step.n = 0;

    ngx_memzero(&sa, sizeof(struct sigaction));
    sa.sa_sigaction = test_on_trap;
    sa.sa_flags = SA_SIGINFO;
    assert_int_equal(sigaction(SIGTRAP, &sa, NULL), 0);

    __asm__ volatile ("brk #1" : : : "memory");

    fn(data);

    __asm__ volatile ("brk #2" : : : "memory");

    unwind_trap_end();
    (void) signal(SIGTRAP, SIG_DFL);

    return step.n;
}

#else

static ngx_uint_t
test_step_here(void (*fn)(void *), void *data, void (*look)(void *))
{
    printf("# no tracing here: allow ptrace\n");
    skip();

    return 0;
}

#endif


ngx_uint_t
test_step(void (*fn)(void *), void *data, void (*look)(void *))
{
    int         status;
    pid_t       pid;
    ngx_uint_t  n;

    pid = fork();
    assert_int_not_equal(pid, -1);

    if (pid == 0) {
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);

        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == -1) {
            _exit(1);
        }

        (void) raise(SIGSTOP);
        fn(data);
        _exit(0);
    }

    for (n = 0; /* void */ ; n++) {
        assert_int_equal(waitpid(pid, &status, 0), pid);

        if (!WIFSTOPPED(status)) {
            break;
        }

        look(data);

        assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
    }

    if (n == 0) {
        return test_step_here(fn, data, look);
    }

    assert_int_equal(status, 0);

    return n;
}
