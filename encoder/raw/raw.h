
/*
 * Reader of raw captures.
 */


#ifndef _PROFILING_RAW_H_INCLUDED_
#define _PROFILING_RAW_H_INCLUDED_


#include "section.h"


/* ends the program with PROFILING_CAPTURE if the capture is not valid */
profiling_raw_t *profiling_raw_read(const uint8_t *data, size_t len);

/* the name of a frame with the top bit set; NULL if it names no string */
profiling_str_t *profiling_raw_name(profiling_raw_t *raw, uint64_t pc);


#endif /* _PROFILING_RAW_H_INCLUDED_ */
