
/*
 * .eh_frame -> compact unwind table.  See the header.
 *
 * Formats: DWARF 5, section 6.4; Linux Standard Base, "Exception Frames"
 * (.eh_frame, .eh_frame_hdr); "DWARF for the Arm 64-bit Architecture".
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <sys/mman.h>

#include "ngx_prof_cfi_parse.h"
#include "ngx_prof_cfi_read.h"


/*
 * Reads the head of the next entry and moves *pos past the entry.
 * NGX_DECLINED: a terminator; NGX_ERROR: the lengths do not fit, so no later
 * entry can be found.
 */

static ngx_int_t
ngx_prof_cfi_entry(ngx_prof_cfi_src_t *src, const u_char **pos,
    ngx_prof_cfi_entry_t *entry)
{
    uint64_t               len, back;
    const u_char          *at;
    ngx_prof_cfi_reader_t  in;

    in.pos = *pos;
    in.end = src->data + src->len;
    in.bad = 0;

    entry->start = in.pos;
    len = ngx_prof_cfi_uint(&in, 4);

    if (len == 0xffffffff) {
        len = ngx_prof_cfi_uint(&in, 8);
    }

    if (in.bad || len > (uint64_t) (in.end - in.pos)) {
        return NGX_ERROR;
    }

    *pos = in.pos + len;

    if (len == 0) {
        return NGX_DECLINED;
    }

    in.end = *pos;
    at = in.pos;

    /* the pointer has four bytes in .eh_frame even after a 64-bit length */

    back = ngx_prof_cfi_uint(&in, 4);

    entry->body = in.pos;
    entry->end = in.end;
    entry->cie = NULL;

    if (in.bad || back > (uint64_t) (at - src->data)) {
        /* this entry is skipped; the next ones may be sound */
        entry->body = NULL;
        return NGX_OK;
    }

    if (back != 0) {
        entry->cie = at - back;
    }

    return NGX_OK;
}


/* NGX_ERROR: the augmentation has a letter that is not known */

static ngx_int_t
ngx_prof_cfi_augmentation(ngx_prof_cfi_parser_t *p, ngx_prof_cfi_cie_t *cie,
    ngx_prof_cfi_reader_t *in, const u_char *s)
{
    uint64_t               len;
    ngx_uint_t             encoding;
    ngx_prof_cfi_reader_t  data;

    if (*s == '\0') {
        return NGX_OK;
    }

    if (*s++ != 'z') {
        return NGX_ERROR;
    }

    len = ngx_prof_cfi_uleb(in);

    if (in->bad || len > (uint64_t) (in->end - in->pos)) {
        return NGX_ERROR;
    }

    data.pos = in->pos;
    data.end = in->pos + len;
    data.bad = 0;

    in->pos = data.end;
    cie->augmented = 1;

    for ( /* void */ ; *s; s++) {

        switch (*s) {

        case 'R':
            cie->encoding = (u_char) ngx_prof_cfi_uint(&data, 1);
            break;

        case 'S':
            cie->initial.flags |= NGX_PROF_CFI_SIGNAL;
            break;

        case 'L':
            (void) ngx_prof_cfi_uint(&data, 1);
            break;

        case 'P':
            /* the personality's value does not matter, its length does */

            encoding = (ngx_uint_t) ngx_prof_cfi_uint(&data, 1);

            if (encoding != NGX_PROF_PE_OMIT) {
                encoding &= (encoding == NGX_PROF_PE_ALIGNED)
                            ? 0xff : 0x0f;
                (void) ngx_prof_cfi_pointer(&data, encoding,
                                           p->src->data, p->src->addr, 0);
            }

            break;

        case 'B':                  /* aarch64: return addresses use key B */
        case 'G':                  /* aarch64: frames tag their memory */
            break;

        default:
            return NGX_ERROR;
        }
    }

    return data.bad ? NGX_ERROR : NGX_OK;
}


static ngx_int_t
ngx_prof_cfi_parse_cie(ngx_prof_cfi_parser_t *p, ngx_prof_cfi_cie_t *cie,
    ngx_prof_cfi_entry_t *entry)
{
    ngx_uint_t          version;
    const u_char       *s;
    ngx_prof_cfi_run_t  run;

    run.in.pos = entry->body;
    run.in.end = entry->end;
    run.in.bad = 0;

    /* a CIE may be parsed more than once: a limit keeps the time linear */

    if (entry->end - entry->start > NGX_PROF_CFI_CIE_LEN) {
        return NGX_ERROR;
    }

    version = (ngx_uint_t) ngx_prof_cfi_uint(&run.in, 1);

    if (version != 1 && version != 3 && version != 4) {
        return NGX_ERROR;
    }

    for (s = run.in.pos; run.in.pos < run.in.end && *run.in.pos; /* void */) {
        run.in.pos++;
    }

    (void) ngx_prof_cfi_uint(&run.in, 1);

    /* sizes of an address and of a segment selector */

    if (version == 4 && ngx_prof_cfi_uint(&run.in, 2) != sizeof(uint64_t)) {
        return NGX_ERROR;
    }

    cie->code_align = ngx_prof_cfi_uleb(&run.in);
    cie->data_align = ngx_prof_cfi_sleb(&run.in);
    cie->ra = (version == 1) ? ngx_prof_cfi_uint(&run.in, 1)
                             : ngx_prof_cfi_uleb(&run.in);

    if (run.in.bad || ngx_prof_cfi_augmentation(p, cie, &run.in, s) != NGX_OK)
    {
        return NGX_ERROR;
    }

    run.parser = p;
    run.cie = cie;
    run.fde = NULL;
    run.slots = ngx_prof_cfi_kept(p->src->arch);
    run.addr = 0;
    run.depth = 0;
    run.rule = cie->initial;

    while (run.in.pos < run.in.end) {
        if (ngx_prof_cfi_instruction(&run) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    cie->initial = run.rule;

    return NGX_OK;
}


/* parses the CIE at the given offset; NULL: it is not usable */

static ngx_prof_cfi_cie_t *
ngx_prof_cfi_get_cie(ngx_prof_cfi_parser_t *p, const u_char *start)
{
    const u_char         *pos;
    ngx_prof_cfi_cie_t   *cie;
    ngx_prof_cfi_entry_t  entry;

    cie = &p->cie[((uintptr_t) (start - p->src->data) >> 3)
                  % NGX_PROF_CFI_CIES];

    if (cie->start != start) {
        ngx_memzero(cie, sizeof(ngx_prof_cfi_cie_t));

        pos = start;
        cie->start = start;
        cie->rc = NGX_ERROR;

        if (ngx_prof_cfi_entry(p->src, &pos, &entry) == NGX_OK
            && entry.body != NULL && entry.cie == NULL)
        {
            cie->rc = ngx_prof_cfi_parse_cie(p, cie, &entry);
        }
    }

    return (cie->rc == NGX_OK) ? cie : NULL;
}


/*
 * Reads the addresses of an FDE and leaves the reader at its instructions.
 * NGX_DECLINED: it is sound but not of this text; so are FDEs of functions
 * that the linker has dropped.
 */

static ngx_int_t
ngx_prof_cfi_range(ngx_prof_cfi_parser_t *p, ngx_prof_cfi_cie_t *cie,
    ngx_prof_cfi_reader_t *in, ngx_prof_cfi_fde_t *fde)
{
    uint64_t  start, len;

    start = ngx_prof_cfi_pointer(in, cie->encoding, p->src->data,
                                 p->src->addr, 0);
    len = ngx_prof_cfi_value(in, cie->encoding);

    if (cie->augmented) {
        uint64_t  n;

        n = ngx_prof_cfi_uleb(in);

        if (n > (uint64_t) (in->end - in->pos)) {
            return NGX_ERROR;
        }

        in->pos += n;
    }

    if (in->bad) {
        return NGX_ERROR;
    }

    if (start < p->src->start || start >= p->src->end
        || len == 0 || len > p->src->end - start)
    {
        return NGX_DECLINED;
    }

    fde->start = (uint32_t) (start - p->src->start);
    fde->end = (uint32_t) (start - p->src->start + len);

    return NGX_OK;
}


static void
ngx_prof_cfi_parse_fde(ngx_prof_cfi_parser_t *p, ngx_prof_cfi_entry_t *entry)
{
    ngx_int_t            rc;
    ngx_prof_cfi_cie_t  *cie;
    ngx_prof_cfi_run_t   run;

    cie = ngx_prof_cfi_get_cie(p, entry->cie);

    if (cie == NULL) {
        p->stats.bad_fde++;
        return;
    }

    run.in.pos = entry->body;
    run.in.end = entry->end;
    run.in.bad = 0;
    run.fde = &p->fdes[p->nfdes];

    rc = ngx_prof_cfi_range(p, cie, &run.in, run.fde);

    if (rc != NGX_OK) {
        p->stats.bad_fde += (rc == NGX_ERROR);
        p->stats.out_of_text += (rc == NGX_DECLINED);
        return;
    }

    p->nfdes++;
    run.fde->row = p->nrows;
    run.fde->nrows = 0;

    run.parser = p;
    run.cie = cie;
    run.slots = ngx_prof_cfi_kept(p->src->arch);
    run.addr = run.fde->start;
    run.dirty = 1;
    run.depth = 0;
    run.rule = cie->initial;

    while (run.in.pos < run.in.end && rc == NGX_OK) {
        rc = ngx_prof_cfi_instruction(&run);
    }

    if (rc == NGX_ERROR) {

        /* leave the rest of the function without a rule */

        p->stats.bad_fde++;
        run.rule.cfa_kind = NGX_PROF_CFI_NONE;
        run.dirty = 1;
    }

    if (run.addr < run.fde->end) {
        ngx_prof_cfi_emit(&run);
    }
}


static void
ngx_prof_cfi_parse(ngx_prof_cfi_parser_t *p)
{
    ngx_int_t             rc;
    const u_char         *pos, *end;
    ngx_prof_cfi_entry_t  entry;

    pos = p->src->data;
    end = pos + p->src->len;

    while (end - pos >= 4) {

        rc = ngx_prof_cfi_entry(p->src, &pos, &entry);

        if (rc == NGX_DECLINED && p->src->exact) {
            continue;
        }

        if (rc != NGX_OK) {
            p->stats.bad_entry += (rc == NGX_ERROR);
            return;
        }

        if (entry.body == NULL) {
            p->stats.bad_entry++;

        } else if (entry.cie) {
            p->stats.fdes++;
            ngx_prof_cfi_parse_fde(p, &entry);

        } else {
            p->stats.cies++;
            p->stats.bad_cie += (ngx_prof_cfi_get_cie(p, entry.start) == NULL);
        }
    }
}


/*
 * A row takes at least one byte of the data and an FDE at least eight, so the
 * arrays never have to grow.  Pages that nobody writes to cost nothing.
 */

static ngx_prof_cfi_parser_t *
ngx_prof_cfi_alloc(ngx_prof_cfi_src_t *src, size_t *size)
{
    size_t                  rows, fdes, rules, next, expr, code;
    u_char                 *base;
    ngx_prof_cfi_parser_t  *p;

    rows = ngx_align(sizeof(ngx_prof_cfi_parser_t), 64);
    fdes = rows + (src->len + 1) * sizeof(ngx_prof_cfi_wide_t);
    rules = fdes + (src->len / 8 + 1) * sizeof(ngx_prof_cfi_fde_t);
    next = rules + NGX_PROF_CFI_RULES
                   * sizeof(ngx_prof_cfi_rule_t);
    expr = next + NGX_PROF_CFI_RULES * sizeof(uint16_t);
    code = expr + (NGX_PROF_CFI_EXPRS + 1) * sizeof(uint32_t);

    *size = code + NGX_PROF_CFI_EXPRS
                   * NGX_PROF_CFI_EXPR_LEN;

    base = mmap(NULL, *size, PROT_READ|PROT_WRITE,
                MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE, -1, 0);

    if (base == MAP_FAILED) {
        return NULL;
    }

    p = (ngx_prof_cfi_parser_t *) base;

    p->src = src;
    p->rows = (ngx_prof_cfi_wide_t *) (base + rows);
    p->fdes = (ngx_prof_cfi_fde_t *) (base + fdes);
    p->rules = (ngx_prof_cfi_rule_t *) (base + rules);
    p->next = (uint16_t *) (base + next);
    p->expr = (uint32_t *) (base + expr);
    p->code = base + code;

    /* rule 0 stands for addresses without a rule */

    p->nrules = 1;

    return p;
}


ngx_int_t
ngx_prof_cfi_build(ngx_prof_cfi_src_t *src, ngx_prof_cfi_t **table,
    ngx_prof_cfi_stats_t *stats)
{
    size_t                  size;
    ngx_int_t               rc;
    ngx_prof_cfi_parser_t  *p;

    if (stats) {
        ngx_memzero(stats, sizeof(ngx_prof_cfi_stats_t));
    }

    if (src->len > NGX_PROF_CFI_MAX_LEN
        || src->start >= src->end
        || src->end - src->start > 0xffffffff)
    {
        return NGX_DECLINED;
    }

    p = ngx_prof_cfi_alloc(src, &size);

    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_prof_cfi_parse(p);

    rc = p->nfdes ? ngx_prof_cfi_finish(p, table) : NGX_DECLINED;

    if (stats) {
        *stats = p->stats;
    }

    (void) munmap(p, size);

    return rc;
}


void
ngx_prof_cfi_free(ngx_prof_cfi_t *table)
{
    (void) munmap(table, table->size);
}


/*
 * Memory does not tell the length of .eh_frame.  Its sorted table lists all
 * FDEs, and the last one in memory ends the section.
 */

static void
ngx_prof_cfi_last(ngx_prof_cfi_reader_t *in, uint64_t count, uint64_t hdr_addr,
    ngx_prof_cfi_src_t *src)
{
    uint64_t              fde, last, end;
    const u_char         *pos;
    ngx_prof_cfi_entry_t  entry;

    last = 0;
    end = src->addr + src->len;

    if (count == 0 || count > (uint64_t) (in->end - in->pos) / 8) {
        return;
    }

    while (count--) {
        (void) ngx_prof_cfi_uint(in, 4);
        fde = hdr_addr + (uint64_t) ngx_prof_cfi_int(in, 4);

        if (fde < src->addr || fde >= end) {
            return;
        }

        last = ngx_max(last, fde);
    }

    pos = src->data + (last - src->addr);

    if (ngx_prof_cfi_entry(src, &pos, &entry) == NGX_OK) {
        src->len = (size_t) (pos - src->data);
        src->exact = 1;
    }
}


ngx_int_t
ngx_prof_cfi_locate(const u_char *hdr, size_t hdr_len, uint64_t hdr_addr,
    const u_char *seg, size_t seg_len, uint64_t seg_addr,
    ngx_prof_cfi_src_t *src)
{
    uint64_t               frame, count;
    ngx_uint_t             version, frame_enc, count_enc, table_enc;
    ngx_prof_cfi_reader_t  in;

    in.pos = hdr;
    in.end = hdr + hdr_len;
    in.bad = 0;

    version = (ngx_uint_t) ngx_prof_cfi_uint(&in, 1);
    frame_enc = (ngx_uint_t) ngx_prof_cfi_uint(&in, 1);
    count_enc = (ngx_uint_t) ngx_prof_cfi_uint(&in, 1);
    table_enc = (ngx_uint_t) ngx_prof_cfi_uint(&in, 1);

    frame = ngx_prof_cfi_pointer(&in, frame_enc, hdr, hdr_addr, hdr_addr);

    if (in.bad || version != 1 || frame < seg_addr
        || frame - seg_addr >= seg_len)
    {
        return NGX_DECLINED;
    }

    src->data = seg + (frame - seg_addr);
    src->len = seg_len - (size_t) (frame - seg_addr);
    src->addr = frame;
    src->exact = 0;

    if (count_enc == NGX_PROF_PE_OMIT
        || table_enc != (NGX_PROF_PE_DATAREL
                         | NGX_PROF_PE_SDATA4))
    {
        return NGX_OK;
    }

    count = ngx_prof_cfi_pointer(&in, count_enc, hdr, hdr_addr, hdr_addr);

    if (!in.bad) {
        ngx_prof_cfi_last(&in, count, hdr_addr, src);
    }

    return NGX_OK;
}
