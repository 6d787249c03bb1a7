/* The pump from a real socket into a reply: what upstreams answer, rightly and wrongly, cut into
 * pieces, and what the reply says at the end. */
#include "upstream/upstream_fixture.h"

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
     "error", "upstream_empty", "", "", "", -1, -1, true},
    /* faults in an answer */
    {"/incomplete", 200, "text/event-stream", TEXT("half"), false, "error", "upstream_incomplete",
     "half", "", "", -1, -1, true},
    {"/cut", 200, "text/event-stream", TEXT("half") "data: {\"cho", true, "error", "upstream_reset",
     "half", "", "", -1, -1, true},
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
    {"/nothing", 200, "text/event-stream", "", false, "error", "upstream_empty", "", "", "", -1, -1,
     true},
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

static const struct fake_route routes[ROUTES] = {
    {"/lines", serve_lines},
    {"/", serve},
    {NULL, NULL},
};

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
                                        "/9999/whole", "/9999/html",       "/9999/s500"};
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
    struct tt_delta_spec *old = spec;
    (void)state;
    spec = spec_text(TT_SSE_JSON_LINES,
                     TT_STR("content=message.content finish=done_reason input=prompt_eval_count"
                            " output=eval_count error=error ended=done"),
                     NULL);
    assert_non_null(spec);
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

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        TEST(answers),
        TEST(connections_survive),
        TEST(json_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
