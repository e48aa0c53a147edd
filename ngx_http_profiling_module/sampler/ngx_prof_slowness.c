
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <sys/mman.h>
#include "ngx_prof_slowness.h"
#include "ngx_prof_base.h"
#include "ngx_prof_clock.h"
#include "ngx_prof_conf.h"
#include "ngx_prof_context.h"
#include "ngx_prof_cost.h"
#include "ngx_prof_label.h"
#include "ngx_prof_slice.h"
#include "ngx_prof_slow.h"
#include "ngx_prof_worker.h"


/* the number of a request that was dropped, so that it is dropped once */
#define NGX_PROF_SLOWNESS_DROPPED  ((uint64_t) -1)


static void ngx_prof_slowness_logged(ngx_http_request_t *r);
static uint64_t ngx_prof_slowness_keep(ngx_http_request_t *r,
    ngx_prof_loc_conf_t *lcf) __attribute__((noinline));
static ngx_uint_t ngx_prof_slowness_alive(uint64_t pid);


/* the kernel gives pages of it as they are written */

void
ngx_prof_slowness_init_module(ngx_cycle_t *cycle, ngx_prof_zone_t *zone)
{
    void                  *p;
    size_t                 size;
    ngx_prof_main_conf_t  *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle,
                                              ngx_http_profiling_module);

    if (zone->slow || !mcf->cost) {
        return;
    }

    size = ngx_prof_slow_size(mcf->slow_keep);

    p = mmap(NULL, size, PROT_READ|PROT_WRITE,
             MAP_SHARED|MAP_ANONYMOUS|MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED) {
        ngx_log_error(NGX_LOG_WARN, cycle->log, ngx_errno,
                      "slow requests will not be kept: mmap() of %uz bytes "
                      "failed", size);
        return;
    }

    zone->slow = p;
    zone->slow->keep = mcf->slow_keep;
}


void
ngx_prof_slowness_init(void)
{
    uint64_t               ticks;
    ngx_uint_t             i;
    ngx_prof_main_conf_t  *mcf;
    ngx_prof_loc_conf_t  **lcf;

    ngx_prof_slice_slow = NULL;
    ngx_prof_slice_least = (uint64_t) -1;

    if (!ngx_prof_slicing.charged || ngx_prof_process.zone->slow == NULL) {
        return;
    }

    ngx_prof_slice_slow = ngx_prof_slowness_logged;

    mcf = ngx_prof_process.conf;
    lcf = mcf->locations.elts;

    for (i = 0; i < mcf->locations.nelts; i++) {
        ticks = ngx_prof_loop_span(ngx_prof_clock_counted(), lcf[i]->slow);

        if (ticks) {
            ngx_prof_slice_least = ngx_min(ngx_prof_slice_least, ticks);
        }
    }

    /* the rate of the counter may be set by some millionths meanwhile */

    ngx_prof_slice_least -= ngx_prof_slice_least / 1000;
}


static void
ngx_prof_slowness_logged(ngx_http_request_t *r)
{
    (void) ngx_prof_slowness(r);
}


uint64_t
ngx_prof_slowness(ngx_http_request_t *r)
{
    uint64_t              age, number;
    ngx_uint_t            counted;
    ngx_prof_loc_conf_t  *lcf;

    if (ngx_prof_slice_slow == NULL) {
        return 0;
    }

    ngx_prof_slice_for(r);

    lcf = ngx_prof_context_location(r);
    counted = ngx_prof_clock_counted();
    age = ngx_prof_loop_took(counted, ngx_prof_loop_ticks(counted)
                                      - ngx_prof_slicing.cost->begun);

    if (ngx_prof_likely(age < lcf->slow || lcf->slow == 0 || !lcf->counted)) {
        return 0;
    }

    number = ngx_prof_slicing.cost->slow;

    if (number == 0) {
        number = ngx_prof_slowness_keep(r, lcf);
        ngx_prof_slicing.cost->slow = number ? number
                                             : NGX_PROF_SLOWNESS_DROPPED;
    }

    return number == NGX_PROF_SLOWNESS_DROPPED ? 0 : number;
}


static uint64_t
ngx_prof_slowness_keep(ngx_http_request_t *r, ngx_prof_loc_conf_t *lcf)
{
    ngx_uint_t              counted;
    ngx_prof_cost_t         cost;
    static ngx_prof_slow_t  slow;

    if (ngx_prof_cost_now(r, &cost) != NGX_OK) {
        return 0;
    }

    counted = ngx_prof_clock_counted();

    ngx_memzero(&slow, sizeof(ngx_prof_slow_t));

    slow.clock = ngx_prof_loop_at(counted, cost.left);
    slow.total = ngx_prof_loop_took(counted, cost.left - cost.begun);
    slow.pid = ngx_pid;
    slow.label = ngx_prof_label(lcf->marked, 0, NGX_PROF_STATE_OTHER);
    slow.connection = r->connection->number;
    slow.method = r->method;
    slow.status = r->err_status ? r->err_status : r->headers_out.status;
    slow.cpu = cost.cpu;
    slow.blocked = cost.blocked;
    slow.alloc = cost.alloc;
    slow.parts = cost.parts;
    slow.joined = cost.joined;
    slow.uri_len = ngx_min(r->uri.len, NGX_PROF_SLOW_URI);

    ngx_memcpy(slow.sum, cost.sum, sizeof(slow.sum));
    ngx_memcpy(slow.part, cost.part, cost.parts * sizeof(ngx_prof_part_t));
    ngx_memcpy(slow.uri, r->uri.data, slow.uri_len);

    return ngx_prof_slow_add(ngx_prof_process.zone->slow, &slow,
                             lcf->slow_rate, ngx_prof_slowness_alive);
}


static ngx_uint_t
ngx_prof_slowness_alive(uint64_t pid)
{
    return kill((pid_t) pid, 0) == 0 || ngx_errno == NGX_EPERM;
}
