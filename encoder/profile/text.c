
/*
 * Writes Go's text forms: debug=1 and debug=2 of its profiles, and the answer
 * of /debug/pprof/symbol.  "go tool pprof" reads debug=1: it subtracts 1 from
 * each address and scales figures of the heap up by the rate in the header.
 */


#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "learned.h"
#include "raw.h"
#include "text.h"


#define PROFILING_MINUTE  60


static void profiling_text_heap(profiling_profile_t *p, profiling_buf_t *out);
static void profiling_text_heap_row(profiling_profile_t *p, int64_t *values,
    int64_t *row);
static void profiling_text_unscale(double rate, int64_t *values, int64_t *row);
static void profiling_text_contention(profiling_profile_t *p,
    profiling_buf_t *out);
static void profiling_text_count(profiling_profile_t *p, profiling_buf_t *out);
static void profiling_text_sort(profiling_profile_t *p, unsigned value);
static int profiling_text_compare(const void *one, const void *two);
static void profiling_text_addresses(profiling_total_t *sample,
    profiling_buf_t *out);
static void profiling_text_frames(profiling_profile_t *p,
    profiling_total_t *sample, profiling_buf_t *out);
static void profiling_text_labels(profiling_profile_t *p,
    profiling_total_t *sample, profiling_buf_t *out);
static void profiling_text_quoted(const char *s, profiling_buf_t *out);
static void profiling_text_plain(const char *s, profiling_buf_t *out);
static void profiling_text_comments(profiling_profile_t *p,
    profiling_buf_t *out);
static void profiling_text_dump(profiling_profile_t *p, profiling_buf_t *out);
static profiling_tag_t *profiling_text_tag(profiling_profile_t *p,
    profiling_total_t *sample, const char *key);
static void profiling_text_symbols(profiling_profile_t *p,
    profiling_buf_t *out);
static void profiling_text_modules(profiling_profile_t *p,
    profiling_buf_t *out);
static void profiling_text_areas(profiling_learned_t *learned,
    profiling_buf_t *out);


static unsigned  profiling_text_order;


void
profiling_text_put(profiling_profile_t *p, profiling_buf_t *out)
{
    static const unsigned  ntypes[] = { 0, 2, 4, 2, 2, 1, 1 };

    unsigned  kind;

    if (p->raw->header.output == NGX_PROF_RAW_SYMBOL) {
        profiling_text_symbols(p, out);
        return;
    }

    if (p->raw->header.output == NGX_PROF_RAW_MODULES) {
        profiling_text_modules(p, out);
        return;
    }

    kind = p->raw->header.kind;

    if (p->raw->ntypes != ntypes[kind]) {
        profiling_fail(PROFILING_CAPTURE, "capture is not valid: a text form "
                       "of kind %u has %u values, not %zu", kind,
                       ntypes[kind], p->raw->ntypes);
    }

    if (p->raw->header.output == NGX_PROF_RAW_DUMP) {
        profiling_text_dump(p, out);
        return;
    }

    switch (kind) {

    case NGX_PROF_RAW_HEAP:
        profiling_text_heap(p, out);
        break;

    case NGX_PROF_RAW_BLOCK:
    case NGX_PROF_RAW_MUTEX:
        profiling_text_contention(p, out);
        break;

    case NGX_PROF_RAW_GOROUTINE:
    case NGX_PROF_RAW_THREADCREATE:
        profiling_text_count(p, out);
        break;

    default:
        profiling_fail(PROFILING_CAPTURE, "capture is not valid: there is no "
                       "text form of kind %u", kind);
    }
}


static void
profiling_text_heap(profiling_profile_t *p, profiling_buf_t *out)
{
    size_t   i, k;
    int64_t  row[4], sum[4];

    profiling_text_sort(p, 3);

    memset(sum, 0, sizeof(sum));

    for (i = 0; i < p->nsamples; i++) {
        profiling_text_heap_row(p, p->samples[i]->values, row);

        for (k = 0; k < 4; k++) {
            if (__builtin_add_overflow(sum[k], row[k], &sum[k])) {
                sum[k] = INT64_MAX;
            }
        }
    }

    profiling_buf_printf(out,
                         "heap profile: %lld: %lld [%lld: %lld] @ heap/%lld\n",
                         (long long) sum[2], (long long) sum[3],
                         (long long) sum[0], (long long) sum[1],
                         (long long) p->raw->header.period * 2);

    for (i = 0; i < p->nsamples; i++) {
        profiling_text_heap_row(p, p->samples[i]->values, row);

        profiling_buf_printf(out, "%lld: %lld [%lld: %lld] @",
                             (long long) row[2], (long long) row[3],
                             (long long) row[0], (long long) row[1]);

        profiling_text_addresses(p->samples[i], out);
        profiling_text_labels(p, p->samples[i], out);
        profiling_text_frames(p, p->samples[i], out);
    }

    profiling_text_comments(p, out);
}


static void
profiling_text_heap_row(profiling_profile_t *p, int64_t *values, int64_t *row)
{
    double  rate;

    rate = (double) p->raw->header.period;

    profiling_text_unscale(rate, values, row);
    profiling_text_unscale(rate, values + 2, row + 2);
}


/*
 * Samples of the heap are already scaled, and a reader of the text scales
 * objects and bytes again, by 1 / (1 - exp(-size / rate)) of the mean size.
 * So the scaling is reversed here.
 */

static void
profiling_text_unscale(double rate, int64_t *values, int64_t *row)
{
    double  size, objects;

    row[0] = (values[0] > 0) ? values[0] : 0;
    row[1] = (values[1] > 0) ? values[1] : 0;

    if (row[0] == 0 || row[1] == 0) {
        row[0] = 0;
        row[1] = 0;
        return;
    }

    if (rate <= 1) {
        return;
    }

    size = (double) row[1] / (double) row[0];
    objects = floor((double) row[0] * -expm1(-size / rate) + 0.5);

    if (objects < 1) {
        objects = 1;
    }

    row[0] = (objects < 9e18) ? (int64_t) objects : INT64_MAX;
    row[1] = (objects * size < 9e18) ? (int64_t) (objects * size + 0.5)
                                     : INT64_MAX;
}


static void
profiling_text_contention(profiling_profile_t *p, profiling_buf_t *out)
{
    size_t  i;

    profiling_text_sort(p, 1);

    if (p->raw->header.kind == NGX_PROF_RAW_MUTEX) {
        profiling_buf_printf(out, "--- mutex:\n");

    } else {
        profiling_buf_printf(out, "--- contention:\n");
    }

    /* the delay is in nanoseconds; both values are already scaled */

    profiling_buf_printf(out, "cycles/second=%d\n", PROFILING_NSEC_PER_SEC);

    if (p->raw->header.kind == NGX_PROF_RAW_MUTEX) {
        profiling_buf_printf(out, "sampling period=1\n");
    }

    for (i = 0; i < p->nsamples; i++) {
        profiling_buf_printf(out, "%lld %lld @",
                             (long long) p->samples[i]->values[1],
                             (long long) p->samples[i]->values[0]);

        profiling_text_addresses(p->samples[i], out);
        profiling_text_labels(p, p->samples[i], out);
        profiling_text_frames(p, p->samples[i], out);
    }

    profiling_text_comments(p, out);
}


static void
profiling_text_count(profiling_profile_t *p, profiling_buf_t *out)
{
    size_t   i;
    int64_t  total;

    profiling_text_sort(p, 0);

    total = 0;

    for (i = 0; i < p->nsamples; i++) {
        if (__builtin_add_overflow(total, p->samples[i]->values[0], &total)) {
            total = INT64_MAX;
        }
    }

    profiling_buf_printf(out, "%s profile: total %lld\n",
                         (p->raw->header.kind == NGX_PROF_RAW_GOROUTINE)
                         ? "goroutine" : "threadcreate",
                         (long long) total);

    for (i = 0; i < p->nsamples; i++) {
        profiling_buf_printf(out, "%lld @",
                             (long long) p->samples[i]->values[0]);

        profiling_text_addresses(p->samples[i], out);
        profiling_text_labels(p, p->samples[i], out);
        profiling_text_frames(p, p->samples[i], out);
    }

    profiling_text_comments(p, out);
}


static void
profiling_text_sort(profiling_profile_t *p, unsigned value)
{
    profiling_text_order = value;

    if (p->nsamples != 0) {
        qsort(p->samples, p->nsamples, sizeof(profiling_total_t *),
              profiling_text_compare);
    }
}


static int
profiling_text_compare(const void *one, const void *two)
{
    int64_t                    x, y;
    uint32_t                   i;
    const profiling_total_t   *a, *b;

    a = *(profiling_total_t **) one;
    b = *(profiling_total_t **) two;

    x = a->values[profiling_text_order];
    y = b->values[profiling_text_order];

    if (x != y) {
        return (x > y) ? -1 : 1;
    }

    for (i = 0; i < a->nlocations && i < b->nlocations; i++) {
        if (a->locations[i] != b->locations[i]) {
            return (a->locations[i]->id < b->locations[i]->id) ? -1 : 1;
        }
    }

    if (a->nlocations != b->nlocations) {
        return (a->nlocations < b->nlocations) ? -1 : 1;
    }

    return 0;
}


/* the reader subtracts 1 */

static void
profiling_text_addresses(profiling_total_t *sample, profiling_buf_t *out)
{
    uint32_t  i;

    for (i = 0; i < sample->nlocations; i++) {
        profiling_buf_printf(out, " 0x%llx",
                             (unsigned long long)
                             sample->locations[i]->address + 1);
    }

    profiling_buf_put(out, "\n", 1);
}


static void
profiling_text_frames(profiling_profile_t *p, profiling_total_t *sample,
    profiling_buf_t *out)
{
    uint32_t               i, k;
    const char            *file;
    profiling_line_t      *line;
    profiling_location_t  *location;

    for (i = 0; i < sample->nlocations; i++) {
        location = sample->locations[i];

        for (k = 0; k < location->nlines; k++) {
            line = &location->lines[k];

            profiling_buf_printf(out, "#\t0x%llx\t",
                                 (unsigned long long) location->address);
            profiling_text_plain(profiling_profile_string(p,
                                                      line->function->name),
                                 out);

            /* only functions that are not inlined have a known distance */

            profiling_buf_printf(out, "+0x%llx",
                                 (k + 1 == location->nlines)
                                 ? (unsigned long long) location->into : 0);

            file = profiling_profile_string(p, line->function->file);

            if (file[0] != '\0') {
                profiling_buf_printf(out, "\t");
                profiling_text_plain(file, out);
            }

            if (line->line != 0) {
                profiling_buf_printf(out, ":%llu",
                                     (unsigned long long) line->line);
            }

            profiling_buf_put(out, "\n", 1);
        }
    }

    profiling_buf_put(out, "\n", 1);
}


static void
profiling_text_labels(profiling_profile_t *p, profiling_total_t *sample,
    profiling_buf_t *out)
{
    unsigned          i;
    profiling_tag_t  *tag;

    if (sample->tags->ntags == 0) {
        return;
    }

    profiling_buf_printf(out, "# labels: {");

    for (i = 0; i < sample->tags->ntags; i++) {
        tag = &sample->tags->tags[i];

        profiling_buf_printf(out, (i == 0) ? "" : ", ");
        profiling_text_quoted(profiling_profile_string(p, tag->key), out);
        profiling_buf_printf(out, ":");

        if (tag->str != 0) {
            profiling_text_quoted(profiling_profile_string(p, tag->str), out);

        } else {
            profiling_buf_printf(out, "\"%lld\"", (long long) tag->num);
        }
    }

    profiling_buf_printf(out, "}\n");
}


static void
profiling_text_quoted(const char *s, profiling_buf_t *out)
{
    size_t    len;
    unsigned  control;

    profiling_buf_put(out, "\"", 1);

    for ( /* void */ ; *s; s += len) {
        control = profiling_control(s, &len);

        if (control) {
            profiling_buf_printf(out, "\\u%04x", control);
            continue;
        }

        if (*s == '"' || *s == '\\') {
            profiling_buf_put(out, "\\", 1);
        }

        profiling_buf_put(out, s, 1);
    }

    profiling_buf_put(out, "\"", 1);
}


/* one line stays one line, and a terminal obeys no name */

static void
profiling_text_plain(const char *s, profiling_buf_t *out)
{
    size_t  len;

    for ( /* void */ ; *s; s += len) {
        profiling_buf_put(out, profiling_control(s, &len) ? "?" : s, 1);
    }
}


static void
profiling_text_comments(profiling_profile_t *p, profiling_buf_t *out)
{
    size_t  i;

    for (i = 0; i < p->raw->ncomments; i++) {
        profiling_buf_printf(out, "# ");
        profiling_text_plain(p->raw->comments[i].data, out);
        profiling_buf_put(out, "\n", 1);
    }

    if (profiling_options.note != NULL) {
        profiling_buf_printf(out, "# %s\n", profiling_options.note);
    }
}


static void
profiling_text_dump(profiling_profile_t *p, profiling_buf_t *out)
{
    size_t                 i;
    uint32_t               k, n;
    const char            *state;
    profiling_tag_t       *id, *tag, *wait;
    profiling_line_t      *line;
    profiling_total_t     *sample;
    profiling_location_t  *location;

    for (i = 0; i < p->nsamples; i++) {
        sample = p->samples[i];

        id = profiling_text_tag(p, sample, NGX_PROF_RAW_LABEL_ID);
        tag = profiling_text_tag(p, sample, NGX_PROF_RAW_LABEL_STATE);
        wait = profiling_text_tag(p, sample, NGX_PROF_RAW_LABEL_WAIT);

        state = tag ? profiling_profile_string(p, tag->str) : "";

        profiling_buf_printf(out, "goroutine %lld [",
                             (long long) (id ? id->num : (int64_t) i + 1));
        profiling_text_plain(state[0] ? state : "running", out);

        /* whole minutes, as in Go */

        if (wait != NULL && wait->num >= PROFILING_MINUTE) {
            profiling_buf_printf(out, ", %lld minutes",
                                 (long long) (wait->num / PROFILING_MINUTE));
        }

        profiling_buf_printf(out, "]:\n");

        for (k = 0; k < sample->nlocations; k++) {
            location = sample->locations[k];

            for (n = 0; n < location->nlines; n++) {
                line = &location->lines[n];

                profiling_text_plain(profiling_profile_string(p,
                                                       line->function->name),
                                     out);
                profiling_buf_printf(out, "(...)\n\t");

                state = profiling_profile_string(p, line->function->file);

                profiling_text_plain(state[0] ? state : "[synthetic]", out);
                profiling_buf_printf(out, ":%llu +0x%llx\n",
                                     (unsigned long long) line->line,
                                     (unsigned long long) location->into);
            }
        }

        profiling_buf_put(out, "\n", 1);
    }
}


static profiling_tag_t *
profiling_text_tag(profiling_profile_t *p, profiling_total_t *sample,
    const char *key)
{
    unsigned          i;
    profiling_tag_t  *tag;

    for (i = 0; i < sample->tags->ntags; i++) {
        tag = &sample->tags->tags[i];

        if (strcmp(profiling_profile_string(p, tag->key), key) == 0) {
            return tag;
        }
    }

    return NULL;
}


/*
 * The answer repeats addresses as they were asked for, including addresses of
 * synthetic frames.
 */

static void
profiling_text_symbols(profiling_profile_t *p, profiling_buf_t *out)
{
    size_t                 i;
    uint32_t               k;
    uint64_t               pc, synthetic;
    profiling_stack_t     *stack;
    profiling_sample_t    *sample;
    profiling_location_t  *location;

    profiling_buf_printf(out, "num_symbols: 1\n");

    for (i = 0; i < p->raw->nsamples; i++) {
        sample = &p->raw->samples[i];
        stack = &p->raw->stacks[sample->stack];

        for (k = 0; k < stack->depth; k++) {
            pc = profiling_raw_pc(stack, k);
            synthetic = pc - PROFILING_SYNTHETIC;

            location = profiling_profile_location(p, sample->process,
                            synthetic <= NGX_PROF_RAW_KERNEL
                            ? synthetic : pc,
                            stack->flags & NGX_PROF_RAW_ALL_EXACT);

            if (location->mapping == NULL
                && location->address == pc
                && location->name)
            {
                profiling_buf_printf(out, "0x%llx %s\n",
                                     (unsigned long long) pc, location->name);
                continue;
            }

            if (location->mapping == NULL || location->nlines == 0) {
                continue;
            }

            profiling_buf_printf(out, "0x%llx ", (unsigned long long) pc);
            profiling_text_plain(profiling_profile_string(p,
                                     location->lines[0].function->name), out);
            profiling_buf_printf(out, "\n");
        }
    }
}


/* of each object that an address is of, where its functions have modules */

static void
profiling_text_modules(profiling_profile_t *p, profiling_buf_t *out)
{
    size_t                 i;
    uint64_t               pc;
    profiling_sample_t    *sample;
    profiling_learned_t   *learned;
    profiling_location_t  *location;

    for (i = 0; i < p->raw->nsamples; i++) {
        sample = &p->raw->samples[i];

        if (p->raw->stacks[sample->stack].depth == 0) {
            continue;
        }

        pc = profiling_raw_pc(&p->raw->stacks[sample->stack], 0);
        location = profiling_profile_location(p, sample->process, pc, 1);

        if (location->mapping == NULL
            || location->mapping->object->symbols == NULL)
        {
            continue;
        }

        learned = location->mapping->object->symbols->learned;

        if (learned != NULL && !learned->library) {
            profiling_buf_printf(out, "0x%llx\n", (unsigned long long) pc);
            profiling_text_areas(learned, out);
        }
    }
}


static void
profiling_text_areas(profiling_learned_t *learned, profiling_buf_t *out)
{
    size_t                               i, last;
    const char                          *owner, *module;
    const profiling_learned_function_t  *f;

    f = learned->functions;

    for (i = 0; i < learned->n; i = last + 1) {
        last = i;
        owner = learned->text + f[i].owner;
        module = (owner[0] != '\0') ? profiling_nginx_module(owner) : NULL;

        if (module == NULL) {
            continue;
        }

        while (last + 1 < learned->n && f[last + 1].owner == f[i].owner) {
            last++;
        }

        profiling_buf_printf(out, "0x%llx 0x%llx %s\n",
                             (unsigned long long) f[i].start,
                             (unsigned long long) (f[last].end - f[i].start),
                             module);
    }
}
