
/*
 * Gives each function its owner.
 *
 * The linker keeps the functions of a file together.  So what lies between two
 * functions of one owner is of that owner, and between functions of two owners
 * there is one border: where the fewest calls go over it.
 */


#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "nginx.h"
#include "table.h"


/* bonds that cross a border, and other signs for and against it */

#define PROFILING_CROSSING  4
#define PROFILING_PADDED    2
#define PROFILING_NEVER     100000

#define profiling_nginx_low(bond)                                             \
    ((bond)->from < (bond)->to ? (bond)->from : (bond)->to)
#define profiling_nginx_high(bond)                                            \
    ((bond)->from < (bond)->to ? (bond)->to : (bond)->from)


typedef struct {
    const char  *name;
    size_t       len;
    const char  *owner;
} profiling_nginx_name_t;


static profiling_nginx_t *profiling_nginx_one(profiling_nginx_t *x);
static void profiling_nginx_known(profiling_nginx_t *x,
    profiling_table_t *table);
static const char *profiling_nginx_prefix(profiling_nginx_t *x,
    const char *name);
static int profiling_nginx_equal(void *item, void *key);
static int profiling_nginx_same(void *item, void *key);
static void profiling_nginx_fill(profiling_nginx_t *x, uint32_t *crossings);
static uint32_t profiling_nginx_border(profiling_nginx_t *x,
    uint32_t *crossings, uint32_t low, uint32_t high);
static int profiling_nginx_padding(profiling_nginx_t *x, uint32_t i);
static void profiling_nginx_callers(profiling_nginx_t *x,
    const char **certain);
static void profiling_nginx_caller(const char **callers, const char *owner);


static const char  profiling_nginx_mixed[] = "";


profiling_nginx_t *
profiling_nginx_load(profiling_symbols_t *s)
{
    Elf                *elf;
    uint64_t            modules, names;
    Dwarf_Addr          bias;
    profiling_nginx_t  *x;

    elf = s->modules ? dwfl_module_getelf(s->module, &bias) : NULL;

    if (elf == NULL) {
        return NULL;
    }

    x = profiling_alloc(sizeof(profiling_nginx_t));
    x->symbols = s;

    if (!profiling_nginx_image(x, elf, &modules, &names)
        || modules == 0 || names == 0)
    {
        return NULL;
    }

    profiling_nginx_tables(x, modules, names);

    if (x->nmodules < 2) {
        return profiling_nginx_one(x);
    }

    profiling_nginx_exports(x);
    profiling_nginx_code(x);
    profiling_nginx_owners(x);

    return x;
}


/* a file with a single module is all of that module */

static profiling_nginx_t *
profiling_nginx_one(profiling_nginx_t *x)
{
    uint32_t  i;

    if (x->nmodules == 0) {
        return NULL;
    }

    for (i = 0; i < x->n; i++) {
        x->owners[i] = x->modules[0].name;
    }

    return x;
}


/*
 * Exported functions are those of nginx's files, which are known, or begin
 * with the name of a module.
 */

void
profiling_nginx_exports(profiling_nginx_t *x)
{
    void                    **place;
    uint32_t                  i;
    profiling_table_t         table;
    profiling_nginx_name_t    key, *found;

    memset(&table, 0, sizeof(profiling_table_t));
    profiling_nginx_known(x, &table);

    for (i = 0; i < x->n; i++) {

        if (x->exports[i] == NULL) {
            continue;
        }

        key.name = x->exports[i];
        key.len = strlen(key.name);

        place = profiling_table_place(&table,
                                      profiling_hash(PROFILING_HASH, key.name,
                                                     key.len),
                                      profiling_nginx_equal, &key);

        if (*place != NULL) {
            found = *place;
            x->owners[i] = found->owner;

        } else {
            x->owners[i] = profiling_nginx_prefix(x, key.name);

            /* the table wants an item for each place */

            found = profiling_alloc(sizeof(profiling_nginx_name_t));
            *found = key;
            found->owner = x->owners[i];
            *place = found;
        }
    }
}


static void
profiling_nginx_known(profiling_nginx_t *x, profiling_table_t *table)
{
    size_t                     i, len;
    void                     **place;
    const char                *p, *owner, *const *file;
    profiling_nginx_name_t    *name;

    for (file = profiling_nginx_files; *file; file++) {

        len = strcspn(*file, " ");
        owner = profiling_strdup(*file, len);

        /* owners are compared as pointers */

        for (i = 0; i < x->nmodules; i++) {
            if (strcmp(x->modules[i].name, owner) == 0) {
                owner = x->modules[i].name;
                x->modules[i].known = 1;
            }
        }

        for (p = *file + len; *p == ' '; p += len) {
            len = strcspn(++p, " ");

            name = profiling_alloc(sizeof(profiling_nginx_name_t));
            name->name = p;
            name->len = len;
            name->owner = owner;

            place = profiling_table_place(table,
                                          profiling_hash(PROFILING_HASH, p,
                                                         len),
                                          profiling_nginx_equal, name);
            *place = name;
        }
    }
}


static int
profiling_nginx_equal(void *item, void *key)
{
    profiling_nginx_name_t  *a, *b;

    a = item;
    b = key;

    return a->len == b->len && memcmp(a->name, b->name, a->len) == 0;
}


/* of a module that is not nginx's own, the one with the longest name */

static const char *
profiling_nginx_prefix(profiling_nginx_t *x, const char *name)
{
    size_t       i, len, best;
    const char  *owner, *module, *end;

    static const char  suffix[] = "module";

    best = 0;
    owner = NULL;

    for (i = 0; i < x->nmodules; i++) {
        module = x->modules[i].name;
        len = strlen(module);
        end = module + len - (sizeof(suffix) - 1);

        if (x->modules[i].known || len < sizeof(suffix)
            || strcmp(end, suffix) != 0)
        {
            continue;
        }

        len -= sizeof(suffix) - 1;

        if (len > best && strncmp(name, module, len) == 0) {
            best = len;
            owner = module;
        }
    }

    return owner;
}


void
profiling_nginx_owners(profiling_nginx_t *x)
{
    size_t              i;
    uint32_t            k, *crossings;
    const char        **certain;
    profiling_bond_t   *bond;

    certain = profiling_calloc(x->n, sizeof(char *));
    memcpy(certain, x->owners, x->n * sizeof(char *));

    if (!profiling_nginx_ordered(x)) {
        return;
    }

    /* crossings[i]: bonds between functions before i and from i on */

    crossings = profiling_calloc(x->n + 1, sizeof(uint32_t));

    for (i = 0; i < x->nbonds; i++) {
        bond = &x->bonds[i];
        crossings[profiling_nginx_low(bond) + 1]++;
        crossings[profiling_nginx_high(bond) + 1]--;
    }

    for (k = 1; k <= x->n; k++) {
        crossings[k] += crossings[k - 1];
    }

    profiling_nginx_fill(x, crossings);
    profiling_nginx_callers(x, certain);
}


/* files may be mixed, if the linker was told so or optimised all of them */

unsigned
profiling_nginx_ordered(profiling_nginx_t *x)
{
    uint32_t           i, runs, owners;
    const char        *last;
    void             **place;
    uint64_t           hash;
    profiling_table_t  seen;

    memset(&seen, 0, sizeof(profiling_table_t));

    last = NULL;
    runs = 0;
    owners = 0;

    for (i = 0; i < x->n; i++) {

        if (x->owners[i] == NULL || x->owners[i] == last) {
            continue;
        }

        last = x->owners[i];
        runs++;

        hash = profiling_hash(PROFILING_HASH, &last, sizeof(last));
        place = profiling_table_place(&seen, hash, profiling_nginx_same,
                                      (void *) last);

        if (*place == NULL) {
            *place = (void *) last;
            owners++;
        }
    }

    return runs != 0 && runs <= owners + owners / 16 + 2;
}


static int
profiling_nginx_same(void *item, void *key)
{
    return item == key;
}


static void
profiling_nginx_fill(profiling_nginx_t *x, uint32_t *crossings)
{
    uint32_t    i, k, border;
    int64_t     last;

    last = -1;

    for (i = 0; i < x->n; i++) {

        if (x->owners[i] == NULL) {
            continue;
        }

        border = (last == -1 || x->owners[last] == x->owners[i])
                 ? (uint32_t) (last + 1)
                 : profiling_nginx_border(x, crossings, last + 1, i);

        for (k = last + 1; k < i; k++) {
            x->owners[k] = (k < border) ? x->owners[last] : x->owners[i];
        }

        last = i;
    }

    for (k = last + 1; k < x->n; k++) {
        x->owners[k] = x->owners[last];
    }
}


/* the first function of the second owner: "low" to "high" */

static uint32_t
profiling_nginx_border(profiling_nginx_t *x, uint32_t *crossings,
    uint32_t low, uint32_t high)
{
    int64_t   cost, best;
    uint32_t  i, border;

    border = low;
    best = INT64_MAX;

    for (i = low; i <= high; i++) {
        cost = (int64_t) crossings[i] * PROFILING_CROSSING
               + profiling_nginx_padding(x, i);

        if (cost < best) {
            best = cost;
            border = i;
        }
    }

    return border;
}


/*
 * Functions start at multiples of 16.  The assembler fills gaps of 11 bytes
 * and more in a file with one long instruction that does nothing; the linker,
 * which fills those between files, uses one of 10 bytes and another.
 */

static int
profiling_nginx_padding(profiling_nginx_t *x, uint32_t i)
{
    uint64_t        end, gap;
    const uint8_t  *p;

    static const uint8_t  linker[] = { 0x66, 0x2e, 0x0f, 0x1f, 0x84 };

    if (i == 0 || x->machine != EM_X86_64) {
        return 0;
    }

    end = x->functions[i - 1].end;
    gap = x->functions[i].start - end;

    if (gap < 11 || gap > 15) {
        return 0;
    }

    p = profiling_nginx_at(x, end, gap);

    if (p == NULL) {
        return 0;
    }

    if (p[0] == 0x66 && p[1] == 0x66) {
        return PROFILING_NEVER;
    }

    return memcmp(p, linker, sizeof(linker)) == 0 ? -PROFILING_PADDED : 0;
}


/*
 * Parts of functions that are seldom run lie apart, each beside those of other
 * files.  So what only functions of one owner refer to is of that owner.
 */

static void
profiling_nginx_callers(profiling_nginx_t *x, const char **certain)
{
    size_t              i;
    uint32_t            k;
    const char        **callers;
    profiling_bond_t   *bond;

    callers = profiling_calloc(x->n, sizeof(char *));

    for (i = 0; i < x->nbonds; i++) {
        bond = &x->bonds[i];

        profiling_nginx_caller(&callers[bond->from], x->owners[bond->to]);
        profiling_nginx_caller(&callers[bond->to], x->owners[bond->from]);
    }

    for (k = 0; k < x->n; k++) {
        if (certain[k] == NULL && callers[k] != NULL
            && callers[k] != profiling_nginx_mixed && x->exports[k] == NULL)
        {
            x->owners[k] = callers[k];
        }
    }
}


static void
profiling_nginx_caller(const char **callers, const char *owner)
{
    if (*callers == NULL) {
        *callers = owner;

    } else if (*callers != owner) {
        *callers = profiling_nginx_mixed;
    }
}


/*
 * The files of HTTP, streams and mail without a module of their own are their
 * core's.  What serves all of them, as pools and buffers, is not counted: its
 * caller is.
 */

const char *
profiling_nginx_module(const char *owner)
{
    size_t  i, len;

    static const struct {
        const char  *prefix;
        const char  *module;
    } parts[] = {
        { "ngx_event_quic_", "ngx_quic_module" },
        { "ngx_http_v2", "ngx_http_v2_module" },
        { "ngx_http_v3", "ngx_http_v3_module" },
        { "ngx_http_upstream_", "ngx_http_upstream_module" },
        { "ngx_http_", "ngx_http_core_module" },
        { "ngx_stream_upstream_", "ngx_stream_upstream_module" },
        { "ngx_stream_", "ngx_stream_core_module" },
        { "ngx_mail_", "ngx_mail_core_module" }
    };

    len = strlen(owner);

    if (len < 2 || strcmp(owner + len - 2, ".c") != 0) {
        return owner;
    }

    for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (strncmp(owner, parts[i].prefix, strlen(parts[i].prefix)) == 0) {
            return parts[i].module;
        }
    }

    return NULL;
}
