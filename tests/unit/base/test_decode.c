/* Text files to UTF-8: a table of bytes and what they are, the cap, and files cut inside a
 * character. */
#include "base/cases.h"
#include "base/decode.h"

struct decode_case {
    struct tt_str bytes;
    const char *encoding; /* NULL: refused */
    const char *text;
};

#define IN(literal)                                                                                \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

static const struct decode_case table[] = {
    /* UTF-8 */
    {IN(""), "utf-8", ""},
    {IN("plain\r\n\ttext\f\x1b[1m"), "utf-8", "plain\r\n\ttext\f\x1b[1m"},
    {IN("\xEF\xBB\xBF"), "utf-8", ""},
    {IN("\xEF\xBB\xBF潮聊"), "utf-8", "潮聊"},
    {IN("潮聊 🌊 é"), "utf-8", "潮聊 🌊 é"},
    {IN("\xEF\xBB\xBF\xEF\xBB\xBFx"), "utf-8", "\xEF\xBB\xBFx"},
    {IN("DOS\r\n\x1a"), "utf-8", "DOS\r\n\x1a"},
    {IN("\xEF\xBB\xBF\xD6\xD0"), NULL, NULL}, /* marked UTF-8, and is not */
    /* UTF-16 with a mark */
    {IN("\xFF\xFE"), "utf-16le", ""},
    {IN("\xFF\xFEh\0i\0"), "utf-16le", "hi"},
    {IN("\xFE\xFF\0h\0i"), "utf-16be", "hi"},
    {IN("\xFF\xFE\x6E\x6F\x4A\x80"), "utf-16le", "潮聊"},
    {IN("\xFE\xFF\x6F\x6E\x80\x4A"), "utf-16be", "潮聊"},
    {IN("\xFF\xFE\x3C\xD8\x0A\xDF"), "utf-16le", "🌊"},
    {IN("\xFF\xFEh\0i"), NULL, NULL},             /* odd */
    {IN("\xFF\xFE\x3C\xD8"), NULL, NULL},         /* half a pair, at the end */
    {IN("\xFF\xFE\x3C\xD8h\0"), NULL, NULL},      /* half a pair */
    {IN("\xFF\xFE\x0A\xDFh\0"), NULL, NULL},      /* the other half */
    {IN("\xFF\xFEh\0\0\0"), NULL, NULL},          /* U+0000 */
    {IN("\xFF\xFE\0\0h\0\0\0"), NULL, NULL},      /* UTF-32 */
    {IN("\xFF\xFE\xFE\xFFh\0"), NULL, NULL},      /* two marks that disagree */
    {IN("\xFF\xFE\x01\x00\x02\x00"), NULL, NULL}, /* control characters */
    /* UTF-16 without a mark: only when certain */
    {IN("h\0i\0 \0\x6E\x6F\n\0"), "utf-16le", "hi 潮\n"},
    {IN("\0h\0i\0 \x6F\x6E\0\n"), "utf-16be", "hi 潮\n"},
    {IN("h\0"), NULL, NULL},
    {IN("\x6E\x6F\x4A\x80\n\0\x6E\x6F"), NULL, NULL},
    {IN("h\0i\0\0x"), NULL, NULL},
    {IN("h\0i\0\x01\0x\0"), NULL, NULL},
    {IN("h\0\0\0i\0\0\0"), NULL, NULL}, /* UTF-32LE */
    {IN("a\0b\0c"), NULL, NULL},
    /* GB18030, GBK, GB2312 */
    {IN("\xD6\xD0\xCE\xC4"), "gb18030", "中文"},
    {IN("# \xB3\xB1\xC1\xC4\nprint(1)\n"), "gb18030", "# 潮聊\nprint(1)\n"},
    {IN("\x94\x39\xDA\x33\xD6\xD0"), "gb18030", "💩中"},
    {IN("\x81\x30\x84\x36\xA3\xBB"), "gb18030", "¥；"},
    {IN("\xD6\xEC\xE9\x46\xBB\xF9"), "gb18030", "朱镕基"}, /* a second byte in ASCII */
    {IN("\xD6\xD0\xCE"), NULL, NULL},                      /* cut */
    {IN("\xD6\xD0\x80"), NULL, NULL},
    {IN("\xD6\xD0\xFF"), NULL, NULL},
    {IN("\xD6\xD0\x01"), NULL, NULL},
    {IN("\xD6\xD0\x81\x30\x81\x30"), NULL, NULL}, /* U+0080 */
    /* other encodings and binary data */
    {IN("na\xEFve"), NULL, NULL},
    {IN("caf\xE9"), NULL, NULL},
    {IN("caf\xE9 au lait"), NULL, NULL},
    {IN("gr\xF6\xDFtes G\xF6ttingen"), NULL, NULL},
    {IN("\0"), NULL, NULL},
    {IN("text\0text"), NULL, NULL},
    {IN("\x7F"
        "ELF\x02\x01\x01"),
     NULL, NULL},
    {IN("%PDF-1.4\n%\xE2\xE3\xCF\xD3\n\x01"), NULL, NULL},
    {IN("\x89PNG\r\n\x1a\n"), NULL, NULL},
    {IN("PK\x03\x04"), NULL, NULL},
    {IN("a\x1a"
        "b"),
     NULL, NULL},
    {IN("a\x7F"), NULL, NULL},
};

static void check(const struct decode_case *c, size_t index)
{
    struct tt_buf out = {0};
    struct tt_err err = {0};
    const char *encoding = "none";
    struct tt_str exact = cases_exact(c->bytes);
    tt_buf_append_z(&out, ">");
    int rc = tt_decode_text(exact, &out, &encoding, &err);
    free((char *)exact.data);
    struct tt_str got = tt_str_of(out.data + 1, out.len - 1);
    if (c->encoding) {
        if (rc != 0)
            fail_msg("case %zu: %s", index, err.message);
        assert_string_equal(encoding, c->encoding);
        assert_text_equal(got, tt_str_from(c->text));
    } else {
        if (rc == 0)
            fail_msg("case %zu: taken as %s: \"%.*s\"", index, encoding, TT_STR_ARG(got));
        assert_string_equal(err.code, "unsupported_encoding");
        assert_int_equal(err.status, 422);
        assert_int_equal(got.len, 0);
        assert_string_equal(encoding, "none");
    }
    tt_buf_free(&out);
}

static void decodes_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < TT_COUNT(table); i++)
        check(&table[i], i);
    struct tt_buf out = {0};
    assert_int_equal(tt_decode_text((struct tt_str){0}, &out, NULL, NULL), 0);
    tt_buf_free(&out);
}

static void keeps_to_the_cap(void **state)
{
    static const struct {
        struct tt_str bytes;
        size_t size; /* in UTF-8 */
    } cases[] = {
        {IN("abcd"), 4},
        {IN("\xD6\xD0\xCE\xC4"), 6},
        {IN("\xFF\xFE\x6E\x6F\x4A\x80"), 6},
    };
    (void)state;
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        struct tt_err err = {0};
        struct tt_buf out = {.max = cases[i].size - 1};
        assert_int_equal(tt_decode_text(cases[i].bytes, &out, NULL, &err), -1);
        assert_string_equal(err.code, "text_too_large");
        assert_int_equal(err.status, 413);
        assert_int_equal(out.len, 0);
        tt_buf_free(&out);
        out.max = cases[i].size;
        assert_int_equal(tt_decode_text(cases[i].bytes, &out, NULL, &err), 0);
        assert_int_equal(out.len, cases[i].size);
        tt_buf_free(&out);
    }
}

/* Longer than iconv's piece, so that characters lie across its edges. */
static void decodes_long_texts(void **state)
{
    struct tt_buf gb = {0}, want = {0}, out = {0};
    (void)state;
    tt_buf_putc(&gb, 'x');
    tt_buf_putc(&want, 'x');
    for (int i = 0; i < 100000; i++) {
        tt_buf_append(&gb, "\xD6\xD0\x94\x39\xDA\x33", 6);
        tt_buf_append_z(&want, "中💩");
    }
    assert_int_equal(tt_decode_text(tt_buf_str(&gb), &out, NULL, NULL), 0);
    assert_true(tt_str_eq(tt_buf_str(&out), tt_buf_str(&want)));
    tt_buf_free(&gb);
    tt_buf_free(&want);
    tt_buf_free(&out);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_the_table),
        cmocka_unit_test(keeps_to_the_cap),
        cmocka_unit_test(decodes_long_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
