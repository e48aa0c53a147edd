
#include <ngx_config.h>
#include <ngx_core.h>
#include <sys/syscall.h>
#include "ngx_prof_kept.h"
#include "ngx_prof_barred.h"


/* some fifty files; memory is taken for what is written */
#define NGX_PROF_KEPT_SIZE    (2 * 1024 * 1024)

/* above the descriptors of an encoder, which are set one after the other */
#define NGX_PROF_KEPT_LOWEST  16

/* of memfd_create() and fcntl(), as in Linux: the C library may lack them */

#define NGX_PROF_KEPT_CLOEXEC      0x0001
#define NGX_PROF_KEPT_SEALING      0x0002
#define NGX_PROF_KEPT_NOEXEC       0x0008
#define NGX_PROF_KEPT_ADD_SEALS    1033
#define NGX_PROF_KEPT_SEAL_SEAL    0x0001
#define NGX_PROF_KEPT_SEAL_SHRINK  0x0002
#define NGX_PROF_KEPT_SEAL_GROW    0x0004


static int ngx_prof_kept_create(void);


static int  ngx_prof_kept = -1;


void
ngx_prof_kept_init_module(ngx_log_t *log)
{
    int  fd;

    if (ngx_prof_kept != -1 || ngx_prof_barred(NGX_PROF_BARRED_MEMORY)) {
        return;
    }

    fd = ngx_prof_kept_create();

    if (fd == -1) {
        /* each encoder looks at the files itself */
        return;
    }

    /* workers may not have it grow, nor shrink under who reads it */

    if (ftruncate(fd, NGX_PROF_KEPT_SIZE) == -1
        || fcntl(fd, NGX_PROF_KEPT_ADD_SEALS,
                 NGX_PROF_KEPT_SEAL_SEAL|NGX_PROF_KEPT_SEAL_SHRINK
                 |NGX_PROF_KEPT_SEAL_GROW)
           == -1)
    {
        ngx_log_error(NGX_LOG_WARN, log, ngx_errno,
                      "ftruncate() or fcntl() of a file in memory failed");

    } else {
        ngx_prof_kept = fcntl(fd, F_DUPFD_CLOEXEC, NGX_PROF_KEPT_LOWEST);
    }

    (void) close(fd);
}


/* older kernels do not know a file that cannot be executed */

static int
ngx_prof_kept_create(void)
{
#ifdef SYS_memfd_create

    int  fd;

    static const char  name[] = "nginx profiling names";

    fd = syscall(SYS_memfd_create, name,
                 NGX_PROF_KEPT_CLOEXEC|NGX_PROF_KEPT_SEALING
                 |NGX_PROF_KEPT_NOEXEC);

    return (fd != -1) ? fd
           : syscall(SYS_memfd_create, name,
                     NGX_PROF_KEPT_CLOEXEC|NGX_PROF_KEPT_SEALING);

#else

    return -1;

#endif
}


ngx_uint_t
ngx_prof_kept_keep(int fd)
{
    return ngx_prof_kept != -1 && dup2(ngx_prof_kept, fd) != -1;
}
