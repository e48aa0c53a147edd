
#include <ngx_config.h>
#include <ngx_core.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include "ngx_prof_barred.h"
#include "ngx_prof_child.h"


typedef struct {
    ngx_uint_t    call;
    const char   *name;
    void        (*make)(void);
} ngx_prof_barred_call_t;


static ngx_uint_t ngx_prof_barred_filtered(void);
static ngx_uint_t ngx_prof_barred_kills(const ngx_prof_barred_call_t *call,
    ngx_log_t *log);
static int ngx_prof_barred_child(void *data);

static void ngx_prof_barred_timer(void);
static void ngx_prof_barred_timerfd(void);
static void ngx_prof_barred_clock(void);
static void ngx_prof_barred_usage(void);
static void ngx_prof_barred_affinity(void);
static void ngx_prof_barred_peer(void);
static void ngx_prof_barred_advice(void);
static void ngx_prof_barred_range(void);
static void ngx_prof_barred_crash(void);
static void ngx_prof_barred_memory(void);


static const ngx_prof_barred_call_t  ngx_prof_barred_calls[] = {

    { NGX_PROF_BARRED_TIMER, "timer_create", ngx_prof_barred_timer },
    { NGX_PROF_BARRED_TIMERFD, "timerfd_create", ngx_prof_barred_timerfd },
    { NGX_PROF_BARRED_CLOCK, "clock_gettime", ngx_prof_barred_clock },
    { NGX_PROF_BARRED_USAGE, "getrusage", ngx_prof_barred_usage },
    { NGX_PROF_BARRED_AFFINITY, "sched_getaffinity",
      ngx_prof_barred_affinity },
    { NGX_PROF_BARRED_PEER, "getpeername", ngx_prof_barred_peer },
    { NGX_PROF_BARRED_ADVICE, "madvise", ngx_prof_barred_advice },
    { NGX_PROF_BARRED_RANGE, "close_range", ngx_prof_barred_range },
    { NGX_PROF_BARRED_CRASH, "sigaltstack", ngx_prof_barred_crash },
    { NGX_PROF_BARRED_MEMORY, "memfd_create", ngx_prof_barred_memory }
};


static ngx_uint_t  ngx_prof_barred_known;
static ngx_uint_t  ngx_prof_barred_set;


void
ngx_prof_barred_init(ngx_log_t *log)
{
    ngx_uint_t                     n;
    const ngx_prof_barred_call_t  *call;

    if (ngx_prof_barred_known) {
        return;
    }

    ngx_prof_barred_known = 1;

    if (!ngx_prof_barred_filtered()) {
        return;
    }

    call = ngx_prof_barred_calls;
    n = sizeof(ngx_prof_barred_calls) / sizeof(ngx_prof_barred_call_t);

    for ( /* void */ ; n > 0; call++, n--) {

        if (ngx_prof_barred_kills(call, log)) {
            ngx_prof_barred_set |= call->call;

            ngx_log_error(NGX_LOG_WARN, log, 0,
                          "a filter kills who calls %s(), profiling does "
                          "without it", call->name);
        }
    }
}


ngx_uint_t
ngx_prof_barred(ngx_uint_t call)
{
    return ngx_prof_barred_set & call;
}


/* "Seccomp:\t2" in /proc/self/status; without /proc there may be a filter */

static ngx_uint_t
ngx_prof_barred_filtered(void)
{
    int       fd;
    char     *p, text[4096];
    ssize_t   n;

    fd = open("/proc/self/status", O_RDONLY|O_CLOEXEC);
    if (fd == -1) {
        return 1;
    }

    n = read(fd, text, sizeof(text) - 1);
    (void) close(fd);

    text[n > 0 ? n : 0] = '\0';

    p = strstr(text, "\nSeccomp:\t");

    return p == NULL || p[sizeof("\nSeccomp:\t") - 1] != '0';
}


static ngx_uint_t
ngx_prof_barred_kills(const ngx_prof_barred_call_t *call, ngx_log_t *log)
{
    int  status;

    return ngx_prof_child_run(ngx_prof_barred_child, (void *) call, &status,
                              log)
           == NGX_OK
           && !WIFEXITED(status);
}


static int
ngx_prof_barred_child(void *data)
{
    const ngx_prof_barred_call_t *call = data;

    (void) signal(SIGSYS, SIG_DFL);
    (void) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);

    call->make();

    _exit(0);
}


static void
ngx_prof_barred_timer(void)
{
    int                id;
    struct sigevent    sev;
    struct itimerspec  its;

    ngx_memzero(&sev, sizeof(struct sigevent));
    ngx_memzero(&its, sizeof(struct itimerspec));

    sev.sigev_notify = SIGEV_NONE;
    id = -1;

    (void) syscall(SYS_timer_create, CLOCK_MONOTONIC, &sev, &id);
    (void) syscall(SYS_timer_settime, id, 0, &its, NULL);
    (void) syscall(SYS_timer_delete, id);
}


static void
ngx_prof_barred_timerfd(void)
{
    int                fd;
    struct itimerspec  its;

    ngx_memzero(&its, sizeof(struct itimerspec));

    fd = timerfd_create(CLOCK_MONOTONIC, 0);
    (void) timerfd_settime(fd, 0, &its, NULL);
}


static void
ngx_prof_barred_clock(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
}


static void
ngx_prof_barred_usage(void)
{
    struct rusage  ru;

    (void) getrusage(RUSAGE_SELF, &ru);
}


static void
ngx_prof_barred_affinity(void)
{
    cpu_set_t  set;

    (void) sched_getaffinity(0, sizeof(cpu_set_t), &set);
}


static void
ngx_prof_barred_peer(void)
{
    socklen_t        len;
    struct sockaddr  sa;

    len = sizeof(struct sockaddr);

    (void) getpeername(-1, &sa, &len);
}


static void
ngx_prof_barred_advice(void)
{
    (void) madvise(NULL, 0, MADV_DONTNEED);
}


static void
ngx_prof_barred_range(void)
{
#ifdef SYS_close_range
    (void) syscall(SYS_close_range, ~0U, ~0U, 0);
#endif
}


static void
ngx_prof_barred_crash(void)
{
    stack_t    ss;
    siginfo_t  info;

    ngx_memzero(&info, sizeof(siginfo_t));

    (void) sigaltstack(NULL, &ss);
    (void) syscall(SYS_rt_tgsigqueueinfo, 0, 0, 0, &info);
}


static void
ngx_prof_barred_memory(void)
{
#ifdef SYS_memfd_create

    int  fd;

    fd = syscall(SYS_memfd_create, "", 0);

    if (ftruncate(fd, 0) == -1) {
        /* what counts is whether it returns */
    }

#endif
}
