
/*
 * Walks at every instruction of known code, against a shadow stack, on several
 * processors: libcrypto and libc choose their code by what the processor has,
 * and let a part of that be taken away.  Each runs in a process of its own,
 * which is this program with other arguments.
 */

/* sources: t/unit/unwind_code.S */
/* sources: t/unit/unwind_work.c */
/* sources: t/unit/unwind_step.c t/unit/unwind_trap_arm64.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_cfi_parse.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_cfi_rules.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_cfi_table.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_objects.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_unwind.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_unwind_step.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_unwind_expr.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_unwind_recover.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_lua_frames.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_lua_name.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_lua_phase.c */
/* sources: ngx_http_profiling_module/base/ngx_prof_guard.c */
/* sources: shm/ngx_prof_functions.c */
/* libs: -lcrypto -lpcre2-8 -lz -lm -ldl -lpthread */


#include <ngx_config.h>
#include <ngx_core.h>

#include <dlfcn.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <openssl/crypto.h>

#include "ngx_prof_objects.h"
#include "ngx_prof_unwind.h"
#include "unwind_work.h"


#define LINE     1024
#define AT_ONCE  2

#define CHOSEN   (UNWIND_WORK_CIPHER | UNWIND_WORK_BIGNUM | UNWIND_WORK_LIBC)
#define ALL      (CHOSEN | UNWIND_WORK_PLAIN)


typedef struct {
    const char  *name;
    unsigned     kinds;          /* of works, for which the code differs */
    uint64_t     without[2];     /* bits of OPENSSL_ia32cap, _armcap */
    uint64_t     with;           /* bits that only choose among code */
    const char  *hwcaps;         /* of glibc */
    const char  *cpu;            /* of qemu */
} processor_t;


#if defined(__aarch64__)

#define VARIABLE  "OPENSSL_armcap"

static const processor_t  processors[] = {
    { "all that it has", ALL,
      { 0, 0 }, 0, "", "" },
    { "NEON alone", UNWIND_WORK_CIPHER | UNWIND_WORK_BIGNUM,
      { ~(uint64_t) 1, 0 }, 0, "", "" },
    { "no NEON", UNWIND_WORK_CIPHER | UNWIND_WORK_BIGNUM,
      { ~(uint64_t) 0, 0 }, 0, "", "" },
    { "Cortex-A57", UNWIND_WORK_CIPHER | UNWIND_WORK_LIBC,
      { 0, 0 }, 0, "", "cortex-a57" },
    { "A64FX", UNWIND_WORK_LIBC,
      { 0, 0 }, 0, "", "a64fx" }
};

#else

#define VARIABLE  "OPENSSL_ia32cap"

/* of the first word: leaf 1, edx and above it ecx; of the second: leaf 7 */

#define INTEL   0x0000000040000000ull
#define AES     0x0200000200000000ull     /* with PCLMULQDQ */
#define AVX     0x1000100000000000ull     /* with FMA */
#define SHA     0x0000060020000000ull     /* with VAES, VPCLMULQDQ */
#define AVX512  0x00000002d0230000ull
#define AVX2    (AVX512 | 0x0000060000000020ull)
#define ADX     0x0000000000080108ull     /* with BMI1, BMI2 */
#define SSE2    0x0000000007800000ull

#define NO_AVX512  "-AVX512F,-AVX512VL,-AVX512BW,-AVX512DQ"
#define NO_AVX2    NO_AVX512 ",-AVX2,-AVX_Fast_Unaligned_Load,-BMI2,-FMA"
#define NO_AVX     NO_AVX2 ",-AVX,-ERMS,-FSRM"
#define NOTHING    NO_AVX ",-SSE4_2,-SSE4_1,-SSSE3,-POPCNT,-MOVBE"

static const processor_t  processors[] = {
    { "all that it has", ALL,
      { 0, 0 }, 0, "", "" },
    { "no AVX-512", CHOSEN,
      { 0, AVX512 }, 0, NO_AVX512, "" },
    { "no AVX-512, no ADX", UNWIND_WORK_BIGNUM,
      { 0, AVX512 | ADX }, 0, NO_AVX512, "" },
    { "no SHA and AES", UNWIND_WORK_CIPHER,
      { AES, SHA }, 0, "", "" },
    { "no AVX-512, SHA and AES", UNWIND_WORK_CIPHER,
      { AES, AVX512 | SHA }, 0, NO_AVX512, "" },
    { "no AVX2", CHOSEN,
      { 0, AVX2 | ADX }, 0, NO_AVX2, "" },
    { "no AVX2, SHA and AES, as by Intel", UNWIND_WORK_CIPHER,
      { AES, AVX2 | ADX | SHA }, INTEL, NO_AVX2, "" },
    { "no AVX and AES", CHOSEN,
      { AES | AVX, ~(uint64_t) 0 }, 0, NO_AVX, "" },
    { "the baseline", CHOSEN,
      { ~SSE2, ~(uint64_t) 0 }, 0, NOTHING, "" }
};

#endif


#define PROCESSORS  (sizeof(processors) / sizeof(processors[0]))


static char         program[LINE];
static uint64_t     word[2];         /* what the variable is without us */
static char         code[PROCESSORS][LINE];
static FILE        *output[PROCESSORS];
static const char  *why[PROCESSORS];  /* it is not shown */


/* what libcrypto believes to run on, and what libc and libm have chosen */

static int
print_choice(void)
{
    void               *f;
    size_t              i;
    Dl_info             info;

    static const char  *names[] = {
        "memmove", "memset", "memchr", "memcmp", "strlen", "strcmp",
        "strcasecmp", "strstr", "sin", "pow", "exp"
    };

    printf("%s", OPENSSL_info(OPENSSL_INFO_CPU_SETTINGS)
                 ? OPENSSL_info(OPENSSL_INFO_CPU_SETTINGS) : "");

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        f = dlsym(dlopen(i < 8 ? "libc.so.6" : "libm.so.6", RTLD_NOW),
                  names[i]);

        if (f && dladdr(f, &info)) {
            printf(" %lx", (u_long) ((char *) f - (char *) info.dli_fbase));
        }
    }

    printf("\n");

    return 0;
}


static void
print_frames(const uint64_t *pcs, ngx_uint_t n)
{
    ngx_uint_t                 i;
    const ngx_prof_object_t   *object;
    const ngx_prof_objects_t  *objects;

    objects = ngx_prof_objects_acquire();

    for (i = 0; i < n; i++) {
        object = ngx_prof_objects_find(objects, pcs[i]);
        printf("    %lx %s+%lx\n", pcs[i], object ? object->path : "-",
               object ? pcs[i] - object->base : 0);
    }

    ngx_prof_objects_release();
}


/* returns the number of works in which something was wrong */

static int
step_works(unsigned kinds)
{
    int                   wrong;
    unwind_step_t         r;
    const unwind_work_t  *w;
    ngx_prof_stack_t      stack;

    if (ngx_prof_unwind_stack(&stack) != NGX_OK
        || ngx_prof_objects_refresh() != NGX_OK)
    {
        return 1;
    }

    wrong = 0;

    for (w = unwind_works; w->name; w++) {

        if (!(w->kind & kinds)) {
            continue;
        }

        w->once();
        unwind_step(&stack, w->once, w->steps, &r);

        printf("%-12s %7u instructions, %u calls deep, %u wrong, %u "
               "recovered\n", w->name, r.steps, r.deepest, r.wrong,
               r.recovered);

        if (r.wrong) {
            print_frames(r.got, r.ngot);
            printf("    instead of\n");
            print_frames(r.expected, r.nexpected);
        }

        wrong += (r.wrong || r.changed || r.steps <= 100);
    }

    return wrong;
}


/* the environment of the processor before what is to be run */

static FILE *
start(ngx_uint_t i, const char *argument)
{
    char                value[LINE], tunables[LINE], command[4 * LINE];
    uint64_t            w[2];
    const processor_t  *p;

    p = &processors[i];
    value[0] = tunables[0] = '\0';

    w[0] = (word[0] & ~p->without[0]) | (word[0] ? p->with : 0);
    w[1] = word[1] & ~p->without[1];

    if (p->without[0] | p->without[1]) {
#if defined(__aarch64__)
        snprintf(value, LINE, VARIABLE "=0x%" PRIx64, w[0]);
#else
        snprintf(value, LINE, VARIABLE "=0x%" PRIx64 ":0x%" PRIx64, w[0],
                 w[1]);
#endif
    }

    if (*p->hwcaps) {
        snprintf(tunables, LINE, "GLIBC_TUNABLES=glibc.cpu.hwcaps=%s",
                 p->hwcaps);
    }

    snprintf(command, sizeof(command), "%s %s %s%s ${CROSS_RUN-} %s %s %u",
             value, tunables, *p->cpu ? "QEMU_CPU=" : "", p->cpu, program,
             argument, p->kinds);

    fflush(stdout);

    return popen(command, "r");
}


static void
choice(ngx_uint_t i)
{
    FILE  *f;

    f = start(i, "choice");
    assert_non_null(f);
    assert_non_null(fgets(code[i], LINE, f));
    assert_int_equal(pclose(f), 0);
}


/* what chooses the same code as one before it shows nothing more */

static int
setup(void **state)
{
    char        *p;
    ngx_uint_t   i, k;

    (void) state;

    choice(0);
    p = strstr(code[0], VARIABLE "=");

    if (p) {
        word[0] = strtoull(p + sizeof(VARIABLE "=") - 1, &p, 16);
        word[1] = (*p == ':') ? strtoull(p + 1, NULL, 16) : 0;
    }

    for (i = 1; i < PROCESSORS; i++) {
        choice(i);

        /* the variable is told behind its effect */

        p = strstr(code[i], " env:");

        if (p) {
            memmove(p, p + strcspn(p + 1, " ") + 1,
                    strlen(p + strcspn(p + 1, " ") + 1) + 1);
        }

        for (k = 0; k < i; k++) {
            if (strcmp(code[i], code[k]) == 0) {
                why[i] = processors[k].name;
                break;
            }
        }
    }

    return 0;
}


static void
test_processor(void **state)
{
    int          rc;
    char         line[LINE];
    ngx_uint_t   i, k, n;

    i = (ngx_uint_t) (uintptr_t) *state;

    if (why[i]) {
        printf("# not shown here: \"%s\" runs the same code as \"%s\"\n",
               processors[i].name, why[i]);
        skip();
    }

    for (k = i, n = 0; k < PROCESSORS && n < AT_ONCE; k++) {
        if (why[k]) {
            continue;
        }

        n++;

        if (output[k] == NULL) {
            output[k] = start(k, "step");
            assert_non_null(output[k]);
        }
    }

    printf("# %s: %s", processors[i].name, code[i]);

    while (fgets(line, LINE, output[i])) {
        printf("%s", line);
    }

    rc = pclose(output[i]);
    assert_int_equal(rc, 0);
}


int
main(int argc, char **argv)
{
    size_t             i;
    ssize_t            n;
    struct CMUnitTest  tests[PROCESSORS];

    if (argc > 2) {
        return (strcmp(argv[1], "choice") == 0)
               ? print_choice() : step_works((unsigned) atoi(argv[2]));
    }

    n = readlink("/proc/self/exe", program, LINE - 1);

    if (n <= 0) {
        return 1;
    }

    memset(tests, 0, sizeof(tests));

    for (i = 0; i < PROCESSORS; i++) {
        tests[i].name = processors[i].name;
        tests[i].test_func = test_processor;
        tests[i].initial_state = (void *) (uintptr_t) i;
    }

    return cmocka_run_group_tests(tests, setup, NULL);
}
