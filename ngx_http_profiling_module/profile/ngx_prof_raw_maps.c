
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_raw_maps.h"
#include "ngx_prof_alive.h"
#include "ngx_prof_budget.h"
#include "ngx_prof_frame.h"
#include "ngx_prof_images.h"
#include "ngx_prof_objects.h"
#include "ngx_prof_owner.h"
#include "ngx_prof_raw.h"
#include "ngx_prof_record.h"
#include "ngx_prof_shared.h"
#include "ngx_prof_worker.h"


/* bytes of /proc/<pid>/maps that are read at most */
#define NGX_PROF_MAPS  1048576


static uint32_t ngx_prof_rawfile_worker(ngx_prof_rawfile_t *f, ngx_pid_t pid,
    uint64_t worker);
static void ngx_prof_rawfile_maps(ngx_prof_rawfile_t *f, ngx_pid_t pid);
static void ngx_prof_rawfile_kept(ngx_prof_rawfile_t *f,
    const ngx_prof_image_t *kept);
static uint32_t ngx_prof_rawfile_add_set(ngx_prof_rawfile_t *f,
    uint64_t image, ngx_pid_t pid, uint64_t worker, ngx_pid_t mapped);
static ngx_int_t ngx_prof_rawfile_read_maps(ngx_pool_t *pool, ngx_pid_t pid,
    ngx_str_t *maps);
static void ngx_prof_rawfile_executable(ngx_str_t *maps);
static void ngx_prof_rawfile_objects(ngx_prof_image_t *image);
static ngx_uint_t ngx_prof_rawfile_has(const ngx_prof_slot_t *slot,
    uint64_t image);
static ngx_pid_t ngx_prof_rawfile_mapped(uint64_t image);


uint32_t
ngx_prof_rawfile_process(ngx_prof_rawfile_t *f, ngx_pid_t pid, uint64_t worker)
{
    ngx_int_t  i;

    i = ngx_prof_rawfile_find(f, 0, pid);

    return (i != NGX_DECLINED)
           ? (uint32_t) i
           : ngx_prof_rawfile_add(f, 0, pid, worker, pid);
}


ngx_int_t
ngx_prof_rawfile_find(ngx_prof_rawfile_t *f, uint64_t image, ngx_pid_t pid)
{
    ngx_uint_t                   i;
    ngx_prof_rawfile_process_t  *known;

    known = f->processes.elts;

    for (i = f->processes.nelts; i > 0; i--) {

        if (known[i - 1].pid == pid && known[i - 1].image == image) {
            return (ngx_int_t) i - 1;
        }
    }

    return NGX_DECLINED;
}


uint32_t
ngx_prof_rawfile_image(ngx_prof_rawfile_t *f, const ngx_prof_slot_t *slot,
    uint64_t image, ngx_pid_t pid, uint64_t worker)
{
    ngx_int_t                i;
    ngx_pid_t                mapped;
    const ngx_prof_image_t  *kept;

    i = ngx_prof_rawfile_find(f, image, pid);

    if (i != NGX_DECLINED) {
        return (uint32_t) i;
    }

    mapped = (pid
              && ngx_prof_rawfile_has(slot, image)
              && ngx_prof_slot_worker(slot, pid))
             ? pid : ngx_prof_rawfile_mapped(image);

    kept = ngx_prof_image_find(f->zone->images, image);

    if (mapped == 0 && kept) {
        ngx_prof_rawfile_kept(f, kept);
        return ngx_prof_rawfile_add_set(f, image, pid, worker,
                                        pid ? pid : ngx_pid);
    }

    if (mapped == 0) {

        /* usually a reload has loaded one more object, and all others stay */

        if (!f->ended) {
            f->ended = 1;
            ngx_prof_rawfile_comment(f,
                        "some stacks are of workers that had other objects "
                        "loaded: they are named by what is loaded now");
        }

        mapped = ngx_pid;
    }

    return ngx_prof_rawfile_add(f, image, pid, worker, mapped);
}


/* with what its owner has loaded, or without what it did by itself */

static ngx_uint_t
ngx_prof_rawfile_has(const ngx_prof_slot_t *slot, uint64_t image)
{
    return ngx_prof_load_acquire(&slot->image) == image
           || ngx_prof_load_acquire(&slot->forked) == image;
}


/* a worker that has this image mapped, 0: none */

static ngx_pid_t
ngx_prof_rawfile_mapped(uint64_t image)
{
    ngx_pid_t         pid;
    ngx_uint_t        i;
    ngx_prof_slot_t  *slot;
    ngx_prof_zone_t  *zone;

    if (ngx_prof_process.slot
        && ngx_prof_rawfile_has(ngx_prof_process.slot, image))
    {
        return ngx_pid;
    }

    zone = ngx_prof_process.zone;

    for (i = 0; i < ngx_prof_zone_process_n(zone); i++) {
        slot = ngx_prof_zone_process(zone, i);
        pid = ngx_prof_slot_pid(slot);

        if (pid
            && ngx_prof_rawfile_has(slot, image)
            && ngx_prof_slot_alive(slot))
        {
            return pid;
        }
    }

    return 0;
}


/* what no worker has loaded any more, as the master had it */

static void
ngx_prof_rawfile_kept(ngx_prof_rawfile_t *f, const ngx_prof_image_t *kept)
{
    ngx_uint_t                      i, n;
    ngx_prof_raw_mapset_t           mapset;
    ngx_prof_raw_mapping_t          mapping[NGX_PROF_IMAGE_OBJECTS];
    const ngx_prof_image_object_t  *object;

    n = ngx_min(ngx_prof_load(&kept->n), NGX_PROF_IMAGE_OBJECTS);

    ngx_memzero(mapping, sizeof(mapping));

    for (i = 0; i < n; i++) {
        object = &kept->object[i];

        mapping[i].start = object->start;
        mapping[i].limit = object->start + 1;
        mapping[i].build_id = ngx_prof_rawfile_one(f, object->build_id,
                                  strnlen(object->build_id,
                                          NGX_PROF_IMAGE_ID));
    }

    mapset.nmappings = (uint32_t) n;
    mapset.maps = ngx_prof_rawfile_one(f, kept->maps,
                             ngx_min(ngx_prof_load(&kept->len),
                                     NGX_PROF_IMAGE_MAPS));

    ngx_prof_rawfile_section(f, NGX_PROF_RAW_MAPSETS);
    ngx_prof_text_write(&f->text, &mapset, sizeof(mapset));
    ngx_prof_text_write(&f->text, mapping, n * sizeof(mapping[0]));
    ngx_prof_rawfile_close(f, 1);

    /* the set of no process that lives */

    f->mapped = 0;
    ngx_str_null(&f->maps);
    f->mapsets++;
}


uint32_t
ngx_prof_rawfile_add(ngx_prof_rawfile_t *f, uint64_t image, ngx_pid_t pid,
    uint64_t worker, ngx_pid_t mapped)
{
    ngx_prof_rawfile_maps(f, mapped);

    return ngx_prof_rawfile_add_set(f, image, pid, worker, mapped);
}


/* the latest set of mappings is the one of the process */

static uint32_t
ngx_prof_rawfile_add_set(ngx_prof_rawfile_t *f, uint64_t image, ngx_pid_t pid,
    uint64_t worker, ngx_pid_t mapped)
{
    ngx_prof_raw_process_t       process;
    ngx_prof_rawfile_process_t  *known;

    known = ngx_array_push(&f->processes);

    if (known == NULL) {
        f->text.failed = 1;
        return 0;
    }

    known->image = image;
    known->pid = pid;

    process.pid = (uint32_t) mapped;
    process.mapset = f->mapsets - 1;
    process.labels = pid ? ngx_prof_rawfile_worker(f, pid, worker) : 0;
    process.reserved = 0;

    ngx_prof_rawfile_put(f, NGX_PROF_RAW_PROCESSES,
                         &process, sizeof(process), 1);

    return (uint32_t) f->processes.nelts - 1;
}


static uint32_t
ngx_prof_rawfile_worker(ngx_prof_rawfile_t *f, ngx_pid_t pid, uint64_t worker)
{
    const char            *name;
    ngx_prof_raw_label_t   labels[2];

    ngx_memzero(labels, sizeof(labels));

    labels[0].key = NGX_PROF_S_PID;
    labels[0].str = NGX_PROF_RAW_NONE;
    labels[0].num = pid;

    if (worker >= NGX_PROF_SLOTS_MAX) {
        name = ngx_prof_process_name(worker);

        labels[1].key = NGX_PROF_S_PROCESS;
        labels[1].str = ngx_prof_rawfile_one(f, name, ngx_strlen(name));

        return ngx_prof_rawfile_labelset(f, labels, 2);
    }

    labels[1].key = NGX_PROF_S_WORKER;
    labels[1].str = NGX_PROF_RAW_NONE;
    labels[1].num = (int64_t) worker;

    return ngx_prof_rawfile_labelset(f, labels, 2);
}


/* a worker with the same mappings as the one before shares its set */

static void
ngx_prof_rawfile_maps(ngx_prof_rawfile_t *f, ngx_pid_t pid)
{
    ngx_str_t              maps;
    ngx_prof_raw_mapset_t  mapset;

    if (f->mapsets && f->mapped == pid) {
        return;
    }

    f->mapped = pid;

    /* a worker that has ended had the mappings of its siblings */

    if (ngx_prof_rawfile_read_maps(f->pool, pid, &maps) != NGX_OK
        && ngx_prof_rawfile_read_maps(f->pool, ngx_pid, &maps) != NGX_OK)
    {
        ngx_str_null(&maps);
    }

    if (f->mapsets
        && maps.len == f->maps.len
        && (maps.len == 0
            || ngx_memcmp(maps.data, f->maps.data, maps.len) == 0))
    {
        return;
    }

    mapset.nmappings = 0;
    mapset.maps = ngx_prof_rawfile_one(f, maps.data, maps.len);

    ngx_prof_rawfile_put(f, NGX_PROF_RAW_MAPSETS, &mapset, sizeof(mapset), 1);

    f->maps = maps;
    f->mapsets++;
}


static ngx_int_t
ngx_prof_rawfile_read_maps(ngx_pool_t *pool, ngx_pid_t pid, ngx_str_t *maps)
{
    int      fd;
    char     path[sizeof("/proc//maps") + NGX_INT64_LEN];
    size_t   size;
    u_char  *buf;
    ssize_t  n;

    (void) snprintf(path, sizeof(path), "/proc/%d/maps", (int) pid);

    fd = open(path, O_RDONLY|O_CLOEXEC);
    if (fd == -1) {
        return NGX_ERROR;
    }

    size = 65536;
    maps->len = 0;
    maps->data = ngx_prof_budget_alloc(pool, size);

    while (maps->data) {
        n = read(fd, maps->data + maps->len, size - maps->len);

        if (n <= 0) {
            break;
        }

        maps->len += n;

        if (maps->len < size) {
            continue;
        }

        if (size == NGX_PROF_MAPS) {
            break;
        }

        buf = ngx_prof_budget_alloc(pool, 2 * size);

        if (buf) {
            ngx_memcpy(buf, maps->data, size);
        }

        ngx_prof_budget_free(pool, maps->data);

        maps->data = buf;
        size *= 2;
    }

    (void) close(fd);

    if (maps->data == NULL || maps->len == 0) {
        return NGX_ERROR;
    }

    ngx_prof_rawfile_executable(maps);

    return NGX_OK;
}


/* keeps the rows of executable mappings: "start-end r-xp ...", proc(5) */

static void
ngx_prof_rawfile_executable(ngx_str_t *maps)
{
    u_char  *p, *last, *to, *end, *space;

    to = maps->data;
    last = maps->data + maps->len;

    for (p = maps->data; p < last; p = end) {
        end = ngx_strlchr(p, last, '\n');
        end = end ? end + 1 : last;
        space = ngx_strlchr(p, end, ' ');

        if (space && end - space > 4 && space[3] == 'x') {
            ngx_memmove(to, p, end - p);
            to += end - p;
        }
    }

    maps->len = to - maps->data;
}


void
ngx_prof_rawfile_remember(ngx_cycle_t *cycle, ngx_prof_zone_t *zone)
{
    ngx_str_t          maps;
    ngx_pool_t        *pool;
    ngx_prof_image_t  *image;

    if (zone->images == NULL) {
        zone->images = ngx_prof_shared(NGX_PROF_IMAGES
                                       * sizeof(ngx_prof_image_t));

        if (zone->images == NULL) {
            return;
        }
    }

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, cycle->log);
    if (pool == NULL) {
        return;
    }

    if (ngx_prof_rawfile_read_maps(pool, getpid(), &maps) == NGX_OK) {
        image = ngx_prof_image_place(zone->images, ngx_prof_frame_image(0));

        /* a last row that is cut is none */

        image->len = (uint32_t) ngx_min(maps.len, NGX_PROF_IMAGE_MAPS);
        ngx_memcpy(image->maps, maps.data, image->len);

        ngx_prof_rawfile_objects(image);

        ngx_prof_store_release(&image->image, ngx_prof_frame_image(0));
    }

    ngx_destroy_pool(pool);
}


static void
ngx_prof_rawfile_objects(ngx_prof_image_t *image)
{
    u_char                    *p;
    ngx_uint_t                 i, n;
    ngx_prof_image_object_t   *to;
    const ngx_prof_object_t   *from;
    const ngx_prof_objects_t  *objects;

    n = 0;
    objects = ngx_prof_objects_acquire();

    for (i = 0; objects && i < objects->n && n < NGX_PROF_IMAGE_OBJECTS; i++) {
        from = &objects->object[i];

        if (from->build_id_len == 0
            || 2 * from->build_id_len >= NGX_PROF_IMAGE_ID)
        {
            continue;
        }

        to = &image->object[n++];
        to->start = from->start;

        p = ngx_hex_dump((u_char *) to->build_id, (u_char *) from->build_id,
                         from->build_id_len);
        *p = '\0';
    }

    image->n = (uint32_t) n;

    ngx_prof_objects_release();
}
