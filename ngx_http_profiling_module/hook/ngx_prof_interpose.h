
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


/* of all tables together */
#define NGX_PROF_HOOKS_MAX  128

/* values of scope: whose calls are directed to the hook */
#define NGX_PROF_HOOK_MAIN     0
#define NGX_PROF_HOOK_ALL      1
#define NGX_PROF_HOOK_CALLERS  2
#define NGX_PROF_HOOK_OTHERS   3


/*
 * name      as exported by its library, in its default version
 * hook      has the type of the function
 * original  where the address of the function is stored; the hook reads it.
 *           It stays set after a restore, and NULL while nobody defines name
 * scope     the main program, or all objects but the one with this code, or
 *           all others but the main program too;
 *           callers: also without the one that defines the function, unless
 *           it is the C library.  An allocator may call itself
 */

typedef struct {
    const char  *name;
    void        *hook;
    void       **original;
    ngx_uint_t   scope;
} ngx_prof_hook_t;


/*
 * The state after the last scan, in entries unless said otherwise.
 *
 * patched     hold one of our hooks
 * forwarded   hold the PLT address that a non-PIE program lends to everybody:
 *             left alone, they reach our hook through the program's own entry
 * foreign     lead elsewhere: to another tool's hook, or to an old version of
 *             the function; left alone
 * failed      could not be changed: the page, or a corrupt table
 * unresolved  hooks (not entries) whose function nobody defines
 * objects     loaded objects (not entries) that were looked at
 */

typedef struct {
    ngx_uint_t   patched;
    ngx_uint_t   forwarded;
    ngx_uint_t   foreign;
    ngx_uint_t   failed;
    ngx_uint_t   unresolved;
    ngx_uint_t   objects;
} ngx_prof_interpose_stat_t;


/*
 * In all functions log may be NULL.
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
 * drops the table; hooks == NULL means all tables.
 */

ngx_int_t ngx_prof_interpose(ngx_prof_hook_t *hooks, ngx_uint_t n,
    ngx_log_t *log);
ngx_int_t ngx_prof_interpose_refresh(ngx_log_t *log);
void ngx_prof_interpose_restore(ngx_prof_hook_t *hooks, ngx_uint_t n,
    ngx_log_t *log);
void ngx_prof_interpose_stat(ngx_prof_interpose_stat_t *stat);

/* the foreign entries of one function that has a hook */
ngx_uint_t ngx_prof_interpose_foreign(const char *name);


#endif /* _NGX_PROF_INTERPOSE_H_INCLUDED_ */
