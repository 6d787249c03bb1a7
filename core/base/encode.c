/* The decoders refuse what others silently accept: missing or needless padding, unused bits, white
 * space. libsodium's base64 is made for secrets and deliberately takes no short cut; images of
 * megabytes and the claims of tokens are none, so base64 is written out here. */
#include "base/encode.h"

#include <sodium.h>
#include <string.h>

static const unsigned char *bytes_of(struct tt_str s)
{
    return (const unsigned char *)(s.data ? s.data : "");
}

int tt_hex_encode(struct tt_str bytes, struct tt_buf *out)
{
    size_t size = bytes.len * 2 + 1;
    char *to = tt_buf_reserve(out, size);
    if (!to)
        return -1;
    sodium_bin2hex(to, size, bytes_of(bytes), bytes.len);
    out->len += size - 1;
    return 0;
}

int tt_hex_decode(struct tt_str hex, struct tt_buf *out)
{
    size_t len = 0;
    char *to = tt_buf_reserve(out, hex.len / 2 + 1);
    if (!to || hex.len % 2 != 0 ||
        sodium_hex2bin((unsigned char *)to, hex.len / 2, (const char *)bytes_of(hex), hex.len, NULL,
                       &len, NULL) != 0)
        return -1;
    out->len += len;
    return 0;
}

static void put_digits(char *out, uint32_t three, const char *digits)
{
    out[0] = digits[three >> 18];
    out[1] = digits[three >> 12 & 63];
    out[2] = digits[three >> 6 & 63];
    out[3] = digits[three & 63];
}

int tt_base64_encode(struct tt_str bytes, enum tt_base64 variant, struct tt_buf *out)
{
    const char *digits = variant == TT_BASE64
                             ? "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
                             : "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const unsigned char *p = bytes_of(bytes);
    size_t left = bytes.len;
    char *to = tt_buf_reserve(out, (left + 2) / 3 * 4);
    if (!to)
        return -1;
    out->len += (left + 2) / 3 * 4;
    for (; left >= 3; left -= 3, p += 3, to += 4)
        put_digits(to, (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2], digits);
    if (left > 0) {
        put_digits(to, (uint32_t)p[0] << 16 | (left > 1 ? (uint32_t)p[1] << 8 : 0), digits);
        memset(to + 1 + left, '=', 3 - left);
        if (variant == TT_BASE64_URL)
            out->len -= 3 - left;
    }
    out->data[out->len] = '\0';
    return 0;
}

#define STANDARD 0x40 /* a digit there */
#define URL      0x80
#define BOTH     (STANDARD | URL)

static const unsigned char value_of[256] = {
    ['A'] = BOTH | 0,  ['B'] = BOTH | 1,  ['C'] = BOTH | 2,      ['D'] = BOTH | 3,
    ['E'] = BOTH | 4,  ['F'] = BOTH | 5,  ['G'] = BOTH | 6,      ['H'] = BOTH | 7,
    ['I'] = BOTH | 8,  ['J'] = BOTH | 9,  ['K'] = BOTH | 10,     ['L'] = BOTH | 11,
    ['M'] = BOTH | 12, ['N'] = BOTH | 13, ['O'] = BOTH | 14,     ['P'] = BOTH | 15,
    ['Q'] = BOTH | 16, ['R'] = BOTH | 17, ['S'] = BOTH | 18,     ['T'] = BOTH | 19,
    ['U'] = BOTH | 20, ['V'] = BOTH | 21, ['W'] = BOTH | 22,     ['X'] = BOTH | 23,
    ['Y'] = BOTH | 24, ['Z'] = BOTH | 25, ['a'] = BOTH | 26,     ['b'] = BOTH | 27,
    ['c'] = BOTH | 28, ['d'] = BOTH | 29, ['e'] = BOTH | 30,     ['f'] = BOTH | 31,
    ['g'] = BOTH | 32, ['h'] = BOTH | 33, ['i'] = BOTH | 34,     ['j'] = BOTH | 35,
    ['k'] = BOTH | 36, ['l'] = BOTH | 37, ['m'] = BOTH | 38,     ['n'] = BOTH | 39,
    ['o'] = BOTH | 40, ['p'] = BOTH | 41, ['q'] = BOTH | 42,     ['r'] = BOTH | 43,
    ['s'] = BOTH | 44, ['t'] = BOTH | 45, ['u'] = BOTH | 46,     ['v'] = BOTH | 47,
    ['w'] = BOTH | 48, ['x'] = BOTH | 49, ['y'] = BOTH | 50,     ['z'] = BOTH | 51,
    ['0'] = BOTH | 52, ['1'] = BOTH | 53, ['2'] = BOTH | 54,     ['3'] = BOTH | 55,
    ['4'] = BOTH | 56, ['5'] = BOTH | 57, ['6'] = BOTH | 58,     ['7'] = BOTH | 59,
    ['8'] = BOTH | 60, ['9'] = BOTH | 61, ['+'] = STANDARD | 62, ['/'] = STANDARD | 63,
    ['-'] = URL | 62,  ['_'] = URL | 63};

/* The digits without the padding that the variant wants; false when it is not there. */
static bool strip_padding(struct tt_str *text, enum tt_base64 variant)
{
    if (variant == TT_BASE64) {
        if (text->len % 4 != 0)
            return false;
        for (int i = 0; i < 2 && text->len > 0 && text->data[text->len - 1] == '='; i++)
            text->len--;
    }
    return text->len % 4 != 1;
}

int tt_base64_decode(struct tt_str text, enum tt_base64 variant, struct tt_buf *out)
{
    unsigned kinds = variant == TT_BASE64 ? STANDARD : URL, unused = 0;
    char *to = tt_buf_reserve(out, text.len / 4 * 3 + 3);
    if (!to || !strip_padding(&text, variant))
        return -1;
    const unsigned char *p = bytes_of(text), *end = p + text.len;
    size_t len = text.len / 4 * 3 + text.len % 4 * 3 / 4;
    for (; end - p >= 4; p += 4, to += 3) {
        unsigned a = value_of[p[0]], b = value_of[p[1]], c = value_of[p[2]], d = value_of[p[3]];
        uint32_t three = (a & 63) << 18 | (b & 63) << 12 | (c & 63) << 6 | (d & 63);
        kinds &= a & b & c & d;
        to[0] = (char)(three >> 16);
        to[1] = (char)(three >> 8);
        to[2] = (char)three;
    }
    if (p < end) {
        unsigned a = value_of[p[0]], b = value_of[p[1]], c = end - p > 2 ? value_of[p[2]] : BOTH;
        uint32_t three = (a & 63) << 18 | (b & 63) << 12 | (c & 63) << 6;
        kinds &= a & b & c;
        unused = three & (end - p > 2 ? 0xff : 0xffff);
        to[0] = (char)(three >> 16);
        if (end - p > 2)
            to[1] = (char)(three >> 8);
    }
    if (unused || !kinds)
        return -1;
    out->len += len;
    return 0;
}
