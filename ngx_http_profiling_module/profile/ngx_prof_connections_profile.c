
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_connections_profile.h"
#include "ngx_prof_label.h"
#include "ngx_prof_dump.h"
#include "ngx_prof_raw_maps.h"
#include "ngx_prof_record.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_text.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"
#include "ngx_prof_raw.h"


/* groups or connections written in one step */
#define NGX_PROF_CONNECTIONS_CHUNK  64

#define NGX_PROF_CONNECTIONS_LABELS 8


static void ngx_prof_connections_raw_names(ngx_prof_connections_raw_t *raw);
static uint32_t ngx_prof_connections_raw_string(
    ngx_prof_connections_raw_t *raw, const char *s);
static void ngx_prof_connections_raw_begin(ngx_prof_connections_raw_t *raw,
    ngx_prof_worker_dump_t *w);
static void ngx_prof_connections_raw_groups(ngx_prof_connections_raw_t *raw,
    ngx_prof_worker_dump_t *w, ngx_uint_t from, ngx_uint_t n, int64_t sign);
static void ngx_prof_connections_raw_rest(ngx_prof_connections_raw_t *raw,
    ngx_prof_worker_dump_t *w, int64_t sign);
static void ngx_prof_connections_raw_single(ngx_prof_connections_raw_t *raw,
    const ngx_prof_listed_t *listed);
static uint32_t ngx_prof_connections_raw_native(
    ngx_prof_connections_raw_t *raw, const ngx_prof_worker_dump_t *w);
static uint32_t ngx_prof_connections_raw_stack(ngx_prof_connections_raw_t *raw,
    const uint64_t *frames, ngx_uint_t n, uint32_t outer, uint32_t root,
    uint32_t flags);
static void ngx_prof_connections_raw_sample(ngx_prof_connections_raw_t *raw,
    uint32_t stack, uint32_t labels, int64_t value);
static uint32_t ngx_prof_connections_raw_labels(
    ngx_prof_connections_raw_t *raw, uint32_t label, uint32_t kind,
    uint32_t state, const ngx_prof_listed_t *listed);


ngx_prof_connections_raw_t *
ngx_prof_connections_raw_create(ngx_pool_t *pool, ngx_uint_t output,
    ngx_prof_dumps_t *g, ngx_prof_dumps_t *base, ngx_uint_t limit)
{
    uint64_t                     duration;
    ngx_prof_raw_header_t       *h;
    ngx_prof_connections_raw_t  *raw;

    raw = ngx_pcalloc(pool, sizeof(ngx_prof_connections_raw_t));
    if (raw == NULL) {
        return NULL;
    }

    raw->dumps = g;
    raw->base = base;
    raw->single = (output == NGX_PROF_RAW_DUMP);
    raw->limit = limit;

    duration = base ? g->ask.start - base->ask.start : 0;

    raw->stacks = ngx_pcalloc(pool, (g->ask.workers.nelts + 1)
                                    * sizeof(uint32_t));
    raw->file = ngx_prof_rawfile_open(pool, NGX_PROF_RAW_GOROUTINE);

    if (raw->file == NULL || raw->stacks == NULL) {
        return NULL;
    }

    h = raw->file->header;
    h->output = output;
    h->period = 1;
    h->time_nanos = (int64_t) g->time * NGX_PROF_NSEC_PER_MSEC;
    h->duration_nanos = (int64_t) duration;

    ngx_prof_connections_raw_names(raw);

    return raw;
}


static void
ngx_prof_connections_raw_names(ngx_prof_connections_raw_t *raw)
{
    u_char                  name[64];
    ngx_uint_t              i;
    ngx_prof_raw_type_t     type;
    ngx_prof_raw_header_t  *h;

    h = raw->file->header;

    type.type = ngx_prof_connections_raw_string(raw, "goroutine");
    type.unit = NGX_PROF_S_COUNT;

    h->period_type = type.type;
    h->period_unit = type.unit;

    ngx_prof_rawfile_types(raw->file, &type, 1);

    raw->key_id = type.type;
    raw->key_kind = ngx_prof_connections_raw_string(raw, "kind");
    raw->key_wait = ngx_prof_connections_raw_string(raw, "wait");
    raw->unit_wait = ngx_prof_connections_raw_string(raw, "seconds");
    raw->unlisted = ngx_prof_connections_raw_string(raw,
                                                          "[not listed]");
    raw->stuck = ngx_prof_connections_raw_string(raw,
                                                 "[stuck worker]");
    raw->silent = ngx_prof_connections_raw_string(raw,
                                                  "[silent worker]");

    for (i = 0; i < NGX_PROF_KINDS; i++) {
        raw->kind[i] = ngx_prof_connections_raw_string(raw,
                                        ngx_prof_dump_kind_name(i));

        *ngx_sprintf(name, "[%s]", ngx_prof_dump_kind_name(i)) = 0;
        raw->root[i] = ngx_prof_connections_raw_string(raw, (char *) name);
    }

    for (i = 0; i < NGX_PROF_DUMP_STATES; i++) {
        raw->state[i] = ngx_prof_connections_raw_string(raw,
                                       ngx_prof_dump_state_name(i));
    }
}


static uint32_t
ngx_prof_connections_raw_string(ngx_prof_connections_raw_t *raw, const char *s)
{
    return ngx_prof_rawfile_one(raw->file, s, ngx_strlen(s));
}


/*
 * Writes the groups of all workers, or only their stacks; then, in a list one
 * by one, the connections.
 */

ngx_int_t
ngx_prof_connections_raw_step(ngx_prof_connections_raw_t *raw)
{
    int64_t                  sign;
    ngx_int_t                rc;
    ngx_uint_t               i, n, workers;
    ngx_prof_listed_t        listed;
    ngx_prof_worker_dump_t  *w;

    if (ngx_prof_rawfile_names(raw->file) != NGX_OK) {
        return NGX_AGAIN;
    }

    workers = raw->dumps->ask.workers.nelts;

    if (raw->worker < workers
        || (raw->base
            && raw->worker < workers + raw->base->ask.workers.nelts))
    {
        w = raw->dumps->ask.workers.elts;
        w += raw->worker;
        sign = 1;

        if (raw->worker >= workers) {
            w = raw->base->ask.workers.elts;
            w += raw->worker - workers;
            sign = -1;
        }

        if (raw->group == 0) {
            ngx_prof_connections_raw_begin(raw, w);
        }

        if (w->asked.state == NGX_PROF_ASKED_ANSWERED) {
            n = ngx_min(w->head.groups - raw->group,
                        NGX_PROF_CONNECTIONS_CHUNK);

            ngx_prof_connections_raw_groups(raw, w, raw->group, n, sign);
            raw->group += n;

            if (raw->group < w->head.groups) {
                return NGX_AGAIN;
            }

        } else if (!raw->single) {
            ngx_prof_connections_raw_rest(raw, w, sign);
        }

        raw->group = 0;
        raw->worker++;

        return NGX_AGAIN;
    }

    for (i = 0; raw->single && i < NGX_PROF_CONNECTIONS_CHUNK; i++) {
        rc = ngx_prof_connections_next(raw->dumps, raw->limit,
                                       &raw->cursor, &listed);
        if (rc == NGX_DONE) {
            break;
        }

        ngx_prof_connections_raw_single(raw, &listed);
    }

    if (i == NGX_PROF_CONNECTIONS_CHUNK) {
        return NGX_AGAIN;
    }

    return (ngx_prof_rawfile_finish(raw->file) == NGX_OK)
           ? NGX_DONE : NGX_ERROR;
}


/* begins a worker: its process, and comments about it */

static void
ngx_prof_connections_raw_begin(ngx_prof_connections_raw_t *raw,
    ngx_prof_worker_dump_t *w)
{
    raw->process = ngx_prof_rawfile_process(raw->file, w->asked.pid, w->worker);

    if (raw->worker < raw->dumps->ask.workers.nelts) {
        raw->stacks[raw->worker] = raw->file->stacks;
    }

    if (w->asked.state == NGX_PROF_ASKED_SILENT) {
        ngx_prof_rawfile_comment(raw->file,
                        "worker %P did not answer: its %uL connections are "
                        "not listed", w->asked.pid, w->connections);
    }
}


static void
ngx_prof_connections_raw_groups(ngx_prof_connections_raw_t *raw,
    ngx_prof_worker_dump_t *w, ngx_uint_t from, ngx_uint_t n, int64_t sign)
{
    uint32_t                stack, labels;
    ngx_uint_t              i;
    ngx_prof_dump_group_t  *g;

    for (i = from; i < from + n; i++) {
        g = &w->groups[i];

        stack = ngx_prof_connections_raw_stack(raw, g->stack,
                                          g->depth,
                                          (i < NGX_PROF_DUMP_REST)
                                          ? raw->unlisted : 0,
                                          raw->root[g->kind],
                                          NGX_PROF_RAW_ALL_EXACT);

        if (raw->single || g->count == 0) {
            continue;
        }

        labels = ngx_prof_connections_raw_labels(raw, g->label,
                                                  raw->kind[g->kind],
                                                  raw->state[g->state], NULL);

        ngx_prof_connections_raw_sample(raw, stack, labels,
                                        sign * (int64_t) g->count);
    }
}


/* the sample of a worker that did not answer */

static void
ngx_prof_connections_raw_rest(ngx_prof_connections_raw_t *raw,
    ngx_prof_worker_dump_t *w, int64_t sign)
{
    uint32_t  stack, labels, root;
    int64_t   count;

    count = (int64_t) ngx_prof_dumps_count(w);
    root = raw->silent;
    labels = 0;

    if (w->asked.state == NGX_PROF_ASKED_STUCK) {
        root = raw->stuck;
        stack = ngx_prof_connections_raw_native(raw, w);
        labels = ngx_prof_connections_raw_labels(raw,
                              w->native.label, 0,
                              raw->state[NGX_PROF_DUMP_STUCK],
                              NULL);

        ngx_prof_connections_raw_sample(raw, stack, labels, sign);

        labels = ngx_prof_connections_raw_labels(raw, 0, 0,
                              raw->state[NGX_PROF_DUMP_STUCK],
                              NULL);
        count--;
    }

    if (count > 0) {
        stack = ngx_prof_connections_raw_stack(raw, NULL, 0,
                              raw->unlisted, root,
                              NGX_PROF_RAW_ALL_EXACT);

        ngx_prof_connections_raw_sample(raw, stack, labels, sign * count);
    }
}


static void
ngx_prof_connections_raw_single(ngx_prof_connections_raw_t *raw,
    const ngx_prof_listed_t *listed)
{
    uint32_t                 stack, labels;
    ngx_uint_t               i;
    ngx_prof_dump_group_t   *g;
    ngx_prof_worker_dump_t  *w;

    w = listed->worker;

    raw->process = ngx_prof_rawfile_process(raw->file, w->asked.pid, w->worker);

    if (listed->detail == NULL) {
        stack = ngx_prof_connections_raw_native(raw, w);
        labels = ngx_prof_connections_raw_labels(raw,
                              w->native.label, 0,
                              raw->state[NGX_PROF_DUMP_STUCK],
                              listed);

    } else {
        i = w - (ngx_prof_worker_dump_t *) raw->dumps->ask.workers.elts;
        g = &w->groups[listed->detail->group];
        stack = raw->stacks[i] + listed->detail->group;
        labels = ngx_prof_connections_raw_labels(raw, g->label,
                              raw->kind[g->kind], raw->state[g->state], listed);
    }

    ngx_prof_connections_raw_sample(raw, stack, labels, 1);
}


static uint32_t
ngx_prof_connections_raw_native(ngx_prof_connections_raw_t *raw,
    const ngx_prof_worker_dump_t *w)
{
    return ngx_prof_connections_raw_stack(raw, w->native.stack,
                              ngx_min(w->native.depth, NGX_PROF_DUMP_NATIVE),
                              0, raw->stuck,
                              NGX_PROF_RAW_LEAF_EXACT);
}


/* outer, root: strings that name the outermost frames; outer may be 0 */

static uint32_t
ngx_prof_connections_raw_stack(ngx_prof_connections_raw_t *raw,
    const uint64_t *frames, ngx_uint_t n, uint32_t outer, uint32_t root,
    uint32_t flags)
{
    uint32_t  stack;
    uint64_t  pcs[NGX_PROF_FRAMES + 2];

    n = ngx_min(n, NGX_PROF_FRAMES);

    if (n) {
        ngx_memcpy(pcs, frames, n * sizeof(uint64_t));
    }

    if (outer) {
        pcs[n++] = NGX_PROF_RAW_NAMED | outer;
    }

    pcs[n++] = NGX_PROF_RAW_NAMED | root;

    ngx_prof_rawfile_section(raw->file, NGX_PROF_RAW_STACKS);
    stack = ngx_prof_rawfile_stack(raw->file, pcs, n, flags);
    ngx_prof_rawfile_close(raw->file, 1);

    return stack;
}


static void
ngx_prof_connections_raw_sample(ngx_prof_connections_raw_t *raw,
    uint32_t stack, uint32_t labels, int64_t value)
{
    ngx_prof_rawfile_section(raw->file, NGX_PROF_RAW_SAMPLES);
    ngx_prof_rawfile_sample(raw->file, raw->process, stack, labels, &value, 1);
    ngx_prof_rawfile_close(raw->file, 1);
}


/* kind, state: strings, kind may be 0; listed: NULL for a group */

static uint32_t
ngx_prof_connections_raw_labels(ngx_prof_connections_raw_t *raw,
    uint32_t label, uint32_t kind, uint32_t state,
    const ngx_prof_listed_t *listed)
{
    uint32_t                         n;
    ngx_prof_raw_label_t
                                labels[NGX_PROF_CONNECTIONS_LABELS];

    ngx_memzero(labels, sizeof(labels));
    n = 0;

    labels[n].key = NGX_PROF_S_STATE;
    labels[n++].str = state;

    if (kind) {
        labels[n].key = raw->key_kind;
        labels[n++].str = kind;
    }

    n += ngx_prof_rawfile_place(raw->file, label, &labels[n]);

    if (listed) {
        labels[n].key = raw->key_id;
        labels[n].str = NGX_PROF_RAW_NONE;
        labels[n++].num = (int64_t) listed->id;

        labels[n].key = raw->key_wait;
        labels[n].str = NGX_PROF_RAW_NONE;
        labels[n].unit = raw->unit_wait;
        labels[n++].num = listed->detail
                          ? ngx_max(listed->detail->wait, 0) / 1000
                          : (int64_t) (listed->worker->since
                                       / NGX_PROF_NSEC_PER_SEC);
    }

    return ngx_prof_rawfile_labelset(raw->file, labels, n);
}
