
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "trace_name.h"


static int profiling_trace_frame_equal(void *item, void *key);
static int profiling_trace_stack_equal(void *item, void *key);


/* NGX_HTTP_GET is bit 1; the other methods follow in this order */

static const char *const  profiling_trace_methods[] = {
    "", "GET", "HEAD", "POST", "PUT", "DELETE", "MKCOL", "COPY", "MOVE",
    "OPTIONS", "PROPFIND", "PROPPATCH", "LOCK", "UNLOCK", "PATCH", "TRACE",
    "CONNECT"
};


/* ngx_http_phases */

static const char *const  profiling_trace_phases[] = {
    "post read", "server rewrite", "find config", "rewrite", "post rewrite",
    "preaccess", "access", "post access", "precontent", "content", "log"
};


static const char *const  profiling_trace_stages[] = {
    "", "upstream connect", "upstream send", "upstream header",
    "upstream body"
};


static const char *const  profiling_trace_reasons[] = {
    "network", "sleep", "sync"
};


static const char *const  profiling_trace_calls[] = {
    NGX_PROF_TRACE_CALL_NAMES
};


#define profiling_trace_of(names, i)                                          \
    ((i) < sizeof(names) / sizeof(names[0]) ? names[i] : "other")


const char *
profiling_trace_phase(uint32_t phase)
{
    return profiling_trace_of(profiling_trace_phases, phase);
}


const char *
profiling_trace_stage(uint32_t stage)
{
    return profiling_trace_of(profiling_trace_stages, stage);
}


const char *
profiling_trace_reason(uint32_t reason)
{
    return profiling_trace_of(profiling_trace_reasons, reason);
}


const char *
profiling_trace_call(uint32_t call)
{
    return profiling_trace_of(profiling_trace_calls, call);
}


uint32_t
profiling_trace_string(profiling_trace_t *t, const char *fmt, ...)
{
    int      n;
    char     text[PROFILING_MAX_NAME];
    va_list  args;

    va_start(args, fmt);
    n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);

    if (n < 0) {
        return 0;
    }

    if (n >= (int) sizeof(text)) {
        n = sizeof(text) - 1;
    }

    return profiling_strings_add(&t->strings, text, n, PROFILING_MAX_NAME);
}


/* the same for a constant name */

uint32_t
profiling_trace_known_name(profiling_trace_t *t, const char *name)
{
    return profiling_strings_add(&t->strings, name, strlen(name),
                                 PROFILING_MAX_NAME);
}


const char *
profiling_trace_text(profiling_trace_t *t, uint32_t string)
{
    return t->strings.items[string]->data;
}


/* the location, or the server if there is none */

uint32_t
profiling_trace_place(profiling_trace_t *t, uint32_t place)
{
    uint32_t          at;
    profiling_str_t  *name;

    if (place == 0 || place > t->info.nplaces) {
        return profiling_trace_string(t, "-");
    }

    at = t->info.places + 2 * (place - 1);
    name = &t->raw->strings[at + 2];

    if (name->len == 0) {
        name = &t->raw->strings[at + 1];
    }

    return profiling_trace_string(t, "%.*s", (int) name->len, name->data);
}


uint32_t
profiling_trace_upstream(profiling_trace_t *t, uint32_t upstream)
{
    profiling_str_t  *name;

    if (upstream == 0 || upstream >= t->info.nupstreams) {
        return 0;
    }

    name = &t->raw->strings[t->info.upstreams + upstream + 1];

    return profiling_trace_string(t, "%.*s", (int) name->len, name->data);
}


uint32_t
profiling_trace_name(profiling_trace_t *t, profiling_trace_g_t *g)
{
    uint32_t  place;

    if (g->name != 0) {
        return g->name;
    }

    switch (g->kind) {

    case PROFILING_G_WORKER:
        g->name = profiling_trace_string(t, "nginx.worker");
        break;

    case PROFILING_G_CONNECTION:
        g->name = profiling_trace_string(t, "nginx.connection");
        break;

    default:
        place = profiling_trace_place(t, g->place);

        g->name = profiling_trace_string(t, "nginx.request %s %s",
                     profiling_trace_of(profiling_trace_methods, g->method),
                     profiling_trace_text(t, place));
    }

    return g->name;
}


profiling_trace_frame_t *
profiling_trace_frame(profiling_trace_t *t, uint32_t function, uint32_t file,
    uint32_t line)
{
    void                    **place;
    uint64_t                  hash;
    profiling_trace_frame_t   key, *frame;

    memset(&key, 0, sizeof(profiling_trace_frame_t));
    key.function = function;
    key.file = file;
    key.line = line;

    hash = profiling_hash(PROFILING_HASH, &key,
                          sizeof(profiling_trace_frame_t));
    place = profiling_table_place(&t->frame_table, hash,
                                  profiling_trace_frame_equal, &key);

    if (*place == NULL) {
        frame = profiling_alloc(sizeof(profiling_trace_frame_t));
        *frame = key;
        frame->number = (uint32_t) ++t->nframes;
        *place = frame;
    }

    return *place;
}


static int
profiling_trace_frame_equal(void *item, void *key)
{
    profiling_trace_frame_t  *one, *two;

    one = item;
    two = key;

    return one->function == two->function && one->file == two->file
           && one->line == two->line;
}


uint32_t
profiling_trace_stack(profiling_trace_t *t, profiling_trace_frame_t **frames,
    uint32_t n)
{
    void                    **place;
    size_t                    size;
    uint64_t                  hash;
    profiling_trace_stack_t   key, *stack;

    if (n == 0) {
        return 0;
    }

    key.n = n;
    key.frames = frames;

    size = sizeof(profiling_trace_frame_t *);

    hash = profiling_hash(PROFILING_HASH, frames, n * size);
    place = profiling_table_place(&t->stack_table, hash,
                                  profiling_trace_stack_equal, &key);

    if (*place != NULL) {
        stack = *place;
        return stack->number;
    }

    stack = profiling_alloc(sizeof(profiling_trace_stack_t));
    stack->n = n;
    stack->frames = profiling_calloc(n, size);
    memcpy(stack->frames, frames, n * size);

    if (t->nstacks == t->stacks_room) {
        t->stacks = profiling_grow(t->stacks, t->nstacks,
                                   sizeof(profiling_trace_stack_t *),
                                   &t->stacks_room);
    }

    t->stacks[t->nstacks++] = stack;
    stack->number = (uint32_t) t->nstacks;
    *place = stack;

    return stack->number;
}


static int
profiling_trace_stack_equal(void *item, void *key)
{
    profiling_trace_stack_t  *one, *two;

    one = item;
    two = key;

    return one->n == two->n
           && memcmp(one->frames, two->frames,
                     one->n * sizeof(profiling_trace_frame_t *)) == 0;
}


uint32_t
profiling_trace_stack_of(profiling_trace_t *t, uint32_t leaf, uint32_t middle,
    uint32_t root)
{
    uint32_t                  n;
    profiling_trace_frame_t  *frames[3];

    n = 0;

    if (leaf != 0) {
        frames[n++] = profiling_trace_frame(t, leaf, 0, 0);
    }

    if (middle != 0) {
        frames[n++] = profiling_trace_frame(t, middle, 0, 0);
    }

    if (root != 0) {
        frames[n++] = profiling_trace_frame(t, root, 0, 0);
    }

    return profiling_trace_stack(t, frames, n);
}
