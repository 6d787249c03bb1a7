/* The log of a reply, through the reply: kinds, characters over chunk borders, limits. */
#include "base/mem.h"
#include "base/utf8.h"
#include "reply/support.h"

#include <stdlib.h>

static void kinds_are_kept_apart(void **state)
{
    struct tt_reply *reply = reply_new();
    struct tt_reply_span span;
    struct tt_buf text = {0};
    (void)state;
    assert_false(tt_reply_read(reply, 0, &span));
    append(reply, TT_REPLY_REASONING, TT_STR("think"));
    append(reply, TT_REPLY_REASONING, TT_STR("ing"));
    append(reply, TT_REPLY_CONTENT, TT_STR(""));
    append(reply, TT_REPLY_CONTENT, TT_STR("hello"));
    append(reply, TT_REPLY_REASONING, TT_STR("more"));
    assert_int_equal(tt_reply_length(reply), 17);

    assert_true(tt_reply_read(reply, 0, &span));
    assert_int_equal(span.kind, TT_REPLY_REASONING);
    assert_true(tt_str_eq(span.bytes, TT_STR("thinking")));
    assert_int_equal(span.end, 8);
    assert_true(tt_reply_read(reply, 8, &span));
    assert_int_equal(span.kind, TT_REPLY_CONTENT);
    assert_true(tt_str_eq(span.bytes, TT_STR("hello")));
    assert_true(tt_reply_read(reply, 10, &span));
    assert_true(tt_str_eq(span.bytes, TT_STR("llo")));
    assert_true(tt_reply_read(reply, 16, &span));
    assert_true(tt_str_eq(span.bytes, TT_STR("e")));
    assert_false(tt_reply_read(reply, 17, &span));
    assert_false(tt_reply_read(reply, UINT64_MAX, &span));

    tt_reply_text(reply, TT_REPLY_REASONING, &text);
    assert_true(tt_str_eq(tt_buf_str(&text), TT_STR("thinkingmore")));
    tt_buf_free(&text);
    tt_reply_unref(reply);
}

/* An entry of tool calls is a run of its own, whole, also over the borders of chunks. */
static void tool_calls_are_entries(void **state)
{
    struct tt_reply *reply = reply_new();
    struct tt_reply_span span;
    struct tt_buf text = {0}, entry = {0};
    (void)state;
    append(reply, TT_REPLY_CONTENT, TT_STR("a"));
    for (int i = 0; i < 3000; i++) {
        tt_buf_clear(&entry);
        tt_buf_printf(&entry, "[{\"index\":%d}]\n", i);
        uint64_t from = tt_reply_length(reply);
        append(reply, TT_REPLY_TOOL_CALLS, tt_buf_str(&entry));
        tt_buf_clear(&text);
        for (uint64_t at = from; tt_reply_read(reply, at, &span); at = span.end) {
            assert_int_equal(span.kind, TT_REPLY_TOOL_CALLS);
            assert_int_equal(span.run_from, from);
            assert_int_equal(span.run_end, from + entry.len);
            tt_buf_append_str(&text, span.bytes);
        }
        assert_true(tt_str_eq(tt_buf_str(&text), tt_buf_str(&entry)));
    }
    append(reply, TT_REPLY_CONTENT, TT_STR("b"));
    assert_true(tt_reply_read(reply, 1 + 5, &span));
    assert_int_equal(span.run_from, 1);
    assert_int_equal(span.end, span.run_end);
    assert_true(tt_reply_read(reply, tt_reply_length(reply) - 1, &span));
    assert_int_equal(span.kind, TT_REPLY_CONTENT);
    tt_buf_free(&text);
    tt_buf_free(&entry);
    tt_reply_unref(reply);
}

/* Pieces of odd sizes over all chunk borders, read back by spans that always end on a character. */
static void spans_end_on_characters(void **state)
{
    static const char *const pieces[] = {"a", "é", "潮", "🌊", "xyz潮🌊", "0123456789é"};
    struct tt_reply *reply = reply_new();
    struct tt_buf want = {0}, got = {0};
    struct tt_reply_span span;
    (void)state;
    for (unsigned i = 0; want.len < 400000; i++) {
        struct tt_str piece = tt_str_from(pieces[(i * 7 + i / 11) % TT_COUNT(pieces)]);
        append(reply, TT_REPLY_CONTENT, piece);
        tt_buf_append_str(&want, piece);
    }
    size_t spans = 0;
    for (uint64_t at = 0; tt_reply_read(reply, at, &span); at = span.end) {
        assert_true(tt_utf8_valid(span.bytes));
        assert_int_equal(span.end, at + span.bytes.len);
        tt_buf_append_str(&got, span.bytes);
        spans++;
    }
    assert_true(tt_str_eq(tt_buf_str(&got), tt_buf_str(&want)));
    assert_true(spans < 16);
    /* from every position near a border, also inside characters */
    for (uint64_t at = 1000; at < 140000; at += at % 512 < 500 ? 512 - at % 512 - 8 : 1) {
        assert_true(tt_reply_read(reply, at, &span));
        assert_memory_equal(span.bytes.data, want.data + at, span.bytes.len);
        struct tt_str rest = tt_str_of(want.data + span.end, want.len - (size_t)span.end);
        assert_true(tt_utf8_valid(rest));
    }
    tt_buf_free(&want);
    tt_buf_free(&got);
    tt_reply_unref(reply);
}

static void one_big_append(void **state)
{
    struct tt_reply *reply = reply_new();
    struct tt_err err = {0};
    struct tt_buf got = {0};
    char *text = malloc(TT_REPLY_MAX);
    (void)state;
    for (size_t i = 0; i < TT_REPLY_MAX; i++)
        text[i] = (char)('a' + i % 23);
    append(reply, TT_REPLY_CONTENT, tt_str_of(text, TT_REPLY_MAX - 1));
    assert_int_equal(tt_reply_append(reply, TT_REPLY_CONTENT, TT_STR("zz"), &err), -1);
    assert_string_equal(err.code, "reply_too_long");
    assert_int_equal(tt_reply_length(reply), TT_REPLY_MAX - 1);
    append(reply, TT_REPLY_CONTENT, tt_str_of(text + TT_REPLY_MAX - 1, 1));
    assert_int_equal(tt_reply_append(reply, TT_REPLY_REASONING, TT_STR("z"), &err), -1);
    tt_reply_text(reply, TT_REPLY_CONTENT, &got);
    assert_int_equal(got.len, TT_REPLY_MAX);
    assert_memory_equal(got.data, text, got.len);
    assert_true(tt_reply_memory_used() < TT_REPLY_MAX + (256 << 10));
    tt_buf_free(&got);
    free(text);
    tt_reply_unref(reply);
}

static void many_kinds(void **state)
{
    struct tt_reply *reply = reply_new();
    struct tt_reply_span span;
    (void)state;
    for (int i = 0; i < 100000; i++)
        append(reply, i % 2 ? TT_REPLY_CONTENT : TT_REPLY_REASONING, TT_STR("ab"));
    for (uint64_t at = 0; at < 200000; at += 2) {
        assert_true(tt_reply_read(reply, at, &span));
        assert_int_equal(span.kind, at / 2 % 2 ? TT_REPLY_CONTENT : TT_REPLY_REASONING);
        assert_int_equal(span.bytes.len, at + 2 == span.end ? 2 : 0);
    }
    tt_reply_unref(reply);
}

static void memory_limit(void **state)
{
    struct tt_err err = {0};
    struct tt_reply *reply = reply_new();
    (void)state;
    assert_true(tt_reply_memory_used() == 0); /* nothing before the first byte */
    append(reply, TT_REPLY_CONTENT, TT_STR("x"));
    assert_true(tt_reply_memory_used() < 600);
    tt_reply_set_memory_max(500);
    assert_null(tt_reply_new(loop, 1, 1, 1, &err));
    assert_string_equal(err.code, "busy");
    assert_int_equal(err.status, 503);
    /* what runs may go on for a while, then ends too */
    int appended = 0;
    while (appended < 100000 && tt_reply_append(reply, TT_REPLY_CONTENT, TT_STR("x"), &err) == 0)
        appended++;
    assert_true(appended > 1000 && appended < 8000);
    assert_string_equal(err.code, "busy");
    tt_reply_set_memory_max(SIZE_MAX);
    append(reply, TT_REPLY_CONTENT, TT_STR("x"));
    tt_reply_unref(reply);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_loop, close_loop)

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        TEST(kinds_are_kept_apart),
        TEST(tool_calls_are_entries),
        TEST(spans_end_on_characters),
        TEST(one_big_append),
        TEST(many_kinds),
        TEST(memory_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
