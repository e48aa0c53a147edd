
/*
 * Slices: the time from one event of the loop to the next, and the request
 * that each was for.
 *
 * A slice begins with the request of its event, or with none: on a connection
 * without a request yet, for the module's own timer.  When the worker turns out
 * to work for a request, that request takes the slice over; if another request
 * has the slice already, it ends there and the next one begins.
 *
 * What continues after a request has been logged is charged to its location.
 *
 * Worker's main thread, normal context.
 */


#ifndef _NGX_PROF_SLICE_H_INCLUDED_
#define _NGX_PROF_SLICE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_base.h"
#include "ngx_prof_context.h"
#include "ngx_prof_elapsed.h"
#include "ngx_prof_slow.h"


/* peers by which a request's waits are distinguished */
#define NGX_PROF_SLICE_PEERS  4


/* a peer, by its row + 1, and the time waited for it: ns by step */

typedef struct {
    uint64_t             peer;
    uint64_t             ns[NGX_PROF_PEER_STEPS];
} ngx_prof_waited_t;


/* of a main request, its subrequests included; ns and bytes */

typedef struct {
    uint64_t             cpu;
    uint64_t             loop;
    uint64_t             longest;       /* of the slices */
    uint64_t             blocked;       /* of loop */
    uint64_t             wait;          /* ready, the loop served others */
    uint64_t             held;          /* of wait, by the holder */
    uint64_t             alloc;
    uint32_t             holder;        /* held it up longest: place + 1, 0:
                                           none */

    /* its life until now, from part to part: what slow.h keeps of it */

    uint64_t             begun;         /* ticks of the clock */
    uint64_t             left;          /* ticks: its latest slice ended */
    uint64_t             sent;          /* ticks: the slice had ended in which
                                           bytes went first; 0: none has */
    uint64_t             slow;          /* its number, 0: none */
    uint64_t             parts;

    /* of one in progress: the oldest is the first in the list */

    ngx_queue_t          queue;
    ngx_http_request_t  *request;

    /* not set while there are no parts */

    uint64_t             joined;
    uint64_t             sum[NGX_PROF_PART_KINDS];
    ngx_prof_waited_t    waited[NGX_PROF_SLICE_PEERS];
    ngx_prof_part_t      part[NGX_PROF_SLOW_PARTS];
                                        /* as many as parts are set */
} ngx_prof_cost_t;


/* of a slice; ns and bytes */

typedef struct {
    uint64_t             cpu;
    uint64_t             loop;
    uint64_t             blocked;       /* of loop */
    uint64_t             wait;          /* before it, ready */
    uint64_t             alloc;
} ngx_prof_charge_t;


typedef struct {
    ngx_uint_t           on;            /* events are distinguished */
    ngx_uint_t           charged;       /* and requests have what they take */
    ngx_uint_t           billed;        /* and locations; not set: requests that
                                           begin and end in short slices of one
                                           pass leave nothing */

    /* zero as a slice begins */

    ngx_connection_t    *connection;    /* of nginx's, that the event is of;
                                           NULL: none */
    ngx_http_request_t  *request;       /* main, not logged yet; NULL: none, or
                                           nothing is measured */
    ngx_prof_cost_t     *cost;          /* its; NULL: this is its first slice,
                                           see slice_cost() */
    uint32_t             marked;        /* place + 1 of that request, or of the
                                           one that it is for if nothing is
                                           measured; as the rest: 0: none */
    uint32_t             method;        /* NGX_HTTP_GET .. */
    uint64_t             number;        /* of its connection */
    uint64_t             wait;          /* ns from since to the start */
    uint64_t             held;          /* of these by one slice, at most */
    uint64_t             kind;          /* of the part that ended then */
    ngx_uint_t           owned;         /* it was for a request */
    uint64_t             logged;        /* ticks: when a request was that has
                                           had no slice before; 0: none was */

    uint32_t             holder;        /* as of a cost, of the wait */
    ngx_uint_t           counter;       /* of a request that was logged in it,
                                           see conf.h; NGX_PROF_NO_COUNTER:
                                           none was */

    uint64_t             start;         /* ngx_prof_loop_ticks() */
    uint64_t             blocked;       /* ns, as it was then */
    uint64_t             alloc;         /* bytes, likewise */
    uint64_t             since;         /* ticks: the event was ready */
    uint64_t             pass;          /* ticks: when the pass began */
    uint64_t             longest;       /* ns, of its slices that are over */
    uint64_t             longest_start; /* when that one began */
    uint32_t             longest_by;    /* place + 1, number and method */
    uint32_t             longest_method;
    uint64_t             longest_number;

    ngx_uint_t           late;          /* a slice before has held others up,
                                           that the loop has not come to */
} ngx_prof_slice_t;


#define NGX_PROF_NO_COUNTER  ((ngx_uint_t) -1)


extern ngx_prof_slice_t  ngx_prof_slicing
    NGX_PROF_HIDDEN;


/* ends the slice and begins one of nobody; set by the sampler, a floor above */
extern void (*ngx_prof_slice_cut)(void)
    NGX_PROF_HIDDEN;

/*
 * Keeps a request that is being logged if it was slow; set by the sampler, too.
 * It is not called for a request shorter than slice_least, the lowest bound of
 * any location, in ticks.
 */
extern void (*ngx_prof_slice_slow)(ngx_http_request_t *r)
    NGX_PROF_HIDDEN;
extern uint64_t  ngx_prof_slice_least
    NGX_PROF_HIDDEN;

/* a request that has had slices before is being logged; likewise */
extern void (*ngx_prof_slice_over)(ngx_http_request_t *r)
    NGX_PROF_HIDDEN;


/*
 * Ticks from which on a slice is long where requests are watched only; what
 * the samplers count of the main thread, see heap.h: bytes + drawn - gap.
 */
extern uint64_t  ngx_prof_slice_long
    NGX_PROF_HIDDEN;

typedef struct {
    const uint64_t      *blocked;
    const uint64_t      *bytes;
    const uint64_t      *drawn;
    const uint64_t      *gap;
} ngx_prof_slice_counts_t;

extern ngx_prof_slice_counts_t  ngx_prof_slice_counts
    NGX_PROF_HIDDEN;


/* costs of the main requests in progress, by their queues */
extern ngx_queue_t  ngx_prof_slice_living
    NGX_PROF_HIDDEN;

/* what nginx sets for the logs of its clients' connections */
extern ngx_log_handler_pt  ngx_prof_slice_handler
    NGX_PROF_HIDDEN;


/* worker, before its first slice */
void ngx_prof_slice_init(void);

/* slow path of slice_for() */
void ngx_prof_slice_take(ngx_http_request_t *r);

/* the present slice is for a main request, that has its wait, too */
void ngx_prof_slice_own(ngx_http_request_t *r);

/* the present slice ends: keeps the cost of a request in progress */
void ngx_prof_slice_keep(void);

/* since its latest slice a request waits for something of a kind: until then */
void ngx_prof_slice_waits(ngx_prof_cost_t *cost, ngx_uint_t kind,
    uint64_t until);

/* the parts that the slice is: its wait, and the loop until then, in ticks */
void ngx_prof_slice_ran(ngx_prof_cost_t *cost, uint64_t until);

/*
 * The slice's event has no request that is known: it may be the latest one,
 * that has begun in it.
 */
void ngx_prof_slice_latest(void);

/*
 * Where requests are watched only, a slice is of nobody until it matters: the
 * request that has begun in it goes on, or it is long.
 */
void ngx_prof_slice_settle(void);

/* a request begins where the slice is another's, or is a stream */
void ngx_prof_slice_enter(ngx_http_request_t *r, ngx_uint_t stream);

/* a request is being logged, which matters; now: ticks of the clock */
void ngx_prof_slice_end(ngx_http_request_t *r, uint64_t now);

/* slow path of slice_cost() */
ngx_prof_cost_t *ngx_prof_slice_begin(void);


/* a request is being logged, see slice_at_once(); now: ticks of the clock */
void ngx_prof_slice_logged(ngx_http_request_t *r, uint64_t now);


/* a request is being worked for, and what it costs is measured */

static ngx_inline void
ngx_prof_slice_for(ngx_http_request_t *r)
{
    if (ngx_prof_slicing.request != r->main) {
        ngx_prof_slice_take(r->main);
    }
}


/* a main request that has just begun, in a slice of nobody, as most do */

static ngx_inline ngx_uint_t
ngx_prof_slice_is_new(const ngx_http_request_t *r)
{
    ngx_prof_slice_t  *s;

    s = &ngx_prof_slicing;

    /* the handler is known only where it is charged */

    return s->request == NULL
           && s->counter == NGX_PROF_NO_COUNTER
           && r == r->main
           && r->pool->cleanup == NULL
           && ngx_prof_slice_handler;
}


/* who the slice is for: once the request has ended nothing else tells it */

static ngx_inline void
ngx_prof_slice_note(const ngx_http_request_t *r)
{
    ngx_prof_slice_t  *s;

    s = &ngx_prof_slicing;

    s->marked = (uint32_t) ngx_prof_context_location(r)->marked;
    s->number = r->connection->number;
    s->method = (uint32_t) r->method;
}


/* what the request of the slice has cost before it; most have no slice more */

static ngx_inline ngx_prof_cost_t *
ngx_prof_slice_cost(void)
{
    return ngx_prof_slicing.cost ? ngx_prof_slicing.cost
                                 : ngx_prof_slice_begin();
}


/*
 * A request is being logged in the slice in which it began, as most are, and is
 * not slow; now: ticks of the clock.
 */

static ngx_inline ngx_uint_t
ngx_prof_slice_at_once(const ngx_http_request_t *r, uint64_t now)
{
    ngx_prof_slice_t  *s;

    s = &ngx_prof_slicing;

    return s->request == r
           && s->cost == NULL
           && now - s->since < ngx_prof_slice_least;
}


static ngx_inline void
ngx_prof_slice_leave(const ngx_http_request_t *r, uint64_t logged)
{
    ngx_prof_slice_t  *s;

    s = &ngx_prof_slicing;

    ngx_prof_slice_note(r);

    s->counter = ngx_prof_context_location(r)->counter;
    s->logged = logged;
    s->request = NULL;
    s->cost = NULL;
}


/* requests are watched only: most begin where the slice is nobody's */

static ngx_inline ngx_uint_t
ngx_prof_slice_is_free(void)
{
    return ngx_prof_latest.request == 0 && !ngx_prof_slicing.owned;
}


/*
 * The same: most are logged in the short slice in which they began.  What
 * follows is the next slice.
 */

static ngx_inline ngx_uint_t
ngx_prof_slice_is_short(uint64_t now)
{
    ngx_prof_slice_t  *s;

    s = &ngx_prof_slicing;

    return now - s->start < ngx_prof_slice_long
           && now - s->pass < ngx_prof_slice_least
           && !s->owned;
}


static ngx_inline void
ngx_prof_slice_anew(uint64_t now)
{
    ngx_prof_slice_t         *s;
    ngx_prof_slice_counts_t  *counts;

    s = &ngx_prof_slicing;
    counts = &ngx_prof_slice_counts;

    s->start = now;
    s->blocked = *counts->blocked;
    s->alloc = *counts->bytes + *counts->drawn - *counts->gap;
}


/* the request that a log tells of, NULL: none */

static ngx_inline ngx_http_request_t *
ngx_prof_slice_logs(const ngx_log_t *log)
{
    ngx_http_request_t  *r;
    ngx_http_log_ctx_t  *ctx;

    if (log == NULL
        || log->handler == NULL
        || log->handler != ngx_prof_slice_handler)
    {
        return NULL;
    }

    ctx = log->data;
    r = ctx->request;

    return (r && r->connection->log == log) ? r->main : NULL;
}


#endif /* _NGX_PROF_SLICE_H_INCLUDED_ */
