
#include <ngx_config.h>
#include <ngx_core.h>
#include <dlfcn.h>
#include <link.h>
#include "ngx_prof_frame.h"
#include "ngx_prof_elf.h"
#include "ngx_prof_hook_code.h"
#include "ngx_prof_objects.h"
#include "ngx_prof_unwind.h"


#define NGX_PROF_FRAME_BITS    40
#define NGX_PROF_FRAME_OFFSET                                                 \
    (((uint64_t) 1 << NGX_PROF_FRAME_BITS) - 1)

#define ngx_prof_frame_id(identity)                                           \
    ((uint64_t) (identity) << NGX_PROF_FRAME_BITS)


static const ngx_prof_object_t *ngx_prof_frame_object(
    const ngx_prof_objects_t *objects, uint64_t frame);
static const char *ngx_prof_frame_file(const ngx_prof_object_t *object);
static ngx_uint_t ngx_prof_frame_symbol(uint64_t address, char *name);
static void ngx_prof_frame_script(uint64_t frame, char *name);


static const ngx_prof_function_t  *ngx_prof_frame_functions;
static ngx_uint_t                  ngx_prof_frame_function_n;


void
ngx_prof_frame_scripts(const ngx_prof_function_t *functions, ngx_uint_t n)
{
    ngx_prof_frame_functions = functions;
    ngx_prof_frame_function_n = n;
}


ngx_uint_t
ngx_prof_frame_pack(uint64_t *frames, ngx_uint_t max, const uint64_t *pcs,
    ngx_uint_t n)
{
    ngx_uint_t                 i;
    const ngx_prof_object_t   *object;
    const ngx_prof_objects_t  *objects;

    n = ngx_min(n, max);
    objects = ngx_prof_objects_acquire();

    for (i = 0; i < n; i++) {

        if (ngx_prof_frame_is_synthetic(pcs[i])) {
            frames[i] = pcs[i];
            continue;
        }

        object = objects ? ngx_prof_objects_find(objects, pcs[i] - 1)
                         : NULL;

        frames[i] = object ? ngx_prof_frame_id(object->identity)
                             | ((pcs[i] - 1 - object->base)
                                & NGX_PROF_FRAME_OFFSET)
                           : 0;
    }

    ngx_prof_objects_release();

    return n;
}


/* an object may have several segments: the one with the text counts */

static const ngx_prof_object_t *
ngx_prof_frame_object(const ngx_prof_objects_t *objects, uint64_t frame)
{
    uint64_t                  pc;
    ngx_uint_t                i;
    const ngx_prof_object_t  *object;

    for (i = 0; i < objects->n; i++) {
        object = &objects->object[i];

        if (((ngx_prof_frame_id(object->identity) ^ frame)
             >> NGX_PROF_FRAME_BITS)
            != 0)
        {
            continue;
        }

        pc = object->base + (frame & NGX_PROF_FRAME_OFFSET);

        if (pc >= object->start && pc < object->end) {
            return object;
        }
    }

    return NULL;
}


uint64_t
ngx_prof_frame_address(uint64_t frame)
{
    uint64_t                   pc;
    const ngx_prof_object_t   *object;
    const ngx_prof_objects_t  *objects;

    if (ngx_prof_frame_is_synthetic(frame)) {
        return 0;
    }

    objects = ngx_prof_objects_acquire();
    object = objects ? ngx_prof_frame_object(objects, frame) : NULL;

    pc = object ? object->base + (frame & NGX_PROF_FRAME_OFFSET) : 0;

    ngx_prof_objects_release();

    return pc;
}


static const char *
ngx_prof_frame_file(const ngx_prof_object_t *object)
{
    const char  *slash;

    if (object->main) {
        return "nginx";
    }

    if (object->vdso || object->path == NULL || object->path[0] == '\0') {
        return "[vdso]";
    }

    slash = strrchr(object->path, '/');

    return slash ? slash + 1 : object->path;
}


ngx_int_t
ngx_prof_frame_cause(const uint64_t *frames, ngx_uint_t n)
{
    const char                *file;
    ngx_int_t                  rc, machine;
    ngx_uint_t                 i, j;
    const ngx_prof_object_t   *object;
    const ngx_prof_objects_t  *objects;

    static const char *const  system[] = {
        "libc.", "libc-", "libpthread", "ld-linux", "ld-2", "libm.",
        "libresolv", "[vdso]", "libasan.", "libtsan.", NULL
    };

    rc = NGX_ERROR;
    machine = NGX_ERROR;
    objects = ngx_prof_objects_acquire();

    for (i = 0; objects && rc == NGX_ERROR && i < n; i++) {
        if (ngx_prof_frame_is_lua(frames[i])
            || frames[i] == NGX_PROF_FRAME_PCRE2_JIT)
        {
            rc = i;
            break;
        }

        if (frames[i] == NGX_PROF_FRAME_LUAJIT && machine == NGX_ERROR) {
            machine = i;
        }

        object = ngx_prof_frame_is_synthetic(frames[i])
                 ? NULL : ngx_prof_frame_object(objects, frames[i]);

        if (object == NULL
            || (i > 0
                && ngx_prof_hook_code(object->base
                                      + (frames[i] & NGX_PROF_FRAME_OFFSET))))
        {
            continue;
        }

        /* what LuaJIT calls is named by the line of Lua, if that is known */

        if (object->jit == NGX_PROF_OBJECT_LUAJIT) {
            machine = (machine == NGX_ERROR) ? (ngx_int_t) i : machine;
            continue;
        }

        file = ngx_prof_frame_file(object);

        for (j = 0; system[j]; j++) {

            if (ngx_strncmp(file, system[j], ngx_strlen(system[j])) == 0) {
                break;
            }
        }

        if (system[j] == NULL) {
            rc = (machine == NGX_ERROR) ? (ngx_int_t) i : machine;
        }
    }

    ngx_prof_objects_release();

    return (rc == NGX_ERROR) ? machine : rc;
}


size_t
ngx_prof_frame_name(uint64_t frame, char *name)
{
    uint64_t                   pc;
    const ngx_prof_object_t   *object;
    const ngx_prof_objects_t  *objects;

    static const char *const  fixed[NGX_PROF_FRAME_RESERVED + 1] = {
        [NGX_PROF_FRAME_TRUNCATED] = "[truncated]",
        [NGX_PROF_FRAME_BROKEN] = "[broken]",
        [NGX_PROF_FRAME_JIT] = "[jit]",
        [NGX_PROF_FRAME_LUAJIT] = "[luajit]",
        [NGX_PROF_FRAME_PCRE2_JIT] = "[pcre2-jit]"
    };

    if (frame <= NGX_PROF_FRAME_RESERVED) {
        (void) snprintf(name, NGX_PROF_NAME_LEN, "%s",
                        fixed[frame] ? fixed[frame] : "[unknown]");
        return ngx_strlen(name);
    }

    if (ngx_prof_frame_is_lua(frame)) {
        ngx_prof_frame_script(frame, name);
        return ngx_strlen(name);
    }

    objects = ngx_prof_objects_acquire();
    object = objects ? ngx_prof_frame_object(objects, frame) : NULL;

    if (object == NULL) {
        (void) snprintf(name, NGX_PROF_NAME_LEN, "[unknown]");

    } else {
        pc = object->base + (frame & NGX_PROF_FRAME_OFFSET);

        if (!ngx_prof_frame_symbol(pc, name)) {
            (void) snprintf(name, NGX_PROF_NAME_LEN, "%s+0x%llx",
                            ngx_prof_frame_file(object),
                            (unsigned long long)
                                (frame & NGX_PROF_FRAME_OFFSET));
        }
    }

    ngx_prof_objects_release();

    return ngx_strlen(name);
}


/* "access.lua:42 check" */

static void
ngx_prof_frame_script(uint64_t frame, char *name)
{
    char                *last;
    size_t               len;
    u_char              *file;
    uint32_t             line;
    ngx_prof_function_t  f;

    if (ngx_prof_functions_get(ngx_prof_frame_functions,
                               ngx_prof_frame_function_n,
                               ngx_prof_frame_lua_index(frame), &f)
        != NGX_OK)
    {
        (void) snprintf(name, NGX_PROF_NAME_LEN, "[lua]");
        return;
    }

    last = name + NGX_PROF_NAME_LEN - 1;
    line = ngx_prof_frame_lua_line(frame);
    file = f.file;
    len = f.file_len;

    if (len && f.file[0] != '[') {
        for (file += len;
             file > f.file && file[-1] != '/';
             file--)
        { /* void */ }

        len -= file - f.file;
    }

    name = (char *) ngx_cpymem(name, file, len);

    if (line && len) {
        name += sprintf(name, ":%u", (unsigned) line);
    }

    if (f.name_len) {
        if (len) {
            *name++ = ' ';
        }

        len = ngx_min((size_t) f.name_len, (size_t) (last - name));
        name = (char *) ngx_cpymem(name, f.name, len);
    }

    *name = '\0';
}


ngx_int_t
ngx_prof_frame_origin(uint64_t frame, ngx_prof_frame_origin_t *origin)
{
    size_t                     n;
    const ngx_prof_object_t   *object;
    const ngx_prof_objects_t  *objects;

    if (ngx_prof_frame_is_synthetic(frame)) {
        return NGX_DECLINED;
    }

    objects = ngx_prof_objects_acquire();
    object = objects ? ngx_prof_frame_object(objects, frame) : NULL;

    if (object) {
        origin->offset = frame & NGX_PROF_FRAME_OFFSET;
        origin->path = (object->path && object->path[0])
                       ? object->path : ngx_prof_frame_file(object);

        n = ngx_min(object->build_id_len, NGX_PROF_BUILD_ID_MAX);
        *ngx_hex_dump((u_char *) origin->build_id,
                      (u_char *) object->build_id, n) = '\0';
    }

    ngx_prof_objects_release();

    return object ? NGX_OK : NGX_DECLINED;
}


ngx_uint_t
ngx_prof_frame_exported(uint64_t frame, char *name)
{
    uint64_t  pc;

    pc = ngx_prof_frame_address(frame);

    return pc && ngx_prof_frame_symbol(pc, name);
}


/* a static function must not get the name of its predecessor */

static ngx_uint_t
ngx_prof_frame_symbol(uint64_t address, char *name)
{
    Dl_info  info;

#if (NGX_PROF_HAVE_DLADDR1)

    void             *extra;
    const ElfW(Sym)  *sym;

    extra = NULL;

    if (dladdr1((void *) (uintptr_t) address, &info, &extra, RTLD_DL_SYMENT)
        == 0
        || info.dli_sname == NULL || extra == NULL)
    {
        return 0;
    }

    sym = extra;

    if (address - (uintptr_t) info.dli_saddr >= sym->st_size) {
        return 0;
    }

#else

    /* musl, whose dladdr() finds nothing beyond a symbol's end */

    if (dladdr((void *) (uintptr_t) address, &info) == 0
        || info.dli_sname == NULL)
    {
        return 0;
    }

#endif

    (void) snprintf(name, NGX_PROF_NAME_LEN, "%s", info.dli_sname);

    return 1;
}


uint64_t
ngx_prof_frame_image(ngx_uint_t later)
{
    uint64_t                   hash;
    ngx_uint_t                 i;
    const ngx_prof_objects_t  *objects;

    /* FNV-1a over words, http://www.isthe.com/chongo/tech/comp/fnv/ */

    hash = 0xcbf29ce484222325ULL;
    objects = ngx_prof_objects_acquire();

    for (i = 0; objects && i < objects->n; i++) {

        if (objects->object[i].later && !later) {
            continue;
        }

        /* the kernel's page lies elsewhere after an exec only */

        hash = (hash ^ objects->object[i].identity) * 0x100000001b3ULL;
        hash = (hash ^ objects->object[i].start) * 0x100000001b3ULL;
    }

    ngx_prof_objects_release();

    return hash | 1;
}
