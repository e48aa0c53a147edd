
/*
 * The figures of all workers together and of each, and the reasons why one is
 * null.
 */


#ifndef _NGX_PROF_FIGURES_H_INCLUDED_
#define _NGX_PROF_FIGURES_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_snapshot.h"
#include "ngx_prof_slot.h"


/* figures that exist both for all workers together and for each */

typedef struct {
    const ngx_prof_gauges_t  *gauges;
    const ngx_prof_totals_t  *totals;
    uint64_t                  unavailable;
    uint64_t                  sys;                      /* bytes */
    double                    usage;                    /* percent */
    uint64_t                  lived;                    /* ns */
    uint64_t                  last_pause;               /* ns */
    double                    request_rate;
    double                    error_rate;
    double                    uptime;                   /* s */
    double                    cpu_usage;                /* percent */
    double                    utilization;              /* 0..1 */
    uint64_t                  requests;
    uint64_t                  errors;
    uint64_t                  client_errors;
    uint64_t                  bytes_in;
    uint64_t                  bytes_out;
    ngx_prof_quantiles_t      latency;
    ngx_prof_quantiles_t      passes;
} ngx_prof_figures_t;


/*
 * Reasons why a figure is null: NGX_PROF_NO_* of the gauges, and figures that
 * have no value yet.  A table ends with a bit of 0.
 */

#define NGX_PROF_NO_LATENCY   ((uint64_t) 1 << 48)
#define NGX_PROF_NO_PASS      ((uint64_t) 1 << 49)
#define NGX_PROF_NO_PLACE     ((uint64_t) 1 << 50)
#define NGX_PROF_NO_UPSTREAM  ((uint64_t) 1 << 51)
#define NGX_PROF_NO_PCRE      ((uint64_t) 1 << 52)
#define NGX_PROF_NO_OPENSSL   ((uint64_t) 1 << 53)
#define NGX_PROF_NO_ZLIB      ((uint64_t) 1 << 54)
#define NGX_PROF_NO_COST      ((uint64_t) 1 << 55)
#define NGX_PROF_NO_ENCODER   ((uint64_t) 1 << 56)

typedef struct {
    uint64_t                             bit;
    const char                          *fields;
    const char                          *reason;
} ngx_prof_reason_t;

extern const ngx_prof_reason_t  ngx_prof_reasons[];


void ngx_prof_figures(ngx_prof_snapshot_t *s, ngx_prof_figures_t *f);
void ngx_prof_worker_figures(ngx_prof_snapshot_t *s,
    const ngx_prof_worker_t *w, ngx_prof_figures_t *f);

/* "running", "draining", "stuck" */
const char *ngx_prof_state_name(ngx_uint_t state);


#endif /* _NGX_PROF_FIGURES_H_INCLUDED_ */
