/* Encodings of text files. The order of the tests is the design: a byte order mark decides; without
 * one, NUL bytes leave only UTF-16; valid UTF-8 is UTF-8 (other encodings almost never look like it
 * by chance); the rest is GB18030 if iconv accepts every byte of it. GB18030 accepts many short
 * texts of other encodings, so the common one that is easy to recognize, Latin-1, is recognized: in
 * it a single letter above 0x7F is followed by an ASCII one. Does not know Big5, Shift-JIS or
 * UTF-32. */
#include "base/decode.h"

#include "base/utf8.h"

#include <errno.h>
#include <iconv.h>

#define ENCODING_UTF8    "utf-8"
#define ENCODING_UTF16LE "utf-16le"
#define ENCODING_UTF16BE "utf-16be"
#define ENCODING_GB18030 "gb18030"

static int refuse(struct tt_err *err, const char *why)
{
    return tt_err_set(err, 422, "unsupported_encoding", "%s", why);
}

static int too_large(const struct tt_buf *out, struct tt_err *err)
{
    return tt_err_set(err, 413, "text_too_large", "the text is longer than %zu bytes", out->max);
}

/* Control characters that are found in texts: BEL to CR, ESC of coloured logs. The others, as in
 * file(1), mean that it is none. */
static bool is_text_byte(unsigned char c)
{
    return (c >= 0x20 && c != 0x7F) || (c >= 0x07 && c <= 0x0D) || c == 0x1B;
}

/* Judges decoded text. DOS editors end a file with ^Z. */
static bool looks_like_text(struct tt_str utf8)
{
    if (utf8.len > 0 && utf8.data[utf8.len - 1] == 0x1A)
        utf8.len--;
    for (size_t i = 0; i < utf8.len; i++)
        if (!is_text_byte((unsigned char)utf8.data[i]))
            return false;
    return true;
}

static int decode_utf8(struct tt_str bytes, struct tt_buf *out, struct tt_err *err)
{
    if (!tt_utf8_valid(bytes))
        return refuse(err, "a UTF-8 byte order mark, then no UTF-8");
    if (tt_buf_append_str(out, bytes) != 0)
        return too_large(out, err);
    return 0;
}

/* ---- UTF-16 ---- */

static unsigned unit_at(struct tt_str bytes, size_t i, bool big)
{
    unsigned first = (unsigned char)bytes.data[i], second = (unsigned char)bytes.data[i + 1];
    return big ? first << 8 | second : second << 8 | first;
}

static int decode_utf16(struct tt_str bytes, bool big, struct tt_buf *out, struct tt_err *err)
{
    if (bytes.len % 2 != 0)
        return refuse(err, "UTF-16 of an odd number of bytes");
    for (size_t i = 0; i < bytes.len; i += 2) {
        char utf8[4];
        uint32_t c = unit_at(bytes, i, big);
        if (c >= 0xD800 && c <= 0xDFFF) {
            i += 2;
            unsigned low = i < bytes.len ? unit_at(bytes, i, big) : 0;
            if (c > 0xDBFF || low < 0xDC00 || low > 0xDFFF)
                return refuse(err, "UTF-16 with a lone surrogate");
            c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
        }
        if ((c & 0xFFFE) == 0xFFFE)
            return refuse(err, "UTF-16 with a noncharacter"); /* FFFE: the other byte order */
        if (tt_buf_append(out, utf8, tt_utf8_encode(c, utf8)) != 0)
            return too_large(out, err);
    }
    return 0;
}

/* Without a mark: every NUL is on the same side of its unit, and at least half of the units are
 * ASCII. Then it is a text in a language of programs; anything less could be a table of small
 * numbers. */
static const char *certain_utf16(struct tt_str bytes)
{
    size_t nul[2] = {0}, ascii[2] = {0}, units = bytes.len / 2;
    if (bytes.len % 2 != 0 || units < 2)
        return NULL;
    for (size_t i = 0; i < bytes.len; i++) {
        nul[i % 2] += bytes.data[i] == 0;
        ascii[i % 2] += bytes.data[i] == 0 && is_text_byte((unsigned char)bytes.data[i ^ 1]) &&
                        (unsigned char)bytes.data[i ^ 1] < 0x80;
    }
    if (nul[0] == 0 && ascii[1] == nul[1] && ascii[1] * 2 >= units)
        return ENCODING_UTF16LE;
    if (nul[1] == 0 && ascii[0] == nul[0] && ascii[0] * 2 >= units)
        return ENCODING_UTF16BE;
    return NULL;
}

/* ---- GB18030 ---- */

/* True when at least half of the characters above ASCII are pairs whose second byte is an ASCII
 * letter: Latin-1 looks so ("na\xEFve"). In Chinese text, even the traditional, it is one in ten.
 * Called for valid GB18030. */
static bool looks_like_latin1(struct tt_str bytes)
{
    size_t pairs = 0, letters = 0;
    for (size_t i = 0; i + 1 < bytes.len; i++) {
        if ((unsigned char)bytes.data[i] < 0x80)
            continue;
        char second = bytes.data[++i];
        letters += (second >= 'A' && second <= 'Z') || (second >= 'a' && second <= 'z');
        pairs++;
    }
    return letters * 2 >= pairs;
}

/* C1 controls and noncharacters are four-byte codes that no text has. */
static bool has_odd_characters(struct tt_str utf8)
{
    uint32_t c;
    for (size_t n; (n = tt_utf8_decode(utf8, &c)) > 0; utf8.data += n, utf8.len -= n)
        if ((c >= 0x80 && c < 0xA0 && c != 0x85) || (c & 0xFFFE) == 0xFFFE)
            return true;
    return false;
}

static int run_iconv(iconv_t cd, struct tt_str bytes, struct tt_buf *out, struct tt_err *err)
{
    char *in = (char *)bytes.data; /* iconv(3) does not write there */
    size_t in_left = bytes.len;
    while (in_left > 0) {
        char piece[4096];
        char *to = piece;
        size_t left = sizeof(piece);
        size_t rc = iconv(cd, &in, &in_left, &to, &left);
        int reason = errno;
        if (tt_buf_append(out, piece, sizeof(piece) - left) != 0)
            return too_large(out, err);
        if (rc == (size_t)-1 && reason != E2BIG)
            return refuse(err, "neither UTF-8 nor GB18030");
        if (rc != (size_t)-1 && rc > 0)
            return refuse(err, "GB18030 with characters that have no Unicode one");
    }
    return 0;
}

static int decode_gb18030(struct tt_str bytes, struct tt_buf *out, struct tt_err *err)
{
    size_t before = out->len;
    iconv_t cd = iconv_open("UTF-8", "GB18030");
    if (cd == (iconv_t)-1)
        return refuse(err, "no UTF-8, and this system's iconv has no GB18030");
    int rc = run_iconv(cd, bytes, out, err);
    iconv_close(cd);
    if (rc != 0)
        return rc;
    if (looks_like_latin1(bytes) ||
        has_odd_characters(tt_str_of(out->data + before, out->len - before)))
        return refuse(err, "neither UTF-8 nor likely GB18030");
    return 0;
}

/* ---- which one ---- */

static bool skip_mark(struct tt_str *bytes, struct tt_str mark)
{
    if (!tt_str_starts(*bytes, mark))
        return false;
    bytes->data += mark.len;
    bytes->len -= mark.len;
    return true;
}

/* NULL: NUL bytes, and no certainty what they mean. */
static const char *detect(struct tt_str *bytes)
{
    if (skip_mark(bytes, TT_STR("\xEF\xBB\xBF")))
        return ENCODING_UTF8;
    if (skip_mark(bytes, TT_STR("\xFF\xFE")))
        return ENCODING_UTF16LE;
    if (skip_mark(bytes, TT_STR("\xFE\xFF")))
        return ENCODING_UTF16BE;
    if (bytes->len > 0 && memchr(bytes->data, 0, bytes->len))
        return certain_utf16(*bytes);
    return tt_utf8_valid(*bytes) ? ENCODING_UTF8 : ENCODING_GB18030;
}

int tt_decode_text(struct tt_str bytes, struct tt_buf *out, const char **encoding,
                   struct tt_err *err)
{
    size_t before = out->len;
    const char *name = detect(&bytes);
    int rc = -1;
    if (!name)
        rc = refuse(err, "binary data: NUL bytes");
    else if (strcmp(name, ENCODING_UTF8) == 0)
        rc = decode_utf8(bytes, out, err);
    else if (strcmp(name, ENCODING_GB18030) == 0)
        rc = decode_gb18030(bytes, out, err);
    else
        rc = decode_utf16(bytes, strcmp(name, ENCODING_UTF16BE) == 0, out, err);
    if (rc == 0 && out->len > before &&
        !looks_like_text(tt_str_of(out->data + before, out->len - before)))
        rc = refuse(err, "binary data: control characters");
    if (rc != 0)
        tt_buf_truncate(out, before);
    else if (encoding)
        *encoding = name;
    return rc;
}
