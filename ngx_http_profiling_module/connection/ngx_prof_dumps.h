
/*
 * Dumps of all workers, collected by the worker that asks: it wakes every
 * worker, each writes its connections to the zone, and they are copied from
 * there.  A worker that does not begin within 200 ms is stuck in a handler: its
 * native stack is reported in place of its connections, as the worker left it
 * at a tick of its timer, or as it is read from outside.  Every wait has a
 * deadline.  Worker, normal context.
 */


#ifndef _NGX_PROF_DUMPS_H_INCLUDED_
#define _NGX_PROF_DUMPS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_prof_ask.h"
#include "ngx_prof_dump_area.h"


/*
 * ms from the request on: to begin; to leave the stack as well; to begin, for
 * a worker that is not in a handler; to end a dump that was begun
 */
#define NGX_PROF_DUMPS_BEGIN   200
#define NGX_PROF_DUMPS_STACK   600
#define NGX_PROF_DUMPS_TURN    2000
#define NGX_PROF_DUMPS_END     10000


/* details, which follow it; their groups are the worker's */

typedef struct ngx_prof_dump_page_s  ngx_prof_dump_page_t;

struct ngx_prof_dump_page_s {
    size_t                  used;
    ngx_prof_dump_page_t   *next;
};


/* a worker */

typedef struct {
    ngx_prof_asked_t        asked;                  /* number 0: an old one
                                                       will do; STUCK: native
                                                       is its stack */
    ngx_prof_dump_area_t   *area;
    uint64_t                worker;                 /* ngx_worker */
    uint64_t                generation;
    uint64_t                stack_asked;            /* 0: it was not */

    /* answered; groups of parts count nothing */
    ngx_prof_dump_copy_t    head;
    ngx_prof_dump_group_t  *groups;
    ngx_prof_dump_page_t   *pages;

    /* being copied: the whole dump, then parts of it */
    ngx_int_t               copy;                   /* NGX_DECLINED: none */
    size_t                  copied;
    ngx_prof_dump_copy_t    part;
    ngx_prof_dump_group_t  *part_groups;
    ngx_prof_dump_page_t   *page;
    ngx_prof_dump_page_t  **last;
    uint64_t                part_asked;             /* clock */

    /* not answered */
    ngx_prof_dump_native_t  native;
    uint64_t                since;                  /* ns, length of the
                                                       pause, if stuck */
    uint64_t                connections; /* at its latest tick */
} ngx_prof_worker_dump_t;


typedef struct {
    ngx_prof_ask_t           ask;                   /* of worker_dump_t */
    uint64_t                 time;                  /* ms since the epoch */
    ngx_uint_t               limit;                 /* details */
    ngx_uint_t               details;               /* copied so far */
    ngx_msec_t               age;
} ngx_prof_dumps_t;


/*
 * Asks one worker or (0) all for their connections, with up to limit details,
 * however small the areas of the workers are; dumps of at most age ms will do.
 * done is called once, later, unless the pool is destroyed first.  NULL: out of
 * memory, or the zone has no room for dumps.
 */
ngx_prof_dumps_t *ngx_prof_dumps_request(ngx_pool_t *pool, ngx_log_t *log,
    ngx_pid_t worker, ngx_uint_t limit, ngx_msec_t age,
    void (*done)(void *data), void *data);

/* number of connections of a worker, as far as known */
uint64_t ngx_prof_dumps_count(const ngx_prof_worker_dump_t *w);


#endif /* _NGX_PROF_DUMPS_H_INCLUDED_ */
