
/*
 * Opens program and debug files, and checks that they are what a process has
 * mapped.
 *
 * Paths come only from /proc/<pid>/maps, never from a client.  An upgrade may
 * have replaced a mapped file, so its build id must match the mapping's; if
 * that is not known, the inode must match.
 */


#ifndef _PROFILING_FILE_H_INCLUDED_
#define _PROFILING_FILE_H_INCLUDED_


#include "object.h"


/* sets object->build_id from the file if it is the mapped one */
void profiling_file_build_id(profiling_object_t *object);

/* descriptor of the mapped file, or -1; *path is set to its path */
int profiling_file_open(profiling_object_t *object, const char **path);

/*
 * Descriptor of the file with the debug information, or -1.  Looks by build
 * id, then in the debuginfod cache, then by .gnu_debuglink (NULL: none).
 */
int profiling_file_debug(profiling_object_t *object, const char *link,
    uint32_t crc, const char **path);

/* descriptor of the file to which dwz moved common parts, or -1 */
int profiling_file_alternate(const char *base, const char *name,
    const char *build_id, const char **path);

/* 0 if "name", from the directory of "base" on, is anything but a file */
int profiling_file_safe(const char *base, const char *name);


#endif /* _PROFILING_FILE_H_INCLUDED_ */
