
/*
 * Answers made in steps, a slice at a time: see job.h.  Worker, normal
 * context.
 */


#ifndef _NGX_PROF_WORK_H_INCLUDED_
#define _NGX_PROF_WORK_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>
#include "ngx_prof_snapshot.h"
#include "ngx_prof_json.h"
#include "ngx_prof_stream.h"


/* places that /metrics tells the histograms of */

enum {
    NGX_PROF_HISTOGRAMS_BUSY = 0,
    NGX_PROF_HISTOGRAMS_ALL,
    NGX_PROF_HISTOGRAMS_NONE
};


typedef struct ngx_prof_work_s  ngx_prof_work_t;

struct ngx_prof_work_s {
    ngx_http_request_t     *request;
    ngx_prof_snapshot_t    *snapshot;
    ngx_prof_json_t         json;               /* or only its text */
    ngx_prof_fields_t       fields;             /* that json is narrowed to */

    /* one step of at most some 100 us: NGX_AGAIN, NGX_DONE or NGX_ERROR */
    ngx_int_t             (*step)(ngx_prof_work_t *w);
    ngx_uint_t              next;               /* step counter, from 0 */

    /* called at the end instead of sending the text; NULL: send it */
    ngx_int_t             (*finish)(ngx_prof_work_t *w);

    /* parameters */
    ngx_pid_t               worker;             /* 0: all */
    ngx_uint_t              count;
    uint64_t                since;              /* ms since the epoch */
    uint64_t                report;             /* number of one, 0: all */
    ngx_uint_t              open;               /* OpenMetrics */
    ngx_pid_t               master;             /* 0: there is no other */
    ngx_uint_t              histograms;

    uint64_t                unavailable;            /* found by the steps */
    ngx_uint_t              status;             /* HTTP status */
    ngx_str_t               type;
    void                   *data;               /* for step() */
    ngx_uint_t              parts;              /* may be sent in parts */
    ngx_prof_stream_t      *stream;             /* NULL: none has begun */

    ngx_event_t             event;
    ngx_connection_t        connection;
};


/* creates the work for a request, with an empty text and status 200 */
ngx_prof_work_t *ngx_prof_work_create(ngx_http_request_t *r);

/*
 * Reads all slots into w->snapshot, then runs w->step until it is done, and
 * sends the text.  Returns what a content handler returns.
 */
ngx_int_t ngx_prof_work_run(ngx_prof_work_t *w);


#endif /* _NGX_PROF_WORK_H_INCLUDED_ */
