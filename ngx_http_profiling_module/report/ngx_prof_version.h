
/*
 * The versions of the libraries that this process runs with, as the libraries
 * themselves report them; NULL: not loaded.  Any process, normal context.
 */


#ifndef _NGX_PROF_VERSION_H_INCLUDED_
#define _NGX_PROF_VERSION_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


const char *ngx_prof_version_pcre(void);
const char *ngx_prof_version_openssl(void);
const char *ngx_prof_version_zlib(void);


#endif /* _NGX_PROF_VERSION_H_INCLUDED_ */
