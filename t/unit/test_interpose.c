
/*
 * The import-table patcher, on shared objects that the test builds itself:
 * lazy, RELRO and pointer entries, late and unloaded objects, other tools'
 * hooks, versions, damaged tables, threads that call what is being patched.
 */

/* sources: ngx_http_profiling_module/hook/ngx_prof_interpose.c */
/* sources: ngx_http_profiling_module/hook/ngx_prof_import.c */
/* sources: ngx_http_profiling_module/base/ngx_prof_elf.c */
/* libs: -ldl -lpthread */
/* needs: ifunc */

#include "interpose_common.h"


/* how often tables are patched while they are used: TSan is slow */

#if (__SANITIZE_THREAD__)
#define TEST_ROUNDS  300
#else
#define TEST_ROUNDS  3000
#endif


static int
test_teardown(void **state)
{
    (void) state;

    ngx_prof_interpose_restore(NULL, 0, NULL);

    return 0;
}


/* patched, again, restored, in an object built with these options */

static void
test_object(const char *name, const char *options, ngx_uint_t lazy)
{
    char                      *before, *after;
    uintptr_t                 *slot;
    test_caller_t              caller;
    ngx_prof_interpose_stat_t  first, second;

    before = malloc(65536);
    after = malloc(65536);

    test_build(name, options);
    test_load(&caller, name);
    test_protection(caller.path, before, 65536);

    slot = test_slot(&caller, "profiling_target");

    if (lazy) {
        /* the test is about entries that nobody has bound yet */

        assert_non_null(slot);
        assert_ptr_not_equal(*slot, dlsym(caller.handle, "profiling_target"));
    }

    assert_int_equal(ngx_prof_interpose(test_hooks, TEST_HOOKS,
                                        &test_log),
                     NGX_OK);
    ngx_prof_interpose_stat(&first);

    test_protection(caller.path, after, 65536);
    assert_string_equal(before, after);

    test_calls(&caller, 1000);

    /* all but the old version */

    assert_int_equal(first.patched, test_entries(&caller) - 1);
    assert_int_equal(first.foreign, 1);
    assert_int_equal(first.forwarded, 0);
    assert_int_equal(first.failed, 0);
    assert_int_equal(first.unresolved, 0);

    assert_int_equal(ngx_prof_interpose(test_hooks, TEST_HOOKS, NULL), NGX_OK);
    ngx_prof_interpose_stat(&second);

    test_calls(&caller, 1000);
    assert_memory_equal(&first, &second, sizeof(first));

    ngx_prof_interpose_restore(test_hooks, TEST_HOOKS, &test_log);

    test_protection(caller.path, after, 65536);
    assert_string_equal(before, after);

    test_calls(&caller, 0);

    assert_int_equal(test_logged[NGX_LOG_ALERT], 0);
    assert_int_equal(dlclose(caller.handle), 0);

    free(before);
    free(after);
}


static void
test_lazy(void **state)
{
    (void) state;

    test_object("lazy", "-Wl,-z,lazy,-z,norelro", 1);
    test_object("lazy_relro", "-Wl,-z,lazy,-z,relro", 1);
    test_object("lazy_sysv", "-Wl,-z,lazy,--hash-style=sysv", 1);

#if (defined __x86_64__)
    test_object("lazy_ibt", "-Wl,-z,lazy,-z,ibtplt -fcf-protection=full", 1);
#endif
}


static void
test_relro(void **state)
{
    (void) state;

    test_object("relro", "-Wl,-z,now,-z,relro", 0);
    test_object("no_plt", "-fno-plt -Wl,-z,now,-z,relro", 0);
    test_object("now_norelro", "-Wl,-z,now,-z,norelro", 0);
}


static void
test_refresh(void **state)
{
    ngx_uint_t                 i, logged;
    test_caller_t              caller;
    ngx_prof_interpose_stat_t  stat;

    (void) state;

    test_build("late", "-Wl,-z,lazy");

    /* nothing is registered */
    assert_int_equal(ngx_prof_interpose_refresh(NULL), NGX_OK);

    /* nobody defines the functions yet */

    assert_int_equal(ngx_prof_interpose(test_hooks, TEST_HOOKS,
                                        &test_log),
                     NGX_DECLINED);
    ngx_prof_interpose_stat(&stat);
    assert_int_equal(stat.unresolved, TEST_HOOKS);
    assert_int_equal(stat.patched, 0);

    for (i = 0; i < 3; i++) {
        test_load(&caller, "late");

        assert_int_equal(ngx_prof_interpose_refresh(&test_log), NGX_OK);
        test_calls(&caller, 1000);

        /* stubs were replaced: once more, then there is nothing to do */

        logged = test_logged[NGX_LOG_INFO];
        (void) ngx_prof_interpose_refresh(&test_log);
        assert_int_equal(test_logged[NGX_LOG_INFO], logged + 1);
        (void) ngx_prof_interpose_refresh(&test_log);
        assert_int_equal(test_logged[NGX_LOG_INFO], logged + 1);

        assert_int_equal(dlclose(caller.handle), 0);

        assert_int_equal(ngx_prof_interpose_refresh(&test_log), NGX_DECLINED);
        ngx_prof_interpose_stat(&stat);
        assert_int_equal(stat.patched, 0);
    }

    /* gone without a refresh */

    test_load(&caller, "late");
    (void) ngx_prof_interpose_refresh(NULL);
    assert_int_equal(dlclose(caller.handle), 0);

    ngx_prof_interpose_restore(test_hooks, TEST_HOOKS, NULL);
}


static void
test_tables(void **state)
{
    ngx_uint_t       i;
    static char      name[NGX_PROF_HOOKS_MAX + 1][32];
    ngx_prof_hook_t  other;
    static ngx_prof_hook_t
                                many[NGX_PROF_HOOKS_MAX + 1];

    (void) state;

    assert_int_equal(ngx_prof_interpose(test_main_hooks, 1, NULL), NGX_OK);

    other = test_main_hooks[0];
    assert_int_equal(ngx_prof_interpose(&other, 1, NULL), NGX_ERROR);

    assert_int_equal(ngx_prof_interpose(test_missing_hooks, 1, NULL),
                     NGX_DECLINED);
    assert_null(test_missing_real);

    ngx_prof_interpose_restore(NULL, 0, NULL);

    for (i = 0; i <= NGX_PROF_HOOKS_MAX; i++) {
        (void) snprintf(name[i], sizeof(name[i]), "profiling_no_%lu",
                        (unsigned long) i);
        many[i] = test_missing_hooks[0];
        many[i].name = name[i];
    }

    assert_int_equal(ngx_prof_interpose(many,
                                      NGX_PROF_HOOKS_MAX + 1, NULL),
                     NGX_ERROR);
    assert_int_equal(ngx_prof_interpose(many,
                                      NGX_PROF_HOOKS_MAX, NULL),
                     NGX_DECLINED);
}


/* definitions that the linker would not take, and that of the kernel */

static void
test_originals(void **state)
{
    ngx_uint_t           i;
    test_caller_t        caller;
    static test_call_pt  real;
    ngx_prof_hook_t      hook;
    static const char   *name[] = { "profiling_hidden",
                                           "profiling_sizeless" };

    (void) state;

    test_build("originals", "-Wl,-z,now");
    test_load(&caller, "originals");

    assert_non_null(dlsym(caller.handle, "profiling_sizeless"));

    hook = test_missing_hooks[0];
    hook.original = (void **) &real;

    for (i = 0; i < 2; i++) {
        hook.name = name[i];
        assert_int_equal(ngx_prof_interpose(&hook, 1, NULL), NGX_DECLINED);
        assert_null(real);
        ngx_prof_interpose_restore(&hook, 1, NULL);
    }

    /* exported by the vDSO as well, which comes before libc */

    hook.name = "getcpu";
    assert_int_equal(ngx_prof_interpose(&hook, 1, NULL), NGX_OK);
    assert_ptr_equal(real, dlsym(RTLD_DEFAULT, "getcpu"));
    ngx_prof_interpose_restore(&hook, 1, NULL);

    assert_int_equal(dlclose(caller.handle), 0);
}


static void
test_scope(void **state)
{
    pid_t          parent;
    test_caller_t  caller;

    (void) state;

    test_build("scope", "-Wl,-z,now");
    test_load(&caller, "scope");

    parent = getppid();

    assert_int_equal(ngx_prof_interpose(test_main_hooks, 1, NULL), NGX_OK);
    assert_int_equal(getppid(), parent + 1000000);
    assert_int_equal(caller.getppid(0), parent);

    /* the tables are restored apart */

    assert_int_equal(ngx_prof_interpose(test_hooks, TEST_HOOKS, NULL), NGX_OK);
    ngx_prof_interpose_restore(test_main_hooks, 1, NULL);
    assert_int_equal(getppid(), parent);
    test_calls(&caller, 1000);

    ngx_prof_interpose_restore(NULL, 0, NULL);
    test_calls(&caller, 0);

    assert_int_equal(dlclose(caller.handle), 0);
}


static void
test_foreign(void **state)
{
    test_caller_t              caller;
    ngx_prof_interpose_stat_t  stat;

    (void) state;

    test_build("foreign", "-Wl,-z,now");
    test_load(&caller, "foreign");

    /* it came first: left alone */

    test_foreign_real = *caller.pointer;
    *caller.pointer = test_foreign_hook;

    (void) ngx_prof_interpose(test_hooks, TEST_HOOKS, NULL);
    ngx_prof_interpose_stat(&stat);

    assert_int_equal(stat.foreign, 2);
    assert_true(ngx_prof_interpose_foreign("profiling_target") > 0);
    assert_int_equal(ngx_prof_interpose_foreign("none"), 0);
    assert_ptr_equal(*caller.pointer, test_foreign_hook);
    assert_int_equal(caller.data(0), 5001);
    assert_int_equal(caller.plt(0), 1001);

    ngx_prof_interpose_restore(NULL, 0, NULL);
    assert_ptr_equal(*caller.pointer, test_foreign_hook);

    /* it came later: stays, and may call our hook for ever */

    *caller.pointer = test_foreign_real;
    (void) ngx_prof_interpose(test_hooks, TEST_HOOKS, NULL);

    test_foreign_real = *caller.pointer;
    assert_ptr_equal(test_foreign_real, test_target_hook);
    *caller.pointer = test_foreign_hook;

    assert_int_equal(caller.data(0), 6001);

    ngx_prof_interpose_restore(NULL, 0, NULL);

    assert_ptr_equal(*caller.pointer, test_foreign_hook);
    assert_int_equal(caller.data(0), 6001);
    assert_int_equal(caller.plt(0), 1);

    (void) ngx_prof_interpose(test_hooks, TEST_HOOKS, NULL);
    assert_int_equal(caller.data(0), 6001);

    ngx_prof_interpose_restore(NULL, 0, NULL);
    assert_int_equal(dlclose(caller.handle), 0);
}


/* pages that are not as their object's headers say */

static void
test_pages(void **state)
{
    char           *before, *after;
    size_t          size;
    uintptr_t      *slot, page;
    test_caller_t   caller;
    ngx_prof_interpose_stat_t  stat;

    (void) state;

    size = sysconf(_SC_PAGESIZE);
    before = malloc(65536);
    after = malloc(65536);

    /* somebody made a RELRO page writable: it stays so */

    test_build("pages_relro", "-Wl,-z,now,-z,relro");
    test_load(&caller, "pages_relro");

    slot = test_slot(&caller, "profiling_target");
    assert_non_null(slot);
    page = (uintptr_t) slot & ~(size - 1);
    assert_int_equal(mprotect((void *) page, size, PROT_READ|PROT_WRITE), 0);

    test_protection(caller.path, before, 65536);
    (void) ngx_prof_interpose(test_hooks, TEST_HOOKS, NULL);
    test_protection(caller.path, after, 65536);

    assert_string_equal(before, after);
    test_calls(&caller, 1000);

    ngx_prof_interpose_restore(NULL, 0, NULL);
    assert_int_equal(mprotect((void *) page, size, PROT_READ), 0);
    assert_int_equal(dlclose(caller.handle), 0);

    /* somebody protected a page without RELRO: the entries are given up */

    test_build("pages_locked", "-Wl,-z,now,-z,norelro");
    test_load(&caller, "pages_locked");

    slot = test_slot(&caller, "profiling_target");
    page = (uintptr_t) slot & ~(size - 1);
    assert_int_equal(mprotect((void *) page, size, PROT_READ), 0);

    test_protection(caller.path, before, 65536);
    test_logged[NGX_LOG_ALERT] = 0;
    assert_int_equal(ngx_prof_interpose(test_hooks, TEST_HOOKS,
                                        &test_log),
                     NGX_DECLINED);
    test_protection(caller.path, after, 65536);
    ngx_prof_interpose_stat(&stat);

    assert_string_equal(before, after);
    assert_true(stat.failed > 0);
    assert_int_equal(test_logged[NGX_LOG_ALERT], 1);
    assert_int_equal(caller.plt(0), 1);

    test_logged[NGX_LOG_ALERT] = 0;
    assert_int_equal(mprotect((void *) page, size, PROT_READ|PROT_WRITE), 0);
    ngx_prof_interpose_restore(NULL, 0, NULL);
    assert_int_equal(dlclose(caller.handle), 0);

    free(before);
    free(after);
}


static uint64_t
test_random(void)
{
    static uint64_t  seed = 0x9e3779b97f4a7c15;

    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;

    return seed;
}


/* a value that a damaged table could have: near the right one, or anything */

static ElfW(Addr)
test_damage(ElfW(Addr) value)
{
    switch (test_random() % 6) {

    case 0:
        return test_random();

    case 1:
        return value + test_random() % 4096 - 2048;

    case 2:
        return value ^ ((uint64_t) 1 << (test_random() % 64));

    case 3:
        return value + (test_random() % 4096) * 8;

    case 4:
        return 0;

    default:
        return (ElfW(Addr)) -(test_random() % 64);
    }
}


/* a word of a table of the object, which is made writable for that */

static void
test_damage_table(test_dynamic_t *d, ngx_uint_t i)
{
    uint32_t   *word;
    size_t      size;
    uintptr_t   page;

    size = sysconf(_SC_PAGESIZE);
    word = (uint32_t *) (d->dyn[i].d_un.d_ptr & ~(ElfW(Addr)) 3)
           + test_random() % 64;
    page = (uintptr_t) word & ~(size - 1);

    /* it may lie behind the last page of the segment */

    if (mprotect((void *) page, size, PROT_READ|PROT_WRITE) == -1) {
        return;
    }

    *word = (uint32_t) test_damage(*word);
}


/* one damaged copy in a child: whatever breaks there is seen by its status */

static void
test_damaged_child(test_dynamic_t *d, ngx_uint_t tables)
{
    ngx_uint_t  i, n, tries;

    for (tries = 0; tries < 40; tries++) {

        for (n = 0; n < 1 + tries % 4; n++) {
            i = test_random() % d->n;

            switch (d->dyn[i].d_tag) {

            case DT_GNU_HASH:
            case DT_HASH:
            case DT_SYMTAB:
            case DT_VERSYM:
            case DT_VERNEED:
            case DT_VERDEF:
            case DT_JMPREL:
            case DT_RELA:
                if (tables) {
                    test_damage_table(d, i);
                    break;
                }

                /* fall through */

            default:
                if (!tables) {
                    d->dyn[i].d_un.d_val = test_damage(d->dyn[i].d_un.d_val);
                }
            }
        }

        /* without the IFUNC, whose resolver would be called wherever it is */

        (void) ngx_prof_interpose(test_hooks, 2, NULL);
        (void) ngx_prof_interpose(&test_hooks[3], 1, NULL);
        ngx_prof_interpose_restore(NULL, 0, NULL);
    }

    _exit(0);
}


static void
test_damaged(void **state)
{
    int              status;
    pid_t            pid;
    size_t           size;
    uintptr_t        page;
    ngx_uint_t       i;
    test_caller_t    caller;
    test_dynamic_t   d;
    char             target[512];

    (void) state;

    size = sysconf(_SC_PAGESIZE);

    test_build("damaged", "-Wl,-z,lazy,--hash-style=both");
    test_load(&caller, "damaged");
    (void) snprintf(target, sizeof(target), "%s/target.so", test_dir);

    for (i = 0; i < 120; i++) {
        (void) test_random();

        d.path = (i % 3 == 0) ? target : caller.path;
        assert_int_equal(dl_iterate_phdr(test_find_dynamic, &d), 1);

        pid = fork();
        assert_true(pid >= 0);

        if (pid == 0) {
            page = (uintptr_t) d.dyn & ~(size - 1);

            if (mprotect((void *) page, size, PROT_READ|PROT_WRITE) == -1) {
                _exit(1);
            }

            test_damaged_child(&d, i & 1);
        }

        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }

    assert_int_equal(dlclose(caller.handle), 0);
}


static void
test_hash_word(uint32_t *word, uint32_t value)
{
    uint32_t  old;

    old = *word;
    *word = value;

    (void) ngx_prof_interpose(test_hooks, TEST_HOOKS, NULL);
    (void) ngx_prof_interpose(test_missing_hooks, 1, NULL);
    ngx_prof_interpose_restore(NULL, 0, NULL);

    *word = old;
}


/*
 * The headers and links of the hash table of an object, each word set to what
 * leads furthest away, then all links led in a circle.
 */

static void
test_hash(void **state)
{
    int                     status;
    pid_t                   pid;
    size_t                  size;
    uint32_t               *word;
    ngx_uint_t              i, j, k;
    test_caller_t           caller;
    test_dynamic_t          d;
    static const char      *style[] = { "gnu", "sysv" };
    static const uint32_t   value[] = { 0, 1, 0x10000000, 0x7fffffff,
                                        0xffffffff };

    (void) state;

    size = sysconf(_SC_PAGESIZE);

    for (i = 0; i < 2; i++) {

        test_build(style[i], i ? "-Wl,--hash-style=sysv"
                               : "-Wl,--hash-style=gnu");
        test_load(&caller, style[i]);
        d.path = caller.path;
        assert_int_equal(dl_iterate_phdr(test_find_dynamic, &d), 1);

        word = NULL;

        for (j = 0; j < d.n; j++) {
            if (d.dyn[j].d_tag == DT_GNU_HASH || d.dyn[j].d_tag == DT_HASH) {
                word = (uint32_t *) d.dyn[j].d_un.d_ptr;
            }
        }

        assert_non_null(word);

        pid = fork();
        assert_true(pid >= 0);

        if (pid == 0) {
            (void) alarm(120);

            if (mprotect((void *) ((uintptr_t) word & ~(size - 1)), size,
                         PROT_READ|PROT_WRITE)
                == -1)
            {
                _exit(1);
            }

            for (j = 0; j < 24; j++) {
                for (k = 0; k < sizeof(value) / sizeof(value[0]); k++) {
                    test_hash_word(&word[j], value[k]);
                }
            }

            for (j = 2; i == 1 && j < 2 + word[0] + word[1]; j++) {
                word[j] = 1;
            }

            test_hash_word(&word[0], word[0]);
            _exit(0);
        }

        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_int_equal(dlclose(caller.handle), 0);
    }
}


static test_caller_t  test_threads_caller;
static int            test_threads_stop;
static int            test_threads_started;


/* returns how many results were wrong */

static void *
test_thread(void *data)
{
    int        n, value;
    uintptr_t  wrong;

    (void) data;

    wrong = 0;
    __atomic_add_fetch(&test_threads_started, 1, __ATOMIC_SEQ_CST);

    for (n = 0; !__atomic_load_n(&test_threads_stop, __ATOMIC_RELAXED); n++) {
        n &= 0xffff;

        value = test_threads_caller.plt(n);
        wrong += (value != n + 1 && value != n + 1001);

        value = test_threads_caller.got(n);
        wrong += (value != n + 1 && value != n + 1001);

        value = test_threads_caller.data(n);
        wrong += (value != n + 1 && value != n + 1001);
    }

    return (void *) wrong;
}


static void
test_threads(void **state)
{
    void        *wrong;
    pthread_t    tid[2];
    ngx_uint_t   i;

    (void) state;

    test_build("threads", "-Wl,-z,now,-z,relro");
    test_load(&test_threads_caller, "threads");

    for (i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&tid[i], NULL, test_thread, NULL), 0);
    }

    while (__atomic_load_n(&test_threads_started, __ATOMIC_SEQ_CST) != 2) {
        (void) usleep(1000);
    }

    for (i = 0; i < TEST_ROUNDS; i++) {
        assert_int_equal(ngx_prof_interpose(test_hooks, TEST_HOOKS,
                                            NULL),
                         NGX_OK);
        ngx_prof_interpose_restore(test_hooks, TEST_HOOKS, NULL);
    }

    __atomic_store_n(&test_threads_stop, 1, __ATOMIC_SEQ_CST);

    for (i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(tid[i], &wrong), 0);
        assert_int_equal((uintptr_t) wrong, 0);
    }

    test_calls(&test_threads_caller, 0);
    assert_int_equal(dlclose(test_threads_caller.handle), 0);
}


static void *
test_first_call(void *data)
{
    __atomic_store_n(&test_threads_started, 1, __ATOMIC_SEQ_CST);

    return (void *) (uintptr_t) ((test_caller_t *) data)->plt(0);
}


/* the loader binds the entry while we patch it: a refresh makes it ours */

static void
test_binding(void **state)
{
    void           *value;
    pthread_t       tid;
    ngx_uint_t      i;
    test_caller_t   caller;

    (void) state;

    test_build("binding", "-Wl,-z,lazy");

    for (i = 0; i < 300; i++) {
        test_load(&caller, "binding");

        __atomic_store_n(&test_threads_started, 0, __ATOMIC_SEQ_CST);

        assert_int_equal(pthread_create(&tid, NULL, test_first_call, &caller),
                         0);

        while (!__atomic_load_n(&test_threads_started, __ATOMIC_SEQ_CST)) {
            /* void */
        }

        (void) ngx_prof_interpose(test_hooks, TEST_HOOKS, NULL);

        assert_int_equal(pthread_join(tid, &value), 0);
        assert_true((uintptr_t) value == 1 || (uintptr_t) value == 1001);

        assert_int_equal(ngx_prof_interpose_refresh(NULL), NGX_OK);
        test_calls(&caller, 1000);

        ngx_prof_interpose_restore(NULL, 0, NULL);
        test_calls(&caller, 0);

        assert_int_equal(dlclose(caller.handle), 0);
    }
}


/* the patcher in a shared object, as in the module, and other programs */

static void
test_program(void **state)
{
    const char  *pie[] = { "-no-pie -fno-pie", "-pie -fPIE" };
    ngx_uint_t   i;

    (void) state;

    test_build("program", "-Wl,-z,lazy");

    assert_int_equal(test_run("printf '#include \"interpose_nginx.h\"\\n' "
                              "> %s/ngx_core.h && : > %s/ngx_config.h",
                              test_dir, test_dir), 0);
    assert_int_equal(test_run("cd %s && m=../../ngx_http_profiling_module && "
                              "${CC:-cc} -D_GNU_SOURCE -shared -fPIC -O1 "
                              "-I%s -I. -I../../shm -I$m/base -I$m/hook "
                              "-o %s/own.so "
                              "interpose_own.c $m/hook/ngx_prof_interpose.c "
                              "$m/hook/ngx_prof_import.c "
                              "$m/base/ngx_prof_elf.c %s/target.so",
                              test_source, test_dir, test_dir, test_dir), 0);
    assert_int_equal(test_run("${CC:-cc} -shared -fPIC -o %s/preload.so "
                              "%s/interpose_preload.c",
                              test_dir, test_source), 0);

    for (i = 0; i < 2; i++) {

        assert_int_equal(test_run("${CC:-cc} -O1 %s -o %s/program%lu "
                                  "%s/interpose_program.c %s/own.so "
                                  "%s/program.so %s/target.so",
                                  pie[i], test_dir, (unsigned long) i,
                                  test_source, test_dir, test_dir, test_dir),
                         0);

        assert_int_equal(test_run("$CROSS_RUN %s/program%lu 1 %d", test_dir,
                                  (unsigned long) i, i == 0), 0);
        assert_int_equal(test_run("LD_BIND_NOW=1 $CROSS_RUN "
                                  "%s/program%lu 1", test_dir,
                                  (unsigned long) i), 0);
        assert_int_equal(test_run("LD_PRELOAD=%s/preload.so $CROSS_RUN "
                                  "%s/program%lu 101",
                                  test_dir, test_dir, (unsigned long) i), 0);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_teardown(test_lazy, test_teardown),
        cmocka_unit_test_teardown(test_relro, test_teardown),
        cmocka_unit_test_teardown(test_refresh, test_teardown),
        cmocka_unit_test_teardown(test_tables, test_teardown),
        cmocka_unit_test_teardown(test_originals, test_teardown),
        cmocka_unit_test_teardown(test_scope, test_teardown),
        cmocka_unit_test_teardown(test_foreign, test_teardown),
        cmocka_unit_test_teardown(test_pages, test_teardown),
        cmocka_unit_test_teardown(test_damaged, test_teardown),
        cmocka_unit_test_teardown(test_hash, test_teardown),
        cmocka_unit_test_teardown(test_threads, test_teardown),
        cmocka_unit_test_teardown(test_binding, test_teardown),
        cmocka_unit_test_teardown(test_program, test_teardown),
    };

    return cmocka_run_group_tests(tests, test_group_setup,
                                  test_group_teardown);
}
