
/*
 * Names for addresses in a file.
 */


#ifndef _PROFILING_NAMES_H_INCLUDED_
#define _PROFILING_NAMES_H_INCLUDED_


#include "lines.h"


/*
 * Names the calls at an offset of a file, innermost first, and returns their
 * number, at least 1.  *into is set to the distance from the function's start.
 */
unsigned profiling_names_frames(profiling_object_t *object, uint64_t offset,
    profiling_frame_t *frames, uint64_t *into);


#endif /* _PROFILING_NAMES_H_INCLUDED_ */
