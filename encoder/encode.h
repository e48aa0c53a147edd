
/*
 * Makes the answer that a capture asks for.
 */


#ifndef _PROFILING_ENCODE_H_INCLUDED_
#define _PROFILING_ENCODE_H_INCLUDED_


#include "raw_types.h"


void profiling_encode(profiling_raw_t *raw, profiling_buf_t *out);


#endif /* _PROFILING_ENCODE_H_INCLUDED_ */
