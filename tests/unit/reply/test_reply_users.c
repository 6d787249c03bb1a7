/* Running replies of users, with those that other nodes have told of. */
#include "reply/reply_users.h"
#include "unit_test.h"

static struct tt_reply_users users;
static bool beyond_share;
static struct tt_err err;

static int set_up(void **state)
{
    (void)state;
    tt_reply_users_create(&users, 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tt_reply_users_destroy(&users);
    return 0;
}

static int add(int64_t user_id)
{
    return tt_reply_users_add(&users, user_id, &beyond_share, &err);
}

static void counts_those_of_other_nodes(void **state)
{
    const struct tt_str told[] = {TT_STR("1:15 2:3"), TT_STR("3:1 1:4"), TT_STR("")};
    (void)state;
    tt_reply_users_set_elsewhere(&users, told, 3);
    assert_int_equal(tt_reply_users_add(&users, 1, NULL, &err), 0);
    assert_int_equal(tt_reply_users_add(&users, 1, NULL, &err), -1);
    assert_string_equal(err.code, "too_many_replies");
    assert_int_equal(tt_reply_users_add(&users, 2, NULL, &err), 0);

    tt_reply_users_set_elsewhere(&users, NULL, 0); /* they are gone */
    assert_int_equal(add(1), 0);
}

static void asks_whether_what_they_told_still_holds(void **state)
{
    const struct tt_str told[] = {TT_STR("1:20"), TT_STR("")};
    (void)state;
    tt_reply_users_set_elsewhere(&users, told, 1);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(add(1), 0);
        assert_true(beyond_share);
    }
    assert_int_equal(add(1), -1); /* those that run here are known */
}

static void asks_beyond_a_share_of_a_tenth(void **state)
{
    const struct tt_str told[] = {TT_STR(""), TT_STR("")};
    (void)state;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(add(1), 0);
        assert_false(beyond_share); /* alone */
    }
    tt_reply_users_set_elsewhere(&users, told, 1);
    assert_int_equal(add(2), 0);
    assert_int_equal(add(2), 0);
    assert_false(beyond_share);
    assert_int_equal(add(2), 0); /* 2 of 20 without asking */
    assert_true(beyond_share);
    tt_reply_users_set_elsewhere(&users, told, 2); /* two others: 1 each */
    assert_int_equal(add(3), 0);
    assert_false(beyond_share);
    assert_int_equal(add(3), 0);
    assert_true(beyond_share);
}

static void tells_in_the_form_that_it_reads(void **state)
{
    struct tt_reply_users other;
    struct tt_buf out = {0};
    (void)state;
    for (int i = 0; i < 19; i++)
        assert_int_equal(add(7), 0);
    assert_int_equal(add(8), 0);
    tt_reply_users_remove(&users, 8);
    tt_reply_users_put(&users, &out);
    assert_string_equal(out.data, "7:19");

    struct tt_str told = tt_buf_str(&out);
    tt_reply_users_create(&other, 20);
    tt_reply_users_set_elsewhere(&other, &told, 1);
    assert_int_equal(tt_reply_users_add(&other, 7, NULL, &err), 0);
    assert_int_equal(tt_reply_users_add(&other, 7, NULL, &err), -1);
    tt_reply_users_destroy(&other);
    tt_buf_free(&out);
}

static void takes_no_nonsense(void **state)
{
    const struct tt_str told[] = {TT_STR("x 5:y :3 6:2 7")};
    (void)state;
    tt_reply_users_set_elsewhere(&users, told, 1);
    for (int i = 0; i < 18; i++)
        assert_int_equal(tt_reply_users_add(&users, 6, NULL, &err), 0);
    assert_int_equal(tt_reply_users_add(&users, 6, NULL, &err), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        TEST(counts_those_of_other_nodes),
        TEST(asks_whether_what_they_told_still_holds),
        TEST(asks_beyond_a_share_of_a_tenth),
        TEST(tells_in_the_form_that_it_reads),
        TEST(takes_no_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
