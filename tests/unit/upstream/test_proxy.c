/* How the operator writes a proxy. */
#include "base/cases.h"
#include "upstream/proxy.h"

#include <string.h>

static void what_is_read(void **state)
{
    static const struct {
        const char *text, *url, *user, *password;
        bool socks;
    } cases[] = {
        {"http://squid.example:3128", "http://squid.example:3128", "", "", false},
        {"HTTP://10.0.0.1:80/", "http://10.0.0.1:80", "", "", false},
        {"socks5h://[::1]:1080", "socks5h://[::1]:1080", "", "", true},
        {"socks5h://u:p@h.example:1080", "socks5h://h.example:1080", "u", "p", true},
        {"http://u%40x:a%3Ab@c@h:1", "http://h:1", "u@x", "a:b@c", false},
        {"http://u@h:1", "http://h:1", "u", "", false},
    };
    struct tt_proxy proxy;
    (void)state;
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        assert_int_equal(tt_proxy_parse(tt_str_from(cases[i].text), &proxy, NULL), 0);
        assert_string_equal(proxy.url, cases[i].url);
        assert_string_equal(proxy.user, cases[i].user);
        assert_string_equal(proxy.password, cases[i].password);
        assert_int_equal(proxy.socks, cases[i].socks);
    }
}

static void what_is_refused(void **state)
{
    static const char *const cases[] = {
        "proxy:3128",
        "https://h:1",
        "socks5://h:1",
        "socks4://h:1",
        "http://h",
        "http://[::1]",
        "http://h:0",
        "http://h:1/path",
        "http://h:1?x",
        "http://",
        "http://u:p@",
        "http://secret%zz:p@h:1",
        "http://secret%00@h:1",
        "http://h:1\r\nX: y",
        "http://secret@h x:1",
    };
    struct tt_err err;
    (void)state;
    assert_int_equal(tt_proxy_check(TT_STR(""), NULL), 0);
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        memset(&err, 0, sizeof(err));
        assert_int_equal(tt_proxy_check(tt_str_from(cases[i]), &err), -1);
        assert_string_equal(err.code, "invalid_setting");
        assert_null(strstr(err.message, "secret"));
    }
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read),
        cmocka_unit_test(what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
