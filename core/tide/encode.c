/* The part of tide.crypto that needs no keys of the server: hashes with a script's own key, UUIDs,
 * encodings of bytes. */
#include "base/encode.h"

#include "base/secret.h"
#include "script/value.h"
#include "tide/modules.h"

static struct tt_str check_bytes(lua_State *L, int index)
{
    struct tt_str bytes;
    bytes.data = luaL_checklstring(L, index, &bytes.len);
    return bytes;
}

static int push_buf(lua_State *L, const struct tt_buf *out)
{
    lua_pushlstring(L, out->data ? out->data : "", out->len);
    return 1;
}

static int crypto_hmac_sha256(lua_State *L)
{
    unsigned char hash[TT_SHA256_SIZE];
    struct tt_buf *out = tt_value_scratch(L);
    struct tt_str key;

    if (!tt_value_secret(L, 1, &key))
        key = check_bytes(L, 1);
    tt_hmac_sha256(key, check_bytes(L, 2), hash);
    tt_hex_encode(tt_str_of((const char *)hash, sizeof(hash)), out);
    return push_buf(L, out);
}

/* RFC 9562, 5.4: version and variant, the rest random. */
static int crypto_uuid(lua_State *L)
{
    unsigned char b[16];
    char text[37];

    tt_random_bytes(b, sizeof(b));
    b[6] = (unsigned char)((b[6] & 0x0F) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3F) | 0x80);
    snprintf(text, sizeof(text),
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
    lua_pushstring(L, text);
    return 1;
}

static int push_decoded(lua_State *L, int failed, const struct tt_buf *out, const char *form)
{
    struct tt_err err = {0};

    if (!failed)
        return push_buf(L, out);
    tt_err_set(&err, 400, "invalid_encoding", "this is no %s", form);
    return tt_value_push_error(L, &err);
}

static int crypto_hex_encode(lua_State *L)
{
    struct tt_buf *out = tt_value_scratch(L);
    tt_hex_encode(check_bytes(L, 1), out);
    return push_buf(L, out);
}

static int crypto_hex_decode(lua_State *L)
{
    struct tt_buf *out = tt_value_scratch(L);
    return push_decoded(L, tt_hex_decode(check_bytes(L, 1), out), out, "hex");
}

static int crypto_base64_encode(lua_State *L)
{
    struct tt_buf *out = tt_value_scratch(L);
    tt_base64_encode(check_bytes(L, 1), TT_BASE64, out);
    return push_buf(L, out);
}

static int crypto_base64_decode(lua_State *L)
{
    struct tt_buf *out = tt_value_scratch(L);
    return push_decoded(L, tt_base64_decode(check_bytes(L, 1), TT_BASE64, out), out, "base64");
}

static int crypto_base64url_encode(lua_State *L)
{
    struct tt_buf *out = tt_value_scratch(L);
    tt_base64_encode(check_bytes(L, 1), TT_BASE64_URL, out);
    return push_buf(L, out);
}

static int crypto_base64url_decode(lua_State *L)
{
    struct tt_buf *out = tt_value_scratch(L);
    return push_decoded(L, tt_base64_decode(check_bytes(L, 1), TT_BASE64_URL, out), out,
                        "base64url");
}

static const luaL_Reg functions[] = {
    {"hmac_sha256", crypto_hmac_sha256},
    {"uuid", crypto_uuid},
    {"hex_encode", crypto_hex_encode},
    {"hex_decode", crypto_hex_decode},
    {"base64_encode", crypto_base64_encode},
    {"base64_decode", crypto_base64_decode},
    {"base64url_encode", crypto_base64url_encode},
    {"base64url_decode", crypto_base64url_decode},
    {NULL, NULL},
};

void tt_tide_encode(lua_State *L)
{
    luaL_setfuncs(L, functions, 0);
}
