
#include "nginx_functions.h"

#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <sys/mman.h>


#if (__LP64__)
typedef Elf64_Ehdr  test_ehdr_t;
typedef Elf64_Phdr  test_phdr_t;
typedef Elf64_Dyn   test_dyn_t;
#else
typedef Elf32_Ehdr  test_ehdr_t;
typedef Elf32_Phdr  test_phdr_t;
typedef Elf32_Dyn   test_dyn_t;
#endif


static ngx_uint_t test_nginx_copy(const char *name, char *path);


static u_char    *(*test_vslprintf)(u_char *, u_char *, const char *,
                                    va_list);
static void       (*test_gmtime)(time_t, ngx_tm_t *);
static ngx_int_t  (*test_parse_time)(ngx_str_t *, ngx_uint_t);
static off_t      (*test_parse_offset)(ngx_str_t *);
static ngx_int_t  (*test_atoi)(u_char *, size_t);
static ngx_int_t  (*test_strcasecmp)(u_char *, u_char *);


ngx_uint_t
test_nginx(const char **why)
{
    char         path[] = "/tmp/profiling-nginx.XXXXXX";
    void        *nginx;
    ngx_uint_t   i;

    const char        *names[] = { getenv("BINARY"), "/usr/sbin/nginx" };
    const struct {
        const char    *name;
        void          *function;
    } symbols[] = {
        { "ngx_vslprintf", &test_vslprintf },
        { "ngx_gmtime", &test_gmtime },
        { "ngx_parse_time", &test_parse_time },
        { "ngx_parse_offset", &test_parse_offset },
        { "ngx_atoi", &test_atoi },
        { "ngx_strcasecmp", &test_strcasecmp }
    };

    if (!test_nginx_copy(names[0], path) && !test_nginx_copy(names[1], path)) {
        *why = "no nginx that is position-independent";
        return 0;
    }

    nginx = dlopen(path, RTLD_NOW|RTLD_LOCAL);
    (void) unlink(path);

    if (nginx == NULL) {
        *why = dlerror();
        return 0;
    }

    for (i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
        *(void **) symbols[i].function = dlsym(nginx, symbols[i].name);

        if (*(void **) symbols[i].function == NULL) {
            *why = symbols[i].name;
            return 0;
        }
    }

    return 1;
}


/* a program can be loaded like a library if it does not say what it is */

static ngx_uint_t
test_nginx_copy(const char *name, char *path)
{
    int           from, to;
    u_char       *p;
    ngx_uint_t    i, pie;
    test_dyn_t   *dyn;
    struct stat   st;
    test_ehdr_t  *header;
    test_phdr_t  *segment;

    from = name ? open(name, O_RDONLY) : -1;

    if (from == -1 || fstat(from, &st) == -1
        || (size_t) st.st_size < sizeof(test_ehdr_t))
    {
        return 0;
    }

    p = mmap(NULL, st.st_size, PROT_READ|PROT_WRITE, MAP_PRIVATE, from, 0);
    (void) close(from);

    if (p == MAP_FAILED) {
        return 0;
    }

    header = (test_ehdr_t *) p;
    pie = 0;

    if (memcmp(p, ELFMAG, SELFMAG) == 0 && header->e_type == ET_DYN) {
        segment = (test_phdr_t *) (p + header->e_phoff);

        for (i = 0; i < header->e_phnum; i++) {

            if (segment[i].p_type != PT_DYNAMIC) {
                continue;
            }

            for (dyn = (test_dyn_t *) (p + segment[i].p_offset);
                 dyn->d_tag != DT_NULL;
                 dyn++)
            {
                if (dyn->d_tag == DT_FLAGS_1) {
                    dyn->d_un.d_val &= ~DF_1_PIE;
                    pie = 1;
                }
            }
        }
    }

    to = pie ? mkstemp(path) : -1;

    if (to != -1) {
        pie = write(to, p, st.st_size) == st.st_size;
        (void) close(to);
    }

    (void) munmap(p, st.st_size);

    return to != -1 && pie;
}


u_char *
ngx_vslprintf(u_char *buf, u_char *last, const char *fmt, va_list args)
{
    return test_vslprintf(buf, last, fmt, args);
}


u_char *
ngx_slprintf(u_char *buf, u_char *last, const char *fmt, ...)
{
    u_char   *p;
    va_list   args;

    va_start(args, fmt);
    p = test_vslprintf(buf, last, fmt, args);
    va_end(args);

    return p;
}


u_char *
ngx_snprintf(u_char *buf, size_t max, const char *fmt, ...)
{
    u_char   *p;
    va_list   args;

    va_start(args, fmt);
    p = test_vslprintf(buf, buf + max, fmt, args);
    va_end(args);

    return p;
}


void
ngx_gmtime(time_t t, ngx_tm_t *tp)
{
    test_gmtime(t, tp);
}


ngx_int_t
ngx_parse_time(ngx_str_t *line, ngx_uint_t is_sec)
{
    return test_parse_time(line, is_sec);
}


off_t
ngx_parse_offset(ngx_str_t *line)
{
    return test_parse_offset(line);
}


ngx_int_t
ngx_atoi(u_char *line, size_t n)
{
    return test_atoi(line, n);
}


ngx_int_t
ngx_strcasecmp(u_char *s1, u_char *s2)
{
    return test_strcasecmp(s1, s2);
}
