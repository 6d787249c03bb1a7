/* The played producer: pieces, pace, reasoning first, errors, stopping. */
#include "base/clock.h"
#include "base/mem.h"
#include "unit_test.h"
#include "upstream/upstream.h"

#include <stdio.h>

static struct tt_loop *loop;

static int set_up(void **state)
{
    (void)state;
    loop = tt_loop_new(NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tt_loop_tick(loop, 0);
    tt_loop_free(loop);
    return tt_reply_count() == 0 && tt_reply_memory_used() == 0 ? 0 : -1;
}

struct seen {
    struct tt_reply_reader reader;
    int wakes;
    uint64_t lengths[64];
};

static void on_wake(struct tt_reply_reader *reader)
{
    struct seen *seen = TT_CONTAINER_OF(reader, struct seen, reader);
    uint64_t length = tt_reply_length(reader->reply);
    if (seen->wakes == 0 || seen->lengths[seen->wakes - 1] != length)
        seen->lengths[seen->wakes++] = length;
}

static void on_produced(struct tt_reply *reply, void *arg)
{
    (void)arg;
    tt_reply_finish(reply, NULL);
}

static struct tt_reply *begin(const struct tt_play *play, struct seen *seen)
{
    struct tt_reply *reply = tt_reply_new(loop, 1, 1, 1, NULL);
    *seen = (struct seen){.reader.on_wake = on_wake};
    tt_reply_attach(reply, loop, &seen->reader);
    tt_reply_on_produced(reply, on_produced, NULL);
    tt_play_start(play, reply);
    assert_int_equal(tt_reply_length(reply), 0);
    return reply;
}

static void finish(struct tt_reply *reply)
{
    while (tt_reply_state(reply) != TT_REPLY_FINISHED)
        tt_loop_tick(loop, 100);
}

static void end(struct tt_reply *reply, struct seen *seen)
{
    tt_reply_detach(&seen->reader);
    tt_reply_unref(reply);
}

static void expect_text(const struct tt_reply *reply, enum tt_reply_kind kind, const char *want)
{
    struct tt_buf got = {0};
    tt_reply_text(reply, kind, &got);
    assert_string_equal(got.data ? got.data : "", want);
    tt_buf_free(&got);
}

static void all_at_once(void **state)
{
    char text[] = "潮聊 hello", reasoning[] = "think";
    struct tt_play play = {.text = tt_str_from(text), .reasoning = tt_str_from(reasoning)};
    struct seen seen;
    (void)state;
    struct tt_reply *reply = begin(&play, &seen);
    memset(text, 'x', sizeof(text)); /* it was copied */
    memset(reasoning, 'x', sizeof(reasoning));
    finish(reply);
    expect_text(reply, TT_REPLY_CONTENT, "潮聊 hello");
    expect_text(reply, TT_REPLY_REASONING, "think");
    assert_int_equal(seen.wakes, 1); /* joined */
    assert_string_equal(tt_reply_outcome(reply)->status, "complete");
    assert_string_equal(tt_reply_outcome(reply)->finish_reason, "stop");
    end(reply, &seen);

    play = (struct tt_play){.text = TT_STR("t"), .tool_calls = TT_STR("[1]\n[2]\n")};
    reply = begin(&play, &seen);
    finish(reply);
    expect_text(reply, TT_REPLY_TOOL_CALLS, "[1]\n[2]\n");
    assert_string_equal(tt_reply_outcome(reply)->finish_reason, "tool_calls");
    end(reply, &seen);

    play = (struct tt_play){0}; /* nothing at all */
    reply = begin(&play, &seen);
    finish(reply);
    assert_int_equal(tt_reply_length(reply), 0);
    assert_string_equal(tt_reply_outcome(reply)->status, "complete");
    end(reply, &seen);
}

static void in_pieces(void **state)
{
    struct tt_play play = {.text = TT_STR("潮聊ab🌊"),
                           .reasoning = TT_STR("xyz"),
                           .piece_characters = 2,
                           .first_ms = 30,
                           .pace_ms = 5};
    static const uint64_t want[] = {2, 3, 9, 11, 15};
    struct seen seen;
    (void)state;
    uint64_t begun = tt_clock_mono_ms();
    struct tt_reply *reply = begin(&play, &seen);
    finish(reply);
    assert_true(tt_clock_mono_ms() - begun >= 50);
    assert_int_equal(seen.wakes, TT_COUNT(want));
    assert_memory_equal(seen.lengths, want, sizeof(want));
    end(reply, &seen);
}

static void with_an_error(void **state)
{
    struct tt_play play = {.text = TT_STR("abc"), .error = {502, "upstream_reset", "as asked"}};
    struct seen seen;
    (void)state;
    struct tt_reply *reply = begin(&play, &seen);
    finish(reply);
    expect_text(reply, TT_REPLY_CONTENT, "abc");
    assert_string_equal(tt_reply_outcome(reply)->status, "error");
    assert_string_equal(tt_reply_outcome(reply)->error.code, "upstream_reset");
    end(reply, &seen);
}

static void stopping(void **state)
{
    struct tt_play play = {.text = TT_STR("abcdef"), .piece_characters = 1, .pace_ms = 10};
    struct tt_err reason = {503, "shutting_down", "x"};
    struct seen seen;
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct tt_reply *reply = begin(&play, &seen);
        while (tt_reply_length(reply) < 2)
            tt_loop_tick(loop, 100);
        tt_reply_stop(reply, i ? &reason : NULL);
        finish(reply);
        expect_text(reply, TT_REPLY_CONTENT, "ab");
        assert_string_equal(tt_reply_outcome(reply)->status, i ? "interrupted" : "stopped");
        assert_string_equal(tt_reply_outcome(reply)->error.code, i ? "shutting_down" : "");
        end(reply, &seen);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        TEST(all_at_once),
        TEST(in_pieces),
        TEST(with_an_error),
        TEST(stopping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
