
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_prof_encode.h"
#include "ngx_prof_base.h"
#include "ngx_prof_meter.h"
#include "ngx_prof_descriptor.h"
#include "ngx_prof_encoder.h"
#include "ngx_prof_job.h"
#include "ngx_prof_pace.h"
#include "ngx_prof_record.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_worker.h"


/* bytes read at once, and bytes kept of the encoder's error messages */
#define NGX_PROF_ENCODE_BUF    65536
#define NGX_PROF_ENCODE_ERROR  256

/*
 * The encoder's last words after a complete answer; between them, the us of
 * CPU time that it took, unless it cannot know.
 */
#define NGX_PROF_ENCODE_WHOLE  "complete"

/*
 * The answer stays in memory until it is complete.  Its limit is LEAST bytes
 * plus a number of bytes for each byte of the capture, up to MOST. The most
 * ever seen is 35 for one, in a trace for Perfetto.
 */
#define NGX_PROF_ENCODE_MOST   536870912
#define NGX_PROF_ENCODE_LEAST  16777216
#define NGX_PROF_ENCODE_RATIO  64


/*
 * That wait for their turn, with those that could run but may not start yet,
 * and more of those that have taken seconds.
 */
#define NGX_PROF_ENCODE_QUEUE     34
#define NGX_PROF_ENCODE_CAPTURES  16

/* ms from one look for a place to the next; the other workers tell nothing */
#define NGX_PROF_ENCODE_LOOK      20

/* since so many waited, and for some ms, those of a busy worker keep a pace */
#define NGX_PROF_ENCODE_CROWD     3
#define NGX_PROF_ENCODE_CROWDED   5000

/* ms that one that has taken seconds waits for that: its client soon leaves */
#define NGX_PROF_ENCODE_HELD      4000


typedef struct {
    ngx_queue_t         queue;
    ngx_uint_t          queued;
    ngx_uint_t          captured;               /* it took seconds */
    ngx_uint_t          held;                   /* by the pace */
    ngx_msec_t          since;                  /* when it was queued */
    ngx_pool_t         *pool;
    ngx_log_t          *log;
    ngx_prof_encode_pt  done;
    void               *data;
    ngx_chain_t        *in;                     /* not yet written */
    ngx_prof_text_t     out;
    size_t              part;                   /* bytes of it that are given
                                                   away, 0: only the whole */
    ngx_uint_t          given;                  /* it is at someone's */
    off_t               total;                  /* bytes of the answer */
    off_t               most;
    u_char              error[NGX_PROF_ENCODE_ERROR];
    size_t              error_len;
    ngx_prof_encoder_t *encoder;                /* NULL: none runs for it */
    ngx_event_t         timer;
    ngx_connection_t    connection;
    ngx_uint_t          finished;
} ngx_prof_encode_t;


static ngx_prof_encode_t *ngx_prof_encode_create(ngx_pool_t *pool,
    ngx_log_t *log);
static ngx_int_t ngx_prof_encode_start(ngx_prof_encode_t *e);
static void ngx_prof_encode_wait(ngx_prof_encode_t *e, ngx_msec_t timer);
static ngx_queue_t *ngx_prof_encode_before(const ngx_prof_encode_t *e);
static void ngx_prof_encode_leave(ngx_prof_encode_t *e);
static ngx_uint_t ngx_prof_encode_may(ngx_prof_encode_t *e);
static void ngx_prof_encode_took(const ngx_prof_encoder_t *encoder);
static void ngx_prof_encode_next(void);
static void ngx_prof_encode_turn(ngx_event_t *ev);
static ngx_int_t ngx_prof_encode_connect(ngx_prof_encode_t *e, ngx_uint_t i,
    int fd);
static void ngx_prof_encode_write(ngx_event_t *ev);
static ngx_int_t ngx_prof_encode_write_some(void *data);
static void ngx_prof_encode_read(ngx_event_t *ev);
static ngx_int_t ngx_prof_encode_read_some(void *data);
static void ngx_prof_encode_give(ngx_prof_encode_t *e);
static void ngx_prof_encode_ignore(ngx_event_t *ev);
static void ngx_prof_encode_timeout(ngx_event_t *ev);
static void ngx_prof_encode_finish(ngx_prof_encode_t *e, ngx_int_t rc,
    const char *error);
static ngx_int_t ngx_prof_encode_whole(ngx_prof_encode_t *e);
static void ngx_prof_encode_close(ngx_prof_encode_t *e);
static void ngx_prof_encode_cleanup(void *data);


static ngx_queue_t       ngx_prof_encode_waiting;
static ngx_uint_t        ngx_prof_encode_waiting_n;
static ngx_event_t       ngx_prof_encode_event;
static ngx_connection_t  ngx_prof_encode_connection;
static ngx_prof_pace_t   ngx_prof_encode_pace;


ngx_int_t
ngx_prof_encode(ngx_pool_t *pool, ngx_log_t *log, ngx_prof_text_t *raw,
    ngx_uint_t how, size_t part, ngx_prof_encode_pt done, void *data,
    ngx_str_t *error)
{
    ngx_int_t           rc;
    ngx_uint_t          most;
    ngx_prof_encode_t  *e;

    static const ngx_msec_t  times[] = {
        [NGX_PROF_ENCODE_SOON] = NGX_PROF_ENCODE_SOON_TIME,
        [NGX_PROF_ENCODE_TURN] = NGX_PROF_ENCODE_TIME,
        [NGX_PROF_ENCODE_CAPTURED] = NGX_PROF_ENCODE_CAPTURED_TIME
    };

    ngx_str_set(error, "out of memory or descriptors");

    e = ngx_prof_encode_create(pool, log);
    if (e == NULL) {
        return NGX_ERROR;
    }

    e->done = done;
    e->data = data;
    e->most = ngx_min(NGX_PROF_ENCODE_MOST,
                      NGX_PROF_ENCODE_LEAST
                      + NGX_PROF_ENCODE_RATIO * raw->size);
    e->part = part;
    e->captured = (how == NGX_PROF_ENCODE_CAPTURED);
    e->in = ngx_prof_text_finish(raw);

    if (e->in == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_prof_encode_waiting_n ? NGX_AGAIN : ngx_prof_encode_start(e);

    if (rc == NGX_ERROR) {
        ngx_str_set(error, "the encoder cannot be started");
        return NGX_ERROR;
    }

    if (rc != NGX_AGAIN) {
        ngx_str_set(error, "descriptors or connections are scarce");
        return rc;
    }

    most = NGX_PROF_ENCODE_QUEUE
           + (e->captured ? NGX_PROF_ENCODE_CAPTURES : 0);

    if (ngx_prof_encode_waiting_n >= most) {
        ngx_str_set(error, "too many profiles are being encoded");
        return NGX_BUSY;
    }

    ngx_prof_encode_wait(e, times[how]);

    return NGX_OK;
}


/* NGX_OK; NGX_AGAIN: it is not its turn yet; NGX_BUSY; NGX_ERROR */

static ngx_int_t
ngx_prof_encode_start(ngx_prof_encode_t *e)
{
    int         fds[3];
    ngx_int_t   rc;
    ngx_uint_t  i, crowd;

    if (!ngx_prof_encode_may(e)) {
        return NGX_AGAIN;
    }

    crowd = e->held ? NGX_PROF_CROWD_HELD
            : (ngx_prof_encode_waiting_n > 1) ? NGX_PROF_CROWD_WAITS
            : NGX_PROF_CROWD_NONE;

    rc = ngx_prof_encoder_take(&e->encoder, e->log, crowd,
                               ngx_prof_encode_next, fds);

    if (rc != NGX_OK) {
        return rc;
    }

    for (i = 0; i < 3; i++) {

        if (ngx_prof_encode_connect(e, i, fds[i]) != NGX_OK) {

            while (++i < 3) {
                (void) close(fds[i]);
            }

            ngx_prof_encode_close(e);
            return NGX_ERROR;
        }
    }

    /* until now it was that of its turn */

    if (e->timer.timer_set) {
        ngx_del_timer(&e->timer);
    }

    ngx_add_timer(&e->timer, NGX_PROF_ENCODE_TIME);

    return NGX_OK;
}


static void
ngx_prof_encode_wait(ngx_prof_encode_t *e, ngx_msec_t timer)
{
    ngx_queue_t  *before;

    if (ngx_prof_encode_waiting_n++ == 0) {
        ngx_queue_init(&ngx_prof_encode_waiting);

        ngx_prof_event_init(&ngx_prof_encode_event,
                            &ngx_prof_encode_connection,
                            ngx_prof_encode_turn, ngx_cycle->log);
        ngx_prof_encode_event.cancelable = 1;

        ngx_add_timer(&ngx_prof_encode_event, NGX_PROF_ENCODE_LOOK);
    }

    e->queued = 1;
    e->since = ngx_current_msec;

    /* a macro, which looks at it more than once */

    before = ngx_prof_encode_before(e);
    ngx_queue_insert_tail(before, &e->queue);

    ngx_add_timer(&e->timer, timer);
}


/* whether it may begin if there is a place for it */

static ngx_uint_t
ngx_prof_encode_may(ngx_prof_encode_t *e)
{
    static ngx_msec_t  until;

    if (ngx_prof_encode_waiting_n >= NGX_PROF_ENCODE_CROWD) {
        until = ngx_current_msec + NGX_PROF_ENCODE_CROWDED;
    }

    if ((ngx_msec_int_t) (until - ngx_current_msec) <= 0
        || ngx_prof_pace_may(&ngx_prof_encode_pace, ngx_prof_clock(),
                             ngx_prof_turn_idle()))
    {
        return 1;
    }

    e->held = 1;

    return e->captured
           && ngx_current_msec - e->since >= NGX_PROF_ENCODE_HELD;
}


/* those that are captured come first */

static ngx_queue_t *
ngx_prof_encode_before(const ngx_prof_encode_t *e)
{
    ngx_queue_t        *q;
    ngx_prof_encode_t  *other;

    q = ngx_queue_head(&ngx_prof_encode_waiting);

    while (q != ngx_queue_sentinel(&ngx_prof_encode_waiting)) {
        other = ngx_queue_data(q, ngx_prof_encode_t, queue);

        if (e->captured && !other->captured) {
            break;
        }

        q = ngx_queue_next(q);
    }

    return q;
}


static void
ngx_prof_encode_leave(ngx_prof_encode_t *e)
{
    if (!e->queued) {
        return;
    }

    e->queued = 0;
    ngx_queue_remove(&e->queue);

    if (--ngx_prof_encode_waiting_n == 0) {
        ngx_prof_event_stop(&ngx_prof_encode_event);
    }
}


/* a place is free */

static void
ngx_prof_encode_next(void)
{
    if (ngx_prof_encode_waiting_n) {
        ngx_post_event(&ngx_prof_encode_event, &ngx_posted_events);
    }
}


static void
ngx_prof_encode_turn(ngx_event_t *ev)
{
    ngx_int_t           rc;
    ngx_queue_t        *q;
    ngx_prof_encode_t  *e;

    ngx_prof_event_stop(ev);

    while (ngx_prof_encode_waiting_n) {
        q = ngx_queue_head(&ngx_prof_encode_waiting);
        e = ngx_queue_data(q, ngx_prof_encode_t, queue);

        rc = ngx_prof_encode_start(e);

        if (rc == NGX_AGAIN) {
            break;
        }

        ngx_prof_encode_leave(e);

        if (rc == NGX_BUSY) {
            ngx_prof_encode_finish(e, rc, "descriptors or connections are "
                                          "scarce");

        } else if (rc != NGX_OK) {
            ngx_prof_encode_finish(e, rc, "the encoder cannot be started");
        }
    }

    if (ngx_prof_encode_waiting_n && !ev->timer_set) {
        ngx_add_timer(ev, NGX_PROF_ENCODE_LOOK);
    }
}


static ngx_prof_encode_t *
ngx_prof_encode_create(ngx_pool_t *pool, ngx_log_t *log)
{
    ngx_pool_cleanup_t  *cln;
    ngx_prof_encode_t   *e;

    cln = ngx_pool_cleanup_add(pool, sizeof(ngx_prof_encode_t));
    if (cln == NULL) {
        return NULL;
    }

    e = cln->data;
    ngx_memzero(e, sizeof(ngx_prof_encode_t));

    cln->handler = ngx_prof_encode_cleanup;

    e->pool = pool;
    e->log = log;

    ngx_prof_event_init(&e->timer, &e->connection,
                        ngx_prof_encode_timeout, log);

    ngx_prof_text_init(&e->out, pool);

    return e;
}


static ngx_int_t
ngx_prof_encode_connect(ngx_prof_encode_t *e, ngx_uint_t i, int fd)
{
    ngx_connection_t  *c;

    c = ngx_prof_descriptor_open(fd, e->log);

    if (c == NULL) {
        (void) close(fd);
        return NGX_ERROR;
    }

    e->encoder->pipe[i] = c;

    c->data = e;

    if (i == 0) {
        c->read->handler = ngx_prof_encode_ignore;
        c->write->handler = ngx_prof_encode_write;

        return ngx_handle_write_event(c->write, 0);
    }

    c->read->handler = ngx_prof_encode_read;
    c->write->handler = ngx_prof_encode_ignore;

    return ngx_handle_read_event(c->read, 0);
}


static void
ngx_prof_encode_ignore(ngx_event_t *ev)
{
    /* the other direction of a pipe: only errors, seen where it is used */
}


/*
 * The encoder may read and write as fast as this runs: it runs in slices, like
 * every long job.
 */

static void
ngx_prof_encode_write(ngx_event_t *ev)
{
    ngx_int_t           rc;
    ngx_connection_t   *c;
    ngx_prof_encode_t  *e;

    c = ev->data;

    rc = ngx_prof_slice(ngx_prof_encode_write_some, c);

    if (rc == NGX_AGAIN) {
        ngx_post_event(ev, &ngx_posted_next_events);
        return;
    }

    if (rc == NGX_DONE) {
        ev->ready = 0;

        if (ngx_handle_write_event(ev, 0) == NGX_OK) {
            return;
        }
    }

    /* if the encoder has ended, the other pipes bring its message */

    e = c->data;

    ngx_prof_encoder_close_pipe(e->encoder, 0);
}


/*
 * NGX_DONE: the pipe is full; NGX_OK: all is written, or the encoder is gone
 */

static ngx_int_t
ngx_prof_encode_write_some(void *data)
{
    ngx_connection_t *c = data;

    ssize_t             n;
    ngx_buf_t          *b;
    ngx_chain_t        *cl;
    ngx_prof_encode_t  *e;

    e = c->data;

    if (e->in == NULL) {
        return NGX_OK;
    }

    b = e->in->buf;

    if (b->pos == b->last) {
        cl = e->in;
        e->in = cl->next;

        ngx_prof_text_free(e->pool, cl);

        return NGX_AGAIN;
    }

    n = write(c->fd, b->pos, b->last - b->pos);

    if (n == -1) {
        return (ngx_errno == NGX_EAGAIN) ? NGX_DONE : NGX_OK;
    }

    b->pos += n;

    return NGX_AGAIN;
}


static void
ngx_prof_encode_read(ngx_event_t *ev)
{
    ngx_int_t           rc;
    ngx_connection_t   *c;
    ngx_prof_encode_t  *e;

    c = ev->data;
    e = c->data;

    if (e->given && c == e->encoder->pipe[1]) {

        if (ev->active && !(ngx_event_flags & NGX_USE_CLEAR_EVENT)) {
            (void) ngx_del_event(ev, NGX_READ_EVENT, 0);
        }

        return;
    }

    rc = ngx_prof_slice(ngx_prof_encode_read_some, c);

    if (e->out.failed) {
        ngx_prof_encode_finish(e, NGX_ERROR, "out of memory");
        return;
    }

    if (e->total > e->most) {
        ngx_prof_encode_finish(e, NGX_ERROR, "it would be too large");
        return;
    }

    if (e->part && e->out.size >= (off_t) e->part) {
        ngx_prof_encode_give(e);
        return;
    }

    if (rc == NGX_AGAIN) {
        ngx_post_event(ev, &ngx_posted_next_events);
        return;
    }

    if (rc == NGX_DONE) {
        ev->ready = 0;

        if (ngx_handle_read_event(ev, 0) == NGX_OK) {
            return;
        }
    }

    ngx_prof_encoder_close_pipe(e->encoder, (c == e->encoder->pipe[1]) ? 1 : 2);

    if (e->encoder->pipe[1] == NULL && e->encoder->pipe[2] == NULL) {
        ngx_prof_encode_finish(e, NGX_OK, NULL);
    }
}


/* NGX_DONE: the pipe is empty; NGX_OK: the other end is closed */

static ngx_int_t
ngx_prof_encode_read_some(void *data)
{
    ngx_connection_t *c = data;

    u_char              buf[NGX_PROF_ENCODE_BUF];
    ssize_t             n, room;
    ngx_prof_encode_t  *e;

    e = c->data;

    n = read(c->fd, buf, sizeof(buf));

    if (n <= 0) {
        return (n == -1 && ngx_errno == NGX_EAGAIN) ? NGX_DONE : NGX_OK;
    }

    if (c == e->encoder->pipe[1]) {
        ngx_prof_text_write(&e->out, buf, n);
        e->total += n;

        return (e->part && e->out.size >= (off_t) e->part) ? NGX_OK : NGX_AGAIN;
    }

    room = NGX_PROF_ENCODE_ERROR - e->error_len;
    room = ngx_min(room, n);

    ngx_memcpy(e->error + e->error_len, buf, room);
    e->error_len += room;

    return NGX_AGAIN;
}


/* the encoder has ended its work: it writes as fast as the client reads */

static void
ngx_prof_encode_give(ngx_prof_encode_t *e)
{
    if (e->timer.timer_set) {
        ngx_del_timer(&e->timer);
        ngx_prof_encoder_writes(e->encoder);
    }

    e->given = 1;

    e->done(e->data, NGX_AGAIN, &e->out, NULL);
}


void
ngx_prof_encode_more(ngx_prof_text_t *out)
{
    ngx_prof_encode_t  *e;

    e = (ngx_prof_encode_t *)
            ((u_char *) out - offsetof(ngx_prof_encode_t, out));

    e->given = 0;

    ngx_post_event(e->encoder->pipe[1]->read, &ngx_posted_next_events);
}


static void
ngx_prof_encode_timeout(ngx_event_t *ev)
{
    ngx_prof_encode_t  *e;

    e = (ngx_prof_encode_t *)
            ((u_char *) ev - offsetof(ngx_prof_encode_t, timer));

    if (e->queued) {
        ngx_prof_encode_leave(e);
        ngx_prof_encode_finish(e, NGX_BUSY,
                               "too many profiles are being encoded");
        return;
    }

    ngx_prof_encode_finish(e, NGX_ERROR, "the encoder took too long");
}


static void
ngx_prof_encode_finish(ngx_prof_encode_t *e, ngx_int_t rc, const char *error)
{
    u_char      *end;
    ngx_str_t    text;
    ngx_uint_t   whole;

    /* it may have been killed anywhere: its exit status is not ours */

    whole = error == NULL && e->total && !e->finished
            && ngx_prof_encode_whole(e) == NGX_OK;

    ngx_prof_encode_close(e);

    if (e->finished) {
        return;
    }

    e->finished = 1;

    text.data = (u_char *) error;
    text.len = error ? ngx_strlen(error) : 0;

    if (whole) {
        e->done(e->data, NGX_OK, &e->out, NULL);
        return;
    }

    if (error == NULL && e->error_len) {
        end = ngx_strlchr(e->error, e->error + e->error_len, '\n');
        text.data = e->error;
        text.len = end ? (size_t) (end - e->error) : e->error_len;

    } else if (error == NULL && e->total == 0) {
        ngx_str_set(&text, "the encoder ended without an answer");

    } else if (error == NULL) {
        ngx_str_set(&text, "the encoder ended amid its answer");
    }

    if (rc != NGX_BUSY) {
        rc = NGX_ERROR;
        ngx_log_error(NGX_LOG_ERR, e->log, 0, "profile not encoded: %V", &text);
    }

    e->done(e->data, rc, NULL, &text);
}


/* NGX_OK: those are its last words */

static ngx_int_t
ngx_prof_encode_whole(ngx_prof_encode_t *e)
{
    size_t           n;
    ngx_int_t        us;
    ngx_prof_slot_t  *slot;

    n = sizeof(NGX_PROF_ENCODE_WHOLE) - 1;

    if (e->error_len <= n
        || ngx_memcmp(e->error, NGX_PROF_ENCODE_WHOLE, n) != 0
        || e->error[e->error_len - 1] != '\n')
    {
        return NGX_DECLINED;
    }

    slot = ngx_prof_process.slot;

    if (e->error_len == n + 1) {

        if (slot) {
            ngx_prof_add(&slot->totals.unmeasured, 1);
        }

        return NGX_OK;
    }

    us = ngx_atoi((u_char *) e->error + n + 1, e->error_len - n - 2);

    if (e->error[n] != ' ' || us == NGX_ERROR) {
        return NGX_DECLINED;
    }

    e->encoder->took = us * (uint64_t) NGX_PROF_NSEC_PER_MSEC / 1000;

    ngx_prof_meter_add(NGX_PROF_METER_ENCODER, e->encoder->took);

    return NGX_OK;
}


static void
ngx_prof_encode_close(ngx_prof_encode_t *e)
{
    ngx_prof_encoder_t  *encoder;

    if (e->timer.timer_set) {
        ngx_del_timer(&e->timer);
    }

    ngx_prof_encode_leave(e);

    encoder = e->encoder;

    if (encoder == NULL) {
        return;
    }

    e->encoder = NULL;

    ngx_prof_encode_took(encoder);

    if (encoder->pipe[1] || encoder->pipe[2]) {
        ngx_prof_encoder_stop(encoder);

    } else {
        ngx_prof_encoder_free(encoder);
    }
}


/* one that was ended before its time has told nothing, others have */

static void
ngx_prof_encode_took(const ngx_prof_encoder_t *encoder)
{
    uint64_t  now, took;

    static uint64_t  usual;

    now = ngx_prof_clock();
    took = encoder->took;

    if (took) {
        usual = took;

    } else {
        took = now - encoder->began;
        took = usual ? ngx_min(usual, took) : took;
    }

    ngx_prof_pace_took(&ngx_prof_encode_pace, took, now);
}


/* called when the client has gone, or the answer is sent */

static void
ngx_prof_encode_cleanup(void *data)
{
    ngx_prof_encode_t *e = data;

    e->finished = 1;
    ngx_prof_encode_close(e);
}
