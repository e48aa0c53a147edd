
/*
 * Writes Go's execution traces, version 2, which "go tool trace" of Go 1.22 and
 * later reads.  The format is that of Go's internal/trace/v2: each generation
 * has batches of events, one thread (a worker's pid) a batch, and tables.
 */


#include <string.h>

#include "gotrace.h"
#include "trace_name.h"


#define GOTRACE_STACKS            2
#define GOTRACE_STACK             3
#define GOTRACE_STRINGS           4
#define GOTRACE_STRING            5
#define GOTRACE_SAMPLES           6
#define GOTRACE_SAMPLE            7
#define GOTRACE_FREQUENCY         8
#define GOTRACE_PROCS_CHANGE      9
#define GOTRACE_PROC_START        10
#define GOTRACE_PROC_STOP         11
#define GOTRACE_PROC_STATUS       13
#define GOTRACE_GO_CREATE         14
#define GOTRACE_GO_START          16
#define GOTRACE_GO_DESTROY        17
#define GOTRACE_GO_BLOCK          20
#define GOTRACE_GO_UNBLOCK        21
#define GOTRACE_SYSCALL_BEGIN     22
#define GOTRACE_SYSCALL_END       23
#define GOTRACE_GO_STATUS         25
#define GOTRACE_HEAP_ALLOC        37
#define GOTRACE_TASK_BEGIN        40
#define GOTRACE_TASK_END          41
#define GOTRACE_REGION_BEGIN      42
#define GOTRACE_REGION_END        43
#define GOTRACE_LOG               44

#define GOTRACE_RUNNING           1
#define GOTRACE_WAITING           4

/* bytes of a batch, at most 65536; leaves room for the longest event */
#define GOTRACE_BATCH             65000

#define GOTRACE_MAX_STRING        1024


static void gotrace_begin(profiling_trace_t *t, profiling_buf_t *out);
static void gotrace_generation(profiling_trace_t *t, unsigned number,
    uint64_t time, uint64_t until, profiling_buf_t *out);
static void gotrace_worker(profiling_trace_t *t, profiling_trace_worker_t *w,
    uint64_t time, profiling_buf_t *out);
static uint64_t gotrace_thread(profiling_trace_t *t,
    profiling_trace_worker_t *w);
static void gotrace_step(profiling_trace_t *t,
    const profiling_trace_step_t *s, profiling_buf_t *out);
static void gotrace_goroutine(profiling_trace_t *t,
    const profiling_trace_step_t *s, uint64_t g, profiling_buf_t *out);
static void gotrace_user(profiling_trace_t *t,
    const profiling_trace_step_t *s, uint64_t g, profiling_buf_t *out);
static void gotrace_syscall(profiling_trace_t *t,
    const profiling_trace_step_t *s, profiling_buf_t *out);
static void gotrace_worker_end(profiling_trace_t *t,
    profiling_trace_worker_t *w, profiling_buf_t *out);
static void gotrace_generation_end(profiling_trace_t *t,
    profiling_buf_t *out);
static void gotrace_end(profiling_trace_t *t, profiling_buf_t *out);
static void gotrace_event(profiling_buf_t *out, unsigned type, uint64_t time,
    unsigned n, const uint64_t *args);
static void gotrace_flush(profiling_buf_t *out);
static void gotrace_room(profiling_buf_t *out, uint8_t type, size_t len);
static void gotrace_samples(profiling_trace_t *t, profiling_buf_t *out);
static void gotrace_stacks(profiling_trace_t *t, profiling_buf_t *out);
static void gotrace_strings(profiling_trace_t *t, profiling_buf_t *out);
static void gotrace_mark(unsigned **marks, size_t *n, size_t i);
static uint64_t gotrace_string(profiling_trace_t *t, uint32_t string);
static uint64_t gotrace_stack(profiling_trace_t *t, uint32_t stack);


const profiling_trace_form_t  profiling_gotrace = {
    gotrace_begin,
    gotrace_generation,
    gotrace_worker,
    gotrace_step,
    gotrace_worker_end,
    gotrace_generation_end,
    gotrace_end
};


/* the batch being filled, and what its generation has named so far */

static struct {
    profiling_buf_t   batch;
    unsigned          number;       /* of the generation */
    uint64_t          from;
    uint64_t          until;
    uint64_t          m;            /* pid */
    uint64_t          p;
    uint64_t          time;         /* of the event before */
    uint64_t          base;
    uint64_t          sample;       /* next one */
    unsigned          procs;        /* their number was told */
    unsigned         *strings;      /* generation that a string was used in */
    size_t            nstrings;
    unsigned         *stacks;
    size_t            nstacks;
} gotrace;


static void
gotrace_begin(profiling_trace_t *t, profiling_buf_t *out)
{
    (void) t;

    memset(&gotrace, 0, sizeof(gotrace));

    profiling_buf_put(out, "go 1.22 trace\0\0\0", 16);
}


static void
gotrace_generation(profiling_trace_t *t, unsigned number, uint64_t time,
    uint64_t until, profiling_buf_t *out)
{
    (void) t;
    (void) out;

    gotrace.number = number;
    gotrace.from = time;
    gotrace.until = until;
}


/* sequence numbers start over in each generation */

static void
gotrace_worker(profiling_trace_t *t, profiling_trace_worker_t *w,
    uint64_t time, profiling_buf_t *out)
{
    uint32_t              i;
    uint64_t              args[3];
    profiling_trace_g_t  *g;

    gotrace.m = gotrace_thread(t, w);
    gotrace.p = w - t->workers;
    gotrace.base = time;
    gotrace.time = time;

    w->seq = 0;

    args[0] = gotrace.p;
    args[1] = GOTRACE_RUNNING;
    gotrace_event(out, GOTRACE_PROC_STATUS, time, 2, args);

    for (i = w->first; i < w->first + w->ngs; i++) {
        g = &t->gs[i];
        g->seq = 0;

        if (g->created && !g->dead) {
            args[0] = (uint64_t) i + 1;
            args[1] = ~(uint64_t) 0;
            args[2] = GOTRACE_WAITING;
            gotrace_event(out, GOTRACE_GO_STATUS, time, 3, args);
        }
    }
}


/* the pid, unless an earlier worker had the same one */

static uint64_t
gotrace_thread(profiling_trace_t *t, profiling_trace_worker_t *w)
{
    profiling_trace_worker_t  *other;

    for (other = t->workers; other < w; other++) {
        if (other->pid == w->pid) {
            return ((uint64_t) 1 << 32) + (w - t->workers);
        }
    }

    return w->pid;
}


static void
gotrace_step(profiling_trace_t *t, const profiling_trace_step_t *s,
    profiling_buf_t *out)
{
    uint64_t  args[2];

    switch (s->step) {

    case PROFILING_STEP_PROC_START:
        if (s->value == 0) {
            args[0] = gotrace.p;
            args[1] = ++s->w->seq;
            gotrace_event(out, GOTRACE_PROC_START, s->time, 2, args);
        }

        break;

    case PROFILING_STEP_PROC_STOP:
        gotrace_event(out, GOTRACE_PROC_STOP, s->time, 0, NULL);
        break;

    case PROFILING_STEP_HEAP:
        args[0] = s->value;
        gotrace_event(out, GOTRACE_HEAP_ALLOC, s->time, 1, args);
        break;

    default:
        gotrace_goroutine(t, s, (uint64_t) (s->g - t->gs) + 1, out);
    }
}


static void
gotrace_goroutine(profiling_trace_t *t, const profiling_trace_step_t *s,
    uint64_t g, profiling_buf_t *out)
{
    uint64_t  args[3];

    switch (s->step) {

    case PROFILING_STEP_CREATE:
        args[0] = g;
        args[1] = gotrace_stack(t, s->stack);
        args[2] = 0;
        gotrace_event(out, GOTRACE_GO_CREATE, s->time, 3, args);
        break;

    case PROFILING_STEP_EXISTING:
        args[0] = g;
        args[1] = ~(uint64_t) 0;
        args[2] = GOTRACE_WAITING;
        gotrace_event(out, GOTRACE_GO_STATUS, s->time, 3, args);
        break;

    case PROFILING_STEP_UNBLOCK:
        args[0] = g;
        args[1] = ++s->g->seq;
        args[2] = gotrace_stack(t, s->stack);
        gotrace_event(out, GOTRACE_GO_UNBLOCK, s->time, 3, args);
        break;

    case PROFILING_STEP_START:
        args[0] = g;
        args[1] = ++s->g->seq;
        gotrace_event(out, GOTRACE_GO_START, s->time, 2, args);

        if (!gotrace.procs) {
            gotrace.procs = 1;
            args[0] = t->nworkers;
            args[1] = 0;
            gotrace_event(out, GOTRACE_PROCS_CHANGE, s->time, 2, args);
        }

        break;

    case PROFILING_STEP_BLOCK:
        args[0] = gotrace_string(t, profiling_trace_known_name(t,
                                          profiling_trace_reason(s->value)));
        args[1] = gotrace_stack(t, s->stack);
        gotrace_event(out, GOTRACE_GO_BLOCK, s->time, 2, args);
        break;

    case PROFILING_STEP_DESTROY:
        gotrace_event(out, GOTRACE_GO_DESTROY, s->time, 0, NULL);
        break;

    default:
        gotrace_user(t, s, g, out);
    }
}


/* Go's user annotations, and system calls */

static void
gotrace_user(profiling_trace_t *t, const profiling_trace_step_t *s,
    uint64_t g, profiling_buf_t *out)
{
    uint64_t  args[4];

    memset(args, 0, sizeof(args));
    args[0] = g;

    switch (s->step) {

    case PROFILING_STEP_TASK:
        args[2] = gotrace_string(t, s->name);
        gotrace_event(out, GOTRACE_TASK_BEGIN, s->time, 4, args);
        break;

    case PROFILING_STEP_TASK_END:
        gotrace_event(out, GOTRACE_TASK_END, s->time, 2, args);
        break;

    case PROFILING_STEP_REGION:
    case PROFILING_STEP_REGION_END:
        args[0] = s->g->task ? g : 0;
        args[1] = gotrace_string(t, s->name);
        gotrace_event(out, (s->step == PROFILING_STEP_REGION)
                           ? GOTRACE_REGION_BEGIN : GOTRACE_REGION_END,
                      s->time, 3, args);
        break;

    case PROFILING_STEP_LOG:
        args[1] = gotrace_string(t, s->name);
        args[2] = gotrace_string(t, s->text);
        gotrace_event(out, GOTRACE_LOG, s->time, 4, args);
        break;

    case PROFILING_STEP_SYSCALL:
        gotrace_syscall(t, s, out);
        break;

    default:
        break;
    }
}


static void
gotrace_syscall(profiling_trace_t *t, const profiling_trace_step_t *s,
    profiling_buf_t *out)
{
    uint64_t  args[2];

    args[0] = ++s->w->seq;
    args[1] = gotrace_stack(t, profiling_trace_stack_of(t, s->name, 0,
                                              profiling_trace_name(t, s->g)));

    gotrace_event(out, GOTRACE_SYSCALL_BEGIN, s->time - s->value, 2, args);
    gotrace_event(out, GOTRACE_SYSCALL_END, s->time, 0, args);
}


static void
gotrace_worker_end(profiling_trace_t *t, profiling_trace_worker_t *w,
    profiling_buf_t *out)
{
    (void) t;
    (void) w;

    gotrace_flush(out);
}


static void
gotrace_event(profiling_buf_t *out, unsigned type, uint64_t time, unsigned n,
    const uint64_t *args)
{
    uint8_t   byte;
    unsigned  i;

    if (gotrace.batch.len > GOTRACE_BATCH - 64) {
        gotrace_flush(out);
    }

    if (gotrace.batch.len == 0) {
        gotrace.base = (time > gotrace.time) ? time : gotrace.time;
        gotrace.time = gotrace.base;
    }

    if (time < gotrace.time) {
        time = gotrace.time;
    }

    byte = (uint8_t) type;
    profiling_buf_put(&gotrace.batch, &byte, 1);
    profiling_leb(&gotrace.batch, time - gotrace.time);

    for (i = 0; i < n; i++) {
        profiling_leb(&gotrace.batch, args[i]);
    }

    gotrace.time = time;
}


static void
gotrace_flush(profiling_buf_t *out)
{
    if (gotrace.batch.len == 0) {
        return;
    }

    profiling_buf_put(out, "\1", 1);
    profiling_leb(out, gotrace.number);
    profiling_leb(out, gotrace.m);
    profiling_leb(out, gotrace.base);
    profiling_leb(out, gotrace.batch.len);
    profiling_buf_put(out, gotrace.batch.data, gotrace.batch.len);

    gotrace.batch.len = 0;
}


/* writes the tables; each further batch of a table repeats the type byte */

static void
gotrace_generation_end(profiling_trace_t *t, profiling_buf_t *out)
{
    uint8_t  byte;

    gotrace.base = gotrace.from;

    gotrace_samples(t, out);
    gotrace_stacks(t, out);
    gotrace_strings(t, out);

    byte = GOTRACE_FREQUENCY;
    profiling_buf_put(&gotrace.batch, &byte, 1);
    profiling_leb(&gotrace.batch, PROFILING_NSEC_PER_SEC);
    gotrace_flush(out);
}


static void
gotrace_end(profiling_trace_t *t, profiling_buf_t *out)
{
    (void) t;
    (void) out;

    profiling_buf_free(&gotrace.batch);
}


/* begins a batch of a table if there is none, or no room for len bytes */

static void
gotrace_room(profiling_buf_t *out, uint8_t type, size_t len)
{
    if (gotrace.batch.len + len > GOTRACE_BATCH) {
        gotrace_flush(out);
    }

    if (gotrace.batch.len == 0) {
        profiling_buf_put(&gotrace.batch, &type, 1);
    }
}


static void
gotrace_samples(profiling_trace_t *t, profiling_buf_t *out)
{
    uint8_t                    byte;
    profiling_trace_sample_t  *s;

    for ( /* void */ ; gotrace.sample < t->nsamples; gotrace.sample++) {
        s = &t->samples[gotrace.sample];

        if (s->time >= gotrace.until) {
            break;
        }

        if (s->time < gotrace.from) {
            continue;
        }

        gotrace_room(out, GOTRACE_SAMPLES, 64);

        byte = GOTRACE_SAMPLE;
        profiling_buf_put(&gotrace.batch, &byte, 1);
        profiling_leb(&gotrace.batch, s->time);
        profiling_leb(&gotrace.batch,
                      gotrace_thread(t, &t->workers[s->worker]));
        profiling_leb(&gotrace.batch, s->worker);
        profiling_leb(&gotrace.batch, s->g);
        profiling_leb(&gotrace.batch, gotrace_stack(t, s->stack));
    }

    gotrace_flush(out);
}


static void
gotrace_stacks(profiling_trace_t *t, profiling_buf_t *out)
{
    size_t                    i;
    uint8_t                   byte;
    uint32_t                  k;
    profiling_trace_frame_t  *f;
    profiling_trace_stack_t  *s;

    for (i = 0; i < gotrace.nstacks && i < t->nstacks; i++) {
        s = t->stacks[i];

        if (gotrace.stacks[i] != gotrace.number) {
            continue;
        }

        gotrace_room(out, GOTRACE_STACKS, 32 + (size_t) s->n * 40);

        byte = GOTRACE_STACK;
        profiling_buf_put(&gotrace.batch, &byte, 1);
        profiling_leb(&gotrace.batch, s->number);
        profiling_leb(&gotrace.batch, s->n);

        for (k = 0; k < s->n; k++) {
            f = s->frames[k];

            /* tools distinguish frames by address */

            profiling_leb(&gotrace.batch, (uint64_t) f->number << 4);
            profiling_leb(&gotrace.batch, gotrace_string(t, f->function));
            profiling_leb(&gotrace.batch, gotrace_string(t, f->file));
            profiling_leb(&gotrace.batch, f->line);
        }
    }

    gotrace_flush(out);
}


static void
gotrace_strings(profiling_trace_t *t, profiling_buf_t *out)
{
    size_t               i;
    uint8_t              byte;
    profiling_string_t  *s;

    for (i = 1; i < gotrace.nstrings && i < t->strings.nitems; i++) {
        s = t->strings.items[i];

        if (gotrace.strings[i] != gotrace.number) {
            continue;
        }

        gotrace_room(out, GOTRACE_STRINGS, GOTRACE_MAX_STRING + 32);

        byte = GOTRACE_STRING;
        profiling_buf_put(&gotrace.batch, &byte, 1);
        profiling_leb(&gotrace.batch, i);
        profiling_leb(&gotrace.batch, s->len);
        profiling_buf_put(&gotrace.batch, s->data, s->len);
    }

    gotrace_flush(out);
}


/* marks an index as used in this generation */

static void
gotrace_mark(unsigned **marks, size_t *n, size_t i)
{
    size_t     room;
    unsigned  *copy;

    if (i >= *n) {
        room = (i + 1) * 2;
        copy = profiling_calloc(room, sizeof(unsigned));

        if (*n != 0) {
            memcpy(copy, *marks, *n * sizeof(unsigned));
        }

        *marks = copy;
        *n = room;
    }

    (*marks)[i] = gotrace.number;
}


static uint64_t
gotrace_string(profiling_trace_t *t, uint32_t string)
{
    (void) t;

    if (string != 0) {
        gotrace_mark(&gotrace.strings, &gotrace.nstrings, string);
    }

    return string;
}


static uint64_t
gotrace_stack(profiling_trace_t *t, uint32_t stack)
{
    (void) t;

    if (stack != 0) {
        gotrace_mark(&gotrace.stacks, &gotrace.nstacks, stack - 1);
    }

    return stack;
}
