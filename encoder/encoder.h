
/*
 * What all files of the encoder share: options, errors, memory.
 *
 * The encoder is a program of its own with one thread that reads one capture,
 * writes one answer and ends.  Nothing here runs inside nginx.
 */


#ifndef _PROFILING_ENCODER_H_INCLUDED_
#define _PROFILING_ENCODER_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>


#define PROFILING_ENCODER_VERSION  "0.1.0"


/* exit codes: documented in --help */

#define PROFILING_OK        0
#define PROFILING_USAGE     2
#define PROFILING_CAPTURE   3    /* the capture is not valid */
#define PROFILING_MEMORY    4    /* memory or size limit */
#define PROFILING_TIME      5    /* time limit */
#define PROFILING_OUTPUT    6    /* the answer could not be written */
#define PROFILING_SYSTEM    7    /* a system call failed */


/* how far names are looked for; each level is safer than the one before */

#define PROFILING_NAMES_LINES    0    /* symbols, lines, inlined calls */
#define PROFILING_NAMES_SYMBOLS  1    /* symbols */
#define PROFILING_NAMES_NONE     2    /* file+offset, no file is opened */


#define PROFILING_MAX_DEBUG_DIRS  8


typedef struct {
    uint64_t     max_input;          /* bytes */
    uint64_t     max_memory;         /* bytes of address space */
    uint64_t     max_file;           /* bytes of an ELF file */
    unsigned     time;               /* seconds */
    unsigned     level;              /* PROFILING_NAMES_... */
    unsigned     dump;
    unsigned     single;             /* no child, no second attempt */
    unsigned     quiet;              /* errors are not printed */
    unsigned     confirm;            /* a whole answer is told as such */
    const char  *debug_dirs[PROFILING_MAX_DEBUG_DIRS + 1];
    const char  *debuginfod_cache;   /* NULL: from the environment */
    const char  *note;               /* comment to add to the profile */
    int64_t      lines_deadline;     /* CLOCK_MONOTONIC ns, 0: none */
} profiling_options_t;


typedef struct {
    const char  *data;               /* always followed by a zero byte */
    uint32_t     len;
} profiling_str_t;


typedef struct {
    uint8_t     *data;
    size_t       len;
    size_t       size;
} profiling_buf_t;


extern profiling_options_t  profiling_options;


/*
 * Ends the program with a code and one line on standard error; a test that
 * has set profiling_catch gets a longjmp() instead.
 */
void profiling_fail(int code, const char *fmt, ...)
    __attribute__ ((noreturn, format(printf, 2, 3)));
int profiling_try(void (*run)(void *data), void *data);


/*
 * Memory that is never freed one by one: the program ends soon.  The blocks
 * are zeroed; too much is profiling_fail(PROFILING_MEMORY).
 */
void *profiling_alloc(size_t size);
void *profiling_calloc(size_t n, size_t size);
void profiling_release(void);

/* a larger copy of an array that is full; "n" is set to the new room */
void *profiling_grow(void *old, size_t used, size_t size, size_t *n);

char *profiling_strdup(const char *s, size_t len);
char *profiling_printf(const char *fmt, ...)
    __attribute__ ((format(printf, 1, 2)));

void profiling_buf_put(profiling_buf_t *b, const void *data, size_t len);
void profiling_buf_free(profiling_buf_t *b);
void profiling_buf_printf(profiling_buf_t *b, const char *fmt, ...)
    __attribute__ ((format(printf, 2, 3)));

/* FNV-1a, to be continued with the value of the call before */

#define PROFILING_HASH  0xcbf29ce484222325ULL

uint64_t profiling_hash(uint64_t hash, const void *data, size_t len);

/* nanoseconds of CLOCK_MONOTONIC */
int64_t profiling_now(void);


#endif /* _PROFILING_ENCODER_H_INCLUDED_ */
