
/*
 * Reads symbol tables.
 *
 * elfutils takes the first table it finds of .symtab, the debug file's,
 * .gnu_debugdata and .dynsym.  Its look-up walks all symbols for each address,
 * so this file keeps them in a sorted array.
 */


#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "file.h"
#include "memory.h"
#include "sort.h"
#include "symbols.h"


#define PROFILING_MAX_SYMBOLS  (4 * 1024 * 1024)
#define PROFILING_MAX_NESTED   32
#define PROFILING_MAX_VDSO     (1024 * 1024)


static void profiling_symbols_file(profiling_symbols_t *s,
    profiling_object_t *object);
static int profiling_symbols_debuginfo(Dwfl_Module *module, void **data,
    const char *name, Dwarf_Addr base, const char *file, const char *link,
    GElf_Word crc, char **debug);
static void profiling_symbols_vdso(profiling_symbols_t *s);
static void profiling_symbols_segments(profiling_symbols_t *s, Elf *elf);
static void profiling_symbols_module(profiling_symbols_t *s);
static void profiling_symbols_section(profiling_symbols_t *s, Elf *elf);
static void profiling_symbols_add(profiling_symbols_t *s, const char *name,
    GElf_Sym *sym, uint64_t address);
static profiling_segment_t *profiling_symbols_segment(profiling_symbols_t *s,
    uint64_t address);
static unsigned profiling_symbols_rank(const char *name, GElf_Sym *sym);
static void profiling_symbols_sort(profiling_symbols_t *s);
static unsigned profiling_symbols_better(const profiling_symbol_t *one,
    const profiling_symbol_t *two);
static profiling_symbol_t *profiling_symbols_sizeless(profiling_symbols_t *s,
    size_t n, uint64_t address);
static size_t profiling_symbols_below(profiling_symbols_t *s,
    uint64_t address);


static profiling_object_t  *profiling_symbols_object;


static const Dwfl_Callbacks  profiling_symbols_callbacks = {
    .find_elf = dwfl_build_id_find_elf,
    .find_debuginfo = profiling_symbols_debuginfo,
    .section_address = dwfl_offline_section_address,
    .debuginfo_path = NULL
};


profiling_symbols_t *
profiling_symbols_load(profiling_object_t *object)
{
    profiling_symbols_t  *s;

    s = profiling_alloc(sizeof(profiling_symbols_t));

    if (profiling_options.level == PROFILING_NAMES_NONE) {
        return s;
    }

    if (strcmp(object->path, "[vdso]") == 0) {
        profiling_symbols_vdso(s);

    } else {
        profiling_symbols_file(s, object);
    }

    profiling_symbols_sort(s);

    return s;
}


static void
profiling_symbols_file(profiling_symbols_t *s, profiling_object_t *object)
{
    int          fd;
    Elf         *elf;
    GElf_Addr    bias;
    const char  *path;

    fd = profiling_file_open(object, &path);
    if (fd == -1) {
        return;
    }

    s->dwfl = dwfl_begin(&profiling_symbols_callbacks);
    if (s->dwfl == NULL) {
        close(fd);
        return;
    }

    s->module = dwfl_report_elf(s->dwfl, object->name, path, fd, 0, true);
    if (s->module == NULL) {
        close(fd);
        return;
    }

    dwfl_report_end(s->dwfl, NULL, NULL);

    elf = dwfl_module_getelf(s->module, &bias);
    if (elf == NULL) {
        s->module = NULL;
        return;
    }

    profiling_symbols_segments(s, elf);

    profiling_symbols_object = object;
    profiling_symbols_module(s);

    profiling_cfi_functions(&s->functions, elf);

    /*
     * Debug information is opened now, while profiling_symbols_object is set,
     * but read only when the first line is looked up.
     */

    if (profiling_options.level == PROFILING_NAMES_LINES) {
        (void) dwfl_module_getdwarf(s->module, &bias);
    }
}


/* elfutils calls this if the file itself has no debug information */

static int
profiling_symbols_debuginfo(Dwfl_Module *module, void **data,
    const char *name, Dwarf_Addr base, const char *file, const char *link,
    GElf_Word crc, char **debug)
{
    int          fd;
    const char  *path;

    (void) module;
    (void) data;
    (void) name;
    (void) base;
    (void) file;

    fd = profiling_file_debug(profiling_symbols_object, link, crc, &path);

    if (fd != -1) {
        /* elfutils frees it */
        *debug = strdup(path);
    }

    return fd;
}


/* the kernel maps the same vdso into every process, including this one */

static void
profiling_symbols_vdso(profiling_symbols_t *s)
{
    Elf         *elf;
    char        *copy;
    size_t       size;
    Elf64_Ehdr  *ehdr;

    ehdr = (Elf64_Ehdr *) getauxval(AT_SYSINFO_EHDR);

    if (ehdr == NULL || memcmp(ehdr->e_ident, ELFMAG, SELFMAG) != 0
        || ehdr->e_ident[EI_CLASS] != ELFCLASS64)
    {
        return;
    }

    size = ehdr->e_shoff + (size_t) ehdr->e_shnum * ehdr->e_shentsize;

    if (ehdr->e_shoff == 0 || size > PROFILING_MAX_VDSO) {
        return;
    }

    copy = profiling_strdup((char *) ehdr, size);

    elf = elf_memory(copy, size);
    if (elf == NULL) {
        return;
    }

    profiling_symbols_segments(s, elf);
    profiling_symbols_section(s, elf);
    profiling_cfi_functions(&s->functions, elf);
}


static void
profiling_symbols_segments(profiling_symbols_t *s, Elf *elf)
{
    size_t                n, i;
    GElf_Phdr             phdr;
    profiling_segment_t  *segment;

    if (elf_getphdrnum(elf, &n) != 0 || n > 1024) {
        return;
    }

    s->segments = profiling_calloc(n, sizeof(profiling_segment_t));

    for (i = 0; i < n; i++) {
        if (gelf_getphdr(elf, i, &phdr) == NULL || phdr.p_type != PT_LOAD) {
            continue;
        }

        segment = &s->segments[s->nsegments++];

        segment->offset = phdr.p_offset;
        segment->size = phdr.p_filesz;
        segment->address = phdr.p_vaddr;
        segment->executable = (phdr.p_flags & PF_X) != 0;
    }
}


static void
profiling_symbols_module(profiling_symbols_t *s)
{
    int          i, n;
    Elf         *elf;
    GElf_Sym     sym;
    GElf_Addr    address;
    GElf_Word    shndx;
    Dwarf_Addr   bias;
    const char  *name;

    if (dwfl_module_getelf(s->module, &bias) == NULL) {
        return;
    }

    n = dwfl_module_getsymtab(s->module);

    if (n > PROFILING_MAX_SYMBOLS) {
        n = PROFILING_MAX_SYMBOLS;
    }

    if (n > 0) {
        s->symbols = profiling_calloc(n, sizeof(profiling_symbol_t));
        s->symbols_room = n;
    }

    for (i = 1; i < n; i++) {
        name = dwfl_module_getsym_info(s->module, i, &sym, &address, &shndx,
                                       &elf, NULL);

        if (name == NULL || shndx == SHN_UNDEF || shndx == SHN_ABS) {
            continue;
        }

        profiling_symbols_add(s, name, &sym, address - bias);
    }
}


static void
profiling_symbols_section(profiling_symbols_t *s, Elf *elf)
{
    size_t       i, n;
    Elf_Scn     *scn;
    Elf_Data    *data;
    GElf_Sym     sym;
    GElf_Shdr    shdr;
    const char  *name;

    for (scn = elf_nextscn(elf, NULL); scn; scn = elf_nextscn(elf, scn)) {

        if (gelf_getshdr(scn, &shdr) == NULL || shdr.sh_type != SHT_DYNSYM
            || shdr.sh_entsize == 0)
        {
            continue;
        }

        data = elf_getdata(scn, NULL);
        n = shdr.sh_size / shdr.sh_entsize;

        for (i = 1; data != NULL && i < n; i++) {
            if (gelf_getsym(data, i, &sym) == NULL
                || sym.st_shndx == SHN_UNDEF || sym.st_shndx == SHN_ABS)
            {
                continue;
            }

            name = elf_strptr(elf, shdr.sh_link, sym.st_name);

            if (name != NULL) {
                profiling_symbols_add(s, name, &sym, sym.st_value);
            }
        }
    }
}


static void
profiling_symbols_add(profiling_symbols_t *s, const char *name,
    GElf_Sym *sym, uint64_t address)
{
    unsigned              type;
    const char           *version;
    profiling_symbol_t   *symbol;
    profiling_segment_t  *segment;

    type = GELF_ST_TYPE(sym->st_info);

    if (type == STT_OBJECT && strcmp(name, "ngx_modules") == 0) {
        s->modules = 1;
    }

    if (type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE) {
        return;
    }

    /* "$x" marks code or data on ARM, ".L" is a label within a function */

    if (name[0] == '\0' || name[0] == '$' || strncmp(name, ".L", 2) == 0) {
        return;
    }

    segment = profiling_symbols_segment(s, address);
    if (segment == NULL) {
        return;
    }

    if (s->nsymbols == s->symbols_room) {
        s->symbols = profiling_grow(s->symbols, s->nsymbols,
                                    sizeof(profiling_symbol_t),
                                    &s->symbols_room);
    }

    symbol = &s->symbols[s->nsymbols++];

    symbol->start = address;
    symbol->end = address;

    if (sym->st_size <= segment->address + segment->size - address) {
        symbol->end += sym->st_size;
    }

    symbol->rank = profiling_symbols_rank(name, sym);

    /* symbols of debug files carry versions: memcpy@@GLIBC_2.14 */

    version = strchr(name, '@');

    symbol->name = (version == NULL || version == name)
                   ? name : profiling_strdup(name, version - name);
}


static profiling_segment_t *
profiling_symbols_segment(profiling_symbols_t *s, uint64_t address)
{
    size_t                i;
    profiling_segment_t  *segment;

    for (i = 0; i < s->nsegments; i++) {
        segment = &s->segments[i];

        if (segment->executable && address >= segment->address
            && address - segment->address < segment->size)
        {
            return segment;
        }
    }

    return NULL;
}


/* of several names for one address, one without underscores is preferred */

static unsigned
profiling_symbols_rank(const char *name, GElf_Sym *sym)
{
    unsigned  rank;

    for (rank = 0; rank < 15 && name[rank] == '_'; rank++) { /* void */ }

    /* mangled names rank as plain ones */

    if (name[0] == '_' && (name[1] == 'Z' || name[1] == 'R')) {
        rank = 0;
    }

    rank = rank * 4;

    switch (GELF_ST_BIND(sym->st_info)) {

    case STB_GLOBAL:
        break;

    case STB_WEAK:
        rank += 1;
        break;

    default:
        rank += 2;
    }

    if (GELF_ST_TYPE(sym->st_info) == STT_NOTYPE) {
        rank += 64;
    }

    if (sym->st_size == 0) {
        rank += 128;
    }

    return rank;
}


static void
profiling_symbols_sort(profiling_symbols_t *s)
{
    size_t               i, n;
    profiling_symbol_t  *symbol;

    if (s->nsymbols == 0) {
        return;
    }

    profiling_sort(s->symbols, s->nsymbols, sizeof(profiling_symbol_t));

    for (n = 0, i = 1; i < s->nsymbols; i++) {
        symbol = &s->symbols[i];

        if (symbol->start != s->symbols[n].start) {
            s->symbols[++n] = *symbol;

        } else if (profiling_symbols_better(symbol, &s->symbols[n])) {
            s->symbols[n] = *symbol;
        }
    }

    s->nsymbols = n + 1;
}


static unsigned
profiling_symbols_better(const profiling_symbol_t *one,
    const profiling_symbol_t *two)
{
    if (one->rank != two->rank) {
        return one->rank < two->rank;
    }

    return strcmp(one->name, two->name) < 0;
}


int
profiling_symbols_address(profiling_symbols_t *s, uint64_t offset,
    uint64_t *address)
{
    size_t                i;
    profiling_segment_t  *segment;

    for (i = 0; i < s->nsegments; i++) {
        segment = &s->segments[i];

        if (segment->executable && offset >= segment->offset
            && offset - segment->offset < segment->size)
        {
            *address = segment->address + (offset - segment->offset);
            return 1;
        }
    }

    return 0;
}


/*
 * The symbol must contain the address; the nearest symbol below is not enough.
 * A stripped file has no symbols for static functions, and these must not get
 * the name of a neighbour.
 */

profiling_symbol_t *
profiling_symbols_find(profiling_symbols_t *s, uint64_t address)
{
    size_t               i, n;
    profiling_symbol_t  *symbol;

    n = profiling_sorted(s->symbols, s->nsymbols, sizeof(profiling_symbol_t),
                         address);

    /* symbols may nest, mostly in assembly */

    for (i = 0; i < PROFILING_MAX_NESTED && i < n; i++) {
        symbol = &s->symbols[n - 1 - i];

        if (address < symbol->end) {
            return symbol;
        }
    }

    return profiling_symbols_sizeless(s, n, address);
}


/*
 * A symbol without a size extends to the next symbol, but not beyond its
 * function in .eh_frame.
 */

static profiling_symbol_t *
profiling_symbols_sizeless(profiling_symbols_t *s, size_t n, uint64_t address)
{
    size_t               k;
    profiling_range_t   *function;
    profiling_symbol_t  *symbol;

    if (n == 0) {
        return NULL;
    }

    symbol = &s->symbols[n - 1];

    if (symbol->end != symbol->start) {
        return NULL;
    }

    function = profiling_symbols_function(s, address);

    if (function != NULL) {
        return (function->start == symbol->start) ? symbol : NULL;
    }

    /* nor may it extend over a whole function into the gap after it */

    k = profiling_symbols_below(s, address);

    if (k != 0 && s->functions.ranges[k - 1].end > symbol->start) {
        return NULL;
    }

    return symbol;
}


profiling_range_t *
profiling_symbols_function(profiling_symbols_t *s, uint64_t address)
{
    size_t  n;

    n = profiling_symbols_below(s, address);

    if (n == 0 || address >= s->functions.ranges[n - 1].end) {
        return NULL;
    }

    return &s->functions.ranges[n - 1];
}


/* number of functions that start at or below an address */

static size_t
profiling_symbols_below(profiling_symbols_t *s, uint64_t address)
{
    return profiling_sorted(s->functions.ranges, s->functions.n,
                            sizeof(profiling_range_t), address);
}
