
/*
 * Any memory as that of LuaJIT's machine.
 *
 * The image is that of a coroutine with a few frames, as it would be; the input
 * says which of its words are others, and in which registers a sample finds the
 * machine.  What a walk gives has room, and its names have no odd bytes.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <stdlib.h>

#include "ngx_prof_functions.h"
#include "ngx_prof_lua_vm.h"
#include "ngx_prof_unwind.h"


#define WORDS      4096
#define FRAMES     32
#define FUNCTIONS  64

/* where things lie, in words */
#define SHARED     64
#define THREAD     128
#define STACK      256
#define STACK_N    512
#define FUNCTION   1024
#define PROTO      1280
#define STRING     2048
#define DEBUG      2304
#define TRACES     2560
#define C_STACK    3072

#define WORD(at)   ((uint64_t) (uintptr_t) &image[at])


int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);


static uint64_t             image[WORDS];
static ngx_prof_function_t  functions[FUNCTIONS];


/* before guard.c's */

ngx_int_t
ngx_prof_guard_load(uintptr_t addr, uint64_t *value)
{
    uintptr_t  offset;

    offset = addr - (uintptr_t) image;

    if (offset > sizeof(image) - sizeof(uint64_t) || (offset & 7)) {
        return NGX_ERROR;
    }

    *value = image[offset / 8];

    return NGX_OK;
}


static void
object(ngx_uint_t at, uint64_t type)
{
    image[at + 1] = type << 8;
}


/* a function, its prototype, the name of its chunk, names of its variables */

static void
make_function(ngx_uint_t i)
{
    ngx_uint_t  f, p, s, d;

    f = FUNCTION + i * 16;
    p = PROTO + i * 64;
    s = STRING + i * 16;
    d = DEBUG + i * 16;

    object(f, NGX_PROF_LUA_FUNC);
    image[f + 4] = WORD(p) + NGX_PROF_LUA_CODES;

    object(p, NGX_PROF_LUA_PROTO);
    image[p + 1] |= (uint64_t) 40 << 32;
    image[p + 4] = WORD(s + 8);
    image[p + 8] = WORD(s);
    image[p + 9] = (uint64_t) 60 << 32 | i;
    image[p + 10] = WORD(d);
    image[p + 11] = WORD(d + 4);
    image[p + 12] = WORD(d + 8);

    image[p + 13] = 0x0005000200370300ull | (0x12 + i);
    image[p + 14] = 0x0000020200000242ull;

    object(s, 4);
    image[s + 2] = 12;
    ngx_memcpy(&image[s + 3], "@/lua/file.x", 12);
    image[s + 7] = WORD(s);

    ngx_memcpy(&image[d + 4], "upper\0value\0", 12);
    ngx_memcpy(&image[d + 8], "local\0\0\x20other\0\1\x10\0", 17);
}


static void
make_image(void)
{
    uint64_t    base;
    ngx_uint_t  i, at;

    ngx_memzero(image, sizeof(image));

    for (i = 0; i < 4; i++) {
        make_function(i);
    }

    object(THREAD, NGX_PROF_LUA_THREAD);
    image[THREAD + 2] = WORD(SHARED);
    image[THREAD + 6] = WORD(STACK + STACK_N);
    image[THREAD + 7] = WORD(STACK);
    image[THREAD + 10] = WORD(C_STACK + 64);

    image[SHARED + 8] = WORD(THREAD);
    image[SHARED + 11] = WORD(TRACES);

    object(TRACES + 32, NGX_PROF_LUA_TRACE);
    image[TRACES + 1] = WORD(TRACES + 32);
    image[TRACES + 40] = WORD(PROTO);
    image[TRACES + 41] = WORD(PROTO + 14);

    /* the machine's frame, and another one above it */

    for (at = C_STACK + 64; at < C_STACK + 200; at += 64) {
        image[at + 2] = WORD(THREAD);
        image[at + 3] = WORD(PROTO + 14);
        image[at + 4] = WORD(at + 64);
    }

    image[C_STACK + 64 + 64 + 4] = 0;

    /* Lua frames: each called by the one before, the first one by C */

    base = STACK + 2;

    for (i = 0; i < 6; i++) {
        image[base] = (uint64_t) NGX_PROF_LUA_TAG_FUNC << 47
                      | WORD(FUNCTION + i % 4 * 16);
        image[base + 1] = i ? WORD(PROTO + (i - 1) % 4 * 64 + 14) + 4
                            : 16 | NGX_PROF_LUA_FRAME_C;
        base += 4;
    }

    image[THREAD + 4] = WORD(base - 2);
}


static void
check(const uint64_t *pcs, ngx_uint_t n)
{
    ngx_uint_t           i, k;
    ngx_prof_function_t  f;

    if (n > FRAMES) {
        abort();
    }

    for (i = 0; i < n; i++) {

        if (pcs[i] == NGX_PROF_FRAME_LUAJIT) {
            continue;
        }

        if (!ngx_prof_frame_is_lua(pcs[i])
            || ngx_prof_functions_get(functions, FUNCTIONS,
                                      ngx_prof_frame_lua_index(pcs[i]), &f)
               != NGX_OK)
        {
            abort();
        }

        for (k = 0; k < f.file_len; k++) {
            if (f.file[k] < ' ' || f.file[k] == 0x7f) {
                abort();
            }
        }

        for (k = 0; k < f.name_len; k++) {
            if (f.name[k] < ' ' || f.name[k] == 0x7f) {
                abort();
            }
        }
    }
}


/* registers by the first bytes, then words of the image that are others */

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    uint16_t             at;
    uint64_t             value, pcs[FRAMES];
    ngx_uint_t           i, n;
    ngx_prof_walk_t      walk;
    ngx_prof_object_t    object;
    ngx_prof_objects_t   objects;
    ngx_prof_unwind_t    result;
    ngx_prof_lua_walk_t  lua;

    if (size < 8) {
        return 0;
    }

    make_image();

    for (i = 8; i + 11 <= size; i += 11) {
        ngx_memcpy(&at, &input[i], 2);
        ngx_memcpy(&value, &input[i + 3], 8);

        at %= WORDS;

        /* an address in the image, a part of the word, or any word */

        image[at] = (input[i + 2] & 1) ? WORD(value % WORDS) + (value >> 61)
                    : (input[i + 2] & 2)
                      ? image[at] ^ (value & 0xff) << (value >> 61) * 8
                      : value;
    }

    ngx_memzero(&ngx_prof_lua_vm, sizeof(ngx_prof_lua_vm_t));
    ngx_prof_lua_vm.on = 1;
    ngx_prof_lua_vm.start = 0x10000;
    ngx_prof_lua_vm.end = 0x20000;
    ngx_prof_lua_vm.len = 16;
    ngx_prof_lua_vm.current = 64;
    ngx_prof_lua_vm.trace_base = 72;
    ngx_prof_lua_vm.trace_number = 80;
    ngx_prof_lua_vm.traces = 88;
    ngx_prof_lua_vm.trace_start = 64;
    ngx_prof_lua_vm.table = functions;
    ngx_prof_lua_vm.n = FUNCTIONS;
    ngx_prof_lua_global = WORD(SHARED);

    ngx_memzero(&object, sizeof(ngx_prof_object_t));
    object.jit = NGX_PROF_OBJECT_LUAJIT;
    ngx_memzero(&objects, sizeof(ngx_prof_objects_t));

    ngx_memzero(&walk, sizeof(ngx_prof_walk_t));
    walk.objects = &objects;
    walk.object = (input[0] & 1) ? &object : NULL;
    walk.exact = input[0] >> 1 & 1;
    walk.pc = 0x10100;
    walk.lo = WORD(C_STACK);
    walk.top = WORD(WORDS - 1);
    walk.valid = 0xffff;
    walk.result = &result;
    walk.reg[NGX_PROF_ARCH_SP] = WORD(C_STACK + input[1]);
    walk.reg[NGX_PROF_LUA_REG_BASE] = WORD(STACK + input[2]);
    walk.reg[NGX_PROF_LUA_REG_PC] = WORD(PROTO + input[3]) + (input[4] & 4);
    walk.reg[NGX_PROF_LUA_REG_KEPT] = (input[5] & 1) ? WORD(THREAD)
                                                    : WORD(STACK + input[5]);

    lua.l = 0;

    for (i = 0; i < 3; i++) {
        lua.cframe = 0;
        n = ngx_prof_lua_frames(&walk, &lua, pcs, 1 + input[6] % FRAMES);
        check(pcs, n);

        if (lua.cframe && ngx_prof_lua_step(&walk, &lua) != NGX_OK) {
            break;
        }

        walk.exact = 0;
        walk.object = &object;
        walk.pc = 0x10200;
        walk.reg[NGX_PROF_ARCH_SP] += 8 * input[7];
    }

    return 0;
}
