/* The meaning of a provider's stream events, as data: paths into their JSON that a provider script
 * declares, read in C for every token. So a new provider is a table in Lua and runs at streaming
 * speed. A path is keys and indexes with dots. "*" walks a list. A filter in brackets tests the
 * object at its place: [key=value], [key] (present, not null and not false), [!key]; at the front
 * of a path, [@event=name] tests the event's name. docs/providers.md has the details. */
#pragma once
#include "base/json.h"
#include "reply/reply.h"
#include "reply/tokens.h"
#include "upstream/sse_parse.h"
#include "upstream/told_error.h"

/* The meaning of a path. Of several paths with one meaning: of texts and words the first that is
 * present, of counts the sum of all in one event; see TT_TOKENS_MAX. */
enum tt_delta_role {
    TT_DELTA_CONTENT,
    TT_DELTA_REASONING,
    TT_DELTA_FINISH,
    TT_DELTA_INPUT, /* tokens; of several events the largest number counts */
    TT_DELTA_OUTPUT,
    TT_DELTA_INPUT_ELSE, /* another place for them, read where an event has nothing at the first */
    TT_DELTA_OUTPUT_ELSE,
    TT_DELTA_CACHED,     /* of the input tokens those that the upstream had in its cache */
    TT_DELTA_THOUGHT,    /* of the output tokens those of reasoning */
    TT_DELTA_CARRIED,    /* what is told to clients as it came: see tt_delta_spec_carry */
    TT_DELTA_SIGNATURE,  /* of the reasoning before it, and reasoning that only its service can */
    TT_DELTA_REDACTED,   /* read: texts that go to clients whose API has a place for them */
    TT_DELTA_IMAGE,      /* an image, which no text can carry: it is named in the content */
    TT_DELTA_CODE,       /* code that was run, or what it printed: fenced in the content */
    TT_DELTA_ERROR,      /* something is said there: the upstream reports an error */
    TT_DELTA_ERROR_TYPE, /* its name for that error */
    TT_DELTA_ENDED,      /* present, not null and not false: the stream is complete */
    TT_DELTA_CALL_INDEX, /* of a tool call; without it each one that has a name is a new call */
    TT_DELTA_CALL_ID,
    TT_DELTA_CALL_NAME,
    TT_DELTA_CALL_ARGUMENTS, /* a piece of JSON text, or the whole as an object */
    TT_DELTA_CALL_EXTRA,     /* what the upstream wants back with the call */
    TT_DELTA_ROLES
};

struct tt_delta_spec; /* refcounted; immutable once a reader uses it */

/* `done_data` is the data of the event that ends a stream, e.g. "[DONE]", or NULL. Owns: the
 * caller, one reference. */
struct tt_delta_spec *tt_delta_spec_new(enum tt_sse_kind kind, const char *done_data);
struct tt_delta_spec *tt_delta_spec_ref(struct tt_delta_spec *spec);
void tt_delta_spec_unref(struct tt_delta_spec *spec);

/* Declares a path in events, or with `whole` in an answer that is not streamed. Fails:
 * "invalid_provider". */
int tt_delta_spec_path(struct tt_delta_spec *spec, bool whole, enum tt_delta_role role,
                       const char *path, struct tt_err *err);
/* Translates the upstream's word `from` to `to`: for TT_DELTA_FINISH OpenAI's finish reason (in
 * capitals or not), for TT_DELTA_ERROR_TYPE an error code of ours. Unknown words of the first kind
 * are unchanged. */
void tt_delta_spec_word(struct tt_delta_spec *spec, enum tt_delta_role role, const char *from,
                        const char *to);
/* Declares a path of what is kept for the client as it came, under `name` in
 * tt_delta_carried_json; a second path of the same name is another place for it. Fails:
 * "invalid_provider". */
int tt_delta_spec_carry(struct tt_delta_spec *spec, bool whole, const char *name, const char *path,
                        struct tt_err *err);
/* The dotted key under which TT_DELTA_CALL_EXTRA is passed on in a tool call. */
void tt_delta_spec_extra(struct tt_delta_spec *spec, const char *key);
/* Its models write their reasoning into the text, see delta_think.c. */
void tt_delta_spec_think_tags(struct tt_delta_spec *spec);

enum tt_sse_kind tt_delta_spec_kind(const struct tt_delta_spec *spec);

/* Whether a complete stream marks its end: by a done marker or a finish reason. */
bool tt_delta_spec_tells_end(const struct tt_delta_spec *spec);

/* What the last event had around its text, see delta_shape.c. */
struct tt_delta_shape {
    bool known, off; /* off: every event is read in full (tests compare the two) */
    enum tt_delta_role role;
    struct tt_buf name, before, after;
};

/* Where the text is, of a model that begins it with "<think>". */
struct tt_delta_think {
    enum { TT_THINK_BEGIN, TT_THINK_INSIDE, TT_THINK_BEHIND, TT_THINK_OVER } state;
    bool thought;      /* some reasoning came */
    bool assumed;      /* it is inside although no tag has said so */
    bool alone;        /* "</think>" came without a begin */
    bool wrong;        /* it was assumed and did not come */
    bool unwatched;    /* the rest has no tag that means something */
    bool quoted;       /* the tag that has begun */
    char tag[8], last; /* the begin of a tag, and the last byte before this piece */
    unsigned char tag_len;
    struct tt_buf held; /* not decided yet */
    struct tt_buf said; /* the reasoning so far, while it is assumed */
};

#define TT_DELTA_CARRIED_MAX   8
#define TT_DELTA_CARRIED_BYTES ((size_t)256 << 10) /* of each */

struct tt_delta_carried {
    struct tt_buf json;
    bool list; /* `json` has its items */
};

/* State of reading one stream. Thousands are open, so what few of them need is allocated when it
 * comes. It stores halves of surrogate pairs, and the tool calls so far. */
struct tt_delta_reader {
    struct tt_delta_spec *spec;
    bool whole;
    uint32_t high[2];
    struct tt_buf content, reasoning; /* decoded text of the last event, whole characters */
    struct tt_buf images;             /* their notes, for the end of its content */
    struct tt_buf image_items;        /* all that came with their bytes, see tt_reply_add_images */
    int images_left_out;              /* that were too large for it */
    struct tt_buf note;               /* of the last event (tt_reply_note), or empty */
    struct tt_buf tool_calls;         /* entry of the last event (reply/reply.h), or empty */
    struct tt_buf finish_reason;      /* the last one seen, in OpenAI's words */
    struct tt_reply_usage usage;
    struct tt_delta_carried *carried; /* by their place; NULL: nothing came */
    bool done;                        /* the done marker came */
    bool said;                        /* some event had text, a call or an image */
    bool repaired;                    /* some event was no JSON by the letter, see delta_repair.c */
    size_t events;                    /* that were JSON */
    struct tt_buf repair;
    struct tt_told_error *told; /* of the error that was reported; NULL: none was */
    struct tt_delta_think think;
    struct tt_delta_call *calls;
    size_t call_count;
    struct tt_delta_shape shape;
};
void tt_delta_create(struct tt_delta_reader *reader, struct tt_delta_spec *spec, bool whole);
void tt_delta_destroy(struct tt_delta_reader *reader);

/* The text is assumed to begin inside the reasoning, where think_tags are declared. At its begin.
 */
void tt_delta_assume_thinking(struct tt_delta_reader *reader);

/* Reads one event (`name` may be empty): content, reasoning, note and tool_calls are replaced by
 * this event's (possibly nothing). Words that are no JSON at all (data: keep-alive) are passed
 * over. -1: "upstream_bad_response" (not JSON); or, if the event reports an error, the code for
 * what it says, "upstream_error" when that says nothing. */
int tt_delta_read(struct tt_delta_reader *reader, struct tt_str name, struct tt_str data,
                  struct tt_err *err);

/* No event comes any more: content and reasoning become what was still held back. */
void tt_delta_end(struct tt_delta_reader *reader);

/* The answer is complete: tool_calls becomes what calls without arguments still lack, the texts
 * become empty, and finish_reason never is. */
void tt_delta_complete(struct tt_delta_reader *reader);

/* Appends what was carried as a JSON object; nothing when there is none. */
void tt_delta_carried_json(const struct tt_delta_reader *reader, struct tt_buf *out);
