
/*
 * What the tree says of itself: endpoints with their parameters, units and
 * meanings.
 */


#ifndef _NGX_PROF_DESCRIBE_H_INCLUDED_
#define _NGX_PROF_DESCRIBE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_json.h"


/* parameters: bits */

#define NGX_PROF_PARAM_WORKER    0x01
#define NGX_PROF_PARAM_FIELDS    0x02
#define NGX_PROF_PARAM_COUNT     0x04
#define NGX_PROF_PARAM_SINCE     0x08
#define NGX_PROF_PARAM_LIMIT     0x10
#define NGX_PROF_PARAM_DURATION  0x20
#define NGX_PROF_PARAM_FORMAT    0x40
#define NGX_PROF_PARAM_RANGE     0x80    /* from and until */
#define NGX_PROF_PARAM_STEP      0x100

/* of all that answer in JSON */
#define NGX_PROF_PARAM_JSON  (NGX_PROF_PARAM_WORKER|NGX_PROF_PARAM_FIELDS)


typedef struct {
    ngx_str_t    name;
    const char  *method;
    ngx_uint_t   params;
    const char  *units;
    const char  *meaning;
    ngx_uint_t   reports;       /* 1: a number may stand behind the name */
} ngx_prof_description_t;


/* one element of the list of endpoints */
void ngx_prof_describe(ngx_prof_json_t *j, const ngx_prof_description_t *d);


#endif /* _NGX_PROF_DESCRIBE_H_INCLUDED_ */
