
/*
 * The settings: times, sizes, percentages and numbers as directives and as
 * environment variables, their ranges, what beats what, what is logged.
 */

/* sources: t/unit/shm_test.c shm/ngx_prof_histogram.c */
/* sources: shm/ngx_prof_owner.c shm/ngx_prof_ring.c */
/* sources: ngx_http_profiling_module/base/ngx_prof_alive.c */
/* sources: shm/ngx_prof_record.c shm/ngx_prof_slot.c */
/* sources: shm/ngx_prof_zone.c shm/ngx_prof_cell.c shm/ngx_prof_stacks.c */
/* sources: shm/ngx_prof_recording.c */
/* sources: t/unit/pool.c t/unit/nginx_functions.c */
/* libs: -ldl */

#include "shm_test.h"
#include "nginx_functions.h"
#include "pool.h"

#include "ngx_prof_settings.c"


#define BAD  ((int64_t) -12345)


static ngx_log_t        test_log;
static ngx_conf_t       test_cf;
static ngx_cycle_t      test_cycle;
static ngx_core_conf_t  test_core;
static void            *test_conf_ctx[] = { &test_core };
static ngx_str_t        test_env[NGX_PROF_SETTINGS];
static char             test_logged[1024];
static ngx_uint_t       test_logs;


/* the first module of nginx, whose settings name what the next binary gets */
ngx_module_t  ngx_core_module;


static void
test_note(const char *fmt, va_list args)
{
    u_char  *p;

    p = ngx_vslprintf((u_char *) test_logged,
                      (u_char *) test_logged + sizeof(test_logged) - 1, fmt,
                      args);
    *p = '\0';
    test_logs++;
}


void
ngx_log_error_core(ngx_uint_t level, ngx_log_t *log, ngx_err_t err,
    const char *fmt, ...)
{
    va_list  args;

    assert_int_equal(level, NGX_LOG_EMERG);

    va_start(args, fmt);
    test_note(fmt, args);
    va_end(args);
}


void ngx_cdecl
ngx_conf_log_error(ngx_uint_t level, ngx_conf_t *cf, ngx_err_t err,
    const char *fmt, ...)
{
    va_list  args;

    assert_int_equal(level, NGX_LOG_EMERG);

    va_start(args, fmt);
    test_note(fmt, args);
    va_end(args);
}


static int
test_setup(void **state)
{
    ngx_uint_t  i;

    test_log.log_level = NGX_LOG_DEBUG;
    test_cf.log = &test_log;
    test_cf.cycle = &test_cycle;
    test_cycle.conf_ctx = (void ****) test_conf_ctx;
    test_core.env.elts = test_env;
    test_core.env.nelts = 0;
    test_core.env.size = sizeof(ngx_str_t);
    test_core.env.nalloc = NGX_PROF_SETTINGS;
    test_logs = 0;
    test_logged[0] = '\0';

    for (i = 0; i < NGX_PROF_SETTINGS; i++) {

        if (ngx_prof_settings[i].variable) {
            (void) unsetenv(ngx_prof_settings[i].variable);
        }
    }

    (void) unsetenv("ENABLE_PROFILING");

    return 0;
}


/* the value of a directive's argument, BAD: it is refused, with a reason */

static int64_t
test_set(ngx_uint_t i, const char *text)
{
    char          *rc;
    int64_t        value, values[NGX_PROF_SETTINGS];
    ngx_str_t      args[2];
    ngx_array_t    array;
    ngx_command_t  cmd;

    ngx_memzero(&cmd, sizeof(cmd));
    ngx_prof_settings_init(values);

    cmd.name.data = (u_char *) ngx_prof_settings[i].name;
    cmd.name.len = ngx_strlen(cmd.name.data);

    /* with its zero, as nginx's parser gives it; nothing before or behind */

    args[0] = cmd.name;
    args[1].len = ngx_strlen(text);
    args[1].data = (u_char *) strdup(text);

    array.elts = args;
    array.nelts = 2;
    test_cf.args = &array;
    test_logs = 0;

    rc = ngx_prof_settings_set(&test_cf, &cmd, values);
    value = values[i];

    if (rc != NGX_CONF_OK) {
        assert_ptr_equal(rc, NGX_CONF_ERROR);
        assert_int_equal(value, -1);
        assert_int_equal(test_logs, 1);
        assert_non_null(strstr(test_logged, (char *) cmd.name.data));
        value = BAD;

    } else {
        assert_int_equal(test_logs, 0);
        assert_string_equal(ngx_prof_settings_set(&test_cf, &cmd,
                                                  values),
                            "is duplicate");
        assert_int_equal(values[i], value);
    }

    free(args[1].data);

    return value;
}


/* an argument, and the value that it sets; a table ends with NULL */

typedef struct {
    const char  *text;
    int64_t      value;
} test_case_t;


static void
test_cases(ngx_uint_t i, const test_case_t *cases)
{
    int64_t             value;
    const test_case_t  *c;

    for (c = cases; c->text; c++) {
        value = test_set(i, c->text);

        if (value != c->value) {
            fail_msg("%s \"%s\" is %lld, not %lld",
                     ngx_prof_settings[i].name, c->text,
                     (long long) value, (long long) c->value);
        }
    }
}


static void
test_times(void **state)
{
    static const test_case_t  interval[] = {
        { "2s", 2000 }, { "500ms", 500 }, { "2", 2000 }, { "1m30s", 90000 },
        { "1m 30s", 90000 }, { "2m0s", 120000 }, { "1h", 3600000 },
        { "1h0m0s", 3600000 }, { "100ms", 100 }, { "1s500ms", 1500 },

        /* as Go writes them */
        { "1.5s", 1500 }, { "0.1s", 100 }, { "1m1.5s", 61500 },
        { "1.005s", 1005 }, { "1.0009s", 1000 }, { "1.123456789s", 1123 },
        { "59m59.999s", 3599999 },

        /* out of the range, which ends with 1h */
        { "0", BAD }, { "0s", BAD }, { "99ms", BAD }, { "0.099s", BAD },
        { "1h1s", BAD }, { "3600.001s", BAD }, { "2h", BAD },
        { "1h0m0.001s", BAD },

        /* no times */
        { "", BAD }, { "s", BAD }, { "2x", BAD }, { "-1s", BAD },
        { "1.5", BAD }, { "1.5m", BAD }, { "1.5ms", BAD }, { "1.5h", BAD },
        { ".5s", BAD }, { "1.s", BAD }, { ".s", BAD }, { ".", BAD },
        { "1..5s", BAD }, { "1.5.5s", BAD }, { "1.5s ", BAD }, { "1.xs", BAD },
        { "1.5s1m", BAD }, { "1s1m", BAD }, { "off", BAD }, { "2 x", BAD },
        { "1.-5s", BAD }, { "+1s", BAD }, { "1.s5s", BAD },

        /* huge, some of them to a small number if they overflowed */
        { "99999999999999999999s", BAD }, { "9223372036854775807s", BAD },
        { "9223372036854775.999s", BAD }, { "9223372036854775.5s", BAD },
        { "18446744073709553s", BAD }, { "99999999999999999999.5s", BAD },
        { "9223372036854775807ms", BAD }, { NULL, 0 }
    };

    static const test_case_t  threshold[] = {
        { "1ms", 1 }, { "0.001s", 1 }, { "0.0001s", BAD }, { NULL, 0 }
    };

    test_cases(NGX_PROF_INTERVAL, interval);
    test_cases(NGX_PROF_PAUSE_THRESHOLD, threshold);
}


static void
test_sizes(void **state)
{
    static const test_case_t  limit[] = {
        { "auto", 0 }, { "1m", 1048576 }, { "1M", 1048576 },
        { "2g", (int64_t) 2 << 30 }, { "1048576", 1048576 },
        { "1048575", BAD }, { "0", BAD }, { "off", BAD }, { "", BAD },
        { "m", BAD }, { "1mb", BAD }, { "1.5g", BAD }, { "-1m", BAD },
        { "99999999999999999999", BAD }, { "9223372036854775807g", BAD },
        { NULL, 0 }
    };

    static const test_case_t  rate[] = {
        { "off", 0 }, { "512k", 524288 }, { "1", 1 }, { "1g", 1 << 30 },
        { "1073741825", BAD }, { "auto", BAD }, { "0", BAD }, { NULL, 0 }
    };

    test_cases(NGX_PROF_MEMORY_LIMIT, limit);
    test_cases(NGX_PROF_HEAP_RATE, rate);
}


static void
test_percentages(void **state)
{
    static const test_case_t  warning[] = {
        { "75", 75 }, { "75%", 75 }, { "1%", 1 }, { "100%", 100 },
        { "0%", BAD }, { "101", BAD }, { "%", BAD }, { "75%%", BAD },
        { "%75", BAD }, { "", BAD }, { "-5%", BAD }, { "off", BAD },
        { NULL, 0 }
    };

    test_cases(NGX_PROF_MEMORY_WARNING, warning);

    assert_string_equal(test_logged,
                        "invalid value \"off\" of "
                        "\"profiling_memory_warning\", it must be "
                        "a percentage from 1% to 100%");
}


static void
test_numbers(void **state)
{
    static const test_case_t  history[] = {
        { "1", 1 }, { "100000", 100000 }, { "100001", BAD }, { "0", BAD },
        { "-1", BAD }, { "1k", BAD }, { "10%", BAD }, { "", BAD },
        { "99999999999999999999999", BAD }, { NULL, 0 }
    };

    static const test_case_t  mutex[] = {
        { "off", 0 }, { "1000000", 1000000 }, { "offf", BAD }, { "OFF", BAD },
        { NULL, 0 }
    };

    test_cases(NGX_PROF_HISTORY, history);
    test_cases(NGX_PROF_MUTEX_FRACTION, mutex);

    assert_string_equal(test_logged,
                        "invalid value \"OFF\" of "
                        "\"profiling_mutex_fraction\", it must be "
                        "a number from 1 to 1000000, or \"off\"");
}


/* a number, in ms if it is a time, and what it sets */

static void
test_number(ngx_uint_t i, int64_t number, int64_t value)
{
    char  text[64];

    (void) snprintf(text, sizeof(text), "%lld%s", (long long) number,
                    ngx_prof_settings[i].kind
                    == NGX_PROF_TIME ? "ms" : "");

    assert_int_equal(test_set(i, text), value);
}


static void
test_every_directive_takes_its_ends(void **state)
{
    ngx_uint_t                 i;
    const ngx_prof_setting_t  *s;

    for (i = 0; i < NGX_PROF_SETTINGS; i++) {
        s = &ngx_prof_settings[i];

        if (s->kind == NGX_PROF_FLAG) {
            assert_int_equal(test_set(i, "on"), 1);
            assert_int_equal(test_set(i, "off"), 0);
            assert_int_equal(test_set(i, "1"), BAD);
            assert_int_equal(test_set(i, "ON"), BAD);
            continue;
        }

        test_number(i, s->min, s->min);
        test_number(i, s->max, s->max);
        test_number(i, s->min - 1, BAD);

        if (s->max < NGX_MAX_OFF_T_VALUE) {
            test_number(i, s->max + 1, BAD);
        }

        /* the default is one that could be set, or the word for none */

        assert_true((s->value >= s->min && s->value <= s->max)
                    || (s->value == 0 && s->zero));
        assert_true(i != NGX_PROF_HISTORY || s->max <= NGX_PROF_HISTORY_MAX);

        if (s->zero) {
            assert_int_equal(test_set(i, s->zero), 0);
        }
    }
}


static ngx_int_t
test_finish(int64_t *values)
{
    test_logs = 0;
    ngx_prof_settings_init(values);

    return ngx_prof_settings_finish(&test_cf, values);
}


static void
test_defaults(void **state)
{
    int64_t     values[NGX_PROF_SETTINGS];
    ngx_uint_t  i;

    assert_int_equal(test_finish(values), NGX_OK);

    for (i = 0; i < NGX_PROF_SETTINGS; i++) {
        assert_int_equal(values[i], ngx_prof_settings[i].value);
    }

    assert_int_equal(values[NGX_PROF_INTERVAL], 2000);
    assert_int_equal(values[NGX_PROF_HISTORY], 1000);
    assert_int_equal(values[NGX_PROF_MEMORY_WARNING], 75);
    assert_int_equal(values[NGX_PROF_MEMORY_CRITICAL], 90);
    assert_int_equal(values[NGX_PROF_CONNECTIONS_WARNING], 5000);
    assert_int_equal(values[NGX_PROF_CONNECTIONS_CRITICAL], 10000);
}


static void
test_variables_beat_defaults(void **state)
{
    int64_t  values[NGX_PROF_SETTINGS];

    setenv("METRICS_INTERVAL", "2m0s", 1);
    setenv("METRICS_MAX_SIZE", "50", 1);
    setenv("MEMORY_WARNING_PCT", "60", 1);
    setenv("MEMORY_CRITICAL_PCT", "60%", 1);
    setenv("GOROUTINE_WARNING", "7", 1);
    setenv("GOROUTINE_CRITICAL", "", 1);

    assert_int_equal(test_finish(values), NGX_OK);

    assert_int_equal(values[NGX_PROF_INTERVAL], 120000);
    assert_int_equal(values[NGX_PROF_HISTORY], 50);
    assert_int_equal(values[NGX_PROF_MEMORY_WARNING], 60);
    assert_int_equal(values[NGX_PROF_MEMORY_CRITICAL], 60);
    assert_int_equal(values[NGX_PROF_CONNECTIONS_WARNING], 7);
    assert_int_equal(values[NGX_PROF_CONNECTIONS_CRITICAL], 10000);
    assert_int_equal(test_logs, 0);
}


static void
test_directives_beat_variables(void **state)
{
    int64_t  values[NGX_PROF_SETTINGS];

    /* the one that is not read is not judged either */

    setenv("METRICS_INTERVAL", "nonsense", 1);
    setenv("METRICS_MAX_SIZE", "50", 1);

    ngx_prof_settings_init(values);
    values[NGX_PROF_INTERVAL] = 500;

    assert_int_equal(ngx_prof_settings_finish(&test_cf, values), NGX_OK);
    assert_int_equal(values[NGX_PROF_INTERVAL], 500);
    assert_int_equal(values[NGX_PROF_HISTORY], 50);
}


static void
test_bad_variables_are_named(void **state)
{
    int64_t     values[NGX_PROF_SETTINGS];
    ngx_uint_t  i;

    static const struct {
        const char  *name;
        const char  *text;
    } cases[] = {
        { "METRICS_INTERVAL", "2x" }, { "METRICS_INTERVAL", "0" },
        { "METRICS_INTERVAL", "1.5m" },
        { "METRICS_INTERVAL", "9223372036854775.999s" },
        { "METRICS_MAX_SIZE", "0" }, { "METRICS_MAX_SIZE", "-5" },
        { "MEMORY_WARNING_PCT", "200" }, { "MEMORY_CRITICAL_PCT", "x" },
        { "GOROUTINE_WARNING", " " }, { "GOROUTINE_CRITICAL", "1e3" }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        setenv(cases[i].name, cases[i].text, 1);

        assert_int_equal(test_finish(values), NGX_ERROR);
        assert_int_equal(test_logs, 1);
        assert_non_null(strstr(test_logged, cases[i].name));
        assert_non_null(strstr(test_logged, cases[i].text));
        assert_non_null(strstr(test_logged, " from "));

        unsetenv(cases[i].name);
    }

    assert_int_equal(test_finish(values), NGX_OK);
}


static void
test_warning_above_critical_is_refused(void **state)
{
    int64_t  values[NGX_PROF_SETTINGS];

    setenv("MEMORY_WARNING_PCT", "95", 1);
    assert_int_equal(test_finish(values), NGX_ERROR);
    assert_string_equal(test_logged,
                        "\"profiling_memory_warning\" "
                        "(95, MEMORY_WARNING_PCT) is above "
                        "\"profiling_memory_critical\" (90, the default)");

    setenv("MEMORY_WARNING_PCT", "90", 1);
    assert_int_equal(test_finish(values), NGX_OK);

    setenv("GOROUTINE_CRITICAL", "4999", 1);
    assert_int_equal(test_finish(values), NGX_ERROR);
    assert_string_equal(test_logged,
                        "\"profiling_goroutine_warning\" "
                        "(5000, the default) is above "
                        "\"profiling_goroutine_critical\" "
                        "(4999, GOROUTINE_CRITICAL)");
}


static void
test_enabled_by_the_environment(void **state)
{
    ngx_uint_t  i, failed;

    static const struct {
        const char  *text;
        ngx_flag_t   flag;
        ngx_uint_t   failed;
    } cases[] = {
        { "1", 1, 0 }, { "t", 1, 0 }, { "T", 1, 0 }, { "TRUE", 1, 0 },
        { "true", 1, 0 }, { "True", 1, 0 }, { "on", 1, 0 }, { "yes", 1, 0 },
        { "0", 0, 0 }, { "f", 0, 0 }, { "F", 0, 0 }, { "FALSE", 0, 0 },
        { "false", 0, 0 }, { "off", 0, 0 }, { "no", 0, 0 },
        { "", NGX_CONF_UNSET, 0 }, { "2", NGX_CONF_UNSET, 1 },
        { "truee", NGX_CONF_UNSET, 1 }, { " 1", NGX_CONF_UNSET, 1 }
    };

    assert_int_equal(ngx_prof_settings_enabled(&test_cf, &failed),
                     NGX_CONF_UNSET);
    assert_int_equal(failed, 0);

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        setenv("ENABLE_PROFILING", cases[i].text, 1);
        test_logs = 0;

        assert_int_equal(ngx_prof_settings_enabled(&test_cf,
                                                   &failed),
                         cases[i].flag);
        assert_int_equal(failed, cases[i].failed);
        assert_int_equal(test_logs, cases[i].failed);
    }

    assert_non_null(strstr(test_logged, "ENABLE_PROFILING"));
}


int
main(void)
{
    const char  *why;

    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup(test_times, test_setup),
        cmocka_unit_test_setup(test_sizes, test_setup),
        cmocka_unit_test_setup(test_percentages, test_setup),
        cmocka_unit_test_setup(test_numbers, test_setup),
        cmocka_unit_test_setup(test_every_directive_takes_its_ends,
                               test_setup),
        cmocka_unit_test_setup(test_defaults, test_setup),
        cmocka_unit_test_setup(test_variables_beat_defaults, test_setup),
        cmocka_unit_test_setup(test_directives_beat_variables, test_setup),
        cmocka_unit_test_setup(test_bad_variables_are_named, test_setup),
        cmocka_unit_test_setup(test_warning_above_critical_is_refused,
                               test_setup),
        cmocka_unit_test_setup(test_enabled_by_the_environment, test_setup)
    };

    if (!test_nginx(&why)) {
        printf("1..0 # SKIP %s\n", why);
        return 0;
    }

    return cmocka_run_group_tests(tests, NULL, NULL);
}
