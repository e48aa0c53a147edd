
/*
 * Mappings of all processes merged into one address space.
 *
 * The same file may lie at other addresses in other processes.  An address is
 * therefore turned into file and offset, and put back where the first process
 * that was seen has it: so that two workers' samples of one function meet.
 */


#ifndef _PROFILING_MAPS_H_INCLUDED_
#define _PROFILING_MAPS_H_INCLUDED_


#include "object.h"
#include "raw.h"


/* synthetic frames lie here: no process of today reaches these addresses,
 * and the numbers are exact in a double, as JavaScript has it */

#define PROFILING_SYNTHETIC        0x0010000000000000ULL
#define PROFILING_SYNTHETIC_LIMIT  0x0010010000000000ULL

/* mappings whose addresses are taken move here */

#define PROFILING_MOVED            0x0008000000000000ULL
#define PROFILING_MOVED_SLOTS      0x40000
#define PROFILING_MOVED_SHIFT      32


typedef struct {
    profiling_mapping_t  *mapping;      /* NULL: in no mapping */
    profiling_object_t   *object;
    uint64_t              offset;       /* in the file */
    uint64_t              address;      /* in the merged address space */
    unsigned              anonymous;    /* executable memory of no file */
} profiling_place_t;


typedef struct {
    profiling_mapping_t **mappings;     /* [0] is the main program */
    size_t                nmappings;
    size_t                mappings_room;

    profiling_object_t  **objects;
    size_t                nobjects;
    size_t                objects_room;

    profiling_object_t ***rows;         /* [mapset][row], NULL: no file */
    profiling_raw_t      *raw;
} profiling_maps_t;


profiling_maps_t *profiling_maps_merge(profiling_raw_t *raw);

/* where an address of a process is: process is an index or _RAW_NONE */
void profiling_maps_place(profiling_maps_t *maps, uint32_t process,
    uint64_t pc, profiling_place_t *place);


#endif /* _PROFILING_MAPS_H_INCLUDED_ */
