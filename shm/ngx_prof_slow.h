
/*
 * Slow requests, in memory that all workers share: the latest, of those before
 * them the slowest, and those in progress.
 *
 * A worker that finds the table locked drops its request and counts it: nobody
 * waits.  A worker that was killed while it wrote loses its lock to the next,
 * and so its entries of requests that went on.
 */


#ifndef _NGX_PROF_SLOW_H_INCLUDED_
#define _NGX_PROF_SLOW_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_record.h"


/* bytes of a URI that are kept, parts of a request, entries of a table */
#define NGX_PROF_SLOW_URI    128
#define NGX_PROF_SLOW_PARTS  24
#define NGX_PROF_SLOW_MAX    65536

/* tries of upstreams of a request, and bytes of a peer's name */
#define NGX_PROF_SLOW_TRIES  4
#define NGX_PROF_SLOW_PEER   48

/* requests in progress, of all workers together */
#define NGX_PROF_SLOW_LIVE   64


/* what a request waited for, or was in */

typedef enum {
    NGX_PROF_PART_OTHER = 0,        /* threads, other events */
    NGX_PROF_PART_CLIENT,           /* the client was to send */
    NGX_PROF_PART_SENDING,          /* the client was to read */
    NGX_PROF_PART_UPSTREAM,
    NGX_PROF_PART_TIMER,
    NGX_PROF_PART_LOOP,             /* it held the event loop */
    NGX_PROF_PART_WAIT,             /* ready: the loop served others */
    NGX_PROF_PART_KINDS
} ngx_prof_part_e;


typedef struct {
    uint64_t  start;            /* ns from the request's begin */
    uint64_t  duration;         /* ns */
    uint32_t  kind;
    uint32_t  holder;           /* of a wait: place + 1, 0: none */
} ngx_prof_part_t;


/* what a request, or its connection, has come to */

typedef enum {
    NGX_PROF_STAMP_ACCEPTED = 0,    /* of the connection's first request */
    NGX_PROF_STAMP_SECURED,         /* the same: its TLS handshake ended */
    NGX_PROF_STAMP_HEADER,          /* of the request, complete */
    NGX_PROF_STAMP_SENT_FIRST,      /* bytes of the response */
    NGX_PROF_STAMP_SENT_LAST,
    NGX_PROF_STAMPS
} ngx_prof_stamp_e;

/* a time that is not known, or that did not come */
#define NGX_PROF_NO_STAMP  INT64_MIN


/*
 * A try of an upstream, as nginx notes it: ms from its start, -1: it has not
 * come to that; start in ns from the request's begin.
 */

typedef struct {
    int64_t   start;
    int64_t   connect;
    int64_t   header;
    int64_t   response;
    uint64_t  status;
    uint64_t  peer_len;
    u_char    peer[NGX_PROF_SLOW_PEER];
} ngx_prof_slow_try_t;


/* a request; seq guards the rest; times in ns */

typedef struct {
    uint64_t         seq;
    uint64_t         number;    /* from 1; 0: none */
    uint64_t         clock;     /* CLOCK_MONOTONIC: its end, or when it was
                                   seen in progress */
    uint64_t         total;
    uint64_t         owner;     /* the claim of its worker */
    uint64_t         label;     /* as of label.h */
    uint64_t         connection;
    uint64_t         method;    /* NGX_HTTP_GET .. */
    uint64_t         status;
    uint64_t         cpu;
    uint64_t         blocked;
    uint64_t         alloc;     /* bytes */
    uint64_t         in;        /* the same */
    uint64_t         out;
    uint64_t         temporary;
    uint64_t         redirects;
    int64_t          stamp[NGX_PROF_STAMPS];
                                /* ns from its begin */
    uint64_t         sum[NGX_PROF_PART_KINDS];
    uint64_t         parts;
    uint64_t         joined;    /* 1: later parts are joined in the last one */
    ngx_prof_part_t  part[NGX_PROF_SLOW_PARTS];
    uint64_t         tries;     /* that are kept */
    ngx_prof_slow_try_t
                     try[NGX_PROF_SLOW_TRIES];
    uint64_t         uri_len;
    u_char           uri[NGX_PROF_SLOW_URI];
} ngx_prof_slow_t;

#define NGX_PROF_SLOW_BODY                                                    \
    (sizeof(ngx_prof_slow_t) - offsetof(ngx_prof_slow_t, number))


typedef struct {
    uint64_t         lock;      /* the claim of who writes, 0: nobody */
    uint64_t         number;    /* requests that were kept, so far */
    uint64_t         dropped;   /* beyond the rate, or the table was locked */
    uint64_t         second;    /* of CLOCK_MONOTONIC, and kept in it */
    uint64_t         kept;
    uint64_t         keep;      /* entries */
    uint64_t         owner[NGX_PROF_SLOW_LIVE];
                                /* the claim of its worker, 0: free */
    ngx_prof_slow_t  live[NGX_PROF_SLOW_LIVE];
    ngx_prof_slow_t  entry[1];
} ngx_prof_slow_table_t;


/* bytes of a table */
size_t ngx_prof_slow_size(ngx_uint_t keep);

/*
 * By any worker: adds a request, at most rate a second; its number, 0: it was
 * dropped.
 */
uint64_t ngx_prof_slow_add(ngx_prof_slow_table_t *table, ngx_prof_slow_t *slow,
    uint64_t rate, ngx_uint_t (*alive)(uint64_t claim));

/* by any worker: an entry for a request in progress; -1: there is none */
ngx_int_t ngx_prof_slow_claim(ngx_prof_slow_table_t *table, uint64_t claim,
    ngx_uint_t (*alive)(uint64_t claim));

/* by the worker that claimed it: writes it, or gives it back */
void ngx_prof_slow_live(ngx_prof_slow_table_t *table, ngx_uint_t i,
    const ngx_prof_slow_t *slow);
void ngx_prof_slow_release(ngx_prof_slow_table_t *table, ngx_uint_t i);

/*
 * By anyone: an entry, behind the last one those in progress, which have number
 * 0.  NGX_DECLINED: there is none, or it is being written.
 */
ngx_int_t ngx_prof_slow_read(const ngx_prof_slow_table_t *table,
    ngx_uint_t i, ngx_prof_slow_t *slow);


#endif /* _NGX_PROF_SLOW_H_INCLUDED_ */
