/* Stored replies: the order of their kinds as runs, and logs that are made from rows again. */
#include "base/mem.h"
#include "reply/reply_stored.h"
#include "reply/support.h"

#include <string.h>

/* A log from lines such as "c潮", "rhm", "t[1]\n": a kind and what is appended. */
static struct tt_reply *log_of(const char *const *pieces)
{
    struct tt_reply *reply = reply_new();
    for (; *pieces; pieces++) {
        enum tt_reply_kind kind = **pieces == 'c'   ? TT_REPLY_CONTENT
                                  : **pieces == 'r' ? TT_REPLY_REASONING
                                                    : TT_REPLY_TOOL_CALLS;
        assert_int_equal(tt_reply_append(reply, kind, tt_str_from(*pieces + 1), NULL), 0);
    }
    return reply;
}

/* All that the log says, kind by kind, entry by entry. */
static void describe(const struct tt_reply *reply, struct tt_buf *out)
{
    struct tt_reply_span span;
    uint64_t run = UINT64_MAX;
    for (uint64_t at = 0; tt_reply_read(reply, at, &span); at = span.end) {
        if (span.run_from != run)
            tt_buf_printf(out, "|%c", "crt"[span.kind]);
        run = span.run_from;
        tt_buf_append_str(out, span.bytes);
    }
    tt_buf_append(out, "", 0);
}

static struct tt_reply *restore(struct tt_str text[TT_REPLY_KINDS], struct tt_str runs)
{
    struct tt_reply_stored stored = {.message_id = 7, .user_message_id = 6, .user_id = 5};
    memcpy(stored.text, text, sizeof(stored.text));
    stored.runs = runs;
    stored.outcome.status = "stopped";
    stored.outcome.usage.input_tokens = 3;
    struct tt_reply *reply = tt_reply_restore(loop, &stored, NULL);
    assert_non_null(reply);
    return reply;
}

static void check_round_trip(const char *const *pieces, const char *runs)
{
    struct tt_reply *before = log_of(pieces), *after;
    struct tt_buf text[TT_REPLY_KINDS] = {{0}}, wanted = {0}, got = {0}, told = {0};
    struct tt_str stored[TT_REPLY_KINDS];
    tt_reply_runs(before, &told);
    tt_buf_append(&told, "", 0);
    assert_string_equal(told.data ? told.data : "", runs);
    for (int kind = 0; kind < TT_REPLY_KINDS; kind++) {
        tt_reply_text(before, (enum tt_reply_kind)kind, &text[kind]);
        stored[kind] = tt_buf_str(&text[kind]);
    }
    after = restore(stored, tt_buf_str(&told));
    describe(before, &wanted);
    describe(after, &got);
    assert_string_equal(got.data ? got.data : "", wanted.data ? wanted.data : "");
    assert_int_equal(tt_reply_state(after), TT_REPLY_FINISHED);
    for (int kind = 0; kind < TT_REPLY_KINDS; kind++)
        tt_buf_free(&text[kind]);
    tt_buf_free(&wanted);
    tt_buf_free(&got);
    tt_buf_free(&told);
    tt_reply_unref(before);
    tt_reply_unref(after);
}

#define PIECES(...)                                                                                \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

static void logs_come_back_as_they_were(void **state)
{
    (void)state;
    check_round_trip(PIECES(NULL), "");
    check_round_trip(PIECES("c潮"), "");
    check_round_trip(PIECES("rhm"), "");
    check_round_trip(PIECES("t[1]\n", "t[2]\n"), "");
    check_round_trip(PIECES("rhm", "r hm", "c潮", "c聊", "t[1]\n"), "");
    check_round_trip(PIECES("rhm", "t[1]\n"), "");
    check_round_trip(PIECES("c潮", "rhm"), "c3r2");
    check_round_trip(PIECES("rhm", "c潮", "rso"), "r2c3r2");
    check_round_trip(PIECES("t[1]\n", "c潮", "t[2]\n", "t[3]\n", "c🌊"), "t4c3t8c4");
}

/* Across chunks, where a run takes several spans. */
static void long_logs_too(void **state)
{
    struct tt_reply *reply = tt_reply_new(loop, 1, 0, 1, NULL);
    struct tt_buf runs = {0};
    (void)state;
    for (int i = 0; i < 3000; i++)
        assert_int_equal(tt_reply_append(reply, i < 2000 ? TT_REPLY_CONTENT : TT_REPLY_REASONING,
                                         TT_STR("潮"), NULL),
                         0);
    tt_reply_runs(reply, &runs);
    tt_buf_append(&runs, "", 0);
    assert_string_equal(runs.data, "c6000r3000");
    tt_buf_free(&runs);
    tt_reply_unref(reply);
}

static void ends_are_kept(void **state)
{
    struct tt_str text[TT_REPLY_KINDS] = {TT_STR("a")};
    struct tt_reply *reply = restore(text, TT_STR(""));
    (void)state;
    assert_int_equal(tt_reply_message_id(reply), 7);
    assert_int_equal(tt_reply_user_message_id(reply), 6);
    assert_int_equal(tt_reply_user_id(reply), 5);
    assert_string_equal(tt_reply_outcome(reply)->status, "stopped");
    assert_int_equal(tt_reply_outcome(reply)->usage.input_tokens, 3);
    tt_reply_add_files(reply, TT_STR("9")); /* too late: readers look at them already */
    assert_int_equal(tt_reply_files(reply).len, 0);
    tt_reply_unref(reply);
}

static void expect(const char *runs, const char *want)
{
    struct tt_str text[TT_REPLY_KINDS] = {TT_STR("潮聊"), TT_STR("hm"), TT_STR("[1]\n[2")};
    struct tt_reply *reply = restore(text, tt_str_from(runs));
    struct tt_buf got = {0};
    describe(reply, &got);
    if (strcmp(got.data, want) != 0)
        fail_msg("%s: %s, not %s", runs, got.data, want);
    tt_buf_free(&got);
    tt_reply_unref(reply);
}

/* Rows that somebody has changed: everything is told, no character is cut. */
static void runs_that_do_not_fit_lose_nothing(void **state)
{
    (void)state;
    expect("", "|rhm|c潮聊|t[1]\n");
    expect("c3r2", "|c潮|rhm|c聊|t[1]\n");
    expect("c4r1", "|c潮|rhm|c聊|t[1]\n");
    expect("c99999999999999999999999r2", "|c潮聊|rhm|t[1]\n");
    expect("x5", "|rhm|c潮聊|t[1]\n");
    expect("c3;r1", "|c潮|rhm|c聊|t[1]\n");
    expect("c", "|rhm|c潮聊|t[1]\n");
    expect("c0r0c0", "|rhm|c潮聊|t[1]\n");
}

static void positions_that_split(void **state)
{
    struct tt_reply *reply = log_of(PIECES("ca潮", "t[1]\n", "t[2]\n"));
    static const bool splits[] = {0, 0, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0};
    (void)state;
    for (size_t at = 0; at < TT_COUNT(splits); at++)
        assert_int_equal(tt_reply_splits(reply, at), splits[at]);
    tt_reply_unref(reply);
}

static void no_memory_is_busy(void **state)
{
    struct tt_reply_stored stored = {.text = {TT_STR("some text")}};
    struct tt_reply *full = log_of(PIECES("ca"));
    struct tt_err err = {0};
    (void)state;
    tt_reply_set_memory_max(1);
    assert_null(tt_reply_restore(loop, &stored, &err));
    assert_string_equal(err.code, "busy");
    tt_reply_set_memory_max(SIZE_MAX);
    tt_reply_unref(full);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_loop, close_loop)

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        TEST(logs_come_back_as_they_were),
        TEST(long_logs_too),
        TEST(ends_are_kept),
        TEST(runs_that_do_not_fit_lose_nothing),
        TEST(positions_that_split),
        TEST(no_memory_is_busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
