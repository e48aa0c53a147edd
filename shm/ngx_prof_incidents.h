
/*
 * Incidents: what went wrong, where, and what was recorded around it.
 *
 * They lie in memory of their own that the master maps before it forks, so
 * they outlive workers and reloads.  Whoever sees that something goes wrong
 * raises one: at most one a reason and a minute.  Half a minute later a worker
 * claims it and freezes what the recordings, the history and the pauses have
 * of that time.  A newer incident takes the place of the oldest.
 */


#ifndef _NGX_PROF_INCIDENTS_H_INCLUDED_
#define _NGX_PROF_INCIDENTS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_slot.h"


#define NGX_PROF_INCIDENTS_MAX      256

/* bytes of a profile that are kept */
#define NGX_PROF_INCIDENT_PROFILE   262144

/* samples of the history and pauses that are kept */
#define NGX_PROF_INCIDENT_SAMPLES   96
#define NGX_PROF_INCIDENT_PAUSES    32

/* ns before and after it that are kept, and in which there is no other */
#define NGX_PROF_INCIDENT_BEFORE    60000000000ULL
#define NGX_PROF_INCIDENT_AFTER     30000000000ULL
#define NGX_PROF_INCIDENT_QUIET     60000000000ULL


typedef enum {
    NGX_PROF_INCIDENT_STALL = 0,
    NGX_PROF_INCIDENT_STUCK,
    NGX_PROF_INCIDENT_MEMORY,
    NGX_PROF_INCIDENT_ERRORS,
    NGX_PROF_INCIDENT_CRASH,
    NGX_PROF_INCIDENT_CAPACITY,
    NGX_PROF_INCIDENT_REASONS
} ngx_prof_incident_reason_e;


typedef enum {
    NGX_PROF_INCIDENT_RECORDING = 0,    /* the half minute after it */
    NGX_PROF_INCIDENT_FROZEN
} ngx_prof_incident_state_e;


/* clients and upstreams of all workers, when it was seen */

typedef struct {
    uint64_t            active;
    uint64_t            reading;
    uint64_t            writing;
    uint64_t            waiting;
    uint64_t            upstream;
    uint64_t            keepalive;
    uint64_t            other;
    uint64_t            streams;
    uint64_t            free;
} ngx_prof_incident_connections_t;


/* a sample of the history, added up over all workers */

typedef struct {
    ngx_prof_sample_t   sum;
    uint64_t            workers;
} ngx_prof_incident_sample_t;


typedef struct {
    uint64_t            number;     /* from 1, 0: being written */
    uint64_t            reason;
    uint64_t            clock;      /* ns, CLOCK_MONOTONIC: it was seen */
    uint64_t            begin;      /* the same: what is kept begins */
    uint64_t            pid;        /* of the worker, 0: of all */
    uint64_t            value;      /* ns of a stall; percent of memory, of
                                       errors, of connections */
    ngx_prof_incident_connections_t
                        connections;
    ngx_prof_pause_t    where;      /* cause, label and frames, as known */

    /* by who has claimed it */
    uint64_t            owner;      /* claim.h */
    uint64_t            state;      /* ngx_prof_incident_state_e */
    uint64_t            tries;      /* that have failed */
    uint64_t            sample_n;
    ngx_prof_incident_sample_t
                        sample[NGX_PROF_INCIDENT_SAMPLES];
    uint64_t            pause_n;
    ngx_prof_pause_t    pause[NGX_PROF_INCIDENT_PAUSES];
    uint64_t            profile_len;    /* 0: there is none */
    u_char              profile[NGX_PROF_INCIDENT_PROFILE];
} ngx_prof_incident_t;


typedef struct {
    uint64_t            number;     /* incidents so far */
    uint64_t            checked;    /* ns: when all workers were looked at */
    uint64_t            latest[NGX_PROF_INCIDENT_REASONS];
                                    /* ns, CLOCK_MONOTONIC, 0: none */
    uint64_t            key[NGX_PROF_INCIDENT_REASONS];
                                    /* of the latest, see raise() */
    uint64_t            total[NGX_PROF_INCIDENT_REASONS];
    uint64_t            further[NGX_PROF_INCIDENT_REASONS];
                                    /* since the latest one, which are not
                                       kept */
    uint64_t            refused[NGX_PROF_INCIDENT_REASONS];
                                    /* key of the latest of these */
    uint64_t            suppressed[NGX_PROF_INCIDENT_REASONS];
                                    /* all that were not kept */
    ngx_prof_incident_t incident[];
} ngx_prof_incidents_t;


size_t ngx_prof_incidents_size(ngx_uint_t n);

/*
 * Any worker, normal context.  key: what makes it the same as the latest one of
 * its reason, of which no other is made; 0: nothing does.  connections are
 * those of now; where may be NULL.  Returns its number, 0: there is no new one.
 * What comes too soon after the latest one is counted.
 */
uint64_t ngx_prof_incident_raise(ngx_prof_incidents_t *incidents, ngx_uint_t n,
    ngx_uint_t reason, uint64_t key, uint64_t clock, uint64_t pid,
    uint64_t value, const ngx_prof_incident_connections_t *connections,
    const ngx_prof_pause_t *where);

/* 1: one of this reason would be kept; else it is counted */
ngx_uint_t ngx_prof_incident_due(ngx_prof_incidents_t *incidents,
    ngx_uint_t reason, uint64_t key, uint64_t clock);

/* what the key said is over: the next one is new */
void ngx_prof_incident_over(ngx_prof_incidents_t *incidents,
    ngx_uint_t reason);

/* NULL: the one with this number is not kept */
ngx_prof_incident_t *ngx_prof_incident_find(ngx_prof_incidents_t *incidents,
    ngx_uint_t n, uint64_t number);


#endif /* _NGX_PROF_INCIDENTS_H_INCLUDED_ */
