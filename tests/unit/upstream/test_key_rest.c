/* Which keys rest, and until when. */
#include "base/cases.h"
#include "upstream/key_rest.h"

static void a_key_rests_until_its_time(void **state)
{
    const uint64_t key = 0x1234567890abcdefu;
    (void)state;
    assert_int_equal(tt_key_rests_until(key), 0);
    tt_key_rest(key, 1600000);
    assert_int_equal(tt_key_rests_until(key), 1600000);
    assert_int_equal(tt_key_rests_until(key ^ 1), 0);
    assert_int_equal(tt_key_rests_until(key ^ (uint64_t)1 << 60), 0);
    tt_key_rest(key, 0);
    assert_int_equal(tt_key_rests_until(key), 0);
}

static void who_comes_later_takes_the_slot(void **state)
{
    const uint64_t key = (uint64_t)5 << 40, other = key ^ (uint64_t)1 << 50 ^ (uint64_t)1 << 18;
    (void)state;
    tt_key_rest(key, 3200);
    tt_key_rest(other, 6400);
    assert_int_equal(tt_key_rests_until(other), 6400);
    assert_int_equal(tt_key_rests_until(key), 0);
    tt_key_rest(key, 0); /* is not there any more: the other one stays */
    assert_int_equal(tt_key_rests_until(other), 6400);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_rests_until_its_time),
        cmocka_unit_test(who_comes_later_takes_the_slot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
