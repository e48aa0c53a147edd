
/*
 * A client that makes TLS handshakes, and a library that an nginx is run with,
 * which times each of its handshakes by the CPU clock of the thread.
 *
 *     handshakes PORT NUMBER PROTOCOL RESUMED
 *
 * RESUMED 1: all but the first are of one session.  The library keeps its sums
 * in the file HANDSHAKES: handshakes, and ns in all.
 */

#define _GNU_SOURCE
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>


#ifdef LIBRARY

typedef struct {
    uint64_t  n;
    uint64_t  ns;
} sums_t;


static sums_t *
sums(void)
{
    int            fd;
    static sums_t  *s;

    if (s == NULL) {
        fd = open(getenv("HANDSHAKES"), O_RDWR);
        s = mmap(NULL, sizeof(sums_t), PROT_READ|PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd);
    }

    return s;
}


int
SSL_do_handshake(SSL *ssl)
{
    int              rc;
    sums_t          *s;
    struct timespec  a, b;

    static int (*real)(SSL *);

    if (real == NULL) {
        real = (int (*)(SSL *)) dlsym(RTLD_NEXT, "SSL_do_handshake");
    }

    s = sums();

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
    rc = real(ssl);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);

    s->ns += (b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec - a.tv_nsec;
    s->n += (rc == 1);

    return rc;
}

#else

static SSL_SESSION  *session;


static void
fail(const char *what)
{
    perror(what);
    ERR_print_errors_fp(stderr);
    exit(1);
}


static int
kept(SSL *ssl, SSL_SESSION *one)
{
    if (session) {
        return 0;
    }

    session = one;

    return 1;
}


/* a session of TLS 1.3 comes behind the handshake: the response brings it */

static void
handshake(SSL_CTX *ctx, const struct sockaddr_in *to, int resumed)
{
    int   fd;
    char  byte;
    SSL  *ssl;

    fd = socket(AF_INET, SOCK_STREAM, 0);

    if (connect(fd, (const struct sockaddr *) to, sizeof(*to)) == -1) {
        fail("connect()");
    }

    ssl = SSL_new(ctx);
    SSL_set_fd(ssl, fd);

    resumed = resumed && session;

    if (resumed) {
        SSL_set_session(ssl, session);
    }

    if (SSL_connect(ssl) != 1 || SSL_session_reused(ssl) != resumed) {
        fail("SSL_connect()");
    }

    SSL_write(ssl, "GET / HTTP/1.0\r\nHost: main\r\n\r\n", 30);
    (void) SSL_read(ssl, &byte, 1);

    /* a session that was cut off is not resumed */

    SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN|SSL_RECEIVED_SHUTDOWN);
    SSL_free(ssl);
    close(fd);
}


int
main(int argc, char **argv)
{
    int                 n, version;
    SSL_CTX            *ctx;
    struct sockaddr_in  to = { .sin_family = AF_INET };

    if (argc != 5) {
        return 2;
    }

    signal(SIGPIPE, SIG_IGN);

    to.sin_port = htons(atoi(argv[1]));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    version = strcmp(argv[3], "1.2") == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;

    ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(ctx, version);
    SSL_CTX_set_max_proto_version(ctx, version);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(ctx, kept);

    for (n = atoi(argv[2]); n; n--) {
        handshake(ctx, &to, atoi(argv[4]));
    }

    return 0;
}

#endif
