
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_pauses.h"
#include "ngx_prof_snapshot.h"
#include "ngx_prof_holder.h"
#include "ngx_prof_json.h"
#include "ngx_prof_names.h"
#include "ngx_prof_record.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_view.h"
#include "ngx_prof_zone.h"


/* pauses printed in one step */
#define NGX_PROF_RECENT_STEP  8


typedef struct {
    ngx_prof_pause_t  pause[2 * NGX_PROF_PAUSES];
    ngx_uint_t        n;
    ngx_uint_t        printed;
    ngx_uint_t        begun;
} ngx_prof_recent_pause_t;


static void ngx_prof_pauses_slot(ngx_prof_snapshot_t *s, ngx_uint_t n,
    ngx_prof_recent_pause_t *recent);
static int ngx_libc_cdecl ngx_prof_pauses_later(const void *one,
    const void *two);
static void ngx_prof_pauses_begin(ngx_prof_json_t *j, ngx_prof_snapshot_t *s,
    const ngx_prof_recent_pause_t *recent);
static void ngx_prof_pauses_request(ngx_prof_json_t *j,
    const ngx_prof_pause_t *p);
static void ngx_prof_pauses_cause(ngx_prof_json_t *j,
    const ngx_prof_pause_t *p);


ngx_int_t
ngx_prof_pauses_view(ngx_prof_work_t *w)
{
    ngx_uint_t                last;
    ngx_prof_json_t          *j;
    ngx_prof_recent_pause_t  *recent;
    ngx_prof_snapshot_t      *s;

    j = &w->json;
    s = w->snapshot;

    /* one slot per step: its ring is merged */

    if (w->data == NULL) {
        w->data = ngx_pcalloc(s->pool, sizeof(ngx_prof_recent_pause_t));
        if (w->data == NULL) {
            return NGX_ERROR;
        }
    }

    recent = w->data;

    if (w->next < s->zone->slots) {
        ngx_prof_pauses_slot(s, w->next++, recent);
        return NGX_AGAIN;
    }

    if (!recent->begun) {
        recent->begun = 1;
        ngx_prof_pauses_begin(j, s, recent);
        return NGX_AGAIN;
    }

    last = ngx_min(recent->printed + NGX_PROF_RECENT_STEP, recent->n);

    while (recent->printed < last) {
        ngx_prof_pauses_print(j, &recent->pause[recent->printed++]);
    }

    if (recent->printed < recent->n) {
        return NGX_AGAIN;
    }

    ngx_prof_json_close(j, ']');
    ngx_prof_view_unavailable(j, s->gauges.unavailable);
    ngx_prof_json_close(j, '}');

    return NGX_DONE;
}


static void
ngx_prof_pauses_begin(ngx_prof_json_t *j, ngx_prof_snapshot_t *s,
    const ngx_prof_recent_pause_t *recent)
{
    ngx_uint_t          i;
    ngx_prof_totals_t  *t;

    t = &s->totals;

    ngx_prof_json_open(j, NULL, '{');
    ngx_prof_json_uint(j, "num_gc", t->pauses);
    ngx_prof_json_uint(j, "pause_total", t->pause_total);
    ngx_prof_json_double(j, "pause_total_ms",
                         ngx_prof_ms(t->pause_total));
    ngx_prof_view_day(j, "last_gc", s->last_pause_clock);

    if (s->gauges.unavailable & NGX_PROF_NO_TRIM) {
        ngx_prof_json_null(j, "next_gc_mb");

    } else {
        ngx_prof_json_double(j, "next_gc_mb",
                                   (double) s->gauges.next_gc / 1048576);
    }

    ngx_prof_json_double(j, "gc_cpu_fraction",
                         ngx_prof_share(t->pause_total,
                                        ngx_prof_snapshot_lived(s)));

    ngx_prof_json_uint(j, "forced", t->trims);
    ngx_prof_json_uint(j, "threshold_ms",
                       ngx_prof_conf_ms(s->conf, NGX_PROF_PAUSE_THRESHOLD));
    ngx_prof_json_uint(j, "avg_pause_ns",
                       t->pauses ? t->pause_total / t->pauses : 0);

    ngx_prof_json_open(j, "recent_pauses_ns", '[');

    for (i = 0; i < recent->n; i++) {
        ngx_prof_json_uint(j, NULL, recent->pause[i].duration);
    }

    ngx_prof_json_close(j, ']');
    ngx_prof_json_open(j, "recent", '[');
}


/* merges a slot's pauses into the latest of all, the last one first */

static void
ngx_prof_pauses_slot(ngx_prof_snapshot_t *s, ngx_uint_t n,
    ngx_prof_recent_pause_t *recent)
{
    ngx_uint_t         i;
    ngx_prof_slot_t   *slot;
    ngx_prof_pause_t  *to, *from;

    slot = ngx_prof_zone_slot(s->zone, n);

    if (ngx_prof_load(&slot->claims) == 0
        || ngx_prof_load(&slot->totals.pauses) == 0)
    {
        return;
    }

    for (i = 0; i < NGX_PROF_PAUSES; i++) {
        from = &slot->pause[i];
        to = &recent->pause[recent->n];

        if (ngx_prof_pause_read(from, to) != NGX_OK
            || to->number == 0
            || (s->filter && (ngx_pid_t) to->pid != s->filter))
        {
            continue;
        }

        recent->n++;
    }

    ngx_qsort(recent->pause, recent->n, sizeof(ngx_prof_pause_t),
              ngx_prof_pauses_later);

    recent->n = ngx_min(recent->n, NGX_PROF_PAUSES);
}


static int ngx_libc_cdecl
ngx_prof_pauses_later(const void *one, const void *two)
{
    const ngx_prof_pause_t  *a, *b;

    a = one;
    b = two;

    if (a->clock != b->clock) {
        return a->clock < b->clock ? 1 : -1;
    }

    if (a->number != b->number) {
        return a->number < b->number ? 1 : -1;
    }

    return 0;
}


void
ngx_prof_pauses_print(ngx_prof_json_t *j, const ngx_prof_pause_t *p)
{
    uint64_t     n;
    ngx_uint_t   i;
    const char  *name;

    ngx_prof_json_open(j, NULL, '{');
    ngx_prof_json_uint(j, "worker", p->pid);
    ngx_prof_view_day(j, "time", p->clock);
    ngx_prof_json_uint(j, "duration_ns", p->duration);

    ngx_prof_pauses_cause(j, p);
    ngx_prof_view_place(j, p->label);
    ngx_prof_pauses_request(j, p);

    /* a trim runs on the processor, but its CPU time is not measured */

    if (p->cause == NGX_PROF_CAUSE_TRIM) {
        ngx_prof_json_null(j, "on_cpu_ns");
        ngx_prof_json_null(j, "blocked_ns");
        ngx_prof_json_null(j, "other_ns");

    } else {
        ngx_prof_json_uint(j, "on_cpu_ns", p->cpu);
        ngx_prof_json_uint(j, "blocked_ns", p->blocked);
        ngx_prof_json_uint(j, "other_ns",
                           p->duration
                           - ngx_min(p->duration,
                                     p->cpu + p->blocked));
    }

    ngx_prof_json_open(j, "stack", '[');
    n = ngx_min(p->n, NGX_PROF_PAUSE_FRAMES);

    for (i = 0; i < n; i++) {
        name = ngx_prof_names_get(p->frames[i]);
        ngx_prof_json_cstring(j, NULL, name);
    }

    ngx_prof_json_close(j, ']');
    ngx_prof_json_close(j, '}');
}


/* whose event held the loop longest, as the error log numbers it */

static void
ngx_prof_pauses_request(ngx_prof_json_t *j, const ngx_prof_pause_t *p)
{
    const char  *method;

    if (p->connection) {
        ngx_prof_json_uint(j, "connection", p->connection);

    } else {
        ngx_prof_json_null(j, "connection");
    }

    method = ngx_prof_holder_method(p->method);

    if (method) {
        ngx_prof_json_cstring(j, "method", method);

    } else {
        ngx_prof_json_null(j, "method");
    }
}


static void
ngx_prof_pauses_cause(ngx_prof_json_t *j, const ngx_prof_pause_t *p)
{
    if (p->cause == NGX_PROF_CAUSE_TRIM) {
        ngx_prof_json_cstring(j, "cause", "force-gc");
        return;
    }

    ngx_prof_view_cause(j, "cause", p->frames,
                        ngx_min(p->n, NGX_PROF_PAUSE_FRAMES));
}
