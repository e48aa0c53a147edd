
/*
 * The encoder's reader of captures and its parts, in one process, so that
 * very many broken captures can be tried.  Build it with the files of the
 * encoder but main.c, under ASan and UBSan; prints TAP.
 */

/* sources: encoder/base/allowed.c */
/* sources: encoder/base/encoder.c */
/* sources: encoder/base/memory.c */
/* sources: encoder/base/sort.c */
/* sources: encoder/base/table.c */
/* sources: encoder/encode.c */
/* sources: encoder/names/cfi.c */
/* sources: encoder/names/demangle.c */
/* sources: encoder/names/file.c */
/* sources: encoder/names/kept.c */
/* sources: encoder/names/learned.c */
/* sources: encoder/names/library.c */
/* sources: encoder/names/lines.c */
/* sources: encoder/names/maps.c */
/* sources: encoder/names/names.c */
/* sources: encoder/names/nginx_code.c */
/* sources: encoder/names/nginx_files.c */
/* sources: encoder/names/nginx_image.c */
/* sources: encoder/names/nginx_owners.c */
/* sources: encoder/names/nginx_tables.c */
/* sources: encoder/names/symbols.c */
/* sources: encoder/profile/gzip.c */
/* sources: encoder/profile/labels.c */
/* sources: encoder/profile/pprof.c */
/* sources: encoder/profile/profile.c */
/* sources: encoder/profile/text.c */
/* sources: encoder/raw/dump.c */
/* sources: encoder/raw/procmaps.c */
/* sources: encoder/raw/raw.c */
/* sources: encoder/raw/raw_trace.c */
/* sources: encoder/raw/section.c */
/* sources: encoder/supervise.c */
/* sources: encoder/trace/gotrace.c */
/* sources: encoder/trace/perfetto.c */
/* sources: encoder/trace/trace.c */
/* sources: encoder/trace/trace_name.c */
/* sources: encoder/trace/trace_read.c */
/* sources: encoder/trace/trace_run.c */
/* sources: encoder/trace/trace_sample.c */
/* libs: -ldw -lelf -lz -liberty -lm */


#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "dump.h"
#include "encode.h"
#include "procmaps.h"
#include "raw.h"
#include "table.h"


#define TEST_TYPES  2


typedef struct {
    uint8_t   data[65536];
    size_t    len;
} test_raw_t;


typedef struct {
    const uint8_t     *data;
    size_t             len;
    profiling_buf_t    out;
} test_run_t;


static unsigned  test_number;
static unsigned  test_failed;


static void
test_ok(int ok, const char *name)
{
    test_number++;

    if (!ok) {
        test_failed++;
    }

    printf("%sok %u - %s\n", ok ? "" : "not ", test_number, name);
}


static void
test_put(test_raw_t *raw, const void *data, size_t len)
{
    memcpy(raw->data + raw->len, data, len);
    raw->len += len;
}


static void
test_u32(test_raw_t *raw, uint32_t v)
{
    test_put(raw, &v, sizeof(v));
}


static void
test_u64(test_raw_t *raw, uint64_t v)
{
    test_put(raw, &v, sizeof(v));
}


/* a section is begun before its size is known, as a worker may do */

static size_t
test_begin(test_raw_t *raw, uint32_t type, uint32_t count)
{
    test_u32(raw, type);
    test_u32(raw, count);
    test_u64(raw, 0);

    return raw->len;
}


static void
test_end(test_raw_t *raw, size_t start)
{
    uint64_t  size;

    size = raw->len - start;
    memcpy(raw->data + start - 8, &size, sizeof(size));

    while (raw->len % 8 != 0) {
        raw->data[raw->len++] = 0;
    }
}


static void
test_string(test_raw_t *raw, const char *s)
{
    test_u32(raw, strlen(s));
    test_put(raw, s, strlen(s));

    while (raw->len % 4 != 0) {
        raw->data[raw->len++] = 0;
    }
}


static void
test_samples(test_raw_t *raw, uint32_t process, uint32_t stack)
{
    size_t                 start;
    uint32_t               i;
    ngx_prof_raw_stack_t   s;
    ngx_prof_raw_sample_t  sample;

    start = test_begin(raw, NGX_PROF_RAW_SAMPLES, 2);

    for (i = 0; i < 2; i++) {
        memset(&sample, 0, sizeof(sample));
        sample.process = process;
        sample.stack = stack + i;
        sample.labels = i;
        test_put(raw, &sample, sizeof(sample));
        test_u64(raw, 1);
        test_u64(raw, 10000000);
    }

    test_end(raw, start);

    start = test_begin(raw, NGX_PROF_RAW_STACKS, 2);

    for (i = 0; i < 2; i++) {
        s.depth = 3;
        s.flags = 0;
        test_put(raw, &s, sizeof(s));
        test_u64(raw, 0x400100 + i * 16);
        test_u64(raw, NGX_PROF_RAW_NAMED | 7);
        test_u64(raw, NGX_PROF_RAW_TRUNCATED);
    }

    test_end(raw, start);
}


static void test_capture_maps(test_raw_t *raw);
static void test_capture_rest(test_raw_t *raw);


static void
test_capture(test_raw_t *raw)
{
    size_t                   start;
    ngx_prof_raw_header_t    h;

    memset(raw, 0, sizeof(test_raw_t));
    memset(&h, 0, sizeof(h));

    memcpy(h.magic, NGX_PROF_RAW_MAGIC, sizeof(h.magic));
    h.version = NGX_PROF_RAW_VERSION;
    h.header_size = sizeof(h);
    h.output = NGX_PROF_RAW_PPROF;
    h.kind = NGX_PROF_RAW_CPU;
    h.flags = NGX_PROF_RAW_LEAF_EXACT;
    h.period = 10000000;
    h.period_type = 3;
    h.period_unit = 4;
    h.program = 5;

    test_put(raw, &h, sizeof(h));

    test_samples(raw, 0, 0);
    test_samples(raw, 1, 2);
    test_capture_maps(raw);
    test_capture_rest(raw);

    start = raw->len;
    memcpy(raw->data + offsetof(ngx_prof_raw_header_t, total_size),
           &start, sizeof(uint64_t));
}


static void
test_capture_maps(test_raw_t *raw)
{
    size_t                  start;
    ngx_prof_raw_mapset_t   set;
    ngx_prof_raw_mapping_t  map;
    ngx_prof_raw_process_t  process;

    start = test_begin(raw, NGX_PROF_RAW_MAPSETS, 2);

    set.nmappings = 1;
    set.maps = 0;
    test_put(raw, &set, sizeof(set));

    memset(&map, 0, sizeof(map));
    map.start = 0x400000;
    map.limit = 0x500000;
    map.inode = 5;
    map.path = 5;
    map.build_id = 6;
    test_put(raw, &map, sizeof(map));

    set.nmappings = 0;
    set.maps = 9;
    test_put(raw, &set, sizeof(set));

    test_end(raw, start);

    start = test_begin(raw, NGX_PROF_RAW_PROCESSES, 2);

    memset(&process, 0, sizeof(process));
    process.pid = 100;
    test_put(raw, &process, sizeof(process));
    process.mapset = 1;
    test_put(raw, &process, sizeof(process));

    test_end(raw, start);
}


static void
test_capture_rest(test_raw_t *raw)
{
    size_t                   start;
    ngx_prof_raw_label_t     label;
    ngx_prof_raw_labelset_t  labels;

    start = test_begin(raw, NGX_PROF_RAW_LABELSETS, 1);

    memset(&labels, 0, sizeof(labels));
    labels.count = 2;
    test_put(raw, &labels, sizeof(labels));

    memset(&label, 0, sizeof(label));
    label.key = 8;
    label.str = 7;
    test_put(raw, &label, sizeof(label));
    label.key = 3;
    label.str = NGX_PROF_RAW_NONE;
    label.num = -5;
    test_put(raw, &label, sizeof(label));

    test_end(raw, start);

    start = test_begin(raw, NGX_PROF_RAW_TYPES, TEST_TYPES);
    test_u32(raw, 1);
    test_u32(raw, 2);
    test_u32(raw, 3);
    test_u32(raw, 4);
    test_end(raw, start);

    start = test_begin(raw, NGX_PROF_RAW_COMMENTS, 1);
    test_u32(raw, 7);
    test_end(raw, start);

    start = test_begin(raw, NGX_PROF_RAW_STRINGS, 9);
    test_string(raw, "samples");
    test_string(raw, "count");
    test_string(raw, "cpu");
    test_string(raw, "nanoseconds");
    test_string(raw, "/nonexistent/nginx");
    test_string(raw, "abcdef");
    test_string(raw, "na\xffme");
    test_string(raw, "server");
    test_string(raw, "600000-700000 r-xp 00000000 08:01 5  "
                     "/nonexistent/nginx\n"
                     "700000-701000 r--p 00000000 08:01 5  /x\n");
    test_end(raw, start);

    start = test_begin(raw, NGX_PROF_RAW_OPTIONAL | 77, 1);
    test_u32(raw, 7);
    test_end(raw, start);
}


static void
test_encode(void *data)
{
    test_run_t       *run;
    profiling_raw_t  *raw;
    profiling_buf_t   text;

    run = data;

    raw = profiling_raw_read(run->data, run->len);

    memset(&text, 0, sizeof(text));
    profiling_raw_dump(raw, &text);
    profiling_buf_free(&text);

    profiling_encode(raw, &run->out);
}


/* the code of the encoder; the bytes are copied so that ASan sees their end */

static int
test_run(const uint8_t *data, size_t len, profiling_buf_t *out)
{
    int         code;
    uint8_t    *copy;
    test_run_t  run;

    copy = malloc(len ? len : 1);
    memcpy(copy, data, len);

    memset(&run, 0, sizeof(run));
    run.data = copy;
    run.len = len;

    code = profiling_try(test_encode, &run);

    if (out != NULL) {
        *out = run.out;

    } else {
        profiling_buf_free(&run.out);
    }

    profiling_release();
    free(copy);

    return code;
}


static void
test_good(test_raw_t *raw)
{
    int              rc;
    uint8_t          plain[65536];
    z_stream         z;
    profiling_buf_t  out;

    test_ok(test_run(raw->data, raw->len, &out) == 0, "a good capture");

    memset(&z, 0, sizeof(z));
    inflateInit2(&z, 15 + 16);
    z.next_in = out.data;
    z.avail_in = out.len;
    z.next_out = plain;
    z.avail_out = sizeof(plain);
    rc = inflate(&z, Z_FINISH);

    test_ok(rc == Z_STREAM_END && z.avail_in == 0, "one gzip member");
    test_ok(memmem(plain, z.total_out, "na\xef\xbf\xbdme", 7) != NULL,
            "with repaired text");

    inflateEnd(&z);
    profiling_buf_free(&out);
}


static void
test_cut(test_raw_t *raw)
{
    size_t      i, refused, accepted;
    uint64_t    size;
    test_raw_t  copy;

    refused = 0;

    for (i = 0; i < raw->len; i++) {
        refused += test_run(raw->data, i, NULL) == PROFILING_CAPTURE;
    }

    test_ok(refused == raw->len, "cut off at every byte");

    /* the header tells the shorter length: some cuts are between sections */

    refused = 0;
    accepted = 0;

    for (i = sizeof(ngx_prof_raw_header_t); i < raw->len; i++) {
        copy = *raw;
        size = i;
        memcpy(copy.data
               + offsetof(ngx_prof_raw_header_t, total_size),
               &size, sizeof(size));

        switch (test_run(copy.data, i, NULL)) {

        case 0:
            accepted++;
            break;

        case PROFILING_CAPTURE:
            refused++;
            break;

        default:
            test_ok(0, "another code");
        }
    }

    test_ok(accepted == 1, "cut off with a length that fits: "
                           "only before the optional section");
}


static void
test_damaged(test_raw_t *raw)
{
    int                    code;
    size_t                 i, k, bad, refused;
    uint32_t               n;
    test_raw_t             copy;

    static const uint32_t  words[] = {
        0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffff8, 1 << 20
    };

    bad = 0;
    refused = 0;

    for (i = 0; i + 4 <= raw->len; i += 4) {
        for (k = 0; k < sizeof(words) / sizeof(words[0]); k++) {
            copy = *raw;
            memcpy(copy.data + i, &words[k], 4);

            code = test_run(copy.data, copy.len, NULL);
            bad += (code != 0 && code != PROFILING_CAPTURE);
            refused += (code == PROFILING_CAPTURE);
        }
    }

    test_ok(bad == 0, "every word replaced by odd numbers");
    test_ok(refused > 200, "many of them refused");

    srand(1);
    bad = 0;

    for (i = 0; i < 20000; i++) {
        copy = *raw;

        for (n = rand() % 8 + 1; n > 0; n--) {
            copy.data[rand() % copy.len] = rand();
        }

        code = test_run(copy.data, copy.len, NULL);
        bad += (code != 0 && code != PROFILING_CAPTURE);
    }

    test_ok(bad == 0, "20000 captures damaged at random");
}


static void
test_repair(void)
{
    size_t               i;
    uint32_t             n;
    profiling_strings_t  strings;

    static const struct {
        const char  *in;
        size_t       len;
        size_t       max;
        const char  *out;
    } cases[] = {
        { "plain", 5, 100, "plain" },
        { "\xc3\xa4", 2, 100, "\xc3\xa4" },
        { "\xc3", 1, 100, "\xef\xbf\xbd" },
        { "\xc0\x80", 2, 100, "\xef\xbf\xbd\xef\xbf\xbd" },
        { "\xe0\x80\x80", 3, 100, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
        { "\xef\xbf\xbf", 3, 100, "\xef\xbf\xbf" },
        { "\xf4\x8f\xbf\xbf", 4, 100, "\xf4\x8f\xbf\xbf" },
        { "\xf5\x80", 2, 100, "\xef\xbf\xbd\xef\xbf\xbd" },
        { "\xe2\x82" "A", 3, 100, "\xef\xbf\xbd\xef\xbf\xbd" "A" },
        { "a\0b", 3, 100, "a\xef\xbf\xbd" "b" },
        { "abcdef", 6, 3, "abc" },
        { "ab\xc3\xa4", 4, 3, "ab" },
        { "ab\xff", 3, 4, "ab" }
    };

    memset(&strings, 0, sizeof(strings));

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        n = profiling_strings_add(&strings, cases[i].in, cases[i].len,
                                  cases[i].max);

        test_ok(strcmp(strings.items[n]->data, cases[i].out) == 0,
                "text repaired and cut");
    }

    n = strings.nitems;
    test_ok(profiling_strings_add(&strings, "plain", 5, 100) == 1
            && strings.nitems == n, "a string is kept once");

    for (i = 0; i < 10000; i++) {
        char  name[16];

        n = profiling_strings_add(&strings, name,
                                  snprintf(name, sizeof(name), "%zu", i), 16);
        if (atoi(strings.items[n]->data) != (int) i) {
            break;
        }
    }

    test_ok(i == 10000, "10000 strings");

    profiling_release();
}


static void
test_maps(void)
{
    profiling_str_t     text;
    profiling_mapset_t  set;

    static const char   maps[] =
        "1000-2000 r--p 00000000 08:01 5   /a\n"
        "2000-3000 r-xp 00001000 08:01 5   /a b (deleted)\n"
        "3000-2000 r-xp 00001000 08:01 5   /reversed\n"
        "g000-h000 r-xp 00001000 08:01 5   /no number\n"
        "4000-5000 r-xp\n"
        "5000-6000 rwxp 00000000 00:00 0 \n"
        "6000-7000 r-xp 00000000 fe:0a 18446744073709551615 /n\\012l\n"
        "7000-8000 r-xp 00000000 fe:0a 18446744073709551616 /large\n"
        "8000-9000 --xp 00000000 00:00 0                    [vdso]";

    memset(&set, 0, sizeof(set));
    text.data = maps;
    text.len = sizeof(maps) - 1;

    profiling_raw_maps(&set, &text);

    test_ok(set.nrows == 4, "executable rows that can be read");
    test_ok(set.nrows == 4
            && strcmp(set.rows[0].path.data, "/a b (deleted)") == 0
            && set.rows[0].offset == 0x1000 && set.rows[0].inode == 5
            && set.rows[0].major == 8 && set.rows[0].minor == 1,
            "a row");
    test_ok(set.nrows == 4 && set.rows[1].path.len == 0, "anonymous memory");
    test_ok(set.nrows == 4 && strcmp(set.rows[2].path.data, "/n\nl") == 0
            && set.rows[2].inode == UINT64_MAX && set.rows[2].major == 0xfe,
            "a newline in a path");
    test_ok(set.nrows == 4 && strcmp(set.rows[3].path.data, "[vdso]") == 0,
            "last row without a newline");

    profiling_release();
}


int
main(void)
{
    test_raw_t  raw;

    profiling_options.max_file = PROFILING_MIB;
    profiling_options.level = PROFILING_NAMES_NONE;

    test_capture(&raw);

    test_good(&raw);
    test_cut(&raw);
    test_damaged(&raw);
    test_repair();
    test_maps();

    printf("1..%u\n", test_number);

    return test_failed != 0;
}
