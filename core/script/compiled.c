#include "script/compiled.h"

#include "base/mem.h"

#include <lauxlib.h>
#include <stdlib.h>

struct tt_compiled {
    int references;
    struct tt_buf bytecode;
};

struct tt_compiled *tt_compiled_ref(struct tt_compiled *compiled)
{
    compiled->references++;
    return compiled;
}

void tt_compiled_unref(struct tt_compiled *compiled)
{
    if (!compiled || --compiled->references > 0)
        return;
    tt_buf_free(&compiled->bytecode);
    free(compiled);
}

static int append(lua_State *L, const void *bytes, size_t len, void *out)
{
    (void)L;
    tt_buf_append(out, bytes, len);
    return 0;
}

void tt_compiled_push(lua_State *L, struct tt_bundle_file *file)
{
    struct tt_str code = file->bytes;
    bool known = file->compiled != NULL;

    if (known)
        code = tt_buf_str(&file->compiled->bytecode);
    const char *chunk = lua_pushfstring(L, "@%s", file->path.data);
    if (luaL_loadbufferx(L, code.data, code.len, chunk, known ? "b" : "t") != LUA_OK)
        lua_error(L);
    lua_remove(L, -2);
    if (known)
        return;
    file->compiled = TT_NEW(struct tt_compiled);
    file->compiled->references = 1;
    lua_dump(L, append, &file->compiled->bytecode, 0);
}
