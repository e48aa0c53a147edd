
/*
 * Turns the events of a worker into steps.
 */


#ifndef _PROFILING_TRACE_RUN_H_INCLUDED_
#define _PROFILING_TRACE_RUN_H_INCLUDED_


#include "trace_types.h"


/* runs the events of a worker before `until` */
void profiling_trace_run(profiling_trace_t *t, profiling_trace_worker_t *w,
    uint64_t until, const profiling_trace_form_t *form, profiling_buf_t *out);

/* stops what runs just before `until`, and resumes it just after */
void profiling_trace_pause(profiling_trace_t *t, profiling_trace_worker_t *w,
    uint64_t until, const profiling_trace_form_t *form, profiling_buf_t *out);


#endif /* _PROFILING_TRACE_RUN_H_INCLUDED_ */
