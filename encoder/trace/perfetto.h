
/*
 * Chrome's trace-event JSON, for Perfetto.
 */


#ifndef _PROFILING_PERFETTO_H_INCLUDED_
#define _PROFILING_PERFETTO_H_INCLUDED_


#include "trace_types.h"


extern const profiling_trace_form_t  profiling_perfetto;


#endif /* _PROFILING_PERFETTO_H_INCLUDED_ */
