
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "allowed.h"
#include "encode.h"
#include "supervise.h"


static int profiling_supervise_attempt(profiling_raw_t *raw, unsigned level,
    profiling_buf_t *out);
static int profiling_supervise_wait(pid_t pid, int *status);
static void profiling_supervise_child(profiling_raw_t *raw, unsigned level,
    pid_t parent, int fd) __attribute__ ((noreturn));
static int profiling_supervise_read(int fd, profiling_buf_t *out);
static void profiling_supervise_note(unsigned level, int status);
static int64_t profiling_supervise_time(unsigned level);


/* the child of the present attempt, 0: there is none */
static volatile pid_t  profiling_supervise_pid;


void
profiling_supervise(profiling_raw_t *raw, profiling_buf_t *out)
{
    int       status;
    unsigned  level;

    for (level = profiling_options.level;
         level < PROFILING_NAMES_NONE;
         level++)
    {
        status = profiling_supervise_attempt(raw, level, out);

        if (status == 0) {
            return;
        }

        profiling_supervise_note(level, status);
    }

    profiling_options.level = PROFILING_NAMES_NONE;

    /* discard what the failed attempt has written */
    out->len = 0;

    profiling_encode(raw, out);
}


/* returns the status of waitpid(), or -1 */

static int
profiling_supervise_attempt(profiling_raw_t *raw, unsigned level,
    profiling_buf_t *out)
{
    int    rc, status, fds[2];
    pid_t  pid, parent;

    if (socketpair(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0, fds) == -1) {
        return -1;
    }

    parent = getpid();

    pid = fork();

    if (pid == -1) {
        close(fds[0]);
        close(fds[1]);
        return -1;
    }

    if (pid == 0) {
        close(fds[0]);
        profiling_supervise_child(raw, level, parent, fds[1]);
    }

    profiling_supervise_pid = pid;

    close(fds[1]);

    out->len = 0;

    rc = profiling_supervise_read(fds[0], out);

    close(fds[0]);

    rc |= profiling_supervise_wait(pid, &status);

    profiling_supervise_pid = 0;

    if (status == 0 && (rc == -1 || out->len == 0)) {
        return -1;
    }

    return status;
}


static int
profiling_supervise_wait(pid_t pid, int *status)
{
    *status = 0;

    while (waitpid(pid, status, 0) == -1) {
        if (errno != EINTR) {
            return -1;
        }
    }

    return 0;
}


/*
 * Whoever adopts a child that a signal has ended complains about it: nginx's
 * master does, if it is the first process of a container.
 */

void
profiling_supervise_stop(void)
{
    int    status;
    pid_t  pid;

    pid = profiling_supervise_pid;

    if (pid != 0) {
        kill(pid, SIGKILL);
        profiling_supervise_wait(pid, &status);
    }
}


static void
profiling_supervise_child(profiling_raw_t *raw, unsigned level, pid_t parent,
    int fd)
{
    int64_t           time;
    profiling_buf_t   out;
    struct itimerval  it;

    /* the child must not outlive the encoder: its handler of SIGTERM exits */

    prctl(PR_SET_PDEATHSIG, SIGTERM);

    if (getppid() != parent) {
        _exit(PROFILING_SYSTEM);
    }

    time = profiling_supervise_time(level);

    memset(&it, 0, sizeof(struct itimerval));
    it.it_value.tv_sec = time / PROFILING_NSEC_PER_SEC;
    it.it_value.tv_usec = time % PROFILING_NSEC_PER_SEC / 1000;

    signal(SIGALRM, SIG_DFL);

    if (profiling_allowed(PROFILING_CALL_ITIMER)) {
        setitimer(ITIMER_REAL, &it, NULL);
    }

    profiling_options.quiet = 1;
    profiling_options.level = level;
    profiling_options.lines_deadline = profiling_now() + time / 2;

    memset(&out, 0, sizeof(profiling_buf_t));

    profiling_encode(raw, &out);

    if (profiling_write(fd, &out) == -1) {
        _exit(PROFILING_OUTPUT);
    }

    _exit(PROFILING_OK);
}


static int
profiling_supervise_read(int fd, profiling_buf_t *out)
{
    ssize_t        n;
    char           buf[65536];
    struct pollfd  fds[2];

    fds[0].fd = fd;
    fds[0].events = POLLIN;
    fds[1].fd = STDOUT_FILENO;
    fds[1].events = 0;

    for ( ;; ) {

        if (profiling_allowed(PROFILING_CALL_POLL)
            && poll(fds, 2, -1) > 0
            && (fds[1].revents & (POLLERR|POLLHUP)))
        {

            /* nobody waits for the profile any more */

            profiling_supervise_stop();
            _exit(PROFILING_OUTPUT);
        }

        n = read(fd, buf, sizeof(buf));

        if (n == 0) {
            return 0;
        }

        if (n == -1) {
            if (errno == EINTR) {
                continue;
            }

            return -1;
        }

        profiling_buf_put(out, buf, n);
    }
}


/* tells the reader of the profile why names are missing */

static void
profiling_supervise_note(unsigned level, int status)
{
    const char  *what, *why;

    what = (level == PROFILING_NAMES_LINES) ? "lines and inlined calls"
                                            : "names";

    if (status != -1 && WIFSIGNALED(status)) {

        if (WTERMSIG(status) == SIGALRM) {
            why = "it took too long";

        } else {
            why = profiling_printf("signal %d", WTERMSIG(status));
        }

    } else if (status != -1 && WIFEXITED(status)) {
        why = (WEXITSTATUS(status) == PROFILING_MEMORY)
              ? "not enough memory"
              : profiling_printf("error %d", WEXITSTATUS(status));

    } else {
        why = "no process for it";
    }

    profiling_options.note = profiling_printf("encoder: %s left out: %s",
                                              what, why);
}


/*
 * Lines get half of the time, symbols a quarter.  The rest is ample for the
 * last attempt, which opens no file.
 */

static int64_t
profiling_supervise_time(unsigned level)
{
    int64_t  time;

    time = (int64_t) profiling_options.time * PROFILING_NSEC_PER_SEC;

    return (level == PROFILING_NAMES_LINES) ? time / 2 : time / 4;
}


int
profiling_write(int fd, profiling_buf_t *buf)
{
    size_t   pos;
    ssize_t  n;

    for (pos = 0; pos < buf->len; /* void */ ) {
        n = write(fd, buf->data + pos, buf->len - pos);

        if (n == -1) {
            if (errno == EINTR) {
                continue;
            }

            return -1;
        }

        pos += n;
    }

    return 0;
}
