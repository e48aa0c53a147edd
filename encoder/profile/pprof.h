
/*
 * A profile as profile.proto, not compressed.
 */


#ifndef _PROFILING_PPROF_H_INCLUDED_
#define _PROFILING_PPROF_H_INCLUDED_


#include "profile.h"


void profiling_pprof_put(profiling_profile_t *p, profiling_buf_t *out);


#endif /* _PROFILING_PPROF_H_INCLUDED_ */
