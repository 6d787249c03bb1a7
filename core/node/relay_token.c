/* "base64url(fields).base64url(HMAC-SHA256 of the part before the dot)". The fields are lines, the
 * user last: nothing that one of them says can be taken for another one, because no line has a
 * break. The signature is compared, in constant time, before anything is decoded. */
#include "node/relay_token.h"

#include "base/encode.h"
#include "base/secret.h"

#include <inttypes.h>

#define FIELDS 10

void tt_relay_digest(struct tt_str body, char out[TT_RELAY_DIGEST])
{
    tt_sha256_hex(body, out);
}

static void append_signature(struct tt_str key, struct tt_str text, struct tt_buf *out)
{
    unsigned char mac[TT_SHA256_SIZE];

    tt_hmac_sha256(key, text, mac);
    tt_base64_encode(tt_str_of((const char *)mac, sizeof(mac)), TT_BASE64_URL, out);
}

/* ---- signing ---- */

int tt_relay_token_sign(struct tt_str key, const struct tt_relay_token *token, struct tt_buf *out)
{
    const struct tt_str texts[] = {token->method,     token->target, token->digest,
                                   token->request_id, token->remote, token->user};
    struct tt_buf text = {0};
    size_t from = out->len;

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        if (texts[i].len == 0 || tt_str_find(texts[i], '\n') >= 0)
            return -1;
    tt_buf_printf(&text, "%" PRId64 "\n%" PRId64 "\n%d\n%d\n", token->at_ms, token->to,
                  token->chinese, token->secure);
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        tt_buf_append_str(&text, texts[i]);
        tt_buf_putc(&text, '\n');
    }
    tt_base64_encode(tt_buf_str(&text), TT_BASE64_URL, out);
    struct tt_str signed_part = tt_str_of(out->data + from, out->len - from);
    struct tt_buf signature = {0};
    append_signature(key, signed_part, &signature);
    tt_buf_putc(out, '.');
    tt_buf_append_str(out, tt_buf_str(&signature));
    tt_buf_free(&signature);
    tt_buf_free(&text);
    return 0;
}

/* ---- checking ---- */

static int refuse(struct tt_err *err, const char *why)
{
    return tt_err_set(err, 403, "forbidden", "a relayed request: %s", why);
}

static bool is_signed(struct tt_str key, struct tt_str text, struct tt_str signature)
{
    struct tt_buf right = {0};

    append_signature(key, text, &right);
    bool same = tt_secret_equal(tt_buf_str(&right), signature);
    tt_buf_free(&right);
    return same;
}

static int read_fields(struct tt_str rest, struct tt_relay_token *token)
{
    struct tt_str fields[FIELDS];

    for (size_t i = 0; i < FIELDS; i++)
        if (!tt_str_split(&rest, '\n', &fields[i]))
            return -1;
    *token = (struct tt_relay_token){.chinese = tt_str_eq(fields[2], TT_STR("1")),
                                     .secure = tt_str_eq(fields[3], TT_STR("1")),
                                     .method = fields[4],
                                     .target = fields[5],
                                     .digest = fields[6],
                                     .request_id = fields[7],
                                     .remote = fields[8],
                                     .user = fields[9]};
    if (tt_str_to_i64(fields[0], &token->at_ms) != 0)
        return -1;
    return tt_str_to_i64(fields[1], &token->to);
}

int tt_relay_token_verify(struct tt_str key, struct tt_str value, int64_t now_ms,
                          struct tt_buf *text, struct tt_relay_token *token, struct tt_err *err)
{
    ptrdiff_t dot = tt_str_find(value, '.');

    if (!value.data)
        return refuse(err, "it has no " TT_RELAY_HEADER);
    if (dot < 0)
        return refuse(err, "no signature");
    struct tt_str signed_part = tt_str_of(value.data, (size_t)dot);
    if (!is_signed(key, signed_part, tt_str_of(value.data + dot + 1, value.len - (size_t)dot - 1)))
        return refuse(err, "the signature is wrong: all nodes need the same secret");
    tt_buf_clear(text);
    if (tt_base64_decode(signed_part, TT_BASE64_URL, text) != 0 ||
        read_fields(tt_buf_str(text), token) != 0)
        return refuse(err, "it is of another version");
    if (token->at_ms > now_ms + TT_RELAY_VALID_MS || token->at_ms < now_ms - TT_RELAY_VALID_MS)
        return refuse(err, "it is old, or the clocks of the nodes differ");
    return 0;
}
