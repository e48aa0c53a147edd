
/*
 * A loaded object as its dynamic section describes it: symbols, versions and
 * relocations, for 64-bit ELF with RELA tables.
 *
 * Reads the memory of the object only, and each address is checked to lie in
 * one of its segments first, so that damaged tables do no harm.  Allocates and
 * logs nothing, takes no lock.  To be used in a callback of dl_iterate_phdr(),
 * where the object cannot go away.  Not for signal handlers.
 */


#ifndef _NGX_PROF_ELF_H_INCLUDED_
#define _NGX_PROF_ELF_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <elf.h>
#include <link.h>

#include "ngx_prof_arch.h"


/* pointers are NULL and counts 0 for what the object lacks */

typedef struct {
    struct dl_phdr_info  *info;
    uintptr_t             base;
    const ElfW(Sym)      *symtab;
    ngx_uint_t            nsyms;       /* that fit in the segment */
    const char           *strtab;
    size_t                strsz;
    const uint16_t       *versym;
    ngx_uint_t            nversym;     /* that fit in the segment */
    const uint32_t       *gnu_hash;
    ngx_uint_t            gnu_words;   /* that fit in the segment */
    const uint32_t       *sysv_hash;
    ngx_uint_t            sysv_words;  /* that fit in the segment */
    const ElfW(Rela)     *rela;
    ngx_uint_t            nrela;
    const ElfW(Rela)     *plt;         /* DT_JMPREL */
    ngx_uint_t            nplt;
    uintptr_t             verdef;
    uintptr_t             verneed;
    uintptr_t             pltgot;
    ngx_uint_t            symbolic;    /* prefers its own definitions */
} ngx_prof_elf_object_t;


/* a function that is looked for, and what is known about it */

typedef struct {
    const char           *name;
    size_t                len;         /* with the terminating NUL */
    uint32_t              gnu_hash;
    uint32_t              sysv_hash;
    uintptr_t             never;       /* an address not to be found */
    uintptr_t             address;     /* 0: not found */
    uintptr_t             canonical;   /* its PLT address in a non-PIE */
    uint32_t              version;     /* hash of its version's name, or 0 */
} ngx_prof_elf_symbol_t;


/*
 * object()   fills obj; NGX_DECLINED for the vDSO and for what has no dynamic
 *            section
 * room()     bytes from addr to the end of its segment, 0 if it is in none or
 *            the segment lacks one of the PF_ flags
 * name()     whether symbol number sym of the object has this name
 * version()  hash of the name of that symbol's version, 0 if it has none
 * relro()    whether loaders make this page read-only, as PT_GNU_RELRO asks;
 *            size is that of a page, in bytes
 * symbol()   starts a search
 * lookup()   continues it in an object: sets address and version if the object
 *            defines the function for others, canonical if it lends an address.
 *            Objects must come in link order, the search ends when address is
 *            not 0
 */

ngx_int_t ngx_prof_elf_object(ngx_prof_elf_object_t *obj,
    struct dl_phdr_info *info);
size_t ngx_prof_elf_room(ngx_prof_elf_object_t *obj, uintptr_t addr,
    ElfW(Word) flags);
ngx_uint_t ngx_prof_elf_name(ngx_prof_elf_object_t *obj, ngx_uint_t sym,
    const char *name, size_t len);
uint32_t ngx_prof_elf_version(ngx_prof_elf_object_t *obj, ngx_uint_t sym);
ngx_uint_t ngx_prof_elf_relro(ngx_prof_elf_object_t *obj, uintptr_t page,
    size_t size);

void ngx_prof_elf_symbol(ngx_prof_elf_symbol_t *symbol, const char *name,
    void *never);
void ngx_prof_elf_lookup(ngx_prof_elf_object_t *obj,
    ngx_prof_elf_symbol_t *symbol);


#endif /* _NGX_PROF_ELF_H_INCLUDED_ */
