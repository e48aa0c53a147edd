
/*
 * Finds out which functions are of one file, from their machine code: calls of
 * functions that are not exported, their addresses, and the use of data that
 * is not exported.
 *
 * Instructions are not decoded from the start of a function on.  A number that
 * looks like a call is one if a function starts just where it leads to.
 */


#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "nginx.h"
#include "sort.h"


#define PROFILING_MAX_BONDS  (1024 * 1024)


typedef uint8_t  profiling_bytes_t __attribute__((vector_size(16)));


static void profiling_nginx_x86_64(profiling_nginx_t *x, uint32_t function,
    const uint8_t *p, size_t size);
static uint64_t profiling_nginx_candidates(profiling_nginx_t *x,
    const uint8_t *p);
static void profiling_nginx_operand(profiling_nginx_t *x, uint32_t function,
    const uint8_t *p, size_t size, size_t i);
static void profiling_nginx_aarch64(profiling_nginx_t *x, uint32_t function,
    const uint8_t *p, size_t size);
static void profiling_nginx_page(profiling_nginx_t *x, uint32_t function,
    const uint8_t *p, size_t size, size_t at);
static void profiling_nginx_target(profiling_nginx_t *x, uint32_t function,
    uint64_t target);
static void profiling_nginx_data(profiling_nginx_t *x, uint32_t function,
    uint64_t address);
static int32_t profiling_nginx_signed(const uint8_t *p);


void
profiling_nginx_code(profiling_nginx_t *x)
{
    size_t             i;
    uint32_t           k;
    const uint8_t     *p;
    profiling_area_t  *area;

    for (k = 0; k < x->n; k++) {
        p = profiling_nginx_at(x, x->functions[k].start, 1);

        if (x->machine == EM_X86_64) {
            profiling_nginx_x86_64(x, k, p,
                                   x->functions[k].end
                                   - x->functions[k].start);

        } else {
            profiling_nginx_aarch64(x, k, p,
                                    x->functions[k].end
                                    - x->functions[k].start);
        }
    }

    /* of one address, they come by function */

    profiling_sort(x->uses, x->nuses, sizeof(profiling_use_t));

    for (i = 0; i < x->nuses && !x->refers; i++) {
        k = x->uses[i].function;

        area = profiling_nginx_area(x->areas, x->nareas, x->uses[i].address);

        if (area != NULL && x->owners[k] == NULL) {
            x->owners[k] = area->owner;
        }

        if (i != 0 && x->uses[i - 1].address == x->uses[i].address) {
            profiling_nginx_bond(x, x->uses[i - 1].function, k);
        }
    }
}


/* calls and jumps, and operands relative to the next instruction */

static void
profiling_nginx_x86_64(profiling_nginx_t *x, uint32_t function,
    const uint8_t *p, size_t size)
{
    size_t    i, at;
    uint64_t  found;
    unsigned  bit;

    for (i = 0; i + 5 <= size; i += sizeof(profiling_bytes_t)) {

        found = profiling_nginx_candidates(x, p + i);

        while (found != 0) {
            bit = __builtin_ctzll(found);
            found &= found - 1;

            at = i + bit / 8 + ((bit & 4) ? 0 : 8);

            if (at + 5 <= size) {
                profiling_nginx_operand(x, function, p, size, at);
            }
        }
    }
}


/*
 * Most bytes begin nothing that is looked for, so 16 are checked at once: the
 * highest bit of a byte for each that may of the first 8, bit 3 of the others.
 */

static uint64_t
profiling_nginx_candidates(profiling_nginx_t *x, const uint8_t *p)
{
    size_t             left;
    uint64_t           found[2];
    uint8_t            copy[sizeof(profiling_bytes_t) + 1];
    profiling_bytes_t  one, next, is;

    left = x->file + x->size - p;

    if (left < sizeof(copy)) {
        memset(copy, 0, sizeof(copy));
        p = memcpy(copy, p, left);
    }

    memcpy(&one, p, sizeof(profiling_bytes_t));
    memcpy(&next, p + 1, sizeof(profiling_bytes_t));

    is = (profiling_bytes_t) ((one & 0xfe) == 0xe8)
         | (profiling_bytes_t) ((next & 0xc7) == 0x05)
         | ((profiling_bytes_t) (one == 0x0f)
            & (profiling_bytes_t) ((next & 0xf0) == 0x80));

    is &= 0x80;

    memcpy(found, &is, sizeof(profiling_bytes_t));

    return found[0] | found[1] >> 4;
}


static void
profiling_nginx_operand(profiling_nginx_t *x, uint32_t function,
    const uint8_t *p, size_t size, size_t i)
{
    uint64_t  next;
    unsigned  kind;

    enum { NONE, CALL, JCC, LEA, DATA, DATA_BYTE, DATA_LONG };

    static const uint8_t  kinds[256] = {
        [0xe8] = CALL, [0xe9] = CALL, [0x0f] = JCC, [0x8d] = LEA,

        /* add, or, sub, cmp, movslq, mov; inc, call, jmp or push */

        [0x01] = DATA, [0x03] = DATA, [0x09] = DATA, [0x0b] = DATA,
        [0x2b] = DATA, [0x39] = DATA, [0x3b] = DATA, [0x63] = DATA,
        [0x88] = DATA, [0x89] = DATA, [0x8a] = DATA, [0x8b] = DATA,
        [0xff] = DATA,

        /* cmp and others, mov, with a number behind the operand */

        [0x80] = DATA_BYTE, [0x83] = DATA_BYTE, [0xc6] = DATA_BYTE,
        [0xc7] = DATA_LONG
    };

    kind = kinds[p[i]];

    if (kind == NONE) {
        return;
    }

    next = x->functions[function].start + i;

    if (kind == CALL) {
        profiling_nginx_target(x, function,
                               next + 5 + profiling_nginx_signed(p + i + 1));
        return;
    }

    if (i + 6 > size
        || (p[i + 1] & (kind == JCC ? 0xf0 : 0xc7))
           != (kind == JCC ? 0x80 : 0x05))
    {
        return;
    }

    next += 6 + (int64_t) profiling_nginx_signed(p + i + 2);

    if (kind == JCC || kind == LEA) {
        profiling_nginx_target(x, function, next);
    }

    if (kind == LEA && x->refers) {
        x->refers(x, function, next);
    }

    if (kind != JCC) {
        next += (kind == DATA_BYTE) ? 1 : (kind == DATA_LONG) ? 4 : 0;
        profiling_nginx_data(x, function, next);
    }
}


static void
profiling_nginx_aarch64(profiling_nginx_t *x, uint32_t function,
    const uint8_t *p, size_t size)
{
    size_t    i;
    int64_t   offset;
    uint32_t  w;

    for (i = 0; i + 4 <= size; i += 4) {

        w = profiling_nginx_signed(p + i);

        if ((w & 0x7c000000) == 0x14000000) {           /* b, bl */
            offset = (int64_t) ((uint64_t) (w & 0x03ffffff) << 38) >> 36;

        } else if ((w & 0xff000010) == 0x54000000) {    /* b.cond */
            offset = (int64_t) ((uint64_t) (w >> 5 & 0x7ffff) << 45) >> 43;

        } else {

            if ((w & 0x9f000000) == 0x90000000) {       /* adrp */
                profiling_nginx_page(x, function, p, size, i);
            }

            continue;
        }

        profiling_nginx_target(x, function,
                               x->functions[function].start + i + offset);
    }
}


/* what the next instructions add to the address of a page */

static void
profiling_nginx_page(profiling_nginx_t *x, uint32_t function,
    const uint8_t *p, size_t size, size_t at)
{
    size_t    i;
    int64_t   pages;
    uint32_t  w, add, reg;
    uint64_t  page;

    w = profiling_nginx_signed(p + at);
    reg = w & 31;

    pages = (int64_t) ((uint64_t) ((w >> 5 & 0x7ffff) << 2 | (w >> 29 & 3))
                       << 43)
            >> 43;

    page = ((x->functions[function].start + at) & ~(uint64_t) 4095)
           + (uint64_t) pages * 4096;

    for (i = at + 4; i + 4 <= size && i <= at + 16; i += 4) {

        w = profiling_nginx_signed(p + i);

        if ((w >> 5 & 31) != reg) {
            continue;
        }

        add = w >> 10 & 0xfff;

        if ((w & 0xffc00000) == 0x91000000) {           /* add */
            profiling_nginx_target(x, function, page + add);

            if (x->refers) {
                x->refers(x, function, page + add);
            }

            profiling_nginx_data(x, function, page + add);

        } else if ((w & 0x3f000000) == 0x39000000) {    /* ldr, str */
            profiling_nginx_data(x, function, page + (add << (w >> 30)));
        }
    }
}


static void
profiling_nginx_target(profiling_nginx_t *x, uint32_t function,
    uint64_t target)
{
    int64_t  k;

    k = profiling_nginx_start(x, target);

    if (k != -1 && x->exports[k] == NULL) {
        profiling_nginx_bond(x, function, k);
    }
}


static void
profiling_nginx_data(profiling_nginx_t *x, uint32_t function,
    uint64_t address)
{
    profiling_use_t  *use;

    if (profiling_nginx_area(x->sections, x->nsections, address) == NULL
        || profiling_nginx_area(x->objects, x->nobjects, address) != NULL
        || x->nuses == PROFILING_MAX_BONDS)
    {
        return;
    }

    if (x->nuses == x->uses_room) {
        x->uses = profiling_grow(x->uses, x->nuses, sizeof(profiling_use_t),
                                 &x->uses_room);
    }

    use = &x->uses[x->nuses++];
    use->address = address;
    use->function = function;
}


void
profiling_nginx_bond(profiling_nginx_t *x, uint32_t from, uint32_t to)
{
    profiling_bond_t  *bond;

    if (from == to || x->nbonds == PROFILING_MAX_BONDS
        || (x->refers && x->nbonds && x->bonds[x->nbonds - 1].from == from
            && x->bonds[x->nbonds - 1].to == to))
    {
        return;
    }

    if (x->nbonds == x->bonds_room) {
        x->bonds = profiling_grow(x->bonds, x->nbonds,
                                  sizeof(profiling_bond_t), &x->bonds_room);
    }

    bond = &x->bonds[x->nbonds++];
    bond->from = from;
    bond->to = to;
}


static int32_t
profiling_nginx_signed(const uint8_t *p)
{
    int32_t  value;

    memcpy(&value, p, 4);

    return value;
}
