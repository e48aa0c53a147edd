
/*
 * Writes profile.proto; pprof's definition numbers the fields.
 */


#include <string.h>

#include "pprof.h"


/* wire types */

#define PROFILING_VARINT  0
#define PROFILING_BYTES   2


static void profiling_pprof_types(profiling_profile_t *p,
    profiling_buf_t *out);
static void profiling_pprof_sample(profiling_profile_t *p,
    profiling_total_t *sample, profiling_buf_t *out);
static void profiling_pprof_mappings(profiling_profile_t *p,
    profiling_buf_t *out);
static void profiling_pprof_mapping(profiling_profile_t *p, uint64_t id,
    profiling_mapping_t *mapping, profiling_buf_t *out);
static void profiling_pprof_location(profiling_profile_t *p,
    profiling_location_t *location, profiling_buf_t *out);
static void profiling_pprof_function(profiling_function_t *function,
    profiling_buf_t *out);
static void profiling_pprof_times(profiling_profile_t *p,
    profiling_buf_t *out);
static void profiling_pprof_value_type(unsigned field, uint32_t type,
    uint32_t unit, profiling_buf_t *out);
static void profiling_pprof_comment(profiling_profile_t *p, const char *data,
    size_t len, profiling_buf_t *out);
static uint32_t profiling_pprof_string(profiling_profile_t *p,
    profiling_str_t *str);
static void profiling_pprof_varint(profiling_buf_t *out, uint64_t v);
static void profiling_pprof_number(profiling_buf_t *out, unsigned field,
    uint64_t v);
static void profiling_pprof_bytes(profiling_buf_t *out, unsigned field,
    const void *data, size_t len);


/* buffers in which messages are composed, one for each level */

static profiling_buf_t  profiling_pprof_message;
static profiling_buf_t  profiling_pprof_inner;


void
profiling_pprof_put(profiling_profile_t *p, profiling_buf_t *out)
{
    size_t               i;
    profiling_string_t  *str;

    profiling_pprof_types(p, out);

    for (i = 0; i < p->nsamples; i++) {
        profiling_pprof_sample(p, p->samples[i], out);
    }

    profiling_pprof_mappings(p, out);

    for (i = 0; i < p->nlocations; i++) {
        profiling_pprof_location(p, p->locations[i], out);
    }

    for (i = 0; i < p->nfunctions; i++) {
        profiling_pprof_function(p->functions[i], out);
    }

    profiling_pprof_times(p, out);

    /* the string table is complete only now */

    for (i = 0; i < p->strings.nitems; i++) {
        str = p->strings.items[i];
        profiling_pprof_bytes(out, 6, str->data, str->len);
    }
}


static void
profiling_pprof_types(profiling_profile_t *p, profiling_buf_t *out)
{
    size_t             i;
    profiling_type_t  *type;

    for (i = 0; i < p->raw->ntypes; i++) {
        type = &p->raw->types[i];

        profiling_pprof_value_type(1, profiling_pprof_string(p, &type->type),
                                   profiling_pprof_string(p, &type->unit),
                                   out);
    }
}


static void
profiling_pprof_sample(profiling_profile_t *p, profiling_total_t *sample,
    profiling_buf_t *out)
{
    size_t            i;
    profiling_tag_t  *tag;
    profiling_buf_t  *m, *in;

    m = &profiling_pprof_message;
    in = &profiling_pprof_inner;

    m->len = 0;
    in->len = 0;

    for (i = 0; i < sample->nlocations; i++) {
        profiling_pprof_varint(in, sample->locations[i]->id);
    }

    profiling_pprof_bytes(m, 1, in->data, in->len);

    in->len = 0;

    for (i = 0; i < p->raw->ntypes; i++) {
        profiling_pprof_varint(in, sample->values[i]);
    }

    profiling_pprof_bytes(m, 2, in->data, in->len);

    for (i = 0; i < sample->tags->ntags; i++) {
        tag = &sample->tags->tags[i];
        in->len = 0;

        profiling_pprof_number(in, 1, tag->key);

        if (tag->str != 0) {
            profiling_pprof_number(in, 2, tag->str);

        } else {
            profiling_pprof_number(in, 3, tag->num);
            profiling_pprof_number(in, 4, tag->unit);
        }

        profiling_pprof_bytes(m, 3, in->data, in->len);
    }

    profiling_pprof_bytes(out, 2, m->data, m->len);
}


static void
profiling_pprof_mappings(profiling_profile_t *p, profiling_buf_t *out)
{
    size_t               i;
    profiling_object_t   object;
    profiling_mapping_t  synthetic;

    for (i = 0; i < p->maps->nmappings; i++) {
        p->maps->mappings[i]->id = i + 1;
        profiling_pprof_mapping(p, i + 1, p->maps->mappings[i], out);
    }

    if (!p->synthetic) {
        return;
    }

    memset(&object, 0, sizeof(profiling_object_t));
    object.path = "[synthetic]";
    object.build_id = "";

    memset(&synthetic, 0, sizeof(profiling_mapping_t));
    synthetic.start = PROFILING_SYNTHETIC;
    synthetic.limit = PROFILING_SYNTHETIC_LIMIT;
    synthetic.object = &object;

    profiling_pprof_mapping(p, i + 1, &synthetic, out);
}


static void
profiling_pprof_mapping(profiling_profile_t *p, uint64_t id,
    profiling_mapping_t *mapping, profiling_buf_t *out)
{
    unsigned             field;
    profiling_buf_t     *m;
    profiling_object_t  *object;

    m = &profiling_pprof_message;
    m->len = 0;

    object = mapping->object;

    profiling_pprof_number(m, 1, id);
    profiling_pprof_number(m, 2, mapping->start);
    profiling_pprof_number(m, 3, mapping->limit);
    profiling_pprof_number(m, 4, mapping->offset);
    profiling_pprof_number(m, 5,
                           profiling_strings_add(&p->strings, object->path,
                                                 strlen(object->path),
                                                 PROFILING_MAX_STRING));
    profiling_pprof_number(m, 6,
                           profiling_strings_add(&p->strings,
                                                 object->build_id,
                                                 strlen(object->build_id),
                                                 PROFILING_MAX_STRING));

    /*
     * has_functions, has_filenames, has_line_numbers, has_inline_frames: the
     * encoder has looked everything up, so clients should not try again.
     */

    for (field = 7; field <= 10; field++) {
        profiling_pprof_number(m, field, 1);
    }

    profiling_pprof_bytes(out, 3, m->data, m->len);
}


static void
profiling_pprof_location(profiling_profile_t *p,
    profiling_location_t *location, profiling_buf_t *out)
{
    unsigned          i;
    uint64_t          mapping;
    profiling_buf_t  *m, *in;

    m = &profiling_pprof_message;
    in = &profiling_pprof_inner;

    m->len = 0;

    mapping = location->mapping ? location->mapping->id
                                : p->maps->nmappings + 1;

    profiling_pprof_number(m, 1, location->id);
    profiling_pprof_number(m, 2, mapping);
    profiling_pprof_number(m, 3, location->address);

    for (i = 0; i < location->nlines; i++) {
        in->len = 0;

        profiling_pprof_number(in, 1, location->lines[i].function->id);
        profiling_pprof_number(in, 2, location->lines[i].line);

        profiling_pprof_bytes(m, 4, in->data, in->len);
    }

    profiling_pprof_bytes(out, 4, m->data, m->len);
}


static void
profiling_pprof_function(profiling_function_t *function, profiling_buf_t *out)
{
    profiling_buf_t  *m;

    m = &profiling_pprof_message;
    m->len = 0;

    profiling_pprof_number(m, 1, function->id);
    profiling_pprof_number(m, 2, function->name);
    profiling_pprof_number(m, 3, function->system_name);
    profiling_pprof_number(m, 4, function->file);
    profiling_pprof_number(m, 5, function->start_line);

    profiling_pprof_bytes(out, 5, m->data, m->len);
}


static void
profiling_pprof_times(profiling_profile_t *p, profiling_buf_t *out)
{
    size_t                  i;
    profiling_raw_t        *raw;
    ngx_prof_raw_header_t  *h;

    raw = p->raw;
    h = &raw->header;

    profiling_pprof_number(out, 9, h->time_nanos);
    profiling_pprof_number(out, 10, h->duration_nanos);

    profiling_pprof_value_type(11,
                      profiling_pprof_string(p, &raw->strings[h->period_type]),
                      profiling_pprof_string(p, &raw->strings[h->period_unit]),
                      out);

    profiling_pprof_number(out, 12, h->period);

    for (i = 0; i < raw->ncomments; i++) {
        profiling_pprof_comment(p, raw->comments[i].data,
                                raw->comments[i].len, out);
    }

    if (profiling_options.note != NULL) {
        profiling_pprof_comment(p, profiling_options.note,
                                strlen(profiling_options.note), out);
    }

    if (h->default_type != 0) {
        profiling_pprof_number(out, 14,
                     profiling_pprof_string(p, &raw->strings[h->default_type]));
    }
}


static void
profiling_pprof_value_type(unsigned field, uint32_t type, uint32_t unit,
    profiling_buf_t *out)
{
    profiling_buf_t  *m;

    m = &profiling_pprof_message;
    m->len = 0;

    profiling_pprof_number(m, 1, type);
    profiling_pprof_number(m, 2, unit);

    profiling_pprof_bytes(out, field, m->data, m->len);
}


/* pprof takes a comment with this prefix for an instruction */

static void
profiling_pprof_comment(profiling_profile_t *p, const char *data, size_t len,
    profiling_buf_t *out)
{
    static const char  reserved[] = "executableInfo=";

    if (len == 0 || (len >= sizeof(reserved) - 1
                     && memcmp(data, reserved, sizeof(reserved) - 1) == 0))
    {
        return;
    }

    profiling_pprof_number(out, 13,
                           profiling_strings_add(&p->strings, data, len,
                                                 PROFILING_MAX_STRING));
}


static uint32_t
profiling_pprof_string(profiling_profile_t *p, profiling_str_t *str)
{
    return profiling_strings_add(&p->strings, str->data, str->len,
                                 PROFILING_MAX_STRING);
}


static void
profiling_pprof_varint(profiling_buf_t *out, uint64_t v)
{
    size_t   n;
    uint8_t  buf[10];

    for (n = 0; v >= 0x80; v >>= 7) {
        buf[n++] = (uint8_t) v | 0x80;
    }

    buf[n++] = (uint8_t) v;

    profiling_buf_put(out, buf, n);
}


/* absent fields read as 0, so 0 is not written */

static void
profiling_pprof_number(profiling_buf_t *out, unsigned field, uint64_t v)
{
    if (v != 0) {
        profiling_pprof_varint(out, field << 3 | PROFILING_VARINT);
        profiling_pprof_varint(out, v);
    }
}


static void
profiling_pprof_bytes(profiling_buf_t *out, unsigned field, const void *data,
    size_t len)
{
    profiling_pprof_varint(out, field << 3 | PROFILING_BYTES);
    profiling_pprof_varint(out, len);
    profiling_buf_put(out, data, len);
}
