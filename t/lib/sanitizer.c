
/*
 * Preloaded with the sanitizers, see t/run: where UBSan reports to, and its
 * options.  It reads these when it has found something, and by then nginx has
 * put the title of a process over its environment; and it sets the place in
 * ASan, as both have a function of that name.
 */


#define _GNU_SOURCE

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>


const char  *__ubsan_default_options(void);


static char  options[4096];


static void __attribute__((constructor))
prepare(void)
{
    void         *ubsan;
    char         *place, path[4096];
    void        (*set)(const char *path);
    const char   *value;

    value = getenv("UBSAN_OPTIONS");
    (void) snprintf(options, sizeof(options), "%s", value ? value : "");

    place = getenv("SANITIZER_REPORTS");
    ubsan = dlopen("libubsan.so.1", RTLD_LAZY|RTLD_NOLOAD);

    if (place == NULL || ubsan == NULL) {
        return;
    }

    set = (void (*)(const char *)) dlsym(ubsan, "__sanitizer_set_report_path");

    if (set != NULL) {
        (void) snprintf(path, sizeof(path), "%s/ubsan", place);
        set(path);
    }
}


const char *
__ubsan_default_options(void)
{
    return options;
}
