/* Texts stay in the log: an item only notes where they are. The arguments of calls are gathered,
 * because the pieces of several calls may alternate in the log. */
#include "chat/responses_items.h"

#include "base/mem.h"
#include "chat/responses_steps.h"

#include <stdlib.h>

void tt_responses_items_free(struct tt_responses_items *items)
{
    for (size_t i = 0; i < items->count; i++) {
        tt_buf_free(&items->list[i].call_id);
        tt_buf_free(&items->list[i].name);
        tt_buf_free(&items->list[i].extra);
        tt_buf_free(&items->list[i].input);
        tt_buf_free(&items->list[i].output);
    }
    free(items->list);
    *items = (struct tt_responses_items){0};
}

struct tt_responses_item *tt_responses_items_add(struct tt_responses_items *items,
                                                 enum tt_reply_kind kind)
{
    if (items->count == items->room) {
        items->room = items->room ? 2 * items->room : 4;
        items->list = tt_realloc(items->list, items->room * sizeof(*items->list));
    }
    struct tt_responses_item *item = &items->list[items->count++];
    *item = (struct tt_responses_item){.kind = kind};
    return item;
}

struct tt_responses_item *tt_responses_items_text(struct tt_responses_items *items,
                                                  enum tt_reply_kind kind, uint64_t from)
{
    struct tt_responses_item *last = items->count ? &items->list[items->count - 1] : NULL;

    if (last && last->kind == kind && last->to == from)
        return last;
    last = tt_responses_items_add(items, kind);
    last->from = last->to = from;
    return last;
}

/* ---- calls ---- */

struct call_delta {
    int64_t index;
    struct tt_json_value id, name, arguments, extra;
};

static void read_delta(const struct tt_json_value *object, struct call_delta *delta)
{
    struct tt_json_value value;
    struct tt_str key;
    size_t cursor = 0;

    while (tt_json_next_member(object, &cursor, &key, &value)) {
        if (tt_str_eq(key, TT_STR("\"index\"")))
            tt_json_to_i64(&value, &delta->index);
        else if (tt_str_eq(key, TT_STR("\"id\"")))
            delta->id = value;
        else if (tt_str_eq(key, TT_STR("\"name\"")))
            delta->name = value;
        else if (tt_str_eq(key, TT_STR("\"arguments\"")))
            delta->arguments = value;
        else if (tt_str_eq(key, TT_STR("\"extra_content\"")))
            delta->extra = value;
        else if (tt_str_eq(key, TT_STR("\"function\"")) && value.type == TT_JSON_OBJECT)
            read_delta(&value, delta);
    }
}

static void take_text(struct tt_buf *into, const struct tt_json_value *text)
{
    if (text->type != TT_JSON_STRING)
        return;
    tt_buf_clear(into);
    tt_json_unescape(text->raw, NULL, into);
}

static struct tt_responses_item *find_call(struct tt_responses_items *items, int64_t index)
{
    for (size_t i = items->count; i-- > 0;)
        if (items->list[i].kind == TT_REPLY_TOOL_CALLS && items->list[i].call == index)
            return &items->list[i];
    return NULL;
}

struct tt_responses_item *tt_responses_items_call(struct tt_responses_items *items,
                                                  const struct tt_json_value *delta, bool *begins,
                                                  struct tt_str *input)
{
    struct call_delta read = {0};

    read_delta(delta, &read);
    struct tt_responses_item *item = find_call(items, read.index);
    *begins = item == NULL;
    if (!item) {
        item = tt_responses_items_add(items, TT_REPLY_TOOL_CALLS);
        item->call = read.index;
    }
    take_text(&item->call_id, &read.id);
    if (read.name.type == TT_JSON_STRING) {
        take_text(&item->name, &read.name);
        item->tool = tt_responses_tool_of(items->head, tt_buf_str(&item->name));
    }
    if (read.extra.type != TT_JSON_NONE) {
        tt_buf_clear(&item->extra);
        tt_buf_append_str(&item->extra, read.extra.raw);
    }
    size_t before = item->input.len;
    if (read.arguments.type == TT_JSON_STRING)
        tt_json_unescape(read.arguments.raw, NULL, &item->input);
    *input = item->input.len > before
                 ? tt_str_of(item->input.data + before, item->input.len - before)
                 : TT_STR("");
    return item;
}

static void read_entry(struct tt_responses_items *items, const struct tt_reply *reply,
                       struct tt_reply_span *span)
{
    struct tt_buf entry = {0};
    struct tt_json_value delta;
    struct tt_str input;
    size_t cursor = 0;
    bool begins;

    tt_reply_read_entry(reply, span, &entry);
    struct tt_json_value list = tt_json_value_of(tt_buf_str(&entry));
    while (tt_json_next(&list, &cursor, &delta))
        tt_responses_items_call(items, &delta, &begins, &input);
    tt_buf_free(&entry);
}

static void read_step(struct tt_responses_items *items, const struct tt_reply *reply,
                      struct tt_reply_span *span)
{
    struct tt_buf line = {0};
    size_t number;

    tt_reply_read_entry(reply, span, &line);
    tt_responses_items_step(items, tt_buf_str(&line), &number);
    tt_buf_free(&line);
}

void tt_responses_items_read(struct tt_responses_items *items, const struct tt_reply *reply)
{
    struct tt_reply_span span;

    for (uint64_t at = 0; tt_reply_read(reply, at, &span); at = span.end) {
        if (span.kind == TT_REPLY_TOOL_CALLS)
            read_entry(items, reply, &span);
        else if (span.kind == TT_REPLY_STEPS)
            read_step(items, reply, &span);
        else
            tt_responses_items_text(items, span.kind, at)->to = span.end;
    }
    tt_responses_items_images(items, reply);
}

/* ---- images ---- */

/* The base64 of a data URL of ours. */
static struct tt_str base64_of(const struct tt_json_value *url)
{
    ptrdiff_t comma = tt_str_find(url->raw, ',');
    return tt_str_of(url->raw.data + comma + 1, url->raw.len - (size_t)comma - 2);
}

size_t tt_responses_items_images(struct tt_responses_items *items, const struct tt_reply *reply)
{
    struct tt_json_value list = tt_reply_carried_images(reply), part;
    size_t before = items->count, cursor = 0;

    while (tt_json_next(&list, &cursor, &part)) {
        struct tt_json_value image = tt_json_member(&part, TT_STR("\"image_url\""));
        struct tt_json_value url = tt_json_member(&image, TT_STR("\"url\""));
        if (url.type == TT_JSON_STRING)
            tt_responses_items_add(items, TT_REPLY_KINDS)->image = base64_of(&url);
    }
    return before;
}

/* ---- as JSON ---- */

bool tt_responses_item_is_custom(const struct tt_responses_item *item)
{
    return item->kind == TT_REPLY_TOOL_CALLS && item->tool.custom;
}

static const char *id_prefix(const struct tt_responses_item *item)
{
    if (item->kind == TT_REPLY_KINDS)
        return "ig_";
    if (item->kind == TT_REPLY_TOOL_CALLS)
        return item->tool.custom ? "ctc_" : "fc_";
    if (item->kind == TT_REPLY_STEPS)
        return "mcp_";
    return item->kind == TT_REPLY_CONTENT ? "msg_" : "rs_";
}

static const char *type_of(const struct tt_responses_item *item)
{
    if (item->kind == TT_REPLY_KINDS)
        return "image_generation_call";
    if (item->kind == TT_REPLY_TOOL_CALLS)
        return item->tool.custom ? "custom_tool_call" : "function_call";
    if (item->kind == TT_REPLY_STEPS)
        return "mcp_call";
    return item->kind == TT_REPLY_CONTENT ? "message" : "reasoning";
}

void tt_responses_put_item_id(struct tt_buf *out, struct tt_str suffix,
                              const struct tt_responses_items *items, size_t number)
{
    tt_buf_append_z(out, id_prefix(&items->list[number]));
    tt_buf_append_str(out, suffix);
    tt_buf_putc(out, '_');
    tt_buf_append_u64(out, number);
}

static void put_text(struct tt_json_writer *w, struct tt_str key, struct tt_str text)
{
    tt_json_key(w, key);
    tt_json_str(w, text.data ? text : TT_STR(""));
}

static void put_empty_list(struct tt_json_writer *w, struct tt_str key)
{
    tt_json_key(w, key);
    tt_json_begin_array(w);
    tt_json_end_array(w);
}

void tt_responses_put_part(struct tt_json_writer *w, enum tt_reply_kind kind, struct tt_str text)
{
    tt_json_begin_object(w);
    put_text(w, TT_STR("type"),
             kind == TT_REPLY_CONTENT ? TT_STR("output_text") : TT_STR("summary_text"));
    put_text(w, TT_STR("text"), text);
    if (kind == TT_REPLY_CONTENT) {
        put_empty_list(w, TT_STR("annotations"));
        put_empty_list(w, TT_STR("logprobs"));
    }
    tt_json_end_object(w);
}

void tt_responses_item_text(const struct tt_responses_item *item, const struct tt_reply *reply,
                            struct tt_buf *out)
{
    struct tt_reply_span span;

    for (uint64_t at = item->from; at < item->to && tt_reply_read(reply, at, &span);
         at = span.end) {
        uint64_t end = span.end < item->to ? span.end : item->to;
        tt_buf_append_str(out, tt_str_of(span.bytes.data, (size_t)(end - at)));
    }
}

/* The list with the item's text, or an empty one. */
static void put_parts(struct tt_json_writer *w, const struct tt_responses_item *item,
                      const struct tt_reply *reply)
{
    struct tt_buf text = {0};

    tt_json_begin_array(w);
    if (reply) {
        tt_responses_item_text(item, reply, &text);
        tt_responses_put_part(w, item->kind, tt_buf_str(&text));
    }
    tt_json_end_array(w);
    tt_buf_free(&text);
}

static void put_call(struct tt_json_writer *w, const struct tt_responses_item *item,
                     const struct tt_reply *reply)
{
    struct tt_buf input = {0};

    put_text(w, TT_STR("call_id"), tt_buf_str(&item->call_id));
    put_text(w, TT_STR("name"), item->tool.name);
    if (item->tool.space.data)
        put_text(w, TT_STR("namespace"), item->tool.space);
    if (reply && item->tool.custom)
        tt_responses_put_input(tt_buf_str(&item->input), &input);
    else if (reply)
        tt_buf_append_str(&input, tt_buf_str(&item->input));
    put_text(w, item->tool.custom ? TT_STR("input") : TT_STR("arguments"), tt_buf_str(&input));
    tt_buf_free(&input);
    if (item->extra.len > 0) {
        tt_json_key(w, TT_STR("extra_content"));
        tt_json_raw(w, tt_buf_str(&item->extra));
    }
}

void tt_responses_put_item(struct tt_json_writer *w, struct tt_str suffix,
                           const struct tt_responses_items *items, size_t number,
                           const struct tt_reply *reply, struct tt_str status)
{
    const struct tt_responses_item *item = &items->list[number];
    struct tt_buf id = {0};

    tt_responses_put_item_id(&id, suffix, items, number);
    tt_json_begin_object(w);
    put_text(w, TT_STR("id"), tt_buf_str(&id));
    put_text(w, TT_STR("type"), tt_str_from(type_of(item)));
    put_text(w, TT_STR("status"), status);
    if (item->kind == TT_REPLY_TOOL_CALLS) {
        put_call(w, item, reply);
    } else if (item->kind == TT_REPLY_STEPS) {
        tt_responses_put_step(w, item, reply != NULL);
    } else if (item->kind == TT_REPLY_KINDS) {
        tt_json_key(w, TT_STR("result"));
        if (reply)
            tt_json_str(w, item->image);
        else
            tt_json_null(w);
    } else if (item->kind == TT_REPLY_CONTENT) {
        put_text(w, TT_STR("role"), TT_STR("assistant"));
        tt_json_key(w, TT_STR("content"));
        put_parts(w, item, reply);
    } else {
        tt_json_key(w, TT_STR("summary"));
        put_parts(w, item, reply);
    }
    tt_json_end_object(w);
    tt_buf_free(&id);
}
