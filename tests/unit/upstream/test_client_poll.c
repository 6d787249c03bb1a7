/* What libraries of this program get from poll: the kernel's answer, but for curl's question after
 * a short read. */
#include "base/cases.h"
#include "upstream/client_internal.h"

#include <poll.h>
#include <unistd.h>

/* A pipe with a byte in it: the kernel says that it is readable. */
static int setup(void **state)
{
    static int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    *state = ends;
    return 0;
}

static int teardown(void **state)
{
    int *ends = *state;
    tt_client_reading(-1);
    close(ends[0]);
    close(ends[1]);
    return 0;
}

static int ask(int fd, short events, int timeout_ms)
{
    struct pollfd polled = {.fd = fd, .events = events, .revents = -1};
    int ready = poll(&polled, 1, timeout_ms);
    assert_int_equal(ready, polled.revents != 0);
    return polled.revents;
}

static void the_question_after_a_short_read_is_answered_once(void **state)
{
    int *ends = *state;
    tt_client_reading(ends[0]);
    tt_client_read_bytes(100);
    assert_int_equal(ask(ends[0], POLLIN, 0), 0);
    assert_int_equal(ask(ends[0], POLLIN, 0), POLLIN);
}

static void a_full_buffer_may_not_be_all(void **state)
{
    int *ends = *state;
    tt_client_reading(ends[0]);
    tt_client_read_bytes(TT_CURL_BUFFER_SIZE / 4);
    tt_client_read_bytes(TT_CURL_BUFFER_SIZE / 4);
    assert_int_equal(ask(ends[0], POLLIN, 0), POLLIN);
}

static void all_else_is_asked_of_the_kernel(void **state)
{
    int *ends = *state;
    tt_client_reading(ends[1]);
    tt_client_read_bytes(1);
    assert_int_equal(ask(ends[0], POLLIN, 0), POLLIN); /* another descriptor */
    assert_int_equal(ask(ends[1], POLLOUT, 0), POLLOUT);
    tt_client_reading(ends[0]);
    assert_int_equal(ask(ends[0], POLLIN, 0), POLLIN); /* nothing was read */
    tt_client_read_bytes(1);
    assert_int_equal(ask(ends[0], POLLIN, -1), POLLIN);
    assert_int_equal(ask(ends[0], POLLIN, 1500), POLLIN);
    tt_client_reading(-1);
    tt_client_read_bytes(1);
    assert_int_equal(ask(ends[0], POLLIN, 0), POLLIN); /* curl has returned */
}

static void waiting_ends_with_the_time(void **state)
{
    int empty[2];
    (void)state;
    assert_int_equal(pipe(empty), 0);
    assert_int_equal(ask(empty[0], POLLIN, 20), 0);
    close(empty[0]);
    close(empty[1]);
}

#define POLL_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        POLL_TEST(the_question_after_a_short_read_is_answered_once),
        POLL_TEST(a_full_buffer_may_not_be_all),
        POLL_TEST(all_else_is_asked_of_the_kernel),
        POLL_TEST(waiting_ends_with_the_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
