
/*
 * Symbol tables of a file.
 */


#ifndef _PROFILING_SYMBOLS_H_INCLUDED_
#define _PROFILING_SYMBOLS_H_INCLUDED_


#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>

#include "cfi.h"
#include "object.h"


typedef struct {
    uint64_t         start;
    uint64_t         end;            /* the same as start: not known */
    const char      *name;
    unsigned         rank;           /* lower is the better name */
} profiling_symbol_t;


typedef struct {
    uint64_t         offset;
    uint64_t         size;
    uint64_t         address;
    unsigned         executable;
} profiling_segment_t;


typedef struct profiling_lines_s  profiling_lines_t;
typedef struct profiling_learned_s  profiling_learned_t;


/* addresses are those of the file, as its program headers have them */

struct profiling_symbols_s {
    profiling_segment_t  *segments;
    size_t                nsegments;

    profiling_symbol_t   *symbols;   /* sorted by start */
    size_t                nsymbols;
    size_t                symbols_room;

    profiling_ranges_t    functions; /* of .eh_frame, sorted by start */

    unsigned              modules;   /* has a list of nginx's */
    profiling_learned_t  *learned;   /* whose functions are; NULL: not known */

    Dwfl                 *dwfl;
    Dwfl_Module          *module;
    profiling_lines_t    *lines;
};


profiling_symbols_t *profiling_symbols_load(profiling_object_t *object);

/* 0 if the offset is in no executable segment */
int profiling_symbols_address(profiling_symbols_t *s, uint64_t offset,
    uint64_t *address);

/* the symbol, or the function of .eh_frame, with an address in it, or NULL */
profiling_symbol_t *profiling_symbols_find(profiling_symbols_t *s,
    uint64_t address);
profiling_range_t *profiling_symbols_function(profiling_symbols_t *s,
    uint64_t address);


#endif /* _PROFILING_SYMBOLS_H_INCLUDED_ */
