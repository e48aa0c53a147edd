
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "ngx_prof_encode.h"
#include "ngx_prof_alive.h"
#include "ngx_prof_barred.h"
#include "ngx_prof_child.h"
#include "ngx_prof_descriptor.h"
#include "ngx_prof_job.h"
#include "ngx_prof_objects.h"


#define NGX_PROF_ENCODER       "ngx_http_profiling_encoder"

/* bytes read at once, and bytes kept of the encoder's error messages */
#define NGX_PROF_ENCODE_BUF    65536
#define NGX_PROF_ENCODE_ERROR  256

/* the encoder's last words after a complete answer */
#define NGX_PROF_ENCODE_WHOLE  "complete\n"

/* bytes that wait for the encoder, if the system allows it */
#define NGX_PROF_ENCODE_PIPE   1048576

/* closed one by one, where they cannot be at once */
#define NGX_PROF_ENCODE_DESCRIPTORS  65536

/* bytes of a stack on which the encoder is started */
#define NGX_PROF_ENCODE_STACK  16384

/*
 * The answer stays in memory until it is complete.  Its limit is LEAST bytes
 * plus a number of bytes for each byte of the capture, up to MOST. The most
 * ever seen is 35 for one, in a trace for Perfetto.
 */
#define NGX_PROF_ENCODE_MOST   536870912
#define NGX_PROF_ENCODE_LEAST  16777216
#define NGX_PROF_ENCODE_RATIO  64


typedef struct {
    ngx_pool_t         *pool;
    ngx_log_t          *log;
    ngx_prof_encode_pt  done;
    void               *data;
    ngx_chain_t        *in;                     /* not yet written */
    ngx_prof_text_t     out;
    off_t               most;                   /* bytes of it */
    u_char              error[NGX_PROF_ENCODE_ERROR];
    size_t              error_len;
    ngx_connection_t   *pipe[3];                /* as its descriptors, or
                                                   NULL: closed */
    ngx_pid_t           pid;
    uint64_t            start;                  /* of the encoder, 0: not
                                                   known */
    ngx_event_t         timer;
    ngx_connection_t    connection;
    ngx_uint_t          finished;
} ngx_prof_encode_t;


/* what both children see of the worker's stack */

typedef struct {
    int           *ends;
    volatile int   error;
    volatile int   pid;         /* of the encoder; 0: its memory is a copy,
                                   as valgrind and qemu make it */
} ngx_prof_encode_child_t;


static void ngx_prof_encode_reach(ngx_cycle_t *cycle);
static int ngx_prof_encode_reaches(void *data);
static char *ngx_prof_encode_part(ngx_uint_t n);
static ngx_prof_encode_t *ngx_prof_encode_create(ngx_pool_t *pool,
    ngx_log_t *log);
static ngx_int_t ngx_prof_encode_spawn(ngx_prof_encode_t *e, int fds[3]);
static int ngx_prof_encode_start(ngx_prof_encode_t *e, int ends[3]);
static void *ngx_prof_encode_stack(ngx_uint_t n);
static int ngx_prof_encode_between(void *data);
static void ngx_prof_encode_only_three(void);
static int ngx_prof_encode_exec(void *data);
static ngx_int_t ngx_prof_encode_connect(ngx_prof_encode_t *e, ngx_uint_t i,
    int fd);
static void ngx_prof_encode_write(ngx_event_t *ev);
static ngx_int_t ngx_prof_encode_write_some(void *data);
static void ngx_prof_encode_read(ngx_event_t *ev);
static ngx_int_t ngx_prof_encode_read_some(void *data);
static void ngx_prof_encode_ignore(ngx_event_t *ev);
static void ngx_prof_encode_timeout(ngx_event_t *ev);
static void ngx_prof_encode_finish(ngx_prof_encode_t *e, const char *error);
static void ngx_prof_encode_close(ngx_prof_encode_t *e);
static void ngx_prof_encode_close_pipe(ngx_prof_encode_t *e, ngx_uint_t i);
static void ngx_prof_encode_cleanup(void *data);


static char  ngx_prof_encoder_path[NGX_MAX_PATH];


void
ngx_prof_encode_init_module(ngx_cycle_t *cycle)
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

    o = objects ? ngx_prof_objects_find(objects, (uintptr_t) ngx_prof_encode)
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

    ngx_prof_encode_reach(cycle);
}


/* whether the workers' user can execute it, and which path bars it else */

static void
ngx_prof_encode_reach(ngx_cycle_t *cycle)
{
    int               status;
    char             *p;
    ngx_core_conf_t  *ccf;

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    if (ngx_prof_child_run(ngx_prof_encode_reaches, ccf, &status, cycle->log)
        != NGX_OK
        || !WIFEXITED(status)
        || WEXITSTATUS(status) == 0)
    {
        return;
    }

    p = ngx_prof_encode_part(WEXITSTATUS(status));

    ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                  "profiles cannot be encoded: \"%s\" cannot be executed by "
                  "the workers' user, \"%*s\" bars it",
                  ngx_prof_encoder_path,
                  (size_t) (p - ngx_prof_encoder_path),
                  ngx_prof_encoder_path);
}


/* in a child: as a worker; the number of the first part that bars it, or 0 */

static int
ngx_prof_encode_reaches(void *data)
{
    ngx_core_conf_t *ccf = data;

    char        *p, path[NGX_MAX_PATH];
    ngx_uint_t   n;

    if (geteuid() == 0
        && ccf->user != (ngx_uid_t) NGX_CONF_UNSET_UINT
        && (setgid(ccf->group) == -1
            || initgroups(ccf->username, ccf->group) == -1
            || setuid(ccf->user) == -1))
    {
        return 0;
    }

    for (n = 1; n < 256; n++) {
        p = ngx_prof_encode_part(n);

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
ngx_prof_encode_part(ngx_uint_t n)
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
ngx_prof_encode(ngx_pool_t *pool, ngx_log_t *log, ngx_prof_text_t *raw,
    ngx_prof_encode_pt done, void *data, ngx_str_t *error)
{
    int                 fds[3];
    ngx_uint_t          i;
    ngx_prof_encode_t  *e;

    ngx_str_set(error, "out of memory or descriptors");

    e = ngx_prof_encode_create(pool, log);
    if (e == NULL) {
        return NGX_ERROR;
    }

    e->done = done;
    e->data = data;
    e->most = ngx_min(NGX_PROF_ENCODE_MOST,
                      NGX_PROF_ENCODE_LEAST
                      + NGX_PROF_ENCODE_RATIO * raw->size);
    e->in = ngx_prof_text_finish(raw);

    if (e->in == NULL) {
        return NGX_ERROR;
    }

    if (ngx_prof_encode_spawn(e, fds) != NGX_OK) {
        ngx_str_set(error, "the encoder cannot be started");
        return NGX_ERROR;
    }

    for (i = 0; i < 3; i++) {

        if (ngx_prof_encode_connect(e, i, fds[i]) != NGX_OK) {

            while (++i < 3) {
                (void) close(fds[i]);
            }

            ngx_prof_encode_close(e);
            return NGX_ERROR;
        }
    }

    ngx_add_timer(&e->timer, NGX_PROF_ENCODE_TIME);

    return NGX_OK;
}


static ngx_prof_encode_t *
ngx_prof_encode_create(ngx_pool_t *pool, ngx_log_t *log)
{
    ngx_pool_cleanup_t  *cln;
    ngx_prof_encode_t   *e;

    cln = ngx_pool_cleanup_add(pool, sizeof(ngx_prof_encode_t));
    if (cln == NULL) {
        return NULL;
    }

    e = cln->data;
    ngx_memzero(e, sizeof(ngx_prof_encode_t));

    cln->handler = ngx_prof_encode_cleanup;

    e->pool = pool;
    e->log = log;

    ngx_prof_event_init(&e->timer, &e->connection,
                        ngx_prof_encode_timeout, log);

    ngx_prof_text_init(&e->out, pool);

    return e;
}


/* fds: our ends of the encoder's standard input, output and error */

static ngx_int_t
ngx_prof_encode_spawn(ngx_prof_encode_t *e, int fds[3])
{
    int         rc, size, ends[3], p[2];
    ngx_uint_t  i, n;

    rc = 0;

    for (n = 0; n < 3; n++) {

        /* nginx makes such pairs too: a filter lets them pass */

        if (socketpair(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0, p) == -1) {
            ngx_log_error(NGX_LOG_ALERT, e->log, ngx_errno,
                          "socketpair() failed");
            rc = -1;
            break;
        }

        /* the encoder reads the first one and writes the others */

        ends[n] = n ? p[1] : p[0];
        fds[n] = n ? p[0] : p[1];

        (void) ngx_nonblocking(fds[n]);
    }

    if (rc == 0) {
        size = NGX_PROF_ENCODE_PIPE;

        (void) setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(int));

        rc = ngx_prof_encode_start(e, ends);

        if (rc != 0) {
            ngx_log_error(NGX_LOG_ERR, e->log, rc, "clone() or execve() \"%s\" "
                          "failed", ngx_prof_encoder_path);
        }
    }

    for (i = 0; i < n; i++) {
        (void) close(ends[i]);

        if (rc != 0) {
            (void) close(fds[i]);
        }
    }

    return rc ? NGX_ERROR : NGX_OK;
}


/*
 * The end of a child is a signal, and the worker may wait in a call of another
 * module by then, which would be broken off.  So the encoder is the child of a
 * child that has ended, and ends with no signal to this worker.  Both share
 * its memory, as of vfork(): the worker goes on when the encoder runs.
 *
 * Returns 0 or an errno.
 */

static int
ngx_prof_encode_start(ngx_prof_encode_t *e, int ends[3])
{
    int                      rc, status;
    pid_t                    pid;
    sigset_t                 set, old;
    ngx_prof_encode_child_t  child;

    child.ends = ends;
    child.error = 0;
    child.pid = 0;

    /* a handler of the worker must not run in a child */

    (void) sigfillset(&set);
    (void) sigprocmask(SIG_SETMASK, &set, &old);

    pid = clone(ngx_prof_encode_between, ngx_prof_encode_stack(0),
                CLONE_VM|CLONE_VFORK, &child);

    rc = (pid == -1) ? ngx_errno : child.error;

    if (pid != -1) {
        (void) waitpid(pid, &status, __WCLONE);
    }

    /* who reaps it is another process: the pid may then be another's */

    e->pid = child.pid;
    e->start = (rc == 0) ? ngx_prof_process_start(e->pid, NULL) : 0;

    (void) sigprocmask(SIG_SETMASK, &old, NULL);

    return rc;
}


/* the top of one of two stacks */

static void *
ngx_prof_encode_stack(ngx_uint_t n)
{
    static u_char  stacks[2][NGX_PROF_ENCODE_STACK]
                   __attribute__((aligned(16)));

    return stacks[n] + NGX_PROF_ENCODE_STACK;
}


static int
ngx_prof_encode_between(void *data)
{
    ngx_prof_encode_child_t *child = data;

    child->pid = clone(ngx_prof_encode_exec, ngx_prof_encode_stack(1),
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
ngx_prof_encode_only_three(void)
{
    long           fd;
    struct rlimit  limit;

#ifdef SYS_close_range

    if (!ngx_prof_barred(NGX_PROF_BARRED_RANGE)
        && syscall(SYS_close_range, 3, ~0U, 0) == 0)
    {
        return;
    }

#endif

    fd = (getrlimit(RLIMIT_NOFILE, &limit) == 0)
         ? (long) ngx_min(limit.rlim_cur, NGX_PROF_ENCODE_DESCRIPTORS)
         : NGX_PROF_ENCODE_DESCRIPTORS;

    while (--fd > 2) {
        (void) syscall(SYS_close, fd);
    }
}


static int
ngx_prof_encode_exec(void *data)
{
    ngx_prof_encode_child_t *child = data;

    int               i, signo;
    char             *argv[3], *env[2];
    sigset_t          set;
    struct sigaction  sa;

    ngx_memzero(&sa, sizeof(struct sigaction));
    sa.sa_handler = SIG_DFL;

    for (signo = 1; signo < NSIG; signo++) {
        (void) sigaction(signo, &sa, NULL);
    }

    argv[0] = ngx_prof_encoder_path;
    argv[1] = (char *) "--confirm";
    argv[2] = NULL;
    env[0] = (char *) "LC_ALL=C";
    env[1] = NULL;

    /* a worker has 0 .. 2, so no end is one of them */

    for (i = 0; i < 3; i++) {

        if (dup2(child->ends[i], i) == -1) {
            child->error = ngx_errno;
            _exit(1);
        }
    }

    ngx_prof_encode_only_three();

    (void) sigemptyset(&set);
    (void) sigprocmask(SIG_SETMASK, &set, NULL);

    (void) execve(argv[0], argv, env);

    child->error = ngx_errno;
    _exit(1);
}


static ngx_int_t
ngx_prof_encode_connect(ngx_prof_encode_t *e, ngx_uint_t i, int fd)
{
    ngx_connection_t  *c;

    c = ngx_prof_descriptor_open(fd, e->log);

    if (c == NULL) {
        (void) close(fd);
        return NGX_ERROR;
    }

    e->pipe[i] = c;

    c->data = e;

    if (i == 0) {
        c->read->handler = ngx_prof_encode_ignore;
        c->write->handler = ngx_prof_encode_write;

        return ngx_handle_write_event(c->write, 0);
    }

    c->read->handler = ngx_prof_encode_read;
    c->write->handler = ngx_prof_encode_ignore;

    return ngx_handle_read_event(c->read, 0);
}


static void
ngx_prof_encode_ignore(ngx_event_t *ev)
{
    /* the other direction of a pipe: only errors, seen where it is used */
}


/*
 * The encoder may read and write as fast as this runs: it runs in slices, like
 * every long job.
 */

static void
ngx_prof_encode_write(ngx_event_t *ev)
{
    ngx_int_t          rc;
    ngx_connection_t  *c;

    c = ev->data;

    rc = ngx_prof_slice(ngx_prof_encode_write_some, c);

    if (rc == NGX_AGAIN) {
        ngx_post_event(ev, &ngx_posted_next_events);
        return;
    }

    if (rc == NGX_DONE) {
        ev->ready = 0;

        if (ngx_handle_write_event(ev, 0) == NGX_OK) {
            return;
        }
    }

    /* if the encoder has ended, the other pipes bring its message */

    ngx_prof_encode_close_pipe(c->data, 0);
}


/*
 * NGX_DONE: the pipe is full; NGX_OK: all is written, or the encoder is gone
 */

static ngx_int_t
ngx_prof_encode_write_some(void *data)
{
    ngx_connection_t *c = data;

    ssize_t             n;
    ngx_buf_t          *b;
    ngx_prof_encode_t  *e;

    e = c->data;

    if (e->in == NULL) {
        return NGX_OK;
    }

    b = e->in->buf;

    if (b->pos == b->last) {
        e->in = e->in->next;
        return NGX_AGAIN;
    }

    n = write(c->fd, b->pos, b->last - b->pos);

    if (n == -1) {
        return (ngx_errno == NGX_EAGAIN) ? NGX_DONE : NGX_OK;
    }

    b->pos += n;

    return NGX_AGAIN;
}


static void
ngx_prof_encode_read(ngx_event_t *ev)
{
    ngx_int_t           rc;
    ngx_connection_t   *c;
    ngx_prof_encode_t  *e;

    c = ev->data;
    e = c->data;

    rc = ngx_prof_slice(ngx_prof_encode_read_some, c);

    if (e->out.size > e->most) {
        ngx_prof_encode_finish(e, "it would be too large");
        return;
    }

    if (rc == NGX_AGAIN) {
        ngx_post_event(ev, &ngx_posted_next_events);
        return;
    }

    if (rc == NGX_DONE) {
        ev->ready = 0;

        if (ngx_handle_read_event(ev, 0) == NGX_OK) {
            return;
        }
    }

    ngx_prof_encode_close_pipe(e, (c == e->pipe[1]) ? 1 : 2);

    if (e->pipe[1] == NULL && e->pipe[2] == NULL) {
        ngx_prof_encode_finish(e, NULL);
    }
}


/* NGX_DONE: the pipe is empty; NGX_OK: the other end is closed */

static ngx_int_t
ngx_prof_encode_read_some(void *data)
{
    ngx_connection_t *c = data;

    u_char              buf[NGX_PROF_ENCODE_BUF];
    ssize_t             n, room;
    ngx_prof_encode_t  *e;

    e = c->data;

    n = read(c->fd, buf, sizeof(buf));

    if (n <= 0) {
        return (n == -1 && ngx_errno == NGX_EAGAIN) ? NGX_DONE : NGX_OK;
    }

    if (c == e->pipe[1]) {
        ngx_prof_text_write(&e->out, buf, n);
        return NGX_AGAIN;
    }

    room = NGX_PROF_ENCODE_ERROR - e->error_len;
    room = ngx_min(room, n);

    ngx_memcpy(e->error + e->error_len, buf, room);
    e->error_len += room;

    return NGX_AGAIN;
}


static void
ngx_prof_encode_timeout(ngx_event_t *ev)
{
    ngx_prof_encode_t  *e;

    e = (ngx_prof_encode_t *)
            ((u_char *) ev - offsetof(ngx_prof_encode_t, timer));

    ngx_prof_encode_finish(e, "the encoder took too long");
}


static void
ngx_prof_encode_finish(ngx_prof_encode_t *e, const char *error)
{
    u_char     *end;
    ngx_str_t   text;

    ngx_prof_encode_close(e);

    if (e->finished) {
        return;
    }

    e->finished = 1;

    text.data = (u_char *) error;
    text.len = error ? ngx_strlen(error) : 0;

    /* it may have been killed anywhere: its exit status is not ours */

    if (error == NULL
        && e->out.size
        && e->error_len == sizeof(NGX_PROF_ENCODE_WHOLE) - 1
        && ngx_memcmp(e->error, NGX_PROF_ENCODE_WHOLE, e->error_len)
           == 0)
    {
        e->done(e->data, NGX_OK, &e->out, NULL);
        return;
    }

    if (error == NULL && e->error_len) {
        end = ngx_strlchr(e->error, e->error + e->error_len, '\n');
        text.data = e->error;
        text.len = end ? (size_t) (end - e->error) : e->error_len;

    } else if (error == NULL && e->out.size == 0) {
        ngx_str_set(&text, "the encoder ended without an answer");

    } else if (error == NULL) {
        ngx_str_set(&text, "the encoder ended amid its answer");
    }

    ngx_log_error(NGX_LOG_ERR, e->log, 0, "profile not encoded: %V", &text);

    e->done(e->data, NGX_ERROR, NULL, &text);
}


static void
ngx_prof_encode_close(ngx_prof_encode_t *e)
{
    ngx_uint_t  i, running;

    running = 0;

    for (i = 0; i < 3; i++) {
        running |= (e->pipe[i] != NULL);
        ngx_prof_encode_close_pipe(e, i);
    }

    if (e->timer.timer_set) {
        ngx_del_timer(&e->timer);
    }

    if (running
        && e->start
        && ngx_prof_process_start(e->pid, NULL) == e->start)
    {
        (void) kill(e->pid, SIGKILL);
    }

    e->start = 0;
}


static void
ngx_prof_encode_close_pipe(ngx_prof_encode_t *e, ngx_uint_t i)
{
    if (e->pipe[i]) {
        ngx_prof_descriptor_close(e->pipe[i]);
        e->pipe[i] = NULL;
    }
}


/* called when the client has gone, or the answer is sent */

static void
ngx_prof_encode_cleanup(void *data)
{
    ngx_prof_encode_t *e = data;

    e->finished = 1;
    ngx_prof_encode_close(e);
}
