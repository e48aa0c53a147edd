
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_raw_maps.h"
#include "ngx_prof_alive.h"
#include "ngx_prof_budget.h"
#include "ngx_prof_owner.h"
#include "ngx_prof_raw.h"
#include "ngx_prof_record.h"
#include "ngx_prof_worker.h"


/* bytes of /proc/<pid>/maps that are read at most */
#define NGX_PROF_MAPS  1048576


static uint32_t ngx_prof_rawfile_worker(ngx_prof_rawfile_t *f, ngx_pid_t pid,
    uint64_t worker);
static void ngx_prof_rawfile_maps(ngx_prof_rawfile_t *f, ngx_pid_t pid);
static ngx_int_t ngx_prof_rawfile_read_maps(ngx_prof_rawfile_t *f,
    ngx_pid_t pid, ngx_str_t *maps);
static void ngx_prof_rawfile_executable(ngx_str_t *maps);
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
    ngx_int_t  i;
    ngx_pid_t  mapped;

    i = ngx_prof_rawfile_find(f, image, pid);

    if (i != NGX_DECLINED) {
        return (uint32_t) i;
    }

    mapped = (pid
              && ngx_prof_load(&slot->image) == image
              && ngx_prof_slot_worker(slot, pid))
             ? pid : ngx_prof_rawfile_mapped(image);

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


/* a worker that has this image mapped, 0: none */

static ngx_pid_t
ngx_prof_rawfile_mapped(uint64_t image)
{
    ngx_pid_t         pid;
    ngx_uint_t        i;
    ngx_prof_slot_t  *slot;
    ngx_prof_zone_t  *zone;

    if (ngx_prof_process.slot
        && ngx_prof_load(&ngx_prof_process.slot->image) == image)
    {
        return ngx_pid;
    }

    zone = ngx_prof_process.zone;

    for (i = 0; i < zone->slots; i++) {
        slot = ngx_prof_zone_slot(zone, i);
        pid = ngx_prof_slot_pid(slot);

        if (pid
            && ngx_prof_load_acquire(&slot->image) == image
            && ngx_prof_slot_alive(slot))
        {
            return pid;
        }
    }

    return 0;
}


uint32_t
ngx_prof_rawfile_add(ngx_prof_rawfile_t *f, uint64_t image, ngx_pid_t pid,
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

    ngx_prof_rawfile_maps(f, mapped);

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
    ngx_prof_raw_label_t  labels[2];

    ngx_memzero(labels, sizeof(labels));

    labels[0].key = NGX_PROF_S_PID;
    labels[0].str = NGX_PROF_RAW_NONE;
    labels[0].num = pid;
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

    if (ngx_prof_rawfile_read_maps(f, pid, &maps) != NGX_OK
        && ngx_prof_rawfile_read_maps(f, ngx_pid, &maps) != NGX_OK)
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
ngx_prof_rawfile_read_maps(ngx_prof_rawfile_t *f, ngx_pid_t pid,
    ngx_str_t *maps)
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
    maps->data = ngx_prof_budget_alloc(f->pool, size);

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

        buf = ngx_prof_budget_alloc(f->pool, 2 * size);

        if (buf) {
            ngx_memcpy(buf, maps->data, size);
        }

        ngx_prof_budget_free(f->pool, maps->data);

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
