
/*
 * Finds lines and inlined calls in the debug information.
 *
 * libdw's dwarf_getscopes() walks all entries of a unit for each address.  This
 * file lists units and their functions once, looks an address up in two sorted
 * arrays, and reads only the entries of its function.
 */


#include <dwarf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <elfutils/libdwelf.h>

#include "demangle.h"
#include "file.h"
#include "lines.h"
#include "memory.h"
#include "sort.h"


#define PROFILING_MAX_UNITS   (1024 * 1024)
#define PROFILING_MAX_DIES    (8 * 1024 * 1024)
#define PROFILING_MAX_NESTING 16


typedef struct {
    uint64_t             start;
    uint64_t             end;
    Dwarf_Off            offset;     /* of the entry in .debug_info */
} profiling_die_t;


typedef struct {
    profiling_die_t     *dies;       /* sorted by start */
    size_t               ndies;
    size_t               room;
} profiling_dies_t;


typedef struct {
    Dwarf_Off            offset;
    Dwarf               *dwarf;      /* of its functions, set when listed */
    profiling_dies_t     functions;
} profiling_unit_t;


struct profiling_lines_s {
    Dwarf               *dwarf;
    Dwarf_Addr           bias;
    const char          *path;       /* of the file with the information */
    profiling_dies_t     ranges;     /* die.offset is an index of units */
    profiling_unit_t    *units;
    size_t               nunits;
    size_t               units_room;
    size_t               seen;       /* entries read, to bound the work */
};


static profiling_unit_t *profiling_lines_unit(profiling_lines_t *l,
    uint64_t address, Dwarf_Die *unit);
static void profiling_lines_split(profiling_lines_t *l, Dwarf_Die *unit);
static void profiling_lines_innermost(Dwarf_Die *unit, uint64_t address,
    profiling_frame_t *frame);
static void profiling_lines_file(profiling_frame_t *frame, const char *file);
static profiling_lines_t *profiling_lines_open(profiling_symbols_t *s);
static void profiling_lines_alternate(Dwarf *dwarf, const char *base);
static void profiling_lines_units(profiling_lines_t *l);
static void profiling_lines_functions(profiling_lines_t *l, Dwarf_Die *parent,
    profiling_dies_t *functions, unsigned depth);
static void profiling_lines_ranges(Dwarf_Die *die, profiling_dies_t *dies,
    Dwarf_Off offset);
static profiling_die_t *profiling_lines_find(profiling_dies_t *dies,
    uint64_t address);
static unsigned profiling_lines_chain(profiling_lines_t *l,
    Dwarf_Die *function, uint64_t address, Dwarf_Die *chain);
static int profiling_lines_inner(profiling_lines_t *l, Dwarf_Die *parent,
    uint64_t address, Dwarf_Die *inner);
static void profiling_lines_frame(Dwarf_Die *die, profiling_frame_t *frame);
static void profiling_lines_call(Dwarf_Die *die, profiling_frame_t *frame);
static const char *profiling_lines_source(Dwarf_Attribute *attr);


unsigned
profiling_lines_frames(profiling_symbols_t *s, uint64_t address,
    profiling_frame_t *frames)
{
    unsigned            i, count;
    Dwarf_Die           unit, function, chain[PROFILING_MAX_INLINED];
    profiling_die_t    *die;
    profiling_unit_t   *u;
    profiling_lines_t  *l;

    if (s->lines == NULL) {
        s->lines = profiling_lines_open(s);
    }

    l = s->lines;

    if (l->dwarf == NULL) {
        return 0;
    }

    if (profiling_options.lines_deadline != 0
        && profiling_now() > profiling_options.lines_deadline)
    {
        profiling_options.note = "encoder: lines and inlined calls left out "
                                 "in part: it took too long";
        return 0;
    }

    address -= l->bias;

    u = profiling_lines_unit(l, address, &unit);
    if (u == NULL) {
        return 0;
    }

    memset(frames, 0, sizeof(profiling_frame_t));
    frames[0].file = "";

    count = 1;

    die = profiling_lines_find(&u->functions, address);

    if (die != NULL
        && dwarf_offdie(u->dwarf, die->offset, &function) != NULL)
    {
        count = profiling_lines_chain(l, &function, address, chain);

        for (i = 0; i < count; i++) {
            profiling_lines_frame(&chain[i], &frames[i]);
        }

        /* the line of a frame is where it calls the frame before it */

        for (i = 1; i < count; i++) {
            profiling_lines_call(&chain[i - 1], &frames[i]);
        }
    }

    profiling_lines_innermost(&unit, address, &frames[0]);

    return count;
}


static profiling_unit_t *
profiling_lines_unit(profiling_lines_t *l, uint64_t address, Dwarf_Die *unit)
{
    Dwarf_Die          body;
    profiling_die_t   *die;
    profiling_unit_t  *u;

    die = profiling_lines_find(&l->ranges, address);
    if (die == NULL) {
        return NULL;
    }

    u = &l->units[die->offset];

    if (dwarf_offdie(l->dwarf, u->offset, unit) == NULL) {
        return NULL;
    }

    if (u->dwarf == NULL) {
        body = *unit;
        profiling_lines_split(l, &body);

        u->dwarf = dwarf_cu_getdwarf(body.cu);
        profiling_lines_functions(l, &body, &u->functions, 0);
        profiling_sort(u->functions.dies, u->functions.ndies,
                       sizeof(profiling_die_t));
    }

    return u;
}


/*
 * Functions of a unit may be in a file of their own (-gsplit-dwarf).  libdw
 * opens it by its path, and does not check what kind of file it is.
 */

static void
profiling_lines_split(profiling_lines_t *l, Dwarf_Die *unit)
{
    uint8_t           type;
    Dwarf_Die         split;
    const char       *name, *dir;
    Dwarf_Attribute   attr;

    if (dwarf_attr(unit, DW_AT_dwo_name, &attr) == NULL
        && dwarf_attr(unit, DW_AT_GNU_dwo_name, &attr) == NULL)
    {
        return;
    }

    name = dwarf_formstring(&attr);
    dir = dwarf_formstring(dwarf_attr(unit, DW_AT_comp_dir, &attr));

    if (name == NULL || !profiling_file_safe(l->path, name)
        || (dir != NULL
            && !profiling_file_safe(profiling_printf("%s/", dir), name)))
    {
        return;
    }

    if (dwarf_cu_info(unit->cu, NULL, &type, NULL, &split, NULL, NULL, NULL)
        == 0
        && split.cu != NULL)
    {
        *unit = split;
    }
}


static void
profiling_lines_innermost(Dwarf_Die *unit, uint64_t address,
    profiling_frame_t *frame)
{
    int          n;
    Dwarf_Line  *line;
    const char  *file;

    line = dwarf_getsrc_die(unit, address);
    if (line == NULL) {
        return;
    }

    file = dwarf_linesrc(line, NULL, NULL);

    if (dwarf_lineno(line, &n) == 0 && n > 0 && file != NULL) {
        frame->line = n;
        profiling_lines_file(frame, file);
    }
}


/*
 * The file of a frame is that of its line.  A function may begin in another
 * file, for instance if its body comes from a macro or an included file.
 */

static void
profiling_lines_file(profiling_frame_t *frame, const char *file)
{
    if (strcmp(frame->file, file) == 0) {
        return;
    }

    if (frame->file[0] != '\0') {
        frame->start_line = 0;
    }

    frame->file = file;
}


static profiling_lines_t *
profiling_lines_open(profiling_symbols_t *s)
{
    const char         *file, *debug;
    profiling_lines_t  *l;

    l = profiling_alloc(sizeof(profiling_lines_t));

    if (s->module == NULL
        || profiling_options.level != PROFILING_NAMES_LINES)
    {
        return l;
    }

    l->dwarf = dwfl_module_getdwarf(s->module, &l->bias);

    if (l->dwarf != NULL) {
        dwfl_module_info(s->module, NULL, NULL, NULL, NULL, NULL, &file,
                         &debug);
        l->path = debug ? debug : file ? file : "";

        profiling_lines_alternate(l->dwarf, l->path);
        profiling_lines_units(l);
    }

    return l;
}


/*
 * dwz moves parts that several debug files share to an alternate file.  libdw
 * would open any path given for it, so the file is opened here, with checks.
 */

static void
profiling_lines_alternate(Dwarf *dwarf, const char *base)
{
    int          fd;
    char        *hex;
    Dwarf       *alternate;
    ssize_t      n, i;
    const char  *name, *path;
    const void  *id;

    n = dwelf_dwarf_gnu_debugaltlink(dwarf, &name, &id);

    if (n <= 0 || n > 64) {
        dwarf_setalt(dwarf, NULL);
        return;
    }

    hex = profiling_alloc(n * 2 + 1);

    for (i = 0; i < n; i++) {
        hex[i * 2] = "0123456789abcdef"[((const uint8_t *) id)[i] >> 4];
        hex[i * 2 + 1] = "0123456789abcdef"[((const uint8_t *) id)[i] & 15];
    }

    alternate = NULL;

    fd = profiling_file_alternate(base, name, hex, &path);
    if (fd != -1) {
        alternate = dwarf_begin(fd, DWARF_C_READ);
    }

    dwarf_setalt(dwarf, alternate);
}


static void
profiling_lines_units(profiling_lines_t *l)
{
    uint8_t     type;
    Dwarf_CU   *cu;
    Dwarf_Die   die;

    cu = NULL;

    while (dwarf_get_units(l->dwarf, cu, &cu, NULL, &type, &die, NULL) == 0) {

        if (l->nunits == PROFILING_MAX_UNITS) {
            break;
        }

        if (dwarf_tag(&die) != DW_TAG_compile_unit
            && dwarf_tag(&die) != DW_TAG_skeleton_unit)
        {
            continue;
        }

        if (l->nunits == l->units_room) {
            l->units = profiling_grow(l->units, l->nunits,
                                      sizeof(profiling_unit_t),
                                      &l->units_room);
        }

        l->units[l->nunits].offset = dwarf_dieoffset(&die);

        profiling_lines_ranges(&die, &l->ranges, l->nunits);

        l->nunits++;
    }

    profiling_sort(l->ranges.dies, l->ranges.ndies, sizeof(profiling_die_t));
}


/* functions are in a unit, or in its namespaces and classes */

static void
profiling_lines_functions(profiling_lines_t *l, Dwarf_Die *parent,
    profiling_dies_t *functions, unsigned depth)
{
    Dwarf_Die  die, next;

    if (depth == PROFILING_MAX_NESTING
        || dwarf_child(parent, &die) != 0)
    {
        return;
    }

    for ( ;; ) {

        if (++l->seen > PROFILING_MAX_DIES) {
            return;
        }

        switch (dwarf_tag(&die)) {

        case DW_TAG_subprogram:
            profiling_lines_ranges(&die, functions, dwarf_dieoffset(&die));
            break;

        case DW_TAG_namespace:
        case DW_TAG_module:
        case DW_TAG_class_type:
        case DW_TAG_structure_type:
            profiling_lines_functions(l, &die, functions, depth + 1);
            break;

        default:
            break;
        }

        if (dwarf_siblingof(&die, &next) != 0) {
            return;
        }

        die = next;
    }
}


static void
profiling_lines_ranges(Dwarf_Die *die, profiling_dies_t *dies,
    Dwarf_Off offset)
{
    ptrdiff_t         next;
    Dwarf_Addr        base, start, end;
    profiling_die_t  *d;

    next = 0;

    for ( ;; ) {
        next = dwarf_ranges(die, next, &base, &start, &end);

        if (next <= 0 || dies->ndies >= PROFILING_MAX_DIES) {
            return;
        }

        /* functions that the linker has dropped start at 0 */

        if (start == 0 || start >= end) {
            continue;
        }

        if (dies->ndies == dies->room) {
            dies->dies = profiling_grow(dies->dies, dies->ndies,
                                        sizeof(profiling_die_t),
                                        &dies->room);
        }

        d = &dies->dies[dies->ndies++];
        d->start = start;
        d->end = end;
        d->offset = offset;
    }
}


static profiling_die_t *
profiling_lines_find(profiling_dies_t *dies, uint64_t address)
{
    size_t  n;

    n = profiling_sorted(dies->dies, dies->ndies, sizeof(profiling_die_t),
                         address);

    if (n == 0 || address >= dies->dies[n - 1].end) {
        return NULL;
    }

    return &dies->dies[n - 1];
}


/* the function and its inlined calls, innermost first */

static unsigned
profiling_lines_chain(profiling_lines_t *l, Dwarf_Die *function,
    uint64_t address, Dwarf_Die *chain)
{
    unsigned   n, i, steps;
    Dwarf_Die  die, inner;

    chain[0] = *function;
    n = 1;

    die = *function;

    /* lexical blocks count as well, so that a broken tree ends */

    for (steps = 0; steps < 256; steps++) {

        if (!profiling_lines_inner(l, &die, address, &inner)) {
            break;
        }

        die = inner;

        if (dwarf_tag(&die) == DW_TAG_inlined_subroutine) {
            if (n == PROFILING_MAX_INLINED) {
                break;
            }

            chain[n++] = die;
        }
    }

    for (i = 0; i < n / 2; i++) {
        die = chain[i];
        chain[i] = chain[n - 1 - i];
        chain[n - 1 - i] = die;
    }

    return n;
}


static int
profiling_lines_inner(profiling_lines_t *l, Dwarf_Die *parent,
    uint64_t address, Dwarf_Die *inner)
{
    int        tag;
    Dwarf_Die  die, next;

    if (dwarf_child(parent, &die) != 0) {
        return 0;
    }

    for ( ;; ) {

        if (++l->seen > PROFILING_MAX_DIES) {
            return 0;
        }

        tag = dwarf_tag(&die);

        if ((tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block)
            && dwarf_haspc(&die, address) == 1)
        {
            *inner = die;
            return 1;
        }

        if (dwarf_siblingof(&die, &next) != 0) {
            return 0;
        }

        die = next;
    }
}


static void
profiling_lines_frame(Dwarf_Die *die, profiling_frame_t *frame)
{
    int              n;
    const char      *name, *file;
    Dwarf_Attribute  attr;

    memset(frame, 0, sizeof(profiling_frame_t));

    name = NULL;

    if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attr) != NULL
        || dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attr) != NULL)
    {
        name = dwarf_formstring(&attr);
    }

    if (name == NULL) {
        name = dwarf_diename(die);
    }

    if (name == NULL) {
        name = "[unknown]";
    }

    frame->system_name = name;
    frame->name = profiling_demangle(name);

    file = profiling_lines_source(dwarf_attr_integrate(die, DW_AT_decl_file,
                                                       &attr));

    frame->file = file ? file : "";

    if (dwarf_decl_line(die, &n) == 0 && n > 0) {
        frame->start_line = n;
    }
}


static void
profiling_lines_call(Dwarf_Die *die, profiling_frame_t *frame)
{
    const char       *file;
    Dwarf_Word        n;
    Dwarf_Attribute   attr;

    if (dwarf_formudata(dwarf_attr(die, DW_AT_call_line, &attr), &n) == 0
        && n <= INT32_MAX)
    {
        frame->line = n;
    }

    file = profiling_lines_source(dwarf_attr(die, DW_AT_call_file, &attr));

    if (file != NULL) {
        profiling_lines_file(frame, file);
    }
}


/*
 * The file that an attribute has the number of, or NULL.  dwarf_decl_file() of
 * libdw 0.188 aborts if the attribute is in a split unit.
 */

static const char *
profiling_lines_source(Dwarf_Attribute *attr)
{
    size_t        nfiles;
    Dwarf_Die     unit;
    Dwarf_Word    n;
    Dwarf_Files  *files;

    if (dwarf_formudata(attr, &n) != 0
        || dwarf_cu_die(attr->cu, &unit, NULL, NULL, NULL, NULL, NULL, NULL)
           == NULL
        || dwarf_getsrcfiles(&unit, &files, &nfiles) != 0
        || n == 0 || n >= nfiles)
    {
        return NULL;
    }

    return dwarf_filesrc(files, n, NULL, NULL);
}
