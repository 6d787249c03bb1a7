/* Members come in OpenAI's order. What upstreams carry is spliced in as it came. */
#include "chat/completion.h"

#include "chat/responses_items.h"

struct tt_str tt_completion_reason(const struct tt_reply_outcome *outcome)
{
    return strcmp(outcome->status, "stopped") == 0 ? TT_STR("stop")
                                                   : tt_str_from(outcome->finish_reason);
}

static void put_text(struct tt_json_writer *w, struct tt_str key, struct tt_str text)
{
    tt_json_key(w, key);
    tt_json_str(w, text.data ? text : TT_STR(""));
}

static void put_number(struct tt_json_writer *w, struct tt_str key, int64_t n)
{
    tt_json_key(w, key);
    tt_json_int(w, n);
}

static void put_null(struct tt_json_writer *w, struct tt_str key)
{
    tt_json_key(w, key);
    tt_json_null(w);
}

/* ---- usage ---- */

static void put_details(struct tt_json_writer *w, struct tt_str object, struct tt_str key,
                        int64_t n)
{
    if (n <= 0)
        return;
    tt_json_key(w, object);
    tt_json_begin_object(w);
    put_number(w, key, n);
    tt_json_end_object(w);
}

static void put_flag(struct tt_json_writer *w, struct tt_str key, bool set)
{
    if (!set)
        return;
    tt_json_key(w, key);
    tt_json_bool(w, true);
}

void tt_completion_put_usage(struct tt_json_writer *w, const struct tt_reply_outcome *outcome)
{
    const struct tt_reply_usage *usage = &outcome->usage;
    int64_t input = usage->input_tokens < 0 ? 0 : usage->input_tokens;
    int64_t output = usage->output_tokens < 0 ? 0 : usage->output_tokens;

    tt_json_begin_object(w);
    put_number(w, TT_STR("prompt_tokens"), input);
    put_number(w, TT_STR("completion_tokens"), output);
    put_number(w, TT_STR("total_tokens"), input + output);
    put_details(w, TT_STR("prompt_tokens_details"), TT_STR("cached_tokens"), usage->cached_tokens);
    put_details(w, TT_STR("completion_tokens_details"), TT_STR("reasoning_tokens"),
                usage->reasoning_tokens);
    put_flag(w, TT_STR("estimated"), outcome->usage_estimated);
    put_flag(w, TT_STR("possibly_charged_twice"), outcome->charged_twice);
    tt_json_end_object(w);
}

/* ---- what came beside the text ---- */

void tt_completion_put_carried(struct tt_json_writer *w, const struct tt_reply *reply,
                               bool of_answer)
{
    struct tt_json_value object = {TT_JSON_OBJECT, tt_reply_carried(reply)}, member;
    struct tt_str key;
    size_t cursor = 0;

    while (object.raw.data && tt_json_next_member(&object, &cursor, &key, &member)) {
        if (tt_str_eq(key, TT_STR("\"stop_sequence\"")) || /* Anthropic's */
            tt_str_eq(key, TT_STR("\"system_fingerprint\"")) != of_answer)
            continue;
        tt_json_raw_key(w, tt_str_of(key.data, key.len + 1)); /* the core wrote it, with a colon */
        tt_json_raw(w, member.raw);
    }
}

/* ---- the choice ---- */

static void put_call(struct tt_json_writer *w, const struct tt_responses_item *call)
{
    tt_json_begin_object(w);
    put_text(w, TT_STR("id"), tt_buf_str(&call->call_id));
    put_text(w, TT_STR("type"), TT_STR("function"));
    tt_json_key(w, TT_STR("function"));
    tt_json_begin_object(w);
    put_text(w, TT_STR("name"), tt_buf_str(&call->name));
    put_text(w, TT_STR("arguments"), tt_buf_str(&call->input));
    tt_json_end_object(w);
    if (call->extra.len > 0) {
        tt_json_key(w, TT_STR("extra_content"));
        tt_json_raw(w, tt_buf_str(&call->extra));
    }
    tt_json_end_object(w);
}

/* The call with the lowest index after that of `before`; NULL: none is left. */
static const struct tt_responses_item *next_call(const struct tt_responses_items *items,
                                                 const struct tt_responses_item *before)
{
    const struct tt_responses_item *next = NULL;

    for (size_t i = 0; i < items->count; i++) {
        const struct tt_responses_item *item = &items->list[i];
        if (item->kind == TT_REPLY_TOOL_CALLS && (!before || item->call > before->call) &&
            (!next || item->call < next->call))
            next = item;
    }
    return next;
}

static void put_calls(struct tt_json_writer *w, const struct tt_reply *reply)
{
    struct tt_responses_items items = {0};
    const struct tt_responses_item *call = NULL;

    tt_responses_items_read(&items, reply);
    tt_json_key(w, TT_STR("tool_calls"));
    tt_json_begin_array(w);
    while ((call = next_call(&items, call)))
        put_call(w, call);
    tt_json_end_array(w);
    tt_responses_items_free(&items);
}

struct texts {
    struct tt_buf content, reasoning;
    bool calls; /* there are some */
};

static void read_texts(const struct tt_reply *reply, struct texts *texts)
{
    struct tt_reply_span span;

    for (uint64_t at = 0; tt_reply_read(reply, at, &span); at = span.end) {
        if (span.kind == TT_REPLY_CONTENT)
            tt_buf_append_str(&texts->content, span.bytes);
        else if (span.kind == TT_REPLY_REASONING)
            tt_buf_append_str(&texts->reasoning, span.bytes);
        texts->calls |= span.kind == TT_REPLY_TOOL_CALLS;
    }
}

static void put_message(struct tt_json_writer *w, const struct texts *texts,
                        const struct tt_reply *reply)
{
    tt_json_key(w, TT_STR("message"));
    tt_json_begin_object(w);
    put_text(w, TT_STR("role"), TT_STR("assistant"));
    if (texts->calls && texts->content.len == 0)
        put_null(w, TT_STR("content")); /* as OpenAI has it beside tool calls */
    else
        put_text(w, TT_STR("content"), tt_buf_str(&texts->content));
    put_null(w, TT_STR("refusal"));
    if (texts->reasoning.len > 0)
        put_text(w, TT_STR("reasoning_content"), tt_buf_str(&texts->reasoning));
    if (texts->calls)
        put_calls(w, reply);
    tt_completion_put_carried(w, reply, false);
    tt_json_end_object(w);
}

static void put_choice(struct tt_json_writer *w, const struct tt_completion *completion,
                       const struct tt_reply *reply)
{
    struct texts texts = {0};
    struct tt_str reason = tt_completion_reason(tt_reply_outcome(reply));

    read_texts(reply, &texts);
    tt_json_begin_object(w);
    if (completion->text)
        put_text(w, TT_STR("text"), tt_buf_str(&texts.content));
    put_number(w, TT_STR("index"), 0);
    if (!completion->text)
        put_message(w, &texts, reply);
    put_null(w, TT_STR("logprobs"));
    put_text(w, TT_STR("finish_reason"), reason.len > 0 ? reason : TT_STR("stop"));
    tt_json_end_object(w);
    tt_buf_free(&texts.content);
    tt_buf_free(&texts.reasoning);
}

/* ---- the answer ---- */

void tt_completion_put(struct tt_buf *out, const struct tt_completion *completion,
                       const struct tt_reply *reply)
{
    struct tt_json_writer w = {.buf = out};

    tt_json_begin_object(&w);
    put_text(&w, TT_STR("id"), completion->id);
    put_text(&w, TT_STR("object"),
             completion->text ? TT_STR("text_completion") : TT_STR("chat.completion"));
    put_number(&w, TT_STR("created"), completion->created);
    put_text(&w, TT_STR("model"), completion->model);
    tt_json_key(&w, TT_STR("choices"));
    tt_json_begin_array(&w);
    put_choice(&w, completion, reply);
    tt_json_end_array(&w);
    tt_json_key(&w, TT_STR("usage"));
    tt_completion_put_usage(&w, tt_reply_outcome(reply));
    tt_completion_put_carried(&w, reply, true);
    tt_json_end_object(&w);
}
