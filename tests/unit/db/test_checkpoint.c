/* The thread that copies the log beside the writer. */
#include "db/sqlite_checkpoint.h"
#include "support.h"

#include <time.h>

static int64_t cpu_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}

static bool process_rests(void)
{
    int64_t before = cpu_ns();
    usleep(100 * 1000);
    return cpu_ns() - before < 10000000;
}

/* The writer has emptied the log since it said that much is in it. */
static void test_rests_when_the_log_is_empty(void **state)
{
    struct fixture f = {0};
    (void)state;
    make_folder(&f);
    outside_exec(f.path, "PRAGMA journal_mode=WAL; CREATE TABLE rows (id INTEGER PRIMARY KEY)");
    struct tt_checkpointer *checkpointer = tt_checkpointer_new(f.path, NULL);
    assert_non_null(checkpointer);
    tt_checkpointer_committed(checkpointer, 100000, true);
    int tries = 50;
    while (!process_rests())
        assert_true(--tries > 0);
    tt_checkpointer_free(checkpointer);
    remove_folder(&f);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rests_when_the_log_is_empty)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
