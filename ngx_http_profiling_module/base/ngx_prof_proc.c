
#include <ngx_config.h>
#include <ngx_core.h>
#include <sys/resource.h>
#include "ngx_prof_proc.h"
#include "ngx_prof_alive.h"
#include "ngx_prof_barred.h"
#include "ngx_prof_base.h"


static int64_t ngx_prof_system_field(const char *text, const char *name);
static void ngx_prof_system_status(ngx_prof_gauges_t *g);
static ngx_int_t ngx_prof_system_statm(uint64_t *resident, uint64_t *shared);
static void ngx_prof_system_pages(const char *text, uint64_t *resident,
    uint64_t *shared);
static uint64_t ngx_prof_system_descriptors(const char *path);
static void ngx_prof_system_usage_proc(ngx_prof_totals_t *t);
static ngx_int_t ngx_prof_system_stat(const char *path, ngx_prof_totals_t *t);
static uint64_t ngx_prof_system_usec(const struct timeval *tv);
static ssize_t ngx_prof_system_file(const char *path, char *text,
    size_t size);
static ngx_uint_t ngx_prof_cgroup_has(const char *line,
    const char *controller);
static uint64_t ngx_prof_cgroups(const char *v2, const char *v1,
    uint64_t (*read)(const char *path), ngx_uint_t all);
static uint64_t ngx_prof_cgroup(const char *root, const char *path,
    const char *file, uint64_t (*read)(const char *path), ngx_uint_t all);
static uint64_t ngx_prof_kills_file(const char *path);
static uint64_t ngx_prof_number_file(const char *path);


/* where the hierarchies of cgroups are mounted, cgroups(7) */
#define NGX_PROF_CGROUP      "/sys/fs/cgroup"
#define NGX_PROF_CGROUP_V1   "/sys/fs/cgroup/memory"


/* calls of system_memory() per reading of /proc/self/status */
#define NGX_PROF_STATUS_EACH  8


static ngx_uint_t         ngx_prof_status_age;
static ngx_prof_gauges_t  ngx_prof_status;


void
ngx_prof_system_memory(ngx_prof_gauges_t *g)
{
    uint64_t            anonymous;
    ngx_prof_gauges_t  *status;

    status = &ngx_prof_status;

    if (ngx_prof_status_age++ % NGX_PROF_STATUS_EACH == 0) {
        ngx_prof_system_status(status);
    }

    g->unavailable |= status->unavailable;
    g->anonymous = status->anonymous;
    g->shared = status->shared;
    g->files = status->files;
    g->threads = status->threads;
    g->stack_main = status->stack_main;

    anonymous = ngx_prof_system_anonymous();

    if (anonymous) {
        g->anonymous = anonymous;
    }

    g->descriptors = ngx_prof_system_descriptors("/proc/self/fd");

    if (g->descriptors == 0) {
        g->unavailable |= NGX_PROF_NO_FDS;
    }
}


/* RssAnon of this moment: resident pages that are not shared */

uint64_t
ngx_prof_system_anonymous(void)
{
    uint64_t  resident, shared;

    if (ngx_prof_system_statm(&resident, &shared) != NGX_OK) {
        return 0;
    }

    return resident - ngx_min(resident, shared);
}


ngx_int_t
ngx_prof_system_part(uint64_t *part)
{
    char     text[4096];
    int64_t  kb;

    if (ngx_prof_system_file("/proc/self/smaps_rollup", text, sizeof(text))
        <= 0)
    {
        return NGX_DECLINED;
    }

    kb = ngx_prof_system_field(text, "\nPss_Anon:");

    if (kb == -1) {
        return NGX_DECLINED;
    }

    *part = kb * 1024;

    return NGX_OK;
}


static void
ngx_prof_system_status(ngx_prof_gauges_t *g)
{
    int       fd;
    char      text[4096];
    int64_t   anonymous, shared, files;
    ssize_t   n;

    fd = open("/proc/self/status", O_RDONLY|O_CLOEXEC);

    if (fd == -1
        && (ngx_errno == NGX_EMFILE || ngx_errno == NGX_ENFILE)
        && g->threads)
    {
        /* what was read last is nearer than nothing */
        return;
    }

    n = (fd == -1) ? -1 : read(fd, text, sizeof(text) - 1);

    if (fd != -1) {
        (void) close(fd);
    }

    text[n > 0 ? n : 0] = '\0';

    ngx_memzero(g, sizeof(ngx_prof_gauges_t));

    anonymous = ngx_prof_system_field(text, "\nRssAnon:");
    files = ngx_prof_system_field(text, "\nRssFile:");
    shared = ngx_prof_system_field(text, "\nRssShmem:");

    if (anonymous == -1 || files == -1 || shared == -1) {
        g->unavailable |= NGX_PROF_NO_MEMORY;

    } else {
        g->anonymous = anonymous * 1024;
        g->files = files * 1024;
        g->shared = shared * 1024;
    }

    g->threads = ngx_max(ngx_prof_system_field(text, "\nThreads:"),
                         0);
    g->stack_main = 1024 * (uint64_t)
               ngx_max(ngx_prof_system_field(text, "\nVmStk:"), 0);
}


/* reads resident pages, and those of files and shared memory: proc(5) */

static ngx_int_t
ngx_prof_system_statm(uint64_t *resident, uint64_t *shared)
{
    char  text[128];

    if (ngx_prof_system_file("/proc/self/statm", text, sizeof(text)) <= 0) {
        return NGX_ERROR;
    }

    ngx_prof_system_pages(text, resident, shared);

    return NGX_OK;
}


static void
ngx_prof_system_pages(const char *text, uint64_t *resident, uint64_t *shared)
{
    char  *p;

    (void) strtoull(text, &p, 10);
    *resident = strtoull(p, &p, 10) * ngx_pagesize;
    *shared = strtoull(p, &p, 10) * ngx_pagesize;
}


static int64_t
ngx_prof_system_field(const char *text, const char *name)
{
    char  *p;

    p = strstr(text, name);

    return p ? (int64_t) strtoll(p + ngx_strlen(name), NULL, 10) : -1;
}


/*
 * Since Linux 6.2 the directory's size is the number of descriptors.  Before,
 * only a listing would tell, at a cost that grows with them.
 */

static uint64_t
ngx_prof_system_descriptors(const char *path)
{
    struct stat  sb;

    return (stat(path, &sb) == -1) ? 0 : sb.st_size;
}


void
ngx_prof_system_usage(ngx_prof_totals_t *t)
{
    struct rusage  ru;

    if (ngx_prof_barred(NGX_PROF_BARRED_USAGE)
        || getrusage(RUSAGE_SELF, &ru) == -1)
    {
        ngx_prof_system_usage_proc(t);
        return;
    }

    t->user = ngx_prof_system_usec(&ru.ru_utime);
    t->system = ngx_prof_system_usec(&ru.ru_stime);
    t->voluntary = ru.ru_nvcsw;
    t->involuntary = ru.ru_nivcsw;
    t->minor_faults = ru.ru_minflt;
    t->major_faults = ru.ru_majflt;
}


void
ngx_prof_system_children(uint64_t *user, uint64_t *system)
{
    struct rusage  ru;

    *user = 0;
    *system = 0;

    if (ngx_prof_barred(NGX_PROF_BARRED_USAGE)
        || getrusage(RUSAGE_CHILDREN, &ru) == -1)
    {
        return;
    }

    *user = ngx_prof_system_usec(&ru.ru_utime);
    *system = ngx_prof_system_usec(&ru.ru_stime);
}


static uint64_t
ngx_prof_system_usec(const struct timeval *tv)
{
    return (uint64_t) tv->tv_sec * NGX_PROF_USEC_PER_SEC + tv->tv_usec;
}


static void
ngx_prof_system_usage_proc(ngx_prof_totals_t *t)
{
    char  text[4096];

    (void) ngx_prof_system_stat("/proc/self/stat", t);

    if (ngx_prof_system_file("/proc/self/status", text, sizeof(text)) > 0) {
        t->voluntary = (uint64_t) ngx_max(
                           ngx_prof_system_field(text,
                                       "\nvoluntary_ctxt_switches:"), 0);
        t->involuntary = (uint64_t) ngx_max(
                           ngx_prof_system_field(text,
                                       "\nnonvoluntary_ctxt_switches:"), 0);
    }
}


/* CPU time in clock ticks: fields 10, 12, 14 and 15 of stat, proc(5) */

static ngx_int_t
ngx_prof_system_stat(const char *path, ngx_prof_totals_t *t)
{
    char        *p, text[4096];
    uint64_t     field[16], tick;
    ngx_uint_t   i;

    if (ngx_prof_system_file(path, text, sizeof(text)) <= 0) {
        return NGX_ERROR;
    }

    p = strrchr(text, ')');
    p = p ? p + 3 : text + ngx_strlen(text);

    for (i = 4; i < 16; i++) {
        field[i] = strtoull(p, &p, 10);
    }

    tick = NGX_PROF_USEC_PER_SEC / (uint64_t) sysconf(_SC_CLK_TCK);

    t->minor_faults = field[10];
    t->major_faults = field[12];
    t->user = field[14] * tick;
    t->system = field[15] * tick;

    return NGX_OK;
}


ngx_int_t
ngx_prof_proc_spent(ngx_pid_t pid, uint64_t *user, uint64_t *system)
{
    char               path[sizeof("/proc//stat") + NGX_INT64_LEN];
    ngx_prof_totals_t  t;

    (void) snprintf(path, sizeof(path), "/proc/%d/stat", (int) pid);

    if (ngx_prof_system_stat(path, &t) != NGX_OK) {
        return NGX_ERROR;
    }

    *user = t.user;
    *system = t.system;

    return NGX_OK;
}


ngx_int_t
ngx_prof_proc_held(ngx_pid_t pid, uint64_t *bytes)
{
    char      path[sizeof("/proc//statm") + NGX_INT64_LEN], text[128];
    uint64_t  resident, shared;

    (void) snprintf(path, sizeof(path), "/proc/%d/statm", (int) pid);

    if (ngx_prof_system_file(path, text, sizeof(text)) <= 0) {
        return NGX_ERROR;
    }

    ngx_prof_system_pages(text, &resident, &shared);
    *bytes = resident - shared;

    return NGX_OK;
}


uint64_t
ngx_prof_proc_descriptors(ngx_pid_t pid)
{
    char  path[sizeof("/proc//fd") + NGX_INT64_LEN];

    (void) snprintf(path, sizeof(path), "/proc/%d/fd", (int) pid);

    return ngx_prof_system_descriptors(path);
}


/* the text of a file of /proc, terminated; its length, or -1 */

static ssize_t
ngx_prof_system_file(const char *path, char *text, size_t size)
{
    int      fd;
    ssize_t  n;

    text[0] = '\0';

    fd = open(path, O_RDONLY|O_CLOEXEC);
    if (fd == -1) {
        return -1;
    }

    n = read(fd, text, size - 1);
    (void) close(fd);

    text[n > 0 ? n : 0] = '\0';

    return n;
}


/* lines "7ffd3f63e000-7ffd3fe3c000 rw-p ..." */

ngx_int_t
ngx_prof_proc_mapping(uintptr_t addr, uintptr_t *start, uintptr_t *end)
{
    FILE  *f;
    char   line[NGX_MAX_PATH + 128];

    f = fopen("/proc/self/maps", "re");
    if (f == NULL) {
        return NGX_ERROR;
    }

    while (fgets(line, sizeof(line), f)) {

        if (sscanf(line, "%lx-%lx", start, end) == 2
            && addr >= *start && addr < *end)
        {
            (void) fclose(f);
            return NGX_OK;
        }
    }

    (void) fclose(f);

    return NGX_ERROR;
}


/* bit 63 of a page's word tells that it is present: proc_pid_pagemap(5) */

ngx_int_t
ngx_prof_proc_resident(uintptr_t start, size_t n, uint64_t *resident)
{
    int        fd;
    off_t      offset;
    size_t     i, got;
    ssize_t    size;
    uint64_t   words[512];

    fd = open("/proc/self/pagemap", O_RDONLY|O_CLOEXEC);
    if (fd == -1) {
        return NGX_ERROR;
    }

    *resident = 0;
    offset = (off_t) (start / ngx_pagesize * sizeof(uint64_t));

    while (n > 0) {
        got = ngx_min(n, 512);
        size = pread(fd, words, got * sizeof(uint64_t), offset);

        if (size != (ssize_t) (got * sizeof(uint64_t))) {
            break;
        }

        for (i = 0; i < got; i++) {
            *resident += (words[i] >> 63) * ngx_pagesize;
        }

        offset += size;
        n -= got;
    }

    (void) close(fd);

    return (n == 0) ? NGX_OK : NGX_ERROR;
}


u_char
ngx_prof_system_state(ngx_pid_t pid)
{
    u_char  state;

    (void) ngx_prof_process_start(pid, &state);

    return state;
}


uint64_t
ngx_prof_memory_limit(void)
{
    uint64_t    limit, found;
    ngx_uint_t  i;

    static const char *const  files[] = { "memory.max", "memory.high" };

    limit = (uint64_t) sysconf(_SC_PHYS_PAGES) * ngx_pagesize;

    for (i = 0; i < 2; i++) {
        found = ngx_prof_cgroups(files[i], "memory.limit_in_bytes",
                                 ngx_prof_number_file, 1);

        if (found) {
            limit = ngx_min(limit, found);
        }
    }

    return limit;
}


/* a cgroup counts its processes that any kind of shortage has killed */

uint64_t
ngx_prof_memory_kills(void)
{
    uint64_t  kills;

    kills = ngx_prof_cgroups("memory.events", "memory.oom_control",
                             ngx_prof_kills_file, 0);

    return kills ? kills : ngx_prof_kills_file("/proc/vmstat");
}


/*
 * What a file of this process's cgroups tells: the smallest number if all is
 * 1, else that of the innermost cgroup which has the file; 0: none
 */

static uint64_t
ngx_prof_cgroups(const char *v2, const char *v1,
    uint64_t (*read)(const char *path), ngx_uint_t all)
{
    char      *p, *line, *next, *path, text[8192];
    FILE      *f;
    size_t     n;
    uint64_t   least, found;

    f = fopen("/proc/self/cgroup", "re");
    if (f == NULL) {
        return 0;
    }

    n = fread(text, 1, sizeof(text) - 1, f);
    text[n] = '\0';
    (void) fclose(f);

    least = 0;

    /* lines "0::/path" (v2) and "7:memory:/path" (v1), cgroups(7) */

    for (line = text; *line; line = next) {
        p = strchr(line, '\n');
        next = p ? p + 1 : line + ngx_strlen(line);

        if (p) {
            *p = '\0';
        }

        path = strchr(line, '/');

        if (path == NULL) {
            continue;
        }

        found = 0;

        if (ngx_strncmp(line, "0::", 3) == 0) {
            found = ngx_prof_cgroup(NGX_PROF_CGROUP, path, v2, read, all);

        } else if (ngx_prof_cgroup_has(line, "memory")) {
            found = ngx_prof_cgroup(NGX_PROF_CGROUP_V1, path, v1, read, all);
        }

        if (found && (least == 0 || found < least)) {
            least = found;
        }

        if (least && !all) {
            break;
        }
    }

    return least;
}


/* whether a line of v1 names a controller: "4:memory,hugetlb:/path" */

static ngx_uint_t
ngx_prof_cgroup_has(const char *line, const char *controller)
{
    char    end;
    size_t  len;

    len = ngx_strlen(controller);
    line = strchr(line, ':');

    while (line) {
        line++;
        end = (ngx_strncmp(line, controller, len) == 0) ? line[len] : '\0';

        if (end == ',' || end == ':') {
            return 1;
        }

        line = (line[strcspn(line, ",:")] == ',') ? strchr(line, ',') : NULL;
    }

    return 0;
}


/* likewise of one hierarchy, from a cgroup up to the root */

static uint64_t
ngx_prof_cgroup(const char *root, const char *path, const char *file,
    uint64_t (*read)(const char *path), ngx_uint_t all)
{
    char      *p, dir[NGX_MAX_PATH], name[NGX_MAX_PATH];
    int        n;
    uint64_t   least, value;

    least = 0;

    n = snprintf(dir, sizeof(dir), "%s", path);

    if (n < 0 || n >= (int) sizeof(dir)) {
        return 0;
    }

    /*
     * in a container the path may be the host's; the root is then the
     * container's
     */

    for ( ;; ) {
        p = strrchr(dir, '/');

        n = snprintf(name, sizeof(name), "%s%s%s%s", root, dir,
                     (p && p[1]) ? "/" : "", file);

        if (n > 0 && n < (int) sizeof(name)) {
            value = read(name);

            if (value && (least == 0 || value < least)) {
                least = value;
            }
        }

        if (p == NULL || p[1] == '\0' || (least && !all)) {
            return least;
        }

        p[p == dir ? 1 : 0] = '\0';
    }
}


/* the number behind "oom_kill", + 1; 0: no such file or line */

static uint64_t
ngx_prof_kills_file(const char *path)
{
    char      line[256];
    FILE     *f;
    uint64_t  kills;

    f = fopen(path, "re");
    if (f == NULL) {
        return 0;
    }

    kills = 0;

    while (kills == 0 && fgets(line, sizeof(line), f)) {

        if (ngx_strncmp(line, "oom_kill ", 9) == 0) {
            kills = strtoull(line + 9, NULL, 10) + 1;
        }
    }

    (void) fclose(f);

    return kills;
}


/* 0: no such file, or no number ("max") */

static uint64_t
ngx_prof_number_file(const char *path)
{
    int      fd;
    char     text[NGX_INT64_LEN + 2];
    ssize_t  n;

    fd = open(path, O_RDONLY|O_CLOEXEC);
    if (fd == -1) {
        return 0;
    }

    n = read(fd, text, sizeof(text) - 1);
    (void) close(fd);

    text[n > 0 ? n : 0] = '\0';

    return strtoull(text, NULL, 10);
}
