
#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "file.h"
#include "memory.h"


static int profiling_file_regular(const char *path, struct stat *st);
static char *profiling_file_id(int fd);
static int profiling_file_with_id(const char *path, const char *build_id);
static int profiling_file_mapped(const char *path,
    profiling_object_t *object);
static int profiling_file_given(profiling_object_t *object);
static int profiling_file_by_id(const char *build_id, const char **path);
static int profiling_file_cached(const char *build_id, const char **path);
static int profiling_file_linked(profiling_object_t *object, const char *link,
    uint32_t crc, const char **path);
static int profiling_file_checked(const char *path,
    profiling_object_t *object, uint32_t crc);
static const char *profiling_file_beside(const char *base, const char *name);
static char *profiling_file_directory(const char *path);


void
profiling_file_build_id(profiling_object_t *object)
{
    int          fd;
    char        *id;
    const char  *path;

    if (profiling_options.level == PROFILING_NAMES_NONE) {
        return;
    }

    fd = profiling_file_open(object, &path);
    if (fd == -1) {
        return;
    }

    id = profiling_file_id(fd);
    if (id != NULL) {
        object->build_id = id;
    }

    close(fd);
}


int
profiling_file_open(profiling_object_t *object, const char **path)
{
    int  fd;

    if (object->path[0] != '/') {
        return -1;
    }

    *path = object->path;

    fd = profiling_file_mapped(object->path, object);
    if (fd != -1) {
        return fd;
    }

    /* a file that only root may read was opened by nginx's master */

    if (object->program && profiling_options.program) {
        fd = profiling_file_given(object);
        if (fd != -1) {
            return fd;
        }
    }

    /* a deleted main program can still be opened through /proc */

    if (!object->program || object->pid == 0) {
        return -1;
    }

    *path = profiling_printf("/proc/%u/exe", object->pid);

    return profiling_file_mapped(*path, object);
}


static int
profiling_file_mapped(const char *path, profiling_object_t *object)
{
    int          fd;
    struct stat  st;

    if (object->build_id[0] != '\0') {
        return profiling_file_with_id(path, object->build_id);
    }

    if (object->inode == 0) {
        return -1;
    }

    fd = profiling_file_regular(path, &st);
    if (fd == -1) {
        return -1;
    }

    /*
     * the device is not compared: stacked file systems show another one in
     * maps
     */

    if (st.st_ino != object->inode) {
        close(fd);
        return -1;
    }

    return fd;
}


/* as the above, of the file that is open already */

static int
profiling_file_given(profiling_object_t *object)
{
    int          fd;
    char        *id;
    struct stat  st;

    fd = fcntl(profiling_options.program, F_DUPFD_CLOEXEC, 0);

    if (fd == -1) {
        return -1;
    }

    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size >= 0
        && (uint64_t) st.st_size <= profiling_options.max_file)
    {
        id = object->build_id[0] ? profiling_file_id(fd) : NULL;

        if (id ? strcmp(id, object->build_id) == 0
               : object->build_id[0] == '\0' && object->inode == st.st_ino)
        {
            return fd;
        }
    }

    close(fd);

    return -1;
}


static int
profiling_file_regular(const char *path, struct stat *st)
{
    int  fd;

    /* opening a device may have side effects, so check the type first */

    if (stat(path, st) == -1 || !S_ISREG(st->st_mode)) {
        return -1;
    }

    fd = open(path, O_RDONLY|O_NONBLOCK|O_CLOEXEC|O_NOCTTY);
    if (fd == -1) {
        return -1;
    }

    if (fstat(fd, st) == -1 || !S_ISREG(st->st_mode) || st->st_size < 0
        || (uint64_t) st->st_size > profiling_options.max_file)
    {
        close(fd);
        return -1;
    }

    return fd;
}


static int
profiling_file_with_id(const char *path, const char *build_id)
{
    int          fd;
    char        *id;
    struct stat  st;

    fd = profiling_file_regular(path, &st);
    if (fd == -1) {
        return -1;
    }

    id = profiling_file_id(fd);

    if (id == NULL || strcmp(id, build_id) != 0) {
        close(fd);
        return -1;
    }

    return fd;
}


/* the build id in lower-case hex, or NULL */

static char *
profiling_file_id(int fd)
{
    Elf                  *elf;
    char                 *hex;
    ssize_t               n, i;
    const void           *bits;
    const unsigned char  *p;

    static const char     digits[] = "0123456789abcdef";

    elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
    if (elf == NULL) {
        return NULL;
    }

    hex = NULL;

    if (elf_kind(elf) == ELF_K_ELF) {
        n = dwelf_elf_gnu_build_id(elf, &bits);

        if (n > 0 && n <= 64) {
            p = bits;
            hex = profiling_alloc(n * 2 + 1);

            for (i = 0; i < n; i++) {
                hex[i * 2] = digits[p[i] >> 4];
                hex[i * 2 + 1] = digits[p[i] & 15];
            }
        }
    }

    elf_end(elf);

    return hex;
}


int
profiling_file_debug(profiling_object_t *object, const char *link,
    uint32_t crc, const char **path)
{
    int  fd;

    if (strlen(object->build_id) > 4) {

        fd = profiling_file_by_id(object->build_id, path);
        if (fd != -1) {
            return fd;
        }

        fd = profiling_file_cached(object->build_id, path);
        if (fd != -1) {
            return fd;
        }
    }

    if (link == NULL || link[0] == '\0' || strchr(link, '/') != NULL) {
        return -1;
    }

    return profiling_file_linked(object, link, crc, path);
}


static int
profiling_file_by_id(const char *build_id, const char **path)
{
    int           fd;
    const char  **dir;

    for (dir = profiling_options.debug_dirs; *dir; dir++) {
        *path = profiling_printf("%s/.build-id/%.2s/%s.debug", *dir, build_id,
                                 build_id + 2);

        fd = profiling_file_with_id(*path, build_id);
        if (fd != -1) {
            return fd;
        }
    }

    return -1;
}


/* uses only files that debuginfod has already fetched */

static int
profiling_file_cached(const char *build_id, const char **path)
{
    const char  *cache, *home;

    cache = profiling_options.debuginfod_cache;

    if (cache == NULL) {
        cache = getenv("DEBUGINFOD_CACHE_PATH");
    }

    if (cache == NULL) {
        home = getenv("XDG_CACHE_HOME");

        if (home != NULL) {
            cache = profiling_printf("%s/debuginfod_client", home);

        } else {
            home = getenv("HOME");

            if (home == NULL) {
                return -1;
            }

            cache = profiling_printf("%s/.cache/debuginfod_client", home);
        }
    }

    if (cache[0] != '/') {
        return -1;
    }

    *path = profiling_printf("%s/%s/debuginfo", cache, build_id);

    return profiling_file_with_id(*path, build_id);
}


/* looks beside the file, in .debug, and below the debug directories */

static int
profiling_file_linked(profiling_object_t *object, const char *link,
    uint32_t crc, const char **path)
{
    int           fd;
    char         *place;
    const char  **dir;

    place = profiling_file_directory(object->path);

    *path = profiling_printf("%s/%s", place, link);

    fd = profiling_file_checked(*path, object, crc);
    if (fd != -1) {
        return fd;
    }

    *path = profiling_printf("%s/.debug/%s", place, link);

    fd = profiling_file_checked(*path, object, crc);
    if (fd != -1) {
        return fd;
    }

    for (dir = profiling_options.debug_dirs; *dir; dir++) {
        *path = profiling_printf("%s%s/%s", *dir, place, link);

        fd = profiling_file_checked(*path, object, crc);
        if (fd != -1) {
            return fd;
        }
    }

    return -1;
}


/*
 * .gnu_debuglink has the CRC-32 of the whole debug file.  Reading a large file
 * is expensive, so an equal build id is accepted instead.
 */

static int
profiling_file_checked(const char *path, profiling_object_t *object,
    uint32_t crc)
{
    int            fd;
    char          *id;
    uLong          sum;
    ssize_t        n;
    struct stat    st;
    unsigned char  buf[16384];

    fd = profiling_file_regular(path, &st);
    if (fd == -1) {
        return -1;
    }

    id = profiling_file_id(fd);

    if (id != NULL && object->build_id[0] != '\0') {
        if (strcmp(id, object->build_id) == 0) {
            return fd;
        }

        close(fd);
        return -1;
    }

    sum = crc32(0, NULL, 0);

    if (lseek(fd, 0, SEEK_SET) != 0) {
        close(fd);
        return -1;
    }

    while ((n = read(fd, buf, sizeof(buf))) > 0) {
        sum = crc32(sum, buf, n);
    }

    if (n == -1 || (uint32_t) sum != crc || lseek(fd, 0, SEEK_SET) != 0) {
        close(fd);
        return -1;
    }

    return fd;
}


int
profiling_file_alternate(const char *base, const char *name,
    const char *build_id, const char **path)
{
    int  fd;

    fd = profiling_file_by_id(build_id, path);
    if (fd != -1) {
        return fd;
    }

    *path = profiling_file_beside(base, name);

    return profiling_file_with_id(*path, build_id);
}


int
profiling_file_safe(const char *base, const char *name)
{
    struct stat  st;

    if (stat(profiling_file_beside(base, name), &st) == -1) {
        return 1;
    }

    return S_ISREG(st.st_mode)
           && (uint64_t) st.st_size <= profiling_options.max_file;
}


static const char *
profiling_file_beside(const char *base, const char *name)
{
    if (name[0] == '/') {
        return name;
    }

    return profiling_printf("%s/%s", profiling_file_directory(base), name);
}


static char *
profiling_file_directory(const char *path)
{
    const char  *p;

    p = strrchr(path, '/');

    return profiling_strdup(path, p ? p - path : 0);
}
