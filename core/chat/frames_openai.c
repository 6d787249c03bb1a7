/* A reply as the chunks of OpenAI's chat completions: role first, then deltas, then a chunk with
 * the finish reason, if requested one with the usage, and the done marker. A failure is an error
 * object in the stream, after which it ends without the marker.
 * https://platform.openai.com/docs/api-reference/chat-streaming
 * The chunks of its older text completions differ in their choices, which have no place for
 * reasoning and tool calls: https://platform.openai.com/docs/api-reference/completions
 *
 * The parts that all chunks of a stream have in common are built once: a token costs two copies and
 * the escaping of its text. */
#include "base/json.h"
#include "chat/completion.h"
#include "chat/frames_internal.h"
#include "http/error_object.h"

#include <stdlib.h>

struct parts {
    struct tt_buf head; /* up to the choices */
    bool include_usage;
    bool begun; /* the role was sent */
};

static struct parts *parts_of(const struct tt_frames_chunks *chunks, struct tt_str object)
{
    struct parts *parts = TT_NEW(struct parts);
    struct tt_json_writer w = {.buf = &parts->head};

    tt_buf_append_z(&parts->head, "data: ");
    tt_json_begin_object(&w);
    tt_json_key(&w, TT_STR("id"));
    tt_json_str(&w, chunks->id);
    tt_json_key(&w, TT_STR("object"));
    tt_json_str(&w, object);
    tt_json_key(&w, TT_STR("created"));
    tt_json_int(&w, chunks->created);
    tt_json_key(&w, TT_STR("model"));
    tt_json_str(&w, chunks->model);
    tt_buf_append_z(&parts->head, ",\"choices\":[");
    parts->include_usage = chunks->include_usage;
    return parts;
}

static void *chat_new(const struct tt_frames_chunks *chunks)
{
    return parts_of(chunks, TT_STR("chat.completion.chunk"));
}

static void *text_new(const struct tt_frames_chunks *chunks)
{
    return parts_of(chunks, TT_STR("text_completion"));
}

static void parts_free(void *arg)
{
    struct parts *parts = arg;

    tt_buf_free(&parts->head);
    free(parts);
}

static void begin_choice(struct tt_frames *frames, struct tt_buf *out)
{
    const struct parts *parts = frames->parts;

    tt_buf_append_str(out, tt_buf_str(&parts->head));
    tt_buf_append_z(out, "{\"index\":0,\"delta\":{");
}

/* With include_usage every chunk has the key, null in all but the last. */
static void end_chunk(struct tt_frames *frames, struct tt_buf *out)
{
    const struct parts *parts = frames->parts;

    tt_buf_append_z(out, parts->include_usage ? "],\"usage\":null}\n\n" : "]}\n\n");
}

static void end_choice(struct tt_frames *frames, struct tt_buf *out)
{
    tt_buf_append_z(out, "},\"logprobs\":null,\"finish_reason\":null}");
    end_chunk(frames, out);
}

static void put_role(struct tt_frames *frames, struct tt_buf *out)
{
    struct parts *parts = frames->parts;

    if (parts->begun)
        return;
    parts->begun = true;
    begin_choice(frames, out);
    tt_buf_append_z(out, "\"role\":\"assistant\",\"content\":\"\",\"refusal\":null");
    end_choice(frames, out);
}

static void put_delta(struct tt_frames *frames, struct tt_buf *out, struct tt_reply_span *span)
{
    put_role(frames, out);
    begin_choice(frames, out);
    if (span->kind == TT_REPLY_TOOL_CALLS) {
        tt_buf_append_z(out, "\"tool_calls\":");
        tt_frames_put_entry(frames, out, span);
    } else {
        tt_buf_append_z(out, span->kind == TT_REPLY_CONTENT ? "\"content\":\""
                                                            : "\"reasoning_content\":\"");
        tt_json_escape(out, span->bytes);
        tt_buf_putc(out, '"');
    }
    end_choice(frames, out);
}

/* In one piece before the end: what comes of them in pieces is nothing that is shown. */
static void put_carried_delta(struct tt_frames *frames, struct tt_buf *out)
{
    struct tt_json_writer w = tt_json_within(out, true);
    size_t before = out->len;

    begin_choice(frames, out);
    size_t begun = out->len;
    tt_completion_put_carried(&w, frames->reader.reply, false);
    if (out->len > begun)
        end_choice(frames, out);
    else
        out->len = before;
}

static void put_carried(struct tt_frames *frames, struct tt_buf *out)
{
    struct tt_json_writer w = tt_json_within(out, false);

    tt_completion_put_carried(&w, frames->reader.reply, true);
}

static void put_usage(struct tt_frames *frames, struct tt_buf *out,
                      const struct tt_reply_outcome *outcome)
{
    const struct parts *parts = frames->parts;

    tt_buf_append_str(out, tt_buf_str(&parts->head));
    tt_buf_append_z(out, "],\"usage\":");
    tt_completion_put_usage(&(struct tt_json_writer){.buf = out}, outcome);
    put_carried(frames, out);
    tt_buf_append_z(out, "}\n\n");
}

static void put_error(struct tt_frames *frames, struct tt_buf *out,
                      const struct tt_reply_outcome *outcome)
{
    const struct tt_err *error = &outcome->error;
    struct tt_json_writer w = {.buf = out};

    tt_buf_append_z(out, "data: {\"error\":");
    tt_http_error_put_openai(&w, &(struct tt_http_error_openai){
                                     .message = frames->describe(frames->describe_arg, error).text,
                                     .code = tt_str_from(error->code),
                                     .status = error->status});
    if (outcome->detail[0]) {
        tt_buf_append_z(out, ",\"detail\":");
        tt_json_str(&(struct tt_json_writer){.buf = out}, tt_str_from(outcome->detail));
    }
    tt_buf_append_z(out, "}\n\n");
}

/* Ends the last choice, which has been begun, and the stream. */
static void finish(struct tt_frames *frames, struct tt_buf *out,
                   const struct tt_reply_outcome *outcome)
{
    const struct parts *parts = frames->parts;
    struct tt_json_writer w = {.buf = out};

    tt_buf_append_z(out, ",\"logprobs\":null,\"finish_reason\":");
    tt_json_str(&w, tt_completion_reason(outcome));
    tt_buf_append_z(out, parts->include_usage ? "}],\"usage\":null" : "}]");
    put_carried(frames, out);
    tt_buf_append_z(out, "}\n\n");
    if (parts->include_usage)
        put_usage(frames, out, outcome);
    tt_buf_append_z(out, "data: [DONE]\n\n");
}

static void put_end(struct tt_frames *frames, struct tt_buf *out)
{
    const struct tt_reply_outcome *outcome = tt_reply_outcome(frames->reader.reply);

    if (outcome->error.status) {
        put_error(frames, out, outcome);
        return;
    }
    put_role(frames, out);
    put_carried_delta(frames, out);
    begin_choice(frames, out);
    tt_buf_putc(out, '}');
    finish(frames, out, outcome);
}

const struct tt_frame_format tt_frames_chat_format = {.form = "chat",
                                                      .parts_new = chat_new,
                                                      .parts_free = parts_free,
                                                      .put_delta = put_delta,
                                                      .put_end = put_end};

/* ---- text completions ---- */

static void begin_text(struct tt_frames *frames, struct tt_buf *out, struct tt_str text)
{
    const struct parts *parts = frames->parts;

    tt_buf_append_str(out, tt_buf_str(&parts->head));
    tt_buf_append_z(out, "{\"text\":\"");
    tt_json_escape(out, text);
    tt_buf_append_z(out, "\",\"index\":0");
}

static void put_text(struct tt_frames *frames, struct tt_buf *out, struct tt_reply_span *span)
{
    if (span->kind != TT_REPLY_CONTENT)
        return;
    begin_text(frames, out, span->bytes);
    tt_buf_append_z(out, ",\"logprobs\":null,\"finish_reason\":null}");
    end_chunk(frames, out);
}

static void put_text_end(struct tt_frames *frames, struct tt_buf *out)
{
    const struct tt_reply_outcome *outcome = tt_reply_outcome(frames->reader.reply);

    if (outcome->error.status) {
        put_error(frames, out, outcome);
        return;
    }
    begin_text(frames, out, TT_STR(""));
    finish(frames, out, outcome);
}

const struct tt_frame_format tt_frames_text_format = {.form = "text",
                                                      .parts_new = text_new,
                                                      .parts_free = parts_free,
                                                      .put_delta = put_text,
                                                      .put_end = put_text_end};
