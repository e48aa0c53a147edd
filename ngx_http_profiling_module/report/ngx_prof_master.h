
/*
 * The master of the worker that answers.  During a binary upgrade two masters
 * have workers that accept on the same sockets, and answer in turn.
 */


#ifndef _NGX_PROF_MASTER_H_INCLUDED_
#define _NGX_PROF_MASTER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* worker, or the single process itself */
ngx_pid_t ngx_prof_master(void);

/* worker: whether there is another master now */
ngx_uint_t ngx_prof_master_another(void);


#endif /* _NGX_PROF_MASTER_H_INCLUDED_ */
