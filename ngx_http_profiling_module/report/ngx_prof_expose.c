
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_expose.h"
#include "ngx_prof_base.h"
#include "ngx_prof_histogram.h"
#include "ngx_prof_row.h"
#include "ngx_prof_text.h"
#include "ngx_prof_zone.h"


/*
 * Prometheus text 0.0.4 and OpenMetrics 1.0:
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 * https://github.com/OpenObservability/OpenMetrics, specification 1.0
 *
 * Bounds of histograms are the ends of our own buckets, powers of two of
 * nanoseconds, so that every count is exact: 65 us to 69 s.
 */

#define NGX_PROF_LE_FIRST  16
#define NGX_PROF_LE_LAST   36
#define NGX_PROF_LE_STEP   2

/* numbers that nginx can print: the whole part must fit 64 bits */
#define NGX_PROF_EXPOSE_MAX  9223372036854775808.0


static void ngx_prof_expose_series(ngx_prof_work_t *w, const char *name,
    const char *suffix, ngx_int_t place);
static void ngx_prof_expose_row(ngx_prof_work_t *w, ngx_uint_t row);
static void ngx_prof_expose_handshake(ngx_prof_work_t *w, ngx_uint_t row);
static ngx_uint_t ngx_prof_expose_escape(ngx_prof_text_t *t, u_char ch);


/* place is -1 for a histogram without labels */

void
ngx_prof_expose_histogram(ngx_prof_work_t *w, const char *name,
    ngx_int_t place, const ngx_prof_hist_t *h)
{
    uint64_t          bound, n, number;
    ngx_uint_t        e, last;
    ngx_prof_text_t  *t;

    t = &w->json.text;
    number = ngx_prof_hist_number(h);
    last = NGX_PROF_LE_LAST + NGX_PROF_LE_STEP;

    for (e = NGX_PROF_LE_FIRST;
         e <= last;
         e += NGX_PROF_LE_STEP)
    {
        ngx_prof_expose_open(w, name, "_bucket");

        if (place != -1) {
            ngx_prof_expose_labels(w, place);
            ngx_prof_text_puts(t, ",");
        }

        if (e == last) {
            ngx_prof_text_printf(t, "le=\"+Inf\"} %uL\n", number);
            break;
        }

        /* the bucket ends below its bound: "less or equal" is one ns less */

        bound = ((uint64_t) 1 << e) - 1;
        n = ngx_prof_hist_cumulative(h, ngx_prof_hist_bucket(bound));

        ngx_prof_text_printf(t, "le=\"%uL.%09uL\"} %uL\n",
                             bound / NGX_PROF_NSEC_PER_SEC,
                             bound % NGX_PROF_NSEC_PER_SEC, n);
    }

    ngx_prof_expose_series(w, name, "_sum", place);
    ngx_prof_text_printf(t, " %.9f\n", ngx_prof_seconds(h->sum));

    ngx_prof_expose_series(w, name, "_count", place);
    ngx_prof_text_printf(t, " %uL\n", number);
}


void
ngx_prof_expose_count(ngx_prof_work_t *w, const char *name, ngx_uint_t place,
    const char *label, const char *value, uint64_t n)
{
    ngx_prof_expose_open(w, name, "");
    ngx_prof_expose_labels(w, place);

    if (label) {
        ngx_prof_text_printf(&w->json.text, ",%s=\"%s\"", label, value);
    }

    ngx_prof_text_printf(&w->json.text, "} %uL\n", n);
}


/* up to the first label, if there is any */

void
ngx_prof_expose_open(ngx_prof_work_t *w, const char *name, const char *suffix)
{
    ngx_prof_text_printf(&w->json.text, "nginx_profiling_%s%s{", name, suffix);

    if (w->master) {
        ngx_prof_text_printf(&w->json.text, "master=\"%P\",", w->master);
    }
}


static void
ngx_prof_expose_series(ngx_prof_work_t *w, const char *name,
    const char *suffix, ngx_int_t place)
{
    ngx_prof_text_t  *t;

    t = &w->json.text;

    if (place != -1) {
        ngx_prof_expose_open(w, name, suffix);
        ngx_prof_expose_labels(w, place);
        ngx_prof_text_puts(t, "}");
        return;
    }

    ngx_prof_text_printf(t, "nginx_profiling_%s%s", name, suffix);

    if (w->master) {
        ngx_prof_text_printf(t, "{master=\"%P\"}", w->master);
    }
}


void
ngx_prof_expose_label(ngx_prof_work_t *w, const char *name,
    const ngx_str_t *value)
{
    ngx_prof_text_printf(&w->json.text, "%s=\"", name);
    (void) ngx_prof_text_utf8(&w->json.text, value->data, value->len,
                              ngx_prof_expose_escape);
    ngx_prof_text_puts(&w->json.text, "\"");
}


/* an empty location: the request ended before one was found */

void
ngx_prof_expose_labels(ngx_prof_work_t *w, ngx_uint_t place)
{
    ngx_uint_t              changed;
    ngx_prof_text_t        *t;
    ngx_prof_place_name_t   p;

    t = &w->json.text;

    if (place >= w->snapshot->zone->places) {
        ngx_prof_expose_row(w, place - w->snapshot->zone->places);
        return;
    }

    if (ngx_prof_zone_place_name(w->snapshot->zone, place, &p) != NGX_OK) {
        ngx_prof_text_puts(t, "server=\"(other)\",location=\"(other)\"");
        return;
    }

    changed = (p.server.len == NGX_PROF_SERVER_LEN
               || p.location.len == NGX_PROF_LOCATION_LEN);

    ngx_prof_text_puts(t, "server=\"");
    changed |= ngx_prof_text_utf8(t, p.server.data, p.server.len,
                                  ngx_prof_expose_escape);
    ngx_prof_text_puts(t, "\",location=\"");
    changed |= ngx_prof_text_utf8(t, p.location.data, p.location.len,
                                  ngx_prof_expose_escape);
    ngx_prof_text_puts(t, "\"");

    /*
     * shortened, or without bytes that are no UTF-8, two names may look alike
     */

    if (changed) {
        ngx_prof_text_printf(t, ",hash=\"%08xD\"", p.hash);
    }
}


/* an empty upstream: its peers were found by name; an empty peer: none lived */

static void
ngx_prof_expose_row(ngx_prof_work_t *w, ngx_uint_t row)
{
    ngx_str_t         upstream, peer, part[3];
    ngx_uint_t        number;
    ngx_prof_zone_t  *zone;

    zone = w->snapshot->zone;

    if (row >= ngx_prof_row_first(NGX_PROF_ROW_CACHES)) {
        ngx_prof_row_parts(zone, row, part);
        ngx_prof_expose_label(w, "zone", &part[0]);
        ngx_prof_text_puts(&w->json.text, ",");
        ngx_prof_expose_label(w, "server", &part[1]);
        ngx_prof_text_puts(&w->json.text, ",");
        ngx_prof_expose_label(w, "location", &part[2]);
        return;
    }

    if (row >= ngx_prof_row_first(NGX_PROF_ROW_TLS)) {
        ngx_prof_expose_handshake(w, row);
        return;
    }

    if (ngx_prof_row_name(zone, row, &peer, &number) == NGX_OK) {
        ngx_prof_zone_upstream(zone, number, &upstream);

    } else {
        ngx_str_set(&upstream, "(other)");
        ngx_str_set(&peer, "(other)");
    }

    ngx_prof_expose_label(w, "upstream", &upstream);
    ngx_prof_text_puts(&w->json.text, ",");
    ngx_prof_expose_label(w, "peer", &peer);
}


static void
ngx_prof_expose_handshake(ngx_prof_work_t *w, ngx_uint_t row)
{
    ngx_uint_t            i;
    ngx_str_t             part[3];
    ngx_prof_handshake_t  h;

    static const char *const  names[] = { "protocol", "key", "result" };

    ngx_prof_row_handshake(w->snapshot->zone, row, &h);

    part[0] = h.protocol;
    part[1] = h.key;
    part[2] = h.result;

    ngx_prof_text_printf(&w->json.text, "side=\"%s\",resumed=\"%s\"",
                         h.upstream ? "upstream" : "client",
                         h.resumed ? "yes" : "no");

    for (i = 0; i < 3; i++) {
        ngx_prof_text_puts(&w->json.text, ",");
        ngx_prof_expose_label(w, names[i], &part[i]);
    }
}


/* OpenMetrics names a family of counters without _total */

void
ngx_prof_expose_family(ngx_prof_work_t *w, const char *name, const char *type,
    const char *help)
{
    size_t  len;

    len = ngx_strlen(name);

    if (w->open
        && len > 6
        && ngx_strcmp(type, "counter") == 0
        && ngx_strcmp(name + len - 6, "_total") == 0)
    {
        len -= 6;
    }

    ngx_prof_text_printf(&w->json.text,
                         "# HELP nginx_profiling_%*s %s\n"
                         "# TYPE nginx_profiling_%*s %s\n",
                         len, name, help, len, name, type);
}


void
ngx_prof_expose_value(ngx_prof_work_t *w, const char *name, const char *labels,
    double value)
{
    if (*labels) {
        ngx_prof_expose_open(w, name, "");
        ngx_prof_text_puts(&w->json.text, labels + 1);

    } else {
        ngx_prof_expose_series(w, name, "", -1);
    }

    ngx_prof_text_puts(&w->json.text, " ");

    /* an impossible value: something has overwritten the zone */

    if (!(value > -NGX_PROF_EXPOSE_MAX && value < NGX_PROF_EXPOSE_MAX)) {
        ngx_prof_text_puts(&w->json.text, "NaN\n");
        return;
    }

    if (value >= 0 && value == (double) (uint64_t) value) {
        ngx_prof_text_printf(&w->json.text, "%uL\n",
                             (uint64_t) value);
        return;
    }

    ngx_prof_text_printf(&w->json.text, "%.9f\n", value);
}


static ngx_uint_t
ngx_prof_expose_escape(ngx_prof_text_t *t, u_char ch)
{
    switch (ch) {

    case '\\':
        ngx_prof_text_puts(t, "\\\\");
        return NGX_PROF_TEXT_ESCAPED;

    case '"':
        ngx_prof_text_puts(t, "\\\"");
        return NGX_PROF_TEXT_ESCAPED;

    case '\n':
        ngx_prof_text_puts(t, "\\n");
        return NGX_PROF_TEXT_ESCAPED;

    default:
        break;
    }

    if (ngx_prof_text_control(ch)) {

        /* the format has no escape for it: it reads as text */

        ngx_prof_text_printf(t, "\\\\u%04xi", (ngx_int_t) ch);
        return NGX_PROF_TEXT_OTHER;
    }

    return NGX_PROF_TEXT_SAME;
}
