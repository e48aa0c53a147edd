
/*
 * The encoder's program, which lies beside the module's file, and its
 * processes: few at a time, which are no children of the worker.  Worker,
 * normal context, but for init_module().
 */


#ifndef _NGX_PROF_ENCODER_H_INCLUDED_
#define _NGX_PROF_ENCODER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>


/* what an encoder is to save while others wait */

typedef enum {
    NGX_PROF_CROWD_NONE = 0,
    NGX_PROF_CROWD_WAITS,               /* it takes less of the processor */
    NGX_PROF_CROWD_HELD                 /* ... and looks for no lines */
} ngx_prof_crowd_e;


typedef struct {
    ngx_connection_t  *pipe[3];         /* as its descriptors, or NULL:
                                           closed */
    ngx_pid_t          pid;
    uint64_t           start;           /* of the process, 0: not known */
    uint64_t           began;           /* ns, monotonic */
    uint64_t           took;            /* ns of a processor, 0: not known */
    ngx_uint_t         taken;
    ngx_uint_t         crowd;           /* others waited when it began */
    ngx_uint_t         writes;          /* it has ended its work */
    ngx_uint_t         counted;         /* in the slot */
    void             (*freed)(void);
    ngx_event_t        timer;           /* of its end */
    ngx_connection_t   connection;
} ngx_prof_encoder_t;


/* master, at start and reload: finds the program; logs if it is missing */
void ngx_prof_encoder_init_module(ngx_cycle_t *cycle);

/* whether more than what is left to requests of worker_connections is free */
ngx_uint_t ngx_prof_encoder_spare(void);

/*
 * Starts a process.  fds: our ends of its standard input, output and error,
 * which the caller makes connections in pipe; crowd: others wait, see above;
 * freed is called whenever a place becomes free.
 * NGX_OK; NGX_AGAIN: as many as may run do; NGX_BUSY: what is left of
 * descriptors or connections is for requests; NGX_ERROR, logged.
 */
ngx_int_t ngx_prof_encoder_take(ngx_prof_encoder_t **encoder, ngx_log_t *log,
    ngx_uint_t crowd, void (*freed)(void), int fds[3]);

void ngx_prof_encoder_close_pipe(ngx_prof_encoder_t *e, ngx_uint_t i);

/* one that has ended its work: another one may begin, if few only write */
void ngx_prof_encoder_writes(ngx_prof_encoder_t *e);

/* one that has ended: frees its place */
void ngx_prof_encoder_free(ngx_prof_encoder_t *e);

/* one that runs: tells it to end; its place is free when it has */
void ngx_prof_encoder_stop(ngx_prof_encoder_t *e);


#endif /* _NGX_PROF_ENCODER_H_INCLUDED_ */
