
/* What the import-table patcher keeps of the objects, and a fork inherits. */

/* sources: ngx_http_profiling_module/hook/ngx_prof_interpose.c */
/* sources: ngx_http_profiling_module/hook/ngx_prof_import.c */
/* sources: ngx_http_profiling_module/base/ngx_prof_elf.c */
/* libs: -ldl -lpthread */
/* needs: ifunc */

/* test_interpose.c needs more of it */
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-variable"

#include "interpose_common.h"


/* in a child: what was found before the fork is not looked for again */

static void
test_inherited(test_caller_t *caller, ngx_prof_hook_t *hooks, ngx_uint_t known)
{
    int              status;
    pid_t            pid;
    size_t           size;
    ngx_uint_t       i;
    test_dynamic_t   d;

    pid = fork();
    assert_true(pid >= 0);

    if (pid == 0) {
        size = sysconf(_SC_PAGESIZE);
        d.path = caller->path;

        if (dl_iterate_phdr(test_find_dynamic, &d) != 1
            || mprotect((void *) ((uintptr_t) d.dyn & ~(size - 1)), size,
                        PROT_READ|PROT_WRITE)
               == -1)
        {
            _exit(1);
        }

        for (i = 0; i < d.n; i++) {
            if (d.dyn[i].d_tag == DT_RELASZ || d.dyn[i].d_tag == DT_PLTRELSZ) {
                d.dyn[i].d_un.d_val = 0;
            }
        }

        (void) ngx_prof_interpose(hooks, TEST_HOOKS, NULL);
        _exit(caller->plt(0) == (known ? 1001 : 1) ? 0 : 2);
    }

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}


/* announced tables: they stay, and so does what is known of the objects */

static void
test_expected(void **state)
{
    ngx_uint_t                 i;
    test_caller_t              caller, late;
    ngx_prof_interpose_stat_t  first, again;
    static ngx_prof_hook_t     one[TEST_HOOKS], two[TEST_HOOKS];

    (void) state;

    memcpy(one, test_hooks, sizeof(one));
    memcpy(two, test_hooks, sizeof(two));

    test_build("expected", "-Wl,-z,lazy,-z,norelro");
    test_build("expected_late", "-Wl,-z,now");
    test_build("expected_other", "-fno-plt -Wl,-z,now");

    test_load(&caller, "expected");
    test_inherited(&caller, test_hooks, 0);

    ngx_prof_interpose_expect(one, TEST_HOOKS);
    ngx_prof_interpose_expect(two, TEST_HOOKS);

    assert_int_equal(ngx_prof_interpose(one, TEST_HOOKS, NULL), NGX_OK);
    ngx_prof_interpose_stat(&first);
    test_calls(&caller, 1000);

    /* of a name one hook is in force at a time */

    assert_int_equal(ngx_prof_interpose(two, TEST_HOOKS, NULL), NGX_ERROR);

    for (i = 0; i < 2; i++) {
        ngx_prof_interpose_restore(i ? two : one, TEST_HOOKS, NULL);
        test_calls(&caller, 0);

        test_inherited(&caller, i ? one : two, 1);

        assert_int_equal(ngx_prof_interpose(i ? one : two, TEST_HOOKS, NULL),
                         NGX_OK);
        ngx_prof_interpose_stat(&again);
        assert_memory_equal(&first, &again, sizeof(first));
        test_calls(&caller, 1000);
    }

    /* others come, and lie where one was that has gone */

    for (i = 0; i < 4; i++) {
        test_load(&late, (i & 1) ? "expected_other" : "expected_late");

        assert_int_equal(ngx_prof_interpose_refresh(NULL), NGX_OK);
        test_calls(&late, 1000);
        test_calls(&caller, 1000);

        assert_int_equal(dlclose(late.handle), 0);

        if (i == 2) {
            ngx_prof_interpose_restore(one, TEST_HOOKS, NULL);
            assert_int_equal(ngx_prof_interpose(two, TEST_HOOKS, NULL),
                             NGX_OK);
        }
    }

    ngx_prof_interpose_restore(NULL, 0, NULL);
    test_calls(&caller, 0);

    assert_int_equal(dlclose(caller.handle), 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_expected),
    };

    return cmocka_run_group_tests(tests, test_group_setup,
                                  test_group_teardown);
}
