/* An address that is accepted consists of what the header file promises; percent-encoding and
 * decoding again gives the same bytes. */
#include "base/url.h"

#include "fuzz.h"
#include "upstream/egress.h"

static void check_url(const struct tt_url *url)
{
    size_t len = strlen(url->host);

    check(len > 0 && len < sizeof(url->host));
    for (size_t i = 0; i < len; i++)
        check((unsigned char)url->host[i] > 0x20 && !strchr("@/#?\\", url->host[i]) &&
              !(url->host[i] >= 'A' && url->host[i] <= 'Z'));
    check(url->path.len == 0 || url->path.data[0] == '/' || url->path.data[0] == '?');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tt_str text = tt_str_of((const char *)data, size);
    struct tt_buf encoded = {0}, decoded = {0};
    struct tt_url url;
    struct tt_err err = {0};
    struct tt_egress *egress = tt_egress_new(NULL, 0, &err);

    if (tt_url_parse(text, &url, &err) == 0)
        check_url(&url);
    if (tt_egress_check_url(egress, text, &url, &err) == 0)
        check_url(&url);
    tt_egress_check_item(text, &err);
    tt_egress_free(egress);
    tt_url_decode(text, true, &encoded);
    tt_buf_clear(&encoded);
    check(tt_url_encode(text, &encoded) == 0);
    if (!memchr(data ? data : (const uint8_t *)"", 0, size)) {
        check(tt_url_decode(tt_buf_str(&encoded), false, &decoded) == 0);
        check(tt_str_eq(tt_buf_str(&decoded), text));
    }
    tt_buf_free(&encoded);
    tt_buf_free(&decoded);
    return 0;
}
