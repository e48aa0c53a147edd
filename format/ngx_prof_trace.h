
/*
 * Execution traces in a raw capture: three sections beside those of
 * ngx_prof_raw.h.
 *
 * The recorder of each worker writes the stream of events, and the worker that
 * answers writes the rest; the encoder reads both.  A capture of a trace is
 * also a capture of a CPU profile: TRACE_SAMPLES has the times of its samples.
 *
 * An event of the stream is a byte (its type), a LEB128 number (ns since the
 * previous event; in START: ns of CLOCK_MONOTONIC), then its arguments, which
 * are LEB128 numbers too.  A stream may end anywhere.  An event that does not
 * fit into the buffer is omitted as a whole, and LOST has their number.
 *
 * Whatever runs is a goroutine.  Each worker numbers its goroutines from 1 in
 * the order of appearance; 0 is the worker itself, for everything that belongs
 * to no other goroutine.  One goroutine is the current one at any time.
 */


#ifndef _NGX_PROF_TRACE_H_INCLUDED_
#define _NGX_PROF_TRACE_H_INCLUDED_


#include <stdint.h>


#define NGX_PROF_TRACE_VERSION        1


/* events */

/* pid, ngx_worker: a worker begins; what was before it has ended */
#define NGX_PROF_TRACE_START          1

/* epoll_wait() has returned, for a reason not known yet: the worker runs */
#define NGX_PROF_TRACE_PASS           2

/* goroutine: the same for its event; the goroutine runs */
#define NGX_PROF_TRACE_EVENT          3

/* goroutine: the same for its timer */
#define NGX_PROF_TRACE_TIMER          4

/* a listening socket has an event: the worker runs */
#define NGX_PROF_TRACE_ACCEPT         5

/* reason (..._WAIT_*): the pass is over, the current one waits */
#define NGX_PROF_TRACE_WAIT           6

/* the next goroutine: a connection that was not seen before, and runs */
#define NGX_PROF_TRACE_CONNECTION     7

/*
 * method, flags (..._REQUEST_*), since: the next goroutine, a request of the
 * current one, and it runs.  It began `since` ns ago, with the passes of its
 * connection since then, unless it is one of several (..._STREAM).
 */
#define NGX_PROF_TRACE_REQUEST        8

/* goroutine: it runs now, in the same pass */
#define NGX_PROF_TRACE_SWITCH         9

/* place: of the current request, when it becomes known and when it changes */
#define NGX_PROF_TRACE_PLACE          10

/* status, bytes: the current request has ended, its connection runs */
#define NGX_PROF_TRACE_END            11

/* goroutine: a connection was closed */
#define NGX_PROF_TRACE_CLOSE          12

/* the current request leaves its phase and returns to the event loop */
#define NGX_PROF_TRACE_PHASE_END      13

/* number: a subrequest of the current request begins, has ended */
#define NGX_PROF_TRACE_SUB            14
#define NGX_PROF_TRACE_SUB_END        15

/* the current request begins its phases again */
#define NGX_PROF_TRACE_REDIRECT       16

/* stage (..._UPSTREAM_*), upstream: of the current request */
#define NGX_PROF_TRACE_UPSTREAM       17

/* done: this pass of a connection was one of its TLS handshake, the last */
#define NGX_PROF_TRACE_TLS            18

/* call (of ..._CALL_NAMES), ns: a call that blocked the worker has returned */
#define NGX_PROF_TRACE_BLOCKED        19

/* bytes: handed out by the allocator */
#define NGX_PROF_TRACE_HEAP           20

/* number: of events that did not fit, just before this one */
#define NGX_PROF_TRACE_LOST           21

/* method, place + 1 or 0: the next goroutine, a request already there */
#define NGX_PROF_TRACE_EXISTING       22

/* and from here on: the current request begins a phase, nginx's number */
#define NGX_PROF_TRACE_PHASE          64
#define NGX_PROF_TRACE_PHASES         16


#define NGX_PROF_TRACE_WAIT_NETWORK   0
#define NGX_PROF_TRACE_WAIT_TIMER     1

#define NGX_PROF_TRACE_REQUEST_STREAM 1

#define NGX_PROF_TRACE_UPSTREAM_NONE     0
#define NGX_PROF_TRACE_UPSTREAM_CONNECT  1
#define NGX_PROF_TRACE_UPSTREAM_SEND     2
#define NGX_PROF_TRACE_UPSTREAM_HEADER   3
#define NGX_PROF_TRACE_UPSTREAM_BODY     4
#define NGX_PROF_TRACE_UPSTREAM_STAGES   5

/* functions that block, by their numbers; 0 is any other */

#define NGX_PROF_TRACE_CALL_NAMES                                             \
    "blocking call", "read", "write", "readv", "writev", "recv", "send",      \
    "recvmsg", "sendmsg", "pread", "pread64", "pwrite", "pwrite64",           \
    "pwritev64", "sendfile", "sendfile64", "open", "open64", "openat",        \
    "openat64", "stat", "stat64", "lstat", "lstat64", "fstatat64", "fsync",   \
    "fdatasync", "rename", "unlink", "flock", "getaddrinfo",                  \
    "gethostbyname", "waitpid", "system", "pthread_cond_wait",                \
    "pthread_cond_timedwait", "pthread_join", "nanosleep",                    \
    "clock_nanosleep", "usleep", "sleep", "poll", "select", "connect",        \
    "close", "dup2", "ioctl"


/* the longest event: type, time, and three arguments */
#define NGX_PROF_TRACE_EVENT_MAX      41


/* sections */

#define NGX_PROF_RAW_TRACE_INFO       9
#define NGX_PROF_RAW_TRACE_CHUNKS     10
#define NGX_PROF_RAW_TRACE_SAMPLES    11


/* the output: info.format */

#define NGX_PROF_TRACE_GO             1              /* "go 1.22 trace" */
#define NGX_PROF_TRACE_PERFETTO       2              /* Chrome's JSON */


/* TRACE_INFO: one record */

typedef struct {
    uint32_t  version;            /* NGX_PROF_TRACE_VERSION */
    uint32_t  format;
    uint64_t  start;              /* ns, CLOCK_MONOTONIC */
    uint64_t  end;
    uint32_t  places;             /* string before the first place's two:
                                     server and location */
    uint32_t  nplaces;
    uint32_t  upstreams;          /* string before the first upstream's */
    uint32_t  nupstreams;
    uint32_t  server;             /* string: only its requests, 0: all */
    uint32_t  location;           /* string: only its requests, 0: all */
    uint64_t  min;                /* ns: only requests that took as long */
} ngx_prof_raw_trace_t;


/*
 * TRACE_CHUNKS: one record.  This header, then the next bytes of the stream of
 * a slot, up to the end of the section.  Chunks of several slots may alternate.
 */

typedef struct {
    uint32_t  slot;
    uint32_t  reserved;           /* 0 */
} ngx_prof_raw_trace_chunk_t;


/* TRACE_SAMPLES: moments of CPU samples */

typedef struct {
    uint64_t  time;               /* ns, CLOCK_MONOTONIC */
    uint32_t  slot;
    uint32_t  goroutine;          /* of its process, 0: the worker */
    uint32_t  process;
    uint32_t  stack;
} ngx_prof_raw_trace_sample_t;


#endif /* _NGX_PROF_TRACE_H_INCLUDED_ */
