
/*
 * Words of shared memory that have one writer and any number of readers.
 *
 * Everything in the zone is read while it is written: by other processes,
 * without a lock, and its writer may be killed between any two instructions.
 * A single word is read and written atomically.  A record of several words
 * is guarded by a sequence number: odd while it is written.
 *
 * Callable from workers, the master and signal handlers; the writing
 * functions only by the one owner of the words.
 */


#ifndef _NGX_PROF_RECORD_H_INCLUDED_
#define _NGX_PROF_RECORD_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_prof_arch.h"


/* attempts of a reader before it gives up */
#define NGX_PROF_RECORD_TRIES  16

/*
 * A claim is a word that says which process has something: its pid in these
 * bits, enough for PID_MAX_LIMIT of Linux, and above them when it was started.
 * 0: free.  A pid that the system has given to another process keeps no claim.
 */
#define NGX_PROF_CLAIM_PID     22

#define ngx_prof_claim_pid(claim)                                             \
    ((claim) & (((uint64_t) 1 << NGX_PROF_CLAIM_PID) - 1))


#define ngx_prof_load(p)                                                      \
    __atomic_load_n(p, __ATOMIC_RELAXED)

#define ngx_prof_load_acquire(p)                                              \
    __atomic_load_n(p, __ATOMIC_ACQUIRE)

#define ngx_prof_store(p, v)                                                  \
    __atomic_store_n(p, v, __ATOMIC_RELAXED)

#define ngx_prof_store_release(p, v)                                          \
    __atomic_store_n(p, v, __ATOMIC_RELEASE)

/*
 * By the only writer: a load, an addition and a store, without a lock.  One
 * instruction does what would otherwise be compiled to three.
 */

#define ngx_prof_add(p, n)  ngx_prof_arch_add(p, n)


/*
 * Writes size bytes (a multiple of 8) from src to the record dst, whose
 * sequence number is *seq.  A writer that died inside left *seq odd: the
 * next write makes the record whole again.
 */
void ngx_prof_record_write(uint64_t *seq, void *dst, const void *src,
    size_t size);

/*
 * The same of a record that others write too.  NGX_AGAIN: one of them is
 * writing, and nothing was written.
 */
ngx_int_t ngx_prof_record_try(uint64_t *seq, void *dst, const void *src,
    size_t size);

/*
 * Copies a record to dst.  NGX_AGAIN: the writer was writing in each of the
 * NGX_PROF_RECORD_TRIES attempts, or was killed while writing; dst
 * is then undefined.
 */
ngx_int_t ngx_prof_record_read(const uint64_t *seq, void *dst, const void *src,
    size_t size);

/* copies size bytes (a multiple of 8) word by word, each word atomically */
void ngx_prof_copy_words(void *dst, const void *src, size_t size);


#endif /* _NGX_PROF_RECORD_H_INCLUDED_ */
