/* The contents of JSON scalars: escaping and unescaping strings, numbers as integers. Both string
 * directions copy whole runs and stop only where something must change. The input of unescape was
 * scanned before; if it is broken anyway, the result is wrong text, never a read out of bounds. */
#include "base/json_scan.h"
#include "base/utf8.h"
#include "base/utf8_step.h"

#define EXACT_MAX ((uint64_t)1 << 53)

static int append_escape(struct tt_buf *buf, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    char text[6] = {'\\', 0, '0', '0', hex[c >> 4], hex[c & 15]};
    switch (c) {
    case '"':
    case '\\':
        text[1] = (char)c;
        return tt_buf_append(buf, text, 2);
    case '\n':
        text[1] = 'n';
        return tt_buf_append(buf, text, 2);
    case '\r':
        text[1] = 'r';
        return tt_buf_append(buf, text, 2);
    case '\t':
        text[1] = 't';
        return tt_buf_append(buf, text, 2);
    default:
        text[1] = 'u';
        return tt_buf_append(buf, text, 6);
    }
}

int tt_json_escape(struct tt_buf *buf, struct tt_str s)
{
    const char *p = s.len > 0 ? s.data : "", *end = p + s.len;
    size_t before = buf->len;
    while (p < end) {
        const char *run = tt_json_plain_run(p, end);
        if (run > p && tt_buf_append(buf, p, (size_t)(run - p)) < 0)
            goto fail;
        p = run;
        if (p == end)
            break;
        if ((unsigned char)*p < 0x80) {
            if (append_escape(buf, (unsigned char)*p++) < 0)
                goto fail;
            continue;
        }
        int step = tt_utf8_step((const unsigned char *)p, (size_t)(end - p));
        if (tt_buf_append(buf, TT_UTF8_REPLACEMENT, 3) < 0)
            goto fail;
        p = step < 0 ? p - step : end;
    }
    return 0;
fail:
    tt_buf_truncate(buf, before);
    return -1;
}

static int append_character(struct tt_buf *out, uint32_t c)
{
    char text[4];
    return tt_buf_append(out, text, tt_utf8_encode(c, text));
}

static inline bool is_high(uint32_t unit)
{
    return unit >= 0xD800 && unit <= 0xDBFF;
}

static inline bool is_low(uint32_t unit)
{
    return unit >= 0xDC00 && unit <= 0xDFFF;
}

/* One \uXXXX. `held` is the high half before it, or 0: completed by a low half, otherwise lost. */
static int append_unit(struct tt_buf *out, uint32_t unit, uint32_t *held)
{
    if (*held && is_low(unit)) {
        uint32_t c = 0x10000 + ((*held - 0xD800) << 10) + (unit - 0xDC00);
        *held = 0;
        return append_character(out, c);
    }
    if (*held && tt_buf_append(out, TT_UTF8_REPLACEMENT, 3) < 0)
        return -1;
    *held = 0;
    if (is_high(unit)) {
        *held = unit;
        return 0;
    }
    return is_low(unit) || unit == 0 ? tt_buf_append(out, TT_UTF8_REPLACEMENT, 3)
                                     : append_character(out, unit);
}

int tt_json_without_nul(struct tt_str doc, struct tt_buf *out)
{
    static const char nul[] = "u0000";
    while (doc.len > 0) {
        const char *escape = memchr(doc.data, '\\', doc.len);
        size_t run = escape ? (size_t)(escape - doc.data) + 1 : doc.len;
        if (tt_buf_append(out, doc.data, run) < 0)
            return -1;
        doc = tt_str_of(doc.data + run, doc.len - run);
        if (!escape || doc.len == 0)
            continue;
        bool is_nul = tt_str_starts(doc, TT_STR(nul));
        run = is_nul ? sizeof(nul) - 1 : 1;
        if (tt_buf_append(out, is_nul ? "ufffd" : doc.data, run) < 0)
            return -1;
        doc = tt_str_of(doc.data + run, doc.len - run);
    }
    return 0;
}

/* p behind a backslash; moves it behind the escape. */
static int append_unescaped(struct tt_buf *out, const char **p, const char *end, uint32_t *held)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = *(*p)++;
    if (c == 'u') {
        int32_t unit = tt_json_hex4(*p, end);
        *p = unit < 0 ? end : *p + 4;
        return append_unit(out, unit < 0 ? 0xFFFD : (uint32_t)unit, held);
    }
    const char *at = memchr(from, c, sizeof(from) - 1);
    return append_unit(out, at ? (unsigned char)to[at - from] : 0xFFFD, held);
}

int tt_json_unescape(struct tt_str raw, uint32_t *high, struct tt_buf *out)
{
    const char *p = raw.len > 0 ? raw.data : "", *end = p + raw.len;
    uint32_t held = high ? *high : 0;
    size_t before = out->len;
    if (raw.len >= 2 && *p == '"') {
        p++;
        end--;
    }
    while (p < end) {
        const char *escape = memchr(p, '\\', (size_t)(end - p));
        const char *run = escape ? escape : end;
        if (run > p) {
            if (held && tt_buf_append(out, TT_UTF8_REPLACEMENT, 3) < 0)
                goto fail;
            held = 0;
            if (tt_buf_append(out, p, (size_t)(run - p)) < 0)
                goto fail;
        }
        p = escape ? escape + 1 : end;
        if (p < end && append_unescaped(out, &p, end, &held) < 0)
            goto fail;
    }
    if (held && !high && tt_buf_append(out, TT_UTF8_REPLACEMENT, 3) < 0)
        goto fail;
    if (high)
        *high = held;
    return 0;
fail:
    tt_buf_truncate(out, before);
    return -1;
}

/* Reads digits into *n and counts the zeros at their end in *zeros instead; -1 past 2^53. */
static int take_digit(uint64_t *n, int64_t *zeros, char c)
{
    if (c == '0') {
        *zeros += *n > 0;
        return 0;
    }
    for (; *zeros > 0; (*zeros)--)
        if ((*n *= 10) > EXACT_MAX)
            return -1;
    *n = *n * 10 + (uint64_t)(c - '0');
    return *n > EXACT_MAX ? -1 : 0;
}

/* Exact, without a double in between: digits and a power of ten. "1.50e1" is 15. */
int tt_json_to_i64(const struct tt_json_value *value, int64_t *out)
{
    uint64_t n = 0;
    int64_t zeros = 0, places = 0, exponent = 0;
    bool in_fraction = false;
    if (value->type != TT_JSON_NUMBER || value->raw.len == 0)
        return -1;
    const char *p = value->raw.data, *end = p + value->raw.len;
    bool negative = *p == '-';
    for (p += negative; p < end && *p != 'e' && *p != 'E'; p++) {
        if (*p == '.') {
            in_fraction = true;
            continue;
        }
        places += in_fraction;
        if (take_digit(&n, &zeros, *p) < 0)
            return -1;
    }
    if (p < end) {
        p += p + 1 < end && p[1] == '+' ? 2 : 1;
        if (tt_str_to_i64(tt_str_of(p, (size_t)(end - p)), &exponent) < 0 || exponent > INT32_MAX ||
            exponent < INT32_MIN)
            exponent = n > 0 ? -1 - zeros : 0; /* huge or tiny: refused below, unless zero */
    }
    /* n is 0 or ends in no zero, so what is left of the point is whole only with exponent >= 0. */
    exponent += zeros - places;
    if (n > 0 && (exponent < 0 || exponent > 16))
        return -1;
    for (; n > 0 && exponent > 0; exponent--)
        if ((n *= 10) > EXACT_MAX)
            return -1;
    *out = negative ? -(int64_t)n : (int64_t)n;
    return 0;
}

void tt_json_one_line(struct tt_buf *buf, size_t from)
{
    for (size_t i = from; i < buf->len; i++)
        if (buf->data[i] == '\n' || buf->data[i] == '\r')
            buf->data[i] = ' ';
}
