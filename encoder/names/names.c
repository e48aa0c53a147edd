
/*
 * Names an address from the debug information, which has lines and inlined
 * calls, and from the symbol table, which names functions that the debug
 * information may lack.
 */


#include <string.h>

#include "demangle.h"
#include "kept.h"
#include "memory.h"
#include "names.h"
#include "nginx.h"
#include "symbols.h"


static void profiling_names_learn(profiling_object_t *object,
    unsigned library);
static void profiling_names_owner(profiling_symbols_t *s, uint64_t address,
    profiling_frame_t *frames, unsigned n);
static void profiling_names_library(profiling_frame_t *frame,
    const char *owner, uint64_t start);
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
        profiling_names_learn(object, 0);
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

    if (s->learned == NULL && frame->name == NULL && function != NULL) {
        profiling_names_learn(object, 1);
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


/*
 * To look at a file takes millions of instructions.  A library is looked at
 * when one of its functions has no name.
 */

static void
profiling_names_learn(profiling_object_t *object, unsigned library)
{
    profiling_nginx_t    *x;
    profiling_symbols_t  *s;

    s = object->symbols;

    if (!s->modules && !library) {
        return;
    }

    s->learned = profiling_kept_find(object->build_id);

    if (s->learned != NULL) {
        return;
    }

    x = library ? profiling_library_load(s) : profiling_nginx_load(s);

    if (x != NULL || library) {
        s->learned = profiling_learned_make(x, object->build_id);
        profiling_kept_put(s->learned);
    }
}


/* the module of nginx stands for what debug information does not tell */

static void
profiling_names_owner(profiling_symbols_t *s, uint64_t address,
    profiling_frame_t *frames, unsigned n)
{
    unsigned                             i;
    const char                          *owner, *role;
    profiling_frame_t                   *frame;
    const profiling_learned_function_t  *f;

    f = s->learned ? profiling_learned_find(s->learned, address) : NULL;

    if (f == NULL) {
        return;
    }

    frame = &frames[n - 1];
    owner = s->learned->text + f->owner;
    role = s->learned->text + f->role;

    if (s->learned->library) {
        profiling_names_library(frame, owner, f->start);
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

    if (role[0] == '\0') {
        profiling_names_number(frame, owner, f->start);
        return;
    }

    frame->name = profiling_printf("%s %s", owner, role);
    frame->system_name = frame->name;
}


static void
profiling_names_library(profiling_frame_t *frame, const char *owner,
    uint64_t start)
{
    size_t       len;
    const char  *name;

    len = strlen(owner);
    name = owner;

    if (frame->name != NULL) {
        return;
    }

    if (len > 2 && strcmp(owner + len - 2, ".c") == 0) {
        frame->file = owner;
        name = strrchr(owner, '/') ? strrchr(owner, '/') + 1 : owner;
    }

    profiling_names_number(frame, name, start);
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
