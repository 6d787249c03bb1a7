/* libsodium's decoders refuse what others silently accept: missing or needless padding, unused
 * bits, white space. Its base64 encoder is made for secrets and deliberately takes no short cut;
 * images of megabytes are not secrets, so that encoder is written out here. */
#include "base/encode.h"

#include <sodium.h>
#include <string.h>

static int sodium_variant(enum tt_base64 variant)
{
    return variant == TT_BASE64 ? sodium_base64_VARIANT_ORIGINAL
                                : sodium_base64_VARIANT_URLSAFE_NO_PADDING;
}

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

/* libsodium 1.0.18 takes some bytes above ASCII for digits. */
static bool is_ascii(struct tt_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.data[i] >= 0x80)
            return false;
    return true;
}

int tt_base64_decode(struct tt_str text, enum tt_base64 variant, struct tt_buf *out)
{
    size_t len = 0, room = text.len / 4 * 3 + 3;
    char *to = tt_buf_reserve(out, room + 1);
    if (!to || !is_ascii(text) ||
        sodium_base642bin((unsigned char *)to, room, (const char *)bytes_of(text), text.len, NULL,
                          &len, NULL, sodium_variant(variant)) != 0)
        return -1;
    out->len += len;
    return 0;
}
