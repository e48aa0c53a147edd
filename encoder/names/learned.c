
#include <string.h>

#include "learned.h"
#include "memory.h"
#include "sort.h"
#include "table.h"


typedef struct {
    const char       *name;
    uint32_t          place;
} profiling_learned_name_t;


/* text that is written */

typedef struct {
    profiling_table_t  names;
    profiling_buf_t    text;
} profiling_learned_text_t;


static uint32_t profiling_learned_name(profiling_learned_text_t *t,
    const char *name);
static int profiling_learned_equal(void *item, void *key);


profiling_learned_t *
profiling_learned_make(profiling_nginx_t *x, const char *build_id)
{
    size_t                          i, n;
    uint8_t                        *data;
    profiling_learned_t            *l;
    profiling_learned_head_t        head;
    profiling_learned_text_t        t;
    profiling_learned_function_t   *functions, *f;

    memset(&t, 0, sizeof(profiling_learned_text_t));
    (void) profiling_learned_name(&t, "");

    n = x ? x->n : 0;
    functions = profiling_calloc(n, sizeof(profiling_learned_function_t));
    f = functions;

    for (i = 0; i < n; i++) {

        /* what a library exports has its name */

        if (x->refers && (x->exports[i] != NULL || x->owners[i] == NULL)) {
            continue;
        }

        f->start = x->functions[i].start;
        f->end = x->functions[i].end;
        f->owner = profiling_learned_name(&t, x->owners[i]);
        f->role = profiling_learned_name(&t, x->roles[i]);
        f++;
    }

    n = f - functions;

    head.build_id = profiling_learned_name(&t, build_id);
    head.n = n;
    head.text = t.text.len;
    head.library = (x == NULL || x->refers != NULL);

    n *= sizeof(profiling_learned_function_t);

    data = profiling_alloc(sizeof(profiling_learned_head_t) + n + t.text.len);
    memcpy(data, &head, sizeof(profiling_learned_head_t));
    memcpy(data + sizeof(profiling_learned_head_t), functions, n);
    memcpy(data + sizeof(profiling_learned_head_t) + n, t.text.data,
           t.text.len);

    l = profiling_learned_read(data, sizeof(profiling_learned_head_t) + n
                                     + t.text.len);

    profiling_buf_free(&t.text);

    return l;
}


/* where the text has a name; NULL is as "" */

static uint32_t
profiling_learned_name(profiling_learned_text_t *t, const char *name)
{
    void                      **place;
    size_t                      len;
    profiling_learned_name_t   *item;

    name = name ? name : "";
    len = strlen(name);

    place = profiling_table_place(&t->names,
                                  profiling_hash(PROFILING_HASH, name, len),
                                  profiling_learned_equal, (void *) name);

    if (*place == NULL) {
        item = profiling_alloc(sizeof(profiling_learned_name_t));
        item->name = name;
        item->place = t->text.len;
        *place = item;

        profiling_buf_put(&t->text, name, len + 1);
    }

    item = *place;

    return item->place;
}


static int
profiling_learned_equal(void *item, void *key)
{
    return strcmp(((profiling_learned_name_t *) item)->name, key) == 0;
}


profiling_learned_t *
profiling_learned_read(const uint8_t *data, size_t size)
{
    size_t                               i;
    uint64_t                             last;
    profiling_learned_t                 *l;
    profiling_learned_head_t             head;
    const profiling_learned_function_t  *f;

    if (size < sizeof(profiling_learned_head_t)) {
        return NULL;
    }

    memcpy(&head, data, sizeof(profiling_learned_head_t));

    size -= sizeof(profiling_learned_head_t);

    if (head.text == 0 || head.text > size || head.build_id >= head.text
        || (size - head.text) % sizeof(profiling_learned_function_t) != 0
        || (size - head.text) / sizeof(profiling_learned_function_t) != head.n)
    {
        return NULL;
    }

    l = profiling_alloc(sizeof(profiling_learned_t));
    l->data = data;
    l->size = sizeof(profiling_learned_head_t) + size;
    l->functions = (const void *) (data + sizeof(profiling_learned_head_t));
    l->n = head.n;
    l->text = (const char *) (l->functions + head.n);
    l->build_id = l->text + head.build_id;
    l->library = (head.library != 0);

    if (l->text[0] != '\0' || l->text[head.text - 1] != '\0') {
        return NULL;
    }

    for (last = 0, i = 0; i < l->n; i++) {
        f = &l->functions[i];

        if (f->start < last || f->end < f->start || f->owner >= head.text
            || f->role >= head.text)
        {
            return NULL;
        }

        last = f->end;
    }

    return l;
}


const profiling_learned_function_t *
profiling_learned_find(profiling_learned_t *l, uint64_t address)
{
    size_t                               n;
    const profiling_learned_function_t  *f;

    n = profiling_sorted(l->functions, l->n, sizeof(*f), address);

    if (n == 0) {
        return NULL;
    }

    f = &l->functions[n - 1];

    return (address < f->end && l->text[f->owner] != '\0') ? f : NULL;
}
