
/*
 * A profile as all output forms need it: samples with equal stacks and labels
 * are added up over all processes, addresses are in one address space, and
 * locations have names.
 */


#ifndef _PROFILING_PROFILE_H_INCLUDED_
#define _PROFILING_PROFILE_H_INCLUDED_


#include "labels.h"
#include "maps.h"


#define PROFILING_MAX_STRING  4096


typedef struct {
    uint64_t               id;         /* 1..n, in the order of the array */
    uint32_t               name;       /* strings here and below */
    uint32_t               system_name;
    uint32_t               file;
    uint64_t               start_line;
} profiling_function_t;


typedef struct {
    profiling_function_t  *function;
    uint64_t               line;
} profiling_line_t;


typedef struct {
    uint64_t               id;         /* 1..n, in the order of the array */
    uint64_t               address;
    uint64_t               into;       /* distance from its function's start */
    uint64_t               offset;     /* in the file of the mapping */
    profiling_mapping_t   *mapping;    /* NULL: synthetic */
    const char            *name;       /* of a synthetic frame */
    const char            *file;       /* of a script, else NULL */
    uint32_t               line;       /* the same: that runs, 0: not known */
    uint32_t               start_line;
    const char            *module;     /* of nginx, NULL: none */
    profiling_line_t      *lines;      /* innermost first */
    unsigned               nlines;
    unsigned               used;
} profiling_location_t;


typedef struct {
    profiling_location_t **locations;  /* leaf first */
    profiling_tags_t      *tags;       /* equal sets share one object */
    int64_t               *values;
    uint32_t               nlocations;
} profiling_total_t;


typedef struct {
    profiling_raw_t       *raw;
    profiling_maps_t      *maps;
    profiling_strings_t    strings;
    profiling_labels_t     labels;

    profiling_location_t **locations;
    size_t                 nlocations;
    size_t                 locations_room;

    profiling_function_t **functions;
    size_t                 nfunctions;
    size_t                 functions_room;

    profiling_total_t    **samples;
    size_t                 nsamples;
    size_t                 samples_room;

    profiling_table_t      location_table;
    profiling_table_t      function_table;
    profiling_table_t      sample_table;

    profiling_location_t **frames;     /* of the sample that is read */

    profiling_script_t   **scripts;    /* by their index, NULL: none */
    size_t                 nscripts;

    unsigned               synthetic;  /* there are synthetic locations */
} profiling_profile_t;


/* adds samples up and names locations; omits samples whose sums are zero */
profiling_profile_t *profiling_profile_make(profiling_raw_t *raw);

/*
 * The location of a frame of a process.  exact: pc is not a return address.
 * profiling_profile_make() sets the lines at its end.
 */
profiling_location_t *profiling_profile_location(profiling_profile_t *p,
    uint32_t process, uint64_t pc, unsigned exact);

const char *profiling_profile_string(profiling_profile_t *p, uint32_t index);


#endif /* _PROFILING_PROFILE_H_INCLUDED_ */
