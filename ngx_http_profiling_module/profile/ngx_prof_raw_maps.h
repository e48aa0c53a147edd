
/*
 * Processes and their mappings in raw captures.  Worker, normal context.
 */


#ifndef _NGX_PROF_RAW_MAPS_H_INCLUDED_
#define _NGX_PROF_RAW_MAPS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_raw_file.h"


/*
 * The number of a process, which is written at its first use, with the labels
 * pid and worker; worker: ngx_worker.
 */
uint32_t ngx_prof_rawfile_process(ngx_prof_rawfile_t *f, ngx_pid_t pid,
    uint64_t worker);

/* for callers that number processes themselves: the set of these two labels */
uint32_t ngx_prof_rawfile_worker(ngx_prof_rawfile_t *f, ngx_pid_t pid,
    uint64_t worker);

/* writes the mappings of a process (0: this one) as mapset f->mapsets - 1 */
void ngx_prof_rawfile_maps(ngx_prof_rawfile_t *f, ngx_pid_t pid);


#endif /* _NGX_PROF_RAW_MAPS_H_INCLUDED_ */
