
/*
 * The engine of captures: what the tables of stacks of all slots hold, or what
 * they have gained in some time, as one raw capture (ngx_prof_raw.h) for the
 * encoder.
 *
 *     first    reads the tables of all slots, if a difference is wanted
 *     between  steps of the kind: they wait, and end with capture_last()
 *     last     reads the tables again and keeps the differences: the workers
 *              go on counting while the capture is written
 *     write    writes stacks and samples, slot by slot
 *
 * A kind (CPU, waits, heap) says which table, which values and which names.
 * Everything is made in steps; each pass of the event loop is held up for a
 * slice of time at most.  Worker, normal context.
 */


#ifndef _NGX_PROF_CAPTURE_H_INCLUDED_
#define _NGX_PROF_CAPTURE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_job.h"
#include "ngx_prof_raw_file.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_stacks.h"
#include "ngx_prof_text.h"


/* labels of a sample, and values that are kept of a tally, at most */
#define NGX_PROF_CAPTURE_LABELS  5
#define NGX_PROF_CAPTURE_VALUES  6


typedef struct ngx_prof_capture_s  ngx_prof_capture_t;


/* NGX_OK and the raw capture, or NGX_ERROR; the capture has ended */
typedef void (*ngx_prof_capture_pt)(void *data, ngx_int_t rc,
    ngx_prof_text_t *raw);

/* adds to the raw capture before it is finished, until it is not NGX_AGAIN */
typedef ngx_int_t (*ngx_prof_capture_more_pt)(void *data,
    ngx_prof_rawfile_t *raw);


/* what was read of a slot */

typedef struct {
    ngx_prof_slot_t    *slot;
    ngx_prof_stacks_t  *stacks;
    ngx_pid_t           owner;                  /* at the latest reading */

    /* at the first reading */
    ngx_uint_t          taken;                  /* there was one */
    ngx_pid_t           pid;                    /* the owner then */
    uint64_t            worker;                 /* its ngx_worker */
    uint64_t            claims;
    uint64_t            epoch;
    ngx_uint_t          n;                      /* tallies in base */
    int64_t            *base;                   /* their values */

    /* owners that came until the last one, and of these the latest; who has
       ended; 0: none */
    uint64_t            came;
    ngx_pid_t           begun;
    ngx_pid_t           ended;

    ngx_uint_t          room;                   /* of a range: rows that there
                                                   is room for */
    uint64_t            dropped;                /* first, then the difference */
    ngx_uint_t          last;                   /* tallies at the last one */
    ngx_uint_t          nrows;
    u_char             *rows;                   /* NULL: not read again */
} ngx_prof_slot_reading_t;


/* a tally, by what its values have changed */

typedef struct {
    uint32_t            node;                   /* of its stack */
    uint32_t            label;
    int64_t             values[];
} ngx_prof_capture_row_t;


#define ngx_prof_capture_row_size(c)                                          \
    (sizeof(ngx_prof_capture_row_t) + (c)->values * sizeof(int64_t))

#define ngx_prof_capture_row(c, reading, i)                                   \
    ((ngx_prof_capture_row_t *) ((reading)->rows                              \
                                 + (i) * ngx_prof_capture_row_size(c)))


typedef struct {
    ngx_uint_t          read;                   /* tallies read in one step */
    ngx_uint_t          head;                   /* entries of a stack before
                                                   the innermost frame */
    ngx_uint_t          falls;                  /* values may become less */

    ngx_prof_stacks_t *(*table)(ngx_prof_capture_t *c,
        const ngx_prof_slot_t *slot);

    /* before a slot is read, may be NULL; NGX_DECLINED: it is left out */
    ngx_int_t         (*begin)(ngx_prof_capture_t *c,
        ngx_prof_slot_reading_t *reading);

    /* tally i and its values; NGX_DECLINED: there is nothing to tell */
    ngx_int_t         (*tally)(ngx_prof_capture_t *c,
        ngx_prof_slot_reading_t *reading, ngx_uint_t i, ngx_prof_tally_t *tally,
        int64_t *values);

    /* fills the header of c->raw, which is new, and writes the types */
    void              (*types)(ngx_prof_capture_t *c);

    /* before the samples of a slot are written */
    void              (*slot)(ngx_prof_capture_t *c,
        ngx_prof_slot_reading_t *reading);

    /* whether the root of a stack has names here; NULL: all have */
    ngx_uint_t        (*named)(ngx_prof_capture_t *c, uint64_t root);

    /* size: the first entry of a stack that has a head, else 0 */
    ngx_uint_t        (*labels)(ngx_prof_capture_t *c, uint32_t label,
        uint64_t size, ngx_prof_raw_label_t *labels);

    /* the number of the process of a stack, by its root */
    uint32_t          (*process)(ngx_prof_capture_t *c,
        ngx_prof_slot_reading_t *reading, uint64_t root);

    /* writes the samples of a row, their number; NULL: one, of two values */
    ngx_uint_t        (*samples)(ngx_prof_capture_t *c,
        const ngx_prof_capture_row_t *row, uint32_t stack, uint32_t labels);

    /* when the capture ends, or the client goes away; may be NULL */
    void              (*end)(ngx_prof_capture_t *c);
} ngx_prof_capture_kind_t;


/* a kind of captures may have more behind it */

struct ngx_prof_capture_s {
    const ngx_prof_capture_kind_t  *kind;
    ngx_pool_t                     *pool;
    ngx_pid_t                       worker;     /* 0: all */
    ngx_uint_t                      size;       /* of a table */
    ngx_uint_t                      values;     /* of a tally */
    uint32_t                        raw_kind;   /* NGX_PROF_RAW_CPU .. */
    uint32_t                        unnamed;    /* string, for stacks whose
                                                   root has no names */
    ngx_prof_step_pt                between;
    ngx_prof_capture_more_pt        more;       /* NULL: none */
    ngx_prof_capture_pt             done;
    void                           *data;       /* of both */

    /* of a range of what was recorded, see past_profile.h */
    uint64_t                        from;       /* ms, CLOCK_MONOTONIC */
    uint64_t                        until;
    void                           *past;
    void                          (*ranged)(ngx_prof_capture_t *c);
                                                /* adds comments; NULL: it is
                                                   no range */

    ngx_uint_t                      slot;       /* being read or written */
    ngx_uint_t                      entry;      /* next one of it */
    uint64_t                        begin;      /* ns, monotonic: of the first
                                                   reading; 0: there is none */
    ngx_prof_slot_reading_t             *readings;  /* one a slot, or, of a
                                                       range, a table of one */
    ngx_uint_t                           nreadings;
    ngx_prof_rawfile_t                  *raw;

    ngx_prof_job_t                       job;
};


/*
 * A capture of size bytes, which begin with a ngx_prof_capture_t, all zeros
 * but what is given here.  done is called once, unless the pool is destroyed
 * before: that ends the capture.  NULL: out of memory.
 */
void *ngx_prof_capture_create(ngx_pool_t *pool, size_t size,
    const ngx_prof_capture_kind_t *kind, ngx_pid_t worker,
    ngx_prof_capture_pt done, void *data);

/* the first step comes later: capture_first(), _last(), or one of the kind */
void ngx_prof_capture_start(ngx_prof_capture_t *c, ngx_prof_step_pt step,
    ngx_log_t *log);
ngx_int_t ngx_prof_capture_first(void *data);
ngx_int_t ngx_prof_capture_last(void *data);

/* for what fills the readings by itself: they are written next */
ngx_int_t ngx_prof_capture_open(ngx_prof_capture_t *c);

/* for kinds: a tally whose values are its count and its value */
ngx_int_t ngx_prof_capture_tally(ngx_prof_capture_t *c,
    ngx_prof_slot_reading_t *reading, ngx_uint_t i, ngx_prof_tally_t *tally,
    int64_t *values);


#endif /* _NGX_PROF_CAPTURE_H_INCLUDED_ */
