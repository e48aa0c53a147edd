
/*
 * What is certain of a library's functions that have no name.
 *
 * A function that tells where it failed has the name of its source file, and
 * the linker keeps the functions of a file together.  Assembly of OpenSSL says
 * what it is behind its constants.  What an IFUNC chooses from implements it.
 * What only one exported function refers to, by calls or a table, is local to
 * it.  Names of functions in such texts are no proof: what is inlined has them
 * too.
 */


#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <ctype.h>
#include <string.h>

#include "memory.h"
#include "nginx.h"
#include "sort.h"
#include "table.h"


#define PROFILING_MAX_FILE    256
#define PROFILING_MAX_ROUNDS  4
#define PROFILING_MAX_ROLES   4


/* parts of libraries that are recognized by what they export */

typedef struct {
    const char  *library;              /* exported by it alone */
    const char  *part;
    const char  *names[16];            /* prefixes, if they end with '*' */
} profiling_part_t;


typedef struct {
    profiling_nginx_t  *x;
    const char        **parts;         /* of functions, NULL: none */
    const char        **locals;        /* whose local they are */
    const char        **found;         /* who refers to them, in a round */
    uint8_t            *waits;         /* ... of whom some are not known */
    uint8_t            *taken;         /* by tables that nobody uses */
} profiling_library_t;


static unsigned profiling_library_part(const char *name);
static void profiling_library_refers(profiling_nginx_t *x, uint32_t function,
    uint64_t address);
static const char *profiling_library_file(profiling_nginx_t *x,
    uint64_t address);
static int profiling_library_equal(void *item, void *key);
static void profiling_library_owner(profiling_nginx_t *x, uint32_t function,
    const char *owner);
static void profiling_library_assembly(profiling_nginx_t *x);
static void profiling_library_signed(profiling_nginx_t *x, uint64_t start,
    uint64_t end, const uint8_t *p);
static unsigned profiling_library_mixed(profiling_nginx_t *x);
static void profiling_library_parts(profiling_library_t *l);
static unsigned profiling_library_has(const profiling_part_t *part,
    const char *name);
static void profiling_library_between(profiling_nginx_t *x,
    const char **owners);
static void profiling_library_resolved(profiling_library_t *l);
static unsigned profiling_library_lists(profiling_nginx_t *x,
    uint32_t function);
static const char *profiling_library_roles(profiling_nginx_t *x,
    const profiling_bond_t *chosen, size_t nchosen, uint32_t function);
static void profiling_library_locals(profiling_library_t *l,
    const char **first, const char **then);
static void profiling_library_refer(profiling_library_t *l,
    profiling_bond_t *bond, const char **first, const char **then);
static void profiling_library_tables(profiling_library_t *l);
static uint64_t profiling_library_last(const uint64_t *bounds, size_t n,
    uint64_t slot);
static size_t profiling_library_use(profiling_nginx_t *x, uint64_t address);


static const char  profiling_library_several[] = "";
static profiling_table_t  profiling_library_files;


static const profiling_part_t  profiling_library_known[] = {

    { "zlibVersion", "zlib deflate", { "deflate*" } },
    { "zlibVersion", "zlib inflate", { "inflate*" } },

    { "gnu_get_libc_version", "glibc malloc",
      { "malloc", "free", "cfree", "calloc", "realloc", "memalign",
        "aligned_alloc", "posix_memalign", "valloc", "pvalloc", "malloc_*",
        "mallinfo*", "mallopt", "__default_morecore" } }
};

#define PROFILING_LIBRARY_KNOWN                                               \
    (sizeof(profiling_library_known) / sizeof(profiling_library_known[0]))


profiling_nginx_t *
profiling_library_load(profiling_symbols_t *s)
{
    Elf                  *elf;
    uint32_t              k;
    uint64_t              modules, names;
    Dwarf_Addr            bias;
    profiling_nginx_t    *x;
    profiling_library_t   l;

    elf = s->module ? dwfl_module_getelf(s->module, &bias) : NULL;

    if (elf == NULL) {
        return NULL;
    }

    x = profiling_alloc(sizeof(profiling_nginx_t));
    x->symbols = s;
    x->refers = profiling_library_refers;

    if (!profiling_nginx_image(x, elf, &modules, &names)) {
        return NULL;
    }

    memset(&l, 0, sizeof(profiling_library_t));
    l.x = x;
    l.parts = profiling_calloc(x->n, sizeof(char *));
    l.locals = profiling_calloc(x->n, sizeof(char *));
    l.found = profiling_calloc(x->n, sizeof(char *));
    l.waits = profiling_calloc(x->n, 1);
    l.taken = profiling_calloc(x->n, 1);

    profiling_library_assembly(x);
    profiling_nginx_code(x);

    if (profiling_library_mixed(x) || !profiling_nginx_ordered(x)) {
        memset(x->owners, 0, x->n * sizeof(char *));
    }

    profiling_library_between(x, x->owners);
    profiling_library_parts(&l);
    profiling_library_between(x, l.parts);
    profiling_library_resolved(&l);

    /* an exported function is a closer word than its file */

    profiling_library_tables(&l);
    profiling_library_locals(&l, x->exports, NULL);
    profiling_library_locals(&l, x->owners, x->exports);

    for (k = 0; k < x->n; k++) {

        if (x->owners[k] == NULL && l.parts[k] != NULL) {
            x->owners[k] = l.parts[k];

        } else if (x->owners[k] == NULL && l.locals[k] != NULL) {
            x->owners[k] = profiling_library_part(l.locals[k])
                           ? l.locals[k]
                           : profiling_printf("%s local", l.locals[k]);
        }
    }

    return x;
}


static unsigned
profiling_library_part(const char *name)
{
    size_t  i;

    for (i = 0; i < PROFILING_LIBRARY_KNOWN; i++) {
        if (profiling_library_known[i].part == name) {
            return 1;
        }
    }

    return 0;
}


static void
profiling_library_refers(profiling_nginx_t *x, uint32_t function,
    uint64_t address)
{
    const char        *owner;
    profiling_area_t  *area;

    if (address - x->strings.start < x->strings.end - x->strings.start) {

        /* most texts of a file are the same as the last one */

        if (address != x->last_text) {
            owner = profiling_library_file(x, address);

            if (owner != NULL) {
                x->last_text = address;
                x->last_file = owner;
            }

        } else {
            owner = x->last_file;
        }

        if (owner != NULL) {
            profiling_library_owner(x, function, owner);
        }

    } else if (address - x->text.start < x->text.end - x->text.start) {
        area = profiling_nginx_area(x->areas, x->nareas, address);

        if (area != NULL) {
            profiling_library_owner(x, function, area->owner);
        }
    }
}


/* the path of a source file, which compilers have written out, or NULL */

static const char *
profiling_library_file(profiling_nginx_t *x, uint64_t address)
{
    void       **place;
    size_t       len;
    const char  *p, *end;

    len = x->strings.end - address;
    len = (len < PROFILING_MAX_FILE) ? len : PROFILING_MAX_FILE;
    p = (const char *) profiling_nginx_at(x, address, len);
    end = p ? memchr(p, '\0', len) : NULL;

    if (end == NULL || end - p < 3 || end[-1] != 'c' || end[-2] != '.') {
        return NULL;
    }

    while (strncmp(p, "../", 3) == 0 || strncmp(p, "./", 2) == 0) {
        p = strchr(p, '/') + 1;
    }

    len = end - p;

    if (strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                     "0123456789_-+./") != len)
    {
        return NULL;
    }

    /* owners are compared as pointers */

    place = profiling_table_place(&profiling_library_files,
                                  profiling_hash(PROFILING_HASH, p, len),
                                  profiling_library_equal, (void *) p);

    if (*place == NULL) {
        *place = profiling_strdup(p, len);
    }

    return *place;
}


static int
profiling_library_equal(void *item, void *key)
{
    return strcmp(item, key) == 0;
}


static void
profiling_library_owner(profiling_nginx_t *x, uint32_t function,
    const char *owner)
{
    if (x->owners[function] == NULL) {
        x->owners[function] = owner;

    } else if (x->owners[function] != owner) {
        x->owners[function] = profiling_library_several;
    }
}


/*
 * Constants of assembly lie between functions, and behind them what it is:
 * "GHASH for x86_64, CRYPTOGAMS by <appro@openssl.org>".
 */

static void
profiling_library_assembly(profiling_nginx_t *x)
{
    size_t          left;
    uint32_t        k;
    uint64_t        start, end;
    const uint8_t  *p, *q;

    static const char  by[] = ", CRYPTOGAMS by ";

    p = profiling_nginx_at(x, x->text.start, x->text.end - x->text.start);

    for (q = p; q != NULL; q++) {
        left = p + (x->text.end - x->text.start) - q;
        q = memmem(q, left, by, sizeof(by) - 1);

        if (q == NULL) {
            break;
        }

        end = x->text.start + (q - p);
        k = profiling_nginx_below(x, end);
        start = (k == 0) ? x->text.start : x->functions[k - 1].end;

        if (start > end) {
            continue;
        }

        if (x->nareas && x->areas[x->nareas - 1].end > start) {
            start = x->areas[x->nareas - 1].end;
        }

        profiling_library_signed(x, start, end, q);
    }
}


static void
profiling_library_signed(profiling_nginx_t *x, uint64_t start, uint64_t end,
    const uint8_t *p)
{
    size_t  len;

    for (len = 0; len < end - start && isprint(p[-1 - (int) len]); len++) {
        /* void */
    }

    if (len == 0 || len > PROFILING_MAX_FILE) {
        return;
    }

    profiling_nginx_area_push(x, start, end,
                              profiling_strdup((const char *) p - len, len));
}


/* true if files were mixed: many functions have texts of several */

static unsigned
profiling_library_mixed(profiling_nginx_t *x)
{
    uint32_t  k, one, several;

    one = 0;
    several = 0;

    for (k = 0; k < x->n; k++) {

        if (x->owners[k] == profiling_library_several) {
            x->owners[k] = NULL;
            several++;

        } else if (x->owners[k] != NULL) {
            one++;
        }
    }

    return several > one / 16;
}


static void
profiling_library_parts(profiling_library_t *l)
{
    size_t                   i;
    uint32_t                 k;
    profiling_nginx_t       *x;
    const profiling_part_t  *part;

    x = l->x;

    for (i = 0; i < PROFILING_LIBRARY_KNOWN; i++) {
        part = &profiling_library_known[i];

        for (k = 0; k < x->n; k++) {
            if (x->exports[k] != NULL
                && strcmp(x->exports[k], part->library) == 0)
            {
                break;
            }
        }

        if (k == x->n) {
            continue;
        }

        for (k = 0; k < x->n; k++) {
            if (x->exports[k] != NULL
                && profiling_library_has(part, x->exports[k]))
            {
                l->parts[k] = part->part;
            }
        }
    }
}


static unsigned
profiling_library_has(const profiling_part_t *part, const char *name)
{
    size_t       i, len;
    const char  *p;

    if (strncmp(name, "__libc_", 7) == 0) {
        name += 7;
    }

    for (i = 0; i < 16 && part->names[i] != NULL; i++) {
        p = part->names[i];
        len = strlen(p);

        if (p[len - 1] == '*' ? strncmp(name, p, len - 1) == 0
                              : strcmp(name, p) == 0)
        {
            return 1;
        }
    }

    return 0;
}


/*
 * What lies between two functions of one owner.  A part of a library is more
 * than a file: what is exported and of none may be of another.
 */

static void
profiling_library_between(profiling_nginx_t *x, const char **owners)
{
    int64_t   last;
    uint32_t  k, i;

    last = -1;

    for (k = 0; k < x->n; k++) {

        if (owners[k] == NULL
            && (owners == x->owners || x->exports[k] == NULL))
        {
            continue;
        }

        if (last != -1 && owners[k] != NULL && owners[last] == owners[k]) {
            for (i = last + 1; i < k; i++) {
                owners[i] = owners[k];
            }
        }

        last = k;
    }
}


/*
 * What resolvers of IFUNCs refer to, and nothing but them and others of it, and
 * glibc's list of all that there are.
 */

static void
profiling_library_resolved(profiling_library_t *l)
{
    size_t              i, n;
    profiling_bond_t   *bond, *chosen;
    profiling_nginx_t  *x;

    x = l->x;

    chosen = profiling_calloc(x->nbonds + 1, sizeof(profiling_bond_t));
    n = 0;

    for (i = 0; i < x->nbonds; i++) {
        if (x->resolvers[x->bonds[i].from] != NULL) {
            l->found[x->bonds[i].to] = "";
            chosen[n++] = x->bonds[i];
        }
    }

    for (i = 0; i < x->nbonds; i++) {
        bond = &x->bonds[i];

        if (l->found[bond->to] != NULL && l->found[bond->from] == NULL
            && x->resolvers[bond->from] == NULL
            && !profiling_library_lists(x, bond->from))
        {
            l->waits[bond->to] = 1;
        }
    }

    for (i = 0; i < x->n; i++) {
        if (l->found[i] != NULL && !l->waits[i] && x->owners[i] == NULL) {
            x->owners[i] = profiling_library_roles(x, chosen, n, i);
        }
    }
}


static unsigned
profiling_library_lists(profiling_nginx_t *x, uint32_t function)
{
    return x->exports[function] != NULL
           && strcmp(x->exports[function], "__libc_ifunc_impl_list") == 0;
}


static const char *
profiling_library_roles(profiling_nginx_t *x, const profiling_bond_t *chosen,
    size_t nchosen, uint32_t function)
{
    size_t            i, n;
    const char       *name, *names[PROFILING_MAX_ROLES];
    profiling_buf_t   b;

    memset(&b, 0, sizeof(profiling_buf_t));
    n = 0;

    for (i = 0; i < nchosen && n < PROFILING_MAX_ROLES; i++) {
        name = x->resolvers[chosen[i].from];

        if (chosen[i].to == function
            && (n == 0 || (names[n - 1] != name && name[0] != '_')))
        {
            profiling_buf_printf(&b, "%s%s", n ? "/" : "", name);
            names[n++] = name;
        }
    }

    profiling_buf_printf(&b, " implementation");

    return profiling_strdup((char *) b.data, b.len);
}


/* what only one of these refers to, or what itself only that does */

static void
profiling_library_locals(profiling_library_t *l, const char **first,
    const char **then)
{
    size_t              i;
    uint32_t            k, changed;
    profiling_nginx_t  *x;

    x = l->x;

    for (i = 0; i < PROFILING_MAX_ROUNDS; i++) {

        memset(l->found, 0, x->n * sizeof(char *));
        memcpy(l->waits, l->taken, x->n);
        changed = 0;

        for (k = 0; k < x->nbonds; k++) {
            profiling_library_refer(l, &x->bonds[k], first, then);
        }

        for (k = 0; k < x->n; k++) {
            if (l->locals[k] == NULL && l->found[k] != NULL && !l->waits[k]
                && l->found[k] != profiling_library_several
                && x->exports[k] == NULL && l->parts[k] == NULL)
            {
                l->locals[k] = l->found[k];
                changed = 1;
            }
        }

        if (!changed) {
            break;
        }
    }
}


static void
profiling_library_refer(profiling_library_t *l, profiling_bond_t *bond,
    const char **first, const char **then)
{
    uint32_t     from;
    const char  *who;

    from = bond->from;

    who = l->parts[from] ? l->parts[from]
          : first[from] ? first[from]
          : l->locals[from] ? l->locals[from]
          : then ? then[from] : NULL;

    if (who == NULL || profiling_library_lists(l->x, from)) {
        l->waits[bond->to] = 1;

    } else if (l->found[bond->to] == NULL) {
        l->found[bond->to] = who;

    } else if (l->found[bond->to] != who) {
        l->found[bond->to] = profiling_library_several;
    }
}


/*
 * Who uses a table refers to the functions in it.  Data begins where code, or a
 * pointer, refers to it.
 */

static void
profiling_library_tables(profiling_library_t *l)
{
    size_t                i, k, n;
    int64_t               to;
    uint64_t             *bounds, slot;
    profiling_nginx_t    *x;

    x = l->x;
    n = 0;
    bounds = profiling_calloc(x->nuses + x->npointers + 1, sizeof(uint64_t));

    for (i = 0; i < x->nuses; i++) {
        bounds[n++] = x->uses[i].address;
    }

    for (i = 0; i < x->npointers; i++) {
        bounds[n++] = x->pointers[i].value;
    }

    profiling_sort(bounds, n, sizeof(uint64_t));

    for (i = 0; i < x->npointers; i++) {
        slot = x->pointers[i].slot;
        to = profiling_nginx_start(x, x->pointers[i].value);

        if (to == -1 || x->exports[to] != NULL) {
            continue;
        }

        slot = profiling_library_last(bounds, n, slot);
        k = profiling_library_use(x, slot);

        if (profiling_nginx_area(x->sections, x->nsections, slot) == NULL
            || k == x->nuses || x->uses[k].address != slot)
        {
            l->taken[to] = 1;
        }

        for ( /* void */ ; k < x->nuses && x->uses[k].address == slot; k++) {
            profiling_nginx_bond(x, x->uses[k].function, to);
        }
    }
}


/* of sorted numbers the last that is not above; 0: none */

static uint64_t
profiling_library_last(const uint64_t *bounds, size_t n, uint64_t slot)
{
    n = profiling_sorted(bounds, n, sizeof(uint64_t), slot);

    return n ? bounds[n - 1] : 0;
}


/* the first use of an address */

static size_t
profiling_library_use(profiling_nginx_t *x, uint64_t address)
{
    size_t  low, high, mid;

    low = 0;
    high = x->nuses;

    while (low < high) {
        mid = low + (high - low) / 2;

        if (x->uses[mid].address < address) {
            low = mid + 1;

        } else {
            high = mid;
        }
    }

    return low;
}
