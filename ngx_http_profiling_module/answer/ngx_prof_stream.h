
/*
 * Answers that are sent while they are made: part by part, the next one when
 * the client has taken the one before.  Worker, normal context.
 */


#ifndef _NGX_PROF_STREAM_H_INCLUDED_
#define _NGX_PROF_STREAM_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_text.h"


/* bytes of a part; an answer that is smaller is sent as a whole */
#define NGX_PROF_STREAM_PART   262144

/* times send_timeout that a client may take for all parts */
#define NGX_PROF_STREAM_TIMES  5


typedef struct ngx_prof_stream_s  ngx_prof_stream_t;


/* whether this client can be told that an answer has no length, or was cut */
ngx_uint_t ngx_prof_stream_able(ngx_http_request_t *r);

/*
 * Sends the header.  more is called when a part was taken.  NULL: the request
 * is to end by NGX_ERROR.
 */
ngx_prof_stream_t *ngx_prof_stream_begin(ngx_http_request_t *r,
    ngx_str_t *type, void (*more)(void *data), void *data);

/*
 * Takes what the text has and empties it.  NGX_OK: the client has taken it;
 * NGX_AGAIN: more() will be called; NGX_ERROR.
 */
ngx_int_t ngx_prof_stream_put(ngx_prof_stream_t *s, ngx_prof_text_t *text);

/* the last part, may be empty; returns what a content handler returns */
ngx_int_t ngx_prof_stream_last(ngx_prof_stream_t *s, ngx_prof_text_t *text);


#endif /* _NGX_PROF_STREAM_H_INCLUDED_ */
