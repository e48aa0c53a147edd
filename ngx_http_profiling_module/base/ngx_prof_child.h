
/*
 * What is tried in a child first.  Master, normal context.
 */


#ifndef _NGX_PROF_CHILD_H_INCLUDED_
#define _NGX_PROF_CHILD_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Runs a function in a child with memory of its own, whose end is no signal,
 * and waits for it.  What it returns is the exit code in *status, as
 * waitpid(2) has it.  NGX_ERROR: there is no child, which is logged.
 */
ngx_int_t ngx_prof_child_run(int (*run)(void *data), void *data, int *status,
    ngx_log_t *log);

/* in such a child: takes the user and groups of a worker */
ngx_int_t ngx_prof_child_as_worker(const ngx_core_conf_t *ccf);


#endif /* _NGX_PROF_CHILD_H_INCLUDED_ */
