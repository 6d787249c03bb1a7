/* YAML: the cases file, whose trees are compared as one line of text, and the limits. */
#include "base/cases.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/yaml.h"

static void dump(const struct tt_yaml_node *node, struct tt_buf *out)
{
    if (node->type == TT_YAML_SCALAR) {
        tt_buf_putc(out, node->quoted ? '"' : '<');
        tt_json_escape(out, node->scalar);
        tt_buf_putc(out, node->quoted ? '"' : '>');
        return;
    }
    bool map = node->type == TT_YAML_MAP;
    tt_buf_putc(out, map ? '{' : '[');
    for (const struct tt_yaml_node *n = node->first; n; n = n->next) {
        if (map)
            tt_buf_printf(out, "%.*s@%d=", TT_STR_ARG(n->key), n->line);
        dump(n, out);
        if (n->next)
            tt_buf_putc(out, ',');
    }
    tt_buf_putc(out, map ? '}' : ']');
}

static void check_case(struct tt_str name, struct tt_str text, bool ok, struct tt_str want)
{
    struct tt_arena arena = {0};
    struct tt_err err = {0};
    struct tt_buf bytes = cases_bytes(text), got = {0};
    struct tt_str exact = cases_exact(tt_buf_str(&bytes));
    struct tt_yaml_node *root = tt_yaml_parse(&arena, "f.yaml", exact, &err);
    if (root)
        dump(root, &got);
    else
        tt_buf_printf(&got, "%s", err.message);
    if (ok != (root != NULL))
        fail_msg("%.*s: %s", TT_STR_ARG(name), got.data);
    struct tt_buf prefix = {0};
    tt_buf_printf(&prefix, "%s%.*s", ok ? "" : "f.yaml:", TT_STR_ARG(want));
    if (ok ? !tt_str_eq(tt_buf_str(&got), want)
           : !tt_str_starts(tt_buf_str(&got), tt_buf_str(&prefix)))
        fail_msg("%.*s: got %s", TT_STR_ARG(name), got.data);
    if (!ok)
        assert_string_equal(err.code, "invalid_yaml");
    tt_buf_free(&prefix);
    tt_buf_free(&got);
    tt_buf_free(&bytes);
    free((char *)exact.data);
    tt_arena_destroy(&arena);
}

static const char *line_after(const char *p, const char *stop)
{
    const char *at = memchr(p, '\n', (size_t)(stop - p));
    assert_non_null(at);
    return at + 1;
}

static void reads_the_cases(void **state)
{
    (void)state;
    struct cases cases;
    int count = 0;
    cases_open(&cases, "yaml/cases.txt");
    const char *p = (char *)memmem(cases.text.data, cases.text.len, "\n=== ", 5) + 1;
    const char *end = cases.text.data + cases.text.len;
    while (p) {
        const char *next = memmem(p + 4, (size_t)(end - p - 4), "\n=== ", 5);
        const char *stop = next ? next + 1 : end;
        const char *text = line_after(p, stop);
        /* The last "--- " of the case: a document may have its own. */
        const char *mark = NULL, *at = text - 1;
        while ((at = memmem(at + 1, (size_t)(stop - at - 1), "--- ", 4)))
            mark = at;
        assert_non_null(mark);
        bool ok = memcmp(mark, "--- ok\n", 7) == 0;
        const char *want = line_after(mark, stop);
        check_case(tt_str_of(p + 4, (size_t)(text - p - 5)), tt_str_of(text, (size_t)(mark - text)),
                   ok, tt_str_of(want, (size_t)(stop - want - 1)));
        p = next ? next + 1 : NULL;
        count++;
    }
    cases_close(&cases);
    assert_true(count >= 30);
}

static int parse(struct tt_str text, struct tt_err *err)
{
    struct tt_arena arena = {0};
    struct tt_yaml_node *root = tt_yaml_parse(&arena, "f", text, err);
    tt_arena_destroy(&arena);
    return root ? 0 : -1;
}

static void limits_size_and_depth(void **state)
{
    (void)state;
    struct tt_err err = {0};
    for (int depth = 30; depth < 36; depth++) {
        struct tt_buf flow = {0}, block = {0};
        for (int i = 0; i < depth; i++)
            tt_buf_append_z(&flow, "[");
        for (int i = 0; i < depth; i++)
            tt_buf_append_z(&flow, "]");
        for (int i = 0; i < depth; i++)
            tt_buf_printf(&block, "%*sk:\n", i, "");
        assert_int_equal(parse(tt_buf_str(&flow), &err), depth > 32 ? -1 : 0);
        assert_int_equal(parse(tt_buf_str(&block), &err), depth > 32 ? -1 : 0);
        tt_buf_free(&flow);
        tt_buf_free(&block);
    }
    struct tt_buf big = {0};
    while (big.len < 65536)
        tt_buf_append_z(&big, "# comment line of 32 characters\n");
    assert_int_equal(big.len, 65536);
    assert_int_equal(parse(tt_buf_str(&big), &err), 0);
    tt_buf_putc(&big, '\n');
    assert_int_equal(parse(tt_buf_str(&big), &err), -1);
    tt_buf_free(&big);
}

/* 64 KiB of what is slow in libyaml must be over in no time; the sanitizer's slowness included. */
static void hostile_files_are_cheap(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "[",  "{",      "- ",  "? ",   "[\n", "{a: ", "[a: ", "k: [",
        "\"", "a: b\n", "&a ", "!!x ", "- [", ": ",   "|\n",  "'a'\n"};
    for (size_t i = 0; i < TT_COUNT(pieces); i++) {
        struct tt_buf text = {.max = 65536};
        while (tt_buf_append_z(&text, pieces[i]) == 0)
            ;
        uint64_t start = tt_clock_thread_cpu_ns();
        parse(tt_buf_str(&text), NULL);
        uint64_t ms = (tt_clock_thread_cpu_ns() - start) / 1000000;
        if (ms > 2000)
            fail_msg("%s: %d ms", pieces[i], (int)ms);
        tt_buf_free(&text);
    }
}

static void byte_order_mark_is_skipped(void **state)
{
    (void)state;
    struct tt_arena arena = {0};
    struct tt_err err = {0};
    struct tt_yaml_node *root = tt_yaml_parse(&arena, "f", TT_STR("\xEF\xBB\xBFname: x\n"), &err);
    assert_non_null(root);
    assert_string_equal(tt_yaml_child(root, "name")->scalar.data, "x");
    assert_null(tt_yaml_child(root, "nam"));
    assert_null(tt_yaml_child(tt_yaml_child(root, "name"), "x"));
    assert_null(tt_yaml_child(NULL, "x"));
    /* Other encodings are not guessed. */
    assert_null(tt_yaml_parse(&arena, "f",
                              TT_STR("\xFF\xFE"
                                     "a\0:\0 \0b\0"),
                              &err));
    tt_arena_destroy(&arena);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_cases),
        cmocka_unit_test(limits_size_and_depth),
        cmocka_unit_test(hostile_files_are_cheap),
        cmocka_unit_test(byte_order_mark_is_skipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
