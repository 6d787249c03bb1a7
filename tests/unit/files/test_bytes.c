/* Bytes that scripts write and read. */
#include "job_machine.h"

#include <stdatomic.h>

static void write_file(struct machine *m, struct tt_str bytes, char key[TT_STORE_KEY_SIZE])
{
    const struct tt_file_job *job =
        tt_file_write_start(m->aux, m->loop, 0, m->store, bytes, on_done, m, NULL);
    snprintf(key, TT_STORE_KEY_SIZE, "%.*s", TT_STORE_KEY_SIZE - 1, finish(m, job));
    assert_true(tt_store_key_valid(tt_str_from(key)));
}

static const char *read_part(struct machine *m, const char *key, uint64_t offset, size_t length)
{
    return finish(m, tt_file_read_start(m->aux, m->loop, 0, m->store, tt_str_from(key), offset,
                                        length, NULL, on_done, m, NULL));
}

static void what_is_written_can_be_read(void **state)
{
    struct machine *m = *state;
    char key[TT_STORE_KEY_SIZE];

    write_file(m, TT_STR("ebb and flood"), key);
    assert_string_equal(read_part(m, key, 0, 100), "ebb and flood");
    assert_string_equal(read_part(m, key, 4, 3), "and");
    assert_string_equal(read_part(m, key, 8, 100), "flood");
    assert_string_equal(read_part(m, key, 13, 1), "");
    assert_string_equal(read_part(m, key, UINT64_MAX, 1), "");
    assert_string_equal(read_part(m, key, 0, 0), "");
    assert_string_equal(read_part(m, "0123456789abcdef0123456789abcdef", 0, 1), "file_missing");
    assert_string_equal(read_part(m, "../../etc/passwd", 0, 1), "file_missing");
}

static void an_empty_file_is_one(void **state)
{
    struct machine *m = *state;
    char key[TT_STORE_KEY_SIZE];

    write_file(m, TT_STR(""), key);
    assert_string_equal(read_part(m, key, 0, 10), "");
}

static atomic_bool committed, cancelled;

/* The file is on disk; its job goes on when it has been cancelled. */
static void wait_for_cancel(const char *step)
{
    if (strcmp(step, "sync folder") != 0)
        return;
    atomic_store(&committed, true);
    while (!atomic_load(&cancelled))
        usleep(100);
}

/* Whoever wanted the file is gone. */
static void a_cancelled_write_leaves_nothing(void **state)
{
    struct machine *m = *state;

    tt_store_after_step = wait_for_cancel;
    struct tt_file_job *job =
        tt_file_write_start(m->aux, m->loop, 0, m->store, TT_STR("ebb"), on_done, m, NULL);
    while (!atomic_load(&committed))
        usleep(100);
    assert_int_equal(count_files(), 1);
    tt_file_job_cancel(job);
    atomic_store(&cancelled, true);
    while (tt_aux_busy(m->aux) > 0)
        tt_loop_tick(m->loop, 1);
    tt_store_after_step = NULL;
    assert_int_equal(m->answers, 0);
    assert_int_equal(count_files(), 0);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_written_can_be_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_empty_file_is_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_cancelled_write_leaves_nothing, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
