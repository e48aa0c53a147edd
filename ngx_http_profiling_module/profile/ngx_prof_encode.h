
/*
 * The encoder's process: started for one answer, fed with a raw capture, and
 * read to its end, by the event loop.  The program lies beside the module's
 * file.  Worker, normal context.
 */


#ifndef _NGX_PROF_ENCODE_H_INCLUDED_
#define _NGX_PROF_ENCODE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_text.h"


/* ms for the whole; the encoder's own limit is lower */
#define NGX_PROF_ENCODE_TIME       20000

/* ms to wait for its turn: as long as one may take, or not for long */
#define NGX_PROF_ENCODE_SOON_TIME  1000


/* which answers wait for their turn, and for how long */

typedef enum {
    NGX_PROF_ENCODE_SOON = 0,           /* that can do without it */
    NGX_PROF_ENCODE_TURN,
    NGX_PROF_ENCODE_CAPTURED            /* that have taken seconds already */
} ngx_prof_encode_how_e;


/*
 * NGX_OK and the output; NGX_BUSY: it was not its turn in time; NGX_ERROR and
 * a text for people.
 */
typedef void (*ngx_prof_encode_pt)(void *data, ngx_int_t rc,
    ngx_prof_text_t *out, ngx_str_t *error);


/*
 * Starts the encoder on a raw capture, or queues it: few run at a time.  done
 * is called once, later, unless the pool is destroyed first, which ends the
 * encoder.  On NGX_ERROR, and on NGX_BUSY, which may be tried again, done is
 * not called, and *error gives the reason.
 */
ngx_int_t ngx_prof_encode(ngx_pool_t *pool, ngx_log_t *log,
    ngx_prof_text_t *raw, ngx_uint_t how, ngx_prof_encode_pt done, void *data,
    ngx_str_t *error);


#endif /* _NGX_PROF_ENCODE_H_INCLUDED_ */
