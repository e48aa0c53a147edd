
/*
 * gzip: one member, without a name or a time in its header.
 */


#ifndef _PROFILING_GZIP_H_INCLUDED_
#define _PROFILING_GZIP_H_INCLUDED_


#include "memory.h"


void profiling_gzip(profiling_buf_t *in, profiling_buf_t *out);


#endif /* _PROFILING_GZIP_H_INCLUDED_ */
