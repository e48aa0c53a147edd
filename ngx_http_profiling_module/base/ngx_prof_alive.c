
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_alive.h"
#include "ngx_prof_owner.h"
#include "ngx_prof_record.h"


ngx_uint_t
ngx_prof_slot_alive(const ngx_prof_slot_t *slot)
{
    uint64_t   owner;
    ngx_pid_t  pid;

    owner = ngx_prof_load_acquire(&slot->owner);
    pid = (ngx_pid_t) (owner & ~NGX_PROF_CLAIMING);

    /* while a claim is made, start may still be that of the owner before */

    return ngx_prof_process_alive(pid, (owner & NGX_PROF_CLAIMING)
                                       ? 0 : ngx_prof_load(&slot->start));
}


ngx_uint_t
ngx_prof_process_exists(ngx_pid_t pid)
{
    return pid > 0 && (kill(pid, 0) == 0 || errno != ESRCH);
}


ngx_uint_t
ngx_prof_process_alive(ngx_pid_t pid, uint64_t start)
{
    u_char    state;
    uint64_t  now;

    if (!ngx_prof_process_exists(pid)) {
        return 0;
    }

    now = ngx_prof_process_start(pid, &state);

    if (state == 'Z' || state == 'X') {
        return 0;
    }

    return !(start && now && start != now);
}


ngx_pid_t
ngx_prof_slot_worker(const ngx_prof_slot_t *slot, ngx_pid_t pid)
{
    ngx_pid_t  owner;

    if (!ngx_prof_slot_of(slot, pid)) {
        return 0;
    }

    owner = ngx_prof_slot_pid(slot);

    return (owner && ngx_prof_slot_alive(slot)) ? owner : 0;
}


uint64_t
ngx_prof_process_start(ngx_pid_t pid, u_char *state)
{
    int         fd;
    char       *p, path[sizeof("/proc//stat") + NGX_INT64_LEN];
    char        buf[1024];
    ssize_t     n;
    ngx_uint_t  field;

    if (state) {
        *state = 0;
    }

    (void) snprintf(path, sizeof(path), "/proc/%d/stat", (int) pid);

    fd = open(path, O_RDONLY|O_CLOEXEC);
    if (fd == -1) {
        return 0;
    }

    n = read(fd, buf, sizeof(buf) - 1);
    (void) close(fd);

    if (n <= 0) {
        return 0;
    }

    buf[n] = '\0';

    /* field 2 is the name in parentheses and may hold any character */

    p = strrchr(buf, ')');

    if (p == NULL || p[1] != ' ') {
        return 0;
    }

    p += 2;

    if (state) {
        *state = (u_char) *p;
    }

    for (field = 3; field < 22; field++) {
        p = strchr(p, ' ');

        if (p == NULL) {
            return 0;
        }

        p++;
    }

    return strtoull(p, NULL, 10);
}
