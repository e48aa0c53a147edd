
/*
 * Events of a worker -> steps.
 */


#ifndef _PROFILING_TRACE_RUN_H_INCLUDED_
#define _PROFILING_TRACE_RUN_H_INCLUDED_


#include "trace_types.h"


/* the events of a worker whose time is below `until` */
void profiling_trace_run(profiling_trace_t *t, profiling_trace_worker_t *w,
    uint64_t until, const profiling_trace_form_t *form, profiling_buf_t *out);

/* ends what runs just before `until`, and goes on with it just after */
void profiling_trace_pause(profiling_trace_t *t, profiling_trace_worker_t *w,
    uint64_t until, const profiling_trace_form_t *form, profiling_buf_t *out);


#endif /* _PROFILING_TRACE_RUN_H_INCLUDED_ */
