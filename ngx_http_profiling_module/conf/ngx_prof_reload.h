
/*
 * The start and the reloads of nginx: how long each of their stages took.
 *
 * The master notes when it begins to read a configuration, when it has read it,
 * and when it is in force, and what in between waited for names or read
 * certificates.  The rest is for workers to find.  Records lie in memory that
 * all processes share, and outlive reloads.
 */


#ifndef _NGX_PROF_RELOAD_H_INCLUDED_
#define _NGX_PROF_RELOAD_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* the latest ones that are kept, and names of each */
#define NGX_PROF_RELOADS       16
#define NGX_PROF_RELOAD_NAMES  16
#define NGX_PROF_RELOAD_NAME   100


typedef struct {
    uint64_t    took;           /* ns */
    uint32_t    failed;
    u_char      name[NGX_PROF_RELOAD_NAME];
} ngx_prof_reload_name_t;


/* clocks are of CLOCK_MONOTONIC, in ns; 0: not yet */

typedef struct {
    uint64_t                generation;     /* 0: no record; written last */
    uint64_t                begun;
    uint64_t                read;           /* the configuration was */
    uint64_t                ready;          /* zones and sockets were open */
    uint64_t                forked;         /* the first new worker ran */
    uint64_t                served;         /* a tick of a new worker found
                                               a request that had ended */
    uint64_t                drained;        /* a tick found no older worker */
    uint64_t                resolving;      /* ns */
    uint64_t                certificates;   /* ns */
    uint64_t                memory_before;  /* bytes of the master, 0: not
                                               known */
    uint64_t                memory_after;
    uint64_t                names;          /* that were asked for */
    ngx_prof_reload_name_t  name[NGX_PROF_RELOAD_NAMES];
                                            /* those that took longest */
} ngx_prof_reload_t;


/* master: a configuration is about to be read, and has been read */
void ngx_prof_reload_begin(void);
void ngx_prof_reload_read(void);

/* master: it is in force; calls that wait are watched from now on */
void ngx_prof_reload_ready(ngx_cycle_t *cycle, uint64_t generation);

/* worker, when it starts: the master's hooks are no use to it */
void ngx_prof_reload_init_process(uint64_t generation, ngx_log_t *log);

/* the record of a generation, NULL: it is not kept */
ngx_prof_reload_t *ngx_prof_reload_of(uint64_t generation);


#endif /* _NGX_PROF_RELOAD_H_INCLUDED_ */
