/* The JSON grammar (RFC 8259), strictly, and tt_json_check. Nesting is a loop with one bit per
 * level, so hostile depth costs neither stack nor time; strings are walked 16 bytes at a time with
 * SSE2. Equal keys are allowed (as in the RFC); a byte order mark is not. Builds nothing:
 * json_select.c picks values. */
#include "base/json_scan.h"
#include "base/utf8_step.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* About what a value costs whoever builds it, in memory and time, beside its bytes. */
#define STRING_WEIGHT    3
#define CONTAINER_WEIGHT 5
#define KEY_WEIGHT       8
#define FRACTION_WEIGHT  8

/* Returns false. */
static bool fail(struct tt_json_scan *s, const char *error)
{
    s->error = error;
    return false;
}

int tt_json_scan_report(const struct tt_json_scan *s, struct tt_err *err)
{
    return tt_err_set(err, 400, "invalid_json", "invalid JSON at byte %zu: %s",
                      (size_t)(s->p - s->start), s->error);
}

#ifdef __SSE2__
/* The bytes that are a quote, a backslash, a control byte or not ASCII. */
static inline __m128i special_bytes(const char *p)
{
    __m128i v = _mm_loadu_si128((const __m128i *)p);
    __m128i slash = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
    /* Changing a bit puts the quote in front of the blank and leaves the control bytes below them.
     * Signed: below also means 0x80 and above. */
    __m128i odd = _mm_cmplt_epi8(_mm_xor_si128(v, _mm_set1_epi8(2)), _mm_set1_epi8(0x21));
    return _mm_or_si128(odd, slash);
}

/* The first special byte, or where fewer than 16 bytes are left. */
static const char *skip_plain(const char *p, const char *end)
{
    while (end - p >= 64) {
        __m128i first = _mm_or_si128(special_bytes(p), special_bytes(p + 16));
        __m128i second = _mm_or_si128(special_bytes(p + 32), special_bytes(p + 48));
        if (_mm_movemask_epi8(_mm_or_si128(first, second)))
            break;
        p += 64;
    }
    for (; end - p >= 16; p += 16) {
        unsigned special = (unsigned)_mm_movemask_epi8(special_bytes(p));
        if (special)
            return p + __builtin_ctz(special);
    }
    return p;
}
#endif

static inline bool is_plain_ascii(char c)
{
    return (signed char)c >= 0x20 && c != '"' && c != '\\';
}

/* Whether eight bytes are plain ASCII; also false for some that are, never true for others. */
static inline bool is_plain_word(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101u, high = 0x80 * ones;
    uint64_t quote = word ^ ('"' * ones), slash = word ^ ('\\' * ones);

    return ((word | (word - 0x20 * ones) | (quote - ones) | (slash - ones)) & high) == 0;
}

/* The same for the last bytes of a text, 4 to 15 of them: two loads that overlap. */
static inline bool is_plain_tail(const char *p, const char *end)
{
    uint64_t first = 0, last = 0;
    uint32_t half[2];

    if (end - p >= 8) {
        memcpy(&first, p, 8);
        memcpy(&last, end - 8, 8);
        return is_plain_word(first) && is_plain_word(last);
    }
    memcpy(&half[0], p, 4);
    memcpy(&half[1], end - 4, 4);
    return is_plain_word((uint64_t)half[0] << 32 | half[1]);
}

const char *tt_json_plain_run(const char *p, const char *end)
{
    if (end - p < 16 && end - p >= 4 && is_plain_tail(p, end))
        return end;
    for (;;) {
#ifdef __SSE2__
        p = skip_plain(p, end);
        if (end - p < 16 && end - p >= 4 && is_plain_tail(p, end))
            return end;
#endif
        while (p < end && is_plain_ascii(*p))
            p++;
        if (p >= end || (unsigned char)*p < 0x80)
            return p;
        do {
            int step = tt_utf8_step((const unsigned char *)p, (size_t)(end - p));
            if (step <= 0)
                return p;
            p += step;
        } while (p < end && (unsigned char)*p >= 0x80);
    }
}

int32_t tt_json_hex4(const char *p, const char *end)
{
    int32_t n = 0;
    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        unsigned char c = (unsigned char)p[i];
        unsigned digit = c - '0';
        if (digit > 9) {
            digit = (c | 0x20u) - 'a' + 10;
            if (digit < 10 || digit > 15)
                return -1;
        }
        n = n << 4 | (int32_t)digit;
    }
    return n;
}

/* p at the 'u'. */
static bool scan_unicode(struct tt_json_scan *s)
{
    int32_t unit = tt_json_hex4(s->p + 1, s->end);
    if (unit < 0)
        return fail(s, "\\u needs four hex digits");
    s->p += 5;
    if (unit < 0xD800 || unit > 0xDFFF || s->lone_allowed)
        return true;
    if (unit <= 0xDBFF && s->end - s->p >= 6 && s->p[0] == '\\' && s->p[1] == 'u') {
        int32_t low = tt_json_hex4(s->p + 2, s->end);
        if (low >= 0xDC00 && low <= 0xDFFF) {
            s->p += 6;
            return true;
        }
    }
    return fail(s, "half of a surrogate pair");
}

static bool scan_escape(struct tt_json_scan *s)
{
    s->p++;
    if (s->p >= s->end)
        return fail(s, "unfinished string");
    switch (*s->p) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        s->p++;
        return true;
    case 'u':
        return scan_unicode(s);
    default:
        return fail(s, "unknown escape");
    }
}

/* p at the opening quote. */
static bool scan_string(struct tt_json_scan *s)
{
    s->p++;
    for (;;) {
        s->p = tt_json_plain_run(s->p, s->end);
        if (s->p >= s->end)
            return fail(s, "unfinished string");
        if (*s->p == '"') {
            s->p++;
            return true;
        }
        if (*s->p != '\\')
            return fail(s,
                        (unsigned char)*s->p < 0x20 ? "control byte in a string" : "invalid UTF-8");
        if (!scan_escape(s))
            return false;
    }
}

static inline bool digit_at(const struct tt_json_scan *s)
{
    return s->p < s->end && *s->p >= '0' && *s->p <= '9';
}

static bool scan_digits(struct tt_json_scan *s)
{
    if (!digit_at(s))
        return fail(s, "a digit is missing");
    while (digit_at(s))
        s->p++;
    return true;
}

static bool scan_number(struct tt_json_scan *s)
{
    if (*s->p == '-')
        s->p++;
    if (s->p < s->end && *s->p == '0') {
        s->p++;
        if (digit_at(s))
            return fail(s, "a number begins with 0");
    } else if (!scan_digits(s)) {
        return false;
    }
    if (s->p < s->end && (*s->p == '.' || *s->p == 'e' || *s->p == 'E'))
        s->weight += FRACTION_WEIGHT - 1;
    if (s->p < s->end && *s->p == '.') {
        s->p++;
        if (!scan_digits(s))
            return false;
    }
    if (s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
        s->p++;
        if (s->p < s->end && (*s->p == '+' || *s->p == '-'))
            s->p++;
        return scan_digits(s);
    }
    return true;
}

static bool scan_word(struct tt_json_scan *s, const char *word, size_t len)
{
    if ((size_t)(s->end - s->p) < len || memcmp(s->p, word, len) != 0)
        return fail(s, "no value");
    s->p += len;
    return true;
}

static bool scan_scalar(struct tt_json_scan *s)
{
    s->weight++;
    switch (tt_json_type_at(s->p, s->end)) {
    case TT_JSON_STRING:
        s->weight += STRING_WEIGHT - 1;
        return scan_string(s);
    case TT_JSON_NUMBER:
        return scan_number(s);
    case TT_JSON_TRUE:
        return scan_word(s, "true", 4);
    case TT_JSON_FALSE:
        return scan_word(s, "false", 5);
    case TT_JSON_NULL:
        return scan_word(s, "null", 4);
    default:
        return fail(s, s->p < s->end ? "no value" : "unfinished");
    }
}

enum tt_json_type tt_json_type_at(const char *p, const char *end)
{
    if (p >= end)
        return TT_JSON_NONE;
    switch (*p) {
    case '{':
        return TT_JSON_OBJECT;
    case '[':
        return TT_JSON_ARRAY;
    case '"':
        return TT_JSON_STRING;
    case 't':
        return TT_JSON_TRUE;
    case 'f':
        return TT_JSON_FALSE;
    case 'n':
        return TT_JSON_NULL;
    default:
        return *p == '-' || (*p >= '0' && *p <= '9') ? TT_JSON_NUMBER : TT_JSON_NONE;
    }
}

bool tt_json_scan_enter(struct tt_json_scan *s)
{
    if (s->depth >= s->max_depth)
        return fail(s, "nested too deeply");
    s->depth++;
    s->weight += CONTAINER_WEIGHT;
    s->p++;
    tt_json_scan_blank(s);
    return true;
}

bool tt_json_scan_more(struct tt_json_scan *s, char close)
{
    tt_json_scan_blank(s);
    if (s->p < s->end && *s->p == ',') {
        s->p++;
        return true;
    }
    if (s->p < s->end && *s->p == close) {
        s->p++;
        s->depth--;
        return false;
    }
    return fail(s, s->p >= s->end ? "unfinished"
                   : close == '}' ? "expected ',' or '}'"
                                  : "expected ',' or ']'");
}

bool tt_json_scan_key(struct tt_json_scan *s, struct tt_str *raw)
{
    s->weight += KEY_WEIGHT;
    tt_json_scan_blank(s);
    if (s->p >= s->end || *s->p != '"')
        return fail(s, s->p < s->end ? "expected a key" : "unfinished");
    const char *key = s->p;
    if (!scan_string(s))
        return false;
    if (raw)
        *raw = tt_str_of(key, (size_t)(s->p - key));
    tt_json_scan_blank(s);
    if (s->p >= s->end || *s->p != ':')
        return fail(s, "expected ':'");
    s->p++;
    tt_json_scan_blank(s);
    return true;
}

bool tt_json_scan_value(struct tt_json_scan *s)
{
    const int base = s->depth;
    uint64_t objects = 0; /* bit i: the container at depth i + 1 is an object */
    for (;;) {
        tt_json_scan_blank(s);
        char close = 0;
        if (s->p < s->end && (*s->p == '{' || *s->p == '[')) {
            uint64_t bit = (uint64_t)1 << (s->depth & 63);
            close = *s->p == '{' ? '}' : ']';
            if (!tt_json_scan_enter(s))
                return false;
            objects = close == '}' ? objects | bit : objects & ~bit;
            if (s->p >= s->end || *s->p != close) {
                if (close == '}' && !tt_json_scan_key(s, NULL))
                    return false;
                continue;
            }
            s->p++;
            s->depth--;
        } else if (!scan_scalar(s)) {
            return false;
        }
        /* A value has ended: leave what ends with it. */
        do {
            if (s->depth == base)
                return true;
            close = objects >> (s->depth - 1) & 1 ? '}' : ']';
        } while (!tt_json_scan_more(s, close) && !s->error);
        if (s->error || (close == '}' && !tt_json_scan_key(s, NULL)))
            return false;
    }
}

bool tt_json_scan_end(struct tt_json_scan *s)
{
    tt_json_scan_blank(s);
    return s->p == s->end || fail(s, "something follows the value");
}

int tt_json_weigh(struct tt_str doc, int max_depth, size_t *weight, struct tt_err *err)
{
    struct tt_json_scan s;
    tt_json_scan_init(&s, doc, max_depth);
    if (!tt_json_scan_value(&s) || !tt_json_scan_end(&s))
        return tt_json_scan_report(&s, err);
    *weight = s.weight;
    return 0;
}

int tt_json_check(struct tt_str doc, int max_depth, struct tt_err *err)
{
    size_t weight;
    return tt_json_weigh(doc, max_depth, &weight, err);
}
