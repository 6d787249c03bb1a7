/* Slices: comparing, cutting, numbers. Only ASCII rules here (protocol text); utf8.c knows
 * characters. Nothing here allocates, and no function needs a NUL after the slice. */
#include "base/str.h"

static inline unsigned char fold(char c)
{
    unsigned char u = (unsigned char)c;
    return u >= 'A' && u <= 'Z' ? (unsigned char)(u | 0x20) : u;
}

static inline bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool tt_str_eq_nocase(struct tt_str a, struct tt_str b)
{
    return a.len == b.len && tt_str_starts_nocase(a, b);
}

bool tt_str_starts(struct tt_str s, struct tt_str prefix)
{
    return s.len >= prefix.len && tt_str_eq(tt_str_of(s.data, prefix.len), prefix);
}

bool tt_str_starts_nocase(struct tt_str s, struct tt_str prefix)
{
    if (s.len < prefix.len)
        return false;
    for (size_t i = 0; i < prefix.len; i++)
        if (fold(s.data[i]) != fold(prefix.data[i]))
            return false;
    return true;
}

bool tt_str_ends(struct tt_str s, struct tt_str suffix)
{
    if (s.len < suffix.len)
        return false;
    if (suffix.len == 0)
        return true;
    return tt_str_eq(tt_str_of(s.data + (s.len - suffix.len), suffix.len), suffix);
}

struct tt_str tt_str_trim(struct tt_str s)
{
    while (s.len > 0 && blank(s.data[0])) {
        s.data++;
        s.len--;
    }
    while (s.len > 0 && blank(s.data[s.len - 1]))
        s.len--;
    return s;
}

/* A used-up rest is one with data NULL: an empty one still yields the part after a last separator.
 */
bool tt_str_split(struct tt_str *rest, char sep, struct tt_str *part)
{
    if (!rest->data)
        return false;
    ptrdiff_t at = tt_str_find(*rest, sep);
    if (at < 0) {
        *part = *rest;
        *rest = (struct tt_str){NULL, 0};
        return true;
    }
    *part = tt_str_of(rest->data, (size_t)at);
    rest->data += at + 1;
    rest->len -= (size_t)at + 1;
    return true;
}

int tt_str_to_u64(struct tt_str s, uint64_t *out)
{
    uint64_t n = 0;
    if (s.len == 0)
        return -1;
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned)(unsigned char)s.data[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, digit, &n))
            return -1;
    }
    *out = n;
    return 0;
}

int tt_str_to_i64(struct tt_str s, int64_t *out)
{
    bool negative = s.len > 0 && s.data[0] == '-';
    uint64_t n;
    if (negative)
        s = tt_str_of(s.data + 1, s.len - 1);
    if (tt_str_to_u64(s, &n) < 0 || n > (uint64_t)INT64_MAX + negative)
        return -1;
    *out = negative ? (int64_t)(0 - n) : (int64_t)n;
    return 0;
}

ptrdiff_t tt_str_find(struct tt_str s, char byte)
{
    const char *at = s.len > 0 ? memchr(s.data, byte, s.len) : NULL;
    return at ? at - s.data : -1;
}
