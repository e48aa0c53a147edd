
#include <stdlib.h>
#include <string.h>

#include <libiberty/demangle.h>

#include "demangle.h"
#include "memory.h"


#define PROFILING_MAX_MANGLED  4096


const char *
profiling_demangle(const char *name)
{
    char        *demangled;
    const char  *copy;

    if (strlen(name) > PROFILING_MAX_MANGLED
        || name[0] != '_' || (name[1] != 'Z' && name[1] != 'R'))
    {
        return name;
    }

    /* argument lists would make frames wide; the raw name has them */

    demangled = cplus_demangle(name, DMGL_AUTO);

    if (demangled == NULL) {
        return name;
    }

    copy = profiling_strdup(demangled, strlen(demangled));
    free(demangled);

    return copy;
}
