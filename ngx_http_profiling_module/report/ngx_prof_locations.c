
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_locations.h"
#include "ngx_prof_snapshot.h"
#include "ngx_prof_figures.h"
#include "ngx_prof_histogram.h"
#include "ngx_prof_json.h"
#include "ngx_prof_record.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_view.h"
#include "ngx_prof_zone.h"


static ngx_uint_t ngx_http_profiling_locations_listed(
    ngx_http_profiling_snapshot_t *s, ngx_uint_t i);
static void ngx_http_profiling_locations_print(ngx_http_profiling_work_t *w,
    ngx_uint_t i, const ngx_http_profiling_counts_t *counts);
static void ngx_http_profiling_locations_latency(
    ngx_http_profiling_work_t *w, const ngx_http_profiling_hist_t *h,
    uint64_t none);
static void ngx_http_profiling_locations_name(ngx_http_profiling_json_t *j,
    ngx_http_profiling_snapshot_t *s, ngx_uint_t i);


/* one place a step: it is summed over all slots, with its histograms */

ngx_int_t
ngx_http_profiling_view_locations(ngx_http_profiling_work_t *w)
{
    ngx_uint_t                      i;
    ngx_http_profiling_json_t      *j;
    ngx_http_profiling_counts_t    *counts;
    ngx_http_profiling_snapshot_t  *s;

    j = &w->json;
    s = w->snapshot;

    if (w->next == 0) {
        ngx_http_profiling_json_open(j, NULL, '{');
        ngx_http_profiling_json_time(j, "timestamp", s->time);
        ngx_http_profiling_json_double(j, "uptime",
                                      ngx_http_profiling_snapshot_uptime(s));
        ngx_http_profiling_json_open(j, "locations", '[');
    }

    i = w->next++;
    counts = &s->scratch;

    if (i < ngx_http_profiling_load_acquire(&s->zone->place_n)) {
        ngx_memzero(counts, sizeof(ngx_http_profiling_counts_t));

        if (ngx_http_profiling_snapshot_place(s, i, counts) == NGX_OK
            || ngx_http_profiling_locations_listed(s, i))
        {
            ngx_http_profiling_locations_print(w, i, counts);
        }

        return NGX_AGAIN;
    }

    ngx_http_profiling_json_close(j, ']');
    ngx_http_profiling_json_uint(j, "lost",
                              ngx_http_profiling_load(&s->zone->place_lost));
    ngx_http_profiling_view_unavailable(j, w->unavailable);
    ngx_http_profiling_json_close(j, '}');

    return NGX_DONE;
}


/* whether a place is told even if it had no requests */

static ngx_uint_t
ngx_http_profiling_locations_listed(ngx_http_profiling_snapshot_t *s,
    ngx_uint_t i)
{
    ngx_http_profiling_place_t  *place;

    place = ngx_http_profiling_zone_place(s->zone, i);

    return place->counted && place->has_location;
}


static void
ngx_http_profiling_locations_print(ngx_http_profiling_work_t *w, ngx_uint_t i,
    const ngx_http_profiling_counts_t *counts)
{
    ngx_http_profiling_json_t  *j;

    j = &w->json;

    ngx_http_profiling_json_open(j, NULL, '{');
    ngx_http_profiling_locations_name(j, w->snapshot, i);

    ngx_http_profiling_json_uint(j, "requests",
                                ngx_http_profiling_counts_requests(counts));
    ngx_http_profiling_json_uint(j, "errors",
                                ngx_http_profiling_counts_class(counts, 5));
    ngx_http_profiling_view_by_status(j, counts);
    ngx_http_profiling_json_uint(j, "bytes_in", counts->bytes_in);
    ngx_http_profiling_json_uint(j, "bytes_out", counts->bytes_out);

    ngx_http_profiling_locations_latency(w, &counts->latency,
                                         NGX_HTTP_PROFILING_NO_PLACE);
    ngx_http_profiling_json_double(j, "seconds",
                                   (double) counts->latency.sum / 1e9);

    ngx_http_profiling_json_open(j, "upstream", '{');
    ngx_http_profiling_json_uint(j, "requests",
                         ngx_http_profiling_hist_number(&counts->upstream));
    ngx_http_profiling_json_double(j, "seconds",
                                   (double) counts->upstream.sum / 1e9);
    ngx_http_profiling_locations_latency(w, &counts->upstream,
                                         NGX_HTTP_PROFILING_NO_UPSTREAM);
    ngx_http_profiling_json_close(j, '}');

    ngx_http_profiling_json_close(j, '}');
}


static void
ngx_http_profiling_locations_latency(ngx_http_profiling_work_t *w,
    const ngx_http_profiling_hist_t *h, uint64_t none)
{
    ngx_http_profiling_quantiles_t  q;

    ngx_http_profiling_quantiles(h, &q);
    ngx_http_profiling_view_quantiles(&w->json, "latency", &q);

    if (q.number == 0) {
        w->unavailable |= none;
    }
}


/* null for a location: the request ended before one was found */

static void
ngx_http_profiling_locations_name(ngx_http_profiling_json_t *j,
    ngx_http_profiling_snapshot_t *s, ngx_uint_t i)
{
    ngx_http_profiling_place_t  *place;

    if (i == NGX_HTTP_PROFILING_PLACE_OTHER) {
        ngx_http_profiling_json_null(j, "server");
        ngx_http_profiling_json_null(j, "location");
        ngx_http_profiling_json_bool(j, "configured", 1);
        return;
    }

    place = ngx_http_profiling_zone_place(s->zone, i);

    ngx_http_profiling_json_string(j, "server", place->server,
                                   place->server_len);

    if (place->has_location) {
        ngx_http_profiling_json_string(j, "location", place->location,
                                       place->location_len);

    } else {
        ngx_http_profiling_json_null(j, "location");
    }

    ngx_http_profiling_json_bool(j, "configured",
                              ngx_http_profiling_load(&place->generation)
                              == ngx_http_profiling_load(
                                                    &s->zone->generation));
}
