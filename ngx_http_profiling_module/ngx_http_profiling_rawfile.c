
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_profiling_rawfile.h"
#include "ngx_http_profiling_context.h"
#include "ngx_http_profiling_stall.h"


/* bytes of /proc/<pid>/maps that are looked at */
#define NGX_HTTP_PROFILING_MAPS      1048576


static const char *const  ngx_http_profiling_strings[] = {
    "samples", "count", "cpu", "nanoseconds", "server", "location",
    "upstream", "state", "pid", "worker"
};


/* a sample of a chunk */

typedef struct {
    uint32_t                      node;
    uint32_t                      labels;
    uint32_t                      process;
    int64_t                       count;
    int64_t                       value;
} ngx_http_profiling_difference_t;


static void ngx_http_profiling_rawfile_string(ngx_http_profiling_rawfile_t *f,
    const void *data, size_t len);
static void ngx_http_profiling_rawfile_names(ngx_http_profiling_rawfile_t *f);
static ngx_int_t ngx_http_profiling_rawfile_read_maps(
    ngx_http_profiling_rawfile_t *f, ngx_pid_t pid, ngx_str_t *maps);
static void ngx_http_profiling_rawfile_executable(ngx_str_t *maps);
static uint32_t ngx_http_profiling_rawfile_labels(
    ngx_http_profiling_rawfile_t *f, uint32_t label);
static void ngx_http_profiling_rawfile_stacks(ngx_http_profiling_rawfile_t *f,
    ngx_http_profiling_slot_t *slot,
    const ngx_http_profiling_stacks_t *stacks,
    const ngx_http_profiling_reading_t *reading,
    ngx_http_profiling_difference_t *d, ngx_uint_t n);


ngx_http_profiling_rawfile_t *
ngx_http_profiling_rawfile_create(ngx_pool_t *pool, uint64_t duration)
{
    ngx_http_profiling_rawfile_t     *f;
    ngx_http_profiling_raw_type_t     types[2];
    ngx_http_profiling_raw_header_t  *h;

    f = ngx_http_profiling_rawfile_open(pool, NGX_HTTP_PROFILING_RAW_CPU);
    if (f == NULL) {
        return NULL;
    }

    h = f->header;

    h->flags = NGX_HTTP_PROFILING_RAW_LEAF_EXACT;
    h->period_type = NGX_HTTP_PROFILING_S_CPU;
    h->period_unit = NGX_HTTP_PROFILING_S_NANOSECONDS;
    h->period = 1000000000
                / ngx_http_profiling_process.conf->setting[
                                                NGX_HTTP_PROFILING_CPU_RATE];
    h->time_nanos = (int64_t) ngx_http_profiling_time() * 1000000
                    - (int64_t) duration;
    h->duration_nanos = (int64_t) duration;

    types[0].type = NGX_HTTP_PROFILING_S_SAMPLES;
    types[0].unit = NGX_HTTP_PROFILING_S_COUNT;
    types[1].type = NGX_HTTP_PROFILING_S_CPU;
    types[1].unit = NGX_HTTP_PROFILING_S_NANOSECONDS;

    ngx_http_profiling_rawfile_types(f, types, 2);

    return f;
}


ngx_http_profiling_rawfile_t *
ngx_http_profiling_rawfile_open(ngx_pool_t *pool, uint32_t kind)
{
    char                              path[NGX_MAX_PATH];
    ssize_t                           n;
    ngx_http_profiling_rawfile_t     *f;
    ngx_http_profiling_raw_header_t  *h;

    f = ngx_pcalloc(pool, sizeof(ngx_http_profiling_rawfile_t));
    if (f == NULL) {
        return NULL;
    }

    if (ngx_array_init(&f->comments, pool, 4, sizeof(uint32_t)) != NGX_OK
        || ngx_array_init(&f->processes, pool, 4, sizeof(ngx_pid_t))
           != NGX_OK)
    {
        return NULL;
    }

    f->pool = pool;
    f->zone = ngx_http_profiling_process.zone;

    ngx_http_profiling_text_init(&f->text, pool);

    h = ngx_http_profiling_text_reserve(&f->text,
                                    sizeof(ngx_http_profiling_raw_header_t));
    if (h == NULL) {
        return NULL;
    }

    ngx_memzero(h, sizeof(ngx_http_profiling_raw_header_t));
    ngx_memcpy(h->magic, NGX_HTTP_PROFILING_RAW_MAGIC,
               NGX_HTTP_PROFILING_RAW_MAGIC_LEN);

    h->version = NGX_HTTP_PROFILING_RAW_VERSION;
    h->header_size = sizeof(ngx_http_profiling_raw_header_t);
    h->output = NGX_HTTP_PROFILING_RAW_PPROF;
    h->kind = kind;

    f->header = h;

    ngx_http_profiling_rawfile_names(f);

    /* the main program is the first mapping of a profile */

    n = readlink("/proc/self/exe", path, sizeof(path));

    if (n > 0) {
        h->program = ngx_http_profiling_rawfile_one(f, path, n);
    }

    return f;
}


ngx_http_profiling_raw_section_t *
ngx_http_profiling_rawfile_section(ngx_http_profiling_rawfile_t *f,
    uint32_t type)
{
    ngx_http_profiling_raw_section_t  *section;

    section = ngx_http_profiling_text_reserve(&f->text,
                                   sizeof(ngx_http_profiling_raw_section_t));
    if (section) {
        section->type = type;
    }

    return section;
}


/* start: the text's size behind the section's header */

void
ngx_http_profiling_rawfile_close(ngx_http_profiling_rawfile_t *f,
    ngx_http_profiling_raw_section_t *section, off_t start, uint32_t count)
{
    static const u_char  zeros[8];

    if (section == NULL) {
        return;
    }

    section->count = count;
    section->size = f->text.size - start;

    ngx_http_profiling_text_write(&f->text, zeros, -section->size & 7);
}


static void
ngx_http_profiling_rawfile_string(ngx_http_profiling_rawfile_t *f,
    const void *data, size_t len)
{
    static const u_char              zeros[4];
    ngx_http_profiling_raw_string_t  s;

    s.len = (uint32_t) len;

    ngx_http_profiling_text_write(&f->text, &s, sizeof(s));
    ngx_http_profiling_text_write(&f->text, data, len);
    ngx_http_profiling_text_write(&f->text, zeros, -len & 3);

    f->strings++;
}


/* the names of all places and upstreams, so that an index tells the string */

static void
ngx_http_profiling_rawfile_names(ngx_http_profiling_rawfile_t *f)
{
    off_t                              start;
    uint32_t                           n;
    ngx_uint_t                         i;
    const char                        *name;
    ngx_http_profiling_place_t        *place;
    ngx_http_profiling_raw_section_t  *section;

    section = ngx_http_profiling_rawfile_section(f,
                                          NGX_HTTP_PROFILING_RAW_STRINGS);
    start = f->text.size;

    for (i = 0; i < NGX_HTTP_PROFILING_S_STATES - 1; i++) {
        name = ngx_http_profiling_strings[i];
        ngx_http_profiling_rawfile_string(f, name, ngx_strlen(name));
    }

    for (i = 0; i < NGX_HTTP_PROFILING_STATES; i++) {
        name = ngx_http_profiling_request_state_name(i);
        ngx_http_profiling_rawfile_string(f, name, ngx_strlen(name));
    }

    f->places = f->strings;
    n = (uint32_t) ngx_http_profiling_load_acquire(&f->zone->place_n);

    for (i = 0; i < n; i++) {
        place = ngx_http_profiling_zone_place(f->zone, i);
        ngx_http_profiling_rawfile_string(f, place->server,
                                          place->server_len);
        ngx_http_profiling_rawfile_string(f, place->location,
                                          place->location_len);
    }

    f->upstreams = f->strings;
    n = (uint32_t) ngx_http_profiling_load_acquire(&f->zone->upstream_n);
    f->upstream_n = n;

    for (i = 0; i < n; i++) {
        ngx_http_profiling_rawfile_string(f, f->zone->upstream[i].name,
                                          f->zone->upstream[i].len);
    }

    ngx_http_profiling_rawfile_close(f, section, start, f->strings);
}


void
ngx_http_profiling_rawfile_types(ngx_http_profiling_rawfile_t *f,
    const ngx_http_profiling_raw_type_t *types, uint32_t n)
{
    off_t                              start;
    ngx_http_profiling_raw_section_t  *section;

    section = ngx_http_profiling_rawfile_section(f,
                                          NGX_HTTP_PROFILING_RAW_TYPES);
    start = f->text.size;

    ngx_http_profiling_text_write(&f->text, types,
                                  n * sizeof(ngx_http_profiling_raw_type_t));
    ngx_http_profiling_rawfile_close(f, section, start, n);
}


/* a string in a section of its own; its number */

uint32_t
ngx_http_profiling_rawfile_one(ngx_http_profiling_rawfile_t *f,
    const void *data, size_t len)
{
    off_t                              start;
    ngx_http_profiling_raw_section_t  *section;

    section = ngx_http_profiling_rawfile_section(f,
                                          NGX_HTTP_PROFILING_RAW_STRINGS);
    start = f->text.size;

    ngx_http_profiling_rawfile_string(f, data, len);
    ngx_http_profiling_rawfile_close(f, section, start, 1);

    return f->strings;
}


void
ngx_http_profiling_rawfile_slot(ngx_http_profiling_rawfile_t *f,
    ngx_http_profiling_slot_t *slot,
    const ngx_http_profiling_reading_t *reading,
    const ngx_http_profiling_stacks_t *stacks)
{
    char       waits[256];
    uint64_t   sampler;
    ngx_pid_t  pid;

    f->dropped += ngx_http_profiling_load(&stacks->dropped)
                  - reading->dropped;

    sampler = ngx_http_profiling_load(&slot->sampler);
    pid = ngx_http_profiling_slot_pid(slot);

    if (sampler > NGX_HTTP_PROFILING_SAMPLER_READY && pid) {
        ngx_http_profiling_rawfile_comment(f,
                        "worker %P was not sampled: %s", pid,
                        sampler == NGX_HTTP_PROFILING_SAMPLER_TAKEN
                        ? "SIGPROF has a handler of another tool"
                        : "its timers could not be made");
    }

    if (ngx_http_profiling_stall_waits(slot, waits, sizeof(waits))) {
        ngx_http_profiling_rawfile_comment(f, "%s", waits);
    }
}


/* the number of a process, which is written when it is first met */

uint32_t
ngx_http_profiling_rawfile_process(ngx_http_profiling_rawfile_t *f,
    ngx_pid_t pid, ngx_http_profiling_slot_t *slot,
    const ngx_http_profiling_reading_t *reading)
{
    off_t                              start;
    ngx_pid_t                         *known;
    ngx_uint_t                         i;
    ngx_http_profiling_raw_label_t     labels[2];
    ngx_http_profiling_raw_process_t   process;
    ngx_http_profiling_raw_section_t  *section;

    known = f->processes.elts;

    for (i = f->processes.nelts; i > 0; i--) {

        if (known[i - 1] == pid) {
            return (uint32_t) i - 1;
        }
    }

    known = ngx_array_push(&f->processes);

    if (known == NULL) {
        f->text.failed = 1;
        return 0;
    }

    *known = pid;

    ngx_http_profiling_rawfile_maps(f, pid);

    ngx_memzero(labels, sizeof(labels));

    labels[0].key = NGX_HTTP_PROFILING_S_PID;
    labels[0].str = NGX_HTTP_PROFILING_RAW_NONE;
    labels[0].num = pid;
    labels[1].key = NGX_HTTP_PROFILING_S_WORKER;
    labels[1].str = NGX_HTTP_PROFILING_RAW_NONE;
    labels[1].num = (int64_t) (pid == reading->pid
                               ? reading->worker
                               : ngx_http_profiling_load(&slot->worker));

    process.pid = (uint32_t) pid;
    process.mapset = f->mapsets - 1;
    process.labels = ngx_http_profiling_rawfile_labelset(f, labels, 2);
    process.reserved = 0;

    section = ngx_http_profiling_rawfile_section(f,
                                          NGX_HTTP_PROFILING_RAW_PROCESSES);
    start = f->text.size;

    ngx_http_profiling_text_write(&f->text, &process, sizeof(process));
    ngx_http_profiling_rawfile_close(f, section, start, 1);

    return (uint32_t) f->processes.nelts - 1;
}


/* workers with the same mappings as the one before share its set */

void
ngx_http_profiling_rawfile_maps(ngx_http_profiling_rawfile_t *f,
    ngx_pid_t pid)
{
    off_t                              start;
    ngx_str_t                          maps;
    ngx_http_profiling_raw_mapset_t    mapset;
    ngx_http_profiling_raw_section_t  *section;

    /* a worker that has ended had the mappings of its siblings */

    if ((pid == 0
         || ngx_http_profiling_rawfile_read_maps(f, pid, &maps) != NGX_OK)
        && ngx_http_profiling_rawfile_read_maps(f, ngx_pid, &maps) != NGX_OK)
    {
        ngx_str_null(&maps);
    }

    if (f->mapsets
        && maps.len == f->maps.len
        && ngx_memcmp(maps.data, f->maps.data, maps.len) == 0)
    {
        return;
    }

    mapset.nmappings = 0;
    mapset.maps = ngx_http_profiling_rawfile_one(f, maps.data, maps.len);

    section = ngx_http_profiling_rawfile_section(f,
                                          NGX_HTTP_PROFILING_RAW_MAPSETS);
    start = f->text.size;

    ngx_http_profiling_text_write(&f->text, &mapset, sizeof(mapset));
    ngx_http_profiling_rawfile_close(f, section, start, 1);

    f->maps = maps;
    f->mapsets++;
}


static ngx_int_t
ngx_http_profiling_rawfile_read_maps(ngx_http_profiling_rawfile_t *f,
    ngx_pid_t pid, ngx_str_t *maps)
{
    int      fd;
    char     path[sizeof("/proc//maps") + NGX_INT64_LEN];
    size_t   size;
    u_char  *buf;
    ssize_t  n;

    (void) snprintf(path, sizeof(path), "/proc/%d/maps", (int) pid);

    fd = open(path, O_RDONLY|O_CLOEXEC);
    if (fd == -1) {
        return NGX_ERROR;
    }

    size = 65536;
    maps->len = 0;
    maps->data = ngx_palloc(f->pool, size);

    while (maps->data) {
        n = read(fd, maps->data + maps->len, size - maps->len);

        if (n <= 0) {
            break;
        }

        maps->len += n;

        if (maps->len < size) {
            continue;
        }

        if (size == NGX_HTTP_PROFILING_MAPS) {
            break;
        }

        buf = ngx_palloc(f->pool, 2 * size);

        if (buf) {
            ngx_memcpy(buf, maps->data, size);
        }

        maps->data = buf;
        size *= 2;
    }

    (void) close(fd);

    if (maps->data == NULL || maps->len == 0) {
        return NGX_ERROR;
    }

    ngx_http_profiling_rawfile_executable(maps);

    return NGX_OK;
}


/* keeps the rows of executable mappings: "start-end r-xp ...", proc(5) */

static void
ngx_http_profiling_rawfile_executable(ngx_str_t *maps)
{
    u_char  *p, *last, *to, *end, *space;

    to = maps->data;
    last = maps->data + maps->len;

    for (p = maps->data; p < last; p = end) {
        end = ngx_strlchr(p, last, '\n');
        end = end ? end + 1 : last;
        space = ngx_strlchr(p, end, ' ');

        if (space && end - space > 4 && space[3] == 'x') {
            ngx_memmove(to, p, end - p);
            to += end - p;
        }
    }

    maps->len = to - maps->data;
}


void
ngx_http_profiling_rawfile_samples(ngx_http_profiling_rawfile_t *f,
    ngx_http_profiling_slot_t *slot,
    const ngx_http_profiling_stacks_t *stacks,
    const ngx_http_profiling_reading_t *reading, ngx_uint_t from,
    ngx_uint_t to)
{
    off_t                              start;
    int64_t                            values[2];
    ngx_uint_t                         i, n;
    ngx_http_profiling_tally_t         tally;
    ngx_http_profiling_difference_t    d[NGX_HTTP_PROFILING_CHUNK];
    ngx_http_profiling_raw_sample_t    sample;
    ngx_http_profiling_raw_section_t  *section;

    n = 0;

    for (i = from; i < to; i++) {

        if (ngx_http_profiling_stacks_tally(stacks, f->zone->stacks, i,
                                            &tally)
            != NGX_OK)
        {
            continue;
        }

        d[n].count = tally.count;
        d[n].value = tally.value;

        if (i < reading->n) {
            d[n].count -= reading->base[i].count;
            d[n].value -= reading->base[i].value;
        }

        if (d[n].count <= 0) {
            continue;
        }

        d[n].node = tally.node;
        d[n].labels = ngx_http_profiling_rawfile_labels(f, tally.label);
        n++;
    }

    if (n == 0) {
        return;
    }

    ngx_http_profiling_rawfile_stacks(f, slot, stacks, reading, d, n);

    section = ngx_http_profiling_rawfile_section(f,
                                          NGX_HTTP_PROFILING_RAW_SAMPLES);
    start = f->text.size;

    for (i = 0; i < n; i++) {
        sample.process = d[i].process;
        sample.stack = f->stacks - n + i;
        sample.labels = d[i].labels;
        sample.reserved = 0;
        values[0] = d[i].count;
        values[1] = d[i].value;

        ngx_http_profiling_text_write(&f->text, &sample, sizeof(sample));
        ngx_http_profiling_text_write(&f->text, values, sizeof(values));

        f->samples += d[i].count;
    }

    ngx_http_profiling_rawfile_close(f, section, start, (uint32_t) n);
}


/* the root of a stack is the pid of its process */

static void
ngx_http_profiling_rawfile_stacks(ngx_http_profiling_rawfile_t *f,
    ngx_http_profiling_slot_t *slot,
    const ngx_http_profiling_stacks_t *stacks,
    const ngx_http_profiling_reading_t *reading,
    ngx_http_profiling_difference_t *d, ngx_uint_t n)
{
    off_t                              start;
    uint64_t                           pcs[NGX_HTTP_PROFILING_FRAMES + 1];
    ngx_uint_t                         i, depth;
    ngx_http_profiling_raw_stack_t     stack;
    ngx_http_profiling_raw_section_t  *section;

    for (i = 0; i < n; i++) {
        depth = ngx_http_profiling_stacks_frames(stacks, f->zone->stacks,
                                          d[i].node, pcs,
                                          NGX_HTTP_PROFILING_FRAMES + 1);
        d[i].process = ngx_http_profiling_rawfile_process(f,
                                          (ngx_pid_t) pcs[depth - 1], slot,
                                          reading);
    }

    section = ngx_http_profiling_rawfile_section(f,
                                          NGX_HTTP_PROFILING_RAW_STACKS);
    start = f->text.size;

    for (i = 0; i < n; i++) {
        stack.depth = (uint32_t) ngx_http_profiling_stacks_frames(stacks,
                                          f->zone->stacks, d[i].node, pcs,
                                          NGX_HTTP_PROFILING_FRAMES + 1) - 1;
        stack.flags = 0;

        ngx_http_profiling_text_write(&f->text, &stack, sizeof(stack));
        ngx_http_profiling_text_write(&f->text, pcs,
                                      stack.depth * sizeof(uint64_t));
    }

    ngx_http_profiling_rawfile_close(f, section, start, (uint32_t) n);

    f->stacks += (uint32_t) n;
}


ngx_uint_t
ngx_http_profiling_rawfile_place(ngx_http_profiling_rawfile_t *f,
    uint32_t label, ngx_http_profiling_raw_label_t *labels)
{
    uint32_t                     place, upstream;
    ngx_uint_t                   n;
    ngx_http_profiling_place_t  *p;

    n = 0;
    place = ngx_http_profiling_label_place(label);

    if (place && place <= (f->upstreams - f->places) / 2) {
        p = ngx_http_profiling_zone_place(f->zone, place - 1);

        if (p->server_len) {
            labels[n].key = NGX_HTTP_PROFILING_S_SERVER;
            labels[n++].str = f->places + 2 * place - 1;
        }

        if (p->has_location) {
            labels[n].key = NGX_HTTP_PROFILING_S_LOCATION;
            labels[n++].str = f->places + 2 * place;
        }
    }

    upstream = ngx_http_profiling_label_upstream(label);

    if (upstream && f->upstreams + upstream + 1 <= f->strings) {
        labels[n].key = NGX_HTTP_PROFILING_S_UPSTREAM;
        labels[n++].str = f->upstreams + upstream + 1;
    }

    return n;
}


/* the label set of a label, written when it is first met */

static uint32_t
ngx_http_profiling_rawfile_labels(ngx_http_profiling_rawfile_t *f,
    uint32_t label)
{
    uint32_t                         set, at;
    ngx_uint_t                       probe, n;
    ngx_http_profiling_raw_label_t   labels[4];

    at = label * 0x9e3779b1U >> 19;

    for (probe = 0; probe < 16; probe++, at++) {
        at &= NGX_HTTP_PROFILING_LABELS - 1;

        if (f->known[at].set == 0) {
            break;
        }

        if (f->known[at].label == label) {
            return f->known[at].set;
        }
    }

    ngx_memzero(labels, sizeof(labels));
    n = 0;

    labels[n].key = NGX_HTTP_PROFILING_S_STATE;
    labels[n++].str = NGX_HTTP_PROFILING_S_STATES
                      + ngx_http_profiling_label_state(label);

    n += ngx_http_profiling_rawfile_place(f, label, &labels[n]);

    set = ngx_http_profiling_rawfile_labelset(f, labels, (uint32_t) n);

    if (probe < 16) {
        f->known[at].label = label;
        f->known[at].set = set;
    }

    return set;
}


uint32_t
ngx_http_profiling_rawfile_labelset(ngx_http_profiling_rawfile_t *f,
    const ngx_http_profiling_raw_label_t *labels, uint32_t n)
{
    off_t                               start;
    ngx_http_profiling_raw_section_t   *section;
    ngx_http_profiling_raw_labelset_t   set;

    section = ngx_http_profiling_rawfile_section(f,
                                          NGX_HTTP_PROFILING_RAW_LABELSETS);
    start = f->text.size;

    set.count = n;
    set.reserved = 0;

    ngx_http_profiling_text_write(&f->text, &set, sizeof(set));
    ngx_http_profiling_text_write(&f->text, labels,
                                  n * sizeof(ngx_http_profiling_raw_label_t));
    ngx_http_profiling_rawfile_close(f, section, start, 1);

    return ++f->labelsets;
}


void
ngx_http_profiling_rawfile_comment(ngx_http_profiling_rawfile_t *f,
    const char *format, ...)
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

    *string = ngx_http_profiling_rawfile_one(f, text, p - text);
}


/* one stack of one frame for each; a sample of nothing would be left out */

ngx_http_profiling_rawfile_t *
ngx_http_profiling_rawfile_symbols(ngx_pool_t *pool, const uint64_t *pcs,
    ngx_uint_t n)
{
    off_t                              start;
    int64_t                            values[2];
    ngx_uint_t                         i;
    ngx_http_profiling_rawfile_t      *f;
    ngx_http_profiling_raw_stack_t     stack;
    ngx_http_profiling_raw_header_t   *h;
    ngx_http_profiling_raw_sample_t    sample;
    ngx_http_profiling_raw_process_t   process;
    ngx_http_profiling_raw_section_t  *section;

    f = ngx_http_profiling_rawfile_create(pool, 0);
    if (f == NULL) {
        return NULL;
    }

    h = f->header;
    h->output = NGX_HTTP_PROFILING_RAW_SYMBOL;

    ngx_http_profiling_rawfile_maps(f, ngx_pid);

    ngx_memzero(&process, sizeof(process));
    ngx_memzero(&sample, sizeof(sample));

    process.pid = (uint32_t) ngx_pid;
    values[0] = 1;
    values[1] = 1;

    section = ngx_http_profiling_rawfile_section(f,
                                          NGX_HTTP_PROFILING_RAW_PROCESSES);
    start = f->text.size;
    ngx_http_profiling_text_write(&f->text, &process, sizeof(process));
    ngx_http_profiling_rawfile_close(f, section, start, 1);

    section = ngx_http_profiling_rawfile_section(f,
                                          NGX_HTTP_PROFILING_RAW_STACKS);
    start = f->text.size;

    for (i = 0; i < n; i++) {
        stack.depth = 1;
        stack.flags = NGX_HTTP_PROFILING_RAW_ALL_EXACT;

        ngx_http_profiling_text_write(&f->text, &stack, sizeof(stack));
        ngx_http_profiling_text_write(&f->text, &pcs[i], sizeof(uint64_t));
    }

    ngx_http_profiling_rawfile_close(f, section, start, (uint32_t) n);

    section = ngx_http_profiling_rawfile_section(f,
                                          NGX_HTTP_PROFILING_RAW_SAMPLES);
    start = f->text.size;

    for (i = 0; i < n; i++) {
        sample.stack = (uint32_t) i;

        ngx_http_profiling_text_write(&f->text, &sample, sizeof(sample));
        ngx_http_profiling_text_write(&f->text, values, sizeof(values));
    }

    ngx_http_profiling_rawfile_close(f, section, start, (uint32_t) n);

    return (ngx_http_profiling_rawfile_finish(f) == NGX_OK) ? f : NULL;
}


ngx_int_t
ngx_http_profiling_rawfile_finish(ngx_http_profiling_rawfile_t *f)
{
    off_t                              start;
    ngx_http_profiling_raw_header_t   *h;
    ngx_http_profiling_raw_section_t  *section;

    if (f->dropped) {
        ngx_http_profiling_rawfile_comment(f,
                        "%uL samples were dropped: the table of stacks in "
                        "the profiling zone is full", f->dropped);
    }

    if (f->comments.nelts) {
        section = ngx_http_profiling_rawfile_section(f,
                                           NGX_HTTP_PROFILING_RAW_COMMENTS);
        start = f->text.size;

        ngx_http_profiling_text_write(&f->text, f->comments.elts,
                                      f->comments.nelts * sizeof(uint32_t));
        ngx_http_profiling_rawfile_close(f, section, start,
                                         (uint32_t) f->comments.nelts);
    }

    h = f->header;
    h->total_size = f->text.size;

    return f->text.failed ? NGX_ERROR : NGX_OK;
}
