/* From the wire to a script and back, over a real server. */
#include "serve/web.h"

static const char app[] =
    "local json, time = require 'tide.json', require 'tide.time'\n"
    "local function echo(req)\n"
    "  return {json = {method = req.method, path = req.path, params = req.params,\n"
    "    query = req.query, body = req:raw_body(), language = req.language, ip = req.ip,\n"
    "    x = req:header('X-Test'), c = req:cookie('c'), secure = req.secure}}\n"
    "end\n"
    "local actions = {\n"
    "  ok = function() return {json = {ok = true}} end,\n"
    "  empty = function() return {status = 204} end,\n"
    "  text = function() return {body = '<b>', content_type = 'text/html'} end,\n"
    "  plain = function() return {body = 'a', headers = {['X-A'] = {'1', '2'}, ['X-B'] = 3}} end,\n"
    "  slow = function() time.sleep(20) return {json = {1}} end,\n"
    "  missing = function() return nil, {code = 'missing_field', args = {field = 'a', x = 1},\n"
    "    headers = {['X-C'] = 'c'}} end,\n"
    "  number = function() return nil, {code = 'missing_field', args = {field = 12}} end,\n"
    "  noargs = function() return nil, {code = 'missing_field'} end,\n"
    "  busy = function() return nil, {code = 'busy', retry_after = 7, message = 'why'} end,\n"
    "  busy1 = function() return nil, {code = 'busy'} end,\n"
    "  unknown = function() return nil, {code = 'no_such_code', message = 'why'} end,\n"
    "  raise = function() error('secret detail') end,\n"
    "  late = function() time.sleep(1) error('secret detail') end,\n"
    "  object = function() error({}) end,\n"
    "  nothing = function() end,\n"
    "  number_answer = function() return 5 end,\n"
    "  no_code = function() return nil, {} end,\n"
    "  string_error = function() return nil, 'x' end,\n"
    "  bad_status = function() return {status = 99} end,\n"
    "  huge_status = function() return {status = 1 << 40} end,\n"
    "  bad_json = function() return {json = {print_me = string.rep},\n"
    "    headers = {['Set-Cookie'] = 'a=b'}} end,\n"
    "  bad_header = function() return {json = {1}, headers = {['Set-Cookie'] = 'a=b',\n"
    "    ['X-Y'] = {{}}}} end,\n"
    "  bad_headers = function() return {json = {1}, headers = 'x'} end,\n"
    "  bad_name = function() return {json = {1}, headers = {'x'}} end,\n"
    "  many_headers = function() local h = {} for i = 1, 100 do h['X-' .. i] = 'y' end\n"
    "    return {json = {1}, headers = h} end,\n"
    "  error_header = function() return nil, {code = 'not_found', headers = {['X-Y'] = {{}}}} "
    "end,\n"
    "  bad_stream = function() return {stream = {}} end,\n"
    "  split = function() return {body = 'a', headers = {['X-A'] = 'a\\r\\nX-Evil: 1'}} end,\n"
    "  memory = function() local t = {} for i = 1, 1e9 do t[i] = {i} end end,\n"
    "  proxy = function() return setmetatable({}, {__index = function(_, k)\n"
    "    json.encode({k}) if k == 'json' then return {1} end end}) end,\n"
    "}\n"
    "actions.credentials = function(req)\n"
    "  local token, from_cookie = req:credentials()\n"
    "  return {json = {token or '-', from_cookie}}\n"
    "end\n"
    "local kept = {}\n"
    "actions.keep = function(req) kept[1] = req return {json = {1}} end\n"
    "actions.kept = function(req)\n"
    "  local ok, e = pcall(function() return kept[1]:header('Host') end)\n"
    "  return {json = {kept[1].method == nil, (tostring(e):gsub('^.-: ', ''))}}\n"
    "end\n"
    "actions.churn = function() local s for i = 1, 1e5 do s = {i} end return {json = {1}} end\n"
    "local function act(req) return actions[req.params.name](req) end\n"
    "return {" RIG_ERRORS ", handle = function(route, req)\n"
    "  req.user = {id = 42}\n"
    "  return route.handler(req)\n"
    "end, routes = {\n"
    "  {method = 'GET', path = '/do/:name', auth = 'none', handler = act},\n"
    "  {method = 'GET', path = '/echo/:a/:b', auth = 'none', handler = echo},\n"
    "  {method = 'POST', path = '/echo', auth = 'none', handler = echo, request = {},\n"
    "    body_max = 100},\n"
    "  {method = 'DELETE', path = '/echo', auth = 'none', handler = echo},\n"
    "  {method = 'GET', path = '/private', auth = 'user', handler = echo},\n"
    "  {method = 'GET', path = '/admin', auth = 'user', listener = 'admin', handler = echo},\n"
    "}}\n";

static int setup(void **state)
{
    tt_log_setup(TT_LOG_ERROR + 1, TT_LOG_TEXT); /* script errors are what is tested here */
    return web_setup(state, app, false);
}

static void answers_have_their_shape(void **state)
{
    struct web *web = *state;

    assert_int_equal(web_get(web, "/do/ok"), 200);
    assert_string_equal(web->body, "{\"ok\":true}");
    assert_true(web_has(web, "Content-Type: application/json; charset=utf-8"));
    assert_true(web_has(web, "X-Script-Generation: 1"));
    assert_int_equal(web_count(web, "X-Request-Id"), 1);
    assert_int_equal(web_get(web, "/do/ok/"), 200);
    assert_int_equal(web_get(web, "/do/empty"), 204);
    assert_int_equal(web_count(web, "Content-Type"), 0);
    assert_int_equal(web_get(web, "/do/text"), 200);
    assert_string_equal(web->body, "<b>");
    assert_true(web_has(web, "Content-Type: text/html"));
    assert_int_equal(web_get(web, "/do/plain"), 200);
    assert_true(web_has(web, "Content-Type: text/plain; charset=utf-8"));
    assert_true(web_has(web, "X-A: 1") && web_has(web, "X-A: 2") && web_has(web, "X-B: 3"));
    assert_int_equal(web_get(web, "/do/slow"), 200);
    assert_string_equal(web->body, "[1]");
}

extern size_t tt_mem_fail_at; /* of builds with tests */

/* The reserve was given back, and cannot be taken anew when the first request comes. */
static void no_request_begins_while_memory_is_short(void **state)
{
    struct web *web = *state;

    tt_mem_fail_at = 1 << 20;
    tt_mem_open_reserve();
    tt_mem_fail_at = 1 << 20;
    assert_int_equal(web_get(web, "/do/ok"), 503);
    assert_int_equal(web_count(web, "Retry-After"), 1);
    assert_int_equal(web_get(web, "/do/ok"), 200);
    tt_mem_close_reserve();
}

static void requests_can_be_read(void **state)
{
    struct web *web = *state;
    const char *body;

    web_ask(web, "GET", "/echo/a%20b/%E6%BD%AE?x=1&y=%26+&x=2&=3&z",
            "X-Test: v\r\nCookie: a=1; c=2\r\nAccept-Language: zh-CN\r\n", NULL);
    body = web->body;
    assert_non_null(strstr(body, "\"a\":\"a b\""));
    assert_non_null(strstr(body, "\"b\":\"潮\""));
    assert_non_null(strstr(body, "\"x\":\"2\""));
    assert_non_null(strstr(body, "\"y\":\"& \""));
    assert_non_null(strstr(body, "\"z\":\"\""));
    assert_non_null(strstr(body, "\"x\":\"v\""));
    assert_non_null(strstr(body, "\"c\":\"2\""));
    assert_non_null(strstr(body, "\"language\":\"zh\""));
    assert_non_null(strstr(body, "\"ip\":\"127.0.0.1\""));
    assert_non_null(strstr(body, "\"secure\":false"));
    web_ask(web, "POST", "/echo", "Content-Type: application/json\r\n", "{\"a\":1}");
    assert_non_null(strstr(web->body, "\"body\":\"{\\\"a\\\":1}\""));
    web_ask(web, "GET", "/echo/%ff/%zz", "", NULL);
    assert_int_equal(web->status, 200);
    assert_non_null(strstr(web->body, "\"b\":\"%zz\""));
}

static void what_is_not_there_is_refused(void **state)
{
    struct web *web = *state;

    web_get(web, "/nowhere");
    web_expect_error(web, 404, "not_found", "Not found");
    web_ask(web, "GET", "/nowhere", "Accept-Language: zh-CN,zh;q=0.9,en;q=0.8\r\n", NULL);
    web_expect_error(web, 404, "not_found", "未找到");
    web_get(web, "/admin"); /* of the other listener */
    web_expect_error(web, 404, "not_found", "Not found");
    web_ask(web, "PUT", "/echo", "", NULL);
    web_expect_error(web, 405, "method_not_allowed", "Wrong method");
    assert_true(web_has(web, "Allow: DELETE, POST, OPTIONS") ||
                web_has(web, "Allow: POST, DELETE, OPTIONS"));
    web_ask(web, "OPTIONS", "/echo", "", NULL);
    assert_int_equal(web->status, 204);
    assert_int_equal(web_count(web, "Allow"), 1);
    web_ask(web, "OPTIONS", "/nowhere", "", NULL);
    assert_int_equal(web->status, 404);
}

static void strangers_are_refused_before_the_body(void **state)
{
    struct web *web = *state;

    web_get(web, "/private");
    web_expect_error(web, 401, "unauthorized", "Log in");
    assert_true(web_has(web, "WWW-Authenticate: Bearer"));
    web_ask(web, "GET", "/private", "Authorization: Basic abc\r\n", NULL);
    assert_int_equal(web->status, 401);
    web_ask(web, "GET", "/private", "Authorization: Bearer \r\n", NULL);
    assert_int_equal(web->status, 401);
    /* The cookie counts only without the header. */
    web_ask(web, "GET", "/private", "Authorization: x\r\nCookie: access_token=a\r\n", NULL);
    assert_int_equal(web->status, 401);
    web_ask(web, "GET", "/private", "Cookie: access_token=a\r\n", NULL);
    assert_int_equal(web->status, 200);
    web_ask(web, "GET", "/private", "Authorization: bearer a\r\n", NULL);
    assert_int_equal(web->status, 200);
}

/* What stands in the headers, and what a script gets: the token and whether it was a cookie. */
static void tokens_are_found_strictly(void **state)
{
    static const struct {
        const char *headers, *body;
    } cases[] = {
        {"Authorization: Bearer a.b-c_d~+/=\r\n", "[\"a.b-c_d~+/=\",false]"},
        {"Authorization: bEARER   a  \r\n", "[\"a\",false]"},
        {"Authorization: Bearer a\r\nCookie: access_token=b\r\n", "[\"a\",false]"},
        {"Authorization: Bearer a b\r\n", "[\"-\",false]"},
        {"Authorization: Bearer a\tb\r\n", "[\"-\",false]"},
        {"Authorization: Bearer\ta\r\n", "[\"-\",false]"},
        {"Authorization: Bearer \ta\r\n", "[\"-\",false]"},
        {"Authorization: Bearer\r\n", "[\"-\",false]"},
        {"Authorization: Bearera\r\n", "[\"-\",false]"},
        {"Authorization: Basic a\r\nCookie: access_token=b\r\n", "[\"-\",false]"},
        {"Authorization:\r\nCookie: access_token=b\r\n", "[\"-\",false]"},
        {"x-api-key: a\r\nCookie: access_token=b\r\n", "[\"a\",false]"},
        {"Authorization: Bearer b\r\nX-API-Key: a\r\n", "[\"b\",false]"},
        {"Authorization: Basic b\r\nx-api-key: a\r\n", "[\"-\",false]"},
        {"x-api-key:\r\nCookie: access_token=b\r\n", "[\"b\",true]"},
        {"Cookie: x=1; access_token=b\r\n", "[\"b\",true]"},
        {"Cookie: access_token=\r\n", "[\"-\",false]"},
        {"", "[\"-\",false]"},
    };
    struct web *web = *state;

    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        web_ask(web, "GET", "/do/credentials", cases[i].headers, NULL);
        assert_string_equal(web->body, cases[i].body);
    }
}

static void bodies_have_limits(void **state)
{
    struct web *web = *state;
    char large[200] = {0};

    memset(large, 'x', 101);
    web_ask(web, "POST", "/echo", "Content-Type: application/json\r\n", large);
    web_expect_error(web, 413, "body_too_large", "Too large");
    web_ask(web, "POST", "/echo", "Content-Type: application/json\r\nAccept-Language: zh\r\n",
            large);
    web_expect_error(web, 413, "body_too_large", "太大");
    web_raw(web, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                 "Transfer-Encoding: chunked\r\n\r\n"
                 "40\r\n0123456789012345678901234567890123456789012345678901234567890123\r\n"
                 "40\r\n0123456789012345678901234567890123456789012345678901234567890123\r\n"
                 "0\r\n\r\n");
    web_expect_error(web, 413, "body_too_large", "Too large");
    web_ask(web, "POST", "/echo", "Content-Type: text/plain\r\n", "a");
    web_expect_error(web, 415, "unsupported_media_type", "JSON only");
    web_ask(web, "POST", "/echo", "", "{}");
    web_expect_error(web, 415, "unsupported_media_type", "JSON only");
    web_ask(web, "POST", "/echo", "Content-Type: application/json; charset=utf-8\r\n", "{}");
    assert_int_equal(web->status, 200);
    web_ask(web, "POST", "/echo", "Content-Type: text/plain\r\n", NULL);
    assert_int_equal(web->status, 200); /* no body, no type to refuse */
}

/* A refusal by the guard whose code the scripts do not have keeps its status. */
static void unknown_refusals_keep_their_status(void **state)
{
    struct web *web = *state;

    web_raw(web, "GET /do/ok HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n");
    web_expect_error(web, 400, "bad_request", "Internal error");
}

static void errors_have_texts_with_names_filled_in(void **state)
{
    struct web *web = *state;

    web_get(web, "/do/missing");
    web_expect_error(web, 400, "missing_field", "Field a is missing, a!");
    assert_true(web_has(web, "X-C: c"));
    web_ask(web, "GET", "/do/missing", "Accept-Language: zh\r\n", NULL);
    web_expect_error(web, 400, "missing_field", "缺少字段 a");
    web_get(web, "/do/number");
    web_expect_error(web, 400, "missing_field", "Field 12 is missing, 12!");
    web_get(web, "/do/noargs");
    web_expect_error(web, 400, "missing_field", "Field  is missing, !");
    web_get(web, "/do/busy");
    web_expect_error(web, 503, "busy", "Busy");
    assert_true(web_has(web, "Retry-After: 7"));
    web_get(web, "/do/busy1");
    assert_true(web_has(web, "Retry-After: 1"));
    web_get(web, "/do/unknown");
    web_expect_error(web, 500, "internal_error", "Internal error");
}

static void script_errors_tell_nothing(void **state)
{
    struct web *web = *state;
    static const char *const paths[] = {
        "/do/raise",        "/do/late",        "/do/object",       "/do/nothing",
        "/do/no_code",      "/do/bad_status",  "/do/huge_status",  "/do/number_answer",
        "/do/bad_json",     "/do/bad_header",  "/do/bad_headers",  "/do/bad_name",
        "/do/bad_stream",   "/do/no_such_one", "/do/many_headers", "/do/string_error",
        "/do/error_header",
    };
    for (size_t i = 0; i < TT_COUNT(paths); i++) {
        web_get(web, paths[i]);
        web_expect_error(web, 500, "internal_error", "Internal error");
        assert_int_equal(web_count(web, "Set-Cookie"), 0);
        assert_null(strstr(web->answer.data, "detail"));
    }
    web_get(web, "/do/memory");
    web_expect_error(web, 500, "script_memory", "No memory");
    assert_int_equal(web_get(web, "/do/ok"), 200); /* the state lives on */
}

static void developers_see_more(void **state)
{
    struct web *web = *state;

    web->rig->serving.dev = true;
    web_get(web, "/do/raise");
    assert_int_equal(web->status, 500);
    assert_non_null(strstr(web->body, "\"detail\":\"app.lua:"));
    assert_non_null(strstr(web->body, "secret detail"));
    assert_non_null(strstr(web->body, "stack traceback"));
    web_get(web, "/do/busy");
    assert_non_null(strstr(web->body, "\"detail\":\"why\""));
}

static void headers_cannot_be_split(void **state)
{
    struct web *web = *state;

    assert_int_equal(web_get(web, "/do/split"), 200);
    assert_int_equal(web_count(web, "X-Evil"), 0);
    assert_int_equal(web_count(web, "X-A"), 0);
}

/* __index of a response is not asked: what it returned would have no owner. */
static void responses_are_plain_tables(void **state)
{
    struct web *web = *state;

    assert_int_equal(web_get(web, "/do/proxy"), 200);
    assert_string_equal(web->body, "");
}

/* A request that a script keeps is empty when its exchange has ended, and one that is collected
 * before its exchange ends is forgotten. */
static void requests_end(void **state)
{
    struct web *web = *state;

    assert_int_equal(web_get(web, "/do/keep"), 200);
    assert_int_equal(web_get(web, "/do/kept"), 200);
    assert_string_equal(web->body, "[true,\"the request has ended\"]");
    for (int i = 0; i < 20; i++)
        assert_int_equal(web_get(web, "/do/churn"), 200);
}

static void leaving_clients_do_no_harm(void **state)
{
    struct web *web = *state;

    for (int i = 0; i < 20; i++) {
        int fd = web_connect(web, "GET /do/slow HTTP/1.1\r\nHost: x\r\n\r\n");
        for (int turn = 0; turn < i; turn++)
            tt_loop_tick(web->rig->loop, 1);
        close(fd);
    }
    RIG_WAIT(web->rig,
             web->rig->tide.runtime.task_count == 0 && tt_http_server_active(web->server) == 0);
    assert_int_equal(web_get(web, "/do/ok"), 200);
}

/* The server is freed while tasks wait for something. */
static void the_end_of_the_server(void **state)
{
    struct web *web = *state;
    int fds[5];

    for (int i = 0; i < 5; i++)
        fds[i] = web_connect(web, "GET /do/slow HTTP/1.1\r\nHost: x\r\n\r\n");
    RIG_WAIT(web->rig, web->rig->tide.runtime.task_count == 5);
    for (int i = 0; i < 5; i++)
        close(fds[i]);
}

static void cors_is_for_configured_origins(void **state)
{
    struct web *web = *state;
    const struct tt_str origins[] = {TT_STR("https://a.example")};

    web_ask(web, "GET", "/do/ok", "Origin: https://a.example\r\n", NULL);
    assert_int_equal(web_count(web, "Access-Control-Allow-Origin"), 0);
    assert_int_equal(web_count(web, "Vary"), 0);
    web->rig->serving.cors_origins = origins;
    web->rig->serving.cors_origin_count = 1;
    web_ask(web, "GET", "/do/ok", "Origin: https://a.example\r\n", NULL);
    assert_true(web_has(web, "Access-Control-Allow-Origin: https://a.example"));
    assert_true(web_has(web, "Access-Control-Allow-Credentials: true"));
    assert_true(web_has(web, "Vary: Origin"));
    web_ask(web, "GET", "/do/ok", "Origin: https://b.example\r\n", NULL);
    assert_int_equal(web_count(web, "Access-Control-Allow-Origin"), 0);
    assert_true(web_has(web, "Vary: Origin"));
    web_ask(web, "GET", "/nowhere", "Origin: https://a.example\r\n", NULL);
    assert_true(web_has(web, "Access-Control-Allow-Origin: https://a.example"));
    web_ask(web, "OPTIONS", "/echo",
            "Origin: https://a.example\r\nAccess-Control-Request-Method: POST\r\n"
            "Access-Control-Request-Headers: x-a, content-type\r\n",
            NULL);
    assert_int_equal(web->status, 204);
    assert_true(web_has(web, "Access-Control-Allow-Headers: x-a, content-type"));
    assert_true(web_has(web, "Access-Control-Max-Age: 600"));
    web->rig->serving.cors_origin_count = 0;
}

#define WEB_TEST(function) cmocka_unit_test_setup_teardown(function, setup, web_teardown)

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        WEB_TEST(answers_have_their_shape),
        WEB_TEST(requests_can_be_read),
        WEB_TEST(no_request_begins_while_memory_is_short),
        WEB_TEST(what_is_not_there_is_refused),
        WEB_TEST(strangers_are_refused_before_the_body),
        WEB_TEST(tokens_are_found_strictly),
        WEB_TEST(bodies_have_limits),
        WEB_TEST(unknown_refusals_keep_their_status),
        WEB_TEST(errors_have_texts_with_names_filled_in),
        WEB_TEST(script_errors_tell_nothing),
        WEB_TEST(developers_see_more),
        WEB_TEST(headers_cannot_be_split),
        WEB_TEST(responses_are_plain_tables),
        WEB_TEST(requests_end),
        WEB_TEST(leaving_clients_do_no_harm),
        WEB_TEST(the_end_of_the_server),
        WEB_TEST(cors_is_for_configured_origins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
