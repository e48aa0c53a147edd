
/*
 * Loads from memory that is not there fail, in any thread and in a handler;
 * what is there is read, at any address and up to the end of its page.
 */

/* sources: ngx_http_profiling_module/base/ngx_prof_guard.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include "ngx_prof_guard.h"


static u_char      *pages;          /* two, of which the second is not there */
static ngx_uint_t   faults;


static void
test_handler(int signo, siginfo_t *info, void *context)
{
    if (!ngx_prof_guard_fault(context)) {
        _exit(3);
    }

    faults++;
}


static int
test_open(void **state)
{
    ngx_uint_t  i;

    pages = mmap(NULL, 8192, PROT_READ|PROT_WRITE,
                 MAP_PRIVATE|MAP_ANONYMOUS, -1, 0);

    for (i = 0; i < 4096; i++) {
        pages[i] = (u_char) (i * 7 + 1);
    }

    return mprotect(pages + 4096, 4096, PROT_NONE);
}


/* cmocka has handlers of its own, and takes them back before each test */

static void
test_guard(void)
{
    struct sigaction  sa;

    ngx_memzero(&sa, sizeof(struct sigaction));
    sa.sa_sigaction = test_handler;
    sa.sa_flags = SA_SIGINFO;

    (void) sigaction(SIGSEGV, &sa, NULL);
    (void) sigaction(SIGBUS, &sa, NULL);

    ngx_prof_guard_set(1);
}


static void
test_all_is_read_up_to_the_end(void **state)
{
    size_t  from, n;
    u_char  copy[32];

    test_guard();

    for (from = 4096 - 24; from <= 4096; from++) {

        for (n = 0; from + n <= 4096; n++) {
            ngx_memzero(copy, sizeof(copy));
            assert_int_equal(ngx_prof_guard_copy(copy, pages + from, n),
                             NGX_OK);
            assert_memory_equal(copy, pages + from, n);
            assert_int_equal(copy[n], 0);
        }

        faults = 0;
        assert_int_equal(ngx_prof_guard_copy(copy, pages + from, n),
                         NGX_ERROR);
        assert_int_equal(faults, 1);
    }
}


static void
test_nothing_is_there(void **state)
{
    uint64_t    word;
    ngx_uint_t  i;

    static const uintptr_t  nowhere[] = {
        0, 8, 0x1000, (uintptr_t) 1 << 46, (uintptr_t) 1 << 62,
        (uintptr_t) -8
    };

    test_guard();

    for (i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++) {
        word = 17;
        assert_int_equal(ngx_prof_guard_load(nowhere[i], &word), NGX_ERROR);
        assert_int_equal(word, 17);
    }
}


static void
test_file_that_was_cut(void **state)
{
    int        fd;
    u_char    *p;
    uint64_t   word;

    test_guard();

    fd = memfd_create("cut", 0);
    p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

    assert_int_equal(ngx_prof_guard_load((uintptr_t) p, &word), NGX_ERROR);
    assert_int_equal(ftruncate(fd, 4096), 0);
    assert_int_equal(ngx_prof_guard_load((uintptr_t) p, &word), NGX_OK);
    assert_int_equal(word, 0);
}


static void *
test_thread(void *data)
{
    uint64_t    word;
    ngx_uint_t  i;

    for (i = 0; i < 1000; i++) {

        if (ngx_prof_guard_load((uintptr_t) pages + 4096, &word) != NGX_ERROR
            || ngx_prof_guard_load((uintptr_t) pages, &word) != NGX_OK)
        {
            return (void *) 1;
        }
    }

    return NULL;
}


static void
test_threads_at_once(void **state)
{
    void        *rc;
    pthread_t    thread[4];
    ngx_uint_t   i;

    test_guard();

    for (i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&thread[i], NULL, test_thread, NULL),
                         0);
    }

    for (i = 0; i < 4; i++) {
        (void) pthread_join(thread[i], &rc);
        assert_null(rc);
    }
}


static ngx_int_t  in_handler;


static void
test_reader(int signo)
{
    uint64_t  word;

    in_handler = ngx_prof_guard_load(8, &word);
}


static void
test_handler_reads(void **state)
{
    test_guard();

    (void) signal(SIGUSR1, test_reader);
    (void) raise(SIGUSR1);

    assert_int_equal(in_handler, NGX_ERROR);
}


static void
test_nothing_is_read_without_a_handler(void **state)
{
    uint64_t  word;

    test_guard();

    ngx_prof_guard_set(0);
    assert_int_equal(ngx_prof_guard_load((uintptr_t) pages, &word),
                     NGX_ERROR);
    ngx_prof_guard_set(1);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_all_is_read_up_to_the_end),
        cmocka_unit_test(test_nothing_is_there),
        cmocka_unit_test(test_file_that_was_cut),
        cmocka_unit_test(test_threads_at_once),
        cmocka_unit_test(test_handler_reads),
        cmocka_unit_test(test_nothing_is_read_without_a_handler)
    };

    return cmocka_run_group_tests(tests, test_open, NULL);
}
