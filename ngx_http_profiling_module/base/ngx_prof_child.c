
#include <ngx_config.h>
#include <ngx_core.h>
#include <sched.h>
#include <sys/wait.h>
#include "ngx_prof_child.h"


/* bytes of the child's stack */
#define NGX_PROF_CHILD_STACK  65536


/*
 * Not as vfork() does it: old kernels kill all who share the memory of one
 * that a signal ends with a core.
 */

ngx_int_t
ngx_prof_child_run(int (*run)(void *data), void *data, int *status,
    ngx_log_t *log)
{
    pid_t  pid;

    static u_char  stack[NGX_PROF_CHILD_STACK] __attribute__((aligned(16)));

    pid = clone(run, stack + NGX_PROF_CHILD_STACK, 0, data);

    if (pid == -1) {
        ngx_log_error(NGX_LOG_ALERT, log, ngx_errno, "clone() failed");
        return NGX_ERROR;
    }

    while (waitpid(pid, status, __WCLONE) == -1) {

        if (ngx_errno != NGX_EINTR) {
            ngx_log_error(NGX_LOG_ALERT, log, ngx_errno, "waitpid() failed");
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_prof_child_as_worker(const ngx_core_conf_t *ccf)
{
    if (geteuid() == 0
        && ccf->user != (ngx_uid_t) NGX_CONF_UNSET_UINT
        && (setgid(ccf->group) == -1
            || initgroups(ccf->username, ccf->group) == -1
            || setuid(ccf->user) == -1))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}
