
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_times.h"
#include "ngx_prof_snapshot.h"
#include "ngx_prof_view.h"


void
ngx_prof_view_times(ngx_prof_json_t *j, const char *key,
    const ngx_prof_hist_t *h)
{
    ngx_uint_t            i;
    ngx_prof_quantiles_t  q;

    static const struct {
        const char  *name;
        size_t       offset;
    } values[] = {
        { "p50", offsetof(ngx_prof_quantiles_t, p50) },
        { "p90", offsetof(ngx_prof_quantiles_t, p90) },
        { "p99", offsetof(ngx_prof_quantiles_t, p99) },
        { "p999", offsetof(ngx_prof_quantiles_t, p999) },
        { "max", offsetof(ngx_prof_quantiles_t, max) },
    };

    ngx_prof_quantiles(h, &q);

    ngx_prof_json_open(j, key, '{');
    ngx_prof_json_cstring(j, "unit", "microseconds");
    ngx_prof_json_uint(j, "count", q.number);
    ngx_prof_json_double(j, "sum", (double) h->sum / 1e3);

    for (i = 0; i < 5; i++) {
        ngx_prof_view_double(j, values[i].name,
                             (double) *(uint64_t *) ((u_char *) &q
                                                     + values[i].offset)
                             / 1e3, q.number == 0);
    }

    ngx_prof_json_close(j, '}');
}
