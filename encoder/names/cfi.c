
/*
 * Reads the bounds of functions from .eh_frame, which stripped files keep.
 *
 * libdw splits the section into entries; this file reads only their address
 * ranges.  Pointer encodings: Linux Standard Base, "DWARF Extensions".
 */


#include <dwarf.h>
#include <elfutils/libdw.h>
#include <endian.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#include "cfi.h"
#include "memory.h"
#include "sort.h"


#define PROFILING_MAX_FUNCTIONS  (4 * 1024 * 1024)


typedef struct {
    Dwarf_Off         offset;
    unsigned          encoding;
} profiling_cie_t;


typedef struct {
    const uint8_t    *data;          /* of the section */
    size_t            size;
    uint64_t          address;       /* where it is loaded */
    unsigned          width;         /* of a native pointer */
    profiling_cie_t  *cies;          /* sorted by offset, as they come */
    size_t            ncies;
    size_t            cies_room;
} profiling_eh_frame_t;


static Dwarf_Off profiling_cfi_plain(profiling_eh_frame_t *f,
    Dwarf_Off offset, Dwarf_FDE *fde);
static void profiling_cfi_add(profiling_ranges_t *functions,
    profiling_eh_frame_t *f, Dwarf_FDE *fde);
static int profiling_cfi_section(Elf *elf, profiling_eh_frame_t *f);
static void profiling_cfi_cie(profiling_eh_frame_t *f, Dwarf_Off offset,
    Dwarf_CIE *cie);
static unsigned profiling_cfi_width(profiling_eh_frame_t *f,
    unsigned encoding);
static int profiling_cfi_fde(profiling_eh_frame_t *f, Dwarf_FDE *fde,
    profiling_range_t *range);
static uint64_t profiling_cfi_value(const uint8_t *p, unsigned encoding,
    unsigned width);


void
profiling_cfi_functions(profiling_ranges_t *functions, Elf *elf)
{
    int                    rc;
    char                  *ident;
    Elf_Data               data;
    Dwarf_Off              offset, next;
    Dwarf_CFI_Entry        entry;
    profiling_eh_frame_t   f;

    memset(&f, 0, sizeof(profiling_eh_frame_t));
    memset(&data, 0, sizeof(Elf_Data));

    ident = elf_getident(elf, NULL);

    if (ident == NULL || !profiling_cfi_section(elf, &f)) {
        return;
    }

    data.d_buf = (void *) f.data;
    data.d_size = f.size;
    data.d_version = EV_CURRENT;

    for (offset = 0; offset < f.size; offset = next) {

        next = profiling_cfi_plain(&f, offset, &entry.fde);

        if (next != offset) {
            profiling_cfi_add(functions, &f, &entry.fde);
            continue;
        }

        rc = dwarf_next_cfi((unsigned char *) ident, &data, true, offset,
                            &next, &entry);

        if (next <= offset || next == (Dwarf_Off) -1 || rc == 1) {
            break;
        }

        if (rc != 0) {
            continue;
        }

        if (dwarf_cfi_cie_p(&entry)) {
            profiling_cfi_cie(&f, offset, &entry.cie);

        } else {
            profiling_cfi_add(functions, &f, &entry.fde);
        }
    }

    profiling_sort(functions->ranges, functions->n, sizeof(profiling_range_t));
}


/* nearly all entries; the offset itself: it is another one, or broken */

static Dwarf_Off
profiling_cfi_plain(profiling_eh_frame_t *f, Dwarf_Off offset, Dwarf_FDE *fde)
{
    uint32_t        length, id;
    const uint8_t  *p;

    if (f->size - offset < 8) {
        return offset;
    }

    p = f->data + offset;
    length = profiling_cfi_value(p, DW_EH_PE_udata4, 4);
    id = profiling_cfi_value(p + 4, DW_EH_PE_udata4, 4);

    if (id == 0 || id > offset + 4 || length < 4
        || length > f->size - offset - 4)
    {
        return offset;
    }

    fde->CIE_pointer = offset + 4 - id;
    fde->start = p + 8;
    fde->end = p + 4 + length;

    return offset + 4 + length;
}


static void
profiling_cfi_add(profiling_ranges_t *functions, profiling_eh_frame_t *f,
    Dwarf_FDE *fde)
{
    profiling_range_t  range;

    if (!profiling_cfi_fde(f, fde, &range)
        || functions->n == PROFILING_MAX_FUNCTIONS)
    {
        return;
    }

    if (functions->n == functions->room) {
        functions->ranges = profiling_grow(functions->ranges, functions->n,
                                           sizeof(profiling_range_t),
                                           &functions->room);
    }

    functions->ranges[functions->n++] = range;
}


static int
profiling_cfi_section(Elf *elf, profiling_eh_frame_t *f)
{
    size_t       strings;
    Elf_Scn     *scn;
    Elf_Data    *data;
    GElf_Shdr    shdr;
    const char  *name, *ident;

    ident = elf_getident(elf, NULL);

    if (elf_getshdrstrndx(elf, &strings) != 0) {
        return 0;
    }

    /*
     * pointers are not swapped: only files of the native byte order are read
     */

    if (ident[EI_DATA]
        != (BYTE_ORDER == LITTLE_ENDIAN ? ELFDATA2LSB : ELFDATA2MSB))
    {
        return 0;
    }

    for (scn = elf_nextscn(elf, NULL); scn; scn = elf_nextscn(elf, scn)) {

        if (gelf_getshdr(scn, &shdr) == NULL
            || shdr.sh_type == SHT_NOBITS
            || (shdr.sh_flags & SHF_COMPRESSED))
        {
            continue;
        }

        name = elf_strptr(elf, strings, shdr.sh_name);
        if (name == NULL || strcmp(name, ".eh_frame") != 0) {
            continue;
        }

        data = elf_rawdata(scn, NULL);
        if (data == NULL || data->d_buf == NULL) {
            return 0;
        }

        f->data = data->d_buf;
        f->size = data->d_size;
        f->address = shdr.sh_addr;
        f->width = (ident[EI_CLASS] == ELFCLASS64) ? 8 : 4;

        return 1;
    }

    return 0;
}


/* records how the FDEs of a CIE encode addresses */

static void
profiling_cfi_cie(profiling_eh_frame_t *f, Dwarf_Off offset, Dwarf_CIE *cie)
{
    unsigned          encoding, personality;
    const char       *a;
    const uint8_t    *p, *last;
    profiling_cie_t  *item;

    encoding = DW_EH_PE_absptr;
    a = cie->augmentation;

    if (a != NULL && *a == 'z' && cie->augmentation_data != NULL) {
        p = cie->augmentation_data;
        last = p + cie->augmentation_data_size;

        for (a++; *a != '\0' && p < last; a++) {

            if (*a == 'R') {
                encoding = *p;
                break;
            }

            if (*a == 'L') {
                p++;

            } else if (*a == 'P') {
                personality = profiling_cfi_width(f, *p);
                if (personality == 0) {
                    break;
                }

                p += 1 + personality;
            }
        }
    }

    if (f->ncies == f->cies_room) {
        f->cies = profiling_grow(f->cies, f->ncies, sizeof(profiling_cie_t),
                                 &f->cies_room);
    }

    item = &f->cies[f->ncies++];
    item->offset = offset;
    item->encoding = encoding;
}


/* size of an encoded pointer, 0 if it varies */

static unsigned
profiling_cfi_width(profiling_eh_frame_t *f, unsigned encoding)
{
    switch (encoding & 0x0f) {

    case DW_EH_PE_absptr:
        return f->width;

    case DW_EH_PE_udata2:
    case DW_EH_PE_sdata2:
        return 2;

    case DW_EH_PE_udata4:
    case DW_EH_PE_sdata4:
        return 4;

    case DW_EH_PE_udata8:
    case DW_EH_PE_sdata8:
        return 8;
    }

    return 0;
}


static int
profiling_cfi_fde(profiling_eh_frame_t *f, Dwarf_FDE *fde,
    profiling_range_t *range)
{
    size_t           low, high, mid;
    unsigned         encoding, width;
    uint64_t         start, size;
    const uint8_t   *p;

    low = 0;
    high = f->ncies;

    while (low < high) {
        mid = low + (high - low) / 2;

        if (f->cies[mid].offset < fde->CIE_pointer) {
            low = mid + 1;

        } else {
            high = mid;
        }
    }

    if (low == f->ncies || f->cies[low].offset != fde->CIE_pointer) {
        return 0;
    }

    encoding = f->cies[low].encoding;
    width = profiling_cfi_width(f, encoding);
    p = fde->start;

    if (width == 0 || p < f->data || fde->end > f->data + f->size
        || fde->end - p < 2 * (ptrdiff_t) width)
    {
        return 0;
    }

    start = profiling_cfi_value(p, encoding, width);
    size = profiling_cfi_value(p + width, encoding & 0x07, width);

    switch (encoding & 0x70) {

    case DW_EH_PE_absptr:
        break;

    case DW_EH_PE_pcrel:
        start += f->address + (p - f->data);
        break;

    default:
        return 0;
    }

    /* the linker leaves empty FDEs for functions that it has dropped */

    if ((encoding & DW_EH_PE_indirect) || size == 0
        || size > UINT64_MAX - start)
    {
        return 0;
    }

    range->start = start;
    range->end = start + size;

    return 1;
}


static uint64_t
profiling_cfi_value(const uint8_t *p, unsigned encoding, unsigned width)
{
    uint16_t  two;
    uint32_t  four;
    uint64_t  eight;

    switch (width) {

    case 2:
        memcpy(&two, p, 2);
        return (encoding & DW_EH_PE_signed) ? (uint64_t) (int16_t) two : two;

    case 4:
        memcpy(&four, p, 4);
        return (encoding & DW_EH_PE_signed) ? (uint64_t) (int32_t) four : four;

    default:
        memcpy(&eight, p, 8);
        return eight;
    }
}
