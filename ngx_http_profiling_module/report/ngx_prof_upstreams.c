
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_upstreams.h"
#include "ngx_prof_alive.h"
#include "ngx_prof_expose.h"
#include "ngx_prof_json.h"
#include "ngx_prof_row.h"
#include "ngx_prof_snapshot.h"
#include "ngx_prof_times.h"
#include "ngx_prof_view.h"
#include "ngx_prof_zone.h"


typedef struct {
    const char  *name;
    const char  *type;
    const char  *help;
    void       (*print)(ngx_prof_work_t *w, const char *name, ngx_uint_t place,
                        ngx_prof_row_counts_t *counts);
} ngx_prof_upstream_family_t;


static ngx_int_t ngx_prof_upstreams_known(ngx_prof_work_t *w, ngx_uint_t row,
    ngx_prof_row_counts_t *counts);
static void ngx_prof_view_peer(ngx_prof_work_t *w, ngx_uint_t row,
    ngx_prof_row_counts_t *counts);
static void ngx_prof_view_counts(ngx_prof_json_t *j, const char *key,
    const uint64_t *n, const char *const *names);
static void ngx_prof_expose_tries(ngx_prof_work_t *w, const char *name,
    ngx_uint_t place, ngx_prof_row_counts_t *counts);
static void ngx_prof_expose_retries(ngx_prof_work_t *w, const char *name,
    ngx_uint_t place, ngx_prof_row_counts_t *counts);
static void ngx_prof_expose_reused(ngx_prof_work_t *w, const char *name,
    ngx_uint_t place, ngx_prof_row_counts_t *counts);
static void ngx_prof_expose_in_flight(ngx_prof_work_t *w, const char *name,
    ngx_uint_t place, ngx_prof_row_counts_t *counts);
static void ngx_prof_expose_peer_bytes(ngx_prof_work_t *w, const char *name,
    ngx_uint_t place, ngx_prof_row_counts_t *counts);
static void ngx_prof_expose_files(ngx_prof_work_t *w, const char *name,
    ngx_uint_t place, ngx_prof_row_counts_t *counts);
static void ngx_prof_expose_time(ngx_prof_work_t *w, const char *name,
    ngx_uint_t place, const ngx_prof_hist_t *hist);
static void ngx_prof_expose_connect(ngx_prof_work_t *w, const char *name,
    ngx_uint_t place, ngx_prof_row_counts_t *counts);
static void ngx_prof_expose_first(ngx_prof_work_t *w, const char *name,
    ngx_uint_t place, ngx_prof_row_counts_t *counts);
static void ngx_prof_expose_last(ngx_prof_work_t *w, const char *name,
    ngx_uint_t place, ngx_prof_row_counts_t *counts);


static const char *const  ngx_prof_try_names[] = {
    "error", "1xx", "2xx", "3xx", "4xx", "5xx", "timeout", "invalid_header",
    "abandoned", "no_live", NULL
};

static const char *const  ngx_prof_retry_names[] = {
    "error", "timeout", "invalid_header", "http_403", "http_404", "http_429",
    "http_500", "http_502", "http_503", "http_504", "other", NULL
};


static const ngx_prof_upstream_family_t  ngx_prof_upstream_families[] = {

    { "upstream_tries_total", "counter", "Tries of peers by result.",
      ngx_prof_expose_tries },

    { "upstream_retries_total", "counter",
      "Tries after which another peer was tried, by reason.",
      ngx_prof_expose_retries },

    { "upstream_connections_total", "counter",
      "Tries by whether their connection had been kept alive.",
      ngx_prof_expose_reused },

    { "upstream_in_flight", "gauge", "Tries that have not ended.",
      ngx_prof_expose_in_flight },

    { "upstream_bytes_total", "counter", "Bytes sent to and received from "
      "peers.", ngx_prof_expose_peer_bytes },

    { "upstream_temporary_bytes_total", "counter",
      "Bytes of responses that went to temporary files.",
      ngx_prof_expose_files },

    { "upstream_connect_seconds", "histogram",
      "Time until a peer was connected, TLS included.",
      ngx_prof_expose_connect },

    { "upstream_first_byte_seconds", "histogram",
      "Time until the first byte of a peer's response.",
      ngx_prof_expose_first },

    { "upstream_response_seconds", "histogram",
      "Time until the last byte of a peer's response.",
      ngx_prof_expose_last },
};

#define NGX_PROF_UPSTREAM_FAMILIES                                            \
    (sizeof(ngx_prof_upstream_families) / sizeof(ngx_prof_upstream_family_t))


ngx_int_t
ngx_prof_view_upstreams(ngx_prof_work_t *w)
{
    ngx_uint_t              row;
    ngx_prof_json_t        *j;
    ngx_prof_zone_t        *zone;
    ngx_prof_row_counts_t  *counts;

    j = &w->json;
    zone = w->snapshot->zone;

    if (w->next == 0) {
        w->data = ngx_palloc(w->snapshot->pool, sizeof(ngx_prof_row_counts_t));
        if (w->data == NULL) {
            return NGX_ERROR;
        }

        ngx_prof_json_open(j, NULL, '{');
        ngx_prof_json_time(j, "timestamp", w->snapshot->time);
        ngx_prof_json_open(j, "peers", '[');
    }

    row = ngx_prof_row_first(NGX_PROF_ROW_PEERS) + w->next++;
    counts = w->data;

    if (row < ngx_prof_row_end(zone, NGX_PROF_ROW_PEERS)) {

        if (ngx_prof_upstreams_known(w, row, counts) == NGX_OK) {
            ngx_prof_view_peer(w, row, counts);
        }

        return NGX_AGAIN;
    }

    ngx_prof_json_close(j, ']');

    /* tries that nothing is known of, and times of tries: no room */

    ngx_prof_json_uint(j, "lost", ngx_prof_load(&zone->header->rows_lost));
    ngx_prof_json_close(j, '}');

    return NGX_DONE;
}


static ngx_int_t
ngx_prof_upstreams_known(ngx_prof_work_t *w, ngx_uint_t row,
    ngx_prof_row_counts_t *counts)
{
    ngx_prof_row_sum(w->snapshot->zone, row, w->snapshot->filter, counts);

    return ngx_prof_tries(&counts->plain)->started ? NGX_OK : NGX_DECLINED;
}


static void
ngx_prof_view_peer(ngx_prof_work_t *w, ngx_uint_t row,
    ngx_prof_row_counts_t *counts)
{
    ngx_str_t             upstream, peer;
    ngx_uint_t            i;
    ngx_prof_json_t      *j;
    ngx_prof_tries_t     *t;
    ngx_prof_snapshot_t  *s;

    j = &w->json;
    s = w->snapshot;
    t = ngx_prof_tries(&counts->plain);

    ngx_prof_json_open(j, NULL, '{');

    if (ngx_prof_row_name(s->zone, row, &peer, &i) == NGX_OK) {
        ngx_prof_zone_upstream(s->zone, i, &upstream);

    } else {
        ngx_str_set(&upstream, "(other)");
        ngx_str_set(&peer, "(other)");
    }

    if (upstream.len) {
        ngx_prof_json_string(j, "upstream", upstream.data, upstream.len);

    } else {
        ngx_prof_json_null(j, "upstream");
    }

    if (peer.len) {
        ngx_prof_json_string(j, "peer", peer.data, peer.len);

    } else {
        ngx_prof_json_null(j, "peer");
    }

    ngx_prof_json_uint(j, "tries", t->started);
    ngx_prof_view_counts(j, "results", t->result, ngx_prof_try_names);
    ngx_prof_view_counts(j, "retries", t->retried, ngx_prof_retry_names);
    ngx_prof_json_uint(j, "reused", t->reused);
    ngx_prof_json_double(j, "reuse_ratio",
                         (double) t->reused / (double) t->started);
    ngx_prof_json_uint(j, "in_flight",
                       ngx_prof_row_in_flight(s->zone, row, s->filter,
                                              ngx_prof_slot_alive));
    ngx_prof_json_uint(j, "bytes_sent", t->sent);
    ngx_prof_json_uint(j, "bytes_received", t->received);
    ngx_prof_json_uint(j, "temporary_files", t->files);
    ngx_prof_json_uint(j, "temporary_file_bytes", t->file_bytes);

    ngx_prof_view_times(j, "connect", &counts->hist[NGX_PROF_CONNECT]);
    ngx_prof_view_times(j, "first_byte", &counts->hist[NGX_PROF_UPSTREAM]);
    ngx_prof_view_times(j, "last_byte", &counts->hist[NGX_PROF_LATENCY]);

    ngx_prof_json_close(j, '}');
}


static void
ngx_prof_view_counts(ngx_prof_json_t *j, const char *key, const uint64_t *n,
    const char *const *names)
{
    ngx_uint_t  i;

    ngx_prof_json_open(j, key, '{');

    for (i = 0; names[i]; i++) {

        if (n[i]) {
            ngx_prof_json_uint(j, names[i], n[i]);
        }
    }

    ngx_prof_json_close(j, '}');
}


ngx_int_t
ngx_prof_expose_upstreams(ngx_prof_work_t *w, ngx_uint_t *next)
{
    ngx_uint_t                         row, rows;
    const ngx_prof_upstream_family_t  *family;
    static ngx_prof_row_counts_t       counts;

    rows = NGX_PROF_PEERS;

    if (*next == rows * NGX_PROF_UPSTREAM_FAMILIES) {
        return NGX_DONE;
    }

    family = &ngx_prof_upstream_families[*next / rows];
    row = (*next)++ % rows;

    if (family->type[0] == 'h' && w->histograms == NGX_PROF_HISTOGRAMS_NONE) {
        return NGX_AGAIN;
    }

    if (row == 0) {
        ngx_prof_expose_family(w, family->name, family->type, family->help);
    }

    if (row < w->snapshot->zone->shape.rows
        && ngx_prof_upstreams_known(w, row, &counts) == NGX_OK)
    {
        family->print(w, family->name, w->snapshot->zone->places + row,
                      &counts);
    }

    return NGX_AGAIN;
}


static void
ngx_prof_expose_tries(ngx_prof_work_t *w, const char *name, ngx_uint_t place,
    ngx_prof_row_counts_t *counts)
{
    ngx_uint_t         i;
    ngx_prof_tries_t  *t;

    t = ngx_prof_tries(&counts->plain);

    for (i = 0; i < NGX_PROF_TRY_RESULTS; i++) {

        /* so that alerts see the first error, too */

        if (t->result[i] || i == NGX_PROF_TRY_ERROR || i == NGX_PROF_TRY_5XX) {
            ngx_prof_expose_count(w, name, place, "result",
                                  ngx_prof_try_names[i], t->result[i]);
        }
    }
}


static void
ngx_prof_expose_retries(ngx_prof_work_t *w, const char *name, ngx_uint_t place,
    ngx_prof_row_counts_t *counts)
{
    ngx_uint_t         i;
    ngx_prof_tries_t  *t;

    t = ngx_prof_tries(&counts->plain);

    for (i = 0; i < NGX_PROF_RETRIES; i++) {

        if (t->retried[i]) {
            ngx_prof_expose_count(w, name, place, "reason",
                                  ngx_prof_retry_names[i], t->retried[i]);
        }
    }
}


static void
ngx_prof_expose_reused(ngx_prof_work_t *w, const char *name, ngx_uint_t place,
    ngx_prof_row_counts_t *counts)
{
    ngx_prof_tries_t  *t;

    t = ngx_prof_tries(&counts->plain);

    ngx_prof_expose_count(w, name, place, "reused", "yes", t->reused);
    ngx_prof_expose_count(w, name, place, "reused", "no",
                          t->started - t->reused);
}


static void
ngx_prof_expose_in_flight(ngx_prof_work_t *w, const char *name,
    ngx_uint_t place, ngx_prof_row_counts_t *counts)
{
    ngx_prof_zone_t  *zone;

    zone = w->snapshot->zone;

    ngx_prof_expose_count(w, name, place, NULL, NULL,
                          ngx_prof_row_in_flight(zone, place - zone->places, 0,
                                                 ngx_prof_slot_alive));
}


static void
ngx_prof_expose_peer_bytes(ngx_prof_work_t *w, const char *name,
    ngx_uint_t place, ngx_prof_row_counts_t *counts)
{
    ngx_prof_tries_t  *t;

    t = ngx_prof_tries(&counts->plain);

    ngx_prof_expose_count(w, name, place, "direction", "sent", t->sent);
    ngx_prof_expose_count(w, name, place, "direction", "received", t->received);
}


static void
ngx_prof_expose_files(ngx_prof_work_t *w, const char *name, ngx_uint_t place,
    ngx_prof_row_counts_t *counts)
{
    ngx_prof_expose_count(w, name, place, NULL, NULL,
                          ngx_prof_tries(&counts->plain)->file_bytes);
}


/* nothing of a peer that was never waited for */

static void
ngx_prof_expose_time(ngx_prof_work_t *w, const char *name, ngx_uint_t place,
    const ngx_prof_hist_t *hist)
{
    if (hist->top) {
        ngx_prof_expose_histogram(w, name, place, hist);
    }
}


static void
ngx_prof_expose_connect(ngx_prof_work_t *w, const char *name, ngx_uint_t place,
    ngx_prof_row_counts_t *counts)
{
    ngx_prof_expose_time(w, name, place, &counts->hist[NGX_PROF_CONNECT]);
}


static void
ngx_prof_expose_first(ngx_prof_work_t *w, const char *name, ngx_uint_t place,
    ngx_prof_row_counts_t *counts)
{
    ngx_prof_expose_time(w, name, place, &counts->hist[NGX_PROF_UPSTREAM]);
}


static void
ngx_prof_expose_last(ngx_prof_work_t *w, const char *name, ngx_uint_t place,
    ngx_prof_row_counts_t *counts)
{
    ngx_prof_expose_time(w, name, place, &counts->hist[NGX_PROF_LATENCY]);
}
