
/*
 * Bounds of functions, from .eh_frame.
 */


#ifndef _PROFILING_CFI_H_INCLUDED_
#define _PROFILING_CFI_H_INCLUDED_


#include <libelf.h>
#include <stddef.h>
#include <stdint.h>


typedef struct {
    uint64_t            start;
    uint64_t            end;
} profiling_range_t;


typedef struct {
    profiling_range_t  *ranges;
    size_t              n;
    size_t              room;
} profiling_ranges_t;


/* the functions of a file, sorted by start; none if it has no .eh_frame */
void profiling_cfi_functions(profiling_ranges_t *functions, Elf *elf);


#endif /* _PROFILING_CFI_H_INCLUDED_ */
