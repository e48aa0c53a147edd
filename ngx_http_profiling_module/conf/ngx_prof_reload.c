
#include <ngx_config.h>
#include <ngx_core.h>
#include <netdb.h>
#include "ngx_prof_reload.h"
#include "ngx_prof_base.h"
#include "ngx_prof_interpose.h"
#include "ngx_prof_proc.h"
#include "ngx_prof_record.h"
#include "ngx_prof_shared.h"


static int ngx_prof_reload_getaddrinfo(const char *node, const char *service,
    const struct addrinfo *hints, struct addrinfo **res);
static void *ngx_prof_reload_pem_certificate(void *bio, void *to, void *cb,
    void *data);
static void *ngx_prof_reload_pem_key(void *bio, void *to, void *cb,
    void *data);
static int ngx_prof_reload_use_certificate(void *ctx, void *certificate);
static int ngx_prof_reload_use_key(void *ctx, void *key);
static void ngx_prof_reload_name(const char *name, uint64_t took, int failed);
static uint64_t ngx_prof_reload_memory(void);


static int (*ngx_prof_getaddrinfo)(const char *, const char *,
    const struct addrinfo *, struct addrinfo **);
static void *(*ngx_prof_pem_certificate)(void *, void *, void *, void *);
static void *(*ngx_prof_pem_key)(void *, void *, void *, void *);
static int (*ngx_prof_use_certificate)(void *, void *);
static int (*ngx_prof_use_key)(void *, void *);


static ngx_prof_hook_t  ngx_prof_reload_hooks[] = {

    { "getaddrinfo", (void *) ngx_prof_reload_getaddrinfo,
      (void **) &ngx_prof_getaddrinfo, NGX_PROF_HOOK_MAIN },

    { "PEM_read_bio_X509_AUX", (void *) ngx_prof_reload_pem_certificate,
      (void **) &ngx_prof_pem_certificate, NGX_PROF_HOOK_MAIN },

    { "PEM_read_bio_PrivateKey", (void *) ngx_prof_reload_pem_key,
      (void **) &ngx_prof_pem_key, NGX_PROF_HOOK_MAIN },

    { "SSL_CTX_use_certificate", (void *) ngx_prof_reload_use_certificate,
      (void **) &ngx_prof_use_certificate, NGX_PROF_HOOK_MAIN },

    { "SSL_CTX_use_PrivateKey", (void *) ngx_prof_reload_use_key,
      (void **) &ngx_prof_use_key, NGX_PROF_HOOK_MAIN }
};

ngx_prof_hooks_expected(ngx_prof_reload_hooks)

#define NGX_PROF_RELOAD_HOOKS                                                 \
    (sizeof(ngx_prof_reload_hooks) / sizeof(ngx_prof_hook_t))


/* of the configuration that is being read, and of those in force */

static ngx_prof_reload_t   ngx_prof_reload_now;
static ngx_prof_reload_t  *ngx_prof_reload_kept;


void
ngx_prof_reload_begin(void)
{
    ngx_memzero(&ngx_prof_reload_now, sizeof(ngx_prof_reload_t));

    ngx_prof_reload_now.begun = ngx_prof_clock();
    ngx_prof_reload_now.memory_before = ngx_prof_reload_memory();
}


void
ngx_prof_reload_read(void)
{
    ngx_prof_reload_now.read = ngx_prof_clock();
}


void
ngx_prof_reload_ready(ngx_cycle_t *cycle, uint64_t generation)
{
    ngx_prof_reload_t  *to;

    if (ngx_prof_reload_kept == NULL) {
        ngx_prof_reload_kept = ngx_prof_shared(NGX_PROF_RELOADS
                                               * sizeof(ngx_prof_reload_t));

        if (ngx_prof_reload_kept == NULL) {
            ngx_log_error(NGX_LOG_WARN, cycle->log, ngx_errno,
                          "mmap() failed, reloads are not recorded");
            return;
        }

        if (ngx_prof_interpose(ngx_prof_reload_hooks, NGX_PROF_RELOAD_HOOKS,
                               cycle->log)
            == NGX_ERROR)
        {
            ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                          "names that a reload waits for are not known");
        }
    }

    ngx_prof_reload_now.ready = ngx_prof_clock();
    ngx_prof_reload_now.memory_after = ngx_prof_reload_memory();

    to = &ngx_prof_reload_kept[generation % NGX_PROF_RELOADS];

    ngx_prof_store_release(&to->generation, 0);
    *to = ngx_prof_reload_now;
    ngx_prof_store_release(&to->generation, generation);

    ngx_memzero(&ngx_prof_reload_now, sizeof(ngx_prof_reload_t));
}


void
ngx_prof_reload_init_process(uint64_t generation, ngx_log_t *log)
{
    uint64_t            none;
    ngx_prof_reload_t  *record;

    /* a function has one hook, and a worker has its own for some of these */

    ngx_prof_interpose_restore(ngx_prof_reload_hooks, NGX_PROF_RELOAD_HOOKS,
                               log);

    record = ngx_prof_reload_of(generation);

    if (record) {
        none = 0;
        (void) __atomic_compare_exchange_n(&record->forked, &none,
                                           ngx_prof_clock(), 0,
                                           __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    }
}


ngx_prof_reload_t *
ngx_prof_reload_of(uint64_t generation)
{
    ngx_prof_reload_t  *record;

    if (ngx_prof_reload_kept == NULL || generation == 0) {
        return NULL;
    }

    record = &ngx_prof_reload_kept[generation % NGX_PROF_RELOADS];

    return (ngx_prof_load_acquire(&record->generation) == generation)
           ? record : NULL;
}


static int
ngx_prof_reload_getaddrinfo(const char *node, const char *service,
    const struct addrinfo *hints, struct addrinfo **res)
{
    int       rc, err;
    uint64_t  start;

    start = ngx_prof_clock();
    rc = ngx_prof_getaddrinfo(node, service, hints, res);
    err = ngx_errno;

    if (node) {
        ngx_prof_reload_name(node, ngx_prof_clock() - start, rc != 0);
    }

    ngx_set_errno(err);

    return rc;
}


/* the name takes the place of the one that was fastest */

static void
ngx_prof_reload_name(const char *name, uint64_t took, int failed)
{
    ngx_uint_t               i;
    ngx_prof_reload_t       *now;
    ngx_prof_reload_name_t  *to;

    now = &ngx_prof_reload_now;
    now->resolving += took;

    to = &now->name[0];

    for (i = 0; i < NGX_PROF_RELOAD_NAMES; i++) {

        if (i == now->names) {
            to = &now->name[i];
            break;
        }

        if (now->name[i].took < to->took) {
            to = &now->name[i];
        }
    }

    now->names++;

    if (i == NGX_PROF_RELOAD_NAMES && to->took >= took) {
        return;
    }

    to->took = took;
    to->failed = (failed != 0);
    (void) ngx_cpystrn(to->name, (u_char *) name, NGX_PROF_RELOAD_NAME);
}


#define ngx_prof_reload_timed(type, call)                                     \
                                                                              \
    type      result;                                                         \
    uint64_t  start;                                                          \
                                                                              \
    start = ngx_prof_clock();                                                 \
    result = call;                                                            \
    ngx_prof_reload_now.certificates += ngx_prof_clock() - start;             \
                                                                              \
    return result


static void *
ngx_prof_reload_pem_certificate(void *bio, void *to, void *cb, void *data)
{
    ngx_prof_reload_timed(void *, ngx_prof_pem_certificate(bio, to, cb, data));
}


static void *
ngx_prof_reload_pem_key(void *bio, void *to, void *cb, void *data)
{
    ngx_prof_reload_timed(void *, ngx_prof_pem_key(bio, to, cb, data));
}


static int
ngx_prof_reload_use_certificate(void *ctx, void *certificate)
{
    ngx_prof_reload_timed(int, ngx_prof_use_certificate(ctx, certificate));
}


static int
ngx_prof_reload_use_key(void *ctx, void *key)
{
    ngx_prof_reload_timed(int, ngx_prof_use_key(ctx, key));
}


/* 0: it is not known */

static uint64_t
ngx_prof_reload_memory(void)
{
    uint64_t  bytes;

    return (ngx_prof_proc_held(ngx_pid, &bytes) == NGX_OK) ? bytes : 0;
}
