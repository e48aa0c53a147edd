
/*
 * A writer of JSON, RFC 8259.  It places the commas.  Keys are C strings of
 * our own and are not escaped; values are.
 */


#ifndef _NGX_PROF_JSON_H_INCLUDED_
#define _NGX_PROF_JSON_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_text.h"


/*
 * Members that are written, and no others: "a.b" is the member b of a, with all
 * that is in it; elements of an array count as the array.
 */

#define NGX_PROF_FIELDS       16
#define NGX_PROF_FIELDS_PATH  256
#define NGX_PROF_FIELDS_DEPTH 16

typedef struct {
    ngx_uint_t       n;
    ngx_str_t        field[NGX_PROF_FIELDS];

    ngx_uint_t       skipped;               /* open containers that are not
                                               written */
    ngx_uint_t       depth;                 /* those that are */
    size_t           len[NGX_PROF_FIELDS_DEPTH];
                                            /* of the path at each depth */
    size_t           at;                    /* and now */
    u_char           path[NGX_PROF_FIELDS_PATH];
} ngx_prof_fields_t;


typedef struct {
    ngx_prof_text_t     text;
    ngx_uint_t          comma;              /* before the next value */
    ngx_uint_t          mute;               /* the string in parts is not
                                               written */
    ngx_prof_fields_t  *fields;             /* NULL: all */
} ngx_prof_json_t;


/* key may be NULL everywhere: for an element of an array, or the top level */

void ngx_prof_json_open(ngx_prof_json_t *j, const char *key, char bracket);
void ngx_prof_json_close(ngx_prof_json_t *j, char bracket);

void ngx_prof_json_uint(ngx_prof_json_t *j, const char *key, uint64_t n);
void ngx_prof_json_int(ngx_prof_json_t *j, const char *key, int64_t n);
void ngx_prof_json_bool(ngx_prof_json_t *j, const char *key, ngx_uint_t n);
void ngx_prof_json_null(ngx_prof_json_t *j, const char *key);

/* 6 digits after the point, without trailing zeros; null from MAX on */
#define NGX_PROF_JSON_MAX  9223372036854775808.0

void ngx_prof_json_double(ngx_prof_json_t *j, const char *key, double n);

void ngx_prof_json_string(ngx_prof_json_t *j, const char *key,
    const u_char *data, size_t len);

#define ngx_prof_json_cstring(j, key, s)                                      \
    ngx_prof_json_string(j, key, (const u_char *) (s),                        \
                         ngx_strlen(s))

/* a long string in parts; each part must end at the end of a character */
void ngx_prof_json_begin(ngx_prof_json_t *j, const char *key);
void ngx_prof_json_part(ngx_prof_json_t *j, const u_char *data, size_t len);
void ngx_prof_json_end(ngx_prof_json_t *j);

/* a time in ms since the epoch as RFC 3339 in UTC; 0: null */
void ngx_prof_json_time(ngx_prof_json_t *j, const char *key, uint64_t ms);


#endif /* _NGX_PROF_JSON_H_INCLUDED_ */
