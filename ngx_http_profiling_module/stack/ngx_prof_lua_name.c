
/*
 * Lines and names of functions, out of the machine's memory.
 *
 * LuaJIT's functions have no names: the instruction that calls one tells under
 * which name it took it: a local variable, an upvalue, a field, a global.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_lua_vm.h"


/* entries, a power of two */
#define NGX_PROF_LUA_CACHE   256

/* bytes of source text that a chunk without a file is called by */
#define NGX_PROF_LUA_SOURCE  40

/* names of local variables: bytes at first, and at most */
#define NGX_PROF_LUA_DEBUG   4096

/* instructions before a call that are looked at */
#define NGX_PROF_LUA_BACK    64

#define ngx_prof_lua_op(ins)  ((ins) & 0xff)
#define ngx_prof_lua_a(ins)   ((ins) >> 8 & 0xff)
#define ngx_prof_lua_c(ins)   ((ins) >> 16 & 0xff)
#define ngx_prof_lua_d(ins)   ((ins) >> 16)

/* instructions: those from MOV up to TGETR set register A, but for SETs */

#define NGX_PROF_LUA_MOV     18
#define NGX_PROF_LUA_UGET    45
#define NGX_PROF_LUA_USETV   46
#define NGX_PROF_LUA_UCLO    50
#define NGX_PROF_LUA_GGET    54
#define NGX_PROF_LUA_GSET    55
#define NGX_PROF_LUA_TGETS   57
#define NGX_PROF_LUA_TGETR   59
#define NGX_PROF_LUA_CALLM   65
#define NGX_PROF_LUA_CALLT   68
#define NGX_PROF_LUA_ITERC   69
#define NGX_PROF_LUA_ITERN   70
#define NGX_PROF_LUA_VARG    71


/* a function that was entered in the table: what it was found by */

typedef struct {
    uintptr_t  proto;
    uintptr_t  call;
    uintptr_t  chunk;
    uint64_t   first;                           /* lines of the prototype */
    uint64_t   text;                            /* hash or number of chunk */
    uint32_t   ins;
    uint32_t   index;                           /* + 1, 0: the entry is free */
} ngx_prof_lua_known_t;


static ngx_int_t ngx_prof_lua_function(uintptr_t proto, uintptr_t caller,
    uintptr_t call);
static size_t ngx_prof_lua_chunk(uintptr_t chunk, uint32_t first,
    u_char *file, size_t size);
static size_t ngx_prof_lua_text(uintptr_t from, size_t len, u_char *to,
    size_t size);
static size_t ngx_prof_lua_local(uintptr_t proto, uint32_t pos, uint32_t slot,
    u_char *name, size_t size);
static uint32_t ngx_prof_lua_uleb(uintptr_t *p, uintptr_t last);
static size_t ngx_prof_lua_constant(uintptr_t proto, uint32_t i, u_char *name,
    size_t size);
static size_t ngx_prof_lua_upvalue(uintptr_t proto, uint32_t i, u_char *name,
    size_t size);
static ngx_uint_t ngx_prof_lua_sets(uint32_t ins, uint32_t slot);


/* threads other than the main one have no machine: there is one walk a time */

static ngx_prof_lua_known_t  ngx_prof_lua_known[NGX_PROF_LUA_CACHE];
static uint32_t              ngx_prof_lua_busy;


uintptr_t
ngx_prof_lua_proto(uint64_t value)
{
    uintptr_t  function, proto;

    function = ngx_prof_lua_pointer(value);

    if (ngx_prof_lua_tag(value) != NGX_PROF_LUA_TAG_FUNC
        || !ngx_prof_lua_is(function, NGX_PROF_LUA_FUNC)
        || ngx_prof_lua_load8(function + NGX_PROF_LUA_FFID) != 0)
    {
        return 0;
    }

    proto = ngx_prof_lua_load(function + NGX_PROF_LUA_CODE)
            - NGX_PROF_LUA_CODES;

    return ngx_prof_lua_is(proto, NGX_PROF_LUA_PROTO) ? proto : 0;
}


ngx_uint_t
ngx_prof_lua_within(uintptr_t proto, uintptr_t pc)
{
    uintptr_t  offset;

    offset = pc - (proto + NGX_PROF_LUA_CODES);

    return offset >= 4 && (offset & 3) == 0
           && offset / 4 <= ngx_prof_lua_load32(proto + NGX_PROF_LUA_SIZE);
}


uint32_t
ngx_prof_lua_line(uintptr_t proto, uintptr_t pc)
{
    uint32_t   first, lines, pos;
    uintptr_t  info;

    if (pc == proto + NGX_PROF_LUA_CODES) {
        pc += sizeof(uint32_t);
    }

    if (!ngx_prof_lua_within(proto, pc)) {
        return 0;
    }

    first = ngx_prof_lua_load32(proto + NGX_PROF_LUA_FIRST);
    lines = ngx_prof_lua_load32(proto + NGX_PROF_LUA_FIRST + 4);
    info = ngx_prof_lua_load(proto + NGX_PROF_LUA_LINES);
    pos = (uint32_t) ((pc - (proto + NGX_PROF_LUA_CODES)) / 4 - 1);

    /* functions of the library have none */

    if (info == 0 || first == (uint32_t) -1) {
        return 0;
    }

    if (pos-- == 0) {
        return first;
    }

    if (lines < 256) {
        return first + ngx_prof_lua_load8(info + pos);
    }

    if (lines < 65536) {
        return first + (ngx_prof_lua_load8(info + 2 * pos)
                        | ngx_prof_lua_load8(info + 2 * pos + 1) << 8);
    }

    return first + ngx_prof_lua_load32(info + 4 * pos);
}


uint64_t
ngx_prof_lua_frame(uintptr_t proto, uint32_t line, uintptr_t caller,
    uintptr_t call)
{
    uint32_t               ins;
    uint64_t               first, text;
    uintptr_t              chunk;
    ngx_int_t              i;
    ngx_prof_lua_known_t  *known;

    if (!ngx_prof_lua_within(caller, call)) {
        caller = 0;
        call = 0;
    }

    chunk = ngx_prof_lua_load(proto + NGX_PROF_LUA_CHUNK);
    first = ngx_prof_lua_load(proto + NGX_PROF_LUA_FIRST);
    text = ngx_prof_lua_load(chunk + 8) >> 32
           ^ ngx_prof_lua_load(chunk + 16);
    ins = call ? ngx_prof_lua_load32(call - 4) : 0;

    known = &ngx_prof_lua_known[((proto ^ call * 5)
                                 * 0x9e3779b97f4a7c15ULL >> 48)
                                & (NGX_PROF_LUA_CACHE - 1)];

    /* a walk that interrupts another one leaves the cache alone */

    if (__atomic_exchange_n(&ngx_prof_lua_busy, 1, __ATOMIC_ACQUIRE)) {
        i = ngx_prof_lua_function(proto, caller, call);
        return (i < 0) ? NGX_PROF_FRAME_LUAJIT : ngx_prof_frame_lua(i, line);
    }

    if (known->index == 0
        || known->proto != proto
        || known->call != call
        || known->ins != ins
        || known->chunk != chunk
        || known->first != first
        || known->text != text)
    {
        i = ngx_prof_lua_function(proto, caller, call);

        known->proto = proto;
        known->call = call;
        known->ins = ins;
        known->chunk = chunk;
        known->first = first;
        known->text = text;
        known->index = (uint32_t) ((i < 0) ? 0 : i + 1);
    }

    i = known->index;

    __atomic_store_n(&ngx_prof_lua_busy, 0, __ATOMIC_RELEASE);

    return i ? ngx_prof_frame_lua(i - 1, line) : NGX_PROF_FRAME_LUAJIT;
}


static ngx_int_t
ngx_prof_lua_function(uintptr_t proto, uintptr_t caller, uintptr_t call)
{
    u_char     at[NGX_PROF_FUNCTION_FILE], is[NGX_PROF_FUNCTION_NAME];
    uint32_t   first;
    uintptr_t  chunk;
    ngx_str_t  file, name;

    chunk = ngx_prof_lua_load(proto + NGX_PROF_LUA_CHUNK);
    first = ngx_prof_lua_load32(proto + NGX_PROF_LUA_FIRST);

    file.data = at;
    file.len = ngx_prof_lua_chunk(chunk, first, at, sizeof(at));

    name.data = is;
    name.len = caller ? ngx_prof_lua_name(caller, call, is, sizeof(is)) : 0;

    if (name.len == 0 && first == 0) {
        ngx_str_set(&name, "main chunk");
    }

    return ngx_prof_functions_add(ngx_prof_lua_vm.table, ngx_prof_lua_vm.n,
                                  &file, &name,
                                  (first == (uint32_t) -1) ? 0 : first);
}


/* "@file", "=name" or source text */

static size_t
ngx_prof_lua_chunk(uintptr_t chunk, uint32_t first, u_char *file, size_t size)
{
    size_t     len;
    u_char    *p;
    uintptr_t  text;

    text = chunk + NGX_PROF_LUA_TEXT;
    len = ngx_prof_lua_load32(chunk + ngx_prof_lua_vm.len);
    p = file;

    if (first == (uint32_t) -1) {
        p = ngx_cpymem(p, "[builtin:", 9);
        p += ngx_prof_lua_text(text, len, p, size - 10);
        *p++ = ']';

        return p - file;
    }

    switch (len ? ngx_prof_lua_load8(text) : 0) {

    case '@':

        if (len - 1 <= size) {
            return ngx_prof_lua_text(text + 1, len - 1, file, size);
        }

        /* of a long path, the end */

        p = ngx_cpymem(p, "...", 3);
        p += ngx_prof_lua_text(text + len - (size - 3), size - 3, p, size - 3);

        return p - file;

    case '=':
        return ngx_prof_lua_text(text + 1, len - 1, file, size);

    default:
        p = ngx_cpymem(p, "[string \"", 9);
        p += ngx_prof_lua_text(text, len, p, NGX_PROF_LUA_SOURCE);

        if (len > NGX_PROF_LUA_SOURCE) {
            p = ngx_cpymem(p, "...", 3);
        }

        p = ngx_cpymem(p, "\"]", 2);

        return p - file;
    }
}


/* control characters are escaped, what has no room is cut */

static size_t
ngx_prof_lua_text(uintptr_t from, size_t len, u_char *to, size_t size)
{
    u_char  c, *p;
    size_t  i;

    static const u_char  hex[] = "0123456789abcdef";

    p = to;

    for (i = 0; i < len && p < to + size; i++) {
        c = ngx_prof_lua_load8(from + i);

        if (c >= ' ' && c != 0x7f) {
            *p++ = c;
            continue;
        }

        if (to + size - p < 4) {
            break;
        }

        *p++ = '\\';
        *p++ = 'x';
        *p++ = hex[c >> 4];
        *p++ = hex[c & 15];
    }

    return p - to;
}


size_t
ngx_prof_lua_name(uintptr_t proto, uintptr_t call, u_char *name, size_t size)
{
    size_t      n;
    uint32_t    ins, pos, slot;
    uintptr_t   code;
    ngx_uint_t  i;

    code = proto + NGX_PROF_LUA_CODES;
    pos = (uint32_t) ((call - code) / 4 - 1);
    ins = ngx_prof_lua_load32(code + 4 * pos);
    slot = ngx_prof_lua_a(ins);

    if (ngx_prof_lua_op(ins) == NGX_PROF_LUA_ITERC
        || ngx_prof_lua_op(ins) == NGX_PROF_LUA_ITERN)
    {
        slot -= 3;

    } else if (ngx_prof_lua_op(ins) < NGX_PROF_LUA_CALLM
               || ngx_prof_lua_op(ins) > NGX_PROF_LUA_CALLT)
    {
        return 0;
    }

    n = ngx_prof_lua_local(proto, pos, slot, name, size);

    for (i = 0; n == 0 && i < NGX_PROF_LUA_BACK && pos > 1; i++) {

        ins = ngx_prof_lua_load32(code + 4 * --pos);

        if (!ngx_prof_lua_sets(ins, slot)) {
            continue;
        }

        switch (ngx_prof_lua_op(ins)) {

        case NGX_PROF_LUA_MOV:
            slot = ngx_prof_lua_d(ins);
            n = ngx_prof_lua_local(proto, pos, slot, name, size);
            break;

        case NGX_PROF_LUA_GGET:
            return ngx_prof_lua_constant(proto, ngx_prof_lua_d(ins), name,
                                         size);

        case NGX_PROF_LUA_TGETS:
            return ngx_prof_lua_constant(proto, ngx_prof_lua_c(ins), name,
                                         size);

        case NGX_PROF_LUA_UGET:
            return ngx_prof_lua_upvalue(proto, ngx_prof_lua_d(ins), name,
                                        size);

        default:
            return 0;
        }
    }

    return n;
}


/* whether an instruction sets a register, or may have */

static ngx_uint_t
ngx_prof_lua_sets(uint32_t ins, uint32_t slot)
{
    uint32_t  op;

    op = ngx_prof_lua_op(ins);

    if (op < NGX_PROF_LUA_MOV) {
        return 0;
    }

    if (op <= NGX_PROF_LUA_TGETR) {
        return (op < NGX_PROF_LUA_USETV || op > NGX_PROF_LUA_UCLO)
               && op != NGX_PROF_LUA_GSET
               && ngx_prof_lua_a(ins) == slot;
    }

    return (op >= NGX_PROF_LUA_CALLM && op <= NGX_PROF_LUA_VARG)
           && slot >= ngx_prof_lua_a(ins);
}


/* the string of a constant: they lie below the address */

static size_t
ngx_prof_lua_constant(uintptr_t proto, uint32_t i, u_char *name, size_t size)
{
    uintptr_t  str;

    str = ngx_prof_lua_load(proto + NGX_PROF_LUA_CONST);
    str = ngx_prof_lua_load(str - 8 * ((uintptr_t) i + 1));

    if (str == 0) {
        return 0;
    }

    return ngx_prof_lua_text(str + NGX_PROF_LUA_TEXT,
                             ngx_prof_lua_load32(str + ngx_prof_lua_vm.len),
                             name, size);
}


/* names follow one another, each with its zero */

static size_t
ngx_prof_lua_upvalue(uintptr_t proto, uint32_t i, u_char *name, size_t size)
{
    size_t     n;
    uintptr_t  p, last;

    p = ngx_prof_lua_load(proto + NGX_PROF_LUA_UPVALUES);

    if (p == 0) {
        return 0;
    }

    for (last = p + NGX_PROF_LUA_DEBUG; i && p < last; p++) {
        i -= (ngx_prof_lua_load8(p) == 0);
    }

    for (n = 0; n < size && ngx_prof_lua_load8(p + n); n++) { /* void */ }

    return ngx_prof_lua_text(p, n, name, size);
}


/*
 * The variable that a register is at an instruction: a list of names, each with
 * the instruction where its life begins, from the one before, and how many it
 * lasts.  Names below 7 are of the language itself, 0 ends the list.
 */

static size_t
ngx_prof_lua_local(uintptr_t proto, uint32_t pos, uint32_t slot, u_char *name,
    size_t size)
{
    size_t     len;
    u_char     kind;
    uint32_t   start, end;
    uintptr_t  p, at, last;

    p = ngx_prof_lua_load(proto + NGX_PROF_LUA_LOCALS);
    last = p + NGX_PROF_LUA_DEBUG;
    start = 0;

    while (p && p < last) {
        at = p;
        kind = ngx_prof_lua_load8(p);

        if (kind == 0) {
            break;
        }

        len = 0;

        if (kind >= 7) {
            while (p < last && ngx_prof_lua_load8(p)) {
                p++;
            }

            len = p - at;
        }

        p++;

        start += ngx_prof_lua_uleb(&p, last);

        if (start > pos) {
            break;
        }

        end = start + ngx_prof_lua_uleb(&p, last);

        if (pos < end && slot-- == 0) {
            return ngx_prof_lua_text(at, len, name, size);
        }
    }

    return 0;
}


static uint32_t
ngx_prof_lua_uleb(uintptr_t *p, uintptr_t last)
{
    u_char    c;
    uint32_t  value, shift;

    value = 0;

    for (shift = 0; *p < last && shift < 32; shift += 7) {
        c = ngx_prof_lua_load8((*p)++);
        value |= (uint32_t) (c & 0x7f) << shift;

        if (c < 0x80) {
            break;
        }
    }

    return value;
}
