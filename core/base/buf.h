/* A growable byte buffer with a cap. Zero-initialised ({0}) is an empty, unlimited buffer. Data is
 * always followed by a NUL that len does not count (once anything was appended). */
#pragma once
#include "base/str.h"

struct tt_buf {
    char *data;
    size_t len;
    size_t cap;
    size_t max; /* bytes; 0 = no limit. Appending past it fails and leaves the content as it was */
    bool no_memory; /* why that failed last: there was no memory, although `max` allowed it */
};

/* Makes room for `more` bytes. Returns where they go, or NULL beyond `max`. Then raise len. */
char *tt_buf_grow(struct tt_buf *buf, size_t more); /* when the memory is too small */
static inline char *tt_buf_reserve(struct tt_buf *buf, size_t more)
{
    /* The memory never exceeds `max` and its NUL, so anything that fits into it is allowed. */
    return more < buf->cap - buf->len ? buf->data + buf->len : tt_buf_grow(buf, more);
}

/* All appenders return 0, or -1 if `max` would be exceeded (or no_memory). Thread: the owner's. */
static inline int tt_buf_append(struct tt_buf *buf, const void *data, size_t len)
{
    char *to = tt_buf_reserve(buf, len);
    if (!to)
        return -1;
    if (len > 0)
        memcpy(to, data, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
    return 0;
}
int tt_buf_append_str(struct tt_buf *buf, struct tt_str s);
int tt_buf_append_z(struct tt_buf *buf, const char *z);
int tt_buf_putc(struct tt_buf *buf, char c);
int tt_buf_printf(struct tt_buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int tt_buf_append_u64(struct tt_buf *buf, uint64_t n); /* decimal */
int tt_buf_append_i64(struct tt_buf *buf, int64_t n);

/* Drops the first n bytes, keeping the rest. */
void tt_buf_consume(struct tt_buf *buf, size_t n);

/* Empties, keeping the memory. */
void tt_buf_clear(struct tt_buf *buf);

/* Shortens to `len` bytes (not longer than now), so that a writer that failed half-way can undo. */
void tt_buf_truncate(struct tt_buf *buf, size_t len);

/* Frees the memory; the buffer is empty and usable again. `max` stays. */
void tt_buf_free(struct tt_buf *buf);

/* Takes the data out (NUL-terminated; NULL if the buffer was never used). Owns: the caller, free().
 */
char *tt_buf_take(struct tt_buf *buf, size_t *len);

static inline struct tt_str tt_buf_str(const struct tt_buf *buf)
{
    return (struct tt_str){buf->data, buf->len};
}
