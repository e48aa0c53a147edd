
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_raw_file.h"
#include "ngx_prof_anonymous.h"
#include "ngx_prof_base.h"
#include "ngx_prof_label.h"
#include "ngx_prof_lua.h"
#include "ngx_prof_record.h"
#include "ngx_prof_worker.h"


/* entries of the cache of label sets that are tried */
#define NGX_PROF_PROBES  16

/* places whose names are written in a step */
#define NGX_PROF_RAW_NAMES  256


static const char *const  ngx_prof_strings[] = {
    "samples", "count", "cpu", "nanoseconds", "server", "location",
    "upstream", "state", "pid", "worker", "process"
};


static void ngx_prof_rawfile_string(ngx_prof_rawfile_t *f, const void *data,
    size_t len);
static void ngx_prof_rawfile_place_names(ngx_prof_rawfile_t *f);
static ngx_uint_t ngx_prof_rawfile_upstream_names(ngx_prof_rawfile_t *f);
static void ngx_prof_rawfile_words(ngx_prof_rawfile_t *f);
static void ngx_prof_rawfile_scripts(ngx_prof_rawfile_t *f);


ngx_prof_rawfile_t *
ngx_prof_rawfile_open(ngx_pool_t *pool, uint32_t kind)
{
    char                    path[NGX_MAX_PATH];
    ssize_t                 n;
    ngx_prof_rawfile_t     *f;
    ngx_prof_raw_header_t  *h;

    f = ngx_pcalloc(pool, sizeof(ngx_prof_rawfile_t));
    if (f == NULL) {
        return NULL;
    }

    if (ngx_array_init(&f->comments, pool, 4, sizeof(uint32_t)) != NGX_OK
        || ngx_array_init(&f->processes, pool, 4,
                          sizeof(ngx_prof_rawfile_process_t))
           != NGX_OK)
    {
        return NULL;
    }

    f->pool = pool;
    f->zone = ngx_prof_process.zone;

    ngx_prof_text_init(&f->text, pool);

    h = ngx_prof_text_reserve(&f->text, sizeof(ngx_prof_raw_header_t));
    if (h == NULL) {
        return NULL;
    }

    ngx_memzero(h, sizeof(ngx_prof_raw_header_t));
    ngx_memcpy(h->magic, NGX_PROF_RAW_MAGIC, NGX_PROF_RAW_MAGIC_LEN);

    h->version = NGX_PROF_RAW_VERSION;
    h->header_size = sizeof(ngx_prof_raw_header_t);
    h->output = NGX_PROF_RAW_PPROF;
    h->kind = kind;
    h->flags = ngx_prof_rawfile_relative();

    f->header = h;

    ngx_prof_rawfile_words(f);

    /* the main program is the first mapping of a profile */

    n = readlink("/proc/self/exe", path, sizeof(path));

    if (n > 0) {
        h->program = ngx_prof_rawfile_one(f, path, n);
    }

    return f;
}


uint32_t
ngx_prof_rawfile_relative(void)
{
    return ngx_prof_setting(NGX_PROF_ANONYMIZE) ? NGX_PROF_RAW_RELATIVE : 0;
}


void
ngx_prof_rawfile_section(ngx_prof_rawfile_t *f, uint32_t type)
{
    f->section = ngx_prof_text_reserve(&f->text,
                                   sizeof(ngx_prof_raw_section_t));
    if (f->section) {
        f->section->type = type;
    }

    f->start = f->text.size;
}


void
ngx_prof_rawfile_close(ngx_prof_rawfile_t *f, uint32_t count)
{
    static const u_char  zeros[8];

    if (f->section == NULL) {
        return;
    }

    f->section->count = count;
    f->section->size = f->text.size - f->start;

    ngx_prof_text_write(&f->text, zeros, -f->section->size & 7);
}


void
ngx_prof_rawfile_put(ngx_prof_rawfile_t *f, uint32_t type, const void *data,
    size_t size, uint32_t count)
{
    ngx_prof_rawfile_section(f, type);
    ngx_prof_text_write(&f->text, data, size);
    ngx_prof_rawfile_close(f, count);
}


static void
ngx_prof_rawfile_string(ngx_prof_rawfile_t *f, const void *data, size_t len)
{
    static const u_char    zeros[4];
    ngx_prof_raw_string_t  s;

    s.len = (uint32_t) len;

    ngx_prof_text_write(&f->text, &s, sizeof(s));
    ngx_prof_text_write(&f->text, data, len);
    ngx_prof_text_write(&f->text, zeros, -len & 3);

    f->strings++;
}


static void
ngx_prof_rawfile_words(ngx_prof_rawfile_t *f)
{
    ngx_uint_t   i;
    const char  *name;

    ngx_prof_rawfile_section(f, NGX_PROF_RAW_STRINGS);

    for (i = 0; i < NGX_PROF_S_STATES - 1; i++) {
        name = ngx_prof_strings[i];
        ngx_prof_rawfile_string(f, name, ngx_strlen(name));
    }

    for (i = 0; i < NGX_PROF_STATES; i++) {
        name = ngx_prof_request_state_name(i);
        ngx_prof_rawfile_string(f, name, ngx_strlen(name));
    }

    ngx_prof_rawfile_close(f, f->strings);
}


/* of all places and upstreams, so that an index tells the string */

ngx_int_t
ngx_prof_rawfile_names(ngx_prof_rawfile_t *f)
{
    uint32_t  before;

    if (f->named) {
        return NGX_OK;
    }

    if (f->place_n == 0) {
        f->places = f->strings;
        f->place_n = ngx_prof_zone_place_n(f->zone);
    }

    before = f->strings;
    ngx_prof_rawfile_section(f, NGX_PROF_RAW_STRINGS);

    if (f->place < f->place_n) {
        ngx_prof_rawfile_place_names(f);

    } else {
        f->named = ngx_prof_rawfile_upstream_names(f);
    }

    ngx_prof_rawfile_close(f, f->strings - before);

    return f->named ? NGX_OK : NGX_AGAIN;
}


static void
ngx_prof_rawfile_place_names(ngx_prof_rawfile_t *f)
{
    ngx_uint_t             n;
    ngx_prof_place_name_t  place;

    for (n = ngx_min(f->place + NGX_PROF_RAW_NAMES, f->place_n);
         f->place < n;
         f->place++)
    {
        if (ngx_prof_zone_place_name(f->zone, f->place, &place) != NGX_OK) {
            ngx_memzero(&place, sizeof(ngx_prof_place_name_t));
        }

        ngx_prof_rawfile_string(f, place.server.data, place.server.len);
        ngx_prof_rawfile_string(f, place.location.data, place.location.len);
    }
}


/* 1: all of them are written */

static ngx_uint_t
ngx_prof_rawfile_upstream_names(ngx_prof_rawfile_t *f)
{
    ngx_str_t   name;
    ngx_uint_t  n;
    u_char      hidden[NGX_PROF_ANONYMOUS_LEN];

    if (f->upstream == 0) {
        f->upstreams = f->strings;
        f->upstream_n = (uint32_t) ngx_prof_zone_upstream_n(f->zone);
    }

    for (n = ngx_min(f->upstream + NGX_PROF_RAW_NAMES, f->upstream_n);
         f->upstream < n;
         f->upstream++)
    {
        ngx_prof_zone_upstream(f->zone, f->upstream, &name);

        /* an upstream without a name of its own appears by its address */

        if (ngx_prof_setting(NGX_PROF_ANONYMIZE)
            && ngx_prof_is_address(name.data, name.len))
        {
            name.len = ngx_prof_anonymous(hidden, "addr", name.data, name.len)
                       - hidden;
            name.data = hidden;
        }

        ngx_prof_rawfile_string(f, name.data, name.len);
    }

    return f->upstream == f->upstream_n;
}


void
ngx_prof_rawfile_types(ngx_prof_rawfile_t *f, const ngx_prof_raw_type_t *types,
    uint32_t n)
{
    ngx_prof_rawfile_put(f, NGX_PROF_RAW_TYPES, types,
                         n * sizeof(ngx_prof_raw_type_t),
                         n);
}


uint32_t
ngx_prof_rawfile_one(ngx_prof_rawfile_t *f, const void *data, size_t len)
{
    ngx_prof_rawfile_section(f, NGX_PROF_RAW_STRINGS);
    ngx_prof_rawfile_string(f, data, len);
    ngx_prof_rawfile_close(f, 1);

    return f->strings;
}


ngx_uint_t
ngx_prof_rawfile_place(ngx_prof_rawfile_t *f, uint32_t label,
    ngx_prof_raw_label_t *labels)
{
    uint32_t               place, upstream;
    ngx_uint_t             n;
    ngx_prof_place_name_t  p;

    n = 0;
    place = ngx_prof_label_place(label);

    if (place
        && place <= (f->upstreams - f->places) / 2
        && ngx_prof_zone_place_name(f->zone, place - 1, &p) == NGX_OK)
    {
        if (p.server.len) {
            labels[n].key = NGX_PROF_S_SERVER;
            labels[n++].str = f->places + 2 * place - 1;
        }

        if (p.has_location) {
            labels[n].key = NGX_PROF_S_LOCATION;
            labels[n++].str = f->places + 2 * place;
        }
    }

    upstream = ngx_prof_label_upstream(label);

    if (upstream && f->upstreams + upstream + 1 <= f->strings) {
        labels[n].key = NGX_PROF_S_UPSTREAM;
        labels[n++].str = f->upstreams + upstream + 1;
    }

    return n;
}


ngx_prof_known_labels_t *
ngx_prof_rawfile_known(ngx_prof_rawfile_t *f, uint32_t label, uint64_t size)
{
    uint64_t                  at;
    ngx_uint_t                probe;
    ngx_prof_known_labels_t  *known;

    at = (label ^ size << 32 ^ size) * 0x9e3779b97f4a7c15ULL >> 40;

    for (probe = 1; /* void */ ; probe++, at++) {
        known = &f->known[at & (NGX_PROF_LABELS - 1)];

        if (known->set == 0) {
            break;
        }

        if (known->label == label && known->size == size) {
            return known;
        }

        if (probe == NGX_PROF_PROBES) {
            break;
        }
    }

    known->label = label;
    known->size = size;
    known->set = 0;

    return known;
}


uint32_t
ngx_prof_rawfile_labelset(ngx_prof_rawfile_t *f,
    const ngx_prof_raw_label_t *labels, uint32_t n)
{
    ngx_prof_raw_labelset_t  set;

    set.count = n;
    set.reserved = 0;

    ngx_prof_rawfile_section(f, NGX_PROF_RAW_LABELSETS);
    ngx_prof_text_write(&f->text, &set, sizeof(set));
    ngx_prof_text_write(&f->text, labels, n * sizeof(ngx_prof_raw_label_t));
    ngx_prof_rawfile_close(f, 1);

    return ++f->labelsets;
}


uint32_t
ngx_prof_rawfile_stack(ngx_prof_rawfile_t *f, const uint64_t *pcs,
    ngx_uint_t depth, uint32_t flags)
{
    ngx_uint_t            i, k;
    ngx_prof_raw_stack_t  stack;

    for (i = 0; i < depth; i++) {

        if (ngx_prof_frame_is_lua(pcs[i])) {
            k = ngx_prof_frame_lua_index(pcs[i]) % NGX_PROF_FUNCTIONS_MAX;
            f->scripts[k / 8] |= 1 << k % 8;
            f->scripted = 1;

        } else if (pcs[i] == NGX_PROF_FRAME_LUAJIT) {
            f->luajit = 1;
        }
    }

    stack.depth = (uint32_t) depth;
    stack.flags = flags;

    ngx_prof_text_write(&f->text, &stack, sizeof(stack));
    ngx_prof_text_write(&f->text, pcs, depth * sizeof(uint64_t));

    return f->stacks++;
}


void
ngx_prof_rawfile_sample(ngx_prof_rawfile_t *f, uint32_t process,
    uint32_t stack, uint32_t labels, const int64_t *values, ngx_uint_t n)
{
    ngx_prof_raw_sample_t  sample;

    sample.process = process;
    sample.stack = stack;
    sample.labels = labels;
    sample.reserved = 0;

    ngx_prof_text_write(&f->text, &sample, sizeof(sample));
    ngx_prof_text_write(&f->text, values, n * sizeof(int64_t));
}


void
ngx_prof_rawfile_comment(ngx_prof_rawfile_t *f, const char *format, ...)
{
    u_char    *p, text[256];
    va_list    args;
    uint32_t  *string;

    va_start(args, format);
    p = ngx_vslprintf(text, text + sizeof(text), format, args);
    va_end(args);

    string = ngx_array_push(&f->comments);

    if (string == NULL) {
        f->text.failed = 1;
        return;
    }

    *string = ngx_prof_rawfile_one(f, text, p - text);
}


/* the functions that stacks have named, with their strings before them */

static void
ngx_prof_rawfile_scripts(ngx_prof_rawfile_t *f)
{
    uint32_t                 n;
    ngx_uint_t               i;
    ngx_prof_function_t      function;
    ngx_prof_raw_function_t  raw;

    ngx_prof_function_t  *table;

    table = ngx_prof_zone_functions(f->zone);
    n = f->strings;
    ngx_prof_rawfile_section(f, NGX_PROF_RAW_STRINGS);

    for (i = 0; i < NGX_PROF_FUNCTIONS_MAX; i++) {

        if (!(f->scripts[i / 8] & 1 << i % 8)) {
            continue;
        }

        if (ngx_prof_functions_get(table, f->zone->shape.functions, i,
                                   &function)
            != NGX_OK)
        {
            f->scripts[i / 8] &= ~(1 << i % 8);
            continue;
        }

        ngx_prof_rawfile_string(f, function.file, function.file_len);
        ngx_prof_rawfile_string(f, function.name, function.name_len);
    }

    ngx_prof_rawfile_close(f, f->strings - n);

    raw.name = n;
    n = 0;
    ngx_prof_rawfile_section(f, NGX_PROF_RAW_FUNCTIONS);

    for (i = 0; i < NGX_PROF_FUNCTIONS_MAX; i++) {

        if (f->scripts[i / 8] & 1 << i % 8) {
            raw.index = (uint32_t) i;
            raw.file = raw.name + 1;
            raw.name += 2;
            raw.line = table[i].line;

            ngx_prof_text_write(&f->text, &raw, sizeof(raw));
            n++;
        }
    }

    ngx_prof_rawfile_close(f, n);
}


ngx_int_t
ngx_prof_rawfile_finish(ngx_prof_rawfile_t *f)
{
    const char  *reason;

    if (f->scripted) {
        ngx_prof_rawfile_scripts(f);
    }

    reason = ngx_prof_lua_reason();

    if (f->luajit && reason) {
        ngx_prof_rawfile_comment(f, "[luajit] has no frames of Lua: %s",
                                 reason);
    }

    if (f->dropped) {
        ngx_prof_rawfile_comment(f,
                        "%uL samples were dropped: the table of stacks in "
                        "the profiling zone is full", f->dropped);
    }

    if (f->comments.nelts) {
        ngx_prof_rawfile_put(f, NGX_PROF_RAW_COMMENTS,
                             f->comments.elts,
                             f->comments.nelts * sizeof(uint32_t),
                             (uint32_t) f->comments.nelts);
    }

    f->header->total_size = f->text.size;

    return f->text.failed ? NGX_ERROR : NGX_OK;
}
