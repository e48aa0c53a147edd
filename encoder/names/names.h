
/*
 * Names for addresses in a file.
 */


#ifndef _PROFILING_NAMES_H_INCLUDED_
#define _PROFILING_NAMES_H_INCLUDED_


#include "lines.h"


/*
 * The calls that are at one place of a file, innermost first; always at least
 * one.  *into is set to the distance from the start of the function.
 */
unsigned profiling_names_frames(profiling_object_t *object, uint64_t offset,
    profiling_frame_t *frames, uint64_t *into);


#endif /* _PROFILING_NAMES_H_INCLUDED_ */
