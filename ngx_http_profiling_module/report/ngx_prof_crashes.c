
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include "ngx_prof_crashes.h"
#include "ngx_prof_base.h"
#include "ngx_prof_death.h"
#include "ngx_prof_frame.h"
#include "ngx_prof_json.h"
#include "ngx_prof_label.h"
#include "ngx_prof_names.h"
#include "ngx_prof_record.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_version.h"
#include "ngx_prof_view.h"
#include "ngx_prof_worker.h"
#include "ngx_prof_zone.h"


/* functions in a summary */
#define NGX_PROF_CRASHES_NAMES  4


static void ngx_prof_crashes_begin(ngx_prof_json_t *j,
    const ngx_prof_deaths_t *deaths);
static void ngx_prof_crashes_print(ngx_prof_json_t *j,
    const ngx_prof_report_t *r);
static void ngx_prof_crashes_end(ngx_prof_json_t *j,
    const ngx_prof_report_t *r);
static void ngx_prof_crashes_request(ngx_prof_json_t *j,
    const ngx_prof_report_t *r);
static void ngx_prof_crashes_name(ngx_prof_json_t *j, const char *key,
    const char *prefix, const u_char *text);
static void ngx_prof_crashes_details(ngx_prof_json_t *j,
    const ngx_prof_report_t *r);
static void ngx_prof_crashes_stack(ngx_prof_json_t *j,
    const ngx_prof_report_t *r);
static void ngx_prof_crashes_before(ngx_prof_json_t *j,
    const ngx_prof_report_t *r);
static void ngx_prof_crashes_memory(ngx_prof_json_t *j,
    const ngx_prof_report_t *r);
static void ngx_prof_crashes_versions(ngx_prof_json_t *j);
static void ngx_prof_crashes_summary(u_char *text, size_t size,
    const ngx_prof_report_t *r);
static void ngx_prof_crashes_hex(ngx_prof_json_t *j, const char *key,
    uint64_t n);
static ngx_uint_t ngx_prof_crashes_origin(const ngx_prof_report_t *r,
    ngx_uint_t i, ngx_prof_frame_origin_t *origin);
static void ngx_prof_crashes_title(ngx_prof_text_t *t,
    const ngx_prof_report_t *r);
static void ngx_prof_crashes_facts(ngx_prof_text_t *t,
    const ngx_prof_report_t *r);
static void ngx_prof_crashes_earlier(ngx_prof_text_t *t,
    const ngx_prof_report_t *r);
static void ngx_prof_crashes_held(ngx_prof_text_t *t,
    const ngx_prof_report_t *r);


static const char *const  ngx_prof_crashes_registers[] = {
    NGX_PROF_ARCH_NAMES
};


const ngx_prof_report_t *
ngx_prof_crashes_find(uint64_t number)
{
    ngx_uint_t                i;
    const ngx_prof_deaths_t  *deaths;

    static ngx_prof_report_t  report;

    deaths = &ngx_prof_process.zone->header->deaths;

    for (i = 0; i < NGX_PROF_CRASH_REPORTS; i++) {

        if (ngx_prof_load(&deaths->report[i].number) == number
            && ngx_prof_report_read(deaths, i, &report) == NGX_OK
            && report.number == number)
        {
            return &report;
        }
    }

    return NULL;
}


/* the latest first; of one all that is known */

ngx_int_t
ngx_prof_crashes_view(ngx_prof_work_t *w)
{
    uint64_t                  before, number;
    ngx_uint_t                i;
    ngx_prof_json_t          *j;
    const ngx_prof_deaths_t  *deaths;
    const ngx_prof_report_t  *report;

    j = &w->json;

    if (w->report) {
        report = ngx_prof_crashes_find(w->report);

        if (report == NULL) {
            return NGX_ERROR;
        }

        ngx_prof_json_open(j, NULL, '{');
        ngx_prof_crashes_print(j, report);
        ngx_prof_crashes_details(j, report);
        ngx_prof_json_close(j, '}');

        return NGX_DONE;
    }

    deaths = &ngx_prof_process.zone->header->deaths;

    if (w->next == 0) {
        ngx_prof_crashes_begin(j, deaths);
        w->since = (uint64_t) -1;
    }

    /* w->since: the number of the report that was printed last */

    before = 0;

    for (i = 0; i < NGX_PROF_CRASH_REPORTS; i++) {
        number = ngx_prof_load(&deaths->report[i].number);

        if (number < w->since && number > before) {
            before = number;
        }
    }

    if (before && w->next++ < NGX_PROF_CRASH_REPORTS) {
        w->since = before;

        report = ngx_prof_crashes_find(before);

        if (report
            && (w->worker == 0 || (uint64_t) w->worker == report->pid))
        {
            ngx_prof_json_open(j, NULL, '{');
            ngx_prof_crashes_print(j, report);
            ngx_prof_json_close(j, '}');
        }

        return NGX_AGAIN;
    }

    ngx_prof_json_close(j, ']');
    ngx_prof_json_close(j, '}');

    return NGX_DONE;
}


static void
ngx_prof_crashes_begin(ngx_prof_json_t *j, const ngx_prof_deaths_t *deaths)
{
    uint64_t    n;
    ngx_uint_t  reason, signo;

    ngx_prof_json_open(j, NULL, '{');
    ngx_prof_json_uint(j, "total", ngx_prof_load(&deaths->number));
    ngx_prof_json_open(j, "by_reason", '{');

    for (reason = 0; reason < NGX_PROF_DEATHS; reason++) {
        n = 0;

        for (signo = 0; signo < NGX_PROF_DEATH_SIGNALS; signo++) {
            n += ngx_prof_load(&deaths->deaths[reason][signo]);
        }

        ngx_prof_json_uint(j, ngx_prof_death_reason(reason), n);
    }

    ngx_prof_json_close(j, '}');
    ngx_prof_json_uint(j, "unseen", ngx_prof_load(&deaths->lost));
    ngx_prof_json_open(j, "reports", '[');
}


static void
ngx_prof_crashes_print(ngx_prof_json_t *j, const ngx_prof_report_t *r)
{
    u_char                   text[NGX_PROF_DEATH_TEXT];
    ngx_str_t                upstream;
    const ngx_prof_crash_t  *c;

    c = &r->crash;

    ngx_prof_json_uint(j, "id", r->number);
    ngx_prof_view_day(j, "time", r->clock);
    ngx_prof_json_uint(j, "worker", r->pid);
    ngx_prof_json_cstring(j, "reason", ngx_prof_death_reason(r->reason));

    ngx_prof_crashes_end(j, r);

    ngx_prof_crashes_summary(text, sizeof(text), r);
    ngx_prof_json_cstring(j, "summary", text);

    ngx_prof_view_cause(j, "function", c->frames, c->n);
    ngx_prof_view_place(j, c->label);
    ngx_prof_zone_upstream(ngx_prof_process.zone,
                           ngx_prof_label_upstream((uint32_t) c->label),
                           &upstream);

    if (upstream.len) {
        ngx_prof_crashes_name(j, "upstream", NULL, upstream.data);

    } else {
        ngx_prof_json_null(j, "upstream");
    }

    if (r->slot) {
        ngx_prof_json_cstring(j, "state",
                              ngx_prof_request_state_name(
                                  ngx_prof_label_state((uint32_t) c->label)));

    } else {
        ngx_prof_json_null(j, "state");
    }

    ngx_prof_crashes_request(j, r);

    ngx_prof_json_uint(j, "alike_before", r->alike);
}


static void
ngx_prof_crashes_end(ngx_prof_json_t *j, const ngx_prof_report_t *r)
{
    ngx_uint_t               signo;
    const ngx_prof_crash_t  *c;

    c = &r->crash;
    signo = ngx_prof_death_signo(r);

    if (signo) {
        ngx_prof_json_cstring(j, "signal", ngx_prof_death_signal(signo));
        ngx_prof_json_uint(j, "signal_number", signo);
        ngx_prof_json_null(j, "exit_code");

    } else {
        ngx_prof_json_null(j, "signal");
        ngx_prof_json_null(j, "signal_number");
        ngx_prof_json_uint(j, "exit_code", WEXITSTATUS((int) r->status));
    }

    ngx_prof_json_bool(j, "core_dumped", signo && WCOREDUMP((int) r->status));
    ngx_prof_json_bool(j, "recorded", r->recorded);

    if (!r->recorded) {
        return;
    }

    ngx_prof_json_int(j, "code", (int64_t) c->code);

    if ((int64_t) c->code > 0) {
        ngx_prof_crashes_hex(j, "address", c->address);
        ngx_prof_json_bool(j, "jump", c->jump);

    } else {
        ngx_prof_json_uint(j, "sender", c->sender);
    }

    ngx_prof_json_uint(j, "thread", c->tid);
    ngx_prof_json_bool(j, "main_thread", c->main);
}


static void
ngx_prof_crashes_request(ngx_prof_json_t *j, const ngx_prof_report_t *r)
{
    const ngx_prof_crash_t  *c;

    c = &r->crash;

    if (!c->request) {
        ngx_prof_json_null(j, "request");
        return;
    }

    ngx_prof_json_open(j, "request", '{');
    ngx_prof_crashes_name(j, "method", NULL, c->method);
    ngx_prof_crashes_name(j, "uri", "uri", c->uri.text);
    ngx_prof_json_bool(j, "uri_cut", c->uri.len > ngx_strlen(c->uri.text));
    ngx_prof_crashes_name(j, "client", "addr", c->client);
    ngx_prof_crashes_name(j, "upstream_address", "addr", c->peer);
    ngx_prof_json_uint(j, "connection", c->connection);
    ngx_prof_json_uint(j, "sent_bytes", c->sent);
    ngx_prof_json_double(j, "age_seconds",
                         ngx_prof_seconds(ngx_prof_passed(c->start, c->clock)));
    ngx_prof_json_close(j, '}');
}


static void
ngx_prof_crashes_name(ngx_prof_json_t *j, const char *key, const char *prefix,
    const u_char *text)
{
    u_char  *end, name[NGX_PROF_DEATH_TEXT];

    if (*text == '\0') {
        ngx_prof_json_null(j, key);

    } else if (prefix && ngx_prof_setting(NGX_PROF_ANONYMIZE)) {
        end = ngx_prof_death_name(name, name + sizeof(name), prefix, text);
        ngx_prof_json_string(j, key, name, end - name);

    } else {
        ngx_prof_json_cstring(j, key, text);
    }
}


static void
ngx_prof_crashes_details(ngx_prof_json_t *j, const ngx_prof_report_t *r)
{
    ngx_uint_t               i;
    const ngx_prof_crash_t  *c;

    c = &r->crash;

    ngx_prof_json_uint(j, "generation", r->generation);

    if (r->lived) {
        ngx_prof_json_double(j, "lived_seconds", ngx_prof_seconds(r->lived));
        ngx_prof_json_uint(j, "requests", r->requests);

    } else {
        ngx_prof_json_null(j, "lived_seconds");
        ngx_prof_json_null(j, "requests");
    }

    if (c->pass && r->recorded) {
        ngx_prof_json_double(j, "pass_seconds",
                        ngx_prof_seconds(ngx_prof_passed(c->pass, c->clock)));
    } else {
        ngx_prof_json_null(j, "pass_seconds");
    }

    ngx_prof_crashes_stack(j, r);

    /* a key may lie in a register, or what a client has sent */

    if (r->recorded && !ngx_prof_setting(NGX_PROF_ANONYMIZE)) {
        ngx_prof_json_open(j, "registers", '{');

        for (i = 0; i <= NGX_PROF_ARCH_REGS; i++) {
            ngx_prof_crashes_hex(j, ngx_prof_crashes_registers[i], c->reg[i]);
        }

        ngx_prof_json_close(j, '}');

    } else {
        ngx_prof_json_null(j, "registers");
    }

    ngx_prof_crashes_before(j, r);
    ngx_prof_crashes_memory(j, r);
    ngx_prof_crashes_versions(j);
}


static void
ngx_prof_crashes_stack(ngx_prof_json_t *j, const ngx_prof_report_t *r)
{
    ngx_uint_t               i;
    const ngx_prof_crash_t  *c;
    ngx_prof_frame_origin_t  origin;

    c = &r->crash;

    ngx_prof_json_open(j, "stack", '[');

    for (i = 0; i < c->n; i++) {
        ngx_prof_json_open(j, NULL, '{');
        ngx_prof_json_cstring(j, "name", ngx_prof_names_get(c->frames[i]));

        if (ngx_prof_frame_origin(c->frames[i], &origin) == NGX_OK) {
            ngx_prof_json_cstring(j, "object", origin.path);
            ngx_prof_crashes_hex(j, "offset", origin.offset);

        } else {
            ngx_prof_json_null(j, "object");
            ngx_prof_json_null(j, "offset");
        }

        ngx_prof_json_close(j, '}');
    }

    ngx_prof_json_close(j, ']');
    ngx_prof_json_bool(j, "damaged", c->damaged != 0);
    ngx_prof_json_open(j, "objects", '[');

    for (i = 0; i < c->n; i++) {

        if (!ngx_prof_crashes_origin(r, i, &origin)) {
            continue;
        }

        ngx_prof_json_open(j, NULL, '{');
        ngx_prof_json_cstring(j, "path", origin.path);

        if (origin.build_id[0]) {
            ngx_prof_json_cstring(j, "build_id", origin.build_id);

        } else {
            ngx_prof_json_null(j, "build_id");
        }

        ngx_prof_json_close(j, '}');
    }

    ngx_prof_json_close(j, ']');
}


/* whether a frame is the first one of its object */

static ngx_uint_t
ngx_prof_crashes_origin(const ngx_prof_report_t *r, ngx_uint_t i,
    ngx_prof_frame_origin_t *origin)
{
    ngx_uint_t               k;
    ngx_prof_frame_origin_t  other;

    if (ngx_prof_frame_origin(r->crash.frames[i], origin) != NGX_OK) {
        return 0;
    }

    for (k = 0; k < i; k++) {

        if (ngx_prof_frame_origin(r->crash.frames[k], &other) == NGX_OK
            && ngx_strcmp(other.path, origin->path) == 0)
        {
            return 0;
        }
    }

    return 1;
}


static void
ngx_prof_crashes_before(ngx_prof_json_t *j, const ngx_prof_report_t *r)
{
    uint64_t    start;
    ngx_uint_t  i;

    ngx_prof_json_open(j, "before", '[');

    for (i = 0; i < r->before_n; i++) {
        start = ngx_prof_crash_pass_start(r->before[i]);

        ngx_prof_json_open(j, NULL, '{');
        ngx_prof_view_place(j, ngx_prof_label(
                                   ngx_prof_crash_pass_place(r->before[i]), 0,
                                   NGX_PROF_STATE_PHASE));
        ngx_prof_json_double(j, "seconds_before",
                          ngx_prof_seconds(ngx_prof_passed(start, r->clock)));
        ngx_prof_json_close(j, '}');
    }

    ngx_prof_json_close(j, ']');
}


static void
ngx_prof_crashes_memory(ngx_prof_json_t *j, const ngx_prof_report_t *r)
{
    ngx_uint_t                      i;
    const ngx_prof_crash_holder_t  *h;

    if (r->tick == 0) {
        ngx_prof_json_null(j, "memory");

    } else {
        ngx_prof_json_open(j, "memory", '{');
        ngx_prof_json_double(j, "seconds_before",
                        ngx_prof_seconds(ngx_prof_passed(r->tick, r->clock)));
        ngx_prof_json_uint(j, "anonymous_bytes", r->anonymous);
        ngx_prof_json_uint(j, "heap_alloc_bytes", r->heap_alloc);
        ngx_prof_json_uint(j, "heap_sys_bytes", r->heap_sys);
        ngx_prof_json_uint(j, "connections", r->connections);
        ngx_prof_json_close(j, '}');
    }

    if (r->place_bytes) {
        ngx_prof_json_open(j, "held_most", '{');
        ngx_prof_view_place(j, r->place_label);
        ngx_prof_json_uint(j, "bytes", r->place_bytes);
        ngx_prof_json_close(j, '}');

    } else {
        ngx_prof_json_null(j, "held_most");
    }

    ngx_prof_json_open(j, "held", '[');

    for (i = 0; i < r->holder_n; i++) {
        h = &r->holder[i];

        ngx_prof_json_open(j, NULL, '{');
        ngx_prof_json_uint(j, "bytes", h->bytes);
        ngx_prof_view_place(j, h->label);

        if (h->frame) {
            ngx_prof_json_cstring(j, "function", ngx_prof_names_get(h->frame));

        } else {
            ngx_prof_json_null(j, "function");
        }

        ngx_prof_json_close(j, '}');
    }

    ngx_prof_json_close(j, ']');
}


static void
ngx_prof_crashes_versions(ngx_prof_json_t *j)
{
    struct utsname  name;

    ngx_prof_json_open(j, "versions", '{');
    ngx_prof_json_cstring(j, "nginx", NGINX_VERSION);
    ngx_prof_json_cstring(j, "module", NGX_PROF_VERSION);

    if (uname(&name) == 0) {
        ngx_prof_json_cstring(j, "kernel", name.release);
        ngx_prof_json_cstring(j, "machine", name.machine);
    }

    if (ngx_prof_version_openssl()) {
        ngx_prof_json_cstring(j, "openssl", ngx_prof_version_openssl());
    }

    if (ngx_prof_version_pcre()) {
        ngx_prof_json_cstring(j, "pcre", ngx_prof_version_pcre());
    }

    if (ngx_prof_version_zlib()) {
        ngx_prof_json_cstring(j, "zlib", ngx_prof_version_zlib());
    }

    ngx_prof_json_close(j, '}');
}


static void
ngx_prof_crashes_summary(u_char *text, size_t size,
    const ngx_prof_report_t *r)
{
    u_char  *p, *last;

    p = text;
    last = text + size - 1;

    p = ngx_prof_death_head(p, last, r);
    p = ngx_prof_death_where(p, last, r, NGX_PROF_CRASHES_NAMES,
                             ngx_prof_names_get);
    p = ngx_prof_death_while(p, last, r);

    *p = '\0';
}


/* a program that reads JSON may know no integers of 64 bits */

static void
ngx_prof_crashes_hex(ngx_prof_json_t *j, const char *key, uint64_t n)
{
    char  text[sizeof("0x") + 16];

    (void) snprintf(text, sizeof(text), "0x%llx", (unsigned long long) n);
    ngx_prof_json_cstring(j, key, text);
}


ngx_int_t
ngx_prof_crashes_text(ngx_prof_work_t *w)
{
    ngx_uint_t                i;
    ngx_prof_text_t          *t;
    const ngx_prof_crash_t   *c;
    ngx_prof_frame_origin_t   origin;
    const ngx_prof_report_t  *report;

    report = ngx_prof_crashes_find(w->report);

    if (report == NULL) {
        return NGX_ERROR;
    }

    t = &w->json.text;
    ngx_str_set(&w->type, "text/plain; charset=utf-8");

    c = &report->crash;
    ngx_prof_crashes_title(t, report);
    ngx_prof_crashes_facts(t, report);

    for (i = 0; i < c->n; i++) {
        ngx_prof_text_printf(t, "#%ui  %s", i,
                             ngx_prof_names_get(c->frames[i]));

        if (ngx_prof_frame_origin(c->frames[i], &origin) == NGX_OK) {
            ngx_prof_text_printf(t, " at 0x%xL of ", origin.offset);
            ngx_prof_text_puts(t, origin.path);
        }

        ngx_prof_text_puts(t, "\n");
    }

    ngx_prof_text_puts(t, "\n");

    for (i = 0; i < c->n; i++) {

        if (ngx_prof_crashes_origin(report, i, &origin)) {
            ngx_prof_text_puts(t, origin.path);
            ngx_prof_text_printf(t, " build id %s\n",
                                 origin.build_id[0] ? origin.build_id
                                                    : "unknown");
        }
    }

    if (report->recorded && !ngx_prof_setting(NGX_PROF_ANONYMIZE)) {

        for (i = 0; i <= NGX_PROF_ARCH_REGS; i++) {
            ngx_prof_text_printf(t, "%s%s 0x%016xL", i % 4 ? "  " : "\n",
                                 ngx_prof_crashes_registers[i], c->reg[i]);
        }

        ngx_prof_text_puts(t, "\n");
    }

    ngx_prof_crashes_earlier(t, report);
    ngx_prof_crashes_held(t, report);

    return NGX_DONE;
}


static void
ngx_prof_crashes_title(ngx_prof_text_t *t, const ngx_prof_report_t *r)
{
    u_char          text[NGX_PROF_DEATH_TEXT];
    ngx_tm_t        tm;
    struct utsname  name;

    ngx_prof_crashes_summary(text, sizeof(text), r);
    ngx_prof_text_puts(t, text);

    ngx_gmtime((time_t) (ngx_prof_zone_day(ngx_prof_process.zone, r->clock)
                         / 1000), &tm);

    ngx_prof_text_printf(t, "\n\n%4d-%02d-%02dT%02d:%02d:%02dZ, nginx "
                         NGINX_VERSION ", profiling " NGX_PROF_VERSION,
                         tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday,
                         tm.ngx_tm_hour, tm.ngx_tm_min, tm.ngx_tm_sec);

    if (uname(&name) == 0) {
        ngx_prof_text_printf(t, ", Linux %s %s", name.release, name.machine);
    }

    if (ngx_prof_version_openssl()) {
        ngx_prof_text_printf(t, ", %s", ngx_prof_version_openssl());
    }

    if (ngx_prof_version_pcre()) {
        ngx_prof_text_printf(t, ", PCRE %s", ngx_prof_version_pcre());
    }

    if (ngx_prof_version_zlib()) {
        ngx_prof_text_printf(t, ", zlib %s", ngx_prof_version_zlib());
    }

    ngx_prof_text_puts(t, "\n");
}


/* what the JSON has and the summary has not */

static void
ngx_prof_crashes_facts(ngx_prof_text_t *t, const ngx_prof_report_t *r)
{
    const ngx_prof_crash_t  *c;

    c = &r->crash;

    if (r->recorded) {
        ngx_prof_text_printf(t, "code %L, thread %uL%s\n", (int64_t) c->code,
                             c->tid, c->main ? ", the main one" : "");
    }

    if (c->request) {
        ngx_prof_text_printf(t, "request: %.6f s old, %uL bytes sent, "
                             "state \"%s\"\n",
               ngx_prof_seconds(ngx_prof_passed(c->start, c->clock)), c->sent,
                             ngx_prof_request_state_name(
                                  ngx_prof_label_state((uint32_t) c->label)));
    }

    if (r->lived) {
        ngx_prof_text_printf(t, "worker: lived %.3f s, %uL requests\n",
                             ngx_prof_seconds(r->lived), r->requests);
    }

    ngx_prof_text_puts(t, "\n");
}


static void
ngx_prof_crashes_earlier(ngx_prof_text_t *t, const ngx_prof_report_t *r)
{
    u_char      *p, text[NGX_PROF_DEATH_TEXT];
    uint64_t     start;
    ngx_uint_t   i;

    for (i = 0; i < r->before_n; i++) {
        start = ngx_prof_crash_pass_start(r->before[i]);

        p = ngx_slprintf(text, text + sizeof(text), "%s%.6f s before",
                         i ? "" : "\n",
                         ngx_prof_seconds(ngx_prof_passed(start, r->clock)));
        p = ngx_prof_label_print(p, text + sizeof(text),
                                 ngx_prof_label(
                                 ngx_prof_crash_pass_place(r->before[i]), 0,
                                 NGX_PROF_STATE_PHASE));

        ngx_prof_text_write(t, text, p - text);
        ngx_prof_text_puts(t, "\n");
    }
}


static void
ngx_prof_crashes_held(ngx_prof_text_t *t, const ngx_prof_report_t *r)
{
    u_char                         *p, text[NGX_PROF_DEATH_TEXT];
    ngx_uint_t                      i;
    const ngx_prof_crash_holder_t  *h;

    if (r->tick) {
        ngx_prof_text_printf(t, "\nmemory %.3f s before: anonymous %uLK, heap "
                             "%uLK of %uLK, %uL connections\n",
                         ngx_prof_seconds(ngx_prof_passed(r->tick, r->clock)),
                             r->anonymous / 1024, r->heap_alloc / 1024,
                             r->heap_sys / 1024, r->connections);
    }

    for (i = 0; i < r->holder_n; i++) {
        h = &r->holder[i];

        p = ngx_slprintf(text, text + sizeof(text), "held: %uLK",
                         h->bytes / 1024);
        p = ngx_prof_label_print(p, text + sizeof(text), h->label);

        ngx_prof_text_write(t, text, p - text);

        if (h->frame) {
            ngx_prof_text_printf(t, ", by %s", ngx_prof_names_get(h->frame));
        }

        ngx_prof_text_puts(t, "\n");
    }
}
