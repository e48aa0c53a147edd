
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ngx_prof_raw.h"

#include "encoder.h"
#include "options.h"


static void profiling_options_set(const char *arg);
static const char *profiling_options_value(const char *arg, const char *name);
static uint64_t profiling_options_number(const char *arg, const char *value,
    uint64_t min, uint64_t max);
static void profiling_options_debug_dir(const char *dir);
static void profiling_options_names(const char *value);
static void profiling_options_help(void) __attribute__ ((noreturn));


static unsigned  profiling_options_dirs;


static const char  profiling_options_usage[] =
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
    "  --program                   nginx's own file is open as descriptor 3\n"
    "  --kept                      what is learned of files is kept in the\n"
    "                              file that is open as descriptor 4\n"
    "  --single                    one process: no second attempt with fewer\n"
    "                              names when files are broken\n"
    "  --confirm                   write \"complete\" to standard error when\n"
    "                              the answer is whole\n"
    "  --crowded                   others wait: take little of the processor\n"
    "  --brief                     many wait: no lines and inlined calls, and\n"
    "                              the answer says so\n"
    "  --dump                      print the capture as text\n"
    "  --version                   print versions\n"
    "  --help                      print this\n"
    "\n"
    "Exit codes: 0 done, 2 wrong usage, 3 capture not valid, 4 memory or\n"
    "size limit, 5 time limit, 6 output not written, 7 system call failed.\n"
    "An error is one line on standard error, and no output.\n";


void
profiling_options_read(int argc, char **argv)
{
    int  i;

    for (i = 1; i < argc; i++) {
        profiling_options_set(argv[i]);
    }

    if (profiling_options_dirs == 0) {
        profiling_options_debug_dir("/usr/lib/debug");
    }
}


static void
profiling_options_set(const char *arg)
{
    const char  *value;

    if (strcmp(arg, "--help") == 0) {
        profiling_options_help();
    }

    if (strcmp(arg, "--version") == 0) {
        printf("ngx_http_profiling_encoder/%s, capture version %d\n",
               PROFILING_ENCODER_VERSION, NGX_PROF_RAW_VERSION);
        fflush(stdout);
        _exit(PROFILING_OK);
    }

    if (strcmp(arg, "--dump") == 0) {
        profiling_options.dump = 1;

    } else if (strcmp(arg, "--confirm") == 0) {
        profiling_options.confirm = 1;

    } else if (strcmp(arg, "--crowded") == 0) {
        profiling_options.crowded = 1;

    } else if (strcmp(arg, "--brief") == 0) {
        profiling_options.level = PROFILING_NAMES_SYMBOLS;
        profiling_options.note = "encoder: lines and inlined calls left out: "
                                 "others wait for profiles";

    } else if (strcmp(arg, "--single") == 0) {
        profiling_options.single = 1;

    } else if (strcmp(arg, "--program") == 0) {
        profiling_options.program = PROFILING_PROGRAM;

    } else if (strcmp(arg, "--kept") == 0) {
        profiling_options.kept = 1;

    } else if ((value = profiling_options_value(arg, "--names=")) != NULL) {
        profiling_options_names(value);

    } else if ((value = profiling_options_value(arg, "--debug-dir=")) != NULL) {
        profiling_options_debug_dir(value);

    } else if ((value = profiling_options_value(arg, "--debuginfod-cache="))
               != NULL)
    {
        profiling_options.debuginfod_cache = value;

    } else if ((value = profiling_options_value(arg, "--time=")) != NULL) {
        profiling_options.time = profiling_options_number(arg, value, 1, 3600);

    } else if ((value = profiling_options_value(arg, "--memory=")) != NULL) {
        profiling_options.max_memory = PROFILING_MIB
                             * profiling_options_number(arg, value, 0,
                                                        1 << 24);

    } else if ((value = profiling_options_value(arg, "--max-input=")) != NULL) {
        profiling_options.max_input = PROFILING_MIB
                             * profiling_options_number(arg, value, 1,
                                                        1 << 24);

    } else {
        profiling_fail(PROFILING_USAGE, "unknown option \"%s\", see --help",
                       arg);
    }
}


static const char *
profiling_options_value(const char *arg, const char *name)
{
    size_t  len;

    len = strlen(name);

    return (strncmp(arg, name, len) == 0) ? arg + len : NULL;
}


static uint64_t
profiling_options_number(const char *arg, const char *value, uint64_t min,
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
profiling_options_debug_dir(const char *dir)
{
    if (profiling_options_dirs == PROFILING_MAX_DEBUG_DIRS) {
        profiling_fail(PROFILING_USAGE, "more than %d debug directories",
                       PROFILING_MAX_DEBUG_DIRS);
    }

    if (dir[0] != '/') {
        profiling_fail(PROFILING_USAGE, "debug directory \"%s\" is no "
                       "absolute path", dir);
    }

    profiling_options.debug_dirs[profiling_options_dirs++] = dir;
}


static void
profiling_options_names(const char *value)
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
profiling_options_help(void)
{
    fputs(profiling_options_usage, stdout);
    fflush(stdout);
    _exit(PROFILING_OK);
}
