
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_health.h"
#include "ngx_prof_base.h"
#include "ngx_prof_capacity.h"
#include "ngx_prof_death.h"
#include "ngx_prof_label.h"
#include "ngx_prof_frame.h"
#include "ngx_prof_hang.h"
#include "ngx_prof_incident_view.h"
#include "ngx_prof_json.h"
#include "ngx_prof_limits.h"
#include "ngx_prof_names.h"
#include "ngx_prof_record.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_view.h"
#include "ngx_prof_zone.h"


/* ns: a death is reported for so long; so many within it are a loop */
#define NGX_PROF_HEALTH_DEATH   ((uint64_t) 300 * NGX_PROF_NSEC_PER_SEC)
#define NGX_PROF_HEALTH_LOOP    ((uint64_t) 60 * NGX_PROF_NSEC_PER_SEC)
#define NGX_PROF_HEALTH_DEATHS  3


static ngx_uint_t ngx_prof_health_threshold(ngx_prof_health_t *h, double value,
    int64_t warning, int64_t critical, const char *degraded,
    const char *unhealthy);
static void ngx_prof_health_stuck(ngx_prof_health_t *h,
    const ngx_prof_worker_t *w);
static ngx_uint_t ngx_prof_health_pause(ngx_prof_health_t *h,
    const ngx_prof_worker_t *w);
static ngx_uint_t ngx_prof_health_over(ngx_prof_snapshot_t *s,
    ngx_prof_health_t *h, ngx_prof_slot_t *slot);
static void ngx_prof_health_capacity(ngx_prof_snapshot_t *s,
    ngx_prof_health_t *h);
static void ngx_prof_health_limit(const ngx_prof_limit_t *limit, void *data);
static void ngx_prof_health_own(ngx_prof_health_t *h, uint64_t since,
    ngx_uint_t full, const char *format, ...);
static void ngx_prof_health_deaths(ngx_prof_snapshot_t *s,
    ngx_prof_health_t *h);
static void ngx_prof_health_storms(ngx_prof_snapshot_t *s,
    ngx_prof_health_t *h);
static void ngx_prof_health_issue(ngx_prof_health_t *h, const char *format,
    ...);


void
ngx_prof_health(ngx_prof_snapshot_t *s, ngx_prof_health_t *h)
{
    ngx_uint_t          i;
    ngx_prof_worker_t  *w;

    ngx_memzero(h, sizeof(ngx_prof_health_t));

    if (!(s->gauges.unavailable & NGX_PROF_NO_MEMORY)) {
        h->status = ngx_prof_health_threshold(h, ngx_prof_snapshot_usage(s),
                   ngx_prof_conf_setting(s->conf, NGX_PROF_MEMORY_WARNING),
                   ngx_prof_conf_setting(s->conf, NGX_PROF_MEMORY_CRITICAL),
                   "elevated memory usage", "high memory usage");
    }

    i = ngx_prof_health_threshold(h, (double) s->gauges.connections,
                ngx_prof_conf_setting(s->conf, NGX_PROF_CONNECTIONS_WARNING),
                ngx_prof_conf_setting(s->conf, NGX_PROF_CONNECTIONS_CRITICAL),
                "high goroutine count", "excessive goroutine count");

    h->status = ngx_max(h->status, i);

    w = s->workers.elts;

    for (i = 0; i < s->workers.nelts; i++) {

        if (w[i].state == NGX_PROF_STUCK) {
            h->status = NGX_PROF_UNHEALTHY;
            ngx_prof_health_stuck(h, &w[i]);

        } else if (ngx_prof_health_pause(h, &w[i])) {
            h->status = ngx_max(h->status, NGX_PROF_DEGRADED);
        }
    }

    /* nobody is served by a helper */

    w = s->helpers.elts;

    for (i = 0; i < s->helpers.nelts; i++) {

        if (w[i].state == NGX_PROF_STUCK) {
            h->status = ngx_max(h->status, NGX_PROF_DEGRADED);
            ngx_prof_health_stuck(h, &w[i]);
        }
    }

    h->clock = s->clock;

    ngx_prof_limits(s, ngx_prof_health_limit, h);
    ngx_prof_health_capacity(s, h);
    ngx_prof_health_deaths(s, h);
    ngx_prof_health_storms(s, h);

    for (i = 0; i < s->zone->slots; i++) {

        if (ngx_prof_health_over(s, h, ngx_prof_zone_slot(s->zone, i))) {
            h->status = ngx_max(h->status, NGX_PROF_DEGRADED);
        }
    }
}


static ngx_uint_t
ngx_prof_health_threshold(ngx_prof_health_t *h, double value, int64_t warning,
    int64_t critical, const char *degraded, const char *unhealthy)
{
    if (value > (double) critical) {
        ngx_prof_health_issue(h, "%s", unhealthy);
        return NGX_PROF_UNHEALTHY;
    }

    if (value > (double) warning) {
        ngx_prof_health_issue(h, "%s", degraded);
        return NGX_PROF_DEGRADED;
    }

    return NGX_PROF_HEALTHY;
}


static void
ngx_prof_health_stuck(ngx_prof_health_t *h, const ngx_prof_worker_t *w)
{
    u_char                *p, place[512];
    uint64_t               duration;
    ngx_int_t              i;
    const char            *name, *doing;
    ngx_prof_pause_seen_t  seen;

    name = ngx_prof_process_name(w->worker);

    switch (w->letter) {

    case 'R':
        doing = "it is running on the processor";
        break;

    case 'S':
        doing = "it sleeps in a blocking call";
        break;

    case 'D':
        doing = "it waits for the disk";
        break;

    case 'T':
    case 't':
        doing = "it has been stopped by a signal";
        break;

    default:
        doing = "what it is doing is not known";
    }

    i = NGX_ERROR;

    if (ngx_prof_hang_read(w->slot, 0, &seen, &duration) == NGX_OK) {
        i = ngx_prof_frame_cause(seen.frames, seen.n);
    }

    if (i == NGX_ERROR) {
        ngx_prof_health_issue(h,
                     "%s %P is stuck: its event loop has not run for "
                     "%.1f s, %s", name, w->pid, ngx_prof_seconds(w->silent),
                     doing);
        return;
    }

    p = ngx_prof_label_print(place, place + sizeof(place), seen.label);

    ngx_prof_health_issue(h,
                     "%s %P is stuck: it has been in %s for %.1f s%*s, %s",
                     name, w->pid,
                     ngx_prof_names_get(seen.frames[i]),
                     ngx_prof_seconds(duration), (size_t) (p - place), place,
                     doing);
}


/* a pause of more than a second that is in progress */

static ngx_uint_t
ngx_prof_health_pause(ngx_prof_health_t *h, const ngx_prof_worker_t *w)
{
    u_char                *p, place[512];
    uint64_t               duration;
    ngx_int_t              rc, i;
    ngx_prof_pause_seen_t  seen;

    rc = ngx_prof_hang_read(w->slot, NGX_PROF_PAUSE_LONG, &seen, &duration);
    if (rc == NGX_DECLINED) {
        return 0;
    }

    i = (rc == NGX_OK) ? ngx_prof_frame_cause(seen.frames, seen.n)
                       : NGX_ERROR;

    p = (rc == NGX_OK)
        ? ngx_prof_label_print(place, place + sizeof(place), seen.label)
        : place;

    ngx_prof_health_issue(h, "worker %P has been in %s for "
                     "%.1f s%*s", w->pid,
                     i == NGX_ERROR
                     ? "one pass of its event loop"
                     : ngx_prof_names_get(seen.frames[i]),
                     ngx_prof_seconds(duration), (size_t) (p - place), place);

    return 1;
}


/*
 * the latest long pause of a slot that is over, of its present owner or
 * another
 */

static ngx_uint_t
ngx_prof_health_over(ngx_prof_snapshot_t *s, ngx_prof_health_t *h,
    ngx_prof_slot_t *slot)
{
    u_char                  *p, place[512];
    uint64_t                 last;
    ngx_int_t                i;
    ngx_prof_pause_t         pause;
    const ngx_prof_pause_t  *from;

    if (ngx_prof_load(&slot->claims) == 0) {
        return 0;
    }

    last = ngx_prof_load_acquire(&slot->last_stall);
    from = &slot->pause[last % NGX_PROF_PAUSES];

    if (last == 0
        || ngx_prof_pause_read(from, &pause) != NGX_OK
        || pause.number != last
        || (s->filter && s->filter != (ngx_pid_t) pause.pid)
        || s->clock > pause.clock + NGX_PROF_PAUSE_TOLD)
    {
        return 0;
    }

    i = ngx_prof_frame_cause(pause.frames,
                             ngx_min(pause.n,
                                           NGX_PROF_PAUSE_FRAMES));

    p = ngx_prof_label_print(place, place + sizeof(place), pause.label);

    ngx_prof_health_issue(h, "worker %P was held up for %.1f s in "
                     "%s%*s, %.0f s ago", (ngx_pid_t) pause.pid,
                     ngx_prof_seconds(pause.duration),
                     pause.cause == NGX_PROF_CAUSE_TRIM
                     ? "a forced collection"
                     : i == NGX_ERROR
                     ? "one pass of its event loop"
                     : ngx_prof_names_get(pause.frames[i]),
                     (size_t) (p - place), place,
                     ngx_prof_seconds(ngx_prof_passed(pause.clock, s->clock)));

    return 1;
}


/*
 * A zone that is full may be as it should be: many throw out what is oldest.
 * It makes nobody take the server out of service.
 */

static void
ngx_prof_health_limit(const ngx_prof_limit_t *limit, void *data)
{
    ngx_prof_health_t *h = data;

    u_char      *p, text[NGX_PROF_ISSUE_LEN];
    ngx_uint_t   status;

    if (limit->level == 0) {
        return;
    }

    status = (limit->level == 1
              || limit->kind == NGX_PROF_LIMIT_ZONE
              || limit->kind == NGX_PROF_LIMIT_DRAIN)
             ? NGX_PROF_DEGRADED : NGX_PROF_UNHEALTHY;

    h->status = ngx_max(h->status, status);

    p = ngx_prof_limit_print(text, text + sizeof(text), limit, h->clock);
    ngx_prof_health_issue(h, "%*s", (size_t) (p - text), text);
}


/* what is not measured, because there is no room for it, and since when */

static void
ngx_prof_health_capacity(ngx_prof_snapshot_t *s, ngx_prof_health_t *h)
{
    ngx_uint_t            i, before;
    const char           *name;
    ngx_prof_worker_t    *w;
    ngx_prof_capacity_t   c;

    before = h->issues + h->more;
    ngx_prof_capacity(s, &c);

    if (c.damage) {
        ngx_prof_health_issue(h, "the profiling zone is damaged: %s", c.damage);
    }

    ngx_prof_health_own(h, c.since[NGX_PROF_OWN_SLOTS], c.without_slot != 0,
                        "workers without a slot, which are not profiled: %ui; "
                        "all %ui slots are taken", c.without_slot, c.slots);

    ngx_prof_health_own(h, c.since[NGX_PROF_OWN_PLACES], c.uncounted != 0,
                        "locations that the profiling zone has no room for, "
                        "counted together: %ui", c.uncounted);

    ngx_prof_health_own(h, c.since[NGX_PROF_OWN_PAGES], c.full,
                        "the profiling zone is full: further locations are "
                        "counted together");

    ngx_prof_health_own(h, c.since[NGX_PROF_OWN_NAMES], c.unnamed != 0,
                        "upstreams and zones of shared memory that the tables "
                        "of names have no room for: %ui", c.unnamed);

    ngx_prof_health_own(h, c.since[NGX_PROF_OWN_EVENTS], c.events != 0,
                        "the trace in progress has lost %uL events: its rings "
                        "are full", c.events);

    w = s->workers.elts;

    for (i = 0; c.tables && i < s->workers.nelts; i++) {

        if (ngx_prof_capacity_tables(s->zone, w[i].slot, &name)) {
            ngx_prof_health_own(h, c.since[NGX_PROF_OWN_TABLES], 1,
                                "worker %P: its table of %s is full",
                                w[i].pid, name);
        }
    }

    if (h->issues + h->more > before) {
        h->status = ngx_max(h->status, NGX_PROF_DEGRADED);
    }
}


static void
ngx_prof_health_own(ngx_prof_health_t *h, uint64_t since, ngx_uint_t full,
    const char *format, ...)
{
    u_char   *p, *last, text[NGX_PROF_ISSUE_LEN];
    va_list   args;

    if (!full) {
        return;
    }

    last = text + sizeof(text);

    va_start(args, format);
    p = ngx_vslprintf(text, last, format, args);
    va_end(args);

    p = ngx_slprintf(p, last, ", for ");
    p = ngx_prof_limit_duration(p, last, ngx_prof_passed(since, h->clock));

    ngx_prof_health_issue(h, "%*s", (size_t) (p - text), text);
}


/* the latest death of five minutes, and how many there were */

static void
ngx_prof_health_deaths(ngx_prof_snapshot_t *s, ngx_prof_health_t *h)
{
    u_char                   *p, *last, text[NGX_PROF_DEATH_TEXT];
    uint64_t                  age, latest;
    ngx_uint_t                i, n, lately;
    const ngx_prof_deaths_t  *deaths;

    static ngx_prof_report_t  report;

    deaths = &s->zone->header->deaths;

    n = 0;
    lately = 0;
    latest = 0;
    p = text;

    for (i = 0; i < NGX_PROF_CRASH_REPORTS; i++) {

        if (ngx_prof_load(&deaths->report[i].number) == 0
            || ngx_prof_report_read(deaths, i, &report) != NGX_OK
            || (s->filter && (uint64_t) s->filter != report.pid))
        {
            continue;
        }

        age = ngx_prof_passed(report.clock, s->clock);

        if (age > NGX_PROF_HEALTH_DEATH) {
            continue;
        }

        n++;
        lately += (age <= NGX_PROF_HEALTH_LOOP);

        if (report.number > latest) {
            latest = report.number;
            last = text + sizeof(text);

            p = ngx_prof_death_head(text, last, &report);
            p = ngx_prof_death_where(p, last, &report, 1, ngx_prof_names_get);
            p = ngx_slprintf(p, last, ", %.0f s ago, report %uL",
                             ngx_prof_seconds(age), report.number);
        }
    }

    if (n == 0) {
        return;
    }

    if (lately >= NGX_PROF_HEALTH_DEATHS) {
        h->status = NGX_PROF_UNHEALTHY;

    } else {
        h->status = ngx_max(h->status, NGX_PROF_DEGRADED);
    }

    ngx_prof_health_issue(h, "%*s", (size_t) (p - text), text);

    if (lately >= NGX_PROF_HEALTH_DEATHS) {
        ngx_prof_health_issue(h, "workers that died in the last minute: %ui%s",
                              lately, lately == NGX_PROF_CRASH_REPORTS
                                      ? " or more" : "");
    }
}


/* incidents of the last minute beyond the one that is kept */

static void
ngx_prof_health_storms(ngx_prof_snapshot_t *s, ngx_prof_health_t *h)
{
    uint64_t                     further, age;
    ngx_uint_t                   i;
    const ngx_prof_incidents_t  *incidents;

    incidents = s->zone->incidents;

    for (i = 0; incidents && i < NGX_PROF_INCIDENT_REASONS; i++) {
        further = ngx_prof_load(&incidents->further[i]);
        age = ngx_prof_passed(ngx_prof_load(&incidents->latest[i]), s->clock);

        if (further && age <= NGX_PROF_INCIDENT_QUIET) {
            h->status = ngx_max(h->status, NGX_PROF_DEGRADED);

            ngx_prof_health_issue(h, "%uL further incidents (%s) since the "
                                  "one of %.0f s ago: one a minute is kept",
                                  further, ngx_prof_incident_name(i),
                                  ngx_prof_seconds(age));
        }
    }
}


static void
ngx_prof_health_issue(ngx_prof_health_t *h, const char *format, ...)
{
    u_char   *p, *last;
    va_list   args;

    if (h->issues == NGX_PROF_ISSUES) {
        h->more++;
        return;
    }

    p = h->issue[h->issues++];
    last = p + NGX_PROF_ISSUE_LEN - 1;

    va_start(args, format);
    p = ngx_vslprintf(p, last, format, args);
    va_end(args);

    *p = '\0';
}


/* "healthy", "degraded", "unhealthy" */

static const char *
ngx_prof_health_name(ngx_uint_t status)
{
    static const char *const  names[] = { "healthy", "degraded", "unhealthy" };

    return names[status];
}


ngx_int_t
ngx_prof_view_health(ngx_prof_work_t *w)
{
    ngx_uint_t            i;
    ngx_prof_json_t      *j;
    ngx_prof_health_t     h;
    ngx_prof_worker_t    *worker;
    ngx_prof_snapshot_t  *s;

    j = &w->json;
    s = w->snapshot;

    ngx_prof_health(s, &h);

    if (h.status == NGX_PROF_UNHEALTHY) {
        w->status = NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    ngx_prof_json_open(j, NULL, '{');
    ngx_prof_json_cstring(j, "status",
                                 ngx_prof_health_name(h.status));
    ngx_prof_json_time(j, "timestamp", s->time);
    ngx_prof_json_double(j, "uptime_seconds",
                         ngx_prof_snapshot_uptime(s));

    if (s->gauges.unavailable & NGX_PROF_NO_MEMORY) {
        ngx_prof_json_null(j, "memory_usage_pct");

    } else {
        ngx_prof_json_double(j, "memory_usage_pct",
                             ngx_prof_snapshot_usage(s));
    }

    ngx_prof_json_uint(j, "num_goroutines", s->gauges.connections);

    ngx_prof_json_open(j, "issues", '[');

    for (i = 0; i < h.issues; i++) {
        ngx_prof_json_cstring(j, NULL, h.issue[i]);
    }

    ngx_prof_json_close(j, ']');
    ngx_prof_json_uint(j, "more_issues", h.more);

    ngx_prof_json_open(j, "workers", '[');
    worker = s->workers.elts;

    for (i = 0; i < s->workers.nelts; i++) {
        ngx_prof_json_open(j, NULL, '{');
        ngx_prof_view_worker(j, &worker[i]);
        ngx_prof_json_double(j, "silent_seconds",
                             ngx_prof_seconds(worker[i].silent));
        ngx_prof_json_close(j, '}');
    }

    ngx_prof_json_close(j, ']');
    ngx_prof_view_unavailable(j, s->gauges.unavailable);
    ngx_prof_json_close(j, '}');

    return NGX_DONE;
}
