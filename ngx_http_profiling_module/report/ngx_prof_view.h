
/* Parts that several answers share.  Worker, normal context. */


#ifndef _NGX_PROF_VIEW_H_INCLUDED_
#define _NGX_PROF_VIEW_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_snapshot.h"
#include "ngx_prof_figures.h"
#include "ngx_prof_json.h"
#include "ngx_prof_slot.h"


void ngx_prof_view_figures(ngx_prof_json_t *j, const ngx_prof_figures_t *f,
    const ngx_prof_counts_t *counts);
/* null: unavailable is not 0 */
void ngx_prof_view_figure(ngx_prof_json_t *j, const char *key, uint64_t value,
    uint64_t unavailable);
void ngx_prof_view_double(ngx_prof_json_t *j, const char *key, double value,
    uint64_t unavailable);
/* a second, over the uptime in s */
void ngx_prof_view_means(ngx_prof_json_t *j, uint64_t requests,
    uint64_t errors, double uptime);
void ngx_prof_view_memory_object(ngx_prof_json_t *j,
    const ngx_prof_figures_t *f);
void ngx_prof_view_quantiles(ngx_prof_json_t *j, const char *key,
    const ngx_prof_quantiles_t *q);
void ngx_prof_view_by_status(ngx_prof_json_t *j,
    const ngx_prof_counts_t *counts);
void ngx_prof_view_worker(ngx_prof_json_t *j, const ngx_prof_worker_t *w);
/* the day and time of a clock in ns; null: 0 */
void ngx_prof_view_day(ngx_prof_json_t *j, const char *key, uint64_t clock);
/* server and location of a label, or null */
void ngx_prof_view_place(ngx_prof_json_t *j, uint64_t label);
/* the function that tells where a worker was, see frame_cause(), or null */
void ngx_prof_view_cause(ngx_prof_json_t *j, const char *key,
    const uint64_t *frames, ngx_uint_t n);
void ngx_prof_view_unavailable(ngx_prof_json_t *j, uint64_t unavailable);


#endif /* _NGX_PROF_VIEW_H_INCLUDED_ */
