/* The signed header of relayed requests: what is signed comes back, and nothing else does. */
#include "base/secret.h"
#include "node/relay_token.h"
#include "unit_test.h"

#include <stdlib.h>

#define NOW 1700000000000

static const struct tt_str key = TT_STR("0123456789abcdef0123456789abcdef");

struct signed_token {
    struct tt_buf value, text;
    struct tt_relay_token token;
    struct tt_err err;
};

static struct tt_relay_token example(void)
{
    return (struct tt_relay_token){.at_ms = NOW,
                                   .to = 2,
                                   .method = TT_STR("POST"),
                                   .target = TT_STR("/api/chat/message?x=1"),
                                   .digest = TT_STR("abc"),
                                   .request_id = TT_STR("0123456789abcdef"),
                                   .remote = TT_STR("192.0.2.7"),
                                   .chinese = true,
                                   .user = TT_STR("{\"id\":7,\"username\":\"\xe5\xbc\xa0\"}")};
}

static int setup(void **state)
{
    struct signed_token *it = calloc(1, sizeof(*it));
    struct tt_relay_token token = example();

    tt_secret_setup();
    assert_int_equal(tt_relay_token_sign(key, &token, &it->value), 0);
    *state = it;
    return 0;
}

static int teardown(void **state)
{
    struct signed_token *it = *state;

    tt_buf_free(&it->value);
    tt_buf_free(&it->text);
    free(it);
    return 0;
}

static int verify(struct signed_token *it, struct tt_str with, int64_t now_ms)
{
    return tt_relay_token_verify(with, tt_buf_str(&it->value), now_ms, &it->text, &it->token,
                                 &it->err);
}

static void assert_str(struct tt_str a, struct tt_str b)
{
    assert_true(tt_str_eq(a, b));
}

static void brings_back_what_was_signed(void **state)
{
    struct signed_token *it = *state;
    struct tt_relay_token was = example();

    assert_int_equal(verify(it, key, NOW + 1000), 0);
    assert_int_equal(it->token.at_ms, NOW);
    assert_int_equal(it->token.to, was.to);
    assert_str(it->token.method, was.method);
    assert_str(it->token.target, was.target);
    assert_str(it->token.digest, was.digest);
    assert_str(it->token.request_id, was.request_id);
    assert_str(it->token.remote, was.remote);
    assert_str(it->token.user, was.user);
    assert_true(it->token.chinese);
    assert_false(it->token.secure);
}

static void refuses_another_key(void **state)
{
    struct signed_token *it = *state;

    assert_int_equal(verify(it, TT_STR("0123456789abcdef0123456789abcdeg"), NOW), -1);
    assert_int_equal(it->err.status, 403);
    assert_string_equal(it->err.code, "forbidden");
    assert_non_null(strstr(it->err.message, "signature is wrong"));
}

static void refuses_any_byte_that_was_altered(void **state)
{
    struct signed_token *it = *state;

    for (size_t i = 0; i < it->value.len; i++) {
        char was = it->value.data[i];
        it->value.data[i] = was == 'A' ? 'B' : 'A';
        assert_int_equal(verify(it, key, NOW), -1);
        it->value.data[i] = was;
    }
    assert_int_equal(verify(it, key, NOW), 0);
}

static void refuses_what_is_old_or_from_the_future(void **state)
{
    struct signed_token *it = *state;

    assert_int_equal(verify(it, key, NOW + TT_RELAY_VALID_MS), 0);
    assert_int_equal(verify(it, key, NOW + TT_RELAY_VALID_MS + 1), -1);
    assert_non_null(strstr(it->err.message, "old"));
    assert_int_equal(verify(it, key, NOW - TT_RELAY_VALID_MS - 1), -1);
}

static void refuses_what_is_no_token(void **state)
{
    static const char *const values[] = {"", ".", "a.b", "no dot at all", "YQ.YQ"};
    struct signed_token *it = *state;

    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
        assert_int_equal(tt_relay_token_verify(key, tt_str_from(values[i]), NOW, &it->text,
                                               &it->token, &it->err),
                         -1);
    assert_int_equal(
        tt_relay_token_verify(key, (struct tt_str){0}, NOW, &it->text, &it->token, &it->err), -1);
    assert_non_null(strstr(it->err.message, TT_RELAY_HEADER));
}

static void signs_no_field_with_a_line_break(void **state)
{
    struct tt_relay_token token = example();
    struct tt_buf out = {0};
    (void)state;

    token.remote = TT_STR("192.0.2.7\n{}");
    assert_int_equal(tt_relay_token_sign(key, &token, &out), -1);
    token = example();
    token.user = TT_STR("");
    assert_int_equal(tt_relay_token_sign(key, &token, &out), -1);
    assert_int_equal(out.len, 0);
}

static void digests_differ_with_the_body(void **state)
{
    char a[TT_RELAY_DIGEST], b[TT_RELAY_DIGEST];
    (void)state;

    tt_relay_digest(TT_STR("{\"a\":1}"), a);
    tt_relay_digest(TT_STR("{\"a\":2}"), b);
    assert_int_equal(strlen(a), TT_RELAY_DIGEST - 1);
    assert_string_not_equal(a, b);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(brings_back_what_was_signed, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_another_key, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_any_byte_that_was_altered, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_what_is_old_or_from_the_future, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_what_is_no_token, setup, teardown),
        cmocka_unit_test_setup_teardown(signs_no_field_with_a_line_break, setup, teardown),
        cmocka_unit_test_setup_teardown(digests_differ_with_the_body, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
