
/*
 * Names an address from the debug information, which has lines and inlined
 * calls, and from the symbol table, which names functions that the debug
 * information may lack.
 */


#include <string.h>

#include "demangle.h"
#include "memory.h"
#include "names.h"
#include "nginx.h"
#include "symbols.h"


static void profiling_names_owner(profiling_symbols_t *s, uint64_t address,
    profiling_frame_t *frames, unsigned n);
static void profiling_names_library(profiling_frame_t *frame,
    profiling_nginx_t *x, int64_t k);
static void profiling_names_number(profiling_frame_t *frame, const char *name,
    uint64_t number);
static unsigned profiling_names_part(profiling_frame_t *frame,
    profiling_symbol_t *symbol);


unsigned
profiling_names_frames(profiling_object_t *object, uint64_t offset,
    profiling_frame_t *frames, uint64_t *into)
{
    unsigned              n, i;
    uint64_t              address;
    profiling_range_t    *function;
    profiling_symbol_t   *symbol;
    profiling_frame_t    *frame;
    profiling_symbols_t  *s;

    if (object->symbols == NULL) {
        object->symbols = profiling_symbols_load(object);
        object->symbols->nginx = profiling_nginx_load(object->symbols);
    }

    s = object->symbols;
    *into = 0;

    memset(frames, 0, sizeof(profiling_frame_t));
    frames[0].file = object->path;

    if (!profiling_symbols_address(s, offset, &address)) {
        profiling_names_number(frames, object->name, offset);
        return 1;
    }

    frames[0].file = "";

    n = profiling_lines_frames(s, address, frames);
    frame = &frames[n ? n - 1 : 0];

    function = profiling_symbols_function(s, address);
    symbol = profiling_symbols_find(s, address);

    if (symbol != NULL) {
        *into = address - symbol->start;

        if (n == 0 || !profiling_names_part(frame, symbol)) {
            frame->system_name = symbol->name;
            frame->name = profiling_demangle(symbol->name);
        }

    } else if (function != NULL) {
        *into = address - function->start;
    }

    n = n ? n : 1;

    if (s->nginx == NULL && frame->name == NULL && function != NULL
        && !s->library)
    {
        s->library = 1;
        s->nginx = profiling_library_load(s);
    }

    profiling_names_owner(s, address, frames, n);

    for (i = 0; i < n; i++) {
        if (frames[i].file[0] == '\0') {
            frames[i].file = object->path;
        }
    }

    if (frame->name == NULL) {
        profiling_names_number(frame, object->name, address - *into);
    }

    return n;
}


/* the module of nginx stands for what debug information does not tell */

static void
profiling_names_owner(profiling_symbols_t *s, uint64_t address,
    profiling_frame_t *frames, unsigned n)
{
    int64_t             k;
    unsigned            i;
    const char         *owner, *role;
    profiling_frame_t  *frame;
    profiling_nginx_t  *x;

    x = s->nginx;
    k = x ? profiling_nginx_find(x, address) : -1;

    if (k == -1 || x->owners[k] == NULL) {
        return;
    }

    frame = &frames[n - 1];
    owner = x->owners[k];
    role = x->roles[k];

    if (x->refers) {
        profiling_names_library(frame, x, k);
        return;
    }

    for (i = 0; i < n; i++) {
        frames[i].module = profiling_nginx_module(owner);

        if (frames[i].file[0] == '\0') {
            frames[i].file = owner;
        }
    }

    if (frame->name != NULL) {
        return;
    }

    if (role == NULL || role[0] == '\0') {
        profiling_names_number(frame, owner, x->functions[k].start);
        return;
    }

    frame->name = profiling_printf("%s %s", owner, role);
    frame->system_name = frame->name;
}


static void
profiling_names_library(profiling_frame_t *frame, profiling_nginx_t *x,
    int64_t k)
{
    size_t       len;
    const char  *owner, *name;

    owner = x->owners[k];
    len = strlen(owner);
    name = owner;

    if (frame->name != NULL) {
        return;
    }

    if (len > 2 && strcmp(owner + len - 2, ".c") == 0) {
        frame->file = owner;
        name = strrchr(owner, '/') ? strrchr(owner, '/') + 1 : owner;
    }

    profiling_names_number(frame, name, x->functions[k].start);
}


static void
profiling_names_number(profiling_frame_t *frame, const char *name,
    uint64_t number)
{
    frame->name = profiling_printf("%s+0x%llx", name,
                                   (unsigned long long) number);
    frame->system_name = frame->name;
}


/*
 * Compilers split functions into name.cold, name.part.0, name.constprop.0.
 * The debug information has the name of the original function.
 */

static unsigned
profiling_names_part(profiling_frame_t *frame, profiling_symbol_t *symbol)
{
    size_t  len;

    if (frame->system_name == NULL) {
        return 0;
    }

    len = strlen(frame->system_name);

    return strncmp(symbol->name, frame->system_name, len) == 0
           && symbol->name[len] == '.';
}
