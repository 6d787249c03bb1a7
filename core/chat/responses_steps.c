#include "chat/responses_steps.h"

struct step {
    struct tt_json_value id, name, arguments, content, is_error;
};

static void read_members(const struct tt_json_value *object, struct step *step)
{
    const struct {
        struct tt_str key;
        struct tt_json_value *value;
    } members[] = {{TT_STR("\"id\""), &step->id},
                   {TT_STR("\"name\""), &step->name},
                   {TT_STR("\"arguments\""), &step->arguments},
                   {TT_STR("\"content\""), &step->content},
                   {TT_STR("\"is_error\""), &step->is_error}};
    struct tt_json_value value;
    struct tt_str key;
    size_t cursor = 0;

    while (tt_json_next_member(object, &cursor, &key, &value))
        for (size_t i = 0; i < TT_COUNT(members); i++)
            if (tt_str_eq(key, members[i].key))
                *members[i].value = value;
}

static enum tt_responses_step read_step(struct tt_str line, struct step *step)
{
    struct tt_json_value whole = tt_json_value_of(line), value;
    struct tt_str key;
    size_t cursor = 0;

    if (whole.type != TT_JSON_OBJECT || !tt_json_next_member(&whole, &cursor, &key, &value) ||
        value.type != TT_JSON_OBJECT)
        return TT_RESPONSES_OTHER_STEP;
    read_members(&value, step);
    if (tt_str_eq(key, TT_STR("\"tool_call\"")))
        return TT_RESPONSES_CALL;
    return tt_str_eq(key, TT_STR("\"tool_result\"")) ? TT_RESPONSES_RESULT
                                                     : TT_RESPONSES_OTHER_STEP;
}

static void take_text(struct tt_buf *into, const struct tt_json_value *text)
{
    if (text->type == TT_JSON_STRING)
        tt_json_unescape(text->raw, NULL, into);
    else if (text->type != TT_JSON_NONE)
        tt_buf_append_str(into, text->raw);
}

/* The newest call with this id that has no result. */
static struct tt_responses_item *find_open(struct tt_responses_items *items, struct tt_str id)
{
    for (size_t i = items->count; i-- > 0;) {
        struct tt_responses_item *item = &items->list[i];
        if (item->kind == TT_REPLY_STEPS && !item->ended &&
            tt_str_eq(tt_buf_str(&item->call_id), id))
            return item;
    }
    return NULL;
}

enum tt_responses_step tt_responses_items_step(struct tt_responses_items *items, struct tt_str line,
                                               size_t *number)
{
    struct step step = {0};
    struct tt_buf id = {0};
    enum tt_responses_step kind = read_step(line, &step);

    take_text(&id, &step.id);
    struct tt_responses_item *item =
        kind == TT_RESPONSES_OTHER_STEP ? NULL : find_open(items, tt_buf_str(&id));
    if (kind == TT_RESPONSES_CALL && !item) {
        item = tt_responses_items_add(items, TT_REPLY_STEPS);
        tt_buf_append_str(&item->call_id, tt_buf_str(&id));
        take_text(&item->name, &step.name);
        take_text(&item->input, &step.arguments);
    } else if (kind == TT_RESPONSES_RESULT && item) {
        take_text(&item->output, &step.content);
        item->ended = true;
        item->failed = step.is_error.type == TT_JSON_TRUE;
    } else {
        kind = TT_RESPONSES_OTHER_STEP; /* a call that is made again has its item */
    }
    tt_buf_free(&id);
    if (item)
        *number = (size_t)(item - items->list);
    return kind;
}

static void put_text(struct tt_json_writer *w, struct tt_str key, const struct tt_buf *text)
{
    struct tt_str value = tt_buf_str(text);

    tt_json_key(w, key);
    tt_json_str(w, value.data ? value : TT_STR(""));
}

static void put_null(struct tt_json_writer *w, struct tt_str key)
{
    tt_json_key(w, key);
    tt_json_null(w);
}

void tt_responses_put_step(struct tt_json_writer *w, const struct tt_responses_item *item,
                           bool whole)
{
    static const struct tt_buf none = {0};

    tt_json_key(w, TT_STR("server_label"));
    tt_json_str(w, TT_STR("tidetalk"));
    put_text(w, TT_STR("name"), &item->name);
    put_text(w, TT_STR("arguments"), whole ? &item->input : &none);
    put_null(w, TT_STR("approval_request_id"));
    if (whole && item->ended && !item->failed)
        put_text(w, TT_STR("output"), &item->output);
    else
        put_null(w, TT_STR("output"));
    if (whole && item->failed)
        put_text(w, TT_STR("error"), &item->output);
    else
        put_null(w, TT_STR("error"));
}
