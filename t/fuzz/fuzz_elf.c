
/*
 * Any bytes as a loaded object: its program headers, notes, .eh_frame_hdr,
 * dynamic section, symbols, versions and relocations, as the patcher of import
 * tables and the list of objects read them.
 *
 * The first bytes of the input are program headers, whose addresses and sizes
 * may be wrong; all of it is mapped at the object's base.  Code is a page of
 * return instructions, which resolvers of indirect functions may lie in.
 */


#include "worker.h"

#include <link.h>
#include <sys/mman.h>


static int fuzz_iterate(int (*callback)(struct dl_phdr_info *info, size_t size,
    void *data), void *data);

#define dl_iterate_phdr  fuzz_iterate

#include "ngx_prof_objects.c"

#undef dl_iterate_phdr

#include "ngx_prof_elf.h"


#define FUZZ_SIZE     8192          /* of the data, before the page of code */
#define FUZZ_HEADERS  6


static u_char               *fuzz_memory;
static size_t                fuzz_size;
static ElfW(Phdr)            fuzz_phdr[FUZZ_HEADERS + 2];
static struct dl_phdr_info   fuzz_info;


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    /* what follows the data is not mapped: a read too far is a fault */

    fuzz_memory = mmap(NULL, FUZZ_SIZE + 3 * 4096, PROT_NONE,
                       MAP_PRIVATE|MAP_ANONYMOUS, -1, 0);

    if (fuzz_memory == MAP_FAILED
        || mprotect(fuzz_memory, FUZZ_SIZE, PROT_READ|PROT_WRITE) == -1
        || mprotect(fuzz_memory + FUZZ_SIZE + 4096, 4096,
                    PROT_READ|PROT_WRITE) == -1)
    {
        abort();
    }

#if (__x86_64__)
    memset(fuzz_memory + FUZZ_SIZE + 4096, 0xc3, 4096);
#elif (__aarch64__)
    for (uint32_t *p = (uint32_t *) (fuzz_memory + FUZZ_SIZE + 4096);
         (u_char *) p < fuzz_memory + FUZZ_SIZE + 8192;
         p++)
    {
        *p = 0xd65f03c0;
    }
#endif

    if (mprotect(fuzz_memory + FUZZ_SIZE + 4096, 4096, PROT_READ|PROT_EXEC)
        == -1)
    {
        abort();
    }

    return 0;
}


static int
fuzz_iterate(int (*callback)(struct dl_phdr_info *info, size_t size,
    void *data), void *data)
{
    return callback(&fuzz_info, sizeof(fuzz_info), data);
}


/*
 * The loader has mapped the segments, so they are what they say; other
 * headers may say anything.  The data ends where its mapping ends, so that
 * the first byte behind it cannot be read.
 */

static void
fuzz_headers(fuzz_input_t *in)
{
    ngx_uint_t   i;
    ElfW(Phdr)  *ph;

    static const ElfW(Word)  types[] = {
        PT_DYNAMIC, PT_NOTE, PT_GNU_EH_FRAME, PT_GNU_RELRO, PT_DYNAMIC,
        PT_LOAD, PT_TLS, PT_NULL
    };

    memset(fuzz_phdr, 0, sizeof(fuzz_phdr));

    ph = fuzz_phdr;

    ph->p_type = PT_LOAD;
    ph->p_flags = PF_R|PF_W;
    ph->p_vaddr = FUZZ_SIZE - fuzz_size;
    ph->p_filesz = fuzz_size;
    ph->p_memsz = fuzz_size;
    ph++;

    ph->p_type = PT_LOAD;
    ph->p_flags = PF_R|PF_X;
    ph->p_vaddr = FUZZ_SIZE + 4096;
    ph->p_filesz = 4096;
    ph->p_memsz = 4096;
    ph++;

    for (i = 0; i < FUZZ_HEADERS; i++, ph++) {
        ph->p_type = types[fuzz_take(in, 1) & 7];
        ph->p_vaddr = FUZZ_SIZE - fuzz_size + fuzz_take(in, 2);
        ph->p_filesz = fuzz_take(in, 2);
        ph->p_align = 8;

        if (ph->p_type == PT_LOAD) {
            ph->p_type = PT_NOTE;
            ph->p_vaddr = (ElfW(Addr)) 0 - ph->p_vaddr;
            ph->p_filesz = (ElfW(Xword)) 0 - ph->p_filesz;
        }

        ph->p_memsz = ph->p_filesz;
    }

    memset(&fuzz_info, 0, sizeof(fuzz_info));
    fuzz_info.dlpi_addr = (ElfW(Addr)) fuzz_memory;
    fuzz_info.dlpi_name = "/fuzz.so";
    fuzz_info.dlpi_phdr = fuzz_phdr;
    fuzz_info.dlpi_phnum = FUZZ_HEADERS + 2;
    fuzz_info.dlpi_adds = 1;
}


/* lists are kept for the next one, which there is none of here */

static void
fuzz_unmap(void)
{
    ngx_prof_objects_reap();

    if (ngx_prof_objects) {
        ngx_prof_objects_free(ngx_prof_objects, NULL);
        ngx_prof_objects = NULL;
    }
}


static void
fuzz_symbols(ngx_uint_t canonical)
{
    ngx_uint_t             i;
    ngx_prof_elf_symbol_t  symbol;
    ngx_prof_elf_object_t  obj;

    static const char *const  names[] = { "malloc", "epoll_wait", "f" };

    if (ngx_prof_elf_object(&obj, &fuzz_info) != NGX_OK) {
        return;
    }

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        ngx_prof_elf_symbol(&symbol, names[i], NULL);
        symbol.canonical = canonical;
        ngx_prof_elf_lookup(&obj, &symbol);
    }

    for (i = 0; i < 16; i++) {
        (void) ngx_prof_elf_name(&obj, i, "malloc", 7);
        (void) ngx_prof_elf_version(&obj, i);
    }

    for (i = 0; i < obj.nrela; i++) {
        (void) ngx_prof_elf_name(&obj,
                                 ELF64_R_SYM(obj.rela[i].r_info),
                                 "free", 5);
        (void) ngx_prof_elf_room(&obj, obj.base + obj.rela[i].r_offset, PF_W);
    }

    for (i = 0; i < obj.nplt; i++) {
        (void) ngx_prof_elf_version(&obj, ELF64_R_SYM(obj.plt[i].r_info));
    }

    (void) ngx_prof_elf_relro(&obj, (uintptr_t) fuzz_memory, 4096);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_uint_t    how;
    fuzz_input_t  in;

    if (size < 1 + FUZZ_HEADERS * 5 || size - 1 > FUZZ_SIZE) {
        return 0;
    }

    how = data[0];
    in.p = data + 1;
    in.last = data + size;

    fuzz_size = (size - 1) & ~(size_t) 7;
    memcpy(fuzz_memory + FUZZ_SIZE - fuzz_size, in.p, fuzz_size);

    fuzz_headers(&in);

    if (how & 1) {
        fuzz_symbols(how & 2);
        return 0;
    }

    (void) ngx_prof_objects_refresh();

    fuzz_info.dlpi_adds = 2;

    if (how & 2) {
        (void) ngx_prof_objects_refresh();
    }

    fuzz_unmap();

    return 0;
}
