
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
static u_char *ngx_prof_setting_print(u_char *p, u_char *last,
    ngx_prof_setting_kind_e kind, int64_t value);
static char *ngx_prof_setting_environment(ngx_conf_t *cf, const char *name);
static ngx_int_t ngx_prof_setting_variable(ngx_conf_t *cf,
    const ngx_prof_setting_t *s, int64_t *value);
static ngx_int_t ngx_prof_settings_agree(ngx_conf_t *cf, const int64_t *values,
    const char *const *sources, ngx_uint_t low, ngx_uint_t high);


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
      NGX_PROF_SIZE, "off", 1, 1073741824, 2097152 },

    { "profiling_block_rate", NULL,
      NGX_PROF_TIME, "off", 1, 3600000, 1 },

    { "profiling_mutex_fraction", NULL,
      NGX_PROF_NUMBER, "off", 1, 1000000, 1 },

    { "profiling_trace_buffer", NULL,
      NGX_PROF_SIZE, NULL, 262144, 1073741824, 4194304 },

    { "profiling_anonymize", NULL,
      NGX_PROF_FLAG, "off", 0, 1, 0 },

    { "profiling_answer_memory", NULL,
      NGX_PROF_SIZE, NULL, 1048576, 1099511627776, 67108864 },

    { "profiling_crash", NULL,
      NGX_PROF_FLAG, "off", 0, 1, 1 },

    { "profiling_budget", NULL,
      NGX_PROF_PERCENT, "off", 1, 100, 1 },

    { "profiling_record", NULL,
      NGX_PROF_TIME, "off", 60000, 86400000, 900000 },

    { "profiling_record_rate", NULL,
      NGX_PROF_NUMBER, NULL, 1, 1000, 49 },

    { "profiling_incidents", NULL,
      NGX_PROF_NUMBER, "off", 1, NGX_PROF_INCIDENTS_MAX, 16 }
};


static const char *const  ngx_prof_kinds[] = {
    "a number", "a percentage", "a time", "a size", "a flag"
};


/* where each directive of the configuration that is being read stands */

static struct {
    ngx_str_t   *file;                      /* NULL: there is none */
    ngx_uint_t   line;
} ngx_prof_setting_at[NGX_PROF_SETTINGS];


void
ngx_prof_settings_init(int64_t *values)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_PROF_SETTINGS; i++) {
        values[i] = NGX_PROF_UNSET;
        ngx_prof_setting_at[i].file = NULL;
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

    if (cf->conf_file) {
        ngx_prof_setting_at[i].file = &cf->conf_file->file.name;
        ngx_prof_setting_at[i].line = cf->conf_file->line;
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_prof_settings_finish(ngx_conf_t *cf, int64_t *values)
{
    ngx_uint_t                 i;
    const char                *sources[NGX_PROF_SETTINGS];
    const ngx_prof_setting_t  *s;

    for (i = 0; i < NGX_PROF_SETTINGS; i++) {
        s = &ngx_prof_settings[i];
        sources[i] = NULL;

        if (values[i] == NGX_PROF_UNSET && s->variable) {

            if (ngx_prof_setting_variable(cf, s, &values[i]) != NGX_OK) {
                return NGX_ERROR;
            }

            if (values[i] != NGX_PROF_UNSET) {
                sources[i] = s->variable;
            }
        }

        if (values[i] == NGX_PROF_UNSET) {
            values[i] = s->value;
            sources[i] = "the default";
        }
    }

    if (ngx_prof_settings_agree(cf, values, sources, NGX_PROF_MEMORY_WARNING,
                                NGX_PROF_MEMORY_CRITICAL)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_prof_settings_agree(cf, values, sources,
                                   NGX_PROF_CONNECTIONS_WARNING,
                                   NGX_PROF_CONNECTIONS_CRITICAL);
}


ngx_flag_t
ngx_prof_settings_enabled(ngx_conf_t *cf, ngx_uint_t *failed)
{
    char        *text;
    ngx_uint_t   i;

    /* the words of Go's strconv.ParseBool, and nginx's on and off */

    static const char *const  yes[] = { "1", "t", "true", "on", "yes" };
    static const char *const  no[] = { "0", "f", "false", "off", "no" };

    *failed = 0;

    text = ngx_prof_setting_environment(cf, "ENABLE_PROFILING");

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
                  "invalid value \"%s\" of \"profiling\" in the environment "
                  "variable \"ENABLE_PROFILING\", it must be true or false",
                  text);
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
 * Parses a time as nginx writes it ("2s", "1m 30s"; a bare number is seconds),
 * or as Go does, for the environment variables ("1.5s", "2m0s", "500ms").
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

    /* only seconds, as the last part, may have a fraction */

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
    if (s->kind == NGX_PROF_FLAG) {
        return ngx_slprintf(p, last, "\"on\" or \"off\"");
    }

    if (s->max == NGX_MAX_OFF_T_VALUE) {
        p = ngx_slprintf(p, last, "%s of at least ", ngx_prof_kinds[s->kind]);
        p = ngx_prof_setting_print(p, last, s->kind, s->min);

    } else {
        p = ngx_slprintf(p, last, "%s from ", ngx_prof_kinds[s->kind]);
        p = ngx_prof_setting_print(p, last, s->kind, s->min);
        p = ngx_slprintf(p, last, " to ");
        p = ngx_prof_setting_print(p, last, s->kind, s->max);
    }

    if (s->zero) {
        p = ngx_slprintf(p, last, ", or \"%s\"", s->zero);
    }

    return p;
}


/* prints a value as in a configuration, in the largest unit that fits */

static u_char *
ngx_prof_setting_print(u_char *p, u_char *last, ngx_prof_setting_kind_e kind,
    int64_t value)
{
    ngx_uint_t  i;

    static const struct {
        ngx_prof_setting_kind_e  kind;
        int64_t                  unit;
        const char              *name;

    } units[] = {
        { NGX_PROF_TIME, 3600000, "h" },
        { NGX_PROF_TIME, 60000, "m" },
        { NGX_PROF_TIME, 1000, "s" },
        { NGX_PROF_TIME, 1, "ms" },
        { NGX_PROF_SIZE, 1024 * 1024 * 1024, "g" },
        { NGX_PROF_SIZE, 1024 * 1024, "m" },
        { NGX_PROF_SIZE, 1024, "k" },
        { NGX_PROF_PERCENT, 1, "%" }
    };

    for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {

        if (units[i].kind == kind && value % units[i].unit == 0) {
            return ngx_slprintf(p, last, "%L%s", value / units[i].unit,
                                units[i].name);
        }
    }

    return ngx_slprintf(p, last, "%L", value);
}


/*
 * What was read once is kept for the next binary, as if `env` named it: nginx
 * hands on nothing else.
 */

static char *
ngx_prof_setting_environment(ngx_conf_t *cf, const char *name)
{
    char             *text;
    size_t            len;
    ngx_str_t        *env;
    ngx_uint_t        i;
    ngx_core_conf_t  *ccf;

    text = getenv(name);

    if (text == NULL) {
        return NULL;
    }

    ccf = (ngx_core_conf_t *) ngx_get_conf(cf->cycle->conf_ctx,
                                           ngx_core_module);
    env = ccf->env.elts;
    len = ngx_strlen(name);

    for (i = 0; i < ccf->env.nelts; i++) {

        /* of "env NAME=value", the next binary has that value */

        if (ngx_strncmp(env[i].data, name, len) == 0
            && (env[i].data[len] == '\0' || env[i].data[len] == '='))
        {
            return text;
        }
    }

    env = ngx_array_push(&ccf->env);

    if (env) {
        env->data = (u_char *) name;
        env->len = len;
    }

    return text;
}


static ngx_int_t
ngx_prof_setting_variable(ngx_conf_t *cf, const ngx_prof_setting_t *s,
    int64_t *value)
{
    u_char     *p, range[128];
    ngx_str_t   text;

    text.data = (u_char *) ngx_prof_setting_environment(cf, s->variable);

    if (text.data == NULL || *text.data == '\0') {
        return NGX_OK;
    }

    text.len = ngx_strlen(text.data);

    if (ngx_prof_setting_parse(s, &text, value) == NGX_OK) {
        return NGX_OK;
    }

    p = ngx_prof_setting_range(range, range + sizeof(range), s);

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "invalid value \"%V\" of \"%s\" in the environment variable "
                  "\"%s\", it must be %*s",
                  &text, s->name, s->variable, (size_t) (p - range), range);

    return NGX_ERROR;
}


static ngx_int_t
ngx_prof_settings_agree(ngx_conf_t *cf, const int64_t *values,
    const char *const *sources, ngx_uint_t low, ngx_uint_t high)
{
    u_char      *p, *last, line[NGX_MAX_CONF_ERRSTR];
    ngx_uint_t   i, at;

    if (values[low] <= values[high]) {
        return NGX_OK;
    }

    p = line;
    last = line + sizeof(line);

    for (i = low; /* void */ ; i = high) {
        p = ngx_slprintf(p, last, "\"%s\" (%L%s%s)",
                         ngx_prof_settings[i].name, values[i],
                         sources[i] ? ", " : "", sources[i] ? sources[i] : "");

        if (i == high) {
            break;
        }

        p = ngx_slprintf(p, last, " is above ");
    }

    at = ngx_prof_setting_at[low].file ? low : high;

    if (ngx_prof_setting_at[at].file) {
        p = ngx_slprintf(p, last, " in %V:%ui", ngx_prof_setting_at[at].file,
                         ngx_prof_setting_at[at].line);
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "%*s", (size_t) (p - line), line);

    return NGX_ERROR;
}
