/* The providers as they ship, on streams in the formats that their vendors document: read by the
 * real parser and reader with the paths of the real Lua files, cut at every byte. A case of
 * tests/data/providers/<provider>/ is "key: value" lines (values may have %XX), a line "----", and
 * the bytes of the answer. */
#include "base/utf8.h"
#include "tide/providers_fixture.h"
#include "upstream/sse_parse.h"

#define LINE_MAX_BYTES (1u << 20)

static const char *const providers[] = {"openai", "anthropic", "gemini", "ollama"};

/* ---- reading an answer ---- */

struct answer {
    struct tt_delta_reader reader;
    struct tt_delta_reader full; /* reads every event without the shape of the one before */
    struct tt_buf content, reasoning, tool_calls;
    struct tt_err error;
    bool complete;
};

static void answer_open(struct answer *answer, struct tt_delta_spec *spec, bool whole)
{
    *answer = (struct answer){0};
    tt_delta_create(&answer->reader, spec, whole);
    tt_delta_create(&answer->full, spec, whole);
    answer->full.shape.off = true;
    tt_buf_append(&answer->content, "", 0);
    tt_buf_append(&answer->reasoning, "", 0);
    tt_buf_append(&answer->tool_calls, "", 0);
}

static void answer_close(struct answer *answer)
{
    tt_delta_destroy(&answer->reader);
    tt_delta_destroy(&answer->full);
    tt_buf_free(&answer->content);
    tt_buf_free(&answer->reasoning);
    tt_buf_free(&answer->tool_calls);
}

/* Ids that were made read "call_*". */
static void add_calls(struct answer *answer)
{
    struct tt_str entry = tt_buf_str(&answer->reader.tool_calls);
    for (size_t i = 0; i < entry.len; i++) {
        static const char made[] = "\"call_";
        struct tt_str rest = tt_str_of(entry.data + i, entry.len - i);
        tt_buf_putc(&answer->tool_calls, entry.data[i]);
        if (tt_str_starts(rest, TT_STR(made)) &&
            strspn(rest.data + strlen(made), "0123456789abcdef") == 16) {
            tt_buf_append_z(&answer->tool_calls, "call_*");
            i += strlen(made) + 16 - 1;
        }
    }
}

/* Both readers found the same in an event. */
static void same_as_in_full(const struct answer *answer)
{
    const struct tt_delta_reader *reader = &answer->reader, *full = &answer->full;
    assert_text_equal(tt_buf_str(&reader->content), tt_buf_str(&full->content));
    assert_text_equal(tt_buf_str(&reader->reasoning), tt_buf_str(&full->reasoning));
    assert_text_equal(tt_buf_str(&reader->finish_reason), tt_buf_str(&full->finish_reason));
    assert_int_equal(reader->tool_calls.len, full->tool_calls.len); /* ids may be made */
    assert_int_equal(reader->usage.input_tokens, full->usage.input_tokens);
    assert_int_equal(reader->usage.output_tokens, full->usage.output_tokens);
    assert_int_equal(reader->done, full->done);
}

static int on_event(void *arg, struct tt_str name, struct tt_str data, struct tt_err *err)
{
    struct answer *answer = arg;
    struct tt_delta_reader *reader = &answer->reader;
    if (answer->complete)
        return 0;
    struct tt_err unused = {0};
    int full = tt_delta_read(&answer->full, name, data, &unused);
    int result = tt_delta_read(reader, name, data, err);
    assert_int_equal(result, full);
    same_as_in_full(answer);
    if (result != 0)
        return -1;
    assert_true(tt_utf8_valid(tt_buf_str(&reader->content)));
    assert_true(tt_utf8_valid(tt_buf_str(&reader->tool_calls)));
    tt_buf_append_str(&answer->content, tt_buf_str(&reader->content));
    tt_buf_append_str(&answer->reasoning, tt_buf_str(&reader->reasoning));
    add_calls(answer);
    if (reader->done || reader->whole) {
        answer->complete = true;
        tt_delta_complete(reader);
        add_calls(answer);
    }
    return 0;
}

/* The pieces begin at the cuts; a connection that closes at the end. */
static void answer_read(struct answer *answer, struct tt_delta_spec *spec, struct tt_str bytes,
                        size_t piece_first, size_t piece_next)
{
    struct tt_sse_parser parser;
    size_t piece = piece_first;
    int result = 0;
    tt_sse_create(&parser, tt_delta_spec_kind(spec), LINE_MAX_BYTES);
    for (size_t at = 0; result == 0 && at < bytes.len; at += piece, piece = piece_next) {
        size_t n = bytes.len - at < piece ? bytes.len - at : piece;
        struct tt_str exact = cases_exact(tt_str_of(bytes.data + at, n));
        result = tt_sse_feed(&parser, exact, on_event, answer, &answer->error);
        free((char *)exact.data);
        if (piece == 0)
            piece = bytes.len;
    }
    if (result == 0)
        result = tt_sse_end(&parser, on_event, answer, &answer->error);
    if (result == 0 && !answer->complete && answer->reader.finish_reason.len > 0) {
        tt_delta_complete(&answer->reader);
        add_calls(answer);
    } else if (result == 0 && !answer->complete) {
        tt_err_set(&answer->error, 502, "upstream_incomplete", "cut off");
    }
    tt_sse_destroy(&parser);
}

/* ---- a case ---- */

struct example {
    char name[300];
    struct tt_buf file;
    bool whole;
    struct tt_buf content, reasoning, finish, usage, end, tool_calls;
    struct tt_buf details; /* tokens from a cache, and of reasoning */
    struct tt_buf carried;
    struct tt_str bytes;
};

static void example_line(struct example *example, struct tt_str line)
{
    struct tt_buf *const fields[] = {&example->content, &example->reasoning, &example->finish,
                                     &example->usage,   &example->end,       &example->tool_calls,
                                     &example->details, &example->carried};
    static const char *const names[] = {"content", "reasoning",  "finish",  "usage",
                                        "end",     "tool_calls", "details", "carried"};
    struct tt_str key = line;
    ptrdiff_t colon = tt_str_find(line, ':');
    if (line.data[0] == '#')
        return;
    assert_true(colon > 0);
    key.len = (size_t)colon;
    struct tt_buf value =
        cases_bytes(tt_str_of(line.data + colon + 2, line.len - (size_t)colon - 2));
    if (tt_str_eq(key, TT_STR("form")))
        example->whole = tt_str_eq(tt_buf_str(&value), TT_STR("whole"));
    else if (tt_str_eq(key, TT_STR("tool_calls")))
        tt_buf_putc(&value, '\n');
    for (size_t i = 0; i < TT_COUNT(fields); i++)
        if (tt_str_eq(key, tt_str_from(names[i])))
            tt_buf_append_str(fields[i], tt_buf_str(&value));
    tt_buf_free(&value);
}

static void example_open(struct example *example, const char *path)
{
    char piece[4096];
    struct tt_str rest, line;
    size_t n;
    *example = (struct example){0};
    snprintf(example->name, sizeof(example->name), "%s", path + sizeof(TT_TEST_DATA));
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    while ((n = fread(piece, 1, sizeof(piece), file)) > 0)
        tt_buf_append(&example->file, piece, n);
    fclose(file);
    rest = tt_buf_str(&example->file);
    while (tt_str_split(&rest, '\n', &line) && !tt_str_eq(line, TT_STR("----")))
        example_line(example, line);
    example->bytes = rest;
    assert_true(rest.len > 0);
}

static void example_close(struct example *example)
{
    struct tt_buf *const all[] = {&example->content, &example->reasoning, &example->finish,
                                  &example->usage,   &example->end,       &example->tool_calls,
                                  &example->details, &example->carried,   &example->file};
    for (size_t i = 0; i < TT_COUNT(all); i++)
        tt_buf_free(all[i]);
}

static void same(const struct example *example, size_t cut, const char *what,
                 const struct tt_buf *got, const struct tt_buf *want)
{
    if (!tt_str_eq(tt_buf_str(got), tt_buf_str(want)))
        fail_msg("%s, cut at %zu: %s is \"%.*s\", not \"%.*s\"", example->name, cut, what,
                 TT_STR_ARG(tt_buf_str(got)), TT_STR_ARG(tt_buf_str(want)));
}

static void compare(const struct example *example, size_t cut, const struct answer *answer)
{
    struct tt_buf usage = {0}, end = {0}, details = {0}, carried = {0};
    const struct tt_reply_usage *counts = &answer->reader.usage;
    if (counts->input_tokens >= 0)
        tt_buf_append_i64(&usage, counts->input_tokens);
    if (counts->output_tokens >= 0)
        tt_buf_printf(&usage, " %d", (int)counts->output_tokens);
    if (counts->cached_tokens || counts->reasoning_tokens)
        tt_buf_printf(&details, "%d %d", (int)counts->cached_tokens, (int)counts->reasoning_tokens);
    tt_delta_carried_json(&answer->reader, &carried);
    if (answer->error.status)
        tt_buf_append_z(&end, answer->error.code);
    else if (!example->whole)
        tt_buf_append_z(&end, answer->complete ? "done" : "closed");
    assert_null(strstr(answer->error.message, "secret"));
    same(example, cut, "content", &answer->content, &example->content);
    same(example, cut, "reasoning", &answer->reasoning, &example->reasoning);
    same(example, cut, "finish", &answer->reader.finish_reason, &example->finish);
    same(example, cut, "usage", &usage, &example->usage);
    same(example, cut, "tool_calls", &answer->tool_calls, &example->tool_calls);
    same(example, cut, "end", &end, &example->end);
    same(example, cut, "details", &details, &example->details);
    same(example, cut, "carried", &carried, &example->carried);
    tt_buf_free(&details);
    tt_buf_free(&carried);
    tt_buf_free(&usage);
    tt_buf_free(&end);
}

static void try_once(const struct example *example, struct tt_delta_spec *spec, size_t first,
                     size_t next)
{
    struct answer answer;
    answer_open(&answer, spec, example->whole);
    if (example->whole)
        on_event(&answer, TT_STR(""), example->bytes, &answer.error);
    else
        answer_read(&answer, spec, example->bytes, first, next);
    compare(example, first, &answer);
    answer_close(&answer);
}

static void try_example(struct tt_delta_spec *spec, const char *path)
{
    struct example example;
    example_open(&example, path);
    try_once(&example, spec, example.bytes.len, 1);
    for (size_t cut = 1; !example.whole && cut < example.bytes.len; cut++)
        try_once(&example, spec, cut, example.bytes.len);
    if (!example.whole)
        try_once(&example, spec, 1, 1);
    example_close(&example);
}

static void recorded_formats_at_every_cut(void **state)
{
    struct rig *rig = *state;
    for (size_t i = 0; i < TT_COUNT(providers); i++) {
        char folder_path[512], path[1024];
        int count = 0;
        snprintf(folder_path, sizeof(folder_path), "%s/providers/%s", TT_TEST_DATA, providers[i]);
        DIR *folder = opendir(folder_path);
        assert_non_null(folder);
        struct tt_delta_spec *spec = spec_of(rig, providers[i]);
        for (struct dirent *entry; (entry = readdir(folder));) {
            if (!tt_str_ends(tt_str_from(entry->d_name), TT_STR(".txt")))
                continue;
            snprintf(path, sizeof(path), "%s/%s", folder_path, entry->d_name);
            try_example(spec, path);
            count++;
        }
        closedir(folder);
        tt_delta_spec_unref(spec);
        assert_true(count >= 7);
    }
}

static void presets_read_as_what_they_speak(void **state)
{
    struct tt_delta_spec *spec = spec_of(*state, "deepseek");
    try_example(spec, TT_TEST_DATA "/providers/openai/deepseek_reasoning.txt");
    tt_delta_spec_unref(spec);
}

/* A file with a mistake does not load, and the message says where it is. */
static void mistakes_are_found_while_loading(void **state)
{
    static const struct {
        const char *file, *error;
    } cases[] = {
        {"return {name = 'mine'}", "provider 'mine': 'framing' must be"},
        {"return {name = 'mine', framing = 'sse', stream = {text = 'a'}, whole = {}}",
         "provider 'mine': stream.text: there is no such path"},
        {"return {name = 'mine', framing = 'sse', stream = {content = 'a[b'}, whole = {}}",
         "provider 'mine': stream.content: path \"a[b\": a filter has no end"},
        {"return {name = 'mine', framing = 'sse', stream = {}, whole = {}}",
         "provider 'mine': 'build' must be a function"},
        {"return {name = 'openai', framing = 'sse', stream = {}, whole = {}, build = next}",
         "there are two providers 'openai'"},
    };
    struct rig *rig = *state;
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        rig_put(rig, "lua/providers/mine.lua", cases[i].file);
        assert_null(rig_try_load(rig));
        if (!strstr(rig->errors.data, cases[i].error))
            fail_msg("%s: %s", cases[i].error, rig->errors.data);
    }
    rig_put(rig, "lua/providers/mine.lua",
            "return {name = 'mine', framing = 'json_lines', stream = {content = 'a'},"
            " whole = {}, build = function() end}");
    rig_load(rig);
    struct tt_delta_spec *spec = spec_of(rig, "mine");
    assert_int_equal(tt_delta_spec_kind(spec), TT_SSE_JSON_LINES);
    tt_delta_spec_unref(spec);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(recorded_formats_at_every_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(presets_read_as_what_they_speak, setup, teardown),
        cmocka_unit_test_setup_teardown(mistakes_are_found_while_loading, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
