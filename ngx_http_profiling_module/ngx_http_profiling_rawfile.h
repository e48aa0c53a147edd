
/*
 * Writes raw captures (ngx_http_profiling_raw.h): the differences of two
 * readings of the tables of stacks, with all that is needed to name them.
 * Worker, normal context.
 */


#ifndef _NGX_HTTP_PROFILING_RAWFILE_H_INCLUDED_
#define _NGX_HTTP_PROFILING_RAWFILE_H_INCLUDED_


#include "ngx_http_profiling_module.h"
#include "ngx_http_profiling_raw.h"
#include "ngx_http_profiling_text.h"


/* samples written by one call of rawfile_samples() */
#define NGX_HTTP_PROFILING_CHUNK     256

/* distinct labels that are found again, a power of two */
#define NGX_HTTP_PROFILING_LABELS    8192


/* strings that each capture has, in their order */

typedef enum {
    NGX_HTTP_PROFILING_S_NONE = 0,
    NGX_HTTP_PROFILING_S_SAMPLES,
    NGX_HTTP_PROFILING_S_COUNT,
    NGX_HTTP_PROFILING_S_CPU,
    NGX_HTTP_PROFILING_S_NANOSECONDS,
    NGX_HTTP_PROFILING_S_SERVER,
    NGX_HTTP_PROFILING_S_LOCATION,
    NGX_HTTP_PROFILING_S_UPSTREAM,
    NGX_HTTP_PROFILING_S_STATE,
    NGX_HTTP_PROFILING_S_PID,
    NGX_HTTP_PROFILING_S_WORKER,
    NGX_HTTP_PROFILING_S_STATES          /* the first of the states' names */
} ngx_http_profiling_string_e;


/* an entry of a table at the first reading */

typedef struct {
    uint64_t                      count;
    uint64_t                      value;
} ngx_http_profiling_base_t;


/* a slot at the first reading */

typedef struct {
    ngx_uint_t                    wanted;       /* it was read */
    ngx_pid_t                     pid;          /* of its owner then */
    uint64_t                      worker;       /* ngx_worker */
    uint64_t                      epoch;
    uint64_t                      dropped;
    ngx_uint_t                    n;            /* entries in base */
    ngx_http_profiling_base_t    *base;
} ngx_http_profiling_reading_t;


typedef struct {
    ngx_http_profiling_text_t     text;
    ngx_http_profiling_zone_t    *zone;
    ngx_pool_t                   *pool;
    void                         *header;
    uint32_t                      places;       /* string before the first */
    uint32_t                      upstreams;
    uint32_t                      upstream_n;   /* names behind it */
    uint32_t                      strings;      /* written so far */
    uint32_t                      mapsets;
    ngx_array_t                   processes;    /* pid_t */
    uint32_t                      labelsets;
    uint32_t                      stacks;
    ngx_str_t                     maps;         /* of the latest mapset */
    uint64_t                      dropped;
    uint64_t                      samples;
    ngx_array_t                   comments;     /* uint32_t, strings */

    struct {
        uint32_t                  label;
        uint32_t                  set;          /* 0: free */
    }                             known[NGX_HTTP_PROFILING_LABELS];
} ngx_http_profiling_rawfile_t;


/* of the duration, in ns, that ends now; NULL: out of memory */
ngx_http_profiling_rawfile_t *ngx_http_profiling_rawfile_create(
    ngx_pool_t *pool, uint64_t duration);

/* a slot; the samples that follow are of its owners */
void ngx_http_profiling_rawfile_slot(ngx_http_profiling_rawfile_t *f,
    ngx_http_profiling_slot_t *slot,
    const ngx_http_profiling_reading_t *reading,
    const ngx_http_profiling_stacks_t *stacks);

/* entries from .. to - 1 of its table, at most CHUNK of them */
void ngx_http_profiling_rawfile_samples(ngx_http_profiling_rawfile_t *f,
    ngx_http_profiling_slot_t *slot,
    const ngx_http_profiling_stacks_t *stacks,
    const ngx_http_profiling_reading_t *reading, ngx_uint_t from,
    ngx_uint_t to);

/*
 * A capture that asks for the names of addresses of this process; complete.
 * NULL: out of memory.
 */
ngx_http_profiling_rawfile_t *ngx_http_profiling_rawfile_symbols(
    ngx_pool_t *pool, const uint64_t *pcs, ngx_uint_t n);

/* NGX_OK: f->text is complete; NGX_ERROR: out of memory */
ngx_int_t ngx_http_profiling_rawfile_finish(ngx_http_profiling_rawfile_t *f);


/*
 * For writers of other kinds of profiles.  open() begins a capture and leaves
 * types, period and times to the caller, who fills f->header, a
 * ngx_http_profiling_raw_header_t.
 */
ngx_http_profiling_rawfile_t *ngx_http_profiling_rawfile_open(
    ngx_pool_t *pool, uint32_t kind);
void ngx_http_profiling_rawfile_types(ngx_http_profiling_rawfile_t *f,
    const ngx_http_profiling_raw_type_t *types, uint32_t n);

/* a section's header, and its end; start: f->text.size behind the header */
ngx_http_profiling_raw_section_t *ngx_http_profiling_rawfile_section(
    ngx_http_profiling_rawfile_t *f, uint32_t type);
void ngx_http_profiling_rawfile_close(ngx_http_profiling_rawfile_t *f,
    ngx_http_profiling_raw_section_t *section, off_t start, uint32_t count);

/* a string in a section of its own; its number */
uint32_t ngx_http_profiling_rawfile_one(ngx_http_profiling_rawfile_t *f,
    const void *data, size_t len);

/* the number of a process, which is written when it is first met */
uint32_t ngx_http_profiling_rawfile_process(ngx_http_profiling_rawfile_t *f,
    ngx_pid_t pid, ngx_http_profiling_slot_t *slot,
    const ngx_http_profiling_reading_t *reading);

/* the mappings of a process, 0: ours; they are mapset f->mapsets - 1 */
void ngx_http_profiling_rawfile_maps(ngx_http_profiling_rawfile_t *f,
    ngx_pid_t pid);

/* the number of a process, of which pid and worker of the reading are used */
uint32_t ngx_http_profiling_rawfile_process(ngx_http_profiling_rawfile_t *f,
    ngx_pid_t pid, ngx_http_profiling_slot_t *slot,
    const ngx_http_profiling_reading_t *reading);

/* labels of a place and an upstream, at most 3; their number */
ngx_uint_t ngx_http_profiling_rawfile_place(ngx_http_profiling_rawfile_t *f,
    uint32_t label, ngx_http_profiling_raw_label_t *labels);

/* the number of a set that is written */
uint32_t ngx_http_profiling_rawfile_labelset(ngx_http_profiling_rawfile_t *f,
    const ngx_http_profiling_raw_label_t *labels, uint32_t n);

void ngx_http_profiling_rawfile_comment(ngx_http_profiling_rawfile_t *f,
    const char *format, ...);


#endif /* _NGX_HTTP_PROFILING_RAWFILE_H_INCLUDED_ */
