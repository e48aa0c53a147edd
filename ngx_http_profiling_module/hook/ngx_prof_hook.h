
/* A function that is interposed, and what became of the calls to it. */


#ifndef _NGX_PROF_HOOK_H_INCLUDED_
#define _NGX_PROF_HOOK_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


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


#endif /* _NGX_PROF_HOOK_H_INCLUDED_ */
