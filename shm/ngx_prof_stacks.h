
/*
 * A table of stacks with what was counted for each: append-only, cumulative.
 *
 * Stacks are kept as a tree from the thread's start: a node is a frame below
 * its parent, so that stacks share what they have in common.  A tally counts
 * one stack under one label.  What happened between two moments is the
 * difference of two readings, so any number of readers may overlap.
 *
 * Written from signal handlers of several threads of the slot's owner, read
 * by any process, all without locks: an entry is filled first and then found
 * through a hash, by one atomic step.  A writer that is killed between leaves
 * an entry that nobody finds.
 */


#ifndef _NGX_PROF_STACKS_H_INCLUDED_
#define _NGX_PROF_STACKS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_record.h"


#define NGX_PROF_STACKS_MIN     1024
#define NGX_PROF_STACKS_MAX     131072

/*
 * Places of the hash that are probed before the table counts as full.  The
 * first places are next to those of the entry's parent, which was touched just
 * before, so a sample touches few pages.
 */

#define NGX_PROF_STACKS_NEAR    8
#define NGX_PROF_STACKS_PROBES  128

/* a place of the hash: an index, and above it bits of the key, 0: free */
#define NGX_PROF_STACKS_INDEX   (NGX_PROF_STACKS_MAX - 1)


typedef struct {
    uint64_t  pc;
    uint32_t  parent;           /* a node, 0: this one is the root */
    uint32_t  note;             /* the owner's, of the stack that ends here */
} ngx_prof_node_t;


typedef struct {
    uint32_t  node;             /* of the innermost frame, 0: not filled */
    uint32_t  label;
    uint64_t  count;
    uint64_t  value;
} ngx_prof_tally_t;


/*
 * Followed by nodes[size], tallies[size], and two hashes of 2 * size indices.
 * size is a power of two.
 */

typedef struct {
    uint64_t  node_n;           /* nodes handed out, entry 0 is never used */
    uint64_t  tally_n;
    uint64_t  epoch;            /* + 1 each time the table is emptied */
    uint64_t  writers;          /* threads inside add() */
    uint64_t  closed;           /* being emptied */
    uint64_t  dropped;          /* counts that found no room */
    uint64_t  dropped_value;
} ngx_prof_stacks_t;


/* frames of a stack that its successor may be found by */
#define NGX_PROF_STACKS_PATH    130


/*
 * The latest stack that a thread has added, from its root on.  The next stack
 * shares most of the callers, which are then not looked up again.  Private to
 * one thread; all zeros: no stack yet.
 */

typedef struct {
    const ngx_prof_stacks_t  *stacks;
    uint64_t                  epoch;
    ngx_uint_t                n;
    uint64_t                  walk;            /* the caller's */
    ngx_uint_t                same;            /* the same: frames behind the
                                                  root that the next stack has,
                                                  too, if its root is this one;
                                                  0: they are compared */
    uint64_t                  pc[NGX_PROF_STACKS_PATH];
    uint32_t                  node[NGX_PROF_STACKS_PATH];
} ngx_prof_path_t;


/* bytes of a table, a multiple of 64 */
size_t ngx_prof_stacks_size(ngx_uint_t size);

/*
 * Adds count and value to a stack of n frames, innermost first, under a
 * label.  Owner's threads; signal-safe.  NGX_DECLINED: the table is full, and
 * the stack is counted in dropped.
 */
ngx_int_t ngx_prof_stacks_add(ngx_prof_stacks_t *stacks, ngx_uint_t size,
    const uint64_t *pcs, ngx_uint_t n, uint32_t label, uint64_t count,
    uint64_t value);

/* the same, with the path of the thread that calls it */
ngx_int_t ngx_prof_stacks_add_path(ngx_prof_stacks_t *stacks, ngx_uint_t size,
    ngx_prof_path_t *path, const uint64_t *pcs, ngx_uint_t n, uint32_t label,
    uint64_t count, uint64_t value);

/*
 * For owners that update tallies themselves: returns the index of the tally of
 * a stack under a label, and adds a new tally if needed.  0: the table is full;
 * count and value are added to dropped.  Signal-safe.
 */
ngx_uint_t ngx_prof_stacks_put(ngx_prof_stacks_t *stacks, ngx_uint_t size,
    ngx_prof_path_t *path, const uint64_t *pcs, ngx_uint_t n, uint32_t label,
    uint64_t count, uint64_t value);

/* adds to a tally that put() has returned.  Signal-safe. */
void ngx_prof_stacks_count(ngx_prof_stacks_t *stacks, ngx_uint_t size,
    ngx_uint_t i, uint64_t count, uint64_t value);

/*
 * Prefetches the memory that add_path() will probably need.  To be called some
 * time before add_path(); signal-safe.
 */
void ngx_prof_stacks_prefetch(const ngx_prof_stacks_t *stacks,
    const ngx_prof_path_t *path);

/*
 * Takes over the table of an ended owner, who may have been killed while
 * writing or clearing it.  New owner, before its threads add stacks.
 */
void ngx_prof_stacks_take(ngx_prof_stacks_t *stacks, ngx_uint_t size);

/*
 * Clears the table.  By the owner in normal context, while no reader computes a
 * difference.  NGX_DECLINED: another thread is adding a stack.
 */
ngx_int_t ngx_prof_stacks_empty(ngx_prof_stacks_t *stacks, ngx_uint_t size);

/* entries to read: indices 1 .. n - 1 */
ngx_uint_t ngx_prof_stacks_tallies(const ngx_prof_stacks_t *stacks,
    ngx_uint_t size);

/* copies tally i; NGX_DECLINED: it was not filled */
ngx_int_t ngx_prof_stacks_tally(const ngx_prof_stacks_t *stacks,
    ngx_uint_t size, ngx_uint_t i, ngx_prof_tally_t *tally);

/*
 * What the owner has noted of the stack that ends in a node, 0: nothing yet.
 * It is gone when the table is emptied.
 */
uint32_t ngx_prof_stacks_noted(const ngx_prof_stacks_t *stacks,
    ngx_uint_t size, uint32_t node);
void ngx_prof_stacks_note(ngx_prof_stacks_t *stacks, ngx_uint_t size,
    uint32_t node, uint32_t note);

/* whether no further stack finds room */
ngx_uint_t ngx_prof_stacks_full(const ngx_prof_stacks_t *stacks,
    ngx_uint_t size);

/* frames of a node, innermost first; their number, at most max */
ngx_uint_t ngx_prof_stacks_frames(const ngx_prof_stacks_t *stacks,
    ngx_uint_t size, uint32_t node, uint64_t *pcs, ngx_uint_t max);


#endif /* _NGX_PROF_STACKS_H_INCLUDED_ */
