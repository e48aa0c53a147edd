
/*
 * The stacks in which workers have died, as a raw capture.  Worker, normal
 * context.
 */


#ifndef _NGX_PROF_DEATH_PROFILE_H_INCLUDED_
#define _NGX_PROF_DEATH_PROFILE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_raw_file.h"


typedef struct {
    ngx_prof_rawfile_t  *file;
    ngx_pid_t            worker;                /* 0: all */
    ngx_uint_t           next;                  /* report */
    uint32_t             process;
    uint32_t             key_signal;            /* strings */
} ngx_prof_death_raw_t;


/* NULL: out of memory */
ngx_prof_death_raw_t *ngx_prof_death_raw_create(ngx_pool_t *pool,
    ngx_uint_t output, ngx_pid_t worker);

/* NGX_AGAIN; NGX_DONE: raw->file->text is complete; NGX_ERROR: no memory */
ngx_int_t ngx_prof_death_raw_step(ngx_prof_death_raw_t *raw);


#endif /* _NGX_PROF_DEATH_PROFILE_H_INCLUDED_ */
