
/*
 * Encodes in a child process.
 */


#ifndef _PROFILING_SUPERVISE_H_INCLUDED_
#define _PROFILING_SUPERVISE_H_INCLUDED_


#include "raw_types.h"


/*
 * Encodes with as many names as possible.  A broken file may crash the reader
 * of debug information or make it loop, so the reader runs in a child.  If the
 * child fails, the next one looks up fewer names.
 */
void profiling_supervise(profiling_raw_t *raw, profiling_buf_t *out);

/* ends the child, if there is one; from a signal handler too */
void profiling_supervise_stop(void);

/* writes a whole buffer; returns -1 and sets errno on error */
int profiling_write(int fd, profiling_buf_t *buf);


#endif /* _PROFILING_SUPERVISE_H_INCLUDED_ */
