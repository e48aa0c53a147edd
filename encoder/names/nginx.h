
/*
 * Modules of nginx that functions belong to.
 *
 * A stripped nginx has no names for static functions, but it exports the
 * structures of its modules.  These point to tables, the tables point to
 * functions, and static functions are called only from their own file.  The
 * linker keeps the functions of a file together.
 */


#ifndef _PROFILING_NGINX_H_INCLUDED_
#define _PROFILING_NGINX_H_INCLUDED_


#include "symbols.h"


#define PROFILING_NGINX_SECTIONS  3


typedef struct profiling_nginx_s  profiling_nginx_t;


typedef struct {
    uint64_t                slot;
    uint64_t                value;
} profiling_pointer_t;


typedef struct {
    uint64_t                start;
    uint64_t                end;
    const char             *owner;     /* NULL: not known */
} profiling_area_t;


typedef struct {
    uint64_t                address;
    uint32_t                function;
} profiling_use_t;


/* two functions of one file: one refers to the other, or both to the same */

typedef struct {
    uint32_t                from;
    uint32_t                to;
} profiling_bond_t;


typedef struct {
    const char             *name;
    uint64_t                address;
    uint64_t                context;
    uint64_t                commands;
    unsigned                ncommands;
    uint32_t                type;
    unsigned                known;     /* exports functions of its file */
} profiling_nginx_module_t;


/* a function refers to an address */
typedef void (*profiling_refers_pt)(profiling_nginx_t *x, uint32_t function,
    uint64_t address);


/* the arrays of owners, roles and exports have an item for each function */

struct profiling_nginx_s {
    profiling_symbols_t        *symbols;
    const uint8_t              *file;
    size_t                      size;
    unsigned                    machine;
    profiling_refers_pt         refers;    /* of a library, else NULL */

    profiling_range_t          *functions; /* of .text, sorted by start */
    uint32_t                    n;
    uint32_t                   *index;     /* NULL: none; by start, from 1 */
    const char                **owners;    /* a module or file; NULL */
    const char                **roles;     /* "" if there are several */
    const char                **exports;
    const char                **resolvers; /* exported IFUNCs */

    /* .data, .data.rel.ro and .bss, sorted */
    profiling_area_t            sections[PROFILING_NGINX_SECTIONS];
    size_t                      nsections;
    profiling_area_t            text;
    profiling_area_t            strings;   /* .rodata */
    uint64_t                    last_text; /* that was a file's name */
    const char                 *last_file;

    profiling_pointer_t        *pointers;  /* sorted by slot */
    size_t                      npointers;
    size_t                      pointers_room;

    profiling_area_t           *objects;   /* exported data, sorted */
    size_t                      nobjects;
    size_t                      objects_room;

    profiling_nginx_module_t   *modules;
    size_t                      nmodules;

    profiling_area_t           *areas;     /* data of modules, sorted */
    size_t                      nareas;
    size_t                      areas_room;

    profiling_use_t            *uses;      /* of data that is not exported */
    size_t                      nuses;
    size_t                      uses_room;

    profiling_bond_t           *bonds;
    size_t                      nbonds;
    size_t                      bonds_room;
};


/* NULL if the file exports no modules */
profiling_nginx_t *profiling_nginx_load(profiling_symbols_t *s);

/*
 * The same of a library: its functions are of source files, of parts that are
 * known, or of one exported function.
 */
profiling_nginx_t *profiling_library_load(profiling_symbols_t *s);

/* index of the function with an address in it, or -1 */
int64_t profiling_nginx_find(profiling_nginx_t *x, uint64_t address);

/* number of functions that start at or below an address */
uint32_t profiling_nginx_below(profiling_nginx_t *x, uint64_t address);

/* the module whose time it is that a function of an owner takes, or NULL */
const char *profiling_nginx_module(const char *owner);


/* between the files of this part */

/* index of the function that starts at an address, or -1 */
int64_t profiling_nginx_start(profiling_nginx_t *x, uint64_t address);

const uint8_t *profiling_nginx_at(profiling_nginx_t *x, uint64_t address,
    size_t len);
const char *profiling_nginx_string(profiling_nginx_t *x, uint64_t address);
uint64_t profiling_nginx_number(profiling_nginx_t *x, uint64_t address);
uint64_t profiling_nginx_pointer(profiling_nginx_t *x, uint64_t slot);
profiling_area_t *profiling_nginx_area(profiling_area_t *areas, size_t n,
    uint64_t address);
void profiling_nginx_area_push(profiling_nginx_t *x, uint64_t start,
    uint64_t end, const char *owner);

/* *modules, *names: addresses of ngx_modules and ngx_module_names; 0: none */
int profiling_nginx_image(profiling_nginx_t *x, Elf *elf, uint64_t *modules,
    uint64_t *names);

void profiling_nginx_tables(profiling_nginx_t *x, uint64_t modules,
    uint64_t names);
void profiling_nginx_exports(profiling_nginx_t *x);
void profiling_nginx_code(profiling_nginx_t *x);
void profiling_nginx_bond(profiling_nginx_t *x, uint32_t from, uint32_t to);
unsigned profiling_nginx_ordered(profiling_nginx_t *x);
void profiling_nginx_owners(profiling_nginx_t *x);


extern const char *const  profiling_nginx_files[];


#endif /* _PROFILING_NGINX_H_INCLUDED_ */
