
/*
 * An entry is changed only if it holds the original, or the object's own stub
 * for lazy binding.  Any other value belongs to another tool: it is neither
 * overwritten nor called from our hook.  A tool that hooks the same function
 * calls on through its own import table, where our hook is.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_import.h"

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>


/* tries at an entry that others keep changing */
#define NGX_PROF_SWAP_MAX  8


static uintptr_t ngx_prof_import_next(ngx_prof_interpose_scan_t *scan,
    ngx_prof_elf_object_t *obj, ngx_prof_interpose_slot_t *slot,
    const ElfW(Rela) *rela, ngx_uint_t index, uintptr_t value);
static ngx_uint_t ngx_prof_import_lazy(ngx_prof_elf_object_t *obj,
    ngx_prof_interpose_slot_t *slot, const ElfW(Rela) *rela, ngx_uint_t index,
    uintptr_t value);
static ngx_uint_t ngx_prof_import_stub(ngx_prof_elf_object_t *obj,
    uintptr_t value, ngx_uint_t index);
static ngx_int_t ngx_prof_import_open(ngx_prof_interpose_scan_t *scan,
    ngx_prof_elf_object_t *obj, uintptr_t addr);
static ngx_int_t ngx_prof_import_writable(uintptr_t addr);


void
ngx_prof_import_direct(ngx_prof_interpose_scan_t *scan,
    ngx_prof_elf_object_t *obj, ngx_prof_interpose_slot_t *slot,
    const ElfW(Rela) *rela, ngx_uint_t index)
{
    uintptr_t   addr, value, next;
    ngx_uint_t  i;

    addr = obj->base + rela->r_offset;

    if (addr % sizeof(uintptr_t)
        || ngx_prof_elf_room(obj, addr, PF_R|PF_W)
           < sizeof(uintptr_t))
    {
        scan->err = NGX_EINVAL;
        scan->stat.failed++;
        return;
    }

    for (i = 0; i < NGX_PROF_SWAP_MAX; i++) {
        value = __atomic_load_n((uintptr_t *) addr, __ATOMIC_ACQUIRE);

        next = ngx_prof_import_next(scan, obj, slot, rela, index, value);
        if (next == value) {
            return;
        }

        if (ngx_prof_import_open(scan, obj, addr) != NGX_OK) {
            break;
        }

        if (__atomic_compare_exchange_n((uintptr_t *) addr, &value, next, 0,
                                        __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
        {
            scan->stat.patched += !scan->restore;
            return;
        }
    }

    scan->stat.failed++;
}


/* the value that an entry should have; the same if it is not ours to change */

static uintptr_t
ngx_prof_import_next(ngx_prof_interpose_scan_t *scan,
    ngx_prof_elf_object_t *obj, ngx_prof_interpose_slot_t *slot,
    const ElfW(Rela) *rela, ngx_uint_t index, uintptr_t value)
{
    uintptr_t  hook;

    hook = (uintptr_t) slot->hook->hook;

    if (scan->restore) {
        return (value == hook) ? (uintptr_t) *slot->hook->original : value;
    }

    if (value == hook) {
        scan->stat.patched++;
        return value;
    }

    /* 0: a weak symbol that no object defines */

    if (value == 0 || slot->symbol.address == 0) {
        return value;
    }

    if (value == slot->symbol.address) {
        return hook;
    }

    if (value == slot->symbol.canonical) {
        scan->stat.forwarded++;
        return value;
    }

    if (ngx_prof_import_lazy(obj, slot, rela, index, value)) {
        scan->lazy = 1;
        return hook;
    }

    scan->stat.foreign++;
    slot->foreign++;

    return value;
}


/*
 * Is the entry still unbound, and would it be bound to the original? Not if it
 * asks for another version, or if its object prefers a definition of its own.
 */

static ngx_uint_t
ngx_prof_import_lazy(ngx_prof_elf_object_t *obj,
    ngx_prof_interpose_slot_t *slot, const ElfW(Rela) *rela, ngx_uint_t index,
    uintptr_t value)
{
    uint32_t    version;
    ngx_uint_t  sym;

    if (ELF64_R_TYPE(rela->r_info) != NGX_PROF_ARCH_JUMP_SLOT
        || !ngx_prof_import_stub(obj, value, index))
    {
        return 0;
    }

    sym = ELF64_R_SYM(rela->r_info);

    if (obj->symbolic && obj->symtab[sym].st_shndx != SHN_UNDEF) {
        return 0;
    }

    version = ngx_prof_elf_version(obj, sym);

    return version == 0 || slot->symbol.version == 0
           || version == slot->symbol.version;
}


/* is an entry still lazy, pointing to the code of the PLT? */

static ngx_uint_t
ngx_prof_import_stub(ngx_prof_elf_object_t *obj, uintptr_t value,
    ngx_uint_t index)
{
    if (ngx_prof_elf_room(obj, value, PF_R|PF_X) < 16) {
        return 0;
    }

    return ngx_prof_arch_lazy((const u_char *) value, index, obj->pltgot);
}


/*
 * Makes the page of an entry writable, unless it is.  The page itself is
 * tested, not only PT_GNU_RELRO: its protection must be the same afterwards,
 * whatever the loader and others did to it.
 */

static ngx_int_t
ngx_prof_import_open(ngx_prof_interpose_scan_t *scan,
    ngx_prof_elf_object_t *obj, uintptr_t addr)
{
    uintptr_t   page, pagesize;
    ngx_int_t   rc;
    ngx_uint_t  relro;

    pagesize = sysconf(_SC_PAGESIZE);
    page = addr & ~(pagesize - 1);

    if (scan->page == page) {
        return NGX_OK;
    }

    ngx_prof_import_close(scan);

    rc = ngx_prof_import_writable(addr);

    relro = ngx_prof_elf_relro(obj, page, pagesize);

    if (rc == NGX_DECLINED && !relro) {

        /* its protection is unknown and could not be restored */

        scan->err = NGX_EACCES;
        return NGX_ERROR;
    }

    if (rc != NGX_OK && relro) {

        if (mprotect((void *) page, pagesize, PROT_READ|PROT_WRITE) == -1)
        {
            scan->err = ngx_errno;
            return NGX_ERROR;
        }

        scan->protect = 1;
    }

    scan->page = page;

    return NGX_OK;
}


void
ngx_prof_import_close(ngx_prof_interpose_scan_t *scan)
{
    if (scan->page && scan->protect
        && mprotect((void *) scan->page, sysconf(_SC_PAGESIZE), PROT_READ)
           == -1)
    {
        scan->err = ngx_errno;
        scan->stat.failed++;
    }

    scan->page = 0;
    scan->protect = 0;
}


/*
 * NGX_OK: writable; NGX_DECLINED: read-only; NGX_ERROR: the kernel does not
 * tell.  The futex operation adds 0 to the word, atomically: the only system
 * call that tries a write and leaves the word unchanged.  No thread waits on
 * either word.
 */

static ngx_int_t
ngx_prof_import_writable(uintptr_t addr)
{
    uint32_t  word;

    word = 0;

    if (syscall(SYS_futex, &word, FUTEX_WAKE_OP|FUTEX_PRIVATE_FLAG, 0, NULL,
                (void *) addr, FUTEX_OP(FUTEX_OP_ADD, 0, FUTEX_OP_CMP_EQ, 0))
        != -1)
    {
        return NGX_OK;
    }

    return (ngx_errno == EFAULT) ? NGX_DECLINED : NGX_ERROR;
}
