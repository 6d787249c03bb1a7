/* Written out here because the one of libsodium, made for secrets, takes no shortcut on purpose:
 * images of megabytes are no secrets. */
#include "base/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void put(char *out, uint32_t three)
{
    out[0] = digits[three >> 18];
    out[1] = digits[three >> 12 & 63];
    out[2] = digits[three >> 6 & 63];
    out[3] = digits[three & 63];
}

int tt_base64_append(struct tt_buf *out, struct tt_str bytes)
{
    const unsigned char *p = (const unsigned char *)bytes.data;
    size_t left = bytes.len;
    char *to = tt_buf_reserve(out, (left + 2) / 3 * 4);
    if (!to)
        return -1;
    out->len += (left + 2) / 3 * 4;
    for (; left >= 3; left -= 3, p += 3, to += 4)
        put(to, (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2]);
    if (left > 0) {
        put(to, (uint32_t)p[0] << 16 | (left > 1 ? (uint32_t)p[1] << 8 : 0));
        to[3] = '=';
        if (left == 1)
            to[2] = '=';
    }
    out->data[out->len] = '\0';
    return 0;
}
