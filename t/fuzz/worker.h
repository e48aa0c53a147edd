
/*
 * What the harnesses of the module share: a process of nginx that does
 * nothing, and pools whose every allocation is one of the system's, so that
 * no byte too many goes unseen.
 */


#ifndef _FUZZ_WORKER_H_INCLUDED_
#define _FUZZ_WORKER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include "ngx_prof_cell.h"
#include "ngx_prof_registry.h"
#include "ngx_prof_alive.h"
#include "ngx_prof_api.h"
#include "ngx_prof_base.h"
#include "ngx_prof_conf.h"
#include "ngx_prof_owner.h"
#include "ngx_prof_worker.h"


/* slots, samples, places of the zone that is made */
#define FUZZ_SLOTS    2
#define FUZZ_HISTORY  8
#define FUZZ_PLACES   4
#define FUZZ_FUNCTIONS 32
#define FUZZ_STACKS   64
#define FUZZ_DUMP     4096


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);


/*
 * Once: ngx_cycle with a log that says nothing, and a worker of this process
 * in a zone that has something of everything.
 */
extern ngx_core_conf_t  fuzz_core;

void fuzz_worker(void);

/* bytes of the zone */
size_t fuzz_zone_size(void);
void fuzz_registry(ngx_prof_registry_t *registry);
void fuzz_place(ngx_prof_zone_t *zone, ngx_prof_slot_t *slot, ngx_uint_t place,
    uint64_t ns);

ngx_pool_t *fuzz_pool(void);
void fuzz_pool_free(ngx_pool_t *pool);

/*
 * A request as nginx hands it to a content handler.  What it answers goes
 * nowhere; fuzz_status() is its status, 0: none yet.
 */

typedef struct {
    ngx_http_handler_pt  handler;
    ngx_uint_t           method;
    ngx_str_t            uri;
    ngx_str_t            args;
    ngx_str_t            body;
    ngx_str_t            host;
    ngx_str_t            headers;       /* "name:value\n" each */
    ngx_uint_t           access;        /* NGX_PROF_ANY, .. */
    int                  fd;            /* of the connection */
    void               (*between)(void);    /* before each round, or NULL */
} fuzz_request_t;

/*
 * Runs a request, with the events that it posts and the timers that it sets,
 * until it is answered or the client goes away after so many rounds.
 */
void fuzz_request(const fuzz_request_t *request, ngx_uint_t rounds);
ngx_uint_t fuzz_status(void);

/*
 * The input as a row of numbers: each call takes what is next, 0 behind the
 * end.
 */

typedef struct {
    const uint8_t  *p;
    const uint8_t  *last;
} fuzz_input_t;

uint64_t fuzz_take(fuzz_input_t *in, size_t bytes);


#endif /* _FUZZ_WORKER_H_INCLUDED_ */
