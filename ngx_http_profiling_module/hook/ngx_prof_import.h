
/*
 * An entry of an import table: to direct it to a hook, or back.  For
 * ngx_prof_interpose.c, in a callback of dl_iterate_phdr(), where its object
 * cannot go away.
 */


#ifndef _NGX_PROF_IMPORT_H_INCLUDED_
#define _NGX_PROF_IMPORT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_elf.h"
#include "ngx_prof_hook.h"


typedef struct {
    ngx_prof_hook_t       *hook;
    ngx_prof_elf_symbol_t  symbol;
    ngx_uint_t             foreign;           /* entries, as of the last scan */
    ngx_uint_t             next;              /* of the same name */
    unsigned               on:1;              /* at most one of a name */
    unsigned               drop:1;            /* being restored */
    unsigned               expected:1;        /* stays when it is restored */
} ngx_prof_interpose_slot_t;


typedef struct {
    ngx_prof_interpose_stat_t  stat;
    uintptr_t                  page;               /* open for writing */
    ngx_err_t                  err;                /* of the last failure */
    ngx_uint_t                 object;             /* its number */
    ngx_uint_t                 looked;             /* objects, for symbols */
    unsigned                   protect:1;              /* page, when done */
    unsigned                   restore:1;
    unsigned                   main:1;             /* in the main program */
    unsigned                   keep:1;             /* the object's entries */
    unsigned                   lazy:1;             /* stubs were replaced */
    unsigned                   libc:1;             /* in the C library */
} ngx_prof_interpose_scan_t;


/*
 * direct()  writes what the scan is for into the entry of a relocation, whose
 *           number in its table is index, and counts it
 * close()   at the end of an object: its pages are protected as before
 */

void ngx_prof_import_direct(ngx_prof_interpose_scan_t *scan,
    ngx_prof_elf_object_t *obj, ngx_prof_interpose_slot_t *slot,
    const ElfW(Rela) *rela, ngx_uint_t index);
void ngx_prof_import_close(ngx_prof_interpose_scan_t *scan);


#endif /* _NGX_PROF_IMPORT_H_INCLUDED_ */
