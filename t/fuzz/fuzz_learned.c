
/*
 * What encoders keep of files: an entry of any bytes, alone and in a right
 * file, and a file with any bytes for its list.
 */


#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "kept.h"
#include "learned.h"
#include "memory.h"


#define FUZZ_ID      "0123456789abcdef"
#define FUZZ_LIST    3104
#define FUZZ_RECORD  32
#define FUZZ_FILE    8192


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
const char *__asan_default_options(void);


static const uint8_t  *fuzz_data;
static size_t          fuzz_size;


/* the encoder ends, and frees nothing before */

const char *
__asan_default_options(void)
{
    return "detect_leaks=0";
}


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    int  fd;

    fd = memfd_create("fuzz", MFD_CLOEXEC);

    if (fd == -1 || dup2(fd, PROFILING_KEPT) == -1
        || ftruncate(PROFILING_KEPT, FUZZ_FILE) == -1)
    {
        abort();
    }

    profiling_options.kept = 1;

    return 0;
}


static void
fuzz_look(profiling_learned_t *l)
{
    size_t                               i;
    const profiling_learned_function_t  *f;

    for (i = 0; i < l->n; i++) {
        f = profiling_learned_find(l, l->functions[i].start);

        if (f != NULL
            && strlen(l->text + f->owner) + strlen(l->text + f->role)
               + strlen(l->build_id) > 3 * l->size)
        {
            abort();
        }
    }

    (void) profiling_learned_find(l, 0);
    (void) profiling_learned_find(l, UINT64_MAX);
}


static void
fuzz_entry(void *data)
{
    uint8_t              *copy;
    profiling_learned_t  *l;

    copy = profiling_alloc(fuzz_size);
    memcpy(copy, fuzz_data, fuzz_size);

    l = profiling_learned_read(copy, fuzz_size);

    if (l != NULL) {
        fuzz_look(l);
    }
}


/* with a right list, whose only record is of what follows */

static void
fuzz_file(void *data)
{
    uint8_t               file[FUZZ_FILE];
    uint32_t              word[3];
    uint64_t              key;
    profiling_learned_t  *l;

    memset(file, 0, sizeof(file));

    key = profiling_hash(PROFILING_HASH, FUZZ_ID, strlen(FUZZ_ID)) | 1;
    word[0] = FUZZ_LIST;
    word[1] = fuzz_size;
    word[2] = crc32(0, fuzz_data, fuzz_size);

    strcpy((char *) file, PROFILING_ENCODER_VERSION " names 1");
    memcpy(file + FUZZ_RECORD, &key, 8);
    memcpy(file + FUZZ_RECORD + 8, word, 12);

    word[0] = crc32(0, file + FUZZ_RECORD, 20);
    memcpy(file + FUZZ_RECORD + 20, word, 4);
    memcpy(file + FUZZ_LIST, fuzz_data, fuzz_size);

    if (pwrite(PROFILING_KEPT, file, sizeof(file), 0) != sizeof(file)) {
        abort();
    }

    l = profiling_kept_find(FUZZ_ID);

    if (l != NULL) {
        fuzz_look(l);
        return;
    }

    l = profiling_learned_make(NULL, FUZZ_ID);
    profiling_kept_put(l);

    /* there is room for it: it is what is found then */

    l = profiling_kept_find(FUZZ_ID);

    if (l == NULL || l->n != 0) {
        abort();
    }
}


/* any list */

static void
fuzz_list(void *data)
{
    profiling_learned_t  *l;

    if (pwrite(PROFILING_KEPT, fuzz_data, fuzz_size, FUZZ_RECORD)
        != (ssize_t) fuzz_size)
    {
        abort();
    }

    l = profiling_kept_find(FUZZ_ID);

    if (l != NULL) {
        fuzz_look(l);

    } else {
        profiling_kept_put(profiling_learned_make(NULL, FUZZ_ID));
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_data = data;
    fuzz_size = (size < FUZZ_FILE - FUZZ_LIST - FUZZ_RECORD)
                ? size : FUZZ_FILE - FUZZ_LIST - FUZZ_RECORD;

    (void) profiling_try(fuzz_entry, NULL);
    (void) profiling_try(fuzz_file, NULL);
    (void) profiling_try(fuzz_list, NULL);

    profiling_release();

    return 0;
}
