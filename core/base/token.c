/* Access tokens (JWT, RFC 7519) by libjwt, HS256 and nothing else. The header is read by us before
 * the library sees the token, and its answer is asked again after: "alg":"none" and key confusion
 * are what such libraries are broken by. Expiry is checked here, against the caller's clock.
 * "sub" is a number, as our clients know it (RFC 7519, 4.1.2 wants a string). */
#include "base/json.h"
#include "base/mem.h"
#include "base/secret.h"

#include <jwt.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define TOKEN_MAX  4096
#define HEADER_MAX 512

int tt_token_sign(const struct tt_keys *keys, const struct tt_claims *claims, struct tt_buf *out)
{
    jwt_t *jwt = NULL;
    char *text = NULL;
    int rc = -1;
    if (jwt_new(&jwt) != 0 || jwt_set_alg(jwt, JWT_ALG_HS256, keys->token, TT_KEY_SIZE) != 0)
        goto out;
    if (jwt_add_grant_int(jwt, "sub", (long)claims->sub) != 0 ||
        jwt_add_grant(jwt, "jti", claims->jti) != 0 ||
        jwt_add_grant(jwt, "username", claims->username) != 0 ||
        jwt_add_grant(jwt, "role", claims->role) != 0 ||
        jwt_add_grant_int(jwt, "ver", (long)claims->version) != 0 ||
        jwt_add_grant_int(jwt, "iat", (long)claims->iat) != 0 ||
        jwt_add_grant_int(jwt, "exp", (long)claims->exp) != 0)
        goto out;
    text = jwt_encode_str(jwt);
    if (!text || strlen(text) > TOKEN_MAX)
        goto out;
    rc = tt_buf_append_z(out, text);
out:
    free(text);
    if (jwt)
        jwt_free(jwt);
    return rc;
}

static int invalid(struct tt_err *err, const char *why)
{
    return tt_err_set(err, 401, "invalid_token", "token: %s", why);
}

static bool is_string(const struct tt_json_value *value, struct tt_str quoted)
{
    return value->type == TT_JSON_STRING && tt_str_eq(value->raw, quoted);
}

/* Three parts, and a header that says HS256 and asks for no extension. */
static int check_header(struct tt_str token, struct tt_err *err)
{
    struct tt_str rest = token, header, payload, signature;
    if (!tt_str_split(&rest, '.', &header) || !tt_str_split(&rest, '.', &payload) ||
        !tt_str_split(&rest, '.', &signature) || rest.data || payload.len == 0 ||
        signature.len == 0)
        return invalid(err, "not three parts");
    unsigned char text[HEADER_MAX];
    size_t len = 0;
    if (sodium_base642bin(text, sizeof(text), header.data, header.len, NULL, &len, NULL,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) < 0)
        return invalid(err, "unreadable header");
    struct tt_json_path paths[3];
    struct tt_json_value values[3];
    tt_json_path_parse(&paths[0], "alg", NULL);
    tt_json_path_parse(&paths[1], "typ", NULL);
    tt_json_path_parse(&paths[2], "crit", NULL);
    if (tt_json_select(tt_str_of((char *)text, len), paths, 3, values, NULL) < 0)
        return invalid(err, "unreadable header");
    if (!is_string(&values[0], TT_STR("\"HS256\"")))
        return invalid(err, "algorithm is not HS256");
    if (values[1].type != TT_JSON_NONE && !is_string(&values[1], TT_STR("\"JWT\"")))
        return invalid(err, "type is not JWT");
    if (values[2].type != TT_JSON_NONE)
        return invalid(err, "unknown extension");
    return 0;
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

/* By our own reader: libjwt's takes numbers from strings. */
static int take_claims(const char *grants, struct tt_claims *out)
{
    static const char *const names[] = {"sub", "ver", "iat", "exp", "jti", "username", "role"};
    struct tt_json_path paths[TT_COUNT(names)];
    struct tt_json_value values[TT_COUNT(names)];
    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < TT_COUNT(names); i++)
        tt_json_path_parse(&paths[i], names[i], NULL);
    if (tt_json_select(tt_str_from(grants), paths, TT_COUNT(names), values, NULL) < 0 ||
        take_int(&values[0], &out->sub) < 0 || out->sub == 0)
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
    char text[TOKEN_MAX + 1];
    jwt_t *jwt = NULL;
    char *grants = NULL;
    int rc = -1;
    if (token.len == 0 || token.len > TOKEN_MAX || memchr(token.data, '\0', token.len))
        return invalid(err, "empty or too long");
    if (check_header(token, err) < 0)
        return -1;
    memcpy(text, token.data, token.len);
    text[token.len] = '\0';
    if (jwt_decode(&jwt, text, keys->token, TT_KEY_SIZE) != 0 ||
        jwt_get_alg(jwt) != JWT_ALG_HS256) {
        invalid(err, "wrong signature or unreadable claims");
        goto out;
    }
    grants = jwt_get_grants_json(jwt, NULL);
    if (!grants || take_claims(grants, out) < 0) {
        invalid(err, "a claim is missing or of the wrong kind");
        goto out;
    }
    if (now_s >= out->exp) {
        tt_err_set(err, 401, "token_expired", "token: expired");
        goto out;
    }
    rc = 0;
out:
    free(grants);
    if (jwt)
        jwt_free(jwt);
    return rc;
}
