
/*
 * A capture as text, for people to read: --dump.
 */


#ifndef _PROFILING_DUMP_H_INCLUDED_
#define _PROFILING_DUMP_H_INCLUDED_


#include "raw_types.h"


void profiling_raw_dump(profiling_raw_t *raw, profiling_buf_t *out);


#endif /* _PROFILING_DUMP_H_INCLUDED_ */
