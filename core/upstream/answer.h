/* The body of an upstream's good answer, read as its sender meant it: events, lines or one JSON
 * document, by its first bytes whatever its label says; and whether it is an answer at all. Knows
 * no connection: bytes go in, cut anywhere, and texts, an end and the reason of the end come out.
 */
#pragma once
#include "upstream/delta.h"

enum tt_upstream_answer_mode { TT_ANSWER_UNDECIDED, TT_ANSWER_EVENTS, TT_ANSWER_WHOLE };

struct tt_upstream_answer {
    struct tt_delta_spec *spec;
    struct tt_delta_reader reader;
    struct tt_sse_parser parser;
    struct tt_buf whole;
    enum tt_upstream_answer_mode mode;
    bool keep_empty;
    bool events_told;   /* the label says that it is a stream of events */
    bool last;          /* the last event, which may be cut off */
    bool has_text;      /* of any kind */
    bool has_answer;    /* content or tool calls */
    bool ended;         /* complete or failed: nothing more is read */
    size_t bytes;       /* of the body so far */
    size_t text_at;     /* `bytes` when the last text came */
    struct tt_buf said; /* the first events without text, each with a NUL behind it */
    int (*on_texts)(void *arg, const struct tt_delta_reader *reader, struct tt_err *err);
    void *arg;
};

/* `on_texts` gets what each event brings (content, reasoning, tool_calls of the reader; at least
 * one is not empty); -1 ends the answer with its error. `keep_empty`: an answer with a finish
 * reason and no text is one. */
void tt_upstream_answer_create(struct tt_upstream_answer *answer, struct tt_delta_spec *spec,
                               bool keep_empty,
                               int (*on_texts)(void *arg, const struct tt_delta_reader *reader,
                                               struct tt_err *err),
                               void *arg);
void tt_upstream_answer_destroy(struct tt_upstream_answer *answer);

/* What the head says of the body. */
void tt_upstream_answer_label(struct tt_upstream_answer *answer, struct tt_str content_type);

enum tt_upstream_answer_result { TT_ANSWER_GOES_ON, TT_ANSWER_COMPLETE, TT_ANSWER_FAILED };

/* Feeds bytes. FAILED sets err: "upstream_bad_response", "upstream_line_too_long",
 * "reply_too_long", what the upstream reports, or, where its end has come, those of
 * tt_upstream_answer_end. */
enum tt_upstream_answer_result tt_upstream_answer_feed(struct tt_upstream_answer *answer,
                                                       struct tt_str bytes, struct tt_err *err);

/* No byte comes any more. `cut`: the connection broke, so it is complete only if it has said that
 * it is; GOES_ON means that it has not. Otherwise FAILED: "upstream_incomplete", and for an answer
 * without text the error that was told, "upstream_content_refused", "upstream_length_reached" or
 * "upstream_empty". */
enum tt_upstream_answer_result tt_upstream_answer_end(struct tt_upstream_answer *answer, bool cut,
                                                      struct tt_err *err);

/* Its finish reason has come: usage may follow, and the end. */
bool tt_upstream_answer_finished(const struct tt_upstream_answer *answer);
