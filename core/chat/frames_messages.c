/* A reply as the events of Anthropic's Messages API: the message's beginning (which the script has
 * made), its content block by block, its end with the reason and the usage. Text and reasoning are
 * a block for each run of them. A failure is an error event, after which nothing comes.
 * https://platform.claude.com/docs/en/build-with-claude/streaming
 *
 * Blocks of tool calls follow each other there, but upstreams may send pieces of several calls by
 * turns. The first call is sent as it comes. Another one is, too, if the arguments before it are
 * whole; otherwise it waits for the end of the reply. */
#include "base/json.h"
#include "chat/frames_internal.h"
#include "http/error_object.h"

#include <stdlib.h>

enum call_state { CALL_WAITS, CALL_OPEN, CALL_CLOSED };

struct call {
    int64_t index;           /* in the log */
    struct tt_buf head;      /* the block's members "id" and "name" */
    struct tt_buf arguments; /* so far, escaped */
    int block;               /* unless it waits */
    enum call_state state;
};

struct parts {
    struct tt_buf head; /* the event message_start */
    bool begun;
    int blocks;     /* that have begun */
    int text_block; /* that is open, -1 = none */
    enum tt_reply_kind text_kind;
    struct call *calls;
    size_t call_count;
    bool calls_wait;                  /* some of them */
    const struct tt_reply_note *note; /* the last one that was sent */
};

static void *parts_new(const struct tt_frames_chunks *chunks)
{
    struct parts *parts = TT_NEW(struct parts);

    parts->text_block = -1;
    tt_buf_append_z(&parts->head, "event: message_start\ndata: {\"type\":\"message_start\",");
    tt_buf_append_z(&parts->head, "\"message\":");
    tt_buf_append_str(&parts->head, chunks->head.data ? chunks->head : TT_STR("null"));
    tt_buf_append_z(&parts->head, "}\n\n");
    return parts;
}

static void parts_free(void *arg)
{
    struct parts *parts = arg;

    for (size_t i = 0; i < parts->call_count; i++) {
        tt_buf_free(&parts->calls[i].head);
        tt_buf_free(&parts->calls[i].arguments);
    }
    free(parts->calls);
    tt_buf_free(&parts->head);
    free(parts);
}

/* ---- blocks ---- */

static void put_start(struct parts *parts, struct tt_buf *out)
{
    if (parts->begun)
        return;
    parts->begun = true;
    tt_buf_append_str(out, tt_buf_str(&parts->head));
}

/* Up to the block, whose members follow; returns its index. */
static int begin_block(struct parts *parts, struct tt_buf *out)
{
    tt_buf_append_z(out, "event: content_block_start\ndata: {\"type\":\"content_block_start\",");
    tt_buf_printf(out, "\"index\":%d,\"content_block\":{", parts->blocks);
    return parts->blocks++;
}

/* Up to the delta, whose members follow. */
static void begin_delta(struct tt_buf *out, int block)
{
    tt_buf_append_z(out, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",");
    tt_buf_printf(out, "\"index\":%d,\"delta\":{", block);
}

static void end_inner(struct tt_buf *out)
{
    tt_buf_append_z(out, "}}\n\n");
}

static void put_stop(struct tt_buf *out, int block)
{
    tt_buf_append_z(out, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",");
    tt_buf_printf(out, "\"index\":%d}\n\n", block);
}

static void close_text(struct parts *parts, struct tt_buf *out)
{
    if (parts->text_block >= 0)
        put_stop(out, parts->text_block);
    parts->text_block = -1;
}

static void open_text(struct parts *parts, struct tt_buf *out, enum tt_reply_kind kind)
{
    close_text(parts, out);
    parts->text_kind = kind;
    parts->text_block = begin_block(parts, out);
    tt_buf_append_z(out, kind == TT_REPLY_REASONING
                             ? "\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\""
                             : "\"type\":\"text\",\"text\":\"\",\"citations\":[]");
    end_inner(out);
}

static void put_text(struct parts *parts, struct tt_buf *out, const struct tt_reply_span *span)
{
    bool thinks = span->kind == TT_REPLY_REASONING;

    if (parts->text_block < 0 || parts->text_kind != span->kind)
        open_text(parts, out, span->kind);
    begin_delta(out, parts->text_block);
    tt_buf_append_z(out, thinks ? "\"type\":\"thinking_delta\",\"thinking\":\""
                                : "\"type\":\"text_delta\",\"text\":\"");
    tt_json_escape(out, span->bytes);
    tt_buf_putc(out, '"');
    end_inner(out);
}

/* ---- notes ---- */

/* Signs the reasoning, of which nothing may have been shown. */
static void put_signature(struct parts *parts, struct tt_buf *out, struct tt_str signature)
{
    if (parts->text_block < 0 || parts->text_kind != TT_REPLY_REASONING)
        open_text(parts, out, TT_REPLY_REASONING);
    begin_delta(out, parts->text_block);
    tt_buf_append_z(out, "\"type\":\"signature_delta\",\"signature\":");
    tt_buf_append_str(out, signature);
    end_inner(out);
    close_text(parts, out);
}

static void put_redacted(struct parts *parts, struct tt_buf *out, struct tt_str data)
{
    close_text(parts, out);
    int block = begin_block(parts, out);
    tt_buf_append_z(out, "\"type\":\"redacted_thinking\",\"data\":");
    tt_buf_append_str(out, data);
    end_inner(out);
    put_stop(out, block);
}

/* Sends the notes up to a position of the log. */
static void put_notes(struct tt_frames *frames, struct tt_buf *out, uint64_t position)
{
    struct parts *parts = frames->parts;
    const struct tt_reply_note *note;

    while ((note = tt_reply_next_note(frames->reader.reply, parts->note)) &&
           note->position <= position) {
        struct tt_json_value object = tt_json_value_of(note->json), value;
        struct tt_str key;
        size_t cursor = 0;
        while (tt_json_next_member(&object, &cursor, &key, &value))
            if (tt_str_eq(key, TT_STR("\"signature\"")))
                put_signature(parts, out, value.raw);
            else
                put_redacted(parts, out, value.raw);
        parts->note = note;
    }
}

/* Ends a span at the next note. */
static void cut_at_note(struct tt_frames *frames, struct tt_reply_span *span)
{
    const struct parts *parts = frames->parts;
    const struct tt_reply_note *note = tt_reply_next_note(frames->reader.reply, parts->note);

    if (!note || note->position >= span->end)
        return;
    span->bytes.len -= (size_t)(span->end - note->position);
    span->end = note->position;
}

/* ---- tool calls ---- */

static void open_call(struct parts *parts, struct tt_buf *out, struct call *call)
{
    close_text(parts, out);
    call->state = CALL_OPEN;
    call->block = begin_block(parts, out);
    tt_buf_append_z(out, "\"type\":\"tool_use\",");
    tt_buf_append_str(out, tt_buf_str(&call->head));
    tt_buf_append_z(out, ",\"input\":{},\"caller\":{\"type\":\"direct\"}");
    end_inner(out);
}

/* `escaped`: a piece of the arguments. */
static void put_arguments(struct tt_buf *out, const struct call *call, struct tt_str escaped)
{
    if (escaped.len == 0)
        return;
    begin_delta(out, call->block);
    tt_buf_append_z(out, "\"type\":\"input_json_delta\",\"partial_json\":\"");
    tt_buf_append_str(out, escaped);
    tt_buf_putc(out, '"');
    end_inner(out);
}

static void close_call(struct tt_buf *out, struct call *call)
{
    put_stop(out, call->block);
    call->state = CALL_CLOSED;
}

static bool is_whole(const struct call *call)
{
    struct tt_buf quoted = {0}, arguments = {0};

    tt_buf_putc(&quoted, '"');
    tt_buf_append_str(&quoted, tt_buf_str(&call->arguments));
    tt_buf_putc(&quoted, '"');
    tt_json_unescape(tt_buf_str(&quoted), NULL, &arguments);
    bool whole = tt_json_check(tt_buf_str(&arguments), TT_JSON_MAX_DEPTH, NULL) == 0;
    tt_buf_free(&quoted);
    tt_buf_free(&arguments);
    return whole;
}

/* Whether a new call can be sent as it comes: none is open, or the open one is closed here. */
static bool may_open(struct parts *parts, struct tt_buf *out)
{
    for (size_t i = 0; i < parts->call_count; i++) {
        struct call *call = &parts->calls[i];
        if (call->state != CALL_OPEN)
            continue;
        if (!is_whole(call))
            return false;
        close_call(out, call);
    }
    return !parts->calls_wait;
}

static const struct tt_json_path *piece_paths(void)
{
    static const char *const names[] = {"index", "id", "function.name", "function.arguments"};
    static _Thread_local struct tt_json_path paths[TT_COUNT(names)];

    if (paths[0].count == 0)
        for (size_t i = 0; i < TT_COUNT(names); i++)
            tt_json_path_parse(&paths[i], names[i], NULL);
    return paths;
}

static struct call *find_call(struct parts *parts, int64_t index)
{
    for (size_t i = parts->call_count; i-- > 0;)
        if (parts->calls[i].index == index)
            return &parts->calls[i];
    return NULL;
}

static struct tt_str text_of(const struct tt_json_value *value)
{
    return value->type == TT_JSON_STRING ? value->raw : TT_STR("\"\"");
}

static struct call *add_call(struct parts *parts, int64_t index, struct tt_str id,
                             struct tt_str name)
{
    parts->calls = tt_realloc(parts->calls, (parts->call_count + 1) * sizeof(*parts->calls));
    struct call *call = &parts->calls[parts->call_count++];

    *call = (struct call){.index = index};
    tt_buf_append_z(&call->head, "\"id\":");
    tt_buf_append_str(&call->head, id);
    tt_buf_append_z(&call->head, ",\"name\":");
    tt_buf_append_str(&call->head, name);
    return call;
}

static void put_piece(struct parts *parts, struct tt_buf *out, struct tt_str delta)
{
    struct tt_json_value value[4];
    int64_t index = 0;

    if (tt_json_select(delta, piece_paths(), TT_COUNT(value), value, NULL) != 0)
        return;
    tt_json_to_i64(&value[0], &index);
    struct tt_str escaped = text_of(&value[3]);
    escaped = tt_str_of(escaped.data + 1, escaped.len - 2);
    struct call *call = find_call(parts, index);
    if (!call) {
        bool opens = may_open(parts, out);
        call = add_call(parts, index, text_of(&value[1]), text_of(&value[2]));
        if (opens)
            open_call(parts, out, call);
        else
            parts->calls_wait = true;
    }
    tt_buf_append_str(&call->arguments, escaped);
    if (call->state == CALL_OPEN)
        put_arguments(out, call, escaped);
}

static void put_calls(struct tt_frames *frames, struct tt_buf *out, struct tt_reply_span *span)
{
    struct tt_buf entry = {0};
    struct tt_json_value list, delta;
    size_t cursor = 0;

    tt_frames_put_entry(frames, &entry, span);
    list = tt_json_value_of(tt_buf_str(&entry));
    while (tt_json_next(&list, &cursor, &delta))
        put_piece(frames->parts, out, delta.raw);
    tt_buf_free(&entry);
}

static void end_calls(struct parts *parts, struct tt_buf *out)
{
    for (size_t i = 0; i < parts->call_count; i++)
        if (parts->calls[i].state == CALL_OPEN)
            close_call(out, &parts->calls[i]);
    for (size_t i = 0; i < parts->call_count; i++) {
        struct call *call = &parts->calls[i];
        if (call->state != CALL_WAITS)
            continue;
        open_call(parts, out, call);
        put_arguments(out, call, tt_buf_str(&call->arguments));
        close_call(out, call);
    }
}

/* ---- the format ---- */

static void put_delta(struct tt_frames *frames, struct tt_buf *out, struct tt_reply_span *span)
{
    put_start(frames->parts, out);
    put_notes(frames, out, frames->position);
    if (span->kind == TT_REPLY_TOOL_CALLS) {
        put_calls(frames, out, span);
    } else {
        cut_at_note(frames, span);
        put_text(frames->parts, out, span);
    }
}

/* The same words as in lua/doors/messages.lua. */
static struct tt_str stop_reason(const struct parts *parts, const struct tt_reply_outcome *outcome,
                                 struct tt_str sequence)
{
    struct tt_str reason = tt_str_from(outcome->finish_reason);

    if (tt_str_eq(reason, TT_STR("length")))
        return TT_STR("max_tokens");
    if (tt_str_eq(reason, TT_STR("content_filter")))
        return TT_STR("refusal");
    if (parts->call_count > 0)
        return TT_STR("tool_use");
    return sequence.data ? TT_STR("stop_sequence") : TT_STR("end_turn");
}

/* The sequence that has stopped the answer, as JSON; data == NULL: none that is known. */
static struct tt_str stop_sequence(const struct tt_reply *reply)
{
    struct tt_json_value object = {TT_JSON_OBJECT, tt_reply_carried(reply)}, value;
    struct tt_str key;
    size_t cursor = 0;

    while (object.raw.data && tt_json_next_member(&object, &cursor, &key, &value))
        if (tt_str_eq(key, TT_STR("\"stop_sequence\"")) && value.type == TT_JSON_STRING)
            return value.raw;
    return (struct tt_str){0};
}

static void put_usage(struct tt_json_writer *w, const struct tt_reply_outcome *outcome)
{
    const struct tt_reply_usage *usage = &outcome->usage;

    int64_t input = usage->input_tokens - usage->cached_tokens;

    tt_json_begin_object(w);
    tt_json_key(w, TT_STR("input_tokens"));
    tt_json_int(w, input < 0 ? 0 : input);
    tt_json_key(w, TT_STR("output_tokens"));
    tt_json_int(w, usage->output_tokens < 0 ? 0 : usage->output_tokens);
    tt_json_key(w, TT_STR("cache_creation_input_tokens"));
    tt_json_int(w, 0);
    tt_json_key(w, TT_STR("cache_read_input_tokens"));
    tt_json_int(w, usage->cached_tokens);
    if (outcome->usage_estimated) {
        tt_json_key(w, TT_STR("estimated"));
        tt_json_bool(w, true);
    }
    if (outcome->charged_twice) {
        tt_json_key(w, TT_STR("possibly_charged_twice"));
        tt_json_bool(w, true);
    }
    tt_json_end_object(w);
}

static void put_error(struct tt_frames *frames, struct tt_buf *out,
                      const struct tt_reply_outcome *outcome)
{
    const struct tt_err *error = &outcome->error;
    struct tt_json_writer w = {.buf = out};

    tt_buf_append_z(out, "event: error\ndata: ");
    tt_http_error_put_anthropic(
        &w, &(struct tt_http_error_anthropic){
                .message = frames->describe(frames->describe_arg, error).text,
                .code = tt_str_from(error->code),
                .status = error->status,
                .detail = outcome->detail[0] ? tt_str_from(outcome->detail) : (struct tt_str){0}});
    tt_buf_append_z(out, "\n\n");
}

static void put_end(struct tt_frames *frames, struct tt_buf *out)
{
    const struct tt_reply_outcome *outcome = tt_reply_outcome(frames->reader.reply);
    struct parts *parts = frames->parts;
    struct tt_json_writer w = {.buf = out};

    if (outcome->error.status) {
        put_error(frames, out, outcome);
        return;
    }
    put_start(parts, out);
    put_notes(frames, out, frames->position);
    close_text(parts, out);
    end_calls(parts, out);
    tt_buf_append_z(out, "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{");
    tt_buf_append_z(out, "\"stop_reason\":");
    struct tt_str sequence = stop_sequence(frames->reader.reply);
    tt_json_str(&w, stop_reason(parts, outcome, sequence));
    tt_buf_append_z(out, ",\"stop_sequence\":");
    tt_buf_append_str(out, sequence.data ? sequence : TT_STR("null"));
    tt_buf_append_z(out, "},\"usage\":");
    put_usage(&(struct tt_json_writer){.buf = out}, outcome);
    tt_buf_append_z(out, "}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
}

static void put_ping(struct tt_frames *frames, struct tt_buf *out)
{
    put_start(frames->parts, out);
    tt_buf_append_z(out, "event: ping\ndata: {\"type\":\"ping\"}\n\n");
}

const struct tt_frame_format tt_frames_messages_format = {.form = "messages",
                                                          .parts_new = parts_new,
                                                          .parts_free = parts_free,
                                                          .put_delta = put_delta,
                                                          .put_end = put_end,
                                                          .put_ping = put_ping};
