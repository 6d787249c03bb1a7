/* Provider events read by declared paths: streams as data; the specification's own mistakes. */
#include "base/cases.h"
#include "upstream/spec_text.h"

#define LINES_MAX 64

struct stream {
    struct tt_delta_spec *spec;
    struct tt_delta_reader reader;
};

static void stream_open(struct stream *stream, struct tt_str line)
{
    struct tt_err err = {0};
    bool whole = tt_str_starts(line, TT_STR("whole"));
    stream->spec = spec_text(TT_SSE_EVENTS, line, &err);
    if (!stream->spec)
        fail_msg("%s", err.message);
    tt_delta_create(&stream->reader, stream->spec, whole);
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
    if (!err->status && reader->tool_calls.len > 0)
        tt_buf_append_str(out, tt_buf_str(&reader->tool_calls));
    if (out->data[out->len - 1] == '\n')
        out->len--;
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
            struct tt_str name = TT_STR(""), text = tt_buf_str(&data);
            if (tt_str_starts(text, TT_STR("@")))
                tt_str_split(&text, ' ', &name);
            struct tt_str exact = cases_exact(text);
            int result = tt_delta_read(&stream.reader, name, exact, &err);
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

/* ---- events like the one before ---- */

/* Reads both events, with and without the shape of the first, and compares what the second gave. */
static void same_either_way(const char *spec_line, struct tt_str name, struct tt_str first,
                            struct tt_str second)
{
    struct tt_buf seen[2] = {0};
    size_t calls[2];
    for (int off = 0; off < 2; off++) {
        struct stream stream = {0};
        struct tt_err err = {0}, later = {0};
        stream_open(&stream, tt_str_from(spec_line));
        stream.reader.shape.off = off;
        tt_delta_read(&stream.reader, name, first, &err);
        struct tt_str exact = cases_exact(second);
        tt_delta_read(&stream.reader, name, exact, &later);
        free((char *)exact.data);
        calls[off] = stream.reader.tool_calls.len;
        tt_buf_clear(&stream.reader.tool_calls); /* ids may be made */
        describe(&stream, &later, &seen[off]);
        stream_close(&stream);
    }
    assert_text_equal(tt_buf_str(&seen[0]), tt_buf_str(&seen[1]));
    assert_int_equal(calls[0], calls[1]);
    tt_buf_free(&seen[0]);
    tt_buf_free(&seen[1]);
}

/* Every other event that differs in one byte, lacks one, or is cut. */
static void change_every_byte(const char *spec_line, struct tt_str name, struct tt_str event)
{
    static const char bytes[] = {'"', '\\', '}', ',', ' ', '7', 'u', '\x1f', '\xff'};
    char *changed = tt_strndup(event.data, event.len);
    same_either_way(spec_line, name, event, event);
    for (size_t at = 0; at < event.len; at++) {
        same_either_way(spec_line, name, event, tt_str_of(event.data, at));
        memmove(changed + at, event.data + at + 1, event.len - at - 1);
        same_either_way(spec_line, name, event, tt_str_of(changed, event.len - 1));
        memcpy(changed, event.data, event.len);
        for (size_t i = 0; i < sizeof(bytes); i++) {
            changed[at] = bytes[i];
            same_either_way(spec_line, name, event, tt_str_of(changed, event.len));
        }
        changed[at] = event.data[at];
    }
    free(changed);
}

static void events_with_another_byte(void **state)
{
    static const struct {
        const char *spec, *event;
    } list[] = {
        {"content=a.0.b reasoning=a.0.c finish=f input=u.i output=u.o error=e",
         "{\"a\":[{\"b\":\"x\\u00e9\"}],\"f\":null,\"u\":{\"i\":3}}"},
        {"content=b reasoning=c", "{\"b\":\"\\ud83c\",\"c\":null}"},
        {"content=b reasoning=c", "{\"b\":\"x\",\"c\":\"y\"}"},
        {"content=a.*.t", "{\"a\":[{\"t\":\"x\"},{\"t\":\"y\"}]}"},
        {"content=b content=c", "{\"b\":\"x\",\"c\":\"y\"}"},
        {"content=b finish=b", "{\"b\":\"x\"}"},
        {"content=b ended=[b=7]", "{\"b\":\"x\"}"},
        {"content=b reasoning=[b=7].c", "{\"b\":\"x\",\"c\":\"y\"}"},
        {"content=b error=e", "{\"b\":\"x\",\"e\":1}"},
        {"content=[t=x].b", "{\"t\":\"x\",\"b\":\"y\"}"},
        {"content=b ended=d", "{\"b\":\"x\",\"d\":false}"},
        {"content=b error=e error_word=x:upstream_timeout error_type=b",
         "{\"b\":\"x\",\"e\":null}"},
        {"content=b index=t.*.i id=t.*.d call=t.*.n arguments=t.*.a",
         "{\"b\":\"x\",\"t\":[{\"i\":0,\"d\":\"1\",\"n\":\"f\",\"a\":\"{}\"}]}"},
        {"content=b done=[DONE]", "[DONE]"},
    };
    (void)state;
    for (size_t i = 0; i < TT_COUNT(list); i++)
        change_every_byte(list[i].spec, TT_STR(""), tt_str_from(list[i].event));
}

/* A filter on the event's name: the same bytes under another name are another event. */
static void events_with_another_name(void **state)
{
    struct stream stream = {0};
    struct tt_err err = {0};
    struct tt_str event = TT_STR("{\"b\":\"x\"}");
    (void)state;
    stream_open(&stream, TT_STR("content=[@event=a].b reasoning=[@event=c].b"));
    assert_int_equal(tt_delta_read(&stream.reader, TT_STR("a"), event, &err), 0);
    assert_text_equal(tt_buf_str(&stream.reader.content), TT_STR("x"));
    assert_true(stream.reader.shape.known);
    assert_int_equal(tt_delta_read(&stream.reader, TT_STR("c"), event, &err), 0);
    assert_int_equal(stream.reader.content.len, 0);
    assert_text_equal(tt_buf_str(&stream.reader.reasoning), TT_STR("x"));
    stream_close(&stream);
}

static void bad_specifications(void **state)
{
    static const char *const bad[] = {"",
                                      ".",
                                      "a..b",
                                      "a.",
                                      "1.2.3.4.5.6.7.8.9",
                                      "a[",
                                      "a[]",
                                      "[x]b",
                                      "a[=x]",
                                      "a[!]",
                                      "a[x].",
                                      "a.[x]",
                                      "a[x]b",
                                      ".[x]",
                                      "*..a",
                                      "a[.b]",
                                      "a.*.",
                                      "a[1][2][3][4][5]"};
    (void)state;
    for (size_t i = 0; i < TT_COUNT(bad); i++) {
        struct tt_delta_spec *spec = tt_delta_spec_new(TT_SSE_EVENTS, NULL);
        struct tt_err err = {0};
        if (tt_delta_spec_path(spec, i % 2, TT_DELTA_CONTENT, bad[i], &err) == 0)
            fail_msg("\"%s\" was taken", bad[i]);
        assert_string_equal(err.code, "invalid_provider");
        assert_non_null(strstr(err.message, bad[i]));
        tt_delta_spec_unref(spec);
    }
}

/* One object may be asked for so much and no more, whatever kind of path it is. */
static void too_many_paths(void **state)
{
    static const char *const kinds[] = {"p%d", "a[p%d]", "p%d.*.x"};
    (void)state;
    for (size_t kind = 0; kind < TT_COUNT(kinds); kind++) {
        struct tt_delta_spec *spec = tt_delta_spec_new(TT_SSE_EVENTS, NULL);
        struct tt_err err = {0};
        int taken = 0;
        char path[64];
        do
            snprintf(path, sizeof(path), kinds[kind], taken);
        while (tt_delta_spec_path(spec, false, TT_DELTA_CONTENT, path, &err) == 0 &&
               taken++ < 1000);
        assert_in_range(taken, 30, 31);
        assert_string_equal(err.code, "invalid_provider");
        tt_delta_spec_unref(spec);
    }
}

static bool tells_end(enum tt_sse_kind kind, const char *words)
{
    struct tt_delta_spec *spec = spec_text(kind, tt_str_from(words), NULL);
    assert_int_equal(tt_delta_spec_kind(spec), kind);
    bool tells = tt_delta_spec_tells_end(spec);
    tt_delta_spec_unref(tt_delta_spec_ref(spec));
    tt_delta_spec_unref(spec);
    return tells;
}

static void telling_the_end(void **state)
{
    (void)state;
    assert_false(tells_end(TT_SSE_JSON_LINES, "content=a"));
    assert_true(tells_end(TT_SSE_EVENTS, "content=a finish=f"));
    assert_true(tells_end(TT_SSE_JSON_LINES, "content=a ended=f"));
    assert_true(tells_end(TT_SSE_EVENTS, "content=a done=[DONE]"));
}

static void read_z(struct tt_delta_reader *reader, const char *data)
{
    assert_int_equal(tt_delta_read(reader, TT_STR(""), tt_str_from(data), NULL), 0);
}

/* An upstream's word is kept for the whole stream: a long one is not. */
static void long_finish_reason(void **state)
{
    struct tt_delta_spec *spec = spec_text(TT_SSE_EVENTS, TT_STR("finish=f"), NULL);
    struct tt_delta_reader reader;
    char text[2000];
    (void)state;
    tt_delta_create(&reader, spec, false);
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    memcpy(text, "{\"f\":\"", 6);
    memcpy(text + sizeof(text) - 3, "\"}", 2);
    read_z(&reader, text);
    assert_text_equal(tt_buf_str(&reader.finish_reason), TT_STR("other"));
    tt_delta_destroy(&reader);
    tt_delta_spec_unref(spec);
}

static void completing(void **state)
{
    struct tt_delta_spec *spec =
        spec_text(TT_SSE_EVENTS, TT_STR("finish=f call=t.*.n arguments=t.*.a"), NULL);
    struct tt_delta_reader reader;
    (void)state;
    tt_delta_create(&reader, spec, false);
    tt_delta_complete(&reader);
    assert_text_equal(tt_buf_str(&reader.finish_reason), TT_STR("stop"));
    assert_int_equal(reader.tool_calls.len, 0);
    tt_delta_destroy(&reader);

    tt_delta_create(&reader, spec, false);
    read_z(
        &reader,
        "{\"f\":\"stop\",\"t\":[{\"n\":\"a\",\"a\":{}},{\"n\":\"b\"},{\"n\":\"c\",\"a\":\"\"}]}");
    tt_delta_complete(&reader);
    assert_text_equal(tt_buf_str(&reader.finish_reason), TT_STR("tool_calls"));
    assert_text_equal(tt_buf_str(&reader.tool_calls),
                      TT_STR("[{\"index\":1,\"function\":{\"arguments\":\"{}\"}},"
                             "{\"index\":2,\"function\":{\"arguments\":\"{}\"}}]\n"));
    tt_delta_complete(&reader); /* once only */
    assert_int_equal(reader.tool_calls.len, 0);
    tt_delta_destroy(&reader);

    tt_delta_create(&reader, spec, false);
    read_z(&reader, "{\"f\":\"length\",\"t\":[{\"n\":\"a\"}]}");
    tt_delta_complete(&reader); /* what cut it off stays told */
    assert_text_equal(tt_buf_str(&reader.finish_reason), TT_STR("length"));
    tt_delta_destroy(&reader);
    tt_delta_spec_unref(spec);
}

/* A call without an id gets one of its own: the tool's result will name it. */
static void ids_are_made(void **state)
{
    static const char head[] = "[{\"index\":0,\"id\":\"call_";
    struct tt_delta_spec *spec = spec_text(TT_SSE_EVENTS, TT_STR("call=n"), NULL);
    char seen[2][64];
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct tt_delta_reader reader;
        tt_delta_create(&reader, spec, false);
        read_z(&reader, "{\"n\":\"f\"}");
        assert_true(tt_str_starts(tt_buf_str(&reader.tool_calls), TT_STR(head)));
        snprintf(seen[i], sizeof(seen[i]), "%.16s", reader.tool_calls.data + strlen(head));
        assert_int_equal(strspn(seen[i], "0123456789abcdef"), 16);
        tt_delta_destroy(&reader);
    }
    assert_string_not_equal(seen[0], seen[1]);
    tt_delta_spec_unref(spec);
}

static void too_many_calls(void **state)
{
    struct tt_delta_spec *spec = spec_text(TT_SSE_EVENTS, TT_STR("call=n"), NULL);
    struct tt_delta_reader reader;
    struct tt_err err = {0};
    (void)state;
    tt_delta_create(&reader, spec, false);
    for (int i = 0; i < 128; i++)
        read_z(&reader, "{\"n\":\"f\"}");
    assert_int_equal(tt_delta_read(&reader, TT_STR(""), TT_STR("{\"n\":\"f\"}"), &err), -1);
    assert_string_equal(err.code, "upstream_bad_response");
    tt_delta_destroy(&reader);
    tt_delta_spec_unref(spec);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_as_data),
        cmocka_unit_test(events_with_another_byte),
        cmocka_unit_test(events_with_another_name),
        cmocka_unit_test(bad_specifications),
        cmocka_unit_test(too_many_paths),
        cmocka_unit_test(telling_the_end),
        cmocka_unit_test(long_finish_reason),
        cmocka_unit_test(completing),
        cmocka_unit_test(ids_are_made),
        cmocka_unit_test(too_many_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
