
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_handshakes.h"
#include "ngx_prof_expose.h"
#include "ngx_prof_json.h"
#include "ngx_prof_row.h"
#include "ngx_prof_snapshot.h"
#include "ngx_prof_times.h"
#include "ngx_prof_view.h"
#include "ngx_prof_zone.h"


/* while the answer is made */

typedef struct {
    ngx_prof_row_counts_t  counts;
    uint64_t               handshakes;
    uint64_t               ended;           /* well */
    uint64_t               resumed;         /* of these */
    uint64_t               cpu;             /* ns */
} ngx_prof_handshakes_t;


static ngx_int_t ngx_prof_handshakes_known(ngx_prof_work_t *w, ngx_uint_t row,
    ngx_prof_row_counts_t *counts);
static void ngx_prof_view_handshake(ngx_prof_work_t *w, ngx_uint_t row);
static void ngx_prof_view_sum(ngx_prof_work_t *w);


ngx_int_t
ngx_prof_view_handshakes(ngx_prof_work_t *w)
{
    ngx_uint_t              row;
    ngx_prof_json_t        *j;
    ngx_prof_handshakes_t  *sum;

    j = &w->json;

    if (w->next == 0) {
        w->data = ngx_pcalloc(w->snapshot->pool, sizeof(ngx_prof_handshakes_t));
        if (w->data == NULL) {
            return NGX_ERROR;
        }

        ngx_prof_json_open(j, NULL, '{');
        ngx_prof_json_time(j, "timestamp", w->snapshot->time);
        ngx_prof_json_open(j, "handshakes", '[');
    }

    sum = w->data;
    row = ngx_prof_row_first(NGX_PROF_ROW_TLS) + w->next++;

    if (row < ngx_prof_row_end(w->snapshot->zone, NGX_PROF_ROW_TLS)) {

        if (ngx_prof_handshakes_known(w, row, &sum->counts) == NGX_OK) {
            ngx_prof_view_handshake(w, row);
        }

        return NGX_AGAIN;
    }

    ngx_prof_json_close(j, ']');
    ngx_prof_view_sum(w);
    ngx_prof_json_close(j, '}');

    return NGX_DONE;
}


static ngx_int_t
ngx_prof_handshakes_known(ngx_prof_work_t *w, ngx_uint_t row,
    ngx_prof_row_counts_t *counts)
{
    ngx_prof_row_sum(w->snapshot->zone, row, w->snapshot->filter, counts);

    return ngx_prof_tries(&counts->plain)->ended ? NGX_OK : NGX_DECLINED;
}


static void
ngx_prof_view_handshake(ngx_prof_work_t *w, ngx_uint_t row)
{
    uint64_t                n;
    ngx_prof_json_t        *j;
    ngx_prof_handshake_t    h;
    ngx_prof_handshakes_t  *sum;

    j = &w->json;
    sum = w->data;
    n = ngx_prof_tries(&sum->counts.plain)->ended;

    ngx_prof_row_handshake(w->snapshot->zone, row, &h);

    if (!h.upstream) {
        sum->handshakes += n;

        if (h.result.len == 2 && ngx_strncmp(h.result.data, "ok", 2) == 0) {
            sum->ended += n;
            sum->resumed += h.resumed ? n : 0;
        }
    }

    sum->cpu += sum->counts.hist[NGX_PROF_UPSTREAM].sum;

    ngx_prof_json_open(j, NULL, '{');
    ngx_prof_json_cstring(j, "side", h.upstream ? "upstream" : "client");
    ngx_prof_json_string(j, "protocol", h.protocol.data, h.protocol.len);
    ngx_prof_json_string(j, "key", h.key.data, h.key.len);
    ngx_prof_json_bool(j, "resumed", h.resumed != 0);
    ngx_prof_json_string(j, "result", h.result.data, h.result.len);
    ngx_prof_json_uint(j, "handshakes", n);
    ngx_prof_view_times(j, "wall", &sum->counts.hist[NGX_PROF_LATENCY]);
    ngx_prof_view_times(j, "cpu", &sum->counts.hist[NGX_PROF_UPSTREAM]);
    ngx_prof_json_close(j, '}');
}


/* the share of CPU is of what the workers used since nginx began */

static void
ngx_prof_view_sum(ngx_prof_work_t *w)
{
    double                  used;
    uint64_t                none;
    ngx_prof_json_t        *j;
    ngx_prof_handshakes_t  *sum;

    j = &w->json;
    sum = w->data;
    none = w->snapshot->gauges.unavailable & NGX_PROF_NO_TLS;
    used = (double) (w->snapshot->totals.user + w->snapshot->totals.system)
           * 1e3;

    ngx_prof_view_figure(j, "client_handshakes", sum->handshakes, none);
    ngx_prof_view_figure(j, "failed", sum->handshakes - sum->ended, none);
    ngx_prof_view_double(j, "resumed_ratio",
                         (double) sum->resumed / (double) sum->ended,
                         none || sum->ended == 0);
    ngx_prof_view_double(j, "cpu_seconds", ngx_prof_seconds(sum->cpu), none);
    ngx_prof_view_double(j, "cpu_share", (double) sum->cpu / used,
                         none || used <= 0);
    ngx_prof_json_uint(j, "lost",
                  ngx_prof_load(&w->snapshot->zone->header->rows_lost));

    ngx_prof_json_open(j, "unavailable", '{');

    if (none) {
        ngx_prof_json_cstring(j, "client_handshakes", "nginx has no OpenSSL, "
                              "or has it linked in, where its calls cannot be "
                              "seen");
    }

    ngx_prof_json_close(j, '}');
}


ngx_int_t
ngx_prof_expose_handshakes(ngx_prof_work_t *w, ngx_uint_t *next)
{
    ngx_uint_t                    row, first, k;
    ngx_prof_zone_t              *zone;
    static ngx_prof_row_counts_t  counts;

    static const struct {
        const char  *name;
        const char  *type;
        const char  *help;
    } families[] = {
        { "tls_handshakes_total", "counter", "TLS handshakes." },
        { "tls_handshake_seconds", "histogram",
          "Time of TLS handshakes, waiting for the peer included." },
        { "tls_handshake_cpu_seconds", "histogram",
          "CPU time of TLS handshakes." },
    };

    zone = w->snapshot->zone;
    first = ngx_prof_row_first(NGX_PROF_ROW_TLS);

    if (*next == 3 * NGX_PROF_TLS_ROWS) {
        return NGX_DONE;
    }

    k = *next / NGX_PROF_TLS_ROWS;
    row = first + (*next)++ % NGX_PROF_TLS_ROWS;

    if (k && w->histograms == NGX_PROF_HISTOGRAMS_NONE) {
        return NGX_AGAIN;
    }

    if (row == first) {
        ngx_prof_expose_family(w, families[k].name, families[k].type,
                               families[k].help);
    }

    if (row >= zone->shape.rows
        || ngx_prof_handshakes_known(w, row, &counts) != NGX_OK)
    {
        return NGX_AGAIN;
    }

    if (k) {
        ngx_prof_expose_histogram(w, families[k].name, zone->places + row,
                                  &counts.hist[k - 1]);
        return NGX_AGAIN;
    }

    ngx_prof_expose_count(w, families[k].name, zone->places + row, NULL, NULL,
                          ngx_prof_tries(&counts.plain)->ended);

    return NGX_AGAIN;
}
