
/*
 * Reads pointers, exported names and data of an ELF file.
 */


#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "nginx.h"
#include "sort.h"


#define PROFILING_MAX_POINTERS  (1024 * 1024)
#define PROFILING_MAX_STATIC    (256 * 1024)
#define PROFILING_MAX_INDEXED   (64 * PROFILING_MIB)
#define PROFILING_MAX_NAME      128

/* bytes in which hardly more than one function starts */
#define PROFILING_PLACE         16


static int profiling_nginx_sections(profiling_nginx_t *x, Elf *elf,
    size_t strings);
static void profiling_nginx_functions(profiling_nginx_t *x, GElf_Shdr *text);
static void profiling_nginx_index(profiling_nginx_t *x);
static void profiling_nginx_symbols(profiling_nginx_t *x, Elf *elf,
    Elf_Scn *scn, GElf_Shdr *shdr, uint64_t *modules, uint64_t *names);
static void profiling_nginx_relocations(profiling_nginx_t *x, Elf *elf,
    Elf_Scn *scn, GElf_Shdr *shdr);
static void profiling_nginx_packed(profiling_nginx_t *x, Elf_Data *data);
static void profiling_nginx_pointer_add(profiling_nginx_t *x, uint64_t slot,
    uint64_t value);
static const uint8_t *profiling_nginx_bytes(profiling_nginx_t *x,
    uint64_t address, size_t *left);
static int profiling_nginx_by_slot(const void *one, const void *two);


int
profiling_nginx_image(profiling_nginx_t *x, Elf *elf, uint64_t *modules,
    uint64_t *names)
{
    size_t       strings;
    Elf_Scn     *scn;
    GElf_Ehdr    ehdr;
    GElf_Shdr    shdr;

    if (gelf_getehdr(elf, &ehdr) == NULL
        || ehdr.e_ident[EI_CLASS] != ELFCLASS64
        || ehdr.e_ident[EI_DATA] != ELFDATA2LSB
        || elf_getshdrstrndx(elf, &strings) != 0)
    {
        return 0;
    }

    x->machine = ehdr.e_machine;
    x->file = (const uint8_t *) elf_rawfile(elf, &x->size);

    if (x->file == NULL) {
        return 0;
    }

    if (!profiling_nginx_sections(x, elf, strings)) {
        return 0;
    }

    *modules = 0;
    *names = 0;

    for (scn = elf_nextscn(elf, NULL); scn; scn = elf_nextscn(elf, scn)) {

        if (gelf_getshdr(scn, &shdr) != NULL && shdr.sh_type == SHT_DYNSYM) {
            profiling_nginx_symbols(x, elf, scn, &shdr, modules, names);
        }
    }

    for (scn = elf_nextscn(elf, NULL); scn; scn = elf_nextscn(elf, scn)) {

        if (gelf_getshdr(scn, &shdr) == NULL) {
            continue;
        }

        if (shdr.sh_type == SHT_RELA) {
            profiling_nginx_relocations(x, elf, scn, &shdr);
        }

        if (shdr.sh_type == SHT_RELR && x->refers) {
            profiling_nginx_packed(x, elf_getdata(scn, NULL));
        }
    }

    /* those of a library are not looked up */

    if (x->refers == NULL) {
        profiling_sort(x->pointers, x->npointers, sizeof(profiling_pointer_t));
    }

    profiling_sort(x->objects, x->nobjects, sizeof(profiling_area_t));

    return 1;
}


static int
profiling_nginx_sections(profiling_nginx_t *x, Elf *elf, size_t strings)
{
    Elf_Scn           *scn;
    GElf_Shdr          shdr;
    const char        *name;
    profiling_area_t  *area;

    for (scn = elf_nextscn(elf, NULL); scn; scn = elf_nextscn(elf, scn)) {

        name = (gelf_getshdr(scn, &shdr) == NULL)
               ? NULL : elf_strptr(elf, strings, shdr.sh_name);

        if (name == NULL || shdr.sh_size > UINT64_MAX - shdr.sh_addr) {
            continue;
        }

        if (strcmp(name, ".text") == 0 && x->n == 0) {
            x->text.start = shdr.sh_addr;
            x->text.end = shdr.sh_addr + shdr.sh_size;
            profiling_nginx_functions(x, &shdr);
        }

        if (strcmp(name, ".rodata") == 0) {
            x->strings.start = shdr.sh_addr;
            x->strings.end = shdr.sh_addr + shdr.sh_size;
        }

        if (x->nsections < PROFILING_NGINX_SECTIONS
            && (strcmp(name, ".data") == 0 || strcmp(name, ".bss") == 0
                || strcmp(name, ".data.rel.ro") == 0))
        {
            area = &x->sections[x->nsections++];
            area->start = shdr.sh_addr;
            area->end = shdr.sh_addr + shdr.sh_size;
        }
    }

    profiling_sort(x->sections, x->nsections, sizeof(profiling_area_t));

    return x->n != 0;
}


static void
profiling_nginx_functions(profiling_nginx_t *x, GElf_Shdr *text)
{
    size_t               i;
    profiling_range_t   *r, *last;
    profiling_ranges_t  *all;

    all = &x->symbols->functions;

    if (all->n == 0 || all->n > PROFILING_MAX_STATIC) {
        return;
    }

    x->functions = profiling_calloc(all->n, sizeof(profiling_range_t));
    last = NULL;

    for (i = 0; i < all->n; i++) {
        r = &all->ranges[i];

        if (r->start < text->sh_addr
            || r->start - text->sh_addr >= text->sh_size
            || (last != NULL && r->start < last->end)
            || profiling_nginx_at(x, r->start, r->end - r->start) == NULL)
        {
            continue;
        }

        last = &x->functions[x->n++];
        *last = *r;
    }

    profiling_nginx_index(x);

    x->owners = profiling_calloc(x->n, sizeof(char *));
    x->roles = profiling_calloc(x->n, sizeof(char *));
    x->exports = profiling_calloc(x->n, sizeof(char *));
    x->resolvers = profiling_calloc(x->n, sizeof(char *));
}


/* calls are looked up by the thousand: functions by the place of their start */

static void
profiling_nginx_index(profiling_nginx_t *x)
{
    uint32_t  i;
    uint64_t  size;

    if (x->n == 0) {
        return;
    }

    size = x->functions[x->n - 1].end - x->functions[0].start;

    if (size > PROFILING_MAX_INDEXED) {
        return;
    }

    x->index = profiling_calloc(size / PROFILING_PLACE + 1, sizeof(uint32_t));

    for (i = 0; i < x->n; i++) {
        x->index[(x->functions[i].start - x->functions[0].start)
                 / PROFILING_PLACE] = i + 1;
    }
}


static void
profiling_nginx_symbols(profiling_nginx_t *x, Elf *elf, Elf_Scn *scn,
    GElf_Shdr *shdr, uint64_t *modules, uint64_t *names)
{
    size_t             i, n;
    int64_t            k;
    Elf_Data          *data;
    GElf_Sym           sym;
    const char        *name;
    profiling_area_t  *object;

    data = elf_getdata(scn, NULL);

    if (data == NULL || shdr->sh_entsize == 0) {
        return;
    }

    n = data->d_size / shdr->sh_entsize;

    for (i = 1; i < n && i < PROFILING_MAX_POINTERS; i++) {

        if (gelf_getsym(data, i, &sym) == NULL
            || sym.st_shndx == SHN_UNDEF || sym.st_shndx >= SHN_LORESERVE)
        {
            continue;
        }

        name = elf_strptr(elf, shdr->sh_link, sym.st_name);

        if (name == NULL) {
            continue;
        }

        k = profiling_nginx_start(x, sym.st_value);

        if (k != -1) {
            x->exports[k] = name;

            if (GELF_ST_TYPE(sym.st_info) == STT_GNU_IFUNC
                && (x->resolvers[k] == NULL || name[0] != '_'))
            {
                x->resolvers[k] = name;
            }

            continue;
        }

        if (GELF_ST_TYPE(sym.st_info) != STT_OBJECT
            || sym.st_size > UINT64_MAX - sym.st_value)
        {
            continue;
        }

        if (strcmp(name, "ngx_modules") == 0) {
            *modules = sym.st_value;

        } else if (strcmp(name, "ngx_module_names") == 0) {
            *names = sym.st_value;
        }

        if (x->nobjects == x->objects_room) {
            x->objects = profiling_grow(x->objects, x->nobjects,
                                        sizeof(profiling_area_t),
                                        &x->objects_room);
        }

        object = &x->objects[x->nobjects++];
        object->start = sym.st_value;
        object->end = sym.st_value + sym.st_size;
        object->owner = NULL;
    }
}


/*
 * The loader writes these pointers; the file itself has zeros in their place.
 * Pointers without such an entry, as of a program that is not moved and of
 * SHT_RELR, are in their place.
 */

static void
profiling_nginx_relocations(profiling_nginx_t *x, Elf *elf, Elf_Scn *scn,
    GElf_Shdr *shdr)
{
    size_t                i, n;
    uint64_t              value;
    unsigned              type;
    Elf_Scn              *symbols;
    Elf_Data             *data, *symdata;
    GElf_Sym              sym;
    GElf_Rela             rela;

    data = elf_getdata(scn, NULL);

    if (data == NULL || shdr->sh_entsize == 0) {
        return;
    }

    symbols = elf_getscn(elf, shdr->sh_link);
    symdata = symbols ? elf_getdata(symbols, NULL) : NULL;

    n = data->d_size / shdr->sh_entsize;

    for (i = 0; i < n && x->npointers < PROFILING_MAX_POINTERS; i++) {

        if (gelf_getrela(data, i, &rela) == NULL) {
            continue;
        }

        type = GELF_R_TYPE(rela.r_info);
        value = rela.r_addend;

        if (type == (x->machine == EM_X86_64 ? R_X86_64_64
                                             : R_AARCH64_ABS64))
        {
            if (symdata == NULL
                || gelf_getsym(symdata, GELF_R_SYM(rela.r_info), &sym) == NULL
                || sym.st_shndx == SHN_UNDEF)
            {
                continue;
            }

            value += sym.st_value;

        } else if (type != (x->machine == EM_X86_64 ? R_X86_64_RELATIVE
                                                    : R_AARCH64_RELATIVE))
        {
            continue;
        }

        profiling_nginx_pointer_add(x, rela.r_offset, value);
    }
}


/*
 * Words of SHT_RELR: an address, then bits of the 63 words behind the last one
 * of before.  The pointers are in their place.
 */

static void
profiling_nginx_packed(profiling_nginx_t *x, Elf_Data *data)
{
    size_t    i;
    uint64_t  word, slot, bit;

    slot = 0;

    for (i = 0; data != NULL && i + 8 <= data->d_size; i += 8) {

        memcpy(&word, (uint8_t *) data->d_buf + i, 8);

        if (!(word & 1)) {
            profiling_nginx_pointer_add(x, word,
                                        profiling_nginx_number(x, word));
            slot = word + 8;
            continue;
        }

        for (bit = 0; bit < 63; bit++) {
            if (word >> (bit + 1) & 1) {
                profiling_nginx_pointer_add(x, slot + bit * 8,
                           profiling_nginx_number(x, slot + bit * 8));
            }
        }

        slot += 63 * 8;
    }
}


static void
profiling_nginx_pointer_add(profiling_nginx_t *x, uint64_t slot,
    uint64_t value)
{
    profiling_pointer_t  *p;

    if (x->npointers == PROFILING_MAX_POINTERS) {
        return;
    }

    if (x->npointers == x->pointers_room) {
        x->pointers = profiling_grow(x->pointers, x->npointers,
                                     sizeof(profiling_pointer_t),
                                     &x->pointers_room);
    }

    p = &x->pointers[x->npointers++];
    p->slot = slot;
    p->value = value;
}


static int
profiling_nginx_by_slot(const void *one, const void *two)
{
    const profiling_pointer_t  *a, *b;

    a = one;
    b = two;

    if (a->slot == b->slot) {
        return 0;
    }

    return (a->slot < b->slot) ? -1 : 1;
}


int64_t
profiling_nginx_find(profiling_nginx_t *x, uint64_t address)
{
    uint32_t  n;

    n = profiling_nginx_below(x, address);

    if (n == 0 || address >= x->functions[n - 1].end) {
        return -1;
    }

    return n - 1;
}


uint32_t
profiling_nginx_below(profiling_nginx_t *x, uint64_t address)
{
    return profiling_sorted(x->functions, x->n, sizeof(*x->functions), address);
}


int64_t
profiling_nginx_start(profiling_nginx_t *x, uint64_t address)
{
    int64_t   i;
    uint32_t  n;

    if (x->n == 0 || address < x->functions[0].start
        || address >= x->functions[x->n - 1].end)
    {
        return -1;
    }

    if (x->index != NULL) {
        n = x->index[(address - x->functions[0].start) / PROFILING_PLACE];

        if (n == 0 || x->functions[n - 1].start == address) {
            return (int64_t) n - 1;
        }
    }

    i = profiling_nginx_find(x, address);

    return (i != -1 && x->functions[i].start == address) ? i : -1;
}


const uint8_t *
profiling_nginx_at(profiling_nginx_t *x, uint64_t address, size_t len)
{
    size_t          left;
    const uint8_t  *p;

    p = profiling_nginx_bytes(x, address, &left);

    return (len <= left) ? p : NULL;
}


/* what the file has from an address on; NULL: nothing */

static const uint8_t *
profiling_nginx_bytes(profiling_nginx_t *x, uint64_t address, size_t *left)
{
    size_t                i;
    uint64_t              into;
    profiling_segment_t  *segment;

    for (i = 0; i < x->symbols->nsegments; i++) {
        segment = &x->symbols->segments[i];
        into = address - segment->address;

        if (address >= segment->address && into < segment->size
            && segment->offset <= x->size
            && into < x->size - segment->offset)
        {
            *left = x->size - segment->offset - into;

            if (*left > segment->size - into) {
                *left = segment->size - into;
            }

            return x->file + segment->offset + into;
        }
    }

    *left = 0;

    return NULL;
}


/* a short name without odd bytes, or NULL */

const char *
profiling_nginx_string(profiling_nginx_t *x, uint64_t address)
{
    size_t          i, left;
    const uint8_t  *p;

    p = profiling_nginx_bytes(x, address, &left);

    for (i = 0; i < left && i < PROFILING_MAX_NAME; i++) {

        if (p[i] == '\0') {
            return (i == 0) ? NULL : (const char *) p;
        }

        if (p[i] <= ' ' || p[i] >= 0x7f) {
            return NULL;
        }
    }

    return NULL;
}


uint64_t
profiling_nginx_number(profiling_nginx_t *x, uint64_t address)
{
    uint64_t        value;
    const uint8_t  *p;

    p = profiling_nginx_at(x, address, 8);

    if (p == NULL) {
        return 0;
    }

    memcpy(&value, p, 8);

    return value;
}


uint64_t
profiling_nginx_pointer(profiling_nginx_t *x, uint64_t slot)
{
    profiling_pointer_t   key, *found;

    key.slot = slot;

    found = (x->npointers == 0) ? NULL
            : bsearch(&key, x->pointers, x->npointers,
                      sizeof(profiling_pointer_t), profiling_nginx_by_slot);

    return found ? found->value : profiling_nginx_number(x, slot);
}


/* one more of x->areas, which are sorted when all are there */

void
profiling_nginx_area_push(profiling_nginx_t *x, uint64_t start, uint64_t end,
    const char *owner)
{
    profiling_area_t  *area;

    if (x->nareas == x->areas_room) {
        x->areas = profiling_grow(x->areas, x->nareas,
                                  sizeof(profiling_area_t), &x->areas_room);
    }

    area = &x->areas[x->nareas++];
    area->start = start;
    area->end = end;
    area->owner = owner;
}


/* of areas that do not overlap, the one with an address in it, or NULL */

profiling_area_t *
profiling_nginx_area(profiling_area_t *areas, size_t n, uint64_t address)
{
    size_t  k;

    k = profiling_sorted(areas, n, sizeof(profiling_area_t), address);

    if (k == 0 || address >= areas[k - 1].end) {
        return NULL;
    }

    return &areas[k - 1];
}
