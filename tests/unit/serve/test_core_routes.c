/* Routes that the core answers itself, beside those of the scripts; and what guards a listener. */
#include "serve/answer.h"
#include "serve/web.h"

static int refused, ended;

static void answer_core(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange)
{
    struct tt_buf body = {0};

    assert_non_null(dispatcher->generation);
    tt_buf_printf(&body, "core %zu", tt_http_body(exchange).len);
    tt_http_reply(exchange, 200, &body);
}

static void answer_failed(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange)
{
    struct tt_err err = {0};

    tt_err_set(&err, 507, "busy", "%s", "");
    tt_answer_error(dispatcher, exchange, &err, NULL, NULL);
}

static const struct tt_core_route routes[] = {
    {"GET", "/core", TT_LISTENER_PUBLIC, .open = true, .answer = answer_core},
    {"POST", "/core/write", TT_LISTENER_PUBLIC, .answer = answer_core},
    {"GET", "/core/failed", TT_LISTENER_PUBLIC, .answer = answer_failed},
    {"GET", "/core/admin", TT_LISTENER_ADMIN, .answer = answer_core},
};

#define APP(path)                                                                                  \
    "local function answer() return {json = {script = true}} end\n"                                \
    "return {handle = function(route, request) return route.handler(request) end,\n" RIG_ERRORS    \
    ", routes = {\n"                                                                               \
    "  {method = 'GET', path = '/script', auth = 'none', handler = answer},\n"                     \
    "  {method = 'PUT', path = '/core', auth = 'none', handler = answer},\n"                       \
    "  {method = 'GET', path = '" path "', auth = 'none', handler = answer},\n"                    \
    "}}\n"

static int setup(void **state)
{
    struct web *web = TT_NEW(struct web);
    struct rig *rig = rig_new();

    tt_log_setup(TT_LOG_ERROR + 1, TT_LOG_TEXT);
    rig->serving.core_routes = routes;
    rig->serving.core_route_count = TT_COUNT(routes);
    rig_put(rig, "lua/app.lua", APP("/core/admin")); /* only on the other listener is it taken */
    rig_load(rig);
    web_open(web, rig);
    refused = ended = 0;
    *state = web;
    return 0;
}

static void the_core_answers_its_own(void **state)
{
    struct web *web = *state;

    for (int slash = 0; slash < 2; slash++) {
        assert_int_equal(web_get(web, slash ? "/core/" : "/core"), 200);
        assert_string_equal(web->body, "core 0");
        assert_int_equal(web_count(web, "X-Script-Generation"), 0);
        assert_int_equal(web_count(web, "X-Request-Id"), 1);
    }
    assert_int_equal(web_ask(web, "POST", "/core/write", "", "12345"), 200);
    assert_string_equal(web->body, "core 5");
    assert_int_equal(web_ask(web, "HEAD", "/core", "", NULL), 200);
    assert_true(web_has(web, "Content-Length: 6"));
    assert_string_equal(web->body, "");
    assert_int_equal(web_get(web, "/core/admin"), 200); /* the script's, on this listener */
    assert_string_equal(web->body, "{\"script\":true}");
}

static void other_methods_are_told(void **state)
{
    struct web *web = *state;

    assert_int_equal(web_ask(web, "PUT", "/core", "", NULL), 200); /* a script's, at this path */
    assert_string_equal(web->body, "{\"script\":true}");
    web_get(web, "/core/write");
    web_expect_error(web, 405, "method_not_allowed", "Wrong method");
    assert_true(web_has(web, "Allow: POST, OPTIONS"));
    web_ask(web, "DELETE", "/core", "Accept-Language: zh\r\n", NULL);
    web_expect_error(web, 405, "method_not_allowed", "方法不对");
    assert_true(web_has(web, "Allow: GET, HEAD, PUT, OPTIONS"));
    assert_int_equal(web_ask(web, "OPTIONS", "/core/write", "", NULL), 204);
    web_get(web, "/core/nothing");
    web_expect_error(web, 404, "not_found", "Not found");
}

static void bodies_have_a_limit(void **state)
{
    struct web *web = *state;

    web_ask(web, "POST", "/core/write", "Content-Length: 70000\r\n", NULL);
    web_expect_error(web, 413, "body_too_large", "Too large");
}

static void failures_keep_their_status(void **state)
{
    struct web *web = *state;

    web_get(web, "/core/failed");
    web_expect_error(web, 507, "busy", "Busy");
    web_ask(web, "GET", "/core/failed", "Accept-Language: zh\r\n", NULL);
    web_expect_error(web, 507, "busy", "忙");
}

static bool refuses(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange)
{
    struct tt_err err = {0};

    if (tt_http_header(exchange, "X-Key").data)
        return false;
    refused++;
    tt_err_set(&err, 401, "unauthorized", "%s", "");
    tt_answer_error(dispatcher, exchange, &err, NULL, NULL);
    return true;
}

static void on_end(const struct tt_request *request)
{
    assert_null(request->core);
    ended++;
}

static void a_guard_lets_in_or_not(void **state)
{
    static const struct tt_listener_guard guard = {.refuses = refuses, .on_end = on_end};
    static const char *const closed[] = {"/core/write", "/script", "/nowhere"};
    struct web *web = *state;

    web->handle.guard = &guard;
    for (size_t i = 0; i < TT_COUNT(closed); i++) {
        web_get(web, closed[i]);
        web_expect_error(web, 401, "unauthorized", "Log in");
    }
    assert_int_equal(refused, 3);
    assert_int_equal(web_get(web, "/core"), 200);
    assert_int_equal(refused, 3);
    assert_int_equal(ended, 0); /* nobody came in but for the core's route */
    assert_int_equal(web_ask(web, "GET", "/script", "X-Key: 1\r\n", NULL), 200);
    assert_int_equal(web_ask(web, "GET", "/nowhere", "X-Key: 1\r\n", NULL), 404);
    assert_int_equal(ended, 2);
    web->handle.guard = NULL;
}

static void a_script_cannot_take_one(void **state)
{
    struct web *web = *state;

    rig_put(web->rig, "lua/app.lua", APP("/core/failed/"));
    assert_null(rig_build(web->rig, 2));
    assert_non_null(
        strstr(web->rig->errors.data, "route 3 (GET /core/failed/): the core answers this route"));
}

#define CORE_TEST(function) cmocka_unit_test_setup_teardown(function, setup, web_teardown)

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        CORE_TEST(the_core_answers_its_own), CORE_TEST(other_methods_are_told),
        CORE_TEST(bodies_have_a_limit),      CORE_TEST(failures_keep_their_status),
        CORE_TEST(a_guard_lets_in_or_not),   CORE_TEST(a_script_cannot_take_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
