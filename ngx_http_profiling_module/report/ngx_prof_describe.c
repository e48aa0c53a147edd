
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_describe.h"
#include "ngx_prof_argument.h"
#include "ngx_prof_connections.h"
#include "ngx_prof_dump_area.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_worker.h"


typedef struct {
    ngx_uint_t   bit;
    const char  *name;
    const char  *type;
    const char  *unit;
    const char  *meaning;
    int64_t      initial;       /* the default; -1: there is none */
    int64_t      minimum;       /* -1: these are for no integers */
    int64_t      maximum;       /* -1: as many as profiling_history */
} ngx_prof_param_t;


static void ngx_prof_describe_param(ngx_prof_json_t *j,
    const ngx_prof_param_t *p);


static const ngx_prof_param_t  ngx_prof_params[] = {

    { NGX_PROF_PARAM_WORKER, "worker", "integer", "pid",
      "one worker alone", -1, -1, 0 },

    { NGX_PROF_PARAM_FIELDS, "fields", "string", "names",
      "members of the answer that are wanted, with commas between them: a.b is "
      "b in a, elements of lists count as the list", -1, -1, 0 },

    { NGX_PROF_PARAM_COUNT, "count", "integer", "samples",
      "the latest ones", 100, 1, -1 },

    { NGX_PROF_PARAM_SINCE, "since", "time", "RFC 3339, UTC",
      "samples after it", -1, -1, 0 },

    { NGX_PROF_PARAM_LIMIT, "limit", "integer", "connections",
      "how many are told one by one", NGX_PROF_DUMP_LIMIT, 0,
      NGX_PROF_DUMP_LIMIT_MAX },

    { NGX_PROF_PARAM_DURATION, "duration", "integer", "seconds",
      "how long the profile takes", 30, 1, NGX_PROF_SECONDS_MAX },

    { NGX_PROF_PARAM_RANGE, "from", "time", "RFC 3339, Unix time or -10m",
      "where the answer begins", -1, -1, 0 },

    { NGX_PROF_PARAM_RANGE, "until", "time", "RFC 3339, Unix time or -90s",
      "where it ends: now, if it is not given", -1, -1, 0 },

    { NGX_PROF_PARAM_STEP, "step", "time", "seconds",
      "how long each step of the answer is", -1, -1, 0 },

    { NGX_PROF_PARAM_FORMAT, "format", "string", "json or text",
      "of one report, by its number behind the name", -1, -1, 0 },
};


void
ngx_prof_describe(ngx_prof_json_t *j, const ngx_prof_description_t *d)
{
    ngx_uint_t  i;

    ngx_prof_json_open(j, NULL, '{');
    ngx_prof_json_string(j, "name", d->name.data, d->name.len);
    ngx_prof_json_cstring(j, "method", d->method);
    ngx_prof_json_bool(j, "by_number", d->reports);
    ngx_prof_json_cstring(j, "meaning", d->meaning);
    ngx_prof_json_cstring(j, "units", d->units);
    ngx_prof_json_open(j, "parameters", '[');

    for (i = 0; i < sizeof(ngx_prof_params) / sizeof(ngx_prof_param_t); i++) {

        if (d->params & ngx_prof_params[i].bit) {
            ngx_prof_describe_param(j, &ngx_prof_params[i]);
        }
    }

    ngx_prof_json_close(j, ']');
    ngx_prof_json_close(j, '}');
}


static void
ngx_prof_describe_param(ngx_prof_json_t *j, const ngx_prof_param_t *p)
{
    int64_t  maximum, initial;

    ngx_prof_json_open(j, NULL, '{');
    ngx_prof_json_cstring(j, "name", p->name);
    ngx_prof_json_cstring(j, "type", p->type);
    ngx_prof_json_cstring(j, "unit", p->unit);
    ngx_prof_json_cstring(j, "meaning", p->meaning);

    if (p->minimum != -1) {
        maximum = (p->maximum == -1) ? ngx_prof_setting(NGX_PROF_HISTORY)
                                     : p->maximum;
        initial = ngx_min(p->initial, maximum);

        ngx_prof_json_int(j, "default", initial);
        ngx_prof_json_int(j, "minimum", p->minimum);
        ngx_prof_json_int(j, "maximum", maximum);
    }

    ngx_prof_json_close(j, '}');
}
