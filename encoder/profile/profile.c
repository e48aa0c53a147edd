
/*
 * Adds samples up.
 */


#include <stdio.h>
#include <string.h>

#include "names.h"
#include "profile.h"
#include "raw.h"


/* addresses of named frames follow those of the fixed ones */

#define PROFILING_NAMED        (PROFILING_SYNTHETIC + 0x1000)
#define PROFILING_NAMED_COUNT  (PROFILING_SYNTHETIC_LIMIT - PROFILING_NAMED)


static void profiling_profile_sample(profiling_profile_t *p,
    profiling_sample_t *sample);
static profiling_total_t *profiling_profile_new(profiling_profile_t *p,
    profiling_total_t *key, void **place);
static void profiling_profile_total(profiling_profile_t *p,
    profiling_total_t *total, profiling_sample_t *sample);
static void profiling_profile_zeros(profiling_profile_t *p);
static void profiling_profile_used(profiling_profile_t *p);
static void profiling_profile_module(profiling_profile_t *p,
    profiling_total_t *sample);
static profiling_location_t *profiling_profile_synthetic(
    profiling_profile_t *p, uint64_t pc);
static profiling_location_t *profiling_profile_named(profiling_profile_t *p,
    const char *name, const char *file);
static void profiling_profile_scripts(profiling_profile_t *p);
static profiling_location_t *profiling_profile_script(profiling_profile_t *p,
    uint64_t pc);
static void profiling_profile_lines(profiling_profile_t *p,
    profiling_location_t *location);
static profiling_location_t *profiling_profile_at(profiling_profile_t *p,
    uint64_t address);
static profiling_function_t *profiling_profile_function(profiling_profile_t *p,
    profiling_frame_t *frame);
static int profiling_profile_location_equal(void *item, void *key);
static int profiling_profile_function_equal(void *item, void *key);
static int profiling_profile_sample_equal(void *item, void *key);


static const char  *profiling_profile_names[] = {
    "[unknown]",
    "[truncated]",
    "[broken]",
    "[jit]",
    "[unknown]",
    "[kernel]",
    "[luajit]",
    "[pcre2-jit]"
};


profiling_profile_t *
profiling_profile_make(profiling_raw_t *raw)
{
    size_t                i;
    profiling_profile_t  *p;

    p = profiling_alloc(sizeof(profiling_profile_t));

    p->raw = raw;
    p->maps = profiling_maps_merge(raw);
    p->frames = profiling_calloc(NGX_PROF_RAW_MAX_FRAMES,
                                 sizeof(profiling_location_t *));

    p->labels.raw = raw;
    p->labels.strings = &p->strings;

    /* string 0 is empty */
    profiling_strings_add(&p->strings, "", 0, 0);

    profiling_profile_scripts(p);

    for (i = 0; i < raw->nsamples; i++) {
        profiling_profile_sample(p, &raw->samples[i]);
    }

    profiling_profile_zeros(p);
    profiling_profile_used(p);

    return p;
}


static void
profiling_profile_sample(profiling_profile_t *p, profiling_sample_t *sample)
{
    void               **place;
    uint32_t             i, labels;
    uint64_t             hash;
    unsigned             exact;
    profiling_stack_t   *stack;
    profiling_total_t    key;

    stack = &p->raw->stacks[sample->stack];

    labels = (sample->process == NGX_PROF_RAW_NONE)
             ? 0 : p->raw->processes[sample->process].labels;

    key.tags = profiling_labels_merge(&p->labels, labels, sample->labels);
    key.nlocations = stack->depth ? stack->depth : 1;
    key.locations = p->frames;
    key.values = NULL;

    hash = profiling_hash(PROFILING_HASH, &key.tags,
                          sizeof(profiling_tags_t *));

    for (i = 0; i < stack->depth; i++) {
        exact = (stack->flags & NGX_PROF_RAW_ALL_EXACT)
                || (i == 0 && (stack->flags & NGX_PROF_RAW_LEAF_EXACT));

        key.locations[i] = profiling_profile_location(p, sample->process,
                                                profiling_raw_pc(stack, i),
                                                exact);

        hash = profiling_hash(hash, &key.locations[i]->id, sizeof(uint64_t));
    }

    if (stack->depth == 0) {
        key.locations[0] = profiling_profile_synthetic(p,
                                            NGX_PROF_RAW_UNKNOWN);
    }

    /* a dump lists goroutines one by one, without merging */

    if (p->raw->header.output != NGX_PROF_RAW_DUMP) {

        place = profiling_table_place(&p->sample_table, hash,
                                      profiling_profile_sample_equal, &key);

        if (*place != NULL) {
            profiling_profile_total(p, *place, sample);
            return;
        }

    } else {
        place = NULL;
    }

    profiling_profile_total(p, profiling_profile_new(p, &key, place), sample);
}


/* adds a new sample; "place" is its place in the table, or NULL */

static profiling_total_t *
profiling_profile_new(profiling_profile_t *p, profiling_total_t *key,
    void **place)
{
    profiling_total_t  *total;

    total = profiling_alloc(sizeof(profiling_total_t));
    *total = *key;

    total->locations = profiling_calloc(key->nlocations,
                                        sizeof(profiling_location_t *));
    memcpy(total->locations, key->locations,
           key->nlocations * sizeof(profiling_location_t *));

    if (place != NULL) {
        *place = total;
    }

    total->values = profiling_calloc(p->raw->ntypes, sizeof(int64_t));

    if (p->nsamples == p->samples_room) {
        p->samples = profiling_grow(p->samples, p->nsamples,
                                    sizeof(profiling_total_t *),
                                    &p->samples_room);
    }

    p->samples[p->nsamples++] = total;

    return total;
}


static void
profiling_profile_total(profiling_profile_t *p, profiling_total_t *total,
    profiling_sample_t *sample)
{
    size_t   i;
    int64_t  value;

    for (i = 0; i < p->raw->ntypes; i++) {
        value = profiling_raw_value(sample, i);

        if (__builtin_add_overflow(total->values[i], value,
                                   &total->values[i]))
        {
            total->values[i] = (value < 0) ? INT64_MIN : INT64_MAX;
        }
    }
}


static void
profiling_profile_zeros(profiling_profile_t *p)
{
    size_t              i, k, n;
    profiling_total_t  *total;

    for (n = 0, i = 0; i < p->nsamples; i++) {
        total = p->samples[i];

        for (k = 0; k < p->raw->ntypes; k++) {
            if (total->values[k] != 0) {
                p->samples[n++] = total;
                break;
            }
        }
    }

    p->nsamples = n;
}


/* looks names up only for locations of the remaining samples */

static void
profiling_profile_used(profiling_profile_t *p)
{
    size_t                 i, n;
    uint32_t               k;
    profiling_location_t  *location;

    for (i = 0; i < p->nsamples; i++) {
        for (k = 0; k < p->samples[i]->nlocations; k++) {
            p->samples[i]->locations[k]->used = 1;
        }
    }

    for (n = 0, i = 0; i < p->nlocations; i++) {
        location = p->locations[i];

        if (!location->used) {
            continue;
        }

        p->locations[n++] = location;
        location->id = n;

        profiling_profile_lines(p, location);
    }

    p->nlocations = n;

    for (i = 0; i < p->nsamples; i++) {
        profiling_profile_module(p, p->samples[i]);
    }
}


/* the label says whose time it is: the innermost module's */

static void
profiling_profile_module(profiling_profile_t *p, profiling_total_t *sample)
{
    uint32_t  i;

    for (i = 0; i < sample->nlocations; i++) {

        if (sample->locations[i]->module != NULL) {
            sample->tags = profiling_labels_module(&p->labels, sample->tags,
                                             sample->locations[i]->module);
            return;
        }
    }
}


profiling_location_t *
profiling_profile_location(profiling_profile_t *p, uint32_t process,
    uint64_t pc, unsigned exact)
{
    profiling_place_t      place;
    profiling_location_t  *location;

    if (pc <= NGX_PROF_RAW_RESERVED || (pc & NGX_PROF_RAW_NAMED)) {
        return profiling_profile_synthetic(p, pc);
    }

    if (pc >> 40 == NGX_PROF_RAW_SCRIPT) {
        return profiling_profile_script(p, pc);
    }

    profiling_maps_place(p->maps, process, exact ? pc : pc - 1, &place);

    if (place.anonymous) {
        return profiling_profile_synthetic(p, NGX_PROF_RAW_JIT);
    }

    if (place.mapping == NULL) {
        return profiling_profile_synthetic(p, NGX_PROF_RAW_UNKNOWN);
    }

    location = profiling_profile_at(p, place.address);

    location->mapping = place.mapping;
    location->offset = place.offset;

    return location;
}


static profiling_location_t *
profiling_profile_synthetic(profiling_profile_t *p, uint64_t pc)
{
    const char            *name;
    profiling_str_t       *str;
    profiling_location_t  *location;

    str = profiling_raw_name(p->raw, pc);

    if (str == NULL) {

        if (pc == 0 || pc > NGX_PROF_RAW_PCRE2_JIT) {
            pc = NGX_PROF_RAW_UNKNOWN;
        }

        location = profiling_profile_at(p, PROFILING_SYNTHETIC + pc);
        location->name = profiling_profile_names[pc];

        return location;
    }

    name = str->data;

    if (name[0] == '\0') {
        name = profiling_profile_names[NGX_PROF_RAW_UNKNOWN];
    }

    return profiling_profile_named(p, name, NULL);
}


/*
 * The address depends only on the names, so the next profile has the same one,
 * unless two names of one profile collide.
 */

static profiling_location_t *
profiling_profile_named(profiling_profile_t *p, const char *name,
    const char *file)
{
    uint64_t               i, hash;
    profiling_location_t  *location;

    hash = profiling_hash(PROFILING_HASH, name, strlen(name));

    if (file != NULL) {
        hash = profiling_hash(hash, file, strlen(file));
    }

    for (i = 0; /* void */ ; i++) {
        location = profiling_profile_at(p, PROFILING_NAMED
                                           + (hash + i)
                                             % PROFILING_NAMED_COUNT);

        if (location->name == NULL) {
            location->name = name;
            location->file = file;
            return location;
        }

        if (strcmp(location->name, name) == 0
            && (location->file == NULL) == (file == NULL)
            && (file == NULL || strcmp(location->file, file) == 0))
        {
            return location;
        }
    }
}


static void
profiling_profile_scripts(profiling_profile_t *p)
{
    size_t           i;
    profiling_raw_t  *raw;

    raw = p->raw;

    for (i = 0; i < raw->nscripts; i++) {
        if (raw->scripts[i].index >= p->nscripts) {
            p->nscripts = raw->scripts[i].index + 1;
        }
    }

    p->scripts = profiling_calloc(p->nscripts, sizeof(profiling_script_t *));

    for (i = 0; i < raw->nscripts; i++) {
        p->scripts[raw->scripts[i].index] = &raw->scripts[i];
    }
}


/* "access.lua:42 check", of the last part of the file's path */

static profiling_location_t *
profiling_profile_script(profiling_profile_t *p, uint64_t pc)
{
    char                  *name;
    size_t                 size, i;
    uint32_t               line;
    const char            *file, *slash;
    profiling_script_t    *script;
    profiling_location_t  *location;

    i = pc >> 20 & NGX_PROF_RAW_SCRIPT_INDEX;
    script = (i < p->nscripts) ? p->scripts[i] : NULL;

    if (script == NULL) {
        return profiling_profile_named(p, "[lua]", NULL);
    }

    line = pc & NGX_PROF_RAW_SCRIPT_LINE;
    file = script->file.data;
    slash = (file[0] == '[') ? NULL : strrchr(file, '/');
    file = (slash != NULL) ? slash + 1 : file;

    size = strlen(file) + strlen(script->name.data) + sizeof(":1048575 ");
    name = profiling_alloc(size);

    i = snprintf(name, size, "%s", file);

    if (line != 0 && i != 0) {
        i += snprintf(name + i, size - i, ":%u", line);
    }

    (void) snprintf(name + i, size - i, "%s%s",
                    (i != 0 && script->name.len != 0) ? " " : "",
                    script->name.data);

    location = profiling_profile_named(p, name, script->file.data);
    location->line = line;
    location->start_line = script->line;

    return location;
}


static void
profiling_profile_lines(profiling_profile_t *p, profiling_location_t *location)
{
    unsigned            i;
    profiling_line_t   *line;
    profiling_frame_t   frames[PROFILING_MAX_INLINED];

    if (location->name != NULL) {
        memset(frames, 0, sizeof(profiling_frame_t));

        frames[0].name = location->name;
        frames[0].system_name = location->name;
        frames[0].file = (location->file != NULL) ? location->file : "";
        frames[0].line = location->line;
        frames[0].start_line = location->start_line;

        location->nlines = 1;
        p->synthetic = 1;

    } else {
        location->nlines = profiling_names_frames(location->mapping->object,
                                                    location->offset, frames,
                                                    &location->into);
    }

    location->lines = profiling_calloc(location->nlines,
                                       sizeof(profiling_line_t));

    location->module = frames[0].module;

    for (i = 0; i < location->nlines; i++) {
        line = &location->lines[i];

        line->function = profiling_profile_function(p, &frames[i]);
        line->line = frames[i].line;
    }
}


static profiling_location_t *
profiling_profile_at(profiling_profile_t *p, uint64_t address)
{
    void                 **place;
    uint64_t               hash;
    profiling_location_t  *location;

    hash = profiling_hash(PROFILING_HASH, &address, sizeof(address));

    place = profiling_table_place(&p->location_table, hash,
                                  profiling_profile_location_equal, &address);

    if (*place != NULL) {
        return *place;
    }

    location = profiling_alloc(sizeof(profiling_location_t));
    *place = location;

    if (p->nlocations == p->locations_room) {
        p->locations = profiling_grow(p->locations, p->nlocations,
                                      sizeof(profiling_location_t *),
                                      &p->locations_room);
    }

    p->locations[p->nlocations++] = location;

    location->id = p->nlocations;
    location->address = address;

    return location;
}


static profiling_function_t *
profiling_profile_function(profiling_profile_t *p, profiling_frame_t *frame)
{
    void                 **place;
    uint64_t               hash;
    profiling_function_t   key, *function;

    key.id = 0;
    key.name = profiling_strings_add(&p->strings, frame->name,
                                     strlen(frame->name),
                                     PROFILING_MAX_STRING);
    key.system_name = profiling_strings_add(&p->strings, frame->system_name,
                                            strlen(frame->system_name),
                                            PROFILING_MAX_STRING);
    key.file = profiling_strings_add(&p->strings, frame->file,
                                     strlen(frame->file),
                                     PROFILING_MAX_STRING);
    key.start_line = frame->start_line;

    hash = profiling_hash(PROFILING_HASH, &key.name, sizeof(key.name));
    hash = profiling_hash(hash, &key.system_name, sizeof(key.system_name));
    hash = profiling_hash(hash, &key.file, sizeof(key.file));
    hash = profiling_hash(hash, &key.start_line, sizeof(key.start_line));

    place = profiling_table_place(&p->function_table, hash,
                                  profiling_profile_function_equal, &key);

    if (*place != NULL) {
        return *place;
    }

    function = profiling_alloc(sizeof(profiling_function_t));
    *place = function;
    *function = key;

    if (p->nfunctions == p->functions_room) {
        p->functions = profiling_grow(p->functions, p->nfunctions,
                                      sizeof(profiling_function_t *),
                                      &p->functions_room);
    }

    p->functions[p->nfunctions++] = function;
    function->id = p->nfunctions;

    return function;
}


const char *
profiling_profile_string(profiling_profile_t *p, uint32_t index)
{
    return p->strings.items[index]->data;
}


static int
profiling_profile_location_equal(void *item, void *key)
{
    profiling_location_t  *location;

    location = item;

    return location->address == *(uint64_t *) key;
}


static int
profiling_profile_function_equal(void *item, void *key)
{
    profiling_function_t  *a, *b;

    a = item;
    b = key;

    return a->name == b->name && a->system_name == b->system_name
           && a->file == b->file && a->start_line == b->start_line;
}


static int
profiling_profile_sample_equal(void *item, void *key)
{
    profiling_total_t  *a, *b;

    a = item;
    b = key;

    return a->tags == b->tags && a->nlocations == b->nlocations
           && memcmp(a->locations, b->locations,
                     a->nlocations * sizeof(profiling_location_t *))
              == 0;
}
