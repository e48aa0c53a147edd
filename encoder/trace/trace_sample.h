
/*
 * CPU samples of the capture, with named stacks.
 */


#ifndef _PROFILING_TRACE_SAMPLE_H_INCLUDED_
#define _PROFILING_TRACE_SAMPLE_H_INCLUDED_


#include "trace_types.h"


void profiling_trace_samples(profiling_trace_t *t);


#endif /* _PROFILING_TRACE_SAMPLE_H_INCLUDED_ */
