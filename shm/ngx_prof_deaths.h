
/*
 * How a worker died: what its own signal handler wrote, what the master has
 * seen of its end, and the reports that are made of both.
 *
 * A record lies in the worker's slot, or in the header while the worker has
 * none.  It reports a death only if the master has seen the process of that
 * pid end by that signal: a worker may have survived what was recorded.
 */


#ifndef _NGX_PROF_DEATHS_H_INCLUDED_
#define _NGX_PROF_DEATHS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_arch.h"


#define NGX_PROF_CRASH_FRAMES   96

/* requests before the last one that a report has */
#define NGX_PROF_CRASH_BEFORE   32

/* passes whose latest request a slot remembers, a power of two */
#define NGX_PROF_CRASH_PASSES   256

/* records of workers without a slot */
#define NGX_PROF_CRASH_UNBORN   4

/* ends that the master has seen last, a power of two */
#define NGX_PROF_CRASH_EXITS    128

#define NGX_PROF_CRASH_REPORTS  16

/* allocations in use, by stack and place, that a report has */
#define NGX_PROF_CRASH_HOLDERS  8

#define NGX_PROF_CRASH_METHOD   16
#define NGX_PROF_CRASH_URI      256
#define NGX_PROF_CRASH_ADDR     64


/* of what could not be read: the slot but for the record */
#define NGX_PROF_CRASH_SLOT     ((uint64_t) 1 << 63)


/* a text of a request, cut to what fits; len is that of all */

typedef struct {
    uint64_t  len;
    u_char    text[NGX_PROF_CRASH_URI];
} ngx_prof_crash_uri_t;


/*
 * A request in a pass: place + 1 (16 bits), and when it began, in us of
 * CLOCK_MONOTONIC (48 bits); 0: none.
 */
#define ngx_prof_crash_pass(place, start)                                     \
    ((uint64_t) (place) << 48 | (start) >> 10)
#define ngx_prof_crash_pass_place(pass)  ((pass) >> 48)
#define ngx_prof_crash_pass_start(pass)                                       \
    (((pass) & 0xffffffffffffULL) << 10)


/* by the handler of a worker that dies; bytes in all are those of the struct */

typedef struct {
    uint64_t  pid;              /* 0: free; of the header's, set first */
    uint64_t  done;             /* 1: all that could be known is here */
    uint64_t  tid;
    uint64_t  main;             /* 1: the thread of the event loop */
    uint64_t  clock;            /* ns, CLOCK_MONOTONIC */
    uint64_t  signal;
    uint64_t  code;             /* si_code, sign extended */
    uint64_t  address;          /* si_addr, of a fault */
    uint64_t  sender;           /* si_pid, of a signal that was sent */
    uint64_t  jump;             /* 1: pc was no code, the frames begin with
                                   who has jumped there */
    uint64_t  damaged;          /* parts that could not be read */
    uint64_t  reg[NGX_PROF_ARCH_REGS + 1];
                                /* by DWARF number, then pc */
    uint64_t  label;            /* ngx_prof_label() */
    uint64_t  pass;             /* its pass_start, 0: it was waiting */

    uint64_t  request;          /* 1: one was being served */
    uint64_t  connection;       /* number of the client's connection */
    uint64_t  start;            /* ns: of the pass in which it began */
    uint64_t  sent;             /* bytes, to the client */
    u_char    method[NGX_PROF_CRASH_METHOD];
    u_char    client[NGX_PROF_CRASH_ADDR];
    u_char    peer[NGX_PROF_CRASH_ADDR];    /* of its upstream */
    ngx_prof_crash_uri_t
              uri;              /* without arguments */

    uint64_t  n;
    uint64_t  frames[NGX_PROF_CRASH_FRAMES];
} ngx_prof_crash_t;


/* by the master, when a child of it has ended */

typedef struct {
    uint64_t  number;           /* from 1 */
    uint64_t  pid;
    uint64_t  status;           /* of waitpid() */
    uint64_t  clock;            /* ns, CLOCK_MONOTONIC */
    uint64_t  user;             /* us of CPU time, with the processes that it
                                   has waited for */
    uint64_t  system;
} ngx_prof_exit_t;


typedef enum {
    NGX_PROF_DEATH_CRASH = 0,   /* a signal of a fault */
    NGX_PROF_DEATH_OOM,         /* SIGKILL, by the kernel */
    NGX_PROF_DEATH_KILLED,      /* any other signal */
    NGX_PROF_DEATH_CODE,        /* exited, with a code */
    NGX_PROF_DEATH_STARTUP,     /* any of these, before it had a slot */
    NGX_PROF_DEATHS
} ngx_prof_death_e;

#define NGX_PROF_DEATH_SIGNALS  65


/* bytes in use, by who allocated them */

typedef struct {
    uint64_t  bytes;            /* estimated, as the heap profile */
    uint64_t  label;
    uint64_t  frame;            /* the innermost one that says where, 0: none */
} ngx_prof_crash_holder_t;


typedef struct {
    uint64_t           seq;     /* guards the rest */
    uint64_t           number;  /* from 1, 0: none */
    uint64_t           reason;  /* ngx_prof_death_e */
    uint64_t           kind;    /* of the death itself, if STARTUP */
    uint64_t           status;  /* of waitpid() */
    uint64_t           pid;
    uint64_t           clock;   /* ns, CLOCK_MONOTONIC: of the death */
    uint64_t           hash;    /* of reason, signal and stack */
    uint64_t           alike;   /* reports with the same hash so far */
    uint64_t           generation;
    uint64_t           lived;   /* ns, 0: not known */
    uint64_t           slot;    /* 1: the worker had one, as below */
    uint64_t           recorded;    /* 1: the handler wrote crash */
    ngx_prof_crash_t   crash;   /* else but label, pass and place zero */

    /* at the latest tick */
    uint64_t           tick;    /* ns, CLOCK_MONOTONIC; 0: none of these */
    uint64_t           anonymous;
    uint64_t           heap_alloc;
    uint64_t           heap_sys;
    uint64_t           connections;
    uint64_t           requests;    /* that it has ended */

    uint64_t           before_n;
    uint64_t           before[NGX_PROF_CRASH_BEFORE];
                                /* ngx_prof_crash_pass(), the latest first */
    uint64_t           place_label; /* of the place that held most */
    uint64_t           place_bytes; /* 0: not known */
    uint64_t           holder_n;
    ngx_prof_crash_holder_t
                       holder[NGX_PROF_CRASH_HOLDERS];
} ngx_prof_report_t;

/* bytes from number on: what seq guards */
#define NGX_PROF_REPORT_BODY                                                  \
    (sizeof(ngx_prof_report_t) - offsetof(ngx_prof_report_t, number))


/*
 * In the header.  exit_n and exits are the master's; the unborn are claimed by
 * workers without a slot; the rest is written by the worker that has claimed
 * `owner` (claim.h).
 */

typedef struct {
    uint64_t           exit_n;
    ngx_prof_exit_t    exits[NGX_PROF_CRASH_EXITS];
    ngx_prof_crash_t   unborn[NGX_PROF_CRASH_UNBORN];

    uint64_t           owner;
    uint64_t           seen;    /* exits that were looked at */
    uint64_t           lost;    /* of these, too late */
    uint64_t           user;    /* us of CPU time that ended workers have spent
                                   after their last report */
    uint64_t           system;
    uint64_t           logged;  /* ns, CLOCK_MONOTONIC: the latest line */
    uint64_t           quiet;   /* reports without a line since */
    uint64_t           oom;     /* kills that the kernel has counted, + 1 */
    uint64_t           oom_read;    /* ns: when they were counted */
    uint64_t           oom_clock;   /* ns: when they were found to be more */
    uint64_t           oom_left;    /* of them, not yet reported */
    uint64_t           deaths[NGX_PROF_DEATHS][NGX_PROF_DEATH_SIGNALS];
                                /* by signal, 0: none */
    uint64_t           number;  /* reports so far */
    ngx_prof_report_t  report[NGX_PROF_CRASH_REPORTS];
} ngx_prof_deaths_t;


/* by the master, in its signal handler */
void ngx_prof_exit_note(ngx_prof_deaths_t *deaths,
    const ngx_prof_exit_t *exit);

/*
 * By the one with the claim: the next end that was not looked at.  NGX_DONE:
 * there is none.
 */
ngx_int_t ngx_prof_exit_next(ngx_prof_deaths_t *deaths, ngx_prof_exit_t *to);

/* by anyone: the latest end of a pid; NGX_DECLINED: it is not among them */
ngx_int_t ngx_prof_exit_find(const ngx_prof_deaths_t *deaths, ngx_pid_t pid,
    ngx_prof_exit_t *to);

/*
 * By the one with the claim: numbers a report and puts it where an older one
 * is missed least.  Of each hash the first and the latest are kept as long as
 * there is another to give up.
 */
void ngx_prof_report_add(ngx_prof_deaths_t *deaths, ngx_prof_report_t *report);

/* what overwrote the zone may have hit lengths, and ends of texts */
void ngx_prof_crash_bound(ngx_prof_crash_t *crash);

/* by anyone: NGX_DECLINED: there is none at this index */
ngx_int_t ngx_prof_report_read(const ngx_prof_deaths_t *deaths, ngx_uint_t i,
    ngx_prof_report_t *report);


#endif /* _NGX_PROF_DEATHS_H_INCLUDED_ */
