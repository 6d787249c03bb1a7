/* Tokens that are known again: the same answers as without that, from the first time on. */
#include "base/token_memo.h"
#include "unit_test.h"

#include <stdio.h>

#define NOW 1767225600

static struct tt_keys keys;

static struct tt_buf sign(int64_t sub, int64_t exp)
{
    struct tt_claims claims = {.sub = sub, .version = 3, .exp = exp, .username = "u"};
    struct tt_buf token = {0};
    snprintf(claims.jti, sizeof(claims.jti), "jti%d", (int)sub);
    assert_int_equal(tt_token_sign(&keys, &claims, &token), 0);
    return token;
}

static void claims_stay_the_same(void **state)
{
    struct tt_token_memo *memo = tt_token_memo_new();
    struct tt_buf token = sign(42, NOW + 10);
    (void)state;

    for (int i = 0; i < 3; i++) {
        struct tt_err err = {0};
        const struct tt_claims *claims =
            tt_token_memo_verify(memo, &keys, tt_buf_str(&token), NOW + i, &err);
        assert_non_null(claims);
        assert_int_equal(claims->sub, 42);
        assert_int_equal(claims->version, 3);
        assert_string_equal(claims->jti, "jti42");
    }
    tt_buf_free(&token);
    tt_token_memo_free(memo);
}

static void it_expires(void **state)
{
    struct tt_token_memo *memo = tt_token_memo_new();
    struct tt_buf token = sign(42, NOW + 10);
    struct tt_err err = {0};
    (void)state;

    assert_non_null(tt_token_memo_verify(memo, &keys, tt_buf_str(&token), NOW + 9, &err));
    assert_null(tt_token_memo_verify(memo, &keys, tt_buf_str(&token), NOW + 10, &err));
    assert_string_equal(err.code, "token_expired");
    assert_non_null(tt_token_memo_verify(memo, &keys, tt_buf_str(&token), NOW + 9, &err));
    tt_buf_free(&token);
    tt_token_memo_free(memo);
}

/* Every byte counts, also of what the signature does not cover. */
static void a_changed_token_is_another_one(void **state)
{
    struct tt_token_memo *memo = tt_token_memo_new();
    struct tt_buf token = sign(42, NOW + 10);
    (void)state;

    assert_non_null(tt_token_memo_verify(memo, &keys, tt_buf_str(&token), NOW, NULL));
    for (size_t i = 0; i <= token.len; i++) {
        struct tt_err err = {0};
        struct tt_str cut = tt_str_of(token.data, i);
        if (i < token.len) {
            token.data[i] ^= 1;
            assert_null(tt_token_memo_verify(memo, &keys, tt_buf_str(&token), NOW, &err));
            assert_string_equal(err.code, "invalid_token");
            token.data[i] ^= 1;
            assert_null(tt_token_memo_verify(memo, &keys, cut, NOW, &err));
        } else {
            assert_non_null(tt_token_memo_verify(memo, &keys, cut, NOW, &err));
        }
    }
    tt_buf_free(&token);
    tt_token_memo_free(memo);
}

/* More tokens than places: each keeps its own claims. */
static void tokens_take_each_others_places(void **state)
{
    struct tt_token_memo *memo = tt_token_memo_new();
    (void)state;

    for (int round = 0; round < 2; round++)
        for (int64_t sub = 1; sub <= 600; sub++) {
            struct tt_buf token = sign(sub, NOW + 10);
            const struct tt_claims *claims =
                tt_token_memo_verify(memo, &keys, tt_buf_str(&token), NOW, NULL);
            assert_non_null(claims);
            assert_int_equal(claims->sub, sub);
            tt_buf_free(&token);
        }
    tt_token_memo_free(memo);
}

static int setup(void **state)
{
    (void)state;
    tt_secret_setup();
    tt_random_bytes(&keys, sizeof(keys));
    return 0;
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(claims_stay_the_same),
        cmocka_unit_test(it_expires),
        cmocka_unit_test(a_changed_token_is_another_one),
        cmocka_unit_test(tokens_take_each_others_places),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
