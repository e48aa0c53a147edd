
#include <ngx_config.h>
#include <ngx_core.h>
#include <sys/wait.h>
#include "ngx_prof_exits.h"
#include "ngx_prof_base.h"
#include "ngx_prof_deaths.h"
#include "ngx_prof_interpose.h"
#include "ngx_prof_proc.h"


static pid_t ngx_prof_exits_waitpid(pid_t pid, int *status, int options);
static ngx_uint_t ngx_prof_exits_worker(pid_t pid);
static void ngx_prof_exits_cleanup(void *data);


static pid_t (*ngx_prof_waitpid)(pid_t, int *, int);

static ngx_prof_hook_t  ngx_prof_exits_hooks[] = {

    { "waitpid", (void *) ngx_prof_exits_waitpid,
      (void **) &ngx_prof_waitpid,
      NGX_PROF_HOOK_MAIN }
};

ngx_prof_hooks_expected(ngx_prof_exits_hooks)


static ngx_prof_deaths_t  *ngx_prof_exits_deaths;
static ngx_cycle_t        *ngx_prof_exits_cycle;


void
ngx_prof_exits_init_module(ngx_cycle_t *cycle, ngx_prof_zone_t *zone)
{
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(cycle->pool, 0);
    if (cln == NULL) {
        return;
    }

    cln->handler = ngx_prof_exits_cleanup;
    cln->data = cycle;

    ngx_prof_exits_cycle = cycle;
    ngx_prof_exits_deaths = &zone->header->deaths;

    if (ngx_prof_interpose(ngx_prof_exits_hooks, 1, cycle->log) == NGX_ERROR) {
        ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                      "profiling does not see how workers end");
    }
}


void
ngx_prof_exits_init_process(ngx_log_t *log)
{
    ngx_prof_interpose_restore(ngx_prof_exits_hooks, 1, log);
}


static void
ngx_prof_exits_cleanup(void *data)
{
    if (ngx_prof_exits_cycle == data) {
        ngx_prof_exits_cycle = NULL;
        ngx_prof_exits_deaths = NULL;
    }
}


/* nginx calls it in its handler of SIGCHLD */

static pid_t
ngx_prof_exits_waitpid(pid_t pid, int *status, int options)
{
    int              err;
    pid_t            rc;
    uint64_t         user, system;
    ngx_prof_exit_t  e;

    if (ngx_prof_exits_deaths && ngx_process == NGX_PROCESS_MASTER) {
        ngx_prof_system_children(&user, &system);
    }

    rc = ngx_prof_waitpid(pid, status, options);

    if (rc > 0
        && ngx_prof_exits_deaths
        && ngx_process == NGX_PROCESS_MASTER
        && ngx_prof_exits_worker(rc))
    {
        err = errno;

        e.pid = (uint64_t) rc;
        e.status = (uint64_t) (unsigned int) *status;
        e.clock = ngx_prof_clock();

        /* what it has added to the master's children */

        ngx_prof_system_children(&e.user, &e.system);
        e.user -= user;
        e.system -= system;

        ngx_prof_exit_note(ngx_prof_exits_deaths, &e);
        errno = err;
    }

    return rc;
}


static ngx_uint_t
ngx_prof_exits_worker(pid_t pid)
{
    ngx_int_t  i;

    for (i = 0; i < ngx_last_process; i++) {

        if (ngx_processes[i].pid == pid) {
            return ngx_processes[i].name != NULL
                   && ngx_strcmp(ngx_processes[i].name, "worker process") == 0;
        }
    }

    return 0;
}
