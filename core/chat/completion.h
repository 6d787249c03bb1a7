/* A finished reply as the whole answer of OpenAI's completions, and what that has in common with
 * their chunks (frames_openai.c).
 * https://platform.openai.com/docs/api-reference/chat/object
 * https://platform.openai.com/docs/api-reference/completions/object */
#pragma once
#include "base/json.h"
#include "reply/reply.h"

struct tt_completion {
    bool text; /* an older text completion, which has no place for reasoning and tool calls */
    struct tt_str id, model;
    int64_t created; /* seconds since 1970 */
};

/* Appends the answer. The reply is FINISHED. */
void tt_completion_put(struct tt_buf *out, const struct tt_completion *completion,
                       const struct tt_reply *reply);

/* The usage, as an object. */
void tt_completion_put_usage(struct tt_json_writer *w, const struct tt_reply_outcome *outcome);

/* What the upstream sent beside the text: members of the whole answer, or those of its message. */
void tt_completion_put_carried(struct tt_json_writer *w, const struct tt_reply *reply,
                               bool of_answer);

/* Our own word for a reply that somebody stopped is none that these clients know. */
struct tt_str tt_completion_reason(const struct tt_reply_outcome *outcome);
