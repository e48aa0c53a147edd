
/*
 * Names for addresses in a file.
 */


#ifndef _PROFILING_SYMBOLS_H_INCLUDED_
#define _PROFILING_SYMBOLS_H_INCLUDED_


#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>

#include "maps.h"


#define PROFILING_MAX_INLINED  64


typedef struct {
    const char      *name;           /* demangled */
    const char      *system_name;
    const char      *file;           /* "" if not known */
    uint64_t         line;           /* 0 if not known */
    uint64_t         start_line;     /* of the function, 0 if not known */
} profiling_frame_t;


typedef struct {
    uint64_t         start;
    uint64_t         end;            /* the same as start: not known */
    const char      *name;
    unsigned         rank;           /* lower is the better name */
} profiling_symbol_t;


typedef struct {
    uint64_t         start;
    uint64_t         end;
} profiling_range_t;


typedef struct {
    uint64_t         offset;
    uint64_t         size;
    uint64_t         address;
    unsigned         executable;
} profiling_segment_t;


typedef struct profiling_lines_s  profiling_lines_t;


/* addresses here are those of the file: of its program headers */

struct profiling_symbols_s {
    profiling_segment_t  *segments;
    size_t                nsegments;

    profiling_symbol_t   *symbols;   /* sorted by start */
    size_t                nsymbols;
    size_t                symbols_room;

    profiling_range_t    *functions; /* of .eh_frame, sorted by start */
    size_t                nfunctions;

    Dwfl                 *dwfl;
    Dwfl_Module          *module;
    profiling_lines_t    *lines;
};


/*
 * The calls that are at one place of a file, innermost first; always at least
 * one.  *into is set to the distance from the start of the function.
 */
unsigned profiling_symbols_frames(profiling_object_t *object, uint64_t offset,
    profiling_frame_t *frames, uint64_t *into);

/* demangles names of C++ and Rust; others are returned as they are */
const char *profiling_symbols_demangle(const char *name);


/* cfi.c: ranges of the functions that .eh_frame describes */
void profiling_cfi_functions(profiling_symbols_t *s, Elf *elf);

/* lines.c: as profiling_symbols_frames(), 0 if there is no debug information */
unsigned profiling_lines_frames(profiling_symbols_t *s, uint64_t address,
    profiling_frame_t *frames);


#endif /* _PROFILING_SYMBOLS_H_INCLUDED_ */
