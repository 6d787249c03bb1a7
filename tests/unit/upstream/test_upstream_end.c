/* How a reply from an upstream ends early: limits, stopping, another try. */
#include "upstream/upstream_fixture.h"

static bool serve_hang_mid(struct fake_request *request)
{
    fake_sse_head(request->fd);
    fake_chunk(request->fd, TEXT("half"));
    return fake_hang(request);
}

static bool serve_open_after_done(struct fake_request *request)
{
    fake_sse_head(request->fd);
    fake_chunk(request->fd, TEXT("a") FINISH DONE);
    return fake_hang(request);
}

static bool serve_endless(struct fake_request *request)
{
    struct tt_buf piece = {0};
    fake_sse_head(request->fd);
    tt_buf_append_z(&piece, "data: {\"choices\":[{\"delta\":{\"content\":\"");
    for (int i = 0; i < 8000; i++)
        tt_buf_append_z(&piece, "潮聊");
    tt_buf_append_z(&piece, "\"}}]}\n\n");
    for (int i = 0; i < 1000 && !atomic_load(&request->fake->stop); i++)
        fake_chunk(request->fd, piece.data);
    tt_buf_free(&piece);
    return false;
}

static bool serve_big_line(struct fake_request *request)
{
    static char piece[100001];
    memset(piece, 'x', 100000);
    fake_sse_head(request->fd);
    fake_chunk(request->fd, TEXT("half") "data: ");
    for (int i = 0; i < 100; i++)
        fake_chunk(request->fd, piece);
    return false;
}

static bool serve_large_error(struct fake_request *request)
{
    static char big[1 << 20];
    fake_answer(request->fd, 500, "text/html", tt_str_of(big, sizeof(big)));
    return fake_hang(request);
}

/* Alive, and says nothing. */
static bool serve_comments(struct fake_request *request)
{
    static char comment[65536];
    memset(comment, 'c', sizeof(comment) - 3);
    comment[0] = ':';
    comment[sizeof(comment) - 3] = comment[sizeof(comment) - 2] = '\n';
    fake_sse_head(request->fd);
    fake_chunk(request->fd, TEXT("half"));
    for (int i = 0; i < 1000 && !atomic_load(&request->fake->stop); i++)
        fake_chunk(request->fd, comment);
    return false;
}

static bool serve_plain(struct fake_request *request)
{
    fake_sse_head(request->fd);
    fake_chunk(request->fd, TEXT("Hel") TEXT("lo") FINISH DONE);
    fake_puts(request->fd, "0\r\n\r\n");
    return true;
}

static bool serve_cut(struct fake_request *request)
{
    fake_sse_head(request->fd);
    fake_chunk(request->fd, TEXT("half"));
    return false;
}

static const struct fake_route routes[ROUTES] = {
    {"/hang-mid", serve_hang_mid},
    {"/hang", fake_hang},
    {"/open-after-done", serve_open_after_done},
    {"/endless", serve_endless},
    {"/big-line", serve_big_line},
    {"/large-error", serve_large_error},
    {"/plain", serve_plain},
    {"/cut", serve_cut},
    {"/comments", serve_comments},
    {"/s", fake_status},
    {NULL, NULL},
};

static void expect_failure(const char *path, struct tt_deadlines deadlines, const char *code,
                           int status, bool charged)
{
    struct tt_reply *reply = begin(path, deadlines, NULL);
    finish(reply);
    const struct tt_reply_outcome *outcome = tt_reply_outcome(reply);
    assert_string_equal(outcome->error.code, code);
    assert_int_equal(outcome->error.status, status);
    assert_int_equal(outcome->maybe_charged, charged);
    settle();
    tt_reply_unref(reply);
}

static void limits(void **state)
{
    struct tt_deadlines some = {.first_byte = 100, .between = 100};
    (void)state;
    expect_failure("/hang", some, "upstream_timeout", 504, true);
    expect_failure("/hang-mid", some, "upstream_stalled", 504, true);
    expect_failure("/endless", (struct tt_deadlines){0}, "reply_too_long", 502, true);
    expect_failure("/big-line", (struct tt_deadlines){0}, "upstream_line_too_long", 502, true);
    expect_failure("/large-error", (struct tt_deadlines){0}, "upstream_failed", 502, false);
}

static void bytes_without_text(void **state)
{
    (void)state;
    struct tt_reply *reply = begin("/comments", (struct tt_deadlines){0}, NULL);
    finish(reply);
    assert_string_equal(tt_reply_outcome(reply)->error.code, "upstream_bad_response");
    expect_text(reply, TT_REPLY_CONTENT, "half");
    settle();
    tt_reply_unref(reply);
}

/* The reply ends with the marker; the connection that stays open is closed a moment later. */
static void done_but_open(void **state)
{
    struct tt_client_stats stats;
    (void)state;
    struct tt_reply *reply = begin("/open-after-done", (struct tt_deadlines){0}, NULL);
    finish(reply);
    tt_client_stats(client, &stats);
    assert_int_equal(stats.calls, 1);
    assert_string_equal(tt_reply_outcome(reply)->status, "complete");
    settle();
    for (int i = 0; i < 5000 && !atomic_load(&fake.client_closed); i++)
        usleep(1000);
    assert_int_equal(atomic_load(&fake.client_closed), 1);
    tt_reply_unref(reply);
}

static void stopping(void **state)
{
    struct tt_err reason = {503, "shutting_down", "x"};
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct tt_reply *reply =
            begin(i < 2 ? "/hang-mid" : "/hang", (struct tt_deadlines){0}, NULL);
        while (i < 2 && tt_reply_length(reply) == 0)
            tt_loop_tick(loop, 10);
        while (i >= 2 && atomic_load(&fake.requests) < i + 1)
            tt_loop_tick(loop, 10);
        uint64_t asked = tt_clock_mono_ms();
        tt_reply_stop(reply, i % 2 ? &reason : NULL);
        finish(reply);
        while (atomic_load(&fake.client_closed) <= i && tt_clock_mono_ms() < asked + 2000)
            usleep(1000);
        assert_int_equal(atomic_load(&fake.client_closed), i + 1);
        const struct tt_reply_outcome *outcome = tt_reply_outcome(reply);
        assert_string_equal(outcome->status, i % 2 ? "interrupted" : "stopped");
        assert_string_equal(outcome->error.code, i % 2 ? "shutting_down" : "");
        assert_string_equal(outcome->finish_reason, i % 2 ? "" : "stopped");
        expect_text(reply, TT_REPLY_CONTENT, i < 2 ? "half" : "");
        tt_reply_unref(reply);
    }
}

/* The client goes first when a worker stops: replies that run end, answers being drained are let
 * go. */
static void the_client_is_freed(void **state)
{
    struct tt_reply *running = begin("/hang-mid", (struct tt_deadlines){0}, NULL);
    struct tt_reply *draining = begin("/open-after-done", (struct tt_deadlines){0}, NULL);
    (void)state;
    finish(draining);
    while (tt_reply_length(running) == 0)
        tt_loop_tick(loop, 10);
    tt_client_free(client);
    client = tt_client_new(loop, &(struct tt_client_settings){.egress = egress}, NULL);
    finish(running);
    assert_string_equal(tt_reply_outcome(running)->error.code, "shutting_down");
    expect_text(running, TT_REPLY_CONTENT, "half");
    assert_string_equal(tt_reply_outcome(draining)->status, "complete");
    tt_reply_unref(running);
    tt_reply_unref(draining);
}

static void stopped_before_it_starts(void **state)
{
    struct tt_reply *reply = tt_reply_new(loop, 1, 1, 1, NULL);
    struct tt_call_request request = {.method = "POST"};
    char url[128];
    (void)state;
    tt_reply_stop(reply, NULL);
    tt_loop_tick(loop, 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/hang", fake.port);
    request.url = url;
    assert_int_equal(tt_upstream_try(client, &request, spec, reply, NULL, NULL), 0);
    finish(reply);
    assert_string_equal(tt_reply_outcome(reply)->status, "stopped");
    tt_reply_unref(reply);
}

static void refused_at_once(void **state)
{
    struct tt_reply *reply = tt_reply_new(loop, 1, 1, 1, NULL);
    struct tt_call_request request = {.method = "POST", .url = "http://10.0.0.1/"};
    struct tt_err err = {0};
    (void)state;
    assert_int_equal(tt_upstream_try(client, &request, spec, reply, NULL, &err), -1);
    assert_string_equal(err.code, "address_not_allowed");
    assert_int_equal(tt_reply_state(reply), TT_REPLY_WAITING);
    tt_reply_unref(reply);
}

/* ---- who follows a try ---- */

struct follower {
    int begun, texts, ended, finals;
    char code[40];
    const char *next; /* what is asked next; NULL = let it end */
    bool refuse;
};

static int on_begin(void *arg, struct tt_err *err)
{
    struct follower *follower = arg;
    follower->begun++;
    return follower->refuse ? tt_err_set(err, 503, "busy", "not now") : 0;
}

static void on_text(void *arg)
{
    ((struct follower *)arg)->texts++;
}

static bool on_end(struct tt_reply *reply, struct tt_reply_outcome *outcome,
                   const struct tt_told_error *told, bool final, void *arg)
{
    struct follower *follower = arg;
    struct tt_call_request request = {.method = "POST"};
    char url[128];
    (void)told;
    follower->ended++;
    follower->finals += final;
    snprintf(follower->code, sizeof(follower->code), "%s", outcome->error.code);
    outcome->attempts = follower->ended;
    if (final || !follower->next)
        return false;
    snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", fake.port, follower->next);
    request.url = url;
    request.delay_ms = 5;
    follower->next = NULL;
    follower->refuse = false;
    struct tt_upstream_hooks hooks = {on_begin, on_text, on_end, follower, false, 0};
    assert_int_equal(tt_upstream_try(client, &request, spec, reply, &hooks, NULL), 0);
    return true;
}

/* begun, texts, ended, finals */
static void expect_follower(const struct follower *follower, const int want[4])
{
    assert_int_equal(follower->begun, want[0]);
    assert_int_equal(follower->texts, want[1]);
    assert_int_equal(follower->ended, want[2]);
    assert_int_equal(follower->finals, want[3]);
}

static struct tt_reply *follow(struct follower *follower, const char *path)
{
    struct tt_upstream_hooks hooks = {on_begin, on_text, on_end, follower, false, 0};
    return begin(path, (struct tt_deadlines){0}, &hooks);
}

static void another_try(void **state)
{
    struct follower follower = {.next = "/plain"};
    (void)state;
    struct tt_reply *reply = follow(&follower, "/s429");
    finish(reply);
    expect_follower(&follower, (int[]){2, 1, 2, 1});
    assert_string_equal(tt_reply_outcome(reply)->status, "complete");
    assert_int_equal(tt_reply_outcome(reply)->attempts, 2);
    expect_text(reply, TT_REPLY_CONTENT, "Hello");
    settle();
    tt_reply_unref(reply);

    follower = (struct follower){.next = "/s503"}; /* the second try fails too */
    reply = follow(&follower, "/s500");
    finish(reply);
    expect_follower(&follower, (int[]){2, 0, 2, 0});
    assert_string_equal(tt_reply_outcome(reply)->error.code, "upstream_overloaded");
    settle();
    tt_reply_unref(reply);

    follower = (struct follower){.next = "/plain"}; /* bytes came: no other try */
    reply = follow(&follower, "/cut");
    finish(reply);
    expect_follower(&follower, (int[]){1, 1, 1, 1});
    expect_text(reply, TT_REPLY_CONTENT, "half");
    settle();
    tt_reply_unref(reply);

    follower = (struct follower){.next = "/plain", .refuse = true}; /* nothing is sent */
    int requests = atomic_load(&fake.requests);
    reply = follow(&follower, "/s500");
    finish(reply);
    expect_follower(&follower, (int[]){2, 1, 2, 1});
    assert_int_equal(atomic_load(&fake.requests), requests + 1);
    settle();
    tt_reply_unref(reply);
}

static void a_stop_ends_the_following(void **state)
{
    struct follower follower = {.next = "/hang"};
    (void)state;
    struct tt_reply *reply = follow(&follower, "/s500");
    while (follower.begun < 2)
        tt_loop_tick(loop, 10);
    tt_reply_stop(reply, NULL);
    finish(reply);
    expect_follower(&follower, (int[]){2, 0, 2, 1});
    assert_string_equal(tt_reply_outcome(reply)->status, "stopped");
    settle();
    tt_reply_unref(reply);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        TEST(limits),
        TEST(done_but_open),
        TEST(stopping),
        TEST(the_client_is_freed),
        TEST(stopped_before_it_starts),
        TEST(refused_at_once),
        TEST(another_try),
        TEST(a_stop_ends_the_following),
        TEST(bytes_without_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
