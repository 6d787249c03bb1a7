/* What all streams of Server-Sent Events have in common: the head, and a sign of life when nothing
 * else is sent, so that neither a proxy nor the client takes the stream for dead. Thread: the
 * loop's worker. */
#pragma once
#include "http/http.h"

/* Adds the headers of the response; before tt_http_stream_open. */
void tt_http_event_stream_head(struct tt_http_exchange *exchange);

/* Embed it and zero it. */
struct tt_http_keep_alive {
    struct tt_timer timer;
    struct tt_loop *loop;
    struct tt_http_stream *stream;
    uint64_t last_ms; /* something was sent */
    void (*on_silent)(struct tt_http_keep_alive *keep_alive);
};

/* Calls on_silent after each ten seconds without an event, but not while the client has bytes to
 * take. Set on_silent before. */
void tt_http_keep_alive_start(struct tt_http_keep_alive *keep_alive, struct tt_loop *loop,
                              struct tt_http_stream *stream);
void tt_http_keep_alive_stop(struct tt_http_keep_alive *keep_alive); /* harmless when not running */

/* An event is sent now. */
void tt_http_keep_alive_note(struct tt_http_keep_alive *keep_alive);
