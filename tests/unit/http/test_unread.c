/* What one owner and all of them may leave unread. */
#include "http/unread.h"
#include "unit_test.h"

#define KIB ((size_t)1024)

static struct tt_err err;

static void refused(uint64_t owner, size_t bytes, const char *code)
{
    assert_int_equal(tt_unread_check(owner, bytes, &err), -1);
    assert_string_equal(err.code, code);
}

static void one_owner_and_all(void **state)
{
    struct tt_unread a = {.owner = 1}, b = {.owner = 1}, c = {.owner = 2};
    (void)state;
    tt_unread_set_max(100 * KIB, 250 * KIB);
    assert_int_equal(tt_unread_check(1, 200 * KIB, &err), 0); /* the first may be large */
    tt_unread_set(&a, 80 * KIB);
    refused(1, 30 * KIB, "too_much_unread");
    assert_int_equal(tt_unread_check(1, 10 * KIB, &err), 0); /* too small to be counted */
    assert_int_equal(tt_unread_check(1, 20 * KIB, &err), 0);
    tt_unread_set(&b, 20 * KIB);
    assert_int_equal(tt_unread_bytes(), 100 * KIB);
    assert_int_equal(tt_unread_check(2, 120 * KIB, &err), 0);
    tt_unread_set(&c, 120 * KIB);
    refused(3, 40 * KIB, "busy");
    tt_unread_set(&a, 0);
    assert_int_equal(tt_unread_check(3, 40 * KIB, &err), 0);
    tt_unread_set(&b, 0);
    tt_unread_set(&c, 10 * KIB);
    assert_int_equal(tt_unread_bytes(), 0);
}

static void without_limits(void **state)
{
    struct tt_unread a = {.owner = 1};
    (void)state;
    tt_unread_set_max(0, 0);
    tt_unread_set(&a, (size_t)1 << 40);
    assert_int_equal(tt_unread_check(1, (size_t)1 << 40, &err), 0);
    tt_unread_set(&a, 0);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_owner_and_all),
        cmocka_unit_test(without_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
