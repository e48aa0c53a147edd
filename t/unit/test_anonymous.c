
/*
 * Names for what shall not be told: SipHash against its authors' figures, and
 * what counts as the address of an upstream.
 */

/* sources: ngx_http_profiling_module/connection/ngx_prof_anonymous.c */
/* sources: ngx_http_profiling_module/worker/ngx_prof_worker.c */

#include <ngx_config.h>
#include <ngx_core.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "ngx_prof_anonymous.h"
#include "ngx_prof_worker.h"


/* nginx's own, for "%s-%016xL" alone */

u_char * ngx_cdecl
ngx_sprintf(u_char *buf, const char *fmt, ...)
{
    va_list      args;
    uint64_t     n;
    const char  *prefix;

    assert_string_equal(fmt, "%s-%016xL");

    va_start(args, fmt);
    prefix = va_arg(args, const char *);
    n = va_arg(args, uint64_t);
    va_end(args);

    return buf + sprintf((char *) buf, "%s-%016llx", prefix,
                         (unsigned long long) n);
}


/* vectors.h of the reference: the key 00 .. 0f, the data 00 .. len - 1 */

static void
test_siphash(void **state)
{
    u_char      data[64];
    uint64_t    key[2];
    ngx_uint_t  i;

    static const struct {
        size_t      len;
        uint64_t    hash;
    } vectors[] = {
        {  0, 0x726fdb47dd0e0e31ULL },
        {  1, 0x74f839c593dc67fdULL },
        {  7, 0xab0200f58b01d137ULL },
        {  8, 0x93f5f5799a932462ULL },
        { 15, 0xa129ca6149be45e5ULL }
    };

    for (i = 0; i < sizeof(data); i++) {
        data[i] = i;
    }

    key[0] = 0x0706050403020100ULL;
    key[1] = 0x0f0e0d0c0b0a0908ULL;

    for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        assert_int_equal(ngx_prof_siphash(key, data,
                                          vectors[i].len),
                         vectors[i].hash);
    }
}


static void
test_names(void **state)
{
    u_char                           a[NGX_PROF_ANONYMOUS_LEN + 1];
    u_char                           b[NGX_PROF_ANONYMOUS_LEN + 1];
    static ngx_prof_zone_t  zone;

    ngx_prof_process.zone = &zone;
    zone.cookie = 1;

    *ngx_prof_anonymous(a, "addr", (u_char *) "127.0.0.1", 9) = 0;
    *ngx_prof_anonymous(b, "addr", (u_char *) "127.0.0.1", 9) = 0;
    assert_string_equal(a, b);
    assert_int_equal(strlen((char *) a), 4 + 1 + 16);

    *ngx_prof_anonymous(b, "addr", (u_char *) "127.0.0.2", 9) = 0;
    assert_string_not_equal(a, b);

    /* another start, another secret */

    zone.cookie = 2;
    *ngx_prof_anonymous(b, "addr", (u_char *) "127.0.0.1", 9) = 0;
    assert_string_not_equal(a, b);
}


static void
test_addresses(void **state)
{
    ngx_uint_t  i;

    static const char *const  addresses[] = {
        "127.0.0.1:8080", "10.0.0.1", "[::1]:80", "unix:/run/x", "/run/x"
    };

    static const char *const  names[] = {
        "backend", "quiet", "example.com", "1.example.com", "", "unix"
    };

    for (i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        assert_true(ngx_prof_is_address((u_char *) addresses[i],
                                        strlen(addresses[i])));
    }

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_false(ngx_prof_is_address((u_char *) names[i],
                                         strlen(names[i])));
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_siphash),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_addresses)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
