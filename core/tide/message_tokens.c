/* About how many tokens a conversation has, counted where it stands: it may be megabytes, and
 * nothing of it is needed as a value of Lua. */
#include "base/json_scan.h"
#include "reply/tokens.h"
#include "script/value.h"
#include "script/value_raw.h"
#include "tide/modules.h"

struct counting {
    lua_State *L;
    struct tt_json_scan scan;
    int64_t messages, tokens, others;
};

/* Moves behind a value of a valid document: a text without escapes ends at the next quote. */
static struct tt_str take(struct counting *c)
{
    const char *from = c->scan.p, *end = c->scan.end;
    const char *quote =
        from < end && *from == '"' ? memchr(from + 1, '"', (size_t)(end - from - 1)) : NULL;

    if (quote && !memchr(from, '\\', (size_t)(quote - from)))
        c->scan.p = quote + 1;
    else
        tt_json_scan_value(&c->scan);
    return tt_str_of(from, (size_t)(c->scan.p - from));
}

static bool at(const struct counting *c, char first)
{
    return c->scan.p < c->scan.end && *c->scan.p == first;
}

static uint64_t quarters_of(struct counting *c, struct tt_str raw)
{
    if (!memchr(raw.data, '\\', raw.len))
        return tt_tokens_quarters(tt_str_of(raw.data + 1, raw.len - 2));
    struct tt_buf *plain = tt_value_scratch(c->L);
    tt_json_unescape(raw, NULL, plain);
    return tt_tokens_quarters(tt_buf_str(plain));
}

static bool is_key(struct counting *c, struct tt_str raw, struct tt_str name)
{
    if (!memchr(raw.data, '\\', raw.len))
        return tt_str_eq(tt_str_of(raw.data + 1, raw.len - 2), name);
    struct tt_buf *plain = tt_value_scratch(c->L);
    tt_json_unescape(raw, NULL, plain);
    return tt_str_eq(tt_buf_str(plain), name);
}

/* Calls `member` for each member of an object, with the scanner at the value, which it passes. All
 * else has no members. */
static void each_member(struct counting *c,
                        void (*member)(struct counting *c, struct tt_str key, void *arg), void *arg)
{
    struct tt_str key;

    if (!at(c, '{')) {
        take(c);
        return;
    }
    tt_json_scan_enter(&c->scan);
    if (at(c, '}')) {
        c->scan.p++;
        c->scan.depth--;
        return;
    }
    do {
        if (!tt_json_scan_key(&c->scan, &key))
            return;
        member(c, key, arg);
    } while (tt_json_scan_more(&c->scan, '}'));
}

static void each_item(struct counting *c, void (*item)(struct counting *c, void *arg), void *arg)
{
    if (!at(c, '[')) {
        take(c);
        return;
    }
    tt_json_scan_enter(&c->scan);
    if (at(c, ']')) {
        c->scan.p++;
        c->scan.depth--;
        return;
    }
    do {
        tt_json_scan_blank(&c->scan);
        item(c, arg);
    } while (!c->scan.error && tt_json_scan_more(&c->scan, ']'));
}

struct message {
    uint64_t quarters; /* of its texts, with a line feed between two */
    int64_t texts, others, calls;
};

static void on_part_member(struct counting *c, struct tt_str key, void *arg)
{
    struct tt_str *text = arg;
    bool is_text = is_key(c, key, TT_STR("text"));
    struct tt_str value = take(c);

    if (is_text)
        *text = value.len > 0 && *value.data == '"' ? value : (struct tt_str){0};
}

static void on_part(struct counting *c, void *arg)
{
    struct message *message = arg;
    struct tt_str text = {0};

    each_member(c, on_part_member, &text);
    if (!text.data) {
        message->others++;
        return;
    }
    message->quarters += quarters_of(c, text) + (message->texts > 0);
    message->texts++;
}

static void on_message_member(struct counting *c, struct tt_str key, void *arg)
{
    struct message *message = arg;

    if (is_key(c, key, TT_STR("content"))) {
        message->quarters = 0; /* of equal keys the last one counts */
        message->texts = message->others = 0;
        if (at(c, '"'))
            message->quarters = quarters_of(c, take(c));
        else
            each_item(c, on_part, message);
    } else if (is_key(c, key, TT_STR("tool_calls"))) {
        struct tt_str calls = take(c);
        message->calls = *calls.data == '[' ? tt_tokens_of(tt_tokens_quarters(calls)) : 0;
    } else {
        take(c);
    }
}

static void on_message(struct counting *c, void *arg)
{
    struct message message = {0};
    (void)arg;

    each_member(c, on_message_member, &message);
    c->messages++;
    c->tokens += tt_tokens_of(message.quarters) + message.calls;
    c->others += message.others;
}

int tt_tide_message_tokens(lua_State *L)
{
    struct counting counting = {.L = L};
    struct tt_str messages;

    if (!tt_value_raw(L, 1, &messages))
        return luaL_typeerror(L, 1, "tide.Raw");
    tt_json_scan_init(&counting.scan, messages, TT_JSON_MAX_DEPTH);
    counting.scan.lone_allowed = true;
    tt_json_scan_blank(&counting.scan);
    each_item(&counting, on_message, NULL);
    lua_pushinteger(L, counting.tokens);
    lua_pushinteger(L, counting.messages);
    lua_pushinteger(L, counting.others);
    return 3;
}
