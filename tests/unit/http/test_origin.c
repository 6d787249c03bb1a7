/* Which origins may be listed, and which origins of browsers are then let in. */
#include "base/mem.h"
#include "http/origin.h"
#include "unit_test.h"

static void what_may_be_listed(void **state)
{
    static const char *const good[] = {
        "https://chat.example.org", "http://localhost:3000",
        "http://127.0.0.1",         "http://[::1]:5173",
        "tauri://localhost",        "app://x",
        "capacitor://localhost",    "chrome-extension://abcdefghijklmnop",
        "https://*.example.org",    "https://*.example.org:8443",
    };
    static const char *const bad[] = {
        "",
        "*",
        "null",
        "chat.example.org",
        "https://",
        "https://chat.example.org/",
        "https://chat.example.org/page",
        "https://Chat.example.org",
        "HTTPS://chat.example.org",
        "https://chat.example.org:443",
        "http://chat.example.org:80",
        "https://chat.example.org:99999",
        "https://chat.example.org:",
        "https://*",
        "https://*.org",
        "https://*.*.example.org",
        "https://a.*.example.org",
        "https://x*.example.org",
        "https://u@chat.example.org",
        "https://chat.example.org?x",
        "https://*.[::1]",
        "://x",
        "1a://x",
    };
    struct tt_err err = {0};
    (void)state;

    for (size_t i = 0; i < TT_COUNT(good); i++)
        if (tt_http_origin_check(tt_str_from(good[i]), &err) != 0)
            fail_msg("%s: %s", good[i], err.message);
    for (size_t i = 0; i < TT_COUNT(bad); i++)
        if (tt_http_origin_check(tt_str_from(bad[i]), &err) == 0)
            fail_msg("%s was accepted", bad[i]);
}

static void who_is_let_in(void **state)
{
    static const struct {
        const char *listed, *origin;
        bool matches;
    } cases[] = {
        {"https://chat.example.org", "https://chat.example.org", true},
        {"https://chat.example.org", "http://chat.example.org", false},
        {"https://chat.example.org", "https://chat.example.org:8443", false},
        {"tauri://localhost", "tauri://localhost", true},
        {"tauri://localhost", "http://localhost", false},
        {"https://*.example.org", "https://a.example.org", true},
        {"https://*.example.org", "https://a-1.example.org", true},
        {"https://*.example.org", "https://example.org", false},
        {"https://*.example.org", "https://.example.org", false},
        {"https://*.example.org", "https://a.b.example.org", false},
        {"https://*.example.org", "https://aexample.org", false},
        {"https://*.example.org", "http://a.example.org", false},
        {"https://*.example.org", "https://a.example.org:8443", false},
        {"https://*.example.org", "https://evil.test/.example.org", false},
        {"https://*.example.org", "https://u@.example.org", false},
        {"https://*.example.org:8443", "https://a.example.org:8443", true},
        {"https://*.example.org", "null", false},
        {"https://*.example.org", "", false},
    };
    (void)state;

    for (size_t i = 0; i < TT_COUNT(cases); i++)
        if (tt_http_origin_matches(tt_str_from(cases[i].listed), tt_str_from(cases[i].origin)) !=
            cases[i].matches)
            fail_msg("%s, %s", cases[i].listed, cases[i].origin);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_may_be_listed),
        cmocka_unit_test(who_is_let_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
