
/*
 * Reads the streams of a capture into events and goroutines.
 */


#ifndef _PROFILING_TRACE_READ_H_INCLUDED_
#define _PROFILING_TRACE_READ_H_INCLUDED_


#include "trace_types.h"


void profiling_trace_read(profiling_trace_t *t);


#endif /* _PROFILING_TRACE_READ_H_INCLUDED_ */
