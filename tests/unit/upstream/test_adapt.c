/* What a refusal teaches, and what becomes of the request. */
#include "base/cases.h"
#include "upstream/adapt.h"

#include <string.h>

#define BODY                                                                                       \
    "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"system\"},"                 \
    "{\"content\":\"hi\",\"role\":\"user\"}],\"stream\":true,\"max_tokens\":5,\"temperature\":0."  \
    "5,"                                                                                           \
    "\"stream_options\":{\"include_usage\":true}}"

static unsigned wanted(const char *said, const char *body)
{
    struct tt_told_error told;
    tt_told_read(&told, tt_str_from(said));
    return tt_adapt_wanted(&told, tt_str_from(body));
}

static void refusals(void **state)
{
    static const struct {
        const char *said;
        unsigned changes;
    } cases[] = {
        {"{\"error\":{\"message\":\"Unrecognized request argument supplied: stream_options\"}}",
         TT_ADAPT_STREAM_OPTIONS},
        {"{\"detail\":[{\"msg\":\"Extra inputs are not permitted: stream_options\"}]}",
         TT_ADAPT_STREAM_OPTIONS},
        {"{\"error\":{\"message\":\"Unsupported parameter: 'max_tokens' is not supported with this "
         "model. Use 'max_completion_tokens' instead.\",\"param\":\"max_tokens\"}}",
         TT_ADAPT_MAX_COMPLETION_TOKENS},
        {"{\"error\":{\"message\":\"Unsupported value\",\"param\":\"temperature\"}}",
         TT_ADAPT_TEMPERATURE},
        {"{\"error\":{\"message\":\"'messages[0].role' does not support 'system' with this "
         "model.\"}}",
         TT_ADAPT_SYSTEM_ROLE},
        {"System role not supported", TT_ADAPT_SYSTEM_ROLE},
        {"{\"error\":{\"message\":\"max_tokens is too large\",\"param\":\"max_tokens\"}}", 0},
        {"{\"error\":{\"message\":\"Unknown parameter: top_k\"}}", 0},
        {"", 0},
    };
    (void)state;
    for (size_t i = 0; i < TT_COUNT(cases); i++)
        if (wanted(cases[i].said, BODY) != cases[i].changes)
            fail_msg("%s: %u", cases[i].said, wanted(cases[i].said, BODY));
    assert_int_equal(wanted("unknown max_completion_tokens", "{\"max_completion_tokens\":1}"),
                     TT_ADAPT_MAX_TOKENS);
    assert_int_equal(wanted("stream_options", "{\"model\":\"m\"}"), 0);
    assert_int_equal(wanted("stream_options", "no JSON"), 0);
}

static void expect(unsigned changes, const char *want)
{
    struct tt_buf body = {0};
    tt_buf_append_z(&body, BODY);
    tt_adapt_apply(changes, &body);
    assert_text_equal(tt_buf_str(&body), tt_str_from(want));
    tt_buf_free(&body);
}

static void requests(void **state)
{
    (void)state;
    expect(0, BODY);
    expect(TT_ADAPT_THINKING, BODY);
    expect(TT_ADAPT_STREAM_OPTIONS | TT_ADAPT_TEMPERATURE,
           "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"system\"},"
           "{\"content\":\"hi\",\"role\":\"user\"}],\"stream\":true,\"max_tokens\":5}");
    expect(TT_ADAPT_SYSTEM_ROLE | TT_ADAPT_MAX_COMPLETION_TOKENS,
           "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"system\"},"
           "{\"content\":\"hi\",\"role\":\"user\"}],\"stream\":true,"
           "\"max_completion_tokens\":5,\"temperature\":0.5,"
           "\"stream_options\":{\"include_usage\":true}}");
}

static void memory(void **state)
{
    const uint64_t one = 0x123456789abcdefu, other = 0xfedcba987654321u;
    (void)state;
    assert_int_equal(tt_adapt_known(one), 0);
    tt_adapt_learn(one, TT_ADAPT_TEMPERATURE);
    tt_adapt_learn(one, TT_ADAPT_STREAM_OPTIONS);
    assert_int_equal(tt_adapt_known(one), TT_ADAPT_TEMPERATURE | TT_ADAPT_STREAM_OPTIONS);
    assert_int_equal(tt_adapt_known(other), 0);
    assert_int_equal(tt_adapt_known(0), 0);
    tt_adapt_learn(one, TT_ADAPT_THINKING);
    tt_adapt_forget(one, TT_ADAPT_TEMPERATURE);
    assert_int_equal(tt_adapt_known(one), TT_ADAPT_THINKING | TT_ADAPT_STREAM_OPTIONS);
    tt_adapt_forget(other, TT_ADAPT_THINKING);
    assert_int_equal(tt_adapt_known(other), 0);
}

static void names(void **state)
{
    char text[TT_ADAPT_NAMES_SIZE];
    (void)state;
    assert_int_equal(tt_adapt_read(TT_STR("")), 0);
    assert_int_equal(tt_adapt_read(TT_STR("temperature, max_tokens,of_later")),
                     TT_ADAPT_TEMPERATURE | TT_ADAPT_MAX_COMPLETION_TOKENS);
    tt_adapt_write(63, text);
    assert_string_equal(text,
                        "stream_options,max_tokens,max_completion_tokens,temperature,top_p,system");
    assert_int_equal(tt_adapt_read(tt_str_from(text)), 63);
    tt_adapt_write(0, text);
    assert_string_equal(text, "");
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals),
        cmocka_unit_test(requests),
        cmocka_unit_test(memory),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
