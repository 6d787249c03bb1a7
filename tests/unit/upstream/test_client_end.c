/* Outbound calls that do not go well: every way to fail, the deadlines, cancelling at every point.
 */
#include "upstream/client_fixture.h"

/* So many calls are closed by now: the loop is not turned for it. */
static void expect_closed(int closed)
{
    for (int i = 0; i < 5000 && atomic_load(&fake.client_closed) < closed; i++)
        usleep(1000);
    assert_int_equal(atomic_load(&fake.client_closed), closed);
}

static void failures(void **state)
{
    const struct tt_deadlines none = {0};
    (void)state;
    expect_error("/reset-body", TT_STR("x"), none, 502, "upstream_reset", true);
    expect_error("/reset", TT_STR("x"), none, 502, "upstream_reset", true);
    expect_error("/reset", TT_STR(""), none, 502, "upstream_reset", true);
    expect_error("/close", TT_STR("x"), none, 502, "upstream_reset", true);
    expect_error("/short", TT_STR("x"), none, 502, "upstream_reset", true);
    expect_error("/garbage", TT_STR("x"), none, 502, "upstream_bad_response", true);
}

static void refused_connections(void **state)
{
    struct told told = {0};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    char url[64];
    (void)state;
    int fd = socket(AF_INET, SOCK_STREAM, 0); /* bound, not listening */
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/", ntohs(address.sin_port));
    begin_url(&told, "POST", url, TT_STR("x"), (struct tt_deadlines){0});
    wait_for(&told.done, 1);
    assert_string_equal(told.error.code, "upstream_refused");
    assert_int_equal(told.error.status, 502);
    assert_false(told.sent);
    close(fd);
}

static void deadlines(void **state)
{
    (void)state;
    uint64_t begun = tt_clock_mono_ms();
    expect_error("/hang", TT_STR("x"), (struct tt_deadlines){.connect = 5000, .first_byte = 100},
                 504, "upstream_timeout", true);
    expect_error("/hang-body", TT_STR("x"),
                 (struct tt_deadlines){.first_byte = 5000, .between = 100}, 504, "upstream_stalled",
                 true);
    expect_error("/hang", TT_STR("x"), (struct tt_deadlines){.connect = 50, .total = 100}, 504,
                 "upstream_timeout", true);
    expect_error("/drip", TT_STR("x"), (struct tt_deadlines){.between = 2000, .total = 150}, 504,
                 "upstream_timeout", true);
    assert_true(tt_clock_mono_ms() - begun >= 450);
}

static void deadlines_that_are_kept(void **state)
{
    struct told told = {0};
    (void)state;
    begin(&told, "/drip", TT_STR("x"),
          (struct tt_deadlines){.connect = 300, .first_byte = 300, .between = 300});
    uint64_t until = tt_clock_mono_ms() + 900;
    while (tt_clock_mono_ms() < until)
        tt_loop_tick(loop, 20);
    assert_int_equal(told.done, 0);
    assert_true(told.body.len > 40);
    tt_call_limit(told.call, 50);
    wait_for(&told.done, 1);
    assert_string_equal(told.error.code, "upstream_timeout");
    tt_buf_free(&told.body);
}

/* TLS counts as connecting, and a server that talks something else is told apart. */
static void tls_failures(void **state)
{
    struct told silent = {0}, plain = {0};
    char url[64];
    struct fake_route mute[] = {{NULL, NULL}};
    struct fake other;
    (void)state;
    fake_start(&other, mute);
    snprintf(url, sizeof(url), "https://127.0.0.1:%d/", other.port);
    int fd = other.fd;
    begin_url(&silent, "GET", url, TT_STR(""), (struct tt_deadlines){.connect = 200});
    wait_for(&silent.done, 1);
    assert_string_equal(silent.error.code, "upstream_connect_timeout");
    assert_int_equal(silent.error.status, 504);
    assert_false(silent.sent);
    (void)fd;
    fake_stop(&other);

    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    snprintf(url, sizeof(url), "https://127.0.0.1:%d/", ntohs(address.sin_port));
    begin_url(&plain, "GET", url, TT_STR(""), (struct tt_deadlines){.connect = 5000});
    for (int i = 0; i < 5; i++)
        tt_loop_tick(loop, 20);
    fd = accept(listener, NULL, NULL);
    fake_puts(fd, "HTTP/1.1 400 Bad Request\r\n\r\nplain");
    wait_for(&plain.done, 1);
    assert_string_equal(plain.error.code, "upstream_tls_failed");
    close(fd);
    close(listener);
}

static void cancelling(void **state)
{
    struct told told = {0};
    (void)state;
    begin(&told, "/hang", TT_STR("x"), (struct tt_deadlines){.total = 60000});
    tt_call_cancel(told.call); /* before it was begun */
    tt_loop_tick(loop, 0);
    assert_int_equal(fake.connections, 0);

    begin(&told, "/hang", TT_STR("x"), (struct tt_deadlines){.total = 60000});
    while (atomic_load(&fake.requests) < 1)
        tt_loop_tick(loop, 10);
    tt_call_cancel(told.call); /* while it waits */
    expect_closed(1);

    begin(&told, "/hang-body", TT_STR("x"), (struct tt_deadlines){0});
    wait_for(&told.heads, 1);
    tt_call_cancel(told.call); /* in the middle of the body */
    expect_closed(2);
    tt_buf_free(&told.body);

    told = (struct told){.cancel_at = AT_HEAD};
    begin(&told, "/hang-body", TT_STR("x"), (struct tt_deadlines){0});
    wait_for(&told.heads, 1);
    expect_closed(3);
    assert_int_equal(told.body.len, 0);

    told = (struct told){.cancel_at = AT_DATA};
    begin(&told, "/hang-body", TT_STR("x"), (struct tt_deadlines){0});
    wait_for(&told.heads, 1);
    expect_closed(4);
    assert_int_equal(told.body.len, 5);
    tt_buf_free(&told.body);
    tt_loop_tick(loop, 0);
    assert_int_equal(told.done, 0);

    told = (struct told){.cancel_at = AT_DONE};
    begin(&told, "/ok", TT_STR("x"), (struct tt_deadlines){0});
    wait_for(&told.done, 1);
    tt_buf_free(&told.body);

    told = (struct told){.cancel_at = AT_HEAD}; /* a head that is only told at the end */
    begin(&told, "/limited", TT_STR("x"), (struct tt_deadlines){0});
    wait_for(&told.heads, 1);
    tt_loop_tick(loop, 0);
    assert_int_equal(told.done, 0);
    struct tt_client_stats stats;
    tt_client_stats(client, &stats);
    assert_int_equal(stats.calls, 0);
}

static void cancelling_another(void **state)
{
    struct told waiting = {0}, other = {.cancel_other = &waiting};
    (void)state;
    begin(&waiting, "/hang", TT_STR("x"), (struct tt_deadlines){0});
    while (atomic_load(&fake.requests) < 1)
        tt_loop_tick(loop, 10);
    begin(&other, "/ok", TT_STR("x"), (struct tt_deadlines){0});
    wait_for(&other.done, 1);
    expect_closed(1);
    assert_int_equal(waiting.done, 0);
    tt_buf_free(&other.body);
}

static void refusing_data(void **state)
{
    struct told told = {.refuse_data = true};
    (void)state;
    begin(&told, "/drip", TT_STR("x"), (struct tt_deadlines){0});
    wait_for(&told.done, 1);
    assert_string_equal(told.error.code, "upstream_aborted");
    tt_buf_free(&told.body);
}

static void freed_while_running(void **state)
{
    static struct told told[4];
    (void)state;
    memset(told, 0, sizeof(told));
    begin(&told[0], "/hang", TT_STR("x"), (struct tt_deadlines){.total = 60000});
    begin(&told[1], "/hang-body", TT_STR("x"), (struct tt_deadlines){.total = 60000});
    while (atomic_load(&fake.requests) < 2)
        tt_loop_tick(loop, 10);
    begin(&told[2], "/hang", TT_STR("x"), (struct tt_deadlines){.total = 60000});
    begin_url(&told[3], "GET", "https://no-such-host3.invalid/", TT_STR(""),
              (struct tt_deadlines){0});
    tt_client_free(client); /* tear_down frees NULL */
    client = NULL;
    for (size_t i = 0; i < TT_COUNT(told); i++) {
        assert_int_equal(told[i].done, 0);
        tt_buf_free(&told[i].body);
    }
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        TEST(failures),
        TEST(refused_connections),
        TEST(deadlines),
        TEST(deadlines_that_are_kept),
        TEST(tls_failures),
        TEST(cancelling),
        TEST(cancelling_another),
        TEST(refusing_data),
        TEST(freed_while_running),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
