/* What upstreams really send, from tests/data/upstream_cases (generate.mjs there says how a line
 * looks): read as the pump reads it, with the paths of the shipped providers, cut at every byte.
 * No case ends as an empty success. */
#include "base/encode.h"
#include "tide/providers_fixture.h"
#include "upstream/answer.h"
#include "upstream/unpack.h"

#include <zlib.h>

#define STEPS_MAX 4096 /* longer bodies are cut at so many places, evenly spread */

enum field {
    NAME,
    PROVIDER,
    TYPE,
    BODY,
    BASE64,
    TEXT,
    REASONING,
    CALLS,
    FINISH,
    INPUT,
    OUTPUT,
    CODE,
    DETAIL,
    PACKED,
    LABEL,
    INSIDE,
    FIELDS
};
static const char *const field_paths[FIELDS] = {
    "name",           "provider",   "type",        "body",         "base64",       "want.text",
    "want.reasoning", "want.calls", "want.finish", "want.usage.0", "want.usage.1", "want.code",
    "want.detail",    "packed",     "label",       "inside"};

struct example {
    struct tt_json_value value[FIELDS];
    struct tt_buf text[FIELDS]; /* of those that are texts */
    struct tt_str bytes;
};

struct told {
    struct tt_buf content, reasoning, calls;
};

/* One more layer around the body. */
static void pack(struct tt_buf *body, struct tt_str how)
{
    int bits = tt_str_eq(how, TT_STR("\"gzip\""))   ? MAX_WBITS + 16
               : tt_str_eq(how, TT_STR("\"zlib\"")) ? MAX_WBITS
                                                    : -MAX_WBITS;
    z_stream z = {0};
    struct tt_buf packed = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
    tt_buf_reserve(&packed, deflateBound(&z, body->len));
    z.next_in = (unsigned char *)body->data;
    z.avail_in = (unsigned)body->len;
    z.next_out = (unsigned char *)packed.data;
    z.avail_out = (unsigned)packed.cap;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    packed.len = z.total_out;
    deflateEnd(&z);
    tt_buf_free(body);
    *body = packed;
}

static void example_read(struct example *example, struct tt_str line)
{
    struct tt_json_path paths[FIELDS];
    *example = (struct example){0};
    for (int i = 0; i < FIELDS; i++)
        assert_int_equal(tt_json_path_parse(&paths[i], field_paths[i], NULL), 0);
    tt_json_paths_link(paths, FIELDS);
    assert_int_equal(tt_json_select(line, paths, FIELDS, example->value, NULL), 0);
    for (int i = 0; i < FIELDS; i++)
        if (example->value[i].type == TT_JSON_STRING)
            tt_json_unescape(example->value[i].raw, NULL, &example->text[i]);
    if (example->value[BASE64].type == TT_JSON_STRING) {
        struct tt_buf plain = {0};
        assert_int_equal(tt_base64_decode(tt_buf_str(&example->text[BASE64]), TT_BASE64, &plain),
                         0);
        tt_buf_free(&example->text[BODY]);
        example->text[BODY] = plain;
    }
    size_t cursor = 0;
    struct tt_json_value how;
    while (example->value[PACKED].type == TT_JSON_ARRAY &&
           tt_json_next(&example->value[PACKED], &cursor, &how))
        pack(&example->text[BODY], how.raw);
    example->bytes = tt_buf_str(&example->text[BODY]);
}

static void example_free(struct example *example)
{
    for (int i = 0; i < FIELDS; i++)
        tt_buf_free(&example->text[i]);
}

static int on_texts(void *arg, const struct tt_delta_reader *reader, struct tt_err *err)
{
    struct told *told = arg;
    (void)err;
    tt_buf_append_str(&told->content, tt_buf_str(&reader->content));
    tt_buf_append_str(&told->reasoning, tt_buf_str(&reader->reasoning));
    tt_buf_append_str(&told->calls, tt_buf_str(&reader->tool_calls));
    return 0;
}

static void same(const struct example *example, size_t cut, enum field field, struct tt_str got)
{
    struct tt_str want = tt_buf_str(&example->text[field]);
    if (!tt_str_eq(got, want))
        fail_msg("%s %s, cut at %zu: %s is \"%.*s\", not \"%.*s\"", example->text[PROVIDER].data,
                 example->text[NAME].data, cut, field_paths[field], TT_STR_ARG(got),
                 TT_STR_ARG(want));
}

/* The pieces of each call, joined: [["name","arguments"],…]. */
static void join_calls(const struct tt_buf *lines, struct tt_buf *out)
{
    static const char *const paths_of[] = {"index", "function.name", "function.arguments"};
    struct tt_buf name[8] = {{0}}, arguments[8] = {{0}};
    struct tt_json_path paths[3];
    struct tt_json_value values[3], item;
    struct tt_str rest = tt_buf_str(lines), line;
    int64_t index = 0, count = 0;
    for (int i = 0; i < 3; i++)
        tt_json_path_parse(&paths[i], paths_of[i], NULL);
    tt_json_paths_link(paths, 3);
    while (rest.len > 0 && tt_str_split(&rest, '\n', &line)) {
        struct tt_json_value list = {TT_JSON_ARRAY, line};
        size_t cursor = 0;
        while (line.len > 0 && tt_json_next(&list, &cursor, &item)) {
            assert_int_equal(tt_json_select(item.raw, paths, 3, values, NULL), 0);
            tt_json_to_i64(&values[0], &index);
            assert_true(index < 8);
            count = index >= count ? index + 1 : count;
            if (values[1].type == TT_JSON_STRING)
                tt_json_unescape(values[1].raw, NULL, &name[index]);
            if (values[2].type == TT_JSON_STRING)
                tt_json_unescape(values[2].raw, NULL, &arguments[index]);
        }
    }
    struct tt_json_writer w = {.buf = out};
    tt_json_begin_array(&w);
    for (int64_t i = 0; i < count; i++) {
        tt_json_begin_array(&w);
        tt_json_str(&w, tt_buf_str(&name[i]));
        tt_json_str(&w, tt_buf_str(&arguments[i]));
        tt_json_end_array(&w);
        tt_buf_free(&name[i]);
        tt_buf_free(&arguments[i]);
    }
    tt_json_end_array(&w);
}

static void compare(const struct example *example, size_t cut, const struct told *told,
                    struct tt_upstream_answer *answer, const struct tt_err *err)
{
    struct tt_buf calls = {0};
    int64_t input = -1, output = -1;
    char detail[TT_TOLD_DETAIL_SIZE];
    same(example, cut, CODE, tt_str_from(err->code));
    same(example, cut, TEXT, tt_buf_str(&told->content));
    same(example, cut, REASONING, tt_buf_str(&told->reasoning));
    same(example, cut, FINISH, tt_buf_str(&answer->reader.finish_reason));
    tt_told_detail(tt_told_at(&answer->reader.told), NULL, 0, detail);
    same(example, cut, DETAIL, tt_str_from(detail));
    join_calls(&told->calls, &calls);
    if (!tt_str_eq(tt_buf_str(&calls), example->value[CALLS].raw))
        fail_msg("%s, cut at %zu: calls are %.*s, not %.*s", example->text[NAME].data, cut,
                 TT_STR_ARG(tt_buf_str(&calls)), TT_STR_ARG(example->value[CALLS].raw));
    tt_json_to_i64(&example->value[INPUT], &input);
    tt_json_to_i64(&example->value[OUTPUT], &output);
    if (answer->reader.usage.input_tokens != input || answer->reader.usage.output_tokens != output)
        fail_msg("%s, cut at %zu: usage is %d, %d", example->text[NAME].data, cut,
                 (int)answer->reader.usage.input_tokens, (int)answer->reader.usage.output_tokens);
    if (!err->status) /* the rule of it all */
        assert_true(told->content.len > 0 || told->calls.len > 0);
    tt_buf_free(&calls);
}

/* What a call gives to the answer. */
struct body {
    struct tt_upstream_answer *answer;
    struct tt_unpack *unpack;
    enum tt_upstream_answer_result result;
    struct tt_err *err;
};

static int on_bytes(void *arg, struct tt_str bytes)
{
    struct body *body = arg;
    if (body->result == TT_ANSWER_GOES_ON)
        body->result = tt_upstream_answer_feed(body->answer, bytes, body->err);
    return 0;
}

static void feed(struct body *body, struct tt_str bytes)
{
    if (!body->unpack)
        on_bytes(body, bytes);
    else if (tt_unpack_feed(body->unpack, bytes, on_bytes, body) != 0)
        *body->err = *tt_unpack_error(body->unpack), body->result = TT_ANSWER_FAILED;
}

static void begin_unpack(struct body *body, const struct example *example)
{
    struct tt_unpack_label label = {0};
    tt_unpack_label_add(&label, tt_buf_str(&example->text[LABEL]));
    body->unpack = tt_unpack_new(label, true, example->bytes.data[0]);
}

/* Two pieces, or `piece` bytes at a time behind the first cut. */
static void try_once(const struct example *example, struct tt_delta_spec *spec, size_t cut,
                     size_t piece)
{
    struct told told = {0};
    struct tt_upstream_answer answer;
    struct tt_err err = {0};
    struct body body = {.answer = &answer, .result = TT_ANSWER_GOES_ON, .err = &err};
    tt_upstream_answer_create(&answer, spec, false, on_texts, &told);
    tt_upstream_answer_label(&answer, tt_buf_str(&example->text[TYPE]));
    if (example->value[INSIDE].type == TT_JSON_TRUE)
        tt_delta_assume_thinking(&answer.reader);
    begin_unpack(&body, example);
    for (size_t at = 0, n = cut; at < example->bytes.len; at += n, n = piece) {
        size_t left = example->bytes.len - at;
        struct tt_str exact =
            cases_exact(tt_str_of(example->bytes.data + at, n && n < left ? n : left));
        n = exact.len;
        if (body.result == TT_ANSWER_GOES_ON)
            feed(&body, exact);
        free((char *)exact.data);
    }
    if (body.result == TT_ANSWER_GOES_ON && body.unpack)
        assert_int_equal(tt_unpack_end(body.unpack, on_bytes, &body), 0);
    if (body.result == TT_ANSWER_GOES_ON)
        body.result = tt_upstream_answer_end(&answer, false, &err);
    assert_int_equal(body.result, err.status ? TT_ANSWER_FAILED : TT_ANSWER_COMPLETE);
    compare(example, cut, &told, &answer, &err);
    tt_upstream_answer_destroy(&answer);
    tt_unpack_free(body.unpack);
    tt_buf_free(&told.content);
    tt_buf_free(&told.reasoning);
    tt_buf_free(&told.calls);
}

static int try_file(struct rig *rig, const char *provider)
{
    char name[64];
    struct cases cases;
    struct tt_str line;
    struct tt_delta_spec *spec = spec_of(rig, provider);
    int count = 0;
    snprintf(name, sizeof(name), "upstream_cases/%s.jsonl", provider);
    cases_open(&cases, name);
    while (cases_line(&cases, &line)) {
        struct example example;
        example_read(&example, line);
        try_once(&example, spec, example.bytes.len, 0);
        try_once(&example, spec, 1, 1);
        for (size_t cut = 1; cut < example.bytes.len; cut += example.bytes.len / STEPS_MAX + 1)
            try_once(&example, spec, cut, 0);
        example_free(&example);
        count++;
    }
    cases_close(&cases);
    tt_delta_spec_unref(spec);
    return count;
}

static void openai(void **state)
{
    assert_true(try_file(*state, "openai") > 500);
}

static void anthropic(void **state)
{
    assert_true(try_file(*state, "anthropic") > 100);
}

static void gemini(void **state)
{
    assert_true(try_file(*state, "gemini") > 100);
}

static void ollama(void **state)
{
    assert_true(try_file(*state, "ollama") > 50);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(openai, setup, teardown),
        cmocka_unit_test_setup_teardown(anthropic, setup, teardown),
        cmocka_unit_test_setup_teardown(gemini, setup, teardown),
        cmocka_unit_test_setup_teardown(ollama, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
