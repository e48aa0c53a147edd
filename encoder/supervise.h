
/*
 * Encoding in a process of its own.
 */


#ifndef _PROFILING_SUPERVISE_H_INCLUDED_
#define _PROFILING_SUPERVISE_H_INCLUDED_


#include "raw_types.h"


/*
 * Encodes with as many names as can be had.  Files that are broken may bring
 * the reader of debug information down, or make it run for ever: it works in
 * a child, and if that fails a second one goes on with less.
 */
void profiling_supervise(profiling_raw_t *raw, profiling_buf_t *out);

/* writes all of a buffer; -1 with errno on an error */
int profiling_write(int fd, profiling_buf_t *buf);


#endif /* _PROFILING_SUPERVISE_H_INCLUDED_ */
