
/*
 * The zone as nginx sees it: a shared memory of ngx_cycle_t, sized before it
 * is made, laid out at the first start, taken over by reloads.  Master only.
 */


#ifndef _NGX_PROF_CONF_ZONE_H_INCLUDED_
#define _NGX_PROF_CONF_ZONE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_conf.h"


/* in postconfiguration: asks for the zone, of a size that is set later */
ngx_int_t ngx_prof_conf_zone_add(ngx_conf_t *cf, ngx_prof_main_conf_t *mcf);

/*
 * When the whole configuration is read, so that the number of workers is
 * known: sets the zone's size.  A reload keeps the size of the zone that is
 * there, and is refused if another one is asked for.
 */
ngx_int_t ngx_prof_conf_zone_size(ngx_cycle_t *cycle,
    ngx_prof_main_conf_t *mcf);

/*
 * By the master, before it starts the workers of a configuration: if a zone
 * without a configured size has no slot for each of them, it gets more.
 */
void ngx_prof_memory_grow(ngx_cycle_t *cycle, ngx_prof_main_conf_t *mcf);


#endif /* _NGX_PROF_CONF_ZONE_H_INCLUDED_ */
