
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_figures.h"
#include "ngx_prof_base.h"


#define NGX_PROF_GAUGES                                                       \
    "memory.alloc memory.sys memory.heap_alloc memory.heap_sys "              \
    "memory.heap_inuse memory.heap_idle memory.stack_inuse "                  \
    "memory.stack_sys memory.usage_percent memory.anonymous memory.shared "   \
    "memory.files goroutines cpu.num_goroutine gc.next_gc"


/* a field may have several reasons: the first one is given */

const ngx_prof_reason_t  ngx_prof_reasons[] = {

    { NGX_PROF_NO_TICK,
      NGX_PROF_GAUGES " cpu.threads descriptors connections.active "
      "connections.reading connections.writing connections.waiting "
      "connections.upstream connections.upstream_idle connections.other "
      "connections.free",
      "not known yet: a worker has not collected its first figures" },

    { NGX_PROF_NO_SAMPLE,
      NGX_PROF_GAUGES " memory.total_alloc memory.mallocs memory.frees "
      "cpu.seconds",
      "a worker did not return to its event loop in time, what it would tell "
      "of that tick is not known" },

    { NGX_PROF_NO_INTERVAL,
      "request_rate error_rate cpu.usage_percent event_loop.utilization",
      "not known yet: a worker has not lived for an interval" },

    { NGX_PROF_NO_USAGE,
      "cpu.user_seconds cpu.system_seconds cpu.usage_percent",
      "a worker does not return to its event loop, and has no timer of CPU "
      "time" },

    { NGX_PROF_NO_HEAP,
      "memory.alloc memory.heap_alloc memory.heap_sys memory.heap_inuse "
      "memory.heap_idle",
      "the allocator of the workers does not tell, or asking it may take long "
      "and not all calls to malloc() are counted; POST force-gc asks" },

    { NGX_PROF_NO_ALLOC,
      "memory.total_alloc memory.mallocs memory.frees",
      "allocations are not counted: profiling_heap_rate is off, or malloc() "
      "cannot be interposed" },

    { NGX_PROF_NO_COUNT,
      "memory.total_alloc memory.mallocs memory.frees",
      "the workers have not told yet what they allocated" },

    { NGX_PROF_NO_MEMORY,
      "memory.sys memory.usage_percent cpu.threads",
      "/proc/self/status cannot be read or has no RssAnon (Linux 4.5)" },

    { NGX_PROF_NO_STACKS,
      "memory.stack_inuse memory.stack_sys",
      "the stacks of the threads cannot be found in /proc/self" },

    { NGX_PROF_NO_FDS,
      "descriptors",
      "/proc/self/fd does not tell their number (Linux 6.2)" },

    { NGX_PROF_NO_LOOP,
      "event_loop gc",
      "the event method is not epoll, or epoll_wait() is hooked by another "
      "tool" },

    { NGX_PROF_NO_TRIM,
      "gc.next_gc",
      "the allocator of the workers has no trim threshold" },

    { NGX_PROF_NO_TASKS,
      "cpu.num_cgo_call",
      "the import tables of nginx cannot be patched" },

    { NGX_PROF_NO_ACCEPT,
      "connections.accepted connections.handled",
      "the import tables of nginx cannot be patched" },

    { NGX_PROF_NO_LATENCY,
      "requests.latency",
      "no request that is counted has ended" },

    { NGX_PROF_NO_PASS,
      "event_loop.latency gc.pause_percent",
      "no pass of the event loop has ended" },

    { NGX_PROF_NO_UPSTREAM,
      "upstream.latency",
      "no request of the location was answered by an upstream" },

    { NGX_PROF_NO_PLACE,
      "latency",
      "no request of the location has ended" },

    { NGX_PROF_NO_COST,
      "cost",
      "no variable of the module is used, nor profiling_expensive; "
      "profiling_slow alone measures slow requests only" },

    { NGX_PROF_NO_PCRE,
      "pcre_version",
      "nginx runs without the library" },

    { NGX_PROF_NO_OPENSSL,
      "openssl_version",
      "nginx runs without the library" },

    { NGX_PROF_NO_ZLIB,
      "zlib_version",
      "nginx runs without the library" },

    { NGX_PROF_NO_ENCODER,
      "overhead.encoder overhead.total",
      "a filter of system calls keeps encoders from asking for their CPU "
      "time" },

    { 0, NULL, NULL }
};


const char *
ngx_prof_state_name(ngx_uint_t state)
{
    static const char *const  names[] = { "running", "draining", "stuck" };

    return names[state];
}


/* a worker tells at its ticks; until then a total of 0 is not true */

static uint64_t
ngx_prof_figures_unavailable(ngx_prof_snapshot_t *s, uint64_t unavailable,
    const ngx_prof_totals_t *totals)
{
    if (totals->mallocs || unavailable & NGX_PROF_NO_ALLOC) {
        return unavailable;
    }

    s->gauges.unavailable |= NGX_PROF_NO_COUNT;

    return unavailable | NGX_PROF_NO_COUNT;
}


void
ngx_prof_figures(ngx_prof_snapshot_t *s, ngx_prof_figures_t *f)
{
    f->gauges = &s->gauges;
    f->totals = &s->totals;
    f->unavailable = ngx_prof_figures_unavailable(s, s->gauges.unavailable,
                                                  &s->totals);
    f->sys = ngx_prof_snapshot_sys(s);
    f->usage = ngx_prof_snapshot_usage(s);
    f->lived = ngx_prof_snapshot_lived(s);
    f->uptime = ngx_prof_snapshot_uptime(s);
    f->last_pause = s->last_pause;
    f->request_rate = s->request_rate;
    f->error_rate = s->error_rate;
    f->cpu_usage = s->cpu_usage;
    f->utilization = s->utilization;
    f->requests = ngx_prof_counts_requests(&s->all);
    f->errors = ngx_prof_counts_class(&s->all, 5);
    f->client_errors = ngx_prof_counts_class(&s->all, 4);
    f->bytes_in = s->all.plain.bytes_in;
    f->bytes_out = s->all.plain.bytes_out;

    ngx_prof_quantiles(&s->all.latency, &f->latency);
    ngx_prof_quantiles(&s->passes, &f->passes);
}


void
ngx_prof_worker_figures(ngx_prof_snapshot_t *s, const ngx_prof_worker_t *w,
    ngx_prof_figures_t *f)
{
    double  seconds;

    f->gauges = &w->gauges;
    f->totals = &w->totals;
    f->unavailable = ngx_prof_figures_unavailable(s, w->gauges.unavailable,
                                                  &w->totals);
    f->sys = w->gauges.anonymous + w->gauges.shared;
    f->usage = 100.0 * (double) f->sys / (double) s->memory_limit;
    f->lived = w->totals.busy + w->totals.wait;
    f->uptime = ngx_prof_seconds(ngx_prof_passed(w->claimed, s->clock));
    f->last_pause = w->last_pause;
    f->requests = w->requests;
    f->errors = w->errors;
    f->client_errors = w->client_errors;
    f->bytes_in = w->bytes_in;
    f->bytes_out = w->bytes_out;
    f->latency = w->latency;
    f->passes = w->passes;

    f->request_rate = 0;
    f->error_rate = 0;
    f->cpu_usage = 0;
    f->utilization = 0;

    if (w->rated.clock) {
        seconds = ngx_prof_seconds(w->rated.clock);

        f->request_rate = (double) w->rated.requests / seconds;
        f->error_rate = (double) w->rated.errors / seconds;
        f->cpu_usage = (double) w->rated.cpu / 1e4 / seconds;
        f->utilization = (double) w->rated.busy
                         / (double) w->rated.clock;
    }
}
