
/*
 * What test_interpose.c needs beside its tests: shared objects built and loaded
 * when the test runs, a look at their pages and their entries, and the hooks.
 */


#ifndef _INTERPOSE_COMMON_H_INCLUDED_
#define _INTERPOSE_COMMON_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_interpose.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <libgen.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>


#define TEST_HOOKS  (sizeof(test_hooks) / sizeof(test_hooks[0]))


typedef int (*test_call_pt)(int n);

typedef struct {
    void          *handle;
    char           path[512];
    test_call_pt   plt;
    test_call_pt   got;
    test_call_pt   data;
    test_call_pt   ifunc;
    test_call_pt   old;
    test_call_pt   new;
    test_call_pt   getppid;
    test_call_pt  *pointer;
} test_caller_t;

typedef struct {
    uintptr_t      base;
    ElfW(Dyn)     *dyn;
    ngx_uint_t     n;
    const char    *path;
} test_dynamic_t;

typedef struct {
    uintptr_t      base;
    const char    *strings;
    ElfW(Sym)     *symbols;
    ElfW(Rela)    *rela[2];      /* of the PLT, others */
    ngx_uint_t     n[2];
} test_relocations_t;


static char  test_dir[] = "/tmp/test_interpose.XXXXXX";
static char  test_source[512];


/* there is no nginx: messages are counted by their levels */
static ngx_uint_t  test_logged[NGX_LOG_DEBUG + 1];
static ngx_log_t   test_log = { .log_level = NGX_LOG_DEBUG };


void
ngx_log_error_core(ngx_uint_t level, ngx_log_t *log, ngx_err_t err,
    const char *fmt, ...)
{
    (void) log;
    (void) err;
    (void) fmt;

    test_logged[level]++;
}


static int
test_run(const char *fmt, ...)
{
    int      rc;
    char     command[4096];
    va_list  args;

    va_start(args, fmt);
    (void) vsnprintf(command, sizeof(command), fmt, args);
    va_end(args);

    rc = system(command);

    if (rc != 0) {
        print_error("\"%s\" returned %d\n", command, rc);
    }

    return rc;
}


/* builds the caller under a name of its own with these options of cc */

static void
test_build(const char *name, const char *options)
{
    assert_int_equal(test_run("${CC:-cc} -shared -fPIC -O1 %s -o %s/%s.so "
                              "%s/interpose_caller.c %s/target.so",
                              options, test_dir, name, test_source, test_dir),
                     0);
}


static void
test_load(test_caller_t *caller, const char *name)
{
    (void) snprintf(caller->path, sizeof(caller->path), "%s/%s.so", test_dir,
                    name);

    caller->handle = dlopen(caller->path, RTLD_LAZY|RTLD_LOCAL);

    if (caller->handle == NULL) {
        fail_msg("%s", dlerror());
    }

    caller->plt = (test_call_pt) dlsym(caller->handle, "caller_plt");
    caller->got = (test_call_pt) dlsym(caller->handle, "caller_got");
    caller->data = (test_call_pt) dlsym(caller->handle, "caller_data");
    caller->ifunc = (test_call_pt) dlsym(caller->handle, "caller_ifunc");
    caller->old = (test_call_pt) dlsym(caller->handle, "caller_old");
    caller->new = (test_call_pt) dlsym(caller->handle, "caller_new");
    caller->getppid = (test_call_pt) dlsym(caller->handle, "caller_getppid");
    caller->pointer = dlsym(caller->handle, "caller_pointer");

    assert_non_null(caller->getppid);
}


/* each call must return what the original returns, and plus more */

static void
test_calls(test_caller_t *caller, int plus)
{
    assert_int_equal(caller->plt(0), 1 + plus);
    assert_int_equal(caller->got(0), 1 + plus);
    assert_int_equal(caller->data(0), 1 + plus);
    assert_int_equal(caller->ifunc(0), 2 + plus);
    assert_int_equal(caller->new(0), 4 + plus);
    assert_int_equal(caller->old(0), 3);
}


/* the permissions of all mappings of a file, a page at a time */

static void
test_protection(const char *path, char *text, size_t size)
{
    char       line[1024], perms[8];
    FILE      *fp;
    size_t     n;
    uintptr_t  start, end;

    n = 0;
    fp = fopen("/proc/self/maps", "r");
    assert_non_null(fp);

    while (fgets(line, sizeof(line), fp)) {
        if (strstr(line, path) == NULL
            || sscanf(line, "%lx-%lx %7s", &start, &end, perms) != 3)
        {
            continue;
        }

        for ( /* void */ ; start < end && n + 5 < size; start += 4096) {
            n += snprintf(&text[n], size - n, "%s ", perms);
        }
    }

    (void) fclose(fp);

    text[n] = '\0';
    assert_true(n > 0);
}


static int
test_find_dynamic(struct dl_phdr_info *info, size_t size, void *data)
{
    ngx_uint_t       i;
    test_dynamic_t  *found;

    (void) size;

    found = data;

    if (strcmp(info->dlpi_name, found->path) != 0) {
        return 0;
    }

    for (i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type == PT_DYNAMIC) {
            found->base = info->dlpi_addr;
            found->dyn = (ElfW(Dyn) *) (info->dlpi_addr
                                        + info->dlpi_phdr[i].p_vaddr);
            found->n = info->dlpi_phdr[i].p_memsz / sizeof(ElfW(Dyn));
        }
    }

    return 1;
}


/* what the object's dynamic section says of its relocations */

static void
test_relocations(test_caller_t *caller, test_relocations_t *r)
{
    ngx_uint_t       i;
    test_dynamic_t   d;

    memset(r, 0, sizeof(*r));

    d.path = caller->path;
    assert_int_equal(dl_iterate_phdr(test_find_dynamic, &d), 1);

    r->base = d.base;

    for (i = 0; i < d.n; i++) {
        switch (d.dyn[i].d_tag) {

        case DT_STRTAB:
            r->strings = (const char *) d.dyn[i].d_un.d_ptr;
            break;

        case DT_SYMTAB:
            r->symbols = (ElfW(Sym) *) d.dyn[i].d_un.d_ptr;
            break;

        case DT_JMPREL:
            r->rela[0] = (ElfW(Rela) *) d.dyn[i].d_un.d_ptr;
            break;

        case DT_PLTRELSZ:
            r->n[0] = d.dyn[i].d_un.d_val / sizeof(ElfW(Rela));
            break;

        case DT_RELA:
            r->rela[1] = (ElfW(Rela) *) d.dyn[i].d_un.d_ptr;
            break;

        case DT_RELASZ:
            r->n[1] = d.dyn[i].d_un.d_val / sizeof(ElfW(Rela));
            break;
        }
    }
}


static const char *
test_relocated(test_relocations_t *r, ElfW(Rela) *rela)
{
    return &r->strings[r->symbols[ELF64_R_SYM(rela->r_info)].st_name];
}


/* the entry of a JUMP_SLOT, where the object has one by that name */

static uintptr_t *
test_slot(test_caller_t *caller, const char *name)
{
    ngx_uint_t          i;
    test_relocations_t  r;

    test_relocations(caller, &r);

    for (i = 0; i < r.n[0]; i++) {
        if (strcmp(test_relocated(&r, &r.rela[0][i]), name) == 0) {
            return (uintptr_t *) (r.base + r.rela[0][i].r_offset);
        }
    }

    return NULL;
}


static test_call_pt  test_target_real;
static test_call_pt  test_got_real;
static test_call_pt  test_ifunc_real;
static test_call_pt  test_versioned_real;
static test_call_pt  test_missing_real;
static pid_t         (*test_getppid_real)(void);
static test_call_pt  test_foreign_real;


/* that a table names the hook says that its original is known: to TSan, too */

#if (__SANITIZE_THREAD__)

void __tsan_acquire(void *address);

#define test_known(original)  __tsan_acquire(&(original))

#else

#define test_known(original)

#endif


static int
test_target_hook(int n)
{
    test_known(test_target_real);

    return test_target_real(n) + 1000;
}


static int
test_got_hook(int n)
{
    test_known(test_got_real);

    return test_got_real(n) + 1000;
}


static int
test_ifunc_hook(int n)
{
    return test_ifunc_real(n) + 1000;
}


static int
test_versioned_hook(int n)
{
    return test_versioned_real(n) + 1000;
}


static int
test_missing_hook(int n)
{
    return test_missing_real(n);
}


static pid_t
test_getppid_hook(void)
{
    return test_getppid_real() + 1000000;
}


/* another tool's, which calls what it found in the entry */

static int
test_foreign_hook(int n)
{
    return test_foreign_real(n) + 5000;
}


static ngx_prof_hook_t  test_hooks[] = {

    { "profiling_target", (void *) test_target_hook,
      (void **) &test_target_real, NGX_PROF_HOOK_ALL },

    { "profiling_got", (void *) test_got_hook,
      (void **) &test_got_real, NGX_PROF_HOOK_ALL },

    { "profiling_ifunc", (void *) test_ifunc_hook,
      (void **) &test_ifunc_real, NGX_PROF_HOOK_ALL },

    { "profiling_versioned", (void *) test_versioned_hook,
      (void **) &test_versioned_real, NGX_PROF_HOOK_ALL }
};

static ngx_prof_hook_t  test_main_hooks[] = {
    { "getppid", (void *) test_getppid_hook, (void **) &test_getppid_real,
      NGX_PROF_HOOK_MAIN }
};

static ngx_prof_hook_t  test_missing_hooks[] = {
    { "profiling_nobody_has_this", (void *) test_missing_hook,
      (void **) &test_missing_real, NGX_PROF_HOOK_ALL }
};


/*
 * How many entries the object has for functions of test_hooks.  Linkers differ
 * in that: GNU ld for aarch64 keeps an entry of a PLT that nobody calls.
 */

static ngx_uint_t
test_entries(test_caller_t *caller)
{
    ngx_uint_t          i, j, k, n;
    const char         *name;
    test_relocations_t  r;

    n = 0;
    test_relocations(caller, &r);

    for (i = 0; i < 2; i++) {
        for (j = 0; j < r.n[i]; j++) {
            name = test_relocated(&r, &r.rela[i][j]);

            for (k = 0; k < TEST_HOOKS; k++) {
                n += (strcmp(name, test_hooks[k].name) == 0);
            }
        }
    }

    /* a call to each of the five, and a pointer */
    assert_true(n >= 6);

    return n;
}


static int
test_group_setup(void **state)
{
    char         file[512];
    const char  *script;

    (void) state;

    (void) snprintf(file, sizeof(file), "%s", __FILE__);
    (void) snprintf(test_source, sizeof(test_source), "%s", dirname(file));

    if (mkdtemp(test_dir) == NULL) {
        return -1;
    }

    script = "PROFILING_1 { }; PROFILING_2 { } PROFILING_1;";

    return test_run("echo '%s' > %s/target.map && ${CC:-cc} -shared -fPIC "
                    "-O1 "
                    "-Wl,--version-script=%s/target.map -Wl,--hash-style=both "
                    "-o %s/target.so %s/interpose_target.c",
                    script, test_dir, test_dir, test_dir, test_source);
}


static int
test_group_teardown(void **state)
{
    (void) state;

    return test_run("rm -r %s", test_dir);
}


#endif /* _INTERPOSE_COMMON_H_INCLUDED_ */
