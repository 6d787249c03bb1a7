/*
 * From a scenario and a request to a program. reply_chat and reply_json put the scenario's delays
 * and faults on an answer; reply_plain is for the mock's own pages and errors, which have none.
 */
#ifndef MOCK_REPLY_H
#define MOCK_REPLY_H

#include "chat.h"
#include "program.h"
#include "scenario.h"

struct reply_args {
    const struct scenario *sc;
    const struct chat_request *chat;
    struct slice bearer, body;
    bool http10, close;
};

struct program *reply_chat(const struct reply_args *a);
struct program *reply_json(const struct reply_args *a, const char *json, size_t n);
struct program *reply_plain(int status, const char *json, size_t n, bool close);
struct program *reply_error(int status, const char *message, bool close);

/* For the files behind reply.c. */

/* The answer's text cut into deltas, already escaped for JSON; joined they are the whole text. */
struct deltas {
    struct buf json;
    size_t *end;
    size_t count, cap;
};

void deltas_build(struct deltas *d, const struct reply_args *a);
void deltas_reasoning(struct deltas *d, size_t count);
void deltas_free(struct deltas *d);

struct program *reply_begin(const struct reply_args *a);
struct program *reply_stream(const struct reply_args *a);
void error_json(struct buf *out, int status, const char *message);
void usage_json(struct buf *out, const struct reply_args *a, size_t completion);
bool reply_uses_tools(const struct reply_args *a);

/* Faults that replace the whole answer; NULL when the scenario has none of them. */
struct program *fault_whole(const struct reply_args *a);

#define REPLY_TOOL_ID   "call_mock_1"
#define REPLY_TOOL_NAME "get_weather"

#endif
