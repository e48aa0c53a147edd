
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include "ngx_prof_mark.h"
#include "ngx_prof_base.h"
#include "ngx_prof_clock.h"
#include "ngx_prof_context.h"
#include "ngx_prof_cost.h"
#include "ngx_prof_request.h"
#include "ngx_prof_slice.h"


typedef struct {
    ngx_uint_t                 counted;     /* see clock.h */

    /* of the pass, with marks: the one that comes next, and behind the last */
    const struct epoll_event  *next;
    const struct epoll_event  *last;

    /* marks among events of the kernel, timers and posted events */

    ngx_connection_t           connection;
    ngx_event_t                event;
    ngx_event_t                write;
    ngx_event_t                timer;
    ngx_event_t                posted;
} ngx_prof_marks_t;


static ngx_uint_t ngx_prof_mark_idle(const struct epoll_event *events,
    ngx_int_t n);
static void ngx_prof_mark_event(ngx_event_t *ev);
static void ngx_prof_mark_timer(ngx_event_t *ev);
static void ngx_prof_mark_posted(ngx_event_t *ev);
static uint64_t ngx_prof_mark_next(void);
static uint64_t ngx_prof_mark_clock(void) __attribute__((noinline));
static void ngx_prof_mark_kernel(uint64_t now);
static void ngx_prof_mark_late(ngx_connection_t *c, ngx_uint_t events,
    uint64_t now) __attribute__((noinline));
static ngx_inline void ngx_prof_mark_of(ngx_connection_t *c,
    ngx_uint_t events);
static void ngx_prof_mark_waited(ngx_connection_t *c, ngx_uint_t reads);
static uint64_t ngx_prof_mark_ready(const ngx_connection_t *c, uint64_t now)
    __attribute__((noinline));
static void ngx_prof_mark_timers(uint64_t now);
static void ngx_prof_mark_due(ngx_event_t *ev, uint64_t now)
    __attribute__((noinline));
static void ngx_prof_mark_post(void);
static ngx_inline void ngx_prof_mark_own(const ngx_log_t *log);


static ngx_prof_marks_t  ngx_prof_marks;


void
ngx_prof_mark_init(ngx_cycle_t *cycle)
{
    ngx_uint_t         i;
    ngx_event_t       *ev[4];
    ngx_prof_marks_t  *m;

    m = &ngx_prof_marks;

    ngx_memzero(m, sizeof(ngx_prof_marks_t));

    m->counted = ngx_prof_clock_counted();

    ev[0] = &m->event;
    ev[1] = &m->write;
    ev[2] = &m->timer;
    ev[3] = &m->posted;

    for (i = 0; i < 4; i++) {
        ev[i]->data = &m->connection;
        ev[i]->log = cycle->log;
        ev[i]->handler = ngx_prof_mark_event;
        ev[i]->cancelable = 1;
    }

    m->event.active = 1;
    m->timer.handler = ngx_prof_mark_timer;
    m->posted.handler = ngx_prof_mark_posted;

    m->connection.read = &m->event;
    m->connection.write = &m->write;
    m->connection.log = cycle->log;
}


int
ngx_prof_mark_room(int n)
{
    return (n > 1) ? n / 2 : n;
}


int
ngx_prof_mark_pass(struct epoll_event *events, int rc, int n, uint64_t then,
    uint64_t now)
{
    int                 i;
    struct epoll_event  mark;
    ngx_prof_marks_t   *m;

    m = &ngx_prof_marks;

    m->next = events;
    m->last = events;

    ngx_prof_cost_pass(then, now);

    if (rc < 0) {
        return rc;
    }

    if (n < 2 || ngx_accept_mutex_held) {

        /* events are posted, behind this one */

        if (ngx_accept_mutex_held) {
            ngx_prof_mark_post();
        }

        return rc;
    }

    mark.events = EPOLLIN;
    mark.data.ptr = &m->connection;

    if (rc == 0) {
        events[0] = mark;
        return 1;
    }

    if (!ngx_prof_cost_each() && ngx_prof_mark_idle(events, rc)) {
        events[rc] = mark;
        return rc + 1;
    }

    for (i = rc; i-- > 0; /* void */ ) {
        events[2 * i + 1] = mark;
        events[2 * i] = events[i];
    }

    m->last = events + 2 * rc;

    ngx_prof_mark_kernel(now);

    return 2 * rc;
}


/* each is of a connection that has no request, and waits for its next one */

static ngx_uint_t
ngx_prof_mark_idle(const struct epoll_event *events, ngx_int_t n)
{
    ngx_int_t          i;
    ngx_connection_t  *c;

    for (i = 0; i < n; i++) {
        c = (ngx_connection_t *) ((uintptr_t) events[i].data.ptr
                                  & ~(uintptr_t) 1);

        if (!c->idle) {
            return 0;
        }
    }

    return 1;
}


void
ngx_prof_mark_end(uint64_t now)
{
    ngx_prof_marks_t  *m;

    m = &ngx_prof_marks;

    (void) ngx_prof_cost_next(now);

    /* nginx has not come to them */

    if (m->timer.timer_set) {
        ngx_rbtree_delete(&ngx_event_timer_rbtree, &m->timer.timer);
        m->timer.timer_set = 0;
    }

    if (m->posted.posted) {
        ngx_delete_posted_event(&m->posted);
    }
}


/* a slice has ended, and the next one begins, of nobody yet */

static uint64_t
ngx_prof_mark_next(void)
{
    uint64_t  now;

    now = ngx_prof_likely(ngx_prof_marks.counted) ? ngx_prof_counter_read()
                                                  : ngx_prof_mark_clock();
    return ngx_prof_cost_next(now);
}


/* kept apart, for it needs a stack */

static uint64_t
ngx_prof_mark_clock(void)
{
    return ngx_prof_clock();
}


/* behind an event of the kernel */

static void
ngx_prof_mark_event(ngx_event_t *ev)
{
    uint64_t  now;

    now = ngx_prof_mark_next();

    if (ngx_prof_marks.next < ngx_prof_marks.last) {
        ngx_prof_mark_kernel(now);
        return;
    }

    ngx_prof_mark_timers(now);
}


/* the slice is that of the next event of the kernel */

static void
ngx_prof_mark_kernel(uint64_t now)
{
    ngx_uint_t         instance, events;
    ngx_connection_t  *c;
    ngx_prof_marks_t  *m;
    ngx_prof_slice_t  *s;

    m = &ngx_prof_marks;

    events = m->next->events;
    c = m->next->data.ptr;
    m->next += 2;

    instance = (uintptr_t) c & 1;
    c = (ngx_connection_t *) ((uintptr_t) c & ~(uintptr_t) 1);

    if (c->fd == (ngx_socket_t) -1 || c->read->instance != instance) {
        return;
    }

    if (ngx_prof_unlikely(!ngx_prof_context_has(c))) {

        /*
         * tasks of thread pools have ended: the next part of a response tells
         * whose, if its request is not taken for the latest one
         */

        if (ngx_prof_latest.request
            && ngx_prof_latest.request != NGX_PROF_NO_REQUEST)
        {
            ngx_prof_request_put_away();
        }

        return;
    }

    s = &ngx_prof_slicing;

    if (ngx_prof_unlikely(s->late)) {
        ngx_prof_mark_late(c, events, now);
        return;
    }

    s->since = s->pass;
    s->wait = ngx_prof_loop_took(m->counted, now - s->pass);
    s->held = s->longest;
    s->holder = s->longest_by;

    ngx_prof_mark_of(c, events);
}


static void
ngx_prof_mark_late(ngx_connection_t *c, ngx_uint_t events, uint64_t now)
{
    ngx_prof_cost_waited(ngx_prof_mark_ready(c, now));
    ngx_prof_mark_of(c, events);
}


/* no request waits for what an idle connection tells */

static ngx_inline void
ngx_prof_mark_of(ngx_connection_t *c, ngx_uint_t events)
{
    if (c->idle) {
        ngx_prof_slicing.connection = c;
        return;
    }

    ngx_prof_mark_waited(c, c->read->active && (events & EPOLLIN));
    ngx_prof_mark_own(c->log);
}


/* what the event of a connection tells its request to have waited for */

static void
ngx_prof_mark_waited(ngx_connection_t *c, ngx_uint_t reads)
{
    ngx_prof_slicing.connection = c;
    ngx_prof_slicing.kind = (c->listening == NULL) ? NGX_PROF_PART_UPSTREAM
                            : reads ? NGX_PROF_PART_CLIENT
                            : NGX_PROF_PART_SENDING;
}


static ngx_inline void
ngx_prof_mark_own(const ngx_log_t *log)
{
    ngx_http_request_t  *r;

    r = ngx_prof_slice_logs(log);

    if (r) {
        ngx_prof_slice_own(r);
    }
}


/*
 * The kernel tells when a connection had data last, to its own tick: since the
 * loop is late, or it would have been reported at once, before this pass.
 */

static uint64_t
ngx_prof_mark_ready(const ngx_connection_t *c, uint64_t now)
{
    uint64_t           age, late, ns;
    socklen_t          len;
    struct tcp_info    ti;
    ngx_prof_marks_t  *m;

    m = &ngx_prof_marks;

    len = sizeof(struct tcp_info);

    if (c->read->accept
        || !c->read->active
        || getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &ti, &len) == -1)
    {
        return ngx_prof_slicing.pass;
    }

    ns = (uint64_t) ti.tcpi_last_data_recv * NGX_PROF_NSEC_PER_MSEC;
    age = ngx_prof_loop_took(m->counted, now - ngx_prof_slicing.pass);

    if (ns <= age) {
        return ngx_prof_slicing.pass;
    }

    late = ngx_prof_cost_late();
    age = ngx_prof_loop_took(m->counted, now - late);

    return (ns >= age) ? late
                       : now - (uint64_t) ((double) (now - late) * ns / age);
}


/* behind the events of the kernel: timers that are due, then what is posted */

static void
ngx_prof_mark_timers(uint64_t now)
{
    ngx_event_t        *ev;
    ngx_rbtree_node_t  *node, *sentinel;

    sentinel = ngx_event_timer_rbtree.sentinel;

    if (ngx_event_timer_rbtree.root != sentinel) {
        node = ngx_rbtree_min(ngx_event_timer_rbtree.root, sentinel);

        if ((ngx_msec_int_t) (node->key - ngx_current_msec) <= 0) {
            ev = ngx_rbtree_data(node, ngx_event_t, timer);
            ngx_prof_mark_due(ev, now);
            return;
        }
    }

    if (!ngx_queue_empty(&ngx_posted_events)) {
        ngx_prof_mark_post();
    }
}


/*
 * The slice is that of the timer that comes next.  Its key is made less, which
 * leaves the tree in order, so that ours, with the same key, comes behind it
 * and before all others.
 */

static void
ngx_prof_mark_due(ngx_event_t *ev, uint64_t now)
{
    uint64_t           since, ticks;
    ngx_event_t       *mark;
    ngx_connection_t  *c;
    ngx_prof_marks_t  *m;

    m = &ngx_prof_marks;
    mark = &m->timer;

    since = ngx_prof_slicing.late ? ngx_prof_cost_late()
                                  : ngx_prof_slicing.pass;
    ticks = ngx_prof_loop_span(m->counted,
                               (uint64_t) (ngx_current_msec - ev->timer.key)
                               * NGX_PROF_NSEC_PER_MSEC);

    ngx_prof_cost_waited(now - ngx_min(ticks, now - since));
    ngx_prof_slicing.kind = NGX_PROF_PART_TIMER;

    /* a timer that guards against an idle peer: the wait was for that peer */

    c = ev->data;

    if (!ev->delayed
        && ngx_prof_context_has(c)
        && (c->read == ev || c->write == ev))
    {
        ngx_prof_mark_waited(c, c->read == ev);
    }

    ngx_prof_mark_own(ev->log);

    ev->timer.key--;

    mark->timer.key = ev->timer.key;
    mark->timer_set = 1;

    ngx_rbtree_insert(&ngx_event_timer_rbtree, &mark->timer);
}


static void
ngx_prof_mark_timer(ngx_event_t *ev)
{
    ngx_prof_mark_timers(ngx_prof_mark_next());
}


/* before all that is posted */

static void
ngx_prof_mark_post(void)
{
    ngx_event_t  *mark;

    mark = &ngx_prof_marks.posted;

    mark->posted = 1;
    ngx_queue_insert_head(&ngx_posted_events, &mark->queue);
}


static void
ngx_prof_mark_posted(ngx_event_t *mark)
{
    ngx_queue_t  *q;
    ngx_event_t  *ev;

    (void) ngx_prof_mark_next();

    if (ngx_queue_empty(&ngx_posted_events)) {
        return;
    }

    q = ngx_queue_head(&ngx_posted_events);
    ev = ngx_queue_data(q, ngx_event_t, queue);

    ngx_prof_mark_own(ev->log);

    mark->posted = 1;
    ngx_queue_insert_after(q, &mark->queue);
}
