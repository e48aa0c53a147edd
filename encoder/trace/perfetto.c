
/*
 * Writes Chrome's trace-event JSON, which Perfetto and chrome://tracing open.
 * A worker has a track that shows what ran when; a request has an asynchronous
 * track with its regions; arrows connect the slices of a request; the heap is
 * a counter.  Times are in microseconds.
 */


#include <string.h>

#include "perfetto.h"
#include "trace_name.h"


static void perfetto_begin(profiling_trace_t *t, profiling_buf_t *out);
static void perfetto_worker(profiling_trace_t *t,
    profiling_trace_worker_t *w, uint64_t time, profiling_buf_t *out);
static void perfetto_step(profiling_trace_t *t,
    const profiling_trace_step_t *s, profiling_buf_t *out);
static void perfetto_slice(profiling_trace_t *t,
    const profiling_trace_step_t *s, profiling_buf_t *out);
static void perfetto_async(profiling_trace_t *t,
    const profiling_trace_step_t *s, const char *phase, uint32_t name,
    profiling_buf_t *out);
static void perfetto_log(profiling_trace_t *t,
    const profiling_trace_step_t *s, profiling_buf_t *out);
static void perfetto_worker_end(profiling_trace_t *t,
    profiling_trace_worker_t *w, profiling_buf_t *out);
static void perfetto_end(profiling_trace_t *t, profiling_buf_t *out);
static void perfetto_samples(profiling_trace_t *t, profiling_buf_t *out);
static void perfetto_event(profiling_trace_t *t, profiling_buf_t *out,
    const char *phase, profiling_trace_worker_t *w, uint64_t time,
    uint32_t name);
static void perfetto_string(profiling_trace_t *t, profiling_buf_t *out,
    uint32_t string);
static void perfetto_time(profiling_buf_t *out, const char *key,
    uint64_t ns);


const profiling_trace_form_t  profiling_perfetto = {
    perfetto_begin,
    NULL,
    perfetto_worker,
    perfetto_step,
    perfetto_worker_end,
    NULL,
    perfetto_end
};


static struct {
    unsigned  any;          /* an event was written */
    uint64_t  since;        /* of what runs on the worker */
    uint64_t  flow;         /* ids of arrows */
} perfetto;


static void
perfetto_begin(profiling_trace_t *t, profiling_buf_t *out)
{
    (void) t;

    memset(&perfetto, 0, sizeof(perfetto));

    profiling_buf_printf(out, "{\"displayTimeUnit\":\"ns\","
                         "\"traceEvents\":[");
}


static void
perfetto_worker(profiling_trace_t *t, profiling_trace_worker_t *w,
    uint64_t time, profiling_buf_t *out)
{
    (void) time;

    perfetto_event(t, out, "M", w, 0,
                   profiling_trace_known_name(t, "process_name"));
    profiling_buf_printf(out, ",\"args\":{\"name\":\"nginx worker %u\"}}",
                         w->worker);

    perfetto_event(t, out, "M", w, 0,
                   profiling_trace_known_name(t, "thread_name"));
    profiling_buf_printf(out, ",\"args\":{\"name\":\"event loop\"}}");
}


static void
perfetto_step(profiling_trace_t *t, const profiling_trace_step_t *s,
    profiling_buf_t *out)
{
    switch (s->step) {

    case PROFILING_STEP_START:
        perfetto.since = s->time;
        break;

    case PROFILING_STEP_BLOCK:
        perfetto_slice(t, s, out);
        break;

    case PROFILING_STEP_DESTROY:
        perfetto_slice(t, s, out);

        if (s->g->kind == PROFILING_G_CONNECTION) {
            perfetto_async(t, s, "e", profiling_trace_name(t, s->g), out);
        }

        break;

    case PROFILING_STEP_CREATE:
        if (s->g->kind == PROFILING_G_CONNECTION) {
            perfetto_async(t, s, "b", profiling_trace_name(t, s->g), out);
        }

        break;

    case PROFILING_STEP_TASK:
        perfetto_async(t, s, "b", s->name, out);
        break;

    case PROFILING_STEP_TASK_END:
        perfetto_async(t, s, "e", s->name, out);
        break;

    case PROFILING_STEP_REGION:
        perfetto_async(t, s, "b", s->name, out);
        break;

    case PROFILING_STEP_REGION_END:
        perfetto_async(t, s, "e", s->name, out);
        break;

    case PROFILING_STEP_LOG:
        perfetto_log(t, s, out);
        break;

    case PROFILING_STEP_SYSCALL:
        perfetto_event(t, out, "X", s->w, s->time - s->value, s->name);
        perfetto_time(out, "dur", s->value);
        profiling_buf_printf(out, ",\"cat\":\"call\"}");
        break;

    case PROFILING_STEP_HEAP:
        perfetto_event(t, out, "C", s->w, s->time,
                       profiling_trace_known_name(t, "heap"));
        profiling_buf_printf(out, ",\"args\":{\"bytes\":%llu}}",
                             (unsigned long long) s->value);
        break;

    case PROFILING_STEP_PROC_START:
    case PROFILING_STEP_PROC_STOP:
    case PROFILING_STEP_EXISTING:
    case PROFILING_STEP_UNBLOCK:
        break;
    }
}


/* writes the slice that ends now, with an arrow from the previous slice */

static void
perfetto_slice(profiling_trace_t *t, const profiling_trace_step_t *s,
    profiling_buf_t *out)
{
    uint32_t  name;

    name = profiling_trace_name(t, s->g);

    perfetto_event(t, out, "X", s->w, perfetto.since, name);
    perfetto_time(out, "dur", s->time - perfetto.since);
    profiling_buf_printf(out, ",\"cat\":\"run\",\"args\":{\"id\":%llu}}",
                         (unsigned long long) (s->g - t->gs) + 1);

    if (s->g->kind == PROFILING_G_WORKER) {
        return;
    }

    if (s->g->seq != 0) {
        perfetto_event(t, out, "f", s->w, perfetto.since, name);
        profiling_buf_printf(out, ",\"bp\":\"e\",\"cat\":\"flow\",\"id\":"
                             "%llu}", (unsigned long long) s->g->seq);
    }

    if (s->step == PROFILING_STEP_BLOCK) {
        s->g->seq = ++perfetto.flow;
        perfetto_event(t, out, "s", s->w, perfetto.since, name);
        profiling_buf_printf(out, ",\"cat\":\"flow\",\"id\":%llu}",
                             (unsigned long long) s->g->seq);
    }
}


static void
perfetto_async(profiling_trace_t *t, const profiling_trace_step_t *s,
    const char *phase, uint32_t name, profiling_buf_t *out)
{
    perfetto_event(t, out, phase, s->w, s->time, name);
    profiling_buf_printf(out, ",\"cat\":\"request\",\"id\":%llu}",
                         (unsigned long long) (s->g - t->gs) + 1);
}


static void
perfetto_log(profiling_trace_t *t, const profiling_trace_step_t *s,
    profiling_buf_t *out)
{
    perfetto_event(t, out, "n", s->w, s->time, s->name);
    profiling_buf_printf(out, ",\"cat\":\"request\",\"id\":%llu,\"args\":{",
                         (unsigned long long) (s->g - t->gs) + 1);
    perfetto_string(t, out, s->name);
    profiling_buf_put(out, ":", 1);
    perfetto_string(t, out, s->text);
    profiling_buf_put(out, "}}", 2);
}


/* every asynchronous track must end, including those cut off */

static void
perfetto_worker_end(profiling_trace_t *t, profiling_trace_worker_t *w,
    profiling_buf_t *out)
{
    uint32_t                i;
    profiling_trace_g_t    *g;
    profiling_trace_step_t  s;

    memset(&s, 0, sizeof(profiling_trace_step_t));
    s.w = w;
    s.time = w->time;

    for (i = w->first; i < w->first + w->ngs; i++) {
        g = &t->gs[i];
        s.g = g;

        if (!g->created || g->dead) {
            continue;
        }

        if (w->running == i + 1) {
            s.step = PROFILING_STEP_DESTROY;
            perfetto_slice(t, &s, out);
        }

        while (g->nregions) {
            g->nregions--;
            perfetto_async(t, &s, "e", g->regions[g->nregions].name, out);
        }

        if (g->task
            || (g->kind == PROFILING_G_CONNECTION && !g->existed))
        {
            perfetto_async(t, &s, "e", profiling_trace_name(t, g), out);
        }
    }
}


static void
perfetto_end(profiling_trace_t *t, profiling_buf_t *out)
{
    perfetto_samples(t, out);

    profiling_buf_printf(out, "\n]}\n");
}


static void
perfetto_samples(profiling_trace_t *t, profiling_buf_t *out)
{
    size_t                     i;
    uint32_t                   k;
    profiling_trace_stack_t   *stack;
    profiling_trace_sample_t  *s;

    for (i = 0; i < t->nsamples; i++) {
        s = &t->samples[i];

        if (s->stack == 0) {
            continue;
        }

        stack = t->stacks[s->stack - 1];

        perfetto_event(t, out, "i", &t->workers[s->worker], s->time,
                       stack->frames[0]->function);
        profiling_buf_printf(out, ",\"s\":\"t\",\"cat\":\"sample\","
                             "\"args\":{\"stack\":[");

        for (k = 0; k < stack->n; k++) {
            profiling_buf_put(out, ",", k != 0);
            perfetto_string(t, out, stack->frames[k]->function);
        }

        profiling_buf_printf(out, "]}}");
    }
}


/* writes the beginning of an event; time 0: without a time */

static void
perfetto_event(profiling_trace_t *t, profiling_buf_t *out, const char *phase,
    profiling_trace_worker_t *w, uint64_t time, uint32_t name)
{
    profiling_buf_printf(out, "%s\n{\"ph\":\"%s\",\"pid\":%u,\"tid\":%u,"
                         "\"name\":", perfetto.any ? "," : "", phase, w->pid,
                         w->pid);
    perfetto_string(t, out, name);

    if (time != 0) {
        perfetto_time(out, "ts", time);
    }

    perfetto.any = 1;
}


static void
perfetto_time(profiling_buf_t *out, const char *key, uint64_t ns)
{
    profiling_buf_printf(out, ",\"%s\":%llu.%03llu", key,
                         (unsigned long long) (ns / 1000),
                         (unsigned long long) (ns % 1000));
}


/* strings are already valid UTF-8 */

static void
perfetto_string(profiling_trace_t *t, profiling_buf_t *out, uint32_t string)
{
    size_t       len;
    unsigned     escape;
    const char  *p, *from;

    profiling_buf_put(out, "\"", 1);

    from = profiling_trace_text(t, string);

    for (p = from; *p; p += len) {
        escape = profiling_control(p, &len);

        if (*p == '"' || *p == '\\') {
            escape = (unsigned char) *p;
        }

        if (escape) {
            profiling_buf_put(out, from, p - from);
            profiling_buf_printf(out, "\\u%04x", escape);
            from = p + len;
        }
    }

    profiling_buf_put(out, from, p - from);
    profiling_buf_put(out, "\"", 1);
}
