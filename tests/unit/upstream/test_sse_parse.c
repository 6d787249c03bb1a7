/* The push parser: cases as data, each cut at every place; limits; what stops it. */
#include "base/cases.h"
#include "upstream/sse_parse.h"

#define EVENTS_MAX 16

struct got {
    struct tt_buf text; /* "name|data\n" for each event */
    int count, stop_at;
};

static int on_event(void *arg, struct tt_str name, struct tt_str data, struct tt_err *err)
{
    struct got *got = arg;
    assert_int_not_equal(data.len, 0);
    tt_buf_append_str(&got->text, name);
    tt_buf_putc(&got->text, '|');
    tt_buf_append_str(&got->text, data);
    tt_buf_putc(&got->text, '\x1f');
    if (++got->count == got->stop_at)
        return tt_err_set(err, 502, "stopped_here", "as asked");
    return 0;
}

/* In memory of its own, so that the sanitizer sees a slice that outlives its feed. */
static void feed(struct tt_sse_parser *parser, struct tt_str part, struct got *got)
{
    struct tt_err err = {0};
    struct tt_str copy = cases_exact(part);
    assert_int_equal(tt_sse_feed(parser, copy, on_event, got, &err), 0);
    free((char *)copy.data);
}

/* step 0: cut once, at `cut`; else pieces of `step` bytes. */
static void run(enum tt_sse_kind kind, struct tt_str bytes, size_t cut, size_t step,
                struct tt_str want, int line)
{
    struct tt_sse_parser parser;
    struct got got = {0};
    struct tt_err err = {0};
    tt_sse_create(&parser, kind, 1 << 20);
    if (step == 0) {
        feed(&parser, tt_str_of(bytes.data, cut), &got);
        feed(&parser, tt_str_of(bytes.data + cut, bytes.len - cut), &got);
    }
    for (size_t at = 0; step > 0 && at < bytes.len; at += step)
        feed(&parser, tt_str_of(bytes.data + at, bytes.len - at < step ? bytes.len - at : step),
             &got);
    assert_int_equal(tt_sse_end(&parser, on_event, &got, &err), 0);
    if (!tt_str_eq(tt_buf_str(&got.text), want))
        fail_msg("line %d, cut %zu, step %zu: got \"%.*s\", want \"%.*s\"", line, cut, step,
                 TT_STR_ARG(tt_buf_str(&got.text)), TT_STR_ARG(want));
    tt_buf_free(&got.text);
    tt_sse_destroy(&parser);
}

static void cases_at_every_cut(void **state)
{
    struct cases cases;
    struct tt_str lines[EVENTS_MAX], kind;
    int count, blocks = 0;
    (void)state;
    cases_open(&cases, "sse/events.txt");
    while ((count = cases_block(&cases, lines, EVENTS_MAX)) > 0) {
        struct tt_buf want = {0};
        struct tt_str input = lines[0];
        assert_true(tt_str_split(&input, ' ', &kind));
        struct tt_buf bytes = cases_bytes(input);
        for (int i = 1; i < count; i++) {
            struct tt_buf event = cases_bytes(lines[i]);
            tt_buf_append_str(&want, tt_buf_str(&event));
            tt_buf_putc(&want, '\x1f');
            tt_buf_free(&event);
        }
        enum tt_sse_kind k = tt_str_eq(kind, TT_STR("lines")) ? TT_SSE_JSON_LINES : TT_SSE_EVENTS;
        for (size_t cut = 0; cut <= bytes.len; cut++)
            run(k, tt_buf_str(&bytes), cut, 0, tt_buf_str(&want), cases.line);
        for (size_t step = 1; step <= 3; step++)
            run(k, tt_buf_str(&bytes), 0, step, tt_buf_str(&want), cases.line);
        tt_buf_free(&bytes);
        tt_buf_free(&want);
        blocks++;
    }
    assert_true(blocks > 20);
    cases_close(&cases);
}

static int feed_big(size_t line_max, struct tt_str prefix, size_t len, size_t piece,
                    struct tt_err *err)
{
    struct tt_sse_parser parser;
    struct got got = {0};
    char *text = malloc(len);
    int result = 0;
    memset(text, 'x', len);
    tt_sse_create(&parser, TT_SSE_EVENTS, line_max);
    result = tt_sse_feed(&parser, prefix, on_event, &got, err);
    for (size_t at = 0; result == 0 && at < len; at += piece)
        result = tt_sse_feed(&parser, tt_str_of(text + at, len - at < piece ? len - at : piece),
                             on_event, &got, err);
    if (result == 0)
        result = tt_sse_feed(&parser, TT_STR("\n\n"), on_event, &got, err);
    tt_buf_free(&got.text);
    tt_sse_destroy(&parser);
    free(text);
    return result;
}

static void line_limit(void **state)
{
    struct tt_err err = {0};
    (void)state;
    assert_int_equal(feed_big(1000, TT_STR("data:"), 995, 100, &err), 0);
    assert_int_equal(feed_big(1000, TT_STR("data:"), 996, 100, &err), -1);
    assert_string_equal(err.code, "upstream_line_too_long");
    assert_int_equal(err.status, 502);
    /* ten megabytes without an end fail when the limit is passed, in one piece or in many */
    assert_int_equal(feed_big(1 << 20, TT_STR("data: "), 10 << 20, 16384, &err), -1);
    assert_int_equal(feed_big(1 << 20, TT_STR(": "), 10 << 20, 10 << 20, &err), -1);
    /* many lines that are one event */
    err = (struct tt_err){0};
    struct tt_sse_parser parser;
    struct got got = {0};
    int result = 0, lines = 0;
    tt_sse_create(&parser, TT_SSE_EVENTS, 1000);
    while (result == 0 && lines++ < 1000)
        result = tt_sse_feed(&parser, TT_STR("data: 0123456789\n"), on_event, &got, &err);
    assert_int_equal(result, -1);
    assert_true(lines > 50 && lines < 120);
    assert_string_equal(err.code, "upstream_line_too_long");
    tt_sse_destroy(&parser);
}

static void the_callback_stops(void **state)
{
    struct tt_sse_parser parser;
    struct got got = {.stop_at = 2};
    struct tt_err err = {0};
    (void)state;
    tt_sse_create(&parser, TT_SSE_EVENTS, 1000);
    assert_int_equal(
        tt_sse_feed(&parser, TT_STR("data: 1\n\ndata: 2\n\ndata: 3\n\n"), on_event, &got, &err),
        -1);
    assert_string_equal(err.code, "stopped_here");
    assert_int_equal(got.count, 2);
    tt_buf_free(&got.text);
    tt_sse_destroy(&parser);
}

/* Bytes full of one kind of line end must not be scanned for the other again and again. */
static void only_line_ends(void **state)
{
    struct tt_sse_parser parser;
    struct got got = {0};
    struct tt_err err = {0};
    size_t len = 4 << 20;
    char *text = malloc(len);
    (void)state;
    memset(text, '\r', len);
    tt_sse_create(&parser, TT_SSE_EVENTS, 1000);
    assert_int_equal(tt_sse_feed(&parser, tt_str_of(text, len), on_event, &got, &err), 0);
    assert_int_equal(got.count, 0);
    tt_sse_destroy(&parser);
    free(text);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cases_at_every_cut),
        cmocka_unit_test(line_limit),
        cmocka_unit_test(the_callback_stops),
        cmocka_unit_test(only_line_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
