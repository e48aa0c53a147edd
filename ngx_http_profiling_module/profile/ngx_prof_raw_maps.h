
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

/*
 * For processes that are known by what they have mapped, too: find() returns
 * the number of one that is written, or NGX_DECLINED; add() writes it, with
 * the mappings of the process "mapped", or ours if that one has ended.  pid is
 * 0 if the process has no labels.
 */
ngx_int_t ngx_prof_rawfile_find(ngx_prof_rawfile_t *f, uint64_t image,
    ngx_pid_t pid);
uint32_t ngx_prof_rawfile_add(ngx_prof_rawfile_t *f, uint64_t image,
    ngx_pid_t pid, uint64_t worker, ngx_pid_t mapped);


/*
 * The number of a process that had an image (slot->image) mapped and the labels
 * of a pid, or none if that is 0; slot: where it was.
 */
uint32_t ngx_prof_rawfile_image(ngx_prof_rawfile_t *f,
    const ngx_prof_slot_t *slot, uint64_t image, ngx_pid_t pid,
    uint64_t worker);


/*
 * Master, before it forks: keeps what it has loaded, for stacks of workers that
 * have gone.
 */
void ngx_prof_rawfile_remember(ngx_cycle_t *cycle, ngx_prof_zone_t *zone);


#endif /* _NGX_PROF_RAW_MAPS_H_INCLUDED_ */
