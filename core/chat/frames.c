/* The machinery of all streams, and the own format of frames. A flush takes the log from the
 * reader's position on; deltas that became ready in the same tick are adjacent in the log and leave
 * as one frame. The id after a frame is the position in the log, so it does not depend on how
 * frames were cut. */
#include "base/json.h"
#include "chat/frames_internal.h"
#include "chat/usage_json.h"

#include <stdlib.h>

#define FLUSH_MAX_BYTES (256u << 10) /* of text a flush: the rest follows when it has left */

static void put_id(struct tt_frames *frames, struct tt_buf *out, uint64_t position)
{
    tt_buf_append_z(out, "id: ");
    tt_buf_append_i64(out, tt_reply_message_id(frames->reader.reply));
    tt_buf_putc(out, '.');
    tt_buf_append_u64(out, position);
}

static void begin_frame(struct tt_frames *frames, struct tt_buf *out, uint64_t position)
{
    put_id(frames, out, position);
    tt_buf_append_z(out, "\ndata: ");
}

void tt_frames_put_entry(struct tt_frames *frames, struct tt_buf *out, struct tt_reply_span *span)
{
    tt_reply_read_entry(frames->reader.reply, span, out);
}

static void put_tool_calls(struct tt_frames *frames, struct tt_buf *out, struct tt_reply_span *span)
{
    begin_frame(frames, out, span->run_end);
    tt_buf_append_z(out, "{\"tool_calls\":");
    tt_frames_put_entry(frames, out, span);
    tt_buf_append_z(out, "}\n\n");
}

/* What was done between the parts of the reply: the entry is the frame, and its key says what it
 * is. Clients that do not know it find no `content` in it. */
static void put_step(struct tt_frames *frames, struct tt_buf *out, struct tt_reply_span *span)
{
    begin_frame(frames, out, span->run_end);
    tt_frames_put_entry(frames, out, span);
    tt_buf_append_z(out, "\n\n");
}

static void put_delta(struct tt_frames *frames, struct tt_buf *out, struct tt_reply_span *span)
{
    if (span->kind == TT_REPLY_TOOL_CALLS) {
        put_tool_calls(frames, out, span);
        return;
    }
    if (span->kind == TT_REPLY_STEPS) {
        put_step(frames, out, span);
        return;
    }
    begin_frame(frames, out, span->end);
    if (span->kind == TT_REPLY_CONTENT) {
        tt_buf_append_z(out, "{\"content\":\"");
        tt_json_escape(out, span->bytes);
        tt_buf_append_z(out, "\",\"done\":false}\n\n");
    } else {
        tt_buf_append_z(out, "{\"reasoning\":\"");
        tt_json_escape(out, span->bytes);
        tt_buf_append_z(out, "\"}\n\n");
    }
}

/* The lists of all entries (a line each) as one list. */
static void put_entries(struct tt_json_writer *w, struct tt_str lines)
{
    ptrdiff_t end;

    tt_json_begin_array(w);
    while ((end = tt_str_find(lines, '\n')) > 1) {
        tt_json_raw(w, tt_str_of(lines.data + 1, (size_t)end - 2)); /* without its brackets */
        lines = tt_str_of(lines.data + end + 1, lines.len - (size_t)end - 1);
    }
    tt_json_end_array(w);
}

static void put_steps(struct tt_json_writer *w, struct tt_str lines)
{
    ptrdiff_t end;

    tt_json_begin_array(w);
    while ((end = tt_str_find(lines, '\n')) > 0) {
        tt_json_raw(w, tt_str_of(lines.data, (size_t)end));
        lines = tt_str_of(lines.data + end + 1, lines.len - (size_t)end - 1);
    }
    tt_json_end_array(w);
}

/* The client knows more than was stored before a crash: it gets what there is instead. */
static void put_reset(struct tt_frames *frames, struct tt_buf *out)
{
    struct tt_buf text[TT_REPLY_KINDS] = {{0}};
    struct tt_json_writer w = {.buf = out};
    struct tt_reply_span span;

    for (frames->position = 0; tt_reply_read(frames->reader.reply, frames->position, &span);
         frames->position = span.end)
        tt_buf_append_str(&text[span.kind], span.bytes);
    begin_frame(frames, out, frames->position);
    tt_json_begin_object(&w);
    tt_json_key(&w, TT_STR("reset"));
    tt_json_bool(&w, true);
    tt_json_key(&w, TT_STR("content"));
    tt_json_str(&w, tt_buf_str(&text[TT_REPLY_CONTENT]));
    if (text[TT_REPLY_REASONING].len > 0) {
        tt_json_key(&w, TT_STR("reasoning"));
        tt_json_str(&w, tt_buf_str(&text[TT_REPLY_REASONING]));
    }
    if (text[TT_REPLY_TOOL_CALLS].len > 0) {
        tt_json_key(&w, TT_STR("tool_calls"));
        put_entries(&w, tt_buf_str(&text[TT_REPLY_TOOL_CALLS]));
    }
    if (text[TT_REPLY_STEPS].len > 0) {
        tt_json_key(&w, TT_STR("steps"));
        put_steps(&w, tt_buf_str(&text[TT_REPLY_STEPS]));
    }
    tt_json_key(&w, TT_STR("done"));
    tt_json_bool(&w, false);
    tt_json_end_object(&w);
    tt_buf_append_z(out, "\n\n");
    for (int kind = 0; kind < TT_REPLY_KINDS; kind++)
        tt_buf_free(&text[kind]);
    frames->reset = false;
}

static void put_end(struct tt_frames *frames, struct tt_buf *out)
{
    struct tt_reply *reply = frames->reader.reply;
    const struct tt_reply_outcome *outcome = tt_reply_outcome(reply);
    struct tt_json_writer w = {.buf = out};

    /* An id of its own: who comes back with it has everything (lua/chat/resume.lua). */
    put_id(frames, out, frames->position);
    tt_buf_append_z(out, ".end\ndata: ");
    tt_json_begin_object(&w);
    if (outcome->error.status) {
        tt_json_key(&w, TT_STR("error"));
        tt_json_str(&w, frames->describe(frames->describe_arg, &outcome->error).text);
        tt_json_key(&w, TT_STR("code"));
        tt_json_str(&w, tt_str_from(outcome->error.code));
        if (outcome->detail[0]) {
            tt_json_key(&w, TT_STR("detail"));
            tt_json_str(&w, tt_str_from(outcome->detail));
        }
    } else {
        tt_json_key(&w, TT_STR("content"));
        tt_json_str(&w, TT_STR(""));
    }
    tt_json_key(&w, TT_STR("done"));
    tt_json_bool(&w, true);
    tt_json_key(&w, TT_STR("message_id"));
    tt_json_int(&w, tt_reply_message_id(reply));
    tt_json_key(&w, TT_STR("user_message_id"));
    tt_json_int(&w, tt_reply_user_message_id(reply));
    if (tt_reply_files(reply).len > 0) {
        tt_json_key(&w, TT_STR("file_ids"));
        tt_json_begin_array(&w);
        tt_json_raw(&w, tt_reply_files(reply));
        tt_json_end_array(&w);
    }
    if (!outcome->error.status) {
        tt_json_key(&w, TT_STR("usage"));
        if (!tt_usage_put_json(&w, outcome))
            tt_json_null(&w);
    }
    if (!outcome->error.status || outcome->finish_reason[0]) {
        tt_json_key(&w, TT_STR("finish_reason"));
        tt_json_str(&w, tt_str_from(outcome->finish_reason));
    }
    tt_json_end_object(&w);
    tt_buf_append_z(out, "\n\n");
}

static const struct tt_frame_format own_format = {
    .takes_steps = true, .put_delta = put_delta, .put_end = put_end};

static const struct tt_frame_format *const formats[] = {
    &tt_frames_chat_format, &tt_frames_text_format, &tt_frames_messages_format,
    &tt_frames_responses_format};

const struct tt_frame_format *tt_frames_format(struct tt_str form)
{
    for (size_t i = 0; i < TT_COUNT(formats); i++)
        if (tt_str_eq(form, tt_str_from(formats[i]->form)))
            return formats[i];
    return NULL;
}

static void put_ping(struct tt_frames *frames, struct tt_buf *out)
{
    if (frames->format->put_ping)
        frames->format->put_ping(frames, out);
    else
        tt_buf_append_z(out, ": ping\n\n");
}

static void on_flush(struct tt_http_stream *stream, void *arg)
{
    struct tt_frames *frames = arg;
    struct tt_buf *out = tt_http_stream_out(stream);
    struct tt_reply *reply = frames->reader.reply;
    struct tt_reply_span span;
    size_t before = out->len;

    if (frames->ended)
        return;
    /* The state first: what it says FINISHED about is then surely in the log that is read next. */
    enum tt_reply_state state = tt_reply_state(reply);
    if (frames->reset)
        put_reset(frames, out);
    while (out->len - before < FLUSH_MAX_BYTES && tt_reply_read(reply, frames->position, &span)) {
        if (span.kind == TT_REPLY_STEPS && !frames->format->takes_steps)
            span.end = span.run_end;
        else
            frames->format->put_delta(frames, out, &span);
        frames->position = span.end;
    }
    if (out->len - before >= FLUSH_MAX_BYTES) {
        tt_http_stream_wake(stream);
    } else if (state == TT_REPLY_FINISHED) {
        frames->format->put_end(frames, out);
        frames->ended = true;
    } else if (out->len == before && frames->ping) {
        put_ping(frames, out);
    }
    frames->ping = false;
    if (out->len > before)
        tt_http_keep_alive_note(&frames->keep_alive);
    if (frames->ended) {
        tt_http_keep_alive_stop(&frames->keep_alive);
        tt_http_stream_end(stream);
    }
}

static void on_wake(struct tt_reply_reader *reader)
{
    struct tt_frames *frames = TT_CONTAINER_OF(reader, struct tt_frames, reader);
    if (!frames->ended)
        tt_http_stream_wake(frames->stream);
}

static void on_silent(struct tt_http_keep_alive *keep_alive)
{
    struct tt_frames *frames = TT_CONTAINER_OF(keep_alive, struct tt_frames, keep_alive);

    frames->ping = true;
    tt_http_stream_wake(frames->stream);
}

struct tt_frames *tt_frames_open(struct tt_http_exchange *exchange, struct tt_loop *loop,
                                 struct tt_reply *reply, const struct tt_frames_options *options)
{
    struct tt_frames *frames = TT_NEW(struct tt_frames);

    frames->position = options->position;
    frames->describe = options->describe;
    frames->describe_arg = options->describe_arg;
    frames->format = options->chunks ? options->chunks->format : &own_format;
    if (options->opened) {
        frames->stream = options->opened;
        tt_http_stream_hand_over(frames->stream, on_flush, frames);
    } else {
        tt_http_event_stream_head(exchange);
        frames->stream = tt_http_stream_open(exchange, 200, on_flush, frames);
    }
    if (!frames->stream) {
        free(frames);
        return NULL;
    }
    tt_http_drop_body(exchange);
    if (frames->format->parts_new)
        frames->parts = frames->format->parts_new(options->chunks);
    /* The forms of other APIs know no reset. */
    frames->reset = !options->chunks && options->position > tt_reply_length(reply);
    frames->heard = true;
    tt_reply_client_add(reply);
    frames->reader.on_wake = on_wake;
    tt_reply_attach(reply, loop, &frames->reader);
    tt_http_stream_wake(frames->stream);
    frames->keep_alive.on_silent = on_silent;
    tt_http_keep_alive_start(&frames->keep_alive, loop, frames->stream);
    return frames;
}

static void stop_following(struct tt_frames *frames, bool left)
{
    tt_http_keep_alive_stop(&frames->keep_alive);
    if (frames->heard)
        tt_reply_client_remove(frames->reader.reply, left);
    frames->heard = false;
    tt_reply_detach(&frames->reader);
}

void tt_frames_abandon(struct tt_frames *frames)
{
    frames->ended = true;
    stop_following(frames, true);
    tt_http_stream_end(frames->stream);
}

void tt_frames_close(struct tt_frames *frames)
{
    if (!frames)
        return;
    /* A connection that broke before the end frame, seen by the library first, has left too. */
    stop_following(frames, !frames->ended);
    if (frames->format->parts_free)
        frames->format->parts_free(frames->parts);
    free(frames);
}
