
/*
 * A raw capture as read and checked.  Every index, count and length in here
 * has been checked against the capture: users need no checks of their own.
 * What is pointed to lies in the capture, which must stay in memory.
 */


#ifndef _PROFILING_RAW_H_INCLUDED_
#define _PROFILING_RAW_H_INCLUDED_


#include "memory.h"
#include "ngx_http_profiling_raw.h"
#include "ngx_http_profiling_raw_trace.h"


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
    uint32_t         flags;           /* those of the header included */
} profiling_stack_t;


typedef struct {
    const uint8_t   *values;          /* unaligned, little-endian */
    uint32_t         process;         /* or NGX_HTTP_PROFILING_RAW_NONE */
    uint32_t         stack;
    uint32_t         labels;
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
    ngx_http_profiling_raw_header_t   header;     /* host byte order */

    profiling_str_t                  *strings;    /* [0] is empty */
    profiling_type_t                 *types;
    profiling_str_t                  *comments;
    profiling_mapset_t               *mapsets;
    profiling_process_t              *processes;
    profiling_labelset_t             *labelsets;  /* [0] is empty */
    profiling_stack_t                *stacks;
    profiling_sample_t               *samples;
    ngx_http_profiling_raw_trace_t   *trace;      /* NULL: none */
    profiling_chunk_t                *chunks;
    profiling_moment_t               *moments;

    size_t                            nstrings;
    size_t                            ntypes;
    size_t                            ncomments;
    size_t                            nmapsets;
    size_t                            nrows;
    size_t                            nprocesses;
    size_t                            nlabelsets;
    size_t                            nstacks;
    size_t                            nsamples;
    size_t                            nchunks;
    size_t                            nmoments;
} profiling_raw_t;


/* ends the program with PROFILING_CAPTURE if the capture is not valid */
profiling_raw_t *profiling_raw_read(const uint8_t *data, size_t len);

/* raw_trace.c: readers of the sections of a trace, and their checks */
typedef struct profiling_section_s  profiling_section_t;

void profiling_raw_trace_info(profiling_raw_t *raw, profiling_section_t *s);
void profiling_raw_trace_chunks(profiling_raw_t *raw, profiling_section_t *s);
void profiling_raw_trace_samples(profiling_raw_t *raw,
    profiling_section_t *s);
void profiling_raw_trace_check(profiling_raw_t *raw);

/* for these readers: the next bytes of a section, room for more records */
const uint8_t *profiling_raw_take(profiling_section_t *s, uint64_t size);
const uint8_t *profiling_raw_rest(profiling_section_t *s, size_t *size);
uint32_t profiling_raw_count(profiling_section_t *s);
void *profiling_raw_append(void *old, size_t *used, uint32_t count,
    size_t size);
void profiling_raw_invalid(const char *what) __attribute__ ((noreturn));
uint32_t profiling_raw_u32(const uint8_t *p);

/* rows of a mapset from the text of /proc/<pid>/maps: executable ones only */
void profiling_raw_maps(profiling_mapset_t *set, profiling_str_t *text);

/* prints a capture for people to read: --dump */
void profiling_raw_dump(profiling_raw_t *raw, profiling_buf_t *out);

/* the name of a frame that has the top bit, or NULL: it is no address */
profiling_str_t *profiling_raw_name(profiling_raw_t *raw, uint64_t pc);

uint64_t profiling_raw_u64(const uint8_t *p);

#define profiling_raw_pc(stack, i)                                            \
    profiling_raw_u64((stack)->pcs + (size_t) (i) * 8)
#define profiling_raw_value(s, i)                                             \
    ((int64_t) profiling_raw_u64((s)->values + (size_t) (i) * 8))


#endif /* _PROFILING_RAW_H_INCLUDED_ */
