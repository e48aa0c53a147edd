
/*
 * Writes raw captures (ngx_http_profiling_raw.h): the differences of two
 * readings of the tables of stacks, with all that is needed to name them.
 * Worker, normal context.
 */


#ifndef _NGX_HTTP_PROFILING_RAWFILE_H_INCLUDED_
#define _NGX_HTTP_PROFILING_RAWFILE_H_INCLUDED_


#include "ngx_http_profiling_module.h"
#include "ngx_http_profiling_text.h"


/* samples written by one call of rawfile_samples() */
#define NGX_HTTP_PROFILING_CHUNK     256

/* distinct labels that are found again, a power of two */
#define NGX_HTTP_PROFILING_LABELS    8192


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


#endif /* _NGX_HTTP_PROFILING_RAWFILE_H_INCLUDED_ */
