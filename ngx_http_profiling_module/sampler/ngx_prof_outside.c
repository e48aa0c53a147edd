
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_outside.h"
#include "ngx_prof_alive.h"
#include "ngx_prof_arch.h"
#include "ngx_prof_base.h"
#include "ngx_prof_clock.h"
#include "ngx_prof_context.h"
#include "ngx_prof_label.h"
#include "ngx_prof_owner.h"
#include "ngx_prof_record.h"
#include "ngx_prof_unwind.h"


/* bytes of a stack that are read */
#define NGX_PROF_OUTSIDE_STACK  262144


/* what another worker has where this one has the same */

typedef struct {
    int                        fd;        /* its /proc/<pid>/mem, or -1 */
    ngx_prof_registers_t       registers;
    size_t                     size;      /* bytes of the stack, 0: none */
    ngx_prof_context_t        *contexts;
    uintptr_t                  array;
    size_t                     array_size;
    uintptr_t                  base;
    ngx_prof_context_t         latest;
} ngx_prof_memory_t;


static ngx_int_t ngx_prof_outside_call(const ngx_prof_slot_t *slot,
    ngx_prof_call_t *call);
static ngx_int_t ngx_prof_outside_open(ngx_pid_t pid, const char *name);
static ngx_int_t ngx_prof_outside_registers(ngx_pid_t pid,
    const ngx_prof_call_t *call, ngx_prof_registers_t *registers);
static void ngx_prof_outside_stack(ngx_prof_memory_t *m);
static ngx_int_t ngx_prof_outside_get(const ngx_prof_memory_t *m,
    const void *from, void *to, size_t size);
static void ngx_prof_outside_walk(const ngx_prof_memory_t *m,
    const ngx_prof_call_t *call, ngx_prof_outside_t *o);
static uint32_t ngx_prof_outside_label(ngx_prof_memory_t *m);
static uint64_t ngx_prof_outside_place(const ngx_prof_memory_t *m,
    uintptr_t word);


static uint64_t  ngx_prof_outside_copy[NGX_PROF_OUTSIDE_STACK
                                       / sizeof(uint64_t)];


ngx_int_t
ngx_prof_outside(const ngx_prof_slot_t *slot, ngx_prof_outside_t *o)
{
    u_char             state;
    ngx_pid_t          pid;
    ngx_prof_call_t    call, again;
    ngx_prof_memory_t  m;

    pid = ngx_prof_slot_pid(slot);
    o->pass = ngx_prof_load_acquire(&slot->pass_start);

    if (pid == 0
        || o->pass == 0
        || ngx_prof_slot_waiting(slot)
        || ngx_prof_load(&slot->image) != ngx_prof_waiter.image
        || ngx_prof_outside_call(slot, &call) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    (void) ngx_prof_process_start(pid, &state);

    if (state != 'S' && state != 'D') {
        return NGX_DECLINED;
    }

    ngx_memzero(&m, sizeof(ngx_prof_memory_t));

    m.fd = ngx_prof_outside_open(pid, "mem");

    if (m.fd != -1
        && ngx_prof_outside_registers(pid, &call, &m.registers) == NGX_OK)
    {
        ngx_prof_outside_stack(&m);
    }

    o->n = 0;
    o->label = ngx_prof_label(call.place, 0, call.place
                                             ? NGX_PROF_STATE_PHASE
                                             : NGX_PROF_STATE_OTHER);

    if (m.size) {
        o->label = ngx_prof_outside_label(&m);
    }

    if (m.fd != -1) {
        (void) close(m.fd);
    }

    /* what was read is of this call if the worker is still in it */

    if (ngx_prof_outside_call(slot, &again) != NGX_OK
        || again.start != call.start
        || ngx_prof_load_acquire(&slot->pass_start) != o->pass
        || ngx_prof_slot_waiting(slot))
    {
        return NGX_DECLINED;
    }

    o->hooked = (call.start != 0);
    o->begin = o->pass;

    if (o->hooked) {
        o->begin = ngx_prof_clock()
                   - ngx_prof_counter_took(ngx_prof_counter_read()
                                           - call.start);
        o->begin = ngx_max(o->begin, o->pass);
    }

    if (m.size) {
        ngx_prof_outside_walk(&m, &call, o);

    } else if (o->hooked) {
        o->pcs[o->n++] = call.function + 1;
    }

    return o->n ? NGX_OK : NGX_DECLINED;
}


/* NGX_AGAIN: it is being written */

static ngx_int_t
ngx_prof_outside_call(const ngx_prof_slot_t *slot, ngx_prof_call_t *call)
{
    uint64_t  start;

    start = ngx_prof_load_acquire(&slot->call.start);

    if (start == 0) {
        ngx_memzero(call, sizeof(ngx_prof_call_t));
        return NGX_OK;
    }

    ngx_prof_copy_words(call, &slot->call, sizeof(ngx_prof_call_t));
    __atomic_thread_fence(__ATOMIC_ACQUIRE);

    return (ngx_prof_load(&slot->call.start) == start
            && call->start == start) ? NGX_OK : NGX_AGAIN;
}


static ngx_int_t
ngx_prof_outside_open(ngx_pid_t pid, const char *name)
{
    char  path[sizeof("/proc//syscall") + NGX_INT64_LEN];

    (void) snprintf(path, sizeof(path), "/proc/%d/%s", (int) pid, name);

    return open(path, O_RDONLY|O_CLOEXEC);
}


/* "0 0x3 0x7ffd.. 0x1 0x0 0x0 0x0 0x7ffd.. 0x7f..": the last are sp and pc */

static ngx_int_t
ngx_prof_outside_registers(ngx_pid_t pid, const ngx_prof_call_t *call,
    ngx_prof_registers_t *registers)
{
    int       fd;
    char     *p, text[256];
    ssize_t   n;

    if (call->start) {
        registers->pc = call->pc;
        registers->kept = 1;
        ngx_memcpy(registers->reg, call->reg, sizeof(call->reg));

        return NGX_OK;
    }

    fd = ngx_prof_outside_open(pid, "syscall");

    if (fd == -1) {
        return NGX_ERROR;
    }

    n = read(fd, text, sizeof(text) - 1);
    (void) close(fd);

    text[n > 0 ? n : 0] = '\0';

    p = strrchr(text, ' ');

    if (p == NULL) {
        /* "running" */
        return NGX_ERROR;
    }

    registers->pc = strtoull(p + 1, NULL, 16);
    *p = '\0';

    p = strrchr(text, ' ');

    if (p == NULL) {
        return NGX_ERROR;
    }

    registers->reg[NGX_PROF_ARCH_SP] = strtoull(p + 1, NULL, 16);
    registers->kept = 0;

    return NGX_OK;
}


/* workers are forked of one master: all have its stack at the same place */

static void
ngx_prof_outside_stack(ngx_prof_memory_t *m)
{
    size_t                   size;
    uint64_t                 lo;
    const ngx_prof_stack_t  *stack;

    stack = &ngx_prof_waiter.stack;
    lo = m->registers.reg[NGX_PROF_ARCH_SP] & ~(uint64_t) 7;

    if (lo < stack->lo || lo >= stack->top) {
        return;
    }

    size = stack->top - lo;

    if (size > NGX_PROF_OUTSIDE_STACK
        || ngx_prof_outside_get(m, (void *) (uintptr_t) lo,
                                ngx_prof_outside_copy, size)
           != NGX_OK)
    {
        return;
    }

    m->size = size;
}


static ngx_int_t
ngx_prof_outside_get(const ngx_prof_memory_t *m, const void *from, void *to,
    size_t size)
{
    return pread(m->fd, to, size, (off_t) (uintptr_t) from) == (ssize_t) size
           ? NGX_OK : NGX_ERROR;
}


/* pcs are as of ngx_prof_wait_stack() */

static void
ngx_prof_outside_walk(const ngx_prof_memory_t *m, const ngx_prof_call_t *call,
    ngx_prof_outside_t *o)
{
    ngx_prof_unwind_t  result;

    o->n = ngx_prof_unwind_copy(&m->registers, ngx_prof_outside_copy,
                                ngx_prof_waiter.stack.top, o->pcs + 1,
                                NGX_PROF_FRAMES, &result);

    if (!ngx_prof_frame_is_synthetic(o->pcs[1])) {
        o->pcs[1]++;
    }

    if (o->hooked) {
        o->n = ngx_prof_wait_below(o->pcs, o->n + 1,
                                   (void *) (uintptr_t) call->function);

    } else {
        o->n = ngx_prof_wait_cut(o->pcs, o->n + 1, 0, 1);
    }
}


/*
 * The place of the connection that is served: the outermost word of the stack
 * that points to one which has a request.
 */

static uint32_t
ngx_prof_outside_label(ngx_prof_memory_t *m)
{
    size_t     i;
    uint64_t   place, lo;

    if (ngx_prof_outside_get(m, &ngx_prof_contexts, &m->contexts,
                             sizeof(m->contexts)) != NGX_OK
        || ngx_prof_outside_get(m, &ngx_prof_array, &m->array,
                                sizeof(m->array)) != NGX_OK
        || ngx_prof_outside_get(m, &ngx_prof_array_size, &m->array_size,
                                sizeof(m->array_size)) != NGX_OK
        || ngx_prof_outside_get(m, &ngx_prof_base, &m->base,
                                sizeof(m->base)) != NGX_OK
        || ngx_prof_outside_get(m, &ngx_prof_latest, &m->latest,
                                sizeof(m->latest)) != NGX_OK)
    {
        return ngx_prof_label(0, 0, NGX_PROF_STATE_OTHER);
    }

    lo = m->registers.reg[NGX_PROF_ARCH_SP] & ~(uint64_t) 7;
    i = (m->base > lo) ? (m->base - lo) / sizeof(uint64_t) : 0;
    i = ngx_min(i, m->size / sizeof(uint64_t));

    while (i-- > 0) {
        place = ngx_prof_outside_place(m, ngx_prof_outside_copy[i]);

        if (place) {
            return ngx_prof_label(place, 0, NGX_PROF_STATE_PHASE);
        }
    }

    return ngx_prof_label(0, 0, NGX_PROF_STATE_OTHER);
}


/* the place + 1 of the request that a connection serves; 0: none */

static uint64_t
ngx_prof_outside_place(const ngx_prof_memory_t *m, uintptr_t word)
{
    uintptr_t           offset;
    ngx_prof_context_t  context;

    offset = word - m->array;

    if (offset >= m->array_size || offset % sizeof(ngx_connection_t)) {
        return 0;
    }

    if (m->latest.request && m->latest.connection == word) {
        return m->latest.place;
    }

    if (ngx_prof_outside_get(m, m->contexts
                                + offset / sizeof(ngx_connection_t),
                             &context, sizeof(context))
        != NGX_OK)
    {
        return 0;
    }

    return context.request ? context.place : 0;
}
