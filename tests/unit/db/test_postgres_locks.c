/* The locks of a batch. No PostgreSQL is needed. */
#include "db/job.h"
#include "db/postgres.h"
#include "unit_test.h"

static void test_sorted_each_once(void **state)
{
    static const int64_t numbers[] = {7, 0, 3, 7, 12, 3, 0};
    struct tt_db_job *jobs[TT_COUNT(numbers)];
    struct tt_buf out = {0};

    (void)state;
    for (size_t i = 0; i < TT_COUNT(numbers); i++) {
        jobs[i] = tt_db_job_new();
        tt_db_job_lock(jobs[i], numbers[i]);
    }
    assert_int_equal(tt_pg_locks(jobs, TT_COUNT(numbers), &out), 3);
    assert_string_equal(out.data, "{3,7,12}");
    tt_buf_clear(&out);
    assert_int_equal(tt_pg_locks(jobs + 1, 1, &out), 0);
    for (size_t i = 0; i < TT_COUNT(numbers); i++)
        tt_db_job_free(jobs[i]);
    tt_buf_free(&out);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sorted_each_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
