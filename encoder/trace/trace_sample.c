
/*
 * CPU samples of a trace: when each worker was interrupted, with its stack,
 * named as in a profile.
 */


#include <stdlib.h>
#include <string.h>

#include "profile.h"
#include "trace_name.h"
#include "trace_sample.h"


/* frames of a stack: Go allows 128 */
#define PROFILING_SAMPLE_FRAMES  127


static uint32_t profiling_trace_sampled(profiling_trace_t *t,
    profiling_profile_t *p, profiling_moment_t *m);
static uint32_t profiling_trace_location(profiling_trace_t *t,
    profiling_profile_t *p, profiling_location_t *l,
    profiling_trace_frame_t **frames, uint32_t room);
static uint32_t profiling_trace_copy(profiling_trace_t *t,
    profiling_profile_t *p, uint32_t string);
static int profiling_trace_owner(profiling_trace_t *t, profiling_moment_t *m,
    profiling_trace_sample_t *sample);
static int profiling_trace_compare(const void *one, const void *two);


void
profiling_trace_samples(profiling_trace_t *t)
{
    size_t                     i;
    profiling_raw_t           *raw;
    profiling_profile_t       *p;
    profiling_trace_sample_t  *sample;

    raw = t->raw;

    if (raw->nmoments == 0) {
        return;
    }

    p = profiling_profile_make(raw);

    t->samples = profiling_calloc(raw->nmoments,
                                  sizeof(profiling_trace_sample_t));

    for (i = 0; i < raw->nmoments; i++) {
        sample = &t->samples[t->nsamples];

        sample->time = raw->moments[i].time;

        if (profiling_trace_owner(t, &raw->moments[i], sample)) {
            sample->stack = profiling_trace_sampled(t, p, &raw->moments[i]);
            t->nsamples++;
        }
    }

    qsort(t->samples, t->nsamples, sizeof(profiling_trace_sample_t),
          profiling_trace_compare);
}


static int
profiling_trace_compare(const void *one, const void *two)
{
    const profiling_trace_sample_t  *a, *b;

    a = one;
    b = two;

    return (a->time > b->time) - (a->time < b->time);
}


/* returns 0 if the sample belongs to no worker of the trace at that time */

static int
profiling_trace_owner(profiling_trace_t *t, profiling_moment_t *m,
    profiling_trace_sample_t *sample)
{
    size_t                     i;
    profiling_trace_g_t       *g;
    profiling_trace_worker_t  *w;

    for (i = 0; i < t->nworkers; i++) {
        w = &t->workers[i];

        if (w->slot != m->slot
            || w->pid != t->raw->processes[m->process].pid
            || m->time < t->events[w->from].time
            || m->time > t->events[w->to - 1].time)
        {
            continue;
        }

        sample->worker = i;
        sample->g = 0;

        if (m->goroutine < w->ngs) {
            g = &t->gs[w->first + m->goroutine];

            if (!g->kept) {
                return 0;
            }

            sample->g = w->first + m->goroutine + 1;
        }

        return 1;
    }

    return 0;
}


static uint32_t
profiling_trace_sampled(profiling_trace_t *t, profiling_profile_t *p,
    profiling_moment_t *m)
{
    uint32_t                  i, n, flags;
    unsigned                  exact;
    profiling_stack_t        *stack;
    profiling_location_t     *location;
    profiling_trace_frame_t  *frames[PROFILING_SAMPLE_FRAMES];

    stack = &t->raw->stacks[m->stack];
    flags = stack->flags;
    n = 0;

    for (i = 0; i < stack->depth && n < PROFILING_SAMPLE_FRAMES; i++) {
        exact = (flags & NGX_PROF_RAW_ALL_EXACT)
                || (i == 0 && (flags & NGX_PROF_RAW_LEAF_EXACT));

        location = profiling_profile_location(p, m->process,
                                              profiling_raw_pc(stack, i),
                                              exact);
        n += profiling_trace_location(t, p, location, frames + n,
                                      PROFILING_SAMPLE_FRAMES - n);
    }

    return profiling_trace_stack(t, frames, n);
}


/* each inlined call is a frame */

static uint32_t
profiling_trace_location(profiling_trace_t *t, profiling_profile_t *p,
    profiling_location_t *l, profiling_trace_frame_t **frames, uint32_t room)
{
    uint32_t               i;
    profiling_function_t  *f;

    if (l->nlines == 0) {
        frames[0] = profiling_trace_frame(t,
                        profiling_trace_known_name(t, l->name ? l->name
                                                              : "[unknown]"),
                        0, 0);
        return 1;
    }

    for (i = 0; i < l->nlines && i < room; i++) {
        f = l->lines[i].function;

        frames[i] = profiling_trace_frame(t,
                                    profiling_trace_copy(t, p, f->name),
                                    profiling_trace_copy(t, p, f->file),
                                    (uint32_t) l->lines[i].line);
    }

    return i;
}


static uint32_t
profiling_trace_copy(profiling_trace_t *t, profiling_profile_t *p,
    uint32_t string)
{
    const char  *text;

    text = profiling_profile_string(p, string);

    return profiling_strings_add(&t->strings, text, strlen(text),
                                 PROFILING_MAX_NAME);
}
