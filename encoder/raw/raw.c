
/*
 * Reads a capture, whose producer may be broken or hostile: each record must
 * lie within its section before it is read, and indices are checked after all
 * sections have been read.
 */


#include <endian.h>
#include <string.h>

#include "raw.h"
#include "procmaps.h"
#include "raw_trace.h"


#define PROFILING_MAX_MAPSETS  1024
#define PROFILING_MAX_ROWS     262144


typedef void (*profiling_section_pt)(profiling_raw_t *raw,
    profiling_section_t *s);


static void profiling_raw_header(profiling_raw_t *raw, const uint8_t *data,
    size_t len);
static void profiling_raw_sections(profiling_raw_t *raw, const uint8_t *data);
static void profiling_raw_strings(profiling_raw_t *raw,
    profiling_section_t *s);
static void profiling_raw_types(profiling_raw_t *raw, profiling_section_t *s);
static void profiling_raw_comments(profiling_raw_t *raw,
    profiling_section_t *s);
static void profiling_raw_mapsets(profiling_raw_t *raw,
    profiling_section_t *s);
static void profiling_raw_processes(profiling_raw_t *raw,
    profiling_section_t *s);
static void profiling_raw_labelsets(profiling_raw_t *raw,
    profiling_section_t *s);
static void profiling_raw_stacks(profiling_raw_t *raw, profiling_section_t *s);
static void profiling_raw_scripts(profiling_raw_t *raw,
    profiling_section_t *s);
static void profiling_raw_samples(profiling_raw_t *raw,
    profiling_section_t *s);
static void profiling_raw_mapping(profiling_raw_t *raw, const uint8_t *p,
    profiling_row_t *row);
static void profiling_raw_label(profiling_raw_t *raw, const uint8_t *p,
    profiling_label_t *label);
static void profiling_raw_check(profiling_raw_t *raw);


/*
 * Strings are read first, wherever they are in the file, so that readers of
 * other sections can resolve string numbers immediately.
 */

static const profiling_section_pt  profiling_raw_readers[] = {
    NULL,
    profiling_raw_strings,
    profiling_raw_types,
    profiling_raw_comments,
    profiling_raw_mapsets,
    profiling_raw_processes,
    profiling_raw_labelsets,
    profiling_raw_stacks,
    profiling_raw_samples,
    profiling_raw_trace_info,
    profiling_raw_trace_chunks,
    profiling_raw_trace_samples,
    profiling_raw_scripts
};

#define PROFILING_NSECTIONS                                                   \
    (sizeof(profiling_raw_readers) / sizeof(profiling_raw_readers[0]))


profiling_raw_t *
profiling_raw_read(const uint8_t *data, size_t len)
{
    profiling_raw_t  *raw;

    raw = profiling_alloc(sizeof(profiling_raw_t));

    raw->strings = profiling_alloc(sizeof(profiling_str_t));
    raw->strings[0].data = "";
    raw->nstrings = 1;

    raw->labelsets = profiling_alloc(sizeof(profiling_labelset_t));
    raw->nlabelsets = 1;

    profiling_raw_header(raw, data, len);
    profiling_raw_sections(raw, data);
    profiling_raw_check(raw);
    profiling_raw_trace_check(raw);

    return raw;
}


static void
profiling_raw_header(profiling_raw_t *raw, const uint8_t *data, size_t len)
{
    ngx_prof_raw_header_t  *h;

    h = &raw->header;

    if (len < sizeof(ngx_prof_raw_header_t)) {
        profiling_raw_invalid("shorter than its header");
    }

    memcpy(h, data, sizeof(ngx_prof_raw_header_t));

    if (memcmp(h->magic, NGX_PROF_RAW_MAGIC, NGX_PROF_RAW_MAGIC_LEN) != 0) {
        profiling_raw_invalid("wrong magic");
    }

    h->version = le32toh(h->version);
    h->header_size = le32toh(h->header_size);
    h->total_size = le64toh(h->total_size);
    h->output = le32toh(h->output);
    h->kind = le32toh(h->kind);
    h->flags = le32toh(h->flags);
    h->default_type = le32toh(h->default_type);
    h->period_type = le32toh(h->period_type);
    h->period_unit = le32toh(h->period_unit);
    h->period = le64toh(h->period);
    h->time_nanos = le64toh(h->time_nanos);
    h->duration_nanos = le64toh(h->duration_nanos);
    h->program = le32toh(h->program);

    if (h->version != NGX_PROF_RAW_VERSION) {
        profiling_fail(PROFILING_CAPTURE, "capture has version %u, this "
                       "encoder reads version %d", h->version,
                       NGX_PROF_RAW_VERSION);
    }

    if (h->total_size != len) {
        profiling_raw_invalid("length differs from the header");
    }

    if (h->header_size < sizeof(ngx_prof_raw_header_t)
        || h->header_size % 8 != 0 || h->header_size > len)
    {
        profiling_raw_invalid("wrong header size");
    }

    if (h->output < NGX_PROF_RAW_PPROF || h->output > NGX_PROF_RAW_MODULES) {
        profiling_raw_invalid("unknown output");
    }

    /* the text form of the heap prints twice the period */

    if (h->period < 0 || h->period > INT64_MAX / 2) {
        profiling_raw_invalid("wrong period");
    }

    if (h->kind < NGX_PROF_RAW_CPU || h->kind > NGX_PROF_RAW_THREADCREATE) {
        profiling_raw_invalid("unknown kind");
    }
}


static void
profiling_raw_sections(profiling_raw_t *raw, const uint8_t *data)
{
    size_t                pass;
    uint64_t              size, left;
    const uint8_t        *p;
    profiling_section_t   s;

    for (pass = 1; pass < PROFILING_NSECTIONS; pass++) {

        p = data + raw->header.header_size;
        left = raw->header.total_size - raw->header.header_size;

        while (left != 0) {

            if (left < sizeof(ngx_prof_raw_section_t)) {
                profiling_raw_invalid("section header is cut off");
            }

            s.type = profiling_raw_u32(p);
            s.count = profiling_raw_u32(p + 4);
            size = profiling_raw_u64(p + 8);

            p += sizeof(ngx_prof_raw_section_t);
            left -= sizeof(ngx_prof_raw_section_t);

            if (size > left) {
                profiling_raw_invalid("section is cut off");
            }

            s.pos = p;
            s.last = p + size;

            /* total_size is a multiple of 8 unless padding is missing */

            size += (8 - size % 8) % 8;

            if (size > left) {
                profiling_raw_invalid("section is not padded");
            }

            p += size;
            left -= size;

            if (s.type == pass) {
                profiling_raw_readers[pass](raw, &s);

                if (s.pos != s.last) {
                    profiling_raw_invalid("section is longer than its "
                                          "records");
                }
            }

            if ((s.type == 0 || s.type >= PROFILING_NSECTIONS)
                && !(s.type & NGX_PROF_RAW_OPTIONAL))
            {
                profiling_raw_invalid("unknown section");
            }
        }
    }
}


static void
profiling_raw_strings(profiling_raw_t *raw, profiling_section_t *s)
{
    uint32_t          i;
    uint64_t          len;
    const uint8_t    *p;
    profiling_str_t  *str;

    if (s->count > (s->last - s->pos) / 4) {
        profiling_raw_invalid("too many strings for the section");
    }

    raw->strings = profiling_raw_append(raw->strings, &raw->nstrings,
                                        s->count, sizeof(profiling_str_t));
    str = raw->strings + raw->nstrings - s->count;

    for (i = 0; i < s->count; i++) {
        len = profiling_raw_u32(profiling_raw_take(s, 4));
        p = profiling_raw_take(s, len + (4 - len % 4) % 4);

        str[i].data = profiling_strdup((const char *) p, len);
        str[i].len = len;
    }
}


static void
profiling_raw_types(profiling_raw_t *raw, profiling_section_t *s)
{
    uint32_t           i;
    const uint8_t     *p;
    profiling_type_t  *type;

    if (s->count > NGX_PROF_RAW_MAX_TYPES
        || raw->ntypes + s->count > NGX_PROF_RAW_MAX_TYPES)
    {
        profiling_raw_invalid("too many sample types");
    }

    raw->types = profiling_raw_append(raw->types, &raw->ntypes, s->count,
                                      sizeof(profiling_type_t));
    type = raw->types + raw->ntypes - s->count;

    for (i = 0; i < s->count; i++) {
        p = profiling_raw_take(s, sizeof(ngx_prof_raw_type_t));

        type[i].type = profiling_raw_string(raw, profiling_raw_u32(p));
        type[i].unit = profiling_raw_string(raw, profiling_raw_u32(p + 4));
    }
}


static void
profiling_raw_comments(profiling_raw_t *raw, profiling_section_t *s)
{
    uint32_t          i;
    const uint8_t    *p;
    profiling_str_t  *comment;

    if (s->count > (s->last - s->pos) / 4) {
        profiling_raw_invalid("too many comments for the section");
    }

    raw->comments = profiling_raw_append(raw->comments, &raw->ncomments,
                                         s->count, sizeof(profiling_str_t));
    comment = raw->comments + raw->ncomments - s->count;

    for (i = 0; i < s->count; i++) {
        p = profiling_raw_take(s, 4);
        comment[i] = profiling_raw_string(raw, profiling_raw_u32(p));
    }
}


static void
profiling_raw_mapsets(profiling_raw_t *raw, profiling_section_t *s)
{
    uint32_t             i, k, n;
    const uint8_t       *p;
    profiling_str_t      text;
    profiling_mapset_t  *set;

    if (s->count > (s->last - s->pos) / sizeof(ngx_prof_raw_mapset_t)) {
        profiling_raw_invalid("too many mapping sets for the section");
    }

    if (s->count > PROFILING_MAX_MAPSETS
        || raw->nmapsets + s->count > PROFILING_MAX_MAPSETS)
    {
        profiling_raw_invalid("too many mapping sets");
    }

    raw->mapsets = profiling_raw_append(raw->mapsets, &raw->nmapsets,
                                        s->count, sizeof(profiling_mapset_t));
    set = raw->mapsets + raw->nmapsets - s->count;

    for (i = 0; i < s->count; i++) {
        p = profiling_raw_take(s, sizeof(ngx_prof_raw_mapset_t));

        n = profiling_raw_u32(p);
        set[i].maps = profiling_raw_u32(p + 4);

        if (n > (s->last - s->pos) / sizeof(ngx_prof_raw_mapping_t)) {
            profiling_raw_invalid("too many mappings for the section");
        }

        set[i].rows = profiling_calloc(n, sizeof(profiling_row_t));
        set[i].nrows = n;

        for (k = 0; k < n; k++) {
            p = profiling_raw_take(s, sizeof(ngx_prof_raw_mapping_t));
            profiling_raw_mapping(raw, p, &set[i].rows[k]);
        }

        if (set[i].maps != 0) {
            text = profiling_raw_string(raw, set[i].maps);
            profiling_raw_maps(&set[i], &text);
        }

        raw->nrows += set[i].nrows;

        if (raw->nrows > PROFILING_MAX_ROWS) {
            profiling_raw_invalid("too many mappings");
        }

        for (k = 1; k < set[i].nrows; k++) {
            if (set[i].rows[k].start < set[i].rows[k - 1].limit) {
                profiling_raw_invalid("mappings are out of order");
            }
        }
    }
}


static void
profiling_raw_mapping(profiling_raw_t *raw, const uint8_t *p,
    profiling_row_t *row)
{
    uint32_t  i;
    char      c;

    row->start = profiling_raw_u64(p);
    row->limit = profiling_raw_u64(p + 8);
    row->offset = profiling_raw_u64(p + 16);
    row->major = profiling_raw_u32(p + 24);
    row->minor = profiling_raw_u32(p + 28);
    row->inode = profiling_raw_u64(p + 32);
    row->path = profiling_raw_string(raw, profiling_raw_u32(p + 40));
    row->build_id = profiling_raw_string(raw, profiling_raw_u32(p + 44));

    if (row->start >= row->limit
        || row->offset > UINT64_MAX - (row->limit - row->start))
    {
        profiling_raw_invalid("mapping with a wrong range");
    }

    if (row->build_id.len % 2 != 0 || row->build_id.len > 128) {
        profiling_raw_invalid("wrong length of a build id");
    }

    for (i = 0; i < row->build_id.len; i++) {
        c = row->build_id.data[i];

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            profiling_raw_invalid("build id is no lower-case hex");
        }
    }
}


static void
profiling_raw_processes(profiling_raw_t *raw, profiling_section_t *s)
{
    uint32_t              i;
    const uint8_t        *p;
    profiling_process_t  *process;

    if (s->count > (s->last - s->pos) / sizeof(ngx_prof_raw_process_t)) {
        profiling_raw_invalid("too many processes for the section");
    }

    raw->processes = profiling_raw_append(raw->processes, &raw->nprocesses,
                                          s->count,
                                          sizeof(profiling_process_t));
    process = raw->processes + raw->nprocesses - s->count;

    for (i = 0; i < s->count; i++) {
        p = profiling_raw_take(s, sizeof(ngx_prof_raw_process_t));

        process[i].pid = profiling_raw_u32(p);
        process[i].mapset = profiling_raw_u32(p + 4);
        process[i].labels = profiling_raw_u32(p + 8);
    }
}


static void
profiling_raw_labelsets(profiling_raw_t *raw, profiling_section_t *s)
{
    uint32_t               i, k;
    const uint8_t         *p;
    profiling_labelset_t  *set;

    if (s->count > (s->last - s->pos) / sizeof(ngx_prof_raw_labelset_t)) {
        profiling_raw_invalid("too many label sets for the section");
    }

    raw->labelsets = profiling_raw_append(raw->labelsets, &raw->nlabelsets,
                                          s->count,
                                          sizeof(profiling_labelset_t));
    set = raw->labelsets + raw->nlabelsets - s->count;

    for (i = 0; i < s->count; i++) {
        p = profiling_raw_take(s, sizeof(ngx_prof_raw_labelset_t));

        set[i].count = profiling_raw_u32(p);

        if (set[i].count > NGX_PROF_RAW_MAX_LABELS) {
            profiling_raw_invalid("too many labels in a set");
        }

        set[i].labels = profiling_calloc(set[i].count,
                                         sizeof(profiling_label_t));

        for (k = 0; k < set[i].count; k++) {
            p = profiling_raw_take(s, sizeof(ngx_prof_raw_label_t));
            profiling_raw_label(raw, p, &set[i].labels[k]);
        }
    }
}


static void
profiling_raw_label(profiling_raw_t *raw, const uint8_t *p,
    profiling_label_t *label)
{
    uint32_t  str;

    str = profiling_raw_u32(p + 4);

    label->key = profiling_raw_string(raw, profiling_raw_u32(p));
    label->unit = profiling_raw_string(raw, profiling_raw_u32(p + 8));
    label->num = (int64_t) profiling_raw_u64(p + 16);

    if (str == NGX_PROF_RAW_NONE) {
        label->numeric = 1;
        label->str = raw->strings[0];
        return;
    }

    label->str = profiling_raw_string(raw, str);
}


static void
profiling_raw_stacks(profiling_raw_t *raw, profiling_section_t *s)
{
    uint32_t            i;
    const uint8_t      *p;
    profiling_stack_t  *stack;

    if (s->count > (s->last - s->pos) / sizeof(ngx_prof_raw_stack_t)) {
        profiling_raw_invalid("too many stacks for the section");
    }

    raw->stacks = profiling_raw_append(raw->stacks, &raw->nstacks, s->count,
                                       sizeof(profiling_stack_t));
    stack = raw->stacks + raw->nstacks - s->count;

    for (i = 0; i < s->count; i++) {
        p = profiling_raw_take(s, sizeof(ngx_prof_raw_stack_t));

        stack[i].depth = profiling_raw_u32(p);
        stack[i].flags = profiling_raw_u32(p + 4) | raw->header.flags;

        if (stack[i].depth > NGX_PROF_RAW_MAX_FRAMES) {
            profiling_raw_invalid("stack is too deep");
        }

        stack[i].pcs = profiling_raw_take(s, (uint64_t) stack[i].depth * 8);
    }
}


static void
profiling_raw_scripts(profiling_raw_t *raw, profiling_section_t *s)
{
    uint32_t             i;
    const uint8_t       *p;
    profiling_script_t  *script;

    if (s->count > (s->last - s->pos) / sizeof(ngx_prof_raw_function_t)) {
        profiling_raw_invalid("too many functions for the section");
    }

    raw->scripts = profiling_raw_append(raw->scripts, &raw->nscripts, s->count,
                                        sizeof(profiling_script_t));
    script = raw->scripts + raw->nscripts - s->count;

    for (i = 0; i < s->count; i++) {
        p = profiling_raw_take(s, sizeof(ngx_prof_raw_function_t));

        script[i].index = profiling_raw_u32(p);
        script[i].file = profiling_raw_string(raw, profiling_raw_u32(p + 4));
        script[i].name = profiling_raw_string(raw, profiling_raw_u32(p + 8));
        script[i].line = profiling_raw_u32(p + 12);

        if (script[i].index > NGX_PROF_RAW_SCRIPT_INDEX) {
            profiling_raw_invalid("function out of range");
        }
    }
}


static void
profiling_raw_samples(profiling_raw_t *raw, profiling_section_t *s)
{
    size_t               size;
    uint32_t             i;
    const uint8_t       *p;
    profiling_sample_t  *sample;

    size = sizeof(ngx_prof_raw_sample_t) + raw->ntypes * 8;

    if (s->count > (s->last - s->pos) / size) {
        profiling_raw_invalid("too many samples for the section");
    }

    raw->samples = profiling_raw_append(raw->samples, &raw->nsamples,
                                        s->count, sizeof(profiling_sample_t));
    sample = raw->samples + raw->nsamples - s->count;

    for (i = 0; i < s->count; i++) {
        p = profiling_raw_take(s, size);

        sample[i].process = profiling_raw_u32(p);
        sample[i].stack = profiling_raw_u32(p + 4);
        sample[i].labels = profiling_raw_u32(p + 8);
        sample[i].values = p + sizeof(ngx_prof_raw_sample_t);
    }
}


static void
profiling_raw_check(profiling_raw_t *raw)
{
    size_t                  i;
    profiling_sample_t     *sample;
    profiling_process_t    *process;
    ngx_prof_raw_header_t  *h;

    h = &raw->header;

    if (raw->ntypes == 0) {
        profiling_raw_invalid("no sample types");
    }

    if (h->default_type >= raw->nstrings || h->period_type >= raw->nstrings
        || h->period_unit >= raw->nstrings || h->program >= raw->nstrings)
    {
        profiling_raw_invalid("string out of range");
    }

    for (i = 0; i < raw->nprocesses; i++) {
        process = &raw->processes[i];

        if (process->mapset >= raw->nmapsets) {
            profiling_raw_invalid("mapping set out of range");
        }

        if (process->labels >= raw->nlabelsets) {
            profiling_raw_invalid("label set out of range");
        }
    }

    for (i = 0; i < raw->nsamples; i++) {
        sample = &raw->samples[i];

        if (sample->process >= raw->nprocesses
            && sample->process != NGX_PROF_RAW_NONE)
        {
            profiling_raw_invalid("process out of range");
        }

        if (sample->stack >= raw->nstacks) {
            profiling_raw_invalid("stack out of range");
        }

        if (sample->labels >= raw->nlabelsets) {
            profiling_raw_invalid("label set out of range");
        }
    }
}


/*
 * A broken stack walk may record any number as an address.  A number that
 * names no string therefore does not invalidate the capture.
 */

profiling_str_t *
profiling_raw_name(profiling_raw_t *raw, uint64_t pc)
{
    pc ^= NGX_PROF_RAW_NAMED;

    return (pc < raw->nstrings) ? &raw->strings[pc] : NULL;
}
