/* A reply as Server-Sent Events on one connection: the one place that writes frames. */
#pragma once
#include "http/http.h"
#include "reply/reply.h"

struct tt_frames;

/* A stream in the form of another API: which one, and what its events have in common. The strings
 * are copied. */
struct tt_frame_format;
struct tt_frames_chunks {
    const struct tt_frame_format *format;
    struct tt_str id, model;
    struct tt_str head; /* JSON that the form puts into its events; data == NULL: none */
    int64_t created;    /* seconds since 1970 */
    bool include_usage; /* the usage is asked for */
    int64_t after;      /* number of the last event that the client knows; -1 = none */
};

/* What clients are told of an error. */
struct tt_frames_error {
    struct tt_str text;
    struct tt_str door_code; /* its name in another API; empty: it has none there */
};

struct tt_frames_options {
    uint64_t position; /* in the reply's log, to begin from */
    /* What is told of an error code. */
    struct tt_frames_error (*describe)(void *arg, const struct tt_err *err);
    void *describe_arg;
    const struct tt_frames_chunks *chunks; /* NULL = the own format */
    struct tt_http_stream *opened; /* the response has begun, in this stream; NULL = it has not */
};

/* The format of a form's name, e.g. "chat"; NULL when there is no such form. Thread: any. */
const struct tt_frame_format *tt_frames_format(struct tt_str form);

/* Begins the response (200, event-stream; NULL when it was answered already) and follows the reply
 * to its end frame. A position beyond the log gets a reset frame with all of it first (own format
 * only). While the client is there it counts among the reply's clients. Owns: the exchange; call
 * tt_frames_close from its on_end. Takes its own reference to the reply. Thread: worker. */
struct tt_frames *tt_frames_open(struct tt_http_exchange *exchange, struct tt_loop *loop,
                                 struct tt_reply *reply, const struct tt_frames_options *options);
/* The client has left: the reply is no longer followed, and the exchange ends soon. */
void tt_frames_abandon(struct tt_frames *frames);
void tt_frames_close(struct tt_frames *frames);
