/* A filter between a producer and a reply's log: what it gets, what it holds back, how it fails. */
#include "reply/reply.h"
#include "unit_test.h"

static struct tt_loop *loop;
static struct tt_reply *reply;

static struct {
    struct tt_buf held;
    int runs, finals;
    const char *instead; /* told in place of the text */
    bool fails;
    const char *ends; /* the reason with which it ends the reply */
} filter;

static int run(void *arg, enum tt_reply_kind kind, struct tt_str text, bool final,
               struct tt_reply_filtered *filtered, struct tt_err *err)
{
    struct tt_buf *out = &filtered->text;

    (void)arg;
    filter.runs++;
    filter.finals += final;
    if (filter.fails)
        return tt_err_set(err, 500, "hook_failed", "no");
    if (filter.ends)
        snprintf(filtered->finish_reason, sizeof(filtered->finish_reason), "%s", filter.ends);
    if (filter.instead)
        return tt_buf_append_z(out, filter.instead);
    if (kind == TT_REPLY_REASONING)
        return tt_buf_append_str(out, text);
    tt_buf_append_str(&filter.held, text);
    return final ? tt_buf_append_str(out, tt_buf_str(&filter.held)) : 0;
}

static int setup(void **state)
{
    (void)state;
    loop = tt_loop_new(NULL);
    reply = tt_reply_new(loop, 7, 6, 5, NULL);
    tt_reply_set_filter(reply, &(struct tt_reply_filter){.run = run});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tt_reply_finish(reply, NULL);
    tt_loop_tick(loop, 0);
    tt_reply_unref(reply);
    tt_loop_free(loop);
    tt_buf_free(&filter.held);
    memset(&filter, 0, sizeof(filter));
    return tt_reply_memory_used() == 0 ? 0 : -1;
}

static const struct tt_reply_outcome complete = {
    .status = "complete", .usage = {-1, -1}, .retry_after_s = -1};

static void assert_text(enum tt_reply_kind kind, const char *want)
{
    struct tt_buf text = {0};
    tt_reply_text(reply, kind, &text);
    assert_string_equal(text.data ? text.data : "", want);
    tt_buf_free(&text);
}

static void held_back_text_comes_at_the_end(void **state)
{
    (void)state;
    assert_int_equal(tt_reply_append(reply, TT_REPLY_CONTENT, TT_STR("ab"), NULL), 0);
    assert_int_equal(tt_reply_length(reply), 0);
    /* Bytes came: nobody may ask another upstream now. */
    assert_int_equal(tt_reply_state(reply), TT_REPLY_RUNNING);
    assert_int_equal(tt_reply_append(reply, TT_REPLY_REASONING, TT_STR("why"), NULL), 0);
    assert_int_equal(tt_reply_append(reply, TT_REPLY_CONTENT, TT_STR(""), NULL), 0);
    assert_int_equal(tt_reply_append(reply, TT_REPLY_CONTENT, TT_STR("c"), NULL), 0);
    assert_int_equal(tt_reply_append(reply, TT_REPLY_TOOL_CALLS, TT_STR("{}\n"), NULL), 0);
    assert_int_equal(filter.runs, 3);
    tt_reply_produced(reply, &complete);
    assert_int_equal(filter.finals, 2);
    assert_text(TT_REPLY_CONTENT, "abc");
    assert_text(TT_REPLY_REASONING, "why");
    assert_text(TT_REPLY_TOOL_CALLS, "{}\n");
    assert_string_equal(tt_reply_outcome(reply)->status, "complete");
}

static void a_reply_without_a_byte_is_not_filtered(void **state)
{
    (void)state;
    tt_reply_produced(reply, &complete);
    assert_int_equal(filter.runs, 0);
}

static void a_failed_filter_is_not_asked_again(void **state)
{
    struct tt_err err = {0};
    (void)state;
    filter.fails = true;
    assert_int_equal(tt_reply_append(reply, TT_REPLY_CONTENT, TT_STR("a"), &err), -1);
    assert_string_equal(err.code, "hook_failed");
    assert_int_equal(tt_reply_append(reply, TT_REPLY_CONTENT, TT_STR("b"), &err), 0);
    tt_reply_produced(reply, &complete);
    assert_int_equal(filter.runs, 1);
    assert_int_equal(tt_reply_length(reply), 0);
}

static void failing_at_the_end_fails_the_reply(void **state)
{
    (void)state;
    assert_int_equal(tt_reply_append(reply, TT_REPLY_REASONING, TT_STR("a"), NULL), 0);
    filter.fails = true;
    tt_reply_produced(reply, &complete);
    assert_string_equal(tt_reply_outcome(reply)->status, "error");
    assert_string_equal(tt_reply_outcome(reply)->error.code, "hook_failed");
    assert_int_equal(filter.runs, 2);
}

static int stops;

static void on_stop(struct tt_reply *stopped, const struct tt_err *reason, void *arg)
{
    (void)arg;
    assert_null(reason);
    stops++;
    tt_reply_produced(stopped, &(struct tt_reply_outcome){.status = "stopped",
                                                          .usage = {-1, -1},
                                                          .finish_reason = "stopped"});
}

/* What was held back is released all the same, and what still comes is dropped. */
static void it_may_end_the_reply(void **state)
{
    (void)state;
    stops = 0;
    tt_reply_on_stop(reply, on_stop, NULL);
    assert_int_equal(tt_reply_append(reply, TT_REPLY_CONTENT, TT_STR("held"), NULL), 0);
    filter.ends = "enough";
    assert_int_equal(tt_reply_append(reply, TT_REPLY_REASONING, TT_STR("why"), NULL), 0);
    filter.ends = NULL;
    assert_int_equal(tt_reply_append(reply, TT_REPLY_CONTENT, TT_STR("more"), NULL), 0);
    assert_int_equal(tt_reply_append(reply, TT_REPLY_TOOL_CALLS, TT_STR("[]\n"), NULL), 0);
    assert_int_equal(filter.runs, 2);
    tt_loop_tick(loop, 0);
    assert_int_equal(stops, 1);
    assert_string_equal(tt_reply_outcome(reply)->status, "complete");
    assert_string_equal(tt_reply_outcome(reply)->finish_reason, "enough");
    assert_text(TT_REPLY_REASONING, "why");
    assert_text(TT_REPLY_CONTENT, "held");
    assert_text(TT_REPLY_TOOL_CALLS, "");
}

static void it_may_give_the_reason_at_the_end(void **state)
{
    (void)state;
    stops = 0;
    tt_reply_on_stop(reply, on_stop, NULL);
    assert_int_equal(tt_reply_append(reply, TT_REPLY_CONTENT, TT_STR("held"), NULL), 0);
    filter.ends = "enough";
    tt_reply_produced(reply, &complete);
    tt_loop_tick(loop, 0);
    assert_int_equal(stops, 0);
    assert_string_equal(tt_reply_outcome(reply)->finish_reason, "enough");
    assert_text(TT_REPLY_CONTENT, "held");
}

static void what_is_no_utf8_is_refused(void **state)
{
    struct tt_err err = {0};
    (void)state;
    filter.instead = "\xE6\xBD";
    assert_int_equal(tt_reply_append(reply, TT_REPLY_CONTENT, TT_STR("a"), &err), -1);
    assert_string_equal(err.code, "hook_failed");
    assert_int_equal(tt_reply_length(reply), 0);
}

static void a_filter_taken_away_drops_what_still_comes(void **state)
{
    (void)state;
    tt_reply_set_filter(reply, &(struct tt_reply_filter){0});
    assert_int_equal(tt_reply_append(reply, TT_REPLY_CONTENT, TT_STR("a"), NULL), 0);
    assert_int_equal(tt_reply_length(reply), 0);
    tt_reply_produced(reply, &complete);
    assert_int_equal(filter.runs, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        TEST(held_back_text_comes_at_the_end),
        TEST(a_reply_without_a_byte_is_not_filtered),
        TEST(a_failed_filter_is_not_asked_again),
        TEST(failing_at_the_end_fails_the_reply),
        TEST(it_may_end_the_reply),
        TEST(it_may_give_the_reason_at_the_end),
        TEST(what_is_no_utf8_is_refused),
        TEST(a_filter_taken_away_drops_what_still_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
