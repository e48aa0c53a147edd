
/*
 * Frames that outlive their process: an object and an offset in it instead of
 * an address, so that another worker can name them, though it has the object
 * elsewhere or not at all.
 *
 *     bits 40 .. 63   of the object's identity, 0: not known
 *     bits 0 .. 39    the address less the object's base
 *
 * Synthetic frames stand as they are (ngx_prof_unwind.h).  All are
 * addresses inside the call: 1 was subtracted from return addresses.
 */


#ifndef _NGX_PROF_FRAME_H_INCLUDED_
#define _NGX_PROF_FRAME_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* the longest name, with its zero */
#define NGX_PROF_NAME_LEN  128


/*
 * Packs the innermost `max` of n return addresses.  Signal-safe, one list of
 * objects for all.  Returns how many were written.
 */
ngx_uint_t ngx_prof_frame_pack(uint64_t *frames, ngx_uint_t max,
    const uint64_t *pcs, ngx_uint_t n);

/* the address in this process, 0: its object is not loaded here */
uint64_t ngx_prof_frame_address(uint64_t frame);

/*
 * Which frame says where it is: the first that is not of the C library, the
 * loader or the kernel's page, nor code of no object.  NGX_ERROR: none does.
 */
ngx_int_t ngx_prof_frame_cause(const uint64_t *frames, ngx_uint_t n);

/*
 * The name that loaded objects tell: of an exported function, or the object's
 * with an offset.  Normal context.  Returns the length, name is terminated.
 */
size_t ngx_prof_frame_name(uint64_t frame, char *name);

/* whether it is an exported function; then name is its */
ngx_uint_t ngx_prof_frame_exported(uint64_t frame, char *name);

/* the hash of all objects that are loaded now and where.  Normal context */
uint64_t ngx_prof_frame_image(void);


#endif /* _NGX_PROF_FRAME_H_INCLUDED_ */
