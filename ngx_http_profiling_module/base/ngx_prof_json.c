
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_json.h"


static ngx_int_t ngx_prof_json_key(ngx_prof_json_t *j, const char *key,
    ngx_uint_t container);
static ngx_int_t ngx_prof_json_wanted(ngx_prof_fields_t *fields,
    const char *key, ngx_uint_t container);
static ngx_uint_t ngx_prof_json_escape(ngx_prof_text_t *t, u_char ch);


/* NGX_DECLINED: nobody asked for this member */

static ngx_int_t
ngx_prof_json_key(ngx_prof_json_t *j, const char *key, ngx_uint_t container)
{
    if (j->fields
        && ngx_prof_json_wanted(j->fields, key, container) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    if (j->comma) {
        ngx_prof_text_write(&j->text, ",", 1);
    }

    j->comma = 1;

    if (key) {
        ngx_prof_text_write(&j->text, "\"", 1);
        ngx_prof_text_puts(&j->text, key);
        ngx_prof_text_write(&j->text, "\":", 2);
    }

    return NGX_OK;
}


/* a container on the way to a field is written, with that field alone */

static ngx_int_t
ngx_prof_json_wanted(ngx_prof_fields_t *fields, const char *key,
    ngx_uint_t container)
{
    size_t      len, n;
    ngx_str_t  *field;
    ngx_uint_t  i;

    if (fields->skipped
        || (container && fields->depth == NGX_PROF_FIELDS_DEPTH))
    {
        return NGX_DECLINED;
    }

    len = fields->at;

    if (key) {
        n = ngx_strlen(key);

        if (len + 1 + n > NGX_PROF_FIELDS_PATH) {
            return NGX_DECLINED;
        }

        if (len) {
            fields->path[len++] = '.';
        }

        ngx_memcpy(fields->path + len, key, n);
        len += n;
    }

    for (i = 0; i < fields->n; i++) {
        field = &fields->field[i];
        n = ngx_min(len, field->len);

        if (ngx_memcmp(fields->path, field->data, n) != 0) {
            continue;
        }

        if (len >= field->len
            ? (len == field->len || fields->path[n] == '.')
            : (container && (n == 0 || field->data[n] == '.')))
        {
            if (container) {
                fields->len[fields->depth] = fields->at;
                fields->at = len;
            }

            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


void
ngx_prof_json_open(ngx_prof_json_t *j, const char *key, char bracket)
{
    if (ngx_prof_json_key(j, key, 1) != NGX_OK) {
        j->fields->skipped++;
        return;
    }

    if (j->fields) {
        j->fields->depth++;
    }

    ngx_prof_text_write(&j->text, &bracket, 1);
    j->comma = 0;
}


void
ngx_prof_json_close(ngx_prof_json_t *j, char bracket)
{
    if (j->fields && j->fields->skipped) {
        j->fields->skipped--;
        return;
    }

    if (j->fields) {
        j->fields->depth--;
        j->fields->at = j->fields->len[j->fields->depth];
    }

    ngx_prof_text_write(&j->text, &bracket, 1);
    j->comma = 1;
}


void
ngx_prof_json_uint(ngx_prof_json_t *j, const char *key, uint64_t n)
{
    if (ngx_prof_json_key(j, key, 0) == NGX_OK) {
        ngx_prof_text_printf(&j->text, "%uL", n);
    }
}


void
ngx_prof_json_int(ngx_prof_json_t *j, const char *key, int64_t n)
{
    if (ngx_prof_json_key(j, key, 0) == NGX_OK) {
        ngx_prof_text_printf(&j->text, "%L", n);
    }
}


void
ngx_prof_json_bool(ngx_prof_json_t *j, const char *key, ngx_uint_t n)
{
    if (ngx_prof_json_key(j, key, 0) == NGX_OK) {
        ngx_prof_text_puts(&j->text, n ? "true" : "false");
    }
}


void
ngx_prof_json_null(ngx_prof_json_t *j, const char *key)
{
    if (ngx_prof_json_key(j, key, 0) == NGX_OK) {
        ngx_prof_text_write(&j->text, "null", 4);
    }
}


void
ngx_prof_json_double(ngx_prof_json_t *j, const char *key, double n)
{
    u_char  *p, text[NGX_INT64_LEN + 8];

    /* nginx prints the whole part as an integer of 64 bits */

    if (!(n > -NGX_PROF_JSON_MAX && n < NGX_PROF_JSON_MAX))
    {
        ngx_prof_json_null(j, key);
        return;
    }

    if (ngx_prof_json_key(j, key, 0) != NGX_OK) {
        return;
    }

    p = ngx_snprintf(text, sizeof(text), "%s%.6f", n < 0 ? "-" : "",
                     n < 0 ? -n : n);

    while (p[-1] == '0') {
        p--;
    }

    if (p[-1] == '.') {
        p--;
    }

    ngx_prof_text_write(&j->text, text, p - text);
}


void
ngx_prof_json_string(ngx_prof_json_t *j, const char *key, const u_char *data,
    size_t len)
{
    ngx_prof_json_begin(j, key);
    ngx_prof_json_part(j, data, len);
    ngx_prof_json_end(j);
}


void
ngx_prof_json_begin(ngx_prof_json_t *j, const char *key)
{
    j->mute = (ngx_prof_json_key(j, key, 0) != NGX_OK);

    if (!j->mute) {
        ngx_prof_text_write(&j->text, "\"", 1);
    }
}


void
ngx_prof_json_part(ngx_prof_json_t *j, const u_char *data, size_t len)
{
    if (!j->mute) {
        (void) ngx_prof_text_utf8(&j->text, data, len, ngx_prof_json_escape);
    }
}


void
ngx_prof_json_end(ngx_prof_json_t *j)
{
    if (!j->mute) {
        ngx_prof_text_write(&j->text, "\"", 1);
    }
}


static ngx_uint_t
ngx_prof_json_escape(ngx_prof_text_t *t, u_char ch)
{
    u_char  pair[2];

    if (ch == '"' || ch == '\\') {
        pair[0] = '\\';
        pair[1] = ch;
        ngx_prof_text_write(t, pair, 2);
        return NGX_PROF_TEXT_ESCAPED;
    }

    if (ngx_prof_text_control(ch)) {
        ngx_prof_text_printf(t, "\\u%04xi", (ngx_int_t) ch);
        return NGX_PROF_TEXT_ESCAPED;
    }

    return NGX_PROF_TEXT_SAME;
}


void
ngx_prof_json_time(ngx_prof_json_t *j, const char *key, uint64_t ms)
{
    ngx_tm_t  tm;

    if (ms == 0) {
        ngx_prof_json_null(j, key);
        return;
    }

    ngx_gmtime((time_t) (ms / 1000), &tm);

    if (ngx_prof_json_key(j, key, 0) != NGX_OK) {
        return;
    }

    ngx_prof_text_printf(&j->text,
                             "\"%4d-%02d-%02dT%02d:%02d:%02d.%03uLZ\"",
                             tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday,
                             tm.ngx_tm_hour, tm.ngx_tm_min, tm.ngx_tm_sec,
                             ms % 1000);
}
