
/*
 * The table of functions of scripts: what is added is found, what is added
 * again is the same, by several threads at once as well; a table that is full
 * says so, one that is broken harms nobody.
 */

/* sources: shm/ngx_prof_functions.c */
/* libs: -lpthread */


#include <ngx_config.h>
#include <ngx_core.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "ngx_prof_functions.h"


#define N        1024
#define THREADS  4


static ngx_prof_function_t  table[N];


static ngx_int_t
add(const char *file, const char *name, uint32_t line)
{
    ngx_str_t  f, n;

    f.len = ngx_strlen(file);
    f.data = (u_char *) file;
    n.len = ngx_strlen(name);
    n.data = (u_char *) name;

    return ngx_prof_functions_add(table, N, &f, &n, line);
}


static int
setup(void **state)
{
    ngx_memzero(table, sizeof(table));

    return 0;
}


static void
test_same(void **state)
{
    ngx_int_t            i;
    ngx_prof_function_t  f;

    i = add("/lua/access.lua", "check", 42);

    assert_true(i >= 0 && i < N);
    assert_int_equal(add("/lua/access.lua", "check", 42), i);
    assert_int_not_equal(add("/lua/access.lua", "check", 43), i);
    assert_int_not_equal(add("/lua/access.lua", "chec", 42), i);
    assert_int_not_equal(add("/lua/access.luac", "heck", 42), i);

    assert_int_equal(ngx_prof_functions_get(table, N, i, &f), NGX_OK);
    assert_int_equal(f.line, 42);
    assert_int_equal(f.file_len, 15);
    assert_memory_equal(f.file, "/lua/access.lua", 15);
    assert_int_equal(f.name_len, 5);
    assert_memory_equal(f.name, "check", 5);
}


static void
test_long(void **state)
{
    char                 text[300];
    ngx_int_t            i;
    ngx_prof_function_t  f;

    ngx_memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';

    i = add(text, text, 0);

    assert_int_equal(ngx_prof_functions_get(table, N, i, &f), NGX_OK);
    assert_int_equal(f.file_len, NGX_PROF_FUNCTION_FILE);
    assert_int_equal(f.name_len, NGX_PROF_FUNCTION_NAME);
    assert_int_equal(add(text, text, 0), i);
}


static void
test_full(void **state)
{
    uint32_t   i;
    ngx_int_t  rc, first;

    first = add("first", "", 0);
    rc = 0;

    for (i = 0; i < 2 * N; i++) {
        rc = add("file", "name", i + 1);
    }

    assert_int_equal(rc, NGX_DECLINED);
    assert_int_equal(add("first", "", 0), first);
}


static void
test_broken(void **state)
{
    ngx_int_t            i;
    ngx_prof_function_t  f;

    i = add("file", "name", 1);

    assert_int_equal(ngx_prof_functions_get(table, N, N, &f), NGX_DECLINED);
    assert_int_equal(ngx_prof_functions_get(table, 0, 0, &f), NGX_DECLINED);

    table[i].file_len = 255;
    table[i].name_len = 255;

    assert_int_equal(ngx_prof_functions_get(table, N, i, &f), NGX_OK);
    assert_int_equal(f.file_len, NGX_PROF_FUNCTION_FILE);
    assert_int_equal(f.name_len, NGX_PROF_FUNCTION_NAME);

    /* who was killed while he filled it: found, and without texts */

    table[i].file_len = 4;
    table[i].name_len = 4;
    table[i].ready = 0;

    assert_int_equal(add("file", "name", 1), i);
    assert_int_equal(ngx_prof_functions_get(table, N, i, &f), NGX_DECLINED);
}


static void *
work(void *data)
{
    uint32_t    i;
    ngx_int_t  *found;

    found = data;

    for (i = 0; i < N / 4; i++) {
        found[i] = add("file", "name", i);
    }

    return NULL;
}


static void
test_threads(void **state)
{
    uint32_t              i, t;
    pthread_t             threads[THREADS];
    ngx_prof_function_t   f;
    static ngx_int_t      found[THREADS][N / 4];

    for (t = 0; t < THREADS; t++) {
        assert_int_equal(pthread_create(&threads[t], NULL, work, found[t]),
                         0);
    }

    for (t = 0; t < THREADS; t++) {
        assert_int_equal(pthread_join(threads[t], NULL), 0);
    }

    for (i = 0; i < N / 4; i++) {

        for (t = 1; t < THREADS; t++) {
            assert_int_equal(found[t][i], found[0][i]);
        }

        assert_int_equal(ngx_prof_functions_get(table, N, found[0][i], &f),
                         NGX_OK);
        assert_int_equal(f.line, i);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup(test_same, setup),
        cmocka_unit_test_setup(test_long, setup),
        cmocka_unit_test_setup(test_full, setup),
        cmocka_unit_test_setup(test_broken, setup),
        cmocka_unit_test_setup(test_threads, setup)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
