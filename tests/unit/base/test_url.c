/* URLs: the cases files, and percent-encoding there and back. */
#include "base/cases.h"
#include "base/url.h"

static void check_url(struct tt_str text, struct tt_str want, int line)
{
    struct tt_url url;
    struct tt_err err = {0};
    int rc = tt_url_parse(text, &url, &err);
    if (tt_str_eq(want, TT_STR("refused"))) {
        if (rc == 0)
            fail_msg("line %d: accepted, host %s", line, url.host);
        assert_string_equal(err.code, "invalid_url");
        return;
    }
    if (rc < 0)
        fail_msg("line %d: %s", line, err.message);
    struct tt_buf got = {0};
    tt_buf_printf(&got, "%s %s %u ", url.https ? "https" : "http", url.host, url.port);
    tt_buf_append_str(&got, url.path.len ? url.path : TT_STR("."));
    if (!tt_str_eq(tt_buf_str(&got), want))
        fail_msg("line %d: %s", line, got.data);
    tt_buf_free(&got);
}

static void judges_the_urls(void **state)
{
    (void)state;
    assert_true(cases_each("url/cases.txt", check_url) > 80);
}

static void limits_the_host(void **state)
{
    (void)state;
    struct tt_url url;
    char text[400];
    /* Labels of 63 are the longest, 253 the longest name; 300 bytes do not fit the struct. */
    static const struct {
        int label, labels, rc;
    } cases[] = {{63, 1, 0}, {64, 1, -1}, {50, 4, 0}, {50, 5, -1}, {60, 5, -1}, {300, 1, -1}};
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        int n = snprintf(text, sizeof(text), "http://");
        for (int l = 0; l < cases[i].labels; l++) {
            if (l > 0)
                text[n++] = '.';
            memset(text + n, 'a', (size_t)cases[i].label);
            n += cases[i].label;
        }
        assert_int_equal(tt_url_parse(tt_str_of(text, (size_t)n), &url, NULL), cases[i].rc);
    }
}

static void check_decode(struct tt_str text, struct tt_str want, int line)
{
    bool form = tt_str_starts(text, TT_STR("form "));
    size_t skip = form ? 5 : 6;
    char escaped[64];
    struct tt_buf out = {0};
    struct tt_str input = tt_str_of(text.data + skip, text.len - skip);
    for (size_t i = 0; i < input.len; i++)
        escaped[i] = input.data[i] == '!' ? '%' : input.data[i];
    struct tt_str exact = cases_exact(tt_str_of(escaped, input.len));
    tt_buf_append_z(&out, ">");
    int rc = tt_url_decode(exact, form, &out);
    struct tt_str got = tt_str_of(out.data + 1, out.len - 1);
    if (tt_str_eq(want, TT_STR("refused")) ? rc == 0 || got.len > 0
                                           : rc < 0 || !tt_str_eq(got, want))
        fail_msg("line %d: %d \"%s\"", line, rc, out.data);
    tt_buf_free(&out);
    free((char *)exact.data);
}

static void decodes(void **state)
{
    (void)state;
    assert_true(cases_each("url/decode.txt", check_decode) > 15);
}

static void encodes(void **state)
{
    (void)state;
    struct tt_buf out = {0}, back = {0};
    char all[255];
    for (int i = 0; i < 255; i++)
        all[i] = (char)(i + 1);
    assert_int_equal(tt_url_encode(tt_str_of(all, 255), &out), 0);
    for (size_t i = 0; i < out.len; i++)
        assert_true(strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%",
                           out.data[i]) != NULL);
    assert_int_equal(tt_url_decode(tt_buf_str(&out), false, &back), 0);
    assert_text_equal(tt_buf_str(&back), tt_str_of(all, 255));
    tt_buf_clear(&out);
    tt_url_encode(TT_STR("a b/潮~\0"), &out);
    assert_string_equal(out.data, "a%20b%2F%E6%BD%AE~%00");
    struct tt_buf small = {.max = 4};
    assert_int_equal(tt_url_encode(TT_STR("ab "), &small), -1);
    assert_int_equal(small.len, 0);
    tt_buf_free(&small);
    tt_buf_free(&out);
    tt_buf_free(&back);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judges_the_urls),
        cmocka_unit_test(limits_the_host),
        cmocka_unit_test(decodes),
        cmocka_unit_test(encodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
