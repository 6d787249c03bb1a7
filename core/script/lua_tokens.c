/* Lua's lexical rules as far as they decide where a comment or a string ends. Keywords are names,
 * numbers are symbols; ".." and "..." are one symbol, so a "." always means an index. */
#include "script/lua_tokens.h"

#include <ctype.h>
#include <string.h>

static bool is_name_byte(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static void skip(struct tt_lua_tokens *tokens, size_t len)
{
    for (size_t i = 0; i < len; i++)
        tokens->line += tokens->rest.data[i] == '\n';
    tokens->rest.data += len;
    tokens->rest.len -= len;
}

/* How long "[[" or "[==[" is at the start, 0 when there is none. */
static size_t long_open(struct tt_str s)
{
    size_t len = 1;

    if (s.len < 2 || s.data[0] != '[')
        return 0;
    while (len < s.len && s.data[len] == '=')
        len++;
    return len < s.len && s.data[len] == '[' ? len + 1 : 0;
}

/* How long the string is that "[[" or "[==[" opens, with both brackets. */
static size_t long_size(struct tt_str s, size_t open)
{
    for (size_t at = open; at + open <= s.len; at++)
        if (s.data[at] == ']' && s.data[at + open - 1] == ']' &&
            memcmp(s.data + at + 1, s.data + 1, open - 2) == 0)
            return at + open;
    return s.len;
}

static size_t quoted_size(struct tt_str s)
{
    size_t at = 1;

    while (at < s.len && s.data[at] != s.data[0])
        at += s.data[at] == '\\' ? 2 : 1;
    return at < s.len ? at + 1 : s.len;
}

static size_t comment_size(struct tt_str s)
{
    struct tt_str body = {s.data + 2, s.len - 2};
    size_t open = long_open(body);

    if (open)
        return 2 + long_size(body, open);
    const char *end = memchr(s.data, '\n', s.len);
    return end ? (size_t)(end - s.data) : s.len;
}

static void skip_blanks(struct tt_lua_tokens *tokens)
{
    for (;;) {
        struct tt_str rest = tokens->rest;
        if (rest.len > 0 && isspace((unsigned char)rest.data[0]))
            skip(tokens, 1);
        else if (rest.len > 1 && rest.data[0] == '-' && rest.data[1] == '-')
            skip(tokens, comment_size(rest));
        else
            return;
    }
}

/* A name, a number ("1.5e3": digits, letters and dots), dots in a row, or one byte. */
static size_t plain_size(struct tt_str s)
{
    bool number = isdigit((unsigned char)s.data[0]), dots = s.data[0] == '.';
    size_t len = 1;

    if (!dots && !is_name_byte(s.data[0]))
        return 1;
    while (len < s.len && (dots ? s.data[len] == '.'
                                : is_name_byte(s.data[len]) || (number && s.data[len] == '.')))
        len++;
    return len;
}

struct tt_lua_tokens tt_lua_tokens_of(struct tt_str source)
{
    return (struct tt_lua_tokens){.rest = source, .line = 1};
}

bool tt_lua_tokens_next(struct tt_lua_tokens *tokens, struct tt_lua_token *token)
{
    skip_blanks(tokens);
    struct tt_str rest = tokens->rest;
    if (rest.len == 0)
        return false;
    char c = rest.data[0];
    size_t edge = c == '"' || c == '\'' ? 1 : long_open(rest);
    size_t size = edge > 1 ? long_size(rest, edge) : edge ? quoted_size(rest) : plain_size(rest);

    token->line = tokens->line;
    token->type = edge ? TT_LUA_STRING : TT_LUA_SYMBOL;
    token->text = tt_str_of(rest.data + edge, size >= 2 * edge ? size - 2 * edge : 0);
    if (!edge && is_name_byte(c) && !isdigit((unsigned char)c))
        token->type = TT_LUA_NAME;
    skip(tokens, size);
    return true;
}
