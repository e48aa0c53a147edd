
/*
 * Writes a trace: for each generation all workers, one after the other.
 */


#include <string.h>

#include "gotrace.h"
#include "perfetto.h"
#include "trace.h"
#include "trace_read.h"
#include "trace_run.h"
#include "trace_sample.h"


/* length of a generation, and of a trace with only one, ns */
#define PROFILING_TRACE_GENERATION  ((uint64_t) PROFILING_NSEC_PER_SEC)
#define PROFILING_TRACE_SHORT       1500000000ULL

/* a broken stream may span centuries */
#ifndef PROFILING_TRACE_GENERATIONS
#define PROFILING_TRACE_GENERATIONS 600
#endif


static void profiling_trace_time(profiling_trace_t *t, uint64_t *from,
    uint64_t *to);
static void profiling_trace_generation(profiling_trace_t *t, uint64_t from,
    uint64_t until, int last, const profiling_trace_form_t *form,
    profiling_buf_t *out);


void
profiling_trace_encode(profiling_raw_t *raw, profiling_buf_t *out)
{
    uint64_t                       from, to, until, step;
    unsigned                       number;
    profiling_trace_t             *t;
    const profiling_trace_form_t  *form;

    t = profiling_alloc(sizeof(profiling_trace_t));

    t->raw = raw;
    t->info = *raw->trace;

    /* string 0 is empty */
    profiling_strings_add(&t->strings, "", 0, 0);

    profiling_trace_read(t);
    profiling_trace_samples(t);

    form = (t->info.format == NGX_PROF_TRACE_GO)
           ? &profiling_gotrace : &profiling_perfetto;

    profiling_trace_time(t, &from, &to);

    form->begin(t, out);

    if (form->generation == NULL || to - from <= PROFILING_TRACE_SHORT) {
        step = to - from + 1;

    } else {
        step = (to - from) / PROFILING_TRACE_GENERATIONS + 1;

        if (step < PROFILING_TRACE_GENERATION) {
            step = PROFILING_TRACE_GENERATION;
        }
    }

    number = 0;

    do {
        until = from + step;

        if (form->generation != NULL) {
            t->generation = ++number;
            form->generation(t, number, from, until, out);
        }

        profiling_trace_generation(t, from, until, until > to, form, out);

        if (form->generation_end != NULL) {
            form->generation_end(t, out);
        }

        from = until;

    } while (until <= to);

    form->end(t, out);
}


static void
profiling_trace_time(profiling_trace_t *t, uint64_t *from, uint64_t *to)
{
    size_t                     i;
    profiling_trace_worker_t  *w;

    *from = 0;
    *to = 0;

    for (i = 0; i < t->nworkers; i++) {
        w = &t->workers[i];

        if (i == 0 || t->events[w->from].time < *from) {
            *from = t->events[w->from].time;
        }

        if (t->events[w->to - 1].time > *to) {
            *to = t->events[w->to - 1].time;
        }
    }
}


static void
profiling_trace_generation(profiling_trace_t *t, uint64_t from, uint64_t until,
    int last, const profiling_trace_form_t *form, profiling_buf_t *out)
{
    size_t                     i;
    profiling_trace_worker_t  *w;

    for (i = 0; i < t->nworkers; i++) {
        w = &t->workers[i];

        if (!w->began && t->events[w->from].time >= until) {
            continue;
        }

        if (!w->began) {
            w->began = 1;
            w->time = t->events[w->from].time;

        } else if (w->time < from) {
            w->time = from;
        }

        form->worker(t, w, w->time, out);

        profiling_trace_run(t, w, until, form, out);

        if (!last) {
            profiling_trace_pause(t, w, until, form, out);
        }

        form->worker_end(t, w, out);
    }
}
