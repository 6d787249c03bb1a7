/* What a provider's stream events mean, as data: paths into their JSON that a provider script
 * declares, read in C for every token. So a new provider is a table in Lua and runs at streaming
 * speed. A path is keys and indexes with dots; "*" goes through a list; a filter in brackets asks
 * something of the object where it stands: [key=value], [key] (there, not null and not false),
 * [!key], and at the front of a path [@event=name] the event's name. docs/providers.md tells all.
 */
#pragma once
#include "base/json.h"
#include "reply/reply.h"
#include "reply/tokens.h"
#include "upstream/sse_parse.h"

/* What is at a path. Of several paths with one meaning: of texts and words the first that is there,
 * of counts all that are in one event, added up; see TT_TOKENS_MAX. */
enum tt_delta_role {
    TT_DELTA_CONTENT,
    TT_DELTA_REASONING,
    TT_DELTA_FINISH,
    TT_DELTA_INPUT, /* tokens, replaced by each event that tells them */
    TT_DELTA_OUTPUT,
    TT_DELTA_ERROR,      /* there and not null: the upstream reports an error */
    TT_DELTA_ERROR_TYPE, /* its name for that error */
    TT_DELTA_ENDED,      /* there, not null and not false: the stream is complete */
    TT_DELTA_CALL_INDEX, /* of a tool call; without it each one that has a name is a new call */
    TT_DELTA_CALL_ID,
    TT_DELTA_CALL_NAME,
    TT_DELTA_CALL_ARGUMENTS, /* a piece of JSON text, or the whole as an object */
    TT_DELTA_CALL_EXTRA,     /* what the upstream wants back with the call */
    TT_DELTA_ROLES
};

struct tt_delta_spec; /* refcounted; immutable once it is read by */

/* `done_data` is the data of the event that ends a stream, e.g. "[DONE]", or NULL. Owns: the
 * caller, one reference. */
struct tt_delta_spec *tt_delta_spec_new(enum tt_sse_kind kind, const char *done_data);
struct tt_delta_spec *tt_delta_spec_ref(struct tt_delta_spec *spec);
void tt_delta_spec_unref(struct tt_delta_spec *spec);

/* Declares a path in events, or with `whole` in an answer that is not streamed. Fails:
 * "invalid_provider". */
int tt_delta_spec_path(struct tt_delta_spec *spec, bool whole, enum tt_delta_role role,
                       const char *path, struct tt_err *err);
/* The upstream's word `from` means `to`: of TT_DELTA_FINISH OpenAI's finish reason, of
 * TT_DELTA_ERROR_TYPE an error code of ours. Unknown words of the first kind stay as they are. */
void tt_delta_spec_word(struct tt_delta_spec *spec, enum tt_delta_role role, const char *from,
                        const char *to);
/* Under which key, dotted, TT_DELTA_CALL_EXTRA is handed on in a tool call. */
void tt_delta_spec_extra(struct tt_delta_spec *spec, const char *key);

enum tt_sse_kind tt_delta_spec_kind(const struct tt_delta_spec *spec);

/* Whether a complete stream shows that it is one: by a done marker or a finish reason. */
bool tt_delta_spec_tells_end(const struct tt_delta_spec *spec);

/* State of one stream's reading: keeps halves of surrogate pairs, and the tool calls so far. */
struct tt_delta_reader {
    struct tt_delta_spec *spec;
    bool whole;
    uint32_t high[2];
    struct tt_buf content, reasoning; /* decoded text of the last event, whole characters */
    struct tt_buf tool_calls;         /* entry of the last event (reply/reply.h), or empty */
    struct tt_buf finish_reason;      /* the last one seen, in OpenAI's words */
    struct tt_reply_usage usage;
    bool done; /* the done marker came */
    struct tt_delta_call *calls;
    size_t call_count;
};
void tt_delta_create(struct tt_delta_reader *reader, struct tt_delta_spec *spec, bool whole);
void tt_delta_destroy(struct tt_delta_reader *reader);

/* Reads one event (`name` may be empty): content, reasoning and tool_calls are replaced by this
 * event's (possibly nothing). -1: "upstream_bad_response" (no JSON), or the error path was there:
 * "upstream_error" or the code that its type stands for. */
int tt_delta_read(struct tt_delta_reader *reader, struct tt_str name, struct tt_str data,
                  struct tt_err *err);

/* The answer is complete: tool_calls is what calls without arguments still lack, finish_reason is
 * never empty. */
void tt_delta_complete(struct tt_delta_reader *reader);
