
/* The list of loaded objects with their unwind tables: see the header. */


#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <ngx_config.h>
#include <ngx_core.h>

#include <link.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "ngx_prof_objects.h"
#include "ngx_prof_cfi_parse.h"
#include "ngx_prof_elf.h"


#define NGX_PROF_OBJECTS_PATHS    (256 * 1024)
#define NGX_PROF_OBJECTS_RETIRED  64


/* a list under construction, in one mapping */

typedef struct {
    ngx_prof_objects_t     list;
    ngx_prof_range_t        text[NGX_PROF_OBJECTS_MAX];
    ngx_prof_object_t      object[NGX_PROF_OBJECTS_MAX];
    char                   paths[NGX_PROF_OBJECTS_PATHS];
} ngx_prof_objects_map_t;


typedef struct {
    ngx_prof_objects_t      *old;
    ngx_prof_objects_map_t  *map;
    char                    *path;               /* free part of map->paths */
    uintptr_t                vdso;
    ngx_uint_t               calls;
    ngx_int_t                rc;
} ngx_prof_objects_ctx_t;


static int ngx_prof_objects_callback(struct dl_phdr_info *info, size_t size,
    void *data);
static ngx_uint_t ngx_prof_objects_jit(const char *path);
static void ngx_prof_objects_segment(ngx_prof_objects_ctx_t *ctx,
    struct dl_phdr_info *info, const ElfW(Phdr) *phdr,
    ngx_prof_object_t *found);
static void ngx_prof_objects_reap(void);


static ngx_prof_objects_t  *ngx_prof_objects;
static ngx_uint_t           ngx_prof_objects_walks;
static uint32_t             ngx_prof_objects_generation;
static ngx_uint_t           ngx_prof_objects_fork;

static ngx_prof_objects_t
    *ngx_prof_objects_old[NGX_PROF_OBJECTS_RETIRED];
static ngx_uint_t                     ngx_prof_objects_nold;


ngx_int_t
ngx_prof_objects_refresh(void)
{
    ngx_prof_objects_t     *list;
    ngx_prof_objects_ctx_t  ctx;

    ngx_memzero(&ctx, sizeof(ctx));

    ctx.rc = NGX_OK;
    ctx.old = ngx_prof_objects;
    ctx.vdso = (uintptr_t) getauxval(AT_SYSINFO_EHDR);

    ngx_prof_objects_reap();

    /* the loader's lock is held, so nothing can be unmapped */

    (void) dl_iterate_phdr(ngx_prof_objects_callback, &ctx);

    if (ctx.map == NULL) {
        return (ctx.rc == NGX_OK) ? NGX_ERROR : ctx.rc;
    }

    list = &ctx.map->list;
    list->generation = ++ngx_prof_objects_generation;

    (void) mprotect(ctx.map, list->size, PROT_READ);

    __atomic_store_n(&ngx_prof_objects, list, __ATOMIC_SEQ_CST);

    if (ctx.old) {
        ngx_prof_objects_old[ngx_prof_objects_nold++] =
                                                                     ctx.old;
        ngx_prof_objects_reap();
    }

    return NGX_OK;
}


void
ngx_prof_objects_forked(void)
{
    ngx_prof_objects_fork = 1;
}


static ngx_uint_t
ngx_prof_objects_has(ngx_prof_objects_t *list, const ngx_prof_cfi_t *cfi)
{
    ngx_uint_t  i;

    for (i = 0; i < list->n; i++) {
        if (list->object[i].cfi == cfi) {
            return 1;
        }
    }

    return 0;
}


/*
 * Frees a list and the tables that its successor has not taken over.  Only
 * the next list can take a table over.
 */

static void
ngx_prof_objects_free(ngx_prof_objects_t *list, ngx_prof_objects_t *successor)
{
    ngx_uint_t             i;
    const ngx_prof_cfi_t  *cfi;

    for (i = 0; i < list->n; i++) {
        cfi = list->object[i].cfi;

        if (cfi && (successor == NULL
                    || !ngx_prof_objects_has(successor, cfi)))
        {
            ngx_prof_cfi_free((ngx_prof_cfi_t *) cfi);
        }
    }

    (void) munmap(list, list->size);
}


static void
ngx_prof_objects_reap(void)
{
    ngx_uint_t           i, n;
    ngx_prof_objects_t  *successor;

    /*
     * the pointer is swapped already: a walk that is not counted yet takes the
     * new list
     */

    if (__atomic_load_n(&ngx_prof_objects_walks, __ATOMIC_SEQ_CST)) {
        return;
    }

    n = ngx_prof_objects_nold;
    ngx_prof_objects_nold = 0;

    for (i = 0; i < n; i++) {
        successor = (i + 1 < n) ? ngx_prof_objects_old[i + 1]
                                : ngx_prof_objects;

        ngx_prof_objects_free(ngx_prof_objects_old[i], successor);
    }
}


/* the readable segment that holds [addr, addr + len), or NULL */

static const ElfW(Phdr) *
ngx_prof_objects_load(struct dl_phdr_info *info, uint64_t vaddr, uint64_t len)
{
    ngx_uint_t         i;
    const ElfW(Phdr)  *phdr;

    for (i = 0; i < info->dlpi_phnum; i++) {
        phdr = &info->dlpi_phdr[i];

        if (phdr->p_type == PT_LOAD
            && (phdr->p_flags & PF_R)
            && vaddr >= phdr->p_vaddr
            && vaddr - phdr->p_vaddr <= phdr->p_filesz
            && len <= phdr->p_filesz - (vaddr - phdr->p_vaddr))
        {
            return phdr;
        }
    }

    return NULL;
}


static void
ngx_prof_objects_build_id(struct dl_phdr_info *info, const ElfW(Phdr) *phdr,
    ngx_prof_object_t *object)
{
    size_t          left, name, desc;
    const u_char   *p;
    ElfW(Nhdr)      note;

    if (ngx_prof_objects_load(info, phdr->p_vaddr, phdr->p_filesz) == NULL) {
        return;
    }

    p = (const u_char *) (info->dlpi_addr + phdr->p_vaddr);

    for (left = phdr->p_filesz; left >= sizeof(note); /* void */) {
        ngx_memcpy(&note, p, sizeof(note));

        name = ngx_align((size_t) note.n_namesz, 4);
        desc = ngx_align((size_t) note.n_descsz,
                         phdr->p_align == 8 ? 8 : 4);

        if (name > left - sizeof(note)
            || note.n_descsz > left - sizeof(note) - name)
        {
            return;
        }

        if (note.n_type == NT_GNU_BUILD_ID
            && note.n_namesz == 4
            && ngx_memcmp(p + sizeof(note), "GNU", 4) == 0
            && note.n_descsz <= NGX_PROF_BUILD_ID_MAX)
        {
            object->build_id_len = note.n_descsz;
            ngx_memcpy(object->build_id, p + sizeof(note) + name,
                       note.n_descsz);
            return;
        }

        desc = ngx_min(desc, left - sizeof(note) - name);

        p += sizeof(note) + name + desc;
        left -= sizeof(note) + name + desc;
    }
}


static void
ngx_prof_objects_hash(ngx_prof_object_t *object, const u_char *p, size_t len)
{
    while (len--) {
        object->identity = (object->identity ^ *p++)
                           * NGX_PROF_FNV_PRIME;
    }
}


static void
ngx_prof_objects_frames(struct dl_phdr_info *info, const ElfW(Phdr) *phdr,
    ngx_prof_object_t *object)
{
    uint64_t           base;
    const u_char      *hdr, *seg;
    const ElfW(Phdr)  *load;

    load = ngx_prof_objects_load(info, phdr->p_vaddr, phdr->p_filesz);

    if (load == NULL) {
        return;
    }

    base = info->dlpi_addr;
    hdr = (const u_char *) (uintptr_t) (base + phdr->p_vaddr);
    seg = (const u_char *) (uintptr_t) (base + load->p_vaddr);

    if (ngx_prof_cfi_locate(hdr, phdr->p_filesz,
                            base + phdr->p_vaddr,
                            seg, load->p_filesz,
                            base + load->p_vaddr, &object->src)
        != NGX_OK)
    {
        object->src.data = NULL;
        return;
    }

    /* without a build id, the table of functions tells files apart */

    if (object->build_id_len == 0) {
        ngx_prof_objects_hash(object, hdr, phdr->p_filesz);
    }
}


static void
ngx_prof_objects_path(ngx_prof_objects_ctx_t *ctx, struct dl_phdr_info *info,
    ngx_prof_object_t *object)
{
    size_t    left;
    ssize_t   n;

    left = ctx->map->paths + sizeof(ctx->map->paths) - ctx->path;
    object->path = ctx->path;

    if (left < PATH_MAX + 1) {
        object->path = "";
        return;
    }

    if (object->main) {
        n = readlink("/proc/self/exe", ctx->path, PATH_MAX);
        n = ngx_max(n, 0);

    } else {
        n = (ssize_t) ngx_strlen(info->dlpi_name);
        n = ngx_min(n, PATH_MAX);
        ngx_memcpy(ctx->path, info->dlpi_name, n);
    }

    ctx->path[n] = '\0';
    ctx->path += n + 1;
}


/* NGX_DECLINED: the list is up to date */

static ngx_int_t
ngx_prof_objects_begin(ngx_prof_objects_ctx_t *ctx, struct dl_phdr_info *info,
    size_t size)
{
    ngx_prof_objects_map_t  *map;

    if (ctx->old
        && size >= offsetof(struct dl_phdr_info, dlpi_tls_modid)
        && ctx->old->adds == info->dlpi_adds
        && ctx->old->subs == info->dlpi_subs)
    {
        return NGX_DECLINED;
    }

    if (ngx_prof_objects_nold == NGX_PROF_OBJECTS_RETIRED)
    {
        return NGX_ERROR;
    }

    map = mmap(NULL, sizeof(ngx_prof_objects_map_t),
               PROT_READ|PROT_WRITE,
               MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE, -1, 0);

    if (map == MAP_FAILED) {
        return NGX_ERROR;
    }

    map->list.size = sizeof(ngx_prof_objects_map_t);
    map->list.text = map->text;
    map->list.object = map->object;

    if (size >= offsetof(struct dl_phdr_info, dlpi_tls_modid)) {
        map->list.adds = info->dlpi_adds;
        map->list.subs = info->dlpi_subs;
    }

    ctx->map = map;
    ctx->path = map->paths;

    return NGX_OK;
}


/* a value but 0 stops the loader, which holds its lock */

static int
ngx_prof_objects_callback(struct dl_phdr_info *info, size_t size, void *data)
{
    ngx_prof_objects_ctx_t *ctx = data;

    ngx_uint_t                   i;
    const ElfW(Phdr)            *phdr;
    ngx_prof_object_t  object;

    if (ctx->calls++ == 0) {
        ctx->rc = ngx_prof_objects_begin(ctx, info, size);

        if (ctx->rc != NGX_OK) {
            return 1;
        }
    }

    ngx_memzero(&object, sizeof(object));

    object.main = (ctx->calls == 1);
    object.base = info->dlpi_addr;
    object.identity = NGX_PROF_FNV_BASIS;

    ngx_prof_objects_path(ctx, info, &object);

    for (i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type == PT_NOTE && object.build_id_len == 0) {
            ngx_prof_objects_build_id(info, &info->dlpi_phdr[i], &object);
        }
    }

    ngx_prof_objects_hash(&object, object.build_id, object.build_id_len);

    for (i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type == PT_GNU_EH_FRAME) {
            ngx_prof_objects_frames(info, &info->dlpi_phdr[i], &object);
        }
    }

    for (i = 0; i < info->dlpi_phnum; i++) {
        phdr = &info->dlpi_phdr[i];

        if (phdr->p_type == PT_LOAD
            && (phdr->p_flags & PF_X) && phdr->p_memsz)
        {
            ngx_prof_objects_segment(ctx, info, phdr, &object);
        }
    }

    return 0;
}


/*
 * aarch64 kernels return from signal handlers by two instructions of the vDSO
 * (mov x8, #139; svc #0), for which newer ones have no CFI.
 */

static uintptr_t
ngx_prof_objects_sigreturn(ngx_prof_object_t *object)
{
    const u_char  *p, *end;

    if (!NGX_PROF_ARCH_LINKS) {
        return 0;
    }

    p = (const u_char *) object->start;
    end = (const u_char *) (object->end & ~(uintptr_t) 3);

    for ( /* void */ ; p + 8 <= end; p += 4) {
        if (ngx_memcmp(p, NGX_PROF_ARCH_SIGRETURN, 8) == 0) {
            return (uintptr_t) p;
        }
    }

    return 0;
}


/* the same segment of the same file in the list before, or NULL */

static const ngx_prof_object_t *
ngx_prof_objects_same(ngx_prof_objects_t *old, ngx_prof_object_t *object)
{
    ngx_uint_t          i;
    ngx_prof_object_t  *o;

    if (old == NULL) {
        return NULL;
    }

    for (i = 0; i < old->n; i++) {
        o = &old->object[i];

        if (o->start == object->start
            && o->end == object->end
            && o->base == object->base
            && o->identity == object->identity
            && o->src.data == object->src.data
            && o->src.len == object->src.len
            && ngx_strcmp(o->path, object->path) == 0)
        {
            return o;
        }
    }

    return NULL;
}


static void
ngx_prof_objects_count(ngx_prof_objects_t *list,
    const ngx_prof_cfi_stats_t *stats)
{
    list->stats.cies += stats->cies;
    list->stats.fdes += stats->fdes;
    list->stats.rows += stats->rows;
    list->stats.bad_entry += stats->bad_entry;
    list->stats.bad_cie += stats->bad_cie;
    list->stats.bad_fde += stats->bad_fde;
    list->stats.out_of_text += stats->out_of_text;
    list->stats.overlapping += stats->overlapping;
    list->stats.unsupported += stats->unsupported;
}


/* by the name of the library: what it is linked into makes other code, too */

static ngx_uint_t
ngx_prof_objects_jit(const char *path)
{
    const char  *name;

    if (path == NULL) {
        return 0;
    }

    name = strrchr(path, '/');
    name = name ? name + 1 : path;

    if (ngx_strncmp(name, "libluajit", 9) == 0) {
        return NGX_PROF_OBJECT_LUAJIT;
    }

    return (ngx_strncmp(name, "libpcre2-", 9) == 0)
           ? NGX_PROF_OBJECT_PCRE2 : 0;
}


/* adds an executable segment of the current object */

static void
ngx_prof_objects_segment(ngx_prof_objects_ctx_t *ctx,
    struct dl_phdr_info *info, const ElfW(Phdr) *phdr,
    ngx_prof_object_t *found)
{
    ngx_uint_t                i;
    ngx_prof_cfi_t           *cfi;
    ngx_prof_object_t         object;
    ngx_prof_objects_t       *list;
    const ngx_prof_object_t  *same;

    list = &ctx->map->list;

    if (list->n == NGX_PROF_OBJECTS_MAX) {
        list->dropped++;
        return;
    }

    object = *found;

    object.start = info->dlpi_addr + phdr->p_vaddr;
    object.end = object.start + phdr->p_memsz;
    object.offset = phdr->p_offset;
    object.readable = (phdr->p_flags & PF_R) ? 1 : 0;
    object.vdso = (ctx->vdso >= object.start && ctx->vdso < object.end);
    object.jit = ngx_prof_objects_jit(object.path);

    if (object.vdso) {
        object.sigreturn = ngx_prof_objects_sigreturn(&object);
    }

    object.src.start = object.start;
    object.src.end = object.end;
    object.src.arch = NGX_PROF_CFI_NATIVE;

    same = ngx_prof_objects_same(ctx->old, &object);

    object.later = same ? same->later : ngx_prof_objects_fork;
    list->later += object.later;

    if (object.src.data) {
        object.cfi = same ? same->cfi : NULL;

        if (object.cfi == NULL
            && ngx_prof_cfi_build(&object.src, &cfi, NULL) == NGX_OK)
        {
            object.cfi = cfi;
        }
    }

    if (object.cfi) {
        ngx_prof_objects_count(list, &object.cfi->stats);
    }

    for (i = list->n; i > 0 && list->text[i - 1].start > object.start; i--) {
        list->text[i] = list->text[i - 1];
        list->object[i] = list->object[i - 1];
    }

    list->text[i].start = object.start;
    list->text[i].end = object.end;
    list->object[i] = object;
    list->n++;
}


const ngx_prof_objects_t *
ngx_prof_objects_acquire(void)
{
    (void) __atomic_add_fetch(&ngx_prof_objects_walks, 1, __ATOMIC_SEQ_CST);

    return __atomic_load_n(&ngx_prof_objects, __ATOMIC_SEQ_CST);
}


void
ngx_prof_objects_release(void)
{
    (void) __atomic_sub_fetch(&ngx_prof_objects_walks, 1, __ATOMIC_RELEASE);
}


const ngx_prof_object_t *
ngx_prof_objects_find(const ngx_prof_objects_t *objects, uintptr_t pc)
{
    ngx_uint_t                        n, half;
    const ngx_prof_range_t  *text;

    n = objects->n;
    text = objects->text;

    while (n) {
        half = (n + 1) / 2;
        text += (text[half - 1].start <= pc) ? half : 0;
        n -= half;
    }

    if (text == objects->text || pc >= text[-1].end) {
        return NULL;
    }

    return &objects->object[text - 1 - objects->text];
}
