
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_checker.h"
#include "ngx_prof_base.h"
#include "ngx_prof_conf.h"
#include "ngx_prof_context.h"
#include "ngx_prof_request.h"
#include "ngx_prof_route.h"
#include "ngx_prof_slice.h"


/*
 * Code that each request runs must cost few instructions: only the log phase
 * has a handler of ours.  For the rest, the checkers of two phases of nginx's
 * engine are wrapped in functions that record the request on its way.
 */

#define ngx_prof_checker(note, checker)                                       \
                                                                              \
static ngx_int_t                                                              \
ngx_prof_##note##_##checker(ngx_http_request_t *r,                            \
    ngx_http_phase_handler_t *ph)                                             \
{                                                                             \
    ngx_prof_request_##note(r);                                               \
                                                                              \
    return ngx_http_core_##checker##_phase(r, ph);                            \
}


/*
 * The same, where slices of the loop are for requests: what few of them need is
 * apart.
 */

#define ngx_prof_slice_checker(note, checker)                                 \
                                                                              \
static ngx_int_t                                                              \
ngx_prof_##note##_##checker(ngx_http_request_t *r,                            \
    ngx_http_phase_handler_t *ph)                                             \
{                                                                             \
    if (ngx_prof_unlikely(!ngx_prof_request_##note(r))) {                     \
        return ngx_prof_##note##_any(r, ph, ngx_http_core_##checker##_phase); \
    }                                                                         \
                                                                              \
    return ngx_http_core_##checker##_phase(r, ph);                            \
}


typedef struct {
    ngx_http_phase_handler_pt      checker;     /* nginx's */
    ngx_http_phase_handler_pt      wrapper;     /* ours, calls it */
} ngx_prof_checker_t;


static ngx_int_t ngx_prof_charge_any(ngx_http_request_t *r,
    ngx_http_phase_handler_t *ph, ngx_http_phase_handler_pt checker)
    __attribute__((noinline));
static ngx_int_t ngx_prof_watch_any(ngx_http_request_t *r,
    ngx_http_phase_handler_t *ph, ngx_http_phase_handler_pt checker)
    __attribute__((noinline));
static ngx_int_t ngx_prof_checker_wrap(ngx_http_phase_handler_t *ph,
    const ngx_prof_checker_t *checker, ngx_log_t *log);


/* a request begins where what requests cost is asked for: is that all? */

static ngx_inline ngx_uint_t
ngx_prof_request_charge(ngx_http_request_t *r)
{
    if (!ngx_prof_slice_is_new(r)
        || ngx_prof_latest.request != 0
        || ngx_prof_is_stream(r))
    {
        return 0;
    }

    ngx_prof_slicing.request = r;
    ngx_prof_context_note(&ngx_prof_latest, r);

    return 1;
}


/* the same, where slow requests are watched only */

static ngx_inline ngx_uint_t
ngx_prof_request_watch(ngx_http_request_t *r)
{
    if (!ngx_prof_slice_is_free() || ngx_prof_is_stream(r)) {
        return 0;
    }

    if (ngx_prof_likely(r == r->main)) {
        ngx_prof_context_note(&ngx_prof_latest, r);
    }

    return 1;
}


/* the location of a request has been found, the first time or again */

static ngx_inline void
ngx_prof_request_locate(ngx_http_request_t *r)
{
    ngx_prof_context_t  *latest;

    latest = &ngx_prof_latest;

    if (ngx_prof_likely(latest->request == (uintptr_t) r
                        && ngx_prof_route_is_first(r)))
    {
        latest->counted = (uintptr_t) ngx_prof_context_location(r);
        latest->place = ngx_prof_context_place(r);

    } else {
        ngx_prof_request_located(r);
    }
}


ngx_prof_checker(begin, generic)
ngx_prof_checker(begin, rewrite)
ngx_prof_checker(begin, find_config)

ngx_prof_slice_checker(charge, generic)
ngx_prof_slice_checker(charge, rewrite)
ngx_prof_slice_checker(charge, find_config)

ngx_prof_slice_checker(watch, generic)
ngx_prof_slice_checker(watch, rewrite)
ngx_prof_slice_checker(watch, find_config)

ngx_prof_checker(locate, generic)
ngx_prof_checker(locate, rewrite)
ngx_prof_checker(locate, access)
ngx_prof_checker(locate, content)


static ngx_int_t
ngx_prof_charge_any(ngx_http_request_t *r, ngx_http_phase_handler_t *ph,
    ngx_http_phase_handler_pt checker)
{
    ngx_prof_slice_for(r);
    ngx_prof_request_begin(r);

    return checker(r, ph);
}


static ngx_int_t
ngx_prof_watch_any(ngx_http_request_t *r, ngx_http_phase_handler_t *ph,
    ngx_http_phase_handler_pt checker)
{
    ngx_prof_slice_enter(r, ngx_prof_is_stream(r));
    ngx_prof_request_begin(r);

    return checker(r, ph);
}


/*
 * phases that may come first, and those that may follow the search for a
 * location
 */

static const ngx_prof_checker_t  ngx_prof_begins[] = {
    { ngx_http_core_generic_phase, ngx_prof_begin_generic },
    { ngx_http_core_rewrite_phase, ngx_prof_begin_rewrite },
    { ngx_http_core_find_config_phase, ngx_prof_begin_find_config },
    { NULL, NULL }
};

static const ngx_prof_checker_t  ngx_prof_charged[] = {
    { ngx_http_core_generic_phase, ngx_prof_charge_generic },
    { ngx_http_core_rewrite_phase, ngx_prof_charge_rewrite },
    { ngx_http_core_find_config_phase, ngx_prof_charge_find_config },
    { NULL, NULL }
};

static const ngx_prof_checker_t  ngx_prof_watched[] = {
    { ngx_http_core_generic_phase, ngx_prof_watch_generic },
    { ngx_http_core_rewrite_phase, ngx_prof_watch_rewrite },
    { ngx_http_core_find_config_phase, ngx_prof_watch_find_config },
    { NULL, NULL }
};

static const ngx_prof_checker_t  ngx_prof_locates[] = {
    { ngx_http_core_generic_phase, ngx_prof_locate_generic },
    { ngx_http_core_rewrite_phase, ngx_prof_locate_rewrite },
    { ngx_http_core_access_phase, ngx_prof_locate_access },
    { ngx_http_core_content_phase, ngx_prof_locate_content },
    { NULL, NULL }
};


void
ngx_prof_checker_init_module(ngx_cycle_t *cycle)
{
    ngx_prof_main_conf_t       *mcf;
    ngx_http_phase_engine_t    *engine;
    ngx_http_core_main_conf_t  *cmcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle,
                                              ngx_http_profiling_module);
    cmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_core_module);

    if (cmcf == NULL) {
        return;
    }

    engine = &cmcf->phase_engine;

    if (ngx_prof_checker_wrap(&engine->handlers[0],
                              mcf->cost ? ngx_prof_charged
                              : mcf->watch ? ngx_prof_watched
                              : ngx_prof_begins,
                              cycle->log)
        != NGX_OK)
    {
        return;
    }

    (void) ngx_prof_checker_wrap(
                           &engine->handlers[engine->location_rewrite_index],
                           ngx_prof_locates, cycle->log);
}


static ngx_int_t
ngx_prof_checker_wrap(ngx_http_phase_handler_t *ph,
    const ngx_prof_checker_t *checker, ngx_log_t *log)
{
    for ( /* void */ ; checker->checker; checker++) {

        if (ph->checker == checker->checker) {
            ph->checker = checker->wrapper;
            return NGX_OK;
        }
    }

    ngx_log_error(NGX_LOG_WARN, log, 0,
                  "profiling does not know a phase of this nginx, "
                  "times and labels of requests are inexact");

    return NGX_DECLINED;
}
