
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_runtime.h"
#include "ngx_prof_snapshot.h"
#include "ngx_prof_allocator.h"
#include "ngx_prof_base.h"
#include "ngx_prof_figures.h"
#include "ngx_prof_json.h"
#include "ngx_prof_overhead.h"
#include "ngx_prof_record.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_version.h"
#include "ngx_prof_view.h"
#include "ngx_prof_master.h"


typedef struct {
    const char  *key;
    const char  *(*version)(void);
    uint64_t     none;
} ngx_prof_library_t;


static void ngx_prof_runtime_settings(ngx_prof_json_t *j,
    ngx_prof_snapshot_t *s);
static uint64_t ngx_prof_runtime_versions(ngx_prof_json_t *j);
static size_t ngx_prof_runtime_duration(u_char *buf, size_t size,
    double seconds);


ngx_int_t
ngx_prof_view_runtime(ngx_prof_work_t *w)
{
    double                uptime;
    u_char                text[64];
    size_t                len;
    uint64_t              requests, errors, none;
    ngx_uint_t            i;
    ngx_prof_json_t      *j;
    ngx_prof_worker_t    *worker;
    ngx_prof_snapshot_t  *s;

    j = &w->json;
    s = w->snapshot;

    uptime = ngx_prof_snapshot_uptime(s);
    len = ngx_prof_runtime_duration(text, sizeof(text), uptime);
    requests = ngx_prof_counts_requests(&s->all);
    errors = ngx_prof_counts_class(&s->all, 5);

    ngx_prof_json_open(j, NULL, '{');
    ngx_prof_json_double(j, "uptime_seconds", uptime);
    ngx_prof_json_string(j, "uptime", text, len);
    ngx_prof_json_time(j, "start_time", s->zone->start_time);
    ngx_prof_json_int(j, "master", ngx_prof_master());
    ngx_prof_json_cstring(j, "go_version", "nginx/" NGINX_VERSION);
    ngx_prof_json_int(j, "num_cpu", ngx_ncpu);
    ngx_prof_json_uint(j, "num_goroutine", s->gauges.connections);

    if (s->gauges.unavailable & NGX_PROF_NO_TASKS) {
        ngx_prof_json_null(j, "num_cgo_call");

    } else {
        ngx_prof_json_uint(j, "num_cgo_call", s->totals.tasks);
    }

    ngx_prof_json_uint(j, "request_count", requests);
    ngx_prof_json_uint(j, "error_count", errors);
    ngx_prof_json_uint(j, "client_error_count",
                              ngx_prof_counts_class(&s->all, 4));
    ngx_prof_view_double(j, "request_rate", (double) requests / uptime,
                         uptime <= 0);
    ngx_prof_view_double(j, "error_rate", (double) errors / uptime,
                         uptime <= 0);
    ngx_prof_view_means(j, requests, errors, uptime);

    none = ngx_prof_runtime_versions(j);

    ngx_prof_json_uint(j, "generation",
                              ngx_prof_load(&s->zone->header->generation));
    ngx_prof_json_time(j, "reload_time",
                             ngx_prof_load(&s->zone->header->reload_time));

    ngx_prof_json_open(j, "workers", '[');
    worker = s->workers.elts;

    for (i = 0; i < s->workers.nelts; i++) {
        ngx_prof_json_open(j, NULL, '{');
        ngx_prof_view_worker(j, &worker[i]);
        ngx_prof_json_close(j, '}');
    }

    ngx_prof_json_close(j, ']');
    none |= ngx_prof_overhead_view(j, s);
    ngx_prof_runtime_settings(j, s);
    ngx_prof_view_unavailable(j, s->gauges.unavailable | none);
    ngx_prof_json_close(j, '}');

    return NGX_DONE;
}


/* returns the bits of versions that are missing */

static uint64_t
ngx_prof_runtime_versions(ngx_prof_json_t *j)
{
    uint64_t                   none;
    const char                *version;
    const ngx_prof_library_t  *lib;

    static const ngx_prof_library_t  libraries[] = {
        { "pcre_version", ngx_prof_version_pcre,
          NGX_PROF_NO_PCRE },
        { "openssl_version", ngx_prof_version_openssl,
          NGX_PROF_NO_OPENSSL },
        { "zlib_version", ngx_prof_version_zlib,
          NGX_PROF_NO_ZLIB },
        { NULL, NULL, 0 }
    };

    ngx_prof_json_cstring(j, "nginx_version", NGINX_VERSION);
    ngx_prof_json_cstring(j, "module_version",
                          NGX_PROF_VERSION);

    none = 0;

    for (lib = libraries; lib->key; lib++) {
        version = lib->version();

        if (version) {
            ngx_prof_json_cstring(j, lib->key, version);

        } else {
            ngx_prof_json_null(j, lib->key);
            none |= lib->none;
        }
    }

    ngx_prof_json_cstring(j, "allocator",
                          ngx_prof_allocator_name());

    return none;
}


static void
ngx_prof_runtime_settings(ngx_prof_json_t *j, ngx_prof_snapshot_t *s)
{
    ngx_uint_t                 i;
    const ngx_prof_setting_t  *setting;

    static const char *const  units[] = { "", "_percent", "_ms", "_bytes",
                                           "" };

    char                                 name[64];

    ngx_prof_json_open(j, "settings", '{');

    for (i = 0; i < NGX_PROF_SETTINGS; i++) {
        setting = &ngx_prof_settings[i];

        (void) snprintf(name, sizeof(name), "%s%s", setting->name,
                        units[setting->kind]);

        if (i == NGX_PROF_MEMORY_LIMIT) {
            ngx_prof_json_uint(j, name, s->memory_limit);
            continue;
        }

        if (setting->kind == NGX_PROF_FLAG) {
            ngx_prof_json_bool(j, name, ngx_prof_conf_setting(s->conf, i));
            continue;
        }

        if (ngx_prof_conf_setting(s->conf, i) == 0 && setting->zero) {
            ngx_prof_json_null(j, name);
            continue;
        }

        ngx_prof_json_int(j, name, ngx_prof_conf_setting(s->conf, i));
    }

    ngx_prof_json_string(j, "profiling_zone",
                         s->conf->zone_name.data,
                         s->conf->zone_name.len);
    ngx_prof_json_uint(j, "profiling_zone_bytes",
                       s->conf->shm_zone->shm.size);
    ngx_prof_json_uint(j, "profiling_zone_slots", s->zone->slots);
    ngx_prof_json_uint(j, "profiling_zone_locations",
                       s->zone->places);
    ngx_prof_json_close(j, '}');
}


/* in the form of Go's time.Duration: "1h0m0.5s", "2m3s", "250ms" */

static size_t
ngx_prof_runtime_duration(u_char *buf, size_t size, double seconds)
{
    u_char    *p, *last;
    uint64_t   ms, whole;

    ms = (uint64_t) (seconds * 1e3);
    whole = ms / 1000;
    ms %= 1000;
    last = buf + size;

    if (whole == 0 && ms) {
        return ngx_slprintf(buf, last, "%uLms", ms) - buf;
    }

    p = buf;

    if (whole >= 3600) {
        p = ngx_slprintf(p, last, "%uLh", whole / 3600);
    }

    if (whole >= 60) {
        p = ngx_slprintf(p, last, "%uLm", whole / 60 % 60);
    }

    p = ngx_slprintf(p, last, "%uL", whole % 60);

    if (ms) {
        p = ngx_slprintf(p, last, ".%03uL", ms);

        while (p[-1] == '0') {
            p--;
        }
    }

    return ngx_slprintf(p, last, "s") - buf;
}
