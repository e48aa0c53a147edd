
/*
 * The rules of health: a snapshot's figures are compared with the configured
 * thresholds.  Worker, normal context.
 */


#ifndef _NGX_PROF_HEALTH_H_INCLUDED_
#define _NGX_PROF_HEALTH_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_snapshot.h"
#include "ngx_prof_work.h"


#define NGX_PROF_ISSUES     32

/* ns for which a pause is reported after its end */
#define NGX_PROF_PAUSE_TOLD  60000000000
#define NGX_PROF_ISSUE_LEN  800


typedef enum {
    NGX_PROF_HEALTHY = 0,
    NGX_PROF_DEGRADED,
    NGX_PROF_UNHEALTHY
} ngx_prof_health_e;


typedef struct {
    ngx_uint_t  status;
    ngx_uint_t  issues;
    ngx_uint_t  more;       /* issues that did not fit */
    uint64_t    clock;      /* ns, CLOCK_MONOTONIC, of the snapshot */
    u_char      issue[NGX_PROF_ISSUES]
                      [NGX_PROF_ISSUE_LEN];
} ngx_prof_health_t;


void ngx_prof_health(ngx_prof_snapshot_t *s, ngx_prof_health_t *h);

/* /api/profiling/health */
ngx_int_t ngx_prof_view_health(ngx_prof_work_t *w);


#endif /* _NGX_PROF_HEALTH_H_INCLUDED_ */
