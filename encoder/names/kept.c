
/*
 * A list of entries, then the entries one after the other.  When the file is
 * full, it begins anew.  Who reads has no lock: checksums tell what another
 * one was writing.
 */


#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "kept.h"
#include "memory.h"


#define PROFILING_KEPT_FILES  128


typedef struct {
    uint64_t                key;      /* of the build id; 0: none */
    uint32_t                offset;
    uint32_t                size;
    uint32_t                sum;      /* of what is there */
    uint32_t                check;    /* of this record */
} profiling_kept_record_t;


typedef struct {
    char                     version[32];   /* of who wrote it */
    profiling_kept_record_t  records[PROFILING_KEPT_FILES];
} profiling_kept_list_t;


static uint64_t profiling_kept_size(void);
static int profiling_kept_list(profiling_kept_list_t *list, uint64_t size);
static profiling_kept_record_t *profiling_kept_record(
    profiling_kept_list_t *list, uint64_t key);
static uint64_t profiling_kept_key(const char *build_id);
static uint32_t profiling_kept_sum(const void *data, size_t size);
static void profiling_kept_add(profiling_learned_t *learned, uint64_t size);
static int profiling_kept_lock(short type);


static const char  profiling_kept_version[32]
                       = PROFILING_ENCODER_VERSION " names 1";


profiling_learned_t *
profiling_kept_find(const char *build_id)
{
    uint8_t                  *data;
    uint64_t                  size;
    profiling_learned_t      *l;
    profiling_kept_list_t     list;
    profiling_kept_record_t  *r;

    size = profiling_kept_size();

    if (size == 0 || build_id[0] == '\0'
        || !profiling_kept_list(&list, size))
    {
        return NULL;
    }

    r = profiling_kept_record(&list, profiling_kept_key(build_id));

    if (r == NULL) {
        return NULL;
    }

    data = profiling_alloc(r->size);

    if (pread(PROFILING_KEPT, data, r->size, r->offset) != (ssize_t) r->size
        || profiling_kept_sum(data, r->size) != r->sum)
    {
        return NULL;
    }

    l = profiling_learned_read(data, r->size);

    return (l != NULL && strcmp(l->build_id, build_id) == 0) ? l : NULL;
}


/* 0: there is none, or what can be no such file */

static uint64_t
profiling_kept_size(void)
{
    struct stat  st;

    if (!profiling_options.kept || fstat(PROFILING_KEPT, &st) == -1
        || !S_ISREG(st.st_mode)
        || st.st_size < (off_t) sizeof(profiling_kept_list_t)
        || st.st_size > UINT32_MAX)
    {
        return 0;
    }

    return st.st_size;
}


/* 0: it is empty, another encoder's, or damaged */

static int
profiling_kept_list(profiling_kept_list_t *list, uint64_t size)
{
    size_t                    i;
    profiling_kept_record_t  *r;

    if (pread(PROFILING_KEPT, list, sizeof(profiling_kept_list_t), 0)
        != sizeof(profiling_kept_list_t)
        || memcmp(list->version, profiling_kept_version,
                  sizeof(profiling_kept_version))
           != 0)
    {
        return 0;
    }

    for (i = 0; i < PROFILING_KEPT_FILES; i++) {
        r = &list->records[i];

        if (r->key != 0
            && (r->check != profiling_kept_sum(r, offsetof(
                                              profiling_kept_record_t, check))
                || r->offset < sizeof(profiling_kept_list_t)
                || r->offset > size || r->size > size - r->offset))
        {
            return 0;
        }
    }

    return 1;
}


static profiling_kept_record_t *
profiling_kept_record(profiling_kept_list_t *list, uint64_t key)
{
    size_t  i;

    for (i = 0; i < PROFILING_KEPT_FILES; i++) {
        if (list->records[i].key == key) {
            return &list->records[i];
        }
    }

    return NULL;
}


static uint64_t
profiling_kept_key(const char *build_id)
{
    return profiling_hash(PROFILING_HASH, build_id, strlen(build_id)) | 1;
}


static uint32_t
profiling_kept_sum(const void *data, size_t size)
{
    return crc32(crc32(0, NULL, 0), data, size);
}


void
profiling_kept_put(profiling_learned_t *learned)
{
    uint64_t  size;

    size = profiling_kept_size();

    if (size == 0 || learned->build_id[0] == '\0'
        || learned->size > size - sizeof(profiling_kept_list_t)
        || !profiling_kept_lock(F_WRLCK))
    {
        return;
    }

    if (profiling_kept_find(learned->build_id) == NULL) {
        profiling_kept_add(learned, size);
    }

    (void) profiling_kept_lock(F_UNLCK);
}


/* what of this file was no good is not found again: the list begins anew */

static void
profiling_kept_add(profiling_learned_t *learned, uint64_t size)
{
    uint64_t                  end;
    profiling_kept_list_t     list;
    profiling_kept_record_t  *r;

    r = NULL;

    if (profiling_kept_list(&list, size)
        && profiling_kept_record(&list, profiling_kept_key(learned->build_id))
           == NULL)
    {
        r = profiling_kept_record(&list, 0);
    }

    end = (r == NULL) ? size
          : (r == list.records) ? sizeof(profiling_kept_list_t)
          : r[-1].offset + (uint64_t) r[-1].size;

    if (learned->size > size - end) {
        memset(&list, 0, sizeof(profiling_kept_list_t));
        memcpy(list.version, profiling_kept_version,
               sizeof(profiling_kept_version));

        if (pwrite(PROFILING_KEPT, &list, sizeof(profiling_kept_list_t), 0)
            != sizeof(profiling_kept_list_t))
        {
            return;
        }

        r = list.records;
        end = sizeof(profiling_kept_list_t);
    }

    r->key = profiling_kept_key(learned->build_id);
    r->offset = end;
    r->size = learned->size;
    r->sum = profiling_kept_sum(learned->data, learned->size);
    r->check = profiling_kept_sum(r, offsetof(profiling_kept_record_t,
                                              check));

    if (pwrite(PROFILING_KEPT, learned->data, learned->size, end)
        != (ssize_t) learned->size
        || pwrite(PROFILING_KEPT, r, sizeof(profiling_kept_record_t),
                  (uint8_t *) r - (uint8_t *) &list)
           == -1)
    {
        /* it will be learned again */
    }
}


/* not to wait: what another one writes just now can be learned again */

static int
profiling_kept_lock(short type)
{
    struct flock  lock;

    memset(&lock, 0, sizeof(struct flock));
    lock.l_type = type;
    lock.l_whence = SEEK_SET;

    return fcntl(PROFILING_KEPT, F_SETLK, &lock) != -1;
}
