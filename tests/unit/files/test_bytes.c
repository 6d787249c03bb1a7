/* Bytes that scripts write and read. */
#include "files/job.h"
#include "support.h"

#include <stdatomic.h>

struct machine {
    struct tt_loop *loop;
    struct tt_aux *aux;
    struct tt_store *store;
    struct tt_buf data;
    char code[64];
    bool done;
};

static int set_up(void **state)
{
    struct machine *m = TT_NEW(struct machine);
    if (make_folder(state) != 0)
        return -1;
    tt_log_setup(TT_LOG_ERROR, TT_LOG_TEXT);
    m->loop = tt_loop_new(NULL);
    m->aux = tt_aux_new("test", 1, 4, NULL);
    m->store = open_store();
    *state = m;
    return 0;
}

static int tear_down(void **state)
{
    struct machine *m = *state;
    tt_aux_free(m->aux);
    tt_loop_tick(m->loop, 0);
    tt_store_close(m->store);
    tt_loop_free(m->loop);
    tt_buf_free(&m->data);
    free(m);
    return remove_folder(state);
}

static void on_done(void *arg, struct tt_buf *data, const struct tt_err *err)
{
    struct machine *m = arg;
    m->done = true;
    snprintf(m->code, sizeof(m->code), "%s", err ? err->code : "");
    tt_buf_free(&m->data);
    m->data = *data;
    *data = (struct tt_buf){0};
}

static const char *finish(struct machine *m, const struct tt_file_job *job)
{
    assert_non_null(job);
    for (m->done = false; !m->done;)
        tt_loop_tick(m->loop, 10);
    tt_buf_putc(&m->data, 0);
    return m->code[0] ? m->code : m->data.data;
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

    snprintf(key, sizeof(key), "%s",
             finish(m, tt_file_write_start(m->aux, m->loop, 0, m->store, TT_STR("ebb and flood"),
                                           on_done, m, NULL)));
    assert_true(tt_store_key_valid(tt_str_from(key)));
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

    snprintf(
        key, sizeof(key), "%s",
        finish(m, tt_file_write_start(m->aux, m->loop, 0, m->store, TT_STR(""), on_done, m, NULL)));
    assert_true(tt_store_key_valid(tt_str_from(key)));
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

    m->done = false;
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
    assert_false(m->done);
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
