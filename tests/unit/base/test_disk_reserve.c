/* The reserve on a disk that has room: given back once, taken again after a pause. A disk without
 * room is in tests/e2e/full_disk.test.mjs. */
#include "base/clock.h"
#include "base/disk_reserve.h"
#include "base/log.h"
#include "unit_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE ((uint64_t)1 << 20)

static char folder[64], path[96];

static int open_folder(void **state)
{
    (void)state;
    tt_log_setup(TT_LOG_ERROR, TT_LOG_TEXT);
    snprintf(folder, sizeof(folder), "/tmp/tt_reserve.XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/reserve", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    tt_disk_reserve_close();
    unlink(path);
    return rmdir(folder);
}

static int64_t size_on_disk(void)
{
    struct stat st;
    return stat(path, &st) == 0 ? (int64_t)st.st_blocks * 512 : -1;
}

static void is_given_back_and_taken_again(void **state)
{
    struct tt_err err = {0};
    (void)state;

    assert_int_equal(tt_disk_reserve_open(path, SIZE, &err), 0);
    assert_true(size_on_disk() >= (int64_t)SIZE);
    assert_false(tt_disk_is_full());
    assert_true(tt_disk_reserve_give_back());
    assert_int_equal(size_on_disk(), 0);
    assert_false(tt_disk_reserve_give_back()); /* nothing is left to give */
    assert_true(tt_disk_is_full());
    uint64_t limit = tt_clock_mono_ms() + 60000;
    while (tt_disk_is_full() && tt_clock_mono_ms() < limit)
        usleep(10000);
    assert_false(tt_disk_is_full());
    assert_true(size_on_disk() >= (int64_t)SIZE);
}

static void the_size_can_change(void **state)
{
    (void)state;
    assert_int_equal(tt_disk_reserve_open(path, 2 * SIZE, NULL), 0);
    tt_disk_reserve_close();
    assert_int_equal(tt_disk_reserve_open(path, SIZE, NULL), 0);
    assert_true(size_on_disk() < 2 * (int64_t)SIZE);
    tt_disk_reserve_close();
    assert_int_equal(tt_disk_reserve_open(path, 0, NULL), 0);
    assert_int_equal(size_on_disk(), -1);
    assert_false(tt_disk_reserve_give_back());
    assert_false(tt_disk_is_full());
}

static void what_is_no_file_is_refused(void **state)
{
    struct tt_err err = {0};
    (void)state;
    assert_int_equal(symlink("/dev/null", path), 0);
    assert_int_equal(tt_disk_reserve_open(path, SIZE, &err), -1);
    assert_string_equal(err.code, "data_dir_failed");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_folder, remove_folder)

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        TEST(is_given_back_and_taken_again),
        TEST(the_size_can_change),
        TEST(what_is_no_file_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
