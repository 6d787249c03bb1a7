/* UTF-8. ASCII runs are skipped 16 bytes at a time where SSE2 is available (all of x86-64); the
 * rest goes character by character through tt_utf8_step, the only place that knows the rules. */
#include "base/utf8.h"

#include "base/buf.h"
#include "base/utf8_step.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static inline const unsigned char *skip_ascii(const unsigned char *p, const unsigned char *end)
{
#ifdef __SSE2__
    while (end - p >= 16 && _mm_movemask_epi8(_mm_loadu_si128((const __m128i *)p)) == 0)
        p += 16;
#else
    uint64_t word;
    while (end - p >= 8 && (memcpy(&word, p, 8), (word & 0x8080808080808080u) == 0))
        p += 8;
#endif
    while (p < end && *p < 0x80)
        p++;
    return p;
}

/* Length of the longest valid prefix of whole characters; *step tells what follows it: 1 the end,
 * otherwise what tt_utf8_step said. */
static size_t valid_prefix(struct tt_str s, int *step)
{
    const unsigned char *start = (const unsigned char *)s.data;
    const unsigned char *p = start, *end = start + s.len;
    *step = 1;
    for (;;) {
        p = skip_ascii(p, end);
        /* Text that is not ASCII seldom turns back to it after one character. */
        while (p < end && *p >= 0x80) {
            *step = tt_utf8_step(p, (size_t)(end - p));
            if (*step <= 0)
                return (size_t)(p - start);
            p += *step;
        }
        if (p >= end) {
            *step = 1;
            return s.len;
        }
    }
}

bool tt_utf8_valid(struct tt_str s)
{
    int step;
    return s.len == 0 || valid_prefix(s, &step) == s.len;
}

size_t tt_utf8_complete(struct tt_str s)
{
    const unsigned char *p = (const unsigned char *)s.data;
    for (size_t back = 1; back <= 3 && back <= s.len; back++) {
        if ((p[s.len - back] & 0xC0) == 0x80)
            continue;
        return tt_utf8_step(p + s.len - back, back) == 0 ? s.len - back : s.len;
    }
    return s.len;
}

size_t tt_utf8_decode(struct tt_str s, uint32_t *code_point)
{
    const unsigned char *p = (const unsigned char *)s.data;
    int n = s.len > 0 ? tt_utf8_step(p, s.len) : 0;
    if (n <= 0)
        return 0;
    uint32_t c = n == 1 ? p[0] : p[0] & (0x7Fu >> n);
    for (int i = 1; i < n; i++)
        c = c << 6 | (p[i] & 0x3F);
    *code_point = c;
    return (size_t)n;
}

size_t tt_utf8_encode(uint32_t c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3F));
        out[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3F));
    out[2] = (char)(0x80 | (c >> 6 & 0x3F));
    out[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

int tt_utf8_append_without_nul(struct tt_buf *out, struct tt_str s)
{
    size_t before = out->len;
    while (s.len > 0) {
        const char *nul = memchr(s.data, 0, s.len);
        size_t run = nul ? (size_t)(nul - s.data) : s.len;
        if (tt_buf_append(out, s.data, run) < 0 ||
            (nul && tt_buf_append(out, TT_UTF8_REPLACEMENT, 3) < 0)) {
            tt_buf_truncate(out, before);
            return -1;
        }
        run += nul != NULL;
        s = tt_str_of(s.data + run, s.len - run);
    }
    return 0;
}

static inline bool starts_character(char c)
{
    return ((unsigned char)c & 0xC0) != 0x80;
}

size_t tt_utf8_count(struct tt_str s)
{
    size_t count = 0;
    for (size_t i = 0; i < s.len; i++)
        count += starts_character(s.data[i]);
    return count;
}

size_t tt_utf8_prefix(struct tt_str s, size_t characters)
{
    for (size_t i = 0; i < s.len; i++)
        if (starts_character(s.data[i]) && characters-- == 0)
            return i;
    return s.len;
}

static int append_replacement(struct tt_buf *out)
{
    return tt_buf_append(out, TT_UTF8_REPLACEMENT, 3);
}

/* Completes the kept tail with bytes of the new piece; the piece loses what was used. */
static int join_tail(struct tt_utf8_joiner *joiner, struct tt_str *piece, struct tt_buf *out)
{
    while (joiner->tail_len > 0 && piece->len > 0) {
        joiner->tail[joiner->tail_len] = (unsigned char)piece->data[0];
        int step = tt_utf8_step(joiner->tail, joiner->tail_len + 1u);
        if (step < 0) {
            /* The new byte is the wrong one: it may begin a character of its own. */
            joiner->tail_len = 0;
            return append_replacement(out);
        }
        joiner->tail_len++;
        piece->data++;
        piece->len--;
        if (step > 0) {
            joiner->tail_len = 0;
            return tt_buf_append(out, joiner->tail, (size_t)step);
        }
    }
    return 0;
}

int tt_utf8_join(struct tt_utf8_joiner *joiner, struct tt_str piece, struct tt_buf *out)
{
    struct tt_utf8_joiner before = *joiner;
    size_t before_len = out->len;
    if (join_tail(joiner, &piece, out) < 0)
        goto fail;
    while (piece.len > 0) {
        int step;
        size_t good = valid_prefix(piece, &step);
        if (tt_buf_append(out, piece.data, good) < 0)
            goto fail;
        piece = tt_str_of(piece.data + good, piece.len - good);
        if (piece.len == 0)
            break;
        if (step == 0) {
            memcpy(joiner->tail, piece.data, piece.len);
            joiner->tail_len = (unsigned char)piece.len;
            break;
        }
        if (append_replacement(out) < 0)
            goto fail;
        piece = tt_str_of(piece.data - step, piece.len - (size_t)-step);
    }
    return 0;
fail:
    *joiner = before;
    tt_buf_truncate(out, before_len);
    return -1;
}

int tt_utf8_join_end(struct tt_utf8_joiner *joiner, struct tt_buf *out)
{
    if (joiner->tail_len == 0)
        return 0;
    if (append_replacement(out) < 0)
        return -1;
    joiner->tail_len = 0;
    return 0;
}
