
#include <ngx_config.h>
#include <ngx_core.h>
#include <sys/wait.h>
#include "ngx_prof_program.h"
#include "ngx_prof_child.h"


static int ngx_prof_program_readable(void *data);


static int  ngx_prof_program = -1;


void
ngx_prof_program_init_module(ngx_cycle_t *cycle)
{
    int               status;
    ngx_core_conf_t  *ccf;

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    if (ngx_prof_program != -1
        || ngx_prof_child_run(ngx_prof_program_readable, ccf, &status,
                              cycle->log)
           != NGX_OK
        || !WIFEXITED(status)
        || WEXITSTATUS(status) == 0)
    {
        return;
    }

    ngx_prof_program = open("/proc/self/exe", O_RDONLY|O_CLOEXEC);

    if (ngx_prof_program == -1) {
        ngx_log_error(NGX_LOG_WARN, cycle->log, ngx_errno,
                      "the workers cannot read nginx's own file, profiles have "
                      "no names of its functions");
    }
}


/* in a child, as a worker; 0: it can */

static int
ngx_prof_program_readable(void *data)
{
    ngx_core_conf_t *ccf = data;

    if (ngx_prof_child_as_worker(ccf) != NGX_OK) {
        return 0;
    }

    return open("/proc/self/exe", O_RDONLY|O_CLOEXEC) == -1
           && ngx_errno == NGX_EACCES;
}


ngx_uint_t
ngx_prof_program_keep(int fd)
{
    if (ngx_prof_program == -1) {
        return 0;
    }

    /* where it is there already, dup2() would leave it as it is */

    if (ngx_prof_program == fd) {
        return fcntl(fd, F_SETFD, 0) != -1;
    }

    return dup2(ngx_prof_program, fd) != -1;
}
