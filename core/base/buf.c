/* The growable buffer. It grows by doubling, with one byte beyond len always reserved for the NUL.
 * Memory: an uncapped buffer is small, so a failed allocation ends the process (mem.h); a capped
 * one holds data from outside, so a failed allocation is answered like an exceeded cap, and
 * no_memory tells them apart. */
#include "base/buf.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define FIRST_CAP 64

static int grow(struct tt_buf *buf, size_t need)
{
    size_t cap = buf->cap ? buf->cap : FIRST_CAP;
    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    if (buf->max && cap > buf->max + 1)
        cap = buf->max + 1 > need ? buf->max + 1 : need;
    char *data = buf->max ? tt_try_realloc(buf->data, cap) : tt_realloc(buf->data, cap);
    buf->no_memory = !data;
    if (!data)
        return -1;
    buf->data = data;
    buf->cap = cap;
    return 0;
}

char *tt_buf_grow(struct tt_buf *buf, size_t more)
{
    size_t need;
    buf->no_memory = false;
    if (__builtin_add_overflow(buf->len, more, &need) || need == SIZE_MAX)
        return NULL;
    if (buf->max && need > buf->max)
        return NULL;
    if (need + 1 > buf->cap && grow(buf, need + 1) < 0)
        return NULL;
    return buf->data + buf->len;
}

int tt_buf_append_str(struct tt_buf *buf, struct tt_str s)
{
    return tt_buf_append(buf, s.data, s.len);
}

int tt_buf_append_z(struct tt_buf *buf, const char *z)
{
    return tt_buf_append(buf, z, strlen(z));
}

int tt_buf_putc(struct tt_buf *buf, char c)
{
    return tt_buf_append(buf, &c, 1);
}

int tt_buf_printf(struct tt_buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    size_t room = buf->cap > buf->len ? buf->cap - buf->len : 0;
    int n = vsnprintf(room ? buf->data + buf->len : NULL, room, format, args);
    va_end(args);
    int rc = -1;
    if (n < 0 || !tt_buf_reserve(buf, (size_t)n))
        goto out;
    if ((size_t)n >= room)
        vsnprintf(buf->data + buf->len, (size_t)n + 1, format, again);
    buf->len += (size_t)n;
    rc = 0;
out:
    if (buf->data)
        buf->data[buf->len] = '\0';
    va_end(again);
    return rc;
}

static int append_number(struct tt_buf *buf, uint64_t n, bool negative)
{
    char text[21];
    size_t at = sizeof(text);
    do {
        text[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    if (negative)
        text[--at] = '-';
    return tt_buf_append(buf, text + at, sizeof(text) - at);
}

int tt_buf_append_u64(struct tt_buf *buf, uint64_t n)
{
    return append_number(buf, n, false);
}

int tt_buf_append_i64(struct tt_buf *buf, int64_t n)
{
    return append_number(buf, n < 0 ? 0 - (uint64_t)n : (uint64_t)n, n < 0);
}

void tt_buf_consume(struct tt_buf *buf, size_t n)
{
    if (n >= buf->len) {
        tt_buf_clear(buf);
        return;
    }
    memmove(buf->data, buf->data + n, buf->len - n);
    buf->len -= n;
    buf->data[buf->len] = '\0';
}

void tt_buf_clear(struct tt_buf *buf)
{
    tt_buf_truncate(buf, 0);
}

void tt_buf_truncate(struct tt_buf *buf, size_t len)
{
    if (len > buf->len)
        return;
    buf->len = len;
    if (buf->data)
        buf->data[len] = '\0';
}

void tt_buf_free(struct tt_buf *buf)
{
    free(buf->data);
    buf->data = NULL;
    buf->len = buf->cap = 0;
}

char *tt_buf_take(struct tt_buf *buf, size_t *len)
{
    char *data = buf->data;
    if (len)
        *len = buf->len;
    buf->data = NULL;
    buf->len = buf->cap = 0;
    return data;
}
