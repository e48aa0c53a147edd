
/*
 * Writes the trace of a capture.
 */


#ifndef _PROFILING_TRACE_H_INCLUDED_
#define _PROFILING_TRACE_H_INCLUDED_


#include "raw_types.h"


void profiling_trace_encode(profiling_raw_t *raw, profiling_buf_t *out);


#endif /* _PROFILING_TRACE_H_INCLUDED_ */
