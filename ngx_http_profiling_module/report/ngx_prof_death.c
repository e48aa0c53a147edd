
#include <ngx_config.h>
#include <ngx_core.h>
#include <sys/wait.h>
#include "ngx_prof_death.h"
#include "ngx_prof_anonymous.h"
#include "ngx_prof_frame.h"
#include "ngx_prof_label.h"
#include "ngx_prof_settings.h"
#include "ngx_prof_worker.h"


static const char *ngx_prof_death_doing(uint64_t label);
static u_char *ngx_prof_death_end(u_char *p, u_char *last,
    const ngx_prof_report_t *r);
static u_char *ngx_prof_death_killer(u_char *p, u_char *last,
    const ngx_prof_report_t *r);
static u_char *ngx_prof_death_text(u_char *p, u_char *last,
    const u_char *text);


typedef struct {
    ngx_uint_t   signo;
    const char  *name;
} ngx_prof_death_signal_t;


const char *
ngx_prof_death_signal(ngx_uint_t signo)
{
    ngx_uint_t  i;

    static const ngx_prof_death_signal_t  names[] = {
        { SIGSEGV, "SIGSEGV" }, { SIGBUS, "SIGBUS" }, { SIGILL, "SIGILL" },
        { SIGFPE, "SIGFPE" }, { SIGABRT, "SIGABRT" }, { SIGSYS, "SIGSYS" },
        { SIGKILL, "SIGKILL" }, { SIGTERM, "SIGTERM" }, { SIGINT, "SIGINT" },
        { SIGQUIT, "SIGQUIT" }, { SIGHUP, "SIGHUP" }, { SIGTRAP, "SIGTRAP" },
        { SIGXCPU, "SIGXCPU" }, { SIGXFSZ, "SIGXFSZ" },
        { SIGALRM, "SIGALRM" }, { SIGVTALRM, "SIGVTALRM" },
        { SIGPROF, "SIGPROF" }, { SIGPIPE, "SIGPIPE" },
        { SIGUSR1, "SIGUSR1" }, { SIGUSR2, "SIGUSR2" }, { SIGIO, "SIGIO" },
        { 0, NULL }
    };

    static char  other[sizeof("signal ") + NGX_INT_T_LEN];

    for (i = 0; names[i].name; i++) {

        if (names[i].signo == signo) {
            return names[i].name;
        }
    }

    (void) snprintf(other, sizeof(other), "signal %d", (int) signo);

    return other;
}


const char *
ngx_prof_death_reason(ngx_uint_t reason)
{
    static const char *const  names[] = {
        "crash", "oom", "killed", "code", "startup"
    };

    return names[reason];
}


ngx_uint_t
ngx_prof_death_signo(const ngx_prof_report_t *r)
{
    int  status;

    status = (int) r->status;

    return WIFSIGNALED(status) ? (ngx_uint_t) WTERMSIG(status) : 0;
}


u_char *
ngx_prof_death_head(u_char *p, u_char *last, const ngx_prof_report_t *r)
{
    p = ngx_slprintf(p, last, "worker process %P ", (ngx_pid_t) r->pid);

    if (r->reason == NGX_PROF_DEATH_STARTUP) {
        p = ngx_slprintf(p, last, "never came up: it ");
    }

    return ngx_prof_death_end(p, last, r);
}


static u_char *
ngx_prof_death_end(u_char *p, u_char *last, const ngx_prof_report_t *r)
{
    const char  *name;

    name = ngx_prof_death_signal(ngx_prof_death_signo(r));

    switch (r->kind) {

    case NGX_PROF_DEATH_CRASH:
        p = ngx_slprintf(p, last, "died of %s", name);
        return ngx_prof_death_killer(p, last, r);

    case NGX_PROF_DEATH_OOM:
        return ngx_slprintf(p, last, "was killed by the kernel, for want of "
                            "memory (%s)", name);

    case NGX_PROF_DEATH_KILLED:
        return ngx_slprintf(p, last, "was killed by %s", name);

    default:
        return ngx_slprintf(p, last, "exited with code %d",
                            WEXITSTATUS((int) r->status));
    }
}


static u_char *
ngx_prof_death_killer(u_char *p, u_char *last, const ngx_prof_report_t *r)
{
    const ngx_prof_crash_t  *c;

    c = &r->crash;

    if (!r->recorded) {
        return p;
    }

    if ((int64_t) c->code > 0) {
        return ngx_slprintf(p, last, " (address 0x%xL%s)", c->address,
                            c->jump ? ", which is no code" : "");
    }

    if (c->sender && c->sender != r->pid) {
        return ngx_slprintf(p, last, " (sent by process %uL)", c->sender);
    }

    return p;
}


u_char *
ngx_prof_death_where(u_char *p, u_char *last, const ngx_prof_report_t *r,
    ngx_uint_t max, const char *(*name)(uint64_t frame))
{
    ngx_int_t                i;
    ngx_uint_t               k;
    const ngx_prof_crash_t  *c;

    c = &r->crash;

    if (c->n == 0) {
        return p;
    }

    i = ngx_prof_frame_cause(c->frames, c->n);

    if (i == NGX_ERROR) {
        i = 0;
    }

    for (k = i; k < c->n && k < i + max; k++) {
        p = ngx_slprintf(p, last, "%s%s", k == (ngx_uint_t) i ? " in " : " < ",
                         name(c->frames[k]));
    }

    return p;
}


u_char *
ngx_prof_death_while(u_char *p, u_char *last, const ngx_prof_report_t *r)
{
    ngx_str_t                upstream;
    ngx_prof_place_name_t    place;
    const ngx_prof_crash_t  *c;

    c = &r->crash;

    if (!r->slot) {
        return p;
    }

    p = ngx_slprintf(p, last, ", while %s", ngx_prof_death_doing(c->label));

    if (c->request) {
        p = ngx_slprintf(p, last, " \"");
        p = ngx_prof_death_text(p, last, c->method);
        p = ngx_slprintf(p, last, " ");
        p = ngx_prof_death_name(p, last, "uri", c->uri.text);
        p = ngx_slprintf(p, last, "\", client: ");
        p = ngx_prof_death_name(p, last, "addr", c->client);
    }

    ngx_prof_label_where(c->label, &place);

    if (place.server.len) {
        p = ngx_slprintf(p, last, ", server: %V", &place.server);
    }

    if (place.has_location) {
        p = ngx_slprintf(p, last, ", location: \"%V\"", &place.location);
    }

    ngx_prof_zone_upstream(ngx_prof_process.zone,
                           ngx_prof_label_upstream((uint32_t) c->label),
                           &upstream);

    if (c->peer[0]) {
        p = ngx_slprintf(p, last, ", upstream: \"");
        p = ngx_prof_death_name(p, last, "addr", c->peer);
        p = ngx_slprintf(p, last, "\"");

    } else if (upstream.len) {
        p = ngx_slprintf(p, last, ", upstream: \"%V\"", &upstream);
    }

    if (c->request) {
        p = ngx_slprintf(p, last, ", connection: *%uL", c->connection);
    }

    return p;
}


u_char *
ngx_prof_death_name(u_char *p, u_char *last, const char *prefix,
    const u_char *text)
{
    u_char  *end, name[NGX_PROF_ANONYMOUS_LEN];

    if (!ngx_prof_setting(NGX_PROF_ANONYMIZE)) {
        return ngx_prof_death_text(p, last, text);
    }

    end = ngx_prof_anonymous(name, prefix, text, ngx_strlen(text));

    return ngx_slprintf(p, last, "%*s", (size_t) (end - name), name);
}


/* a client wrote it: it must not end a line, nor what it stands in */

static u_char *
ngx_prof_death_text(u_char *p, u_char *last, const u_char *text)
{
    for ( /* void */ ; *text; text++) {

        if (*text < ' ' || *text == '"' || *text == '\\' || *text >= 0x7f) {
            p = ngx_slprintf(p, last, "\\x%02xd", (int) *text);

        } else {
            p = ngx_slprintf(p, last, "%c", *text);
        }
    }

    return p;
}


/* "processing request" */

static const char *
ngx_prof_death_doing(uint64_t label)
{
    static const char *const  doing[] = {
        "waiting for events", "accepting a connection", "SSL handshaking",
        "reading client request", "processing request",
        "talking to upstream for", "sending to client", "keeping alive",
        "working in a thread", "doing something else"
    };

    return doing[ngx_min(ngx_prof_label_state((uint32_t) label),
                         NGX_PROF_STATES - 1)];
}
