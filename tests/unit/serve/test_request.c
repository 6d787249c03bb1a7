/* Which language a client wants. The rest of requests is tested with dispatch. */
#include "base/cases.h"
#include "serve/request.h"

static void languages(void **state)
{
    struct cases cases;
    struct tt_str line, header;
    (void)state;

    cases_open(&cases, "script/languages.txt");
    while (cases_line(&cases, &line)) {
        assert_true(tt_str_split(&line, '|', &header));
        struct tt_str exact = cases_exact(header);
        bool chinese = tt_request_prefers_chinese(exact);
        if (chinese != tt_str_eq(line, TT_STR("zh")))
            fail_msg("line %d: \"%.*s\" gave %s", cases.line, TT_STR_ARG(header),
                     chinese ? "zh" : "en");
        free((char *)(uintptr_t)exact.data);
    }
    cases_close(&cases);
    assert_false(tt_request_prefers_chinese((struct tt_str){0}));
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(languages)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
