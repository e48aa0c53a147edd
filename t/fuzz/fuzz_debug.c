
/*
 * Any bytes as a program with its debug information: segments, symbols,
 * .eh_frame, lines and inlined calls of addresses in it.
 *
 * The file is one of memory, as if it had been mapped.  What elfutils itself
 * does with it is not instrumented; what comes out of it is.
 */


#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memory.h"
#include "names.h"


#define FUZZ_PLACES  12


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
const char *__asan_default_options(void);


static int   fuzz_fd;
static char  fuzz_path[64];


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

    fuzz_fd = memfd_create("fuzz", MFD_CLOEXEC);

    if (fuzz_fd == -1 || elf_version(EV_CURRENT) == EV_NONE) {
        abort();
    }

    snprintf(fuzz_path, sizeof(fuzz_path), "/proc/self/fd/%d", fuzz_fd);

    return 0;
}


static void
fuzz_look(profiling_object_t *object, uint64_t offset)
{
    size_t             len;
    unsigned           i, n;
    uint64_t           into;
    profiling_frame_t  frames[PROFILING_MAX_INLINED];

    n = profiling_names_frames(object, offset, frames, &into);

    if (n == 0 || n > PROFILING_MAX_INLINED) {
        abort();
    }

    /* each of them is a string that can be read to its end */

    len = 0;

    for (i = 0; i < n; i++) {
        len += strlen(frames[i].name) + strlen(frames[i].system_name)
               + strlen(frames[i].file);
    }

    if (len == SIZE_MAX) {
        abort();
    }
}


static void
fuzz_names(void *data)
{
    size_t                i, k;
    profiling_object_t   *object;
    profiling_segment_t  *segment;
    profiling_symbols_t  *s;

    object = data;

    fuzz_look(object, 0);

    s = object->symbols;

    for (i = 0; i < s->nsegments && i < 4; i++) {
        segment = &s->segments[i];

        for (k = 0; segment->executable && k < FUZZ_PLACES; k++) {
            fuzz_look(object, segment->offset
                              + segment->size / FUZZ_PLACES * k);
        }

        for (k = 0; segment->executable && k < s->nsymbols && k < FUZZ_PLACES;
             k++)
        {
            fuzz_look(object, s->symbols[k].start - segment->address
                              + segment->offset + 1);
        }
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct stat          st;
    profiling_object_t   object;

    if (ftruncate(fuzz_fd, 0) == -1
        || pwrite(fuzz_fd, data, size, 0) != (ssize_t) size
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

    profiling_options.note = NULL;
    profiling_release();

    return 0;
}
