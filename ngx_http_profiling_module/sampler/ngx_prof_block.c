
#include <ngx_config.h>
#include <ngx_core.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/wait.h>
#include "ngx_prof_block.h"
#include "ngx_prof_hook_code.h"
#include "ngx_prof_meter.h"
#include "ngx_prof_interpose.h"
#include "ngx_prof_signal.h"
#include "ngx_prof_pause.h"
#include "ngx_prof_trace_ring.h"
#include "ngx_prof_worker.h"


/* descriptors whose kind is remembered */
#define NGX_PROF_BLOCK_DESCRIPTORS  65536

#define NGX_PROF_BLOCK_UNKNOWN      0
#define NGX_PROF_BLOCK_NEVER        1               /* it returns EAGAIN */
#define NGX_PROF_BLOCK_MAY          2


/* calls of a measurement, and how many measurements there are */
#define NGX_PROF_BLOCK_MEASURED     256
#define NGX_PROF_BLOCK_TRIES        8


static void ngx_prof_block_measure(void);
static ngx_uint_t ngx_prof_block_look(int fd);


ngx_prof_call_t  *ngx_prof_block_note;

uint64_t  ngx_prof_block_calls;

static uint64_t  ngx_prof_block_counted;        /* calls at the latest tick */
static uint64_t  ngx_prof_block_cost;           /* ps of a hook */

uint64_t  ngx_prof_block_told;
uint64_t  ngx_prof_block_ticks = (uint64_t) -1;

static u_char  ngx_prof_block_kind[
                                        NGX_PROF_BLOCK_DESCRIPTORS];


/* a call that is always timed; defines ngx_prof_block_NAME() and real_NAME */

#define ngx_prof_block_call(type, name, params, args)                         \
                                                                              \
static type (*ngx_prof_real_##name) params;                                   \
                                                                              \
static NGX_PROF_HOOK_CODE type                                                \
ngx_prof_block_##name params                                                  \
{                                                                             \
    type                rc;                                                   \
    ngx_prof_blocked_t  b;                                                    \
                                                                              \
    if (!ngx_prof_block_timed()) {                                            \
        return ngx_prof_real_##name args;                                     \
    }                                                                         \
                                                                              \
    ngx_prof_block_begin(&b, (const void *) ngx_prof_real_##name);             \
                                                                              \
    rc = ngx_prof_real_##name args;                                           \
                                                                              \
    ngx_prof_block_end(&b, (const void *) ngx_prof_real_##name);               \
    return rc;                                                                \
}


/*
 * A call that is timed if its descriptor may block.  The timing stands apart,
 * since it needs registers: a hook that only checks saves none.
 */

#define ngx_prof_block_io(type, name, params, args)                           \
                                                                              \
static type (*ngx_prof_real_##name) params;                                   \
                                                                              \
static NGX_PROF_HOOK_CODE type                                                \
ngx_prof_timed_##name params                                                  \
{                                                                             \
    type                rc;                                                   \
    ngx_prof_blocked_t  b;                                                    \
                                                                              \
    if (!ngx_prof_block_timed()                                               \
        || ngx_prof_block_look(fd))                                           \
    {                                                                         \
        return ngx_prof_real_##name args;                                     \
    }                                                                         \
                                                                              \
    ngx_prof_block_begin(&b, (const void *) ngx_prof_real_##name);             \
                                                                              \
    rc = ngx_prof_real_##name args;                                           \
                                                                              \
    ngx_prof_block_end(&b, (const void *) ngx_prof_real_##name);               \
    return rc;                                                                \
}                                                                             \
                                                                              \
                                                                              \
static NGX_PROF_HOOK_CODE type                                                \
ngx_prof_block_##name params                                                  \
{                                                                             \
    if ((unsigned) fd < NGX_PROF_BLOCK_DESCRIPTORS                            \
        && ngx_prof_block_kind[fd]                                            \
           == NGX_PROF_BLOCK_NEVER)                                           \
    {                                                                         \
        return ngx_prof_real_##name args;                                     \
    }                                                                         \
                                                                              \
    return ngx_prof_timed_##name args;                                        \
}


ngx_prof_block_io(ssize_t, read, (int fd, void *buf, size_t n), (fd, buf, n))
ngx_prof_block_io(ssize_t, write, (int fd, const void *buf, size_t n),
    (fd, buf, n))
ngx_prof_block_io(ssize_t, readv, (int fd, const struct iovec *iov, int n),
    (fd, iov, n))
ngx_prof_block_io(ssize_t, writev, (int fd, const struct iovec *iov, int n),
    (fd, iov, n))
ngx_prof_block_io(ssize_t, recv, (int fd, void *buf, size_t n, int flags),
    (fd, buf, n, flags))
ngx_prof_block_io(ssize_t, send,
    (int fd, const void *buf, size_t n, int flags), (fd, buf, n, flags))
ngx_prof_block_io(ssize_t, recvmsg, (int fd, struct msghdr *msg, int flags),
    (fd, msg, flags))
ngx_prof_block_io(ssize_t, sendmsg,
    (int fd, const struct msghdr *msg, int flags), (fd, msg, flags))
ngx_prof_block_io(int, connect,
    (int fd, const struct sockaddr *sa, socklen_t len), (fd, sa, len))

ngx_prof_block_call(ssize_t, pread,
    (int fd, void *buf, size_t n, off_t offset), (fd, buf, n, offset))
ngx_prof_block_call(ssize_t, pread64,
    (int fd, void *buf, size_t n, off_t offset), (fd, buf, n, offset))
ngx_prof_block_call(ssize_t, pwrite,
    (int fd, const void *buf, size_t n, off_t offset), (fd, buf, n, offset))
ngx_prof_block_call(ssize_t, pwrite64,
    (int fd, const void *buf, size_t n, off_t offset), (fd, buf, n, offset))
ngx_prof_block_call(ssize_t, pwritev64,
    (int fd, const struct iovec *iov, int n, off_t offset),
    (fd, iov, n, offset))
ngx_prof_block_call(ssize_t, sendfile,
    (int out, int in, off_t *offset, size_t n), (out, in, offset, n))
ngx_prof_block_call(ssize_t, sendfile64,
    (int out, int in, off_t *offset, size_t n), (out, in, offset, n))

ngx_prof_block_call(int, open, (const char *path, int flags, mode_t mode),
    (path, flags, mode))
ngx_prof_block_call(int, open64, (const char *path, int flags, mode_t mode),
    (path, flags, mode))
ngx_prof_block_call(int, openat,
    (int fd, const char *path, int flags, mode_t mode),
    (fd, path, flags, mode))
ngx_prof_block_call(int, openat64,
    (int fd, const char *path, int flags, mode_t mode),
    (fd, path, flags, mode))
ngx_prof_block_call(int, stat, (const char *path, struct stat *st), (path, st))
ngx_prof_block_call(int, stat64, (const char *path, struct stat *st),
    (path, st))
ngx_prof_block_call(int, lstat, (const char *path, struct stat *st),
    (path, st))
ngx_prof_block_call(int, lstat64, (const char *path, struct stat *st),
    (path, st))
ngx_prof_block_call(int, fstatat64,
    (int fd, const char *path, struct stat *st, int flags),
    (fd, path, st, flags))
ngx_prof_block_call(int, fsync, (int fd), (fd))
ngx_prof_block_call(int, fdatasync, (int fd), (fd))
ngx_prof_block_call(int, rename, (const char *from, const char *to),
    (from, to))
ngx_prof_block_call(int, unlink, (const char *path), (path))
ngx_prof_block_call(int, flock, (int fd, int what), (fd, what))

ngx_prof_block_call(int, getaddrinfo,
    (const char *node, const char *service, const struct addrinfo *hints,
     struct addrinfo **res),
    (node, service, hints, res))
ngx_prof_block_call(struct hostent *, gethostbyname, (const char *name),
    (name))
ngx_prof_block_call(pid_t, waitpid, (pid_t pid, int *status, int options),
    (pid, status, options))
ngx_prof_block_call(int, system, (const char *command), (command))
ngx_prof_block_call(int, pthread_cond_wait,
    (pthread_cond_t *cond, pthread_mutex_t *mutex), (cond, mutex))
ngx_prof_block_call(int, pthread_cond_timedwait,
    (pthread_cond_t *cond, pthread_mutex_t *mutex,
     const struct timespec *until),
    (cond, mutex, until))
ngx_prof_block_call(int, pthread_join, (pthread_t thread, void **value),
    (thread, value))


ngx_prof_block_call(int, nanosleep,
    (const struct timespec *time, struct timespec *left), (time, left))
ngx_prof_block_call(int, clock_nanosleep,
    (clockid_t clock, int flags, const struct timespec *time,
     struct timespec *left),
    (clock, flags, time, left))
ngx_prof_block_call(int, usleep, (useconds_t us), (us))
ngx_prof_block_call(unsigned, sleep, (unsigned s), (s))
ngx_prof_block_call(int, select,
    (int n, fd_set *in, fd_set *out, fd_set *error, struct timeval *timeout),
    (n, in, out, error, timeout))
ngx_prof_block_call(int, ppoll,
    (struct pollfd *fds, nfds_t n, const struct timespec *timeout,
     const sigset_t *mask),
    (fds, n, timeout, mask))
ngx_prof_block_call(int, sem_timedwait,
    (sem_t *sem, const struct timespec *until), (sem, until))


static int (*ngx_prof_real_poll)(struct pollfd *, nfds_t, int);
static int (*ngx_prof_real_close)(int);
static int (*ngx_prof_real_dup2)(int, int);
static int (*ngx_prof_real_ioctl)(int, unsigned long, ...);


static NGX_PROF_HOOK_CODE int
ngx_prof_block_poll(struct pollfd *fds, nfds_t n, int timeout)
{
    int                 rc;
    ngx_prof_blocked_t  b;

    if (timeout == 0 || !ngx_prof_block_timed()) {
        return ngx_prof_real_poll(fds, n, timeout);
    }

    ngx_prof_block_begin(&b, (const void *) ngx_prof_real_poll);

    rc = ngx_prof_real_poll(fds, n, timeout);

    ngx_prof_block_end(&b, (const void *) ngx_prof_real_poll);

    return rc;
}


/* the descriptor may become another file's */

static NGX_PROF_HOOK_CODE int
ngx_prof_block_close(int fd)
{
    if ((unsigned) fd < NGX_PROF_BLOCK_DESCRIPTORS) {
        ngx_prof_block_kind[fd] = NGX_PROF_BLOCK_UNKNOWN;
    }

    return ngx_prof_real_close(fd);
}


static NGX_PROF_HOOK_CODE int
ngx_prof_block_dup2(int from, int fd)
{
    if ((unsigned) fd < NGX_PROF_BLOCK_DESCRIPTORS) {
        ngx_prof_block_kind[fd] = NGX_PROF_BLOCK_UNKNOWN;
    }

    return ngx_prof_real_dup2(from, fd);
}


/* nginx makes its sockets non-blocking by this ioctl */

static NGX_PROF_HOOK_CODE int
ngx_prof_block_ioctl(int fd, unsigned long request, void *arg)
{
    int  rc;

    rc = ngx_prof_real_ioctl(fd, request, arg);

    if (request == FIONBIO
        && rc == 0
        && (unsigned) fd < NGX_PROF_BLOCK_DESCRIPTORS)
    {
        ngx_prof_block_kind[fd] = *(int *) arg
                                          ? NGX_PROF_BLOCK_NEVER
                                          : NGX_PROF_BLOCK_UNKNOWN;
    }

    return rc;
}


#define ngx_prof_block_hook(name)                                             \
    { #name, (void *) ngx_prof_block_##name,                                  \
      (void **) &ngx_prof_real_##name,                                        \
      NGX_PROF_HOOK_ALL }

/* nginx's own sockets never block: only other objects wait in these calls */

#define ngx_prof_block_socket_hook(name)                                      \
    { #name, (void *) ngx_prof_block_##name,                                  \
      (void **) &ngx_prof_real_##name,                                        \
      NGX_PROF_HOOK_OTHERS }


static ngx_prof_hook_t  ngx_prof_block_hooks[] = {
    ngx_prof_block_hook(read),
    ngx_prof_block_hook(write),
    ngx_prof_block_socket_hook(readv),
    ngx_prof_block_socket_hook(writev),
    ngx_prof_block_socket_hook(recv),
    ngx_prof_block_socket_hook(send),
    ngx_prof_block_socket_hook(recvmsg),
    ngx_prof_block_socket_hook(sendmsg),
    ngx_prof_block_hook(pread),
    ngx_prof_block_hook(pread64),
    ngx_prof_block_hook(pwrite),
    ngx_prof_block_hook(pwrite64),
    ngx_prof_block_hook(pwritev64),
    ngx_prof_block_hook(sendfile),
    ngx_prof_block_hook(sendfile64),
    ngx_prof_block_hook(open),
    ngx_prof_block_hook(open64),
    ngx_prof_block_hook(openat),
    ngx_prof_block_hook(openat64),
    ngx_prof_block_hook(stat),
    ngx_prof_block_hook(stat64),
    ngx_prof_block_hook(lstat),
    ngx_prof_block_hook(lstat64),
    ngx_prof_block_hook(fstatat64),
    ngx_prof_block_hook(fsync),
    ngx_prof_block_hook(fdatasync),
    ngx_prof_block_hook(rename),
    ngx_prof_block_hook(unlink),
    ngx_prof_block_hook(flock),
    ngx_prof_block_hook(getaddrinfo),
    ngx_prof_block_hook(gethostbyname),
    ngx_prof_block_hook(waitpid),
    ngx_prof_block_hook(system),
    ngx_prof_block_hook(pthread_cond_wait),
    ngx_prof_block_hook(pthread_cond_timedwait),
    ngx_prof_block_hook(pthread_join),
    ngx_prof_block_hook(nanosleep),
    ngx_prof_block_hook(clock_nanosleep),
    ngx_prof_block_hook(usleep),
    ngx_prof_block_hook(sleep),
    ngx_prof_block_hook(poll),
    ngx_prof_block_hook(ppoll),
    ngx_prof_block_hook(select),
    ngx_prof_block_hook(sem_timedwait),
    ngx_prof_block_hook(connect),
    ngx_prof_block_hook(close),
    ngx_prof_block_hook(dup2),
    ngx_prof_block_hook(ioctl)
};

ngx_prof_hooks_expected(ngx_prof_block_hooks)


/* a child that a library forks shares the slot, and is not its owner */

static void
ngx_prof_block_forked(void)
{
    ngx_prof_block_note = NULL;
}


void
ngx_prof_block_init(ngx_cycle_t *cycle)
{
    ngx_uint_t  n;

    if (pthread_atfork(NULL, NULL, ngx_prof_block_forked) == 0) {
        ngx_prof_block_note = &ngx_prof_process.slot->call;
    }

    ngx_prof_block_measure();

    n = sizeof(ngx_prof_block_hooks)
        / sizeof(ngx_prof_hook_t);

    ngx_prof_block_ticks =
        ((uint64_t) NGX_PROF_BLOCK_MIN
         << NGX_PROF_CLOCK_BITS) / ngx_prof_counter.rate;

    if (ngx_prof_interpose(ngx_prof_block_hooks, n, cycle->log) == NGX_ERROR) {
        ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                      "blocking calls of this worker are not profiled");
    }
}


/* what surrounds a call in its hook; the quickest of some measurements */

static void
ngx_prof_block_measure(void)
{
    uint64_t            ticks, least;
    ngx_uint_t          i, k;
    ngx_prof_blocked_t  b;

    least = (uint64_t) -1;

    for (i = 0; i < NGX_PROF_BLOCK_TRIES; i++) {
        ticks = ngx_prof_counter_read();

        for (k = 0; k < NGX_PROF_BLOCK_MEASURED; k++) {
            ngx_prof_block_begin(&b, NULL);
            ngx_prof_block_leave(&b);
            (void) ngx_prof_counter_read();
        }

        ticks = ngx_prof_counter_read() - ticks;
        least = ngx_min(least, ticks);
    }

    ngx_prof_block_cost = ngx_prof_counter_took(least * 1000)
                          / NGX_PROF_BLOCK_MEASURED;
    ngx_prof_block_counted = ngx_prof_block_calls;
}


void
ngx_prof_block_tick(void)
{
    uint64_t  calls;

    calls = ngx_prof_block_calls;

    ngx_prof_meter_add_hooks(NGX_PROF_METER_WAIT,
                             (calls - ngx_prof_block_counted)
                             * ngx_prof_block_cost / 1000);

    ngx_prof_block_counted = calls;
}


void
ngx_prof_block_socket(int fd)
{
    if ((unsigned) fd < NGX_PROF_BLOCK_DESCRIPTORS) {
        ngx_prof_block_kind[fd] = NGX_PROF_BLOCK_NEVER;
    }
}


/*
 * asked once per descriptor; 1: it never blocks.  Files do, whatever their
 * flags
 */

static ngx_uint_t
ngx_prof_block_look(int fd)
{
    int          err, flags;
    ngx_uint_t   kind;
    struct stat  st;

    if ((unsigned) fd >= NGX_PROF_BLOCK_DESCRIPTORS) {
        return 0;
    }

    kind = ngx_prof_block_kind[fd];

    if (kind == NGX_PROF_BLOCK_UNKNOWN) {
        err = errno;
        flags = fcntl(fd, F_GETFL);

        kind = (flags != -1
                && (flags & O_NONBLOCK)
                && fstat(fd, &st) == 0
                && !S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
               ? NGX_PROF_BLOCK_NEVER
               : NGX_PROF_BLOCK_MAY;

        if (flags != -1) {
            ngx_prof_block_kind[fd] = (u_char) kind;
        }

        errno = err;
    }

    return kind == NGX_PROF_BLOCK_NEVER;
}


/* several names may have the same address: return the first */

static const char *
ngx_prof_block_name(const void *function)
{
    ngx_uint_t        n;
    ngx_prof_hook_t  *h;

    h = ngx_prof_block_hooks;
    n = sizeof(ngx_prof_block_hooks)
        / sizeof(ngx_prof_hook_t);

    for ( /* void */ ; n > 0; h++, n--) {
        if (*h->original == function) {
            return h->name;
        }
    }

    return "";
}


NGX_PROF_HOOK_CODE void
ngx_prof_block_ended(uint64_t ticks, uint64_t told, const void *function)
{
    int       err;
    uint64_t  d, inner;

    err = errno;

    if (ngx_prof_process.slot && ngx_prof_wait_owner()) {
        d = ngx_prof_counter_took(ticks);
        inner = ngx_prof_block_told - told;

        if (d > inner) {
            d -= inner;
            ngx_prof_block_told += d;

            ngx_prof_pause_call(function, d);

            if (ngx_prof_tracing.on) {
                ngx_prof_trace_blocked(ngx_prof_block_name(function), d);
            }
        }
    }

    errno = err;
}
