/* Provider events read by declared paths: streams as data; the specification's own mistakes. */
#include "base/cases.h"
#include "llm/delta.h"

#define LINES_MAX 64

struct stream {
    struct tt_delta_spec *spec;
    struct tt_delta_reader reader;
    char texts[8][128];
};

static void stream_open(struct stream *stream, struct tt_str line)
{
    static const char *const names[] = {"content", "reasoning", "finish", "input",
                                        "output",  "error",     "done"};
    const char *values[TT_COUNT(names)] = {0};
    struct tt_str word;
    assert_true(tt_str_split(&line, ' ', &word));
    bool whole = tt_str_eq(word, TT_STR("whole"));
    while (tt_str_split(&line, ' ', &word)) {
        ptrdiff_t equals = tt_str_find(word, '=');
        assert_true(equals > 0);
        for (size_t i = 0; i < TT_COUNT(names); i++) {
            if (!tt_str_eq(tt_str_of(word.data, (size_t)equals), tt_str_from(names[i])))
                continue;
            snprintf(stream->texts[i], sizeof(stream->texts[i]), "%.*s",
                     (int)word.len - (int)equals - 1, word.data + equals + 1);
            values[i] = stream->texts[i];
        }
    }
    struct tt_delta_paths paths = {values[0], values[1], values[2],
                                   values[3], values[4], values[5]};
    struct tt_err err = {0};
    stream->spec = tt_delta_spec_new(TT_SSE_EVENTS, &paths, &paths, values[6], &err);
    assert_non_null(stream->spec);
    tt_delta_create(&stream->reader, stream->spec, whole);
    /* The paths' texts are no longer needed: the specification has its own. */
    memset(stream->texts, 'x', sizeof(stream->texts));
}

static void stream_close(struct stream *stream)
{
    tt_delta_destroy(&stream->reader);
    tt_delta_spec_unref(stream->spec);
}

static void put_count(struct tt_buf *out, int64_t count)
{
    tt_buf_putc(out, '|');
    if (count >= 0)
        tt_buf_append_i64(out, count);
}

static void describe(const struct stream *stream, const struct tt_err *err, struct tt_buf *out)
{
    const struct tt_delta_reader *reader = &stream->reader;
    tt_buf_append_str(out, tt_buf_str(&reader->content));
    tt_buf_putc(out, '|');
    tt_buf_append_str(out, tt_buf_str(&reader->reasoning));
    tt_buf_putc(out, '|');
    tt_buf_append_str(out, tt_buf_str(&reader->finish_reason));
    put_count(out, reader->usage.input_tokens);
    put_count(out, reader->usage.output_tokens);
    if (err->status || reader->done)
        tt_buf_printf(out, "|%s", err->status ? err->code : "done");
}

static void streams_as_data(void **state)
{
    struct cases cases;
    struct tt_str lines[LINES_MAX];
    int count;
    (void)state;
    cases_open(&cases, "delta/cases.txt");
    while ((count = cases_block(&cases, lines, LINES_MAX)) > 0) {
        struct stream stream = {0};
        stream_open(&stream, lines[0]);
        for (int i = 1; i + 1 < count; i += 2) {
            struct tt_err err = {0};
            struct tt_buf got = {0};
            assert_int_equal(lines[i].data[0], '>');
            assert_int_equal(lines[i + 1].data[0], '<');
            struct tt_buf data = cases_bytes(tt_str_of(lines[i].data + 2, lines[i].len - 2));
            struct tt_buf want =
                cases_bytes(tt_str_of(lines[i + 1].data + 2, lines[i + 1].len - 2));
            struct tt_str exact = cases_exact(tt_buf_str(&data));
            int result = tt_delta_read(&stream.reader, exact, &err);
            assert_int_equal(result, err.status ? -1 : 0);
            assert_null(strstr(err.message, "secret"));
            describe(&stream, &err, &got);
            assert_text_equal(tt_buf_str(&got), tt_buf_str(&want));
            free((char *)exact.data);
            tt_buf_free(&got);
            tt_buf_free(&data);
            tt_buf_free(&want);
        }
        stream_close(&stream);
    }
    cases_close(&cases);
}

static void bad_specifications(void **state)
{
    static const char *const bad[] = {"", ".", "a..b", "a.", "1.2.3.4.5.6.7.8.9"};
    const struct tt_delta_paths good = {.content = "a"};
    (void)state;
    for (size_t i = 0; i < TT_COUNT(bad); i++) {
        struct tt_delta_paths paths = {.content = "a", .error = bad[i]};
        struct tt_err err = {0};
        assert_null(tt_delta_spec_new(TT_SSE_EVENTS, &paths, &good, NULL, &err));
        assert_string_equal(err.code, "invalid_provider");
        assert_null(tt_delta_spec_new(TT_SSE_EVENTS, &good, &paths, NULL, &err));
    }
}

static void telling_the_end(void **state)
{
    const struct tt_delta_paths plain = {.content = "a"};
    const struct tt_delta_paths finish = {.content = "a", .finish_reason = "f"};
    struct tt_delta_spec *spec = tt_delta_spec_new(TT_SSE_JSON_LINES, &plain, &plain, NULL, NULL);
    (void)state;
    assert_false(tt_delta_spec_tells_end(spec));
    assert_int_equal(tt_delta_spec_kind(spec), TT_SSE_JSON_LINES);
    tt_delta_spec_unref(tt_delta_spec_ref(spec));
    tt_delta_spec_unref(spec);
    spec = tt_delta_spec_new(TT_SSE_EVENTS, &finish, &plain, NULL, NULL);
    assert_true(tt_delta_spec_tells_end(spec));
    tt_delta_spec_unref(spec);
    spec = tt_delta_spec_new(TT_SSE_EVENTS, &plain, &plain, "[DONE]", NULL);
    assert_true(tt_delta_spec_tells_end(spec));
    tt_delta_spec_unref(spec);
}

/* An upstream's word is kept for the whole stream: a long one is not. */
static void long_finish_reason(void **state)
{
    const struct tt_delta_paths paths = {.finish_reason = "f"};
    struct tt_delta_spec *spec = tt_delta_spec_new(TT_SSE_EVENTS, &paths, &paths, NULL, NULL);
    struct tt_delta_reader reader;
    char text[2000];
    (void)state;
    tt_delta_create(&reader, spec, false);
    memset(text, 'x', sizeof(text));
    memcpy(text, "{\"f\":\"", 6);
    memcpy(text + sizeof(text) - 2, "\"}", 2);
    assert_int_equal(tt_delta_read(&reader, tt_str_of(text, sizeof(text)), NULL), 0);
    assert_text_equal(tt_buf_str(&reader.finish_reason), TT_STR("other"));
    tt_delta_destroy(&reader);
    tt_delta_spec_unref(spec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_as_data),
        cmocka_unit_test(bad_specifications),
        cmocka_unit_test(telling_the_end),
        cmocka_unit_test(long_finish_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
