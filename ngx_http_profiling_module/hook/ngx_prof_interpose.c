
/*
 * No state is kept about entries: each scan walks the objects that are loaded
 * at that moment, under the loader's lock, and a restore is a scan as well.
 * So an unloaded object is never touched, and no memory is needed, which
 * matters since malloc() itself is hooked.
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


static ngx_prof_interpose_slot_t *ngx_prof_interpose_slot(const char *name);
static void ngx_prof_interpose_add(ngx_prof_hook_t *hook);
static void ngx_prof_interpose_drop(void);
static ngx_int_t ngx_prof_interpose_scan(ngx_log_t *log);
static void ngx_prof_interpose_report(ngx_prof_interpose_scan_t *scan,
    ngx_log_t *log);
static ngx_uint_t ngx_prof_interpose_publish(void);
static int ngx_prof_interpose_changes(struct dl_phdr_info *info, size_t size,
    void *data);
static int ngx_prof_interpose_lookup(struct dl_phdr_info *info, size_t size,
    void *data);
static int ngx_prof_interpose_patch(struct dl_phdr_info *info, size_t size,
    void *data);
static void ngx_prof_interpose_entry(ngx_prof_interpose_scan_t *scan,
    ngx_prof_elf_object_t *obj, const ElfW(Rela) *rela, ngx_uint_t index);
static ngx_prof_interpose_slot_t *ngx_prof_interpose_match(
    ngx_prof_elf_object_t *obj, ngx_uint_t sym);


static ngx_prof_interpose_slot_t
    ngx_prof_interpose_slots[NGX_PROF_HOOKS_MAX];
static ngx_uint_t  ngx_prof_interpose_nslots;

/* a bit for each first character of the hooked names, modulo 64 */
static uint64_t  ngx_prof_interpose_first;

/* the loader's counters before the last scan */
static unsigned long long  ngx_prof_interpose_adds;
static unsigned long long  ngx_prof_interpose_subs;

/*
 * 1: the last scan replaced stubs, and a thread may have been in one of them
 */
static ngx_uint_t  ngx_prof_interpose_again;

static ngx_prof_interpose_stat_t  ngx_prof_interpose_last;


ngx_int_t
ngx_prof_interpose(ngx_prof_hook_t *hooks, ngx_uint_t n, ngx_log_t *log)
{
    ngx_uint_t                  i, fresh;
    ngx_prof_interpose_slot_t  *slot;

    fresh = 0;

    for (i = 0; i < n; i++) {
        slot = ngx_prof_interpose_slot(hooks[i].name);

        if (slot == NULL) {
            fresh++;

        } else if (slot->hook != &hooks[i]) {
            return NGX_ERROR;
        }
    }

    if (fresh > NGX_PROF_HOOKS_MAX - ngx_prof_interpose_nslots) {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        if (ngx_prof_interpose_slot(hooks[i].name) == NULL) {
            ngx_prof_interpose_add(&hooks[i]);
        }
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
            ngx_prof_interpose_slots[i].drop = 1;
        }

    } else {
        for (i = 0; i < n; i++) {
            slot = ngx_prof_interpose_slot(hooks[i].name);

            if (slot && slot->hook == &hooks[i]) {
                slot->drop = 1;
            }
        }
    }

    ngx_memzero(&scan, sizeof(ngx_prof_interpose_scan_t));

    scan.restore = 1;

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

    slot = ngx_prof_interpose_slot(name);

    return slot ? slot->foreign : 0;
}


static ngx_prof_interpose_slot_t *
ngx_prof_interpose_slot(const char *name)
{
    ngx_uint_t                  i;
    ngx_prof_interpose_slot_t  *slot;

    slot = ngx_prof_interpose_slots;

    for (i = 0; i < ngx_prof_interpose_nslots; i++) {
        if (ngx_strcmp(slot[i].hook->name, name) == 0) {
            return &slot[i];
        }
    }

    return NULL;
}


static void
ngx_prof_interpose_add(ngx_prof_hook_t *hook)
{
    ngx_uint_t                  n;
    ngx_prof_interpose_slot_t  *slot;

    n = ngx_prof_interpose_nslots++;
    slot = &ngx_prof_interpose_slots[n];

    slot->hook = hook;
    slot->drop = 0;

    ngx_prof_elf_symbol(&slot->symbol, hook->name, hook->hook);

    ngx_prof_interpose_first |= (uint64_t) 1
                                          << ((u_char) hook->name[0] & 63);
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
        if (!slot[i].drop) {
            slot[n++] = slot[i];
        }
    }

    ngx_prof_interpose_nslots = n;
}


/*
 * The counters were read before the lookup: if another thread loads an object
 * during the scan, the next refresh scans again.
 */

static ngx_int_t
ngx_prof_interpose_scan(ngx_log_t *log)
{
    ngx_uint_t                 i;
    ngx_prof_elf_symbol_t     *symbol;
    ngx_prof_interpose_scan_t  scan;

    ngx_memzero(&scan, sizeof(ngx_prof_interpose_scan_t));

    for (i = 0; i < ngx_prof_interpose_nslots; i++) {
        symbol = &ngx_prof_interpose_slots[i].symbol;

        symbol->address = 0;
        symbol->canonical = 0;
        symbol->version = 0;

        ngx_prof_interpose_slots[i].foreign = 0;
    }

    (void) dl_iterate_phdr(ngx_prof_interpose_changes, NULL);
    (void) dl_iterate_phdr(ngx_prof_interpose_lookup, NULL);

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
    ngx_uint_t             i;
    ngx_prof_elf_object_t  obj;

    (void) size;
    (void) data;

    if (ngx_prof_elf_object(&obj, info) != NGX_OK) {
        return 0;
    }

    for (i = 0; i < ngx_prof_interpose_nslots; i++) {
        ngx_prof_elf_lookup(&obj, &ngx_prof_interpose_slots[i].symbol);
    }

    return 0;
}


static int
ngx_prof_interpose_patch(struct dl_phdr_info *info, size_t size, void *data)
{
    uintptr_t                   self;
    ngx_uint_t                  i, type;
    ngx_prof_elf_object_t       obj;
    ngx_prof_interpose_scan_t  *scan;

    (void) size;

    scan = data;
    scan->main = !scan->main_seen;
    scan->main_seen = 1;

    if (ngx_prof_elf_object(&obj, info) != NGX_OK) {
        return 0;
    }

    /*
     * our own calls must not be hooked; linked into nginx, they cannot be told
     * apart
     */

    self = (uintptr_t) &ngx_prof_interpose_nslots;

    if (!scan->main && ngx_prof_elf_room(&obj, self, 0)) {
        return 0;
    }

    scan->stat.objects++;
    scan->libc = ngx_prof_elf_room(&obj, (uintptr_t) &strtoull, 0)
                 != 0;

    for (i = 0; i < obj.nrela; i++) {
        type = ELF64_R_TYPE(obj.rela[i].r_info);

        if (type == NGX_PROF_ARCH_GLOB_DAT
            || type == NGX_PROF_ARCH_ABSOLUTE
            || type == NGX_PROF_ARCH_JUMP_SLOT)
        {
            ngx_prof_interpose_entry(scan, &obj, &obj.rela[i], i);
        }
    }

    for (i = 0; i < obj.nplt; i++) {
        if (ELF64_R_TYPE(obj.plt[i].r_info) == NGX_PROF_ARCH_JUMP_SLOT) {
            ngx_prof_interpose_entry(scan, &obj, &obj.plt[i], i);
        }
    }

    ngx_prof_import_close(scan);

    return 0;
}


/* handles one relocation; index is its position in the table */

static void
ngx_prof_interpose_entry(ngx_prof_interpose_scan_t *scan,
    ngx_prof_elf_object_t *obj, const ElfW(Rela) *rela, ngx_uint_t index)
{
    ngx_prof_interpose_slot_t  *slot;

    slot = ngx_prof_interpose_match(obj, ELF64_R_SYM(rela->r_info));

    if (slot == NULL
        || slot->drop != scan->restore
        || (slot->hook->scope == NGX_PROF_HOOK_MAIN && !scan->main)
        || (slot->hook->scope == NGX_PROF_HOOK_OTHERS && scan->main)
        || (slot->hook->scope == NGX_PROF_HOOK_CALLERS
            && !scan->libc
            && ngx_prof_elf_room(obj, slot->symbol.address, 0))
        || rela->r_addend != 0)
    {
        return;
    }

    ngx_prof_import_direct(scan, obj, slot, rela, index);
}


static ngx_prof_interpose_slot_t *
ngx_prof_interpose_match(ngx_prof_elf_object_t *obj, ngx_uint_t sym)
{
    u_char                      c;
    size_t                      offset;
    ngx_uint_t                  i;
    ngx_prof_interpose_slot_t  *slot;

    if (sym == 0 || sym >= obj->nsyms) {
        return NULL;
    }

    offset = obj->symtab[sym].st_name;

    if (offset >= obj->strsz) {
        return NULL;
    }

    c = obj->strtab[offset];

    if (!(ngx_prof_interpose_first >> (c & 63) & 1)) {
        return NULL;
    }

    for (i = 0; i < ngx_prof_interpose_nslots; i++) {
        slot = &ngx_prof_interpose_slots[i];

        if (ngx_prof_elf_name(obj, sym, slot->symbol.name, slot->symbol.len)) {
            return slot;
        }
    }

    return NULL;
}
