
/*
 * Where a worker writes its connections when it is asked to: one area a slot.
 *
 * The area holds two copies of what was written last, so that a copy stays
 * readable while the next one is made.  A copy has groups, which count all
 * connections that wait for the same thing, and details of single ones, as
 * many as were asked for and have room.  A copy tells where its details end;
 * from there on they are asked for part by part.  A part takes the place of the
 * older copy, so that the latest whole one stays.
 *
 * The slot's owner writes a copy and its head in normal context, over several
 * passes of its event loop; the sequence number is odd meanwhile.  If the owner
 * is killed, nobody reads the unfinished copy until the next owner writes it
 * again.  The signal handler of a stuck owner writes the owner's stack.  Any
 * worker may ask for a dump, atomically.
 */


#ifndef _NGX_PROF_DUMP_AREA_H_INCLUDED_
#define _NGX_PROF_DUMP_AREA_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_record.h"


/* bytes of a copy's groups and details; used as far as they are touched */
#define NGX_PROF_DUMP_MIN      65536
#define NGX_PROF_DUMP_MAX      2097152

/* handlers of a connection that are listed */
#define NGX_PROF_DUMP_STACK    24

/* frames of a stack taken by signal: as many as the walk gives */
#define NGX_PROF_DUMP_NATIVE   128

/* connections told one by one: by default, and at most */
#define NGX_PROF_DUMP_LIMIT      1000
#define NGX_PROF_DUMP_LIMIT_MAX  10000

/* a figure that is not known, where it may be one of 64 bits */
#define NGX_PROF_DUMP_UNKNOWN  (-1)


/* a mailbox holds the number of the latest question and the limit asked for */

#define NGX_PROF_DUMP_BITS     24

#define ngx_prof_dump_number(asked)                                           \
    ((asked) >> NGX_PROF_DUMP_BITS)

#define ngx_prof_dump_limit(asked)                                            \
    ((asked) & (((uint64_t) 1 << NGX_PROF_DUMP_BITS) - 1))


/*
 * Where details end: an index of the walk over connections, and a unit of that
 * connection: 1 is itself, n the bucket n - 2 of its streams.  0: nowhere.  A
 * question for the next part has a cursor and, below it, the limit.
 */

#define NGX_PROF_DUMP_UNIT         0xffff

#define ngx_prof_dump_cursor(index, unit)                                     \
    ((uint64_t) (index) << 16 | ngx_min(unit, NGX_PROF_DUMP_UNIT))

#define ngx_prof_dump_cursor_index(cursor)   ((cursor) >> 16)
#define ngx_prof_dump_cursor_unit(cursor)    ((cursor) & NGX_PROF_DUMP_UNIT)

#define NGX_PROF_DUMP_CURSOR_BITS  14

/* ns that the reader who asked for a part has it to himself */
#define NGX_PROF_DUMP_LEASE        600000000ULL


typedef enum {
    NGX_PROF_KIND_OTHER = 0,
    NGX_PROF_KIND_CLIENT,
    NGX_PROF_KIND_STREAM,                   /* of HTTP/2 */
    NGX_PROF_KIND_TASK,                     /* in the hands of a thread */
    NGX_PROF_KIND_UPSTREAM,
    NGX_PROF_KIND_KEEPALIVE,                /* to an upstream, idle */
    NGX_PROF_KIND_RESOLVER,
    NGX_PROF_KIND_HTTP3,                    /* a stream of it */
    NGX_PROF_KINDS
} ngx_prof_dump_kind_e;


/* what a connection waits for */

typedef enum {
    NGX_PROF_DUMP_OTHER = 0,
    NGX_PROF_DUMP_TLS,                      /* handshake with a client */
    NGX_PROF_DUMP_WAITING,                  /* accepted, nothing came yet */
    NGX_PROF_DUMP_KEEPALIVE,                /* the next request */
    NGX_PROF_DUMP_READING,                  /* request line and headers */
    NGX_PROF_DUMP_BODY,                     /* of the request */
    NGX_PROF_DUMP_PROCESSING,               /* phases */
    NGX_PROF_DUMP_LOCK,                     /* another one fills a cache */
    NGX_PROF_DUMP_RESOLVING,                /* the upstream's name */
    NGX_PROF_DUMP_CONNECTING,               /* to the upstream */
    NGX_PROF_DUMP_REQUEST,                  /* being sent to the upstream */
    NGX_PROF_DUMP_RESPONSE,                 /* the first bytes of it */
    NGX_PROF_DUMP_UPSTREAM,                 /* the rest of it */
    NGX_PROF_DUMP_SENDING,                  /* to the client */
    NGX_PROF_DUMP_DELAYED,                  /* by a limit */
    NGX_PROF_DUMP_TASK,                     /* of a thread pool */
    NGX_PROF_DUMP_UPGRADED,                 /* data of either side */
    NGX_PROF_DUMP_STREAMS,                  /* its streams */
    NGX_PROF_DUMP_LINGERING,
    NGX_PROF_DUMP_CLOSING,
    NGX_PROF_DUMP_IDLE,                     /* a connection kept alive */
    NGX_PROF_DUMP_STUCK,                    /* the worker itself */
    NGX_PROF_DUMP_STATES
} ngx_prof_dump_state_e;


/* connections of one kind, state, place, upstream and stack */

typedef struct {
    uint64_t  count;
    uint64_t  connection_pools;         /* bytes */
    uint64_t  request_pools;            /* bytes */
    uint32_t  label;                    /* see label.h; its state is 0 */
    uint8_t   kind;
    uint8_t   state;
    uint16_t  depth;                    /* frames in stack */
    uint64_t  stack[NGX_PROF_DUMP_STACK];             /* innermost first */
} ngx_prof_dump_group_t;


/* the first groups take what finds the table full, by kind */
#define NGX_PROF_DUMP_REST     NGX_PROF_KINDS


/* one connection; its texts follow, one after the other, padded to 8 bytes */

typedef enum {
    NGX_PROF_DUMP_CLIENT = 0,               /* address */
    NGX_PROF_DUMP_METHOD,
    NGX_PROF_DUMP_URI,                      /* without its query */
    NGX_PROF_DUMP_PEER,                     /* address of the upstream */
    NGX_PROF_DUMP_ACTION,                   /* in nginx's words */
    NGX_PROF_DUMP_TEXTS
} ngx_prof_dump_text_e;


/* bytes of a text that are kept */
#define NGX_PROF_DUMP_TEXT     512


typedef struct {
    uint32_t  size;                     /* bytes, with the texts */
    uint32_t  group;
    uint64_t  id;
    int64_t   wait;                     /* ms, UNKNOWN */
    int64_t   remaining;                /* ms until the timer, if `timer` */
    int64_t   in;                       /* bytes of the request, UNKNOWN */
    int64_t   out;
    uint64_t  connection_pool;          /* bytes */
    uint64_t  request_pool;
    uint16_t  timer;                    /* 0: none, 1: read, 2: write */
    uint16_t  len[NGX_PROF_DUMP_TEXTS];
} ngx_prof_dump_detail_t;


typedef struct {
    uint64_t  seq;                      /* guards all that follows */
    uint64_t  number;                   /* of the question, 0: none, a part */
    uint64_t  pid;
    uint64_t  limit;
    uint64_t  time;                     /* ms since the epoch, at its begin */
    uint64_t  clock;                    /* ns, CLOCK_MONOTONIC, at its begin */
    uint64_t  count;                    /* connections, all */
    uint64_t  streams;                  /* of these */
    uint64_t  groups;                   /* used, the REST included */
    uint64_t  details;
    uint64_t  used;                     /* bytes of the details */
    uint64_t  from;                     /* cursor of a part, 0: of a whole */
    uint64_t  next;                     /* cursor of further ones, 0: none */
    uint64_t  configuration;            /* bytes of the cycle's pool */
    uint64_t  cut;                      /* pools not measured to their end */
    uint64_t  spent;                    /* ns of CPU time */
} ngx_prof_dump_copy_t;


/* the native stack of a worker that does not answer */

typedef struct {
    uint64_t  seq;                      /* guards the rest */
    uint64_t  number;                   /* of the question, 0: none yet */
    uint64_t  pid;
    uint64_t  clock;                    /* ns, CLOCK_MONOTONIC */
    uint64_t  since;                    /* the same: the pass's begin, or 0 */
    uint64_t  label;
    uint64_t  depth;
    uint64_t  stack[NGX_PROF_DUMP_NATIVE];
} ngx_prof_dump_native_t;

/* bytes from number on: what seq guards */
#define NGX_PROF_DUMP_NATIVE_BODY                                             \
    (sizeof(ngx_prof_dump_native_t)                                           \
     - offsetof(ngx_prof_dump_native_t, number))


typedef struct {
    uint64_t                asked;                /* by any, atomically */
    uint64_t                stack_asked;          /* the same: + 1 each */
    uint64_t                part;                 /* the same: a question */
    uint64_t                lease;                /* the same: clock, 0: free */
    uint64_t                pad0[4];

    uint64_t                begun;                /* the latest taken up */
    uint64_t                dumps;                /* of all owners, as are: */
    uint64_t                steps;
    uint64_t                spent;                /* ns of CPU time */
    uint64_t                longest;              /* step, ns of CPU time */
    uint64_t                pad1[3];

    ngx_prof_dump_native_t  native;
    ngx_prof_dump_copy_t    copy[2];
} ngx_prof_dump_area_t;


/* bytes of an area whose copies have room for size bytes each */
#define ngx_prof_dump_area_size(size)                                         \
    (sizeof(ngx_prof_dump_area_t) + 2 * (size))

/* groups that fit into a copy of size bytes, and bytes left for details */
ngx_uint_t ngx_prof_dump_groups(size_t size);
size_t ngx_prof_dump_room(size_t size);

ngx_prof_dump_group_t *ngx_prof_dump_group(const ngx_prof_dump_area_t *area,
    size_t size, ngx_uint_t copy);
u_char *ngx_prof_dump_details(const ngx_prof_dump_area_t *area, size_t size,
    ngx_uint_t copy);

/*
 * By any worker: asks for a dump with up to "limit" details.  Returns a number;
 * a copy with that number or a later one is the answer.
 */
uint64_t ngx_prof_dump_ask(ngx_prof_dump_area_t *area, ngx_uint_t limit);

/*
 * By the owner: accepts all questions since the last call.  Returns the latest
 * number and the largest limit; 0: there was no question.
 */
uint64_t ngx_prof_dump_take(ngx_prof_dump_area_t *area, ngx_uint_t *limit);

/*
 * By the owner: begins to write the older copy, which nobody can read until
 * end() is called.
 */
ngx_uint_t ngx_prof_dump_begin(ngx_prof_dump_area_t *area);
void ngx_prof_dump_end(ngx_prof_dump_area_t *area, ngx_uint_t copy,
    const ngx_prof_dump_copy_t *head);

/*
 * By any worker: the index of the latest copy that answers a number, made by
 * a process, with its head in *head; NGX_DECLINED: there is none.
 */
ngx_int_t ngx_prof_dump_find(const ngx_prof_dump_area_t *area, uint64_t number,
    ngx_pid_t pid, ngx_prof_dump_copy_t *head);

/*
 * The same for a part, which has about "limit" details from a cursor on.  Who
 * asks has the mailbox until he releases it, or for the time of a lease:
 * NGX_BUSY, ask again later.  find() takes any that was begun at a clock or
 * later, whoever asked for it.
 */
ngx_int_t ngx_prof_dump_ask_part(ngx_prof_dump_area_t *area, uint64_t cursor,
    ngx_uint_t limit, uint64_t now);
uint64_t ngx_prof_dump_take_part(ngx_prof_dump_area_t *area,
    ngx_uint_t *limit);
ngx_int_t ngx_prof_dump_find_part(const ngx_prof_dump_area_t *area,
    uint64_t cursor, uint64_t clock, ngx_pid_t pid, ngx_prof_dump_copy_t *head);
void ngx_prof_dump_release_part(ngx_prof_dump_area_t *area, uint64_t asked);

/*
 * Readers do not trust a copy.  mend() corrects impossible values of groups in
 * a private copy of an area of "size" bytes.  next() returns the detail at
 * *offset of `used` bytes and advances *offset; NULL: no valid detail follows.
 */
ngx_uint_t ngx_prof_dump_fits(const ngx_prof_dump_copy_t *head, size_t size);
void ngx_prof_dump_mend(ngx_prof_dump_group_t *groups, ngx_uint_t n);
ngx_prof_dump_detail_t *ngx_prof_dump_next(u_char *details, size_t used,
    ngx_uint_t groups, size_t *offset);

/* whether a copy found with this seq is still what it was; after its bytes */
ngx_uint_t ngx_prof_dump_same(const ngx_prof_dump_area_t *area,
    ngx_uint_t copy, uint64_t seq);


#endif /* _NGX_PROF_DUMP_AREA_H_INCLUDED_ */
