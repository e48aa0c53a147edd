
/*
 * What the tree says of itself: endpoints with their parameters, units and
 * meanings.
 */


#ifndef _NGX_PROF_DESCRIBE_H_INCLUDED_
#define _NGX_PROF_DESCRIBE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_json.h"


/* one element of the list; by_number: a number may stand behind the name */
void ngx_prof_describe(ngx_prof_json_t *j, const ngx_str_t *name,
    const char *method, ngx_uint_t by_number);


#endif /* _NGX_PROF_DESCRIBE_H_INCLUDED_ */
