
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
#include "ngx_prof_objects.h"


#define NGX_PROF_ENCODER              "ngx_http_profiling_encoder"

/* bytes that wait for the encoder, if the system allows it */
#define NGX_PROF_ENCODER_PIPE         1048576

/* closed one by one, where they cannot be at once */
#define NGX_PROF_ENCODER_DESCRIPTORS  65536

/* bytes of a stack on which the encoder is started */
#define NGX_PROF_ENCODER_STACK        16384


/* what both children see of the worker's stack */

typedef struct {
    int           *ends;
    volatile int   error;
    volatile int   pid;         /* of the encoder */
} ngx_prof_encoder_child_t;


static void ngx_prof_encoder_reach(ngx_cycle_t *cycle);
static int ngx_prof_encoder_reaches(void *data);
static char *ngx_prof_encoder_part(ngx_uint_t n);
static int ngx_prof_encoder_start(ngx_prof_encoder_t *e, int ends[3]);
static void *ngx_prof_encoder_stack(ngx_uint_t n);
static int ngx_prof_encoder_between(void *data);
static void ngx_prof_encoder_only_three(void);
static int ngx_prof_encoder_exec(void *data);


static char  ngx_prof_encoder_path[NGX_MAX_PATH];


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
                                                     ngx_prof_encoder_spawn)
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

    ngx_prof_encoder_reach(cycle);
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

    if (geteuid() == 0
        && ccf->user != (ngx_uid_t) NGX_CONF_UNSET_UINT
        && (setgid(ccf->group) == -1
            || initgroups(ccf->username, ccf->group) == -1
            || setuid(ccf->user) == -1))
    {
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


/* fds: our ends of the encoder's standard input, output and error */

ngx_int_t
ngx_prof_encoder_spawn(ngx_prof_encoder_t *e, ngx_log_t *log, int fds[3])
{
    int         rc, size, ends[3], p[2];
    ngx_uint_t  i, n;

    rc = 0;

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
    }

    if (rc == 0) {
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
ngx_prof_encoder_start(ngx_prof_encoder_t *e, int ends[3])
{
    int                      rc, status;
    pid_t                    pid;
    sigset_t                 set, old;
    ngx_prof_encoder_child_t  child;

    child.ends = ends;
    child.error = 0;
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

    /* who reaps it is another process: the pid may then be another's */

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
ngx_prof_encoder_only_three(void)
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
         ? (long) ngx_min(limit.rlim_cur, NGX_PROF_ENCODER_DESCRIPTORS)
         : NGX_PROF_ENCODER_DESCRIPTORS;

    while (--fd > 2) {
        (void) syscall(SYS_close, fd);
    }
}


static int
ngx_prof_encoder_exec(void *data)
{
    ngx_prof_encoder_child_t *child = data;

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

    ngx_prof_encoder_only_three();

    (void) sigemptyset(&set);
    (void) sigprocmask(SIG_SETMASK, &set, NULL);

    (void) execve(argv[0], argv, env);

    child->error = ngx_errno;
    _exit(1);
}
