
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_settings.h"
#include "ngx_prof_zone.h"


static const ngx_prof_setting_t *ngx_prof_setting_find(const ngx_str_t *name,
    ngx_uint_t *index);
static ngx_int_t ngx_prof_setting_parse(const ngx_prof_setting_t *s,
    ngx_str_t *text, int64_t *value);
static ngx_int_t ngx_prof_setting_duration(ngx_str_t *text, int64_t *value);
static u_char *ngx_prof_setting_range(u_char *p, u_char *last,
    const ngx_prof_setting_t *s);
static ngx_int_t ngx_prof_setting_variable(ngx_conf_t *cf,
    const ngx_prof_setting_t *s, int64_t *value);
static ngx_int_t ngx_prof_settings_agree(ngx_conf_t *cf, const int64_t *values,
    const char *const *names, ngx_uint_t low, ngx_uint_t high);


#define NGX_PROF_UNSET  (-1)


const ngx_prof_setting_t
    ngx_prof_settings[NGX_PROF_SETTINGS] =
{
    { "profiling_interval", "METRICS_INTERVAL",
      NGX_PROF_TIME, NULL, 100, 3600000, 2000 },

    { "profiling_history", "METRICS_MAX_SIZE",
      NGX_PROF_NUMBER, NULL, 1, NGX_PROF_HISTORY_MAX,
      1000 },

    { "profiling_memory_limit", NULL,
      NGX_PROF_SIZE, "auto", 1048576, NGX_MAX_OFF_T_VALUE, 0 },

    { "profiling_memory_warning", "MEMORY_WARNING_PCT",
      NGX_PROF_PERCENT, NULL, 1, 100, 75 },

    { "profiling_memory_critical", "MEMORY_CRITICAL_PCT",
      NGX_PROF_PERCENT, NULL, 1, 100, 90 },

    { "profiling_goroutine_warning", "GOROUTINE_WARNING",
      NGX_PROF_NUMBER, NULL, 1, 1000000000, 5000 },

    { "profiling_goroutine_critical", "GOROUTINE_CRITICAL",
      NGX_PROF_NUMBER, NULL, 1, 1000000000, 10000 },

    { "profiling_pause_threshold", NULL,
      NGX_PROF_TIME, NULL, 1, 3600000, 10 },

    { "profiling_cpu_rate", NULL,
      NGX_PROF_NUMBER, NULL, 1, 1000, 100 },

    { "profiling_heap_rate", NULL,
      NGX_PROF_SIZE, "off", 1, 1073741824, 524288 },

    { "profiling_block_rate", NULL,
      NGX_PROF_TIME, "off", 1, 3600000, 1 },

    { "profiling_mutex_fraction", NULL,
      NGX_PROF_NUMBER, "off", 1, 1000000, 1 },

    { "profiling_trace_buffer", NULL,
      NGX_PROF_SIZE, NULL, 262144, 1073741824, 4194304 },

    { "profiling_anonymize", NULL,
      NGX_PROF_FLAG, "off", 0, 1, 0 }
};


static const char *const  ngx_prof_kinds[] = {
    "a number", "a percentage", "a time", "a size", "a flag"
};


void
ngx_prof_settings_init(int64_t *values)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_PROF_SETTINGS; i++) {
        values[i] = NGX_PROF_UNSET;
    }
}


char *
ngx_prof_settings_set(ngx_conf_t *cf, ngx_command_t *cmd, int64_t *values)
{
    u_char                    *p, range[128];
    int64_t                    value;
    ngx_str_t                 *text;
    ngx_uint_t                 i;
    const ngx_prof_setting_t  *s;

    s = ngx_prof_setting_find(&cmd->name, &i);
    text = cf->args->elts;
    text = &text[1];

    if (values[i] != NGX_PROF_UNSET) {
        return "is duplicate";
    }

    if (ngx_prof_setting_parse(s, text, &value) != NGX_OK) {
        p = ngx_prof_setting_range(range, range + sizeof(range), s);

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" of \"%s\", it must be %*s",
                           text, s->name, (size_t) (p - range), range);
        return NGX_CONF_ERROR;
    }

    values[i] = value;

    return NGX_CONF_OK;
}


ngx_int_t
ngx_prof_settings_finish(ngx_conf_t *cf, int64_t *values)
{
    ngx_uint_t                 i;
    const char                *names[NGX_PROF_SETTINGS];
    const ngx_prof_setting_t  *s;

    for (i = 0; i < NGX_PROF_SETTINGS; i++) {
        s = &ngx_prof_settings[i];
        names[i] = s->name;

        if (values[i] == NGX_PROF_UNSET && s->variable) {

            if (ngx_prof_setting_variable(cf, s, &values[i]) != NGX_OK) {
                return NGX_ERROR;
            }

            if (values[i] != NGX_PROF_UNSET) {
                names[i] = s->variable;
            }
        }

        if (values[i] == NGX_PROF_UNSET) {
            values[i] = s->value;
        }
    }

    if (ngx_prof_settings_agree(cf, values, names,
                                     NGX_PROF_MEMORY_WARNING,
                                     NGX_PROF_MEMORY_CRITICAL)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_prof_settings_agree(cf, values, names,
                                     NGX_PROF_CONNECTIONS_WARNING,
                                     NGX_PROF_CONNECTIONS_CRITICAL);
}


ngx_flag_t
ngx_prof_settings_enabled(ngx_conf_t *cf, ngx_uint_t *failed)
{
    char        *text;
    ngx_uint_t   i;

    /* the words of Go's strconv.ParseBool, which the original used */

    static const char *const  yes[] = { "1", "t", "true", "on", "yes" };
    static const char *const  no[] = { "0", "f", "false", "off", "no" };

    *failed = 0;

    text = getenv("ENABLE_PROFILING");

    if (text == NULL || *text == '\0') {
        return NGX_CONF_UNSET;
    }

    for (i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {

        if (ngx_strcasecmp((u_char *) text, (u_char *) yes[i]) == 0) {
            return 1;
        }

        if (ngx_strcasecmp((u_char *) text, (u_char *) no[i]) == 0) {
            return 0;
        }
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "invalid value \"%s\" of the environment variable "
                  "\"ENABLE_PROFILING\", it must be true or false", text);
    *failed = 1;

    return NGX_CONF_UNSET;
}


static const ngx_prof_setting_t *
ngx_prof_setting_find(const ngx_str_t *name, ngx_uint_t *index)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_PROF_SETTINGS - 1; i++) {

        if (ngx_strcmp(name->data, ngx_prof_settings[i].name) == 0)
        {
            break;
        }
    }

    *index = i;

    return &ngx_prof_settings[i];
}


static ngx_int_t
ngx_prof_setting_parse(const ngx_prof_setting_t *s, ngx_str_t *text,
    int64_t *value)
{
    ngx_str_t  number;

    if (s->zero && ngx_strcmp(text->data, s->zero) == 0) {
        *value = 0;
        return NGX_OK;
    }

    number = *text;

    switch (s->kind) {

    case NGX_PROF_TIME:

        if (ngx_prof_setting_duration(&number, value) != NGX_OK) {
            return NGX_ERROR;
        }

        break;

    case NGX_PROF_SIZE:
        *value = ngx_parse_offset(&number);
        break;

    case NGX_PROF_FLAG:
        *value = (ngx_strcmp(text->data, "on") == 0) ? 1 : NGX_ERROR;
        break;

    case NGX_PROF_PERCENT:

        if (number.len && number.data[number.len - 1] == '%') {
            number.len--;
        }

        /* fall through */

    default: /* NGX_PROF_NUMBER */
        *value = ngx_atoi(number.data, number.len);
    }

    if (*value < s->min || *value > s->max) {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * A time as nginx writes it ("2s", "1m 30s"; a bare number is seconds) or as
 * Go does, which the original's variables use ("1.5s", "2m0s", "500ms").
 */

static ngx_int_t
ngx_prof_setting_duration(ngx_str_t *text, int64_t *value)
{
    u_char     *dot, *p, *last;
    ngx_int_t   whole, fraction, scale;
    ngx_str_t   head;

    last = text->data + text->len;
    dot = ngx_strlchr(text->data, last, '.');

    if (dot == NULL) {
        *value = ngx_parse_time(text, 0);
        return (*value < 0) ? NGX_ERROR : NGX_OK;
    }

    /* a fraction is allowed of seconds, as the last part */

    if (last[-1] != 's' || (last - text->data >= 2 && last[-2] == 'm')) {
        return NGX_ERROR;
    }

    fraction = 0;
    scale = 100;

    for (p = dot + 1; p < last - 1; p++) {

        if (*p < '0' || *p > '9') {
            return NGX_ERROR;
        }

        fraction += (*p - '0') * scale;
        scale /= 10;
    }

    head.data = text->data;
    head.len = dot - text->data;

    whole = ngx_parse_time(&head, 0);

    if (whole < 0 || whole > NGX_MAX_INT_T_VALUE - fraction
        || dot + 1 == last - 1)
    {
        return NGX_ERROR;
    }

    *value = whole + fraction;

    return NGX_OK;
}


static u_char *
ngx_prof_setting_range(u_char *p, u_char *last, const ngx_prof_setting_t *s)
{
    const char  *unit;

    if (s->kind == NGX_PROF_FLAG) {
        return ngx_slprintf(p, last, "\"on\" or \"off\"");
    }

    unit = (s->kind == NGX_PROF_TIME) ? "ms"
           : (s->kind == NGX_PROF_PERCENT) ? "%" : "";

    p = ngx_slprintf(p, last, "%s from %L%s to %L%s",
                     ngx_prof_kinds[s->kind],
                     s->min, unit, s->max, unit);

    if (s->zero) {
        p = ngx_slprintf(p, last, ", or \"%s\"", s->zero);
    }

    return p;
}


static ngx_int_t
ngx_prof_setting_variable(ngx_conf_t *cf, const ngx_prof_setting_t *s,
    int64_t *value)
{
    u_char     *p, range[128];
    ngx_str_t   text;

    text.data = (u_char *) getenv(s->variable);

    if (text.data == NULL || *text.data == '\0') {
        return NGX_OK;
    }

    text.len = ngx_strlen(text.data);

    if (ngx_prof_setting_parse(s, &text, value) == NGX_OK) {
        return NGX_OK;
    }

    p = ngx_prof_setting_range(range, range + sizeof(range), s);

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "invalid value \"%V\" of the environment variable \"%s\", "
                  "it must be %*s",
                  &text, s->variable, (size_t) (p - range), range);

    return NGX_ERROR;
}


static ngx_int_t
ngx_prof_settings_agree(ngx_conf_t *cf, const int64_t *values,
    const char *const *names, ngx_uint_t low, ngx_uint_t high)
{
    if (values[low] <= values[high]) {
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"%s\" (%L) is above \"%s\" (%L)",
                       names[low], values[low], names[high], values[high]);

    return NGX_ERROR;
}
