
/*
 * Any text as the value of each directive that is a number, and as its
 * variable of the environment.  What is accepted lies in its range.
 */


#include "worker.h"


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    fuzz_worker();

    return 0;
}


static void
fuzz_check(const ngx_prof_setting_t *s, int64_t value)
{
    if ((value < s->min || value > s->max) && !(s->zero && value == 0)) {
        abort();
    }
}


static void
fuzz_directive(ngx_pool_t *pool, ngx_uint_t n, ngx_str_t *text)
{
    char                 *rc;
    ngx_str_t             args[2];
    ngx_conf_t            cf;
    ngx_array_t           array;
    ngx_command_t         cmd;
    ngx_prof_main_conf_t  mcf;

    ngx_memzero(&cf, sizeof(cf));
    ngx_memzero(&cmd, sizeof(cmd));
    ngx_memzero(&mcf, sizeof(mcf));

    ngx_prof_settings_init(mcf.setting);

    cmd.name.data = (u_char *) ngx_prof_settings[n].name;
    cmd.name.len = ngx_strlen(cmd.name.data);

    args[0] = cmd.name;
    args[1] = *text;

    array.elts = args;
    array.nelts = 2;

    cf.args = &array;
    cf.cycle = (ngx_cycle_t *) ngx_cycle;
    cf.pool = pool;
    cf.log = pool->log;
    fuzz_core.env.nelts = 0;

    rc = ngx_prof_settings_set(&cf, &cmd, mcf.setting);

    if (rc == NGX_CONF_OK) {
        fuzz_check(&ngx_prof_settings[n], mcf.setting[n]);

        if (ngx_prof_settings_finish(&cf, mcf.setting) == NGX_OK
            && (mcf.setting[NGX_PROF_MEMORY_WARNING]
                > mcf.setting[NGX_PROF_MEMORY_CRITICAL]
                || mcf.setting[NGX_PROF_CONNECTIONS_WARNING]
                   > mcf.setting[NGX_PROF_CONNECTIONS_CRITICAL]))
        {
            abort();
        }
    }
}


static void
fuzz_variable(ngx_pool_t *pool, ngx_uint_t n, ngx_str_t *text)
{
    int64_t                    values[NGX_PROF_SETTINGS];
    ngx_uint_t                 failed;
    ngx_flag_t                 enabled;
    ngx_conf_t                 cf;
    const ngx_prof_setting_t  *s;

    ngx_memzero(&cf, sizeof(cf));
    cf.cycle = (ngx_cycle_t *) ngx_cycle;
    cf.pool = pool;
    cf.log = pool->log;
    fuzz_core.env.nelts = 0;

    s = &ngx_prof_settings[n];

    if (s->variable) {
        ngx_prof_settings_init(values);

        (void) setenv(s->variable, (char *) text->data, 1);

        if (ngx_prof_settings_finish(&cf, values) == NGX_OK) {
            fuzz_check(s, values[n]);
        }

        (void) unsetenv(s->variable);
        return;
    }

    (void) setenv("ENABLE_PROFILING", (char *) text->data, 1);
    enabled = ngx_prof_settings_enabled(&cf, &failed);
    (void) unsetenv("ENABLE_PROFILING");

    if (failed && enabled != NGX_CONF_UNSET) {
        abort();
    }
}


/* the words of a configuration end with a zero byte and have none in them */

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_str_t    text;
    ngx_pool_t  *pool;
    ngx_uint_t   n;

    if (size < 1 || size > 256) {
        return 0;
    }

    pool = fuzz_pool();

    text.data = ngx_pnalloc(pool, size);

    if (text.data == NULL) {
        abort();
    }

    ngx_memcpy(text.data, data + 1, size - 1);
    text.data[size - 1] = '\0';
    text.len = ngx_strlen(text.data);

    n = (data[0] & 0x7f) % NGX_PROF_SETTINGS;

    if (data[0] & 0x80) {
        fuzz_variable(pool, n, &text);

    } else {
        fuzz_directive(pool, n, &text);
    }

    fuzz_pool_free(pool);

    return 0;
}
