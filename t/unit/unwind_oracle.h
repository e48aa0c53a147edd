
/*
 * The rules of a table of ours against those of libdw, at every row of an
 * ELF object.
 */


#ifndef _UNWIND_ORACLE_H_INCLUDED_
#define _UNWIND_ORACLE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_prof_cfi_parse.h"


typedef struct {
    unsigned    compared;        /* places */
    unsigned    wrong;
    unsigned    rows;
    unsigned    rules;
    size_t      bytes;           /* of the table */
    double      ms;              /* to build it */
    ngx_prof_cfi_stats_t  stats;
} unwind_oracle_t;


/*
 * Compares all rows of the object in memory (an ELF file's image).  Returns 0,
 * or -1 if it is no ELF object with CFI; prints the first places that differ.
 */
int unwind_oracle(const char *name, char *image, size_t size,
    unwind_oracle_t *result);

/* the same for a file */
int unwind_oracle_file(const char *name, unwind_oracle_t *result);

/* a whole file in malloc()ed memory, or NULL */
char *unwind_oracle_read(const char *name, size_t *size);


#endif /* _UNWIND_ORACLE_H_INCLUDED_ */
