
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "ngx_prof_encoder.h"
#include "ngx_prof_alive.h"
#include "ngx_prof_barred.h"
#include "ngx_prof_child.h"
#include "ngx_prof_descriptor.h"
#include "ngx_prof_job.h"
#include "ngx_prof_kept.h"
#include "ngx_prof_objects.h"
#include "ngx_prof_program.h"
#include "ngx_prof_owner.h"
#include "ngx_prof_record.h"
#include "ngx_prof_worker.h"


#define NGX_PROF_ENCODER              "ngx_http_profiling_encoder"

/* bytes that wait for the encoder, if the system allows it */
#define NGX_PROF_ENCODER_PIPE         1048576

/* closed one by one, where they cannot be at once */
#define NGX_PROF_ENCODER_DESCRIPTORS  65536

/* bytes of a stack on which the encoder is started */
#define NGX_PROF_ENCODER_STACK        16384

/* processes at a time: of a worker, and of all workers of the zone */
#define NGX_PROF_ENCODERS             2
#define NGX_PROF_ENCODERS_ZONE        4

/* and those that have ended their work and write, of a worker */
#define NGX_PROF_ENCODERS_WRITE       2

/*
 * one in so many connections and descriptors is left to requests; of
 * connections, not more than that
 */
#define NGX_PROF_ENCODER_RESERVE      8
#define NGX_PROF_ENCODER_CONNECTIONS  64

/*
 * The worker stands still until the encoder's program runs, for as long as the
 * system takes for that: one part in so many of its time, and ns of a gap at
 * most.
 */
#define NGX_PROF_ENCODER_PART         20
#define NGX_PROF_ENCODER_GAP          500000000

/* ms in which one that has been told to end has ended */
#define NGX_PROF_ENCODER_END          5000


/* what both children see of the worker's stack */

typedef struct {
    int           *ends;
    ngx_uint_t     crowd;
    volatile int   error;
    volatile int   pid;         /* of the encoder */
} ngx_prof_encoder_child_t;


static void ngx_prof_encoder_environment(void);
static void ngx_prof_encoder_reach(ngx_cycle_t *cycle);
static int ngx_prof_encoder_reaches(void *data);
static char *ngx_prof_encoder_part(ngx_uint_t n);
static ngx_uint_t ngx_prof_encoder_number(ngx_uint_t writes);
static void ngx_prof_encoder_uncount(ngx_prof_encoder_t *e);
static ngx_uint_t ngx_prof_encoder_count(ngx_prof_encoder_t *e);
static ngx_int_t ngx_prof_encoder_spawn(ngx_prof_encoder_t *e, ngx_log_t *log,
    int fds[3]);
static ngx_uint_t ngx_prof_encoder_scarce(int p[2]);
static int ngx_prof_encoder_start(ngx_prof_encoder_t *e, int ends[3]);
static void *ngx_prof_encoder_stack(ngx_uint_t n);
static int ngx_prof_encoder_between(void *data);
static void ngx_prof_encoder_only(long first);
static int ngx_prof_encoder_exec(void *data);
static void ngx_prof_encoder_ended(ngx_event_t *ev);
static void ngx_prof_encoder_ignore(ngx_event_t *ev);
static void ngx_prof_encoder_late(ngx_event_t *ev);
static void ngx_prof_encoder_signal(ngx_prof_encoder_t *e, int signo);


static char                ngx_prof_encoder_path[NGX_MAX_PATH];

/* where debuginfod's cache is; a worker does not have these variables */

static const char *const   ngx_prof_encoder_variables[] = {
    "DEBUGINFOD_CACHE_PATH", "XDG_CACHE_HOME", "HOME"
};

#define NGX_PROF_ENCODER_VARIABLES                                            \
    (sizeof(ngx_prof_encoder_variables) / sizeof(char *))

static char                ngx_prof_encoder_env[NGX_PROF_ENCODER_VARIABLES]
                                               [NGX_MAX_PATH];
static uint64_t            ngx_prof_encoder_next;   /* ns, monotonic */
static ngx_prof_encoder_t  ngx_prof_encoders[NGX_PROF_ENCODERS
                                             + NGX_PROF_ENCODERS_WRITE];


void
ngx_prof_encoder_init_module(ngx_cycle_t *cycle)
{
    char                      *p, file[NGX_MAX_PATH];
    int                        n;
    const ngx_prof_object_t   *o;
    const ngx_prof_objects_t  *objects;

    /*
     * The program lies beside the object with this code.  If that is nginx
     * itself, its argv[0] is gone: the process title has overwritten it.
     */

    objects = ngx_prof_objects_acquire();

    o = objects ? ngx_prof_objects_find(objects, (uintptr_t)
                                                     ngx_prof_encoder_take)
                : NULL;

    if (o == NULL || realpath(o->path, file) == NULL) {
        (void) snprintf(file, NGX_MAX_PATH, "%s", o ? o->path : "");
    }

    ngx_prof_objects_release();

    p = strrchr(file, '/');

    if (p) {
        *p = '\0';
    }

    n = snprintf(ngx_prof_encoder_path, NGX_MAX_PATH, "%s/%s",
                 file, NGX_PROF_ENCODER);

    if (n < 0 || n >= NGX_MAX_PATH) {
        ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                      "profiles cannot be encoded: the path of the encoder is "
                      "too long");
        return;
    }

    ngx_prof_encoder_environment();
    ngx_prof_encoder_reach(cycle);
    ngx_prof_program_init_module(cycle);
    ngx_prof_kept_init_module(cycle->log);
}


static void
ngx_prof_encoder_environment(void)
{
    char        *text;
    ngx_uint_t   i;
    const char  *name, *value;

    for (i = 0; i < NGX_PROF_ENCODER_VARIABLES; i++) {
        name = ngx_prof_encoder_variables[i];
        value = getenv(name);
        text = ngx_prof_encoder_env[i];

        if (value == NULL || value[0] != '/'
            || snprintf(text, NGX_MAX_PATH, "%s=%s", name, value)
               >= NGX_MAX_PATH)
        {
            text[0] = '\0';
        }
    }
}


/* whether the workers' user can execute it, and which path bars it else */

static void
ngx_prof_encoder_reach(ngx_cycle_t *cycle)
{
    int               status;
    char             *p;
    ngx_core_conf_t  *ccf;

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    if (ngx_prof_child_run(ngx_prof_encoder_reaches, ccf, &status, cycle->log)
        != NGX_OK
        || !WIFEXITED(status)
        || WEXITSTATUS(status) == 0)
    {
        return;
    }

    p = ngx_prof_encoder_part(WEXITSTATUS(status));

    ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                  "profiles cannot be encoded: \"%s\" cannot be executed by "
                  "the workers' user, \"%*s\" bars it",
                  ngx_prof_encoder_path,
                  (size_t) (p - ngx_prof_encoder_path),
                  ngx_prof_encoder_path);
}


/* in a child: as a worker; the number of the first part that bars it, or 0 */

static int
ngx_prof_encoder_reaches(void *data)
{
    ngx_core_conf_t *ccf = data;

    char        *p, path[NGX_MAX_PATH];
    ngx_uint_t   n;

    if (ngx_prof_child_as_worker(ccf) != NGX_OK) {
        return 0;
    }

    for (n = 1; n < 256; n++) {
        p = ngx_prof_encoder_part(n);

        ngx_memcpy(path, ngx_prof_encoder_path, p - ngx_prof_encoder_path);
        path[p - ngx_prof_encoder_path] = '\0';

        if (access(path, X_OK) == -1) {
            return (int) n;
        }

        if (*p == '\0') {
            break;
        }
    }

    return 0;
}


/* the end of the n-th part of the encoder's path, from 1 on */

static char *
ngx_prof_encoder_part(ngx_uint_t n)
{
    char  *p;

    p = ngx_prof_encoder_path;

    while (*p && n--) {
        p++;

        while (*p && *p != '/') {
            p++;
        }
    }

    return p;
}


ngx_int_t
ngx_prof_encoder_take(ngx_prof_encoder_t **encoder, ngx_log_t *log,
    ngx_uint_t crowd, void (*freed)(void), int fds[3])
{
    uint64_t             began, now;
    ngx_int_t            rc;
    ngx_uint_t           i;
    ngx_prof_encoder_t  *e;

    began = ngx_prof_clock();

    if (began < ngx_prof_encoder_next
        || ngx_prof_encoder_number(0) >= NGX_PROF_ENCODERS)
    {
        return NGX_AGAIN;
    }

    if (!ngx_prof_encoder_spare()) {
        return NGX_BUSY;
    }

    for (i = 0; ngx_prof_encoders[i].taken; i++) {
        /* void */
    }

    e = &ngx_prof_encoders[i];
    ngx_memzero(e, sizeof(ngx_prof_encoder_t));

    if (!ngx_prof_encoder_count(e)) {
        return NGX_AGAIN;
    }

    e->crowd = crowd;

    rc = ngx_prof_encoder_spawn(e, log, fds);

    now = ngx_prof_clock();

    ngx_prof_encoder_next = now + ngx_min(NGX_PROF_ENCODER_PART * (now - began),
                                          NGX_PROF_ENCODER_GAP);

    if (rc != NGX_OK) {
        ngx_prof_encoder_free(e);
        return rc;
    }

    e->taken = 1;
    e->freed = freed;
    e->began = began;

    ngx_prof_event_init(&e->timer, &e->connection, ngx_prof_encoder_late,
                        ngx_cycle->log);
    e->timer.cancelable = 1;

    *encoder = e;

    return NGX_OK;
}


static ngx_uint_t
ngx_prof_encoder_number(ngx_uint_t writes)
{
    ngx_uint_t  i, n;

    n = 0;

    for (i = 0; i < NGX_PROF_ENCODERS + NGX_PROF_ENCODERS_WRITE; i++) {
        n += (ngx_prof_encoders[i].taken
              && ngx_prof_encoders[i].writes == writes);
    }

    return n;
}


void
ngx_prof_encoder_writes(ngx_prof_encoder_t *e)
{
    if (ngx_prof_encoder_number(1) >= NGX_PROF_ENCODERS_WRITE) {
        return;
    }

    e->writes = 1;

    ngx_prof_encoder_uncount(e);

    e->freed();
}


/*
 * Each worker writes its own number before it adds up all of them: of two that
 * do so at once, one at least sees the other.
 */

static ngx_uint_t
ngx_prof_encoder_count(ngx_prof_encoder_t *e)
{
    uint64_t          n, sum;
    ngx_uint_t        i;
    ngx_prof_slot_t  *own, *slot;
    ngx_prof_zone_t  *zone;

    zone = ngx_prof_process.zone;
    own = ngx_prof_process.slot;

    if (own == NULL) {
        return 1;
    }

    e->counted = 1;
    (void) __atomic_fetch_add(&own->encoders, 1, __ATOMIC_SEQ_CST);

    sum = 0;

    for (i = 0; i < zone->slots; i++) {
        slot = ngx_prof_zone_slot(zone, i);
        n = __atomic_load_n(&slot->encoders, __ATOMIC_SEQ_CST);

        if (n && (slot == own || ngx_prof_slot_worker(slot, 0))) {
            sum += ngx_min(n, NGX_PROF_ENCODERS);
        }
    }

    if (sum > NGX_PROF_ENCODERS_ZONE) {
        ngx_prof_encoder_free(e);
        return 0;
    }

    return 1;
}


/*
 * Clients wait for profiles, a bounded number of them, and with other methods
 * than epoll the encoder's pipes are connections of nginx's.  nginx closes idle
 * clients if it has to.
 */

ngx_uint_t
ngx_prof_encoder_spare(void)
{
    ngx_uint_t  pipes, reserve;

    pipes = (ngx_event_flags & NGX_USE_EPOLL_EVENT) ? 0 : 3;
    reserve = ngx_min(ngx_cycle->connection_n / NGX_PROF_ENCODER_RESERVE,
                      NGX_PROF_ENCODER_CONNECTIONS);

    return ngx_cycle->free_connection_n + ngx_cycle->reusable_connections_n
           >= reserve + pipes;
}


void
ngx_prof_encoder_free(ngx_prof_encoder_t *e)
{
    ngx_uint_t  i;

    for (i = 0; i < 3; i++) {
        ngx_prof_encoder_close_pipe(e, i);
    }

    if (e->timer.timer_set) {
        ngx_del_timer(&e->timer);
    }

    ngx_prof_encoder_uncount(e);

    if (e->taken) {
        e->taken = 0;
        e->freed();
    }
}


static void
ngx_prof_encoder_uncount(ngx_prof_encoder_t *e)
{
    if (e->counted && ngx_prof_process.slot) {
        (void) __atomic_fetch_sub(&ngx_prof_process.slot->encoders, 1,
                                  __ATOMIC_RELEASE);
    }

    e->counted = 0;
}


void
ngx_prof_encoder_close_pipe(ngx_prof_encoder_t *e, ngx_uint_t i)
{
    if (e->pipe[i]) {
        ngx_prof_descriptor_close(e->pipe[i]);
        e->pipe[i] = NULL;
    }
}


/*
 * Nothing reads its output any more.  Its place is free when its standard
 * error is closed, which the encoder and its child have in common.
 */

void
ngx_prof_encoder_stop(ngx_prof_encoder_t *e)
{
    ngx_connection_t  *c;

    ngx_prof_encoder_signal(e, SIGTERM);

    ngx_prof_encoder_close_pipe(e, 0);
    ngx_prof_encoder_close_pipe(e, 1);

    c = e->pipe[2];

    if (c == NULL) {
        ngx_prof_encoder_free(e);
        return;
    }

    /* the log was the client's */

    c->log = ngx_cycle->log;
    c->read->log = ngx_cycle->log;
    c->write->log = ngx_cycle->log;

    c->data = e;
    c->read->handler = ngx_prof_encoder_ended;
    c->write->handler = ngx_prof_encoder_ignore;

    ngx_add_timer(&e->timer, NGX_PROF_ENCODER_END);

    ngx_post_event(c->read, &ngx_posted_events);
}


static void
ngx_prof_encoder_ended(ngx_event_t *ev)
{
    u_char               buf[256];
    ssize_t              n;
    ngx_connection_t    *c;
    ngx_prof_encoder_t  *e;

    c = ev->data;
    e = c->data;

    n = read(c->fd, buf, sizeof(buf));

    if (n > 0) {
        ngx_post_event(ev, &ngx_posted_next_events);
        return;
    }

    if (n == -1 && ngx_errno == NGX_EAGAIN) {
        ev->ready = 0;

        if (ngx_handle_read_event(ev, 0) == NGX_OK) {
            return;
        }
    }

    ngx_prof_encoder_free(e);
}


static void
ngx_prof_encoder_ignore(ngx_event_t *ev)
{
    /* nothing is written there */
}


static void
ngx_prof_encoder_late(ngx_event_t *ev)
{
    ngx_prof_encoder_t  *e;

    e = (ngx_prof_encoder_t *)
            ((u_char *) ev - offsetof(ngx_prof_encoder_t, timer));

    ngx_prof_encoder_signal(e, SIGKILL);
    ngx_prof_encoder_free(e);
}


/* another process has its pid, if it was started at another time */

static void
ngx_prof_encoder_signal(ngx_prof_encoder_t *e, int signo)
{
    if (e->start && ngx_prof_process_start(e->pid, NULL) == e->start) {
        (void) kill(e->pid, signo);
    }
}


static ngx_int_t
ngx_prof_encoder_spawn(ngx_prof_encoder_t *e, ngx_log_t *log, int fds[3])
{
    int         rc, size, ends[3], p[2];
    ngx_uint_t  i, n, scarce;

    rc = 0;
    scarce = 0;

    for (n = 0; n < 3; n++) {

        /* nginx makes such pairs too: a filter lets them pass */

        if (socketpair(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0, p) == -1) {
            ngx_log_error(NGX_LOG_ALERT, log, ngx_errno,
                          "socketpair() failed");
            rc = -1;
            break;
        }

        /* the encoder reads the first one and writes the others */

        ends[n] = n ? p[1] : p[0];
        fds[n] = n ? p[0] : p[1];

        (void) ngx_nonblocking(fds[n]);

        if (ngx_prof_encoder_scarce(p)) {
            scarce = 1;
            n++;
            break;
        }
    }

    if (rc == 0 && !scarce) {
        size = NGX_PROF_ENCODER_PIPE;

        (void) setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(int));

        rc = ngx_prof_encoder_start(e, ends);

        if (rc != 0) {
            ngx_log_error(NGX_LOG_ERR, log, rc, "clone() or execve() \"%s\" "
                          "failed", ngx_prof_encoder_path);
        }
    }

    for (i = 0; i < n; i++) {
        (void) close(ends[i]);

        if (rc != 0 || scarce) {
            (void) close(fds[i]);
        }
    }

    return scarce ? NGX_BUSY : rc ? NGX_ERROR : NGX_OK;
}


/* a process gets its lowest free descriptor: all below are in use */

static ngx_uint_t
ngx_prof_encoder_scarce(int p[2])
{
    rlim_t         most;
    struct rlimit  limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == -1) {
        return 0;
    }

    most = limit.rlim_cur - limit.rlim_cur / NGX_PROF_ENCODER_RESERVE;

    return (rlim_t) ngx_max(p[0], p[1]) >= most;
}


/*
 * The end of a child is a signal, and the worker may wait in a call of another
 * module by then, which would be broken off.  So the encoder is the child of a
 * child that has ended, and ends with no signal to this worker.  Both share
 * its memory, as of vfork(): the worker continues when the encoder runs.
 *
 * Returns 0 or an errno.
 */

static int
ngx_prof_encoder_start(ngx_prof_encoder_t *e, int ends[3])
{
    int                       rc, status;
    pid_t                     pid;
    sigset_t                  set, old;
    ngx_prof_encoder_child_t  child;

    child.ends = ends;
    child.error = 0;
    child.crowd = e->crowd;
    child.pid = 0;

    /* a handler of the worker must not run in a child */

    (void) sigfillset(&set);
    (void) sigprocmask(SIG_SETMASK, &set, &old);

    pid = clone(ngx_prof_encoder_between, ngx_prof_encoder_stack(0),
                CLONE_VM|CLONE_VFORK, &child);

    rc = (pid == -1) ? ngx_errno : child.error;

    if (pid != -1) {
        (void) waitpid(pid, &status, __WCLONE);
    }

    /* another process reaps it: the pid may be reused then */

    e->pid = child.pid;
    e->start = (rc == 0) ? ngx_prof_process_start(e->pid, NULL) : 0;

    (void) sigprocmask(SIG_SETMASK, &old, NULL);

    return rc;
}


/* the top of one of two stacks */

static void *
ngx_prof_encoder_stack(ngx_uint_t n)
{
    static u_char  stacks[2][NGX_PROF_ENCODER_STACK]
                   __attribute__((aligned(16)));

    return stacks[n] + NGX_PROF_ENCODER_STACK;
}


static int
ngx_prof_encoder_between(void *data)
{
    ngx_prof_encoder_child_t *child = data;

    child->pid = clone(ngx_prof_encoder_exec, ngx_prof_encoder_stack(1),
                       CLONE_VM|CLONE_VFORK|SIGCHLD, child);

    if (child->pid == -1) {
        child->error = ngx_errno;
    }

    _exit(0);
}


/*
 * In a child that shares the worker's memory, but not its descriptors: system
 * calls alone, a hook of close() would forget what the worker has open.
 */

static void
ngx_prof_encoder_only(long first)
{
    long           fd;
    struct rlimit  limit;

#ifdef SYS_close_range

    if (!ngx_prof_barred(NGX_PROF_BARRED_RANGE)
        && syscall(SYS_close_range, first, ~0U, 0) == 0)
    {
        return;
    }

#endif

    fd = (getrlimit(RLIMIT_NOFILE, &limit) == 0)
         ? (long) ngx_min(limit.rlim_cur, NGX_PROF_ENCODER_DESCRIPTORS)
         : NGX_PROF_ENCODER_DESCRIPTORS;

    while (--fd >= first) {
        (void) syscall(SYS_close, fd);
    }
}


static int
ngx_prof_encoder_exec(void *data)
{
    ngx_prof_encoder_child_t *child = data;

    int               i, n, signo;
    char             *argv[7], *env[NGX_PROF_ENCODER_VARIABLES + 2];
    sigset_t          set;
    struct sigaction  sa;

    ngx_memzero(&sa, sizeof(struct sigaction));
    sa.sa_handler = SIG_DFL;

    for (signo = 1; signo < NSIG; signo++) {
        (void) sigaction(signo, &sa, NULL);
    }

    n = 0;
    env[n++] = (char *) "LC_ALL=C";

    for (i = 0; i < (int) NGX_PROF_ENCODER_VARIABLES; i++) {
        if (ngx_prof_encoder_env[i][0] != '\0') {
            env[n++] = ngx_prof_encoder_env[i];
        }
    }

    env[n] = NULL;

    /* a worker has 0 .. 2, so no end is one of them */

    for (i = 0; i < 3; i++) {

        if (dup2(child->ends[i], i) == -1) {
            child->error = ngx_errno;
            _exit(1);
        }
    }

    n = 0;
    argv[n++] = ngx_prof_encoder_path;
    argv[n++] = (char *) "--confirm";

    if (child->crowd) {
        argv[n++] = (char *) "--crowded";
    }

    if (child->crowd == NGX_PROF_CROWD_HELD) {
        argv[n++] = (char *) "--brief";
    }

    if (ngx_prof_program_keep(3)) {
        argv[n++] = (char *) "--program";

    } else {
        (void) syscall(SYS_close, 3);
    }

    if (ngx_prof_kept_keep(4)) {
        argv[n++] = (char *) "--kept";

    } else {
        (void) syscall(SYS_close, 4);
    }

    argv[n] = NULL;

    ngx_prof_encoder_only(5);

    /* SIGTERM, which may come at once, waits until it has a handler */

    (void) sigemptyset(&set);
    (void) sigaddset(&set, SIGTERM);
    (void) sigprocmask(SIG_SETMASK, &set, NULL);

    (void) execve(argv[0], argv, env);

    child->error = ngx_errno;
    _exit(1);
}
