/* The tokens of one script, for checks that look for something in it without running it: which
 * belongs to which bracket or block, and which local holds which module. The source must compile.
 * Locals of the same name in inner blocks are not distinguished. */
#pragma once
#include "script/lua_tokens.h"

#include <stddef.h>

struct tt_lua_binding { /* local x = require "module" */
    struct tt_str local, module;
};

struct tt_lua_source {
    struct tt_lua_token *tokens;
    size_t count;
    struct tt_lua_binding *bindings;
    size_t binding_count;
};

/* Owns: the caller, tt_lua_source_free. The text is borrowed. */
void tt_lua_source_read(struct tt_lua_source *source, struct tt_str text);
void tt_lua_source_free(struct tt_lua_source *source);

/* Whether the token at `i` is this symbol, name or keyword (not a string). False past the end. */
bool tt_lua_source_is(const struct tt_lua_source *source, size_t i, const char *text);
/* A name on its own at `i`, not a field or a method. */
bool tt_lua_source_is_free_name(const struct tt_lua_source *source, size_t i);
/* The string behind `require` or another function at `i`, with or without brackets: its index, or
 * 0. */
size_t tt_lua_source_string_argument(const struct tt_lua_source *source, size_t i);

/* The index of what closes the bracket, or the block (`function`, `do`, `if`, `repeat`), that the
 * token at `i` opens; `i` itself if it opens none. */
size_t tt_lua_source_end(const struct tt_lua_source *source, size_t i);

/* The module that a local holds; data == NULL: none. */
struct tt_str tt_lua_source_module(const struct tt_lua_source *source, struct tt_str local);
