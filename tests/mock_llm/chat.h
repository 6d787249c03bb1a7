/*
 * What the mock needs to know of a chat request's JSON body. Reading is strict (grammar, UTF-8,
 * depth): if the server under test ever sends a body that is not valid JSON, the answer is 400.
 */
#ifndef MOCK_CHAT_H
#define MOCK_CHAT_H

#include "buf.h"

/* Whose format a request is in; its endpoint tells. */
enum dialect_kind {
    DIALECT_OPENAI,
    DIALECT_ANTHROPIC,
    DIALECT_GEMINI,
    DIALECT_OLLAMA,
};

/* Slices point into the body; model and content are raw JSON (a string still has its quotes). */
struct chat_request {
    struct slice model, last_user, system;
    struct buf roles; /* "system,user", reused from request to request */
    size_t messages, inputs;
    bool stream, include_usage, last_is_tool, has_tools;
    enum dialect_kind dialect; /* set by the caller */
};

/* Fails with -1 and a sentence in *err. q->roles must be initialised once and freed by the owner.
 */
int chat_read(struct chat_request *q, struct slice body, bool embeddings, const char **err);

/* Decodes a JSON string, or the text parts of a content list, to UTF-8; other values give "". */
void chat_text(struct slice raw, struct buf *out);

#endif
