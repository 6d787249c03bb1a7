#include "sse_check.h"

#include "measure.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define STAMP_LEN 16

struct feed {
    struct sse_check *c;
    const struct sse_want *want;
    sse_on_token *on_token;
    void *arg;
};

static bool fault(struct sse_check *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool fault(struct sse_check *c, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(c->fault, sizeof c->fault, format, args);
    va_end(args);
    return false;
}

static void expect_word(struct sse_check *c)
{
    c->word_len = (size_t)snprintf(c->word, sizeof c->word, "tok%u ", c->token);
    c->word_at = 0;
}

void sse_check_reset(struct sse_check *c)
{
    struct sse_check fresh = {.line = c->line, .line_cap = c->line_cap};

    *c = fresh;
    expect_word(c);
}

void sse_check_free(struct sse_check *c)
{
    free(c->line);
}

static bool add_hex(uint64_t *value, char ch)
{
    const char *digits = "0123456789abcdef";
    const char *at = ch ? strchr(digits, ch) : NULL;

    if (at)
        *value = *value << 4 | (uint64_t)(at - digits);
    return at != NULL;
}

static bool text(struct feed *f, const char *p, size_t n)
{
    struct sse_check *c = f->c;
    size_t stamp = f->want->stamp ? STAMP_LEN : 0;

    c->position += n;
    for (size_t i = 0; i < n; i++) {
        if (c->word_at < stamp) {
            if (c->word_at == 0)
                c->stamp = 0;
            if (!add_hex(&c->stamp, p[i]))
                return fault(c, "word %u: no stamp but '%.20s'", c->token, p + i);
        } else if (p[i] != c->word[c->word_at - stamp]) {
            return fault(c, "word %u: '%c' where '%s' goes on", c->token, p[i], c->word);
        }
        if (++c->word_at == stamp + c->word_len) {
            if (f->on_token)
                f->on_token(f->arg, c->stamp);
            c->token++;
            expect_word(c);
        }
    }
    return true;
}

/* The inside of the JSON string that follows `key`; our words need no escapes. */
static bool content(struct feed *f, const char *line, const char *key)
{
    const char *from = strstr(line, key), *to;

    if (!from)
        return true;
    from += strlen(key);
    to = strchr(from, '"');
    if (!to || memchr(from, '\\', (size_t)(to - from)))
        return fault(f->c, "text that was not asked for: %.120s", from);
    return text(f, from, (size_t)(to - from));
}

static bool our_line(struct feed *f, const char *line)
{
    struct sse_check *c = f->c;

    if (strncmp(line, "id: ", 4) == 0) {
        const char *dot = strchr(line, '.');
        c->told = dot ? strtoull(dot + 1, NULL, 10) : 0;
        return true;
    }
    if (strncmp(line, "data: ", 6) != 0)
        return line[0] == 0 || line[0] == ':' || fault(c, "not a frame: %.120s", line);
    if (strstr(line, "\"error\":"))
        return fault(c, "error frame: %.150s", line);
    if (!content(f, line, "{\"content\":\""))
        return false;
    if (c->told != c->position)
        return fault(c, "the id says %llu, the text has %llu bytes", (unsigned long long)c->told,
                     (unsigned long long)c->position);
    if (strstr(line, "\"done\":true"))
        c->ended = true;
    return true;
}

static bool openai_line(struct feed *f, const char *line)
{
    if (strncmp(line, "data: ", 6) != 0)
        return true;
    if (strcmp(line, "data: [DONE]") == 0)
        f->c->ended = true;
    return content(f, line, "\"content\":\"");
}

static bool stream_line(struct feed *f)
{
    struct sse_check *c = f->c;

    if (c->ended && c->line[0])
        return fault(c, "after the end: %.120s", c->line);
    return f->want->openai ? openai_line(f, c->line) : our_line(f, c->line);
}

static bool stream_bytes(struct feed *f, const char *p, size_t n)
{
    struct sse_check *c = f->c;

    while (n > 0) {
        const char *end = memchr(p, '\n', n);
        size_t part = end ? (size_t)(end - p) : n;
        if (c->line_len + part + 1 > c->line_cap) {
            c->line_cap = 2 * (c->line_len + part + 1);
            c->line = grow(c->line, c->line_cap);
        }
        memcpy(c->line + c->line_len, p, part);
        c->line_len += part;
        c->line[c->line_len] = 0;
        if (!end)
            break;
        c->line_len = 0;
        if (!stream_line(f))
            return false;
        p += part + 1;
        n -= part + 1;
    }
    return true;
}

static bool finish(struct feed *f)
{
    struct sse_check *c = f->c;

    c->state = SSE_DONE;
    if (!c->ended)
        return fault(c, "no end frame");
    if (c->token != f->want->tokens || c->word_at != 0)
        return fault(c, "%u words instead of %u", c->token, f->want->tokens);
    return true;
}

static bool head_line(struct sse_check *c)
{
    const char *line = c->head;

    if (strncmp(line, "HTTP/1.1 ", 9) == 0 && strncmp(line + 9, "200", 3) != 0)
        return fault(c, "answered %s", line);
    if (strcasecmp(line, "Transfer-Encoding: chunked") == 0)
        c->chunked = true;
    if (strcasecmp(line, "Connection: close") == 0)
        c->close = true;
    if (*line)
        return true;
    c->state = SSE_SIZE;
    return c->chunked || fault(c, "the answer is not chunked");
}

/* A line of the protocol is complete. */
static bool protocol_line(struct feed *f)
{
    struct sse_check *c = f->c;

    switch (c->state) {
    case SSE_HEAD:
        return head_line(c);
    case SSE_SIZE:
        c->left = strtoull(c->head, NULL, 16);
        c->state = c->left ? SSE_DATA : SSE_TRAILER;
        return true;
    case SSE_DATA_END:
        c->state = SSE_SIZE;
        return c->head[0] == 0 || fault(c, "a chunk is longer than it says");
    case SSE_TRAILER:
        return c->head[0] || finish(f);
    case SSE_DATA:
    case SSE_DONE:
        break;
    }
    return fault(c, "bytes after the answer");
}

static bool protocol_byte(struct feed *f, char ch)
{
    struct sse_check *c = f->c;

    if (ch != '\n') {
        if (c->head_len + 1 < sizeof c->head)
            c->head[c->head_len++] = ch;
        return true;
    }
    if (c->head_len > 0 && c->head[c->head_len - 1] == '\r')
        c->head_len--;
    c->head[c->head_len] = 0;
    c->head_len = 0;
    return protocol_line(f);
}

bool sse_check_feed(struct sse_check *c, const struct sse_want *want, const char *p, size_t n,
                    sse_on_token *on_token, void *arg)
{
    struct feed f = {c, want, on_token, arg};

    while (n > 0) {
        size_t part = 1;
        if (c->state == SSE_DATA) {
            part = n < c->left ? n : c->left;
            if (!stream_bytes(&f, p, part))
                return false;
            c->left -= part;
            if (c->left == 0)
                c->state = SSE_DATA_END;
        } else if (!protocol_byte(&f, *p)) {
            return false;
        }
        p += part;
        n -= part;
    }
    return true;
}
