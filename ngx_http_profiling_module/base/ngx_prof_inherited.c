
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_inherited.h"
#include "ngx_prof_clock.h"
#include "ngx_prof_proc.h"


/* ticks per reading of smaps_rollup, and ns that one may take */
#define NGX_PROF_ROLLUP_EACH   10
#define NGX_PROF_ROLLUP_BOUND  200000

/* ns for a resident page, until that was measured */
#define NGX_PROF_ROLLUP_PAGE   50


typedef struct {
    uint64_t    master;                         /* its anonymous bytes */
    ngx_uint_t  sharers;
    uint64_t    shared;                         /* bytes that others count */
    ngx_uint_t  measured;
    ngx_uint_t  age;                            /* ticks */
    uint64_t    page;                           /* ns */
} ngx_prof_inheritance_t;


static void ngx_prof_inherited_read(ngx_prof_inheritance_t *in,
    const ngx_prof_gauges_t *g);


static ngx_prof_inheritance_t  ngx_prof_inheritance;


void
ngx_prof_inherited_init_module(ngx_uint_t n)
{
    ngx_prof_inheritance_t  *in;

    in = &ngx_prof_inheritance;

    in->master = ngx_prof_system_anonymous();
    in->sharers = n;
    in->shared = in->master - ngx_prof_inherited_part(in->master);
    in->measured = 0;
    in->age = 0;
    in->page = NGX_PROF_ROLLUP_PAGE;
}


uint64_t
ngx_prof_inherited_part(uint64_t bytes)
{
    return bytes / ngx_max(ngx_prof_inheritance.sharers, 1);
}


void
ngx_prof_inherited(ngx_prof_gauges_t *g)
{
    ngx_prof_inheritance_t  *in;

    in = &ngx_prof_inheritance;

    if (in->sharers > 1 && in->age++ % NGX_PROF_ROLLUP_EACH == 0) {
        ngx_prof_inherited_read(in, g);
    }

    g->inherited = ngx_min(in->shared, g->anonymous);
    g->anonymous -= g->inherited;

    if (!in->measured && g->inherited) {
        g->estimated |= NGX_PROF_ESTIMATED_INHERITED;
    }
}


/* its cost goes by the pages that are resident */

static void
ngx_prof_inherited_read(ngx_prof_inheritance_t *in, const ngx_prof_gauges_t *g)
{
    uint64_t  pages, part, shared, start;

    pages = (g->anonymous + g->shared + g->files) / ngx_pagesize + 1;

    if (pages * in->page > NGX_PROF_ROLLUP_BOUND) {

        /* what was measured once holds longer than a guess */
        return;
    }

    start = ngx_prof_clock();

    if (ngx_prof_system_part(&part) != NGX_OK) {
        return;
    }

    in->page = (ngx_prof_clock() - start) / pages;
    in->measured = 1;

    /* the kernel counts the master as a sharer, which tells nothing itself */

    shared = (g->anonymous - ngx_min(part, g->anonymous))
             * (in->sharers + 1) / in->sharers;
    in->shared = shared - ngx_prof_inherited_part(shared);
}
