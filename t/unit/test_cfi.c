
/*
 * The .eh_frame parser: each row of what nginx loads against libdw, and odd,
 * cut and broken data.
 */

/* sources: t/unit/unwind_oracle.c */
/* sources: t/unit/unwind_arm64.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_cfi_parse.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_cfi_rules.c */
/* sources: ngx_http_profiling_module/stack/ngx_prof_cfi_table.c */
/* libs: -ldw -lelf */


#include <ngx_config.h>
#include <ngx_core.h>

#include <setjmp.h>
#include <stdarg.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "unwind_arm64.h"
#include "unwind_oracle.h"


#define TEXT      0x10000
#define TEXT_LEN  0x8000
#define FRAME     0x40000       /* address of the .eh_frame made here */


/* objects that nginx loads; other systems may not have all of them */

static const char  *objects[] = {
    "/usr/sbin/nginx",
    "/lib/x86_64-linux-gnu/libc.so.6",
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/x86_64-linux-gnu/libcrypto.so.3",
    "/lib/x86_64-linux-gnu/libssl.so.3",
    "/lib/x86_64-linux-gnu/libpcre2-8.so.0",
    "/lib/x86_64-linux-gnu/libz.so.1",
    "/lib/x86_64-linux-gnu/libcrypt.so.1",
    "/lib/x86_64-linux-gnu/libm.so.6",
    "/lib/x86_64-linux-gnu/libgcc_s.so.1",
    "/lib/x86_64-linux-gnu/libluajit-5.1.so.2",
    "/usr/lib/nginx/modules/ngx_http_lua_module.so",
    "/usr/lib/nginx/modules/ngx_http_echo_module.so",
    "/usr/lib/nginx/modules/ndk_http_module.so",
    NULL
};


static struct {
    u_char   data[8192];
    size_t   len;
    size_t   cie;
} made;


static void
bytes(const char *p, size_t n)
{
    assert_true(made.len + n <= sizeof(made.data));
    memcpy(made.data + made.len, p, n);
    made.len += n;
}


static void
u32(uint64_t v)
{
    bytes((char *) &v, 4);
}


static void
u64(uint64_t v)
{
    bytes((char *) &v, 8);
}


#define lit(s)  bytes(s, sizeof(s) - 1)


static size_t
open_entry(void)
{
    u32(0);
    return made.len;
}


static void
close_entry(size_t start)
{
    uint32_t  n;

    while ((made.len - start) % 4) {
        lit("\0");
    }

    n = (uint32_t) (made.len - start);
    memcpy(made.data + start - 4, &n, 4);
}


static void
begin(void)
{
    made.len = 0;
}


/* rsp + 8, return address at CFA - 8 */

static void
cie(const char *augmentation, size_t an, const char *data, size_t dn)
{
    char    n;
    size_t  at;

    made.cie = made.len;
    at = open_entry();
    u32(0);
    lit("\1");
    bytes(augmentation, an + 1);
    lit("\1\x78\x10");

    if (an) {
        n = (char) dn;
        bytes(&n, 1);
        bytes(data, dn);
    }

    lit("\x0c\x07\x08\x90\x01");
    close_entry(at);
}


static void
cie_zr(void)
{
    cie("zR", 2, "\x1b", 1);
}


static void
fde(uint64_t start, uint64_t len, const char *program, size_t n)
{
    size_t  at;

    at = open_entry();
    u32(made.len - made.cie);
    u32(start - (FRAME + made.len));
    u32(len);
    lit("\0");
    bytes(program, n);
    close_entry(at);
}


#define fde_lit(start, len, s)  fde(start, len, s, sizeof(s) - 1)


static ngx_prof_cfi_stats_t  stats;
static ngx_prof_cfi_src_t    src;


/* the data lies at the end of a page that no readable one follows */

static ngx_prof_cfi_t *
build_n(size_t len, ngx_uint_t arch, ngx_uint_t exact)
{
    uint32_t         b, i;
    ngx_int_t        rc;
    static u_char   *page;
    ngx_prof_cfi_t  *cfi;

    if (page == NULL) {
        page = mmap(NULL, 4096 * 3, PROT_READ|PROT_WRITE,
                    MAP_PRIVATE|MAP_ANONYMOUS, -1, 0);
        assert_true(page != MAP_FAILED);
        mprotect(page + 8192, 4096, PROT_NONE);
    }

    memcpy(page + 8192 - len, made.data, len);

    src.data = page + 8192 - len;
    src.len = len;
    src.addr = FRAME;
    src.start = TEXT;
    src.end = TEXT + TEXT_LEN;
    src.arch = arch;
    src.exact = exact;

    cfi = NULL;
    rc = ngx_prof_cfi_build(&src, &cfi, &stats);

    assert_true((rc == NGX_OK) == (cfi != NULL));

    /* rows ascend in each bucket, or searches would go astray */

    for (b = 0; cfi && b < cfi->nbuckets; b++) {
        for (i = cfi->index[b] + 1; i < cfi->index[b + 1]; i++) {
            assert_true(cfi->rows[i].addr > cfi->rows[i - 1].addr);
        }
    }

    return cfi;
}


static ngx_prof_cfi_t *
build(void)
{
    return build_n(made.len, NGX_PROF_CFI_X86_64, 1);
}


/* CFA = reg + off at pc; off -1: there is no rule */

static void
expect(const ngx_prof_cfi_t *cfi, uint64_t pc, int reg, int off)
{
    const ngx_prof_cfi_rule_t  *rule;

    rule = ngx_prof_cfi_lookup(cfi, pc);
    assert_non_null(rule);

    if (off == -1) {
        assert_int_equal(rule->cfa_kind, NGX_PROF_CFI_NONE);
        return;
    }

    assert_int_equal(rule->cfa_kind, NGX_PROF_CFI_CFA_REG);
    assert_int_equal(rule->cfa_reg, reg);
    assert_int_equal(rule->cfa, off);
}


static unsigned
bad(void)
{
    return stats.bad_entry + stats.bad_cie + stats.bad_fde
           + stats.out_of_text + stats.overlapping + stats.unsupported;
}


static void
check_file(const char *name, const char *image, size_t size, unsigned *rows,
    double *ms, size_t *memory)
{
    int              rc;
    unwind_oracle_t  r;

    rc = image ? unwind_oracle(name, (char *) (uintptr_t) image, size, &r)
               : unwind_oracle_file(name, &r);

    if (rc != 0) {
        printf("skipped: %s is not here\n", name);
        return;
    }

    printf("%-48s %6u rows, %4u rules, %7zu bytes, %.2f ms, %u places, "
           "%u wrong\n", name, r.rows, r.rules, r.bytes, r.ms, r.compared,
           r.wrong);

    assert_int_equal(r.wrong, 0);
    assert_true(r.compared >= 2 * r.rows);
    assert_int_equal(r.stats.bad_entry + r.stats.bad_cie + r.stats.bad_fde
                     + r.stats.unsupported + r.stats.overlapping, 0);

    *rows += r.rows;
    *ms += r.ms;
    *memory += r.bytes;
}


static void
test_oracle(void **state)
{
    double      ms = 0;
    size_t      memory = 0;
    unsigned    i, rows = 0;

    (void) state;

    for (i = 0; objects[i]; i++) {
        check_file(objects[i], NULL, 0, &rows, &ms, &memory);
    }

    printf("all: %u rows, %zu bytes, %.2f ms\n", rows, memory, ms);

    if (access("/usr/sbin/nginx", R_OK) == 0) {
        assert_true(rows > 10000);
    }
}


static void
test_oracle_vdso(void **state)
{
    double       ms = 0;
    size_t       memory = 0;
    unsigned     rows = 0;
    const char  *image;

    (void) state;

    image = (const char *) getauxval(AT_SYSINFO_EHDR);

    if (image == NULL) {
        printf("# no vDSO: it takes a kernel that maps one\n");
        skip();
    }

    check_file("[vdso]", image, 8192, &rows, &ms, &memory);
    assert_true(rows > 0);
}


static void
test_oracle_arm64(void **state)
{
    char        *files[16];
    double       ms = 0;
    size_t       memory = 0;
    unsigned     i, n, rows = 0;

    (void) state;

    n = unwind_arm64_files(files, 16);

    if (n == 0) {
        printf("# no arm64 packages: it takes a mirror of Debian\n");
        skip();
    }

    for (i = 0; i < n; i++) {
        check_file(files[i], NULL, 0, &rows, &ms, &memory);
        free(files[i]);
    }

    printf("arm64: %u rows, %zu bytes, %.2f ms\n", rows, memory, ms);
    assert_true(rows > 10000);
}


static void
test_rows(void **state)
{
    ngx_prof_cfi_t             *cfi;
    const ngx_prof_cfi_rule_t  *rule;

    (void) state;

    begin();
    cie_zr();
    fde_lit(TEXT + 0x100, 0x40,
            "\x41\x0e\x10\x86\x02"            /* push rbp */
            "\x43\x0d\x06"                    /* rbp-based */
            "\x0a\x48\x0c\x07\x08\xc6"        /* an epilogue */
            "\x41\x0b");
    cfi = build();

    assert_non_null(cfi);
    assert_int_equal(bad(), 0);

    expect(cfi, TEXT, 0, -1);
    expect(cfi, TEXT + 0xff, 0, -1);
    expect(cfi, TEXT + 0x100, 7, 8);
    expect(cfi, TEXT + 0x101, 7, 16);
    expect(cfi, TEXT + 0x103, 7, 16);
    expect(cfi, TEXT + 0x104, 6, 16);
    expect(cfi, TEXT + 0x10b, 6, 16);
    expect(cfi, TEXT + 0x10c, 7, 8);
    expect(cfi, TEXT + 0x10d, 6, 16);
    expect(cfi, TEXT + 0x13f, 6, 16);

    /* the row that ends the function */

    expect(cfi, TEXT + 0x140, 0, -1);
    expect(cfi, TEXT + TEXT_LEN - 1, 0, -1);
    assert_null(ngx_prof_cfi_lookup(cfi, TEXT + TEXT_LEN));
    assert_null(ngx_prof_cfi_lookup(cfi, TEXT - 1));

    rule = ngx_prof_cfi_lookup(cfi, TEXT + 0x100);
    assert_int_equal(rule->saved[0], 0);
    rule = ngx_prof_cfi_lookup(cfi, TEXT + 0x101);
    assert_int_equal(rule->saved[0], ngx_prof_cfi_how(NGX_PROF_CFI_AT, -16));
    rule = ngx_prof_cfi_lookup(cfi, TEXT + 0x10c);
    assert_int_equal(rule->saved[0], 0);
    assert_int_equal(rule->ra, ngx_prof_cfi_how(NGX_PROF_CFI_AT, -8));

    assert_int_equal(cfi->nrows, 6);
    ngx_prof_cfi_free(cfi);
}


static void
test_instructions(void **state)
{
    ngx_prof_cfi_t             *cfi;
    const ngx_prof_cfi_rule_t  *r;

    (void) state;

    begin();
    cie_zr();
    fde_lit(TEXT, 0x1000,
            "\x02\x10\x12\x06\x7e"            /* def_cfa_sf rbp, +16 */
            "\x03\x10\x00\x13\x7d"            /* def_cfa_offset_sf +24 */
            "\x04\x10\x00\x00\x00\x05\x06\x03"        /* offset_extended */
            "\x02\x10\x11\x06\x7f"            /* offset_extended_sf */
            "\x02\x10\x14\x06\x02"            /* val_offset */
            "\x02\x10\x15\x06\x7e"            /* val_offset_sf */
            "\x02\x10\x09\x06\x0c"            /* rbp is in r12 */
            "\x02\x10\x07\x06"                /* undefined */
            "\x02\x10\x08\x06"                /* same_value */
            "\x02\x10\x2f\x06\x02\x2e\x20"    /* negative offset, args_size */
            "\x02\x10\x10\x06\x02\x76\x78"    /* expression rbp - 8 */
            "\x02\x10\x16\x06\x02\x76\x78"    /* val_expression rbp - 8 */
            "\x02\x10\x06\x06"                /* restore_extended */
            "\x02\x10\x07\x10"                /* the outermost frame */
            "\x02\x10\x0f\x05\x77\x08\x06\x23\x08"   /* *(rsp + 8) + 8 */
            "\x02\x10\x01\x00\x00\x00\x00");  /* set_loc, null: backwards */
    cfi = build();

    assert_non_null(cfi);
    assert_int_equal(stats.bad_fde, 1);

    expect(cfi, TEXT + 0x10, 6, 16);
    expect(cfi, TEXT + 0x20, 6, 24);

#define at(n)  (r = ngx_prof_cfi_lookup(cfi, TEXT + 0x10 * (n)))
#define how(kind, arg)                                                        \
    ngx_prof_cfi_how(NGX_PROF_CFI_##kind, arg)

    assert_int_equal(at(3)->saved[0], how(AT, -24));
    assert_int_equal(at(4)->saved[0], how(AT, 8));
    assert_int_equal(at(5)->saved[0], how(VAL, -16));
    assert_int_equal(at(6)->saved[0], how(VAL, 16));
    assert_int_equal(at(7)->saved[0], how(REG, 12));
    assert_int_equal(at(8)->saved[0], how(UNDEF, 0));
    assert_int_equal(at(9)->saved[0], how(SAME, 0));
    assert_int_equal(r->changed, 0);
    assert_int_equal(at(10)->saved[0], how(AT, 16));
    assert_int_equal(at(11)->saved[0], how(EXPR, 0));
    assert_int_equal(at(12)->saved[0], how(VAL_EXPR, 0));
    assert_int_equal(at(13)->saved[0], how(SAME, 0));
    assert_int_equal(at(14)->ra, how(UNDEF, 0));
    assert_int_equal(at(15)->cfa_kind, NGX_PROF_CFI_CFA_EXPR);
    assert_int_equal(r->cfa, 1);

    /* what follows an error is not believed */

    assert_int_equal(at(16)->cfa_kind, NGX_PROF_CFI_NONE);
    assert_int_equal(cfi->nexprs, 2);

    ngx_prof_cfi_free(cfi);
}


static void
test_nested_states(void **state)
{
    ngx_prof_cfi_t  *cfi;

    (void) state;

    begin();
    cie_zr();
    fde_lit(TEXT, 0x100,
            "\x41\x0e\x10\x0a\x41\x0e\x18\x0a\x41\x0e\x20\x0a\x41\x0e\x28"
            "\x41\x0b\x41\x0b\x41\x0b");
    cfi = build();
    assert_non_null(cfi);
    assert_int_equal(bad(), 0);
    expect(cfi, TEXT + 4, 7, 40);
    expect(cfi, TEXT + 5, 7, 32);
    expect(cfi, TEXT + 6, 7, 24);
    expect(cfi, TEXT + 7, 7, 16);
    ngx_prof_cfi_free(cfi);

    /* one too many, and none to restore */

    begin();
    cie_zr();
    fde_lit(TEXT, 0x10, "\x0a\x0a\x0a\x0a\x0a\x0a\x0a\x0a\x0a\x0a\x0a\x0a\x0a"
            "\x0a\x0a\x0a\x0a\x41\x0e\x10");
    fde_lit(TEXT + 0x10, 0x10, "\x41\x0b\x0e\x10");
    cfi = build();
    assert_non_null(cfi);
    assert_int_equal(stats.bad_fde, 2);
    expect(cfi, TEXT, 7, -1);
    expect(cfi, TEXT + 0x10, 7, 8);
    expect(cfi, TEXT + 0x11, 7, -1);
    ngx_prof_cfi_free(cfi);
}


static void
test_augmentations(void **state)
{
    ngx_prof_cfi_t             *cfi;
    const ngx_prof_cfi_rule_t  *rule;

    (void) state;

    begin();
    cie("zPLR", 4, "\x9b\x11\x22\x33\x44\x1b\x1b", 7);
    fde_lit(TEXT, 0x10, "\x41\x0e\x10");
    cie("zRS", 3, "\x1b", 1);
    fde_lit(TEXT + 0x10, 0x10, "\x41\x0e\x20");
    cie("zPR", 3, "\x00\x11\x22\x33\x44\x55\x66\x77\x88\x1b", 10);
    fde_lit(TEXT + 0x20, 0x10, "\x41\x0e\x30");
    cie("zX", 2, "\x1b", 1);
    fde_lit(TEXT + 0x30, 0x10, "\x41\x0e\x40");
    cfi = build();

    assert_non_null(cfi);
    expect(cfi, TEXT + 1, 7, 16);
    expect(cfi, TEXT + 0x11, 7, 32);
    expect(cfi, TEXT + 0x21, 7, 48);
    expect(cfi, TEXT + 0x31, 7, -1);
    assert_int_equal(stats.bad_cie, 1);
    assert_int_equal(stats.bad_fde, 1);

    rule = ngx_prof_cfi_lookup(cfi, TEXT + 0x10);
    assert_int_equal(rule->flags, NGX_PROF_CFI_SIGNAL);
    rule = ngx_prof_cfi_lookup(cfi, TEXT);
    assert_int_equal(rule->flags, 0);
    ngx_prof_cfi_free(cfi);
}


static void
test_duplicates(void **state)
{
    ngx_prof_cfi_t  *cfi;

    (void) state;

    /* out of order, twice, overlapping; the first in the data holds */

    begin();
    cie_zr();
    fde_lit(TEXT + 0x200, 0x20, "\x41\x0e\x10");
    fde_lit(TEXT + 0x100, 0x20, "\x41\x0e\x20");
    fde_lit(TEXT + 0x100, 0x20, "\x41\x0e\x30");
    fde_lit(TEXT + 0x110, 0x40, "\x41\x0e\x40\x5f\x0e\x48");
    fde_lit(TEXT + 0x280, 0x40, "\x41\x0e\x10");
    fde_lit(TEXT + 0x288, 0x10, "\x41\x0e\x20");
    fde_lit(TEXT + TEXT_LEN, 0x20, "\x41\x0e\x50");
    fde_lit(TEXT + 0x300, 0, "\x41\x0e\x50");
    fde_lit(TEXT + 0x400, 0xffffff00, "\x41\x0e\x50");
    cfi = build();

    assert_non_null(cfi);
    assert_int_equal(stats.overlapping, 3);
    assert_int_equal(stats.out_of_text, 3);
    expect(cfi, TEXT + 0x100, 7, 8);
    expect(cfi, TEXT + 0x101, 7, 32);
    expect(cfi, TEXT + 0x11f, 7, 32);
    expect(cfi, TEXT + 0x120, 7, 64);
    expect(cfi, TEXT + 0x12f, 7, 64);
    expect(cfi, TEXT + 0x130, 7, 72);
    expect(cfi, TEXT + 0x150, 7, -1);
    expect(cfi, TEXT + 0x201, 7, 16);
    expect(cfi, TEXT + 0x289, 7, 16);
    expect(cfi, TEXT + 0x298, 7, 16);
    expect(cfi, TEXT + 0x2bf, 7, 16);
    expect(cfi, TEXT + 0x2c0, 7, -1);
    expect(cfi, TEXT + 0x300, 7, -1);
    ngx_prof_cfi_free(cfi);
}


static void
test_terminators(void **state)
{
    size_t           at;
    ngx_prof_cfi_t  *cfi;

    (void) state;

    begin();
    cie_zr();
    fde_lit(TEXT, 0x10, "\x41\x0e\x10");
    u32(0);
    fde_lit(TEXT + 0x10, 0x10, "\x41\x0e\x20");

    /* a 64-bit length; the pointer to the CIE still has four bytes */

    u32(0xffffffff);
    at = made.len;
    u64(0);
    u32(made.len - made.cie);
    u32(TEXT + 0x20 - (FRAME + made.len));
    u32(0x10);
    lit("\0\x41\x0e\x30");
    *(uint64_t *) (made.data + at) = made.len - at - 8;

    cfi = build();
    assert_non_null(cfi);
    assert_int_equal(bad(), 0);
    expect(cfi, TEXT + 0x1, 7, 16);
    expect(cfi, TEXT + 0x11, 7, 32);
    expect(cfi, TEXT + 0x21, 7, 48);
    ngx_prof_cfi_free(cfi);

    /* the same without a length that can be relied on */

    cfi = build_n(made.len, NGX_PROF_CFI_X86_64, 0);
    assert_non_null(cfi);
    expect(cfi, TEXT + 0x1, 7, 16);
    expect(cfi, TEXT + 0x11, 7, -1);
    ngx_prof_cfi_free(cfi);
}


/* each length of sound data, then each byte of it replaced by others */

static void
test_cut_and_changed(void **state)
{
    u_char           c;
    size_t           i, n;
    unsigned         v, built, noticed;
    ngx_prof_cfi_t  *cfi;

    (void) state;

    begin();
    cie("zPLR", 4, "\x9b\x11\x22\x33\x44\x1b\x1b", 7);
    cie_zr();
    fde_lit(TEXT, 0x40, "\x41\x0e\x10\x86\x02\x43\x0d\x06\x0a\x48\xc6\x0b");
    fde_lit(TEXT + 0x40, 0x40, "\x41\x0f\x05\x77\x08\x06\x23\x08\x02\x08\x10"
            "\x06\x02\x76\x78\x03\x08\x00\x0c\x07\x90\x01");
    u32(0);
    fde_lit(TEXT + 0x80, 0x40, "\x41\x16\x06\x02\x77\x10\x09\x03\x08");

    n = made.len;
    built = 0;
    noticed = 0;

    for (i = 0; i < n; i++) {
        cfi = build_n(i, NGX_PROF_CFI_X86_64, 1);

        if (cfi) {
            built++;
            expect(cfi, TEXT + TEXT_LEN - 1, 7, -1);
            ngx_prof_cfi_free(cfi);
        }
    }

    assert_true(built > 20);

    for (i = 0; i < n; i++) {
        c = made.data[i];

        for (v = 0; v < 256; v++) {
            made.data[i] = (u_char) v;
            cfi = build_n(n, v & 1, 1);
            noticed += (bad() != 0);

            if (cfi) {
                ngx_prof_cfi_free(cfi);
            }
        }

        made.data[i] = c;
    }

    assert_true(noticed > 1000);
}


/* real data with random damage: never a fault, a hang, or much memory */

static void
test_damaged_file(void **state)
{
    char               *image;
    size_t              size, i;
    unsigned            round, seed;
    ngx_int_t           rc;
    ngx_prof_cfi_t     *cfi;
    ngx_prof_cfi_src_t  s;

    (void) state;

    image = unwind_oracle_read("/proc/self/exe", &size);
    assert_non_null(image);

    seed = 1;

    for (round = 0; round < 20; round++) {
        for (i = 0; i < size / 64; i++) {
            image[(size_t) rand_r(&seed) % size] ^= (char) rand_r(&seed);
        }

        memset(&s, 0, sizeof(s));
        s.data = (u_char *) image;
        s.len = size;
        s.addr = FRAME;
        s.start = 0;
        s.end = 0xffffffff;
        s.arch = round & 1;
        s.exact = 1;

        rc = ngx_prof_cfi_build(&s, &cfi, NULL);

        if (rc == NGX_OK) {
            ngx_prof_cfi_free(cfi);
        }
    }

    free(image);
}


static void
test_locate(void **state)
{
    size_t              whole, hdr;
    ngx_prof_cfi_src_t  s;

    (void) state;

    begin();

    /* .eh_frame_hdr of one FDE, then .eh_frame, a terminator and garbage */

    lit("\x01\x1b\x03\x3b");
    u32(20 - 4);
    u32(1);
    u32(0);
    u32(0);
    hdr = made.len;

    cie_zr();
    *(uint32_t *) (made.data + 16) = (uint32_t) made.len;
    fde_lit(TEXT, 0x10, "\x41\x0e\x10");
    whole = made.len;
    u32(0);
    lit("garbage garbage garbage");

    assert_int_equal(ngx_prof_cfi_locate(made.data, hdr, FRAME,
                                     made.data, made.len, FRAME, &s), NGX_OK);
    assert_ptr_equal(s.data, made.data + hdr);
    assert_int_equal(s.len, whole - hdr);
    assert_int_equal(s.addr, FRAME + hdr);
    assert_int_equal(s.exact, 1);

    /* no table of FDEs: up to the end, stopping at a terminator */

    made.data[3] = (u_char) 0xff;
    assert_int_equal(ngx_prof_cfi_locate(made.data, hdr, FRAME,
                                     made.data, made.len, FRAME, &s), NGX_OK);
    assert_int_equal(s.len, made.len - hdr);
    assert_int_equal(s.exact, 0);

    /* cut, and of another version, and outside */

    assert_int_equal(ngx_prof_cfi_locate(made.data, 7, FRAME,
                               made.data, made.len, FRAME, &s), NGX_DECLINED);
    made.data[0] = 2;
    assert_int_equal(ngx_prof_cfi_locate(made.data, hdr, FRAME,
                               made.data, made.len, FRAME, &s), NGX_DECLINED);
    made.data[0] = 1;
    assert_int_equal(ngx_prof_cfi_locate(made.data, hdr, FRAME,
                                     made.data, 19, FRAME, &s), NGX_DECLINED);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_oracle),
        cmocka_unit_test(test_oracle_vdso),
        cmocka_unit_test(test_oracle_arm64),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_instructions),
        cmocka_unit_test(test_nested_states),
        cmocka_unit_test(test_augmentations),
        cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_terminators),
        cmocka_unit_test(test_cut_and_changed),
        cmocka_unit_test(test_damaged_file),
        cmocka_unit_test(test_locate)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
