
/*
 * Mappings of all processes merged into one address space.
 *
 * Processes may map the same file at different addresses.  An address is
 * therefore translated to file and offset, and back to the address in the first
 * process that maps the file.  So samples of one function in several workers
 * have the same address.
 */


#ifndef _PROFILING_MAPS_H_INCLUDED_
#define _PROFILING_MAPS_H_INCLUDED_


#include "object.h"
#include "raw.h"


/* synthetic frames lie here: no process uses these addresses, and JavaScript
 * can represent the numbers exactly */

#define PROFILING_SYNTHETIC        0x0010000000000000ULL
#define PROFILING_SYNTHETIC_LIMIT  0x0010010000000000ULL

/* mappings whose addresses are occupied move here */

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

/* locates an address of a process, which is an index or _RAW_NONE */
void profiling_maps_place(profiling_maps_t *maps, uint32_t process,
    uint64_t pc, profiling_place_t *place);


#endif /* _PROFILING_MAPS_H_INCLUDED_ */
