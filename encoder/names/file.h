
/*
 * Files on disk: which may be opened, and whether they are what a process has
 * mapped.
 *
 * Paths come from /proc/<pid>/maps only, never from a client.  A file is
 * believed if its build id is the one of the mapping or, where that is not
 * known, if it has the inode that was mapped: an upgrade replaces the file
 * below a running process.
 */


#ifndef _PROFILING_FILE_H_INCLUDED_
#define _PROFILING_FILE_H_INCLUDED_


#include "object.h"


/* sets object->build_id from the file, if that is the one that was mapped */
void profiling_file_build_id(profiling_object_t *object);

/* descriptor of the file that was mapped, or -1; *path says which it is */
int profiling_file_open(profiling_object_t *object, const char **path);

/*
 * Descriptor of the file with the debug information, or -1: by build id, then
 * in the debuginfod cache, then by .gnu_debuglink (NULL: none).
 */
int profiling_file_debug(profiling_object_t *object, const char *link,
    uint32_t crc, const char **path);

/* descriptor of a file that dwz has moved common parts to, or -1 */
int profiling_file_alternate(const char *base, const char *name,
    const char *build_id, const char **path);


#endif /* _PROFILING_FILE_H_INCLUDED_ */
