
/*
 * CPU time by module of nginx, as JSON.
 */


#ifndef _NGX_PROF_MODULES_VIEW_H_INCLUDED_
#define _NGX_PROF_MODULES_VIEW_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_work.h"


ngx_int_t ngx_prof_modules_view(ngx_prof_work_t *w);


#endif /* _NGX_PROF_MODULES_VIEW_H_INCLUDED_ */
