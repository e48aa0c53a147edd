
/*
 * Profiles of a range of the past, from what was recorded: a capture whose
 * readings are not of the tables but of the recordings of all slots.  Worker,
 * normal context.
 */


#ifndef _NGX_PROF_PAST_PROFILE_H_INCLUDED_
#define _NGX_PROF_PAST_PROFILE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_capture.h"
#include "ngx_prof_range.h"
#include "ngx_prof_recording.h"


/*
 * Makes a capture, of which nothing is read yet, one of a range of what a table
 * has recorded; CPU: of both of its tables.  Returns its first step, NULL: out
 * of memory.
 */
ngx_prof_step_pt ngx_prof_past_profile(ngx_prof_capture_t *c,
    ngx_uint_t table, const ngx_prof_span_t *span);


#endif /* _NGX_PROF_PAST_PROFILE_H_INCLUDED_ */
