
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_modules_view.h"
#include "ngx_prof_json.h"
#include "ngx_prof_learn.h"
#include "ngx_prof_modules.h"
#include "ngx_prof_record.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


ngx_int_t
ngx_prof_modules_view(ngx_prof_work_t *w)
{
    uint64_t             ns, sum, each[NGX_PROF_MODULES];
    ngx_uint_t           i, n;
    ngx_prof_json_t     *j;
    ngx_prof_modules_t  *modules;

    j = &w->json;
    modules = w->snapshot->zone->modules;
    ngx_prof_learn_for(modules);

    n = modules ? ngx_max(ngx_prof_modules_n(modules), 1) : 0;
    sum = 0;

    for (i = 0; i < n; i++) {
        each[i] = ngx_prof_load(&modules->ns[i]);
        sum += each[i];
    }

    ngx_prof_json_open(j, NULL, '{');
    ngx_prof_json_time(j, "timestamp", w->snapshot->time);
    ngx_prof_json_uint(j, "hertz", ngx_prof_setting(NGX_PROF_RECORD)
                                   ? ngx_prof_setting(NGX_PROF_RECORD_RATE)
                                   : 0);
    ngx_prof_json_bool(j, "known", modules != NULL
                       && ngx_prof_load(&modules->object_n)
                       && ngx_prof_load(&modules->owner) == 0);
    ngx_prof_json_double(j, "cpu_seconds", ngx_prof_seconds(sum));
    ngx_prof_json_open(j, "modules", '[');

    for (i = 0; i < n; i++) {
        ns = each[i];

        if (ns == 0) {
            continue;
        }

        ngx_prof_json_open(j, NULL, '{');

        if (i) {
            ngx_prof_json_cstring(j, "module",
                                  ngx_prof_modules_name(modules, i));

        } else {
            ngx_prof_json_null(j, "module");
        }

        ngx_prof_json_double(j, "cpu_seconds", ngx_prof_seconds(ns));
        ngx_prof_json_double(j, "share", (double) ns / (double) sum);
        ngx_prof_json_close(j, '}');
    }

    ngx_prof_json_close(j, ']');
    ngx_prof_json_close(j, '}');

    return NGX_DONE;
}
