
/*
 * Go's execution traces, version 1, as Go 1.19 writes them: the format of
 * internal/trace before Go 1.22.  One batch a worker holds all its events;
 * strings and stacks follow.
 */


#include <string.h>

#include "trace.h"


#define GOTRACE1_BATCH         1
#define GOTRACE1_FREQUENCY     2
#define GOTRACE1_STACK         3
#define GOTRACE1_GOMAXPROCS    4
#define GOTRACE1_PROC_START    5
#define GOTRACE1_PROC_STOP     6
#define GOTRACE1_GO_CREATE     13
#define GOTRACE1_GO_END        15
#define GOTRACE1_GO_SLEEP      19
#define GOTRACE1_GO_SYNC       25
#define GOTRACE1_GO_NET        27
#define GOTRACE1_GO_SYSCALL    28
#define GOTRACE1_GO_WAITING    31
#define GOTRACE1_HEAP_ALLOC    33
#define GOTRACE1_STRING        37
#define GOTRACE1_GO_START      38    /* local kinds: no sequence numbers */
#define GOTRACE1_GO_UNBLOCK    39
#define GOTRACE1_TASK          45
#define GOTRACE1_TASK_END      46
#define GOTRACE1_REGION        47
#define GOTRACE1_LOG           48
#define GOTRACE1_CPU_SAMPLE    49


static void gotrace1_begin(profiling_trace_t *t, profiling_buf_t *out);
static void gotrace1_worker(profiling_trace_t *t,
    profiling_trace_worker_t *w, uint64_t time, profiling_buf_t *out);
static void gotrace1_step(profiling_trace_t *t,
    const profiling_trace_step_t *s, profiling_buf_t *out);
static void gotrace1_goroutine(profiling_trace_t *t,
    const profiling_trace_step_t *s, uint64_t g, profiling_buf_t *out);
static void gotrace1_create(const profiling_trace_step_t *s, uint64_t g,
    profiling_buf_t *out);
static void gotrace1_procs(profiling_trace_t *t, uint64_t time,
    profiling_buf_t *out);
static void gotrace1_log(profiling_trace_t *t,
    const profiling_trace_step_t *s, uint64_t g, profiling_buf_t *out);
static void gotrace1_worker_end(profiling_trace_t *t,
    profiling_trace_worker_t *w, profiling_buf_t *out);
static void gotrace1_end(profiling_trace_t *t, profiling_buf_t *out);
static void gotrace1_timed(profiling_buf_t *out, unsigned type, uint64_t time,
    unsigned n, const uint64_t *args);
static void gotrace1_put(profiling_buf_t *out, unsigned type, unsigned n,
    const uint64_t *args);
static unsigned gotrace1_leb(uint8_t *p, uint64_t value);


const profiling_trace_form_t  profiling_gotrace_v1 = {
    gotrace1_begin,
    NULL,
    gotrace1_worker,
    gotrace1_step,
    gotrace1_worker_end,
    NULL,
    gotrace1_end
};


static struct {
    uint64_t  time;
    unsigned  procs;        /* their number was told */
} gotrace1;


static void
gotrace1_begin(profiling_trace_t *t, profiling_buf_t *out)
{
    (void) t;

    memset(&gotrace1, 0, sizeof(gotrace1));

    profiling_buf_put(out, "go 1.19 trace\0\0\0", 16);
}


static void
gotrace1_worker(profiling_trace_t *t, profiling_trace_worker_t *w,
    uint64_t time, profiling_buf_t *out)
{
    uint64_t  args[2];

    args[0] = w - t->workers;
    args[1] = time;

    gotrace1_put(out, GOTRACE1_BATCH, 2, args);
    gotrace1.time = time;
}


static void
gotrace1_step(profiling_trace_t *t, const profiling_trace_step_t *s,
    profiling_buf_t *out)
{
    uint64_t  value;

    switch (s->step) {

    case PROFILING_STEP_PROC_START:
        gotrace1_procs(t, s->time, out);
        value = s->w->pid;
        gotrace1_timed(out, GOTRACE1_PROC_START, s->time, 1, &value);
        break;

    case PROFILING_STEP_PROC_STOP:
        value = 0;
        gotrace1_timed(out, GOTRACE1_PROC_STOP, s->time, 0, &value);
        break;

    case PROFILING_STEP_HEAP:
        value = s->value;
        gotrace1_timed(out, GOTRACE1_HEAP_ALLOC, s->time, 1, &value);
        break;

    default:
        gotrace1_goroutine(t, s, (uint64_t) (s->g - t->gs) + 1, out);
    }
}


static void
gotrace1_goroutine(profiling_trace_t *t, const profiling_trace_step_t *s,
    uint64_t g, profiling_buf_t *out)
{
    uint64_t  args[4];

    memset(args, 0, sizeof(args));
    args[0] = g;

    switch (s->step) {

    case PROFILING_STEP_CREATE:
    case PROFILING_STEP_EXISTING:
        gotrace1_create(s, g, out);
        break;

    case PROFILING_STEP_UNBLOCK:
        args[1] = s->stack;
        gotrace1_timed(out, GOTRACE1_GO_UNBLOCK, s->time, 2, args);
        break;

    case PROFILING_STEP_START:
        gotrace1_timed(out, GOTRACE1_GO_START, s->time, 1, args);
        break;

    case PROFILING_STEP_BLOCK:
        args[0] = s->stack;
        gotrace1_timed(out, (s->value == PROFILING_REASON_NETWORK)
                            ? GOTRACE1_GO_NET
                            : (s->value == PROFILING_REASON_SLEEP)
                            ? GOTRACE1_GO_SLEEP : GOTRACE1_GO_SYNC,
                       s->time, 1, args);
        break;

    case PROFILING_STEP_DESTROY:
        gotrace1_timed(out, GOTRACE1_GO_END, s->time, 0, args);
        break;

    case PROFILING_STEP_TASK:
        args[2] = s->name;
        gotrace1_timed(out, GOTRACE1_TASK, s->time, 4, args);
        break;

    case PROFILING_STEP_TASK_END:
        gotrace1_timed(out, GOTRACE1_TASK_END, s->time, 2, args);
        break;

    case PROFILING_STEP_REGION:
    case PROFILING_STEP_REGION_END:
        args[0] = s->g->task ? g : 0;
        args[1] = (s->step == PROFILING_STEP_REGION_END);
        args[2] = s->name;
        gotrace1_timed(out, GOTRACE1_REGION, s->time, 4, args);
        break;

    case PROFILING_STEP_LOG:
        gotrace1_log(t, s, g, out);
        break;

    case PROFILING_STEP_SYSCALL:
        args[0] = profiling_trace_stack_of(t, s->name, 0,
                                           profiling_trace_name(t, s->g));
        gotrace1_timed(out, GOTRACE1_GO_SYSCALL, s->time - s->value, 1, args);
        break;

    default:
        break;
    }
}


static void
gotrace1_create(const profiling_trace_step_t *s, uint64_t g,
    profiling_buf_t *out)
{
    uint64_t  args[3];

    args[0] = g;
    args[1] = s->stack;
    args[2] = 0;

    gotrace1_timed(out, GOTRACE1_GO_CREATE, s->time, 3, args);

    if (s->step == PROFILING_STEP_EXISTING) {
        gotrace1_timed(out, GOTRACE1_GO_WAITING, s->time, 1, args);
    }
}


/* behind the goroutines that were there: newer tools count on it */

static void
gotrace1_procs(profiling_trace_t *t, uint64_t time, profiling_buf_t *out)
{
    uint64_t  args[2];

    if (gotrace1.procs) {
        return;
    }

    gotrace1.procs = 1;
    args[0] = t->nworkers;
    args[1] = 0;

    gotrace1_timed(out, GOTRACE1_GOMAXPROCS, time, 2, args);
}


/* the value lies behind the event */

static void
gotrace1_log(profiling_trace_t *t, const profiling_trace_step_t *s,
    uint64_t g, profiling_buf_t *out)
{
    uint64_t             args[3];
    profiling_string_t  *text;

    args[0] = g;
    args[1] = s->name;
    args[2] = 0;

    gotrace1_timed(out, GOTRACE1_LOG, s->time, 3, args);

    text = t->strings.items[s->text];

    profiling_leb(out, text->len);
    profiling_buf_put(out, text->data, text->len);
}


static void
gotrace1_worker_end(profiling_trace_t *t, profiling_trace_worker_t *w,
    profiling_buf_t *out)
{
    size_t                     i;
    uint64_t                   args[4];
    profiling_trace_sample_t  *s;

    for (i = 0; i < t->nsamples; i++) {
        s = &t->samples[i];

        if (s->worker != (uint32_t) (w - t->workers)) {
            continue;
        }

        args[0] = s->time;
        args[1] = s->worker;
        args[2] = s->g;
        args[3] = s->stack;
        gotrace1_timed(out, GOTRACE1_CPU_SAMPLE, w->time, 4, args);
    }
}


static void
gotrace1_end(profiling_trace_t *t, profiling_buf_t *out)
{
    size_t                    i;
    uint8_t                   byte;
    uint32_t                  k;
    uint64_t                 *args, hz;
    profiling_string_t       *s;
    profiling_trace_stack_t  *stack;

    args = profiling_calloc(2 + 4 * 130, sizeof(uint64_t));

    for (i = 0; i < t->nstacks; i++) {
        stack = t->stacks[i];

        args[0] = stack->number;
        args[1] = stack->n;

        for (k = 0; k < stack->n; k++) {
            args[2 + 4 * k] = (uint64_t) stack->frames[k]->number << 4;
            args[3 + 4 * k] = stack->frames[k]->function;
            args[4 + 4 * k] = stack->frames[k]->file;
            args[5 + 4 * k] = stack->frames[k]->line;
        }

        gotrace1_put(out, GOTRACE1_STACK, 2 + 4 * stack->n, args);
    }

    for (i = 1; i < t->strings.nitems; i++) {
        s = t->strings.items[i];

        byte = GOTRACE1_STRING;
        profiling_buf_put(out, &byte, 1);
        profiling_leb(out, i);
        profiling_leb(out, s->len);
        profiling_buf_put(out, s->data, s->len);
    }

    hz = 1000000000;
    gotrace1_put(out, GOTRACE1_FREQUENCY, 1, &hz);
}


static void
gotrace1_timed(profiling_buf_t *out, unsigned type, uint64_t time, unsigned n,
    const uint64_t *args)
{
    uint64_t  all[5];

    if (time < gotrace1.time) {
        time = gotrace1.time;
    }

    all[0] = time - gotrace1.time;
    memcpy(all + 1, args, n * sizeof(uint64_t));

    gotrace1_put(out, type, n + 1, all);
    gotrace1.time = time;
}


/* with more than three arguments their length in bytes comes first */

static void
gotrace1_put(profiling_buf_t *out, unsigned type, unsigned n,
    const uint64_t *args)
{
    uint8_t   byte, *p, bytes[10 * (2 + 4 * 130)];
    unsigned  i;

    p = bytes;

    for (i = 0; i < n; i++) {
        p += gotrace1_leb(p, args[i]);
    }

    byte = (uint8_t) (type | ((n > 4 ? 3 : n - 1) << 6));
    profiling_buf_put(out, &byte, 1);

    if (n > 3) {
        profiling_leb(out, p - bytes);
    }

    profiling_buf_put(out, bytes, p - bytes);
}


static unsigned
gotrace1_leb(uint8_t *p, uint64_t value)
{
    unsigned  n;

    for (n = 0; value >= 0x80; n++) {
        p[n] = (uint8_t) value | 0x80;
        value >>= 7;
    }

    p[n] = (uint8_t) value;

    return n + 1;
}
