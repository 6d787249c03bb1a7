/* Access tokens: there and back, and every way in which somebody might make one up. Forged tokens
 * are put together here by hand, so that the check does not rest on its own idea of a token. */
#include "base/cases.h"
#include "base/secret.h"

#include <sodium.h>

static struct tt_keys keys;

static const struct tt_claims some_claims = {
    .sub = 42,
    .version = 3,
    .iat = 1767225600,
    .exp = 1767229200,
    .jti = "0123456789abcdef0123456789abcdef",
    .username = "潮聊 \"user\"",
    .role = "admin",
};

#define HEADER "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define PAYLOAD                                                                                    \
    "{\"sub\":42,\"ver\":3,\"iat\":1767225600,\"exp\":1767229200,\"jti\":\"x\","                   \
    "\"username\":\"u\",\"role\":\"user\"}"

static void append_base64(struct tt_buf *out, const void *data, size_t len)
{
    size_t size = sodium_base64_encoded_len(len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    char *to = tt_buf_reserve(out, size);
    sodium_bin2base64(to, size, data, len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    out->len += size - 1;
}

static void append_signature(struct tt_buf *token, const unsigned char *key)
{
    unsigned char mac[crypto_auth_hmacsha256_BYTES];
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, key, TT_KEY_SIZE);
    crypto_auth_hmacsha256_update(&state, (unsigned char *)token->data, token->len);
    crypto_auth_hmacsha256_final(&state, mac);
    tt_buf_putc(token, '.');
    append_base64(token, mac, sizeof(mac));
}

static struct tt_buf forge(const char *header, const char *payload, const unsigned char *key)
{
    struct tt_buf token = {0};
    append_base64(&token, header, strlen(header));
    tt_buf_putc(&token, '.');
    append_base64(&token, payload, strlen(payload));
    append_signature(&token, key);
    return token;
}

/* NULL: accepted; otherwise the error's code. */
static const char *verify(struct tt_str token, int64_t now)
{
    static struct tt_err err;
    struct tt_claims claims;
    struct tt_str exact = cases_exact(token);
    err = (struct tt_err){0};
    int rc = tt_token_verify(&keys, exact, now, &claims, &err);
    free((char *)exact.data);
    if (rc < 0)
        assert_int_equal(err.status, 401);
    return rc < 0 ? err.code : NULL;
}

static void refuses_forged(const char *header, const char *payload)
{
    struct tt_buf token = forge(header, payload, keys.token);
    const char *code = verify(tt_buf_str(&token), 1767225601);
    if (!code || strcmp(code, "invalid_token") != 0)
        fail_msg("%s %s: %s", header, payload, code ? code : "accepted");
    tt_buf_free(&token);
}

static void there_and_back(void **state)
{
    (void)state;
    struct tt_buf token = {0};
    struct tt_claims back;
    assert_int_equal(tt_token_sign(&keys, &some_claims, &token), 0);
    assert_int_equal(tt_token_verify(&keys, tt_buf_str(&token), 1767225600, &back, NULL), 0);
    assert_int_equal(back.sub, 42);
    assert_int_equal(back.version, 3);
    assert_int_equal(back.iat, some_claims.iat);
    assert_int_equal(back.exp, some_claims.exp);
    assert_string_equal(back.jti, some_claims.jti);
    assert_string_equal(back.username, some_claims.username);
    assert_string_equal(back.role, "admin");
    tt_buf_free(&token);
}

static void numbers_stay_exact(void **state)
{
    (void)state;
    struct tt_claims claims = some_claims, back;
    struct tt_buf token = {0};
    claims.sub = 9007199254740992;
    claims.version = 9007199254740992;
    claims.exp = 253402300799;
    assert_int_equal(tt_token_sign(&keys, &claims, &token), 0);
    assert_int_equal(tt_token_verify(&keys, tt_buf_str(&token), 1767225600, &back, NULL), 0);
    assert_true(back.sub == 9007199254740992 && back.version == 9007199254740992);
    assert_true(back.exp == 253402300799);
    tt_buf_free(&token);
}

static void a_token_of_another_library_is_read(void **state)
{
    (void)state;
    struct tt_buf token = forge(HEADER, PAYLOAD, keys.token);
    assert_null(verify(tt_buf_str(&token), 1767225601));
    tt_buf_free(&token);
    /* "typ" is optional (RFC 7519, 5.1). */
    token = forge("{\"alg\":\"HS256\"}", PAYLOAD, keys.token);
    assert_null(verify(tt_buf_str(&token), 1767225601));
    tt_buf_free(&token);
}

static void expires(void **state)
{
    (void)state;
    struct tt_buf token = {0};
    tt_token_sign(&keys, &some_claims, &token);
    assert_null(verify(tt_buf_str(&token), some_claims.exp - 1));
    assert_string_equal(verify(tt_buf_str(&token), some_claims.exp), "token_expired");
    assert_string_equal(verify(tt_buf_str(&token), INT64_MAX), "token_expired");
    /* A wrong signature is never called expired. */
    token.data[token.len - 2] ^= 1;
    assert_string_equal(verify(tt_buf_str(&token), INT64_MAX), "invalid_token");
    tt_buf_free(&token);
}

static void other_algorithms_are_refused(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "{\"alg\":\"none\"}",
        "{\"alg\":\"None\",\"typ\":\"JWT\"}",
        "{\"alg\":\"\"}",
        "{\"alg\":null}",
        "{\"alg\":0}",
        "{\"alg\":[\"HS256\"]}",
        "{\"typ\":\"JWT\"}",
        "{}",
        "[]",
        "null",
        "",
        "{\"alg\":\"HS512\",\"typ\":\"JWT\"}",
        "{\"alg\":\"HS384\",\"typ\":\"JWT\"}",
        "{\"alg\":\"RS256\",\"typ\":\"JWT\"}",
        "{\"alg\":\"ES256\",\"typ\":\"JWT\"}",
        "{\"alg\":\"hs256\",\"typ\":\"JWT\"}",
        "{\"alg\":\"HS256 \",\"typ\":\"JWT\"}",
        "{\"alg\":\"HS256\",\"alg\":\"none\"}",
        "{\"alg\":\"none\",\"alg\":\"HS256\",\"x\":1",
        "{\"alg\":\"HS256\",\"typ\":\"JWE\"}",
        "{\"alg\":\"HS256\",\"typ\":1}",
        "{\"alg\":\"HS256\",\"crit\":[\"exp\"]}",
        "{\"alg\":\"HS256\"} ,",
    };
    for (size_t i = 0; i < TT_COUNT(headers); i++)
        refuses_forged(headers[i], PAYLOAD);
    /* Without a signature at all. */
    struct tt_buf token = forge("{\"alg\":\"none\"}", PAYLOAD, keys.token);
    token.len = (size_t)((char *)memrchr(token.data, '.', token.len) - token.data);
    assert_string_equal(verify(tt_buf_str(&token), 1767225601), "invalid_token");
    token.len++;
    assert_string_equal(verify(tt_buf_str(&token), 1767225601), "invalid_token");
    tt_buf_free(&token);
}

static void odd_claims_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
    } changes[] = {
        {"\"sub\":42,", ""},
        {"\"sub\":42", "\"sub\":\"42\""},
        {"\"sub\":42", "\"sub\":\"\""},
        {"\"sub\":42", "\"sub\":0"},
        {"\"sub\":42", "\"sub\":-1"},
        {"\"sub\":42", "\"sub\":4.5"},
        {"\"sub\":42", "\"sub\":99999999999999999999"},
        {"\"sub\":42", "\"sub\":null"},
        {"\"ver\":3,", ""},
        {"\"ver\":3", "\"ver\":\"3\""},
        {"\"ver\":3", "\"ver\":3.5"},
        {"\"ver\":3", "\"ver\":[3]"},
        {"\"ver\":3", "\"ver\":-3"},
        {"\"exp\":1767229200,", ""},
        {"1767229200", "\"1767229200\""},
        {"1767229200", "1767229200.5"},
        {"1767229200", "1e300"},
        {"1767229200", "true"},
        {"\"iat\":1767225600,", ""},
        {"\"jti\":\"x\",", ""},
        {"\"jti\":\"x\"", "\"jti\":\"0123456789abcdef0123456789abcdef0\""},
        {"\"role\":\"user\"", "\"role\":\"0123456789abcdef\""},
        {"\"role\":\"user\"", "\"role\":[\"admin\"]"},
        {",\"role\":\"user\"", ""},
        {",\"username\":\"u\"", ""},
        {"\"username\":\"u\"", "\"username\":\"\\ud800\""},
        {"\"username\":\"u\"", "\"username\":\"\xFF\""},
        {"\"sub\":42", "\"sub\":42,\"sub\":\"42\""},
        {"\"ver\":3", "\"ver\":3,\"ver\":null"},
        {"{", "\xEF\xBB\xBF{"},
        {"}", ""},
        {"}", "}}"},
        {"{", "[{"},
    };
    for (size_t i = 0; i < TT_COUNT(changes); i++) {
        const char *at = strstr(PAYLOAD, changes[i].from);
        struct tt_buf payload = {0};
        assert_non_null(at);
        const char *start = PAYLOAD;
        tt_buf_append(&payload, start, strlen(start) - strlen(strstr(start, changes[i].from)));
        tt_buf_append_z(&payload, changes[i].to);
        tt_buf_append_z(&payload, strstr(start, changes[i].from) + strlen(changes[i].from));
        refuses_forged(HEADER, payload.data);
        tt_buf_free(&payload);
    }
    refuses_forged(HEADER, "");
    refuses_forged(HEADER, "null");
    refuses_forged(HEADER, "[]");
}

/* RFC 7519, 4: of equal names the last counts, as for every other reader of ours. */
static void of_equal_claims_the_last_counts(void **state)
{
    (void)state;
    static const char payload[] =
        "{\"sub\":1,\"sub\":42,\"ver\":3,\"iat\":1767225600,\"exp\":1,\"exp\":1767229200,"
        "\"jti\":\"x\",\"username\":\"u\",\"role\":\"user\",\"more\":{\"sub\":7}}";
    struct tt_claims claims;
    struct tt_buf token = forge(HEADER, payload, keys.token);
    assert_int_equal(tt_token_verify(&keys, tt_buf_str(&token), 1767225601, &claims, NULL), 0);
    assert_int_equal(claims.sub, 42);
    assert_int_equal(claims.exp, 1767229200);
    tt_buf_free(&token);
}

/* The signature is right each time: what is wrong is how the parts are written. */
static void only_one_spelling_of_base64_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *header, *payload; /* what follows the encoded text of each */
    } odd[] = {{"=", ""}, {"", "="}, {"==", "=="}, {"\n", ""}, {"", " "}, {"", "A"}, {"A", ""}};
    for (size_t i = 0; i < TT_COUNT(odd); i++) {
        struct tt_buf token = {0};
        append_base64(&token, HEADER, strlen(HEADER));
        tt_buf_printf(&token, "%s.", odd[i].header);
        append_base64(&token, PAYLOAD, strlen(PAYLOAD));
        tt_buf_append_z(&token, odd[i].payload);
        append_signature(&token, keys.token);
        assert_string_equal(verify(tt_buf_str(&token), 1767225601), "invalid_token");
        tt_buf_free(&token);
    }
    /* 43 digits carry 258 bits: a last digit that differs in the two needless ones. */
    struct tt_buf token = forge(HEADER, PAYLOAD, keys.token);
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char *last = &token.data[token.len - 1];
    *last = digits[(size_t)(strchr(digits, *last) - digits) + 1];
    assert_string_equal(verify(tt_buf_str(&token), 1767225601), "invalid_token");
    tt_buf_free(&token);
}

static void every_changed_byte_is_refused(void **state)
{
    (void)state;
    struct tt_buf token = {0};
    tt_token_sign(&keys, &some_claims, &token);
    for (size_t i = 0; i < token.len; i++) {
        static const char others[] = "ABz9-_.=+/ \n";
        char before = token.data[i];
        for (size_t j = 0; j < sizeof(others); j++) {
            if (others[j] == before)
                continue;
            token.data[i] = others[j];
            const char *code = verify(tt_buf_str(&token), 1767225601);
            if (!code || strcmp(code, "invalid_token") != 0)
                fail_msg("byte %zu as %02x: %s", i, others[j], code ? code : "accepted");
        }
        token.data[i] = before;
        assert_non_null(verify(tt_str_of(token.data, i), 1767225601));
    }
    tt_buf_append_z(&token, "A");
    assert_non_null(verify(tt_buf_str(&token), 1767225601));
    token.len--;
    assert_null(verify(tt_buf_str(&token), 1767225601));
    tt_buf_append_z(&token, ".x");
    assert_non_null(verify(tt_buf_str(&token), 1767225601));
    tt_buf_free(&token);
}

static void another_key_and_odd_lengths_are_refused(void **state)
{
    (void)state;
    unsigned char other[TT_KEY_SIZE] = {1};
    struct tt_buf token = forge(HEADER, PAYLOAD, other);
    assert_string_equal(verify(tt_buf_str(&token), 1767225601), "invalid_token");
    tt_buf_clear(&token);
    for (int i = 0; i < 4097; i++)
        tt_buf_putc(&token, 'a');
    assert_string_equal(verify(tt_buf_str(&token), 1767225601), "invalid_token");
    assert_string_equal(verify(TT_STR(""), 1767225601), "invalid_token");
    assert_string_equal(verify(TT_STR(".."), 1767225601), "invalid_token");
    assert_string_equal(verify(TT_STR("a.b.c"), 1767225601), "invalid_token");
    assert_string_equal(verify(TT_STR("...."), 1767225601), "invalid_token");
    tt_buf_free(&token);
}

static void refuses_to_sign_what_is_no_text(void **state)
{
    (void)state;
    struct tt_claims claims = some_claims;
    struct tt_buf token = {0};
    strcpy(claims.username, "\xFF");
    assert_int_equal(tt_token_sign(&keys, &claims, &token), -1);
    assert_int_equal(token.len, 0);
    tt_buf_free(&token);
}

static int setup(void **state)
{
    (void)state;
    tt_secret_setup();
    tt_random_bytes(&keys, sizeof(keys));
    tt_keys_prepare(&keys);
    return 0;
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(numbers_stay_exact),
        cmocka_unit_test(a_token_of_another_library_is_read),
        cmocka_unit_test(expires),
        cmocka_unit_test(other_algorithms_are_refused),
        cmocka_unit_test(odd_claims_are_refused),
        cmocka_unit_test(of_equal_claims_the_last_counts),
        cmocka_unit_test(only_one_spelling_of_base64_is_read),
        cmocka_unit_test(every_changed_byte_is_refused),
        cmocka_unit_test(another_key_and_odd_lengths_are_refused),
        cmocka_unit_test(refuses_to_sign_what_is_no_text),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
