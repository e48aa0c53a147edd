
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_processes.h"
#include "ngx_prof_expose.h"
#include "ngx_prof_figures.h"
#include "ngx_prof_master.h"
#include "ngx_prof_proc.h"
#include "ngx_prof_record.h"
#include "ngx_prof_view.h"
#include "ngx_prof_zone.h"


/* a counter of all helpers of a kind, those that have ended included */

typedef struct {
    const char  *name;
    const char  *label;
    const char  *help;                          /* NULL: as the one before */
    size_t       offset;                        /* in the totals of a slot */
    double       unit;
} ngx_prof_helper_family_t;


static void ngx_prof_view_master(ngx_prof_json_t *j);
static void ngx_prof_view_helper(ngx_prof_json_t *j,
    const ngx_prof_worker_t *w);
static void ngx_prof_expose_memory_of(ngx_prof_work_t *w);
static void ngx_prof_expose_helpers(ngx_prof_work_t *w,
    const ngx_prof_helper_family_t *family);
static void ngx_prof_expose_process(ngx_prof_work_t *w, const char *name,
    const char *process, const char *label, double value);


static const ngx_prof_helper_family_t  ngx_prof_helper_families[] = {

    { "process_cpu_seconds_total", ",mode=\"user\"",
      "CPU time of processes that serve no requests.",
      offsetof(ngx_prof_totals_t, user), NGX_PROF_USEC_PER_SEC },

    { "process_cpu_seconds_total", ",mode=\"system\"", NULL,
      offsetof(ngx_prof_totals_t, system), NGX_PROF_USEC_PER_SEC },

    { "process_passes_total", "",
      "Event-loop passes of these processes.",
      offsetof(ngx_prof_totals_t, iterations), 1 },

    { "process_busy_seconds_total", "",
      "Time that event loops of these processes worked.",
      offsetof(ngx_prof_totals_t, busy), NGX_PROF_NSEC_PER_SEC },

    { "process_pauses_total", "",
      "Their passes above profiling_pause_threshold.",
      offsetof(ngx_prof_totals_t, pauses), 1 },

    { NULL, NULL, NULL, 0, 0 }
};


void
ngx_prof_view_processes(ngx_prof_json_t *j, ngx_prof_snapshot_t *s)
{
    ngx_uint_t          i;
    ngx_prof_worker_t  *helper;

    helper = s->helpers.elts;

    ngx_prof_json_open(j, "processes", '[');

    if (s->filter == 0 && ngx_process != NGX_PROCESS_SINGLE) {
        ngx_prof_view_master(j);
    }

    for (i = 0; i < s->helpers.nelts; i++) {
        ngx_prof_view_helper(j, &helper[i]);
    }

    ngx_prof_json_close(j, ']');
}


/* it runs no loop and reports nothing: the figures are the kernel's */

static void
ngx_prof_view_master(ngx_prof_json_t *j)
{
    uint64_t   user, system, bytes, descriptors;
    ngx_int_t  none;
    ngx_pid_t  pid;

    pid = ngx_prof_master();
    none = ngx_prof_proc_spent(pid, &user, &system);

    ngx_prof_json_open(j, NULL, '{');
    ngx_prof_json_cstring(j, "process", "master");
    ngx_prof_json_int(j, "pid", pid);

    ngx_prof_view_double(j, "user_seconds", ngx_prof_us_seconds(user),
                         none != 0);
    ngx_prof_view_double(j, "system_seconds", ngx_prof_us_seconds(system),
                         none != 0);

    if (ngx_prof_proc_held(pid, &bytes) == NGX_OK) {
        ngx_prof_json_uint(j, "anonymous", bytes);

    } else {
        ngx_prof_json_null(j, "anonymous");
    }

    descriptors = ngx_prof_proc_descriptors(pid);
    ngx_prof_view_figure(j, "descriptors", descriptors, descriptors == 0);

    ngx_prof_json_close(j, '}');
}


static void
ngx_prof_view_helper(ngx_prof_json_t *j, const ngx_prof_worker_t *w)
{
    uint64_t                  loop, pass;
    const ngx_prof_totals_t  *t;

    t = &w->totals;
    loop = w->gauges.unavailable & NGX_PROF_NO_LOOP;
    pass = loop || w->passes.number == 0;

    ngx_prof_json_open(j, NULL, '{');
    ngx_prof_view_worker(j, w);

    ngx_prof_json_double(j, "user_seconds", ngx_prof_us_seconds(t->user));
    ngx_prof_json_double(j, "system_seconds", ngx_prof_us_seconds(t->system));
    ngx_prof_view_figure(j, "anonymous",
                         w->gauges.anonymous + w->gauges.inherited,
                         !w->known
                         || (w->gauges.unavailable & NGX_PROF_NO_MEMORY));
    ngx_prof_view_figure(j, "descriptors", w->gauges.descriptors,
                         !w->known
                         || (w->gauges.unavailable & NGX_PROF_NO_FDS));
    ngx_prof_view_figure(j, "passes", t->iterations, loop);
    ngx_prof_view_double(j, "busy_seconds", ngx_prof_seconds(t->busy), loop);
    ngx_prof_view_double(j, "longest_pass_seconds",
                         ngx_prof_seconds(w->passes.max), pass);
    ngx_prof_view_figure(j, "pauses", t->pauses, loop);
    ngx_prof_json_close(j, '}');
}


void
ngx_prof_expose_processes(ngx_prof_work_t *w)
{
    uint64_t                         user, system;
    const ngx_prof_helper_family_t  *family;

    if (ngx_process == NGX_PROCESS_SINGLE) {
        return;
    }

    for (family = ngx_prof_helper_families; family->name; family++) {
        ngx_prof_expose_helpers(w, family);

        if (family == ngx_prof_helper_families
            && ngx_prof_proc_spent(ngx_prof_master(), &user, &system)
               == NGX_OK)
        {
            ngx_prof_expose_process(w, family->name, "master",
                                 ",mode=\"user\"", ngx_prof_us_seconds(user));
            ngx_prof_expose_process(w, family->name, "master",
                                    ",mode=\"system\"",
                                    ngx_prof_us_seconds(system));
        }
    }

    ngx_prof_expose_memory_of(w);
}


static void
ngx_prof_expose_memory_of(ngx_prof_work_t *w)
{
    uint64_t             bytes, of[NGX_PROF_HELPER_KINDS];
    ngx_uint_t           i, kind;
    ngx_prof_worker_t   *helper;
    ngx_prof_gauges_t   *g;

    ngx_memzero(of, sizeof(of));
    helper = w->snapshot->helpers.elts;

    for (i = 0; i < w->snapshot->helpers.nelts; i++) {
        g = &helper[i].gauges;
        kind = ngx_prof_helper_kind(helper[i].worker);

        if (helper[i].known && !(g->unavailable & NGX_PROF_NO_MEMORY)) {
            of[ngx_min(kind, NGX_PROF_HELPER_OTHER)] += g->anonymous
                                                        + g->inherited;
        }
    }

    ngx_prof_expose_family(w, "process_memory_bytes", "gauge",
                           "Resident memory of these processes, without "
                           "files.");

    if (ngx_prof_proc_held(ngx_prof_master(), &bytes) == NGX_OK) {
        ngx_prof_expose_process(w, "process_memory_bytes", "master", "",
                                (double) bytes);
    }

    for (kind = 0; kind < NGX_PROF_HELPER_KINDS; kind++) {

        if (of[kind]) {
            ngx_prof_expose_process(w, "process_memory_bytes",
                                    ngx_prof_process_name(
                                               ngx_prof_helper_worker(kind)),
                                    "", (double) of[kind]);
        }
    }
}


static void
ngx_prof_expose_helpers(ngx_prof_work_t *w,
    const ngx_prof_helper_family_t *family)
{
    uint64_t                sum;
    ngx_uint_t              i, kind, any;
    const ngx_prof_slot_t  *slot;
    const ngx_prof_zone_t  *zone;

    zone = w->snapshot->zone;

    if (family->help) {
        ngx_prof_expose_family(w, family->name, "counter", family->help);
    }

    for (kind = 0; zone->helper.n && kind < NGX_PROF_HELPER_KINDS; kind++) {
        sum = 0;
        any = 0;

        for (i = 0; i < NGX_PROF_HELPER_SLOTS; i++) {
            slot = ngx_prof_zone_slot(zone, NGX_PROF_SLOTS_MAX + i
                                            + kind * NGX_PROF_HELPER_SLOTS);

            if (ngx_prof_load(&slot->claims)) {
                any = 1;
                sum += ngx_prof_load((const uint64_t *)
                                     ((const u_char *) &slot->totals
                                      + family->offset));
            }
        }

        if (any) {
            ngx_prof_expose_process(w, family->name,
                                    ngx_prof_process_name(
                                               ngx_prof_helper_worker(kind)),
                                    family->label,
                                    (double) sum / family->unit);
        }
    }
}


static void
ngx_prof_expose_process(ngx_prof_work_t *w, const char *name,
    const char *process, const char *label, double value)
{
    char  labels[64];

    (void) snprintf(labels, sizeof(labels), "{process=\"%s\"%s}", process,
                    label);
    ngx_prof_expose_value(w, name, labels, value);
}
