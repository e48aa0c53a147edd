
/*
 * The zone as nginx sees it: a shared memory zone of the cycle, sized before
 * it is created, laid out at the first start, and kept by reloads.  Master
 * only.
 */


#ifndef _NGX_PROF_CONF_ZONE_H_INCLUDED_
#define _NGX_PROF_CONF_ZONE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_conf.h"


/*
 * The core module's configuration.  The number of workers is known only after
 * all of nginx.conf is read, when the core modules complete theirs, in order.
 */
void *ngx_prof_conf_zone_create_conf(ngx_cycle_t *cycle);
char *ngx_prof_conf_zone_init_conf(ngx_cycle_t *cycle, void *conf);

/* in postconfiguration: adds the zone, with a size that is set later */
ngx_int_t ngx_prof_conf_zone_add(ngx_conf_t *cf, ngx_prof_main_conf_t *mcf);

/*
 * By the master, before it starts the workers of a configuration: if a zone
 * without a configured size has no slot for each of them, it gets more.
 */
void ngx_prof_conf_zone_grow(ngx_cycle_t *cycle, ngx_prof_main_conf_t *mcf);

/* the workers that a configuration starts */
ngx_uint_t ngx_prof_conf_zone_workers(ngx_cycle_t *cycle);


#endif /* _NGX_PROF_CONF_ZONE_H_INCLUDED_ */
