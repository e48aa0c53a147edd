
/*
 * Labels: the place of a request, the upstream it waits for, and what is being
 * done for it.  Labels are found from the main thread's stack and accompany
 * samples, pauses and connections.
 */


#ifndef _NGX_PROF_LABEL_H_INCLUDED_
#define _NGX_PROF_LABEL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_context.h"
#include "ngx_prof_unwind.h"
#include "ngx_prof_zone.h"


/* what a thread was doing; 4 bits of a label */

typedef enum {
    NGX_PROF_STATE_IDLE = 0,                /* the event loop itself */
    NGX_PROF_STATE_ACCEPT,
    NGX_PROF_STATE_TLS,                     /* a handshake of a client */
    NGX_PROF_STATE_READ,                    /* request line and headers */
    NGX_PROF_STATE_PHASE,                   /* phases, up to the response */
    NGX_PROF_STATE_UPSTREAM,
    NGX_PROF_STATE_WRITE,                   /* the rest of a response */
    NGX_PROF_STATE_KEEPALIVE,
    NGX_PROF_STATE_THREAD,                  /* another thread */
    NGX_PROF_STATE_OTHER,                   /* mail, stream, resolver .. */
    NGX_PROF_STATES
} ngx_prof_request_state_e;


/* a label: place + 1 (16 bits, 0: unknown), upstream (12), state (4) */

#define ngx_prof_label(place, upstream, state)                                \
    ((uint32_t) (place) << 16 | (uint32_t) (upstream) << 4 | (state))

#define ngx_prof_label_upstream(label)  ((label) >> 4 & 0xfff)
#define ngx_prof_label_state(label)     ((label) & 0xf)


/*
 * The label of what the main thread is doing, from its stack and the walk up
 * this stack.  Signal-safe.
 */
uint32_t ngx_prof_context_label(uintptr_t sp,
    const ngx_prof_unwind_path_t *walk);

/*
 * The same, and what is known of the request that it is done for; NULL: it is
 * for none, or for none that is known.
 */
uint32_t ngx_prof_context_running_label(uintptr_t sp,
    const ngx_prof_unwind_path_t *walk, const ngx_prof_context_t **owner);

/* the place of a label; all zeros: it has none */
void ngx_prof_label_where(uint64_t label, ngx_prof_place_name_t *place);

/* ", server main, location /spin" of a label; returns the end */
u_char *ngx_prof_label_print(u_char *p, u_char *last, uint64_t label);

const char *ngx_prof_request_state_name(ngx_uint_t state);


#endif /* _NGX_PROF_LABEL_H_INCLUDED_ */
