
#include <ngx_config.h>
#include <ngx_core.h>
#include <dlfcn.h>
#include "ngx_prof_version.h"


/* PCRE2_CONFIG_VERSION, pcre2api(3) */
#define NGX_PROF_PCRE2_VERSION    11

/* OPENSSL_VERSION, OpenSSL_version(3) */
#define NGX_PROF_OPENSSL_VERSION  0


/*
 * The libraries are looked up at run time, not linked: the module must load
 * into an nginx built without one of them.
 */

const char *
ngx_prof_version_pcre(void)
{
    int           (*config)(uint32_t, void *);
    const char   *(*version)(void);
    static char     text[64];

    config = (int (*)(uint32_t, void *)) dlsym(RTLD_DEFAULT,
                                               "pcre2_config_8");

    /* the longest version so far has 24 characters */

    if (config
        && config(NGX_PROF_PCRE2_VERSION, NULL)
           <= (int) sizeof(text)
        && config(NGX_PROF_PCRE2_VERSION, text) > 0)
    {
        return text;
    }

    version = (const char *(*)(void)) dlsym(RTLD_DEFAULT, "pcre_version");

    return version ? version() : NULL;
}


const char *
ngx_prof_version_openssl(void)
{
    const char  *(*version)(int);

    version = (const char *(*)(int)) dlsym(RTLD_DEFAULT, "OpenSSL_version");

    return version ? version(NGX_PROF_OPENSSL_VERSION) : NULL;
}


const char *
ngx_prof_version_zlib(void)
{
    const char  *(*version)(void);

    version = (const char *(*)(void)) dlsym(RTLD_DEFAULT, "zlibVersion");

    return version ? version() : NULL;
}
