
#include "shm_json.h"

#include <stdint.h>
#include <string.h>


#define JSON_DEPTH  1000


typedef struct {
    const unsigned char  *p;
    const unsigned char  *last;
    unsigned char        *out;
    unsigned char        *end;
    unsigned              depth;
} json_t;


static int json_value(json_t *j);


/*
 * The length of the character at p by its definition: the number is put
 * together from its bits and then judged.  0: there is none.
 */

static size_t
json_character(const unsigned char *p, const unsigned char *last)
{
    size_t    n, i;
    uint32_t  code;

    static const uint32_t  least[] = { 0, 0, 0x80, 0x800, 0x10000 };

    if (*p < 0x80) {
        return 1;
    }

    n = (*p >> 5 == 6) ? 2 : (*p >> 4 == 14) ? 3 : (*p >> 3 == 30) ? 4 : 0;

    if (n == 0 || (size_t) (last - p) < n) {
        return 0;
    }

    code = *p & (0x7f >> n);

    for (i = 1; i < n; i++) {

        if (p[i] >> 6 != 2) {
            return 0;
        }

        code = code << 6 | (p[i] & 0x3f);
    }

    if (code < least[n] || code > 0x10ffff || code >> 11 == 0x1b) {
        return 0;
    }

    return n;
}


static void
json_put(json_t *j, const unsigned char *p, size_t n)
{
    if (j->out == NULL) {
        return;
    }

    while (n--) {

        if (j->out < j->end) {
            *j->out = *p++;
        }

        j->out++;
    }
}


static int
json_escape(json_t *j)
{
    char          ch;
    unsigned      i, code;
    const char   *hex, *at;
    unsigned char  byte;

    static const char  names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";

    if (j->p == j->last) {
        return 0;
    }

    ch = (char) *j->p++;

    if (ch != 'u') {
        at = ch ? strchr(names, ch) : NULL;

        if (at == NULL) {
            return 0;
        }

        byte = (unsigned char) values[at - names];
        json_put(j, &byte, 1);
        return 1;
    }

    hex = "0123456789abcdef";
    code = 0;

    for (i = 0; i < 4; i++) {
        at = (j->p < j->last && *j->p) ? strchr(hex, *j->p) : NULL;

        if (at == NULL) {
            return 0;
        }

        code = code * 16 + (unsigned) (at - hex);
        j->p++;
    }

    /* the writer has no reason to escape more */

    if (code > 0x9f) {
        return 0;
    }

    byte = 0xc2;

    if (code > 0x7f) {
        json_put(j, &byte, 1);
    }

    byte = (unsigned char) code;
    json_put(j, &byte, 1);

    return 1;
}


static int
json_string(json_t *j)
{
    size_t  n;

    if (j->p == j->last || *j->p++ != '"') {
        return 0;
    }

    while (j->p < j->last) {

        if (*j->p == '"') {
            j->p++;
            return 1;
        }

        if (*j->p == '\\') {
            j->p++;

            if (!json_escape(j)) {
                return 0;
            }

            continue;
        }

        n = json_character(j->p, j->last);

        if (n == 0 || *j->p < 0x20) {
            return 0;
        }

        json_put(j, j->p, n);
        j->p += n;
    }

    return 0;
}


static size_t
json_digits(json_t *j)
{
    size_t  n;

    for (n = 0; j->p < j->last && *j->p >= '0' && *j->p <= '9'; n++) {
        j->p++;
    }

    return n;
}


static int
json_number(json_t *j)
{
    const unsigned char  *first;

    if (*j->p == '-') {
        j->p++;
    }

    first = j->p;

    if (json_digits(j) == 0 || (*first == '0' && j->p - first > 1)) {
        return 0;
    }

    if (j->p < j->last && *j->p == '.') {
        j->p++;

        if (json_digits(j) == 0) {
            return 0;
        }
    }

    if (j->p < j->last && (*j->p == 'e' || *j->p == 'E')) {
        j->p++;

        if (j->p < j->last && (*j->p == '-' || *j->p == '+')) {
            j->p++;
        }

        return json_digits(j) > 0;
    }

    return 1;
}


static int
json_word(json_t *j, const char *word)
{
    size_t  n;

    n = strlen(word);

    if ((size_t) (j->last - j->p) < n || memcmp(j->p, word, n) != 0) {
        return 0;
    }

    j->p += n;

    return 1;
}


static int
json_list(json_t *j, int object)
{
    unsigned char  close;

    close = object ? '}' : ']';
    j->p++;

    if (++j->depth > JSON_DEPTH) {
        return 0;
    }

    if (j->p < j->last && *j->p == close) {
        j->p++;
        j->depth--;
        return 1;
    }

    for ( ;; ) {

        if (object && (!json_string(j) || !json_word(j, ":"))) {
            return 0;
        }

        if (!json_value(j) || j->p == j->last) {
            return 0;
        }

        if (*j->p == close) {
            j->p++;
            j->depth--;
            return 1;
        }

        if (*j->p++ != ',') {
            return 0;
        }
    }
}


static int
json_value(json_t *j)
{
    if (j->p == j->last) {
        return 0;
    }

    switch (*j->p) {

    case '{':
        return json_list(j, 1);

    case '[':
        return json_list(j, 0);

    case '"':
        return json_string(j);

    case 't':
        return json_word(j, "true");

    case 'f':
        return json_word(j, "false");

    case 'n':
        return json_word(j, "null");

    default:
        return json_number(j);
    }
}


size_t
json_read(const char *text, size_t len)
{
    json_t  j;

    memset(&j, 0, sizeof(j));

    j.p = (const unsigned char *) text;
    j.last = j.p + len;

    return (json_value(&j) && j.p == j.last) ? len : 0;
}


size_t
json_read_string(const char *text, size_t len, unsigned char *out,
    size_t max)
{
    json_t  j;

    j.p = (const unsigned char *) text;
    j.last = j.p + len;
    j.out = out;
    j.end = out + max;

    if (!json_string(&j) || j.p != j.last || j.out > j.end) {
        return (size_t) -1;
    }

    return (size_t) (j.out - out);
}


size_t
json_repair(const unsigned char *data, size_t len, unsigned char *out)
{
    size_t                n;
    unsigned char        *to;
    const unsigned char  *p, *last;

    to = out;
    last = data + len;

    for (p = data; p < last; /* void */ ) {
        n = json_character(p, last);

        if (n) {
            memcpy(to, p, n);
            to += n;
            p += n;
            continue;
        }

        memcpy(to, "\xef\xbf\xbd", 3);
        to += 3;
        p++;
    }

    return (size_t) (to - out);
}
