
/*
 * nginx's own file, where its workers may not read it (mode 0711): the master
 * opens it for them, since names of functions are read from it.
 */


#ifndef _NGX_PROF_PROGRAM_H_INCLUDED_
#define _NGX_PROF_PROGRAM_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* master, at start and reload, before it forks */
void ngx_prof_program_init_module(ngx_cycle_t *cycle);

/*
 * In the child that becomes an encoder: puts the file at a descriptor that
 * execve() keeps; 0: there is none.  Only system calls.
 */
ngx_uint_t ngx_prof_program_keep(int fd);


#endif /* _NGX_PROF_PROGRAM_H_INCLUDED_ */
