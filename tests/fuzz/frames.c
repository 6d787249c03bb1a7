/* A reply of any bytes as a stream of each door: every event is JSON, and what was appended in any
 * pieces is told whole. The first byte chooses the pieces; after that, a byte from 1 to 3 chooses
 * the kind of what follows it. */
#include "base/json.h"
#include "base/utf8.h"
#include "chat/frames_internal.h"
#include "fuzz.h"

static struct tt_loop *loop;

static void stop(void)
{
    tt_loop_free(loop);
}

static struct tt_frames_error describe(void *arg, const struct tt_err *err)
{
    (void)arg, (void)err;
    return (struct tt_frames_error){.text = TT_STR("it \"failed\"")};
}

/* Appends what a reply may be appended: whole characters, tool calls as lines of JSON. */
static void append(struct tt_reply *reply, enum tt_reply_kind kind, struct tt_str text,
                   unsigned *seed, struct tt_buf *told)
{
    struct tt_utf8_joiner joiner = {0};
    struct tt_buf piece = {0};
    struct tt_err err = {0};

    while (text.len > 0) {
        size_t n = fuzz_piece(seed, text.len);
        tt_buf_clear(&piece);
        if (kind == TT_REPLY_TOOL_CALLS) {
            tt_buf_append_z(&piece, "[{\"index\":0,\"function\":{\"arguments\":\"");
            tt_json_escape(&piece, tt_str_of(text.data, n));
            tt_buf_append_z(&piece, "\"}}]\n");
        } else {
            tt_utf8_join(&joiner, tt_str_of(text.data, n), &piece);
        }
        check(tt_reply_append(reply, kind, tt_buf_str(&piece), &err) == 0);
        if (kind == TT_REPLY_CONTENT)
            tt_utf8_append_without_nul(told, tt_buf_str(&piece));
        text = tt_str_of(text.data + n, text.len - n);
    }
    tt_buf_free(&piece);
}

static void fill(struct tt_reply *reply, struct tt_str input, unsigned seed, struct tt_buf *told)
{
    enum tt_reply_kind kind = TT_REPLY_CONTENT;
    while (input.len > 0) {
        size_t n = 0;
        if (input.data[0] >= 1 && input.data[0] <= 3) {
            kind = (enum tt_reply_kind)(input.data[0] - 1);
            input = tt_str_of(input.data + 1, input.len - 1);
        }
        while (n < input.len && !(input.data[n] >= 1 && input.data[n] <= 3))
            n++;
        append(reply, kind, tt_str_of(input.data, n), &seed, told);
        input = tt_str_of(input.data + n, input.len - n);
    }
}

/* Every data line is JSON (or the done marker); what is picked of them is appended to *text. */
static void read_events(struct tt_str out, const char *picked, struct tt_buf *text)
{
    struct tt_json_path path;
    struct tt_err err = {0};
    struct tt_str line;

    tt_json_path_parse(&path, picked, &err);
    check(out.len == 0 || tt_str_ends(out, TT_STR("\n\n")));
    while (out.len > 0 && tt_str_split(&out, '\n', &line)) {
        struct tt_json_value value;
        if (!tt_str_starts(line, TT_STR("data: ")) || tt_str_eq(line, TT_STR("data: [DONE]")))
            continue;
        line = tt_str_of(line.data + 6, line.len - 6);
        check(tt_json_select(line, &path, 1, &value, &err) == 0);
        if (value.type == TT_JSON_STRING)
            tt_json_unescape(value.raw, NULL, text);
    }
}

static void stream(struct tt_reply *reply, const char *form, const char *picked, struct tt_str told)
{
    const struct tt_frames_chunks chunks = {.format = tt_frames_format(tt_str_from(form)),
                                            .id = TT_STR("id1"),
                                            .model = TT_STR("m"),
                                            .head = TT_STR("{\"object\":\"o\"}"),
                                            .include_usage = true,
                                            .after = -1};
    struct tt_frames frames = {.format = chunks.format, .describe = describe};
    struct tt_buf out = {0}, text = {0};
    struct tt_reply_span span;

    frames.reader.reply = reply;
    frames.parts = chunks.format->parts_new ? chunks.format->parts_new(&chunks) : NULL;
    while (tt_reply_read(reply, frames.position, &span)) {
        chunks.format->put_delta(&frames, &out, &span);
        check(span.end > frames.position);
        frames.position = span.end;
    }
    chunks.format->put_end(&frames, &out);
    read_events(tt_buf_str(&out), picked, &text);
    check(tt_str_eq(tt_buf_str(&text), told));
    if (chunks.format->parts_free)
        chunks.format->parts_free(frames.parts);
    tt_buf_free(&out);
    tt_buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tt_err err = {0};
    struct tt_buf told = {0};

    if (!loop) {
        loop = tt_loop_new(&err);
        atexit(stop);
    }
    if (size == 0)
        return 0;
    struct tt_reply *reply = tt_reply_new(loop, 2, 1, 1, &err);
    check(reply != NULL);
    fill(reply, tt_str_of((const char *)data + 1, size - 1), data[0], &told);
    tt_reply_produced(reply,
                      &(struct tt_reply_outcome){.status = "complete",
                                                 .finish_reason = "stop",
                                                 .usage = {.input_tokens = 1, .output_tokens = 2},
                                                 .retry_after_s = -1});
    tt_reply_finish(reply, NULL);
    stream(reply, "chat", "choices.0.delta.content", tt_buf_str(&told));
    stream(reply, "messages", "delta.text", tt_buf_str(&told));
    stream(reply, "responses", "none", (struct tt_str){0});
    tt_loop_tick(loop, 0);
    tt_reply_unref(reply);
    tt_buf_free(&told);
    return 0;
}
