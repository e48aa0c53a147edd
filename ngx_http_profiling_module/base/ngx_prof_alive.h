
/*
 * Whether the owner of a slot lives, as kill(2) and /proc tell.
 */


#ifndef _NGX_PROF_ALIVE_H_INCLUDED_
#define _NGX_PROF_ALIVE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_slot.h"


/*
 * 1 if the slot's owner lives.  A pid that the system has given to another
 * process meanwhile is told by its start time, if /proc can be read.
 */
ngx_uint_t ngx_prof_slot_alive(const ngx_prof_slot_t *slot);

/* the pid of its living worker if that is the one asked for (0: any), or 0 */
ngx_pid_t ngx_prof_slot_worker(const ngx_prof_slot_t *slot, ngx_pid_t pid);

/*
 * When a process was started, in clock ticks since the machine's start
 * (field 22 of /proc/<pid>/stat, proc(5)), and its state letter.  0 if that
 * cannot be read; state is then 0.  state may be NULL.
 */
uint64_t ngx_prof_process_start(ngx_pid_t pid, u_char *state);


#endif /* _NGX_PROF_ALIVE_H_INCLUDED_ */
