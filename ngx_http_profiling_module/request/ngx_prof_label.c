
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>
#include <sys/epoll.h>
#include "ngx_prof_label.h"
#include "ngx_prof_context.h"
#include "ngx_prof_record.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_text.h"
#include "ngx_prof_worker.h"


/* requests that are looked for on a stack, from the outermost on */
#define NGX_PROF_CONTEXT_FOUND  8

/* the longest that the function which waits for events may be, in bytes */
#define NGX_PROF_CONTEXT_CODE   4096

/* the parts of a stack that are scanned, the outermost first */

typedef struct {
    const uintptr_t     *lo;
    const uintptr_t     *hi;        /* the one after the last */
} ngx_prof_span_t;


typedef struct {
    uintptr_t        sp;
    const ngx_prof_unwind_path_t
                    *walk;
    ngx_uint_t       n;
    ngx_uint_t       left;          /* frames of the walk that are not yet
                                       looked at */
    ngx_uint_t       alone;         /* a request is known by its own address,
                                       without its connection */
    ngx_prof_span_t  span[NGX_PROF_FRAMES + 2];
} ngx_prof_spans_t;


/* a request whose connection or stream is on the stack */

typedef struct {
    const ngx_prof_context_t
                        *owner;
    uintptr_t            request;   /* main */
    uint64_t             subs;      /* the life that its subrequests have,
                                       0: none */
    uint32_t             label;
    ngx_uint_t           n;         /* words of the stack that point to it */
} ngx_prof_found_label_t;


static u_char *ngx_prof_label_name(u_char *p, u_char *last,
    const ngx_str_t *name);
static uint32_t ngx_prof_context_place_of(const ngx_prof_context_t *owner,
    uintptr_t r);
static uint32_t ngx_prof_context_request_label(const ngx_prof_context_t *owner,
    ngx_prof_spans_t *spans);
static ngx_int_t ngx_prof_context_index(uintptr_t word);
static ngx_uint_t ngx_prof_context_dispatched(void);
static ngx_uint_t ngx_prof_context_listed(ngx_uint_t i);
static void ngx_prof_context_whole(ngx_prof_spans_t *spans, uintptr_t sp);
static ngx_uint_t ngx_prof_context_saved(ngx_prof_spans_t *spans);
static uint32_t ngx_prof_context_label_of(ngx_prof_spans_t *spans,
    const ngx_prof_context_t **owner);
static ngx_int_t ngx_prof_context_outermost(ngx_prof_spans_t *spans,
    ngx_uint_t listed);
static uint32_t ngx_prof_context_elect(ngx_prof_spans_t *spans,
    const ngx_prof_context_t **owner);
static ngx_uint_t ngx_prof_context_collect(ngx_prof_spans_t *spans,
    ngx_prof_found_label_t *found);
static ngx_uint_t ngx_prof_context_add(uintptr_t word,
    ngx_prof_spans_t *spans, ngx_prof_found_label_t *found, ngx_uint_t n);
static ngx_uint_t ngx_prof_context_found(uintptr_t word,
    ngx_prof_spans_t *spans, ngx_prof_found_label_t *found);
static uint32_t ngx_prof_context_state_of(uint32_t label, uint32_t first);
static const ngx_prof_context_t *ngx_prof_context_served(ngx_uint_t i);
static uint32_t ngx_prof_context_connection(ngx_uint_t i,
    ngx_prof_spans_t *spans);
static uint32_t ngx_prof_context_client(ngx_uint_t i,
    ngx_prof_spans_t *spans);
static uint32_t ngx_prof_context_state(const ngx_connection_t *c);
#if (NGX_SSL)
static uint32_t ngx_prof_context_handshake(const ngx_connection_t *c,
    const ngx_prof_listen_t *listen);
#endif


static uint32_t
ngx_prof_context_place_of(const ngx_prof_context_t *owner, uintptr_t r)
{
    const ngx_prof_request_t  *request;

    request = (r == owner->request) ? NULL
                                    : ngx_prof_context_request(r);

    return request ? request->place : (uint32_t) owner->place;
}


/* the label of a request that is not served by an event of its upstream */

static uint32_t
ngx_prof_context_request_label(const ngx_prof_context_t *owner,
    ngx_prof_spans_t *spans)
{
    uintptr_t                r;
    ngx_uint_t               sent;
    const ngx_connection_t  *c;

    r = ngx_prof_context_running(owner, spans->walk, spans->sp,
                                 owner->request);

    if (owner->start == ngx_prof_loop_pass_start()) {
        sent = 0;

    } else {
        c = (const ngx_connection_t *) owner->connection;
        sent = ngx_prof_context(c) ? c->sent > 0 : owner->sent > 0;
    }

    return ngx_prof_label(
                               ngx_prof_context_place_of(owner, r),
                               0, sent ? NGX_PROF_STATE_WRITE
                                       : NGX_PROF_STATE_PHASE);
}


/*
 * the index of the connection that a word points to, directly or to its event
 */

static ngx_int_t
ngx_prof_context_index(uintptr_t word)
{
    uintptr_t  offset, size;

    size = ngx_prof_array_size;
    offset = word - (uintptr_t) ngx_prof_array;

    if (offset < size) {
        return (offset % sizeof(ngx_connection_t) == 0)
               ? (ngx_int_t) (offset / sizeof(ngx_connection_t)) : NGX_ERROR;
    }

    size = ngx_prof_array_n * sizeof(ngx_event_t);
    offset = word - (uintptr_t) ngx_prof_reads;

    if (offset >= size) {
        offset = word - (uintptr_t) ngx_prof_writes;
    }

    if (offset < size && offset % sizeof(ngx_event_t) == 0) {
        return offset / sizeof(ngx_event_t);
    }

    return NGX_ERROR;
}


/*
 * Is the handler of one of this pass's events running? Then its return address
 * lies where that of epoll_wait() did, and leads into the same function.
 */

ngx_prof_unchecked
static ngx_uint_t
ngx_prof_context_dispatched(void)
{
    uintptr_t  caller, address;

    caller = ngx_prof_dispatch.caller;
    address = ((const uintptr_t *) ngx_prof_base)[-1];

    return ngx_prof_dispatch.n > 0
           && caller
           && address - caller + NGX_PROF_CONTEXT_CODE
              < 2 * NGX_PROF_CONTEXT_CODE;
}


/* does this pass have an event for the connection? */

static ngx_uint_t
ngx_prof_context_listed(ngx_uint_t i)
{
    ngx_int_t  n;
    uintptr_t  c;

    c = (uintptr_t) &ngx_prof_array[i];

    for (n = 0; n < ngx_prof_dispatch.n; n++) {

        /* the lowest bit tells instances of an event apart */

        if (((uintptr_t) ngx_prof_dispatch.events[n].data.ptr
             & ~(uintptr_t) 1)
            == c)
        {
            return 1;
        }
    }

    return 0;
}


/* takes the whole stack from the loop's frame to sp */

static void
ngx_prof_context_whole(ngx_prof_spans_t *spans, uintptr_t sp)
{
    spans->n = 1;
    spans->left = 0;
    spans->span[0].lo = (const uintptr_t *) ((sp + 7) & ~(uintptr_t) 7);
    spans->span[0].hi = (const uintptr_t *) ngx_prof_base;
}


/*
 * Adds the registers that the next function has saved for its caller, the
 * outermost first; 0: there is none.  They lie next to the return address,
 * below it on x86_64, above the stack pointer on aarch64.  The rest of a frame
 * may be unwritten.  The path has the stack pointer of each frame, which is
 * where the frame of its callee began.
 */

static ngx_uint_t
ngx_prof_context_saved(ngx_prof_spans_t *spans)
{
    ngx_uint_t        i;
    uintptr_t         lo, hi;
    ngx_prof_span_t  *span;

    while (spans->left) {
        i = --spans->left;

        hi = (uintptr_t) spans->walk->sp[i];
        lo = i ? (uintptr_t) spans->walk->sp[i - 1] : spans->sp;

        /* the walk may have looked ahead to check a caller */

        if (hi > ngx_prof_base || hi <= lo || lo < spans->sp) {
            continue;
        }

        if (NGX_PROF_ARCH_LINKS) {
            hi = ngx_min(hi, lo + NGX_PROF_ARCH_SAVES * sizeof(uintptr_t));
        } else {
            lo = ngx_max(lo, hi - (NGX_PROF_ARCH_SAVES + 1)
                                  * sizeof(uintptr_t));
        }

        span = &spans->span[spans->n++];
        span->lo = (const uintptr_t *) ((lo + 7) & ~(uintptr_t) 7);
        span->hi = (const uintptr_t *) (hi & ~(uintptr_t) 7);

        return 1;
    }

    return 0;
}


uint32_t
ngx_prof_context_label(uintptr_t sp, const ngx_prof_unwind_path_t *walk)
{
    const ngx_prof_context_t  *owner;

    return ngx_prof_context_running_label(sp, walk, &owner);
}


uint32_t
ngx_prof_context_running_label(uintptr_t sp,
    const ngx_prof_unwind_path_t *walk, const ngx_prof_context_t **owner)
{
    uint32_t          label;
    ngx_prof_spans_t  spans;

    *owner = NULL;

    if (ngx_prof_process.helper
        && !ngx_prof_slot_waiting(ngx_prof_process.slot))
    {
        return ngx_prof_label(0, 0, NGX_PROF_STATE_OTHER);
    }

    if (ngx_prof_array_n == 0
        || sp >= ngx_prof_base
        || ngx_prof_slot_waiting(ngx_prof_process.slot))
    {
        return ngx_prof_label(0, 0, NGX_PROF_STATE_IDLE);
    }

    spans.sp = sp;
    spans.walk = walk;

    spans.n = 0;
    spans.left = walk->n;

    label = ngx_prof_context_label_of(&spans, owner);

    /* the stream that runs, of several, may be in no saved register */

    if (label != ngx_prof_label(0, 0, NGX_PROF_STATE_IDLE)
        && (ngx_prof_label_place(label)
            || ngx_prof_label_state(label) != NGX_PROF_STATE_PHASE))
    {
        return label;
    }

    ngx_prof_context_whole(&spans, sp);

    return ngx_prof_context_label_of(&spans, owner);
}


/*
 * Frames have holes that keep words of earlier frames.  While the handler of
 * one of this pass's events runs, only a connection of this pass's events can
 * be the one being served; for posted events and timers it is the outermost
 * one on the stack.  If that connection has no request (it was closed
 * meanwhile, or is not HTTP's) or has several, the running request is elected
 * among the requests that the stack holds.
 */

static uint32_t
ngx_prof_context_label_of(ngx_prof_spans_t *spans,
    const ngx_prof_context_t **owner)
{
    uint32_t    label, elected;
    ngx_int_t   i;
    ngx_uint_t  listed;

    label = ngx_prof_label(0, 0, NGX_PROF_STATE_IDLE);
    i = NGX_ERROR;

    if (ngx_prof_context_dispatched()) {
        i = ngx_prof_context_outermost(spans, 1);
    }

    listed = (i != NGX_ERROR);

    if (!listed) {
        i = ngx_prof_context_outermost(spans, 0);
    }

    *owner = NULL;
    spans->alone = (i == NGX_ERROR || ngx_prof_array[i].listening == NULL);

    if (i != NGX_ERROR) {
        label = ngx_prof_context_connection(i, spans);
        *owner = ngx_prof_context_served(i);

        if (ngx_prof_contexts[i].streams <= 1
            && (ngx_prof_label_place(label)
                || (listed && ngx_prof_array[i].listening)))
        {
            return label;
        }
    }

    elected = ngx_prof_context_elect(spans, owner);

    return elected ? ngx_prof_context_state_of(elected, label)
                   : label;
}


/*
 * The connection that the outermost such word points to.  A socket of datagrams
 * stands for no client if there is any other: QUIC's are served below it.
 */

ngx_prof_unchecked
static ngx_int_t
ngx_prof_context_outermost(ngx_prof_spans_t *spans, ngx_uint_t listed)
{
    ngx_int_t         i, socket;
    ngx_uint_t        k;
    const uintptr_t  *word;

    socket = NGX_ERROR;

    for (k = 0; k < spans->n || ngx_prof_context_saved(spans); k++) {
        word = spans->span[k].hi;

        while (--word >= spans->span[k].lo) {
            i = ngx_prof_context_index(*word);

            if (i == NGX_ERROR) {
                continue;
            }

            if (ngx_prof_reads[i].accept
                && ngx_prof_array[i].type == SOCK_DGRAM)
            {
                socket = i;
                continue;
            }

            if (!listed || ngx_prof_context_listed(i)) {
                return i;
            }
        }
    }

    return listed ? NGX_ERROR : socket;
}


/*
 * The label of the request that most words of the stack point to: a running
 * request is there more often than holes of frames repeat an old one. 0: there
 * is none.
 */

ngx_prof_unchecked
static uint32_t
ngx_prof_context_elect(ngx_prof_spans_t *spans,
    const ngx_prof_context_t **owner)
{
    uint64_t                         subs;
    ngx_uint_t                       i, k, n;
    const uintptr_t                 *word;
    ngx_prof_found_label_t          *best;
    ngx_prof_found_label_t           found[NGX_PROF_CONTEXT_FOUND
                                           + 1];
    const ngx_prof_request_t  *request;

    n = ngx_prof_context_collect(spans, found);
    subs = 0;

    for (i = 0; i < n; i++) {
        subs |= found[i].subs;
    }

    for (k = 0; k < spans->n || ngx_prof_context_saved(spans); k++) {
        word = spans->span[k].hi;

        while (--word >= spans->span[k].lo) {
            request = subs ? ngx_prof_context_request(*word) : NULL;

            for (i = 0; i < n; i++) {
                found[i].n += (*word == found[i].request
                               || (request
                                   && request->life == found[i].subs));
            }
        }
    }

    best = NULL;

    for (i = 0; i < n; i++) {
        if (found[i].n && (best == NULL || found[i].n > best->n)) {
            best = &found[i];
        }
    }

    if (best == NULL) {
        return 0;
    }

    *owner = best->owner;

    return best->label;
}


ngx_prof_unchecked
static ngx_uint_t
ngx_prof_context_collect(ngx_prof_spans_t *spans,
    ngx_prof_found_label_t *found)
{
    uintptr_t         seen;
    ngx_uint_t        k, n;
    const uintptr_t  *word;

    n = 0;
    seen = 0;

    for (k = 0; k < spans->n || ngx_prof_context_saved(spans); k++) {
        word = spans->span[k].hi;

        while (--word >= spans->span[k].lo && n < NGX_PROF_CONTEXT_FOUND) {
            if (*word != seen) {
                seen = *word;
                n = ngx_prof_context_add(seen, spans, found, n);
            }
        }
    }

    return n;
}


/* adds a request once; there is room for one more than the limit */

static ngx_uint_t
ngx_prof_context_add(uintptr_t word, ngx_prof_spans_t *spans,
    ngx_prof_found_label_t *found, ngx_uint_t n)
{
    ngx_uint_t  i;

    if (!ngx_prof_context_found(word, spans, &found[n])) {
        return n;
    }

    for (i = 0; i < n; i++) {

        if (found[i].request == found[n].request) {
            return n;
        }
    }

    return n + 1;
}


/*
 * the request of the connection or stream that a word points to, or the
 * request that it points to itself
 */

static ngx_uint_t
ngx_prof_context_found(uintptr_t word, ngx_prof_spans_t *spans,
    ngx_prof_found_label_t *found)
{
    ngx_int_t                  i;
    const ngx_prof_context_t  *owner;
    const ngx_prof_request_t  *request;

    i = ngx_prof_context_index(word);

    if (i == NGX_ERROR) {
        if (word == 0) {
            return 0;
        }

        request = ngx_prof_context_request(word);

        if (word == ngx_prof_latest.request) {
            word = ngx_prof_latest.connection;

        } else if (request && spans->alone) {
            word = request->client;
        }

        owner = ngx_prof_context_owner(word);

        if (owner == NULL && spans->alone) {
            owner = ngx_prof_context_stream_of(word);
        }

    } else if (ngx_prof_contexts[i].streams > 1) {

        /* of several streams, each is found by its own address */

        return 0;

    } else {
        owner = ngx_prof_context_served(i);
    }

    if (owner == NULL) {
        return 0;
    }

    found->n = 0;
    found->owner = owner;
    found->request = owner->request;
    found->subs = (owner->life && owner->subs) ? owner->life : 0;
    found->label = (i == NGX_ERROR)
                   ? ngx_prof_context_request_label(owner, spans)
                   : ngx_prof_context_connection(i, spans);

    return ngx_prof_label_place(found->label) != 0;
}


/* takes the state from the outermost connection, the place from the request */

static uint32_t
ngx_prof_context_state_of(uint32_t label, uint32_t first)
{
    if (ngx_prof_label_state(first) != NGX_PROF_STATE_UPSTREAM) {
        return label;
    }

    return (label & ~(uint32_t) 0xf) | NGX_PROF_STATE_UPSTREAM;
}


/* the request that a connection of nginx's table serves, or NULL */

static const ngx_prof_context_t *
ngx_prof_context_served(ngx_uint_t i)
{
    const ngx_connection_t    *c;
    const ngx_prof_context_t  *context, *owner;
    const ngx_prof_request_t  *request;

    c = &ngx_prof_array[i];

    /* a closed connection has no request */

    if (c->fd == (ngx_socket_t) -1) {
        return NULL;
    }

    if (c->listening == NULL) {
        request = ngx_prof_context_request((uintptr_t) c->data);

        return request ? ngx_prof_context_owner(request->client)
                       : NULL;
    }

    context = ngx_prof_context_owner((uintptr_t) c);

    if (context == NULL || context->connection == (uintptr_t) c) {
        return context;
    }

    /* a stream's own entry knows more */

    owner = ngx_prof_context_owner(context->connection);

    return owner ? owner : context;
}


static uint32_t
ngx_prof_context_connection(ngx_uint_t i, ngx_prof_spans_t *spans)
{
    uintptr_t                  r, data;
    const ngx_connection_t    *c;
    const ngx_prof_context_t  *owner;
    const ngx_prof_request_t  *request;

    c = &ngx_prof_array[i];

    if (c->listening) {
        return ngx_prof_context_client(i, spans);
    }

    owner = ngx_prof_context_served(i);

    if (owner == NULL) {
        return ngx_prof_label(0, 0, NGX_PROF_STATE_OTHER);
    }

    data = (uintptr_t) c->data;
    r = ngx_prof_context_running(owner, spans->walk, spans->sp, data);
    request = ngx_prof_context_request(data);

    if (r != data || request == NULL) {
        return ngx_prof_context_request_label(owner, spans);
    }

    return ngx_prof_label(
                               ngx_prof_context_place_of(owner, r),
                               request->upstream,
                               NGX_PROF_STATE_UPSTREAM);
}


static uint32_t
ngx_prof_context_client(ngx_uint_t i, ngx_prof_spans_t *spans)
{
    uint32_t                   label;
    const ngx_prof_context_t  *owner;

    owner = ngx_prof_context_served(i);

    if (owner == NULL) {
        return ngx_prof_context_state(&ngx_prof_array[i]);
    }

    label = ngx_prof_context_request_label(owner, spans);

    /*
     * Of several requests on one connection, only one that began in this pass
     * is known to be running now
     */

    if (ngx_prof_contexts[i].streams > 1
        && owner->start != ngx_prof_loop_pass_start())
    {
        label = ngx_prof_label(0, 0, ngx_prof_label_state(label));
    }

    return label;
}


/* the label of a client's connection that serves no request */

static uint32_t
ngx_prof_context_state(const ngx_connection_t *c)
{
    uintptr_t                 offset;
    ngx_uint_t                state;
    const ngx_prof_listen_t  *listen;

    /*
     * The read event of a listening socket's connection has the accept flag;
     * it lies in the array of read events
     */

    if (ngx_prof_reads[c - ngx_prof_array].accept) {
        return ngx_prof_label(0, 0, NGX_PROF_STATE_ACCEPT);
    }

    offset = ((uintptr_t) c->listening - ngx_prof_listening)
             / sizeof(ngx_listening_t);

    if (c->fd == (ngx_socket_t) -1
        || offset >= ngx_prof_listen_n
        || !ngx_prof_listens[offset].http)
    {
        return ngx_prof_label(0, 0, NGX_PROF_STATE_OTHER);
    }

    listen = &ngx_prof_listens[offset];

#if (NGX_SSL)

    if (c->ssl && !c->ssl->handshaked) {
        return ngx_prof_context_handshake(c, listen);
    }

#endif

    state = c->reusable ? NGX_PROF_STATE_KEEPALIVE
                        : NGX_PROF_STATE_READ;

    return ngx_prof_label(0, 0, state);
}


#if (NGX_SSL)

/*
 * A handshake has the server that answers it.  Of several on a socket it is
 * known as soon as the client has told a name, or that it tells none.
 */

static uint32_t
ngx_prof_context_handshake(const ngx_connection_t *c,
    const ngx_prof_listen_t *listen)
{
    uint32_t                      place;
    const ngx_prof_context_t     *context;
    const ngx_prof_loc_conf_t    *lcf;
    const ngx_http_connection_t  *hc;

    place = listen->place;
    context = ngx_prof_context(c);

    if (context->request == 0 && context->number == c->number) {
        hc = c->data;
        lcf = hc->conf_ctx->loc_conf[ngx_prof_context_conf];
        place = (uint32_t) lcf->marked;
    }

    return ngx_prof_label(place, 0, NGX_PROF_STATE_TLS);
}

#endif


void
ngx_prof_label_where(uint64_t label, ngx_prof_place_name_t *place)
{
    uint32_t  i;

    i = ngx_prof_label_place((uint32_t) label);

    if (i == 0
        || ngx_prof_zone_place_name(ngx_prof_process.zone, i - 1, place)
           != NGX_OK)
    {
        ngx_memzero(place, sizeof(ngx_prof_place_name_t));
    }
}


u_char *
ngx_prof_label_print(u_char *p, u_char *last, uint64_t label)
{
    ngx_prof_place_name_t  place;

    ngx_prof_label_where(label, &place);

    if (place.server.len) {
        p = ngx_slprintf(p, last, ", server ");
        p = ngx_prof_label_name(p, last, &place.server);
    }

    if (place.has_location) {
        p = ngx_slprintf(p, last, ", location ");
        p = ngx_prof_label_name(p, last, &place.location);
    }

    return p;
}


/* a terminal that shows the log must not obey what a name holds */

static u_char *
ngx_prof_label_name(u_char *p, u_char *last, const ngx_str_t *name)
{
    u_char    *from, *next, *end;
    uint32_t   ch;

    from = name->data;
    end = from + name->len;

    while (from < end) {
        next = from;
        ch = (*from < 0x80) ? *next++ : ngx_utf8_decode(&next, end - from);

        if (ch > 0x10ffff) {
            next = from + 1;
        }

        if (ch > 0x10ffff || ngx_prof_text_control(ch)) {

            for ( /* void */ ; from < next; from++) {
                p = ngx_slprintf(p, last, "\\x%02xD", (uint32_t) *from);
            }

            continue;
        }

        if (last - p < next - from) {
            break;
        }

        p = ngx_cpymem(p, from, next - from);
        from = next;
    }

    return p;
}


const char *
ngx_prof_request_state_name(ngx_uint_t state)
{
    static const char *const  names[] = {
        "idle", "accept", "tls", "read", "phase", "upstream", "write",
        "keepalive", "thread-pool", "other"
    };

    return state < NGX_PROF_STATES ? names[state] : "unknown";
}
