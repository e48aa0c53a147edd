
/*
 * Any bytes as .eh_frame, or as the segment that it is to be found in.
 *
 * The first byte of the input chooses the architecture and how the data is
 * given; what can be built is looked into at the ends and on both sides of
 * each row.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <stdlib.h>

#include "ngx_prof_cfi_parse.h"


#define TEXT  0x10000
#define SPAN  0x20000


int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);


static void
look_at(const ngx_prof_cfi_t *cfi, uint64_t pc)
{
    const ngx_prof_cfi_rule_t  *rule;

    rule = ngx_prof_cfi_lookup(cfi, pc);

    if ((rule == NULL) != (pc < TEXT || pc >= TEXT + SPAN)) {
        abort();
    }

    if (rule == NULL) {
        return;
    }

    if (rule < cfi->rules || rule >= cfi->rules + cfi->nrules
        || rule->cfa_reg >= NGX_PROF_CFI_REGS
        || (rule->cfa_kind == NGX_PROF_CFI_CFA_EXPR
            && (uint32_t) rule->cfa >= cfi->nexprs))
    {
        abort();
    }
}


static void
look(const ngx_prof_cfi_t *cfi)
{
    int64_t        operand;
    uint32_t       b, i;
    uint64_t       pc;
    const u_char  *p, *end;

    for (pc = TEXT - 16; pc < TEXT + SPAN + 16; pc += SPAN / 16) {
        look_at(cfi, pc);
    }

    look_at(cfi, TEXT + SPAN - 1);
    look_at(cfi, TEXT + SPAN);

    for (i = 0; i < cfi->nexprs; i++) {
        end = cfi->code + cfi->expr[i + 1];

        for (p = cfi->code + cfi->expr[i]; p < end; /* void */) {
            if (ngx_prof_cfi_operand(&p, end, &operand) != NGX_OK) {
                abort();
            }
        }
    }

    for (b = 0; b < cfi->nbuckets; b++) {
        for (i = cfi->index[b]; i < cfi->index[b + 1]; i++) {
            pc = TEXT + ((uint64_t) b << NGX_PROF_CFI_BUCKET)
                 + cfi->rows[i].addr;

            look_at(cfi, pc - 1);
            look_at(cfi, pc);

            if (i > cfi->index[b]
                && (cfi->rows[i].addr <= cfi->rows[i - 1].addr
                    || cfi->rows[i].rule == cfi->rows[i - 1].rule))
            {
                abort();
            }
        }
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    u_char             *data;
    ngx_prof_cfi_t     *cfi;
    ngx_prof_cfi_src_t  src;

    if (size < 1) {
        return 0;
    }

    /* memory of the exact length, so that a byte too many is seen */

    data = malloc(size);
    memcpy(data, input, size);

    src.data = data + 1;
    src.len = size - 1;
    src.addr = 0x40000;
    src.start = TEXT;
    src.end = TEXT + SPAN;
    src.arch = data[0] & 1;
    src.exact = (data[0] >> 1) & 1;

    if (!(data[0] & 4)
        || ngx_prof_cfi_locate(data + 1, size - 1, src.addr,
                               data + 1, size - 1, src.addr, &src)
           == NGX_OK)
    {
        if (ngx_prof_cfi_build(&src, &cfi, NULL) == NGX_OK) {
            look(cfi);
            ngx_prof_cfi_free(cfi);
        }
    }

    free(data);

    return 0;
}
