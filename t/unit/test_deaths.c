
/*
 * Ends that the master notes and reports that are kept: which ones go when
 * there is no room, and what is read when the zone is damaged.
 */

/* sources: shm/ngx_prof_deaths.c shm/ngx_prof_record.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "ngx_prof_deaths.h"


static ngx_prof_deaths_t  deaths;


static int
test_clean(void **state)
{
    ngx_memzero(&deaths, sizeof(ngx_prof_deaths_t));

    return 0;
}


static void
test_add(uint64_t hash)
{
    static ngx_prof_report_t  report;

    ngx_memzero(&report, sizeof(ngx_prof_report_t));
    report.hash = hash;
    report.pid = 1000 + deaths.number + 1;

    ngx_prof_report_add(&deaths, &report);
    assert_int_equal(report.number, deaths.number);
}


/* the hash of the report with this number, 0: it is not kept */

static uint64_t
test_kept(uint64_t number)
{
    ngx_uint_t                i;
    static ngx_prof_report_t  report;

    for (i = 0; i < NGX_PROF_CRASH_REPORTS; i++) {

        if (ngx_prof_report_read(&deaths, i, &report) == NGX_OK
            && report.number == number)
        {
            assert_int_equal(report.pid, 1000 + number);
            return report.hash;
        }
    }

    return 0;
}


static void
test_exit(uint64_t pid, uint64_t status, uint64_t clock)
{
    ngx_prof_exit_t  e;

    e.pid = pid;
    e.status = status;
    e.clock = clock;
    e.user = pid + 1;
    e.system = pid + 2;

    ngx_prof_exit_note(&deaths, &e);
}


static void
test_ends_come_in_order(void **state)
{
    uint64_t         i;
    ngx_prof_exit_t  e;

    assert_int_equal(ngx_prof_exit_next(&deaths, &e), NGX_DONE);

    for (i = 1; i <= 10; i++) {
        test_exit(100 + i, i << 8, 1000 * i);
    }

    for (i = 1; i <= 10; i++) {
        assert_int_equal(ngx_prof_exit_next(&deaths, &e), NGX_OK);
        assert_int_equal(e.number, i);
        assert_int_equal(e.pid, 100 + i);
        assert_int_equal(e.status, i << 8);
        assert_int_equal(e.clock, 1000 * i);
        assert_int_equal(e.user, 100 + i + 1);
        assert_int_equal(e.system, 100 + i + 2);
    }

    /* and are found */

    assert_int_equal(ngx_prof_exit_find(&deaths, 103, &e), NGX_OK);
    assert_int_equal(e.number, 3);
    assert_int_equal(ngx_prof_exit_find(&deaths, 111, &e), NGX_DECLINED);

    /* the latest of a pid */

    test_exit(103, 0, 0);
    assert_int_equal(ngx_prof_exit_find(&deaths, 103, &e), NGX_OK);
    assert_int_equal(e.number, 11);
    assert_int_equal(ngx_prof_exit_next(&deaths, &e), NGX_OK);

    assert_int_equal(ngx_prof_exit_next(&deaths, &e), NGX_DONE);
    assert_int_equal(deaths.lost, 0);
}


static void
test_ends_that_are_too_many_are_lost_and_counted(void **state)
{
    uint64_t         i, n;
    ngx_prof_exit_t  e;

    n = NGX_PROF_CRASH_EXITS + 100;

    for (i = 1; i <= n; i++) {
        test_exit(i, 0, 0);
    }

    for (i = 101; i <= n; i++) {
        assert_int_equal(ngx_prof_exit_next(&deaths, &e), NGX_OK);
        assert_int_equal(e.pid, i);
    }

    assert_int_equal(ngx_prof_exit_next(&deaths, &e), NGX_DONE);
    assert_int_equal(deaths.lost, 100);
}


static void
test_damaged_number_of_ends(void **state)
{
    ngx_prof_exit_t  e;

    test_exit(7, 0, 0);

    deaths.seen = 1000000;
    assert_int_equal(ngx_prof_exit_next(&deaths, &e), NGX_DONE);

    test_exit(8, 0, 0);
    assert_int_equal(ngx_prof_exit_next(&deaths, &e), NGX_OK);
    assert_int_equal(e.pid, 8);

    deaths.exits[3].number = 17;
    test_exit(9, 0, 0);
    deaths.exits[3].number = 17;
    assert_int_equal(ngx_prof_exit_next(&deaths, &e), NGX_DONE);
    assert_int_equal(deaths.lost, 1);
}


static void
test_loop_of_deaths_keeps_the_first_and_the_latest(void **state)
{
    uint64_t  i;

    test_add(5);

    for (i = 0; i < 6000; i++) {
        test_add(7);
    }

    /* one of another kind, and the first of the loop */

    assert_int_equal(test_kept(1), 5);
    assert_int_equal(test_kept(2), 7);
    assert_int_equal(test_kept(3), 0);

    for (i = 6001 - (NGX_PROF_CRASH_REPORTS - 3); i <= 6001; i++) {
        assert_int_equal(test_kept(i), 7);
    }
}


static void
test_first_of_each_kind_is_kept(void **state)
{
    uint64_t  i, kinds;

    kinds = NGX_PROF_CRASH_REPORTS / 2;

    for (i = 0; i < 1000 * kinds; i++) {
        test_add(1 + i % kinds);
    }

    for (i = 1; i <= kinds; i++) {
        assert_int_equal(test_kept(i), i);
    }

    /* and the latest of each */

    for (i = 999 * kinds + 1; i <= 1000 * kinds; i++) {
        assert_int_not_equal(test_kept(i), 0);
    }
}


static void
test_kinds_that_are_too_many(void **state)
{
    uint64_t  i;

    for (i = 1; i <= 1000; i++) {
        test_add(i);
    }

    for (i = 1000 - NGX_PROF_CRASH_REPORTS + 1; i <= 1000; i++) {
        assert_int_equal(test_kept(i), i);
    }
}


static void
test_damaged_reports_are_bounded(void **state)
{
    ngx_uint_t                i;
    static ngx_prof_report_t  report;

    test_add(1);

    for (i = 0; i < NGX_PROF_CRASH_REPORTS; i++) {

        if (deaths.report[i].number) {
            break;
        }
    }

    deaths.report[i].crash.n = (uint64_t) -1;
    deaths.report[i].before_n = 1000;
    deaths.report[i].holder_n = 1000;
    ngx_memset(&deaths.report[i].crash.uri, 'x', sizeof(ngx_prof_crash_uri_t));
    ngx_memset(deaths.report[i].crash.method, 'x', NGX_PROF_CRASH_METHOD);

    assert_int_equal(ngx_prof_report_read(&deaths, i, &report), NGX_OK);
    assert_int_equal(report.crash.n, NGX_PROF_CRASH_FRAMES);
    assert_int_equal(report.before_n, NGX_PROF_CRASH_BEFORE);
    assert_int_equal(report.holder_n, NGX_PROF_CRASH_HOLDERS);
    assert_int_equal(ngx_strlen(report.crash.method),
                     NGX_PROF_CRASH_METHOD - 1);
    assert_int_equal(ngx_strlen(report.crash.uri.text),
                     NGX_PROF_CRASH_URI - 1);

    deaths.report[i].reason = NGX_PROF_DEATHS;
    assert_int_equal(ngx_prof_report_read(&deaths, i, &report), NGX_DECLINED);

    /* its writer died within */

    deaths.report[i].reason = 0;
    deaths.report[i].seq |= 1;
    assert_int_equal(ngx_prof_report_read(&deaths, i, &report), NGX_DECLINED);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup(test_ends_come_in_order, test_clean),
        cmocka_unit_test_setup(
            test_ends_that_are_too_many_are_lost_and_counted, test_clean),
        cmocka_unit_test_setup(test_damaged_number_of_ends, test_clean),
        cmocka_unit_test_setup(
            test_loop_of_deaths_keeps_the_first_and_the_latest, test_clean),
        cmocka_unit_test_setup(test_first_of_each_kind_is_kept, test_clean),
        cmocka_unit_test_setup(test_kinds_that_are_too_many, test_clean),
        cmocka_unit_test_setup(test_damaged_reports_are_bounded, test_clean)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
