
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_locations.h"
#include "ngx_prof_costs.h"
#include "ngx_prof_snapshot.h"
#include "ngx_prof_figures.h"
#include "ngx_prof_histogram.h"
#include "ngx_prof_json.h"
#include "ngx_prof_record.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_view.h"
#include "ngx_prof_zone.h"


static ngx_uint_t ngx_prof_locations_listed(ngx_prof_snapshot_t *s,
    ngx_uint_t i);
static void ngx_prof_locations_print(ngx_prof_work_t *w, ngx_uint_t i,
    const ngx_prof_counts_t *counts);
static void ngx_prof_locations_rest(ngx_prof_work_t *w);
static void ngx_prof_locations_latency(ngx_prof_work_t *w,
    const ngx_prof_hist_t *h, uint64_t none);
static void ngx_prof_locations_name(ngx_prof_json_t *j, ngx_prof_snapshot_t *s,
    ngx_uint_t i);


/* one place per step, since it is summed over all slots, with histograms */

ngx_int_t
ngx_prof_view_locations(ngx_prof_work_t *w)
{
    ngx_uint_t            i;
    ngx_prof_json_t      *j;
    ngx_prof_counts_t    *counts;
    ngx_prof_snapshot_t  *s;

    j = &w->json;
    s = w->snapshot;

    if (w->next == 0) {
        w->data = ngx_pcalloc(s->pool, sizeof(ngx_prof_plain_t));
        if (w->data == NULL) {
            return NGX_ERROR;
        }

        w->unavailable |= ngx_prof_costs_unavailable(s);

        ngx_prof_json_open(j, NULL, '{');
        ngx_prof_json_time(j, "timestamp", s->time);
        ngx_prof_json_double(j, "uptime",
                            ngx_prof_snapshot_uptime(s));
        ngx_prof_json_open(j, "locations", '[');
    }

    i = w->next++;
    counts = &s->scratch;

    if (i < ngx_prof_zone_place_n(s->zone)) {
        ngx_memzero(counts, sizeof(ngx_prof_counts_t));

        if (ngx_prof_snapshot_place(s, i, counts) == NGX_OK
            || ngx_prof_locations_listed(s, i))
        {
            ngx_prof_costs_add(w->data, &counts->plain);
            ngx_prof_locations_print(w, i, counts);
        }

        return NGX_AGAIN;
    }

    if (!(w->unavailable & (NGX_PROF_NO_COST|NGX_PROF_NO_LOOP))) {
        ngx_prof_locations_rest(w);
    }

    ngx_prof_json_close(j, ']');
    ngx_prof_json_uint(j, "lost",
                              ngx_prof_load(&s->zone->header->place_lost));
    ngx_prof_view_unavailable(j, w->unavailable);
    ngx_prof_json_close(j, '}');

    return NGX_DONE;
}


/* is a place listed even if it had no requests? */

static ngx_uint_t
ngx_prof_locations_listed(ngx_prof_snapshot_t *s, ngx_uint_t i)
{
    ngx_prof_place_name_t  place;

    return ngx_prof_zone_place_name(s->zone, i, &place) == NGX_OK
           && place.configured && place.counted && place.has_location;
}


static void
ngx_prof_locations_print(ngx_prof_work_t *w, ngx_uint_t i,
    const ngx_prof_counts_t *counts)
{
    ngx_prof_json_t  *j;

    j = &w->json;

    ngx_prof_json_open(j, NULL, '{');
    ngx_prof_locations_name(j, w->snapshot, i);

    ngx_prof_json_uint(j, "requests",
                      ngx_prof_counts_requests(counts));
    ngx_prof_json_uint(j, "errors",
                      ngx_prof_counts_class(counts, 5));
    ngx_prof_view_by_status(j, counts);
    ngx_prof_json_uint(j, "bytes_in", counts->plain.bytes_in);
    ngx_prof_json_uint(j, "bytes_out", counts->plain.bytes_out);
    ngx_prof_json_uint(j, "internal", counts->plain.internal);
    ngx_prof_json_uint(j, "handed_over", counts->plain.handed_over);

    ngx_prof_locations_latency(w, &counts->latency, NGX_PROF_NO_PLACE);
    ngx_prof_json_double(j, "seconds",
                         ngx_prof_seconds(counts->latency.sum));

    ngx_prof_json_open(j, "upstream", '{');
    ngx_prof_json_uint(j, "requests",
                         ngx_prof_hist_number(&counts->upstream));
    ngx_prof_json_uint(j, "no_live", counts->plain.no_live);
    ngx_prof_json_double(j, "seconds",
                         ngx_prof_seconds(counts->upstream.sum));
    ngx_prof_locations_latency(w, &counts->upstream, NGX_PROF_NO_UPSTREAM);
    ngx_prof_json_close(j, '}');

    ngx_prof_json_open(j, "after_response", '{');
    ngx_prof_json_uint(j, "requests", counts->plain.after);
    ngx_prof_json_double(j, "seconds",
                         ngx_prof_seconds(counts->plain.after_time));
    ngx_prof_json_close(j, '}');

    ngx_prof_costs_print(j, &counts->plain, w->unavailable);

    ngx_prof_json_close(j, '}');
}


/* the row of no location */

static void
ngx_prof_locations_rest(ngx_prof_work_t *w)
{
    ngx_prof_json_t   *j;
    ngx_prof_plain_t   rest;

    j = &w->json;

    ngx_prof_costs_rest(w->snapshot, w->data, &rest);

    ngx_prof_json_open(j, NULL, '{');
    ngx_prof_json_null(j, "server");
    ngx_prof_json_null(j, "location");
    ngx_prof_costs_print(j, &rest, w->unavailable);
    ngx_prof_json_close(j, '}');
}


static void
ngx_prof_locations_latency(ngx_prof_work_t *w, const ngx_prof_hist_t *h,
    uint64_t none)
{
    ngx_prof_quantiles_t  q;

    ngx_prof_quantiles(h, &q);
    ngx_prof_view_quantiles(&w->json, "latency", &q);

    if (q.number == 0) {
        w->unavailable |= none;
    }
}


/* a null location: the request ended before one was found */

static void
ngx_prof_locations_name(ngx_prof_json_t *j, ngx_prof_snapshot_t *s,
    ngx_uint_t i)
{
    ngx_prof_place_name_t  place;

    if (ngx_prof_zone_place_name(s->zone, i, &place) != NGX_OK) {
        ngx_prof_json_null(j, "server");
        ngx_prof_json_cstring(j, "location", "(other)");
        ngx_prof_json_bool(j, "configured", 1);
        return;
    }

    ngx_prof_json_string(j, "server", place.server.data, place.server.len);

    if (place.has_location) {
        ngx_prof_json_string(j, "location", place.location.data,
                             place.location.len);

    } else {
        ngx_prof_json_null(j, "location");
    }

    ngx_prof_json_bool(j, "configured", place.configured);
}
