
/*
 * Places: the server and location that a location configuration stands for.
 * Each is resolved once, while the configuration is read, to an index in the
 * zone: a request finds its counters with one load.  Master only.
 */


#ifndef _NGX_PROF_PLACE_H_INCLUDED_
#define _NGX_PROF_PLACE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_conf.h"


/*
 * Called when a location configuration is created: takes its name as written
 * in the configuration ("/", "= /x", "~* \.php$", "@fallback") from the
 * arguments of the block directive that is being read.
 */
ngx_int_t ngx_prof_place_name(ngx_conf_t *cf, ngx_prof_loc_conf_t *lcf);

/*
 * In postconfiguration: sets the labels of the servers.  A server is labelled
 * by its first name or, if it has none, by the first address it listens on.
 */
ngx_int_t ngx_prof_place_labels(ngx_conf_t *cf, ngx_prof_main_conf_t *mcf);

/* the number of places that a configuration needs, at most */
ngx_uint_t ngx_prof_place_number(ngx_prof_main_conf_t *mcf);

/* once the configuration is in force: looks up or adds all its places */
ngx_int_t ngx_prof_place_register(ngx_prof_main_conf_t *mcf, ngx_log_t *log);


#endif /* _NGX_PROF_PLACE_H_INCLUDED_ */
