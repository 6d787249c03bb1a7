/* What the files of frames share: the machinery (frames.c) and the formats. Nothing else includes
 * it. */
#pragma once
#include "chat/frames.h"

/* How a stream's frames look. Each call appends whole frames. */
struct tt_frame_format {
    /* `span` is what the log has from the position on; moved on to what was told of it. */
    void (*put_delta)(struct tt_frames *frames, struct tt_buf *out, struct tt_reply_span *span);
    void (*put_end)(struct tt_frames *frames, struct tt_buf *out);
};

struct tt_frames {
    struct tt_reply_reader reader;
    struct tt_loop *loop;
    struct tt_http_stream *stream;
    struct tt_timer keep_alive;
    uint64_t position;
    uint64_t last_frame_ms;
    bool heard; /* counted among the reply's listeners */
    bool reset; /* the position lies beyond the log: all of it comes first */
    bool ping, ended;
    struct tt_str (*describe)(void *arg, const struct tt_err *err);
    void *describe_arg;
    const struct tt_frame_format *format;
    struct tt_frames_openai_parts *openai; /* NULL in the own format */
};

extern const struct tt_frame_format tt_frames_openai_format;
struct tt_frames_openai_parts *tt_frames_openai_parts_new(const struct tt_frames_openai *chunk);
void tt_frames_openai_parts_free(struct tt_frames_openai_parts *parts);

/* An entry of tool calls as it was logged, without its line end; moves the span to its end. Half an
 * entry is no JSON, so all of it is told whatever position was asked for. */
void tt_frames_put_entry(struct tt_frames *frames, struct tt_buf *out, struct tt_reply_span *span);
