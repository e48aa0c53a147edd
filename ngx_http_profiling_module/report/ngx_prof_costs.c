
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_costs.h"
#include "ngx_prof_base.h"
#include "ngx_prof_conf.h"
#include "ngx_prof_expose.h"
#include "ngx_prof_figures.h"
#include "ngx_prof_view.h"


static uint64_t ngx_prof_costs_left(uint64_t all, uint64_t part);


uint64_t
ngx_prof_costs_unavailable(const ngx_prof_snapshot_t *s)
{
    if (!s->conf->cost) {
        return NGX_PROF_NO_COST;
    }

    return s->gauges.unavailable
           & (NGX_PROF_NO_LOOP|NGX_PROF_NO_ALLOC|NGX_PROF_NO_COUNT);
}


void
ngx_prof_costs_add(ngx_prof_plain_t *sum, const ngx_prof_plain_t *place)
{
    sum->cpu += place->cpu;
    sum->loop += place->loop;
    sum->wait += place->wait;
    sum->blocked += place->blocked;
    sum->alloc += place->alloc;
}


/*
 * What no slice is of: waits in the kernel, other threads, what a worker does
 * before its first event.
 */

void
ngx_prof_costs_rest(const ngx_prof_snapshot_t *s, const ngx_prof_plain_t *sum,
    ngx_prof_plain_t *rest)
{
    const ngx_prof_totals_t  *t;

    t = &s->totals;

    ngx_memzero(rest, sizeof(ngx_prof_plain_t));

    rest->cpu = ngx_prof_costs_left((t->user + t->system) * 1000, sum->cpu);
    rest->loop = ngx_prof_costs_left(t->busy, sum->loop);
    rest->alloc = ngx_prof_costs_left(t->total_alloc, sum->alloc);
    rest->wait = s->all.plain.wait;
    rest->blocked = s->all.plain.blocked;
}


/* totals are of the latest tick, costs of now */

static uint64_t
ngx_prof_costs_left(uint64_t all, uint64_t part)
{
    return all - ngx_min(all, part);
}


ngx_uint_t
ngx_prof_costs_known(const ngx_prof_snapshot_t *s, size_t offset)
{
    uint64_t  none;

    none = NGX_PROF_NO_COST|NGX_PROF_NO_LOOP;

    if (offset == offsetof(ngx_prof_plain_t, alloc)) {
        none |= NGX_PROF_NO_ALLOC|NGX_PROF_NO_COUNT;
    }

    return !(ngx_prof_costs_unavailable(s) & none);
}


void
ngx_prof_costs_expose(ngx_prof_work_t *w, const char *name, ngx_int_t place,
    const ngx_prof_plain_t *plain, size_t offset)
{
    uint64_t          n;
    ngx_prof_text_t  *t;

    t = &w->json.text;
    n = *(const uint64_t *) ((const u_char *) plain + offset);

    ngx_prof_expose_open(w, name, "");

    if (place == -1) {
        ngx_prof_text_puts(t, "server=\"\",location=\"\"");

    } else {
        ngx_prof_expose_labels(w, place);
    }

    if (offset == offsetof(ngx_prof_plain_t, alloc)) {
        ngx_prof_text_printf(t, "} %uL\n", n);
        return;
    }

    ngx_prof_text_printf(t, "} %uL.%09uL\n", n / NGX_PROF_NSEC_PER_SEC,
                         n % NGX_PROF_NSEC_PER_SEC);
}


void
ngx_prof_costs_print(ngx_prof_json_t *j, const ngx_prof_plain_t *plain,
    uint64_t unavailable)
{
    if (unavailable & (NGX_PROF_NO_COST|NGX_PROF_NO_LOOP)) {
        ngx_prof_json_null(j, "cost");
        return;
    }

    ngx_prof_json_open(j, "cost", '{');
    ngx_prof_json_double(j, "cpu_seconds", ngx_prof_seconds(plain->cpu));
    ngx_prof_json_double(j, "loop_seconds", ngx_prof_seconds(plain->loop));
    ngx_prof_json_double(j, "wait_seconds", ngx_prof_seconds(plain->wait));
    ngx_prof_json_double(j, "blocked_seconds",
                         ngx_prof_seconds(plain->blocked));
    ngx_prof_view_figure(j, "alloc_bytes", plain->alloc,
                         unavailable & (NGX_PROF_NO_ALLOC|NGX_PROF_NO_COUNT));
    ngx_prof_json_close(j, '}');
}
