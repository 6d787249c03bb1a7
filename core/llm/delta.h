/* What a provider's stream events mean, as data: JSON paths that a provider script declares, read
 * in C for every token. So a new provider is a table in Lua and runs at streaming speed. */
#pragma once
#include "base/json.h"
#include "llm/sse_parse.h"

/* Paths are dotted ("choices.0.delta.content"); NULL = the provider has none. */
struct tt_delta_paths {
    const char *content;
    const char *reasoning;
    const char *finish_reason;
    const char *input_tokens;
    const char *output_tokens;
    const char *error; /* there and not null: the upstream reports an error */
};

struct tt_delta_spec; /* compiled, immutable, refcounted */

/* `stream` for events, `whole` for an answer that is not streamed; `done_data` e.g. "[DONE]" or
 * NULL; `kind` of framing. Fails: NULL, "invalid_provider". Owns: the caller, one reference. */
struct tt_delta_spec *tt_delta_spec_new(enum tt_sse_kind kind, const struct tt_delta_paths *stream,
                                        const struct tt_delta_paths *whole, const char *done_data,
                                        struct tt_err *err);
struct tt_delta_spec *tt_delta_spec_ref(struct tt_delta_spec *spec);
void tt_delta_spec_unref(struct tt_delta_spec *spec);
enum tt_sse_kind tt_delta_spec_kind(const struct tt_delta_spec *spec);

/* Whether a complete stream shows that it is one: by a done marker or a finish reason. */
bool tt_delta_spec_tells_end(const struct tt_delta_spec *spec);

struct tt_usage {
    int64_t input_tokens, output_tokens; /* -1 = not told */
};

/* State of one stream's reading: keeps halves of surrogate pairs and of characters. */
struct tt_delta_reader {
    struct tt_delta_spec *spec;
    bool whole;
    uint32_t high[2];
    struct tt_buf content, reasoning; /* decoded text of the last event, whole characters */
    struct tt_buf finish_reason;      /* the last one seen */
    struct tt_usage usage;
    bool done; /* the done marker came */
};
void tt_delta_create(struct tt_delta_reader *reader, struct tt_delta_spec *spec, bool whole);
void tt_delta_destroy(struct tt_delta_reader *reader);

/* Reads one event: content and reasoning are replaced by this event's text (possibly empty). -1:
 * "upstream_bad_response" (no JSON) or "upstream_error" (the error path was there). */
int tt_delta_read(struct tt_delta_reader *reader, struct tt_str data, struct tt_err *err);
