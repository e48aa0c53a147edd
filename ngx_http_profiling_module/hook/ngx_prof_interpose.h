
/*
 * Interposing through import tables: calls that loaded objects make through
 * their PLT, their GOT or a function pointer in their data are directed to a
 * hook.
 *
 * Runs in a worker, in normal context, in one thread; never in a signal
 * handler.  Other threads may call the hooked functions meanwhile: each entry
 * changes in one atomic step, after the original has been stored.  No other
 * thread may be inside dlopen() or dlclose().
 *
 * Hooks may still be called after a restore, by code that has copied their
 * address.  So the object that holds them must never be unmapped ("-z
 * nodelete"), and they must always call through *original and never by name.
 */


#ifndef _NGX_PROF_INTERPOSE_H_INCLUDED_
#define _NGX_PROF_INTERPOSE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_hook.h"


/* of all tables together */
#define NGX_PROF_HOOKS_MAX  128

/*
 * In all functions log may be NULL.
 *
 * expect() announces a table, which must stay in memory for ever.  Whoever
 * scans then looks for its names as well, so that adding the table walks only
 * objects that were loaded since.  What is not announced makes all objects be
 * walked.
 *
 * interpose() adds a table of n hooks, which must stay in memory, and patches
 * the entries of all loaded objects.  Adding a table again only looks for new
 * entries.  NGX_OK; NGX_DECLINED if a hook has no original or an entry failed,
 * with the rest in force; NGX_ERROR if nothing was done: too many hooks, a
 * name that another table has, an unknown machine.
 *
 * refresh() patches objects loaded since, and looks up again what was not
 * defined before.  It costs one call of dl_iterate_phdr() if nothing was
 * loaded or unloaded.  Returns the same as interpose(), and NGX_OK if there
 * was nothing to do.
 *
 * restore() puts the originals back where our hooks are still in place, and
 * drops the table, unless it was announced; hooks == NULL means all tables.
 */

void ngx_prof_interpose_expect(ngx_prof_hook_t *hooks, ngx_uint_t n);
ngx_int_t ngx_prof_interpose(ngx_prof_hook_t *hooks, ngx_uint_t n,
    ngx_log_t *log);
ngx_int_t ngx_prof_interpose_refresh(ngx_log_t *log);
void ngx_prof_interpose_restore(ngx_prof_hook_t *hooks, ngx_uint_t n,
    ngx_log_t *log);
void ngx_prof_interpose_stat(ngx_prof_interpose_stat_t *stat);

/* to be written behind a table: announces it as its object is loaded */

#define ngx_prof_hooks_expected(hooks)                                        \
    static void __attribute__((constructor))                                  \
    hooks ## _expected(void)                                                  \
    {                                                                         \
        ngx_prof_interpose_expect(hooks,                                      \
                                  sizeof(hooks) / sizeof(ngx_prof_hook_t));   \
    }

/* the foreign entries of one function that has a hook */
ngx_uint_t ngx_prof_interpose_foreign(const char *name);


#endif /* _NGX_PROF_INTERPOSE_H_INCLUDED_ */
