
/*
 * System calls that a server does not make, and that its filter (seccomp(2)),
 * which the encoder inherits, may answer by killing the process.
 */


#ifndef PROFILING_ALLOWED_H
#define PROFILING_ALLOWED_H


typedef enum {
    PROFILING_CALL_CLOSE_RANGE = 0,
    PROFILING_CALL_PRIORITY,
    PROFILING_CALL_ALARM,
    PROFILING_CALL_ITIMER,
    PROFILING_CALL_POLL,
    PROFILING_CALL_USAGE,
    PROFILING_CALLS
} profiling_call_t;


/*
 * Where a filter is in force: makes the call once in a child, the first time
 * that it is asked for, and returns 0 if that was killed.  Without one: 1.
 */
int profiling_allowed(profiling_call_t call);


#endif /* PROFILING_ALLOWED_H */
