
/* Builds the table that walks look into from the rows of a parse. */


#include <ngx_config.h>
#include <ngx_core.h>

#include <sys/mman.h>

#include "ngx_prof_cfi.h"
#include "ngx_prof_cfi_read.h"


/* no supported page is larger */
#define NGX_PROF_CFI_PAGE  65536


/* the table under construction */

typedef struct {
    ngx_prof_cfi_row_t    *rows;
    uint32_t              *index;
    uint32_t               nrows;
    uint32_t               bucket;
    uint32_t               rule;             /* of the last row */
} ngx_prof_cfi_out_t;


static ngx_inline ngx_uint_t
ngx_prof_cfi_after(ngx_prof_cfi_fde_t *a, ngx_prof_cfi_fde_t *b)
{
    /* rows are numbered in the order of the data, so this is stable */

    return (a->start != b->start) ? a->start > b->start : a->row > b->row;
}


static void
ngx_prof_cfi_sift(ngx_prof_cfi_fde_t *fdes, uint32_t i, uint32_t n)
{
    uint32_t            child;
    ngx_prof_cfi_fde_t  fde;

    fde = fdes[i];

    for ( ;; ) {
        child = 2 * i + 1;

        if (child >= n) {
            break;
        }

        if (child + 1 < n
            && ngx_prof_cfi_after(&fdes[child + 1], &fdes[child]))
        {
            child++;
        }

        if (!ngx_prof_cfi_after(&fdes[child], &fde)) {
            break;
        }

        fdes[i] = fdes[child];
        i = child;
    }

    fdes[i] = fde;
}


/*
 * Sorts FDEs by address; most linkers have done so.  A heap sort has no bad
 * worst case and needs no memory.
 */

static void
ngx_prof_cfi_sort(ngx_prof_cfi_fde_t *fdes, uint32_t n)
{
    uint32_t            i;
    ngx_prof_cfi_fde_t  fde;

    for (i = 1; i < n; i++) {
        if (ngx_prof_cfi_after(&fdes[i - 1], &fdes[i])) {
            break;
        }
    }

    if (i >= n) {
        return;
    }

    for (i = n / 2; i-- > 0; /* void */) {
        ngx_prof_cfi_sift(fdes, i, n);
    }

    for (i = n - 1; i > 0; i--) {
        fde = fdes[0];
        fdes[0] = fdes[i];
        fdes[i] = fde;
        ngx_prof_cfi_sift(fdes, 0, i);
    }
}


static void
ngx_prof_cfi_put(ngx_prof_cfi_out_t *out, uint32_t addr, uint32_t rule)
{
    if (rule == out->rule) {
        return;
    }

    while (out->bucket <= addr >> NGX_PROF_CFI_BUCKET) {
        out->index[out->bucket++] = out->nrows;
    }

    out->rows[out->nrows].addr = (uint16_t) addr;
    out->rows[out->nrows].rule = (uint16_t) rule;
    out->nrows++;
    out->rule = rule;
}


/*
 * Orders the rows of all FDEs by address.  Where FDEs overlap, the first one
 * counts; a gap gets a row without a rule.
 */

static void
ngx_prof_cfi_merge(ngx_prof_cfi_parser_t *p, ngx_prof_cfi_out_t *out,
    uint32_t len)
{
    uint32_t              i, n, end;
    ngx_prof_cfi_fde_t   *fde;
    ngx_prof_cfi_wide_t  *row;

    end = 0;

    for (i = 0; i < p->nfdes; i++) {
        fde = &p->fdes[i];

        if (fde->start < end) {
            p->stats.overlapping++;

            if (fde->end <= end) {
                continue;
            }

        } else if (fde->start > end) {
            ngx_prof_cfi_put(out, end, 0);
        }

        row = &p->rows[fde->row];

        for (n = 0; n < fde->nrows; n++) {
            if (n + 1 < fde->nrows && row[n + 1].addr <= end) {
                continue;
            }

            ngx_prof_cfi_put(out, ngx_max(row[n].addr, end), row[n].rule);
        }

        end = fde->end;
    }

    if (end < len) {
        ngx_prof_cfi_put(out, end, 0);
    }
}


ngx_int_t
ngx_prof_cfi_finish(ngx_prof_cfi_parser_t *p, ngx_prof_cfi_t **table)
{
    size_t              code, expr, rules, index, rows, size, used;
    u_char             *base;
    uint32_t            len, nbuckets;
    ngx_prof_cfi_t     *cfi;
    ngx_prof_cfi_out_t  out;

    len = (uint32_t) (p->src->end - p->src->start);
    nbuckets = ((len - 1) >> NGX_PROF_CFI_BUCKET) + 1;

    rules = ngx_align(sizeof(ngx_prof_cfi_t), 64);
    index = rules + p->nrules * sizeof(ngx_prof_cfi_rule_t);
    expr = index + (nbuckets + 1) * sizeof(uint32_t);
    code = expr + (p->nexprs + 1) * sizeof(uint32_t);
    rows = ngx_align(code + p->expr[p->nexprs], 64);

    /* each FDE may be followed by a row that ends it */

    size = rows + (p->nrows + p->nfdes + 1)
                  * sizeof(ngx_prof_cfi_row_t);
    size = ngx_align(size, NGX_PROF_CFI_PAGE);

    base = mmap(NULL, size, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS,
                -1, 0);

    if (base == MAP_FAILED) {
        return NGX_ERROR;
    }

    ngx_memzero(&out, sizeof(out));
    out.rows = (ngx_prof_cfi_row_t *) (base + rows);
    out.index = (uint32_t *) (base + index);

    ngx_prof_cfi_sort(p->fdes, p->nfdes);
    ngx_prof_cfi_merge(p, &out, len);

    while (out.bucket <= nbuckets) {
        out.index[out.bucket++] = out.nrows;
    }

    ngx_memcpy(base + rules, p->rules,
               p->nrules * sizeof(ngx_prof_cfi_rule_t));
    ngx_memcpy(base + expr, p->expr, (p->nexprs + 1) * sizeof(uint32_t));
    ngx_memcpy(base + code, p->code, p->expr[p->nexprs]);

    p->stats.rows = out.nrows;

    cfi = (ngx_prof_cfi_t *) base;

    cfi->start = p->src->start;
    cfi->len = len;
    cfi->arch = (uint32_t) p->src->arch;
    cfi->nrows = out.nrows;
    cfi->nrules = p->nrules;
    cfi->nexprs = p->nexprs;
    cfi->nbuckets = nbuckets;
    cfi->index = out.index;
    cfi->rows = out.rows;
    cfi->rules = (ngx_prof_cfi_rule_t *) (base + rules);
    cfi->expr = (uint32_t *) (base + expr);
    cfi->code = base + code;
    cfi->stats = p->stats;

    used = rows + out.nrows * sizeof(ngx_prof_cfi_row_t);
    used = ngx_align(used, NGX_PROF_CFI_PAGE);

    cfi->size = used;

    if (used < size) {
        (void) munmap(base + used, size - used);
    }

    (void) mprotect(base, used, PROT_READ);

    *table = cfi;

    return NGX_OK;
}
