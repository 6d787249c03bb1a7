/* An allocation that fails once, or for as long as there is no memory. */
#include "base/mem.h"
#include "unit_test.h"

#include <stdlib.h>
#include <string.h>

extern size_t tt_mem_fail_at; /* of builds with tests */

static void one_failure_is_survived(void **state)
{
    (void)state;
    tt_mem_open_reserve();
    assert_false(tt_mem_is_short());
    tt_mem_fail_at = 16384;
    free(tt_alloc(16383));
    assert_int_equal(tt_mem_fail_at, 16384);
    char *p = tt_alloc(16384);
    assert_int_equal(p[16383], 0);
    tt_mem_fail_at = 16384;
    p[0] = 'a';
    p = tt_realloc(p, 65536);
    assert_int_equal(p[0], 'a');
    free(p);
    assert_false(tt_mem_is_short()); /* the reserve is there again */
    tt_mem_close_reserve();
}

static void without_a_reserve_it_is_repeated(void **state)
{
    (void)state;
    tt_mem_fail_at = 1;
    char *p = tt_strndup("tide", 4);
    assert_string_equal(p, "tide");
    free(p);
    assert_false(tt_mem_is_short());
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_failure_is_survived),
        cmocka_unit_test(without_a_reserve_it_is_repeated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
