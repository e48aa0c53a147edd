
/*
 * Reads the streams of a trace into events and goroutines.  A stream may be
 * broken or hostile, and is read up to the first event that makes no sense.
 */


#include <string.h>

#include "trace_read.h"


/* error of a request's start, which nginx keeps in ms; ns */
#define PROFILING_TRACE_SLACK  2000000

/* limits of events and goroutines of a trace */
#define PROFILING_TRACE_MAX    ((size_t) 1 << 26)


typedef struct {
    const uint8_t             *pos;
    const uint8_t             *last;
    uint64_t                   time;
    uint64_t                   args[3];
    uint32_t                   slot;
    uint32_t                   current;      /* index */
    profiling_trace_worker_t  *worker;       /* NULL: none has begun */
    unsigned                   type;
} profiling_stream_t;


static void profiling_trace_slot(profiling_trace_t *t, size_t chunk);
static int profiling_trace_event(profiling_trace_t *t, profiling_stream_t *s);
static int profiling_trace_number(profiling_stream_t *s, uint64_t *value);
static int profiling_trace_args(unsigned type);
static void profiling_trace_worker(profiling_trace_t *t,
    profiling_stream_t *s);
static int profiling_trace_apply(profiling_trace_t *t, profiling_stream_t *s,
    profiling_trace_event_t *e);
static int profiling_trace_known(profiling_trace_t *t, profiling_stream_t *s,
    profiling_trace_event_t *e);
static profiling_trace_g_t *profiling_trace_new(profiling_trace_t *t,
    profiling_stream_t *s, uint32_t kind);
static void profiling_trace_request(profiling_trace_t *t,
    profiling_stream_t *s);
static void profiling_trace_ended(profiling_trace_t *t, profiling_stream_t *s);
static void profiling_trace_placed(profiling_trace_t *t,
    profiling_trace_g_t *g, uint64_t place);
static int profiling_trace_same(profiling_str_t *one, profiling_str_t *two);
static void profiling_trace_filter(profiling_trace_t *t);


void
profiling_trace_read(profiling_trace_t *t)
{
    size_t            i, k;
    profiling_raw_t  *raw;

    raw = t->raw;

    /* event 0 means none */

    t->events = profiling_grow(NULL, 0, sizeof(profiling_trace_event_t),
                               &t->events_room);
    t->nevents = 1;

    for (i = 0; i < raw->nchunks; i++) {

        for (k = 0; k < i && raw->chunks[k].slot != raw->chunks[i].slot; k++)
        {
            /* void */
        }

        if (k == i) {
            profiling_trace_slot(t, i);
        }
    }

    for (i = 0; i < t->nworkers; i++) {
        t->workers[i].next = t->workers[i].from;
    }

    profiling_trace_filter(t);
}


/* joins all chunks of the slot to which this first chunk belongs */

static void
profiling_trace_slot(profiling_trace_t *t, size_t chunk)
{
    size_t              i, len;
    uint8_t            *data;
    profiling_raw_t    *raw;
    profiling_stream_t  s;

    raw = t->raw;
    len = 0;

    for (i = chunk; i < raw->nchunks; i++) {
        if (raw->chunks[i].slot == raw->chunks[chunk].slot) {
            len += raw->chunks[i].len;
        }
    }

    data = profiling_alloc(len);

    memset(&s, 0, sizeof(profiling_stream_t));
    s.pos = data;
    s.last = data + len;
    s.slot = raw->chunks[chunk].slot;

    for (i = chunk; i < raw->nchunks; i++) {
        if (raw->chunks[i].slot == s.slot && raw->chunks[i].len != 0) {
            memcpy(data, raw->chunks[i].data, raw->chunks[i].len);
            data += raw->chunks[i].len;
        }
    }

    while (profiling_trace_event(t, &s)) { /* void */ }

    if (s.worker != NULL) {
        s.worker->to = t->nevents;
    }
}


/* returns 0 if the stream ends or makes no sense from here on */

static int
profiling_trace_event(profiling_trace_t *t, profiling_stream_t *s)
{
    int                       i, n;
    uint64_t                  delta;
    profiling_trace_event_t  *e;

    if (s->pos == s->last || t->nevents == PROFILING_TRACE_MAX) {
        return 0;
    }

    s->type = *s->pos++;
    n = profiling_trace_args(s->type);

    if (n == -1 || !profiling_trace_number(s, &delta)) {
        return 0;
    }

    for (i = 0; i < 3; i++) {
        s->args[i] = 0;

        if (i < n && !profiling_trace_number(s, &s->args[i])) {
            return 0;
        }
    }

    if (s->type == NGX_PROF_TRACE_START) {

        /* all workers share one clock, so a successor cannot start earlier */

        if (delta < s->time || delta > INT64_MAX / 2) {
            return 0;
        }

        s->time = delta;
        profiling_trace_worker(t, s);

    } else if (s->worker == NULL || delta > INT64_MAX / 2 - s->time) {
        return 0;

    } else {
        s->time += delta;
    }

    if (t->nevents == t->events_room) {
        t->events = profiling_grow(t->events, t->nevents,
                                   sizeof(profiling_trace_event_t),
                                   &t->events_room);
    }

    e = &t->events[t->nevents];
    memset(e, 0, sizeof(profiling_trace_event_t));

    e->time = s->time;
    e->type = s->type;
    e->arg = (uint32_t) s->args[0];
    e->value = s->args[1];

    if (!profiling_trace_apply(t, s, e)) {
        return 0;
    }

    t->nevents++;

    return 1;
}


static int
profiling_trace_number(profiling_stream_t *s, uint64_t *value)
{
    unsigned  shift;

    *value = 0;

    for (shift = 0; s->pos < s->last && shift < 64; shift += 7) {
        *value |= (uint64_t) (*s->pos & 0x7f) << shift;

        if (*s->pos++ < 0x80) {
            return 1;
        }
    }

    return 0;
}


/* number of arguments after the time; -1: unknown event */

static int
profiling_trace_args(unsigned type)
{
    static const int8_t  args[] = {
        -1, 2, 0, 1, 1, 0, 1, 0, 3, 1, 1, 2, 1, 0, 1, 1, 0, 2, 1, 2, 1, 1, 2
    };

    if (type < sizeof(args)) {
        return args[type];
    }

    return (type >= NGX_PROF_TRACE_PHASE
            && type < NGX_PROF_TRACE_PHASE
                      + NGX_PROF_TRACE_PHASES) ? 0 : -1;
}


static void
profiling_trace_worker(profiling_trace_t *t, profiling_stream_t *s)
{
    if (s->worker != NULL) {
        s->worker->to = t->nevents;
    }

    if (t->nworkers == t->workers_room) {
        t->workers = profiling_grow(t->workers, t->nworkers,
                                    sizeof(profiling_trace_worker_t),
                                    &t->workers_room);
    }

    s->worker = &t->workers[t->nworkers++];

    s->worker->pid = (uint32_t) s->args[0];
    s->worker->worker = (uint32_t) s->args[1];
    s->worker->slot = s->slot;
    s->worker->from = t->nevents;
    s->worker->first = (uint32_t) t->ngs;

    (void) profiling_trace_new(t, s, PROFILING_G_WORKER);

    s->current = s->worker->first;
}


/* applies an event to the goroutines; returns 0 if it makes no sense */

static int
profiling_trace_apply(profiling_trace_t *t, profiling_stream_t *s,
    profiling_trace_event_t *e)
{
    profiling_trace_g_t  *g;

    switch (s->type) {

    case NGX_PROF_TRACE_PASS:
    case NGX_PROF_TRACE_ACCEPT:
        s->current = s->worker->first;
        break;

    case NGX_PROF_TRACE_EVENT:
    case NGX_PROF_TRACE_TIMER:
    case NGX_PROF_TRACE_SWITCH:
    case NGX_PROF_TRACE_CLOSE:
        return profiling_trace_known(t, s, e);

    case NGX_PROF_TRACE_CONNECTION:
        g = profiling_trace_new(t, s, PROFILING_G_CONNECTION);
        s->current = g - t->gs;
        g->last = (uint32_t) t->nevents;
        break;

    case NGX_PROF_TRACE_REQUEST:
        profiling_trace_request(t, s);
        break;

    case NGX_PROF_TRACE_EXISTING:
        g = profiling_trace_new(t, s, PROFILING_G_REQUEST);
        g->existed = 1;
        g->method = (uint32_t) s->args[0];
        profiling_trace_placed(t, g, s->args[1]);
        e->g = g - t->gs;
        return 1;

    case NGX_PROF_TRACE_PLACE:
        if (s->args[0] < UINT32_MAX) {
            profiling_trace_placed(t, &t->gs[s->current], s->args[0] + 1);
        }
        break;

    case NGX_PROF_TRACE_TLS:
        t->events[t->gs[s->current].last].tls = 1;
        break;

    case NGX_PROF_TRACE_HEAP:
        e->value = s->args[0] >> 32;
        break;

    case NGX_PROF_TRACE_LOST:
        s->worker->lost += s->args[0];
        break;

    default:
        break;
    }

    e->g = s->current;

    if (s->type == NGX_PROF_TRACE_CONNECTION) {
        e->arg = 0;
        e->value = 0;

    } else if (s->type == NGX_PROF_TRACE_END) {
        profiling_trace_ended(t, s);
    }

    return 1;
}


/* events whose argument is a goroutine */

static int
profiling_trace_known(profiling_trace_t *t, profiling_stream_t *s,
    profiling_trace_event_t *e)
{
    uint32_t              g;
    profiling_trace_g_t  *p;

    if (s->args[0] >= s->worker->ngs) {
        return 0;
    }

    g = s->worker->first + (uint32_t) s->args[0];
    p = &t->gs[g];

    e->g = g;
    e->arg = 0;
    e->value = 0;

    if (s->type == NGX_PROF_TRACE_CLOSE) {
        p->end = s->time;
        s->current = s->worker->first;
        return 1;
    }

    s->current = g;

    if (s->type == NGX_PROF_TRACE_EVENT) {
        e->arg = p->last;
        p->last = (uint32_t) t->nevents;
    }

    return 1;
}


static profiling_trace_g_t *
profiling_trace_new(profiling_trace_t *t, profiling_stream_t *s, uint32_t kind)
{
    profiling_trace_g_t  *g;

    if (t->ngs == PROFILING_TRACE_MAX) {
        profiling_fail(PROFILING_MEMORY, "too many goroutines");
    }

    if (t->ngs == t->gs_room) {
        t->gs = profiling_grow(t->gs, t->ngs, sizeof(profiling_trace_g_t),
                               &t->gs_room);
    }

    g = &t->gs[t->ngs++];
    memset(g, 0, sizeof(profiling_trace_g_t));

    g->worker = s->worker - t->workers;
    g->kind = kind;
    g->parent = s->worker->first;

    s->worker->ngs++;

    return g;
}


/*
 * Passes of the connection since the request began belong to the request.  If
 * the request began in this pass, its start is exact.
 */

static void
profiling_trace_request(profiling_trace_t *t, profiling_stream_t *s)
{
    uint32_t                  i, parent;
    uint64_t                  slack;
    profiling_trace_g_t      *g, *c;
    profiling_trace_event_t  *e;

    parent = s->current;

    if (t->gs[parent].kind == PROFILING_G_REQUEST) {
        parent = t->gs[parent].parent;
    }

    g = profiling_trace_new(t, s, PROFILING_G_REQUEST);
    c = &t->gs[parent];

    g->method = (uint32_t) s->args[0];
    g->stream = (s->args[1] & NGX_PROF_TRACE_REQUEST_STREAM) != 0;
    g->parent = parent;
    g->begin = s->time - (s->args[2] < s->time ? s->args[2] : s->time);

    s->current = g - t->gs;

    if (g->stream || c->kind != PROFILING_G_CONNECTION) {
        return;
    }

    slack = (c->last && g->begin >= t->events[c->last].time)
            ? 0 : PROFILING_TRACE_SLACK;

    for (i = c->last; i != 0; i = e->arg) {
        e = &t->events[i];

        if (e->time + slack < g->begin || e->value != 0
            || e->time < c->begin)
        {
            break;
        }

        e->value = (uint64_t) s->current + 1;
    }

    c->last = 0;
}


static void
profiling_trace_ended(profiling_trace_t *t, profiling_stream_t *s)
{
    profiling_trace_g_t  *g;

    g = &t->gs[s->current];

    if (g->kind != PROFILING_G_REQUEST) {
        return;
    }

    g->end = s->time;

    s->current = g->parent;

    /* the next request of the connection cannot begin earlier */

    if (!g->stream) {
        t->gs[g->parent].begin = s->time;
    }
}


/* first the server, then its location, which may change */

static void
profiling_trace_placed(profiling_trace_t *t, profiling_trace_g_t *g,
    uint64_t place)
{
    uint32_t               at;
    profiling_str_t       *server, *location;
    profiling_raw_t       *raw;
    ngx_prof_raw_trace_t  *info;

    raw = t->raw;
    info = &t->info;

    if (g->kind != PROFILING_G_REQUEST || place == 0
        || place > info->nplaces)
    {
        return;
    }

    at = info->places + 2 * ((uint32_t) place - 1);
    server = &raw->strings[at + 1];
    location = &raw->strings[at + 2];

    if (g->place == 0 || location->len != 0) {
        g->place = (uint32_t) place;
    }

    if ((info->server == 0
         || profiling_trace_same(server, &raw->strings[info->server]))
        && (info->location == 0
            || profiling_trace_same(location,
                                    &raw->strings[info->location])))
    {
        g->matched = 1;
    }
}


static int
profiling_trace_same(profiling_str_t *one, profiling_str_t *two)
{
    return one->len == two->len && memcmp(one->data, two->data, one->len) == 0;
}


/* a filter keeps only requests, and only those that match */

static void
profiling_trace_filter(profiling_trace_t *t)
{
    size_t                 i;
    uint64_t               end;
    profiling_trace_g_t   *g;
    ngx_prof_raw_trace_t  *info;

    info = &t->info;

    for (i = 0; i < t->ngs; i++) {
        g = &t->gs[i];

        if (info->server == 0 && info->location == 0 && info->min == 0) {
            g->kept = 1;
            continue;
        }

        end = g->end ? g->end : info->end;

        g->kept = g->kind == PROFILING_G_REQUEST
                  && ((info->server == 0 && info->location == 0)
                      || g->matched)
                  && (info->min == 0 || g->existed
                      || (end > g->begin && end - g->begin >= info->min));
    }
}
