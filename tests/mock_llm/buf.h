/*
 * Growing byte buffers, borrowed slices and the little UTF-8 and JSON text work that the mock
 * needs.
 *
 * Everything here aborts when memory runs out: a test helper that limps on would only hide the
 * cause. Nothing is zero-terminated; lengths travel with the bytes, so NUL bytes are plain data.
 */
#ifndef MOCK_BUF_H
#define MOCK_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slice {
    const char *p;
    size_t n;
};

struct buf {
    char *p;
    size_t n, cap;
};

void *mem_alloc(size_t size);
void *mem_grow(void *old, size_t size);

void buf_reserve(struct buf *b, size_t extra);
void buf_add(struct buf *b, const void *p, size_t n);
void buf_str(struct buf *b, const char *s);
void buf_fill(struct buf *b, char c, size_t n);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_drop(struct buf *b, size_t n);
void buf_free(struct buf *b);

/* Appends the text as the inside of a JSON string; bytes that are no UTF-8 become U+FFFD. */
void buf_json(struct buf *b, const char *p, size_t n, bool ascii);
void buf_utf8(struct buf *b, uint32_t cp);

/* Length of the character at p, 0 when the bytes are no valid UTF-8. */
size_t utf8_next(const char *p, const char *end, uint32_t *cp);

bool slice_is(struct slice s, const char *text);
bool slice_is_nocase(struct slice s, const char *text);
bool slice_has(struct slice s, const char *needle);
struct slice slice_until(struct slice *rest, char sep);
int hex_digit(char c);

#endif
