/* Shared by the files of frames: the machinery (frames.c) and the formats. Nothing else includes
 * this. */
#pragma once
#include "chat/frames.h"
#include "http/event_stream.h"

/* The format of a stream's frames. Each call appends whole frames. */
struct tt_frame_format {
    const char *form; /* its name in a response's `chunks` */
    bool takes_steps; /* of the server's own tools; else the log's are left out */
    /* What a stream keeps in frames->parts; both NULL: nothing. */
    void *(*parts_new)(const struct tt_frames_chunks *chunks);
    void (*parts_free)(void *parts);
    /* `span` is the text in the log from the position on; it is moved past the text that was sent.
     */
    void (*put_delta)(struct tt_frames *frames, struct tt_buf *out, struct tt_reply_span *span);
    void (*put_end)(struct tt_frames *frames, struct tt_buf *out);
    /* After a silence; NULL: a comment. */
    void (*put_ping)(struct tt_frames *frames, struct tt_buf *out);
};

struct tt_frames {
    struct tt_reply_reader reader;
    struct tt_http_stream *stream;
    struct tt_http_keep_alive keep_alive;
    uint64_t position;
    bool heard; /* counted among the reply's clients */
    bool reset; /* the position is beyond the log: all of it is sent first */
    bool ping, ended;
    struct tt_frames_error (*describe)(void *arg, const struct tt_err *err);
    void *describe_arg;
    const struct tt_frame_format *format;
    void *parts; /* the format's own */
};

extern const struct tt_frame_format tt_frames_chat_format, tt_frames_text_format,
    tt_frames_messages_format, tt_frames_responses_format;

/* An entry as it was logged, without its line end; moves the span to its end. Half an
 * entry is not JSON, so the whole entry is sent whatever the position. */
void tt_frames_put_entry(struct tt_frames *frames, struct tt_buf *out, struct tt_reply_span *span);
