
/*
 * The list of loaded objects with their unwind tables.
 *
 * The master makes it before it forks, and workers inherit it.  It is
 * refreshed in normal context, never in signal handlers.  A published list
 * never changes: a refresh makes a new one and swaps one pointer, so a handler
 * that interrupts any instruction sees a whole list.  The new list takes over
 * the tables of objects that are still loaded.  A later refresh frees the old
 * list, when no thread walks a stack.
 */


#ifndef _NGX_PROF_OBJECTS_H_INCLUDED_
#define _NGX_PROF_OBJECTS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_cfi.h"


#define NGX_PROF_OBJECTS_MAX   1024              /* executable segments */
#define NGX_PROF_BUILD_ID_MAX  32                /* bytes */

/* FNV-1a of 64 bits, for hashes of objects */
#define NGX_PROF_FNV_BASIS     0xcbf29ce484222325ULL
#define NGX_PROF_FNV_PRIME     0x100000001b3ULL


/* ngx_prof_object_t.jit */

#define NGX_PROF_OBJECT_LUAJIT      1
#define NGX_PROF_OBJECT_PCRE2       2


/* one executable segment; addresses are those of the running process */

typedef struct {
    uintptr_t                  start;
    uintptr_t                  end;
    uintptr_t                  base;                /* dlpi_addr */
    uint64_t                   offset;              /* of start, in the file */

    const ngx_prof_cfi_t      *cfi;                 /* NULL: has none */
    ngx_prof_cfi_src_t         src;                 /* data NULL: has none */

    uintptr_t                  sigreturn; /* 0: not in here */
    const char                *path;                /* zero-terminated */
    uint64_t                   identity;            /* hash, see the source */

    uint32_t                   build_id_len;
    u_char                     build_id[
                                           NGX_PROF_BUILD_ID_MAX];

    unsigned                             readable:1;
    unsigned                             vdso:1;
    unsigned                             main:1;    /* the program itself */
    unsigned                             later:1;   /* loaded after fork() */
    unsigned                             jit:2;     /* code that it makes */
} ngx_prof_object_t;


typedef struct {
    uintptr_t                            start;
    uintptr_t                            end;
} ngx_prof_range_t;


typedef struct {
    ngx_uint_t                           n;
    uint32_t                             generation; /* no two lists of a
                                                        process share one,
                                                        not 0 */
    ngx_prof_range_t           *text;                /* sorted by address */
    ngx_prof_object_t         *object;              /* in the same order */

    unsigned long long         adds;                /* dlpi_adds, dlpi_subs */
    unsigned long long         subs;
    ngx_uint_t                 dropped;             /* more than the limit */
    ngx_prof_cfi_stats_t       stats;               /* of all tables */

    ngx_uint_t                 later;               /* objects that are */
    size_t                     size;                /* of the mapping */
} ngx_prof_objects_t;


/*
 * Brings the list up to date; one callback if nothing was loaded or
 * unloaded.  NGX_OK: there is a new list; NGX_DECLINED: nothing changed;
 * NGX_ERROR: no memory, the old list stays.  One thread at a time.
 */
ngx_int_t ngx_prof_objects_refresh(void);

/*
 * Marks objects that are found from now on as loaded after the fork: other
 * workers may have them at another place, or not at all.
 */
void ngx_prof_objects_forked(void);

/*
 * The current list, NULL before the first refresh.  acquire and release
 * bracket its use in handlers and in other threads than the refresh's.
 */
const ngx_prof_objects_t *ngx_prof_objects_acquire(void);
void ngx_prof_objects_release(void);

/* the object whose text has pc, or NULL.  Signal safe. */
const ngx_prof_object_t *ngx_prof_objects_find(
    const ngx_prof_objects_t *objects, uintptr_t pc);


#endif /* _NGX_PROF_OBJECTS_H_INCLUDED_ */
