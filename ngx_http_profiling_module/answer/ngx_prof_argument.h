
/*
 * Parameters of a request's query.  Worker, normal context.
 */


#ifndef _NGX_PROF_ARGUMENT_H_INCLUDED_
#define _NGX_PROF_ARGUMENT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_answer.h"
#include "ngx_prof_json.h"


/* the longest capture that is taken, in seconds */
#define NGX_PROF_SECONDS_MAX  300

/* bytes of a parameter's value that are read */
#define NGX_PROF_VALUE  64


/*
 * The value of a parameter, unescaped and cut; the first one if it is given
 * several times.  NGX_DECLINED: not given.
 */
ngx_int_t ngx_prof_argument(ngx_http_request_t *r, const char *name,
    ngx_str_t *value);

/*
 * An integer as Go's strconv.Atoi() reads it.  NGX_DECLINED: not given, or
 * empty; NGX_ERROR: no integer.
 */
ngx_int_t ngx_prof_argument_number(ngx_http_request_t *r, const char *name,
    ngx_int_t *n);

/*
 * The parameter "fields": names of members with commas between them.
 * NGX_DECLINED: not given; NGX_ERROR: it names none, or too many.
 */
ngx_int_t ngx_prof_argument_fields(ngx_http_request_t *r,
    ngx_prof_fields_t *fields);

/*
 * "debug" and "seconds" of a named profile, 0 if not given; checked in the
 * order and with the words of Go's net/http/pprof, handler.ServeHTTP().
 * NGX_DECLINED: go on; else what error() returned.
 */
ngx_int_t ngx_prof_argument_delta(ngx_http_request_t *r, ngx_int_t *debug,
    ngx_int_t *seconds, ngx_prof_error_pt error);

/* the same check for seconds that were read otherwise: not too many */
ngx_int_t ngx_prof_argument_seconds(ngx_http_request_t *r, ngx_int_t seconds,
    ngx_prof_error_pt error);

/* does a test hold for any header with this name? */

typedef ngx_uint_t (*ngx_prof_header_pt)(void *data, ngx_str_t *value);

ngx_uint_t ngx_prof_any_header(ngx_http_request_t *r, const char *name,
    ngx_prof_header_pt test, void *data);

/*
 * The parameter "worker": the pid of a living worker, or 0 if it is not given.
 * NGX_DECLINED: go on; else what error() returned for a value that is wrong.
 */
ngx_int_t ngx_prof_argument_worker(ngx_http_request_t *r, ngx_pid_t *worker,
    ngx_prof_error_pt error);

/* the same, of a worker or a helper */
ngx_int_t ngx_prof_argument_process(ngx_http_request_t *r, ngx_pid_t *process,
    ngx_prof_error_pt error);


#endif /* _NGX_PROF_ARGUMENT_H_INCLUDED_ */
