#include "script/lua_source.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static void read_tokens(struct tt_lua_source *source, struct tt_str text)
{
    struct tt_lua_tokens tokens = tt_lua_tokens_of(text);
    struct tt_lua_token token;
    size_t capacity = 0;

    while (tt_lua_tokens_next(&tokens, &token)) {
        if (source->count == capacity) {
            capacity = capacity ? capacity * 2 : 256;
            source->tokens = tt_realloc(source->tokens, capacity * sizeof(token));
        }
        source->tokens[source->count++] = token;
    }
}

static void bind(struct tt_lua_source *source, struct tt_str local, struct tt_str module)
{
    size_t size = (source->binding_count + 1) * sizeof(struct tt_lua_binding);

    source->bindings = tt_realloc(source->bindings, size);
    source->bindings[source->binding_count++] = (struct tt_lua_binding){local, module};
}

void tt_lua_source_read(struct tt_lua_source *source, struct tt_str text)
{
    *source = (struct tt_lua_source){0};
    read_tokens(source, text);
    for (size_t i = 2; i < source->count; i++) {
        size_t string;
        if (tt_lua_source_is(source, i, "require") && tt_lua_source_is(source, i - 1, "=") &&
            tt_lua_source_is_free_name(source, i - 2) &&
            (string = tt_lua_source_string_argument(source, i)))
            bind(source, source->tokens[i - 2].text, source->tokens[string].text);
    }
}

void tt_lua_source_free(struct tt_lua_source *source)
{
    free(source->tokens);
    free(source->bindings);
    *source = (struct tt_lua_source){0};
}

bool tt_lua_source_is(const struct tt_lua_source *source, size_t i, const char *text)
{
    return i < source->count && source->tokens[i].type != TT_LUA_STRING &&
           tt_str_eq(source->tokens[i].text, tt_str_from(text));
}

bool tt_lua_source_is_free_name(const struct tt_lua_source *source, size_t i)
{
    return i < source->count && source->tokens[i].type == TT_LUA_NAME &&
           (i == 0 ||
            (!tt_lua_source_is(source, i - 1, ".") && !tt_lua_source_is(source, i - 1, ":")));
}

size_t tt_lua_source_string_argument(const struct tt_lua_source *source, size_t i)
{
    size_t at = i + (tt_lua_source_is(source, i + 1, "(") ? 2 : 1);
    return at < source->count && source->tokens[at].type == TT_LUA_STRING ? at : 0;
}

/* 1: opens something, -1: closes, 0: neither. A loop opens with its `do`. */
static int nesting(const struct tt_lua_source *source, size_t i)
{
    static const char *const opening[] = {"(", "{", "[", "function", "do", "if", "repeat"};
    static const char *const closing[] = {")", "}", "]", "end", "until"};

    for (size_t n = 0; n < TT_COUNT(opening); n++)
        if (tt_lua_source_is(source, i, opening[n]))
            return 1;
    for (size_t n = 0; n < TT_COUNT(closing); n++)
        if (tt_lua_source_is(source, i, closing[n]))
            return -1;
    return 0;
}

size_t tt_lua_source_end(const struct tt_lua_source *source, size_t i)
{
    int depth = nesting(source, i);

    if (depth <= 0)
        return i;
    while (depth > 0 && ++i < source->count)
        depth += nesting(source, i);
    return i;
}

struct tt_str tt_lua_source_module(const struct tt_lua_source *source, struct tt_str local)
{
    for (size_t n = source->binding_count; n-- > 0;)
        if (tt_str_eq(source->bindings[n].local, local))
            return source->bindings[n].module;
    return (struct tt_str){0};
}
