
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


waits(system)
{
    (void) !system(file);
    __asm__ volatile ("");
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


waits(hold)
{
    ngx_slab_pool_t  *pool;

    pool = zone_of(file);

    ngx_shmtx_lock(&pool->mutex);
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


/* a thread holds it until n ms after it was asked for */

static pthread_mutex_t   mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t  rwlock = PTHREAD_RWLOCK_INITIALIZER;
static volatile int      held, asked;


static void *
holder(void *data)
{
    long  *n = data;

    struct timespec  ts = { *n / 1000, *n % 1000 * 1000000 };
    struct timespec  soon = { 0, 50000 };

    pthread_mutex_lock(&mutex);
    pthread_rwlock_wrlock(&rwlock);
    held = 1;

    while (!asked) {
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
    asked = 1;
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
    pthread_join(thread, NULL);
}


waits(rdlock)
{
    pthread_t  thread;

    thread = hold(&n);
    asked = 1;
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
        || pthread_mutex_lock(&two) != EDEADLK
        || pthread_mutex_unlock(&two) != 0
        || pthread_mutex_unlock(&two) != EPERM)
    {
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, 0, "locks differ");
    }
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
    { NULL, NULL }
};
