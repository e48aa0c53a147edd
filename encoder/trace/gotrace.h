
/*
 * Go's execution traces.
 */


#ifndef _PROFILING_GOTRACE_H_INCLUDED_
#define _PROFILING_GOTRACE_H_INCLUDED_


#include "trace_types.h"


extern const profiling_trace_form_t  profiling_gotrace;


#endif /* _PROFILING_GOTRACE_H_INCLUDED_ */
