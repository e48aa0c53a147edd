
/*
 * A program with any structures of nginx's modules: tables, relocations and
 * machine code are made of the input, and what can be known of a file that
 * elfutils accepts is right.
 *
 * Without that frame hardly an input would have modules.  fuzz_debug.c tries
 * any bytes as a file.
 */


#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <elf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memory.h"
#include "names.h"
#include "nginx.h"


#define FUZZ_SYMBOLS    10
#define FUZZ_FUNCTIONS  24
#define FUZZ_RELAS      48
#define FUZZ_TEXT       0x1000
#define FUZZ_DATA       0x2000
#define FUZZ_MODULES    FUZZ_DATA
#define FUZZ_NAMES      (FUZZ_DATA + 64)
#define FUZZ_PART       0x800

/* sections, in the order of their headers */

enum { NONE, TEXT, DATA, FRAME, DYNSYM, DYNSTR, RELA, SHSTRTAB, SECTIONS };


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
const char *__asan_default_options(void);


static const char  fuzz_strings[] =
    "\0ngx_modules\0ngx_module_names\0ngx_palloc\0ngx_http_send_header\0"
    "ngx_http_one_thing\0main";

static const char  fuzz_sections[] =
    "\0.text\0.data\0.eh_frame\0.dynsym\0.dynstr\0.rela.dyn\0.shstrtab";

static int             fuzz_fd;
static char            fuzz_path[64];
static const uint8_t  *fuzz_in;
static size_t          fuzz_left;


/* the encoder ends, and frees nothing before */

const char *
__asan_default_options(void)
{
    return "detect_leaks=0";
}


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    profiling_options.max_file = PROFILING_MIB;
    profiling_options.debuginfod_cache = "/nonexistent";
    profiling_options.level = PROFILING_NAMES_SYMBOLS;

    fuzz_fd = memfd_create("fuzz", MFD_CLOEXEC);

    if (fuzz_fd == -1 || elf_version(EV_CURRENT) == EV_NONE) {
        abort();
    }

    snprintf(fuzz_path, sizeof(fuzz_path), "/proc/self/fd/%d", fuzz_fd);

    return 0;
}


static uint64_t
fuzz_take(size_t n)
{
    uint64_t  value;

    value = 0;
    n = (n < fuzz_left) ? n : fuzz_left;

    memcpy(&value, fuzz_in, n);
    fuzz_in += n;
    fuzz_left -= n;

    return value;
}


static void
fuzz_bytes(uint8_t *to, size_t n)
{
    n = (n < fuzz_left) ? n : fuzz_left;

    memcpy(to, fuzz_in, n);
    fuzz_in += n;
    fuzz_left -= n;
}


/* functions that follow each other with gaps, all of one CIE */

static size_t
fuzz_frame(uint8_t *p)
{
    size_t    i, n;
    uint32_t  start, length, fde[6];

    static const uint8_t  cie[] = {
        16, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0x78, 16, 0, 0, 0, 0, 0, 0, 0
    };

    memcpy(p, cie, sizeof(cie));
    n = sizeof(cie);
    start = FUZZ_TEXT;

    for (i = 0; i < FUZZ_FUNCTIONS && start < FUZZ_TEXT + FUZZ_PART; i++) {
        length = fuzz_take(1);

        fde[0] = 20;
        fde[1] = n + 4;
        fde[2] = start;
        fde[3] = 0;
        fde[4] = length;
        fde[5] = 0;

        memcpy(p + n, fde, sizeof(fde));
        n += sizeof(fde);

        start = (start + length + 15) & ~15u;
    }

    return n;
}


static size_t
fuzz_dynsym(Elf64_Sym *sym)
{
    size_t       i;
    const char  *name;

    name = fuzz_strings + 1;

    for (i = 1; i < FUZZ_SYMBOLS && name < fuzz_strings
                                           + sizeof(fuzz_strings); i++)
    {
        sym[i].st_name = name - fuzz_strings;
        sym[i].st_info = ELF64_ST_INFO(STB_GLOBAL,
                                       i < 3 ? STT_OBJECT : STT_FUNC);
        sym[i].st_shndx = (i < 3) ? DATA : TEXT;
        sym[i].st_value = (i == 1) ? FUZZ_MODULES
                          : (i == 2) ? FUZZ_NAMES
                          : FUZZ_TEXT + fuzz_take(1) * 16;
        sym[i].st_size = 64;

        name += strlen(name) + 1;
    }

    return i * sizeof(Elf64_Sym);
}


/* values are near addresses of functions, data and nothing */

static size_t
fuzz_relocations(Elf64_Rela *rela, unsigned machine)
{
    size_t    i;
    uint64_t  kind;

    for (i = 0; i < FUZZ_RELAS && fuzz_left > 5; i++) {
        kind = fuzz_take(1);

        rela[i].r_offset = FUZZ_DATA + (fuzz_take(2) & 0x7ff);
        rela[i].r_addend = fuzz_take(2);
        rela[i].r_info = ELF64_R_INFO(0, machine == EM_X86_64
                                         ? R_X86_64_RELATIVE
                                         : R_AARCH64_RELATIVE);

        if (kind & 1) {
            rela[i].r_offset &= ~7ull;
        }

        if (kind & 2) {
            rela[i].r_info = ELF64_R_INFO(kind >> 4, machine == EM_X86_64
                                                     ? R_X86_64_64
                                                     : R_AARCH64_ABS64);
        }

        if (kind & 4) {
            rela[i].r_addend = FUZZ_TEXT + (rela[i].r_addend & 0x7f) * 16;

        } else if (kind & 8) {
            rela[i].r_addend = FUZZ_DATA + (rela[i].r_addend & 0x7ff);
        }
    }

    return i * sizeof(Elf64_Rela);
}


static void
fuzz_file(uint8_t *file)
{
    size_t       i, offset;
    unsigned     machine;
    Elf64_Ehdr  *ehdr;
    Elf64_Phdr  *phdr;
    Elf64_Shdr  *shdr;
    const char  *name;

    static const unsigned  types[SECTIONS] = {
        SHT_NULL, SHT_PROGBITS, SHT_PROGBITS, SHT_PROGBITS, SHT_DYNSYM,
        SHT_STRTAB, SHT_RELA, SHT_STRTAB
    };

    machine = (fuzz_take(1) & 1) ? EM_X86_64 : EM_AARCH64;

    ehdr = (Elf64_Ehdr *) file;
    memcpy(ehdr->e_ident, ELFMAG, SELFMAG);
    ehdr->e_ident[EI_CLASS] = ELFCLASS64;
    ehdr->e_ident[EI_DATA] = ELFDATA2LSB;
    ehdr->e_ident[EI_VERSION] = EV_CURRENT;
    ehdr->e_type = ET_DYN;
    ehdr->e_machine = machine;
    ehdr->e_version = EV_CURRENT;
    ehdr->e_phoff = sizeof(Elf64_Ehdr);
    ehdr->e_shoff = 0x200;
    ehdr->e_ehsize = sizeof(Elf64_Ehdr);
    ehdr->e_phentsize = sizeof(Elf64_Phdr);
    ehdr->e_phnum = 2;
    ehdr->e_shentsize = sizeof(Elf64_Shdr);
    ehdr->e_shnum = SECTIONS;
    ehdr->e_shstrndx = SHSTRTAB;

    phdr = (Elf64_Phdr *) (ehdr + 1);

    for (i = 0; i < 2; i++) {
        phdr[i].p_type = PT_LOAD;
        phdr[i].p_flags = i ? PF_R|PF_W : PF_R|PF_X;
        phdr[i].p_offset = i ? FUZZ_DATA : FUZZ_TEXT;
        phdr[i].p_vaddr = phdr[i].p_offset;
        phdr[i].p_filesz = FUZZ_PART;
        phdr[i].p_memsz = FUZZ_PART;
        phdr[i].p_align = 0x1000;
    }

    shdr = (Elf64_Shdr *) (file + ehdr->e_shoff);
    name = fuzz_sections + 1;

    for (i = 1; i < SECTIONS; i++) {
        offset = (i == TEXT) ? FUZZ_TEXT : 0x1000 * i;

        shdr[i].sh_name = name - fuzz_sections;
        shdr[i].sh_type = types[i];
        shdr[i].sh_offset = offset;
        shdr[i].sh_size = FUZZ_PART;
        shdr[i].sh_addralign = 8;

        if (i <= FRAME) {
            shdr[i].sh_addr = offset;
            shdr[i].sh_flags = SHF_ALLOC;
        }

        name += strlen(name) + 1;
    }

    shdr[DYNSYM].sh_link = DYNSTR;
    shdr[DYNSYM].sh_entsize = sizeof(Elf64_Sym);
    shdr[RELA].sh_link = DYNSYM;
    shdr[RELA].sh_entsize = sizeof(Elf64_Rela);

    memcpy(file + shdr[DYNSTR].sh_offset, fuzz_strings, sizeof(fuzz_strings));
    memcpy(file + shdr[SHSTRTAB].sh_offset, fuzz_sections,
           sizeof(fuzz_sections));

    shdr[FRAME].sh_size = fuzz_frame(file + shdr[FRAME].sh_offset);
    shdr[DYNSYM].sh_size = fuzz_dynsym((Elf64_Sym *)
                                       (file + shdr[DYNSYM].sh_offset));
    shdr[RELA].sh_size = fuzz_relocations((Elf64_Rela *)
                                          (file + shdr[RELA].sh_offset),
                                          machine);

    fuzz_bytes(file + FUZZ_DATA, FUZZ_PART);
    fuzz_bytes(file + FUZZ_TEXT, FUZZ_PART);
}


static void
fuzz_names(void *data)
{
    unsigned             i, k, n;
    uint64_t             into;
    profiling_frame_t    frames[PROFILING_MAX_INLINED];
    profiling_object_t  *object;

    object = data;

    for (i = 0; i < FUZZ_PART; i += 16) {
        n = profiling_names_frames(object, FUZZ_TEXT + i, frames, &into);

        for (k = 0; k < n; k++) {

            /* each of them is a string that can be read to its end */

            if (strlen(frames[k].name) == 0
                || strlen(frames[k].file) > PROFILING_MIB
                || (frames[k].module && frames[k].module[0] == '\0'))
            {
                abort();
            }
        }
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct stat          st;
    profiling_object_t   object;

    static uint8_t  file[0x1000 * SECTIONS];

    memset(file, 0, sizeof(file));

    fuzz_in = data;
    fuzz_left = size;
    fuzz_file(file);

    if (ftruncate(fuzz_fd, 0) == -1
        || pwrite(fuzz_fd, file, sizeof(file), 0) != sizeof(file)
        || fstat(fuzz_fd, &st) == -1)
    {
        abort();
    }

    memset(&object, 0, sizeof(object));
    object.path = fuzz_path;
    object.name = "fuzz";
    object.build_id = "";
    object.inode = st.st_ino;

    (void) profiling_try(fuzz_names, &object);

    if (object.symbols != NULL && object.symbols->dwfl != NULL) {
        dwfl_end(object.symbols->dwfl);
    }

    profiling_release();

    return 0;
}
