
/*
 * A slot: what one worker writes about itself.
 *
 * A worker claims a slot when it starts, and only that worker writes to it.
 * Its counters are never reset: the next owner of the slot copies them to
 * `base` and continues counting.  So totals of ended workers need neither a
 * transfer nor a lock, a process killed at any instruction loses nothing, and
 * no counter ever decreases.
 * Sum over all slots: the zone since its start.  Slot minus base: the slot's
 * present worker.  Gauges are valid only while the owner lives.
 *
 * Unless told otherwise a field is written by the owner; anyone may read.
 */


#ifndef _NGX_PROF_SLOT_H_INCLUDED_
#define _NGX_PROF_SLOT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_arch.h"
#include "ngx_prof_deaths.h"
#include "ngx_prof_record.h"
#include "ngx_prof_histogram.h"
#include "ngx_prof_ring.h"
#include "ngx_prof_units.h"


#define NGX_PROF_LINE       64

/* number of counted response codes, see ngx_prof_code_index() */
#define NGX_PROF_CODES      80

/* the index of the most frequent one */
#define NGX_PROF_CODE_200   9

/* the latest pauses kept, a power of two */
#define NGX_PROF_PAUSES     256

/* frames of a pause, the innermost ones */
#define NGX_PROF_PAUSE_FRAMES  24

/* health reports pauses from this length on, ns */
#define NGX_PROF_PAUSE_LONG      NGX_PROF_NSEC_PER_SEC

/* figures that a worker may be unable to get: bits of gauges.unavailable */
#define NGX_PROF_NO_HEAP    0x0001
#define NGX_PROF_NO_ALLOC   0x0002            /* total_alloc */
#define NGX_PROF_NO_MEMORY  0x0004            /* anonymous and shared */
#define NGX_PROF_NO_STACKS  0x0008
#define NGX_PROF_NO_FDS     0x0010
#define NGX_PROF_NO_LOOP    0x0020            /* epoll_wait not interposed */
#define NGX_PROF_NO_TRIM    0x0040            /* next_gc */
#define NGX_PROF_NO_TASKS   0x0080
#define NGX_PROF_NO_ACCEPT  0x0100
#define NGX_PROF_NO_INTERVAL  0x0200          /* has not lived for one */
#define NGX_PROF_NO_USAGE   0x0400            /* of one that hangs */
#define NGX_PROF_NO_TICK    0x0800            /* gauges: none yet */
#define NGX_PROF_NO_SAMPLE  0x1000            /* gauges: not of that tick */
#define NGX_PROF_NO_COUNT   0x2000            /* total_alloc, not yet */
#define NGX_PROF_NO_TLS     0x4000            /* OpenSSL is not interposed */

/* figures that are not measured: bits of gauges.estimated */
#define NGX_PROF_ESTIMATED_INHERITED  0x0001
#define NGX_PROF_ESTIMATED_HEAP       0x0002  /* heap_alloc, heap_sys */


/* requests that have ended, of a worker or of one place of it */

typedef struct {
    uint64_t          code[NGX_PROF_CODES];
    uint64_t          bytes_in;
    uint64_t          bytes_out;
    uint64_t          after;                    /* of these requests, worked
                                                   for after their response */
    uint64_t          after_time;               /* ns of that */
    uint64_t          no_live;                  /* tries of upstreams that had
                                                   no live peer to ask */
    uint64_t          internal;                 /* error pages served for
                                                   requests of other places */
    uint64_t          handed_over;              /* requests that another place
                                                   counts */

    /*
     * of slices: see slice.h; ns, and bytes.  Those of a whole worker are of
     * slices that belong to no location
     */

    uint64_t          cpu;
    uint64_t          loop;
    uint64_t          wait;
    uint64_t          blocked;
    uint64_t          alloc;
} ngx_prof_plain_t;


typedef struct {
    ngx_prof_plain_t  plain;
    ngx_prof_hist_t   latency;
    ngx_prof_hist_t   upstream;
} ngx_prof_counts_t;


/*
 * The same of one place, in a page of the zone: see cell.h.  Buckets of a
 * histogram come in chunks, one a power of two, as they are first used.  The
 * index 0 has the counters, 1 the base.
 */

enum {
    NGX_PROF_LATENCY = 0,
    NGX_PROF_UPSTREAM,
    NGX_PROF_CONNECT,                           /* of rows alone: row.h */
    NGX_PROF_HISTS
};

#define NGX_PROF_CELL_BUCKETS  (1 << NGX_PROF_HIST_SUB_BITS)
#define NGX_PROF_HIST_CHUNKS                                                  \
    ((NGX_PROF_HIST_BUCKETS + NGX_PROF_CELL_BUCKETS - 1)                      \
     / NGX_PROF_CELL_BUCKETS)
#define NGX_PROF_CELL_CHUNKS  (NGX_PROF_HISTS * NGX_PROF_HIST_CHUNKS)

/* chunks of a page, and pages that all chunks but the first take */
#define NGX_PROF_PAGE_CHUNKS   4
#define NGX_PROF_CELL_PAGES                                                  \
    ((NGX_PROF_CELL_CHUNKS - 1 + NGX_PROF_PAGE_CHUNKS - 1)                   \
     / NGX_PROF_PAGE_CHUNKS)

typedef struct {
    uint64_t          bucket[2][NGX_PROF_CELL_BUCKETS];
} ngx_prof_chunk_t;


typedef struct {
    uint64_t          sum;                      /* as of a histogram */
    uint64_t          max;
    uint64_t          top;
} ngx_prof_head_t;


typedef struct {
    uint32_t          place;                    /* + 1, 0: none */
    uint32_t          slot;                     /* index of its slot */
    uint32_t          next;                     /* page + 1 of the place's
                                                   next cell, 0: none */
    uint32_t          chunks;                   /* handed out */
    uint64_t          claims;                   /* of the slot, when the base
                                                   was copied */
    ngx_prof_plain_t  plain[2];
    ngx_prof_head_t   head[2][NGX_PROF_HISTS];
    uint8_t           chunk[NGX_PROF_CELL_CHUNKS];
                                                /* of the histograms, one after
                                                   the other: + 1, 0: none */
    uint32_t          page[NGX_PROF_CELL_PAGES];
                                                /* + 1, of chunks; 0: none */
    ngx_prof_chunk_t  first;
} ngx_prof_cell_t;


/* of the place `other`: with all chunks, so that it always has room */

typedef struct {
    ngx_prof_cell_t   cell;
    ngx_prof_chunk_t  chunk[NGX_PROF_CELL_CHUNKS - 1];
} ngx_prof_other_t;


/* parts of what the module itself takes of a processor */

typedef enum {
    NGX_PROF_METER_CPU = 0,              /* samples of CPU time for captures */
    NGX_PROF_METER_HEAP,                 /* hooks of malloc() and samples */
    NGX_PROF_METER_WAIT,                 /* likewise of blocking and locks */
    NGX_PROF_METER_TICK,
    NGX_PROF_METER_RECORD,               /* samples of CPU time, if no capture
                                           wants them */
    NGX_PROF_METER_ANSWERS,
    NGX_PROF_METER_ENCODER,
    NGX_PROF_METERS
} ngx_prof_meter_e;


/* counters of a worker; all only grow */

typedef struct {
    uint64_t  iterations;       /* passes of the event loop */
    uint64_t  events;           /* events that epoll_wait returned */
    uint64_t  busy;             /* ns between two waits */
    uint64_t  wait;             /* ns in epoll_wait */
    uint64_t  pauses;
    uint64_t  pause_total;      /* ns */
    uint64_t  accepted;         /* connections */
    uint64_t  dropped;          /* of these, no connection was free */
    uint64_t  tasks;            /* handed to thread pools */
    uint64_t  total_alloc;      /* bytes */
    uint64_t  mallocs;          /* allocations, of these bytes */
    uint64_t  frees;
    uint64_t  user;             /* us of CPU time */
    uint64_t  system;           /* us of CPU time */
    uint64_t  voluntary;        /* context switches */
    uint64_t  involuntary;      /* context switches */
    uint64_t  minor_faults;
    uint64_t  major_faults;
    uint64_t  trims;            /* forced collections */
    uint64_t  ticks;
    uint64_t  tick_time;        /* ns spent in ticks */
    uint64_t  meter[NGX_PROF_METERS];
                                /* ns of CPU time, by ngx_prof_meter_e; any
                                   thread adds */
    uint64_t  unmeasured;       /* encoders whose CPU time is not known */
} ngx_prof_totals_t;


/* what rates are of: counters of a worker at a time, or what was added since */

typedef struct {
    uint64_t  clock;            /* ns */
    uint64_t  requests;
    uint64_t  errors;
    uint64_t  busy;             /* ns */
    uint64_t  cpu;              /* us */
} ngx_prof_rated_t;


/*
 * What holds a worker that drains: its clients, those of them that have gone
 * over to another protocol, and the place where most of them are.
 */

typedef struct {
    uint64_t  since;            /* ns, CLOCK_MONOTONIC; 0: it does not drain */
    uint64_t  clients;
    uint64_t  upgraded;
    uint64_t  place;            /* + 1; 0: no request of any is known */
    uint64_t  held;             /* at that place */
    uint64_t  held_upgraded;
    uint64_t  oldest;           /* ns: when the oldest request began, 0: none */
} ngx_prof_drain_t;


/* what a worker found at its latest tick; valid while it lives */

typedef struct {
    uint64_t  clock;            /* ns of CLOCK_MONOTONIC, 0: none yet */
    uint64_t  unavailable;      /* NGX_PROF_NO_* */
    uint64_t  draining;         /* 1: finishes its connections, then exits */
    ngx_prof_drain_t  drain;
    uint64_t  accept_wait;      /* ns that a connection has waited to be
                                   accepted, at most, since the tick before */

    uint64_t  heap_alloc;       /* bytes, as all below but the counts */
    uint64_t  heap_sys;
    uint64_t  next_gc;
    uint64_t  anonymous;        /* less what others count */
    uint64_t  inherited;        /* pages of the master's, counted by others */
    uint64_t  estimated;        /* NGX_PROF_ESTIMATED_INHERITED .. */
    uint64_t  shared;           /* shared memory, resident */
    uint64_t  files;            /* mapped files, resident */
    uint64_t  stack_inuse;
    uint64_t  stack_sys;
    uint64_t  stack_main;       /* mapped for the main thread's stack */
    uint64_t  threads;
    uint64_t  descriptors;
    uint64_t  descriptor_limit;
    uint64_t  descriptors_since;  /* ns: nearly all are open, 0: they are not */

    uint64_t  connection_n;     /* worker_connections */
    uint64_t  connections_since;  /* ns: nearly all are in use, 0: they are
                                     not */
    uint64_t  connections;      /* client + upstream + idle ones + other,
                                   + streams */
    uint64_t  active;           /* client connections */
    uint64_t  reading;
    uint64_t  writing;
    uint64_t  waiting;
    uint64_t  upstream;         /* in use */
    uint64_t  keepalive;        /* upstream connections kept alive */
    uint64_t  other;            /* resolvers, mail, stream and others */
    uint64_t  streams;          /* of HTTP/2, being served */
    uint64_t  free;

    ngx_prof_rated_t  interval; /* in the latest one; clock 0: none yet */
    ngx_prof_rated_t  since;    /* when the present one began */

    uint64_t  collect;          /* ns that the latest tick took */
    uint64_t  throttle[NGX_PROF_METERS];
                                /* how often the rate of a part is halved */
} ngx_prof_gauges_t;


typedef enum {
    NGX_PROF_CAUSE_UNKNOWN = 0,
    NGX_PROF_CAUSE_TRIM,
    NGX_PROF_CAUSE_CPU,                 /* frames: on the processor */
    NGX_PROF_CAUSE_BLOCKED              /* frames: in a call that waited */
} ngx_prof_cause_e;


/* one pause of the event loop; seq guards the rest */

typedef struct {
    uint64_t  seq;
    uint64_t  number;           /* of the slot's pauses, from 1; 0: none */
    uint64_t  clock;            /* ns, CLOCK_MONOTONIC: its end */
    uint64_t  duration;         /* ns */
    uint64_t  cause;            /* ngx_prof_cause_e */
    uint64_t  pid;              /* of the worker */
    uint64_t  cpu;              /* ns on the processor, at most duration */
    uint64_t  blocked;          /* ns in calls that waited */
    uint64_t  label;            /* ngx_prof_label() */
    uint64_t  connection;       /* number of the one whose request held the
                                   loop longest, 0: not known */
    uint64_t  method;           /* NGX_HTTP_GET .., 0: not known */
    uint64_t  n;                /* of frames, 0: no stack was taken */
    uint64_t  frames[NGX_PROF_PAUSE_FRAMES];
                                /* innermost first, see frame.h */
} ngx_prof_pause_t;


/*
 * What the owner's main thread was doing in a pass that took too long: as its
 * own signal handler saw it, or as another worker has read it while it slept;
 * seq guards the rest.
 */

typedef struct {
    uint64_t  seq;
    uint64_t  pass;             /* its pass_start */
    uint64_t  time;             /* ns, CLOCK_MONOTONIC: when it was seen */
    uint64_t  blocked;          /* 1: off the processor, in a call */
    uint64_t  label;            /* as the rest: see the pause */
    uint64_t  n;
    uint64_t  frames[NGX_PROF_PAUSE_FRAMES];
} ngx_prof_pause_seen_t;

/* bytes from pass on: what seq guards */
#define NGX_PROF_PAUSE_SEEN_BODY                                              \
    (sizeof(ngx_prof_pause_seen_t)                                            \
     - offsetof(ngx_prof_pause_seen_t, pass))


/*
 * The hooked call that the owner's main thread is in, for who wants to know
 * where it sleeps.  start is written last and cleared first.
 */

typedef struct {
    uint64_t  start;            /* of the processor's counter, 0: no call */
    uint64_t  function;         /* that was called */
    uint64_t  place;            /* + 1, 0: not known */
    uint64_t  pc;               /* of the hook, and what it kept then */
    uint64_t  reg[NGX_PROF_ARCH_REGS];
} ngx_prof_call_t;


/*
 * A request to trim, and its answer: bytes before and after, 0: unknown.  A new
 * owner of the slot does not answer requests made to the previous one.
 */

typedef struct {
    uint64_t  alloc;            /* handed out by the allocator */
    uint64_t  sys;              /* held by the allocator */
    uint64_t  resident;         /* of these, by its own account, in memory */
    uint64_t  anonymous;        /* of the process, in memory */
} ngx_prof_trim_heap_t;

typedef struct {
    uint64_t  asked;            /* by any worker, atomically: + 1 each */
    uint64_t  seq;              /* guards the rest, written by the owner */
    uint64_t  done;             /* the `asked` that was answered */
    uint64_t  pid;              /* who answered */
    uint64_t  trimmed;          /* 0: the allocator cannot */
    uint64_t  duration;         /* ns */
    ngx_prof_trim_heap_t  before;
    ngx_prof_trim_heap_t  after;
} ngx_prof_trim_t;

/* bytes from done on: what seq guards */
#define NGX_PROF_TRIM_BODY                                                    \
    (sizeof(ngx_prof_trim_t)                                                  \
     - offsetof(ngx_prof_trim_t, done))


/* whether a worker can sample its CPU time */

typedef enum {
    NGX_PROF_SAMPLER_NONE = 0,              /* not tried yet */
    NGX_PROF_SAMPLER_READY,
    NGX_PROF_SAMPLER_TAKEN,                 /* SIGPROF is taken */
    NGX_PROF_SAMPLER_FAILED
} ngx_prof_sampler_e;


/* whether a worker samples its heap */

typedef enum {
    NGX_PROF_HEAP_OFF = 0,
    NGX_PROF_HEAP_ON,
    NGX_PROF_HEAP_PART,                     /* calls that belong to another
                                               tool are not seen */
    NGX_PROF_HEAP_FAILED
} ngx_prof_heap_state_e;


/*
 * CPU time of an owner since its process began, all its threads together:
 * what it told last.  The master knows the rest when it has ended.
 */

typedef struct {
    uint64_t  pid;
    uint64_t  user;             /* us */
    uint64_t  system;
    uint64_t  child_user;       /* us, of processes that it has waited for */
    uint64_t  child_system;
    uint64_t  unsampled;        /* ns: before its sampler could begin, if a
                                   capture was in progress; else 0 */
    uint64_t  sampled;          /* ns: when it was last told to sample, and
                                   what its samples have counted since */
} ngx_prof_spent_t;


/* sets of loaded objects that the addresses of one owner may belong to */
#define NGX_PROF_ROOTS  12


typedef struct {

    /* who: written when the slot is claimed or given back */

    uint64_t                      owner;        /* pid, 0: free; owner.h */
    uint64_t                      start;        /* of the owner, in clock
                                                   ticks since the machine's
                                                   start, 0: not known */
    uint64_t           claimed;                 /* ns, CLOCK_MONOTONIC */
    uint64_t           tick;                    /* when this owner began: its
                                                   samples are of later ones */
    uint64_t           last_tick;               /* of the latest sample, 0:
                                                   none */
    uint64_t           generation;
    uint64_t           process_slot; /* ngx_process_slot */
    uint64_t           worker;                  /* ngx_worker */
    uint64_t           claims;                  /* owners so far */

    /* event loop: written in each pass */

    uint64_t           pass_start;              /* ns, CLOCK_MONOTONIC */
    uint64_t           wait_start;              /* ns: when it waited last */
    uint64_t           last_pause;              /* ns */
    uint64_t           last_pause_clock;        /* ns, CLOCK_MONOTONIC */
    uint64_t           last_stall;              /* number of the latest pause
                                                   of NGX_..._STALL, 0: none */
    uint64_t           image;                   /* hash of what is mapped */
    uint64_t           encoders;                /* that run for the owner */
    uint64_t           forked;                  /* as image, of what the master
                                                   had loaded */

    /* CPU sampler: written by the owner's threads */

    uint64_t           sample_until; /* ns, CLOCK_MONOTONIC */
    uint64_t           samples;                 /* of captures, as all but
                                                   the time */
    uint64_t           sample_time;             /* ns spent in the handler */
    uint64_t           sample_jit;              /* with code of no object */
    uint64_t           sample_broken;
    uint64_t           sample_truncated;
    uint64_t           sampler;                 /* ngx_..._sampler_e */

    uint64_t           usage_timed;             /* 1: CPU time is known while
                                                   the loop does not run */
    uint64_t           interval;                /* ms from tick to tick, by
                                                   which they are numbered */

    /* heap: by the owner, when it starts, and when objects are loaded */

    uint64_t           heap_owner;              /* pid that has taken the
                                                   heap's table over */
    uint64_t           heap_state;              /* ngx_..._heap_state_e */
    uint64_t           heap_lost;               /* found no room in the table
                                                   of live samples */
    uint64_t           heap_roots;              /* that are set */
    uint64_t           heap_root[NGX_PROF_ROOTS];

    ngx_prof_totals_t  totals;
    ngx_prof_hist_t    passes;
    ngx_prof_counts_t  all;

    /* mailbox: written by others too, on cache lines of its own */

    uint64_t           pad1[NGX_PROF_LINE / 8];
    ngx_prof_trim_t    trim;
    uint64_t           awaiting;                /* owner waits for answers */
    uint64_t                   ask;          /* where it is: + 1 each */
    uint64_t                   rung;         /* 1: it is being woken */
    uint64_t               pad2[NGX_PROF_LINE / 8];

    uint64_t               gauges_seq;
    ngx_prof_gauges_t      gauges;
    ngx_prof_pause_t       pause[NGX_PROF_PAUSES];
    ngx_prof_pause_seen_t  seen;

    /*
     * Until when its present pass is counted in the table of blocking, by
     * whomever, as if from its begin on: ns, CLOCK_MONOTONIC; of a former
     * pass: nothing of this one is.
     */
    uint64_t                   told;
    ngx_prof_call_t            call;

    /* the counters when the present owner claimed the slot */

    ngx_prof_totals_t  base;
    ngx_prof_hist_t    base_passes;
    ngx_prof_counts_t  base_all;

    ngx_prof_other_t   other;

    ngx_prof_spent_t   spent;
    ngx_prof_spent_t   left;            /* of the owner before */

    /*
     * For who finds that the owner has died.  released: the latest owner that
     * gave the slot back, and may be its owner until it is gone; before: by
     * the low bits of totals.iterations, the latest request of each pass that
     * has ended.
     */

    uint64_t           released;
    uint64_t           before[NGX_PROF_CRASH_PASSES];
    ngx_prof_crash_t   crash;

} ngx_prof_slot_t;


/* whether the owner waits for events: no pass has begun since */

static ngx_inline ngx_uint_t
ngx_prof_slot_waiting(const ngx_prof_slot_t *slot)
{
    return ngx_prof_load(&slot->wait_start)
           > ngx_prof_load(&slot->pass_start);
}


/* by the owner: one more pause, that ended at clock; both in ns */
void ngx_prof_slot_pause(ngx_prof_slot_t *slot, uint64_t clock,
    uint64_t duration, ngx_uint_t cause);

/*
 * The same with a place: all but number, clock and pid is taken from pause.
 */
void ngx_prof_slot_pause_add(ngx_prof_slot_t *slot, uint64_t clock,
    ngx_prof_pause_t *pause);

/* by anyone: a slot's pause, without seq; errors as of record_read() */
ngx_int_t ngx_prof_pause_read(const ngx_prof_pause_t *from,
    ngx_prof_pause_t *to);

/*
 * The index of a response status in counts.code.  Each status that nginx knows
 * has its own; the others share one a class.  A status of 600 or more belongs
 * to class 5.  A status below 100 (the client left before any answer) is 0.
 */
ngx_uint_t ngx_prof_code_find(ngx_uint_t status);


static ngx_inline ngx_uint_t
ngx_prof_code_index(ngx_uint_t status)
{
    return (status == 200) ? NGX_PROF_CODE_200
                           : ngx_prof_code_find(status);
}


/*
 * The status of an index.  *other: the index counts all other statuses of its
 * class; *status is then 100, 200 .. 500 (0: no status).  NGX_DECLINED: the
 * index is not used.
 */
ngx_int_t ngx_prof_code_status(ngx_uint_t index, ngx_uint_t *status,
    ngx_uint_t *other);


/* by the owner: one ended request, but for its time */
static ngx_inline void
ngx_prof_plain_add(ngx_prof_plain_t *plain, ngx_uint_t code, uint64_t in,
    uint64_t out)
{
    ngx_prof_add(&plain->code[code], 1);
    ngx_prof_add(&plain->bytes_in, in);
    ngx_prof_add(&plain->bytes_out, out);
}


/* by the owner: a request was worked for after its response; ns */
static ngx_inline void
ngx_prof_plain_after(ngx_prof_plain_t *plain, uint64_t ns)
{
    ngx_prof_add(&plain->after, 1);
    ngx_prof_add(&plain->after_time, ns);
}


/* by the owner: one ended request; latency and upstream in ns */
static ngx_inline void
ngx_prof_counts_add(ngx_prof_counts_t *counts, ngx_uint_t code, uint64_t in,
    uint64_t out, ngx_uint_t bucket, uint64_t latency)
{
    ngx_prof_plain_add(&counts->plain, code, in, out);
    ngx_prof_hist_count(&counts->latency, bucket, latency);
}


/* the counters of a slot in a sample that has no gauges */
void ngx_prof_slot_sample(const ngx_prof_slot_t *slot,
    ngx_prof_sample_t *s);

/* number of requests, and of those of a class: 5 is status 500 and more */
uint64_t ngx_prof_plain_requests(const ngx_prof_plain_t *plain);
uint64_t ngx_prof_counts_requests(const ngx_prof_counts_t *counts);
uint64_t ngx_prof_counts_class(const ngx_prof_counts_t *counts,
    ngx_uint_t class);

/* adds src, less base if that is not NULL, to the private dst */
void ngx_prof_plain_sum(ngx_prof_plain_t *dst, const ngx_prof_plain_t *src,
    const ngx_prof_plain_t *base);
void ngx_prof_counts_sum(ngx_prof_counts_t *dst, const ngx_prof_counts_t *src,
    const ngx_prof_counts_t *base);
void ngx_prof_totals_sum(ngx_prof_totals_t *dst, const ngx_prof_totals_t *src,
    const ngx_prof_totals_t *base);


#endif /* _NGX_PROF_SLOT_H_INCLUDED_ */
