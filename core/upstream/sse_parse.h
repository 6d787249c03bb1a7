/* Server-Sent Events as upstreams send them (WHATWG HTML 9.2.6, and what senders make of it): a
 * push parser that accepts bytes cut anywhere, even inside CRLF or a character. Also JSON lines
 * (one event per line). */
#pragma once
#include "base/buf.h"
#include "base/err.h"

enum tt_sse_kind { TT_SSE_EVENTS, TT_SSE_JSON_LINES };

struct tt_sse_parser {
    enum tt_sse_kind kind;
    size_t line_max;    /* bytes; longer lines fail with "upstream_line_too_long" */
    struct tt_buf line; /* an unfinished line */
    struct tt_buf data; /* the event's data lines so far */
    struct tt_buf name; /* the event's name */
    bool has_data, after_cr, started;
    bool late_name; /* the name came behind the data: of this event, or of the next one */
};
void tt_sse_create(struct tt_sse_parser *parser, enum tt_sse_kind kind, size_t line_max);
void tt_sse_destroy(struct tt_sse_parser *parser);

/* Feeds bytes; calls on_event for each complete event (name may be empty). Comments and empty
 * events are skipped. A whole event inside `bytes` is passed on without a copy. on_event returning
 * -1 stops and makes feed return -1 (with the error that it set in err). */
int tt_sse_feed(struct tt_sse_parser *parser, struct tt_str bytes,
                int (*on_event)(void *arg, struct tt_str name, struct tt_str data,
                                struct tt_err *err),
                void *arg, struct tt_err *err);

/* Passes on an event that has come but for its line ends, if `is_whole` says so of its data: some
 * senders forget the end of the last one, and keep the connection open. */
int tt_sse_flush(struct tt_sse_parser *parser, bool (*is_whole)(struct tt_str data),
                 int (*on_event)(void *arg, struct tt_str name, struct tt_str data,
                                 struct tt_err *err),
                 void *arg, struct tt_err *err);

/* The stream ended: what is there of an unfinished event is passed on (the standard drops it, but
 * senders forget the last blank line). So the data may be cut off. */
int tt_sse_end(struct tt_sse_parser *parser,
               int (*on_event)(void *arg, struct tt_str name, struct tt_str data,
                               struct tt_err *err),
               void *arg, struct tt_err *err);
