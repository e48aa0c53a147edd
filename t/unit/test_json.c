
/*
 * Text and JSON: chains of buffers, UTF-8 that is repaired, strings of any
 * bytes, numbers and times, judged by a strict reader of its own.
 */

/* sources: t/unit/shm_test.c shm/ngx_prof_histogram.c */
/* sources: shm/ngx_prof_owner.c shm/ngx_prof_ring.c */
/* sources: ngx_http_profiling_module/base/ngx_prof_alive.c */
/* sources: shm/ngx_prof_record.c shm/ngx_prof_slot.c */
/* sources: shm/ngx_prof_zone.c shm/ngx_prof_cell.c shm/ngx_prof_stacks.c */
/* sources: shm/ngx_prof_recording.c */
/* sources: t/unit/pool.c t/unit/nginx_functions.c t/unit/shm_json.c */
/* sources: ngx_http_profiling_module/base/ngx_prof_budget.c */
/* sources: ngx_http_profiling_module/base/ngx_prof_text.c */
/* sources: ngx_http_profiling_module/base/ngx_prof_json.c */
/* libs: -ldl -lm */

#include "shm_test.h"
#include "nginx_functions.h"
#include "pool.h"

#include <math.h>

#include "ngx_prof_json.h"
#include "shm_json.h"


static ngx_pool_t      *test_memory;
static ngx_prof_json_t  test_j;


static ngx_prof_json_t *
test_json(void)
{
    if (test_memory) {
        test_pool_free(test_memory);
    }

    test_memory = test_pool();

    ngx_memzero(&test_j, sizeof(test_j));
    ngx_prof_text_init(&test_j.text, test_memory);

    return &test_j;
}


/* the text so far as a string of the heap; its chain is checked */

static char *
test_text(size_t *size)
{
    char         *text, *p;
    size_t        n;
    ngx_chain_t  *cl, *first;

    first = ngx_prof_text_finish(&test_j.text);
    assert_non_null(first);

    text = malloc((size_t) test_j.text.size + 1);
    p = text;

    for (cl = first; cl; cl = cl->next) {
        n = cl->buf->last - cl->buf->pos;

        assert_true(n > 0);
        assert_int_equal(cl->buf->temporary, 1);
        assert_int_equal(cl->buf->last_buf, cl->next == NULL);
        assert_int_equal(cl->buf->last_in_chain, cl->next == NULL);
        assert_true(p + n <= text + test_j.text.size);

        ngx_memcpy(p, cl->buf->pos, n);
        p += n;
    }

    assert_int_equal(p - text, test_j.text.size);
    *p = '\0';

    if (size) {
        *size = p - text;
    }

    return text;
}


static void
test_is(const char *expected)
{
    char  *text;

    text = test_text(NULL);
    assert_string_equal(text, expected);
    free(text);
}


static void
test_long_text_is_a_chain(void **state)
{
    char    *text, *all;
    size_t   n, len, size;

    (void) test_json();

    all = malloc(1048576 + 65536);
    size = 0;

    while (size < 1048576) {
        len = test_below(10) ? test_below(300) : test_below(40000);

        for (n = 0; n < len; n++) {
            all[size + n] = (char) test_random();
        }

        ngx_prof_text_write(&test_j.text, all + size, len);
        size += len;

        ngx_prof_text_printf(&test_j.text, "<%uz>", len);
        size += sprintf(all + size, "<%u>", (unsigned) len);
    }

    text = test_text(&n);

    assert_int_equal(n, size);
    assert_int_equal(ngx_memcmp(text, all, n), 0);
    assert_non_null(test_j.text.first->next);
    assert_non_null(test_j.text.first->next->next);

    free(text);
    free(all);
}


static void
test_printf_keeps_to_its_512_bytes(void **state)
{
    char        *text, pad[700];
    size_t       size;
    ngx_uint_t   i;

    ngx_memset(pad, 'p', sizeof(pad));
    pad[sizeof(pad) - 1] = '\0';

    /* wherever the buffer ends */

    for (i = 15000; i < 16400; i += 7) {
        (void) test_json();

        while ((ngx_uint_t) test_j.text.size < i) {
            ngx_prof_text_write(&test_j.text, "x", 1);
        }

        ngx_prof_text_printf(&test_j.text, "%s", pad);

        text = test_text(&size);
        assert_int_equal(size, i + 512);
        free(text);
    }
}


static void
test_no_memory_is_told_once(void **state)
{
    ngx_uint_t        n, k;
    ngx_prof_json_t  *j;

    for (n = 1; /* void */ ; n++) {
        j = test_json();
        test_pool_fail(n);

        ngx_prof_json_open(j, NULL, '[');

        for (k = 0; k < 5000; k++) {
            ngx_prof_json_uint(j, NULL, 1234567890);
            ngx_prof_json_cstring(j, NULL, "text");
        }

        ngx_prof_json_close(j, ']');

        if (!j->text.failed) {
            break;
        }

        assert_null(ngx_prof_text_finish(&j->text));
    }

    /* three allocations a buffer */

    assert_true(n > 12 && n % 3 == 1);

    free(test_text(NULL));
}


static void
test_commas_stand_between_values(void **state)
{
    ngx_prof_json_t  *j;

    j = test_json();

    ngx_prof_json_open(j, NULL, '{');
    ngx_prof_json_open(j, "empty", '{');
    ngx_prof_json_close(j, '}');
    ngx_prof_json_open(j, "none", '[');
    ngx_prof_json_close(j, ']');
    ngx_prof_json_open(j, "list", '[');
    ngx_prof_json_uint(j, NULL, 0);
    ngx_prof_json_uint(j, NULL, 18446744073709551615ULL);
    ngx_prof_json_int(j, NULL, -1);
    ngx_prof_json_int(j, NULL, -NGX_MAX_INT_T_VALUE - 1);
    ngx_prof_json_open(j, NULL, '[');
    ngx_prof_json_open(j, NULL, '[');
    ngx_prof_json_close(j, ']');
    ngx_prof_json_open(j, NULL, '{');
    ngx_prof_json_close(j, '}');
    ngx_prof_json_close(j, ']');
    ngx_prof_json_null(j, NULL);
    ngx_prof_json_close(j, ']');
    ngx_prof_json_bool(j, "yes", 4);
    ngx_prof_json_bool(j, "no", 0);
    ngx_prof_json_null(j, "null");
    ngx_prof_json_cstring(j, "s", "");
    ngx_prof_json_time(j, "t", 0);
    ngx_prof_json_double(j, "d", 1.5);
    ngx_prof_json_close(j, '}');

    test_is("{\"empty\":{},\"none\":[],\"list\":[0,18446744073709551615,-1,"
            "-9223372036854775808,[[],{}],null],\"yes\":true,\"no\":false,"
            "\"null\":null,\"s\":\"\",\"t\":null,\"d\":1.5}");
}


static void
test_deep_nesting(void **state)
{
    char             *text;
    size_t            size;
    ngx_uint_t        i;
    ngx_prof_json_t  *j;

    j = test_json();

    for (i = 0; i < 500; i++) {
        ngx_prof_json_open(j, i ? "k" : NULL, '{');
        ngx_prof_json_uint(j, "n", i);
    }

    for (i = 0; i < 500; i++) {
        ngx_prof_json_close(j, '}');
        ngx_prof_json_bool(j, i < 499 ? "b" : NULL, i & 1);

        if (i == 498) {
            ngx_prof_json_close(j, '}');
            break;
        }
    }

    text = test_text(&size);
    assert_int_equal(json_read(text, size), size);
    free(text);
}


/* writes a string, reads it again, and compares it with what it should be */

static void
test_string(const u_char *data, size_t len)
{
    char    *text;
    u_char   read[512], expected[512];
    size_t   size, n, m;

    (void) test_json();
    ngx_prof_json_string(&test_j, NULL, data, len);

    text = test_text(&size);
    n = json_read_string(text, size, read, sizeof(read));
    m = json_repair(data, len, expected);

    if (n != m || ngx_memcmp(read, expected, n) != 0) {
        fail_msg("a string of %u bytes came back as %u bytes: %s",
                 (unsigned) len, (unsigned) n, text);
    }

    free(text);
}


static void
test_every_short_string(void **state)
{
    u_char      *data;
    ngx_uint_t   i, k;

    test_string((u_char *) "", 0);

    /* of the exact size, on the heap: reading behind its end is seen */

    data = malloc(1);

    for (i = 0; i < 256; i++) {
        data[0] = (u_char) i;
        test_string(data, 1);
    }

    free(data);
    data = malloc(2);

    for (i = 0; i < 256; i++) {

        for (k = 0; k < 256; k++) {
            data[0] = (u_char) i;
            data[1] = (u_char) k;
            test_string(data, 2);
        }
    }

    free(data);
}


static void
test_random_strings(void **state)
{
    size_t       len, n;
    u_char      *data;
    ngx_uint_t   i;

    /* the ends of all ranges of RFC 3629, and what JSON escapes */

    static const u_char  bytes[] = {
        0x00, 0x1f, 0x20, 0x22, 0x2f, 0x5c, 0x7e, 0x7f, 0x80, 0x8f, 0x90,
        0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed,
        0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf7, 0xf8, 0xff, 0x41,
        0x80, 0x80, 0xbf, 0xbf, 0xbe, 0xbd
    };

    for (i = 0; i < 20000; i++) {
        len = test_below(40);
        data = malloc(len + !len);

        for (n = 0; n < len; n++) {
            data[n] = (i & 1) ? (u_char) test_random()
                              : bytes[test_below(sizeof(bytes))];
        }

        test_string(data, len);
        free(data);
    }
}


static void
test_bytes_that_are_no_utf8(void **state)
{
    ngx_uint_t  i;

    static const struct {
        const char  *bytes;
        const char  *json;
    } cases[] = {
        /* well-formed, the first and the last of each length */
        { "\xc2\xa0\xdf\xbf", "\"\xc2\xa0\xdf\xbf\"" },
        { "\xe0\xa0\x80\xef\xbf\xbf", "\"\xe0\xa0\x80\xef\xbf\xbf\"" },
        { "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf",
          "\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"" },
        { "\xed\x9f\xbf\xee\x80\x80", "\"\xed\x9f\xbf\xee\x80\x80\"" },

        /* overlong */
        { "\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
        { "\xc1\xbf", "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
        { "\xe0\x9f\xbf", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
        { "\xf0\x8f\xbf\xbf",
          "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },

        /* a surrogate, above U+10FFFF, bytes that never occur */
        { "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
        { "\xf4\x90\x80\x80",
          "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
        { "\xf5\xfe\xff", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },

        /* cut, in the middle and at the end; a continuation alone */
        { "\xe2\x82" "a", "\"\xef\xbf\xbd\xef\xbf\xbd" "a\"" },
        { "\xf0\x9f\x98", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
        { "a\xbf" "b", "\"a\xef\xbf\xbd" "b\"" },
        { "\xe2\xe2\x82\xac", "\"\xef\xbf\xbd\xe2\x82\xac\"" },

        /* ASCII that JSON or a terminal would take for something else */
        { "\"\\/<>&'", "\"\\\"\\\\/<>&'\"" },
        { "\t\r\n\x01\x1f\x7f",
          "\"\\u0009\\u000d\\u000a\\u0001\\u001f\\u007f\"" },
        { "\xc2\x80\xc2\x9b" "A\xc2\x9f",
          "\"\\u0080\\u009b" "A\\u009f\"" }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        (void) test_json();
        ngx_prof_json_cstring(&test_j, NULL, cases[i].bytes);
        test_is(cases[i].json);
    }
}


static void
test_doubles(void **state)
{
    char        *text, *end;
    double       n, read, error;
    ngx_uint_t   i;

    static const struct {
        double       n;
        const char  *text;
    } cases[] = {
        { 0.0, "0" }, { -0.0, "0" }, { 1.0, "1" }, { -1.0, "-1" },
        { 0.1, "0.1" }, { -0.1, "-0.1" }, { 100.0, "100" }, { 10.5, "10.5" },
        { 0.000001, "0.000001" }, { 0.0000004, "0" }, { 0.9999999, "1" },
        { 1e-300, "0" }, { 1234.567891, "1234.567891" }, { 1.200300, "1.2003" },
        { 1000000.0, "1000000" }, { 9007199254740991.0, "9007199254740991" },
        { 99.9999996, "100" }, { -12.5, "-12.5" }, { 1e15, "1000000000000000" },
        { 1e19, "null" }, { -1e19, "null" }, { NAN, "null" },
        { INFINITY, "null" }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        (void) test_json();
        ngx_prof_json_double(&test_j, NULL, cases[i].n);
        test_is(cases[i].text);
    }

    for (i = 0; i < 20000; i++) {
        n = ((double) (int64_t) test_random()) / pow(2.0,
                                                (double) test_below(80));
        (void) test_json();
        ngx_prof_json_double(&test_j, NULL, n);

        text = test_text(NULL);
        assert_int_equal(json_read(text, strlen(text)), strlen(text));

        read = strtod(text, &end);
        error = fabs(read - n);

        assert_true(*end == '\0' && error <= 5.001e-7 + fabs(n) * 1e-15);
        free(text);
    }
}


static void
test_times(void **state)
{
    char        *text, expected[64];
    uint64_t     ms;
    time_t       seconds;
    ngx_uint_t   i;
    struct tm    tm;

    static const struct {
        uint64_t     ms;
        const char  *text;
    } cases[] = {
        { 0, "null" },
        { 1, "\"1970-01-01T00:00:00.001Z\"" },
        { 951827696789, "\"2000-02-29T12:34:56.789Z\"" },
        { 1709164800000, "\"2024-02-29T00:00:00.000Z\"" },
        { 4102444799999, "\"2099-12-31T23:59:59.999Z\"" },
        { 253402300799999, "\"9999-12-31T23:59:59.999Z\"" }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        (void) test_json();
        ngx_prof_json_time(&test_j, NULL, cases[i].ms);
        test_is(cases[i].text);
    }

    for (i = 0; i < 3000; i++) {
        ms = 1 + test_below(7000000000000);
        seconds = (time_t) (ms / 1000);
        (void) gmtime_r(&seconds, &tm);
        (void) snprintf(expected, sizeof(expected),
                        "\"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ\"",
                        tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                        tm.tm_hour, tm.tm_min, tm.tm_sec, (int) (ms % 1000));

        (void) test_json();
        ngx_prof_json_time(&test_j, NULL, ms);

        text = test_text(NULL);
        assert_string_equal(text, expected);
        free(text);
    }
}


static void
test_the_reader_is_strict(void **state)
{
    ngx_uint_t  i;

    static const char  *bad[] = {
        "", "[1,]", "[,1]", "{\"a\":1,}", "{\"a\"}", "{a:1}", "01", "1.", ".5",
        "-", "+1", "1e", "nul", "truee", "\"\n\"", "\"\\x\"", "\"\\u12g4\"",
        "\"", "\"\xff\"", "\"\xc0\x80\"", "[1 2]", "{} {}", "\"\\ud800\"",
        "NaN", "[[]", "\"\x1f\""
    };

    static const char  *good[] = {
        "0", "-0.5", "1e3", "[]", "{}", "[1,2,[3]]", "{\"a\":{\"b\":null}}",
        "\"\\u0041\\n\\\"\"", "true", "\"\xe2\x82\xac\""
    };

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(json_read(bad[i], strlen(bad[i])), 0);
    }

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(json_read(good[i], strlen(good[i])),
                         strlen(good[i]));
    }
}


int
main(void)
{
    int          rc;
    const char  *why;

    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_the_reader_is_strict),
        cmocka_unit_test(test_long_text_is_a_chain),
        cmocka_unit_test(test_printf_keeps_to_its_512_bytes),
        cmocka_unit_test(test_no_memory_is_told_once),
        cmocka_unit_test(test_commas_stand_between_values),
        cmocka_unit_test(test_deep_nesting),
        cmocka_unit_test(test_every_short_string),
        cmocka_unit_test(test_random_strings),
        cmocka_unit_test(test_bytes_that_are_no_utf8),
        cmocka_unit_test(test_doubles),
        cmocka_unit_test(test_times)
    };

    if (!test_nginx(&why)) {
        printf("1..0 # SKIP %s\n", why);
        return 0;
    }

    test_seed();

    rc = cmocka_run_group_tests(tests, NULL, NULL);

    if (test_memory) {
        test_pool_free(test_memory);
    }

    return rc;
}
