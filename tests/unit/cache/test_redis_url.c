/* Where Redis is, as operators write it. */
#include "base/mem.h"
#include "cache/redis_url.h"
#include "unit_test.h"

static void test_good_ones(void **state)
{
    static const struct {
        const char *text, *host, *user, *password;
        int port, database;
    } cases[] = {
        {"redis://localhost", "localhost", "", "", 6379, 0},
        {"redis://localhost/", "localhost", "", "", 6379, 0},
        {"redis://10.0.0.1:7000/15", "10.0.0.1", "", "", 7000, 15},
        {"redis://[::1]:7000/2", "::1", "", "", 7000, 2},
        {"redis://[2001:db8::1]", "2001:db8::1", "", "", 6379, 0},
        {"redis://:secret@cache.example:1/0", "cache.example", "", "secret", 1, 0},
        {"redis://me:pa%3Ass%40%2F%25@h", "h", "me", "pa:ss@/%", 6379, 0},
        {"redis://me:a:b@c@h:65535", "h", "me", "a:b@c", 65535, 0},
    };
    (void)state;
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        struct tt_redis_url url;
        struct tt_err err = {0};
        if (tt_redis_url_parse(tt_str_from(cases[i].text), &url, &err) != 0)
            fail_msg("%s: %s", cases[i].text, err.message);
        assert_string_equal(url.host, cases[i].host);
        assert_string_equal(url.user, cases[i].user);
        assert_string_equal(url.password, cases[i].password);
        assert_string_equal(url.path, "");
        assert_int_equal(url.port, cases[i].port);
        assert_int_equal(url.database, cases[i].database);
    }
}

static void test_sockets(void **state)
{
    static const struct {
        const char *text, *path, *user, *password;
        int database;
    } cases[] = {
        {"unix:///run/redis.sock", "/run/redis.sock", "", "", 0},
        {"unix:///run/redis.sock?db=3", "/run/redis.sock", "", "", 3},
        {"unix://:secret@/run/redis.sock", "/run/redis.sock", "", "secret", 0},
        {"unix://me:a%2Fb@/run/a%20b%3F.sock?db=1", "/run/a b?.sock", "me", "a/b", 1},
        {"unix:///run/a@b.sock", "/run/a@b.sock", "", "", 0},
    };
    (void)state;
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        struct tt_redis_url url;
        struct tt_err err = {0};
        if (tt_redis_url_parse(tt_str_from(cases[i].text), &url, &err) != 0)
            fail_msg("%s: %s", cases[i].text, err.message);
        assert_string_equal(url.path, cases[i].path);
        assert_string_equal(url.host, "");
        assert_string_equal(url.user, cases[i].user);
        assert_string_equal(url.password, cases[i].password);
        assert_int_equal(url.database, cases[i].database);
    }
}

/* The operator reads what to write instead. */
static void test_hints(void **state)
{
    static const struct {
        const char *text, *hint;
    } cases[] = {
        {"redis://:pa/ss@h", "%2F"},
        {"redis://:pa?ss@h", "%3F"},
        {"redis://:pa#ss@h", "%23"},
        {"redis://:pa%ss@h", "%25"},
        {"unix://:pa/ss@/run/redis.sock", "%2F"},
        {"rediss://h", "stunnel"},
        {"redis+sentinel://h", "Sentinel"},
        {"sentinel://h", "Sentinel"},
    };
    (void)state;
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        struct tt_err err = {0};
        assert_int_equal(tt_redis_url_check(tt_str_from(cases[i].text), &err), -1);
        if (!strstr(err.message, cases[i].hint))
            fail_msg("%s: %s", cases[i].text, err.message);
        assert_null(strstr(err.message, "ss@"));
    }
}

static void test_bad_ones_are_not_repeated(void **state)
{
    static const char *const cases[] = {
        "redis:/hunter2",           "rediss://:hunter2@h",
        "http://:hunter2@h",        "redis://",
        "redis://:hunter2@",        "redis://hunter2@h",
        "redis://me:@hunter2",      "redis://:hunter2@h:0",
        "redis://:hunter2@h:65536", "redis://:hunter2@h:",
        "redis://:hunter2@h:x",     "redis://:hunter2@h/x",
        "redis://:hunter2@h/-1",    "redis://:hunter2@h/1/2",
        "redis://:hunter2@h?a=1",   "redis://:hunter2@h#a",
        "redis://:hunter2%@h",      "redis://:hunter2%00@h",
        "redis://:hunter2@a b",     "redis://:hunter2@a\tb",
        "redis://:hunter2@[::1",    "redis://:hunter2@[::1]x",
        "redis://:hunter2@::1:1",   "redis://:hunter2@[]",
        "redis://:hunter2@h/70000", "unix://:hunter2@",
        "unix://hunter2/run/x",     "unix://:hunter2@/run/x?db=x",
        "unix:///run/hunter2?a=1",  "unix://:hunter2@/run/%",
    };
    char text[1000];
    (void)state;
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        struct tt_err err = {0};
        if (tt_redis_url_check(tt_str_from(cases[i]), &err) == 0)
            fail_msg("taken: %s", cases[i]);
        assert_string_equal(err.code, "invalid_setting");
        assert_null(strstr(err.message, "hunter2"));
    }
    for (size_t len = 100; len < 900; len += 400) { /* overlong user, then password too */
        memset(text, 'a', sizeof(text));
        memcpy(text, "redis://", 8);
        memcpy(text + 8 + (len == 100 ? 200 : 1), ":", 1);
        memcpy(text + sizeof(text) - 20, "@h", 3);
        assert_int_equal(tt_redis_url_check(tt_str_from(text), NULL), -1);
    }
}

static void test_empty_means_none(void **state)
{
    (void)state;
    assert_int_equal(tt_redis_url_check(TT_STR(""), NULL), 0);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_ones),
        cmocka_unit_test(test_sockets),
        cmocka_unit_test(test_hints),
        cmocka_unit_test(test_bad_ones_are_not_repeated),
        cmocka_unit_test(test_empty_means_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
