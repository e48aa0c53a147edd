
/*
 * Whether a process, or the owner of a slot, lives, as kill(2) and /proc tell.
 */


#ifndef _NGX_PROF_ALIVE_H_INCLUDED_
#define _NGX_PROF_ALIVE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_slot.h"


/* 1 if a process has this pid, one of another user or a zombie included */
ngx_uint_t ngx_prof_process_exists(ngx_pid_t pid);

/*
 * 1 if the process lives that was started then, see process_start().  A pid
 * that the system has given to another process meanwhile is told by its start
 * time, unless that is 0 or /proc cannot be read.
 */
ngx_uint_t ngx_prof_process_alive(ngx_pid_t pid, uint64_t start);

/* likewise of the slot's owner */
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
