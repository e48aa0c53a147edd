
/*
 * The layout of the shared-memory zone.
 *
 *     header | places | slot 0 | slot 1 | ...
 *            | dump area of slot 0 | of slot 1 | ...
 *
 *     slot:  ngx_prof_slot_t | history | places | base of places
 *            | stacks of the CPU sampler
 *            | stacks and their base: of blocking, of locks
 *            | stacks of the heap, with what was freed
 *
 * The header and the names of the places are written by the master only (or
 * by the single process), while it starts or reloads; workers only read them.
 * A zone lives as long as the master: a reload attaches to it, and is
 * refused if it would have to be laid out in another way.
 *
 * A place is a location of a server, known by the names that stand in the
 * configuration.  Places are never removed or renamed, so an index means the
 * same place to the workers of all generations.
 */


#ifndef _NGX_PROF_ZONE_H_INCLUDED_
#define _NGX_PROF_ZONE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_slot.h"
#include "ngx_prof_stacks.h"
#include "ngx_prof_dump_area.h"


#define NGX_PROF_MAGIC          0x676e696c69666f72ULL

/* to be raised with every change of a structure in shared memory */
#define NGX_PROF_LAYOUT         4

#define NGX_PROF_SLOTS_MAX      4096
#define NGX_PROF_HISTORY_MAX    100000
#define NGX_PROF_PLACES_MAX     65536

#define NGX_PROF_SERVER_LEN     120
#define NGX_PROF_LOCATION_LEN   374

/* place 0 counts requests whose own place did not fit into the table */
#define NGX_PROF_PLACE_OTHER    0


typedef struct {
    uint64_t               generation;    /* the latest that has it */
    uint16_t               server_len;
    uint16_t               location_len;  /* of a named location: with @ */
    uint32_t               hash;          /* of both names, uncut */
    uint8_t                has_location;  /* 0: the server, no location yet */
    uint8_t                counted;       /* its requests are */
    u_char                 server[NGX_PROF_SERVER_LEN];
    u_char                 location[NGX_PROF_LOCATION_LEN];
} ngx_prof_place_t;


/* upstream 0 is none; the last one takes what found the table full */

#define NGX_PROF_UPSTREAMS      1024
#define NGX_PROF_UPSTREAM_LEN   62

typedef struct {
    uint16_t               len;
    u_char                 name[NGX_PROF_UPSTREAM_LEN];
} ngx_prof_upstream_t;


/* zones of shared memory by name, for locks; as the upstreams */

#define NGX_PROF_ZONES          256


/*
 * Two cumulative tables of stacks a slot.  Counts continue through all owners;
 * a base has the counts when the present owner claimed the slot.  The root of
 * a stack is the owner's slot->image.
 */

typedef enum {
    NGX_PROF_BLOCK = 0,
    NGX_PROF_MUTEX,
    NGX_PROF_WAITS
} ngx_prof_wait_e;


typedef struct {
    uint64_t               count;
    uint64_t               value;
} ngx_prof_wait_base_t;


/*
 * A CPU profile that somebody waits for.  Claimed by setting owner from 0,
 * atomically; the rest is written by the owner, until last: the workers
 * sample while the clock is below it.
 */

#define NGX_PROF_CAPTURES       16

typedef struct {
    uint64_t               owner;         /* pid, 0: free */
    uint64_t               until;         /* ns, CLOCK_MONOTONIC */
    uint64_t               worker;        /* pid, 0: all */
} ngx_prof_capture_slot_t;


/*
 * The execution trace that somebody waits for: one at a time.  Claimed as a
 * capture is, by setting owner; seq and capture are then written by the owner
 * before the capture has its time.  The rings are not part of the zone.
 */

typedef struct {
    uint64_t               owner;         /* pid, 0: free */
    uint64_t               seq;           /* + 1 with each trace */
    uint64_t               capture;       /* index in zone.capture */
    uint64_t               base;          /* by the master: address of the
                                             rings, the same in all processes;
                                             0: there are none */
    uint64_t               size;          /* bytes of a ring, with its header */
} ngx_prof_trace_zone_t;


typedef struct {
    uint64_t               magic;
    uint64_t               layout;        /* NGX_PROF_LAYOUT */
    uint64_t               size;          /* bytes, all */
    uint64_t               slots;
    uint64_t               history;       /* samples a slot */
    uint64_t               places;        /* capacity */
    uint64_t               stacks;        /* capacity of each table */
    uint64_t               slot_size;     /* bytes, with what follows it */
    uint64_t               slots_offset;
    uint64_t               dump;          /* bytes of a dump, 0: none */
    uint64_t               dumps_offset;

    uint64_t               start_time;    /* ms since the epoch, UTC */
    uint64_t               start_clock;   /* ns, CLOCK_MONOTONIC */
    uint64_t               cookie;        /* random, see anonymous.h */

    /* by the master at each start and reload */
    uint64_t               generation;    /* from 1 */
    uint64_t               reload_time;   /* ms since the epoch, 0: none */
    uint64_t               place_n;       /* used places */
    uint64_t               place_lost;    /* found the table full */
    uint64_t               upstream_n;    /* used ones, 0 included */

    /* by any worker, atomically */
    uint64_t               unprofiled;    /* workers that found no slot */
    uint64_t               trim_clock;    /* ns, monotonic, of the latest
                                             forced trim; 0: none */

    ngx_prof_capture_slot_t
                           capture[NGX_PROF_CAPTURES];
    ngx_prof_trace_zone_t
                           trace;
    ngx_prof_upstream_t
                           upstream[NGX_PROF_UPSTREAMS];

    uint64_t               name_n;        /* used ones, 0 included */
    ngx_prof_upstream_t
                           name[NGX_PROF_ZONES];
} ngx_prof_zone_t;


/* the parts of a slot begin on cache lines of their own */

#define ngx_prof_round(n)                                                     \
    (((n) + NGX_PROF_LINE - 1)                                                \
     & ~(size_t) (NGX_PROF_LINE - 1))

#define NGX_PROF_COUNTS_SIZE                                                  \
    ngx_prof_round(sizeof(ngx_prof_counts_t))


/* sizes a zone is made with */

typedef struct {
    ngx_uint_t             slots;
    ngx_uint_t             history;
    ngx_uint_t             places;
    ngx_uint_t             stacks;        /* a power of two */
    ngx_uint_t             dump;          /* bytes of a dump, 0: none */
} ngx_prof_shape_t;


/* bytes that a zone of this shape takes, 0 if it is out of the limits */
size_t ngx_prof_zone_size(const ngx_prof_shape_t *shape);

/*
 * Lays a zone out in fresh memory, which is zero and aligned to a page.
 * time: ms since the epoch; clock: ns of CLOCK_MONOTONIC.
 */
void ngx_prof_zone_init(ngx_prof_zone_t *zone, const ngx_prof_shape_t *shape,
    uint64_t time, uint64_t clock);

/*
 * Whether memory holds a zone of this layout that fits into size bytes:
 * NULL, or what is wrong with it.
 */
const char *ngx_prof_zone_check(const ngx_prof_zone_t *zone, size_t size);

ngx_prof_slot_t *ngx_prof_zone_slot(const ngx_prof_zone_t *zone, ngx_uint_t i);
ngx_uint_t ngx_prof_zone_slot_index(const ngx_prof_zone_t *zone,
    const ngx_prof_slot_t *slot);
ngx_prof_sample_t *ngx_prof_zone_history(const ngx_prof_slot_t *slot);
ngx_prof_counts_t *ngx_prof_zone_counts(const ngx_prof_zone_t *zone,
    const ngx_prof_slot_t *slot, ngx_uint_t place);
ngx_prof_counts_t *ngx_prof_zone_base_counts(const ngx_prof_zone_t *zone,
    const ngx_prof_slot_t *slot, ngx_uint_t place);

ngx_prof_stacks_t *ngx_prof_zone_stacks(const ngx_prof_zone_t *zone,
    const ngx_prof_slot_t *slot);

/* capacity of the tables of blocking and of locks, and the two parts of one */
ngx_uint_t ngx_prof_zone_wait_size(ngx_uint_t stacks);
ngx_prof_stacks_t *ngx_prof_zone_waits(const ngx_prof_zone_t *zone,
    const ngx_prof_slot_t *slot, ngx_uint_t wait);
ngx_prof_wait_base_t *ngx_prof_zone_wait_base(const ngx_prof_zone_t *zone,
    const ngx_prof_slot_t *slot, ngx_uint_t wait);

/*
 * Of the heap: the table of stacks, and for each tally its value when the
 * present owner claimed the slot, and what that owner has freed since.
 */

typedef struct {
    uint64_t               base_count;    /* units as the tally's */
    uint64_t               base_value;
    uint64_t               freed_count;
    uint64_t               freed_value;
} ngx_prof_freed_t;

#define ngx_prof_zone_heap_n(stacks)  ((stacks) / 2)

ngx_prof_stacks_t *ngx_prof_zone_heap(const ngx_prof_zone_t *zone,
    const ngx_prof_slot_t *slot);
ngx_prof_freed_t *ngx_prof_zone_freed(const ngx_prof_zone_t *zone,
    const ngx_prof_slot_t *slot);

/* of the slot with this index; NULL: the zone has no room for dumps */
ngx_prof_dump_area_t *ngx_prof_zone_dump(const ngx_prof_zone_t *zone,
    ngx_uint_t i);

ngx_prof_place_t *ngx_prof_zone_place(const ngx_prof_zone_t *zone,
    ngx_uint_t place);

/*
 * By the master: the index of a place, which is added if it is new.
 * location is NULL for the server itself; counted: whether its requests are.
 * PLACE_OTHER if the table is full.
 */
ngx_uint_t ngx_prof_zone_register(ngx_prof_zone_t *zone,
    const ngx_str_t *server, const ngx_str_t *location, ngx_uint_t counted);

/* by the master: the index of an upstream, added if it is not known */
ngx_uint_t ngx_prof_zone_register_upstream(ngx_prof_zone_t *zone,
    const ngx_str_t *name);

/* by the master: the same for a zone of shared memory; 0: the table is full */
ngx_uint_t ngx_prof_zone_register_name(ngx_prof_zone_t *zone,
    const ngx_str_t *name);


#endif /* _NGX_PROF_ZONE_H_INCLUDED_ */
