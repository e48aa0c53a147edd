
/*
 * The layout of the shared-memory zone.
 *
 *     header | places | names | states of pages | rows | pages
 *            | functions of scripts | slot 0 | slot 1 | ...
 *
 *     slot:  ngx_prof_slot_t | history
 *            | stacks of the CPU sampler
 *            | stacks and their base: of blocking, of locks
 *            | stacks of the heap, with what was freed
 *            | recording, with its stacks of CPU time
 *            | dump area
 *
 * Anything can stand in shared memory: each process goes by its own copy of
 * the zone's geometry, ngx_prof_zone_t, which workers inherit from the master
 * and a reload copies from the cycle before.  An index or a length that is
 * read from the zone is checked against that copy.
 *
 * The header and the table of places are written by the master only (or by
 * the single process), while it starts or reloads, unless told otherwise.  A
 * zone lives as long as the master.  A reload that needs more slots adds a
 * region of them, which workers of earlier generations do not see.
 *
 * Processes that serve no requests, helpers, have slots of the same shape in a
 * region of their own: nothing that is summed over slots is of them.
 *
 * A place is a location of a server, known by the names that stand in the
 * configuration.  An index means the same place to the workers of all
 * generations: it is given to another place after the last worker that knew
 * it has gone, and no label names it any more.
 */


#ifndef _NGX_PROF_ZONE_H_INCLUDED_
#define _NGX_PROF_ZONE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_deaths.h"
#include "ngx_prof_elapsed.h"
#include "ngx_prof_functions.h"
#include "ngx_prof_images.h"
#include "ngx_prof_modules.h"
#include "ngx_prof_incidents.h"
#include "ngx_prof_recording.h"
#include "ngx_prof_slot.h"
#include "ngx_prof_slow.h"
#include "ngx_prof_stacks.h"
#include "ngx_prof_dump_area.h"


#define NGX_PROF_MAGIC          0x676e696c69666f72ULL

/* to be raised with every change of a structure in shared memory */
#define NGX_PROF_LAYOUT         20

#define NGX_PROF_SLOTS_MAX      4096

/*
 * Helpers by kind.  The worker number of a helper, and the index of its slot,
 * go on where those of workers end: a kind has two slots, for that of the next
 * generation begins before the present one ends.
 */

typedef enum {
    NGX_PROF_HELPER_MANAGER = 0,                /* of caches */
    NGX_PROF_HELPER_LOADER,
    NGX_PROF_HELPER_OTHER,
    NGX_PROF_HELPER_KINDS
} ngx_prof_helper_kind_e;

#define NGX_PROF_HELPER_SLOTS   2
#define NGX_PROF_HELPERS        (NGX_PROF_HELPER_KINDS * NGX_PROF_HELPER_SLOTS)

#define ngx_prof_helper_worker(kind)    (NGX_PROF_SLOTS_MAX + (kind))
#define ngx_prof_helper_kind(worker)    ((worker) - NGX_PROF_SLOTS_MAX)
#define NGX_PROF_HISTORY_MAX    100000
/* labels have 16 bits for a place + 1 */
#define NGX_PROF_PLACES_MAX     65534

/* pages of a zone, and bytes of one */
#define NGX_PROF_PAGES_MAX      1048576
#define NGX_PROF_PAGE_SIZE      ngx_prof_round(sizeof(ngx_prof_cell_t))

/* names of places take units of so many bytes */
#define NGX_PROF_NAME_UNIT      16
#define NGX_PROF_PLACE_NAMES_MAX      (256 * 1024 * 1024)

/* workers without a slot that are noted */
#define NGX_PROF_WAITING        256

#define NGX_PROF_SERVER_LEN     120
#define NGX_PROF_LOCATION_LEN   374

/* place 0 counts requests whose own place did not fit into the table */
#define NGX_PROF_PLACE_OTHER    0


typedef struct {
    uint64_t               generation;    /* the latest that has it, 0: the
                                             entry is free */
    uint32_t               hash;          /* of both names, uncut */
    uint32_t               first;         /* page + 1 of its first cell, 0:
                                             none; also by workers */
    uint32_t               name;          /* offset of the server's, which the
                                             location's follows */
    uint16_t               server_len;
    uint16_t               location_len;  /* of a named location: with @ */
    uint8_t                has_location;  /* 0: the server, no location yet */
    uint8_t                counted;       /* its requests are */
} ngx_prof_place_t;


/* what anyone may know of a place; the texts are in the zone */

typedef struct {
    ngx_str_t              server;
    ngx_str_t              location;
    uint32_t               hash;
    ngx_uint_t             has_location;
    ngx_uint_t             counted;
    ngx_uint_t             configured;    /* in the present generation */
} ngx_prof_place_name_t;


/*
 * A row, see row.h: number is what its kind makes of it, of a peer the index of
 * the upstream.
 */

#define NGX_PROF_ROW_NAME  107

typedef struct {
    uint64_t               hash;          /* 0: it is free */
    uint32_t               first;         /* page + 1 of the first of its cells,
                                             0: none */
    uint32_t               number;
    uint16_t               len;
    uint8_t                named;         /* 1: the rest is set */
    u_char                 name[NGX_PROF_ROW_NAME];
} ngx_prof_row_t;

/*
 * Peers, kinds of handshakes, and locations with a cache: each with one for
 * those that find no room
 */

#define NGX_PROF_PEERS       257
#define NGX_PROF_TLS_ROWS    65
#define NGX_PROF_CACHE_ROWS  257
#define NGX_PROF_ROWS                                                         \
    (NGX_PROF_PEERS + NGX_PROF_TLS_ROWS + NGX_PROF_CACHE_ROWS)


/* a label: place + 1 (16 bits, 0: unknown), and below it what label.h tells */
#define ngx_prof_label_place(label)     ((label) >> 16)


/*
 * Names of upstreams, and of zones of shared memory for locks: index 0 is none.
 * The last upstream takes what found the table full: labels have 12 bits.
 */

#define NGX_PROF_UPSTREAMS      4096
#define NGX_PROF_ZONES          1024

/* bytes for the texts of both */
#define NGX_PROF_TEXTS          (128 * 1024)

typedef struct {
    uint32_t               start;         /* in the texts */
    uint16_t               len;
    uint16_t               hash;
} ngx_prof_text_name_t;


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
 * A CPU profile that somebody waits for.  owner is claimed (claim.h); the rest
 * is written by the owner, until last: the workers sample while the clock is
 * below it.
 */

#define NGX_PROF_CAPTURES       16

typedef struct {
    uint64_t               owner;         /* pid and start, 0: free */
    uint64_t               until;         /* ns, CLOCK_MONOTONIC */
    uint64_t               worker;        /* pid, 0: all */
} ngx_prof_capture_slot_t;


/*
 * The execution trace that somebody waits for: one at a time.  Claimed as a
 * capture is; seq and capture are then written by the owner before the capture
 * has its time.  The rings are not part of the zone.
 */

typedef struct {
    uint64_t               owner;         /* pid and start, 0: free */
    uint64_t               seq;           /* + 1 with each trace */
    uint64_t               capture;       /* index in zone.capture */
} ngx_prof_trace_zone_t;


/* what of the module's own may be full */

typedef enum {
    NGX_PROF_OWN_SLOTS = 0,
    NGX_PROF_OWN_PLACES,
    NGX_PROF_OWN_PAGES,
    NGX_PROF_OWN_NAMES,
    NGX_PROF_OWN_TABLES,
    NGX_PROF_OWN_EVENTS,
    NGX_PROF_OWN
} ngx_prof_own_e;


/* sizes a zone is made with */

typedef struct {
    ngx_uint_t             slots;
    ngx_uint_t             history;       /* samples a slot */
    ngx_uint_t             places;        /* capacity */
    ngx_uint_t             stacks;        /* capacity of each table, a power of
                                             two */
    ngx_uint_t             dump;          /* bytes of a dump, 0: none */
    ngx_uint_t             names;         /* bytes for names of places */
    ngx_uint_t             pages;         /* see cell.h */
    ngx_uint_t             rows;          /* NGX_PROF_ROWS or 0 */
    ngx_uint_t             functions;     /* of scripts, 0: none */
    ngx_uint_t             record;        /* bytes of a ring, 0: none */
} ngx_prof_shape_t;


typedef struct {
    uint64_t               magic;
    uint64_t               layout;        /* NGX_PROF_LAYOUT */
    uint64_t               size;          /* bytes, all */
    ngx_prof_shape_t       shape;

    /* by the master at each start and reload */
    uint64_t               generation;    /* from 1 */
    uint64_t               reload_time;   /* ms since the epoch, 0: none */
    uint64_t               place_n;       /* entries that were ever used */
    uint64_t               place_lost;    /* found no entry, so far */
    uint64_t               uncounted;     /* of these, in the present
                                             configuration */
    uint64_t               upstream_n;    /* used ones, 0 included */

    /* by any worker, atomically */
    uint64_t               epoch;         /* ms, signed: the day's clock less
                                             CLOCK_MONOTONIC */
    uint64_t               unprofiled;    /* workers that found no slot */
    uint64_t               trim_clock;    /* ns, monotonic, of the latest
                                             forced trim; 0: none */
    uint64_t               page_n;        /* pages that were ever taken */
    uint64_t               page_free;     /* of these, given back; signed */
    uint64_t               full;          /* 1: a place found no page since
                                             the latest start or reload */
    uint64_t               rows_lost;     /* counts that found no page, or no
                                             rows, so far */
    uint64_t               full_since[NGX_PROF_OWN];
                                          /* ns: when a worker found it so, 0:
                                             it is not */
    uint64_t               zone_since[NGX_PROF_ZONES];
                                          /* the same of zones of shared memory
                                             that are nearly full, by name */
    uint64_t               waiting[NGX_PROF_WAITING];
                                          /* claims of workers without a slot,
                                             0: free */

    ngx_prof_capture_slot_t
                           capture[NGX_PROF_CAPTURES];
    ngx_prof_trace_zone_t
                           trace;
    ngx_prof_text_name_t   upstream[NGX_PROF_UPSTREAMS];

    uint64_t               name_n;        /* used ones, 0 included */
    ngx_prof_text_name_t   name[NGX_PROF_ZONES];

    uint64_t               unnamed;       /* of upstreams and zones that found
                                             no room, since the latest start or
                                             reload */
    uint64_t               text_n;        /* bytes used */
    u_char                 text[NGX_PROF_TEXTS];

    ngx_prof_deaths_t      deaths;
} ngx_prof_header_t;


/* slots that were added at once; their memory is shared, of all workers */

#define NGX_PROF_REGIONS        13

typedef struct {
    u_char                *start;
    ngx_uint_t             n;
    u_char                *rings;         /* of traces, NULL: none */
} ngx_prof_region_t;


/* a process's own copy of the geometry, beside where the zone lies */

typedef struct {
    uint64_t               magic;
    uint64_t               layout;

    ngx_prof_header_t     *header;
    ngx_prof_shape_t       shape;         /* as the zone was made */
    size_t                 size;

    ngx_uint_t             slots;         /* of all regions */
    ngx_uint_t             history;
    ngx_uint_t             places;
    ngx_uint_t             stacks;
    ngx_uint_t             dump;
    size_t                 ring;          /* bytes of a trace's ring */

    uint64_t               start_time;    /* ms since the epoch, UTC */
    uint64_t               start_clock;   /* ns, CLOCK_MONOTONIC */
    uint64_t               cookie;        /* random: in anonymous names */

    ngx_prof_incidents_t  *incidents;     /* NULL: there are none */
    ngx_uint_t             incident_n;
    ngx_prof_image_t      *images;        /* NULL: there are none */
    ngx_prof_modules_t    *modules;       /* NULL: CPU time is not told by them;
                                             memory of its own */

    ngx_prof_slow_table_t *slow;          /* NULL: none; memory of its own, as
                                             the next */
    ngx_prof_elapsed_t    *elapsed;

    ngx_uint_t             region_n;
    ngx_prof_region_t      region[NGX_PROF_REGIONS];
    ngx_prof_region_t      helper;        /* n 0: none */
} ngx_prof_zone_t;


/* the parts of a slot begin on cache lines of their own */

#define ngx_prof_round(n)                                                     \
    (((n) + NGX_PROF_LINE - 1)                                                \
     & ~(size_t) (NGX_PROF_LINE - 1))

/* bytes that a zone of this shape takes, 0 if it is out of the limits */
size_t ngx_prof_zone_size(const ngx_prof_shape_t *shape);

/* bytes of one slot with what follows it */
size_t ngx_prof_zone_slot_size(const ngx_prof_shape_t *shape);

/*
 * By the master: lays a zone out in fresh memory, which is zero and aligned to
 * a page.  time: ms since the epoch; clock: ns of CLOCK_MONOTONIC.
 */
void ngx_prof_zone_init(ngx_prof_zone_t *zone, void *memory,
    const ngx_prof_shape_t *shape, uint64_t time, uint64_t clock);

/*
 * By the master: n more slots, in memory that is zero, shared with workers
 * that start from now on, and of n times slot_size().  NGX_DECLINED: they are
 * too many.
 */
ngx_int_t ngx_prof_zone_grow(ngx_prof_zone_t *zone, void *memory,
    ngx_uint_t n);

/* "worker", or what a helper is called, by its worker number */
const char *ngx_prof_process_name(uint64_t worker);

/* by the master: memory as of grow(), for NGX_PROF_HELPERS slots */
void ngx_prof_zone_add_helpers(ngx_prof_zone_t *zone, void *memory);

/*
 * Clocks of the zone are CLOCK_MONOTONIC, which nobody sets.  By any worker
 * that has read both clocks, ms since the epoch and ns: what the day's clock
 * said then.  zone_day() is that time of a clock, so that the order of events
 * is that of their times, whatever was done to the day's clock meanwhile.
 */
void ngx_prof_zone_set_day(ngx_prof_zone_t *zone, uint64_t time,
    uint64_t clock);
uint64_t ngx_prof_zone_day(const ngx_prof_zone_t *zone, uint64_t clock);

/* by the single process: the zone lies at another address */
void ngx_prof_zone_move(ngx_prof_zone_t *zone, void *memory);

/*
 * Whether the header is as it was made: NULL, or what is wrong with it.
 * Nothing goes by the header's sizes, but what overwrote them may have hit
 * more.
 */
const char *ngx_prof_zone_check(const ngx_prof_zone_t *zone);

/* by the master: writes the header's sizes again, and counts that cannot be */
void ngx_prof_zone_mend(ngx_prof_zone_t *zone);

ngx_prof_slot_t *ngx_prof_zone_slot(const ngx_prof_zone_t *zone, ngx_uint_t i);
ngx_uint_t ngx_prof_zone_slot_index(const ngx_prof_zone_t *zone,
    const ngx_prof_slot_t *slot);

/* slots of all processes, those of helpers behind those of workers */
ngx_uint_t ngx_prof_zone_process_n(const ngx_prof_zone_t *zone);
ngx_prof_slot_t *ngx_prof_zone_process(const ngx_prof_zone_t *zone,
    ngx_uint_t i);

ngx_prof_sample_t *ngx_prof_zone_history(const ngx_prof_slot_t *slot);

/* the ring of a trace of the slot with this index, NULL: there is none */
u_char *ngx_prof_zone_ring(const ngx_prof_zone_t *zone, ngx_uint_t i);

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

/* where the recording of a slot is, if the zone has room for one */
void ngx_prof_zone_recorder(const ngx_prof_zone_t *zone,
    const ngx_prof_slot_t *slot, ngx_prof_recorded_slot_t *rec);

/* of the slot with this index; NULL: the zone has no room for dumps */
ngx_prof_dump_area_t *ngx_prof_zone_dump(const ngx_prof_zone_t *zone,
    ngx_uint_t i);

/* shape.functions of them */
ngx_prof_function_t *ngx_prof_zone_functions(const ngx_prof_zone_t *zone);

/* a page; NULL: there is none with this index */
ngx_prof_cell_t *ngx_prof_zone_page(const ngx_prof_zone_t *zone,
    ngx_uint_t i);
uint32_t *ngx_prof_zone_states(const ngx_prof_zone_t *zone);

/* row: below shape.rows */
ngx_prof_row_t *ngx_prof_zone_row(const ngx_prof_zone_t *zone, ngx_uint_t row);


/* entries of the tables that may be read, never more than there are */
ngx_uint_t ngx_prof_zone_place_n(const ngx_prof_zone_t *zone);
ngx_uint_t ngx_prof_zone_upstream_n(const ngx_prof_zone_t *zone);
ngx_uint_t ngx_prof_zone_name_n(const ngx_prof_zone_t *zone);

/* place: below places; for the registry and cells */
ngx_prof_place_t *ngx_prof_zone_place(const ngx_prof_zone_t *zone,
    ngx_uint_t place);
u_char *ngx_prof_zone_names(const ngx_prof_zone_t *zone);

/* NGX_DECLINED: there is no such place */
ngx_int_t ngx_prof_zone_place_name(const ngx_prof_zone_t *zone,
    ngx_uint_t place, ngx_prof_place_name_t *name);

/* the names of an upstream, and of a zone of shared memory; "": none */
void ngx_prof_zone_upstream(const ngx_prof_zone_t *zone, ngx_uint_t i,
    ngx_str_t *name);
void ngx_prof_zone_name(const ngx_prof_zone_t *zone, ngx_uint_t i,
    ngx_str_t *name);

/* by the master: the index of an upstream, added if it is not known */
ngx_uint_t ngx_prof_zone_register_upstream(ngx_prof_zone_t *zone,
    const ngx_str_t *name);

/* by the master: the same for a zone of shared memory; 0: the table is full */
ngx_uint_t ngx_prof_zone_register_name(ngx_prof_zone_t *zone,
    const ngx_str_t *name);

/* by anyone: its index, 0: it is not there */
ngx_uint_t ngx_prof_zone_find_name(const ngx_prof_zone_t *zone,
    const ngx_str_t *name);

/* copies a name that is cut to max bytes; returns its length */
size_t ngx_prof_zone_cut(u_char *dst, size_t max, const ngx_str_t *name);


#endif /* _NGX_PROF_ZONE_H_INCLUDED_ */
