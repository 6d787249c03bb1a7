/* Errors in OpenAI's and Anthropic's shape at the paths that app.lua names, whoever refuses: the
 * core before the body, a handler, a script that fails. */
#include "serve/web.h"

static const char app[] =
    "local actions = {\n"
    "  missing = function() return nil, {code = 'missing_field', args = {field = 'model'}} end,\n"
    "  number = function() return nil, {code = 'missing_field', args = {field = 12}} end,\n"
    "  busy = function() return nil, {code = 'busy', retry_after = 7, message = 'why'} end,\n"
    "  upstream = function() return nil, {code = 'upstream_failed', retry_after = 2} end,\n"
    "  never = function() return nil, {code = 'never'} end,\n"
    "  mapped = function() return nil, {code = 'mapped'} end,\n"
    "  always = function() return nil, {code = 'always'} end,\n"
    "  raise = function() error('secret detail') end,\n"
    "}\n"
    "local function act(req) return actions[req.params.name](req) end\n"
    "local function made(prefix) return {\n"
    "  {method = 'GET', path = prefix .. '/do/:name', auth = 'none', handler = act},\n"
    "  {method = 'POST', path = prefix .. '/body', auth = 'none', handler = act, request = {},\n"
    "    body_max = 100},\n"
    "  {method = 'GET', path = prefix .. '/private', auth = 'user', handler = act},\n"
    "} end\n"
    "local routes = made('/v1')\n"
    "for _, prefix in ipairs{'/api', '/other'} do\n"
    "  for _, route in ipairs(made(prefix)) do routes[#routes + 1] = route end\n"
    "end\n"
    "local " RIG_ERRORS "\n"
    "errors.never = {status = 502, en = 'Never', zh = '不', retry = false}\n"
    "errors.mapped = {status = 502, en = 'M', zh = 'M', door = {status = 429, code = 'other'}}\n"
    "errors.unknown_path = {status = 404, en = 'Try {routes}', zh = '-', door = {code = 'none'}}\n"
    "errors.always = {status = 409, en = 'Later', zh = '等', retry = true}\n"
    "return {errors = errors, error_shapes = {{prefix = '/v1/', shape = 'openai'},\n"
    "  {prefix = '/other', shape = 'anthropic'}},\n"
    "  handle = function(route, req) return route.handler(req) end, routes = routes}\n";

static int setup(void **state)
{
    tt_log_setup(TT_LOG_ERROR + 1, TT_LOG_TEXT); /* script errors are what is tested here */
    return web_setup(state, app, false);
}

#define OPENAI(message, type, param, code)                                                         \
    "{\"error\":{\"message\":\"" message "\",\"type\":\"" type "\",\"param\":" param               \
    ",\"code\":\"" code "\"}}"

static void expect(struct web *web, int status, const char *body, const char *retry)
{
    assert_int_equal(web->status, status);
    assert_string_equal(web->body, body);
    assert_true(web_has(web, "Content-Type: application/json; charset=utf-8"));
    assert_true(web_has(web, retry));
    assert_int_equal(web_count(web, "X-Request-Id"), 1);
}

static void what_the_core_refuses_has_the_shape(void **state)
{
    struct web *web = *state;

    web_get(web, "/v1/none");
    expect(web, 404,
           OPENAI("Try GET /v1/do/:name, POST /v1/body, GET /v1/private", "not_found_error", "null",
                  "none"),
           "X-Should-Retry: false");
    web_ask(web, "DELETE", "/v1/private", "", NULL);
    expect(web, 405, OPENAI("Wrong method", "invalid_request_error", "null", "method_not_allowed"),
           "X-Should-Retry: false");
    assert_true(web_has(web, "Allow: GET, HEAD, OPTIONS"));
    web_get(web, "/v1/private");
    expect(web, 401, OPENAI("Log in", "authentication_error", "null", "unauthorized"),
           "X-Should-Retry: false");
    assert_true(web_has(web, "WWW-Authenticate: Bearer"));
    web_ask(web, "POST", "/v1/body", "Content-Type: text/plain\r\n", "{}");
    expect(web, 415, OPENAI("JSON only", "invalid_request_error", "null", "unsupported_media_type"),
           "X-Should-Retry: false");
    web_raw(web, "POST /v1/body HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                 "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n");
    expect(web, 413, OPENAI("Too large", "invalid_request_error", "null", "body_too_large"),
           "X-Should-Retry: false");
}

static void what_a_handler_refuses_has_the_shape(void **state)
{
    struct web *web = *state;

    web_get(web, "/v1/do/missing");
    expect(web, 400,
           OPENAI("Field model is missing, model!", "invalid_request_error", "\"model\"",
                  "missing_field"),
           "X-Should-Retry: false");
    web_get(web, "/v1/do/number");
    expect(web, 400,
           OPENAI("Field 12 is missing, 12!", "invalid_request_error", "null", "missing_field"),
           "X-Should-Retry: false");
    web_get(web, "/v1/do/raise");
    expect(web, 500, OPENAI("Internal error", "server_error", "null", "internal_error"),
           "X-Should-Retry: true");
    web_ask(web, "GET", "/v1/do/never", "Accept-Language: zh\r\n", NULL);
    expect(web, 502, OPENAI("不", "server_error", "null", "never"), "X-Should-Retry: false");
    web_get(web, "/v1/do/always");
    expect(web, 409, OPENAI("Later", "invalid_request_error", "null", "always"),
           "X-Should-Retry: true");
}

static void what_its_clients_know_is_sent(void **state)
{
    struct web *web = *state;

    web_get(web, "/v1/do/mapped");
    expect(web, 429, OPENAI("M", "rate_limit_error", "null", "other"), "X-Should-Retry: true");
    assert_true(web_has(web, "Retry-After: 1"));
    web_get(web, "/api/do/mapped");
    assert_int_equal(web->status, 502);
    assert_non_null(strstr(web->body, "\"code\":\"mapped\""));
}

static void waiting_times_come_in_both_units(void **state)
{
    struct web *web = *state;

    web_get(web, "/v1/do/busy");
    expect(web, 503, OPENAI("Busy", "server_error", "null", "busy"), "X-Should-Retry: true");
    assert_true(web_has(web, "Retry-After: 7") && web_has(web, "Retry-After-Ms: 7000"));
    web_get(web, "/v1/do/upstream");
    assert_true(web_has(web, "Retry-After: 2") && web_has(web, "Retry-After-Ms: 2000"));
    web_get(web, "/v1/do/missing");
    assert_int_equal(web_count(web, "Retry-After"), 0);
    assert_int_equal(web_count(web, "Retry-After-Ms"), 0);
}

static void expect_anthropic(struct web *web, int status, const char *type, const char *code)
{
    char begin[200];
    struct tt_str id = {0};

    snprintf(begin, sizeof(begin), "{\"type\":\"error\",\"error\":{\"type\":\"%s\",", type);
    assert_int_equal(web->status, status);
    assert_memory_equal(web->body, begin, strlen(begin));
    snprintf(begin, sizeof(begin), ",\"code\":\"%s\"},\"request_id\":\"", code);
    id.data = strstr(web->body, begin);
    assert_non_null(id.data);
    id.data += strlen(begin);
    snprintf(begin, sizeof(begin), "request-id: %.16s", id.data);
    assert_true(web_has(web, begin));
    assert_int_equal(web_count(web, "X-Should-Retry"), 1);
}

static void anthropic_has_a_shape_too(void **state)
{
    struct web *web = *state;

    web_get(web, "/other/private");
    expect_anthropic(web, 401, "authentication_error", "unauthorized");
    web_get(web, "/other/do/missing");
    expect_anthropic(web, 400, "invalid_request_error", "missing_field");
    web_raw(web, "POST /other/body HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                 "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n");
    expect_anthropic(web, 413, "request_too_large", "body_too_large");
    web_get(web, "/other/do/mapped");
    expect_anthropic(web, 429, "rate_limit_error", "other");
    web_get(web, "/other/do/busy");
    expect_anthropic(web, 503, "overloaded_error", "busy");
    assert_true(web_has(web, "Retry-After: 7") && web_has(web, "Retry-After-Ms: 7000"));
    web_get(web, "/other/do/raise");
    expect_anthropic(web, 500, "api_error", "internal_error");
    web_get(web, "/other/none");
    expect_anthropic(web, 404, "not_found_error", "none");
}

static void other_paths_keep_their_own(void **state)
{
    struct web *web = *state;

    web_get(web, "/api/do/busy");
    assert_non_null(strstr(web->body, "{\"error\":\"Busy\",\"code\":\"busy\",\"request_id\":"));
    assert_true(web_has(web, "Retry-After: 7"));
    assert_int_equal(web_count(web, "Retry-After-Ms"), 0);
    assert_int_equal(web_count(web, "X-Should-Retry"), 0);
    web_get(web, "/v1x");
    assert_non_null(strstr(web->body, "{\"error\":\"Not found\",\"code\""));
}

static void a_wrong_declaration_is_told(void **state)
{
    struct rig *rig = rig_new();
    (void)state;

    static const char *const wrong[] = {"'x'", "{1}", "{{prefix = '/v1/'}}",
                                        "{{prefix = '', shape = 'openai'}}",
                                        "{{prefix = '/v1/', shape = 'xml'}}"};
    for (size_t i = 0; i < TT_COUNT(wrong); i++) {
        struct tt_buf text = {0};
        tt_buf_printf(&text,
                      "return {handle = function() end, routes = {}, error_shapes = %s, " RIG_ERRORS
                      "}\n",
                      wrong[i]);
        rig_put(rig, "lua/app.lua", text.data);
        assert_null(rig_try_load(rig));
        assert_non_null(strstr(rig->errors.data, "'error_shapes'"));
        tt_buf_free(&text);
    }
    rig_free(rig);
}

#define WEB_TEST(function) cmocka_unit_test_setup_teardown(function, setup, web_teardown)

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        WEB_TEST(what_the_core_refuses_has_the_shape),
        WEB_TEST(what_a_handler_refuses_has_the_shape),
        WEB_TEST(anthropic_has_a_shape_too),
        WEB_TEST(what_its_clients_know_is_sent),
        WEB_TEST(waiting_times_come_in_both_units),
        WEB_TEST(other_paths_keep_their_own),
        cmocka_unit_test(a_wrong_declaration_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
