
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "encoder.h"


profiling_options_t  profiling_options = {
    .max_input = 256 * PROFILING_MIB,
    .max_memory = 1024 * PROFILING_MIB,
    .max_file = 1024 * PROFILING_MIB,
    .time = 8,
    .level = PROFILING_NAMES_LINES
};


static jmp_buf  *profiling_catch;


void
profiling_fail(int code, const char *fmt, ...)
{
    int      n;
    char     line[1024];
    va_list  args;

    if (profiling_catch != NULL) {
        longjmp(*profiling_catch, code);
    }

    if (profiling_options.quiet) {
        _exit(code);
    }

    n = snprintf(line, sizeof(line), "ngx_http_profiling_encoder: ");

    va_start(args, fmt);
    n += vsnprintf(line + n, sizeof(line) - n - 1, fmt, args);
    va_end(args);

    if (n > (int) sizeof(line) - 2) {
        n = sizeof(line) - 2;
    }

    line[n++] = '\n';

    if (write(STDERR_FILENO, line, n) != n) {
        /* nothing more can be done: the exit code reports the error */
    }

    _exit(code);
}


int
profiling_try(void (*run)(void *data), void *data)
{
    int      code;
    jmp_buf  env;

    profiling_catch = &env;

    code = setjmp(env);

    if (code == 0) {
        run(data);
    }

    profiling_catch = NULL;

    return code;
}


unsigned
profiling_control(const char *s, size_t *len)
{
    const uint8_t  *p;

    p = (const uint8_t *) s;
    *len = 1;

    if (*p < 0x20 || *p == 0x7f) {
        return *p;
    }

    if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0) {
        *len = 2;
        return p[1];
    }

    return 0;
}
