
/* Whether a slot's owner is alive, by kill(2) and /proc. */


#ifndef _NGX_PROF_ALIVE_H_INCLUDED_
#define _NGX_PROF_ALIVE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_slot.h"


/*
 * 1: the slot's owner is alive.  A pid that the system has given to another
 * process is recognized by its start time, if /proc can be read.
 */
ngx_uint_t ngx_prof_slot_alive(const ngx_prof_slot_t *slot);

/*
 * the pid of the slot's living worker if it is the wanted one (0: any), or 0
 */
ngx_pid_t ngx_prof_slot_worker(const ngx_prof_slot_t *slot, ngx_pid_t pid);

/*
 * When a process started, in clock ticks since boot (field 22 of
 * /proc/<pid>/stat, proc(5)), and its state letter.  Returns 0, and a state of
 * 0, if that cannot be read.  state may be NULL.
 */
uint64_t ngx_prof_process_start(ngx_pid_t pid, u_char *state);


#endif /* _NGX_PROF_ALIVE_H_INCLUDED_ */
