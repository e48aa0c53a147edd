
/*
 * Any bytes as the streams of a trace, in all formats.
 *
 * The first byte chooses the format and a filter, the second how many slots
 * there are; the streams follow one another, cut by lengths that stand before
 * them.  What comes out has to be whole: of Go's format 2 the batches, of
 * Chrome's the braces.
 */


#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "encode.h"
#include "raw.h"
#include "ngx_prof_trace.h"


#define FUZZ_SLOTS    4
#define FUZZ_STRINGS  7


typedef struct {
    uint8_t           data[65536];
    size_t            len;
} fuzz_capture_t;


typedef struct {
    fuzz_capture_t   *capture;
    profiling_buf_t   out;
} fuzz_run_t;


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
fuzz_put(fuzz_capture_t *c, const void *data, size_t len)
{
    if (len > sizeof(c->data) - c->len) {
        abort();
    }

    memcpy(c->data + c->len, data, len);
    c->len += len;
}


static void
fuzz_section(fuzz_capture_t *c, uint32_t type, uint32_t count,
    const void *head, size_t head_len, const void *data, size_t len)
{
    ngx_prof_raw_section_t  section;

    section.type = type;
    section.count = count;
    section.size = head_len + len;

    fuzz_put(c, &section, sizeof(section));
    fuzz_put(c, head, head_len);

    if (len != 0) {
        fuzz_put(c, data, len);
    }

    fuzz_put(c, "\0\0\0\0\0\0\0", (8 - (head_len + len) % 8) % 8);
}


/* two places with two names each, two upstreams */

static void
fuzz_begin(fuzz_capture_t *c, unsigned how)
{
    uint32_t               i, len, type[2];
    ngx_prof_raw_trace_t   info;
    ngx_prof_raw_header_t  h;

    static const char  names[FUZZ_STRINGS][4] = {
        "main", "/api", "two\xff", "= /x", "back", "end\n", "more"
    };

    c->len = 0;

    memset(&h, 0, sizeof(h));
    memcpy(h.magic, NGX_PROF_RAW_MAGIC, sizeof(h.magic));
    h.version = NGX_PROF_RAW_VERSION;
    h.header_size = sizeof(h);
    h.output = NGX_PROF_RAW_TRACE;
    h.kind = NGX_PROF_RAW_CPU;
    fuzz_put(c, &h, sizeof(h));

    len = 4;

    for (i = 0; i < FUZZ_STRINGS; i++) {
        fuzz_section(c, NGX_PROF_RAW_STRINGS, 1, &len, 4, names[i], 4);
    }

    type[0] = 1;
    type[1] = 2;
    fuzz_section(c, NGX_PROF_RAW_TYPES, 1, type, sizeof(type), NULL, 0);

    memset(&info, 0, sizeof(info));
    info.version = NGX_PROF_TRACE_VERSION;
    info.format = how % 2 + 1;
    info.start = 1000000000;
    info.end = 3000000000;
    info.places = 1;
    info.nplaces = 2;
    info.upstreams = 5;
    info.nupstreams = 2;
    info.server = (how & 0x10) ? 1 : 0;
    info.location = (how & 0x20) ? 2 : 0;
    info.min = (how & 0x40) ? 1000000 : 0;

    fuzz_section(c, NGX_PROF_RAW_TRACE_INFO, 1, &info, sizeof(info), NULL, 0);
}


static void
fuzz_streams(fuzz_capture_t *c, const uint8_t *p, size_t size, unsigned n)
{
    size_t                      len;
    uint8_t                     start[32];
    uint32_t                    i;
    ngx_prof_raw_trace_chunk_t  chunk;

    /* a second, pid 7, worker 0: nothing is read before a worker begins */

    static const uint8_t  begin[] = {
        NGX_PROF_TRACE_START, 0x80, 0x94, 0xeb, 0xdc, 0x03, 7, 0
    };

    for (i = 0; i < n && size; i++) {
        len = p[0] * 4;
        p++;
        size--;

        if (len > size || i + 1 == n) {
            len = size;
        }

        memset(&chunk, 0, sizeof(chunk));
        chunk.slot = i;

        memcpy(start, &chunk, sizeof(chunk));
        memcpy(start + sizeof(chunk), begin, sizeof(begin));

        fuzz_section(c, NGX_PROF_RAW_TRACE_CHUNKS, 1, start,
                     sizeof(chunk) + sizeof(begin), p, len);

        p += len;
        size -= len;
    }
}


static void
fuzz_encode(void *data)
{
    fuzz_run_t       *run;
    profiling_raw_t  *raw;

    run = data;

    profiling_options.level = PROFILING_NAMES_NONE;

    raw = profiling_raw_read(run->capture->data, run->capture->len);
    profiling_encode(raw, &run->out);
}


static uint64_t
fuzz_leb(const uint8_t **p, const uint8_t *last)
{
    unsigned  shift;
    uint64_t  value;

    value = 0;

    for (shift = 0; *p < last && shift < 64; shift += 7) {
        value |= (uint64_t) (**p & 0x7f) << shift;

        if (!(*(*p)++ & 0x80)) {
            return value;
        }
    }

    abort();
}


/* "go 1.22 trace": batches of 1, generation, M, time, size and as many bytes */

static void
fuzz_batches(const profiling_buf_t *out)
{
    uint64_t        generation, g, size;
    const uint8_t  *p, *last;

    p = out->data + 16;
    last = out->data + out->len;
    generation = 1;

    if (out->len < 16 || memcmp(out->data, "go 1.22 trace\0\0\0", 16) != 0) {
        abort();
    }

    while (p < last) {
        if (*p++ != 1) {
            abort();
        }

        g = fuzz_leb(&p, last);

        if (g != generation && g != ++generation) {
            abort();
        }

        (void) fuzz_leb(&p, last);
        (void) fuzz_leb(&p, last);
        size = fuzz_leb(&p, last);

        if (size > 65536 || size > (uint64_t) (last - p)) {
            abort();
        }

        p += size;
    }
}


static void
fuzz_braces(const profiling_buf_t *out)
{
    int     depth, quoted;
    size_t  i;

    depth = 0;
    quoted = 0;

    for (i = 0; i < out->len; i++) {

        if (quoted) {
            if (out->data[i] == '\\') {
                i++;

            } else if (out->data[i] < 0x20) {
                abort();

            } else if (out->data[i] == '"') {
                quoted = 0;
            }

            continue;
        }

        switch (out->data[i]) {

        case '"':
            quoted = 1;
            break;

        case '{':
        case '[':
            depth++;
            break;

        case '}':
        case ']':
            depth--;
            break;
        }
    }

    if (depth != 0 || quoted || out->len == 0) {
        abort();
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                     code;
    uint64_t                total;
    fuzz_run_t              run;
    static fuzz_capture_t   capture;

    if (size < 2 || size > 16384) {
        return 0;
    }

    fuzz_begin(&capture, data[0]);
    fuzz_streams(&capture, data + 2, size - 2, data[1] % FUZZ_SLOTS + 1);

    total = capture.len;
    memcpy(capture.data + offsetof(ngx_prof_raw_header_t,
                                   total_size),
           &total, sizeof(total));

    memset(&run, 0, sizeof(run));
    run.capture = &capture;

    code = profiling_try(fuzz_encode, &run);

    if (code == PROFILING_CAPTURE) {
        abort();
    }

    if (code == 0) {
        switch (data[0] % 2 + 1) {

        case NGX_PROF_TRACE_GO:
            fuzz_batches(&run.out);
            break;

        case NGX_PROF_TRACE_PERFETTO:
            fuzz_braces(&run.out);
            break;
        }
    }

    profiling_buf_free(&run.out);
    profiling_release();

    return 0;
}
