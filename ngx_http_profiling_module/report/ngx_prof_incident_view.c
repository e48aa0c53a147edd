
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_incident_view.h"
#include "ngx_prof_frame.h"
#include "ngx_prof_history.h"
#include "ngx_prof_json.h"
#include "ngx_prof_label.h"
#include "ngx_prof_names.h"
#include "ngx_prof_pauses.h"
#include "ngx_prof_record.h"
#include "ngx_prof_view.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


static const char *const  ngx_prof_incident_names[] = {
    "stall", "stuck", "memory", "errors", "crash", "capacity"
};


static void ngx_prof_incidents_count(ngx_prof_json_t *j, const char *key,
    const uint64_t *count);
static ngx_int_t ngx_prof_incidents_one(ngx_prof_work_t *w,
    ngx_prof_incident_t *incident);
static void ngx_prof_incidents_head(ngx_prof_json_t *j,
    const ngx_prof_incident_t *incident);
static void ngx_prof_incidents_text(u_char *p, u_char *last,
    const ngx_prof_incident_t *incident);
static void ngx_prof_incidents_connections(ngx_prof_json_t *j,
    const ngx_prof_incident_connections_t *c);


ngx_int_t
ngx_prof_incidents_view(ngx_prof_work_t *w)
{
    uint64_t               number;
    ngx_prof_zone_t       *zone;
    ngx_prof_json_t       *j;
    ngx_prof_incident_t   *incident;
    ngx_prof_incidents_t  *incidents;

    j = &w->json;
    zone = ngx_prof_process.zone;
    incidents = zone->incidents;

    number = incidents ? ngx_prof_load_acquire(&incidents->number) : 0;

    if (w->report) {
        incident = ngx_prof_incident_find(incidents, zone->incident_n,
                                          w->report);
        return incident ? ngx_prof_incidents_one(w, incident) : NGX_ERROR;
    }

    if (w->next == 0) {
        ngx_prof_json_open(j, NULL, '{');
        ngx_prof_json_time(j, "timestamp", w->snapshot->time);
        ngx_prof_json_uint(j, "keep", zone->incident_n);
        ngx_prof_incidents_count(j, "total",
                                 incidents ? incidents->total : NULL);
        ngx_prof_incidents_count(j, "suppressed",
                                 incidents ? incidents->suppressed : NULL);
        ngx_prof_json_open(j, "incidents", '[');
    }

    if (w->next < zone->incident_n && w->next < number) {
        incident = ngx_prof_incident_find(incidents, zone->incident_n,
                                          number - w->next++);

        if (incident
            && (w->worker == 0
                || ngx_prof_load(&incident->pid) == (uint64_t) w->worker))
        {
            ngx_prof_json_open(j, NULL, '{');
            ngx_prof_incidents_head(j, incident);
            ngx_prof_json_close(j, '}');
        }

        return NGX_AGAIN;
    }

    ngx_prof_json_close(j, ']');
    ngx_prof_json_close(j, '}');

    return NGX_DONE;
}


static void
ngx_prof_incidents_count(ngx_prof_json_t *j, const char *key,
    const uint64_t *count)
{
    ngx_uint_t  i;

    ngx_prof_json_open(j, key, '{');

    for (i = 0; i < NGX_PROF_INCIDENT_REASONS; i++) {
        ngx_prof_json_uint(j, ngx_prof_incident_names[i],
                           count ? ngx_prof_load(&count[i]) : 0);
    }

    ngx_prof_json_close(j, '}');
}


static ngx_int_t
ngx_prof_incidents_one(ngx_prof_work_t *w, ngx_prof_incident_t *incident)
{
    ngx_uint_t                         i, n;
    ngx_prof_json_t                   *j;
    const ngx_prof_incident_sample_t  *sample;

    static const ngx_prof_sample_t     none;

    j = &w->json;

    ngx_prof_json_open(j, NULL, '{');
    ngx_prof_incidents_head(j, incident);
    ngx_prof_incidents_connections(j, &incident->connections);

    ngx_prof_json_open(j, "stack", '[');
    n = ngx_min(incident->where.n, NGX_PROF_PAUSE_FRAMES);

    for (i = 0; i < n; i++) {
        ngx_prof_json_cstring(j, NULL,
                              ngx_prof_names_get(incident->where.frames[i]));
    }

    ngx_prof_json_close(j, ']');
    ngx_prof_json_open(j, "samples", '[');

    n = ngx_min(ngx_prof_load(&incident->sample_n), NGX_PROF_INCIDENT_SAMPLES);

    for (i = 0; i < n; i++) {
        sample = &incident->sample[i];

        ngx_prof_history_print(j, w->snapshot, &sample->sum,
                               i ? &sample[-1].sum : &none, sample->workers);
    }

    ngx_prof_json_close(j, ']');
    ngx_prof_json_open(j, "pauses", '[');

    n = ngx_min(ngx_prof_load(&incident->pause_n), NGX_PROF_INCIDENT_PAUSES);

    for (i = 0; i < n; i++) {
        ngx_prof_pauses_print(j, &incident->pause[i]);
    }

    ngx_prof_json_close(j, ']');
    ngx_prof_json_close(j, '}');

    return NGX_DONE;
}


static void
ngx_prof_incidents_head(ngx_prof_json_t *j,
    const ngx_prof_incident_t *incident)
{
    u_char      text[1024];
    ngx_uint_t  frozen;

    frozen = (ngx_prof_load_acquire(&incident->state)
              == NGX_PROF_INCIDENT_FROZEN);

    ngx_prof_incidents_text(text, text + sizeof(text) - 1, incident);

    ngx_prof_json_uint(j, "id", incident->number);
    ngx_prof_json_cstring(j, "reason",
                          ngx_prof_incident_name(incident->reason));
    ngx_prof_view_day(j, "time", incident->clock);
    ngx_prof_view_day(j, "from", incident->begin);
    ngx_prof_view_day(j, "until",
                      incident->clock + NGX_PROF_INCIDENT_AFTER);
    ngx_prof_json_cstring(j, "state", frozen ? "frozen" : "recording");
    ngx_prof_json_cstring(j, "message", text);

    if (incident->pid) {
        ngx_prof_json_uint(j, "worker", incident->pid);

    } else {
        ngx_prof_json_null(j, "worker");
    }

    ngx_prof_view_place(j, incident->where.label);
    ngx_prof_json_bool(j, "profile", !frozen
                       || ngx_prof_load(&incident->profile_len));
}


static void
ngx_prof_incidents_text(u_char *p, u_char *last,
    const ngx_prof_incident_t *incident)
{
    double       seconds;
    ngx_int_t    i;
    const char  *in;

    seconds = ngx_prof_seconds(incident->value);
    in = "one pass of its event loop";

    i = ngx_prof_frame_cause(incident->where.frames,
                             ngx_min(incident->where.n,
                                     NGX_PROF_PAUSE_FRAMES));
    if (i != NGX_ERROR) {
        in = ngx_prof_names_get(incident->where.frames[i]);
    }

    switch (incident->reason) {

    case NGX_PROF_INCIDENT_STALL:
        p = ngx_slprintf(p, last, "worker %uL was held up for %.1f s in %s",
                         incident->pid, seconds, in);
        break;

    case NGX_PROF_INCIDENT_STUCK:
        p = ngx_slprintf(p, last, "the event loop of worker %uL has not run "
                         "for %.1f s, it is in %s", incident->pid, seconds,
                         in);
        break;

    case NGX_PROF_INCIDENT_MEMORY:
        p = ngx_slprintf(p, last, "the workers hold %uL%% of the memory limit",
                         incident->value);
        break;

    case NGX_PROF_INCIDENT_ERRORS:
        p = ngx_slprintf(p, last, "%uL%% of the requests of an interval have "
                         "failed", incident->value);
        break;

    case NGX_PROF_INCIDENT_CRASH:
        p = incident->value
            ? ngx_slprintf(p, last, "worker %uL died of signal %uL",
                           incident->pid, incident->value)
            : ngx_slprintf(p, last, "worker %uL exited by itself",
                           incident->pid);
        break;

    default: /* NGX_PROF_INCIDENT_CAPACITY */
        p = ngx_slprintf(p, last, "worker %uL has %uL%% of its connections in "
                         "use", incident->pid, incident->value);
    }

    p = ngx_prof_label_print(p, last, incident->where.label);

    *p = '\0';
}


static void
ngx_prof_incidents_connections(ngx_prof_json_t *j,
    const ngx_prof_incident_connections_t *c)
{
    ngx_prof_json_open(j, "connections", '{');
    ngx_prof_json_uint(j, "active", c->active);
    ngx_prof_json_uint(j, "reading", c->reading);
    ngx_prof_json_uint(j, "writing", c->writing);
    ngx_prof_json_uint(j, "waiting", c->waiting);
    ngx_prof_json_uint(j, "upstream", c->upstream);
    ngx_prof_json_uint(j, "keepalive", c->keepalive);
    ngx_prof_json_uint(j, "other", c->other);
    ngx_prof_json_uint(j, "streams", c->streams);
    ngx_prof_json_uint(j, "free", c->free);
    ngx_prof_json_close(j, '}');
}


const char *
ngx_prof_incident_name(ngx_uint_t reason)
{
    return ngx_prof_incident_names[ngx_min(reason,
                                           NGX_PROF_INCIDENT_REASONS - 1)];
}


ngx_int_t
ngx_prof_incident_profile(uint64_t number, ngx_prof_text_t *text)
{
    size_t                len;
    ngx_prof_zone_t      *zone;
    ngx_prof_incident_t  *incident;

    zone = ngx_prof_process.zone;

    incident = ngx_prof_incident_find(zone->incidents, zone->incident_n,
                                      number);
    if (incident == NULL) {
        return NGX_DECLINED;
    }

    if (ngx_prof_load_acquire(&incident->state)
        != NGX_PROF_INCIDENT_FROZEN)
    {
        return NGX_AGAIN;
    }

    len = ngx_prof_load_acquire(&incident->profile_len);

    if (len == 0 || len > NGX_PROF_INCIDENT_PROFILE) {
        return NGX_DECLINED;
    }

    ngx_prof_text_write(text, incident->profile, len);

    /* a newer incident may have taken its place meanwhile */

    if (ngx_prof_load_acquire(&incident->number) != number) {
        return NGX_DECLINED;
    }

    return text->failed ? NGX_ERROR : NGX_OK;
}
