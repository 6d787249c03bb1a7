/* A reply as the events of OpenAI's Responses: the response, its items with their parts and deltas,
 * and the response as it ended, then the done marker that Open Responses asks for.
 * https://platform.openai.com/docs/api-reference/responses-streaming
 * https://www.openresponses.org/specification
 *
 * An event's sequence number follows from its place in the log: STEPS numbers for each byte. A
 * delta has that of its last byte; the events of a border (what ends there, then what begins there)
 * have those behind it, and the events of an entry of tool calls those of the entry's bytes. So all
 * readers see the same numbers, however their deltas are cut, before and after a restart; they rise
 * strictly, with gaps. A reader that comes back goes through the log from its beginning, which
 * restores the items, and is sent what has a higher number than the last one that it knows.
 *
 * Items of text end where another item begins; calls, whose pieces may alternate, at the end. So
 * does the input of a custom tool come, which is a text within a function's arguments. */
#include "chat/frames_internal.h"
#include "chat/responses_object.h"
#include "chat/responses_steps.h"

#include <stdlib.h>

#define STEPS 16 /* three events end an item, two begin one; the rest is for the end */

enum border { ENDS = 1, BEGINS = 4, FINISHES = 6 };

struct parts {
    struct tt_responses_object response;
    struct tt_responses_items items;
    struct tt_buf id, head; /* what the response points to */
    struct tt_buf prefix;   /* of the deltas of the item that is open */
    int64_t after;          /* the number of the last event that the client knows; -1 = none */
    int64_t shift;          /* of the numbers of what ends; see shift_end */
    bool begun;
    bool open; /* the last item is a text that has not ended */
};

static void *parts_new(const struct tt_frames_chunks *chunks)
{
    struct parts *parts = TT_NEW(struct parts);

    tt_buf_append_str(&parts->id, chunks->id);
    tt_buf_append_str(&parts->head, chunks->head);
    tt_json_one_line(&parts->head, 0); /* parts of it are as the client has sent them */
    parts->response.suffix = tt_responses_id_suffix(tt_buf_str(&parts->id));
    parts->response.head = parts->items.head = tt_buf_str(&parts->head);
    parts->after = chunks->after;
    return parts;
}

static void parts_free(void *arg)
{
    struct parts *parts = arg;

    tt_responses_items_free(&parts->items);
    tt_buf_free(&parts->id);
    tt_buf_free(&parts->head);
    tt_buf_free(&parts->prefix);
    free(parts);
}

/* ---- events ---- */

static void begin_event(struct tt_buf *out, const char *type, int64_t number)
{
    tt_buf_printf(out, "event: %s\ndata: {\"type\":\"%s\",\"sequence_number\":%lld", type, type,
                  (long long)number);
}

static void end_event(struct tt_buf *out)
{
    tt_buf_append_z(out, "}\n\n");
}

static void put_place(struct parts *parts, struct tt_buf *out, size_t number)
{
    tt_buf_append_z(out, ",\"item_id\":\"");
    tt_responses_put_item_id(out, parts->response.suffix, &parts->items, number);
    tt_buf_printf(out, "\",\"output_index\":%zu", number);
}

/* The place of a text: the first part of its item. */
static void put_part_place(struct parts *parts, struct tt_buf *out, size_t number)
{
    put_place(parts, out, number);
    tt_buf_append_z(out, parts->items.list[number].kind == TT_REPLY_CONTENT
                             ? ",\"content_index\":0"
                             : ",\"summary_index\":0");
}

static const char *text_event(enum tt_reply_kind kind, bool done)
{
    if (kind == TT_REPLY_CONTENT)
        return done ? "response.output_text.done" : "response.output_text.delta";
    return done ? "response.reasoning_summary_text.done" : "response.reasoning_summary_text.delta";
}

static const char *part_event(enum tt_reply_kind kind, bool done)
{
    if (kind == TT_REPLY_CONTENT)
        return done ? "response.content_part.done" : "response.content_part.added";
    return done ? "response.reasoning_summary_part.done" : "response.reasoning_summary_part.added";
}

static void put_item_event(struct parts *parts, struct tt_buf *out, const char *type,
                           int64_t sequence, size_t number, const struct tt_reply *reply,
                           struct tt_str status)
{
    struct tt_json_writer w = {.buf = out};

    if (sequence <= parts->after)
        return;
    begin_event(out, type, sequence);
    tt_buf_printf(out, ",\"output_index\":%zu,\"item\":", number);
    tt_responses_put_item(&w, parts->response.suffix, &parts->items, number, reply, status);
    end_event(out);
}

static void put_part_event(struct parts *parts, struct tt_buf *out, bool done, int64_t sequence,
                           size_t number, struct tt_str text)
{
    enum tt_reply_kind kind = parts->items.list[number].kind;

    if (sequence <= parts->after)
        return;
    begin_event(out, part_event(kind, done), sequence);
    put_part_place(parts, out, number);
    tt_buf_append_z(out, ",\"part\":");
    tt_responses_put_part(&(struct tt_json_writer){.buf = out}, kind, text);
    end_event(out);
}

static void put_response_event(struct parts *parts, struct tt_buf *out, const char *type,
                               int64_t sequence)
{
    if (sequence <= parts->after)
        return;
    begin_event(out, type, sequence);
    tt_buf_append_z(out, ",\"response\":");
    tt_responses_put_begun(out, &parts->response);
    end_event(out);
}

static void put_begin(struct parts *parts, struct tt_buf *out)
{
    if (parts->begun)
        return;
    parts->begun = true;
    put_response_event(parts, out, "response.created", 0);
    put_response_event(parts, out, "response.in_progress", 1);
}

/* ---- texts ---- */

static void close_text(struct tt_frames *frames, struct tt_buf *out, struct tt_str status)
{
    struct parts *parts = frames->parts;
    size_t number = parts->items.count - 1;
    int64_t sequence = (int64_t)frames->position * STEPS + ENDS + parts->shift;
    struct tt_buf text = {0};

    if (!parts->open)
        return;
    parts->open = false;
    if (sequence + 2 <= parts->after)
        return;
    const struct tt_responses_item *item = &parts->items.list[number];
    tt_responses_item_text(item, frames->reader.reply, &text);
    if (sequence > parts->after) {
        begin_event(out, text_event(item->kind, true), sequence);
        put_part_place(parts, out, number);
        tt_buf_append_z(out, ",\"text\":\"");
        tt_json_escape(out, tt_buf_str(&text));
        tt_buf_append_z(out, item->kind == TT_REPLY_CONTENT ? "\",\"logprobs\":[]" : "\"");
        end_event(out);
    }
    put_part_event(parts, out, true, sequence + 1, number, tt_buf_str(&text));
    put_item_event(parts, out, "response.output_item.done", sequence + 2, number,
                   frames->reader.reply, status);
    tt_buf_free(&text);
}

static void open_text(struct tt_frames *frames, struct tt_buf *out)
{
    struct parts *parts = frames->parts;
    size_t number = parts->items.count - 1;
    int64_t sequence = (int64_t)frames->position * STEPS + BEGINS;

    parts->open = true;
    put_item_event(parts, out, "response.output_item.added", sequence, number, NULL,
                   TT_STR("in_progress"));
    put_part_event(parts, out, false, sequence + 1, number, TT_STR(""));
    tt_buf_clear(&parts->prefix);
    put_part_place(parts, &parts->prefix, number);
    tt_buf_append_z(&parts->prefix, ",\"delta\":\"");
}

/* The part of a span that the client does not know yet. It may have asked for a number between two
 * of a character: then it gets the whole character. */
static struct tt_str unknown_part(const struct parts *parts, uint64_t from, struct tt_str bytes)
{
    uint64_t known = parts->after < 0 ? 0 : (uint64_t)parts->after / STEPS;

    if (known <= from)
        return bytes;
    if (known >= from + bytes.len)
        return TT_STR("");
    size_t skip = (size_t)(known - from);
    while (skip > 0 && ((unsigned char)bytes.data[skip] & 0xc0) == 0x80)
        skip--;
    return tt_str_of(bytes.data + skip, bytes.len - skip);
}

static void put_text(struct tt_frames *frames, struct tt_buf *out, struct tt_reply_span *span)
{
    struct parts *parts = frames->parts;

    if (parts->open && parts->items.list[parts->items.count - 1].kind != span->kind)
        close_text(frames, out, TT_STR("completed"));
    tt_responses_items_text(&parts->items, span->kind, frames->position)->to = span->end;
    if (!parts->open)
        open_text(frames, out);
    struct tt_str text = unknown_part(parts, frames->position, span->bytes);
    if (text.len == 0)
        return;
    begin_event(out, text_event(span->kind, false), (int64_t)span->end * STEPS);
    tt_buf_append_str(out, tt_buf_str(&parts->prefix));
    tt_json_escape(out, text);
    tt_buf_append_z(out, span->kind == TT_REPLY_CONTENT ? "\",\"logprobs\":[]" : "\"");
    end_event(out);
}

/* ---- calls ---- */

static void put_arguments(struct parts *parts, struct tt_buf *out, const char *type,
                          int64_t sequence, size_t number, const char *key, struct tt_str text)
{
    if (sequence <= parts->after)
        return;
    begin_event(out, type, sequence);
    put_place(parts, out, number);
    tt_buf_printf(out, ",\"%s\":\"", key);
    tt_json_escape(out, text);
    tt_buf_putc(out, '"');
    end_event(out);
}

static void put_entry(struct tt_frames *frames, struct tt_buf *out, struct tt_reply_span *span)
{
    struct parts *parts = frames->parts;
    int64_t sequence = (int64_t)frames->position * STEPS + BEGINS;
    struct tt_json_value delta;
    struct tt_buf entry = {0};
    size_t cursor = 0;

    close_text(frames, out, TT_STR("completed"));
    tt_reply_read_entry(frames->reader.reply, span, &entry);
    struct tt_json_value list = tt_json_value_of(tt_buf_str(&entry));
    while (tt_json_next(&list, &cursor, &delta)) {
        struct tt_str input;
        bool begins;
        size_t number = (size_t)(tt_responses_items_call(&parts->items, &delta, &begins, &input) -
                                 parts->items.list);
        if (begins)
            put_item_event(parts, out, "response.output_item.added", sequence++, number, NULL,
                           TT_STR("in_progress"));
        /* A custom tool's input is known when its function's arguments are whole. */
        if (input.len > 0 && !tt_responses_item_is_custom(&parts->items.list[number]))
            put_arguments(parts, out, "response.function_call_arguments.delta", sequence++, number,
                          "delta", input);
    }
    tt_buf_free(&entry);
}

/* ---- calls of the server's own tools ---- */

static void put_mcp_event(struct parts *parts, struct tt_buf *out, const char *type,
                          int64_t sequence, size_t number)
{
    if (sequence <= parts->after)
        return;
    begin_event(out, type, sequence);
    put_place(parts, out, number);
    end_event(out);
}

static void put_step(struct tt_frames *frames, struct tt_buf *out, struct tt_reply_span *span)
{
    struct parts *parts = frames->parts;
    int64_t sequence = (int64_t)frames->position * STEPS + BEGINS;
    struct tt_buf line = {0};
    size_t number;

    close_text(frames, out, TT_STR("completed"));
    tt_reply_read_entry(frames->reader.reply, span, &line);
    enum tt_responses_step step =
        tt_responses_items_step(&parts->items, tt_buf_str(&line), &number);
    tt_buf_free(&line);
    if (step == TT_RESPONSES_CALL) {
        put_item_event(parts, out, "response.output_item.added", sequence, number, NULL,
                       TT_STR("in_progress"));
        put_mcp_event(parts, out, "response.mcp_call.in_progress", sequence + 1, number);
        put_arguments(parts, out, "response.mcp_call_arguments.done", sequence + 2, number,
                      "arguments", tt_buf_str(&parts->items.list[number].input));
    } else if (step == TT_RESPONSES_RESULT) {
        bool failed = parts->items.list[number].failed;
        put_mcp_event(parts, out,
                      failed ? "response.mcp_call.failed" : "response.mcp_call.completed", sequence,
                      number);
        put_item_event(parts, out, "response.output_item.done", sequence + 1, number,
                       frames->reader.reply, failed ? TT_STR("failed") : TT_STR("completed"));
    }
}

static void put_delta(struct tt_frames *frames, struct tt_buf *out, struct tt_reply_span *span)
{
    put_begin(frames->parts, out);
    if (span->kind == TT_REPLY_TOOL_CALLS)
        put_entry(frames, out, span);
    else if (span->kind == TT_REPLY_STEPS)
        put_step(frames, out, span);
    else
        put_text(frames, out, span);
}

/* ---- the end ---- */

static int64_t close_call(struct parts *parts, struct tt_buf *out, int64_t sequence, size_t number)
{
    struct tt_str arguments = tt_buf_str(&parts->items.list[number].input);
    struct tt_buf input = {0};

    if (!tt_responses_item_is_custom(&parts->items.list[number])) {
        put_arguments(parts, out, "response.function_call_arguments.done", sequence++, number,
                      "arguments", arguments);
        return sequence;
    }
    tt_responses_put_input(arguments, &input);
    put_arguments(parts, out, "response.custom_tool_call_input.delta", sequence++, number, "delta",
                  tt_buf_str(&input));
    put_arguments(parts, out, "response.custom_tool_call_input.done", sequence++, number, "input",
                  tt_buf_str(&input));
    tt_buf_free(&input);
    return sequence;
}

/* A call that was cut off has no whole arguments: it is in the response, as incomplete, but not
 * done. Returns the number behind the last one. */
static int64_t close_calls(struct tt_frames *frames, struct tt_buf *out, int64_t sequence)
{
    struct parts *parts = frames->parts;
    const struct tt_reply *reply = frames->reader.reply;

    for (size_t i = 0; i < parts->items.count; i++) {
        const struct tt_responses_item *item = &parts->items.list[i];
        struct tt_str status = tt_responses_item_status(reply, &parts->items, i);
        if (item->kind != TT_REPLY_TOOL_CALLS || !tt_str_eq(status, TT_STR("completed")))
            continue;
        sequence = close_call(parts, out, sequence, i);
        put_item_event(parts, out, "response.output_item.done", sequence++, i, reply, status);
    }
    return sequence;
}

/* They are whole when the reply is. Returns the number behind the last one. */
static int64_t put_images(struct tt_frames *frames, struct tt_buf *out, int64_t sequence)
{
    struct parts *parts = frames->parts;
    const struct tt_reply *reply = frames->reader.reply;

    for (size_t i = tt_responses_items_images(&parts->items, reply); i < parts->items.count; i++) {
        put_item_event(parts, out, "response.output_item.added", sequence++, i, NULL,
                       TT_STR("in_progress"));
        put_item_event(parts, out, "response.output_item.done", sequence++, i, reply,
                       TT_STR("completed"));
    }
    return sequence;
}

static const char *end_type(struct tt_str status)
{
    if (tt_str_eq(status, TT_STR("completed")))
        return "response.completed";
    return tt_str_eq(status, TT_STR("failed")) ? "response.failed" : "response.incomplete";
}

/* The number of the response's own event, unless it is shifted. */
static int64_t end_number(struct tt_frames *frames)
{
    struct parts *parts = frames->parts;
    int64_t after = parts->after;
    struct tt_responses_items images = {0};
    struct tt_buf nothing = {0};

    parts->after = INT64_MAX; /* so they are only counted */
    int64_t end = close_calls(frames, &nothing, (int64_t)frames->position * STEPS + FINISHES);
    parts->after = after;
    tt_responses_items_images(&images, frames->reader.reply);
    end += 2 * (int64_t)images.count;
    tt_responses_items_free(&images);
    return end;
}

/* After a crash a client may know a higher number than there is. Its numbers rise all the same:
 * what ends is told behind all that it knows, and so it learns what is left of the text. */
static void shift_end(struct tt_frames *frames)
{
    struct parts *parts = frames->parts;

    if (end_number(frames) < parts->after)
        parts->shift = parts->after - (int64_t)frames->position * STEPS;
}

static void put_end(struct tt_frames *frames, struct tt_buf *out)
{
    struct parts *parts = frames->parts;
    struct tt_reply *reply = frames->reader.reply;
    const struct tt_err *error = &tt_reply_outcome(reply)->error;
    struct tt_responses_error told = {0};

    put_begin(parts, out);
    shift_end(frames);
    if (parts->open)
        close_text(frames, out,
                   tt_responses_item_status(reply, &parts->items, parts->items.count - 1));
    int64_t sequence = (int64_t)frames->position * STEPS + FINISHES + parts->shift;
    sequence = put_images(frames, out, close_calls(frames, out, sequence));
    if (error->status) {
        struct tt_frames_error described = frames->describe(frames->describe_arg, error);
        told = (struct tt_responses_error){described.door_code, described.text};
    }
    if (sequence > parts->after) {
        begin_event(out, end_type(tt_responses_status(reply)), sequence);
        tt_buf_append_z(out, ",\"response\":");
        tt_responses_put(out, &parts->response, reply, &parts->items, told);
        end_event(out);
    }
    tt_buf_append_z(out, "data: [DONE]\n\n");
}

const struct tt_frame_format tt_frames_responses_format = {.form = "responses",
                                                           .takes_steps = true,
                                                           .parts_new = parts_new,
                                                           .parts_free = parts_free,
                                                           .put_delta = put_delta,
                                                           .put_end = put_end};
