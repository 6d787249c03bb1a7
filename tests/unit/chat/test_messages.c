/* A conversation in the core: what is kept of it, and its bounds. */
#include "chat/messages.h"
#include "unit_test.h"

/* "u1 a1 a-": a message of each word; "-" is an empty text. */
static void fill(struct tt_messages *messages, const char *words)
{
    for (const char *at = words; *at; at += strcspn(at, " "), at += strspn(at, " ")) {
        size_t len = strcspn(at, " ");
        struct tt_message *message = tt_messages_insert(messages, messages->count);
        const char *role = *at == 'u' ? "user" : *at == 'a' ? "assistant" : "system";
        bool empty = at[1] == '-';
        message->role = (unsigned)tt_message_role_of(tt_str_from(role));
        assert_int_equal(tt_messages_put(messages, tt_str_of(at, empty ? 0 : len), &message->text),
                         0);
    }
}

static void expect(struct tt_messages *messages, const char *words)
{
    struct tt_buf found = {0};

    for (size_t i = 0; i < messages->count; i++) {
        if (i > 0)
            tt_buf_putc(&found, ' ');
        tt_buf_append_str(&found, tt_messages_text(messages, messages->list[i].text));
    }
    assert_string_equal(found.data ? found.data : "", words);
    tt_buf_free(&found);
    tt_messages_free(messages);
}

static void keeps_pairs(void **state)
{
    static const struct {
        const char *words;
        size_t limit;
        const char *kept;
    } cases[] = {
        {"", 3, ""},
        {"u1 a1 u2 a2 u3 a3", 2, "u2 a2 u3 a3"},
        {"u1 a1 u2 a2 u3 a3", 0, ""},
        {"u1 a1 u2 a- u3 a3", 2, "u1 a1 u3 a3"},
        {"a1 u2 a2 u3", 9, "u2 a2"},
        {"u1 u2 a2 a3 u4", 9, "u2 a2"},
        {"s0 u1 s0 a1", 9, "u1 a1"},
    };
    (void)state;
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        struct tt_messages messages = {.texts.max = TT_MESSAGES_BYTES_MAX};
        fill(&messages, cases[i].words);
        tt_messages_keep_pairs(&messages, cases[i].limit);
        expect(&messages, cases[i].kept);
    }
}

static void keeps_what_fits(void **state)
{
    static const struct {
        size_t limit;
        const char *kept;
    } cases[] = {{0, ""}, {5, ""}, {6, "u33 a33"}, {10, "u33 a33"}, {11, "u22 a2 u33 a33"}};
    (void)state;
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        struct tt_messages messages = {.texts.max = TT_MESSAGES_BYTES_MAX};
        fill(&messages, "u1 a1 u22 a2 u33 a33 u4");
        tt_messages_keep_fitting(&messages, cases[i].limit, tt_messages_bytes_of);
        expect(&messages, cases[i].kept);
    }
}

static void inserts_and_removes(void **state)
{
    struct tt_messages messages = {.texts.max = TT_MESSAGES_BYTES_MAX};
    (void)state;
    fill(&messages, "u1 a1 u2 a2 u3 a3 u4 a4 u5");
    struct tt_message *first = tt_messages_insert(&messages, 0);
    tt_messages_put(&messages, TT_STR("s0"), &first->text);
    tt_messages_remove(&messages, 1);
    tt_messages_remove(&messages, messages.count - 1);
    expect(&messages, "s0 a1 u2 a2 u3 a3 u4 a4");
}

static void is_bounded(void **state)
{
    struct tt_messages messages = {.texts.max = 3};
    struct tt_message_text text;
    (void)state;
    assert_int_equal(tt_messages_put(&messages, TT_STR("abc"), &text), 0);
    assert_int_equal(tt_messages_put(&messages, TT_STR("d"), &text), -1);
    assert_int_equal(tt_message_role_of(TT_STR("robot")), -1);
    tt_messages_free(&messages);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_pairs),
        cmocka_unit_test(keeps_what_fits),
        cmocka_unit_test(inserts_and_removes),
        cmocka_unit_test(is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
