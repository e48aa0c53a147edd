
/*
 * What may soon be full, by name: connections and descriptors of each worker,
 * accept queues, zones of shared memory; and workers that drain.  Worker,
 * normal context.
 */


#ifndef _NGX_PROF_LIMITS_H_INCLUDED_
#define _NGX_PROF_LIMITS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_listener.h"
#include "ngx_prof_snapshot.h"


typedef enum {
    NGX_PROF_LIMIT_CONNECTIONS = 0,
    NGX_PROF_LIMIT_DESCRIPTORS,
    NGX_PROF_LIMIT_QUEUE,
    NGX_PROF_LIMIT_DROPS,               /* of an accept queue */
    NGX_PROF_LIMIT_ZONE,
    NGX_PROF_LIMIT_DRAIN
} ngx_prof_limit_e;


typedef struct {
    ngx_uint_t               kind;
    ngx_uint_t               level;     /* 0: it is only told, 1 a warning, 2
                                           critical */
    ngx_pid_t                pid;       /* 0: of no worker */
    ngx_str_t                name;      /* of a listener or a zone */
    uint64_t                 used;
    uint64_t                 limit;     /* 0: it has none */
    uint64_t                 since;     /* ns, CLOCK_MONOTONIC */
    const ngx_prof_drain_t  *drain;
} ngx_prof_limit_t;


typedef void (*ngx_prof_limit_pt)(const ngx_prof_limit_t *limit, void *data);

/* calls the handler for each that is nearly full, or drains */
void ngx_prof_limits(ngx_prof_snapshot_t *s, ngx_prof_limit_pt handler,
    void *data);

/* "connections", ... */
const char *ngx_prof_limit_name(ngx_uint_t kind);

/* the sentence for health; returns its end */
u_char *ngx_prof_limit_print(u_char *p, u_char *last,
    const ngx_prof_limit_t *limit, uint64_t clock);

/* "34 s", "2 h": a duration in ns for a sentence; returns its end */
u_char *ngx_prof_limit_duration(u_char *p, u_char *last, uint64_t ns);

/*
 * The name of a listening socket, in at least 2 * NGX_SOCKADDR_STRLEN bytes:
 * its address, and the worker if it is that worker's own.
 */
void ngx_prof_limit_listen(ngx_uint_t i, u_char *buf, ngx_str_t *name);


#endif /* _NGX_PROF_LIMITS_H_INCLUDED_ */
