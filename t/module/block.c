
#include <ngx_config.h>
#include <ngx_core.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <resolv.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "block.h"
#include "burn.h"
#include "calls.h"
#include "foreign.h"
#include "timed.h"


#define waits(name)                                                           \
    __attribute__((noinline)) void                                            \
    profiling_test_##name(long n, const char *file)


waits(usleep)
{
    usleep(n * 1000);
    __asm__ volatile ("");
}


waits(nanosleep)
{
    struct timespec  ts = { n / 1000, n % 1000 * 1000000 };

    nanosleep(&ts, NULL);
    __asm__ volatile ("");
}


waits(poll)
{
    poll(NULL, 0, (int) n);
    __asm__ volatile ("");
}


waits(select)
{
    struct timeval  tv = { n / 1000, n % 1000 * 1000 };

    select(0, NULL, NULL, NULL, &tv);
    __asm__ volatile ("");
}


/* until somebody writes to the FIFO */

waits(read)
{
    int   fd;
    char  buf[16];

    fd = open(file, O_RDWR|O_CLOEXEC);

    if (fd != -1) {
        (void) !read(fd, buf, sizeof(buf));
        close(fd);
    }
}


/* until somebody opens it for writing */

waits(open)
{
    int  fd;

    fd = open(file, O_RDONLY|O_CLOEXEC);

    if (fd != -1) {
        close(fd);
    }
}


waits(flock)
{
    int  fd;

    fd = open(file, O_RDWR|O_CLOEXEC);

    if (fd != -1) {
        flock(fd, LOCK_EX);
        close(fd);
    }
}


waits(waitpid)
{
    pid_t  pid;

    pid = fork();

    if (pid == 0) {
        struct timespec  ts = { n / 1000, n % 1000 * 1000000 };

        syscall(SYS_nanosleep, &ts, NULL);
        _exit(0);
    }

    waitpid(pid, NULL, 0);
    __asm__ volatile ("");
}


/* n times */

waits(system)
{
    do {
        (void) !system(file);
    } while (--n > 0);
}


/* of a name server on this machine, whose port `file` says */

waits(resolve)
{
    struct addrinfo   hints, *res;

    res_init();

    _res.nscount = 1;
    _res.nsaddr_list[0].sin_family = AF_INET;
    _res.nsaddr_list[0].sin_port = htons((in_port_t) atoi(file));
    _res.nsaddr_list[0].sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    memset(&hints, 0, sizeof(struct addrinfo));
    hints.ai_family = AF_INET;
    hints.ai_socktype = SOCK_STREAM;

    if (getaddrinfo("slow.test.", "80", &hints, &res) != 0) {
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, 0, "nothing resolved");
        return;
    }

    freeaddrinfo(res);
}


waits(cond)
{
    struct timespec         ts;
    static pthread_cond_t   cond = PTHREAD_COND_INITIALIZER;
    static pthread_mutex_t  mutex = PTHREAD_MUTEX_INITIALIZER;

    clock_gettime(CLOCK_REALTIME, &ts);
    ts.tv_nsec += n % 1000 * 1000000;
    ts.tv_sec += n / 1000 + ts.tv_nsec / 1000000000;
    ts.tv_nsec %= 1000000000;

    pthread_mutex_lock(&mutex);
    pthread_cond_timedwait(&cond, &mutex, &ts);
    pthread_mutex_unlock(&mutex);
}


/* a call that nobody interposes */

waits(raw)
{
    struct timespec  ts = { n / 1000, n % 1000 * 1000000 };

    while (syscall(SYS_nanosleep, &ts, &ts) == -1) { /* void */ }
    __asm__ volatile ("");
}


/* the same while the thread takes no SIGPROF, as posix_spawn() has it */

waits(masked)
{
    uint64_t         set, old;
    struct timespec  ts = { n / 1000, n % 1000 * 1000000 };

    set = (uint64_t) 1 << (SIGPROF - 1);

    syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, &old, sizeof(set));
    while (syscall(SYS_nanosleep, &ts, &ts) == -1) { /* void */ }
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, sizeof(set));
    __asm__ volatile ("");
}


/* n rounds on the processor, and half as many in another place */

waits(tail)
{
    profiling_test_one_cfi((uint64_t) n);
    profiling_test_deep_cfi((uint64_t) n / 2);
    __asm__ volatile ("");
}


/* the worker holds a zone's mutex, and another one waits for it */

static ngx_slab_pool_t *
zone_of(const char *name)
{
    ngx_uint_t        i;
    ngx_shm_zone_t   *zone;
    ngx_list_part_t  *part;

    for (part = (ngx_list_part_t *) &ngx_cycle->shared_memory.part;
         part;
         part = part->next)
    {
        zone = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (ngx_strncmp(zone[i].shm.name.data, name,
                            zone[i].shm.name.len)
                == 0)
            {
                return (ngx_slab_pool_t *) zone[i].shm.addr;
            }
        }
    }

    return NULL;
}


/* until n ms after another one waits, a minute at most */

waits(hold)
{
    int               i;
    ngx_slab_pool_t  *pool;
    struct timespec   soon = { 0, 1000000 };

    pool = zone_of(file);

    ngx_shmtx_lock(&pool->mutex);

    for (i = 0; i < 60000 && *pool->mutex.wait == 0; i++) {
        syscall(SYS_nanosleep, &soon, NULL);
    }

    usleep(n * 1000);
    ngx_shmtx_unlock(&pool->mutex);
}


waits(lock)
{
    ngx_slab_pool_t  *pool;

    pool = zone_of(file);

    ngx_shmtx_lock(&pool->mutex);
    ngx_shmtx_unlock(&pool->mutex);
}


/* a thread holds it until n ms after the other one began to wait */

static pthread_mutex_t   mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t  rwlock = PTHREAD_RWLOCK_INITIALIZER;
static volatile int      held, asked;


/* does a thread sleep? */

static int
sleeps(int tid)
{
    int      fd;
    char     name[64], buf[512], *p;
    ssize_t  n;

    (void) snprintf(name, sizeof(name), "/proc/self/task/%d/stat", tid);

    fd = (int) syscall(SYS_openat, AT_FDCWD, name, O_RDONLY);
    if (fd == -1) {
        return 0;
    }

    n = syscall(SYS_read, fd, buf, sizeof(buf) - 1);
    (void) syscall(SYS_close, fd);

    buf[n > 0 ? n : 0] = '\0';
    p = strrchr(buf, ')');

    return p != NULL && p[1] == ' ' && p[2] == 'S';
}


static void *
holder(void *data)
{
    long  *n = data;

    struct timespec  ts = { *n / 1000, *n % 1000 * 1000000 };
    struct timespec  soon = { 0, 50000 };

    pthread_mutex_lock(&mutex);
    pthread_rwlock_wrlock(&rwlock);
    held = 1;

    while (!asked || !sleeps(asked)) {
        syscall(SYS_nanosleep, &soon, NULL);
    }

    syscall(SYS_nanosleep, &ts, NULL);
    pthread_rwlock_unlock(&rwlock);
    pthread_mutex_unlock(&mutex);

    return NULL;
}


static pthread_t
hold(long *n)
{
    pthread_t  thread;

    held = 0;
    asked = 0;
    pthread_create(&thread, NULL, holder, n);

    while (!held) { /* void */ }

    return thread;
}


waits(mutex)
{
    pthread_t  thread;

    thread = hold(&n);
    asked = (int) syscall(SYS_gettid);
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
    pthread_join(thread, NULL);
}


waits(rdlock)
{
    pthread_t  thread;

    thread = hold(&n);
    asked = (int) syscall(SYS_gettid);
    pthread_rwlock_rdlock(&rwlock);
    pthread_rwlock_unlock(&rwlock);
    pthread_join(thread, NULL);
}


/* what must not be changed: a recursive one, one that finds deadlocks */

waits(kinds)
{
    pthread_mutex_t      one, two;
    pthread_mutexattr_t  attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&one, &attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&two, &attr);

    if (pthread_mutex_lock(&one) != 0 || pthread_mutex_lock(&one) != 0
        || pthread_mutex_unlock(&one) != 0
        || pthread_mutex_unlock(&one) != 0
        || pthread_mutex_lock(&two) != 0
        || pthread_mutex_lock(&two) != EDEADLK)
    {
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, 0, "locks differ");
    }

    /* each may be taken for a wait, with a small chance */

    for (n = 10000; n; n--) {
        (void) pthread_mutex_lock(&two);
    }

    if (pthread_mutex_unlock(&two) != 0
        || pthread_mutex_unlock(&two) != EPERM)
    {
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, 0, "locks differ");
    }
}


/* sockets that give up after n ms: one that is empty, one that is full */

static int
pair(int *other, long n)
{
    int             fds[2];
    static char     buf[65536];
    struct timeval  tv = { n / 1000, n % 1000 * 1000 };

    if (socketpair(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0, fds) == -1) {
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, ngx_errno,
                      "socketpair() failed");
        return -1;
    }

    setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    setsockopt(fds[0], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));

    while (syscall(SYS_sendto, fds[0], buf, sizeof(buf), MSG_DONTWAIT, NULL, 0)
           > 0)
    {
        /* void */
    }

    *other = fds[1];

    return fds[0];
}


#define waits_for(name, call)                                                 \
                                                                              \
waits(name)                                                                   \
{                                                                             \
    int            fd, other;                                                 \
    char           buf[16] = "";                                              \
    struct iovec   iov = { buf, sizeof(buf) };                                \
    struct msghdr  msg = { .msg_iov = &iov, .msg_iovlen = 1 };                \
                                                                              \
    (void) msg;                                                               \
    fd = pair(&other, n);                                                     \
                                                                              \
    if ((call) != -1 || ngx_errno != NGX_EAGAIN) {                            \
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, ngx_errno,               \
                      #name "() did not wait");                               \
    }                                                                         \
                                                                              \
    close(fd);                                                                \
    close(other);                                                             \
}


waits_for(recv, recv(fd, buf, sizeof(buf), 0))
waits_for(readv, readv(fd, &iov, 1))
waits_for(recvmsg, recvmsg(fd, &msg, 0))
waits_for(send, send(fd, buf, sizeof(buf), 0))
waits_for(writev, writev(fd, &iov, 1))
waits_for(sendmsg, sendmsg(fd, &msg, 0))


/* nobody accepts, and no more may wait */

waits(connect)
{
    int                 fd, listening, first;
    socklen_t           len;
    struct timeval      tv = { n / 1000, n % 1000 * 1000 };
    struct sockaddr_un  sun = { .sun_family = AF_UNIX };

    listening = socket(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0);
    first = socket(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0);
    fd = socket(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0);

    /* an address of the kernel's choice */

    len = sizeof(sun);
    bind(listening, (struct sockaddr *) &sun, sizeof(sa_family_t));
    getsockname(listening, (struct sockaddr *) &sun, &len);
    listen(listening, 0);
    syscall(SYS_connect, first, &sun, len);

    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));

    if (connect(fd, (struct sockaddr *) &sun, len) != -1
        || ngx_errno != NGX_EAGAIN)
    {
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, ngx_errno,
                      "connect() did not wait");
    }

    close(fd);
    close(first);
    close(listening);
}


waits(clock_nanosleep)
{
    struct timespec  ts = { n / 1000, n % 1000 * 1000000 };

    clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
    __asm__ volatile ("");
}


/* it knows of whole seconds only */

waits(sleep)
{
    sleep(1);
    __asm__ volatile ("");
}


waits(calls)
{
    const char  *what;

    what = profiling_test_differs(file);

    if (what) {
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, 0, "differs: %s", what);
    }
}


/* file: the name of the call */

waits(timed)
{
    ngx_uint_t   level;
    const char  *what;

    what = profiling_test_timed_call(file, n);
    level = what ? NGX_LOG_ALERT : NGX_LOG_NOTICE;

    ngx_log_error(level, ngx_cycle->log, 0,
                  "waited by %s: %s", file, what ? what : "whole");
}


#define wait_of(name)  { "wait_" #name, profiling_test_##name }


const profiling_test_wait_t  profiling_test_waits[] = {
    wait_of(usleep),
    wait_of(nanosleep),
    wait_of(poll),
    wait_of(select),
    wait_of(read),
    wait_of(open),
    wait_of(flock),
    wait_of(waitpid),
    wait_of(system),
    wait_of(resolve),
    wait_of(cond),
    wait_of(raw),
    wait_of(masked),
    wait_of(tail),
    wait_of(hold),
    wait_of(lock),
    wait_of(mutex),
    wait_of(rdlock),
    wait_of(kinds),
    wait_of(recv),
    wait_of(readv),
    wait_of(recvmsg),
    wait_of(send),
    wait_of(writev),
    wait_of(sendmsg),
    wait_of(connect),
    wait_of(clock_nanosleep),
    wait_of(sleep),
    wait_of(calls),
    wait_of(timed),
    wait_of(foreign),
    { NULL, NULL }
};
