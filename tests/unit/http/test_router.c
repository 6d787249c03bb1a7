/* Routes and paths as data: which route a path finds, with which parameters, or which methods it
 * could have had. */
#include "http/router.h"
#include "unit_test.h"

#include <stdio.h>

static const struct {
    const char *method, *pattern;
} routes[] = {
    {"GET", "/"},
    {"GET", "/api/chat/sessions"},
    {"GET", "/api/chat/sessions/:session_id/messages"},
    {"DELETE", "/api/chat/sessions/:session_id"},
    {"PATCH", "/api/chat/sessions/:id"},
    {"GET", "/api/user/apis"},
    {"POST", "/api/user/apis"},
    {"GET", "/api/user/apis/first"},
    {"GET", "/api/user/apis/:name"},
    {"PUT", "/api/user/apis/:id"},
    {"POST", "/api/user/apis/:id/test"},
    {"GET", "/api/personas/"},
    {"GET", "/a/:x/c/:y"},
    {"GET", "/a/b/:z"},
    {"OPTIONS", "/a/b/:z"},
    {"GET", "/d/*rest"}, /* 15 */
    {"GET", "/d/one"},
    {"POST", "/d/:id"},
    {"GET", "/d/deep/:id/x"},
    {"PUT", "/e/:id/*tail"},
    {"GET", "/f/*rest"}, /* 20 */
};

static const struct {
    const char *method, *path;
    int value;
    const char *params; /* "name=value name=value", or allow */
} cases[] = {
    {"GET", "/", 0, ""},
    {"HEAD", "/", 0, ""},
    {"GET", "//", -1, ""},
    {"GET", "", -1, ""},
    {"GET", "api", -1, ""},
    {"GET", "*", -1, ""},
    {"GET", "/api", -1, ""},
    {"GET", "/api/chat/sessions", 1, ""},
    {"GET", "/api/chat/sessions/", 1, ""},
    {"GET", "/api/chat/sessions//", -1, ""},
    {"GET", "/api//chat/sessions", -1, ""},
    {"GET", "/API/chat/sessions", -1, ""},
    {"GET", "/api/chat/sessions/session_1/messages", 2, "session_id=session_1"},
    {"GET", "/api/chat/sessions/session_1/messages/", 2, "session_id=session_1"},
    {"GET", "/api/chat/sessions//messages", -1, ""},
    {"DELETE", "/api/chat/sessions/a%2Fb", 3, "session_id=a%2Fb"},
    {"PATCH", "/api/chat/sessions/7/", 4, "id=7"},
    {"GET", "/api/chat/sessions/7", -2, "DELETE, PATCH, OPTIONS"},
    {"POST", "/api/user/apis/", 6, ""},
    {"DELETE", "/api/user/apis", -2, "GET, HEAD, POST, OPTIONS"},
    {"GET", "/api/user/apis/first", 7, ""},
    {"HEAD", "/api/user/apis/first/", 7, ""},
    {"GET", "/api/user/apis/firs", 8, "name=firs"},
    {"PUT", "/api/user/apis/first", 9, "id=first"},
    {"DELETE", "/api/user/apis/first", -2, "GET, HEAD, PUT, OPTIONS"},
    {"POST", "/api/user/apis/first/test", 10, "id=first"},
    {"GET", "/d", -1, ""},
    {"GET", "/d/", -1, ""},
    {"GET", "/d//", -1, ""},
    {"GET", "/d/one", 16, ""},
    {"GET", "/d/two", 15, "rest=two"},
    {"HEAD", "/d/two/", 15, "rest=two"},
    {"GET", "/d/a/b%20c/d.txt", 15, "rest=a/b%20c/d.txt"},
    {"POST", "/d/two", 17, "id=two"},
    {"POST", "/d/one", 17, "id=one"},
    {"POST", "/d/a/b", -2, "GET, HEAD, OPTIONS"},
    {"DELETE", "/d/one", -2, "GET, HEAD, POST, OPTIONS"},
    {"PUT", "/e/1", -1, ""},
    {"PUT", "/e/1/..", -1, ""},
    {"GET", "/d/deep/1/x", 18, "id=1"},
    {"GET", "/d/deep/1/y", 15, "rest=deep/1/y"},
    {"PUT", "/e/1/a/b", 19, "id=1 tail=a/b"},
    {"GET", "/f/../x", -1, ""},
    {"GET", "/f/a/..", -1, ""},
    {"GET", "/f/./x", -1, ""},
    {"GET", "/f/%2e%2E/x", -1, ""},
    {"GET", "/f/.%2e", -1, ""},
    {"GET", "/f/%2e", -1, ""},
    {"GET", "/f/.../x", 20, "rest=.../x"},
    {"GET", "/f/a%2fb", -1, ""},
    {"GET", "/f/a%5Cb", -1, ""},
    {"GET", "/f/a\\b", -1, ""},
    {"GET", "/f/a%00", -1, ""},
    {"GET", "/f//etc/passwd", -1, ""},
    {"GET", "/f/a//b", -1, ""},
    {"GET", "/f/%252e%252e/x", 20, "rest=%252e%252e/x"},
    {"GET", "/api/personas", 11, ""},
    {"GET", "/api/personas/", 11, ""},
    {"GET", "/a/b/c/d", 12, "x=b y=d"},
    {"GET", "/a/b/c", 13, "z=c"},
    {"OPTIONS", "/a/b/c", 14, "z=c"},
    {"POST", "/a/b/c", -2, "GET, HEAD, OPTIONS"},
    {"GET", "/a/q/c/d", 12, "x=q y=d"},
    {"GET", "/a/q/d", -1, ""},
    {"get", "/", -2, "GET, HEAD, OPTIONS"},
};

static const struct {
    const char *method, *pattern, *code;
} bad[] = {
    {"GET", "/", "duplicate_route"},
    {"GET", "/api/personas", "duplicate_route"},
    {"PUT", "/api/user/apis/:other", "duplicate_route"},
    {"GET", "/a/*", "invalid_route"},
    {"GET", "/a/*x/b", "invalid_route"},
    {"GET", "/a/b*", "invalid_route"},
    {"GET", "/:x/*x", "invalid_route"},
    {"GET", "/d/*other", "duplicate_route"},
    {"GET", "", "invalid_route"},
    {"GET", "api", "invalid_route"},
    {"GET", "//", "invalid_route"},
    {"GET", "/a//b", "invalid_route"},
    {"GET", "/a/:", "invalid_route"},
    {"GET", "/a/:1", "invalid_route"},
    {"GET", "/a/:x/:x", "invalid_route"},
    {"GET", "/a/b:c", "invalid_route"},
    {"GET", "/a/b?c", "invalid_route"},
    {"GET", "/a/ b", "invalid_route"},
    {"GET", "/:a/:b/:c/:d/:e", "invalid_route"},
    {"", "/x", "invalid_route"},
};

static struct tt_router *make(void)
{
    struct tt_router *router = tt_router_new();
    struct tt_err err = {0};
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
        if (tt_router_add(router, tt_str_from(routes[i].method), tt_str_from(routes[i].pattern),
                          (int)i, &err) != 0)
            fail_msg("%s: %s", routes[i].pattern, err.message);
    return router;
}

static void test_match(void **state)
{
    struct tt_router *router = make();
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tt_router_match m;
        char got[256] = "";
        tt_router_match(router, tt_str_from(cases[i].method), tt_str_from(cases[i].path), &m);
        if (m.value != cases[i].value)
            fail_msg("%s %s: %d, expected %d", cases[i].method, cases[i].path, m.value,
                     cases[i].value);
        for (int k = 0; k < m.param_count; k++)
            snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%.*s=%.*s", k ? " " : "",
                     TT_STR_ARG(m.name[k]), TT_STR_ARG(m.param[k]));
        if (m.value == -2)
            snprintf(got, sizeof(got), "%s", m.allow);
        assert_string_equal(got, cases[i].params);
    }
    tt_router_free(router);
}

static void test_bad_routes(void **state)
{
    struct tt_router *router = make();
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct tt_err err = {0};
        if (tt_router_add(router, tt_str_from(bad[i].method), tt_str_from(bad[i].pattern), 99,
                          &err) == 0)
            fail_msg("%s was taken", bad[i].pattern);
        assert_string_equal(err.code, bad[i].code);
    }
    tt_router_free(router);
}

static void test_deep_paths(void **state)
{
    struct tt_router *router = make();
    struct tt_router_match m;
    char path[20001];
    (void)state;
    for (size_t i = 0; i < sizeof(path) - 1; i += 2)
        memcpy(path + i, "/a", 2);
    tt_router_match(router, TT_STR("GET"), tt_str_of(path, sizeof(path) - 1), &m);
    assert_int_equal(m.value, -1);
    tt_router_free(router);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_match),
        cmocka_unit_test(test_bad_routes),
        cmocka_unit_test(test_deep_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
