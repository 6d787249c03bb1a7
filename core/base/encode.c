/* libsodium's encoders onto a buffer. They refuse what other decoders take in silence: missing or
 * needless padding, bits that no byte needs, white space. */
#include "base/encode.h"

#include <sodium.h>

static int sodium_variant(enum tt_base64 variant)
{
    return variant == TT_BASE64 ? sodium_base64_VARIANT_ORIGINAL
                                : sodium_base64_VARIANT_URLSAFE_NO_PADDING;
}

static const unsigned char *bytes_of(struct tt_str s)
{
    return (const unsigned char *)(s.data ? s.data : "");
}

void tt_hex_encode(struct tt_str bytes, struct tt_buf *out)
{
    size_t size = bytes.len * 2 + 1;
    char *to = tt_buf_reserve(out, size);
    if (!to)
        return;
    sodium_bin2hex(to, size, bytes_of(bytes), bytes.len);
    out->len += size - 1;
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

void tt_base64_encode(struct tt_str bytes, enum tt_base64 variant, struct tt_buf *out)
{
    size_t size = sodium_base64_encoded_len(bytes.len, sodium_variant(variant));
    char *to = tt_buf_reserve(out, size);
    if (!to)
        return;
    sodium_bin2base64(to, size, bytes_of(bytes), bytes.len, sodium_variant(variant));
    out->len += size - 1;
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
