
/*
 * What the tests profile: a location that does one known thing.
 *
 *     profiling_test one 10000;         burns in profiling_test_one_cfi()
 *     profiling_test one 10000 file;    burns 5000 to 15000, and tells: pid,
 *                                       CPU time of the worker before and
 *                                       after, ns, location
 *     profiling_test three_fp 10000;    the same for the other kinds
 *     profiling_test spin;              never comes back
 *     profiling_test sleep 100;         holds the worker up, ms
 *     profiling_test thread 1000000;    burns in a task of a thread pool
 *     profiling_test doze 1000;         sleeps in such a task, ms; nginx knows
 *                                       these two if it has thread pools
 *     profiling_test malloc 1000;       so many random malloc() and free()
 *     profiling_test dlopen 10 file;    loads, calls and unloads an object
 *     profiling_test load 10 file;      loads it, calls it so often, keeps it
 *     profiling_test fork 3;            children that end at once
 *     profiling_test spawn 3;           the same by posix_spawn()
 *     profiling_test crowd 100000;      connections of clients that wait, with
 *                                       no descriptors of their own
 *     profiling_test touch 100;         MiB that are allocated and kept
 *     profiling_test wait_read 0 file;  waits, see block.c
 *     profiling_test die_null 0;        the worker dies, see die.c
 *     profiling_test die_thread 0;      the same in a task of a thread pool
 *     profiling_test die_deep 0;        of its stack, which overflows there
 *     profiling_test die_init 0 file;   workers die as they start, as long as
 *                                       the file is there
 *     profiling_test edges 300;         each worker burns so many ms as it
 *                                       begins, in ..._one_cfi(), and as it
 *                                       exits, in ..._deep_cfi()
 *     profiling_test hold 0;            takes the mutexes of all zones, and
 *                                       never comes back
 *     profiling_test leak 1000000;      and the others of heap.h
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <dlfcn.h>
#include <spawn.h>
#include <time.h>
#include "block.h"
#include "burn.h"
#include "die.h"
#include "heap.h"


typedef struct ngx_http_profiling_test_conf_s  ngx_http_profiling_test_conf_t;

struct ngx_http_profiling_test_conf_s {
    void                  (*act)(ngx_http_profiling_test_conf_t *conf);
    profiling_test_burn_pt  burn;
    profiling_test_wait_pt  wait;
    profiling_test_heap_pt  heap;
    ngx_int_t               n;
    ngx_str_t               file;
    ngx_str_t               location;
};


typedef struct {
    ngx_str_t               name;
    void                  (*act)(ngx_http_profiling_test_conf_t *conf);
    profiling_test_burn_pt  burn;
    profiling_test_heap_pt  heap;
} ngx_http_profiling_test_act_t;


static ngx_int_t ngx_http_profiling_test_handler(ngx_http_request_t *r);
static void ngx_http_profiling_test_burn(
    ngx_http_profiling_test_conf_t *conf);
static uint64_t ngx_http_profiling_test_clock(void);
static void ngx_http_profiling_test_spin(
    ngx_http_profiling_test_conf_t *conf);
static void ngx_http_profiling_test_hold(
    ngx_http_profiling_test_conf_t *conf);
static void ngx_http_profiling_test_wait(
    ngx_http_profiling_test_conf_t *conf);
static void ngx_http_profiling_test_sleep(
    ngx_http_profiling_test_conf_t *conf);
static void ngx_http_profiling_test_malloc(
    ngx_http_profiling_test_conf_t *conf);
static void ngx_http_profiling_test_dlopen(
    ngx_http_profiling_test_conf_t *conf);
static void ngx_http_profiling_test_load(
    ngx_http_profiling_test_conf_t *conf);
static void ngx_http_profiling_test_fork(
    ngx_http_profiling_test_conf_t *conf);
static void ngx_http_profiling_test_spawn(
    ngx_http_profiling_test_conf_t *conf);
static void ngx_http_profiling_test_crowd(
    ngx_http_profiling_test_conf_t *conf);
static ngx_int_t ngx_http_profiling_test_guest(const ngx_connection_t *like);
static void ngx_http_profiling_test_touch(
    ngx_http_profiling_test_conf_t *conf);
static void ngx_http_profiling_test_heap(
    ngx_http_profiling_test_conf_t *conf);
#if (NGX_THREADS)
static ngx_int_t ngx_http_profiling_test_thread(ngx_http_request_t *r,
    ngx_http_profiling_test_conf_t *conf);
static void ngx_http_profiling_test_task(void *data, ngx_log_t *log);
static void ngx_http_profiling_test_doze(uint64_t ms);
static void ngx_http_profiling_test_task_done(ngx_event_t *ev);
#endif
static ngx_int_t ngx_http_profiling_test_init_process(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_profiling_test_send(ngx_http_request_t *r);
static void *ngx_http_profiling_test_create_conf(ngx_conf_t *cf);
static void ngx_http_profiling_test_exit_process(ngx_cycle_t *cycle);
static void ngx_http_profiling_test_edge(profiling_test_burn_pt burn);
static char *ngx_http_profiling_test(ngx_conf_t *cf, ngx_command_t *cmd,
    void *dummy);


/* the file of die_init, or NULL */
static char  *ngx_http_profiling_test_dies;

/* ms of edges */
static ngx_int_t  ngx_http_profiling_test_edges;


static ngx_http_profiling_test_act_t  ngx_http_profiling_test_acts[] = {

    { ngx_string("one"), ngx_http_profiling_test_burn,
      profiling_test_one_cfi, NULL },
    { ngx_string("three"), ngx_http_profiling_test_burn,
      profiling_test_three_cfi, NULL },
    { ngx_string("deep"), ngx_http_profiling_test_burn,
      profiling_test_deep_cfi, NULL },
    { ngx_string("one_fp"), ngx_http_profiling_test_burn,
      profiling_test_one_fp, NULL },
    { ngx_string("three_fp"), ngx_http_profiling_test_burn,
      profiling_test_three_fp, NULL },
    { ngx_string("deep_fp"), ngx_http_profiling_test_burn,
      profiling_test_deep_fp, NULL },
    { ngx_string("one_nocfi"), ngx_http_profiling_test_burn,
      profiling_test_one_nocfi, NULL },
    { ngx_string("three_nocfi"), ngx_http_profiling_test_burn,
      profiling_test_three_nocfi, NULL },
    { ngx_string("deep_nocfi"), ngx_http_profiling_test_burn,
      profiling_test_deep_nocfi, NULL },
    { ngx_string("spin"), ngx_http_profiling_test_spin, NULL, NULL },
    { ngx_string("hold"), ngx_http_profiling_test_hold, NULL, NULL },
    { ngx_string("sleep"), ngx_http_profiling_test_sleep, NULL, NULL },
    { ngx_string("malloc"), ngx_http_profiling_test_malloc, NULL, NULL },
    { ngx_string("dlopen"), ngx_http_profiling_test_dlopen, NULL, NULL },
    { ngx_string("load"), ngx_http_profiling_test_load, NULL, NULL },
    { ngx_string("fork"), ngx_http_profiling_test_fork, NULL, NULL },
    { ngx_string("spawn"), ngx_http_profiling_test_spawn, NULL, NULL },
    { ngx_string("touch"), ngx_http_profiling_test_touch, NULL, NULL },
    { ngx_string("leak"), ngx_http_profiling_test_heap, NULL,
      profiling_test_leak },
    { ngx_string("keep"), ngx_http_profiling_test_heap, NULL,
      profiling_test_keep },
    { ngx_string("drop"), ngx_http_profiling_test_heap, NULL,
      profiling_test_drop },
    { ngx_string("mixed"), ngx_http_profiling_test_heap, NULL,
      profiling_test_mixed },
    { ngx_string("chain"), ngx_http_profiling_test_heap, NULL,
      profiling_test_chain },
    { ngx_string("grow"), ngx_http_profiling_test_heap, NULL,
      profiling_test_grow },
    { ngx_string("family"), ngx_http_profiling_test_heap, NULL,
      profiling_test_family },

    { ngx_string("storm"), ngx_http_profiling_test_heap, NULL,
      profiling_test_storm },
    { ngx_string("cross"), ngx_http_profiling_test_heap, NULL,
      profiling_test_cross },
    { ngx_string("pairs"), ngx_http_profiling_test_heap, NULL,
      profiling_test_pairs },
    { ngx_string("small"), ngx_http_profiling_test_heap, NULL,
      profiling_test_small },
    { ngx_string("crowd"), ngx_http_profiling_test_crowd, NULL, NULL },
    { ngx_string("die_init"), NULL, NULL, NULL },
    { ngx_string("edges"), NULL, NULL, NULL },
#if (NGX_THREADS)
    { ngx_string("die_thread"), NULL, profiling_test_die_thread, NULL },
    { ngx_string("die_deep"), NULL, profiling_test_die_deep, NULL },
    { ngx_string("thread"), NULL, profiling_test_deep_cfi, NULL },
    { ngx_string("doze"), NULL, ngx_http_profiling_test_doze, NULL },
#endif
    { ngx_null_string, NULL, NULL, NULL }
};


static ngx_command_t  ngx_http_profiling_test_commands[] = {

    { ngx_string("profiling_test"),
      NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF|NGX_CONF_TAKE123,
      ngx_http_profiling_test,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_profiling_test_module_ctx = {
    NULL,                                    /* preconfiguration */
    NULL,                                    /* postconfiguration */

    NULL,                                    /* create main configuration */
    NULL,                                    /* init main configuration */

    NULL,                                    /* create server configuration */
    NULL,                                    /* merge server configuration */

    ngx_http_profiling_test_create_conf,     /* create location config */
    NULL                                     /* merge location config */
};


ngx_module_t  ngx_http_profiling_test_module = {
    NGX_MODULE_V1,
    &ngx_http_profiling_test_module_ctx,     /* module context */
    ngx_http_profiling_test_commands,        /* module directives */
    NGX_HTTP_MODULE,                         /* module type */
    NULL,                                    /* init master */
    NULL,                                    /* init module */
    ngx_http_profiling_test_init_process,    /* init process */
    NULL,                                    /* init thread */
    NULL,                                    /* exit thread */
    ngx_http_profiling_test_exit_process,    /* exit process */
    NULL,                                    /* exit master */
    NGX_MODULE_V1_PADDING
};


/* what nginx looks for in an object; its configure writes the same */

ngx_module_t *ngx_modules[] = {
    &ngx_http_profiling_test_module,
    NULL
};

char *ngx_module_names[] = {
    (char *) "ngx_http_profiling_test_module",
    NULL
};

char *ngx_module_order[] = {
    NULL
};


static ngx_int_t
ngx_http_profiling_test_init_process(ngx_cycle_t *cycle)
{
    if (ngx_http_profiling_test_dies) {
        profiling_test_die_init(ngx_http_profiling_test_dies);
    }

    ngx_http_profiling_test_edge(profiling_test_one_cfi);

    return NGX_OK;
}


static void
ngx_http_profiling_test_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_profiling_test_edge(profiling_test_deep_cfi);
}


static void
ngx_http_profiling_test_edge(profiling_test_burn_pt burn)
{
    ngx_int_t        ms;
    struct timespec  begin, now;

    (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);

    do {
        burn(100000);
        (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);

        ms = (now.tv_sec - begin.tv_sec) * 1000
             + (now.tv_nsec - begin.tv_nsec) / 1000000;
    } while (ms < ngx_http_profiling_test_edges);
}


static ngx_int_t
ngx_http_profiling_test_handler(ngx_http_request_t *r)
{
    ngx_int_t                        rc;
    ngx_http_profiling_test_conf_t  *conf;

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    conf = ngx_http_get_module_loc_conf(r, ngx_http_profiling_test_module);

#if (NGX_THREADS)

    if (conf->act == NULL) {
        return ngx_http_profiling_test_thread(r, conf);
    }

#endif

    conf->act(conf);

    return ngx_http_profiling_test_send(r);
}


static void
ngx_http_profiling_test_burn(ngx_http_profiling_test_conf_t *conf)
{
    u_char    line[NGX_MAX_PATH], *last;
    uint64_t  before, after;
    ngx_fd_t  fd;

    if (conf->file.len == 0) {
        conf->burn(conf->n);
        return;
    }

    /* calls that end anywhere between two samples */

    before = ngx_http_profiling_test_clock();
    conf->burn(conf->n / 2 + ngx_random() % conf->n);
    after = ngx_http_profiling_test_clock();

    fd = ngx_open_file(conf->file.data, NGX_FILE_APPEND, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, ngx_errno,
                      "open() \"%V\" failed", &conf->file);
        return;
    }

    last = ngx_slprintf(line, line + NGX_MAX_PATH, "%P %uL %uL %V\n",
                        ngx_pid, before, after, &conf->location);

    (void) ngx_write_fd(fd, line, last - line);
    (void) ngx_close_file(fd);
}


static uint64_t
ngx_http_profiling_test_clock(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);

    return (uint64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
}


static void
ngx_http_profiling_test_spin(ngx_http_profiling_test_conf_t *conf)
{
    for ( ;; ) {
        profiling_test_one_cfi(1000000);
    }
}


static void
ngx_http_profiling_test_hold(ngx_http_profiling_test_conf_t *conf)
{
    ngx_uint_t        i;
    ngx_shm_zone_t   *zone;
    ngx_list_part_t  *part;

    for (part = (ngx_list_part_t *) &ngx_cycle->shared_memory.part;
         part;
         part = part->next)
    {
        zone = part->elts;

        for (i = 0; i < part->nelts; i++) {
            ngx_shmtx_lock(&((ngx_slab_pool_t *) zone[i].shm.addr)->mutex);
        }
    }

    for ( ;; ) {
        pause();
    }
}


static void
ngx_http_profiling_test_wait(ngx_http_profiling_test_conf_t *conf)
{
    conf->wait(conf->n, (char *) conf->file.data);
}


static void
ngx_http_profiling_test_sleep(ngx_http_profiling_test_conf_t *conf)
{
    ngx_msleep(conf->n);
}


static void
ngx_http_profiling_test_malloc(ngx_http_profiling_test_conf_t *conf)
{
    void       *p[256];
    ngx_int_t   i;
    ngx_uint_t  at;

    ngx_memzero(p, sizeof(p));

    for (i = 0; i < conf->n; i++) {
        at = ngx_random() % 256;

        free(p[at]);
        p[at] = malloc(1 + ngx_random() % 20000);
    }

    for (at = 0; at < 256; at++) {
        free(p[at]);
    }
}


static void
ngx_http_profiling_test_dlopen(ngx_http_profiling_test_conf_t *conf)
{
    void                    *handle;
    ngx_int_t                i;
    profiling_test_burn_pt   burn;

    for (i = 0; i < conf->n; i++) {
        handle = dlopen((char *) conf->file.data, RTLD_NOW|RTLD_LOCAL);

        if (handle == NULL) {
            ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, 0,
                          "dlopen() failed (%s)", dlerror());
            return;
        }

        *(void **) &burn = dlsym(handle, "profiling_test_one_plugin");

        if (burn) {
            burn(20000);
        }

        (void) dlclose(handle);
    }
}


static void
ngx_http_profiling_test_load(ngx_http_profiling_test_conf_t *conf)
{
    void                    *handle;
    ngx_int_t                i;
    profiling_test_burn_pt   burn;

    handle = dlopen((char *) conf->file.data, RTLD_NOW|RTLD_LOCAL);

    *(void **) &burn = handle ? dlsym(handle, "profiling_test_deep_plugin")
                              : NULL;

    for (i = 0; burn && i < conf->n; i++) {
        burn(100000);
    }
}


/* the worker's own handler of SIGCHLD waits for them */

static void
ngx_http_profiling_test_fork(ngx_http_profiling_test_conf_t *conf)
{
    ngx_int_t  i;

    for (i = 0; i < conf->n; i++) {

        switch (fork()) {

        case -1:
            ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, ngx_errno,
                          "fork() failed");
            return;

        case 0:
            profiling_test_one_cfi(1000000);
            _exit(0);
        }
    }
}


static void
ngx_http_profiling_test_spawn(ngx_http_profiling_test_conf_t *conf)
{
    int         rc;
    char       *argv[2];
    pid_t       pid;
    ngx_int_t   i;

    argv[0] = (char *) "/bin/true";
    argv[1] = NULL;

    for (i = 0; i < conf->n; i++) {
        rc = posix_spawn(&pid, argv[0], NULL, NULL, argv, environ);

        if (rc != 0) {
            ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, rc,
                          "posix_spawn() failed");
            return;
        }
    }
}


static void
ngx_http_profiling_test_touch(ngx_http_profiling_test_conf_t *conf)
{
    u_char  *p;

    p = malloc((size_t) conf->n << 20);

    if (p) {
        ngx_memset(p, 1, (size_t) conf->n << 20);
    }

    /* or the compiler leaves it all out */

    __asm__ volatile ("" :: "r" (p) : "memory");
}


static void
ngx_http_profiling_test_heap(ngx_http_profiling_test_conf_t *conf)
{
    const char  *wrong;

    wrong = conf->heap(conf->n);

    /* tests find it in the log */

    if (wrong) {
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, 0, "%s", wrong);
    }
}


/* as ngx_event_accept() and ngx_http_init_connection() leave them */

static void
ngx_http_profiling_test_crowd(ngx_http_profiling_test_conf_t *conf)
{
    ngx_int_t          i;
    ngx_uint_t         n;
    ngx_connection_t  *like;

    like = NULL;

    for (n = 0; n < ngx_cycle->connection_n; n++) {
        like = &ngx_cycle->connections[n];

        if (like->fd != (ngx_socket_t) -1 && like->listening
            && !like->read->accept
            && ((ngx_http_request_t *) like->data)->signature
               == NGX_HTTP_MODULE)
        {
            break;
        }
    }

    for (i = 0; n < ngx_cycle->connection_n && i < conf->n; i++) {

        if (ngx_http_profiling_test_guest(like) != NGX_OK) {
            ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, 0,
                          "only %i connections wait", i);
            return;
        }
    }
}


static ngx_int_t
ngx_http_profiling_test_guest(const ngx_connection_t *like)
{
    ngx_log_t              *log;
    ngx_connection_t       *c;
    ngx_http_request_t     *r;
    ngx_http_log_ctx_t     *ctx;
    ngx_http_connection_t  *hc;

    c = ngx_get_connection(like->fd, ngx_cycle->log);
    if (c == NULL) {
        return NGX_ERROR;
    }

    c->pool = ngx_create_pool(512, ngx_cycle->log);
    if (c->pool == NULL) {
        return NGX_ERROR;
    }

    log = ngx_palloc(c->pool, sizeof(ngx_log_t));
    ctx = ngx_palloc(c->pool, sizeof(ngx_http_log_ctx_t));
    hc = ngx_pcalloc(c->pool, sizeof(ngx_http_connection_t));

    if (log == NULL || ctx == NULL || hc == NULL) {
        return NGX_ERROR;
    }

    r = like->data;
    *hc = *r->http_connection;

    ctx->connection = c;
    ctx->request = NULL;
    ctx->current_request = NULL;

    *log = *like->log;
    log->data = ctx;
    log->action = (char *) "waiting for request";

    c->data = hc;
    c->log = log;
    c->type = like->type;
    c->listening = like->listening;
    c->addr_text.len = like->addr_text.len;
    c->addr_text.data = ngx_pstrdup(c->pool, (ngx_str_t *) &like->addr_text);
    c->start_time = ngx_current_msec;
    c->number = ngx_atomic_fetch_add(ngx_connection_counter, 1);
    c->read->handler = like->read->handler;
    c->write->handler = like->write->handler;

    return NGX_OK;
}


#if (NGX_THREADS)

static ngx_int_t
ngx_http_profiling_test_thread(ngx_http_request_t *r,
    ngx_http_profiling_test_conf_t *conf)
{
    ngx_str_t            name;
    ngx_thread_pool_t   *pool;
    ngx_thread_task_t   *task;

    ngx_str_set(&name, "default");

    pool = ngx_thread_pool_get((ngx_cycle_t *) ngx_cycle, &name);
    task = ngx_thread_task_alloc(r->pool,
                                 sizeof(ngx_http_profiling_test_conf_t));

    if (pool == NULL || task == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    *(ngx_http_profiling_test_conf_t *) task->ctx = *conf;

    task->handler = ngx_http_profiling_test_task;
    task->event.handler = ngx_http_profiling_test_task_done;
    task->event.data = r;
    task->event.log = r->connection->log;

    if (ngx_thread_task_post(pool, task) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* a worker that exits waits for timers only */

    ngx_add_timer(&task->event, 60000);

    r->main->blocked++;
    r->main->count++;

    return NGX_DONE;
}


static void
ngx_http_profiling_test_task(void *data, ngx_log_t *log)
{
    ngx_http_profiling_test_conf_t *conf = data;

    conf->burn(conf->n);
}


static void
ngx_http_profiling_test_doze(uint64_t ms)
{
    ngx_msleep(ms);
}


static void
ngx_http_profiling_test_task_done(ngx_event_t *ev)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ev->data;
    c = r->connection;

    if (ev->timer_set) {
        ngx_del_timer(ev);
    }

    r->main->blocked--;

    ngx_http_finalize_request(r, ngx_http_profiling_test_send(r));
    ngx_http_run_posted_requests(c);
}

#endif


static ngx_int_t
ngx_http_profiling_test_send(ngx_http_request_t *r)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t   out;

    static u_char  body[] = "done\n";

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = sizeof(body) - 1;
    ngx_str_set(&r->headers_out.content_type, "text/plain");
    r->headers_out.content_type_len = r->headers_out.content_type.len;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    b->pos = body;
    b->last = body + sizeof(body) - 1;
    b->memory = 1;
    b->last_buf = (r == r->main);
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


static void *
ngx_http_profiling_test_create_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_profiling_test_conf_t));
}


static char *
ngx_http_profiling_test(ngx_conf_t *cf, ngx_command_t *cmd, void *dummy)
{
    ngx_http_profiling_test_conf_t *conf = dummy;

    ngx_str_t                      *value;
    ngx_http_core_loc_conf_t       *clcf;
    ngx_http_profiling_test_act_t  *act;
    const profiling_test_wait_t    *w;

    value = cf->args->elts;

    for (w = profiling_test_waits; w->name; w++) {

        if (ngx_strcmp(w->name, value[1].data) == 0) {
            conf->wait = w->wait;
        }
    }

    for (w = profiling_test_deaths; w->name; w++) {

        if (ngx_strcmp(w->name, value[1].data) == 0) {
            conf->wait = w->wait;
        }
    }

    for (act = ngx_http_profiling_test_acts; act->name.len; act++) {

        if (act->name.len == value[1].len
            && ngx_strcmp(act->name.data, value[1].data) == 0)
        {
            break;
        }
    }

    if (act->name.len == 0 && conf->wait == NULL) {
        return "does not know that";
    }

    conf->act = conf->wait ? ngx_http_profiling_test_wait : act->act;
    conf->burn = act->burn;
    conf->heap = act->heap;

    if (cf->args->nelts > 2) {
        conf->n = ngx_atoi(value[2].data, value[2].len);

        if (ngx_strcmp(value[1].data, "edges") == 0) {
            ngx_http_profiling_test_edges = conf->n;
        }
    }

    if (cf->args->nelts > 3) {
        conf->file = value[3];

        if (ngx_strcmp(value[1].data, "die_init") == 0) {
            ngx_http_profiling_test_dies = (char *) value[3].data;
        }
    }

    if (ngx_strcmp(value[1].data, "die_goes") == 0) {
        profiling_test_goes_init();
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_profiling_test_handler;

    conf->location = clcf->name;

    return NGX_CONF_OK;
}
