
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_deaths.h"
#include "ngx_prof_record.h"


/* bytes of an exit behind its number */
#define NGX_PROF_EXIT_BODY                                                    \
    (sizeof(ngx_prof_exit_t) - offsetof(ngx_prof_exit_t, pid))


static ngx_int_t ngx_prof_exit_read(const ngx_prof_exit_t *e,
    ngx_prof_exit_t *to);
static ngx_prof_report_t *ngx_prof_report_place(ngx_prof_deaths_t *deaths,
    const ngx_prof_report_t *report);
static ngx_uint_t ngx_prof_report_worth(const ngx_prof_deaths_t *deaths,
    const ngx_prof_report_t *report, const ngx_prof_report_t *added);


void
ngx_prof_exit_note(ngx_prof_deaths_t *deaths, const ngx_prof_exit_t *exit)
{
    uint64_t          n;
    ngx_prof_exit_t  *e;

    n = ngx_prof_load(&deaths->exit_n) + 1;
    e = &deaths->exits[n % NGX_PROF_CRASH_EXITS];

    ngx_prof_store_release(&e->number, 0);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);

    ngx_prof_copy_words(&e->pid, &exit->pid, NGX_PROF_EXIT_BODY);

    ngx_prof_store_release(&e->number, n);
    ngx_prof_store_release(&deaths->exit_n, n);
}


ngx_int_t
ngx_prof_exit_next(ngx_prof_deaths_t *deaths, ngx_prof_exit_t *to)
{
    uint64_t                n, late;
    const ngx_prof_exit_t  *e;

    n = ngx_prof_load_acquire(&deaths->exit_n);

    if (n - deaths->seen > NGX_PROF_CRASH_EXITS) {
        late = (n > deaths->seen) ? n - NGX_PROF_CRASH_EXITS : n;
        ngx_prof_add(&deaths->lost, late - ngx_min(late, deaths->seen));
        ngx_prof_store(&deaths->seen, late);
    }

    while (deaths->seen < n) {
        ngx_prof_store(&deaths->seen, deaths->seen + 1);

        e = &deaths->exits[deaths->seen % NGX_PROF_CRASH_EXITS];

        if (ngx_prof_exit_read(e, to) == NGX_OK
            && to->number == deaths->seen)
        {
            return NGX_OK;
        }

        ngx_prof_add(&deaths->lost, 1);
    }

    return NGX_DONE;
}


static ngx_int_t
ngx_prof_exit_read(const ngx_prof_exit_t *e, ngx_prof_exit_t *to)
{
    to->number = ngx_prof_load_acquire(&e->number);
    ngx_prof_copy_words(&to->pid, &e->pid, NGX_PROF_EXIT_BODY);

    __atomic_thread_fence(__ATOMIC_ACQUIRE);

    return (to->number && ngx_prof_load(&e->number) == to->number)
           ? NGX_OK : NGX_DECLINED;
}


ngx_int_t
ngx_prof_exit_find(const ngx_prof_deaths_t *deaths, ngx_pid_t pid,
    ngx_prof_exit_t *to)
{
    uint64_t    n;
    ngx_uint_t  i;

    n = ngx_prof_load_acquire(&deaths->exit_n);

    for (i = 0; i < ngx_min(n, NGX_PROF_CRASH_EXITS); i++) {

        if (ngx_prof_exit_read(&deaths->exits[(n - i) % NGX_PROF_CRASH_EXITS],
                               to)
            == NGX_OK
            && to->pid == (uint64_t) pid)
        {
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


void
ngx_prof_report_add(ngx_prof_deaths_t *deaths, ngx_prof_report_t *report)
{
    ngx_prof_report_t  *to;

    report->number = deaths->number + 1;

    to = ngx_prof_report_place(deaths, report);

    ngx_prof_record_write(&to->seq, &to->number, &report->number,
                          NGX_PROF_REPORT_BODY);

    ngx_prof_store_release(&deaths->number, report->number);
}


/* an empty place, or that of the report that is worth least */

static ngx_prof_report_t *
ngx_prof_report_place(ngx_prof_deaths_t *deaths,
    const ngx_prof_report_t *report)
{
    ngx_uint_t          i, worth, least;
    ngx_prof_report_t  *r, *place;

    place = NULL;
    least = 0;

    for (i = 0; i < NGX_PROF_CRASH_REPORTS; i++) {
        r = &deaths->report[i];

        if (r->number == 0) {
            return r;
        }

        worth = ngx_prof_report_worth(deaths, r, report);

        if (place == NULL
            || worth < least
            || (worth == least && r->number < place->number))
        {
            place = r;
            least = worth;
        }
    }

    return place;
}


/*
 * 0: neither the first of its hash nor the latest; 1: the latest, which the
 * added one now is; 2: the first, and others came after it; 3: the only one
 */

static ngx_uint_t
ngx_prof_report_worth(const ngx_prof_deaths_t *deaths,
    const ngx_prof_report_t *report, const ngx_prof_report_t *added)
{
    ngx_uint_t                i, earlier, later;
    const ngx_prof_report_t  *r;

    earlier = 0;
    later = (added->hash == report->hash);

    for (i = 0; i < NGX_PROF_CRASH_REPORTS; i++) {
        r = &deaths->report[i];

        if (r->number == 0 || r->hash != report->hash) {
            continue;
        }

        earlier |= (r->number < report->number);
        later |= (r->number > report->number);
    }

    if (earlier) {
        return later ? 0 : 1;
    }

    return later ? 2 : 3;
}


ngx_int_t
ngx_prof_report_read(const ngx_prof_deaths_t *deaths, ngx_uint_t i,
    ngx_prof_report_t *report)
{
    ngx_uint_t                n;
    const ngx_prof_report_t  *r;

    r = &deaths->report[i];

    if (ngx_prof_record_read(&r->seq, &report->number, &r->number,
                             NGX_PROF_REPORT_BODY)
        != NGX_OK
        || report->number == 0
        || report->reason >= NGX_PROF_DEATHS
        || report->kind >= NGX_PROF_DEATHS)
    {
        return NGX_DECLINED;
    }

    ngx_prof_crash_bound(&report->crash);

    n = report->before_n;
    report->before_n = ngx_min(n, NGX_PROF_CRASH_BEFORE);
    n = report->holder_n;
    report->holder_n = ngx_min(n, NGX_PROF_CRASH_HOLDERS);

    return NGX_OK;
}


void
ngx_prof_crash_bound(ngx_prof_crash_t *crash)
{
    crash->n = ngx_min(crash->n, NGX_PROF_CRASH_FRAMES);

    crash->method[NGX_PROF_CRASH_METHOD - 1] = '\0';
    crash->client[NGX_PROF_CRASH_ADDR - 1] = '\0';
    crash->peer[NGX_PROF_CRASH_ADDR - 1] = '\0';
    crash->uri.text[NGX_PROF_CRASH_URI - 1] = '\0';
}
