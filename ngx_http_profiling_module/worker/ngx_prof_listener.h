
/*
 * Accept queues: what the kernel says of each listening socket.
 *
 * One row a socket, with nginx's indices, in memory that all workers of a
 * generation share.  Each worker reads its share of the sockets at its ticks,
 * so that a row says since when a queue is filling.  Rows are made by the
 * master, which carries on what it knew of sockets that a reload keeps.
 */


#ifndef _NGX_PROF_LISTENER_H_INCLUDED_
#define _NGX_PROF_LISTENER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* percent of a limit: a warning from the first on, urgent from the second */
#define NGX_PROF_FULL_WARNING   75
#define NGX_PROF_FULL_CRITICAL  90


typedef enum {
    NGX_PROF_LISTENER_READ = 0,
    NGX_PROF_LISTENER_NEVER,            /* no worker has read it yet */
    NGX_PROF_LISTENER_UNIX,
    NGX_PROF_LISTENER_DATAGRAM,
    NGX_PROF_LISTENER_KERNEL,
    NGX_PROF_LISTENER_CLOSED
} ngx_prof_listener_e;


/* words, written by any worker that reads the socket */

typedef struct {
    uint64_t  fd;               /* by the master */
    uint64_t  clock;            /* ns, CLOCK_MONOTONIC: read last; 0: never */
    uint64_t  state;            /* ngx_prof_listener_e */
    uint64_t  waiting;          /* connections to be accepted */
    uint64_t  limit;
    uint64_t  since;            /* ns: filled from then on, 0: it is not */
    uint64_t  counted;          /* 1: dropped is known */
    uint64_t  dropped;          /* since the socket was made */
    uint64_t  rose;             /* ns: when dropped was found to be more than
                                   before, 0: never */
} ngx_prof_listener_t;


/* 0, 1 from the warning on, 2 from the critical share on */

static ngx_inline ngx_uint_t
ngx_prof_full_level(uint64_t used, uint64_t limit)
{
    return limit == 0 ? 0
           : used >= (limit * NGX_PROF_FULL_CRITICAL + 99) / 100 ? 2
           : used >= (limit * NGX_PROF_FULL_WARNING + 99) / 100 ? 1 : 0;
}


/* when it began to be so, ns; 0: it is not */

static ngx_inline uint64_t
ngx_prof_full_since(uint64_t since, uint64_t clock, ngx_uint_t level)
{
    return level == 0 ? 0 : since ? since : clock;
}


/* master, at each start and reload */
void ngx_prof_listener_init_module(ngx_cycle_t *cycle);

/* worker, at each tick: its share, with a bound */
void ngx_prof_listener_tick(uint64_t clock);

/* rows, one for each of nginx's listening sockets, or 0 */
ngx_uint_t ngx_prof_listener_n(void);

/* up to so many, an answer reads the sockets themselves */
#define NGX_PROF_LISTENERS_READ  64

/*
 * Worker: reads a socket as it is now into its row, unless clock is 0, and
 * copies the row
 */
void ngx_prof_listener_get(ngx_uint_t i, uint64_t clock,
    ngx_prof_listener_t *row);

/* why a state is not READ */
const char *ngx_prof_listener_reason(ngx_uint_t state);

/*
 * ns since the last packet came from the client of a connection, right after
 * it was accepted: it has waited for no less; 0: not known.
 */
uint64_t ngx_prof_listener_waited(int fd);


#endif /* _NGX_PROF_LISTENER_H_INCLUDED_ */
