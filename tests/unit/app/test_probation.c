/* The boundaries of probation, in numbers: one less on any side, and nothing is rolled back. */
#include "app/reload/probation.h"
#include "app/support.h"

static bool failed(uint64_t failures, uint64_t requests, uint64_t failures_before,
                   uint64_t requests_before)
{
    return tt_probation_is_failed(
        (struct tt_probation_counts){.requests = requests, .failures = failures},
        (struct tt_probation_counts){.requests = requests_before, .failures = failures_before}, 5);
}

static void so_many_failures_are_needed(void **state)
{
    (void)state;
    assert_false(failed(0, 0, 0, 0));
    assert_false(failed(4, 4, 0, 100));
    assert_true(failed(5, 5, 0, 100));
    assert_true(failed(6, 6, 0, 100));
    assert_true(failed(5, 5, 0, 0)); /* the first scripts had no requests */
}

static void every_fifth_request_fails(void **state)
{
    (void)state;
    assert_true(failed(5, 25, 0, 100));
    assert_false(failed(5, 26, 0, 100));
    assert_true(failed(6, 30, 0, 100));
    assert_false(failed(6, 31, 0, 100));
    assert_true(failed(21, 105, 0, 1));
    assert_false(failed(20, 101, 0, 1));
    assert_true(failed(1000001, 5000005, 0, 1));
    assert_false(failed(1000001, 5000006, 0, 1));
}

static void more_than_twice_as_often_as_before(void **state)
{
    (void)state;
    assert_false(failed(6, 10, 3, 10)); /* exactly twice */
    assert_true(failed(7, 11, 3, 10));
    assert_false(failed(59, 99, 3, 10));
    assert_true(failed(60, 99, 3, 10));
    assert_false(failed(14, 21, 1, 3));
    assert_true(failed(15, 21, 1, 3));
    assert_false(failed(10, 10, 5, 10)); /* all of them, and half before */
    assert_true(failed(10, 10, 49, 100));
    assert_false(failed(10, 10, 10, 10));
}

static void the_last_look_is_at_the_end(void **state)
{
    (void)state;
    assert_int_equal(tt_probation_wait(1000, 2000, 200), 200);
    assert_int_equal(tt_probation_wait(1799, 2000, 200), 200);
    assert_int_equal(tt_probation_wait(1800, 2000, 200), 200);
    assert_int_equal(tt_probation_wait(1801, 2000, 200), 199);
    assert_int_equal(tt_probation_wait(1999, 2000, 200), 1);
    assert_int_equal(tt_probation_wait(2000, 2000, 200), 0);
    assert_int_equal(tt_probation_wait(2001, 2000, 200), 0);
    assert_int_equal(tt_probation_wait(1000, 1000, 200), 0); /* reload.probation: 0 */
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(so_many_failures_are_needed),
        cmocka_unit_test(every_fifth_request_fails),
        cmocka_unit_test(more_than_twice_as_often_as_before),
        cmocka_unit_test(the_last_look_is_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
