
/*
 * Rows of the zone: counts by a name that is found at run time only, such as
 * that of an upstream's peer.
 *
 * Any worker adds a row, by one atomic step: it writes the hash of the name
 * into the first free row of those where the name may stand.  The name itself
 * is written by each worker that finds the row without one: all write the
 * same, so that a worker killed at any instruction leaves nothing undone.
 * Rows are never given to another name.  The first row of a kind takes what
 * finds no room.
 *
 * A row is counted in cells, as a place is: as the place zone->places + row.
 */


#ifndef _NGX_PROF_ROW_H_INCLUDED_
#define _NGX_PROF_ROW_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_cell.h"
#include "ngx_prof_zone.h"


/* first rows of each kind, and the end of all */

typedef enum {
    NGX_PROF_ROW_PEERS = 0,
    NGX_PROF_ROW_TLS,
    NGX_PROF_ROW_CACHES,
    NGX_PROF_ROW_KINDS
} ngx_prof_row_kind_e;


/*
 * Of handshakes: bits of the number; the name is "protocol|key|result".  Each
 * is in `ended`; its time is in LATENCY, its CPU time in UPSTREAM.
 */

#define NGX_PROF_TLS_RESUMED   1
#define NGX_PROF_TLS_UPSTREAM  2


/*
 * Durations of a row: of a peer, up to the last byte and the first byte of its
 * answer, and until it was connected.
 */

typedef struct {
    ngx_prof_plain_t       plain;
    ngx_prof_hist_t        hist[NGX_PROF_HISTS];
} ngx_prof_row_counts_t;


/* how a try of a peer ended; a status of 1xx to 5xx is that class */

typedef enum {
    NGX_PROF_TRY_ERROR = 0,
    NGX_PROF_TRY_1XX,
    NGX_PROF_TRY_2XX,
    NGX_PROF_TRY_3XX,
    NGX_PROF_TRY_4XX,
    NGX_PROF_TRY_5XX,
    NGX_PROF_TRY_TIMEOUT,
    NGX_PROF_TRY_INVALID,               /* its header was */
    NGX_PROF_TRY_ABANDONED,             /* before a header came */
    NGX_PROF_TRY_NO_LIVE,
    NGX_PROF_TRY_RESULTS
} ngx_prof_try_e;


/* why another peer was tried after this one */

typedef enum {
    NGX_PROF_RETRY_ERROR = 0,
    NGX_PROF_RETRY_TIMEOUT,
    NGX_PROF_RETRY_INVALID,
    NGX_PROF_RETRY_403,
    NGX_PROF_RETRY_404,
    NGX_PROF_RETRY_429,
    NGX_PROF_RETRY_500,
    NGX_PROF_RETRY_502,
    NGX_PROF_RETRY_503,
    NGX_PROF_RETRY_504,
    NGX_PROF_RETRY_OTHER,
    NGX_PROF_RETRIES
} ngx_prof_retry_e;


/* what stands in `plain` of a peer's cell */

typedef struct {
    uint64_t               started;
    uint64_t               ended;
    uint64_t               reused;        /* connections that were kept alive */
    uint64_t               sent;          /* bytes */
    uint64_t               received;
    uint64_t               files;         /* temporary files, and their bytes */
    uint64_t               file_bytes;
    uint64_t               result[NGX_PROF_TRY_RESULTS];
    uint64_t               retried[NGX_PROF_RETRIES];
} ngx_prof_tries_t;

/*
 * Of a zone and a location, the name is "zone|server|location"; status is
 * nginx's cache_status
 */

#define NGX_PROF_CACHE_STATUSES  8

typedef struct {
    uint64_t               status[NGX_PROF_CACHE_STATUSES];
    uint64_t               locked;        /* waited for another request */
} ngx_prof_cache_t;

typedef char  ngx_prof_tries_fit_t[sizeof(ngx_prof_tries_t)
                                   <= sizeof(ngx_prof_plain_t) ? 1 : -1];


static ngx_inline ngx_prof_tries_t *
ngx_prof_tries(void *plain)
{
    return plain;
}


static ngx_inline ngx_prof_cache_t *
ngx_prof_caches(void *plain)
{
    return plain;
}


/* a hash of a name that is never 0, and of a number beside it */

static ngx_inline uint64_t
ngx_prof_row_hash(const ngx_str_t *name, uint64_t number)
{
    uint64_t       hash, word;
    const u_char  *p, *last;

    hash = (number + name->len) * 0x9e3779b97f4a7c15ULL;
    p = name->data;
    last = p + name->len;

    if (name->len < sizeof(uint64_t)) {

        for (word = 0; p < last; p++) {
            word = word << 8 | *p;
        }

    } else {

        for ( /* void */ ; last - p > 8; p += sizeof(uint64_t)) {
            ngx_memcpy(&word, p, sizeof(uint64_t));
            hash = (hash ^ word) * 0xff51afd7ed558ccdULL;
            hash ^= hash >> 32;
        }

        ngx_memcpy(&word, last - sizeof(uint64_t), sizeof(uint64_t));
    }

    hash = (hash ^ word) * 0xc4ceb9fe1a85ec53ULL;
    hash ^= hash >> 29;

    return hash | 1;
}


/*
 * By any worker: the row of a kind with this hash, which is added if it is not
 * there.  NGX_DECLINED: the zone has no rows.
 */
ngx_int_t ngx_prof_row_open(ngx_prof_zone_t *zone, ngx_uint_t kind,
    uint64_t hash, ngx_uint_t number, const ngx_str_t *name, ngx_uint_t *row);

/*
 * By anyone: the name and the number of a row.  NGX_DECLINED: it is free, or
 * takes what found no room.
 */
ngx_int_t ngx_prof_row_name(const ngx_prof_zone_t *zone, ngx_uint_t row,
    ngx_str_t *name, ngx_uint_t *number);

/* what the name and the number of a handshake have in them */

typedef struct {
    ngx_str_t   protocol;
    ngx_str_t   key;
    ngx_str_t   result;
    ngx_uint_t  resumed;
    ngx_uint_t  upstream;
} ngx_prof_handshake_t;


/* the three parts of a name; "(other)" each: it takes what found no room */
void ngx_prof_row_parts(const ngx_prof_zone_t *zone, ngx_uint_t row,
    ngx_str_t part[3]);

void ngx_prof_row_handshake(const ngx_prof_zone_t *zone, ngx_uint_t row,
    ngx_prof_handshake_t *h);

/* the first row of a kind, and the one behind the last that the zone has */
ngx_uint_t ngx_prof_row_first(ngx_uint_t kind);
ngx_uint_t ngx_prof_row_end(const ngx_prof_zone_t *zone, ngx_uint_t kind);

/* sets dst to the sum of all slots; pid: of its slot alone, if it is not 0 */
void ngx_prof_row_sum(ngx_prof_zone_t *zone, ngx_uint_t row, ngx_pid_t pid,
    ngx_prof_row_counts_t *dst);

/*
 * Tries that have started and not ended, of slots whose owners live.
 */
uint64_t ngx_prof_row_in_flight(ngx_prof_zone_t *zone, ngx_uint_t row,
    ngx_pid_t pid, ngx_uint_t (*alive)(const ngx_prof_slot_t *slot));


#endif /* _NGX_PROF_ROW_H_INCLUDED_ */
