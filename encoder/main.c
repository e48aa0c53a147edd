
/*
 * ngx_http_profiling_encoder reads a raw capture from standard input and writes
 * the finished profile to standard output.
 *
 * A worker of nginx starts the encoder for one answer, as the worker's user.
 * The encoder opens no connection, writes no file but the one in memory in
 * which it keeps what it learns, and limits its own memory and time.
 */


#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <libelf.h>

#include "allowed.h"
#include "dump.h"
#include "encode.h"
#include "options.h"
#include "raw.h"
#include "supervise.h"


/* oom_score_adj: no process is killed before this one when memory runs out */
#define PROFILING_SCORE  "1000"

/* nice 5: a quarter of the processor when a worker competes for it */
#define PROFILING_NICE          5

/* some that follow one another shall take a tenth together */
#define PROFILING_NICE_CROWDED  10


static void profiling_main_confirm(void);
static void profiling_main_standard(void);
static void profiling_main_descriptors(void);
static void profiling_main_signals(void);
static void profiling_main_limits(void);
static void profiling_main_score(void);
static void profiling_main_limit(int resource, uint64_t value, uint64_t grace);
static void profiling_main_alarm(int signo);
static void profiling_main_term(int signo);
static void profiling_main_input(profiling_buf_t *in);


int
main(int argc, char **argv)
{
    profiling_raw_t  *raw;
    profiling_buf_t   in, out;

    profiling_main_standard();
    profiling_options_read(argc, argv);

    profiling_main_descriptors();
    profiling_main_signals();

    profiling_main_limits();

    /* debuginfod must not fetch anything over the network */
    unsetenv("DEBUGINFOD_URLS");

    if (elf_version(EV_CURRENT) == EV_NONE) {
        profiling_fail(PROFILING_SYSTEM, "elf_version() failed");
    }

    memset(&in, 0, sizeof(profiling_buf_t));
    memset(&out, 0, sizeof(profiling_buf_t));

    profiling_main_input(&in);

    raw = profiling_raw_read(in.data, in.len);

    if (profiling_options.dump) {
        profiling_raw_dump(raw, &out);

    } else if (profiling_options.single) {
        profiling_encode(raw, &out);

    } else {
        profiling_supervise(raw, &out);
    }

    /* how long that takes is up to whoever reads it */

    if (profiling_allowed(PROFILING_CALL_ALARM)) {
        alarm(0);
    }

    if (profiling_write(STDOUT_FILENO, &out) == -1) {
        profiling_fail(PROFILING_OUTPUT, "write() failed: %s",
                       strerror(errno));
    }

    if (profiling_options.confirm) {
        profiling_main_confirm();
    }

    _exit(PROFILING_OK);
}


/* with the CPU time that it took in us, children included, if it is known */

static void
profiling_main_confirm(void)
{
    struct rusage  own, children;

    if (profiling_allowed(PROFILING_CALL_USAGE)
        && getrusage(RUSAGE_SELF, &own) == 0
        && getrusage(RUSAGE_CHILDREN, &children) == 0)
    {
        fprintf(stderr, "complete %lld\n",
                (long long) (own.ru_utime.tv_sec + own.ru_stime.tv_sec
                             + children.ru_utime.tv_sec
                             + children.ru_stime.tv_sec)
                            * PROFILING_USEC_PER_SEC
                + own.ru_utime.tv_usec + own.ru_stime.tv_usec
                + children.ru_utime.tv_usec + children.ru_stime.tv_usec);
        return;
    }

    fputs("complete\n", stderr);
}


/*
 * A closed standard descriptor would be reused for the next opened file, so
 * it is opened on /dev/null.
 */

static void
profiling_main_standard(void)
{
    int  fd;

    for (fd = 0; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) == -1 && open("/dev/null", O_RDWR) != fd) {
            _exit(PROFILING_SYSTEM);
        }
    }
}


/* all others that were inherited are closed */

static void
profiling_main_descriptors(void)
{
    int   fd;
    long  max;

    if (!profiling_options.program) {
        close(PROFILING_PROGRAM);
    }

    if (!profiling_options.kept) {
        close(PROFILING_KEPT);
    }

#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
    if (profiling_allowed(PROFILING_CALL_CLOSE_RANGE)
        && close_range(PROFILING_KEPT + 1, ~0U, 0) == 0)
    {
        return;
    }
#endif

    max = sysconf(_SC_OPEN_MAX);

    if (max < 0 || max > 65536) {
        max = 65536;
    }

    for (fd = PROFILING_KEPT + 1; fd < max; fd++) {
        close(fd);
    }
}


/* the encoder inherits ignored and blocked signals from the worker */

static void
profiling_main_signals(void)
{
    sigset_t          set;
    struct sigaction  sa;

    memset(&sa, 0, sizeof(struct sigaction));
    sigemptyset(&sa.sa_mask);

    sa.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &sa, NULL);

    sa.sa_handler = SIG_DFL;
    sigaction(SIGCHLD, &sa, NULL);

    sa.sa_handler = profiling_main_term;
    sigaction(SIGTERM, &sa, NULL);

    sa.sa_handler = profiling_main_alarm;
    sigaction(SIGALRM, &sa, NULL);
    sigaction(SIGXCPU, &sa, NULL);

    sigemptyset(&set);
    sigprocmask(SIG_SETMASK, &set, NULL);
}


/* under load, workers take precedence over the encoder */

static void
profiling_main_limits(void)
{
    int  own;

    if (profiling_allowed(PROFILING_CALL_PRIORITY)) {
        own = getpriority(PRIO_PROCESS, 0);

        (void) setpriority(PRIO_PROCESS, 0,
                           (own > 0 ? own : 0)
                           + (profiling_options.crowded
                              ? PROFILING_NICE_CROWDED : PROFILING_NICE));
    }

    /* one that is not dumpable may not open files of its own in /proc */

    profiling_main_score();

    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);

    profiling_main_limit(RLIMIT_CORE, 0, 0);
    profiling_main_limit(RLIMIT_NOFILE, 1024, 0);

    /* SIGXCPU, which has a handler, comes before SIGKILL, which has none */

    profiling_main_limit(RLIMIT_CPU, (uint64_t) profiling_options.time + 2, 2);

#ifndef PROFILING_SANITIZED

    /* sanitizers reserve more address space than any limit allows */

    if (profiling_options.max_memory != 0) {
        profiling_main_limit(RLIMIT_AS, profiling_options.max_memory, 0);
    }

#endif

    /* else the worker's own patience is the limit */

    if (profiling_allowed(PROFILING_CALL_ALARM)) {
        alarm(profiling_options.time);
    }
}


static void
profiling_main_score(void)
{
    int  fd;

    fd = open("/proc/self/oom_score_adj", O_WRONLY|O_CLOEXEC);

    if (fd == -1) {
        return;
    }

    if (write(fd, PROFILING_SCORE, sizeof(PROFILING_SCORE) - 1) == -1) {
        /* then the kernel chooses as it would without us */
    }

    close(fd);
}


/* the hard limit is above the other by grace; one from outside is kept */

static void
profiling_main_limit(int resource, uint64_t value, uint64_t grace)
{
    struct rlimit  rl;

    if (getrlimit(resource, &rl) == -1) {
        return;
    }

    if (rl.rlim_max != RLIM_INFINITY && rl.rlim_max < value) {
        value = rl.rlim_max;
    }

    rl.rlim_cur = value;

    if (rl.rlim_max == RLIM_INFINITY || rl.rlim_max > value + grace) {
        rl.rlim_max = value + grace;
    }

    /* one that a filter refuses is left as it is */

    if (setrlimit(resource, &rl) == -1 && errno != EPERM) {
        profiling_fail(PROFILING_SYSTEM, "setrlimit() failed: %s",
                       strerror(errno));
    }
}


static void
profiling_main_alarm(int signo)
{
    static const char  text[] = "ngx_http_profiling_encoder: "
                                "time limit exceeded\n";

    (void) signo;

    if (write(STDERR_FILENO, text, sizeof(text) - 1) == -1) {
        /* nothing more can be done: the exit code reports the error */
    }

    profiling_supervise_stop();

    _exit(PROFILING_TIME);
}


/* the client has left: that is no error, and nobody shall take it for one */

static void
profiling_main_term(int signo)
{
    (void) signo;

    profiling_supervise_stop();

    _exit(PROFILING_OK);
}


static void
profiling_main_input(profiling_buf_t *in)
{
    ssize_t  n;
    char     buf[65536];

    for ( ;; ) {
        n = read(STDIN_FILENO, buf, sizeof(buf));

        if (n == 0) {
            return;
        }

        if (n == -1) {
            if (errno == EINTR) {
                continue;
            }

            profiling_fail(PROFILING_SYSTEM, "read() failed: %s",
                           strerror(errno));
        }

        if ((uint64_t) n > profiling_options.max_input - in->len) {
            profiling_fail(PROFILING_MEMORY, "capture is larger than %llu "
                           "bytes", (unsigned long long)
                           profiling_options.max_input);
        }

        profiling_buf_put(in, buf, n);
    }
}
