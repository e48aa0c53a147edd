
/*
 * A raw capture after reading.  Every index, count and length has been checked
 * against the capture, so users need no checks of their own.  Pointers refer
 * to the capture's bytes, which must stay in memory.
 */


#ifndef _PROFILING_RAW_TYPES_H_INCLUDED_
#define _PROFILING_RAW_TYPES_H_INCLUDED_


#include "memory.h"
#include "ngx_prof_raw.h"
#include "ngx_prof_trace.h"


typedef struct {
    uint64_t         start;
    uint64_t         limit;
    uint64_t         offset;
    uint64_t         inode;
    uint32_t         major;
    uint32_t         minor;
    profiling_str_t  path;
    profiling_str_t  build_id;
} profiling_row_t;


typedef struct {
    profiling_row_t  *rows;           /* sorted by start, no overlaps */
    size_t            nrows;
    uint32_t          maps;           /* string */
} profiling_mapset_t;


typedef struct {
    uint32_t         pid;
    uint32_t         mapset;
    uint32_t         labels;
} profiling_process_t;


typedef struct {
    profiling_str_t  key;
    profiling_str_t  str;
    profiling_str_t  unit;
    int64_t          num;
    unsigned         numeric;
} profiling_label_t;


typedef struct {
    profiling_label_t  *labels;
    uint32_t            count;
} profiling_labelset_t;


typedef struct {
    const uint8_t   *pcs;             /* unaligned, little-endian */
    uint32_t         depth;
    uint32_t         flags;           /* including those of the header */
} profiling_stack_t;


typedef struct {
    profiling_str_t  file;
    profiling_str_t  name;
    uint32_t         index;
    uint32_t         line;            /* of the definition, 0: not known */
} profiling_script_t;


typedef struct {
    const uint8_t  *values;           /* unaligned, little-endian */
    uint32_t        process;          /* or NGX_PROF_RAW_NONE */
    uint32_t        stack;
    uint32_t        labels;
} profiling_sample_t;


typedef struct {
    profiling_str_t  type;
    profiling_str_t  unit;
} profiling_type_t;


typedef struct {
    const uint8_t   *data;            /* of the stream of a slot */
    size_t           len;
    uint32_t         slot;
} profiling_chunk_t;


typedef struct {
    uint64_t         time;
    uint32_t         slot;
    uint32_t         goroutine;
    uint32_t         process;
    uint32_t         stack;
} profiling_moment_t;


typedef struct {
    ngx_prof_raw_header_t  header;                /* host byte order */

    profiling_str_t       *strings;               /* [0] is empty */
    profiling_type_t      *types;
    profiling_str_t       *comments;
    profiling_mapset_t    *mapsets;
    profiling_process_t   *processes;
    profiling_labelset_t  *labelsets;             /* [0] is empty */
    profiling_script_t    *scripts;
    profiling_stack_t     *stacks;
    profiling_sample_t    *samples;
    ngx_prof_raw_trace_t  *trace;                 /* NULL: none */
    profiling_chunk_t     *chunks;
    profiling_moment_t    *moments;

    size_t                 nstrings;
    size_t                 ntypes;
    size_t                 ncomments;
    size_t                 nmapsets;
    size_t                 nrows;
    size_t                 nprocesses;
    size_t                 nlabelsets;
    size_t                 nscripts;
    size_t                 nstacks;
    size_t                 nsamples;
    size_t                 nchunks;
    size_t                 nmoments;
} profiling_raw_t;


#endif /* _PROFILING_RAW_TYPES_H_INCLUDED_ */
