
/*
 * System calls that nginx itself does not make, and that a filter (seccomp(2))
 * may answer by killing the process.  Where a filter is in force, the master
 * has each made once in a child before any worker makes it.
 */


#ifndef _NGX_PROF_BARRED_H_INCLUDED_
#define _NGX_PROF_BARRED_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_PROF_BARRED_TIMER     0x01    /* timers that send a signal */
#define NGX_PROF_BARRED_TIMERFD   0x02
#define NGX_PROF_BARRED_CLOCK     0x04    /* the CPU clock of a thread */
#define NGX_PROF_BARRED_USAGE     0x08    /* getrusage() */
#define NGX_PROF_BARRED_AFFINITY  0x10    /* in pthread_getattr_np() */
#define NGX_PROF_BARRED_PEER      0x20    /* getpeername() */
#define NGX_PROF_BARRED_ADVICE    0x40    /* madvise(), malloc_trim() too */
#define NGX_PROF_BARRED_RANGE     0x80    /* close_range() */
#define NGX_PROF_BARRED_CRASH     0x100   /* sigaltstack(), and signals that
                                             are sent again */
#define NGX_PROF_BARRED_MEMORY    0x200   /* memfd_create() */


/* master, before it forks; the first time only */
void ngx_prof_barred_init(ngx_log_t *log);

/* any process: whether a call would kill it */
ngx_uint_t ngx_prof_barred(ngx_uint_t call);


#endif /* _NGX_PROF_BARRED_H_INCLUDED_ */
