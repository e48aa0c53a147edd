
/*
 * Names an address from the debug information, which has lines and inlined
 * calls, and from the symbol table, which names functions that the debug
 * information may lack.
 */


#include <string.h>

#include "demangle.h"
#include "memory.h"
#include "names.h"
#include "symbols.h"


static unsigned profiling_names_part(profiling_frame_t *frame,
    profiling_symbol_t *symbol);


unsigned
profiling_names_frames(profiling_object_t *object, uint64_t offset,
    profiling_frame_t *frames, uint64_t *into)
{
    unsigned              n;
    uint64_t              address;
    profiling_range_t    *function;
    profiling_symbol_t   *symbol;
    profiling_frame_t    *frame;
    profiling_symbols_t  *s;

    if (object->symbols == NULL) {
        object->symbols = profiling_symbols_load(object);
    }

    s = object->symbols;
    *into = 0;

    memset(frames, 0, sizeof(profiling_frame_t));
    frames[0].file = "";

    if (!profiling_symbols_address(s, offset, &address)) {
        frames[0].name = profiling_printf("%s+0x%llx", object->name,
                                          (unsigned long long) offset);
        frames[0].system_name = frames[0].name;
        return 1;
    }

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

        return n ? n : 1;
    }

    if (function != NULL) {
        *into = address - function->start;
    }

    if (n != 0 && frame->name != NULL) {
        return n;
    }

    frame->name = profiling_printf("%s+0x%llx", object->name,
                                   (unsigned long long) (address - *into));
    frame->system_name = frame->name;

    return n ? n : 1;
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
