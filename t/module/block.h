
/*
 * Code that waits for a known time in functions with names of their own: n
 * is ms, file what the third argument of profiling_test says.
 */


#ifndef _PROFILING_TEST_BLOCK_H_INCLUDED_
#define _PROFILING_TEST_BLOCK_H_INCLUDED_


typedef void (*profiling_test_wait_pt)(long n, const char *file);


typedef struct {
    const char              *name;
    profiling_test_wait_pt   wait;
} profiling_test_wait_t;


/* ends with a name of NULL; "wait_usleep" calls profiling_test_usleep() */
extern const profiling_test_wait_t  profiling_test_waits[];


#endif /* _PROFILING_TEST_BLOCK_H_INCLUDED_ */
