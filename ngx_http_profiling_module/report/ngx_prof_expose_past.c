
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_expose_past.h"
#include "ngx_prof_base.h"
#include "ngx_prof_death.h"
#include "ngx_prof_expose.h"
#include "ngx_prof_incident_view.h"
#include "ngx_prof_learn.h"
#include "ngx_prof_record.h"
#include "ngx_prof_zone.h"


static void ngx_prof_expose_modules(ngx_prof_work_t *w);
static void ngx_prof_expose_incidents(ngx_prof_work_t *w, const char *name,
    const char *help, const uint64_t *count);


/* signals are many: the usual one, and those that there were */

void
ngx_prof_expose_deaths(ngx_prof_work_t *w)
{
    char                      labels[64];
    uint64_t                  n;
    ngx_uint_t                reason, signo;
    const ngx_prof_deaths_t  *deaths;

    static const ngx_uint_t  usual[] = { SIGSEGV, SIGKILL, SIGKILL, 0, 0 };

    deaths = &w->snapshot->zone->header->deaths;

    ngx_prof_expose_family(w, "worker_exits_total", "counter",
                           "Workers that ended otherwise than nginx ends "
                           "them.");

    for (reason = 0; reason < NGX_PROF_DEATHS; reason++) {

        for (signo = 0; signo < NGX_PROF_DEATH_SIGNALS; signo++) {
            n = ngx_prof_load(&deaths->deaths[reason][signo]);

            if (n || signo == usual[reason]) {
                (void) snprintf(labels, sizeof(labels),
                                "{reason=\"%s\",signal=\"%s\"}",
                                ngx_prof_death_reason(reason),
                                signo ? ngx_prof_death_signal(signo) : "");
                ngx_prof_expose_value(w, "worker_exits_total", labels,
                                      (double) n);
            }
        }
    }
}


void
ngx_prof_expose_past(ngx_prof_work_t *w)
{
    uint64_t                   since, oldest, folded;
    ngx_uint_t                 i;
    ngx_prof_slot_t           *slot;
    ngx_prof_zone_t           *zone;
    ngx_prof_recorded_slot_t   rec;

    zone = w->snapshot->zone;
    oldest = 0;
    folded = 0;

    for (i = 0; i < zone->slots; i++) {
        slot = ngx_prof_zone_slot(zone, i);
        ngx_prof_zone_recorder(zone, slot, &rec);

        if (rec.recording == NULL || ngx_prof_load(&slot->claims) == 0) {
            continue;
        }

        folded += ngx_prof_load(&rec.recording->folded);
        since = ngx_prof_recording_since(&rec);

        if (since && (oldest == 0 || since < oldest)) {
            oldest = since;
        }
    }

    oldest *= NGX_PROF_NSEC_PER_MSEC;

    ngx_prof_expose_family(w, "record_seconds", "gauge",
                           "How far back the recording goes.");
    ngx_prof_expose_value(w, "record_seconds", "",
                          oldest ? ngx_prof_seconds((w->snapshot->clock
                                             - ngx_min(oldest,
                                                       w->snapshot->clock)))
                                 : 0);

    ngx_prof_expose_family(w, "record_dropped_total", "counter",
                           "Stacks that the recording had no room for, of "
                           "which sums alone were kept.");
    ngx_prof_expose_value(w, "record_dropped_total", "", (double) folded);

    ngx_prof_expose_modules(w);

    ngx_prof_expose_incidents(w, "incidents_total",
                              "Incidents that were kept, at most one a reason "
                              "and minute.",
                              zone->incidents ? zone->incidents->total : NULL);

    ngx_prof_expose_incidents(w, "incidents_suppressed_total",
                              "Incidents that came within a minute of the one "
                              "before, and were not kept.",
                              zone->incidents ? zone->incidents->suppressed
                                              : NULL);
}


static void
ngx_prof_expose_modules(ngx_prof_work_t *w)
{
    char                 labels[NGX_PROF_MODULE_NAME + 16];
    uint64_t             ns;
    ngx_uint_t           i, n;
    ngx_prof_modules_t  *modules;

    ngx_prof_expose_family(w, "module_cpu_seconds_total", "counter",
                           "CPU time of nginx's modules, by what is recorded; "
                           "without a name: of none of them.");

    modules = w->snapshot->zone->modules;
    ngx_prof_learn_for(modules);

    n = modules ? ngx_max(ngx_prof_modules_n(modules), 1) : 0;

    for (i = 0; i < n; i++) {
        ns = ngx_prof_load(&modules->ns[i]);

        if (ns || i == 0) {
            (void) snprintf(labels, sizeof(labels), "{module=\"%s\"}",
                            ngx_prof_modules_name(modules, i));
            ngx_prof_expose_value(w, "module_cpu_seconds_total", labels,
                                  ngx_prof_seconds(ns));
        }
    }
}


static void
ngx_prof_expose_incidents(ngx_prof_work_t *w, const char *name,
    const char *help, const uint64_t *count)
{
    char        labels[64];
    ngx_uint_t  i;

    ngx_prof_expose_family(w, name, "counter", help);

    for (i = 0; i < NGX_PROF_INCIDENT_REASONS; i++) {
        (void) snprintf(labels, sizeof(labels), "{reason=\"%s\"}",
                        ngx_prof_incident_name(i));
        ngx_prof_expose_value(w, name, labels,
                              count ? (double) ngx_prof_load(&count[i]) : 0);
    }
}
