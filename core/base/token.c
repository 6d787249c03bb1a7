/* Access tokens (JWT, RFC 7519), HS256 and nothing else: our own JSON, libsodium's HMAC. A token
 * has no say in how it is checked: token libraries are usually broken by "alg":"none" and key
 * confusion. Expiry is checked here, against the caller's clock. "sub" is a number, as our clients
 * know it (RFC 7519, 4.1.2 wants a string). Public-key algorithms (RS256, ES256) do not belong in
 * this file but in one of their own, on the EVP functions of OpenSSL, which libcurl needs anyway.
 */
#include "base/encode.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/utf8.h"

#include <sodium.h>

#define TOKEN_MAX      4096
#define SIGNATURE_SIZE 44 /* with its NUL */

/* {"alg":"HS256","typ":"JWT"} in base64url: what all of our own tokens begin with. */
static const struct tt_str own_header = TT_STR("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9");

/* In base64url, as in the token. */
static void make_signature(const struct tt_keys *keys, struct tt_str text, char out[SIGNATURE_SIZE])
{
    unsigned char mac[TT_SHA256_SIZE];
    crypto_auth_hmacsha256_state state; /* the key is in it already: a third of the work */
    memcpy(&state, keys->token_mac, sizeof(state));
    crypto_auth_hmacsha256_update(&state, (const unsigned char *)text.data, text.len);
    crypto_auth_hmacsha256_final(&state, mac);
    sodium_memzero(&state, sizeof(state));
    sodium_bin2base64(out, SIGNATURE_SIZE, mac, sizeof(mac),
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

/* ---- signing ---- */

static void put_text(struct tt_json_writer *w, const char *key, const char *value)
{
    tt_json_key(w, tt_str_from(key));
    tt_json_str(w, tt_str_from(value));
    if (!tt_utf8_valid(tt_str_from(value)))
        w->failed = true; /* the writer would replace bytes: a token for another name */
}

static void put_int(struct tt_json_writer *w, const char *key, int64_t value)
{
    tt_json_key(w, tt_str_from(key));
    tt_json_int(w, value);
}

static int append_claims(const struct tt_claims *claims, struct tt_buf *out)
{
    struct tt_buf text = {0};
    struct tt_json_writer w = {.buf = &text};
    tt_json_begin_object(&w);
    put_int(&w, "sub", claims->sub);
    put_text(&w, "jti", claims->jti);
    put_text(&w, "username", claims->username);
    put_text(&w, "role", claims->role);
    put_int(&w, "ver", claims->version);
    put_int(&w, "iat", claims->iat);
    put_int(&w, "exp", claims->exp);
    tt_json_end_object(&w);
    int rc = w.failed ? -1 : tt_base64_encode(tt_buf_str(&text), TT_BASE64_URL, out);
    tt_buf_free(&text);
    return rc;
}

int tt_token_sign(const struct tt_keys *keys, const struct tt_claims *claims, struct tt_buf *out)
{
    struct tt_buf token = {.max = TOKEN_MAX};
    char signature[SIGNATURE_SIZE];
    int rc = -1;
    if (tt_buf_append_str(&token, own_header) != 0 || tt_buf_putc(&token, '.') != 0 ||
        append_claims(claims, &token) != 0)
        goto out;
    make_signature(keys, tt_buf_str(&token), signature);
    if (tt_buf_printf(&token, ".%s", signature) == 0)
        rc = tt_buf_append_str(out, tt_buf_str(&token));
out:
    tt_buf_free(&token);
    return rc;
}

/* ---- verifying ---- */

static int invalid(struct tt_err *err, const char *why)
{
    return tt_err_set(err, 401, "invalid_token", "token: %s", why);
}

static bool is_string(const struct tt_json_value *value, struct tt_str quoted)
{
    return value->type == TT_JSON_STRING && tt_str_eq(value->raw, quoted);
}

/* A header that says HS256 and asks for no extension. */
static int check_header(struct tt_str header, struct tt_err *err)
{
    struct tt_buf text = {0};
    struct tt_json_path paths[3];
    struct tt_json_value values[3];
    int rc;
    if (tt_str_eq(header, own_header))
        return 0;
    tt_json_path_parse(&paths[0], "alg", NULL);
    tt_json_path_parse(&paths[1], "typ", NULL);
    tt_json_path_parse(&paths[2], "crit", NULL);
    if (tt_base64_decode(header, TT_BASE64_URL, &text) < 0 ||
        tt_json_select(tt_buf_str(&text), paths, 3, values, NULL) < 0)
        rc = invalid(err, "unreadable header");
    else if (!is_string(&values[0], TT_STR("\"HS256\"")))
        rc = invalid(err, "algorithm is not HS256");
    else if (values[1].type != TT_JSON_NONE && !is_string(&values[1], TT_STR("\"JWT\"")))
        rc = invalid(err, "type is not JWT");
    else
        rc = values[2].type == TT_JSON_NONE ? 0 : invalid(err, "unknown extension");
    tt_buf_free(&text);
    return rc;
}

static int take_text(const struct tt_json_value *value, char *out, size_t size)
{
    struct tt_buf text = {.max = size - 1};
    int rc = -1;
    if (value->type == TT_JSON_STRING && tt_json_unescape(value->raw, NULL, &text) == 0 &&
        (text.len == 0 || !memchr(text.data, '\0', text.len))) {
        if (text.len > 0)
            memcpy(out, text.data, text.len);
        out[text.len] = '\0';
        rc = 0;
    }
    tt_buf_free(&text);
    return rc;
}

static int take_int(const struct tt_json_value *value, int64_t *out)
{
    return tt_json_to_i64(value, out) == 0 && *out >= 0 ? 0 : -1;
}

/* `text`: where the payload is decoded. */
static int take_claims(struct tt_str payload, struct tt_buf *text, struct tt_claims *out)
{
    static const char *const names[] = {"sub", "ver", "iat", "exp", "jti", "username", "role"};
    struct tt_json_path paths[TT_COUNT(names)];
    struct tt_json_value values[TT_COUNT(names)];
    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < TT_COUNT(names); i++)
        tt_json_path_parse(&paths[i], names[i], NULL);
    if (tt_base64_decode(payload, TT_BASE64_URL, text) < 0 ||
        tt_json_check(tt_buf_str(text), TT_JSON_MAX_DEPTH, NULL) < 0 ||
        tt_json_select(tt_buf_str(text), paths, TT_COUNT(names), values, NULL) < 0)
        return -1;
    if (take_int(&values[0], &out->sub) < 0 || out->sub == 0)
        return -1;
    if (take_int(&values[1], &out->version) < 0 || take_int(&values[2], &out->iat) < 0 ||
        take_int(&values[3], &out->exp) < 0)
        return -1;
    if (take_text(&values[4], out->jti, sizeof(out->jti)) < 0 ||
        take_text(&values[5], out->username, sizeof(out->username)) < 0)
        return -1;
    return take_text(&values[6], out->role, sizeof(out->role));
}

int tt_token_verify(const struct tt_keys *keys, struct tt_str token, int64_t now_s,
                    struct tt_claims *out, struct tt_err *err)
{
    struct tt_str rest = token, header, payload, signature;
    struct tt_buf claims = {0};
    char right[SIGNATURE_SIZE];
    int rc;
    if (token.len == 0 || token.len > TOKEN_MAX)
        return invalid(err, "empty or too long");
    if (!tt_str_split(&rest, '.', &header) || !tt_str_split(&rest, '.', &payload) ||
        !tt_str_split(&rest, '.', &signature) || rest.data)
        return invalid(err, "not three parts");
    if (check_header(header, err) < 0)
        return -1;
    make_signature(keys, tt_str_of(token.data, header.len + 1 + payload.len), right);
    if (!tt_secret_equal(signature, tt_str_from(right)))
        return invalid(err, "wrong signature");
    if (take_claims(payload, &claims, out) < 0)
        rc = invalid(err, "a claim is missing or of the wrong kind");
    else if (now_s >= out->exp)
        rc = tt_err_set(err, 401, "token_expired", "token: expired");
    else
        rc = 0;
    tt_buf_free(&claims);
    return rc;
}
