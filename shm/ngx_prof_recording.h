
/*
 * The recording of a slot: what its tables of stacks have gained in each of
 * the latest intervals, in a ring of bytes.
 *
 * An interval lists entries of tables by index, with what each has gained.  It
 * outlives the worker that wrote it, so the tables of blocking, of locks and
 * of the heap, which are never emptied, serve it as they are.  CPU time has
 * two tables of its own, which take turns: one is emptied when no interval
 * that is kept names its entries.
 *
 *     interval:  length (16 bits), group (8 bits), then numbers of 7 bits a
 *                byte: end (ms, CLOCK_MONOTONIC), time from its begin (ms),
 *                pid, number of the worker; then sections up to its length
 *     section:   length (16 bits), table (8 bits), then numbers: epoch of the
 *                table, counts and units without an entry; then entries:
 *                distance from the entry before, units * 2 (+ 1: the count
 *                follows, else it is 1)
 *
 * Units are the value of a tally without its low bits.  Both it and what was
 * written of it are cumulative, so what is cut off is not lost.
 *
 * Written by the slot's owner, in normal context or, where the loop does not
 * run, in a handler of its main thread.  The bitmap of entries that have
 * gained is written by whoever adds to them.  Read by any process.
 */


#ifndef _NGX_PROF_RECORDING_H_INCLUDED_
#define _NGX_PROF_RECORDING_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_record.h"
#include "ngx_prof_stacks.h"


/* tables; the two of CPU time come first */

typedef enum {
    NGX_PROF_RECORDED_CPU = 0,
    NGX_PROF_RECORDED_CPU_NEXT,
    NGX_PROF_RECORDED_BLOCK,
    NGX_PROF_RECORDED_MUTEX,
    NGX_PROF_RECORDED_ALLOCS,
    NGX_PROF_RECORDED_TABLES
} ngx_prof_recorded_e;

#define NGX_PROF_RECORDED_CPUS      2

/* allocations have intervals of their own, which are longer */

typedef enum {
    NGX_PROF_RECORDED_TIMES = 0,
    NGX_PROF_RECORDED_MEMORY,
    NGX_PROF_RECORDED_GROUPS
} ngx_prof_recorded_group_e;

/* ms of an interval, by the clock; the ticks of the worker may be longer */
#define NGX_PROF_RECORDED_STEP      2000
#define NGX_PROF_RECORDED_STEP_MAX  10000

/* bytes of a ring that keeps a minute in all detail */
#define NGX_PROF_RECORDED_MINUTE    16384
#define NGX_PROF_RECORDED_MIN       65536
#define NGX_PROF_RECORDED_MAX       16777216

/* bytes of an interval, and of what stands before a list of entries */
#define NGX_PROF_RECORDED_BYTES     16384
#define NGX_PROF_RECORDED_SECTION   33

/* room for one that is being made */
#define NGX_PROF_RECORDED_BUF                                                 \
    (NGX_PROF_RECORDED_BYTES                                                  \
     + NGX_PROF_RECORDED_SECTION * NGX_PROF_RECORDED_TABLES)


/* what was recorded of a tally so far; value in units */

typedef struct {
    uint64_t  count;
    uint64_t  units;
} ngx_prof_kept_t;


typedef struct {
    uint64_t  head;             /* bytes ever written */
    uint64_t  tail;             /* of these, where the first interval is */
    uint64_t  closing;          /* 1: an interval is being written */
    uint64_t  begin[NGX_PROF_RECORDED_GROUPS];
                                /* ms, CLOCK_MONOTONIC: of the interval that
                                   has not ended, 0: nothing is recorded */
    uint64_t  room[NGX_PROF_RECORDED_GROUPS];
                                /* bytes that the next intervals may take */
    uint64_t  seen;             /* ms: when the owner was last alive */
    uint64_t  pid;              /* whose the open interval is */
    uint64_t  worker;
    uint64_t  cpu;              /* the table of CPU time that is written */
    uint64_t  named[NGX_PROF_RECORDED_CPUS];
                                /* ms: the end of the last interval that names
                                   its entries */
    uint64_t  epoch[NGX_PROF_RECORDED_TABLES];
                                /* of the table that kept and touched are of */
    uint64_t  folded;           /* entries that were written without their
                                   stacks, for lack of room */
} ngx_prof_recording_t;


typedef struct {
    ngx_prof_stacks_t     *stacks;
    ngx_uint_t             size;
    ngx_uint_t             shift;           /* from a value to units */
    ngx_prof_kept_t       *kept;
    uint64_t              *touched;         /* a bit for each entry */
} ngx_prof_recorded_t;


/* where all parts of a recording are, in this process */

typedef struct {
    uint64_t               entry;
    uint64_t               count;
    uint64_t               units;
} ngx_prof_gain_t;


/* what an entry of a table of CPU time has gained in the interval that ends */
typedef void (*ngx_prof_gained_pt)(const ngx_prof_recorded_t *table,
    const ngx_prof_gain_t *gain);


typedef struct {
    ngx_prof_recording_t  *recording;       /* NULL: there is none */
    ngx_prof_gained_pt     gained;          /* the owner's, may be NULL */
    u_char                *ring;
    size_t                 size;            /* of the ring */
    ngx_prof_recorded_t    table[NGX_PROF_RECORDED_TABLES];
} ngx_prof_recorded_slot_t;


/* entries of each table of CPU time, where others have so many */
#define ngx_prof_recorded_cpu_n(stacks)  ((stacks) / 2)

/*
 * Bytes that a recording takes with its tables; open() sets what lies in them,
 * and size of the tables; the caller sets stacks of those that are not CPU
 * time's.
 */
size_t ngx_prof_recording_size(ngx_uint_t cpu, ngx_uint_t waits,
    ngx_uint_t heap, size_t ring);
void ngx_prof_recording_open(ngx_prof_recorded_slot_t *rec, u_char *start,
    ngx_uint_t cpu, ngx_uint_t waits, ngx_uint_t heap, size_t ring);

/*
 * Owner: a new one ends the interval that the one before left, and begins its
 * own; both in ms.  Before its threads sample.
 */
void ngx_prof_recording_take(ngx_prof_recorded_slot_t *rec, ngx_pid_t pid,
    ngx_uint_t worker, uint64_t now, uint64_t keep);

/*
 * Owner: the interval of a group ends now.  keep: ms that the ring is to hold,
 * whatever happens in them.
 */
void ngx_prof_recording_close(ngx_prof_recorded_slot_t *rec, ngx_uint_t group,
    uint64_t now, uint64_t keep);

/*
 * Owner: continues in the other table of CPU time, emptied, if the present one
 * is nearly full and nothing that is kept names the other's entries.
 */
void ngx_prof_recording_turn(ngx_prof_recorded_slot_t *rec);


/* whoever has added to a tally */

static ngx_inline void
ngx_prof_recording_touch(const ngx_prof_recorded_t *table, ngx_uint_t i)
{
    uint64_t  bit, *word;

    bit = (uint64_t) 1 << i % 64;
    word = &table->touched[i / 64];

    if (!(ngx_prof_load(word) & bit)) {
        (void) __atomic_fetch_or(word, bit, __ATOMIC_RELAXED);
    }
}


/* for readers; all numbers come from a private copy of the ring */

typedef struct {
    uint64_t               begin;           /* ms, CLOCK_MONOTONIC */
    uint64_t               end;
    uint64_t               pid;
    uint64_t               worker;
    ngx_uint_t             group;
    const u_char          *p;               /* next section, and the end */
    const u_char          *last;
} ngx_prof_interval_t;

typedef struct {
    ngx_uint_t             table;
    uint64_t               epoch;
    uint64_t               count;           /* without an entry */
    uint64_t               units;
    uint64_t               entry;           /* the latest that was read */
    const u_char          *p;
    const u_char          *last;
} ngx_prof_section_t;

/* the begin of the oldest interval that is kept, in ms; 0: there is none */
uint64_t ngx_prof_recording_since(const ngx_prof_recorded_slot_t *rec);

/*
 * Copies what the ring holds, at most rec->size bytes; returns their number.
 * What was overwritten meanwhile is left out, and *lost is set.
 */
size_t ngx_prof_recording_copy(const ngx_prof_recorded_slot_t *rec, u_char *buf,
    ngx_uint_t *lost);

/*
 * The interval at p, a section of it, an entry of that.  interval() returns
 * where the next one is, NULL: there is none, or what is there is no interval.
 * NGX_DECLINED: there is no further one.
 */
const u_char *ngx_prof_recording_interval(const u_char *p, const u_char *last,
    ngx_prof_interval_t *interval);
ngx_int_t ngx_prof_recording_section(ngx_prof_interval_t *interval,
    ngx_prof_section_t *section);
ngx_int_t ngx_prof_recording_entry(ngx_prof_section_t *section,
    ngx_prof_gain_t *gain);

/*
 * The open interval as if it ended now, as bytes of NGX_PROF_RECORDED_BUF at
 * most; 0: there is none.
 */
size_t ngx_prof_recording_open_interval(const ngx_prof_recorded_slot_t *rec,
    ngx_uint_t group, uint64_t now, u_char *buf);


#endif /* _NGX_PROF_RECORDING_H_INCLUDED_ */
