
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_reloads.h"
#include "ngx_prof_alive.h"
#include "ngx_prof_expose.h"
#include "ngx_prof_json.h"
#include "ngx_prof_record.h"
#include "ngx_prof_reload.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_view.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


/* a stage is from one clock to another; part: a duration, within others */

typedef struct {
    const char  *name;
    size_t       from;
    size_t       to;
    ngx_uint_t   part;
} ngx_prof_stage_t;


static void ngx_prof_view_reload(ngx_prof_json_t *j,
    const ngx_prof_reload_t *r);
static void ngx_prof_view_names(ngx_prof_json_t *j,
    const ngx_prof_reload_t *r);
static ngx_int_t ngx_prof_reloads_took(const ngx_prof_reload_t *r,
    const ngx_prof_stage_t *stage, double *seconds);


static const ngx_prof_stage_t  ngx_prof_stages[] = {
    { "configuration", offsetof(ngx_prof_reload_t, begun),
      offsetof(ngx_prof_reload_t, read), 0 },
    { "names", 0, offsetof(ngx_prof_reload_t, resolving), 1 },
    { "certificates", 0, offsetof(ngx_prof_reload_t, certificates), 1 },
    { "zones", offsetof(ngx_prof_reload_t, read),
      offsetof(ngx_prof_reload_t, ready), 0 },
    { "fork", offsetof(ngx_prof_reload_t, ready),
      offsetof(ngx_prof_reload_t, forked), 0 },
    { "first_request", offsetof(ngx_prof_reload_t, forked),
      offsetof(ngx_prof_reload_t, served), 0 },
    { "drain", offsetof(ngx_prof_reload_t, forked),
      offsetof(ngx_prof_reload_t, drained), 0 },
};

#define NGX_PROF_STAGES                                                       \
    (sizeof(ngx_prof_stages) / sizeof(ngx_prof_stage_t))


void
ngx_prof_reloads_tick(uint64_t clock)
{
    ngx_uint_t          i;
    ngx_prof_slot_t    *slot;
    ngx_prof_zone_t    *zone;
    ngx_prof_reload_t  *r;

    zone = ngx_prof_process.zone;
    slot = ngx_prof_process.slot;
    r = ngx_prof_reload_of(ngx_prof_process.generation);

    if (r == NULL
        || ngx_prof_process.generation
           != ngx_prof_load(&zone->header->generation))
    {
        return;
    }

    if (ngx_prof_load(&r->served) == 0
        && ngx_prof_counts_requests(&slot->all)
           > ngx_prof_counts_requests(&slot->base_all))
    {
        ngx_prof_store(&r->served, clock);
    }

    if (ngx_prof_load(&r->drained)) {
        return;
    }

    for (i = 0; i < zone->slots; i++) {
        slot = ngx_prof_zone_slot(zone, i);

        if (ngx_prof_load(&slot->owner)
            && ngx_prof_load(&slot->generation) < r->generation
            && ngx_prof_slot_alive(slot))
        {
            return;
        }
    }

    ngx_prof_store(&r->drained, clock);
}


ngx_int_t
ngx_prof_view_reloads(ngx_prof_work_t *w)
{
    uint64_t            generation, i;
    ngx_prof_json_t    *j;
    ngx_prof_reload_t  *r, copy;

    j = &w->json;

    ngx_prof_json_open(j, NULL, '{');
    ngx_prof_json_time(j, "timestamp", w->snapshot->time);

    generation = ngx_prof_load(&w->snapshot->zone->header->generation);

    ngx_prof_json_uint(j, "generation", generation);
    ngx_prof_json_open(j, "reloads", '[');

    for (i = generation; i && i + NGX_PROF_RELOADS > generation; i--) {
        r = ngx_prof_reload_of(i);

        if (r == NULL) {
            continue;
        }

        copy = *r;

        if (ngx_prof_load_acquire(&r->generation) == i) {
            ngx_prof_view_reload(j, &copy);
        }
    }

    ngx_prof_json_close(j, ']');
    ngx_prof_json_close(j, '}');

    return NGX_DONE;
}


static void
ngx_prof_view_reload(ngx_prof_json_t *j, const ngx_prof_reload_t *r)
{
    double      seconds;
    ngx_uint_t  i, none;

    ngx_prof_json_open(j, NULL, '{');
    ngx_prof_json_uint(j, "generation", r->generation);
    ngx_prof_view_day(j, "begun", r->begun);
    ngx_prof_view_double(j, "seconds", ngx_prof_seconds(r->forked - r->begun),
                         r->forked == 0);

    ngx_prof_json_open(j, "stages", '{');

    for (i = 0; i < NGX_PROF_STAGES; i++) {
        none = (ngx_prof_reloads_took(r, &ngx_prof_stages[i], &seconds)
                != NGX_OK);
        ngx_prof_view_double(j, ngx_prof_stages[i].name, seconds, none);
    }

    ngx_prof_json_close(j, '}');

    ngx_prof_view_names(j, r);
    ngx_prof_view_figure(j, "master_memory_before", r->memory_before,
                         r->memory_before == 0);
    ngx_prof_view_figure(j, "master_memory_after", r->memory_after,
                         r->memory_after == 0);

    ngx_prof_json_open(j, "unavailable", '{');

    if (r->generation == 1) {
        ngx_prof_json_cstring(j, "stages.names", "calls of the master are "
                              "watched from the first reload on");
        ngx_prof_json_cstring(j, "stages.certificates", "calls of the master "
                              "are watched from the first reload on");
    }

    if (r->served == 0) {
        ngx_prof_json_cstring(j, "stages.first_request",
                              "no request has ended yet");
    }

    if (r->drained == 0) {
        ngx_prof_json_cstring(j, "stages.drain", "older workers have not gone");
    }

    ngx_prof_json_close(j, '}');
    ngx_prof_json_close(j, '}');
}


static void
ngx_prof_view_names(ngx_prof_json_t *j, const ngx_prof_reload_t *r)
{
    ngx_uint_t                     i, n;
    const ngx_prof_reload_name_t  *name;

    n = ngx_min(r->names, NGX_PROF_RELOAD_NAMES);

    ngx_prof_json_uint(j, "names_resolved", r->names);
    ngx_prof_json_open(j, "names", '[');

    for (i = 0; i < n; i++) {
        name = &r->name[i];

        ngx_prof_json_open(j, NULL, '{');
        ngx_prof_json_string(j, "host", name->name,
                             strnlen((const char *) name->name,
                                     NGX_PROF_RELOAD_NAME));
        ngx_prof_json_double(j, "seconds", ngx_prof_seconds(name->took));
        ngx_prof_json_bool(j, "failed", name->failed);
        ngx_prof_json_close(j, '}');
    }

    ngx_prof_json_close(j, ']');
}


/* NGX_DECLINED: it has not ended, or nobody knows */

static ngx_int_t
ngx_prof_reloads_took(const ngx_prof_reload_t *r,
    const ngx_prof_stage_t *stage, double *seconds)
{
    uint64_t  from, to;

    from = stage->part ? 0 : *(uint64_t *) ((u_char *) r + stage->from);
    to = *(uint64_t *) ((u_char *) r + stage->to);

    *seconds = ngx_prof_seconds(to - from);

    return (stage->part ? r->generation > 1 : (to && from))
           ? NGX_OK : NGX_DECLINED;
}


void
ngx_prof_expose_reload(ngx_prof_work_t *w)
{
    char                labels[64];
    double              seconds;
    ngx_uint_t          i;
    ngx_prof_reload_t  *r;

    r = ngx_prof_reload_of(
              ngx_prof_load(&w->snapshot->zone->header->generation));

    ngx_prof_expose_family(w, "reload_seconds", "gauge",
                           "Stages of the latest start or reload.");

    for (i = 0; r && i < NGX_PROF_STAGES; i++) {

        if (ngx_prof_reloads_took(r, &ngx_prof_stages[i], &seconds) == NGX_OK) {
            (void) snprintf(labels, sizeof(labels), "{stage=\"%s\"}",
                            ngx_prof_stages[i].name);
            ngx_prof_expose_value(w, "reload_seconds", labels, seconds);
        }
    }
}
