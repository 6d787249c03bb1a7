/* The pump from a real socket into a reply: what upstreams send, rightly and wrongly, and what the
 * reply says at the end. */
#include "llm/fake_upstream.h"
#include "llm/upstream.h"

static struct tt_loop *loop;
static struct tt_client *client;
static struct tt_egress *egress;
static struct tt_delta_spec *spec;
static struct fake fake;

#define EVENT(delta) "data: {\"choices\":[{\"delta\":" delta "}]}\n\n"
#define TEXT(text)   EVENT("{\"content\":\"" text "\"}")
#define FINISH       "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
#define USAGE        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\n"
#define DONE         "data: [DONE]\n\n"

/* ---- bodies by path: type, text, and what the reply must be ---- */

static const struct scenario {
    const char *path;
    int status;
    const char *type, *body;
    bool cut; /* no end of the body: the connection closes */
    const char *want_status, *want_code, *want_text, *want_reasoning, *want_finish;
    int input, output;
    bool charged;
} scenarios[] = {
    {"/plain", 200, "text/event-stream", TEXT("Hel") TEXT("lo") FINISH USAGE DONE, false,
     "complete", "", "Hello", "", "stop", 3, 4, false},
    {"/charset", 200, "Text/Event-Stream; charset=utf-8", TEXT("潮\\ud83c") TEXT("\\udf0a") DONE,
     false, "complete", "", "潮🌊", "", "stop", -1, -1, false},
    {"/reasoning", 200, "text/event-stream",
     EVENT("{\"reasoning_content\":\"hm\",\"content\":null}") TEXT("so") FINISH DONE, false,
     "complete", "", "so", "hm", "stop", -1, -1, false},
    {"/no-usage-no-done", 200, "text/event-stream", TEXT("a") FINISH, false, "complete", "", "a",
     "", "stop", -1, -1, false},
    {"/after-done", 200, "text/event-stream", TEXT("a") FINISH DONE TEXT("never") "data: junk\n\n",
     false, "complete", "", "a", "", "stop", -1, -1, false},
    {"/cut-after-finish", 200, "text/event-stream", TEXT("a") FINISH, true, "complete", "", "a", "",
     "stop", -1, -1, false},
    {"/comments", 200, "text/event-stream",
     ": hi\n\n" TEXT("") "data: {}\n\ndata:\n\n" TEXT("a") ": x\n" FINISH DONE, false, "complete",
     "", "a", "", "stop", -1, -1, false},
    {"/sniff-events", 200, "text/plain", TEXT("a") FINISH DONE, false, "complete", "", "a", "",
     "stop", -1, -1, false},
    {"/sniff-json", 200, "",
     " \n{\"choices\":[{\"message\":{\"content\":\"a\"},\"finish_reason\":\"length\"}]}", false,
     "complete", "", "a", "", "length", -1, -1, false},
    {"/whole", 200, "application/json",
     "{\"choices\":[{\"message\":{\"content\":\"whole\",\"reasoning_content\":\"r\"},"
     "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}",
     false, "complete", "", "whole", "r", "stop", 1, 2, false},
    {"/tools", 200, "application/json",
     "{\"choices\":[{\"message\":{\"content\":null},\"finish_reason\":\"tool_calls\"}]}", false,
     "complete", "", "", "", "tool_calls", -1, -1, false},
    /* faults in an answer */
    {"/incomplete", 200, "text/event-stream", TEXT("half"), false, "error", "upstream_incomplete",
     "half", "", "", -1, -1, true},
    {"/cut", 200, "text/event-stream", TEXT("half") "data: {\"cho", true, "error",
     "upstream_reset", "half", "", "", -1, -1, true},
    {"/error-mid", 200, "text/event-stream",
     TEXT("half") "data: {\"error\":{\"message\":\"SECRET\"}}\n\n" TEXT("x") DONE, false, "error",
     "upstream_error", "half", "", "", -1, -1, true},
    {"/bad-json", 200, "text/event-stream", TEXT("half") "data: {oops\n\n" DONE, false, "error",
     "upstream_bad_response", "half", "", "", -1, -1, true},
    {"/html", 200, "text/html", "<html>SECRET</html>", false, "error", "upstream_bad_response", "",
     "", "", -1, -1, true},
    {"/empty-json", 200, "application/json", "{}", false, "error", "upstream_bad_response", "", "",
     "", -1, -1, true},
    {"/half-json", 200, "application/json", "{\"choices\":[{\"mess", false, "error",
     "upstream_bad_response", "", "", "", -1, -1, true},
    {"/json-error", 200, "application/json", "{\"error\":{\"message\":\"SECRET\"}}", false, "error",
     "upstream_error", "", "", "", -1, -1, true},
    {"/nothing", 200, "text/event-stream", "", false, "error", "upstream_incomplete", "", "", "",
     -1, -1, true},
    /* statuses: the body is never passed on */
    {"/s401", 401, "application/json", "{\"error\":\"SECRET\"}", false, "error",
     "upstream_unauthorized", "", "", "", -1, -1, false},
    {"/s403", 403, "text/html", "SECRET", false, "error", "upstream_unauthorized", "", "", "", -1,
     -1, false},
    {"/s404", 404, "text/html", "SECRET", false, "error", "upstream_not_found", "", "", "", -1, -1,
     false},
    {"/s429", 429, "text/event-stream", TEXT("x"), false, "error", "upstream_rate_limited", "", "",
     "", -1, -1, false},
    {"/s400", 400, "", "SECRET", false, "error", "upstream_rejected", "", "", "", -1, -1, false},
    {"/s422", 422, "", "", false, "error", "upstream_rejected", "", "", "", -1, -1, false},
    {"/s500", 500, "", "SECRET", false, "error", "upstream_failed", "", "", "", -1, -1, false},
    {"/s418", 418, "", "SECRET", false, "error", "upstream_failed", "", "", "", -1, -1, false},
    {"/s503", 503, "", "SECRET", false, "error", "upstream_overloaded", "", "", "", -1, -1, false},
    {"/s529", 529, "", "SECRET", false, "error", "upstream_overloaded", "", "", "", -1, -1, false},
    {"/s504", 504, "", "SECRET", false, "error", "upstream_timeout", "", "", "", -1, -1, false},
    {"/s302", 302, "", "", false, "error", "upstream_bad_response", "", "", "", -1, -1, false},
};

/* A path "/3/plain" sends the body in pieces of 3 bytes. */
static bool serve(struct fake_request *request)
{
    const char *path = strchr(request->head.data, ' ') + 1;
    size_t step = strtoul(path + 1, (char **)&path, 10);
    for (size_t i = 0; i < TT_COUNT(scenarios); i++) {
        const struct scenario *scenario = &scenarios[i];
        size_t len = strlen(scenario->path), body = strlen(scenario->body);
        char head[512];
        if (strncmp(path, scenario->path, len) != 0 || path[len] != ' ')
            continue;
        snprintf(head, sizeof(head),
                 "HTTP/1.1 %d X\r\n%s%s%sRetry-After: 9\r\nContent-Length: %zu\r\n\r\n",
                 scenario->status, *scenario->type ? "Content-Type: " : "", scenario->type,
                 *scenario->type ? "\r\n" : "", body + (scenario->cut ? 10 : 0));
        fake_puts(request->fd, head);
        for (size_t at = 0; at < body; at += step) {
            fake_send(request->fd, scenario->body + at, body - at < step ? body - at : step);
            if (step < 100)
                usleep(200); /* so that they are not joined */
        }
        return !scenario->cut;
    }
    return false;
}

static bool serve_hang(struct fake_request *request)
{
    return fake_hang(request);
}

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

static bool serve_lines(struct fake_request *request)
{
    fake_puts(request->fd, "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
                           "Transfer-Encoding: chunked\r\n\r\n");
    fake_chunk(request->fd, "{\"message\":{\"content\":\"a\"},\"done\":false}\n{\"mess");
    fake_chunk(request->fd, "age\":{\"content\":\"b\"}}\r\n\n");
    fake_chunk(request->fd, "{\"done_reason\":\"stop\",\"prompt_eval_count\":5,\"eval_count\":6}");
    fake_puts(request->fd, "0\r\n\r\n");
    return true;
}

static bool serve_large_error(struct fake_request *request)
{
    static char big[1 << 20];
    fake_answer(request->fd, 500, "text/html", tt_str_of(big, sizeof(big)));
    return fake_hang(request);
}

static const struct fake_route routes[] = {
    {"/hang-mid", serve_hang_mid},
    {"/hang", serve_hang},
    {"/open-after-done", serve_open_after_done},
    {"/endless", serve_endless},
    {"/big-line", serve_big_line},
    {"/lines", serve_lines},
    {"/large-error", serve_large_error},
    {"/", serve},
    {NULL, NULL},
};

static int set_up(void **state)
{
    struct tt_str allow[] = {TT_STR("127.0.0.1")};
    static const struct tt_delta_paths stream = {
        "choices.0.delta.content",  "choices.0.delta.reasoning_content",
        "choices.0.finish_reason",  "usage.prompt_tokens",
        "usage.completion_tokens",  "error"};
    static const struct tt_delta_paths whole = {
        "choices.0.message.content", "choices.0.message.reasoning_content",
        "choices.0.finish_reason",   "usage.prompt_tokens",
        "usage.completion_tokens",   "error"};
    (void)state;
    loop = tt_loop_new(NULL);
    egress = tt_egress_new(allow, 1, NULL);
    client = tt_client_new(loop, &(struct tt_client_settings){.egress = egress}, NULL);
    spec = tt_delta_spec_new(TT_SSE_EVENTS, &stream, &whole, "[DONE]", NULL);
    fake_start(&fake, routes);
    return 0;
}

static int tear_down(void **state)
{
    struct tt_client_stats stats;
    (void)state;
    tt_loop_turn(loop, 0);
    tt_client_stats(client, &stats);
    tt_client_free(client);
    fake_stop(&fake);
    tt_delta_spec_unref(spec);
    tt_egress_free(egress);
    tt_loop_free(loop);
    return tt_reply_count() == 0 && tt_reply_memory_used() == 0 && stats.calls == 0 ? 0 : -1;
}

static void on_produced(struct tt_reply *reply, void *arg)
{
    *(bool *)arg = true;
    tt_reply_finish(reply, NULL);
}

/* Starts; the caller holds a reference. */
static struct tt_reply *begin(const char *path, struct tt_deadlines deadlines,
                              const struct tt_upstream_fallback *fallback)
{
    struct tt_reply *reply = tt_reply_new(loop, 1, 1, 1, NULL);
    struct tt_call_request request = {.method = "POST", .deadlines = deadlines};
    struct tt_err err = {0};
    char url[128];
    snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", fake.port, path);
    request.url = url;
    tt_buf_append_z(&request.body, "{}");
    if (tt_upstream_try(client, &request, spec, reply, fallback, &err) != 0)
        fail_msg("%s", err.message);
    return reply;
}

static void finish(struct tt_reply *reply)
{
    bool produced = false;
    uint64_t limit = tt_clock_mono_ms() + 30000;
    tt_reply_on_produced(reply, on_produced, &produced);
    while (!produced && tt_clock_mono_ms() < limit)
        tt_loop_turn(loop, 50);
    assert_true(produced);
}

/* The pump may still read the rest of the answer for a moment. */
static void settle(void)
{
    struct tt_client_stats stats;
    do {
        tt_loop_turn(loop, 50);
        tt_client_stats(client, &stats);
    } while (stats.calls > 0);
}

static void expect_text(const struct tt_reply *reply, enum tt_reply_kind kind, const char *want)
{
    struct tt_buf got = {0};
    tt_reply_text(reply, kind, &got);
    assert_string_equal(got.data ? got.data : "", want);
    tt_buf_free(&got);
}

static void expect(const struct tt_reply *reply, const struct scenario *want)
{
    const struct tt_reply_outcome *outcome = tt_reply_outcome(reply);
    if (strcmp(outcome->status, want->want_status) != 0 ||
        strcmp(outcome->error.code, want->want_code) != 0)
        fail_msg("%s: %s %s", want->path, outcome->status, outcome->error.code);
    assert_null(strstr(outcome->error.message, "SECRET"));
    assert_string_equal(outcome->finish_reason, want->want_finish);
    assert_int_equal(outcome->usage.input_tokens, want->input);
    assert_int_equal(outcome->usage.output_tokens, want->output);
    assert_int_equal(outcome->maybe_charged, want->charged);
    assert_int_equal(outcome->retry_after_s, want->status >= 300 ? 9 : -1);
    expect_text(reply, TT_REPLY_CONTENT, want->want_text);
    expect_text(reply, TT_REPLY_REASONING, want->want_reasoning);
}

static void answers(void **state)
{
    static const int steps[] = {1 << 20, 1, 3, 7, 16};
    char path[64];
    (void)state;
    for (size_t step = 0; step < TT_COUNT(steps); step++) {
        for (size_t i = 0; i < TT_COUNT(scenarios); i++) {
            snprintf(path, sizeof(path), "/%d%s", steps[step], scenarios[i].path);
            struct tt_reply *reply = begin(path, (struct tt_deadlines){.total = 20000}, NULL);
            finish(reply);
            expect(reply, &scenarios[i]);
            tt_reply_unref(reply);
        }
        settle();
    }
}

static void connections_survive(void **state)
{
    (void)state;
    static const char *const paths[] = {"/9999/plain", "/9999/after-done", "/9999/s429",
                                        "/9999/whole", "/9999/html", "/9999/s500"};
    for (size_t i = 0; i < TT_COUNT(paths) * 3; i++) {
        struct tt_reply *reply = begin(paths[i % TT_COUNT(paths)], (struct tt_deadlines){0}, NULL);
        finish(reply);
        settle();
        tt_reply_unref(reply);
    }
    assert_int_equal(atomic_load(&fake.connections), 1);
}

static void json_lines(void **state)
{
    static const struct tt_delta_paths paths = {"message.content",   NULL,         "done_reason",
                                                "prompt_eval_count", "eval_count", "error"};
    struct tt_delta_spec *old = spec;
    (void)state;
    spec = tt_delta_spec_new(TT_SSE_JSON_LINES, &paths, &paths, NULL, NULL);
    struct tt_reply *reply = begin("/lines", (struct tt_deadlines){0}, NULL);
    finish(reply);
    expect_text(reply, TT_REPLY_CONTENT, "ab");
    assert_string_equal(tt_reply_outcome(reply)->status, "complete");
    assert_int_equal(tt_reply_outcome(reply)->usage.output_tokens, 6);
    settle();
    tt_reply_unref(reply);
    tt_delta_spec_unref(spec);
    spec = old;
}

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

/* The reply ends with the marker; the connection that stays open is closed a moment later. */
static void done_but_open(void **state)
{
    uint64_t begun = tt_clock_mono_ms();
    (void)state;
    struct tt_reply *reply = begin("/open-after-done", (struct tt_deadlines){0}, NULL);
    finish(reply);
    assert_true(tt_clock_mono_ms() - begun < 500);
    assert_string_equal(tt_reply_outcome(reply)->status, "complete");
    settle();
    assert_true(tt_clock_mono_ms() - begun < 3000);
    tt_reply_unref(reply);
}

static void stopping(void **state)
{
    struct tt_err reason = {503, "shutting_down", "x"};
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct tt_reply *reply = begin(i < 2 ? "/hang-mid" : "/hang", (struct tt_deadlines){0}, NULL);
        while (i < 2 && tt_reply_length(reply) == 0)
            tt_loop_turn(loop, 10);
        while (i >= 2 && atomic_load(&fake.requests) < i + 1)
            tt_loop_turn(loop, 10);
        uint64_t asked = tt_clock_mono_ms();
        tt_reply_stop(reply, i % 2 ? &reason : NULL);
        finish(reply);
        while (atomic_load(&fake.client_closed) <= i && tt_clock_mono_ms() < asked + 2000)
            usleep(1000);
        assert_true(atomic_load(&fake.client_closed_ms) - asked < 50);
        const struct tt_reply_outcome *outcome = tt_reply_outcome(reply);
        assert_string_equal(outcome->status, i % 2 ? "error" : "stopped");
        assert_string_equal(outcome->error.code, i % 2 ? "shutting_down" : "");
        assert_string_equal(outcome->finish_reason, i % 2 ? "" : "stopped");
        expect_text(reply, TT_REPLY_CONTENT, i < 2 ? "half" : "");
        tt_reply_unref(reply);
    }
}

static void stopped_before_it_starts(void **state)
{
    struct tt_reply *reply = tt_reply_new(loop, 1, 1, 1, NULL);
    struct tt_call_request request = {.method = "POST"};
    char url[128];
    (void)state;
    tt_reply_stop(reply, NULL);
    tt_loop_turn(loop, 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/hang", fake.port);
    request.url = url;
    assert_int_equal(tt_upstream_start(client, &request, spec, reply, NULL), 0);
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
    assert_int_equal(tt_upstream_start(client, &request, spec, reply, &err), -1);
    assert_string_equal(err.code, "address_not_allowed");
    assert_int_equal(tt_reply_state(reply), TT_REPLY_WAITING);
    tt_reply_unref(reply);
}

/* ---- another try ---- */

struct retry {
    int failed;
    char code[40];
    const char *next; /* NULL = let it end */
};

static bool on_failed(struct tt_reply *reply, const struct tt_reply_outcome *outcome, void *arg)
{
    struct retry *retry = arg;
    struct tt_call_request request = {.method = "POST"};
    char url[128];
    retry->failed++;
    snprintf(retry->code, sizeof(retry->code), "%s", outcome->error.code);
    if (!retry->next)
        return false;
    snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", fake.port, retry->next);
    request.url = url;
    retry->next = NULL;
    struct tt_upstream_fallback fallback = {on_failed, retry};
    assert_int_equal(tt_upstream_try(client, &request, spec, reply, &fallback, NULL), 0);
    return true;
}

static void another_try(void **state)
{
    struct retry retry = {.next = "/9999/plain"};
    struct tt_upstream_fallback fallback = {on_failed, &retry};
    (void)state;
    struct tt_reply *reply = begin("/9999/s429", (struct tt_deadlines){0}, &fallback);
    finish(reply);
    assert_int_equal(retry.failed, 1);
    assert_string_equal(retry.code, "upstream_rate_limited");
    assert_string_equal(tt_reply_outcome(reply)->status, "complete");
    expect_text(reply, TT_REPLY_CONTENT, "Hello");
    settle();
    tt_reply_unref(reply);

    retry = (struct retry){.next = "/9999/s503"}; /* the second try fails too */
    reply = begin("/9999/s500", (struct tt_deadlines){0}, &fallback);
    finish(reply);
    assert_int_equal(retry.failed, 2);
    assert_string_equal(tt_reply_outcome(reply)->error.code, "upstream_overloaded");
    settle();
    tt_reply_unref(reply);

    retry = (struct retry){.next = "/9999/plain"}; /* bytes came: no other try */
    reply = begin("/9999/cut", (struct tt_deadlines){0}, &fallback);
    finish(reply);
    assert_int_equal(retry.failed, 0);
    expect_text(reply, TT_REPLY_CONTENT, "half");
    settle();
    tt_reply_unref(reply);

    retry = (struct retry){.next = "/hang"}; /* stopped in the second try */
    reply = begin("/9999/s500", (struct tt_deadlines){0}, &fallback);
    while (retry.failed == 0)
        tt_loop_turn(loop, 10);
    tt_reply_stop(reply, NULL);
    finish(reply);
    assert_int_equal(retry.failed, 1);
    assert_string_equal(tt_reply_outcome(reply)->status, "stopped");
    settle();
    tt_reply_unref(reply);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(answers),
        TEST(connections_survive),
        TEST(json_lines),
        TEST(limits),
        TEST(done_but_open),
        TEST(stopping),
        TEST(stopped_before_it_starts),
        TEST(refused_at_once),
        TEST(another_try),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
