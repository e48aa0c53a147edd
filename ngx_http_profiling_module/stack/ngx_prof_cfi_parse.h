
/*
 * From .eh_frame to a table: see ngx_prof_cfi.h for what a table is.
 */


#ifndef _NGX_PROF_CFI_PARSE_H_INCLUDED_
#define _NGX_PROF_CFI_PARSE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_cfi.h"


/*
 * Parses and builds a table in a mapping of its own, which is then made
 * read-only.  Normal context.  NGX_DECLINED: nothing usable in it;
 * NGX_ERROR: no memory.  Garbage is skipped and counted in table->stats;
 * *stats, if not NULL, gets the counts in any case.
 */
ngx_int_t ngx_prof_cfi_build(ngx_prof_cfi_src_t *src, ngx_prof_cfi_t **table,
    ngx_prof_cfi_stats_t *stats);
void ngx_prof_cfi_free(ngx_prof_cfi_t *table);

/*
 * Finds .eh_frame by means of .eh_frame_hdr (hdr, hdr_len bytes, loaded at
 * hdr_addr) inside of a readable segment (seg, seg_len, at seg_addr) and sets
 * data, len, addr and exact in src.  NGX_DECLINED: not to be found.
 */
ngx_int_t ngx_prof_cfi_locate(const u_char *hdr, size_t hdr_len,
    uint64_t hdr_addr, const u_char *seg, size_t seg_len, uint64_t seg_addr,
    ngx_prof_cfi_src_t *src);


#endif /* _NGX_PROF_CFI_PARSE_H_INCLUDED_ */
