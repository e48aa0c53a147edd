
/*
 * Reads the structures of modules: ngx_module_t, its context, its commands.
 * nginx has kept their layout since 1.9.11, so that modules can be loaded.
 */


#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "nginx.h"
#include "sort.h"


#define PROFILING_MAX_MODULES   1024
#define PROFILING_MAX_COMMANDS  4096
#define PROFILING_MAX_AREA      (1024 * 1024)

/* ngx_module_t */

#define PROFILING_MODULE_SIZE   200
#define PROFILING_CONTEXT       56
#define PROFILING_COMMANDS      64
#define PROFILING_TYPE          72
#define PROFILING_HOOKS         80

/* ngx_command_t */

#define PROFILING_COMMAND_SIZE  56
#define PROFILING_COMMAND_NAME  8
#define PROFILING_COMMAND_SET   24


/* functions of a context, from its offset on */

typedef struct {
    uint32_t     type;
    unsigned     offset;
    const char  *roles[13];
} profiling_nginx_context_t;


static void profiling_nginx_read(profiling_nginx_t *x,
    profiling_nginx_module_t *m);
static void profiling_nginx_list(profiling_nginx_t *x,
    profiling_nginx_module_t *m, uint64_t slot, const char *const *roles);
static void profiling_nginx_role(profiling_nginx_t *x,
    profiling_nginx_module_t *m, uint64_t slot, const char *kind,
    const char *role);
static void profiling_nginx_areas(profiling_nginx_t *x);
static void profiling_nginx_area_add(profiling_nginx_t *x, uint64_t start,
    uint64_t size, const char *owner);
static void profiling_nginx_join(profiling_nginx_t *x);
static void profiling_nginx_rename(profiling_nginx_t *x, const char *from,
    const char *to);
static unsigned profiling_nginx_ncommands(profiling_nginx_t *x,
    const char *name);


static const char *const  profiling_nginx_hooks[] = {
    "init_master", "init_module", "init_process", "init_thread",
    "exit_thread", "exit_process", "exit_master", NULL
};


static const profiling_nginx_context_t  profiling_nginx_contexts[] = {

    { 0x45524f43 /* CORE */, 16, { "create_conf", "init_conf" } },

    { 0x544e5645 /* EVNT */, 8,
      { "create_conf", "init_conf", "add", "del", "enable", "disable",
        "add_conn", "del_conn", "notify", "process_events", "init",
        "done" } },

    { 0x50545448 /* HTTP */, 0,
      { "preconfiguration", "init", "create_main_conf", "init_main_conf",
        "create_srv_conf", "merge_srv_conf", "create_loc_conf",
        "merge_loc_conf" } },

    { 0x4d525453 /* STRM */, 0,
      { "preconfiguration", "init", "create_main_conf", "init_main_conf",
        "create_srv_conf", "merge_srv_conf" } },

    { 0x4c49414d /* MAIL */, 8,
      { "create_main_conf", "init_main_conf", "create_srv_conf",
        "merge_srv_conf" } }
};


void
profiling_nginx_tables(profiling_nginx_t *x, uint64_t modules, uint64_t names)
{
    size_t                     i, n;
    const char                *name;
    profiling_nginx_module_t  *m;

    x->modules = profiling_calloc(PROFILING_MAX_MODULES,
                                  sizeof(profiling_nginx_module_t));

    for (i = 0; i < PROFILING_MAX_MODULES; i++) {
        m = &x->modules[x->nmodules];

        name = profiling_nginx_string(x,
                                 profiling_nginx_pointer(x, names + i * 8));
        m->address = profiling_nginx_pointer(x, modules + i * 8);

        if (name == NULL || m->address == 0) {
            break;
        }

        if (profiling_nginx_at(x, m->address, PROFILING_MODULE_SIZE)) {
            m->name = name;
            x->nmodules++;
        }
    }

    for (n = 0; n < x->nmodules; n++) {
        profiling_nginx_read(x, &x->modules[n]);
    }

    profiling_nginx_areas(x);
}


static void
profiling_nginx_read(profiling_nginx_t *x, profiling_nginx_module_t *m)
{
    size_t                            i;
    uint64_t                          command, name;
    const char                       *directive;
    const profiling_nginx_context_t  *context;

    m->context = profiling_nginx_pointer(x, m->address + PROFILING_CONTEXT);
    m->commands = profiling_nginx_pointer(x, m->address + PROFILING_COMMANDS);
    m->type = profiling_nginx_number(x, m->address + PROFILING_TYPE);

    profiling_nginx_list(x, m, m->address + PROFILING_HOOKS,
                         profiling_nginx_hooks);

    for (i = 0; m->context != 0 && i < sizeof(profiling_nginx_contexts)
                                       / sizeof(profiling_nginx_context_t);
         i++)
    {
        context = &profiling_nginx_contexts[i];

        if (context->type == m->type) {
            profiling_nginx_list(x, m, m->context + context->offset,
                                 context->roles);
        }
    }

    for (command = m->commands;
         command != 0 && m->ncommands < PROFILING_MAX_COMMANDS;
         command += PROFILING_COMMAND_SIZE)
    {
        name = profiling_nginx_pointer(x, command + PROFILING_COMMAND_NAME);
        directive = profiling_nginx_string(x, name);

        if (directive == NULL) {
            break;
        }

        m->ncommands++;

        profiling_nginx_role(x, m, command + PROFILING_COMMAND_SET,
                             "directive ", directive);
    }
}


static void
profiling_nginx_list(profiling_nginx_t *x, profiling_nginx_module_t *m,
    uint64_t slot, const char *const *roles)
{
    for ( /* void */ ; *roles; roles++, slot += 8) {
        profiling_nginx_role(x, m, slot, "", *roles);
    }
}


/*
 * A table may point to exported functions of other files, which have names.
 * A function of several roles has none.
 */

static void
profiling_nginx_role(profiling_nginx_t *x, profiling_nginx_module_t *m,
    uint64_t slot, const char *kind, const char *role)
{
    int64_t  i;

    i = profiling_nginx_start(x, profiling_nginx_pointer(x, slot));

    if (i == -1 || x->exports[i] != NULL) {
        return;
    }

    x->roles[i] = (x->roles[i] == NULL)
                  ? profiling_printf("%s%s", kind, role) : "";
    x->owners[i] = m->name;
}


/*
 * The linker keeps the data of a file together, so what lies between parts of
 * one module is of its file.  Functions that the file's other tables point to
 * are of the file, too.
 */

static void
profiling_nginx_areas(profiling_nginx_t *x)
{
    size_t                     i;
    int64_t                    k;
    uint64_t                   slot;
    profiling_area_t          *area;
    profiling_pointer_t       *p, *last;
    profiling_nginx_module_t  *m;

    p = x->pointers;
    last = p + x->npointers;

    for (i = 0; i < x->nmodules; i++) {
        m = &x->modules[i];

        profiling_nginx_area_add(x, m->address, PROFILING_MODULE_SIZE,
                                 m->name);
        profiling_nginx_area_add(x, m->context, 8, m->name);
        profiling_nginx_area_add(x, m->commands,
                                 m->ncommands * PROFILING_COMMAND_SIZE,
                                 m->name);
    }

    if (x->nareas == 0) {
        return;
    }

    profiling_sort(x->areas, x->nareas, sizeof(profiling_area_t));

    profiling_nginx_join(x);

    for (i = 0; i < x->nareas; i++) {
        area = &x->areas[i];

        for (slot = (area->start + 7) & ~(uint64_t) 7;
             slot + 8 <= area->end;
             slot += 8)
        {
            while (p < last && p->slot < slot) {
                p++;
            }

            k = profiling_nginx_start(x, (p < last && p->slot == slot)
                                         ? p->value
                                         : profiling_nginx_number(x, slot));

            if (k != -1 && x->exports[k] == NULL && x->owners[k] == NULL) {
                x->owners[k] = area->owner;
            }
        }
    }
}


static void
profiling_nginx_area_add(profiling_nginx_t *x, uint64_t start, uint64_t size,
    const char *owner)
{
    if (start == 0 || size == 0 || size > UINT64_MAX - start) {
        return;
    }

    profiling_nginx_area_push(x, start, start + size, owner);
}


/* modules whose data is mixed are of one file, which has one owner */

static void
profiling_nginx_join(profiling_nginx_t *x)
{
    size_t             i, k, n;
    const char        *one, *two;
    profiling_area_t  *a;

    for (i = 1; i < x->nareas; i++) {
        one = x->areas[i - 1].owner;
        two = x->areas[i].owner;

        for (k = i + 1; one != two && k < x->nareas && k < i + 3; k++) {

            if (x->areas[k].owner != one
                || x->areas[k].end - x->areas[i].start > PROFILING_MAX_AREA)
            {
                continue;
            }

            if (profiling_nginx_ncommands(x, one)
                < profiling_nginx_ncommands(x, two))
            {
                profiling_nginx_rename(x, one, two);

            } else {
                profiling_nginx_rename(x, two, one);
            }

            break;
        }
    }

    for (n = 0, i = 1; i < x->nareas; i++) {
        a = &x->areas[n];

        if (x->areas[i].owner == a->owner
            && x->areas[i].end - a->start <= PROFILING_MAX_AREA)
        {
            if (x->areas[i].end > a->end) {
                a->end = x->areas[i].end;
            }

            continue;
        }

        if (x->areas[i].start < a->end) {
            /* not what the structures of modules can be */
            continue;
        }

        x->areas[++n] = x->areas[i];
    }

    x->nareas = n + 1;
}


static void
profiling_nginx_rename(profiling_nginx_t *x, const char *from, const char *to)
{
    size_t    i;
    uint32_t  k;

    for (i = 0; i < x->nareas; i++) {
        if (x->areas[i].owner == from) {
            x->areas[i].owner = to;
        }
    }

    for (k = 0; k < x->n; k++) {
        if (x->owners[k] == from) {
            x->owners[k] = to;
        }
    }
}


static unsigned
profiling_nginx_ncommands(profiling_nginx_t *x, const char *name)
{
    size_t  i;

    for (i = 0; i < x->nmodules; i++) {
        if (x->modules[i].name == name) {
            return x->modules[i].ncommands;
        }
    }

    return 0;
}
