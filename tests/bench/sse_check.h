/* One answer with an event stream, fed as it comes, in any pieces: HTTP head, chunks, events, text.
 * Every byte of the text is compared with what the mock upstream was asked for ("tok0 tok1 …", each
 * word behind a stamp when stamp=1), so that a missing, doubled or moved byte is a fault.
 * Understands what we send (id and content) and what OpenAI sends, nothing else. */
#ifndef BENCH_SSE_CHECK_H
#define BENCH_SSE_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sse_want {
    bool openai;
    bool stamp;
    unsigned tokens;
};

enum sse_state { SSE_HEAD, SSE_SIZE, SSE_DATA, SSE_DATA_END, SSE_TRAILER, SSE_DONE };

struct sse_check {
    enum sse_state state;
    size_t left; /* of the chunk */
    bool chunked, close, ended;
    char head[160]; /* a line of the protocol; a longer one is cut, we need none that long */
    size_t head_len;
    char *line; /* of the event stream */
    size_t line_len, line_cap;
    uint64_t position, told; /* bytes of text; what the last id said */
    unsigned token;          /* whole words */
    char word[32];           /* the word that is due, without its stamp */
    size_t word_len, word_at;
    uint64_t stamp;
    char fault[200]; /* empty: all is well */
};

/* Called for each whole word. */
typedef void sse_on_token(void *arg, uint64_t stamp);

void sse_check_reset(struct sse_check *c);
void sse_check_free(struct sse_check *c);

/* Takes the bytes; false on a fault. In state SSE_DONE the answer was complete and right. */
bool sse_check_feed(struct sse_check *c, const struct sse_want *want, const char *p, size_t n,
                    sse_on_token *on_token, void *arg);

#endif
