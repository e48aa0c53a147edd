
/*
 * Processes and their mappings in raw captures.  Worker, normal context.
 */


#ifndef _NGX_PROF_RAW_MAPS_H_INCLUDED_
#define _NGX_PROF_RAW_MAPS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_raw_file.h"


/*
 * The number of a process, which is written with the labels pid and worker
 * when it is first met; worker: ngx_worker.
 */
uint32_t ngx_prof_rawfile_process(ngx_prof_rawfile_t *f, ngx_pid_t pid,
    uint64_t worker);

/* for those who number processes themselves: the set of these two labels */
uint32_t ngx_prof_rawfile_worker(ngx_prof_rawfile_t *f, ngx_pid_t pid,
    uint64_t worker);

/* the mappings of a process, 0: ours; they are mapset f->mapsets - 1 */
void ngx_prof_rawfile_maps(ngx_prof_rawfile_t *f, ngx_pid_t pid);


#endif /* _NGX_PROF_RAW_MAPS_H_INCLUDED_ */
