/* The estimate of tokens: by kinds of characters, the same however a text is cut. */
#include "base/cases.h"
#include "reply/tokens.h"

static int64_t tokens(const char *text)
{
    return tt_tokens_of(tt_tokens_quarters(tt_str_from(text)));
}

static void kinds_of_characters_weigh_what_is_documented(void **state)
{
    (void)state;
    assert_int_equal(tokens(""), 0);
    assert_int_equal(tokens("a"), 1);
    assert_int_equal(tokens("abcd"), 1);
    assert_int_equal(tokens("abcde"), 2);
    assert_int_equal(tokens("The quick brown fox jumps over the lazy dog."), 11);
    assert_int_equal(tokens("潮水"), 2);
    assert_int_equal(tokens("𠮷"), 1);
    assert_int_equal(tokens("ひらカナ"), 4);
    assert_int_equal(tokens("한국"), 2);
    assert_int_equal(tokens("привет"), 3);
    assert_int_equal(tokens("🌊"), 1);
    assert_int_equal(tokens("潮a水b"), 3);
    assert_int_equal(tokens("\xff\xff"), 1); /* no characters, and no endless loop */
    assert_int_equal(tokens("\xe6\xbd"), 1);
}

static void pieces_count_as_the_whole(void **state)
{
    static const char text[] = "Tide 潮, café, поток, 한국: 0123456789 and more; 🌊🌊 end.";
    struct tt_str whole = tt_str_from(text);
    (void)state;

    for (size_t at = 0; at <= whole.len; at++) {
        if (((unsigned char)text[at] & 0xC0) == 0x80)
            continue;
        assert_int_equal(tt_tokens_quarters(tt_str_of(text, at)) +
                             tt_tokens_quarters(tt_str_of(text + at, whole.len - at)),
                         tt_tokens_quarters(whole));
    }
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_of_characters_weigh_what_is_documented),
        cmocka_unit_test(pieces_count_as_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
