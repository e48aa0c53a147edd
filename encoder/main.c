
/*
 * ngx_http_profiling_encoder: a raw capture on standard input, the finished
 * profile on standard output.
 *
 * Started by a worker of nginx, as its user and for one answer.  It opens no
 * connection, writes no file, and limits itself in memory and time.
 */


#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libelf.h>

#include "dump.h"
#include "encode.h"
#include "raw.h"
#include "supervise.h"


/* a quarter of a processor that a worker wants too */
#define PROFILING_NICE  5


static void profiling_main_option(const char *arg);
static const char *profiling_main_value(const char *arg, const char *name);
static uint64_t profiling_main_number(const char *arg, const char *value,
    uint64_t min, uint64_t max);
static void profiling_main_debug_dir(const char *dir);
static void profiling_main_names(const char *value);
static void profiling_main_help(void) __attribute__ ((noreturn));
static void profiling_main_descriptors(void);
static void profiling_main_signals(void);
static void profiling_main_limits(void);
static void profiling_main_limit(int resource, uint64_t value);
static void profiling_main_alarm(int signo);
static void profiling_main_input(profiling_buf_t *in);


static unsigned  profiling_main_dirs;


static const char  profiling_main_usage[] =
    "Usage: ngx_http_profiling_encoder [options] < capture > profile\n"
    "\n"
    "Turns a raw capture of ngx_http_profiling_module into what it asks for:\n"
    "a gzipped profile of pprof, or one of Go's text forms.\n"
    "\n"
    "  --names=lines|symbols|none  how far names are looked for: lines and\n"
    "                              inlined calls (default), symbols only, or\n"
    "                              file and offset only\n"
    "  --debug-dir=DIR             where debug files are, instead of\n"
    "                              /usr/lib/debug; may be given several times\n"
    "  --debuginfod-cache=DIR      what debuginfod has fetched\n"
    "  --time=SECONDS              for all of it (default 8)\n"
    "  --memory=MIB                of address space, 0: no limit (1024)\n"
    "  --max-input=MIB             size of a capture (256)\n"
    "  --single                    one process: no second attempt with fewer\n"
    "                              names when files are broken\n"
    "  --confirm                   write \"complete\" to standard error when\n"
    "                              the answer is whole\n"
    "  --dump                      print the capture as text\n"
    "  --version                   print versions\n"
    "  --help                      print this\n"
    "\n"
    "Exit codes: 0 done, 2 wrong usage, 3 capture not valid, 4 memory or\n"
    "size limit, 5 time limit, 6 output not written, 7 system call failed.\n"
    "An error is one line on standard error, and no output.\n";


int
main(int argc, char **argv)
{
    int               i;
    profiling_raw_t  *raw;
    profiling_buf_t   in, out;

    profiling_main_descriptors();
    profiling_main_signals();

    for (i = 1; i < argc; i++) {
        profiling_main_option(argv[i]);
    }

    if (profiling_main_dirs == 0) {
        profiling_main_debug_dir("/usr/lib/debug");
    }

    profiling_main_limits();

    /* nothing is fetched over the network */
    unsetenv("DEBUGINFOD_URLS");

    if (elf_version(EV_CURRENT) == EV_NONE) {
        profiling_fail(PROFILING_SYSTEM, "elf_version() failed");
    }

    memset(&in, 0, sizeof(profiling_buf_t));
    memset(&out, 0, sizeof(profiling_buf_t));

    profiling_main_input(&in);

    raw = profiling_raw_read(in.data, in.len);

    if (profiling_options.dump) {
        profiling_raw_dump(raw, &out);

    } else if (profiling_options.single) {
        profiling_encode(raw, &out);

    } else {
        profiling_supervise(raw, &out);
    }

    if (profiling_write(STDOUT_FILENO, &out) == -1) {
        profiling_fail(PROFILING_OUTPUT, "write() failed: %s",
                       strerror(errno));
    }

    if (profiling_options.confirm) {
        fputs("complete\n", stderr);
    }

    _exit(PROFILING_OK);
}


static void
profiling_main_option(const char *arg)
{
    const char  *value;

    if (strcmp(arg, "--help") == 0) {
        profiling_main_help();
    }

    if (strcmp(arg, "--version") == 0) {
        printf("ngx_http_profiling_encoder/%s, capture version %d\n",
               PROFILING_ENCODER_VERSION, NGX_HTTP_PROFILING_RAW_VERSION);
        fflush(stdout);
        _exit(PROFILING_OK);
    }

    if (strcmp(arg, "--dump") == 0) {
        profiling_options.dump = 1;

    } else if (strcmp(arg, "--confirm") == 0) {
        profiling_options.confirm = 1;

    } else if (strcmp(arg, "--single") == 0) {
        profiling_options.single = 1;

    } else if ((value = profiling_main_value(arg, "--names=")) != NULL) {
        profiling_main_names(value);

    } else if ((value = profiling_main_value(arg, "--debug-dir=")) != NULL) {
        profiling_main_debug_dir(value);

    } else if ((value = profiling_main_value(arg, "--debuginfod-cache="))
               != NULL)
    {
        profiling_options.debuginfod_cache = value;

    } else if ((value = profiling_main_value(arg, "--time=")) != NULL) {
        profiling_options.time = profiling_main_number(arg, value, 1, 3600);

    } else if ((value = profiling_main_value(arg, "--memory=")) != NULL) {
        profiling_options.max_memory = PROFILING_MIB
                              * profiling_main_number(arg, value, 0, 1 << 24);

    } else if ((value = profiling_main_value(arg, "--max-input=")) != NULL) {
        profiling_options.max_input = PROFILING_MIB
                              * profiling_main_number(arg, value, 1, 1 << 24);

    } else {
        profiling_fail(PROFILING_USAGE, "unknown option \"%s\", see --help",
                       arg);
    }
}


static const char *
profiling_main_value(const char *arg, const char *name)
{
    size_t  len;

    len = strlen(name);

    return (strncmp(arg, name, len) == 0) ? arg + len : NULL;
}


static uint64_t
profiling_main_number(const char *arg, const char *value, uint64_t min,
    uint64_t max)
{
    char                *end;
    unsigned long long   n;

    errno = 0;
    n = strtoull(value, &end, 10);

    if (errno != 0 || value[0] < '0' || value[0] > '9' || *end != '\0'
        || n < min || n > max)
    {
        profiling_fail(PROFILING_USAGE, "invalid value in \"%s\": must be an "
                       "integer from %llu to %llu", arg,
                       (unsigned long long) min, (unsigned long long) max);
    }

    return n;
}


static void
profiling_main_debug_dir(const char *dir)
{
    if (profiling_main_dirs == PROFILING_MAX_DEBUG_DIRS) {
        profiling_fail(PROFILING_USAGE, "more than %d debug directories",
                       PROFILING_MAX_DEBUG_DIRS);
    }

    if (dir[0] != '/') {
        profiling_fail(PROFILING_USAGE, "debug directory \"%s\" is no "
                       "absolute path", dir);
    }

    profiling_options.debug_dirs[profiling_main_dirs++] = dir;
}


static void
profiling_main_names(const char *value)
{
    if (strcmp(value, "lines") == 0) {
        profiling_options.level = PROFILING_NAMES_LINES;

    } else if (strcmp(value, "symbols") == 0) {
        profiling_options.level = PROFILING_NAMES_SYMBOLS;

    } else if (strcmp(value, "none") == 0) {
        profiling_options.level = PROFILING_NAMES_NONE;

    } else {
        profiling_fail(PROFILING_USAGE, "names are \"lines\", \"symbols\" or "
                       "\"none\", not \"%s\"", value);
    }
}


static void
profiling_main_help(void)
{
    fputs(profiling_main_usage, stdout);
    fflush(stdout);
    _exit(PROFILING_OK);
}


/*
 * Standard descriptors that are closed would be given to files that are
 * opened; others that were left open are none of our business.
 */

static void
profiling_main_descriptors(void)
{
    int   fd;
    long  max;

    for (fd = 0; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) == -1 && open("/dev/null", O_RDWR) != fd) {
            _exit(PROFILING_SYSTEM);
        }
    }

#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
    if (close_range(STDERR_FILENO + 1, ~0U, 0) == 0) {
        return;
    }
#endif

    max = sysconf(_SC_OPEN_MAX);

    if (max < 0 || max > 65536) {
        max = 65536;
    }

    for (fd = STDERR_FILENO + 1; fd < max; fd++) {
        close(fd);
    }
}


/* a worker has handlers and blocks signals, and a child inherits that */

static void
profiling_main_signals(void)
{
    sigset_t          set;
    struct sigaction  sa;

    memset(&sa, 0, sizeof(struct sigaction));
    sigemptyset(&sa.sa_mask);

    sa.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &sa, NULL);

    sa.sa_handler = SIG_DFL;
    sigaction(SIGCHLD, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);

    sa.sa_handler = profiling_main_alarm;
    sigaction(SIGALRM, &sa, NULL);

    sigemptyset(&set);
    sigprocmask(SIG_SETMASK, &set, NULL);
}


/* workers come first, where all of them want the processors */

static void
profiling_main_limits(void)
{
    int  own;

    own = getpriority(PRIO_PROCESS, 0);

    (void) setpriority(PRIO_PROCESS, 0,
                       (own > 0 ? own : 0) + PROFILING_NICE);

    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);

    profiling_main_limit(RLIMIT_CORE, 0);
    profiling_main_limit(RLIMIT_NOFILE, 1024);
    profiling_main_limit(RLIMIT_CPU, (uint64_t) profiling_options.time + 2);

#ifndef PROFILING_SANITIZED

    /* a sanitizer reserves more addresses than any limit has */

    if (profiling_options.max_memory != 0) {
        profiling_main_limit(RLIMIT_AS, profiling_options.max_memory);
    }

#endif

    alarm(profiling_options.time);
}


/* an outer limit that is lower stands */

static void
profiling_main_limit(int resource, uint64_t value)
{
    struct rlimit  rl;

    if (getrlimit(resource, &rl) == -1) {
        return;
    }

    if (rl.rlim_max != RLIM_INFINITY && rl.rlim_max < value) {
        value = rl.rlim_max;
    }

    rl.rlim_cur = value;
    rl.rlim_max = value;

    if (setrlimit(resource, &rl) == -1) {
        profiling_fail(PROFILING_SYSTEM, "setrlimit() failed: %s",
                       strerror(errno));
    }
}


static void
profiling_main_alarm(int signo)
{
    static const char  text[] = "ngx_http_profiling_encoder: "
                                "time limit exceeded\n";

    (void) signo;

    if (write(STDERR_FILENO, text, sizeof(text) - 1) == -1) {
        /* the exit code has to do */
    }

    _exit(PROFILING_TIME);
}


static void
profiling_main_input(profiling_buf_t *in)
{
    ssize_t  n;
    char     buf[65536];

    for ( ;; ) {
        n = read(STDIN_FILENO, buf, sizeof(buf));

        if (n == 0) {
            return;
        }

        if (n == -1) {
            if (errno == EINTR) {
                continue;
            }

            profiling_fail(PROFILING_SYSTEM, "read() failed: %s",
                           strerror(errno));
        }

        if ((uint64_t) n > profiling_options.max_input - in->len) {
            profiling_fail(PROFILING_MEMORY, "capture is larger than %llu "
                           "bytes", (unsigned long long)
                           profiling_options.max_input);
        }

        profiling_buf_put(in, buf, n);
    }
}
