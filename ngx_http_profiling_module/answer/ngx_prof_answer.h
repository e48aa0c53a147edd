
/*
 * What content handlers answer with.  Worker, normal context.
 */


#ifndef _NGX_PROF_ANSWER_H_INCLUDED_
#define _NGX_PROF_ANSWER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_text.h"


/* sends an error in the form of its tree: JSON, or Go's text */
typedef ngx_int_t (*ngx_prof_error_pt)(ngx_http_request_t *r,
    ngx_uint_t status, const char *format, ...);


/*
 * What handlers begin with: the answer's memory counts, and error tells when
 * there is none left.
 */
ngx_int_t ngx_prof_answer_open(ngx_http_request_t *r, ngx_prof_error_pt error);

/* answers 503 with Retry-After; returns as error() */
ngx_int_t ngx_prof_answer_busy(ngx_http_request_t *r, ngx_prof_error_pt error,
    const char *why);

/* what a content handler returns instead of rc, if memory was refused */
ngx_int_t ngx_prof_answer_status(ngx_http_request_t *r, ngx_int_t rc);

/*
 * Sends the header of an answer that is ready, or begins; length may be -1: it
 * is not known.  A client that has not taken the whole when so many times
 * send_timeout are over loses it, however often it takes a little.  Returns
 * what ngx_http_send_header() does, or a status.
 */
ngx_int_t ngx_prof_answer_head(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *type, off_t length, ngx_uint_t times);

/* seconds, of an answer that is refused because there are too many */
#define NGX_PROF_RETRY_AFTER  "5"

/*
 * A content handler that returns NGX_DONE answers later: it calls answer()
 * once, with what a content handler returns.  If the client goes away first,
 * the request ends, and with its pool all that was made for it.
 */
void ngx_prof_answer_later(ngx_http_request_t *r);
void ngx_prof_answer(ngx_http_request_t *r, ngx_int_t rc);

/*
 * Sends a text as the whole answer: status, Content-Type, length, no-store.
 * Returns what a content handler returns.
 */
ngx_int_t ngx_prof_send(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *type, ngx_prof_text_t *text);

/* adds a header whose name and value stay in memory */
ngx_int_t ngx_prof_header(ngx_http_request_t *r, const char *name,
    const char *value);


#endif /* _NGX_PROF_ANSWER_H_INCLUDED_ */
