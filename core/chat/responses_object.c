/* Members that depend on the reply stand behind those of the head. */
#include "chat/responses_object.h"

struct tt_str tt_responses_id_suffix(struct tt_str id)
{
    ptrdiff_t at = tt_str_find(id, '_');
    return at < 0 ? id : tt_str_of(id.data + at + 1, id.len - (size_t)at - 1);
}

/* Why an answer is not all that the model had to say; data == NULL: it is. */
static struct tt_str cut_by(const struct tt_reply_outcome *outcome)
{
    if (strcmp(outcome->finish_reason, "length") == 0)
        return TT_STR("max_output_tokens");
    if (strcmp(outcome->finish_reason, "content_filter") == 0)
        return TT_STR("content_filter");
    return (struct tt_str){0};
}

static struct tt_str status_of(const struct tt_reply_outcome *outcome)
{
    if (outcome->error.status || strcmp(outcome->status, "error") == 0 ||
        strcmp(outcome->status, "interrupted") == 0)
        return TT_STR("failed");
    if (strcmp(outcome->status, "stopped") == 0)
        return TT_STR("cancelled");
    return cut_by(outcome).data ? TT_STR("incomplete") : TT_STR("completed");
}

struct tt_str tt_responses_status(const struct tt_reply *reply)
{
    if (tt_reply_state(reply) != TT_REPLY_FINISHED)
        return TT_STR("in_progress");
    return status_of(tt_reply_outcome(reply));
}

struct tt_str tt_responses_item_status(const struct tt_reply *reply,
                                       const struct tt_responses_items *items, size_t number)
{
    const struct tt_responses_item *item = &items->list[number];
    bool whole = tt_str_eq(tt_responses_status(reply), TT_STR("completed"));
    bool image = item->kind == TT_REPLY_KINDS;
    bool last = number + 1 == items->count || item[1].kind == TT_REPLY_KINDS;

    if (item->kind == TT_REPLY_STEPS && item->failed)
        return TT_STR("failed");
    if (item->kind == TT_REPLY_STEPS)
        return item->ended ? TT_STR("completed") : TT_STR("incomplete");
    return whole || image || !last ? TT_STR("completed") : TT_STR("incomplete");
}

static void put_member(struct tt_buf *out, const char *name, struct tt_str text)
{
    struct tt_json_writer w = {.buf = out};

    tt_buf_printf(out, ",\"%s\":", name);
    tt_json_str(&w, text);
}

static void put_error(struct tt_buf *out, const struct tt_reply_outcome *outcome,
                      struct tt_responses_error error)
{
    struct tt_json_writer w = {.buf = out};
    const char *own = outcome->error.status ? outcome->error.code : "server_error";
    struct tt_str code = error.code.len ? error.code : tt_str_from(own);

    tt_json_begin_object(&w);
    tt_json_key(&w, TT_STR("code"));
    tt_json_str(&w, code);
    tt_json_key(&w, TT_STR("message"));
    tt_json_str(&w, error.text.data ? error.text : code);
    if (outcome->detail[0]) {
        tt_json_key(&w, TT_STR("detail"));
        tt_json_str(&w, tt_str_from(outcome->detail));
    }
    tt_json_end_object(&w);
}

static void put_count(struct tt_json_writer *w, const char *name, int64_t count)
{
    tt_json_key(w, tt_str_from(name));
    tt_json_int(w, count);
}

static void put_usage(struct tt_buf *out, const struct tt_reply_outcome *outcome)
{
    const struct tt_reply_usage *usage = &outcome->usage;
    struct tt_json_writer w = {.buf = out};
    int64_t input = usage->input_tokens < 0 ? 0 : usage->input_tokens;
    int64_t output = usage->output_tokens < 0 ? 0 : usage->output_tokens;

    tt_json_begin_object(&w);
    put_count(&w, "input_tokens", input);
    tt_json_key(&w, TT_STR("input_tokens_details"));
    tt_json_begin_object(&w);
    put_count(&w, "cached_tokens", usage->cached_tokens);
    tt_json_end_object(&w);
    put_count(&w, "output_tokens", output);
    tt_json_key(&w, TT_STR("output_tokens_details"));
    tt_json_begin_object(&w);
    put_count(&w, "reasoning_tokens", usage->reasoning_tokens);
    tt_json_end_object(&w);
    put_count(&w, "total_tokens", input + output);
    if (outcome->usage_estimated) {
        tt_json_key(&w, TT_STR("estimated"));
        tt_json_bool(&w, true);
    }
    if (outcome->charged_twice) {
        tt_json_key(&w, TT_STR("possibly_charged_twice"));
        tt_json_bool(&w, true);
    }
    tt_json_end_object(&w);
}

static void put_output(struct tt_buf *out, const struct tt_responses_object *response,
                       const struct tt_reply *reply, const struct tt_responses_items *items)
{
    struct tt_json_writer w = {.buf = out};

    tt_json_begin_array(&w);
    for (size_t i = 0; i < items->count; i++)
        tt_responses_put_item(&w, response->suffix, items, i, reply,
                              tt_responses_item_status(reply, items, i));
    tt_json_end_array(&w);
}

static void put_head(struct tt_buf *out, const struct tt_responses_object *response)
{
    tt_buf_append(out, response->head.data, response->head.len - 1); /* without its brace */
}

void tt_responses_put_begun(struct tt_buf *out, const struct tt_responses_object *response)
{
    put_head(out, response);
    put_member(out, "status", TT_STR("in_progress"));
    tt_buf_append_z(out, ",\"completed_at\":null,\"error\":null,\"incomplete_details\":null,"
                         "\"output\":[],\"usage\":null}");
}

void tt_responses_put(struct tt_buf *out, const struct tt_responses_object *response,
                      const struct tt_reply *reply, const struct tt_responses_items *items,
                      struct tt_responses_error error)
{
    struct tt_str status = tt_responses_status(reply);

    if (tt_reply_state(reply) != TT_REPLY_FINISHED) {
        tt_responses_put_begun(out, response);
        return;
    }
    const struct tt_reply_outcome *outcome = tt_reply_outcome(reply);
    struct tt_str reason = cut_by(outcome);
    put_head(out, response);
    put_member(out, "status", status);
    tt_buf_append_z(out, ",\"completed_at\":");
    if (tt_str_eq(status, TT_STR("completed")))
        tt_buf_append_i64(out, outcome->ended_us / 1000000);
    else
        tt_buf_append_z(out, "null");
    tt_buf_append_z(out, ",\"error\":");
    if (tt_str_eq(status, TT_STR("failed")))
        put_error(out, outcome, error);
    else
        tt_buf_append_z(out, "null");
    tt_buf_append_z(out, ",\"incomplete_details\":");
    if (tt_str_eq(status, TT_STR("incomplete")))
        tt_buf_printf(out, "{\"reason\":\"%.*s\"}", TT_STR_ARG(reason));
    else
        tt_buf_append_z(out, "null");
    tt_buf_append_z(out, ",\"output\":");
    put_output(out, response, reply, items);
    tt_buf_append_z(out, ",\"usage\":");
    put_usage(out, outcome);
    tt_buf_putc(out, '}');
}
