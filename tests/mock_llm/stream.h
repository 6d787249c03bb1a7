/*
 * What stream.c, which knows when something is sent and what goes wrong, asks of the format that an
 * answer is written in. OpenAI's is in stream.c itself, the others are in dialect.c.
 */
#ifndef MOCK_STREAM_H
#define MOCK_STREAM_H

#include "reply.h"

struct stream {
    const struct reply_args *a;
    const struct dialect *dialect;
    struct program *p;
    struct buf head; /* OpenAI: every event up to its delta */
    struct buf event;
    size_t sent; /* length of the event before */
    const char *eol;
    int block, block_kind; /* Anthropic: the open block of content */
};

struct dialect {
    const char *type; /* content type */
    void (*begin)(struct stream *s);
    void (*text)(struct stream *s, bool reasoning, const char *json, size_t n);
    void (*tool_call)(struct stream *s);
    void (*end)(struct stream *s, size_t completion); /* without program_finish */
    void (*error)(struct stream *s);
};

/* By enum dialect_kind; NULL for OpenAI's. */
const struct dialect *dialect_of(int kind);

/* Sends s->event as an event (a line of its own for JSON lines). */
void stream_send_event(struct stream *s);

#endif
