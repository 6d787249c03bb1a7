/* Walking a plan: who is asked next, after what, how long it waits, and what is said at the end. */
#include "upstream/retry.h"
#include "upstream/upstream_fixture.h"

#define CANDIDATES 4

static bool serve_plain(struct fake_request *request)
{
    fake_sse_head(request->fd);
    fake_chunk(request->fd, TEXT("Hel") TEXT("lo") USAGE FINISH DONE);
    fake_puts(request->fd, "0\r\n\r\n");
    return true;
}

/* 429 once, with the wait that the path names; then an answer. */
static bool serve_limited(struct fake_request *request)
{
    static atomic_int times;
    char head[160];
    if (atomic_fetch_add(&times, 1) % 2 == 1)
        return serve_plain(request);
    const char *path = strchr(request->head.data, ' ') + 1;
    snprintf(head, sizeof(head), "HTTP/1.1 429 X\r\nRetry-After: %d\r\nContent-Length: 0\r\n\r\n",
             atoi(path + 8));
    fake_puts(request->fd, head);
    return true;
}

static bool serve_reset(struct fake_request *request)
{
    fake_reset(request->fd);
    return false;
}

static bool serve_cut(struct fake_request *request)
{
    fake_sse_head(request->fd);
    fake_chunk(request->fd, TEXT("half"));
    return false;
}

static bool serve_no_text(struct fake_request *request)
{
    fake_sse_head(request->fd);
    fake_chunk(request->fd, EVENT("{\"role\":\"assistant\"}"));
    return false;
}

static bool serve_html(struct fake_request *request)
{
    fake_answer(request->fd, 200, "text/html", TT_STR("<html>"));
    return true;
}

static const struct fake_route routes[ROUTES] = {
    {"/plain", serve_plain}, {"/limited", serve_limited}, {"/hang", fake_hang},
    {"/reset", serve_reset}, {"/cut", serve_cut},         {"/no-text", serve_no_text},
    {"/html", serve_html},   {"/s", fake_status},         {NULL, NULL},
};

static struct tt_breakers *breakers;

static int set_up_breakers(void **state)
{
    breakers = tt_breakers_new(&(struct tt_breaker_settings){
        .failures = 3, .window_ms = 100000, .pause_ms = 100000, .in_flight_max = 2});
    return set_up(state);
}

static int tear_down_breakers(void **state)
{
    int result = tear_down(state);
    tt_breakers_free(breakers); /* ASan: nothing holds a permit any more */
    breakers = NULL;
    return result;
}

struct plan {
    const char *paths[CANDIDATES]; /* a whole URL when it begins with h */
    struct tt_retry_step steps[8];
    size_t step_count;
    uint64_t retry_after_max_ms, total_ms, first_byte_ms;
    bool after_send, force;
};

static struct tt_reply *ask(const struct plan *plan)
{
    static const struct tt_str header[] = {TT_STR("Authorization: Bearer k")};
    struct tt_retry_candidate candidates[CANDIDATES] = {{.body = NULL}};
    struct tt_buf bodies[CANDIDATES] = {{0}};
    char urls[CANDIDATES][128];
    struct tt_reply *reply = tt_reply_new(loop, 1, 1, 1, NULL);
    struct tt_retry_plan whole = {.candidates = candidates,
                                  .steps = plan->steps,
                                  .step_count = plan->step_count,
                                  .retry_after_max_ms = plan->retry_after_max_ms,
                                  .retry_after_send = plan->after_send,
                                  .force = plan->force};
    struct tt_err err = {0};
    for (size_t i = 0; i < CANDIDATES && plan->paths[i]; i++) {
        bool whole_url = plan->paths[i][0] == 'h';
        snprintf(urls[i], sizeof(urls[i]), whole_url ? "%.0d%s" : "http://127.0.0.1:%d%s",
                 whole_url ? 0 : fake.port, plan->paths[i]);
        candidates[i].template = tt_call_template_new(&(struct tt_call_template_spec){
            .url = urls[i],
            .headers = header,
            .header_count = 1,
            .deadlines = {.total = plan->total_ms, .first_byte = plan->first_byte_ms},
            .spec = spec,
            .key = i + 1});
        tt_buf_append_z(&bodies[i], "{\"question\":1}");
        candidates[i].body = &bodies[i];
        whole.candidate_count = i + 1;
    }
    if (tt_retry_start(client, breakers, &whole, reply, &err) != 0)
        fail_msg("%s", err.message);
    for (size_t i = 0; i < whole.candidate_count; i++)
        tt_call_template_unref(candidates[i].template);
    return reply;
}

/* Asks and waits; `code` "" = the text came. */
static void expect(const struct plan *plan, const char *code, int attempts, bool charged_twice)
{
    struct tt_reply *reply = ask(plan);
    finish(reply);
    const struct tt_reply_outcome *outcome = tt_reply_outcome(reply);
    assert_string_equal(outcome->error.code, code);
    assert_string_equal(outcome->status, *code ? "error" : "complete");
    assert_int_equal(outcome->attempts, attempts);
    assert_int_equal(outcome->charged_twice, charged_twice);
    expect_text(reply, TT_REPLY_CONTENT, *code ? "" : "Hello");
    settle();
    tt_reply_unref(reply);
}

static void what_is_followed(void **state)
{
    static const struct {
        const char *path, *code; /* code "" = the second one was asked */
    } cases[] = {
        {"/s429", ""},
        {"/s500", ""},
        {"/s503", ""},
        {"/s529", ""},
        {"http://127.0.0.1:1/", ""},
        {"/s400", "upstream_rejected"},
        {"/s401", "upstream_unauthorized"},
        {"/s403", "upstream_unauthorized"},
        {"/s404", "upstream_not_found"},
        {"/s408", "upstream_timeout"},
        {"/s302", "upstream_bad_response"},
        {"/html", "upstream_bad_response"},
        {"/reset", "upstream_reset"}, /* sent: it may have been charged */
        {"/no-text", "upstream_reset"},
    };
    (void)state;
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        struct plan plan = {
            .paths = {cases[i].path, "/plain"}, .steps = {{0, 0}, {1, 0}}, .step_count = 2};
        expect(&plan, cases[i].code, *cases[i].code ? 1 : 2, false);
    }
    /* The request that is sent again is whole: its headers and its body. */
    expect(&(struct plan){.paths = {"/s500", "/plain"},
                          .steps = {{0, 0}, {0, 5}, {1, 0}},
                          .step_count = 3},
           "", 3, false);
    pthread_mutex_lock(&fake.lock);
    assert_non_null(strstr(fake.last_head.data, "Authorization: Bearer k"));
    assert_string_equal(fake.last_body.data, "{\"question\":1}");
    pthread_mutex_unlock(&fake.lock);
}

static void no_second_try_after_the_first_text(void **state)
{
    struct plan plan = {.paths = {"/cut", "/plain"},
                        .steps = {{0, 0}, {1, 0}},
                        .step_count = 2,
                        .after_send = true};
    (void)state;
    struct tt_reply *reply = ask(&plan);
    finish(reply);
    assert_int_equal(tt_reply_outcome(reply)->attempts, 1);
    expect_text(reply, TT_REPLY_CONTENT, "half");
    settle();
    tt_reply_unref(reply);
    assert_int_equal(atomic_load(&fake.requests), 1);
}

static void after_send_when_the_plan_says_so(void **state)
{
    static const char *const paths[] = {"/reset", "/no-text", "/hang"};
    (void)state;
    for (size_t i = 0; i < TT_COUNT(paths); i++) {
        struct plan plan = {.paths = {paths[i], "/plain"},
                            .steps = {{0, 0}, {1, 0}},
                            .step_count = 2,
                            .first_byte_ms = 100,
                            .after_send = true};
        expect(&plan, "", 2, true);
    }
    expect(&(struct plan){.paths = {"/s500", "/plain"},
                          .steps = {{0, 0}, {1, 0}},
                          .step_count = 2,
                          .after_send = true},
           "", 2, false); /* it said that it did not do it */
}

static void waits_as_long_as_it_was_asked_to(void **state)
{
    struct plan plan = {.paths = {"/limited1", "/s503"},
                        .steps = {{0, 0}, {1, 0}, {0, 5}},
                        .step_count = 3,
                        .retry_after_max_ms = 5000};
    uint64_t begun = tt_clock_mono_ms();
    (void)state;
    expect(&plan, "", 3, false);
    assert_true(tt_clock_mono_ms() - begun >= 900);
    /* Too long to wait for: the others are still asked, it is not. */
    plan.paths[0] = "/limited9";
    expect(&plan, "upstream_overloaded", 2, false);
}

static void the_total_deadline_is_of_all_tries(void **state)
{
    struct plan plan = {.paths = {"/s500", "/hang"},
                        .steps = {{0, 0}, {0, 100000}},
                        .step_count = 2,
                        .total_ms = 300};
    (void)state;
    expect(&plan, "upstream_failed", 1, false); /* the wait alone would be longer */
    plan.steps[1] = (struct tt_retry_step){1, 50};
    expect(&plan, "upstream_timeout", 2, false);
}

/* Until so many calls were started and only the one that waits is left. */
static void wait_for_the_wait(uint64_t started)
{
    struct tt_client_stats stats;
    do {
        tt_loop_tick(loop, 10);
        tt_client_stats(client, &stats);
    } while (stats.started < started || stats.calls != 1);
}

static void a_wait_is_stopped(void **state)
{
    static const struct tt_err reason = {404, "session_deleted", "x"};
    struct plan plan = {.paths = {"/s500"}, .steps = {{0, 0}, {0, 100000}}, .step_count = 2};
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct tt_reply *reply = ask(&plan);
        wait_for_the_wait(2 * (uint64_t)i + 2);
        tt_reply_stop(reply, i ? &reason : NULL);
        finish(reply);
        assert_string_equal(tt_reply_outcome(reply)->status, i ? "error" : "stopped");
        assert_string_equal(tt_reply_outcome(reply)->error.code, i ? "session_deleted" : "");
        assert_int_equal(tt_reply_outcome(reply)->attempts, 1);
        settle();
        tt_reply_unref(reply);
    }
    /* The client goes while one waits. */
    struct tt_reply *reply = ask(&plan);
    wait_for_the_wait(6);
    tt_client_free(client);
    client = tt_client_new(loop, &(struct tt_client_settings){.egress = egress}, NULL);
    finish(reply);
    assert_string_equal(tt_reply_outcome(reply)->error.code, "shutting_down");
    tt_reply_unref(reply);
}

static void an_open_breaker_is_passed_over(void **state)
{
    struct plan alone = {.paths = {"/s500"}, .steps = {{0, 0}, {0, 1}, {0, 1}}, .step_count = 3};
    struct plan other = {.paths = {"/s500", "/plain"}, .steps = {{0, 0}, {1, 0}}, .step_count = 2};
    (void)state;
    expect(&alone, "upstream_failed", 3, false);
    expect(&alone, "upstream_circuit_open", 0, false);
    int requests = atomic_load(&fake.requests);
    expect(&other, "", 1, false);
    assert_int_equal(atomic_load(&fake.requests), requests + 1);
    alone.force = true;
    expect(&alone, "upstream_failed", 3, false);
    /* What a call met says more than that another one was not made. */
    other.paths[1] = "/s503";
    other.steps[0] = (struct tt_retry_step){1, 0};
    other.steps[1] = (struct tt_retry_step){0, 0};
    expect(&other, "upstream_overloaded", 1, false);
}

static void no_answer_counts_as_a_failure(void **state)
{
    struct plan plan = {
        .paths = {"/hang"}, .steps = {{0, 0}}, .step_count = 1, .first_byte_ms = 50};
    (void)state;
    for (int i = 0; i < 3; i++)
        expect(&plan, "upstream_timeout", 1, false);
    expect(&plan, "upstream_circuit_open", 0, false);
}

static void refusals_and_stops_are_no_failures(void **state)
{
    struct plan plan = {.paths = {"/s401"}, .steps = {{0, 0}}, .step_count = 1};
    struct plan limited = {.paths = {"/s429"}, .steps = {{0, 0}}, .step_count = 1};
    struct plan hanging = {.paths = {"/hang"}, .steps = {{0, 0}}, .step_count = 1};
    (void)state;
    for (int i = 0; i < 5; i++) {
        expect(&plan, "upstream_unauthorized", 1, false);
        expect(&limited, "upstream_rate_limited", 1, false);
        struct tt_reply *reply = ask(&hanging);
        tt_loop_tick(loop, 0);
        tt_reply_stop(reply, NULL);
        finish(reply);
        settle();
        tt_reply_unref(reply);
    }
    plan.paths[0] = "/plain";
    expect(&plan, "", 1, false);
}

static void calls_at_the_same_time_are_capped(void **state)
{
    struct plan hanging = {.paths = {"/hang"}, .steps = {{0, 0}}, .step_count = 1};
    struct tt_reply *replies[2] = {ask(&hanging), ask(&hanging)};
    (void)state;
    tt_loop_tick(loop, 0);
    struct tt_reply *third = ask(&hanging);
    finish(third);
    assert_string_equal(tt_reply_outcome(third)->error.code, "busy");
    assert_int_equal(tt_reply_outcome(third)->error.status, 503);
    assert_true(tt_reply_outcome(third)->retry_after_s >= 1);
    tt_reply_unref(third);
    for (int i = 0; i < 2; i++) {
        tt_reply_stop(replies[i], NULL);
        finish(replies[i]);
        tt_reply_unref(replies[i]);
    }
    hanging.paths[0] = "/plain";
    expect(&hanging, "", 1, false);
}

static struct tt_call_template *template_of(const char *url, const struct tt_str *header)
{
    return tt_call_template_new(&(struct tt_call_template_spec){
        .url = url, .headers = header, .header_count = header ? 1 : 0, .spec = spec});
}

static void a_bad_header_cannot_start(void **state)
{
    static const struct tt_str header = TT_STR("Content-Length: 5");
    static const struct tt_retry_step step = {0, 0};
    struct tt_retry_candidate candidate = {.template = template_of("http://127.0.0.1/", &header)};
    struct tt_retry_plan plan = {
        .candidates = &candidate, .candidate_count = 1, .steps = &step, .step_count = 1};
    struct tt_reply *reply = tt_reply_new(loop, 1, 1, 1, NULL);
    struct tt_err err = {0};
    (void)state;
    assert_int_equal(tt_retry_start(client, breakers, &plan, reply, &err), -1);
    assert_string_equal(err.code, "invalid_header");
    tt_call_template_unref(candidate.template);
    tt_reply_unref(reply);
}

static void what_cannot_start(void **state)
{
    static const struct tt_retry_step steps[] = {{0, 0}, {1, 0}};
    struct tt_retry_candidate candidates[] = {
        {.template = template_of("http://10.0.0.1/", NULL)},
        {.template = template_of("http://10.0.0.2/", NULL)},
    };
    struct tt_retry_plan plan = {
        .candidates = candidates, .candidate_count = 2, .steps = steps, .step_count = 2};
    struct tt_reply *reply = tt_reply_new(loop, 1, 1, 1, NULL);
    struct tt_err err = {0};
    (void)state;
    assert_int_equal(tt_retry_start(client, breakers, &plan, reply, &err), -1);
    assert_string_equal(err.code, "address_not_allowed");
    assert_int_equal(tt_reply_state(reply), TT_REPLY_WAITING);
    for (size_t i = 0; i < TT_COUNT(candidates); i++)
        tt_call_template_unref(candidates[i].template);
    tt_reply_unref(reply);
    expect(&(struct plan){.paths = {"http://10.0.0.1/", "/plain"},
                          .steps = {{0, 0}, {1, 0}},
                          .step_count = 2},
           "", 1, false);
}

#define BREAKER_TEST(name)                                                                         \
    cmocka_unit_test_setup_teardown(name, set_up_breakers, tear_down_breakers)

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_followed),
        TEST(no_second_try_after_the_first_text),
        TEST(after_send_when_the_plan_says_so),
        TEST(waits_as_long_as_it_was_asked_to),
        TEST(the_total_deadline_is_of_all_tries),
        TEST(a_wait_is_stopped),
        BREAKER_TEST(an_open_breaker_is_passed_over),
        BREAKER_TEST(no_answer_counts_as_a_failure),
        BREAKER_TEST(refusals_and_stops_are_no_failures),
        BREAKER_TEST(calls_at_the_same_time_are_capped),
        BREAKER_TEST(what_cannot_start),
        BREAKER_TEST(a_bad_header_cannot_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
