
/*
 * What requests cost the workers, by location, and what is left: so that all
 * rows together are what the workers took.  Worker, normal context.
 */


#ifndef _NGX_PROF_COSTS_H_INCLUDED_
#define _NGX_PROF_COSTS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_json.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_snapshot.h"
#include "ngx_prof_work.h"


/* why costs of a snapshot are not known: bits of figures.h; 0: they are */
uint64_t ngx_prof_costs_unavailable(const ngx_prof_snapshot_t *s);

/* adds the costs of a place to those of others; sum is zero at first */
void ngx_prof_costs_add(ngx_prof_plain_t *sum, const ngx_prof_plain_t *place);

/* the costs of no location, from the sum of those of all */
void ngx_prof_costs_rest(const ngx_prof_snapshot_t *s,
    const ngx_prof_plain_t *sum, ngx_prof_plain_t *rest);

/* one figure of it, by its offset in a plain: whether it is known */
ngx_uint_t ngx_prof_costs_known(const ngx_prof_snapshot_t *s, size_t offset);

/* the same for Prometheus; place is -1 for no location */
void ngx_prof_costs_expose(ngx_prof_work_t *w, const char *name,
    ngx_int_t place, const ngx_prof_plain_t *plain, size_t offset);

/* "cost": an object, or null */
void ngx_prof_costs_print(ngx_prof_json_t *j, const ngx_prof_plain_t *plain,
    uint64_t unavailable);


#endif /* _NGX_PROF_COSTS_H_INCLUDED_ */
