
/*
 * Readers of the sections of a trace in a raw capture, and their checks.
 */


#ifndef _PROFILING_RAW_TRACE_H_INCLUDED_
#define _PROFILING_RAW_TRACE_H_INCLUDED_


#include "section.h"


void profiling_raw_trace_info(profiling_raw_t *raw, profiling_section_t *s);
void profiling_raw_trace_chunks(profiling_raw_t *raw, profiling_section_t *s);
void profiling_raw_trace_samples(profiling_raw_t *raw,
    profiling_section_t *s);

/* checks indices after all sections have been read */
void profiling_raw_trace_check(profiling_raw_t *raw);


#endif /* _PROFILING_RAW_TRACE_H_INCLUDED_ */
