
/*
 * What the system says of this process: memory, threads and descriptors from
 * /proc, CPU time and faults from getrusage(2).  Worker, normal context.
 */


#ifndef _NGX_PROF_PROC_H_INCLUDED_
#define _NGX_PROF_PROC_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_slot.h"


/*
 * Fills anonymous, shared, files, stack_main, threads and descriptors of g,
 * and adds what cannot be read to g->unavailable.  Anonymous memory and
 * descriptors are current; the others cost ten times as much, change slowly,
 * and are read at every eighth call.
 */
void ngx_prof_system_memory(ngx_prof_gauges_t *g);

/* anonymous resident bytes as of now, 0: unknown */
uint64_t ngx_prof_system_anonymous(void);

/*
 * Of the anonymous bytes the part of this process: a page that n processes
 * share counts by 1/n.  NGX_DECLINED: the kernel does not tell (Linux 5.9).
 * The cost goes by the pages that are resident.
 */
ngx_int_t ngx_prof_system_part(uint64_t *part);

/* CPU time, context switches and faults of this process since its start */
void ngx_prof_system_usage(ngx_prof_totals_t *t);

/*
 * CPU time in us of the processes that this one has waited for, and that these
 * have.  Any process, signal handlers as well; 0 where a filter bars the call.
 */
void ngx_prof_system_children(uint64_t *user, uint64_t *system);

/*
 * What anyone may know of a process: CPU time in us, and resident bytes that
 * it shares with no file.  NGX_ERROR: it cannot be known.
 */
ngx_int_t ngx_prof_proc_spent(ngx_pid_t pid, uint64_t *user, uint64_t *system);
ngx_int_t ngx_prof_proc_held(ngx_pid_t pid, uint64_t *bytes);

/* its descriptors; 0: they cannot be known, as before Linux 6.2 */
uint64_t ngx_prof_proc_descriptors(ngx_pid_t pid);

/*
 * The mapping that has an address, from /proc/self/maps.  NGX_ERROR: there is
 * none, or it cannot be known.
 */
ngx_int_t ngx_prof_proc_mapping(uintptr_t addr, uintptr_t *start,
    uintptr_t *end);

/* resident bytes of n pages; NGX_ERROR: it cannot be known */
ngx_int_t ngx_prof_proc_resident(uintptr_t start, size_t n,
    uint64_t *resident);

/*
 * The state letter of a process from /proc (R, S, D, T, ...), 0: it cannot
 * be known.
 */
u_char ngx_prof_system_state(ngx_pid_t pid);

/*
 * The memory that the server may use, in bytes: the smallest limit of its
 * cgroups (v2 or v1), or else the machine's memory.
 */
uint64_t ngx_prof_memory_limit(void);

/*
 * Processes that the kernel has killed for want of memory so far, + 1: those
 * of this process's cgroup, or of the machine.  0: it cannot be known.
 */
uint64_t ngx_prof_memory_kills(void);


#endif /* _NGX_PROF_PROC_H_INCLUDED_ */
