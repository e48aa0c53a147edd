
/*
 * A file in memory, in which encoders keep what they learn of the files that
 * functions are of.  The master makes it and has it as long as nginx runs.
 */


#ifndef _NGX_PROF_KEPT_H_INCLUDED_
#define _NGX_PROF_KEPT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* master, at start and reload, before it forks */
void ngx_prof_kept_init_module(ngx_log_t *log);

/*
 * In the child that becomes an encoder: puts the file at a descriptor that
 * execve() keeps; 0: there is none.  Only system calls.
 */
ngx_uint_t ngx_prof_kept_keep(int fd);


#endif /* _NGX_PROF_KEPT_H_INCLUDED_ */
