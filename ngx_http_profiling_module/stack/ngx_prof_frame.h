
/*
 * Frames that outlive their process: an object and an offset in it, not an
 * address.  So another worker can name them, even if it has the object at
 * another place or not at all.
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
#include "ngx_prof_functions.h"
#include "ngx_prof_objects.h"
#include "ngx_prof_stack.h"


/* the longest name, with its zero */
#define NGX_PROF_NAME_LEN  128


/*
 * Packs the innermost `max` of n return addresses.  Signal-safe, one list of
 * objects for all.  Returns how many were written.
 */
ngx_uint_t ngx_prof_frame_pack(uint64_t *frames, ngx_uint_t max,
    const uint64_t *pcs, ngx_uint_t n);

/* where names of frames of scripts are looked up, before the first name */
void ngx_prof_frame_scripts(const ngx_prof_function_t *functions,
    ngx_uint_t n);

/* the address in this process, 0: its object is not loaded here */
uint64_t ngx_prof_frame_address(uint64_t frame);

/*
 * Finds the frame that tells where a worker is: the first one that is not of
 * the C library, the loader, the vDSO, code of nobody knows whom or a hook that
 * has called on; of what LuaJIT calls, the line of Lua.
 * NGX_ERROR: there is none.
 */
ngx_int_t ngx_prof_frame_cause(const uint64_t *frames, ngx_uint_t n);

/*
 * Writes the name from the loaded objects: the exported function, or the
 * object with an offset.  Normal context.  Returns the length; name ends with
 * a zero.
 */
size_t ngx_prof_frame_name(uint64_t frame, char *name);

/* 1: name is an exported function's */
ngx_uint_t ngx_prof_frame_exported(uint64_t frame, char *name);

/*
 * Where a frame is from: the file, as it was loaded, its build id in
 * hexadecimal ("" if it has none), and the address less the file's base.
 * Normal context.  NGX_DECLINED: its object is not loaded here.
 */

typedef struct {
    const char  *path;
    char         build_id[2 * NGX_PROF_BUILD_ID_MAX + 1];
    uint64_t     offset;
} ngx_prof_frame_origin_t;

ngx_int_t ngx_prof_frame_origin(uint64_t frame,
    ngx_prof_frame_origin_t *origin);

/*
 * Hashes which objects are loaded and where; later: with those that this worker
 * has loaded since it was forked.  Normal context
 */
uint64_t ngx_prof_frame_image(ngx_uint_t later);


#endif /* _NGX_PROF_FRAME_H_INCLUDED_ */
