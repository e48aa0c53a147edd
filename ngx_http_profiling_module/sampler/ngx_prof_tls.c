
#include <ngx_config.h>
#include <ngx_core.h>
#include <dlfcn.h>
#include <sys/mman.h>
#include "ngx_prof_tls.h"
#include "ngx_prof_barred.h"
#include "ngx_prof_base.h"
#include "ngx_prof_cell.h"
#include "ngx_prof_context.h"
#include "ngx_prof_counter.h"
#include "ngx_prof_histogram.h"
#include "ngx_prof_interpose.h"
#include "ngx_prof_row.h"
#include "ngx_prof_thread.h"
#include "ngx_prof_worker.h"


/*
 * OpenSSL is found when the worker starts: this object goes with an nginx that
 * has none, too.  Numbers are those of its headers, the same in all versions.
 */

#define NGX_PROF_SSL_ERROR_SSL      1
#define NGX_PROF_SSL_ERROR_SYSCALL  5
#define NGX_PROF_SSL_ERROR_ZERO     6

/* of a ClientHello: the name of the server */
#define NGX_PROF_EXTENSION_NAME     0

#define NGX_PROF_KEY_RSA            6
#define NGX_PROF_KEY_EC             408
#define NGX_PROF_KEY_ED25519        1087

/* entries that are looked through for one */
#define NGX_PROF_TLS_WAYS  8


/* handshakes that have ended, by numbers of connections; a power of two */
#define NGX_PROF_TLS_ENDED  1024

/* a handshake in progress */

typedef struct {
    void      *ssl;             /* NULL: none */
    uint64_t   start;           /* ns, CLOCK_MONOTONIC */
    uint64_t   cpu;             /* ns */
} ngx_prof_tls_t;


typedef struct {
    ngx_atomic_uint_t  number;  /* of the connection */
    uint64_t           clock;   /* ns, as above */
} ngx_prof_tls_end_t;


static int ngx_prof_tls_handshake(void *ssl);
static void ngx_prof_tls_free(void *ssl);
static const char *ngx_prof_tls_name(const void *ssl, int type);
static int ngx_prof_tls_extension(void *ssl, unsigned type,
    const u_char **data, size_t *size);
static void ngx_prof_tls_asked(const void *ssl);
static ngx_prof_tls_t *ngx_prof_tls_find(void *ssl, ngx_uint_t add);
static void ngx_prof_tls_done(ngx_prof_tls_t *entry, const char *result);
static const char *ngx_prof_tls_error(void);
static u_char *ngx_prof_tls_key(u_char *p, u_char *last, void *ssl);
static void ngx_prof_tls_count(ngx_uint_t number, const ngx_str_t *name,
    uint64_t wall, uint64_t cpu);


static int (*ngx_prof_ssl_handshake)(void *ssl);
static void (*ngx_prof_ssl_free)(void *ssl);
static const char *(*ngx_prof_ssl_name)(const void *ssl, int type);
static int (*ngx_prof_ssl_extension)(void *ssl, unsigned type,
    const u_char **data, size_t *size);
static void *(*ngx_prof_ssl_data)(const void *ssl, int index);
static const int *ngx_prof_ssl_connection;
static int (*ngx_prof_ssl_error)(const void *ssl, int rc);
static const char *(*ngx_prof_ssl_version)(const void *ssl);
static int (*ngx_prof_ssl_reused)(const void *ssl);
static int (*ngx_prof_ssl_server)(const void *ssl);
static int (*ngx_prof_ssl_finished)(const void *ssl);
static void *(*ngx_prof_ssl_certificate)(const void *ssl);
static void *(*ngx_prof_ssl_public_key)(const void *certificate);
static int (*ngx_prof_ssl_key_id)(const void *key);
static int (*ngx_prof_ssl_key_bits)(const void *key);
static unsigned long (*ngx_prof_ssl_peek)(void);
static const char *(*ngx_prof_ssl_reason)(unsigned long error);


static ngx_prof_tls_end_t  ngx_prof_tls_ends[NGX_PROF_TLS_ENDED];


static ngx_prof_hook_t  ngx_prof_tls_hooks[] = {

    { "SSL_do_handshake", (void *) ngx_prof_tls_handshake,
      (void **) &ngx_prof_ssl_handshake,
      NGX_PROF_HOOK_MAIN },

    { "SSL_free", (void *) ngx_prof_tls_free,
      (void **) &ngx_prof_ssl_free,
      NGX_PROF_HOOK_MAIN },

    { "SSL_get_servername", (void *) ngx_prof_tls_name,
      (void **) &ngx_prof_ssl_name,
      NGX_PROF_HOOK_MAIN },

    { "SSL_client_hello_get0_ext", (void *) ngx_prof_tls_extension,
      (void **) &ngx_prof_ssl_extension,
      NGX_PROF_HOOK_MAIN }
};

ngx_prof_hooks_expected(ngx_prof_tls_hooks)

#define NGX_PROF_TLS_HOOKS                                                    \
    (sizeof(ngx_prof_tls_hooks) / sizeof(ngx_prof_hook_t))


/* what else is called; the second name is that of earlier versions */

static const struct {
    void        *to;
    const char  *name;
    const char  *before;
} ngx_prof_tls_functions[] = {
    { &ngx_prof_ssl_error, "SSL_get_error", NULL },
    { &ngx_prof_ssl_version, "SSL_get_version", NULL },
    { &ngx_prof_ssl_reused, "SSL_session_reused", NULL },
    { &ngx_prof_ssl_server, "SSL_is_server", NULL },
    { &ngx_prof_ssl_finished, "SSL_is_init_finished", NULL },
    { &ngx_prof_ssl_certificate, "SSL_get_certificate", NULL },
    { &ngx_prof_ssl_public_key, "X509_get0_pubkey", NULL },
    { &ngx_prof_ssl_key_id, "EVP_PKEY_get_base_id", "EVP_PKEY_base_id" },
    { &ngx_prof_ssl_key_bits, "EVP_PKEY_get_bits", "EVP_PKEY_bits" },
    { &ngx_prof_ssl_data, "SSL_get_ex_data", NULL },
    { &ngx_prof_ssl_connection, "ngx_ssl_connection_index", NULL },
    { &ngx_prof_ssl_peek, "ERR_peek_last_error", NULL },
    { &ngx_prof_ssl_reason, "ERR_reason_error_string", NULL },
};


static ngx_prof_tls_t       *ngx_prof_tls_table;
static ngx_uint_t            ngx_prof_tls_n;
static ngx_prof_counting_t  *ngx_prof_tls_counters[NGX_PROF_TLS_ROWS];


void
ngx_prof_tls_init(ngx_cycle_t *cycle)
{
    void        *function, **to;
    ngx_uint_t   i;

    ngx_prof_process.unavailable |= NGX_PROF_NO_TLS;

    for (i = 0;
         i < sizeof(ngx_prof_tls_functions) / sizeof(ngx_prof_tls_functions[0]);
         i++)
    {
        function = dlsym(RTLD_DEFAULT, ngx_prof_tls_functions[i].name);

        if (function == NULL && ngx_prof_tls_functions[i].before) {
            function = dlsym(RTLD_DEFAULT, ngx_prof_tls_functions[i].before);
        }

        if (function == NULL) {
            return;
        }

        to = ngx_prof_tls_functions[i].to;
        *to = function;
    }

    for (ngx_prof_tls_n = 64;
         ngx_prof_tls_n < 2 * cycle->connection_n;
         ngx_prof_tls_n *= 2)
    {
        /* void */
    }

    ngx_prof_tls_table = mmap(NULL, ngx_prof_tls_n * sizeof(ngx_prof_tls_t),
                              PROT_READ|PROT_WRITE,
                              MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE, -1, 0);

    if (ngx_prof_tls_table == MAP_FAILED) {
        ngx_log_error(NGX_LOG_WARN, cycle->log, ngx_errno,
                      "mmap() failed, TLS handshakes are not counted");
        ngx_prof_tls_table = NULL;
        return;
    }

    if (ngx_prof_interpose(ngx_prof_tls_hooks, NGX_PROF_TLS_HOOKS, cycle->log)
        == NGX_OK)
    {
        ngx_prof_process.unavailable &= ~(uint64_t) NGX_PROF_NO_TLS;
    }
}


/* nginx reads errno and the queue of errors of OpenSSL: both stay */

static int
ngx_prof_tls_handshake(void *ssl)
{
    int              rc, error, err;
    uint64_t         cpu;
    ngx_prof_tls_t  *entry;

    if (ngx_prof_process.slot == NULL
        || ngx_prof_ssl_finished(ssl)
        || (entry = ngx_prof_tls_find(ssl, 1)) == NULL)
    {
        return ngx_prof_ssl_handshake(ssl);
    }

    cpu = ngx_prof_thread_cpu();

    rc = ngx_prof_ssl_handshake(ssl);

    err = ngx_errno;

    entry->cpu += ngx_prof_thread_cpu() - cpu;

    if (rc == 1) {
        ngx_prof_tls_done(entry, "ok");

    } else {
        error = ngx_prof_ssl_error(ssl, rc);

        switch (error) {

        case NGX_PROF_SSL_ERROR_SSL:
            ngx_prof_tls_done(entry, ngx_prof_tls_error());
            break;

        case NGX_PROF_SSL_ERROR_SYSCALL:
        case NGX_PROF_SSL_ERROR_ZERO:
            ngx_prof_tls_done(entry, "connection closed");
            break;

        default:
            break;
        }
    }

    ngx_set_errno(err);

    return rc;
}


/* what has no end yet has none: it took too long, or nginx has no use of it */

static void
ngx_prof_tls_free(void *ssl)
{
    ngx_prof_tls_t  *entry;

    if (ngx_prof_process.slot && ssl) {
        entry = ngx_prof_tls_find(ssl, 0);

        if (entry) {
            ngx_prof_tls_done(entry, "abandoned");
        }
    }

    ngx_prof_ssl_free(ssl);
}


/* nginx asks for the name, or for its extension, to choose the server */

static const char *
ngx_prof_tls_name(const void *ssl, int type)
{
    ngx_prof_tls_asked(ssl);

    return ngx_prof_ssl_name(ssl, type);
}


static int
ngx_prof_tls_extension(void *ssl, unsigned type, const u_char **data,
    size_t *size)
{
    if (type == NGX_PROF_EXTENSION_NAME) {
        ngx_prof_tls_asked(ssl);
    }

    return ngx_prof_ssl_extension(ssl, type, data, size);
}


static void
ngx_prof_tls_asked(const void *ssl)
{
    ngx_connection_t  *c;

    if (ngx_prof_process.slot == NULL
        || !ngx_prof_ssl_server(ssl)
        || ngx_prof_ssl_finished(ssl))
    {
        return;
    }

    c = ngx_prof_ssl_data(ssl, *ngx_prof_ssl_connection);

    if (c) {
        ngx_prof_context_answered(c);
    }
}


static ngx_prof_tls_t *
ngx_prof_tls_find(void *ssl, ngx_uint_t add)
{
    ngx_uint_t       i;
    ngx_prof_tls_t  *entry, *free;

    entry = &ngx_prof_tls_table[((uintptr_t) ssl >> 4) * 0x9e3779b97f4a7c15ULL
                                >> 32
                                & (ngx_prof_tls_n - NGX_PROF_TLS_WAYS)];
    free = NULL;

    for (i = 0; i < NGX_PROF_TLS_WAYS; i++) {

        if (entry[i].ssl == ssl) {
            return &entry[i];
        }

        if (entry[i].ssl == NULL) {
            free = &entry[i];
        }
    }

    if (!add) {
        return NULL;
    }

    if (free == NULL) {
        (void) __atomic_fetch_add(&ngx_prof_process.zone->header->rows_lost, 1,
                                  __ATOMIC_RELAXED);
        return NULL;
    }

    free->ssl = ssl;
    free->start = ngx_prof_clock();
    free->cpu = 0;

    return free;
}


static void
ngx_prof_tls_done(ngx_prof_tls_t *entry, const char *result)
{
    void                *ssl;
    u_char              *p, *last, text[NGX_PROF_ROW_NAME];
    uint64_t             now;
    ngx_str_t            name;
    ngx_uint_t           number;
    ngx_connection_t    *c;
    ngx_prof_tls_end_t  *end;

    ssl = entry->ssl;
    now = ngx_prof_clock();
    c = ngx_prof_ssl_data(ssl, *ngx_prof_ssl_connection);

    if (c) {
        end = &ngx_prof_tls_ends[c->number % NGX_PROF_TLS_ENDED];

        end->number = c->number;
        end->clock = now;
    }

    number = (ngx_prof_ssl_server(ssl) ? 0 : NGX_PROF_TLS_UPSTREAM)
             | (ngx_prof_ssl_reused(ssl) ? NGX_PROF_TLS_RESUMED : 0);

    last = text + sizeof(text);
    p = ngx_slprintf(text, last, "%s|", ngx_prof_ssl_version(ssl));
    p = ngx_prof_tls_key(p, last, ssl);
    p = ngx_slprintf(p, last, "|%s", result);

    name.data = text;
    name.len = p - text;

    ngx_prof_tls_count(number, &name, now - entry->start, entry->cpu);
    entry->ssl = NULL;
}


uint64_t
ngx_prof_tls_secured(const ngx_connection_t *c)
{
    const ngx_prof_tls_end_t  *end;

    end = &ngx_prof_tls_ends[c->number % NGX_PROF_TLS_ENDED];

    return (end->number == c->number) ? end->clock : 0;
}


/* reasons are many: those of OpenSSL's own words */

static const char *
ngx_prof_tls_error(void)
{
    const char  *reason;

    reason = ngx_prof_ssl_reason(ngx_prof_ssl_peek());

    return reason ? reason : "error";
}


static u_char *
ngx_prof_tls_key(u_char *p, u_char *last, void *ssl)
{
    int          bits;
    void        *certificate, *key;

    certificate = ngx_prof_ssl_certificate(ssl);
    key = certificate ? ngx_prof_ssl_public_key(certificate) : NULL;

    if (key == NULL) {
        return ngx_slprintf(p, last, "none");
    }

    bits = ngx_prof_ssl_key_bits(key);

    switch (ngx_prof_ssl_key_id(key)) {

    case NGX_PROF_KEY_RSA:
        return ngx_slprintf(p, last, "RSA %d", bits);

    case NGX_PROF_KEY_EC:
        return ngx_slprintf(p, last, "P-%d", bits);

    case NGX_PROF_KEY_ED25519:
        return ngx_slprintf(p, last, "Ed25519");

    default:
        return ngx_slprintf(p, last, "other %d", bits);
    }
}


static void
ngx_prof_tls_count(ngx_uint_t number, const ngx_str_t *name, uint64_t wall,
    uint64_t cpu)
{
    ngx_uint_t            row, i;
    ngx_prof_counting_t  *counter;

    if (ngx_prof_row_open(ngx_prof_process.zone, NGX_PROF_ROW_TLS,
                          ngx_prof_row_hash(name, number), number, name, &row)
        != NGX_OK)
    {
        goto lost;
    }

    i = row - ngx_prof_row_first(NGX_PROF_ROW_TLS);

    if (ngx_prof_tls_counters[i] == NULL) {
        ngx_prof_tls_counters[i] = ngx_prof_counter_row(row);
    }

    counter = ngx_prof_tls_counters[i];

    if (counter == NULL) {
        goto lost;
    }

    ngx_prof_add(&ngx_prof_tries(counter->cell->plain)->ended, 1);
    ngx_prof_counter_time(counter, NGX_PROF_LATENCY, wall);

    if (!ngx_prof_barred(NGX_PROF_BARRED_CLOCK)) {
        ngx_prof_counter_time(counter, NGX_PROF_UPSTREAM, cpu);
    }

    return;

lost:

    (void) __atomic_fetch_add(&ngx_prof_process.zone->header->rows_lost, 1,
                              __ATOMIC_RELAXED);
}
