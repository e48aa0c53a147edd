
/*
 * A table of functions of scripts, for frames that have no address: each entry
 * is a file, a line and a name.  Entries are added once and stay: an index
 * means the same function to all processes for as long as the zone lives.
 *
 * Added from signal handlers of any process, read by any process, all without
 * locks.  An entry is found by the hash of what it holds.  A process that is
 * killed while it fills an entry leaves one without texts.
 */


#ifndef _NGX_PROF_FUNCTIONS_H_INCLUDED_
#define _NGX_PROF_FUNCTIONS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_record.h"


/* frames have 20 bits for an index */
#define NGX_PROF_FUNCTIONS_MAX    4096

/* entries that are tried before the table counts as full */
#define NGX_PROF_FUNCTIONS_PROBES 32

#define NGX_PROF_FUNCTION_FILE    104
#define NGX_PROF_FUNCTION_NAME    64


typedef struct {
    uint64_t  hash;                             /* 0: free */
    uint32_t  line;                             /* of the definition, 0: none */
    uint8_t   file_len;
    uint8_t   name_len;
    uint16_t  ready;                            /* the rest is filled */
    u_char    file[NGX_PROF_FUNCTION_FILE];     /* "": it has none */
    u_char    name[NGX_PROF_FUNCTION_NAME];     /* "": it has none */
    u_char    unused[8];
} ngx_prof_function_t;


/*
 * The entry with this content, added if there is none; longer texts are cut at
 * their end.  NGX_DECLINED: the table is full.  Signal-safe.
 */
ngx_int_t ngx_prof_functions_add(ngx_prof_function_t *table, ngx_uint_t n,
    const ngx_str_t *file, const ngx_str_t *name, uint32_t line);

/* a copy of an entry; NGX_DECLINED: there is none, or it is not filled */
ngx_int_t ngx_prof_functions_get(const ngx_prof_function_t *table,
    ngx_uint_t n, ngx_uint_t i, ngx_prof_function_t *function);


#endif /* _NGX_PROF_FUNCTIONS_H_INCLUDED_ */
