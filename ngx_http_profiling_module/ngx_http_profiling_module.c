
/*
 * The module as nginx sees it: directives, phases, and the life of the master
 * and its workers.  It only wires; what is done stands on the lower floors.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_prof_access.h"
#include "ngx_prof_api.h"
#include "ngx_prof_conf.h"
#include "ngx_prof_conf_cost.h"
#include "ngx_prof_context.h"
#include "ngx_prof_hold.h"
#include "ngx_prof_conf_zone.h"
#include "ngx_prof_place.h"
#include "ngx_prof_process.h"
#include "ngx_prof_request.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_proc.h"
#include "ngx_prof_variable.h"
#include "ngx_prof_zone.h"


static void *ngx_prof_create_main_conf(ngx_conf_t *cf);
static char *ngx_prof_init_main_conf(ngx_conf_t *cf, void *conf);
static void *ngx_prof_create_loc_conf(ngx_conf_t *cf);
static char *ngx_prof_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static ngx_uint_t ngx_prof_is_prefix(ngx_http_core_loc_conf_t *clcf);
static ngx_int_t ngx_prof_preconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_prof_postconfiguration(ngx_conf_t *cf);

static char *ngx_prof_enable(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static char *ngx_prof_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static char *ngx_prof_access_slot(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_prof_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static char *ngx_prof_handler(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


#define ngx_prof_setting_command(name)                                        \
    { ngx_string(name),                                                       \
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,                                      \
      ngx_prof_set,                                                           \
      NGX_HTTP_MAIN_CONF_OFFSET,                                              \
      0,                                                                      \
      NULL }


static ngx_command_t  ngx_prof_commands[] = {

    { ngx_string("profiling"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_prof_enable,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_prof_loc_conf_t, enable),
      NULL },

    { ngx_string("profiling_zone"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE12,
      ngx_prof_zone,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    ngx_prof_setting_command("profiling_interval"),
    ngx_prof_setting_command("profiling_history"),
    ngx_prof_setting_command("profiling_memory_limit"),
    ngx_prof_setting_command("profiling_memory_warning"),
    ngx_prof_setting_command("profiling_memory_critical"),
    ngx_prof_setting_command("profiling_goroutine_warning"),
    ngx_prof_setting_command("profiling_goroutine_critical"),
    ngx_prof_setting_command("profiling_pause_threshold"),
    ngx_prof_setting_command("profiling_cpu_rate"),
    ngx_prof_setting_command("profiling_heap_rate"),
    ngx_prof_setting_command("profiling_block_rate"),
    ngx_prof_setting_command("profiling_mutex_fraction"),
    ngx_prof_setting_command("profiling_trace_buffer"),
    ngx_prof_setting_command("profiling_anonymize"),
    ngx_prof_setting_command("profiling_answer_memory"),
    ngx_prof_setting_command("profiling_crash"),
    ngx_prof_setting_command("profiling_budget"),

    { ngx_string("profiling_expensive"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_prof_conf_cost_expensive,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },
    ngx_prof_setting_command("profiling_record"),
    ngx_prof_setting_command("profiling_record_rate"),
    ngx_prof_setting_command("profiling_incidents"),

    { ngx_string("profiling_slow"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE123,
      ngx_prof_conf_cost_slow,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("profiling_access"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_prof_access_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("profiling_api"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_prof_handler,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      ngx_prof_api_handler },

    { ngx_string("profiling_pprof"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_prof_handler,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      ngx_prof_pprof_handler },

    { ngx_string("profiling_prometheus"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_prof_handler,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      ngx_prof_prometheus_handler },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_profiling_module_ctx = {
    ngx_prof_preconfiguration,             /* preconfiguration */
    ngx_prof_postconfiguration,            /* postconfiguration */

    ngx_prof_create_main_conf,             /* create main configuration */
    ngx_prof_init_main_conf,               /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_prof_create_loc_conf,              /* create location configuration */
    ngx_prof_merge_loc_conf                /* merge location configuration */
};


ngx_module_t  ngx_http_profiling_module = {
    NGX_MODULE_V1,
    &ngx_http_profiling_module_ctx,        /* module context */
    ngx_prof_commands,                     /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_prof_init_module,                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_prof_exit_process,                 /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


/*
 * Its place is behind nginx's event modules and before all that are not
 * nginx's own: what these do when a worker begins is profiled.
 */

static ngx_core_module_t  ngx_http_profiling_core_module_ctx = {
    ngx_string("http_profiling"),
    ngx_prof_conf_zone_create_conf,
    ngx_prof_conf_zone_init_conf
};


ngx_module_t  ngx_http_profiling_core_module = {
    NGX_MODULE_V1,
    &ngx_http_profiling_core_module_ctx,   /* module context */
    NULL,                                  /* module directives */
    NGX_CORE_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_prof_init_process,                 /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static void *
ngx_prof_create_main_conf(ngx_conf_t *cf)
{
    ngx_prof_main_conf_t  *mcf;

    mcf = ngx_pcalloc(cf->pool, sizeof(ngx_prof_main_conf_t));
    if (mcf == NULL) {
        return NULL;
    }

    mcf->slots = NGX_CONF_UNSET;
    ngx_prof_settings_init(mcf->setting);

    if (ngx_array_init(&mcf->locations, cf->pool, 16,
                       sizeof(ngx_prof_loc_conf_t *))
        != NGX_OK)
    {
        return NULL;
    }

    return mcf;
}


static char *
ngx_prof_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_prof_main_conf_t *mcf = conf;

    ngx_flag_t            enable;
    ngx_uint_t            failed;
    ngx_prof_loc_conf_t  *lcf;

    ngx_prof_conf_cost_used(cf, mcf);

    /*
     * environment variables with these names may be meant for other programs
     */

    if (!mcf->used) {
        return NGX_CONF_OK;
    }

    if (ngx_prof_settings_finish(cf, mcf->setting) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    enable = ngx_prof_settings_enabled(cf, &failed);

    if (failed) {
        return NGX_CONF_ERROR;
    }

    /* the http level is the parent of all merges that follow */

    lcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_profiling_module);

    ngx_conf_init_value(lcf->enable, enable);
    ngx_conf_init_value(lcf->enable, 1);
    ngx_conf_init_uint_value(lcf->access, NGX_PROF_LOCAL);

    if (lcf->slow == NGX_PROF_SLOW_UNSET) {
        lcf->slow = NGX_PROF_SLOW_TIME;
        lcf->slow_rate = NGX_PROF_SLOW_RATE;
    }

    if (mcf->slow_keep == 0) {
        mcf->slow_keep = NGX_PROF_SLOW_KEEP;
    }

    mcf->active = mcf->used && lcf->enable;

    return NGX_CONF_OK;
}


static void *
ngx_prof_create_loc_conf(ngx_conf_t *cf)
{
    ngx_prof_loc_conf_t  *lcf;

    lcf = ngx_pcalloc(cf->pool, sizeof(ngx_prof_loc_conf_t));
    if (lcf == NULL) {
        return NULL;
    }

    lcf->enable = NGX_CONF_UNSET;
    lcf->access = NGX_CONF_UNSET_UINT;
    lcf->expensive = NGX_CONF_UNSET_PTR;
    lcf->slow = NGX_PROF_SLOW_UNSET;

    if (ngx_prof_place_name(cf, lcf) != NGX_OK) {
        return NULL;
    }

    return lcf;
}


static char *
ngx_prof_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_prof_loc_conf_t *prev = parent;
    ngx_prof_loc_conf_t *conf = child;

    ngx_http_core_loc_conf_t  *clcf;
    ngx_prof_loc_conf_t      **lcfp;
    ngx_prof_main_conf_t      *mcf;

    ngx_conf_merge_value(conf->enable, prev->enable, 1);
    ngx_conf_merge_uint_value(conf->access, prev->access, NGX_PROF_LOCAL);
    ngx_conf_merge_ptr_value(conf->expensive, prev->expensive, NULL);

    if (conf->slow == NGX_PROF_SLOW_UNSET) {
        conf->slow = prev->slow;
        conf->slow_rate = prev->slow_rate;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    conf->prefix = (conf->context == NGX_PROF_IN_BLOCK)
                   ? prev->prefix
                   : ngx_prof_is_prefix(clcf);

    if (conf->context == NGX_PROF_IN_BLOCK && conf->handler == NULL)
    {
        /* "if" does not inherit the handler of its location by itself */

        conf->handler = prev->handler;

        if (conf->handler) {
            clcf->handler = ngx_prof_hold_handler;
        }
    }

    conf->parent = prev;
    conf->core = clcf;
    conf->server = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_profiling_module);

    lcfp = ngx_array_push(&mcf->locations);
    if (lcfp == NULL) {
        return NGX_CONF_ERROR;
    }

    *lcfp = conf;

    return NGX_CONF_OK;
}


static ngx_uint_t
ngx_prof_is_prefix(ngx_http_core_loc_conf_t *clcf)
{
#if (NGX_PCRE)

    if (clcf->regex) {
        return 0;
    }

#endif

    return !clcf->exact_match && !clcf->named;
}


static ngx_int_t
ngx_prof_preconfiguration(ngx_conf_t *cf)
{
    return ngx_prof_conf_cost_variables(cf, ngx_prof_variable);
}


static ngx_int_t
ngx_prof_postconfiguration(ngx_conf_t *cf)
{
    ngx_prof_main_conf_t  *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_profiling_module);

    /* handlers also answer, and refuse, when profiling is off */

    if (ngx_prof_access_init(cf, mcf) != NGX_OK) {
        return NGX_ERROR;
    }

    if (!mcf->active) {
        return NGX_OK;
    }

    if (ngx_prof_place_labels(cf, mcf) != NGX_OK
        || ngx_prof_conf_zone_add(cf, mcf) != NGX_OK
        || ngx_prof_context_init(cf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_prof_request_init(cf);
}


static char *
ngx_prof_enable(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_prof_main_conf_t  *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_profiling_module);
    mcf->used = 1;

    return ngx_conf_set_flag_slot(cf, cmd, conf);
}


static char *
ngx_prof_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_prof_main_conf_t *mcf = conf;

    mcf->used = 1;

    return ngx_prof_settings_set(cf, cmd, mcf->setting);
}


static char *
ngx_prof_access_slot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_prof_loc_conf_t *lcf = conf;

    ngx_str_t             *value;
    ngx_prof_main_conf_t  *mcf;

    if (lcf->access != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_profiling_module);
    mcf->used = 1;

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "local") == 0) {
        lcf->access = NGX_PROF_LOCAL;

    } else if (ngx_strcmp(value[1].data, "any") == 0) {
        lcf->access = NGX_PROF_ANY;

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" of \"profiling_access\", "
                           "it must be \"local\" or \"any\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* profiling_zone zone=name:size [slots=N]; */

static char *
ngx_prof_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_prof_main_conf_t *mcf = conf;

    u_char      *p, *colon;
    ssize_t      size;
    ngx_str_t   *value, text;
    ngx_uint_t   i;

    if (mcf->zone_name.len) {
        return "is duplicate";
    }

    mcf->used = 1;
    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "zone=", 5) == 0) {
            text.data = value[i].data + 5;
            text.len = value[i].len - 5;

            colon = ngx_strlchr(text.data, text.data + text.len, ':');

            if (colon == NULL || colon == text.data || mcf->zone_name.len) {
                goto invalid;
            }

            for (p = text.data; p < colon; p++) {

                if (*p < 0x20 || *p >= 0x7f) {
                    return "has a zone whose name is not of printable ASCII";
                }
            }

            mcf->zone_name.data = text.data;
            mcf->zone_name.len = colon - text.data;

            text.len -= mcf->zone_name.len + 1;
            text.data = colon + 1;

            size = ngx_parse_size(&text);

            if (size == NGX_ERROR) {
                goto invalid;
            }

            if (size == 0) {
                goto invalid;
            }

            mcf->zone_size = size;
            mcf->zone_file = cf->conf_file->file.name;
            mcf->zone_line = cf->conf_file->line;
            continue;
        }

        if (ngx_strncmp(value[i].data, "slots=", 6) == 0) {
            mcf->slots = ngx_atoi(value[i].data + 6, value[i].len - 6);

            if (mcf->slots < 1 || mcf->slots > NGX_PROF_SLOTS_MAX) {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "invalid value \"%V\", slots must be "
                                   "from 1 to %d", &value[i],
                                   NGX_PROF_SLOTS_MAX);
                return NGX_CONF_ERROR;
            }

            continue;
        }

    invalid:

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\", \"%V\" takes "
                           "zone=name:size [slots=number]",
                           &value[i], &cmd->name);
        return NGX_CONF_ERROR;
    }

    if (mcf->zone_name.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" must have \"zone\" parameter",
                           &cmd->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_prof_handler(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_prof_loc_conf_t *lcf = conf;

    ngx_http_core_loc_conf_t  *clcf;
    ngx_prof_main_conf_t      *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_profiling_module);
    mcf->used = 1;

    if (lcf->handler) {
        return "conflicts with another handler of the module";
    }

    lcf->handler = (ngx_http_handler_pt) cmd->post;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_prof_hold_handler;

    /* a tree may be asked for without its slash, as with proxy_pass */

    if (ngx_prof_is_prefix(clcf)
        && clcf->name.len
        && clcf->name.data[clcf->name.len - 1] == '/')
    {
        clcf->auto_redirect = 1;
    }

    return NGX_CONF_OK;
}
