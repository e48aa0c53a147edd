
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_elf.h"

#include <sys/auxv.h>


/* bits of a DT_VERSYM word: not the default version; the version's number */
#define NGX_PROF_VER_HIDDEN  0x8000
#define NGX_PROF_VER_INDEX   0x7fff

/* the bound of walks through linked lists, which damage makes endless */
#define NGX_PROF_VER_MAX  4096


static void ngx_prof_elf_dynamic(ngx_prof_elf_object_t *obj,
    const ElfW(Dyn) *dyn, ngx_uint_t n);
static void ngx_prof_elf_tables(ngx_prof_elf_object_t *obj,
    const uintptr_t *value);
static const void *ngx_prof_elf_table(ngx_prof_elf_object_t *obj,
    uintptr_t value, size_t element, ngx_uint_t *n);
static uintptr_t ngx_prof_elf_address(ngx_prof_elf_object_t *obj,
    uintptr_t value);
static void ngx_prof_elf_lookup_gnu(ngx_prof_elf_object_t *obj,
    ngx_prof_elf_symbol_t *symbol);
static void ngx_prof_elf_lookup_sysv(ngx_prof_elf_object_t *obj,
    ngx_prof_elf_symbol_t *symbol);
static ngx_int_t ngx_prof_elf_define(ngx_prof_elf_object_t *obj,
    ngx_prof_elf_symbol_t *symbol, ngx_uint_t sym);
static ngx_uint_t ngx_prof_elf_exported(ngx_prof_elf_object_t *obj,
    ngx_uint_t sym);
static uintptr_t ngx_prof_elf_ifunc(uintptr_t resolver);
static uint32_t ngx_prof_elf_defined(ngx_prof_elf_object_t *obj,
    ngx_uint_t index);
static uint32_t ngx_prof_elf_needed(ngx_prof_elf_object_t *obj,
    ngx_uint_t index);


ngx_int_t
ngx_prof_elf_object(ngx_prof_elf_object_t *obj, struct dl_phdr_info *info)
{
    size_t             room;
    uintptr_t          addr, vdso, dynamic;
    ngx_uint_t         i;
    const ElfW(Phdr)  *ph;

    ngx_memzero(obj, sizeof(ngx_prof_elf_object_t));

    obj->info = info;
    obj->base = info->dlpi_addr;

    /* its functions are called by libc, and never by their names */

    vdso = getauxval(AT_SYSINFO_EHDR);

    if (vdso && ngx_prof_elf_room(obj, vdso, 0)) {
        return NGX_DECLINED;
    }

    dynamic = 0;
    room = 0;

    for (i = 0; i < info->dlpi_phnum; i++) {
        ph = &info->dlpi_phdr[i];

        if (ph->p_type == PT_DYNAMIC) {
            addr = obj->base + ph->p_vaddr;
            room = ngx_prof_elf_room(obj, addr, PF_R);
            room = ngx_min(room, ph->p_memsz);
            dynamic = addr;
        }
    }

    if (room == 0 || dynamic % sizeof(ElfW(Addr))) {
        return NGX_DECLINED;
    }

    ngx_prof_elf_dynamic(obj, (const ElfW(Dyn) *) dynamic,
                         room / sizeof(ElfW(Dyn)));
    return NGX_OK;
}


static void
ngx_prof_elf_dynamic(ngx_prof_elf_object_t *obj, const ElfW(Dyn) *dyn,
    ngx_uint_t n)
{
    uintptr_t   value[DT_NUM], gnu, versym;
    ngx_uint_t  i;

    ngx_memzero(value, sizeof(value));

    gnu = 0;
    versym = 0;

    for (i = 0; i < n && dyn[i].d_tag != DT_NULL; i++) {

        if (dyn[i].d_tag > 0 && dyn[i].d_tag < DT_NUM) {
            value[dyn[i].d_tag] = dyn[i].d_un.d_val;

            /* its presence is its meaning */

            if (dyn[i].d_tag == DT_SYMBOLIC) {
                obj->symbolic = 1;
            }

        } else if (dyn[i].d_tag == DT_GNU_HASH) {
            gnu = dyn[i].d_un.d_ptr;

        } else if (dyn[i].d_tag == DT_VERSYM) {
            versym = dyn[i].d_un.d_ptr;

        } else if (dyn[i].d_tag == DT_VERDEF) {
            obj->verdef = ngx_prof_elf_address(obj, dyn[i].d_un.d_ptr);

        } else if (dyn[i].d_tag == DT_VERNEED) {
            obj->verneed = ngx_prof_elf_address(obj, dyn[i].d_un.d_ptr);
        }
    }

    obj->versym = ngx_prof_elf_table(obj, versym, sizeof(uint16_t),
                                     &obj->nversym);
    obj->gnu_hash = ngx_prof_elf_table(obj, gnu, sizeof(uint32_t),
                                       &obj->gnu_words);

    ngx_prof_elf_tables(obj, value);
}


static void
ngx_prof_elf_tables(ngx_prof_elf_object_t *obj, const uintptr_t *value)
{
    ngx_uint_t  n;

    if (value[DT_FLAGS] & DF_SYMBOLIC) {
        obj->symbolic = 1;
    }

    obj->pltgot = ngx_prof_elf_address(obj, value[DT_PLTGOT]);

    obj->symtab = ngx_prof_elf_table(obj, value[DT_SYMTAB],
                                     sizeof(ElfW(Sym)),
                                     &obj->nsyms);
    obj->strtab = ngx_prof_elf_table(obj, value[DT_STRTAB], 1, &n);
    obj->strsz = ngx_min(n, value[DT_STRSZ]);

    obj->sysv_hash = ngx_prof_elf_table(obj, value[DT_HASH],
                                        sizeof(uint32_t),
                                        &obj->sysv_words);
    obj->rela = ngx_prof_elf_table(obj, value[DT_RELA],
                                   sizeof(ElfW(Rela)), &n);
    obj->nrela = ngx_min(n, value[DT_RELASZ] / sizeof(ElfW(Rela)));

    if (value[DT_PLTREL] != DT_RELA) {
        return;
    }

    obj->plt = ngx_prof_elf_table(obj, value[DT_JMPREL],
                                  sizeof(ElfW(Rela)), &n);
    obj->nplt = ngx_min(n, value[DT_PLTRELSZ] / sizeof(ElfW(Rela)));

    /*
     * some linkers let DT_RELA cover DT_JMPREL: nothing is seen twice; in a
     * damaged object it may begin amidst an element
     */

    if (obj->nplt && obj->nrela
        && obj->plt >= obj->rela && obj->plt < obj->rela + obj->nrela)
    {
        obj->nrela = ((uintptr_t) obj->plt - (uintptr_t) obj->rela)
                     / sizeof(ElfW(Rela));
    }
}


/* a table and how many elements fit in its segment, NULL if it cannot be */

static const void *
ngx_prof_elf_table(ngx_prof_elf_object_t *obj, uintptr_t value, size_t element,
    ngx_uint_t *n)
{
    uintptr_t  addr;

    addr = ngx_prof_elf_address(obj, value);

    if (addr % ngx_min(element, sizeof(ElfW(Addr)))) {
        addr = 0;
    }

    *n = addr ? ngx_prof_elf_room(obj, addr, PF_R) / element : 0;

    return (const void *) addr;
}


/*
 * An address of the dynamic section, or 0.  glibc adds the base to most of
 * them in place, musl to none.
 */

static uintptr_t
ngx_prof_elf_address(ngx_prof_elf_object_t *obj, uintptr_t value)
{
    if (value == 0) {
        return 0;
    }

    if (value >= obj->base && ngx_prof_elf_room(obj, value, PF_R)) {
        return value;
    }

    value += obj->base;

    return ngx_prof_elf_room(obj, value, PF_R) ? value : 0;
}


size_t
ngx_prof_elf_room(ngx_prof_elf_object_t *obj, uintptr_t addr, ElfW(Word) flags)
{
    uintptr_t          offset;
    ngx_uint_t         i;
    const ElfW(Phdr)  *ph;

    for (i = 0; i < obj->info->dlpi_phnum; i++) {
        ph = &obj->info->dlpi_phdr[i];

        if (ph->p_type != PT_LOAD) {
            continue;
        }

        offset = addr - (obj->base + ph->p_vaddr);

        if (offset < ph->p_memsz) {
            return ((ph->p_flags & flags) == flags) ? ph->p_memsz - offset : 0;
        }
    }

    return 0;
}


/* both ends are rounded down, as loaders do */

ngx_uint_t
ngx_prof_elf_relro(ngx_prof_elf_object_t *obj, uintptr_t page, size_t size)
{
    uintptr_t          start, end;
    ngx_uint_t         i;
    const ElfW(Phdr)  *ph;

    for (i = 0; i < obj->info->dlpi_phnum; i++) {
        ph = &obj->info->dlpi_phdr[i];

        if (ph->p_type == PT_GNU_RELRO) {
            start = (obj->base + ph->p_vaddr) & ~(size - 1);
            end = (obj->base + ph->p_vaddr + ph->p_memsz) & ~(size - 1);

            return page >= start && page < end;
        }
    }

    return 0;
}


ngx_uint_t
ngx_prof_elf_name(ngx_prof_elf_object_t *obj, ngx_uint_t sym, const char *name,
    size_t len)
{
    size_t  offset;

    if (sym >= obj->nsyms) {
        return 0;
    }

    offset = obj->symtab[sym].st_name;

    return offset < obj->strsz
           && len <= obj->strsz - offset
           && obj->strtab[offset] == name[0]
           && ngx_memcmp(&obj->strtab[offset], name, len) == 0;
}


/* the hash functions of DT_GNU_HASH and, from the gABI, of DT_HASH */

void
ngx_prof_elf_symbol(ngx_prof_elf_symbol_t *symbol, const char *name,
    void *never)
{
    const u_char  *p;

    ngx_memzero(symbol, sizeof(ngx_prof_elf_symbol_t));

    symbol->name = name;
    symbol->len = ngx_strlen(name) + 1;
    symbol->never = (uintptr_t) never;
    symbol->gnu_hash = 5381;

    for (p = (const u_char *) name; *p; p++) {
        symbol->gnu_hash = symbol->gnu_hash * 33 + *p;

        symbol->sysv_hash = (symbol->sysv_hash << 4) + *p;
        symbol->sysv_hash ^= (symbol->sysv_hash >> 24) & 0xf0;
        symbol->sysv_hash &= 0x0fffffff;
    }
}


void
ngx_prof_elf_lookup(ngx_prof_elf_object_t *obj, ngx_prof_elf_symbol_t *symbol)
{
    if (symbol->address) {
        return;
    }

    if (obj->gnu_hash) {
        ngx_prof_elf_lookup_gnu(obj, symbol);

    } else if (obj->sysv_hash) {
        ngx_prof_elf_lookup_sysv(obj, symbol);
    }
}


/*
 * DT_GNU_HASH: number of buckets, number of the first symbol in it, words and
 * shift of the Bloom filter, the filter, the buckets, then a hash a symbol,
 * whose lowest bit ends a chain.
 */

static void
ngx_prof_elf_lookup_gnu(ngx_prof_elf_object_t *obj,
    ngx_prof_elf_symbol_t *symbol)
{
    uint32_t         hash;
    uint64_t         i, sym, first, nbuckets, buckets, chains;
    const uint32_t  *word;

    if (obj->gnu_words < 4) {
        return;
    }

    word = obj->gnu_hash;
    nbuckets = word[0];
    first = word[1];
    buckets = 4 + (uint64_t) word[2] * (sizeof(ElfW(Addr)) / sizeof(uint32_t));
    chains = buckets + nbuckets;

    if (nbuckets == 0 || chains > obj->gnu_words) {
        return;
    }

    sym = word[buckets + symbol->gnu_hash % nbuckets];

    if (sym == 0 || sym < first) {
        return;
    }

    for (i = chains + sym - first; i < obj->gnu_words; i++, sym++) {
        hash = word[i];

        if ((hash | 1) == (symbol->gnu_hash | 1)
            && ngx_prof_elf_define(obj, symbol, sym) == NGX_OK)
        {
            return;
        }

        if (hash & 1) {
            return;
        }
    }
}


/* DT_HASH: number of buckets and of symbols, the buckets, a link a symbol */

static void
ngx_prof_elf_lookup_sysv(ngx_prof_elf_object_t *obj,
    ngx_prof_elf_symbol_t *symbol)
{
    uint64_t         i, sym, nbuckets, nchains;
    const uint32_t  *word;

    if (obj->sysv_words < 2) {
        return;
    }

    word = obj->sysv_hash;
    nbuckets = word[0];
    nchains = word[1];

    if (nbuckets == 0 || 2 + nbuckets + nchains > obj->sysv_words) {
        return;
    }

    sym = word[2 + symbol->sysv_hash % nbuckets];

    /* a damaged chain may be a circle */

    for (i = 0; i < nchains && sym != 0 && sym < nchains; i++) {

        if (ngx_prof_elf_define(obj, symbol, sym) == NGX_OK) {
            return;
        }

        sym = word[2 + nbuckets + sym];
    }
}


/*
 * An undefined symbol with a value is the PLT address that a non-PIE program
 * lends to all who ask for the function's address: taken for the original, it
 * would recurse for ever.
 */

static ngx_int_t
ngx_prof_elf_define(ngx_prof_elf_object_t *obj, ngx_prof_elf_symbol_t *symbol,
    ngx_uint_t sym)
{
    uintptr_t         addr;
    const ElfW(Sym)  *s;

    if (!ngx_prof_elf_name(obj, sym, symbol->name, symbol->len)) {
        return NGX_DECLINED;
    }

    s = &obj->symtab[sym];
    addr = obj->base + s->st_value;

    if (s->st_shndx == SHN_UNDEF) {
        if (s->st_value && symbol->canonical == 0) {
            symbol->canonical = addr;
        }

        return NGX_DECLINED;
    }

    if (!ngx_prof_elf_exported(obj, sym)
        || ngx_prof_elf_room(obj, addr, PF_X) == 0
        || addr == symbol->never)
    {
        return NGX_DECLINED;
    }

    if (ELF64_ST_TYPE(s->st_info) == STT_GNU_IFUNC) {
        addr = ngx_prof_elf_ifunc(addr);

        if (addr == 0) {
            return NGX_DECLINED;
        }
    }

    symbol->address = addr;
    symbol->version = ngx_prof_elf_version(obj, sym);

    return NGX_OK;
}


/*
 * A function, of some size (one without may be a PLT stub as well), that
 * others get who ask for its name without a version.
 */

static ngx_uint_t
ngx_prof_elf_exported(ngx_prof_elf_object_t *obj, ngx_uint_t sym)
{
    ngx_uint_t        bind, type, visibility;
    const ElfW(Sym)  *s;

    s = &obj->symtab[sym];
    bind = ELF64_ST_BIND(s->st_info);
    type = ELF64_ST_TYPE(s->st_info);
    visibility = ELF64_ST_VISIBILITY(s->st_other);

    if (s->st_value == 0 || s->st_size == 0 || s->st_shndx == SHN_ABS) {
        return 0;
    }

    if (bind == STB_LOCAL
        || (type != STT_FUNC && type != STT_GNU_IFUNC)
        || (visibility != STV_DEFAULT && visibility != STV_PROTECTED))
    {
        return 0;
    }

    return sym >= obj->nversym
           || (obj->versym[sym] != VER_NDX_LOCAL
               && !(obj->versym[sym] & NGX_PROF_VER_HIDDEN));
}


/*
 * Resolvers are called, as the linker does and with its arguments: what a table
 * holds instead might be another tool's hook.  If one decides otherwise than it
 * did for the linker, the entries look foreign and are left alone.
 */

static uintptr_t
ngx_prof_elf_ifunc(uintptr_t resolver)
{
    return ngx_prof_arch_resolve(resolver);
}


uint32_t
ngx_prof_elf_version(ngx_prof_elf_object_t *obj, ngx_uint_t sym)
{
    ngx_uint_t  index;

    if (sym >= obj->nversym || sym >= obj->nsyms) {
        return 0;
    }

    index = obj->versym[sym] & NGX_PROF_VER_INDEX;

    if (index <= VER_NDX_GLOBAL) {
        return 0;
    }

    return (obj->symtab[sym].st_shndx == SHN_UNDEF)
           ? ngx_prof_elf_needed(obj, index)
           : ngx_prof_elf_defined(obj, index);
}


static uint32_t
ngx_prof_elf_defined(ngx_prof_elf_object_t *obj, ngx_uint_t index)
{
    uintptr_t            addr;
    ngx_uint_t           i;
    const ElfW(Verdef)  *def;

    addr = obj->verdef;

    for (i = 0; i < NGX_PROF_VER_MAX; i++) {

        if (addr == 0
            || addr % sizeof(uint32_t)
            || ngx_prof_elf_room(obj, addr, PF_R)
               < sizeof(ElfW(Verdef)))
        {
            return 0;
        }

        def = (const ElfW(Verdef) *) addr;

        if (def->vd_ndx == index) {
            return def->vd_hash;
        }

        if (def->vd_next == 0) {
            return 0;
        }

        addr += def->vd_next;
    }

    return 0;
}


/* a list of libraries, each with a list of versions; both elements are alike */

static uint32_t
ngx_prof_elf_needed(ngx_prof_elf_object_t *obj, ngx_uint_t index)
{
    uintptr_t             addr, next;
    ngx_uint_t            i, inner;
    const ElfW(Verneed)  *need;
    const ElfW(Vernaux)  *aux;

    addr = obj->verneed;
    next = 0;
    inner = 0;

    for (i = 0; i < NGX_PROF_VER_MAX; i++) {

        if (addr == 0
            || addr % sizeof(uint32_t)
            || ngx_prof_elf_room(obj, addr, PF_R)
               < sizeof(ElfW(Vernaux)))
        {
            return 0;
        }

        if (!inner) {
            need = (const ElfW(Verneed) *) addr;
            next = need->vn_next ? addr + need->vn_next : 0;
            addr += need->vn_aux;
            inner = 1;
            continue;
        }

        aux = (const ElfW(Vernaux) *) addr;

        if ((aux->vna_other & NGX_PROF_VER_INDEX) == index) {
            return aux->vna_hash;
        }

        inner = (aux->vna_next != 0);
        addr = inner ? addr + aux->vna_next : next;
    }

    return 0;
}
