
/*
 * A profile as all output forms need it: the samples of all processes with
 * one stack and one set of labels added up, addresses in one address space,
 * names found.
 */


#ifndef _PROFILING_PROFILE_H_INCLUDED_
#define _PROFILING_PROFILE_H_INCLUDED_


#include "maps.h"
#include "raw.h"
#include "symbols.h"
#include "table.h"


#define PROFILING_MAX_LABEL   2048
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
    profiling_line_t      *lines;      /* innermost first */
    unsigned               nlines;
    unsigned               used;
} profiling_location_t;


typedef struct {
    uint32_t               key;
    uint32_t               str;        /* 0: numeric */
    uint32_t               unit;
    int64_t                num;
} profiling_tag_t;


typedef struct {
    profiling_tag_t       *tags;       /* sorted by the text of the key */
    unsigned               ntags;
} profiling_tags_t;


typedef struct {
    profiling_location_t **locations;  /* leaf first */
    profiling_tags_t      *tags;       /* equal tags are one object */
    int64_t               *values;
    uint32_t               nlocations;
} profiling_total_t;


typedef struct {
    profiling_raw_t       *raw;
    profiling_maps_t      *maps;
    profiling_strings_t    strings;

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
    profiling_table_t      tags_table;
    profiling_table_t      pairs_table;

    profiling_location_t **frames;     /* of the sample that is read */

    unsigned               synthetic;  /* there are synthetic locations */
} profiling_profile_t;


/* adds up and names everything; samples that come out as zero are left out */
profiling_profile_t *profiling_profile_make(profiling_raw_t *raw);

/*
 * The location of a frame of a process; exact: it is no return address.  Its
 * lines are not known before the profile is made.
 */
profiling_location_t *profiling_profile_location(profiling_profile_t *p,
    uint32_t process, uint64_t pc, unsigned exact);

const char *profiling_profile_string(profiling_profile_t *p, uint32_t index);

/* labels.c: the labels of a process and of a sample, one value a key */
profiling_tags_t *profiling_labels_merge(profiling_profile_t *p,
    uint32_t process, uint32_t sample);


/* output forms: pprof.c, text.c; what is put is not compressed */
void profiling_pprof_put(profiling_profile_t *p, profiling_buf_t *out);
void profiling_text_put(profiling_profile_t *p, profiling_buf_t *out);

/* one gzip member: gzip.c */
void profiling_gzip(profiling_buf_t *in, profiling_buf_t *out);

/* encode.c: the whole way from a capture to the answer */
void profiling_encode(profiling_raw_t *raw, profiling_buf_t *out);


#endif /* _PROFILING_PROFILE_H_INCLUDED_ */
