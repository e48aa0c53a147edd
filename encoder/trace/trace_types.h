
/*
 * Types of execution traces, on their way from the streams of a capture to a
 * file:
 *
 *     trace_read.c   streams to events and goroutines; filters
 *     trace_run.c    events of a worker to steps, valid whatever is missing
 *     trace.c        generations, and which worker runs when
 *     gotrace.c      steps to Go's format
 *     perfetto.c     steps to Chrome's
 */


#ifndef _PROFILING_TRACE_TYPES_H_INCLUDED_
#define _PROFILING_TRACE_TYPES_H_INCLUDED_


#include "raw_types.h"
#include "table.h"


/* open regions of a goroutine, at most */
#define PROFILING_MAX_REGIONS   24

#define PROFILING_MAX_NAME      512


typedef struct {
    uint64_t             time;        /* ns, CLOCK_MONOTONIC */
    uint64_t             value;       /* the event's last argument; of a pass
                                         the request that it belongs to, index
                                         + 1, 0: none */
    uint32_t             g;           /* index: it is, or becomes, current */
    uint32_t             arg;         /* the first one; of a pass that of its
                                         goroutine before, 0: none */
    uint8_t              type;        /* NGX_PROF_TRACE_... */
    uint8_t              tls;         /* a pass of a TLS handshake */
} profiling_trace_event_t;


typedef enum {
    PROFILING_G_WORKER = 0,
    PROFILING_G_CONNECTION,
    PROFILING_G_REQUEST
} profiling_trace_kind_e;


typedef struct {
    uint32_t             name;        /* string, of the writer */
    uint32_t             kind;        /* ..._REGION_... */
    uint32_t             number;
} profiling_trace_region_t;


typedef struct {
    uint32_t                  worker;      /* index */
    uint32_t                  kind;
    uint32_t                  parent;      /* index: connection */
    uint32_t                  method;
    uint32_t                  place;       /* + 1, 0: not known */
    uint32_t                  last;        /* its latest pass: event, 0 none */
    uint64_t                  begin;       /* ns; 0: not known */
    uint64_t                  end;
    uint8_t                   existed;     /* when the trace began */
    uint8_t                   stream;
    uint8_t                   matched;     /* a filter's server, location */
    uint8_t                   kept;

    /* of the machine */
    uint8_t                   created;
    uint8_t                   dead;
    uint8_t                   task;        /* it has begun */
    uint8_t                   nregions;
    uint8_t                   reason;      /* why it waits */
    uint32_t                  name;        /* string */
    uint32_t                  upstream;    /* string, 0: none */
    profiling_trace_region_t *regions;     /* NULL: none yet */
    uint64_t                  seq;         /* of the writer */
} profiling_trace_g_t;


typedef struct {
    uint32_t                  pid;
    uint32_t                  worker;      /* ngx_worker */
    uint32_t                  slot;
    uint32_t                  first;       /* index of its goroutine 0 */
    uint32_t                  ngs;         /* that goroutine included */
    size_t                    from;        /* events */
    size_t                    to;
    uint64_t                  lost;

    /* of the machine */
    size_t                    next;        /* event */
    uint64_t                  time;        /* of the latest step */
    uint32_t                  running;     /* index + 1, 0: none */
    uint32_t                  resume;      /* index + 1: continues */
    uint8_t                   began;       /* its first generation has */
    uint8_t                   started;
    uint8_t                   stopped;     /* it waits for events */
    uint64_t                  seq;         /* of the writer */
} profiling_trace_worker_t;


typedef struct {
    uint64_t                  time;
    uint32_t                  g;           /* index + 1, 0: none */
    uint32_t                  worker;      /* index */
    uint32_t                  stack;       /* of the writer */
} profiling_trace_sample_t;


typedef enum {
    PROFILING_STEP_PROC_START = 0,
    PROFILING_STEP_PROC_STOP,
    PROFILING_STEP_CREATE,
    PROFILING_STEP_EXISTING,    /* created before the trace, and waits */
    PROFILING_STEP_UNBLOCK,
    PROFILING_STEP_START,
    PROFILING_STEP_BLOCK,       /* value: ..._REASON_... */
    PROFILING_STEP_DESTROY,
    PROFILING_STEP_TASK,
    PROFILING_STEP_TASK_END,
    PROFILING_STEP_REGION,      /* name */
    PROFILING_STEP_REGION_END,  /* name */
    PROFILING_STEP_LOG,         /* name: its key, text: its value */
    PROFILING_STEP_SYSCALL,     /* value: ns that it took; it has returned */
    PROFILING_STEP_HEAP         /* value: bytes */
} profiling_trace_step_e;


typedef enum {
    PROFILING_REASON_NETWORK = 0,
    PROFILING_REASON_SLEEP,
    PROFILING_REASON_SYNC
} profiling_trace_reason_e;


/* g is NULL for steps of a worker alone; all steps of g are its worker's */

typedef struct {
    profiling_trace_step_e    step;
    profiling_trace_worker_t *w;
    profiling_trace_g_t      *g;
    uint64_t                  time;        /* never below that before */
    uint64_t                  value;
    uint32_t                  name;        /* strings */
    uint32_t                  text;
    uint32_t                  stack;
} profiling_trace_step_t;


typedef struct {
    uint32_t                  number;      /* from 1 */
    uint32_t                  function;    /* strings */
    uint32_t                  file;
    uint32_t                  line;
} profiling_trace_frame_t;


typedef struct {
    uint32_t                  number;      /* from 1 */
    uint32_t                  n;
    profiling_trace_frame_t **frames;      /* leaf first */
} profiling_trace_stack_t;


typedef struct {
    profiling_raw_t           *raw;
    ngx_prof_raw_trace_t       info;

    unsigned                   generation;       /* from 1; 0: no such */

    profiling_trace_event_t   *events;
    size_t                     nevents;
    size_t                     events_room;

    profiling_trace_g_t       *gs;
    size_t                     ngs;
    size_t                     gs_room;

    profiling_trace_worker_t  *workers;
    size_t                     nworkers;
    size_t                     workers_room;

    profiling_trace_sample_t  *samples;          /* by time */
    size_t                     nsamples;

    profiling_strings_t        strings;
    profiling_table_t          frame_table;
    size_t                     nframes;
    profiling_table_t          stack_table;
    profiling_trace_stack_t  **stacks;           /* by number - 1 */
    size_t                     nstacks;
    size_t                     stacks_room;
} profiling_trace_t;


/* an output form */

typedef struct {
    void  (*begin)(profiling_trace_t *t, profiling_buf_t *out);

    /* a generation of all workers, from 1 on; NULL: none */
    void  (*generation)(profiling_trace_t *t, unsigned number,
                        uint64_t time, uint64_t until, profiling_buf_t *out);

    /* a worker begins or continues in this generation */
    void  (*worker)(profiling_trace_t *t, profiling_trace_worker_t *w,
                    uint64_t time, profiling_buf_t *out);
    void  (*step)(profiling_trace_t *t, const profiling_trace_step_t *s,
                  profiling_buf_t *out);
    void  (*worker_end)(profiling_trace_t *t, profiling_trace_worker_t *w,
                        profiling_buf_t *out);
    void  (*generation_end)(profiling_trace_t *t, profiling_buf_t *out);
    void  (*end)(profiling_trace_t *t, profiling_buf_t *out);
} profiling_trace_form_t;


#endif /* _PROFILING_TRACE_TYPES_H_INCLUDED_ */
