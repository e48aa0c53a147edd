
/*
 * No state is kept about what entries hold: each scan walks the objects that
 * are loaded at that moment, under the loader's lock, and a restore is a scan
 * as well.  So an unloaded object is never touched.
 *
 * Where the entries lie is kept, as no object's relocations change: a worker
 * inherits from the master what was found before the fork.  The loader appends
 * objects, and counts those that go: while none goes, the first are the same.
 * An object for which there is no room is walked by each scan.  The room is
 * static, since malloc() itself is hooked.
 *
 * R_*_64 is patched too: libxml2's "xmlFree = free" in data is a call site
 * like any other, and a heap profile that sees the malloc() but not the free()
 * reports a leak.  A program may change such a word at any time; the
 * compare-and-swap never overwrites that change.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_interpose.h"
#include "ngx_prof_elf.h"
#include "ngx_prof_import.h"

#include <stdlib.h>


/* objects whose entries are known, and the entries of all of them */
#define NGX_PROF_KNOWN_MAX  512
#define NGX_PROF_ENTRY_MAX  8192

/* of a name: no other slot */
#define NGX_PROF_SLOT_NONE  NGX_PROF_HOOKS_MAX


/* a relocation whose symbol has the name of a hook */

typedef struct {
    const ElfW(Rela)  *rela;
    uint32_t           index;       /* in its table */
    uint32_t           slot;        /* the first of that name */
} ngx_prof_interpose_entry_t;


typedef struct {
    ElfW(Addr)         base;
    const ElfW(Phdr)  *phdr;
    ngx_uint_t         first;       /* of its entries */
    ngx_uint_t         n;
} ngx_prof_interpose_known_t;


static ngx_prof_interpose_slot_t *ngx_prof_interpose_slot(
    const ngx_prof_hook_t *hook);
static ngx_prof_interpose_slot_t *ngx_prof_interpose_named(const char *name);
static ngx_prof_interpose_slot_t *ngx_prof_interpose_add(
    ngx_prof_hook_t *hook);
static void ngx_prof_interpose_link(ngx_uint_t n);
static void ngx_prof_interpose_drop(void);
static void ngx_prof_interpose_forget(void);
static ngx_int_t ngx_prof_interpose_scan(ngx_log_t *log);
static void ngx_prof_interpose_look(ngx_prof_interpose_scan_t *scan);
static void ngx_prof_interpose_report(ngx_prof_interpose_scan_t *scan,
    ngx_log_t *log);
static ngx_uint_t ngx_prof_interpose_publish(void);
static int ngx_prof_interpose_changes(struct dl_phdr_info *info, size_t size,
    void *data);
static int ngx_prof_interpose_lookup(struct dl_phdr_info *info, size_t size,
    void *data);
static ngx_int_t ngx_prof_interpose_check(const struct dl_phdr_info *info,
    size_t size);
static ngx_uint_t ngx_prof_interpose_knows(ngx_uint_t i,
    const struct dl_phdr_info *info);
static int ngx_prof_interpose_patch(struct dl_phdr_info *info, size_t size,
    void *data);
static void ngx_prof_interpose_known_entries(ngx_prof_interpose_scan_t *scan,
    ngx_prof_elf_object_t *obj, const ngx_prof_interpose_known_t *known);
static void ngx_prof_interpose_walk(ngx_prof_interpose_scan_t *scan,
    ngx_prof_elf_object_t *obj);
static void ngx_prof_interpose_found(ngx_prof_interpose_scan_t *scan,
    ngx_prof_elf_object_t *obj, const ElfW(Rela) *rela, ngx_uint_t index);
static void ngx_prof_interpose_entry(ngx_prof_interpose_scan_t *scan,
    ngx_prof_elf_object_t *obj, const ngx_prof_interpose_entry_t *entry);
static ngx_uint_t ngx_prof_interpose_match(ngx_prof_elf_object_t *obj,
    ngx_uint_t sym);


static ngx_prof_interpose_slot_t
    ngx_prof_interpose_slots[NGX_PROF_HOOKS_MAX];
static ngx_uint_t  ngx_prof_interpose_nslots;

/* a bit for each first character of the hooked names, modulo 64 */
static uint64_t  ngx_prof_interpose_first;

/* in the loader's order */
static ngx_prof_interpose_known_t  ngx_prof_interpose_known[NGX_PROF_KNOWN_MAX];
static ngx_uint_t                  ngx_prof_interpose_nknown;

static ngx_prof_interpose_entry_t
    ngx_prof_interpose_entries[NGX_PROF_ENTRY_MAX];
static ngx_uint_t  ngx_prof_interpose_nentries;

/* objects that had gone, by the loader's counter, when these were read */
static unsigned long long  ngx_prof_interpose_went;

/* the loader's counters before the last scan */
static unsigned long long  ngx_prof_interpose_adds;
static unsigned long long  ngx_prof_interpose_subs;

/*
 * 1: the last scan replaced stubs, and a thread may have been in one of them
 */
static ngx_uint_t  ngx_prof_interpose_again;

static ngx_prof_interpose_stat_t  ngx_prof_interpose_last;


void
ngx_prof_interpose_expect(ngx_prof_hook_t *hooks, ngx_uint_t n)
{
    ngx_uint_t                  i;
    ngx_prof_interpose_slot_t  *slot;

    for (i = 0; i < n; i++) {
        slot = ngx_prof_interpose_slot(&hooks[i]);

        if (slot == NULL && ngx_prof_interpose_nslots < NGX_PROF_HOOKS_MAX) {
            slot = ngx_prof_interpose_add(&hooks[i]);
        }

        if (slot) {
            slot->expected = 1;
        }
    }
}


ngx_int_t
ngx_prof_interpose(ngx_prof_hook_t *hooks, ngx_uint_t n, ngx_log_t *log)
{
    ngx_uint_t                  i, fresh;
    ngx_prof_interpose_slot_t  *slot;

    fresh = 0;

    for (i = 0; i < n; i++) {
        fresh += (ngx_prof_interpose_slot(&hooks[i]) == NULL);
        slot = ngx_prof_interpose_named(hooks[i].name);

        if (slot && slot->hook != &hooks[i]) {
            return NGX_ERROR;
        }
    }

    if (fresh > NGX_PROF_HOOKS_MAX - ngx_prof_interpose_nslots) {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        slot = ngx_prof_interpose_slot(&hooks[i]);

        if (slot == NULL) {
            slot = ngx_prof_interpose_add(&hooks[i]);
        }

        slot->on = 1;
    }

    return ngx_prof_interpose_scan(log);
}


ngx_int_t
ngx_prof_interpose_refresh(ngx_log_t *log)
{
    if (ngx_prof_interpose_nslots == 0) {
        return NGX_OK;
    }

    if (!ngx_prof_interpose_again
        && dl_iterate_phdr(ngx_prof_interpose_changes, NULL)
           == NGX_DECLINED)
    {
        return NGX_OK;
    }

    return ngx_prof_interpose_scan(log);
}


void
ngx_prof_interpose_restore(ngx_prof_hook_t *hooks, ngx_uint_t n,
    ngx_log_t *log)
{
    ngx_uint_t                  i;
    ngx_prof_interpose_slot_t  *slot;
    ngx_prof_interpose_scan_t   scan;

    if (hooks == NULL) {
        for (i = 0; i < ngx_prof_interpose_nslots; i++) {
            ngx_prof_interpose_slots[i].drop = ngx_prof_interpose_slots[i].on;
        }

    } else {
        for (i = 0; i < n; i++) {
            slot = ngx_prof_interpose_slot(&hooks[i]);

            if (slot) {
                slot->drop = slot->on;
            }
        }
    }

    ngx_memzero(&scan, sizeof(ngx_prof_interpose_scan_t));

    scan.restore = 1;

    ngx_prof_interpose_look(&scan);

    (void) dl_iterate_phdr(ngx_prof_interpose_patch, &scan);

    ngx_prof_interpose_last = scan.stat;

    ngx_prof_interpose_drop();

    ngx_prof_interpose_report(&scan, log);
}


void
ngx_prof_interpose_stat(ngx_prof_interpose_stat_t *stat)
{
    *stat = ngx_prof_interpose_last;
}


ngx_uint_t
ngx_prof_interpose_foreign(const char *name)
{
    ngx_prof_interpose_slot_t  *slot;

    slot = ngx_prof_interpose_named(name);

    return slot ? slot->foreign : 0;
}


static ngx_prof_interpose_slot_t *
ngx_prof_interpose_slot(const ngx_prof_hook_t *hook)
{
    ngx_uint_t  i;

    for (i = 0; i < ngx_prof_interpose_nslots; i++) {
        if (ngx_prof_interpose_slots[i].hook == hook) {
            return &ngx_prof_interpose_slots[i];
        }
    }

    return NULL;
}


/* of the hooks of a name the one that is in force, at most one */

static ngx_prof_interpose_slot_t *
ngx_prof_interpose_named(const char *name)
{
    ngx_uint_t                  i;
    ngx_prof_interpose_slot_t  *slot;

    slot = ngx_prof_interpose_slots;

    for (i = 0; i < ngx_prof_interpose_nslots; i++) {
        if (slot[i].on && ngx_strcmp(slot[i].hook->name, name) == 0) {
            return &slot[i];
        }
    }

    return NULL;
}


static ngx_prof_interpose_slot_t *
ngx_prof_interpose_add(ngx_prof_hook_t *hook)
{
    ngx_prof_interpose_slot_t  *slot;

    slot = &ngx_prof_interpose_slots[ngx_prof_interpose_nslots++];

    ngx_memzero(slot, sizeof(ngx_prof_interpose_slot_t));

    slot->hook = hook;

    ngx_prof_elf_symbol(&slot->symbol, hook->name, hook->hook);

    ngx_prof_interpose_first |= (uint64_t) 1
                                          << ((u_char) hook->name[0] & 63);

    ngx_prof_interpose_link(slot - ngx_prof_interpose_slots);
    ngx_prof_interpose_forget();

    return slot;
}


/* to the slots before it that have its name */

static void
ngx_prof_interpose_link(ngx_uint_t n)
{
    ngx_uint_t                  i;
    ngx_prof_interpose_slot_t  *slot;

    slot = ngx_prof_interpose_slots;
    slot[n].next = NGX_PROF_SLOT_NONE;

    for (i = 0; i < n; i++) {
        if (slot[i].next == NGX_PROF_SLOT_NONE
            && ngx_strcmp(slot[i].hook->name, slot[n].hook->name) == 0)
        {
            slot[i].next = n;
        }
    }
}


/* removes restored slots, and keeps the order of the others */

static void
ngx_prof_interpose_drop(void)
{
    ngx_uint_t                  i, n;
    ngx_prof_interpose_slot_t  *slot;

    slot = ngx_prof_interpose_slots;
    n = 0;

    for (i = 0; i < ngx_prof_interpose_nslots; i++) {

        if (slot[i].drop) {
            slot[i].drop = 0;
            slot[i].on = 0;

            if (!slot[i].expected) {
                continue;
            }
        }

        slot[n++] = slot[i];
    }

    if (n == ngx_prof_interpose_nslots) {
        return;
    }

    ngx_prof_interpose_nslots = n;

    for (i = 0; i < n; i++) {
        ngx_prof_interpose_link(i);
    }

    ngx_prof_interpose_forget();
}


/* all objects are to be read again: slots or objects are others now */

static void
ngx_prof_interpose_forget(void)
{
    ngx_uint_t              i;
    ngx_prof_elf_symbol_t  *symbol;

    ngx_prof_interpose_nknown = 0;
    ngx_prof_interpose_nentries = 0;

    for (i = 0; i < ngx_prof_interpose_nslots; i++) {
        symbol = &ngx_prof_interpose_slots[i].symbol;

        symbol->address = 0;
        symbol->canonical = 0;
        symbol->version = 0;
    }
}


/*
 * The counters were read before the lookup: if another thread loads an object
 * during the scan, the next refresh scans again.
 */

static ngx_int_t
ngx_prof_interpose_scan(ngx_log_t *log)
{
    ngx_uint_t                 i;
    ngx_prof_interpose_scan_t  scan;

    ngx_memzero(&scan, sizeof(ngx_prof_interpose_scan_t));

    for (i = 0; i < ngx_prof_interpose_nslots; i++) {
        ngx_prof_interpose_slots[i].foreign = 0;
    }

    (void) dl_iterate_phdr(ngx_prof_interpose_changes, NULL);

    ngx_prof_interpose_look(&scan);

    scan.stat.unresolved = ngx_prof_interpose_publish();

    (void) dl_iterate_phdr(ngx_prof_interpose_patch, &scan);

    /*
     * a lazy binding in progress may still overwrite our hook with the
     * original
     */

    ngx_prof_interpose_again = scan.lazy;

    ngx_prof_interpose_last = scan.stat;

    ngx_prof_interpose_report(&scan, log);

    return (scan.stat.failed || scan.stat.unresolved) ? NGX_DECLINED : NGX_OK;
}


static void
ngx_prof_interpose_look(ngx_prof_interpose_scan_t *scan)
{
    (void) dl_iterate_phdr(ngx_prof_interpose_lookup, scan);

    scan->looked = scan->object;
    scan->object = 0;
}


static void
ngx_prof_interpose_report(ngx_prof_interpose_scan_t *scan, ngx_log_t *log)
{
    ngx_prof_interpose_stat_t  *stat;

    if (log == NULL) {
        return;
    }

    stat = &scan->stat;

    if (stat->failed) {
        ngx_log_error(NGX_LOG_ALERT, log, scan->err,
                      "%s %ui import table entries failed",
                      scan->restore ? "restoring" : "patching", stat->failed);
    }

    if (scan->restore) {
        return;
    }

    ngx_log_error(NGX_LOG_INFO, log, 0,
                  "import tables: %ui entries patched in %ui objects, "
                  "%ui forwarded, %ui foreign, %ui functions not found",
                  stat->patched, stat->objects, stat->forwarded,
                  stat->foreign, stat->unresolved);
}


/*
 * Publishes the originals to the hooks, before any of them can be reached.
 * Returns the number of functions that no object defines.
 */

static ngx_uint_t
ngx_prof_interpose_publish(void)
{
    void                       *original;
    ngx_uint_t                  i, unresolved;
    ngx_prof_interpose_slot_t  *slot;

    unresolved = 0;

    for (i = 0; i < ngx_prof_interpose_nslots; i++) {
        slot = &ngx_prof_interpose_slots[i];

        if (!slot->on) {
            continue;
        }

        if (slot->symbol.address == 0) {
            unresolved++;
            continue;
        }

        /* a hook in force may be reading it */

        original = (void *) slot->symbol.address;

        if (*slot->hook->original != original) {
            __atomic_store_n(slot->hook->original, original, __ATOMIC_SEQ_CST);
        }
    }

    return unresolved;
}


/*
 * NGX_DECLINED if no object came or went since the last call, 1 if some did or
 * if the loader does not count them; both end the walk at the first object.
 */

static int
ngx_prof_interpose_changes(struct dl_phdr_info *info, size_t size, void *data)
{
    (void) data;

    if (size < offsetof(struct dl_phdr_info, dlpi_subs)
               + sizeof(info->dlpi_subs))
    {
        return 1;
    }

    if (info->dlpi_adds == ngx_prof_interpose_adds
        && info->dlpi_subs == ngx_prof_interpose_subs)
    {
        return NGX_DECLINED;
    }

    ngx_prof_interpose_adds = info->dlpi_adds;
    ngx_prof_interpose_subs = info->dlpi_subs;

    return 1;
}


/* objects come in link order: the first definition is the linker's */

static int
ngx_prof_interpose_lookup(struct dl_phdr_info *info, size_t size, void *data)
{
    ngx_uint_t                  i;
    ngx_prof_elf_object_t       obj;
    ngx_prof_interpose_scan_t  *scan;

    scan = data;

    if (scan->object == 0) {
        (void) ngx_prof_interpose_check(info, size);
    }

    if (ngx_prof_interpose_knows(scan->object++, info)
        || ngx_prof_elf_object(&obj, info) != NGX_OK)
    {
        return 0;
    }

    for (i = 0; i < ngx_prof_interpose_nslots; i++) {
        ngx_prof_elf_lookup(&obj, &ngx_prof_interpose_slots[i].symbol);
    }

    return 0;
}


/* at the first object of a walk; NGX_DECLINED: nothing is known any more */

static ngx_int_t
ngx_prof_interpose_check(const struct dl_phdr_info *info, size_t size)
{
    if (size < offsetof(struct dl_phdr_info, dlpi_subs)
               + sizeof(info->dlpi_subs))
    {
        ngx_prof_interpose_forget();
        return NGX_DECLINED;
    }

    if (info->dlpi_subs == ngx_prof_interpose_went) {
        return NGX_OK;
    }

    ngx_prof_interpose_forget();
    ngx_prof_interpose_went = info->dlpi_subs;

    return NGX_DECLINED;
}


static ngx_uint_t
ngx_prof_interpose_knows(ngx_uint_t i, const struct dl_phdr_info *info)
{
    return i < ngx_prof_interpose_nknown
           && ngx_prof_interpose_known[i].base == info->dlpi_addr
           && ngx_prof_interpose_known[i].phdr == info->dlpi_phdr;
}


static int
ngx_prof_interpose_patch(struct dl_phdr_info *info, size_t size, void *data)
{
    uintptr_t                   self;
    ngx_uint_t                  n, first;
    ngx_prof_elf_object_t       obj;
    ngx_prof_interpose_scan_t  *scan;

    scan = data;
    n = scan->object++;

    if (n == 0 && ngx_prof_interpose_check(info, size) != NGX_OK) {
        scan->looked = 0;
    }

    scan->main = (n == 0);
    scan->keep = (n == ngx_prof_interpose_nknown
                  && n < ngx_min(scan->looked, NGX_PROF_KNOWN_MAX));

    first = ngx_prof_interpose_nentries;
    self = (uintptr_t) &ngx_prof_interpose_nslots;

    /*
     * our own calls must not be hooked; linked into nginx, they cannot be told
     * apart
     */

    if (ngx_prof_elf_object(&obj, info) == NGX_OK
        && (scan->main || !ngx_prof_elf_room(&obj, self, 0)))
    {
        scan->stat.objects++;
        scan->libc = ngx_prof_elf_room(&obj, (uintptr_t) &strtoull, 0)
                     != 0;

        if (ngx_prof_interpose_knows(n, info)) {
            ngx_prof_interpose_known_entries(scan, &obj,
                                             &ngx_prof_interpose_known[n]);
        } else {
            ngx_prof_interpose_walk(scan, &obj);
        }

        ngx_prof_import_close(scan);
    }

    if (scan->keep) {
        ngx_prof_interpose_known[n].base = info->dlpi_addr;
        ngx_prof_interpose_known[n].phdr = info->dlpi_phdr;
        ngx_prof_interpose_known[n].first = first;
        ngx_prof_interpose_known[n].n = ngx_prof_interpose_nentries - first;
        ngx_prof_interpose_nknown++;
    }

    return 0;
}


static void
ngx_prof_interpose_known_entries(ngx_prof_interpose_scan_t *scan,
    ngx_prof_elf_object_t *obj, const ngx_prof_interpose_known_t *known)
{
    ngx_uint_t  i;

    for (i = 0; i < known->n; i++) {
        ngx_prof_interpose_entry(scan, obj,
                               &ngx_prof_interpose_entries[known->first + i]);
    }
}


static void
ngx_prof_interpose_walk(ngx_prof_interpose_scan_t *scan,
    ngx_prof_elf_object_t *obj)
{
    ngx_uint_t  i, type, first;

    first = ngx_prof_interpose_nentries;

    for (i = 0; i < obj->nrela; i++) {
        type = ELF64_R_TYPE(obj->rela[i].r_info);

        if (type == NGX_PROF_ARCH_GLOB_DAT
            || type == NGX_PROF_ARCH_ABSOLUTE
            || type == NGX_PROF_ARCH_JUMP_SLOT)
        {
            ngx_prof_interpose_found(scan, obj, &obj->rela[i], i);
        }
    }

    for (i = 0; i < obj->nplt; i++) {
        if (ELF64_R_TYPE(obj->plt[i].r_info) == NGX_PROF_ARCH_JUMP_SLOT) {
            ngx_prof_interpose_found(scan, obj, &obj->plt[i], i);
        }
    }

    if (!scan->keep) {
        ngx_prof_interpose_nentries = first;
    }
}


/* handles one relocation; index is its position in the table */

static void
ngx_prof_interpose_found(ngx_prof_interpose_scan_t *scan,
    ngx_prof_elf_object_t *obj, const ElfW(Rela) *rela, ngx_uint_t index)
{
    ngx_uint_t                  slot;
    ngx_prof_interpose_entry_t  entry;

    slot = ngx_prof_interpose_match(obj, ELF64_R_SYM(rela->r_info));

    if (slot == NGX_PROF_SLOT_NONE || rela->r_addend != 0) {
        return;
    }

    entry.rela = rela;
    entry.index = index;
    entry.slot = slot;

    if (ngx_prof_interpose_nentries == NGX_PROF_ENTRY_MAX) {
        scan->keep = 0;
    }

    if (scan->keep) {
        ngx_prof_interpose_entries[ngx_prof_interpose_nentries++] = entry;
    }

    ngx_prof_interpose_entry(scan, obj, &entry);
}


static void
ngx_prof_interpose_entry(ngx_prof_interpose_scan_t *scan,
    ngx_prof_elf_object_t *obj, const ngx_prof_interpose_entry_t *entry)
{
    ngx_uint_t                  i;
    ngx_prof_interpose_slot_t  *slot;

    i = entry->slot;

    while (i != NGX_PROF_SLOT_NONE && !ngx_prof_interpose_slots[i].on) {
        i = ngx_prof_interpose_slots[i].next;
    }

    if (i == NGX_PROF_SLOT_NONE) {
        return;
    }

    slot = &ngx_prof_interpose_slots[i];

    if (slot->drop != scan->restore
        || (slot->hook->scope == NGX_PROF_HOOK_MAIN && !scan->main)
        || (slot->hook->scope == NGX_PROF_HOOK_OTHERS && scan->main)
        || (slot->hook->scope == NGX_PROF_HOOK_CALLERS
            && !scan->libc
            && ngx_prof_elf_room(obj, slot->symbol.address, 0)))
    {
        return;
    }

    ngx_prof_import_direct(scan, obj, slot, entry->rela, entry->index);
}


/* the first slot that has the symbol's name */

static ngx_uint_t
ngx_prof_interpose_match(ngx_prof_elf_object_t *obj, ngx_uint_t sym)
{
    u_char                  c;
    size_t                  offset;
    ngx_uint_t              i;
    ngx_prof_elf_symbol_t  *symbol;

    if (sym == 0 || sym >= obj->nsyms) {
        return NGX_PROF_SLOT_NONE;
    }

    offset = obj->symtab[sym].st_name;

    if (offset >= obj->strsz) {
        return NGX_PROF_SLOT_NONE;
    }

    c = obj->strtab[offset];

    if (!(ngx_prof_interpose_first >> (c & 63) & 1)) {
        return NGX_PROF_SLOT_NONE;
    }

    for (i = 0; i < ngx_prof_interpose_nslots; i++) {
        symbol = &ngx_prof_interpose_slots[i].symbol;

        if (ngx_prof_elf_name(obj, sym, symbol->name, symbol->len)) {
            return i;
        }
    }

    return NGX_PROF_SLOT_NONE;
}
