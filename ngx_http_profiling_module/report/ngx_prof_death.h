
/*
 * What a report of a death says, in words: for the error log, answers and
 * health.  Worker, normal context.
 */


#ifndef _NGX_PROF_DEATH_H_INCLUDED_
#define _NGX_PROF_DEATH_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_zone.h"


/* bytes of the longest of these texts */
#define NGX_PROF_DEATH_TEXT  2048


/* "SIGSEGV", "signal 64" */
const char *ngx_prof_death_signal(ngx_uint_t signo);

/* "crash", "oom", "killed", "code", "startup" */
const char *ngx_prof_death_reason(ngx_uint_t reason);

/* the signal that has ended a worker, 0: it has exited */
ngx_uint_t ngx_prof_death_signo(const ngx_prof_report_t *r);

/* "worker process 4711 died of SIGSEGV (address 0x10)"; all return the end */
u_char *ngx_prof_death_head(u_char *p, u_char *last,
    const ngx_prof_report_t *r);

/*
 * " in f < g < main": at most max functions from the one that says where it
 * was, by name(); nothing if there is no stack
 */
u_char *ngx_prof_death_where(u_char *p, u_char *last,
    const ngx_prof_report_t *r, ngx_uint_t max,
    const char *(*name)(uint64_t frame));

/* ", while processing request "GET /x", client: 10.1.2.3, server: ..." */
u_char *ngx_prof_death_while(u_char *p, u_char *last,
    const ngx_prof_report_t *r);

/* a text of a request, or its anonymous name where one is wanted */
u_char *ngx_prof_death_name(u_char *p, u_char *last, const char *prefix,
    const u_char *text);


#endif /* _NGX_PROF_DEATH_H_INCLUDED_ */
