
/*
 * The encoder's program, which lies beside the module's file, and processes of
 * it.
 */


#ifndef _NGX_PROF_ENCODER_H_INCLUDED_
#define _NGX_PROF_ENCODER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


typedef struct {
    ngx_pid_t  pid;
    uint64_t   start;           /* of the process, 0: not known */
} ngx_prof_encoder_t;


/* master, at start and reload: finds the program; logs if it is missing */
void ngx_prof_encoder_init_module(ngx_cycle_t *cycle);

/* worker; fds: our ends of its standard input, output and error */
ngx_int_t ngx_prof_encoder_spawn(ngx_prof_encoder_t *e, ngx_log_t *log,
    int fds[3]);


#endif /* _NGX_PROF_ENCODER_H_INCLUDED_ */
