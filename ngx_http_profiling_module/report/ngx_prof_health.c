
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_health.h"
#include "ngx_prof_label.h"
#include "ngx_prof_frame.h"
#include "ngx_prof_hang.h"
#include "ngx_prof_json.h"
#include "ngx_prof_names.h"
#include "ngx_prof_record.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_view.h"
#include "ngx_prof_zone.h"


static ngx_uint_t ngx_http_profiling_health_threshold(
    ngx_http_profiling_health_t *h, double value, int64_t warning,
    int64_t critical, const char *degraded, const char *unhealthy);
static void ngx_http_profiling_health_stuck(ngx_http_profiling_health_t *h,
    const ngx_http_profiling_worker_t *w);
static ngx_uint_t ngx_http_profiling_health_stall(
    ngx_http_profiling_health_t *h, const ngx_http_profiling_worker_t *w);
static ngx_uint_t ngx_http_profiling_health_over(
    ngx_http_profiling_snapshot_t *s, ngx_http_profiling_health_t *h,
    ngx_http_profiling_slot_t *slot);
static void ngx_http_profiling_health_issue(ngx_http_profiling_health_t *h,
    const char *format, ...);


void
ngx_http_profiling_health(ngx_http_profiling_snapshot_t *s,
    ngx_http_profiling_health_t *h)
{
    ngx_uint_t                    i;
    const int64_t                *setting;
    ngx_http_profiling_worker_t  *w;

    ngx_memzero(h, sizeof(ngx_http_profiling_health_t));

    setting = s->conf->setting;

    if (!(s->gauges.unavailable & NGX_HTTP_PROFILING_NO_MEMORY)) {
        h->status = ngx_http_profiling_health_threshold(h,
                              ngx_http_profiling_snapshot_usage(s),
                              setting[NGX_HTTP_PROFILING_MEMORY_WARNING],
                              setting[NGX_HTTP_PROFILING_MEMORY_CRITICAL],
                              "elevated memory usage", "high memory usage");
    }

    i = ngx_http_profiling_health_threshold(h,
                              (double) s->gauges.connections,
                              setting[NGX_HTTP_PROFILING_GOROUTINE_WARNING],
                              setting[NGX_HTTP_PROFILING_GOROUTINE_CRITICAL],
                              "high goroutine count",
                              "excessive goroutine count");

    h->status = ngx_max(h->status, i);

    w = s->workers.elts;

    for (i = 0; i < s->workers.nelts; i++) {

        if (w[i].state == NGX_HTTP_PROFILING_STUCK) {
            h->status = NGX_HTTP_PROFILING_UNHEALTHY;
            ngx_http_profiling_health_stuck(h, &w[i]);

        } else if (ngx_http_profiling_health_stall(h, &w[i])) {
            h->status = ngx_max(h->status, NGX_HTTP_PROFILING_DEGRADED);
        }
    }

    for (i = 0; i < s->zone->slots; i++) {

        if (ngx_http_profiling_health_over(s, h,
                                   ngx_http_profiling_zone_slot(s->zone, i)))
        {
            h->status = ngx_max(h->status, NGX_HTTP_PROFILING_DEGRADED);
        }
    }
}


static ngx_uint_t
ngx_http_profiling_health_threshold(ngx_http_profiling_health_t *h,
    double value, int64_t warning, int64_t critical, const char *degraded,
    const char *unhealthy)
{
    if (value > (double) critical) {
        ngx_http_profiling_health_issue(h, "%s", unhealthy);
        return NGX_HTTP_PROFILING_UNHEALTHY;
    }

    if (value > (double) warning) {
        ngx_http_profiling_health_issue(h, "%s", degraded);
        return NGX_HTTP_PROFILING_DEGRADED;
    }

    return NGX_HTTP_PROFILING_HEALTHY;
}


static void
ngx_http_profiling_health_stuck(ngx_http_profiling_health_t *h,
    const ngx_http_profiling_worker_t *w)
{
    u_char                      *p, place[512];
    uint64_t                     duration;
    ngx_int_t                    i;
    const char                  *doing;
    ngx_http_profiling_stall_t   stall;

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

    if (ngx_http_profiling_hang_read(w->slot, 0, &stall, &duration)
        == NGX_OK)
    {
        i = ngx_http_profiling_frame_cause(stall.frames, stall.n);
    }

    if (i == NGX_ERROR) {
        ngx_http_profiling_health_issue(h,
                     "worker %P is stuck: its event loop has not run for "
                     "%.1f s, %s", w->pid, (double) w->silent / 1e9, doing);
        return;
    }

    p = ngx_http_profiling_label_print(place, place + sizeof(place),
                                       stall.label);

    ngx_http_profiling_health_issue(h,
                     "worker %P is stuck: it has been in %s for %.1f s%*s, "
                     "%s", w->pid,
                     ngx_http_profiling_names_get(stall.frames[i]),
                     (double) duration / 1e9, (size_t) (p - place), place,
                     doing);
}


/* a pass of more than a second that goes on */

static ngx_uint_t
ngx_http_profiling_health_stall(ngx_http_profiling_health_t *h,
    const ngx_http_profiling_worker_t *w)
{
    u_char                      *p, place[512];
    uint64_t                     duration;
    ngx_int_t                    rc, i;
    ngx_http_profiling_stall_t   stall;

    rc = ngx_http_profiling_hang_read(w->slot, NGX_HTTP_PROFILING_STALL,
                                       &stall, &duration);
    if (rc == NGX_DECLINED) {
        return 0;
    }

    i = (rc == NGX_OK) ? ngx_http_profiling_frame_cause(stall.frames, stall.n)
                       : NGX_ERROR;

    p = (rc == NGX_OK)
        ? ngx_http_profiling_label_print(place, place + sizeof(place),
                                         stall.label)
        : place;

    ngx_http_profiling_health_issue(h, "worker %P has been in %s for "
                     "%.1f s%*s", w->pid,
                     i == NGX_ERROR
                     ? "one pass of its event loop"
                     : ngx_http_profiling_names_get(stall.frames[i]),
                     (double) duration / 1e9, (size_t) (p - place), place);

    return 1;
}


/* the latest one of a slot that is over, by its present worker or another */

static ngx_uint_t
ngx_http_profiling_health_over(ngx_http_profiling_snapshot_t *s,
    ngx_http_profiling_health_t *h, ngx_http_profiling_slot_t *slot)
{
    u_char                            *p, place[512];
    uint64_t                           last;
    ngx_int_t                          i;
    ngx_http_profiling_pause_t         pause;
    const ngx_http_profiling_pause_t  *from;

    if (ngx_http_profiling_load(&slot->claims) == 0) {
        return 0;
    }

    last = ngx_http_profiling_load_acquire(&slot->last_stall);
    from = &slot->pause[last % NGX_HTTP_PROFILING_PAUSES];

    if (last == 0
        || ngx_http_profiling_pause_read(from, &pause) != NGX_OK
        || pause.number != last
        || (s->filter && s->filter != (ngx_pid_t) pause.pid)
        || s->time > pause.time + NGX_HTTP_PROFILING_STALL_TOLD)
    {
        return 0;
    }

    i = ngx_http_profiling_frame_cause(pause.frames,
                                       ngx_min(pause.n,
                                           NGX_HTTP_PROFILING_PAUSE_FRAMES));

    p = ngx_http_profiling_label_print(place, place + sizeof(place),
                                       pause.label);

    ngx_http_profiling_health_issue(h, "worker %P was held up for %.1f s in "
                     "%s%*s, %.0f s ago", (ngx_pid_t) pause.pid,
                     (double) pause.duration / 1e9,
                     pause.cause == NGX_HTTP_PROFILING_CAUSE_TRIM
                     ? "a forced collection"
                     : i == NGX_ERROR
                     ? "one pass of its event loop"
                     : ngx_http_profiling_names_get(pause.frames[i]),
                     (size_t) (p - place), place,
                     (double) (s->time - ngx_min(s->time, pause.time))
                     / 1000);

    return 1;
}


static void
ngx_http_profiling_health_issue(ngx_http_profiling_health_t *h,
    const char *format, ...)
{
    u_char   *p, *last;
    va_list   args;

    if (h->issues == NGX_HTTP_PROFILING_ISSUES) {
        h->more++;
        return;
    }

    p = h->issue[h->issues++];
    last = p + NGX_HTTP_PROFILING_ISSUE_LEN - 1;

    va_start(args, format);
    p = ngx_vslprintf(p, last, format, args);
    va_end(args);

    *p = '\0';
}


const char *
ngx_http_profiling_health_name(ngx_uint_t status)
{
    static const char *const  names[] = { "healthy", "degraded", "unhealthy" };

    return names[status];
}


ngx_int_t
ngx_http_profiling_view_health(ngx_http_profiling_work_t *w)
{
    ngx_uint_t                      i;
    ngx_http_profiling_json_t      *j;
    ngx_http_profiling_health_t     h;
    ngx_http_profiling_worker_t    *worker;
    ngx_http_profiling_snapshot_t  *s;

    j = &w->json;
    s = w->snapshot;

    ngx_http_profiling_health(s, &h);

    if (h.status == NGX_HTTP_PROFILING_UNHEALTHY) {
        w->status = NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    ngx_http_profiling_json_open(j, NULL, '{');
    ngx_http_profiling_json_cstring(j, "status",
                                 ngx_http_profiling_health_name(h.status));
    ngx_http_profiling_json_time(j, "timestamp", s->time);
    ngx_http_profiling_json_double(j, "uptime_seconds",
                                   ngx_http_profiling_snapshot_uptime(s));

    if (s->gauges.unavailable & NGX_HTTP_PROFILING_NO_MEMORY) {
        ngx_http_profiling_json_null(j, "memory_usage_pct");

    } else {
        ngx_http_profiling_json_double(j, "memory_usage_pct",
                                       ngx_http_profiling_snapshot_usage(s));
    }

    ngx_http_profiling_json_uint(j, "num_goroutines", s->gauges.connections);

    ngx_http_profiling_json_open(j, "issues", '[');

    for (i = 0; i < h.issues; i++) {
        ngx_http_profiling_json_cstring(j, NULL, h.issue[i]);
    }

    ngx_http_profiling_json_close(j, ']');
    ngx_http_profiling_json_uint(j, "more_issues", h.more);

    ngx_http_profiling_json_open(j, "workers", '[');
    worker = s->workers.elts;

    for (i = 0; i < s->workers.nelts; i++) {
        ngx_http_profiling_json_open(j, NULL, '{');
        ngx_http_profiling_view_worker(j, &worker[i]);
        ngx_http_profiling_json_double(j, "silent_seconds",
                                       (double) worker[i].silent / 1e9);
        ngx_http_profiling_json_close(j, '}');
    }

    ngx_http_profiling_json_close(j, ']');
    ngx_http_profiling_view_unavailable(j, s->gauges.unavailable);
    ngx_http_profiling_json_close(j, '}');

    return NGX_DONE;
}
