
/*
 * The area of a dump: questions are not lost, a copy is read whole or not at
 * all, while it is written and when its writer is killed at any instruction.
 */

/* sources: shm/ngx_prof_dump_area.c */
/* sources: shm/ngx_prof_record.c */

#include <ngx_config.h>
#include <ngx_core.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "ngx_prof_dump_area.h"


#define TEST_SIZE     65536
#define TEST_WRITERS  40
#define TEST_READS    1000000


static ngx_prof_dump_area_t *
test_area(void)
{
    void  *p;

    p = mmap(NULL, ngx_prof_dump_area_size(TEST_SIZE),
             PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS, -1, 0);

    assert_true(p != MAP_FAILED);

    return p;
}


/* a copy in which all words are its number */

static void
test_write(ngx_prof_dump_area_t *area, uint64_t number)
{
    size_t                size;
    uint64_t             *word;
    ngx_uint_t            i, copy;
    ngx_prof_dump_copy_t  head;

    copy = ngx_prof_dump_begin(area);

    word = (uint64_t *) ngx_prof_dump_group(area, TEST_SIZE, copy);
    size = TEST_SIZE / sizeof(uint64_t);

    for (i = 0; i < size; i++) {
        ngx_prof_store(&word[i], number);
    }

    ngx_memzero(&head, sizeof(head));
    head.number = number;
    head.pid = getpid();
    head.count = number;

    ngx_prof_dump_end(area, copy, &head);
}


/* 1: a copy was read, and was whole; 0: there was none, or it changed */

static ngx_uint_t
test_read(ngx_prof_dump_area_t *area, ngx_pid_t pid)
{
    ngx_int_t             copy;
    ngx_uint_t            i;
    static uint64_t       words[TEST_SIZE / sizeof(uint64_t)];
    ngx_prof_dump_copy_t  head;

    copy = ngx_prof_dump_find(area, 1, pid, &head);

    if (copy == NGX_DECLINED) {
        return 0;
    }

    ngx_prof_copy_words(words,
                  ngx_prof_dump_group(area, TEST_SIZE, copy),
                  TEST_SIZE);

    if (!ngx_prof_dump_same(area, copy, head.seq)) {
        return 0;
    }

    assert_int_equal(head.count, head.number);

    for (i = 0; i < TEST_SIZE / sizeof(uint64_t); i++) {
        assert_int_equal(words[i], head.number);
    }

    return 1;
}


static void
test_parts_do_not_overlap(void **state)
{
    u_char                *end;
    size_t                 size;
    ngx_prof_dump_area_t  *area;

    area = test_area();

    for (size = NGX_PROF_DUMP_MIN;
         size <= NGX_PROF_DUMP_MAX;
         size *= 2)
    {
        assert_true(ngx_prof_dump_groups(size) > 2 * NGX_PROF_DUMP_REST);

        end = ngx_prof_dump_details(area, size, 0)
              + ngx_prof_dump_room(size);

        assert_true(end == (u_char *) ngx_prof_dump_group(area, size, 1));

        end = ngx_prof_dump_details(area, size, 1)
              + ngx_prof_dump_room(size);

        assert_true(end == (u_char *) area + ngx_prof_dump_area_size(size));
    }
}


static void
test_questions_and_limits(void **state)
{
    ngx_uint_t             limit;
    ngx_prof_dump_area_t  *area;

    area = test_area();

    assert_int_equal(ngx_prof_dump_take(area, &limit), 0);

    assert_int_equal(ngx_prof_dump_ask(area, 10), 1);
    assert_int_equal(ngx_prof_dump_ask(area, 1000), 2);
    assert_int_equal(ngx_prof_dump_ask(area, 0), 3);

    assert_int_equal(ngx_prof_dump_take(area, &limit), 3);
    assert_int_equal(limit, 1000);
    assert_int_equal(ngx_prof_dump_take(area, &limit), 0);

    /* a limit is forgotten with its answer */

    assert_int_equal(ngx_prof_dump_ask(area, 5), 4);
    assert_int_equal(ngx_prof_dump_take(area, &limit), 4);
    assert_int_equal(limit, 5);
}


static void
test_the_latest_copy_is_found(void **state)
{
    ngx_int_t              copy;
    ngx_uint_t             number;
    ngx_prof_dump_area_t  *area;
    ngx_prof_dump_copy_t   head;

    area = test_area();

    assert_int_equal(ngx_prof_dump_find(area, 0, getpid(), &head),
                     NGX_DECLINED);

    for (number = 1; number < 6; number++) {
        test_write(area, number);

        copy = ngx_prof_dump_find(area, 1, getpid(), &head);
        assert_true(copy != NGX_DECLINED);
        assert_int_equal(head.number, number);

        assert_int_equal(ngx_prof_dump_find(area, number + 1,
                                            getpid(), &head),
                         NGX_DECLINED);

        /* of another process */

        assert_int_equal(ngx_prof_dump_find(area, 1, getpid() + 1,
                                            &head),
                         NGX_DECLINED);
    }

    /* the one before stays readable while the next is written */

    (void) ngx_prof_dump_begin(area);

    copy = ngx_prof_dump_find(area, 1, getpid(), &head);
    assert_true(copy != NGX_DECLINED);
    assert_int_equal(head.number, 5);
}


static ngx_uint_t
test_write_part(ngx_prof_dump_area_t *area, uint64_t cursor, uint64_t clock)
{
    ngx_uint_t            copy;
    ngx_prof_dump_copy_t  head;

    ngx_memzero(&head, sizeof(head));
    head.from = cursor;
    head.clock = clock;
    head.pid = getpid();

    copy = ngx_prof_dump_begin(area);
    ngx_prof_dump_end(area, copy, &head);

    return copy;
}


/* a part answers all who want it, and leaves the latest whole dump */

static void
test_parts(void **state)
{
    uint64_t               cursor;
    ngx_int_t              copy;
    ngx_uint_t             i;
    ngx_prof_dump_area_t  *area;
    ngx_prof_dump_copy_t   head;

    area = test_area();
    test_write(area, 1);
    test_write(area, 2);

    cursor = ngx_prof_dump_cursor(70000, 33);
    assert_int_equal(ngx_prof_dump_cursor_index(cursor), 70000);
    assert_int_equal(ngx_prof_dump_cursor_unit(cursor), 33);

    for (i = 0; i < 5; i++) {
        copy = test_write_part(area, cursor + i, 100);

        assert_int_equal(ngx_prof_dump_find_part(area, cursor + i, 100,
                                                 getpid(), &head), copy);
        assert_int_equal(head.from, cursor + i);

        assert_int_equal(ngx_prof_dump_find_part(area, cursor + i, 101,
                                                 getpid(), &head),
                         NGX_DECLINED);
        assert_int_equal(ngx_prof_dump_find_part(area, cursor + i + 1, 100,
                                                 getpid(), &head),
                         NGX_DECLINED);
        assert_int_equal(ngx_prof_dump_find_part(area, cursor + i, 100,
                                                 getpid() + 1, &head),
                         NGX_DECLINED);

        assert_int_equal(test_read(area, getpid()), 1);
        assert_true(ngx_prof_dump_find(area, 0, getpid(), &head)
                    != NGX_DECLINED);
        assert_int_equal(head.number, 2);
    }

    /* a whole one takes the part's place, and the next part the older's */

    test_write(area, 3);
    assert_true(ngx_prof_dump_find(area, 2, getpid(), &head) != NGX_DECLINED);
    (void) test_write_part(area, cursor, 100);
    assert_true(ngx_prof_dump_find(area, 2, getpid(), &head) != NGX_DECLINED);
    assert_int_equal(head.number, 3);
}


static void
test_one_reader_asks_for_a_part(void **state)
{
    uint64_t               cursor, now;
    ngx_uint_t             limit;
    ngx_prof_dump_area_t  *area;

    area = test_area();
    cursor = ngx_prof_dump_cursor(1048575, NGX_PROF_DUMP_UNIT);
    now = 2 * NGX_PROF_DUMP_LEASE;

    assert_int_equal(ngx_prof_dump_take_part(area, &limit), 0);

    assert_int_equal(ngx_prof_dump_ask_part(area, cursor, 7, now), NGX_OK);
    assert_int_equal(ngx_prof_dump_ask_part(area, 1, 8, now + 1), NGX_BUSY);
    assert_int_equal(ngx_prof_dump_ask_part(area, 1, 8, now - 1), NGX_BUSY);

    assert_int_equal(ngx_prof_dump_take_part(area, &limit), cursor);
    assert_int_equal(limit, 7);
    assert_int_equal(ngx_prof_dump_take_part(area, &limit), 0);

    /* until he has read it, or is taken for dead */

    assert_int_equal(ngx_prof_dump_ask_part(area, 1, 8, now + 2), NGX_BUSY);
    ngx_prof_dump_release_part(area, now + 1);
    assert_int_equal(ngx_prof_dump_ask_part(area, 1, 8, now + 2), NGX_BUSY);
    ngx_prof_dump_release_part(area, now);
    assert_int_equal(ngx_prof_dump_ask_part(area, 1, 8, now + 2), NGX_OK);

    now += 2 + NGX_PROF_DUMP_LEASE;
    assert_int_equal(ngx_prof_dump_ask_part(area, 2, NGX_PROF_DUMP_LIMIT_MAX,
                                            now), NGX_OK);
    assert_int_equal(ngx_prof_dump_take_part(area, &limit), 2);
    assert_int_equal(limit, NGX_PROF_DUMP_LIMIT_MAX);

    /* a clock that something has overwritten bars nobody */

    area->lease = (uint64_t) -1 / 2;
    assert_int_equal(ngx_prof_dump_ask_part(area, 1, 8, now), NGX_OK);
}


static void
test_writers_that_are_killed(void **state)
{
    int                    status;
    pid_t                  pid;
    uint64_t               number;
    ngx_uint_t             i, n, whole, killed;
    ngx_prof_dump_area_t  *area;

    area = test_area();
    whole = 0;
    killed = 0;

    for (i = 0; i < TEST_WRITERS; i++) {
        pid = fork();
        assert_true(pid != -1);

        if (pid == 0) {
            number = ngx_max(area->copy[0].number, area->copy[1].number);

            for ( ;; ) {
                test_write(area, ++number);
            }
        }

        /* until one was whole, and then for another while */

        for (n = 0; n < TEST_READS && !test_read(area, pid); n++) {

            /* others may keep the writer from the CPU */

            usleep(50);
        }

        whole += (n < TEST_READS);

        for (n = 0; n < i; n++) {
            (void) test_read(area, pid);
        }

        (void) kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        killed += WIFSIGNALED(status);

        /* never more than one copy is lost */

        assert_true(((area->copy[0].seq & 1) && (area->copy[1].seq & 1)) == 0);
    }

    assert_int_equal(killed, TEST_WRITERS);
    assert_int_equal(whole, TEST_WRITERS);

    /* and the next owner makes the area whole */

    number = ngx_max(area->copy[0].number, area->copy[1].number);

    test_write(area, number + 1);
    test_write(area, number + 2);

    assert_int_equal(area->copy[0].seq & 1, 0);
    assert_int_equal(area->copy[1].seq & 1, 0);
    assert_int_equal(test_read(area, getpid()), 1);
}


/* of a copy that something has overwritten no more is read than it has */

static void
test_what_does_not_fit_is_not_believed(void **state)
{
    size_t                   offset;
    uint64_t                 bytes[64];
    ngx_prof_dump_copy_t     head;
    ngx_prof_dump_group_t    group;
    ngx_prof_dump_detail_t  *d;

    ngx_memzero(&head, sizeof(head));
    head.groups = ngx_prof_dump_groups(TEST_SIZE);
    head.used = ngx_prof_dump_room(TEST_SIZE) & ~(size_t) 7;
    assert_true(ngx_prof_dump_fits(&head, TEST_SIZE));

    head.groups++;
    assert_false(ngx_prof_dump_fits(&head, TEST_SIZE));
    head.groups--;
    head.used += 8;
    assert_false(ngx_prof_dump_fits(&head, TEST_SIZE));

    ngx_memset(&group, 0xff, sizeof(group));
    ngx_prof_dump_mend(&group, 1);
    assert_int_equal(group.kind, NGX_PROF_KIND_OTHER);
    assert_int_equal(group.state, NGX_PROF_DUMP_OTHER);
    assert_int_equal(group.depth, NGX_PROF_DUMP_STACK);

    ngx_memzero(bytes, sizeof(bytes));
    d = (ngx_prof_dump_detail_t *) bytes;
    d->size = sizeof(*d) + 8;
    d->len[NGX_PROF_DUMP_URI] = 8;

#define test_next(used, groups)                                               \
    (offset = 0, ngx_prof_dump_next((u_char *) bytes, used, groups,           \
                                    &offset))

    assert_ptr_equal(test_next(sizeof(bytes), 1), d);
    assert_int_equal(offset, d->size);

    assert_null(test_next(d->size - 8, 1));
    assert_null(test_next(sizeof(bytes), 0));
    assert_null(test_next(8, 1));

    d->len[NGX_PROF_DUMP_URI] = 9;
    assert_null(test_next(sizeof(bytes), 1));

    d->size = 0;
    assert_null(test_next(sizeof(bytes), 1));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_parts_do_not_overlap),
        cmocka_unit_test(test_questions_and_limits),
        cmocka_unit_test(test_the_latest_copy_is_found),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_one_reader_asks_for_a_part),
        cmocka_unit_test(test_writers_that_are_killed),
        cmocka_unit_test(test_what_does_not_fit_is_not_believed)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
