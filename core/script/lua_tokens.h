/* The tokens of a Lua source, for code that looks for names in it without running it. It knows
 * comments, strings and names; everything else is a symbol. The source must compile: errors that
 * Lua would report are not noticed here. */
#pragma once
#include "base/str.h"

#include <stdbool.h>

enum tt_lua_token_type { TT_LUA_NAME, TT_LUA_STRING, TT_LUA_SYMBOL };

struct tt_lua_token {
    enum tt_lua_token_type type;
    struct tt_str text; /* borrowed from the source; for a string the text between its quotes */
    int line;
};

struct tt_lua_tokens {
    struct tt_str rest; /* of the source */
    int line;
};

/* Begins before the first token. */
struct tt_lua_tokens tt_lua_tokens_of(struct tt_str source);

/* The next token; false at the end of the source. */
bool tt_lua_tokens_next(struct tt_lua_tokens *tokens, struct tt_lua_token *token);
