
/*
 * Options and errors, which all files of the encoder share.
 *
 * The encoder is a separate program with one thread.  It reads one capture,
 * writes one answer and exits.  None of its code runs inside nginx.
 */


#ifndef _PROFILING_ENCODER_H_INCLUDED_
#define _PROFILING_ENCODER_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>


#define PROFILING_ENCODER_VERSION  "0.1.0"


/* exit codes, as --help lists them */

#define PROFILING_OK        0
#define PROFILING_USAGE     2
#define PROFILING_CAPTURE   3    /* the capture is not valid */
#define PROFILING_MEMORY    4    /* memory or size limit */
#define PROFILING_TIME      5    /* time limit */
#define PROFILING_OUTPUT    6    /* the answer could not be written */
#define PROFILING_SYSTEM    7    /* a system call failed */


/* how much is looked up for a name; each level is safer than the last */

#define PROFILING_NAMES_LINES    0    /* symbols, lines, inlined calls */
#define PROFILING_NAMES_SYMBOLS  1    /* symbols */
#define PROFILING_NAMES_NONE     2    /* file+offset, no file is opened */


#define PROFILING_MAX_DEBUG_DIRS  8

/* where --program and --kept say that a file is open */
#define PROFILING_PROGRAM  3
#define PROFILING_KEPT     4

#define PROFILING_MIB           ((uint64_t) 1024 * 1024)
#define PROFILING_NSEC_PER_SEC  1000000000
#define PROFILING_USEC_PER_SEC  1000000


typedef struct {
    uint64_t     max_input;          /* bytes */
    uint64_t     max_memory;         /* bytes of address space */
    uint64_t     max_file;           /* bytes of an ELF file */
    unsigned     time;               /* seconds */
    unsigned     level;              /* PROFILING_NAMES_... */
    unsigned     dump;
    unsigned     single;             /* no child, no second attempt */
    unsigned     quiet;              /* errors are not printed */
    unsigned     confirm;            /* say so when the answer is complete */
    unsigned     crowded;            /* others wait for their turn */
    const char  *debug_dirs[PROFILING_MAX_DEBUG_DIRS + 1];
    int          program;            /* descriptor of nginx's file, or 0 */
    unsigned     kept;               /* what was learned is kept */
    const char  *debuginfod_cache;   /* NULL: from the environment */
    const char  *note;               /* comment to add to the profile */
    int64_t      lines_deadline;     /* CLOCK_MONOTONIC ns, 0: none */
} profiling_options_t;


typedef struct {
    const char  *data;               /* a zero byte follows it */
    uint32_t     len;
} profiling_str_t;


extern profiling_options_t  profiling_options;


/*
 * Ends the program with a code and one line on standard error.  Inside of
 * profiling_try(), which only tests and fuzzers call, the code is what
 * profiling_try() returns.
 */
void profiling_fail(int code, const char *fmt, ...)
    __attribute__ ((noreturn, format(printf, 2, 3)));
int profiling_try(void (*run)(void *data), void *data);

/*
 * The code point of the control character, of C0 or C1, that UTF-8 begins
 * with, and its length; 0: there is none.
 */
unsigned profiling_control(const char *s, size_t *len);


#endif /* _PROFILING_ENCODER_H_INCLUDED_ */
