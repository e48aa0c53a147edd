
/*
 * What is taken for granted of LuaJIT 2.1 with GC64, and is proven at the
 * start.  Internal to ngx_prof_lua*.c and the walk.  Offsets are in bytes.
 */


#ifndef _NGX_PROF_LUA_VM_H_INCLUDED_
#define _NGX_PROF_LUA_VM_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_base.h"
#include "ngx_prof_functions.h"
#include "ngx_prof_guard.h"
#include "ngx_prof_walk.h"


/* of all collected objects: their type */
#define NGX_PROF_LUA_TYPE        9
#define NGX_PROF_LUA_THREAD      6
#define NGX_PROF_LUA_PROTO       7
#define NGX_PROF_LUA_FUNC        8
#define NGX_PROF_LUA_TRACE       9

/* of a coroutine */
#define NGX_PROF_LUA_STATUS      11
#define NGX_PROF_LUA_YIELDED     1
#define NGX_PROF_LUA_GLOBAL      16
#define NGX_PROF_LUA_BASE        32
#define NGX_PROF_LUA_MAXSTACK    48
#define NGX_PROF_LUA_STACK       56
#define NGX_PROF_LUA_CFRAME      80

/* of a function */
#define NGX_PROF_LUA_FFID        10             /* 0: Lua */
#define NGX_PROF_LUA_CODE        32

/* of a prototype */
#define NGX_PROF_LUA_SIZE        12             /* instructions */
#define NGX_PROF_LUA_CONST       32
#define NGX_PROF_LUA_CHUNK       64
#define NGX_PROF_LUA_FIRST       72             /* line, number of lines */
#define NGX_PROF_LUA_LINES       80
#define NGX_PROF_LUA_UPVALUES    88
#define NGX_PROF_LUA_LOCALS      96
#define NGX_PROF_LUA_CODES       104

/* of a string; where its length is depends on the version */
#define NGX_PROF_LUA_TEXT        24

/* of a value on the stack: its tag above, a pointer below */
#define ngx_prof_lua_tag(value)      ((int64_t) (value) >> 47)
#define ngx_prof_lua_pointer(value)  ((value) & (((uint64_t) 1 << 47) - 1))
#define NGX_PROF_LUA_TAG_FUNC        (-9)

/* types of frames: the low bits of the word below the base */
#define NGX_PROF_LUA_FRAME       7
#define NGX_PROF_LUA_FRAME_KIND  3
#define NGX_PROF_LUA_FRAME_LUA   0
#define NGX_PROF_LUA_FRAME_C     1
#define NGX_PROF_LUA_FRAME_CONT  2
#define NGX_PROF_LUA_FRAME_VARG  3

/*
 * The machine's frame on the thread's stack: a chain's address has flags in its
 * low bits.  Traces save two more registers below.
 */
#define NGX_PROF_LUA_C_FLAGS     3
#define NGX_PROF_LUA_C_RESULTS   8              /* less than 0: C was called in
                                                   protected mode, at this place
                                                   of the stack */
#define NGX_PROF_LUA_C_L         16
#define NGX_PROF_LUA_C_PC        24
#define NGX_PROF_LUA_C_PREV      32
#define NGX_PROF_LUA_C_SAVED     40             /* r14, r15, rbx, rbp */
#define NGX_PROF_LUA_C_RETURN    72
#define NGX_PROF_LUA_C_SIZE      80
#define NGX_PROF_LUA_C_TRACE     (-8)           /* r13, r12 */

/* registers of the interpreter, by DWARF's numbers */
#define NGX_PROF_LUA_REG_BASE    1              /* rdx */
#define NGX_PROF_LUA_REG_PC      3              /* rbx */
#define NGX_PROF_LUA_REG_KEPT    6              /* rbp */

/* frames of the machine on one stack, and Lua's frames that are looked at */
#define NGX_PROF_LUA_CHAIN       64
#define NGX_PROF_LUA_DEPTH       256


/* what depends on the version, found at the start */

typedef struct {
    ngx_uint_t            on;
    uintptr_t             start;                /* the machine's own code */
    uintptr_t             end;
    uint32_t              len;                  /* of a string: its length */
    uint32_t              request;              /* of a coroutine, 0: it has
                                                   none */

    /* of the state that all coroutines share */
    uint32_t              current;              /* the coroutine that runs */
    uint32_t              trace_base;           /* not 0: a trace runs */
    uint32_t              trace_number;
    uint32_t              traces;               /* 0: not known */

    uint32_t              trace_start;          /* of a trace: its prototype,
                                                   and its first instruction */
    ngx_prof_function_t  *table;
    ngx_uint_t            n;
} ngx_prof_lua_vm_t;

extern ngx_prof_lua_vm_t  ngx_prof_lua_vm
    NGX_PROF_HIDDEN;

/* the shared state of the coroutine that was entered last, 0: none yet */
extern uintptr_t          ngx_prof_lua_global
    NGX_PROF_HIDDEN;


/* a walk's place on Lua's stacks; zeroed: no frame yet */

typedef struct {
    uintptr_t             l;                    /* the coroutine, 0: none */
    uintptr_t             base;                 /* its next frame, 0: none */
    uintptr_t             cframe;               /* the machine's frame that the
                                                   walk is in, 0: not known */
    ngx_uint_t            outer;                /* frames of the stack up to its
                                                   outermost one, 0: none */
} ngx_prof_lua_walk_t;


/* whether the frame may be one of the machine */
#define ngx_prof_lua_may(walk)                                                \
    (ngx_prof_lua_vm.on && (walk)->shift == 0                                 \
     && ((walk)->object == NULL                                               \
         || (walk)->object->jit == NGX_PROF_OBJECT_LUAJIT))

/*
 * Writes at most max frames of Lua, innermost first, for the frame of the
 * machine that the walk is in.  Returns their number; 0: it is none, or nothing
 * is known of it.
 */
ngx_uint_t ngx_prof_lua_frames(ngx_prof_walk_t *walk,
    ngx_prof_lua_walk_t *lua, uint64_t *pcs, ngx_uint_t max);

/* likewise of a coroutine that has yielded; 0: it has not */
ngx_uint_t ngx_prof_lua_yielded(uintptr_t l, uint64_t *pcs, ngx_uint_t max);

/* to the machine's caller, if the walk knows the machine's frame */
ngx_int_t ngx_prof_lua_step(ngx_prof_walk_t *walk,
    const ngx_prof_lua_walk_t *lua);

/*
 * What the coroutine is run for, as a frame, by the frames that called Lua; 0:
 * it is not known.  init() enters the names.
 */
void ngx_prof_lua_phase_init(void);
uint64_t ngx_prof_lua_phase(const ngx_prof_lua_walk_t *lua,
    const uint64_t *pcs, ngx_uint_t n);


/*
 * The frame of a function at a line, called by the instruction before `call` of
 * the prototype `caller` (0: by none that is known).
 */
uint64_t ngx_prof_lua_frame(uintptr_t proto, uint32_t line, uintptr_t caller,
    uintptr_t call);

/* whether a program counter, which is one instruction ahead, is in a prototype,
 * and its line; 0: it is not known
 */
ngx_uint_t ngx_prof_lua_within(uintptr_t proto, uintptr_t pc);
uint32_t ngx_prof_lua_line(uintptr_t proto, uintptr_t pc);

/* the name that a call uses; its length, 0: none */
size_t ngx_prof_lua_name(uintptr_t proto, uintptr_t call, u_char *name,
    size_t size);

/* the prototype of a function, 0: it is none of Lua, or no function */
uintptr_t ngx_prof_lua_proto(uint64_t value);


/* a word, 0 if there is none; a load that faults costs a signal */

static ngx_inline uint64_t
ngx_prof_lua_load(uintptr_t addr)
{
    uint64_t  value;

    return ((addr & 7) == 0
            && addr > NGX_PROF_UNWIND_LOWEST
            && ngx_prof_lua_pointer(addr) == addr
            && ngx_prof_guard_load(addr, &value) == NGX_OK)
           ? value : 0;
}


/* a part of a word: 4 bytes, 1 byte */

static ngx_inline uint32_t
ngx_prof_lua_load32(uintptr_t addr)
{
    return (uint32_t) (ngx_prof_lua_load(addr & ~(uintptr_t) 7)
                       >> ((addr & 4) * 8));
}


static ngx_inline u_char
ngx_prof_lua_load8(uintptr_t addr)
{
    return (u_char) (ngx_prof_lua_load(addr & ~(uintptr_t) 7)
                     >> ((addr & 7) * 8));
}


/* whether a collected object of this type lies there */

static ngx_inline ngx_uint_t
ngx_prof_lua_is(uintptr_t addr, ngx_uint_t type)
{
    return addr > NGX_PROF_UNWIND_LOWEST
           && (addr & 7) == 0
           && ngx_prof_lua_load8(addr + NGX_PROF_LUA_TYPE) == type;
}


#endif /* _NGX_PROF_LUA_VM_H_INCLUDED_ */
