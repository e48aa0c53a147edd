
/*
 * A strict reader of JSON, RFC 8259, which knows nothing of the writer that
 * is tested, and what any bytes should become in a string.
 */


#ifndef _SHM_JSON_H_INCLUDED_
#define _SHM_JSON_H_INCLUDED_


#include <stddef.h>


/* the length of the text if it is one value and nothing else, 0 if not */
size_t json_read(const char *text, size_t len);

/*
 * Decodes a text that is one string into out: its length, or (size_t) -1 if
 * it is not one or does not fit.
 */
size_t json_read_string(const char *text, size_t len, unsigned char *out,
    size_t max);

/*
 * Bytes as UTF-8, each that is part of no character replaced by U+FFFD, of
 * three bytes.  The length of out.
 */
size_t json_repair(const unsigned char *data, size_t len,
    unsigned char *out);


#endif /* _SHM_JSON_H_INCLUDED_ */
