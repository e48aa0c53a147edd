
/*
 * Turns the events of a worker into steps.  Any event may be missing, but the
 * steps are always valid: nothing runs twice, ends twice or ends before it
 * began, and regions nest.
 */


#include <string.h>

#include "trace_name.h"
#include "trace_run.h"


/* a worker that waits longer than this for events, in ns, is shown as idle */
#define PROFILING_TRACE_IDLE  10000


enum {
    PROFILING_REGION_PHASE = 0,
    PROFILING_REGION_UPSTREAM,
    PROFILING_REGION_SUB,
    PROFILING_REGION_TLS
};


typedef struct {
    profiling_trace_t             *t;
    profiling_trace_worker_t      *w;
    const profiling_trace_form_t  *form;
    profiling_buf_t               *out;
    profiling_trace_g_t           *g;         /* that runs, NULL: none */
} profiling_run_t;


static void profiling_run_event(profiling_run_t *r,
    profiling_trace_event_t *e);
static void profiling_run_inside(profiling_run_t *r,
    profiling_trace_event_t *e);
static void profiling_run_switch(profiling_run_t *r, uint32_t g);
static void profiling_run_pass(profiling_run_t *r, profiling_trace_event_t *e);
static void profiling_run_wait(profiling_run_t *r, profiling_trace_event_t *e);
static void profiling_run_place(profiling_run_t *r, uint32_t place);
static void profiling_run_upstream(profiling_run_t *r,
    profiling_trace_event_t *e);
static void profiling_run_blocked(profiling_run_t *r,
    profiling_trace_event_t *e);
static void profiling_run_end(profiling_run_t *r, profiling_trace_event_t *e);
static void profiling_run_close(profiling_run_t *r, uint32_t g);
static void profiling_run_existing(profiling_run_t *r, uint32_t g);
static void profiling_run_go(profiling_run_t *r, profiling_trace_g_t *g);
static void profiling_run_stop(profiling_run_t *r, unsigned reason);
static void profiling_run_destroy(profiling_run_t *r);
static void profiling_run_awake(profiling_run_t *r);
static void profiling_run_open(profiling_run_t *r, unsigned kind,
    uint32_t number, uint32_t name);
static void profiling_run_shut(profiling_run_t *r, unsigned kind,
    uint32_t number);
static void profiling_run_log(profiling_run_t *r, const char *key,
    uint32_t text);
static void profiling_run_step(profiling_run_t *r, profiling_trace_step_e step,
    profiling_trace_g_t *g, uint64_t value, uint32_t name, uint32_t text);
static uint32_t profiling_run_stack(profiling_run_t *r,
    profiling_trace_step_e step, profiling_trace_g_t *g, uint64_t value);


void
profiling_trace_run(profiling_trace_t *t, profiling_trace_worker_t *w,
    uint64_t until, const profiling_trace_form_t *form, profiling_buf_t *out)
{
    profiling_run_t           r;
    profiling_trace_event_t  *e;

    r.t = t;
    r.w = w;
    r.form = form;
    r.out = out;
    r.g = NULL;

    if (w->resume) {
        profiling_run_go(&r, &t->gs[w->resume - 1]);
        w->resume = 0;

    } else if (w->stopped) {
        profiling_run_step(&r, PROFILING_STEP_PROC_STOP, NULL, 0, 0, 0);
    }

    for ( /* void */ ; w->next < w->to; w->next++) {
        e = &t->events[w->next];

        if (e->time >= until) {
            break;
        }

        if (e->time > w->time) {
            w->time = e->time;
        }

        profiling_run_event(&r, e);
    }

    w->running = r.g ? (uint32_t) (r.g - t->gs) + 1 : 0;
}


void
profiling_trace_pause(profiling_trace_t *t, profiling_trace_worker_t *w,
    uint64_t until, const profiling_trace_form_t *form, profiling_buf_t *out)
{
    profiling_run_t  r;

    r.t = t;
    r.w = w;
    r.form = form;
    r.out = out;
    r.g = w->running ? &t->gs[w->running - 1] : NULL;

    if (w->time < until) {
        w->time = until - 1;
    }

    w->resume = w->running;

    if (r.g != NULL) {
        profiling_run_stop(&r, PROFILING_REASON_SYNC);
    }

    if (w->stopped) {
        profiling_run_step(&r, PROFILING_STEP_PROC_START, NULL, 0, 0, 0);
    }

    w->running = 0;
}


static void
profiling_run_event(profiling_run_t *r, profiling_trace_event_t *e)
{
    if (e->type == NGX_PROF_TRACE_EXISTING) {
        profiling_run_existing(r, e->g);
        return;
    }

    if (!r->w->started && e->type != NGX_PROF_TRACE_START) {
        r->w->started = 1;
        profiling_run_step(r, PROFILING_STEP_PROC_START, NULL, 1, 0, 0);
    }

    switch (e->type) {

    case NGX_PROF_TRACE_START:

        /* Go's tools refuse a trace without a goroutine */

        profiling_run_existing(r, e->g);
        break;

    case NGX_PROF_TRACE_LOST:
        break;

    case NGX_PROF_TRACE_PASS:
    case NGX_PROF_TRACE_ACCEPT:
    case NGX_PROF_TRACE_EVENT:
    case NGX_PROF_TRACE_TIMER:
    case NGX_PROF_TRACE_CONNECTION:
        profiling_run_pass(r, e);
        break;

    case NGX_PROF_TRACE_WAIT:
        profiling_run_wait(r, e);
        break;

    case NGX_PROF_TRACE_REQUEST:
    case NGX_PROF_TRACE_SWITCH:
        profiling_run_awake(r);
        profiling_run_switch(r, e->g);
        break;

    case NGX_PROF_TRACE_CLOSE:
        profiling_run_close(r, e->g);
        break;

    case NGX_PROF_TRACE_HEAP:
        profiling_run_awake(r);
        profiling_run_step(r, PROFILING_STEP_HEAP, NULL,
                           e->arg | e->value << 32, 0, 0);
        break;

    case NGX_PROF_TRACE_BLOCKED:
        profiling_run_blocked(r, e);
        break;

    default:
        if (r->g != NULL && r->g == &r->t->gs[e->g]) {
            profiling_run_inside(r, e);
        }
    }
}


/* events of the running goroutine */

static void
profiling_run_inside(profiling_run_t *r, profiling_trace_event_t *e)
{
    uint32_t            phase;
    profiling_trace_t  *t;

    t = r->t;

    if (e->type >= NGX_PROF_TRACE_PHASE) {
        phase = e->type - NGX_PROF_TRACE_PHASE;

        profiling_run_shut(r, PROFILING_REGION_PHASE, 0);
        profiling_run_open(r, PROFILING_REGION_PHASE, 0,
                           profiling_trace_known_name(t,
                                             profiling_trace_phase(phase)));
        return;
    }

    switch (e->type) {

    case NGX_PROF_TRACE_PLACE:
        profiling_run_place(r, e->arg);
        break;

    case NGX_PROF_TRACE_END:
        profiling_run_end(r, e);
        break;

    case NGX_PROF_TRACE_PHASE_END:
        profiling_run_shut(r, PROFILING_REGION_PHASE, 0);
        break;

    case NGX_PROF_TRACE_SUB:
        profiling_run_open(r, PROFILING_REGION_SUB, e->arg,
                           profiling_trace_known_name(t, "subrequest"));
        break;

    case NGX_PROF_TRACE_SUB_END:
        profiling_run_shut(r, PROFILING_REGION_SUB, e->arg);
        break;

    case NGX_PROF_TRACE_REDIRECT:
        profiling_run_log(r, "redirect",
                          profiling_trace_known_name(t, "internal"));
        break;

    case NGX_PROF_TRACE_UPSTREAM:
        profiling_run_upstream(r, e);
        break;

    case NGX_PROF_TRACE_TLS:
        if (e->arg) {
            profiling_run_shut(r, PROFILING_REGION_TLS, 0);
        }

        break;
    }
}


static void
profiling_run_pass(profiling_run_t *r, profiling_trace_event_t *e)
{
    profiling_trace_g_t  *g;

    profiling_run_awake(r);

    g = &r->t->gs[e->g];

    /* the first request began in the first pass of the connection */

    if (e->type == NGX_PROF_TRACE_CONNECTION && e->value
        && g->kept && !g->created)
    {
        profiling_run_switch(r, e->g);
    }

    profiling_run_switch(r, e->value ? (uint32_t) e->value - 1 : e->g);

    if (e->tls && r->g != NULL && r->g->kind == PROFILING_G_CONNECTION) {
        profiling_run_open(r, PROFILING_REGION_TLS, 0,
                           profiling_trace_known_name(r->t, "TLS handshake"));
    }
}


static void
profiling_run_wait(profiling_run_t *r, profiling_trace_event_t *e)
{
    if (r->w->stopped) {
        return;
    }

    if (r->g != NULL) {
        profiling_run_stop(r, (r->g->kind == PROFILING_G_WORKER)
                              ? PROFILING_REASON_SYNC
                              : (e->arg == NGX_PROF_TRACE_WAIT_TIMER)
                              ? PROFILING_REASON_SLEEP
                              : PROFILING_REASON_NETWORK);
    }

    if (r->w->next + 1 < r->w->to
        && e[1].time - e->time < PROFILING_TRACE_IDLE)
    {
        return;
    }

    profiling_run_step(r, PROFILING_STEP_PROC_STOP, NULL, 0, 0, 0);
    r->w->stopped = 1;
}


static void
profiling_run_awake(profiling_run_t *r)
{
    if (r->w->stopped) {
        profiling_run_step(r, PROFILING_STEP_PROC_START, NULL, 0, 0, 0);
        r->w->stopped = 0;
    }
}


static void
profiling_run_existing(profiling_run_t *r, uint32_t n)
{
    unsigned              reason;
    profiling_trace_g_t  *g;

    g = &r->t->gs[n];

    if (!g->kept || g->created) {
        return;
    }

    reason = (g->kind == PROFILING_G_WORKER) ? PROFILING_REASON_SYNC
                                             : PROFILING_REASON_NETWORK;

    /* Go learns of existing goroutines in the first generation */

    if (r->t->generation > 1) {
        profiling_run_awake(r);
        profiling_run_switch(r, n);
        profiling_run_stop(r, reason);
        return;
    }

    g->created = 1;
    g->reason = reason;

    profiling_run_step(r, PROFILING_STEP_EXISTING, g, 0, 0, 0);
}


/* a goroutine that is filtered out, or has ended, does not run */

static void
profiling_run_switch(profiling_run_t *r, uint32_t n)
{
    profiling_trace_g_t  *g;

    g = &r->t->gs[n];

    if (r->g == g) {
        return;
    }

    if (r->g != NULL) {
        profiling_run_stop(r, PROFILING_REASON_SYNC);
    }

    if (g->kept && !g->dead) {
        profiling_run_go(r, g);
    }
}


static void
profiling_run_go(profiling_run_t *r, profiling_trace_g_t *g)
{
    if (!g->created) {
        g->created = 1;
        profiling_run_step(r, PROFILING_STEP_CREATE, g, 0, 0, 0);

    } else {
        profiling_run_step(r, PROFILING_STEP_UNBLOCK, g, g->reason, 0, 0);
    }

    r->g = g;
    profiling_run_step(r, PROFILING_STEP_START, g, 0, 0, 0);

    if (g->kind == PROFILING_G_REQUEST && !g->task) {
        g->task = 1;
        profiling_run_step(r, PROFILING_STEP_TASK, g, 0,
                           profiling_trace_name(r->t, g), 0);
    }
}


static void
profiling_run_stop(profiling_run_t *r, unsigned reason)
{
    if (r->g == NULL) {
        return;
    }

    r->g->reason = reason;
    profiling_run_step(r, PROFILING_STEP_BLOCK, r->g, reason, 0, 0);
    r->g = NULL;
}


static void
profiling_run_place(profiling_run_t *r, uint32_t place)
{
    uint32_t  at;

    if (r->g->kind != PROFILING_G_REQUEST || place == UINT32_MAX
        || place >= r->t->info.nplaces
        || place + 1 == r->g->place)
    {
        return;
    }

    /* a place may be a server, whose location becomes known later */

    at = r->t->info.places + 2 * place;

    if (r->t->raw->strings[at + 2].len != 0) {
        profiling_run_log(r, "location",
                          profiling_trace_place(r->t, place + 1));
    }
}


static void
profiling_run_upstream(profiling_run_t *r, profiling_trace_event_t *e)
{
    uint32_t  name;

    if (r->g->kind != PROFILING_G_REQUEST) {
        return;
    }

    profiling_run_shut(r, PROFILING_REGION_UPSTREAM, 0);

    if (e->arg == NGX_PROF_TRACE_UPSTREAM_NONE
        || e->arg >= NGX_PROF_TRACE_UPSTREAM_STAGES)
    {
        return;
    }

    name = (e->value < UINT32_MAX)
           ? profiling_trace_upstream(r->t, (uint32_t) e->value) : 0;

    profiling_run_open(r, PROFILING_REGION_UPSTREAM, 0,
                       profiling_trace_known_name(r->t,
                                            profiling_trace_stage(e->arg)));

    if (name != 0 && name != r->g->upstream) {
        r->g->upstream = name;
        profiling_run_log(r, "upstream", name);
    }
}


/* a start earlier than the latest step is moved to that step */

static void
profiling_run_blocked(profiling_run_t *r, profiling_trace_event_t *e)
{
    uint64_t            ns;
    profiling_trace_t  *t;

    t = r->t;

    if (r->g == NULL || r->w->next == r->w->from) {
        return;
    }

    ns = e->time - e[-1].time;

    if (e->value < ns) {
        ns = e->value;
    }

    if (ns < 2) {
        return;
    }

    profiling_run_step(r, PROFILING_STEP_SYSCALL, r->g, ns,
                       profiling_trace_known_name(t,
                                            profiling_trace_call(e->arg)), 0);
}


static void
profiling_run_end(profiling_run_t *r, profiling_trace_event_t *e)
{
    uint32_t  parent;

    if (r->g->kind != PROFILING_G_REQUEST) {
        return;
    }

    profiling_run_log(r, "status", profiling_trace_string(r->t, "%u",
                                                          e->arg));
    profiling_run_log(r, "bytes", profiling_trace_string(r->t, "%llu",
                                           (unsigned long long) e->value));
    parent = r->g->stream ? r->g->parent : 0;

    profiling_run_destroy(r);

    if (parent) {
        profiling_run_switch(r, parent);
    }
}


static void
profiling_run_close(profiling_run_t *r, uint32_t n)
{
    profiling_trace_g_t  *g;

    g = &r->t->gs[n];

    if (!g->created || g->dead || g->kind != PROFILING_G_CONNECTION) {
        return;
    }

    profiling_run_awake(r);
    profiling_run_switch(r, n);

    if (r->g == g) {
        profiling_run_destroy(r);
    }
}


static void
profiling_run_destroy(profiling_run_t *r)
{
    profiling_trace_g_t  *g;

    g = r->g;

    while (g->nregions) {
        g->nregions--;
        profiling_run_step(r, PROFILING_STEP_REGION_END, g, 0,
                           g->regions[g->nregions].name, 0);
    }

    if (g->task) {
        profiling_run_step(r, PROFILING_STEP_TASK_END, g, 0,
                           profiling_trace_name(r->t, g), 0);
    }

    g->dead = 1;
    profiling_run_step(r, PROFILING_STEP_DESTROY, g, 0, 0, 0);
    r->g = NULL;
}


static void
profiling_run_open(profiling_run_t *r, unsigned kind, uint32_t number,
    uint32_t name)
{
    profiling_trace_g_t       *g;
    profiling_trace_region_t  *region;

    g = r->g;

    if (g == NULL || g->nregions == PROFILING_MAX_REGIONS) {
        return;
    }

    if (g->regions == NULL) {
        g->regions = profiling_calloc(PROFILING_MAX_REGIONS,
                                      sizeof(profiling_trace_region_t));
    }

    if (kind == PROFILING_REGION_TLS && g->nregions
        && g->regions[g->nregions - 1].kind == kind)
    {
        return;
    }

    region = &g->regions[g->nregions++];
    region->kind = kind;
    region->number = number;
    region->name = name;

    profiling_run_step(r, PROFILING_STEP_REGION, g, 0, name, 0);
}


/* regions inside end first, and begin again */

static void
profiling_run_shut(profiling_run_t *r, unsigned kind, uint32_t number)
{
    unsigned                   i, at;
    profiling_trace_g_t       *g;
    profiling_trace_region_t  *region;

    g = r->g;

    if (g == NULL) {
        return;
    }

    for (at = g->nregions; at > 0; at--) {
        region = &g->regions[at - 1];

        if (region->kind == kind && region->number == number) {
            break;
        }
    }

    if (at == 0) {
        return;
    }

    for (i = g->nregions; i >= at; i--) {
        profiling_run_step(r, PROFILING_STEP_REGION_END, g, 0,
                           g->regions[i - 1].name, 0);
    }

    g->nregions--;

    for (i = at - 1; i < g->nregions; i++) {
        g->regions[i] = g->regions[i + 1];
        profiling_run_step(r, PROFILING_STEP_REGION, g, 0,
                           g->regions[i].name, 0);
    }
}


static void
profiling_run_log(profiling_run_t *r, const char *key, uint32_t text)
{
    if (r->g != NULL && r->g->task) {
        profiling_run_step(r, PROFILING_STEP_LOG, r->g, 0,
                           profiling_trace_known_name(r->t, key), text);
    }
}


static void
profiling_run_step(profiling_run_t *r, profiling_trace_step_e step,
    profiling_trace_g_t *g, uint64_t value, uint32_t name, uint32_t text)
{
    profiling_trace_step_t  s;

    s.step = step;
    s.w = r->w;
    s.g = g;
    s.time = r->w->time;
    s.value = value;
    s.name = name;
    s.text = text;
    s.stack = profiling_run_stack(r, step, g, value);

    r->form->step(r->t, &s, r->out);
}


/* frames of a wait: reason, region, and the name as the root */

static uint32_t
profiling_run_stack(profiling_run_t *r, profiling_trace_step_e step,
    profiling_trace_g_t *g, uint64_t value)
{
    uint32_t  leaf, middle, root;

    if (g == NULL) {
        return 0;
    }

    switch (step) {

    case PROFILING_STEP_CREATE:
    case PROFILING_STEP_EXISTING:
        leaf = 0;
        break;

    case PROFILING_STEP_BLOCK:
    case PROFILING_STEP_UNBLOCK:
        leaf = profiling_trace_known_name(r->t,
                                     profiling_trace_reason(value));
        break;

    default:
        return 0;
    }

    root = profiling_trace_name(r->t, g);
    middle = 0;

    if (leaf != 0 && g->nregions) {
        middle = g->regions[g->nregions - 1].name;
    }

    return profiling_trace_stack_of(r->t, leaf, middle, root);
}
