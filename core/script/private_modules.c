/* Found in the sources, not while they run: so also in functions that were never called. */
#include "script/private_modules.h"

#include "script/lua_tokens.h"
#include "script/module_path.h"

/* The text of `require "x"` or `require("x")` once the name `require` has been read. */
static bool next_module(struct tt_lua_tokens *tokens, struct tt_lua_token *token)
{
    if (!tt_lua_tokens_next(tokens, token))
        return false;
    if (token->type == TT_LUA_SYMBOL && tt_str_eq(token->text, TT_STR("(")) &&
        !tt_lua_tokens_next(tokens, token))
        return false;
    return token->type == TT_LUA_STRING;
}

static void search_file(const struct tt_bundle *bundle, const struct tt_bundle_file *file,
                        struct tt_diagnostics *diagnostics)
{
    struct tt_lua_tokens tokens = tt_lua_tokens_of(file->bytes);
    struct tt_lua_token token;

    while (tt_lua_tokens_next(&tokens, &token)) {
        if (token.type != TT_LUA_NAME || !tt_str_eq(token.text, TT_STR("require")))
            continue;
        if (!next_module(&tokens, &token) || !tt_module_path_is_server(bundle, token.text))
            continue;
        struct tt_buf text = {0};
        tt_buf_printf(&text,
                      "%s:%d: module '%.*s' is private: it may be another one in the next version; "
                      "docs/lua-api.md has what plugins can rely on",
                      file->path.data, token.line, TT_STR_ARG(token.text));
        tt_diagnostics_add(diagnostics, file->path.data, tt_buf_str(&text));
        tt_buf_free(&text);
    }
}

int tt_private_modules_advise(lua_State *L)
{
    struct tt_diagnostics *diagnostics = lua_touserdata(L, 1);
    const struct tt_bundle *bundle = tt_vm_of(L)->bundle;

    diagnostics->phase = "private_module";
    for (size_t i = 0; i < bundle->file_count; i++) {
        const struct tt_bundle_file *file = &bundle->files[i];
        if (tt_plugin_of(file->path).len && tt_str_ends(file->path, TT_STR(".lua")))
            search_file(bundle, file, diagnostics);
    }
    return 0;
}
