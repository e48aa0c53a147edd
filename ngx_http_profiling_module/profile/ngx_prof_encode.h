
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
#define NGX_PROF_ENCODE_TIME           20000

/*
 * ms to wait for its turn: as long as one may take, not for long, or nearly as
 * long as clients wait, who would have to capture once more
 */
#define NGX_PROF_ENCODE_SOON_TIME      2000
#define NGX_PROF_ENCODE_CAPTURED_TIME  50000


/* which answers wait for their turn, and for how long */

typedef enum {
    NGX_PROF_ENCODE_SOON = 0,           /* that can do without it */
    NGX_PROF_ENCODE_TURN,
    NGX_PROF_ENCODE_CAPTURED            /* that have taken seconds already */
} ngx_prof_encode_how_e;


/*
 * NGX_OK and the output, or its rest; NGX_AGAIN and a part: done is called
 * again after ngx_prof_encode_more(); NGX_BUSY: it was not its turn in time;
 * NGX_ERROR and a text for people.
 */
typedef void (*ngx_prof_encode_pt)(void *data, ngx_int_t rc,
    ngx_prof_text_t *out, ngx_str_t *error);


/*
 * Starts the encoder on a raw capture, or queues it: few run at a time.  done
 * is called once, later, unless the pool is destroyed first, which ends the
 * encoder.  On NGX_ERROR, and on NGX_BUSY, which may be tried again, done is
 * not called, and *error gives the reason.  part: bytes that are given to done
 * before the rest is there, 0: it has the whole at once.
 */
ngx_int_t ngx_prof_encode(ngx_pool_t *pool, ngx_log_t *log,
    ngx_prof_text_t *raw, ngx_uint_t how, size_t part,
    ngx_prof_encode_pt done, void *data, ngx_str_t *error);

/* whoever was given a part has taken it, and the text is empty */
void ngx_prof_encode_more(ngx_prof_text_t *out);


#endif /* _NGX_PROF_ENCODE_H_INCLUDED_ */
