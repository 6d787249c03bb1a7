/* Stored images as data URLs: told apart by their first bytes, refused when they are none, too
 * large or gone; a job that is cancelled never answers. */
#include "job_machine.h"

static void store_file(struct machine *m, struct tt_str bytes, char key[TT_STORE_KEY_SIZE])
{
    struct tt_store_file *file = tt_store_create(m->store, 1 << 20, NULL);
    assert_non_null(file);
    assert_int_equal(tt_store_append(file, bytes, NULL), 0);
    snprintf(key, TT_STORE_KEY_SIZE, "%s", tt_store_file_key(file));
    assert_int_equal(tt_store_commit(file, NULL), 0);
}

static struct tt_file_job *start(struct machine *m, const char *key, size_t max)
{
    struct tt_file_job *job =
        tt_file_image_start(m->aux, m->loop, 0, m->store, tt_str_from(key), max, on_done, m, NULL);
    assert_non_null(job);
    return job;
}

/* The answer: a data URL, or an error's code. */
static const char *read_image(struct machine *m, const char *key, size_t max)
{
    return finish(m, start(m, key, max));
}

static void told_by_first_bytes(void **state)
{
    static const struct {
        struct tt_str bytes;
        const char *want;
    } cases[] = {
        {TT_STR("\x89PNG\r\n\x1a\n1"), "data:image/png;base64,iVBORw0KGgox"},
        {TT_STR("\xff\xd8\xff\xe0"), "data:image/jpeg;base64,/9j/4A=="},
        {TT_STR("GIF87a"), "data:image/gif;base64,R0lGODdh"},
        {TT_STR("GIF89a"), "data:image/gif;base64,R0lGODlh"},
        {TT_STR("RIFF\x01\x02\x03\x04WEBPx"), "data:image/webp;base64,UklGRgECAwRXRUJQeA=="},
        {TT_STR("RIFF\x01\x02\x03\x04WAVEx"), "image_unreadable"},
        {TT_STR("RIFF\x01\x02\x03\x04WEB"), "image_unreadable"},
        {TT_STR("\x89PNG"), "image_unreadable"},
        {TT_STR("<svg xmlns='http://www.w3.org/2000/svg'/>"), "image_unreadable"},
        {TT_STR("x"), "image_unreadable"},
    };
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        char key[TT_STORE_KEY_SIZE];
        store_file(*state, cases[i].bytes, key);
        assert_string_equal(read_image(*state, key, 1000), cases[i].want);
    }
}

static void too_large_or_gone(void **state)
{
    char key[TT_STORE_KEY_SIZE];
    store_file(*state, TT_STR("GIF89a0123456789"), key);
    assert_string_equal(read_image(*state, key, 15), "file_too_large");
    assert_string_not_equal(read_image(*state, key, 16), "file_too_large");
    assert_string_equal(read_image(*state, "0123456789abcdef0123456789abcdef", 16), "file_missing");
    assert_string_equal(read_image(*state, "../../etc/passwd", 16), "file_missing");
}

static void a_cancelled_one_never_answers(void **state)
{
    struct machine *m = *state;
    char key[TT_STORE_KEY_SIZE], other[TT_STORE_KEY_SIZE];
    store_file(m, TT_STR("GIF89a"), key);
    store_file(m, TT_STR("GIF87a"), other);
    for (int turns = 0; turns < 3; turns++) { /* waiting, running or through */
        struct tt_file_job *job = start(m, key, 100);
        if (turns == 2)
            while (tt_aux_busy(m->aux) > 0)
                usleep(100);
        else if (turns == 1)
            while (tt_aux_waiting(m->aux) > 0)
                usleep(100);
        tt_file_job_cancel(job);
        /* One thread: what is asked for later is answered later. */
        m->answers = 0;
        assert_string_equal(read_image(m, other, 100), "data:image/gif;base64,R0lGODdh");
        assert_int_equal(m->answers, 1);
    }
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(told_by_first_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(too_large_or_gone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_cancelled_one_never_answers, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
