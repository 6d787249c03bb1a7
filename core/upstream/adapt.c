/* The few parameters that services of the same API differ in. A refusal is recognised by the name
 * of what it refuses, and only where the request has it. The memory is a small table without locks:
 * one word a slot, most of a key and the changes; who comes later takes the slot, and the other one
 * learns again. */
#include "upstream/adapt.h"

#include "base/json.h"
#include "base/mem.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define SLOTS        4096u
#define CHANGES_MASK 127u

static _Atomic uint64_t slots[SLOTS];

static _Atomic uint64_t *slot_of(uint64_t key)
{
    return &slots[(key ^ key >> 32) % SLOTS];
}

unsigned tt_adapt_known(uint64_t key)
{
    uint64_t held = atomic_load_explicit(slot_of(key), memory_order_relaxed);
    return (held ^ key) & ~(uint64_t)CHANGES_MASK ? 0 : (unsigned)(held & CHANGES_MASK);
}

void tt_adapt_learn(uint64_t key, unsigned changes)
{
    uint64_t held = (key & ~(uint64_t)CHANGES_MASK) | tt_adapt_known(key) | changes;
    atomic_store_explicit(slot_of(key), held, memory_order_relaxed);
}

void tt_adapt_forget(uint64_t key, unsigned changes)
{
    uint64_t held = (key & ~(uint64_t)CHANGES_MASK) | (tt_adapt_known(key) & ~changes);
    atomic_store_explicit(slot_of(key), held, memory_order_relaxed);
}

/* ---- names ---- */

static const struct {
    const char *name; /* of what is refused */
    unsigned change;
} refused_names[] = {
    {"stream_options", TT_ADAPT_STREAM_OPTIONS},
    {"max_tokens", TT_ADAPT_MAX_COMPLETION_TOKENS},
    {"max_completion_tokens", TT_ADAPT_MAX_TOKENS},
    {"temperature", TT_ADAPT_TEMPERATURE},
    {"top_p", TT_ADAPT_TOP_P},
    {"system", TT_ADAPT_SYSTEM_ROLE},
};

unsigned tt_adapt_read(struct tt_str names)
{
    unsigned changes = 0;
    struct tt_str name;
    while (names.len > 0 && tt_str_split(&names, ',', &name))
        for (size_t i = 0; i < TT_COUNT(refused_names); i++)
            if (tt_str_eq(tt_str_trim(name), tt_str_from(refused_names[i].name)))
                changes |= refused_names[i].change;
    return changes;
}

void tt_adapt_write(unsigned changes, char out[TT_ADAPT_NAMES_SIZE])
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < TT_COUNT(refused_names); i++)
        if (changes & refused_names[i].change)
            len += (size_t)snprintf(out + len, TT_ADAPT_NAMES_SIZE - len, "%s%s", len ? "," : "",
                                    refused_names[i].name);
}

/* ---- what a refusal asks for ---- */

static bool has_member(struct tt_str body, const char *quoted)
{
    struct tt_json_value object = {TT_JSON_OBJECT, body}, value;
    struct tt_str key;
    size_t cursor = 0;
    while (tt_json_next_member(&object, &cursor, &key, &value))
        if (tt_str_eq(key, tt_str_from(quoted)) && value.type != TT_JSON_NULL)
            return true;
    return false;
}

static bool against_system(const char *text)
{
    return strcasestr(text, "system") &&
           (strcasestr(text, "role") || strcasestr(text, "message") ||
            strcasestr(text, "instruction")) &&
           (strcasestr(text, "not support") || strcasestr(text, "unsupported") ||
            strcasestr(text, "not enabled") || strcasestr(text, "not allowed"));
}

unsigned tt_adapt_wanted(const struct tt_told_error *told, struct tt_str body)
{
    char said[sizeof(told->param) + sizeof(told->text) + 2];
    unsigned changes = 0;
    if (body.len == 0 || body.data[0] != '{')
        return 0;
    snprintf(said, sizeof(said), "%s %s", told->param, told->text);
    bool newer = strcasestr(said, "max_completion_tokens") != NULL;
    if (strcasestr(said, "stream_options") && has_member(body, "\"stream_options\""))
        changes |= TT_ADAPT_STREAM_OPTIONS;
    if (newer && strcasestr(said, "max_tokens") && has_member(body, "\"max_tokens\""))
        changes |= TT_ADAPT_MAX_COMPLETION_TOKENS;
    else if (newer && has_member(body, "\"max_completion_tokens\""))
        changes |= TT_ADAPT_MAX_TOKENS;
    if (strcasestr(said, "temperature") && has_member(body, "\"temperature\""))
        changes |= TT_ADAPT_TEMPERATURE;
    if (strcasestr(said, "top_p") && has_member(body, "\"top_p\""))
        changes |= TT_ADAPT_TOP_P;
    if (against_system(said) && (memmem(body.data, body.len, "\"system\"", 8) ||
                                 memmem(body.data, body.len, "\"developer\"", 11)))
        changes |= TT_ADAPT_SYSTEM_ROLE;
    return changes;
}

/* ---- changing a request ---- */

static void put_member(struct tt_buf *out, struct tt_str key, struct tt_str value)
{
    if (out->data[out->len - 1] != '{')
        tt_buf_putc(out, ',');
    tt_buf_append_str(out, key);
    tt_buf_putc(out, ':');
    tt_buf_append_str(out, value);
}

static void put_message(struct tt_buf *out, const struct tt_json_value *message)
{
    struct tt_json_value value;
    struct tt_str key;
    size_t cursor = 0;
    if (message->type != TT_JSON_OBJECT) {
        tt_buf_append_str(out, message->raw);
        return;
    }
    tt_buf_putc(out, '{');
    while (tt_json_next_member(message, &cursor, &key, &value)) {
        bool role = tt_str_eq(key, TT_STR("\"role\""));
        bool system = tt_str_eq(value.raw, TT_STR("\"system\"")) ||
                      tt_str_eq(value.raw, TT_STR("\"developer\""));
        put_member(out, key, role && system ? TT_STR("\"user\"") : value.raw);
    }
    tt_buf_putc(out, '}');
}

static void put_messages(struct tt_buf *out, struct tt_str key, const struct tt_json_value *list)
{
    struct tt_json_value message;
    size_t cursor = 0;
    put_member(out, key, TT_STR("["));
    while (tt_json_next(list, &cursor, &message)) {
        if (out->data[out->len - 1] != '[')
            tt_buf_putc(out, ',');
        put_message(out, &message);
    }
    tt_buf_putc(out, ']');
}

/* The name that a member has now; empty: it is left out. */
static struct tt_str name_of(unsigned changes, struct tt_str key)
{
    static const struct {
        unsigned change;
        const char *from, *to;
    } names[] = {
        {TT_ADAPT_STREAM_OPTIONS, "\"stream_options\"", ""},
        {TT_ADAPT_TEMPERATURE, "\"temperature\"", ""},
        {TT_ADAPT_TOP_P, "\"top_p\"", ""},
        {TT_ADAPT_MAX_COMPLETION_TOKENS, "\"max_tokens\"", "\"max_completion_tokens\""},
        {TT_ADAPT_MAX_TOKENS, "\"max_completion_tokens\"", "\"max_tokens\""},
    };
    for (size_t i = 0; i < TT_COUNT(names); i++)
        if (changes & names[i].change && tt_str_eq(key, tt_str_from(names[i].from)))
            return tt_str_from(names[i].to);
    return key;
}

void tt_adapt_apply(unsigned changes, struct tt_buf *body)
{
    struct tt_json_value object = {TT_JSON_OBJECT, tt_buf_str(body)}, value;
    struct tt_str key;
    struct tt_buf out = {0};
    size_t cursor = 0;
    if (!(changes & TT_ADAPT_REQUESTS) || body->len == 0 || body->data[0] != '{')
        return;
    tt_buf_putc(&out, '{');
    while (tt_json_next_member(&object, &cursor, &key, &value)) {
        struct tt_str name = name_of(changes, key);
        bool messages = tt_str_eq(key, TT_STR("\"messages\"")) && value.type == TT_JSON_ARRAY;
        if (changes & TT_ADAPT_SYSTEM_ROLE && messages)
            put_messages(&out, key, &value);
        else if (name.len > 0)
            put_member(&out, name, value.raw);
    }
    tt_buf_putc(&out, '}');
    tt_buf_free(body);
    *body = out;
}
