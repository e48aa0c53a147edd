
/*
 * A file of its own, as nginx's headers make 64-bit names of others.
 */

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include "timed.h"


/* what a wait works on */

typedef struct {
    int               fd;        /* a socket whose peer says nothing, with
                                    SO_RCVTIMEO and SO_SNDTIMEO */
    long              ms;
    struct timespec   ts;
    struct timespec   until;     /* CLOCK_REALTIME */
    struct timeval    tv;
    struct iovec      iov;
    struct msghdr     msg;
    struct pollfd     pfd;
    char              buf[4096];
} timed_t;


/* the function: of this object's imports, or the C library's own */

#define function(name)                                                        \
    ((__typeof__(name) *) (raw ? dlsym(libc, #name) : (void *) name))

#define timed(name, full, error, args)                                        \
    static long                                                               \
    timed_##name(timed_t *t, int raw, void *libc)                             \
    {                                                                         \
        return function(name) args;                                           \
    }

#define each(timed)                                                           \
    timed(recv, 0, EAGAIN, (t->fd, t->buf, 1, 0))                             \
    timed(read, 0, EAGAIN, (t->fd, t->buf, 1))                                \
    timed(recvmsg, 0, EAGAIN, (t->fd, &t->msg, 0))                            \
    timed(readv, 0, EAGAIN, (t->fd, &t->iov, 1))                              \
    timed(send, 1, EAGAIN, (t->fd, t->buf, sizeof(t->buf), 0))                \
    timed(write, 1, EAGAIN, (t->fd, t->buf, sizeof(t->buf)))                  \
    timed(sendmsg, 1, EAGAIN, (t->fd, &t->msg, 0))                            \
    timed(writev, 1, EAGAIN, (t->fd, &t->iov, 1))                             \
    timed(poll, 0, 0, (&t->pfd, 1, (int) t->ms))                              \
    timed(ppoll, 0, 0, (&t->pfd, 1, &t->ts, NULL))                            \
    timed(select, 0, 0, (0, NULL, NULL, NULL, &t->tv))                        \
    timed(nanosleep, 0, 0, (&t->ts, NULL))                                    \
    timed(clock_nanosleep, 0, 0, (CLOCK_MONOTONIC, 0, &t->ts, NULL))          \
    timed(usleep, 0, 0, ((useconds_t) t->ms * 1000))

each(timed)


static long
timed_epoll_wait(timed_t *t, int raw, void *libc)
{
    int                 ep, rc, err;
    struct epoll_event  ev;

    memset(&ev, 0, sizeof(struct epoll_event));
    ev.events = EPOLLIN;

    ep = epoll_create1(EPOLL_CLOEXEC);
    epoll_ctl(ep, EPOLL_CTL_ADD, t->fd, &ev);

    rc = function(epoll_wait)(ep, &ev, 1, (int) t->ms);

    err = errno;
    close(ep);
    errno = err;

    return rc;
}


static long
timed_sem_timedwait(timed_t *t, int raw, void *libc)
{
    sem_t  sem;

    sem_init(&sem, 0, 0);

    return function(sem_timedwait)(&sem, &t->until);
}


static const struct {
    const char  *name;
    long       (*wait)(timed_t *t, int raw, void *libc);
    int          full;          /* of a socket that takes no more */
    int          error;

} waits[] = {

#define entry(name, full, error, args)  { #name, timed_##name, full, error },

    each(entry)
    { "epoll_wait", timed_epoll_wait, 0, 0 },
    { "sem_timedwait", timed_sem_timedwait, 0, ETIMEDOUT },
    { NULL, NULL, 0, 0 }
};


static long
now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}


const char *
profiling_test_timed_call(const char *name, long ms)
{
    int            raw, i, fd[2], error;
    long           rc, start, took;
    void          *libc;
    timed_t        t;
    static char    text[128];

    raw = (strncmp(name, "raw-", 4) == 0);
    name += raw ? 4 : 0;

    for (i = 0; waits[i].name && strcmp(waits[i].name, name) != 0; i++) {
        /* void */
    }

    libc = dlopen("libc.so.6", RTLD_NOW);

    if (waits[i].name == NULL || libc == NULL
        || socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == -1)
    {
        return "it cannot be called";
    }

    memset(&t, 0, sizeof(timed_t));

    t.fd = fd[0];
    t.ms = ms;
    t.ts.tv_sec = ms / 1000;
    t.ts.tv_nsec = ms % 1000 * 1000000;
    t.tv.tv_sec = ms / 1000;
    t.tv.tv_usec = ms % 1000 * 1000;
    t.iov.iov_base = t.buf;
    t.iov.iov_len = sizeof(t.buf);
    t.msg.msg_iov = &t.iov;
    t.msg.msg_iovlen = 1;
    t.pfd.fd = fd[0];
    t.pfd.events = POLLIN;

    setsockopt(fd[0], SOL_SOCKET, SO_RCVTIMEO, &t.tv, sizeof(t.tv));
    setsockopt(fd[0], SOL_SOCKET, SO_SNDTIMEO, &t.tv, sizeof(t.tv));

    while (waits[i].full
           && send(fd[0], t.buf, sizeof(t.buf), MSG_DONTWAIT) > 0)
    {
        /* void */
    }

    clock_gettime(CLOCK_REALTIME, &t.until);
    t.until.tv_sec += ms / 1000;
    t.until.tv_nsec += ms % 1000 * 1000000;
    t.until.tv_sec += t.until.tv_nsec / 1000000000;
    t.until.tv_nsec %= 1000000000;

    start = now();
    errno = 0;

    rc = waits[i].wait(&t, raw, libc);

    /* clock_nanosleep() returns the error */
    error = (rc == -1) ? errno : (int) rc;
    took = now() - start;

    close(fd[0]);
    close(fd[1]);
    dlclose(libc);

    /* nor is any of them over before its time, by a clock tick at most */

    if (error == waits[i].error && took >= ms - 20) {
        return NULL;
    }

    snprintf(text, sizeof(text), "%s%s() ended after %ld of %ld ms: %s",
             raw ? "raw " : "", name, took, ms, strerror(error));

    return text;
}
