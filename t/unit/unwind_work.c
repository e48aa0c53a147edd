
/*
 * Work of the libraries that nginx uses: hand-written assembly, JIT code and
 * plain C, and copies of stacks to be damaged.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <time.h>

#define PCRE2_CODE_UNIT_WIDTH  8
#include <pcre2.h>
#include <zlib.h>

#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "unwind_work.h"


#define SCRATCH  (256 * 1024)

/* ciphers have code for so much at once, and for what is left */
#define MESSAGE  (1024 + 64)


volatile uint64_t      unwind_profiled_return;
volatile sig_atomic_t  unwind_inside;


static unsigned char   data[4096], cipher[4096 + 64];


ngx_uint_t
unwind_had(unwind_before_t *before, const uint64_t *pcs, ngx_uint_t n,
    const ngx_prof_unwind_t *result)
{
    ngx_uint_t  had, same;

    same = result->same;

    had = (result->walk == before->walk + 1
           && same <= ngx_min(n, before->n)
           && memcmp(&pcs[n - same], &before->pcs[before->n - same],
                     same * sizeof(uint64_t))
              == 0);

    memcpy(before->pcs, pcs, n * sizeof(uint64_t));
    before->n = n;
    before->walk = result->walk;

    return had;
}


/*
 * Not by its frame pointer: some of the work for x86_64 leaves that one wrong,
 * and says so to nobody.  On aarch64 every caller keeps one.
 */

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
__attribute__((optimize("omit-frame-pointer")))
#endif
__attribute__((noinline))
void
unwind_profiled(void (*work)(void), unsigned ms)
{
    struct timespec  a, b;

    unwind_profiled_return = (uint64_t) (uintptr_t)
                             __builtin_return_address(0);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);

    unwind_inside = 1;

    do {
        work();
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);

    } while ((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000
             < (long) ms);

    unwind_inside = 0;
}


static void
digest(const EVP_MD *md)
{
    unsigned int   n;
    unsigned char  out[EVP_MAX_MD_SIZE];

    EVP_Digest(data, MESSAGE, out, &n, md, NULL);
}


static void
sha1(void)
{
    digest(EVP_sha1());
}


static void
sha256(void)
{
    digest(EVP_sha256());
}


static void
sha512(void)
{
    digest(EVP_sha512());
}


static void
encrypt(const EVP_CIPHER *c)
{
    int             n;
    unsigned char   tag[16];
    EVP_CIPHER_CTX *ctx;

    ctx = EVP_CIPHER_CTX_new();
    EVP_EncryptInit_ex(ctx, c, NULL, (unsigned char *) "0123456789abcdef"
                       "0123456789abcdef", (unsigned char *) "0123456789ab"
                       "cdef");
    EVP_EncryptUpdate(ctx, cipher, &n, data, MESSAGE);
    EVP_EncryptFinal_ex(ctx, cipher + n, &n);
    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, tag);
    EVP_CIPHER_CTX_free(ctx);
}


static void
aes_gcm(void)
{
    encrypt(EVP_aes_128_gcm());
}


static void
aes_cbc(void)
{
    encrypt(EVP_aes_256_cbc());
}


static void
chacha20(void)
{
    encrypt(EVP_chacha20_poly1305());
}


static EVP_PKEY *
key(const char *type, ...)
{
    static EVP_PKEY  *rsa, *ec, *x;

    if (rsa == NULL) {
        rsa = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t) 2048);
        ec = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
        x = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
    }

    return (*type == 'R') ? rsa : (*type == 'E') ? ec : x;
}


static void
sign(const char *type)
{
    size_t          n;
    EVP_MD_CTX     *ctx;
    unsigned char   out[512];

    n = sizeof(out);
    ctx = EVP_MD_CTX_new();
    EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key(type));
    EVP_DigestSign(ctx, out, &n, data, 100);
    EVP_MD_CTX_free(ctx);
}


static void
rsa(void)
{
    sign("R");
}


static void
ecdsa(void)
{
    sign("E");
}


static void
x25519(void)
{
    size_t          n;
    EVP_PKEY_CTX   *ctx;
    unsigned char   out[64];

    n = sizeof(out);
    ctx = EVP_PKEY_CTX_new(key("X"), NULL);
    EVP_PKEY_derive_init(ctx);
    EVP_PKEY_derive_set_peer(ctx, key("X"));
    EVP_PKEY_derive(ctx, out, &n);
    EVP_PKEY_CTX_free(ctx);
}


static void
modexp(void)
{
    static BIGNUM  *a, *p, *m, *r;
    static BN_CTX  *ctx;

    if (ctx == NULL) {
        ctx = BN_CTX_new();
        a = BN_new();
        p = BN_new();
        m = BN_new();
        r = BN_new();
        BN_rand(a, 512, 0, 0);
        BN_rand(p, 320, 0, 1);
        BN_rand(m, 512, 0, 1);
    }

    BN_mod_exp(r, a, p, m, ctx);
    BN_set_flags(p, BN_FLG_CONSTTIME);
    BN_mod_exp(r, a, p, m, ctx);
}


static void
deflate_data(void)
{
    uLongf  n;

    n = sizeof(cipher);
    compress2(cipher, &n, data, sizeof(data) / 8, 6);
}


static int
order(const void *a, const void *b)
{
    return *(const int *) a - *(const int *) b;
}


static void
libc(void)
{
    int          i, v[512];
    char         buf[256];
    volatile double  d = 0.5;

    for (i = 0; i < 512; i++) {
        v[i] = (i * 7919) % 1009;
    }

    qsort(v, 512, sizeof(int), order);
    d = sin(d) + pow(d, 1.7);
    snprintf(buf, sizeof(buf), "%d %s %.10f", v[3], "text", d);
    free(malloc(5000));
    (void) memchr(data, 0xff, sizeof(data));
}


/* what libc and libm choose by the processor, short and long */

static void
strings(void)
{
    size_t           i, n;
    volatile double  d = 0.5;
    volatile size_t  sum = 0;

    static const size_t  sizes[] = { 3, 30, 70, 300, 4000 };
    static char          a[4096], b[4096];

    for (i = 0; i < 5; i++) {
        n = sizes[i];
        memset(a, 'a', n);
        a[n] = '\0';
        memcpy(b, a, n + 1);
        memmove(b + 1, b, n - 1);

        sum += strlen(a) + (size_t) memcmp(a, b, n) + (size_t) strcmp(a, b)
               + (size_t) strncmp(a, b, n) + (size_t) strcasecmp(a, b)
               + (strchr(a, 'x') != NULL) + (strrchr(a, 'x') != NULL)
               + (memchr(a, 'x', n) != NULL) + (strstr(a, "ax") != NULL)
               + strcspn(a, "xy") + strspn(b, "a");
    }

    d = exp(d) + log(d) + cos(d) + atan(d) + tan(d) + floor(d);
}


static void
regex(int jit)
{
    size_t                    erroff;
    int                       err, i;
    static pcre2_code        *re[2];
    static pcre2_match_data  *md[2];

    if (re[jit] == NULL) {
        re[jit] = pcre2_compile((PCRE2_SPTR) "(\\w+\\s?)*x(a|b|c[^d]+)*$",
                           PCRE2_ZERO_TERMINATED, 0, &err, &erroff, NULL);
        md[jit] = pcre2_match_data_create(32, NULL);

        if (jit) {
            pcre2_jit_compile(re[jit], PCRE2_JIT_COMPLETE);
        }
    }

    for (i = 0; i < 10; i++) {
        pcre2_match(re[jit], (PCRE2_SPTR) "some words to look at xabcabc!",
                    30, 0, 0, md[jit], NULL);
    }
}


static void
pcre2(void)
{
    regex(0);
}


void
unwind_pcre2_jit(void)
{
    regex(1);
}


const unwind_work_t  unwind_works[] = {
    { "sha1", sha1, 60000, UNWIND_WORK_CIPHER },
    { "sha256", sha256, 60000, UNWIND_WORK_CIPHER },
    { "sha512", sha512, 30000, UNWIND_WORK_CIPHER },
    { "aes-gcm", aes_gcm, 120000, UNWIND_WORK_CIPHER },
    { "aes-cbc", aes_cbc, 60000, UNWIND_WORK_CIPHER },
    { "chacha20", chacha20, 60000, UNWIND_WORK_CIPHER },
    { "rsa", rsa, 200000, UNWIND_WORK_BIGNUM },
    { "ecdsa", ecdsa, 150000, UNWIND_WORK_BIGNUM },
    { "x25519", x25519, 40000, UNWIND_WORK_BIGNUM },
    { "modexp", modexp, 120000, UNWIND_WORK_BIGNUM },
    { "strings", strings, 30000, UNWIND_WORK_LIBC },
    { "deflate", deflate_data, 150000, UNWIND_WORK_PLAIN },
    { "libc", libc, 100000, UNWIND_WORK_PLAIN },
    { "pcre2", pcre2, 20000, UNWIND_WORK_PLAIN },
    { NULL, NULL, 0, 0 }
};


char *
unwind_copy_stack(const char *saved, uintptr_t low, size_t size,
    ucontext_t *uc, char **mapping)
{
    char      *p, *copy;
    size_t     whole, i;
    uint64_t   v;

    whole = SCRATCH + ngx_align(size, 4096);
    p = mmap(NULL, whole + 4096, PROT_READ|PROT_WRITE,
             MAP_PRIVATE|MAP_ANONYMOUS, -1, 0);
    mprotect(p + whole, 4096, PROT_NONE);

    copy = p + whole - size;
    memcpy(copy, saved, size);

    /* what points into the stack points into the copy */

    for (i = 0; i < size; i += 8) {
        memcpy(&v, copy + i, 8);

        if (v >= low && v < low + size) {
            v += (uint64_t) (uintptr_t) copy - low;
            memcpy(copy + i, &v, 8);
        }
    }

    unwind_sp(uc) = (uintptr_t) copy;

    *mapping = p;

    return copy;
}


static size_t  mapped;


void
unwind_free_stack(char *mapping)
{
    munmap(mapping, mapped);
}


static struct {
    ngx_prof_stack_t    stack;
    const ucontext_t   *uc;
    uint64_t           *pcs;
    ngx_uint_t          max;
    ngx_uint_t          n;
    ngx_prof_unwind_t  *result;
} job;


static void
on_copy(void)
{
    job.n = ngx_prof_unwind(&job.stack, job.uc, job.pcs, job.max, job.result,
                            NULL);
}


ngx_uint_t
unwind_on_copy(char *mapping, char *copy, size_t size, const ucontext_t *uc,
    uint64_t *pcs, ngx_uint_t max, ngx_prof_unwind_t *result)
{
    static ucontext_t  back, there;

    job.stack.lo = (uintptr_t) mapping;
    job.stack.top = (uintptr_t) copy + size;
    job.uc = uc;
    job.pcs = pcs;
    job.max = max;
    job.result = result;

    mapped = (size_t) (copy + size - mapping) + 4096;

    getcontext(&there);
    there.uc_link = &back;
    there.uc_stack.ss_sp = mapping;
    there.uc_stack.ss_size = SCRATCH / 2;
    makecontext(&there, on_copy, 0);
    swapcontext(&back, &there);

    return job.n;
}
