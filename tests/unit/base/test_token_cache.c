/* Remembered tokens: the same answers as without, whatever is remembered. */
#include "base/cases.h"
#include "base/token_cache.h"

#define NOW 1767225600

static struct tt_keys keys;

static struct tt_buf sign(const struct tt_keys *with, int64_t user, int64_t exp)
{
    struct tt_claims claims = {
        .sub = user, .version = 1, .iat = NOW, .exp = exp, .jti = "j", .username = "moon"};
    struct tt_buf token = {0};
    snprintf(claims.role, sizeof(claims.role), "user");
    assert_int_equal(tt_token_sign(with, &claims, &token), 0);
    return token;
}

/* The user of an accepted token; 0: refused, with the code in *err. */
static int64_t verify(struct tt_token_cache *cache, const struct tt_buf *token, int64_t now,
                      struct tt_err *err)
{
    struct tt_claims claims = {0};
    *err = (struct tt_err){0};
    if (tt_token_cache_verify(cache, &keys, tt_buf_str(token), now, &claims, err) != 0)
        return 0;
    assert_string_equal(claims.username, "moon");
    assert_string_equal(claims.role, "user");
    return claims.sub;
}

static void answers_again_and_checks_expiry_each_time(void **state)
{
    struct tt_token_cache *cache = tt_token_cache_new(8);
    struct tt_buf token = sign(&keys, 42, NOW + 60);
    struct tt_err err;
    (void)state;

    for (int i = 0; i < 3; i++)
        assert_int_equal(verify(cache, &token, NOW + i, &err), 42);
    assert_int_equal(verify(cache, &token, NOW + 60, &err), 0);
    assert_string_equal(err.code, "token_expired");
    assert_int_equal(verify(cache, &token, NOW + 61, &err), 0); /* and is not remembered as such */
    assert_string_equal(err.code, "token_expired");
    assert_int_equal(verify(cache, &token, NOW, &err), 42);
    tt_buf_free(&token);
    tt_token_cache_free(cache);
}

static void what_is_wrong_stays_wrong(void **state)
{
    struct tt_token_cache *cache = tt_token_cache_new(8);
    struct tt_keys other = keys;
    struct tt_err err;
    (void)state;

    other.token[0] ^= 1;
    struct tt_buf good = sign(&keys, 42, NOW + 60), foreign = sign(&other, 42, NOW + 60);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(verify(cache, &foreign, NOW, &err), 0);
        assert_string_equal(err.code, "invalid_token");
    }
    assert_int_equal(verify(cache, &good, NOW, &err), 42);
    for (size_t i = 0; i < good.len; i++) { /* one bit off anywhere is another token */
        good.data[i] ^= 1;
        assert_int_equal(verify(cache, &good, NOW, &err), 0);
        good.data[i] ^= 1;
    }
    tt_buf_free(&good);
    tt_buf_free(&foreign);
    struct tt_buf empty = {0};
    assert_int_equal(verify(cache, &empty, NOW, &err), 0);
    tt_token_cache_free(cache);
}

static void forgets_the_oldest_and_never_mixes_them_up(void **state)
{
    struct tt_token_cache *cache = tt_token_cache_new(4);
    struct tt_buf tokens[32];
    struct tt_err err;
    (void)state;

    for (int i = 0; i < 32; i++)
        tokens[i] = sign(&keys, i + 1, NOW + 60);
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 32; i++) {
            assert_int_equal(verify(cache, &tokens[i], NOW, &err), i + 1);
            assert_int_equal(verify(cache, &tokens[i], NOW, &err), i + 1);
        }
    for (int i = 0; i < 32; i++)
        tt_buf_free(&tokens[i]);
    tt_token_cache_free(cache);
}

static void works_without_a_cache(void **state)
{
    struct tt_buf token = sign(&keys, 7, NOW + 60);
    struct tt_err err;
    (void)state;
    assert_int_equal(verify(NULL, &token, NOW, &err), 7);
    tt_buf_free(&token);
    tt_token_cache_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_again_and_checks_expiry_each_time),
        cmocka_unit_test(what_is_wrong_stays_wrong),
        cmocka_unit_test(forgets_the_oldest_and_never_mixes_them_up),
        cmocka_unit_test(works_without_a_cache),
    };
    tt_secret_setup();
    tt_random_bytes(&keys, sizeof(keys));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
