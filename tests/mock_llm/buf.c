/*
 * Buffers, slices, UTF-8: see buf.h. The JSON writer here only escapes; the frames themselves are
 * written as text by their makers, because a test upstream must also be able to write broken ones.
 */
#include "buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void *mem_grow(void *old, size_t size)
{
    void *p = realloc(old, size ? size : 1);

    if (!p) {
        fputs("mock_llm: out of memory\n", stderr);
        abort();
    }
    return p;
}

void *mem_alloc(size_t size)
{
    return memset(mem_grow(NULL, size), 0, size);
}

void buf_reserve(struct buf *b, size_t extra)
{
    if (b->cap - b->n >= extra)
        return;
    size_t cap = b->cap ? b->cap * 2 : 256;
    while (cap < b->n + extra)
        cap *= 2;
    b->p = mem_grow(b->p, cap);
    b->cap = cap;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
    if (!n)
        return;
    buf_reserve(b, n);
    memcpy(b->p + b->n, p, n);
    b->n += n;
}

void buf_str(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

void buf_fill(struct buf *b, char c, size_t n)
{
    if (!n)
        return;
    buf_reserve(b, n);
    memset(b->p + b->n, c, n);
    b->n += n;
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n <= 0)
        return;
    buf_reserve(b, (size_t)n + 1);
    va_start(ap, fmt);
    vsnprintf(b->p + b->n, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->n += (size_t)n;
}

void buf_drop(struct buf *b, size_t n)
{
    if (n < b->n)
        memmove(b->p, b->p + n, b->n - n);
    b->n -= n < b->n ? n : b->n;
}

void buf_free(struct buf *b)
{
    free(b->p);
    *b = (struct buf){0};
}

void buf_utf8(struct buf *b, uint32_t cp)
{
    char out[4];
    size_t n;

    if (cp < 0x80) {
        out[0] = (char)cp;
        n = 1;
    } else if (cp < 0x800) {
        out[0] = (char)(0xc0 | cp >> 6);
        n = 2;
    } else if (cp < 0x10000) {
        out[0] = (char)(0xe0 | cp >> 12);
        n = 3;
    } else {
        out[0] = (char)(0xf0 | cp >> 18);
        n = 4;
    }
    for (size_t i = 1; i < n; i++)
        out[i] = (char)(0x80 | (cp >> 6 * (n - 1 - i) & 0x3f));
    buf_add(b, out, n);
}

size_t utf8_next(const char *p, const char *end, uint32_t *cp)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char c = (unsigned char)*p;
    size_t n = c < 0x80 ? 1 : c >> 5 == 6 ? 2 : c >> 4 == 14 ? 3 : c >> 3 == 30 ? 4 : 0;

    if (!n || (size_t)(end - p) < n)
        return 0;
    uint32_t v = n == 1 ? c : c & (0x7fU >> n);
    for (size_t i = 1; i < n; i++) {
        if (((unsigned char)p[i] & 0xc0) != 0x80)
            return 0;
        v = v << 6 | ((unsigned char)p[i] & 0x3f);
    }
    if (v < least[n] || v > 0x10ffff || (v >= 0xd800 && v < 0xe000))
        return 0;
    *cp = v;
    return n;
}

static void json_char(struct buf *b, const char *p, size_t n, uint32_t cp, bool ascii)
{
    if (cp == '"' || cp == '\\')
        buf_printf(b, "\\%c", (int)cp);
    else if (cp == '\n')
        buf_add(b, "\\n", 2);
    else if (cp < 0x20 || cp == 0x7f || (ascii && cp > 0x7f && cp < 0x10000))
        buf_printf(b, "\\u%04x", cp);
    else if (ascii && cp >= 0x10000)
        buf_printf(b, "\\u%04x\\u%04x", 0xd800 + ((cp - 0x10000) >> 10),
                   0xdc00 + ((cp - 0x10000) & 0x3ff));
    else
        buf_add(b, p, n);
}

void buf_json(struct buf *b, const char *p, size_t n, bool ascii)
{
    const char *end = p + n;

    while (p < end) {
        uint32_t cp;
        size_t len = utf8_next(p, end, &cp);
        if (len)
            json_char(b, p, len, cp, ascii);
        else
            buf_add(b, "\\ufffd", 6);
        p += len ? len : 1;
    }
}

bool slice_is(struct slice s, const char *text)
{
    return s.n == strlen(text) && !memcmp(s.p, text, s.n);
}

bool slice_is_nocase(struct slice s, const char *text)
{
    return s.n == strlen(text) && !strncasecmp(s.p, text, s.n);
}

bool slice_has(struct slice s, const char *needle)
{
    return s.n && memmem(s.p, s.n, needle, strlen(needle));
}

/* Takes the part before sep off the front; the last part leaves the rest empty with p = NULL. */
struct slice slice_until(struct slice *rest, char sep)
{
    struct slice part = *rest;
    const char *at = rest->n ? memchr(rest->p, sep, rest->n) : NULL;

    if (!at) {
        *rest = (struct slice){NULL, 0};
        return part;
    }
    part.n = (size_t)(at - rest->p);
    rest->p = at + 1;
    rest->n -= part.n + 1;
    return part;
}

int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}
