
/*
 * Places: which server and location a location configuration stands for.
 * Resolved once, while the configuration is read, to an index in the zone, so
 * that a request needs one load to find where it is counted.  Master only.
 */


#ifndef _NGX_HTTP_PROFILING_PLACE_H_INCLUDED_
#define _NGX_HTTP_PROFILING_PLACE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_conf.h"


/*
 * When a location configuration is created: its name as it stands in the
 * configuration ("/", "= /x", "~* \.php$", "@fallback"), from the arguments
 * of the block directive that is being read.
 */
ngx_int_t ngx_http_profiling_place_name(ngx_conf_t *cf,
    ngx_http_profiling_loc_conf_t *lcf);

/*
 * In postconfiguration: the labels of the servers.  A server is known by its
 * first name, or, if it has none, by the first address it listens on.
 */
ngx_int_t ngx_http_profiling_place_labels(ngx_conf_t *cf,
    ngx_http_profiling_main_conf_t *mcf);

/* the number of places that a configuration needs, at most */
ngx_uint_t ngx_http_profiling_place_number(
    ngx_http_profiling_main_conf_t *mcf);

/* once the configuration is in force: looks up or adds all its places */
void ngx_http_profiling_place_register(ngx_http_profiling_main_conf_t *mcf,
    ngx_log_t *log);


#endif /* _NGX_HTTP_PROFILING_PLACE_H_INCLUDED_ */
