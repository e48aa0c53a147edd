
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <sys/mman.h>
#include "ngx_prof_listener.h"
#include "ngx_prof_base.h"
#include "ngx_prof_record.h"
#include "ngx_prof_shared.h"


/* linux/sock_diag.h, which other headers do not go with: Linux 4.12 */
#ifndef SO_MEMINFO
#define SO_MEMINFO  55
#endif
#define NGX_PROF_MEMINFO_DROPS  8
#define NGX_PROF_MEMINFO_VARS   9

/* sockets that a worker reads at a tick, at least, if it has as many */
#define NGX_PROF_LISTENER_STEP  16

/* of more, the part: two calls for each are 1 us */
#define NGX_PROF_LISTENER_PART  10


typedef struct {
    ngx_prof_listener_t  *row;
    ngx_uint_t            n;
    ngx_uint_t            next;         /* of this worker's share */
} ngx_prof_listeners_t;


static void ngx_prof_listener_read(ngx_uint_t i, uint64_t clock);
static ngx_uint_t ngx_prof_listener_queue(const ngx_listening_t *ls,
    ngx_prof_listener_t *row);


static ngx_prof_listeners_t  ngx_prof_listeners;


void
ngx_prof_listener_init_module(ngx_cycle_t *cycle)
{
    size_t                 size;
    ngx_uint_t             i, k;
    ngx_listening_t       *ls;
    ngx_prof_listener_t   *row;
    ngx_prof_listeners_t  *l;

    l = &ngx_prof_listeners;
    ls = cycle->listening.elts;
    size = ngx_max(cycle->listening.nelts, 1) * sizeof(ngx_prof_listener_t);

    row = ngx_prof_shared(size);

    if (row == NULL) {
        ngx_log_error(NGX_LOG_WARN, cycle->log, ngx_errno,
                      "mmap() of %uz bytes failed, accept queues are not known",
                      size);
    }

    for (i = 0; row && i < cycle->listening.nelts; i++) {
        row[i].fd = (uint64_t) ls[i].fd;
        row[i].state = NGX_PROF_LISTENER_NEVER;

        for (k = 0; k < l->n; k++) {

            /* a socket that is kept has its number still, in the same order */

            if (l->row[(i + k) % l->n].fd == row[i].fd) {
                ngx_prof_copy_words(&row[i], &l->row[(i + k) % l->n],
                                    sizeof(ngx_prof_listener_t));
                break;
            }
        }
    }

    if (l->row) {
        (void) munmap(l->row, ngx_max(l->n, 1) * sizeof(ngx_prof_listener_t));
    }

    l->row = row;
    l->n = row ? cycle->listening.nelts : 0;
    l->next = 0;
}


void
ngx_prof_listener_tick(uint64_t clock)
{
    ngx_uint_t             i, share, step, first, workers;
    ngx_core_conf_t       *ccf;
    ngx_prof_listeners_t  *l;

    l = &ngx_prof_listeners;

    ccf = (ngx_core_conf_t *) ngx_get_conf(ngx_cycle->conf_ctx,
                                           ngx_core_module);
    workers = (ngx_process == NGX_PROCESS_SINGLE || ccf->worker_processes < 1)
              ? 1 : (ngx_uint_t) ccf->worker_processes;
    first = (ngx_process == NGX_PROCESS_SINGLE) ? 0 : ngx_worker;

    if (ngx_exiting || first >= workers || first >= l->n) {
        return;
    }

    share = (l->n - first + workers - 1) / workers;
    step = ngx_max(NGX_PROF_LISTENER_STEP, l->n / NGX_PROF_LISTENER_PART);
    step = ngx_min(step, share);

    for (i = 0; i < step; i++) {

        if (l->next >= share) {
            l->next = 0;
        }

        ngx_prof_listener_read(first + l->next++ * workers, clock);
    }
}


ngx_uint_t
ngx_prof_listener_n(void)
{
    return ngx_min(ngx_prof_listeners.n, ngx_cycle->listening.nelts);
}


void
ngx_prof_listener_get(ngx_uint_t i, uint64_t clock, ngx_prof_listener_t *row)
{
    if (clock && !ngx_exiting) {
        ngx_prof_listener_read(i, clock);
    }

    ngx_prof_copy_words(row, &ngx_prof_listeners.row[i],
                        sizeof(ngx_prof_listener_t));
}


static void
ngx_prof_listener_read(ngx_uint_t i, uint64_t clock)
{
    uint64_t              dropped;
    uint32_t              meminfo[NGX_PROF_MEMINFO_VARS];
    socklen_t             len;
    ngx_uint_t            state, level;
    ngx_listening_t      *ls;
    ngx_prof_listener_t  *row, queue;

    ls = ngx_cycle->listening.elts;
    ls += i;
    row = &ngx_prof_listeners.row[i];

    ngx_memzero(&queue, sizeof(ngx_prof_listener_t));
    state = ngx_prof_listener_queue(ls, &queue);

    ngx_prof_store(&row->state, state);

    if (state != NGX_PROF_LISTENER_READ) {
        return;
    }

    level = ngx_prof_full_level(queue.waiting, queue.limit);

    ngx_prof_store(&row->waiting, queue.waiting);
    ngx_prof_store(&row->limit, queue.limit);
    ngx_prof_store(&row->since,
                   ngx_prof_full_since(ngx_prof_load(&row->since), clock,
                                       level));

    len = sizeof(meminfo);

    if (getsockopt(ls->fd, SOL_SOCKET, SO_MEMINFO, meminfo, &len) == 0
        && len >= sizeof(meminfo))
    {
        dropped = meminfo[NGX_PROF_MEMINFO_DROPS];

        /* what was dropped before it was read first is no news */

        if (ngx_prof_load(&row->counted)
            && dropped > ngx_prof_load(&row->dropped))
        {
            ngx_prof_store(&row->rose, clock);
        }

        ngx_prof_store(&row->dropped, dropped);
        ngx_prof_store(&row->counted, 1);
    }

    ngx_prof_store(&row->clock, clock);
}


static ngx_uint_t
ngx_prof_listener_queue(const ngx_listening_t *ls, ngx_prof_listener_t *row)
{
    socklen_t        len;
    struct tcp_info  info;

    if (ls->fd == (ngx_socket_t) -1) {
        return NGX_PROF_LISTENER_CLOSED;
    }

    if (ls->type != SOCK_STREAM) {
        return NGX_PROF_LISTENER_DATAGRAM;
    }

    if (ls->sockaddr->sa_family == AF_UNIX) {
        return NGX_PROF_LISTENER_UNIX;
    }

    len = sizeof(struct tcp_info);

    if (getsockopt(ls->fd, IPPROTO_TCP, TCP_INFO, &info, &len) == -1
        || len < offsetof(struct tcp_info, tcpi_lost)
        || info.tcpi_state != TCP_LISTEN
        || info.tcpi_sacked == 0)
    {
        return NGX_PROF_LISTENER_KERNEL;
    }

    /* of a socket that listens, the two have a meaning of their own */

    row->waiting = info.tcpi_unacked;
    row->limit = info.tcpi_sacked;

    return NGX_PROF_LISTENER_READ;
}


const char *
ngx_prof_listener_reason(ngx_uint_t state)
{
    switch (state) {

    case NGX_PROF_LISTENER_READ:
        return NULL;

    case NGX_PROF_LISTENER_NEVER:
        return "not known yet: no worker has read it";

    case NGX_PROF_LISTENER_UNIX:
        return "the kernel tells no accept queue by a unix socket";

    case NGX_PROF_LISTENER_DATAGRAM:
        return "a datagram socket has no accept queue";

    case NGX_PROF_LISTENER_CLOSED:
        return "this worker has closed its listening sockets";

    default:
        return "the kernel does not tell accept queues by TCP_INFO";
    }
}


uint64_t
ngx_prof_listener_waited(int fd)
{
    socklen_t        len;
    struct tcp_info  info;

    len = sizeof(struct tcp_info);

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == -1
        || len < offsetof(struct tcp_info, tcpi_pmtu))
    {
        return 0;
    }

    return (uint64_t) info.tcpi_last_ack_recv * NGX_PROF_NSEC_PER_MSEC;
}
