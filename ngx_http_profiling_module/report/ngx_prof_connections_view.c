
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_connections_view.h"
#include "ngx_prof_anonymous.h"
#include "ngx_prof_label.h"
#include "ngx_prof_dump.h"
#include "ngx_prof_record.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_view.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


static void ngx_prof_connections_where(ngx_prof_json_t *j, uint32_t label);
static void ngx_prof_connections_name(ngx_prof_json_t *j, const char *key,
    const char *prefix, const u_char *data, size_t len);
static void ngx_prof_connections_known(ngx_prof_json_t *j, const char *key,
    int64_t n);


/* as of each worker's latest tick */

void
ngx_prof_connections_states(ngx_prof_json_t *j, const ngx_prof_gauges_t *g)
{
    ngx_prof_json_open(j, "states", '{');
    ngx_prof_json_uint(j, "reading", g->reading);
    ngx_prof_json_uint(j, "writing", g->writing);
    ngx_prof_json_uint(j, "waiting", g->waiting);
    ngx_prof_json_uint(j, "upstream", g->upstream);
    ngx_prof_json_uint(j, "upstream_idle", g->keepalive);
    ngx_prof_json_uint(j, "streams", g->streams);
    ngx_prof_json_uint(j, "other", g->other);
    ngx_prof_json_close(j, '}');
}


/* exact, whatever the number of connections */

void
ngx_prof_connections_sums(ngx_prof_json_t *j, const ngx_prof_dumps_t *g)
{
    uint64_t                 kind[NGX_PROF_KINDS];
    uint64_t                 state[NGX_PROF_DUMP_STATES];
    ngx_uint_t               i, n;
    ngx_prof_worker_dump_t  *w;
    ngx_prof_dump_group_t   *group;

    ngx_memzero(kind, sizeof(kind));
    ngx_memzero(state, sizeof(state));

    w = g->ask.workers.elts;

    for (i = 0; i < g->ask.workers.nelts; i++) {

        if (w[i].asked.state != NGX_PROF_ASKED_ANSWERED) {
            state[w[i].asked.state == NGX_PROF_ASKED_STUCK
                  ? NGX_PROF_DUMP_STUCK
                  : NGX_PROF_DUMP_OTHER]
                += ngx_prof_dumps_count(&w[i]);
            continue;
        }

        group = w[i].groups;

        for (n = 0; n < w[i].head.groups; n++) {
            kind[group[n].kind] += group[n].count;
            state[group[n].state] += group[n].count;
        }
    }

    ngx_prof_json_open(j, "by_kind", '{');

    for (i = 0; i < NGX_PROF_KINDS; i++) {

        if (kind[i]) {
            ngx_prof_json_uint(j, ngx_prof_dump_kind_name(i), kind[i]);
        }
    }

    ngx_prof_json_close(j, '}');
    ngx_prof_json_open(j, "by_state", '{');

    for (i = 0; i < NGX_PROF_DUMP_STATES; i++) {

        if (state[i]) {
            ngx_prof_json_uint(j, ngx_prof_dump_state_name(i), state[i]);
        }
    }

    ngx_prof_json_close(j, '}');
}


void
ngx_prof_connections_workers(ngx_prof_json_t *j, const ngx_prof_dumps_t *g)
{
    ngx_uint_t                     i;
    const ngx_prof_worker_dump_t  *w;

    static const char *const  states[] = {
        "waiting", "answered", "stuck", "silent", "gone"
    };

    ngx_prof_json_open(j, "workers", '[');
    w = g->ask.workers.elts;

    for (i = 0; i < g->ask.workers.nelts; i++) {
        ngx_prof_json_open(j, NULL, '{');
        ngx_prof_json_uint(j, "pid", w[i].asked.pid);
        ngx_prof_json_uint(j, "generation", w[i].generation);
        ngx_prof_json_cstring(j, "answer", states[w[i].asked.state]);
        ngx_prof_json_uint(j, "count",
                           ngx_prof_dumps_count(&w[i]));

        if (w[i].asked.state == NGX_PROF_ASKED_ANSWERED) {
            ngx_prof_json_time(j, "time", w[i].head.time);
            ngx_prof_json_double(j, "collect_ms",
                                 ngx_prof_ms(w[i].head.spent));

        } else if (w[i].asked.state == NGX_PROF_ASKED_STUCK) {
            ngx_prof_json_double(j, "stuck_seconds",
                                 ngx_prof_seconds(w[i].since));
        }

        ngx_prof_json_close(j, '}');
    }

    ngx_prof_json_close(j, ']');
}


void
ngx_prof_connections_stuck(ngx_prof_json_t *j, const ngx_prof_worker_dump_t *w)
{
    ngx_prof_json_cstring(j, "state", "stuck");
    ngx_prof_json_double(j, "wait_seconds",
                         ngx_prof_seconds(w->since));
    ngx_prof_json_cstring(j, "kind", "client");
    ngx_prof_json_null(j, "client");
    ngx_prof_connections_where(j, (uint32_t) w->native.label);
    ngx_prof_json_null(j, "method");
    ngx_prof_json_null(j, "uri");
    ngx_prof_json_null(j, "upstream");
    ngx_prof_json_null(j, "action");
    ngx_prof_json_null(j, "timer");
    ngx_prof_json_null(j, "timer_seconds");
    ngx_prof_json_null(j, "bytes_in");
    ngx_prof_json_null(j, "bytes_out");
    ngx_prof_json_null(j, "pool_bytes");
}


void
ngx_prof_connections_detail(ngx_prof_json_t *j,
    const ngx_prof_dump_detail_t *d, const ngx_prof_dump_group_t *g)
{
    ngx_uint_t     i;
    const u_char  *p, *text[NGX_PROF_DUMP_TEXTS];

    p = (const u_char *) (d + 1);

    for (i = 0; i < NGX_PROF_DUMP_TEXTS; i++) {
        text[i] = p;
        p += d->len[i];
    }

    ngx_prof_json_cstring(j, "state",
                                ngx_prof_dump_state_name(g->state));

    if (d->wait == NGX_PROF_DUMP_UNKNOWN) {
        ngx_prof_json_null(j, "wait_seconds");

    } else {
        ngx_prof_json_double(j, "wait_seconds",
                             (double) d->wait / 1e3);
    }

    ngx_prof_json_cstring(j, "kind",
                                  ngx_prof_dump_kind_name(g->kind));

    i = NGX_PROF_DUMP_CLIENT;
    ngx_prof_connections_name(j, "client", "addr", text[i],
                              d->len[i]);
    ngx_prof_connections_where(j, g->label);

    i = NGX_PROF_DUMP_METHOD;
    ngx_prof_connections_name(j, "method", NULL, text[i], d->len[i]);

    i = NGX_PROF_DUMP_URI;
    ngx_prof_connections_name(j, "uri", "uri", text[i], d->len[i]);

    i = NGX_PROF_DUMP_PEER;
    ngx_prof_connections_name(j, "upstream", "addr", text[i],
                              d->len[i]);

    i = NGX_PROF_DUMP_ACTION;
    ngx_prof_connections_name(j, "action", NULL, text[i], d->len[i]);

    if (d->timer) {
        ngx_prof_json_cstring(j, "timer",
                               ngx_prof_dump_timer_name(g->kind,
                                                       g->state, d->timer));
        ngx_prof_json_double(j, "timer_seconds",
                             (double) d->remaining / 1e3);

    } else {
        ngx_prof_json_null(j, "timer");
        ngx_prof_json_null(j, "timer_seconds");
    }

    ngx_prof_connections_known(j, "bytes_in", d->in);
    ngx_prof_connections_known(j, "bytes_out", d->out);
    ngx_prof_json_uint(j, "pool_bytes",
                       d->connection_pool + d->request_pool);
}


static void
ngx_prof_connections_where(ngx_prof_json_t *j, uint32_t label)
{
    uint32_t          n;
    ngx_str_t         u;
    ngx_prof_zone_t  *zone;

    ngx_prof_view_place(j, label);

    zone = ngx_prof_process.zone;
    n = ngx_prof_label_upstream(label);

    if (n == 0 || n >= ngx_prof_zone_upstream_n(zone)) {
        ngx_prof_json_null(j, "upstream_name");
        return;
    }

    ngx_prof_zone_upstream(zone, n, &u);

    ngx_prof_connections_name(j, "upstream_name",
                              ngx_prof_is_address(u.data, u.len)
                              ? "addr" : NULL,
                              u.data, u.len);
}


/* null if there is none; prefix: of the anonymous name, if it may have one */

static void
ngx_prof_connections_name(ngx_prof_json_t *j, const char *key,
    const char *prefix, const u_char *data, size_t len)
{
    u_char  *end, name[NGX_PROF_ANONYMOUS_LEN];

    if (len == 0) {
        ngx_prof_json_null(j, key);
        return;
    }

    if (prefix == NULL || !ngx_prof_setting(NGX_PROF_ANONYMIZE)) {
        ngx_prof_json_string(j, key, data, len);
        return;
    }

    end = ngx_prof_anonymous(name, prefix, data, len);

    ngx_prof_json_string(j, key, name, end - name);
}


static void
ngx_prof_connections_known(ngx_prof_json_t *j, const char *key, int64_t n)
{
    if (n == NGX_PROF_DUMP_UNKNOWN) {
        ngx_prof_json_null(j, key);
        return;
    }

    ngx_prof_json_int(j, key, n);
}
