
/*
 * Names of requests, places, stages and reasons, as strings of t->strings, and
 * stacks made of names.
 */


#ifndef _PROFILING_TRACE_NAME_H_INCLUDED_
#define _PROFILING_TRACE_NAME_H_INCLUDED_


#include "trace_types.h"


uint32_t profiling_trace_string(profiling_trace_t *t, const char *fmt, ...)
    __attribute__ ((format(printf, 2, 3)));
uint32_t profiling_trace_known_name(profiling_trace_t *t, const char *name);
const char *profiling_trace_text(profiling_trace_t *t, uint32_t string);
uint32_t profiling_trace_name(profiling_trace_t *t, profiling_trace_g_t *g);
uint32_t profiling_trace_place(profiling_trace_t *t, uint32_t place);
uint32_t profiling_trace_upstream(profiling_trace_t *t, uint32_t upstream);
const char *profiling_trace_phase(uint32_t phase);
const char *profiling_trace_stage(uint32_t stage);
const char *profiling_trace_reason(uint32_t reason);
const char *profiling_trace_call(uint32_t call);

/* the number of a stack of frames, leaf first */
profiling_trace_frame_t *profiling_trace_frame(profiling_trace_t *t,
    uint32_t function, uint32_t file, uint32_t line);
uint32_t profiling_trace_stack(profiling_trace_t *t,
    profiling_trace_frame_t **frames, uint32_t n);

/* the same from names alone; a name of 0 is omitted */
uint32_t profiling_trace_stack_of(profiling_trace_t *t, uint32_t leaf,
    uint32_t middle, uint32_t root);


#endif /* _PROFILING_TRACE_NAME_H_INCLUDED_ */
