/* tide.crypto: passwords (on aux threads, they take tens of milliseconds), tokens, sealed keys. */
#include "base/clock.h"
#include "script/task.h"
#include "script/value.h"
#include "tide/modules.h"

#include <stdlib.h>

/* ---- passwords ---- */

struct password_job {
    struct tt_wait wait;
    struct tt_aux_job job;
    char *hash; /* to verify against; NULL: make a new one */
    char *password;
    size_t password_len;
    bool verify, ok;
    struct tt_buf result;
};

/* The hash that is verified if there is no such user, so that the answer takes as long: with the
 * parameters of tt_password_hash, of 32 random bytes that were not kept. */
static const char nobody_hash[] =
    "$argon2id$v=19$m=19456,t=2,p=1$"
    "ubck789n3mJiWB1Prnlw2g$EzDdnFZEcd+Dq85OZq5Vo5CS/LEL/rVLit8+udO0Woc";

static void password_run(struct tt_aux_job *aux_job)
{
    struct password_job *job = TT_CONTAINER_OF(aux_job, struct password_job, job);
    struct tt_str password = {job->password, job->password_len};

    if (!job->verify) {
        tt_password_hash(password, &job->result, &job->wait.err);
        return;
    }
    bool equal;
    tt_password_verify(tt_str_from(job->hash ? job->hash : nobody_hash), password, &equal,
                       &job->wait.err);
    job->ok = equal && job->hash;
}

static void password_done(struct tt_aux_job *aux_job)
{
    tt_wait_done(&TT_CONTAINER_OF(aux_job, struct password_job, job)->wait);
}

static void password_drop(struct tt_aux_job *aux_job)
{
    tt_wait_drop(&TT_CONTAINER_OF(aux_job, struct password_job, job)->wait);
}

static int password_push(struct tt_wait *wait, lua_State *L)
{
    struct password_job *job = TT_CONTAINER_OF(wait, struct password_job, wait);
    if (job->verify)
        lua_pushboolean(L, job->ok);
    else
        lua_pushlstring(L, job->result.data, job->result.len);
    return 1;
}

static void password_abandon(struct tt_wait *wait)
{
    tt_aux_cancel(&TT_CONTAINER_OF(wait, struct password_job, wait)->job);
}

static void password_close(struct tt_wait *wait)
{
    struct password_job *job = TT_CONTAINER_OF(wait, struct password_job, wait);
    explicit_bzero(job->password, job->password_len);
    free(job->password);
    free(job->hash);
    tt_buf_free(&job->result);
}

/* Accounts take turns, and names that nobody has are one account. */
static uint64_t account_of(struct tt_str hash)
{
    uint64_t owner = 0;
    for (size_t i = 0; i < hash.len; i++) /* FNV-1a */
        owner = (owner ^ (unsigned char)hash.data[i]) * 0x100000001b3u;
    return owner | (uint64_t)1 << 63; /* no user has this bit */
}

static int start_password(lua_State *L, struct tt_str hash, struct tt_str password, bool verify,
                          bool first)
{
    static const struct tt_wait_type type = {
        .push = password_push, .close = password_close, .abandon = password_abandon};
    struct tt_tide *tide = tt_tide_of(L);
    struct password_job *job = tt_wait_new(sizeof(*job), &type);

    job->job.run = password_run;
    job->job.done = password_done;
    job->job.drop = password_drop;
    job->job.owner = verify ? account_of(hash) : tt_task_owner(L);
    job->job.first = first;
    job->verify = verify;
    job->password = tt_strndup(password.data, password.len);
    job->password_len = password.len;
    job->hash = hash.data ? tt_strndup(hash.data, hash.len) : NULL;
    if (tt_aux_submit(tide->password_aux, tide->runtime.loop, &job->job, &job->wait.err) != 0)
        return tt_wait_refuse(L, &job->wait);
    return tt_task_yield(L, &job->wait);
}

static int crypto_password_hash(lua_State *L)
{
    tt_task_check_wait(L, "crypto.password_hash");
    struct tt_str password;
    password.data = luaL_checklstring(L, 1, &password.len);
    return start_password(L, (struct tt_str){0}, password, false, false);
}

static int crypto_password_verify(lua_State *L)
{
    tt_task_check_wait(L, "crypto.password_verify");
    struct tt_str hash = {0}, password;
    if (!lua_isnoneornil(L, 1))
        hash.data = luaL_checklstring(L, 1, &hash.len);
    password.data = luaL_checklstring(L, 2, &password.len);
    return start_password(L, hash, password, true, lua_toboolean(L, 3));
}

/* ---- tokens ---- */

static int copy_field(lua_State *L, const char *key, char *to, size_t size)
{
    struct tt_str value = tt_value_field(L, 1, key);
    if (!value.data || value.len >= size)
        return luaL_error(L, "crypto.token_sign: field '%s' is missing or too long", key);
    memcpy(to, value.data, value.len);
    to[value.len] = 0;
    return 0;
}

static int crypto_token_sign(lua_State *L)
{
    tt_task_check(L, "crypto.token_sign");
    struct tt_claims claims = {0};
    struct tt_buf *out = tt_value_scratch(L);

    luaL_checktype(L, 1, LUA_TTABLE);
    claims.sub = tt_value_field_int(L, 1, "sub", 0);
    claims.version = tt_value_field_int(L, 1, "ver", 0);
    claims.iat = tt_value_field_int(L, 1, "iat", 0);
    claims.exp = tt_value_field_int(L, 1, "exp", 0);
    copy_field(L, "jti", claims.jti, sizeof(claims.jti));
    copy_field(L, "username", claims.username, sizeof(claims.username));
    copy_field(L, "role", claims.role, sizeof(claims.role));
    if (tt_token_sign(tt_tide_of(L)->keys, &claims, out) != 0)
        return luaL_error(L, "crypto.token_sign failed");
    lua_pushlstring(L, out->data, out->len);
    return 1;
}

static int crypto_token_verify(lua_State *L)
{
    tt_task_check(L, "crypto.token_verify");
    struct tt_tide *tide = tt_tide_of(L);
    struct tt_err err = {0};
    struct tt_str token;

    token.data = luaL_checklstring(L, 1, &token.len);
    const struct tt_claims *claims =
        tt_token_memo_verify(tide->tokens, tide->keys, token, tt_clock_wall_us() / 1000000, &err);
    if (!claims)
        return tt_value_push_error(L, &err);
    lua_createtable(L, 0, 7);
    lua_pushinteger(L, claims->sub);
    lua_setfield(L, -2, "sub");
    lua_pushinteger(L, claims->version);
    lua_setfield(L, -2, "ver");
    lua_pushinteger(L, claims->iat);
    lua_setfield(L, -2, "iat");
    lua_pushinteger(L, claims->exp);
    lua_setfield(L, -2, "exp");
    lua_pushstring(L, claims->jti);
    lua_setfield(L, -2, "jti");
    lua_pushstring(L, claims->username);
    lua_setfield(L, -2, "username");
    lua_pushstring(L, claims->role);
    lua_setfield(L, -2, "role");
    return 1;
}

/* ---- sealed keys ---- */

static int crypto_seal(lua_State *L)
{
    tt_task_check(L, "crypto.seal");
    struct tt_str plain, bound;
    struct tt_buf *out = tt_value_scratch(L);

    plain.data = luaL_checklstring(L, 1, &plain.len);
    bound.data = luaL_checklstring(L, 2, &bound.len);
    if (tt_seal(tt_tide_of(L)->keys, plain, bound, out) != 0)
        return luaL_error(L, "crypto.seal failed");
    lua_pushlstring(L, out->data, out->len);
    return 1;
}

static int crypto_unseal(lua_State *L)
{
    tt_task_check(L, "crypto.unseal");
    struct tt_str sealed, bound;
    struct tt_err err = {0};
    struct tt_buf *out = tt_value_scratch(L);

    sealed.data = luaL_checklstring(L, 1, &sealed.len);
    bound.data = luaL_checklstring(L, 2, &bound.len);
    if (tt_unseal(tt_tide_of(L)->keys, sealed, bound, out, &err) != 0)
        return tt_value_push_error(L, &err);
    tt_value_push_secret(L, tt_buf_str(out));
    explicit_bzero(out->data, out->len);
    return 1;
}

/* ---- the rest ---- */

static int crypto_random_hex_digits(lua_State *L)
{
    char hex[128 + 1];
    lua_Integer digits = luaL_checkinteger(L, 1);
    luaL_argcheck(L, digits > 0 && digits < (lua_Integer)sizeof(hex), 1, "1 to 128 digits");
    tt_random_hex(hex, (size_t)digits);
    lua_pushstring(L, hex);
    return 1;
}

/* The old name, which takes bytes; see old_names.c. */
static int crypto_random_hex(lua_State *L)
{
    lua_Integer bytes = luaL_checkinteger(L, 1);
    luaL_argcheck(L, bytes > 0 && bytes <= 64, 1, "1 to 64 bytes");
    lua_settop(L, 0);
    lua_pushinteger(L, bytes * 2);
    return crypto_random_hex_digits(L);
}

static int crypto_sha256(lua_State *L)
{
    char hex[TT_SHA256_SIZE * 2 + 1];
    struct tt_str data;
    data.data = luaL_checklstring(L, 1, &data.len);
    tt_sha256_hex(data, hex);
    lua_pushstring(L, hex);
    return 1;
}

static int crypto_equal(lua_State *L)
{
    struct tt_str a, b;
    a.data = luaL_checklstring(L, 1, &a.len);
    b.data = luaL_checklstring(L, 2, &b.len);
    lua_pushboolean(L, tt_secret_equal(a, b));
    return 1;
}

static const luaL_Reg functions[] = {
    {"password_hash", crypto_password_hash},
    {"password_verify", crypto_password_verify},
    {"token_sign", crypto_token_sign},
    {"token_verify", crypto_token_verify},
    {"seal", crypto_seal},
    {"unseal", crypto_unseal},
    {"random_hex_digits", crypto_random_hex_digits},
    {"random_hex", crypto_random_hex},
    {"sha256", crypto_sha256},
    {"equal", crypto_equal},
    {NULL, NULL},
};

int tt_tide_crypto(lua_State *L)
{
    luaL_newlib(L, functions);
    tt_tide_encode(L);
    return 1;
}
