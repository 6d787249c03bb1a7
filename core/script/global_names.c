/* The names are found in the bytecode, where the compiler has resolved what is local: a global is a
 * constant key of the first upvalue of the file, _ENV. The format is that of Lua 5.4 (lundump.c);
 * another one is noticed by its header, and nothing is reported then. */
#include "script/global_names.h"

#include "base/mem.h"
#include "script/sandbox_library.h"
#include "script/value.h"

#include <stdlib.h>
#include <string.h>

#define OP_GETTABUP    11   /* R[A] := UpValue[B][K[C]] */
#define OP_SETTABUP    15   /* UpValue[A][K[B]] := … */
#define SIZE_BYTES     4    /* of an instruction */
#define MAIN_FUNCTION  (-2) /* in place of the outer function's _ENV */
#define LINE_ABSOLUTE  0x80 /* as a byte; else the difference is signed */
#define NUMBER_FLOAT   0x13
#define NUMBER_INTEGER 0x03
#define STRING_SHORT   0x04
#define STRING_LONG    0x14

struct reader {
    lua_State *L;
    int globals; /* their table, on the stack */
    struct tt_str rest;
    const char *path;
    struct tt_diagnostics *diagnostics;
};

/* ---- the format ---- */

static struct tt_str take(struct reader *reader, size_t len)
{
    if (len > reader->rest.len)
        luaL_error(reader->L, "%s: bytecode of another form", reader->path);
    struct tt_str bytes = tt_str_of(reader->rest.data, len);
    reader->rest = tt_str_of(reader->rest.data + len, reader->rest.len - len);
    return bytes;
}

static size_t take_size(struct reader *reader)
{
    size_t value = 0;
    unsigned char byte;

    do {
        byte = (unsigned char)take(reader, 1).data[0];
        value = (value << 7) | (byte & 0x7F);
    } while (!(byte & 0x80));
    return value;
}

static struct tt_str take_string(struct reader *reader)
{
    size_t size = take_size(reader);
    return size == 0 ? (struct tt_str){0} : take(reader, size - 1);
}

static bool take_header(struct reader *reader)
{
    static const char head[] = "\x1bLua\x54\x00\x19\x93\r\n\x1a\n\x04\x08\x08";
    struct tt_str found = take(reader, sizeof(head) - 1);

    take(reader, 8 + 8 + 1); /* an integer and a number as samples, the count of upvalues */
    return memcmp(found.data, head, found.len) == 0;
}

/* ---- a function ---- */

struct function {
    int line; /* where it begins */
    struct tt_str code;
    struct tt_str *constants; /* strings; others have data == NULL */
    size_t constant_count;
    int env; /* the upvalue that is the file's _ENV, or -1 */
};

static void take_constants(struct reader *reader, struct function *function)
{
    function->constant_count = take_size(reader);
    /* Memory of the state: what raises leaves nothing behind. */
    function->constants =
        lua_newuserdatauv(reader->L, (function->constant_count + 1) * sizeof(struct tt_str), 0);
    for (size_t i = 0; i < function->constant_count; i++) {
        int type = (unsigned char)take(reader, 1).data[0];
        function->constants[i] = (struct tt_str){0};
        if (type == NUMBER_FLOAT || type == NUMBER_INTEGER)
            take(reader, 8);
        else if (type == STRING_SHORT || type == STRING_LONG)
            function->constants[i] = take_string(reader);
    }
}

static void take_upvalues(struct reader *reader, struct function *function, int outer_env)
{
    size_t count = take_size(reader);

    function->env = -1;
    for (size_t i = 0; i < count; i++) {
        struct tt_str upvalue =
            take(reader, 3); /* in the stack of the outer function, index, kind */
        if (outer_env == MAIN_FUNCTION
                ? i == 0
                : !upvalue.data[0] && (unsigned char)upvalue.data[1] == outer_env)
            function->env = (int)i;
    }
}

static void report(const struct reader *reader, struct tt_str name, int line, bool set)
{
    lua_State *L = reader->L;

    lua_pushlstring(L, name.data, name.len);
    lua_pushvalue(L, -1);
    bool known = lua_rawget(L, reader->globals) != LUA_TNIL || tt_sandbox_is_foreign(name);
    lua_pop(L, 1);
    reader->diagnostics->phase = set ? "global_assignment" : "undefined_global";
    if (set)
        lua_pushfstring(L, "%s:%d: '%s' is set as a global, which raises an error: use local",
                        reader->path, line, lua_tostring(L, -1));
    else
        lua_pushfstring(L, "%s:%d: '%s' is not defined", reader->path, line, lua_tostring(L, -1));
    if (set || !known)
        tt_diagnostics_add(reader->diagnostics, reader->path, tt_str_from(lua_tostring(L, -1)));
    lua_pop(L, 2);
}

static void check_instruction(const struct reader *reader, const struct function *function,
                              uint32_t instruction, int line)
{
    int code = instruction & 0x7F;
    int a = (instruction >> 7) & 0xFF, b = (instruction >> 16) & 0xFF, c = instruction >> 24;
    int upvalue = code == OP_GETTABUP ? b : a, key = code == OP_GETTABUP ? c : b;

    if ((code != OP_GETTABUP && code != OP_SETTABUP) || upvalue != function->env ||
        (size_t)key >= function->constant_count || !function->constants[key].data)
        return;
    report(reader, function->constants[key], line, code == OP_SETTABUP);
}

/* Lines are differences, from time to time a number (a list of {instruction, line}). */
static void check_code(struct reader *reader, const struct function *function)
{
    struct tt_str differences = take(reader, take_size(reader));
    size_t absolute_count = take_size(reader);
    int line = function->line;
    size_t next_at = 0, next_line = 0, taken = 0;

    for (size_t i = 0; i < differences.len && i * SIZE_BYTES < function->code.len; i++) {
        uint32_t instruction;
        unsigned char difference = (unsigned char)differences.data[i];
        memcpy(&instruction, function->code.data + i * SIZE_BYTES, sizeof(instruction));
        if (difference == LINE_ABSOLUTE && taken < absolute_count) {
            next_at = take_size(reader);
            next_line = take_size(reader);
            taken++;
        }
        line = difference == LINE_ABSOLUTE && next_at == i ? (int)next_line
                                                           : line + (difference ^ 0x80) - 0x80;
        check_instruction(reader, function, instruction, line);
    }
    for (; taken < absolute_count; taken++) {
        take_size(reader);
        take_size(reader);
    }
}

static void skip_names(struct reader *reader)
{
    for (size_t locals = take_size(reader); locals > 0; locals--) {
        take_string(reader);
        take_size(reader);
        take_size(reader);
    }
    for (size_t upvalues = take_size(reader); upvalues > 0; upvalues--)
        take_string(reader);
}

static void take_function(struct reader *reader, int outer_env)
{
    struct function function = {0};
    int top = lua_gettop(reader->L);

    luaL_checkstack(reader->L, 8, "functions within functions");
    take_string(reader); /* the source */
    function.line = (int)take_size(reader);
    take_size(reader); /* the last line */
    take(reader, 3);   /* parameters, whether more, size of the stack */
    function.code = take(reader, take_size(reader) * SIZE_BYTES);
    take_constants(reader, &function);
    take_upvalues(reader, &function, outer_env);
    for (size_t inner = take_size(reader); inner > 0; inner--)
        take_function(reader, function.env);
    check_code(reader, &function);
    skip_names(reader);
    lua_settop(reader->L, top);
}

/* ---- files ---- */

static int append(lua_State *L, const void *bytes, size_t len, void *arg)
{
    (void)L;
    tt_buf_append(arg, bytes, len);
    return 0;
}

/* 1 = diagnostics, 2 = the table of globals, 3 = the file. */
static int check_file(lua_State *L)
{
    const struct tt_bundle_file *file = lua_touserdata(L, 3);
    struct reader reader = {
        .L = L, .globals = 2, .path = file->path.data, .diagnostics = lua_touserdata(L, 1)};
    struct tt_buf *bytecode = tt_value_push_buf(L, SIZE_MAX);

    if (luaL_loadbufferx(L, file->bytes.data, file->bytes.len, "=", "t") != LUA_OK)
        return 0;
    lua_dump(L, append, bytecode, 0);
    lua_pop(L, 1);
    reader.rest = tt_buf_str(bytecode);
    if (take_header(&reader))
        take_function(&reader, MAIN_FUNCTION);
    return 0;
}

int tt_global_names_advise(lua_State *L)
{
    const struct tt_bundle *bundle = tt_vm_of(L)->bundle;

    lua_settop(L, 1);
    lua_pushglobaltable(L);
    tt_sandbox_push_inner(L, 2);
    lua_replace(L, 2);
    for (size_t i = 0; i < bundle->file_count; i++) {
        if (!tt_str_ends(bundle->files[i].path, TT_STR(".lua")))
            continue;
        lua_pushcfunction(L, check_file);
        lua_pushvalue(L, 1);
        lua_pushvalue(L, 2);
        lua_pushlightuserdata(L, &bundle->files[i]);
        lua_call(L, 3, 0);
    }
    return 0;
}
