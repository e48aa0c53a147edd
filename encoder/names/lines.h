
/*
 * Lines and inlined calls, from the debug information of a file.
 */


#ifndef _PROFILING_LINES_H_INCLUDED_
#define _PROFILING_LINES_H_INCLUDED_


#include "symbols.h"


#define PROFILING_MAX_INLINED  64


typedef struct {
    const char      *name;           /* demangled */
    const char      *system_name;
    const char      *file;           /* "" if not known */
    uint64_t         line;           /* 0 if not known */
    uint64_t         start_line;     /* of the function, 0 if not known */
    const char      *module;         /* of nginx, NULL if not known */
} profiling_frame_t;


/* the calls at an address, innermost first; 0: no debug information */
unsigned profiling_lines_frames(profiling_symbols_t *s, uint64_t address,
    profiling_frame_t *frames);


#endif /* _PROFILING_LINES_H_INCLUDED_ */
