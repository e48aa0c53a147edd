
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_master.h"
#include "ngx_prof_alive.h"


ngx_pid_t
ngx_prof_master(void)
{
    return (ngx_process == NGX_PROCESS_SINGLE) ? ngx_pid : ngx_parent;
}


/* the old master keeps its pid in a file of its own as long as it lives */

ngx_uint_t
ngx_prof_master_another(void)
{
    int               fd;
    char              text[NGX_INT64_LEN + 2];
    ssize_t           n;
    ngx_pid_t         pid;
    ngx_core_conf_t  *ccf;

    ccf = (ngx_core_conf_t *) ngx_get_conf(ngx_cycle->conf_ctx,
                                           ngx_core_module);

    fd = open((char *) ccf->oldpid.data, O_RDONLY|O_CLOEXEC);
    if (fd == -1) {
        return 0;
    }

    n = read(fd, text, sizeof(text) - 1);
    (void) close(fd);

    text[n > 0 ? n : 0] = '\0';
    pid = (ngx_pid_t) strtol(text, NULL, 10);

    /* a file that a killed master left is none */

    return ngx_prof_process_exists(pid);
}
