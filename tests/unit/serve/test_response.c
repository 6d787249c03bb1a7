/* Answers beside JSON: files of a plugin and bytes, whole and in parts, redirects, cookies; and
 * that nothing of a user's text gets into a header. Stored files are in tests/e2e/plugin_answers.
 */
#include "serve/web.h"

static const char APP[] =
    "local answers = {\n"
    "  bytes = function() return {file = {bytes = '0123456789', name = 'a.txt'}} end,\n"
    "  none = function() return {file = {bytes = ''}} end,\n"
    "  named = function() return {content_type = 'text/x-tide', headers = {['cache-control'] =\n"
    "    'max-age=5'}, file = {bytes = 'x', name = 'w\\xc3\\xa4\"\\r\\nX: y.txt', download = "
    "true}}\n"
    "    end,\n"
    "  two = function() return {file = {bytes = 'x', key = 'y'}} end,\n"
    "  path = function() return {file = {path = 'static/a.txt'}} end,\n"
    "  redirect = function(req) return {redirect = req.query.to} end,\n"
    "  moved = function(req) return {redirect = '/x', status = 308} end,\n"
    "  wrong = function(req) return {redirect = '/x', status = 200} end,\n"
    "  cookies = function() return {json = {}, cookies = {sea = 'a.b-c', old = false, tide = {\n"
    "    value = '1', max_age = 60, path = '/t', http_only = false, secure = true,\n"
    "    same_site = 'strict', domain = 'x.org'}}} end,\n"
    "  value = function(req) return {json = {}, cookies = {a = req.query.v}} end,\n"
    "  name = function(req) return {json = {}, cookies = {[req.query.v] = 'x'}} end,\n"
    "  site = function(req) return {json = {}, cookies = {a = {value = '', same_site =\n"
    "    req.query.v}}} end,\n"
    "  domain = function(req) return {json = {}, cookies = {a = {value = '', domain =\n"
    "    req.query.v}}} end,\n"
    "  read = function(req) return {body = req:cookie('a') or 'none'} end,\n"
    "}\n"
    "return {" RIG_ERRORS
    ", handle = function(route, req) return route.handler(req) end, routes = {\n"
    "  {method = 'GET', path = '/rest/*rest', auth = 'none', handler = function(req)\n"
    "    return {body = req.params.rest} end},\n"
    "  {method = 'GET', path = '/:name', auth = 'none', handler = function(req)\n"
    "    return answers[req.params.name](req) end}}}\n";

static int setup(void **state)
{
    return web_setup(state, APP, false);
}

static void bytes_are_sent_in_parts(void **state)
{
    struct web *web = *state;
    char headers[128], etag[64];

    web_expect(web, "/bytes", "0123456789");
    assert_true(web_has(web, "Content-Type: text/plain; charset=utf-8"));
    assert_true(web_has(web, "Accept-Ranges: bytes"));
    assert_true(web_has(web, "Cache-Control: no-cache"));
    const char *tag = strstr(web->answer.data, "ETag: ") + 6;
    snprintf(etag, sizeof(etag), "%.34s", tag);
    web_ask(web, "GET", "/bytes", "Range: bytes=2-4\r\n", NULL);
    assert_int_equal(web->status, 206);
    assert_string_equal(web->body, "234");
    assert_true(web_has(web, "Content-Range: bytes 2-4/10"));
    assert_true(web_has(web, "Content-Length: 3"));
    web_ask(web, "GET", "/bytes", "Range: bytes=-3\r\nIf-Range: \"other\"\r\n", NULL);
    assert_int_equal(web->status, 200);
    snprintf(headers, sizeof(headers), "Range: bytes=-3\r\nIf-Range: %s\r\n", etag);
    web_ask(web, "GET", "/bytes", headers, NULL);
    assert_int_equal(web->status, 206);
    assert_string_equal(web->body, "789");
    web_ask(web, "GET", "/bytes", "Range: bytes=10-\r\n", NULL);
    assert_int_equal(web->status, 416);
    assert_true(web_has(web, "Content-Range: bytes */10"));
    web_ask(web, "GET", "/bytes", "Range: bytes=0-1,3-4\r\n", NULL);
    assert_int_equal(web->status, 200);
    snprintf(headers, sizeof(headers), "If-None-Match: %s\r\nRange: bytes=0-1\r\n", etag);
    web_ask(web, "GET", "/bytes", headers, NULL);
    assert_int_equal(web->status, 304);
    assert_string_equal(web->body, "");
    web_ask(web, "HEAD", "/bytes", "Range: bytes=2-4\r\n", NULL);
    assert_int_equal(web->status, 200);
    assert_true(web_has(web, "Content-Length: 10"));
    assert_string_equal(web->body, "");
    web_expect(web, "/none", "");
    assert_true(web_has(web, "Content-Type: application/octet-stream"));
}

static void names_do_not_end_headers(void **state)
{
    struct web *web = *state;

    web_expect(web, "/named", "x");
    assert_true(web_has(web, "Content-Disposition: attachment; filename=\"w_____X__y.txt\"; "
                             "filename*=UTF-8''w%C3%A4%22%0D%0AX%3A%20y.txt"));
    assert_true(web_has(web, "Content-Type: text/x-tide"));
    assert_int_equal(web_count(web, "Cache-Control"), 1);
    assert_int_equal(web_get(web, "/two"), 500);
    assert_int_equal(web_get(web, "/path"), 500); /* no plugin's route */
}

static void redirects_go_to_addresses_only(void **state)
{
    static const struct {
        const char *to, *location; /* NULL: refused */
    } cases[] = {
        {"/a?b=%2520", "/a?b=%20"},
        {"/", "/"},
        {"https://tide.example/x", "https://tide.example/x"},
        {"HTTP://tide.example", "HTTP://tide.example"},
        {"//tide.example", NULL},
        {"/%5Ctide.example", NULL},
        {"%5C/tide.example", NULL},
        {"javascript:alert(1)", NULL},
        {"a", NULL},
        {"", NULL},
        {"/a%0D%0ASet-Cookie:%20a=b", NULL},
        {"/a%20b", NULL},
        {"/%C3%A4", NULL},
    };
    struct web *web = *state;

    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        char path[128], line[128];
        snprintf(path, sizeof(path), "/redirect?to=%s", cases[i].to);
        snprintf(line, sizeof(line), "Location: %s", cases[i].location);
        web_get(web, path);
        if (web->status != (cases[i].location ? 303 : 500) ||
            (cases[i].location && !web_has(web, line)))
            fail_msg("%s: %s", cases[i].to, web->answer.data);
        assert_int_equal(web_count(web, "Set-Cookie"), 0);
    }
    assert_int_equal(web_get(web, "/moved"), 308);
    assert_int_equal(web_get(web, "/wrong"), 500);
}

static void cookies_have_attributes(void **state)
{
    static const char *const refused[] = {
        "/value?v=a%3Bb",      "/value?v=a%0D%0Ab", "/value?v=%22",       "/value?v=%C3%A4",
        "/value?v=a%20b",      "/name?v=a%3D",      "/name?v=",           "/name?v=a%3Bb",
        "/site?v=all",         "/site?v=",          "/domain?v=x%3B%20y", "/domain?v=x%0Ay",
        "/site?v=Lax%0D%0AX:y"};
    struct web *web = *state;

    web_expect(web, "/cookies", "{}");
    assert_int_equal(web_count(web, "Set-Cookie"), 3);
    assert_true(web_has(web, "Set-Cookie: sea=a.b-c; Path=/; HttpOnly; SameSite=Lax"));
    assert_true(web_has(web, "Set-Cookie: old=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"));
    assert_true(web_has(web, "Set-Cookie: tide=1; Path=/t; SameSite=Strict; Max-Age=60; Secure; "
                             "Domain=x.org"));
    for (size_t i = 0; i < TT_COUNT(refused); i++) {
        if (web_get(web, refused[i]) != 500)
            fail_msg("%s: %s", refused[i], web->answer.data);
        assert_int_equal(web_count(web, "Set-Cookie"), 0);
    }
    web_ask(web, "GET", "/read", "Cookie: b=1; a=\"x y\"; a=2\r\n", NULL);
    assert_string_equal(web->body, "x y");
}

static void the_rest_of_a_path_is_decoded(void **state)
{
    struct web *web = *state;

    web_expect(web, "/rest/a/b%20c", "a/b c");
    assert_int_equal(web_get(web, "/rest/%2e%2e/x"), 404);
    assert_int_equal(web_get(web, "/rest/a%2fb"), 404);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bytes_are_sent_in_parts, setup, web_teardown),
        cmocka_unit_test_setup_teardown(names_do_not_end_headers, setup, web_teardown),
        cmocka_unit_test_setup_teardown(redirects_go_to_addresses_only, setup, web_teardown),
        cmocka_unit_test_setup_teardown(cookies_have_attributes, setup, web_teardown),
        cmocka_unit_test_setup_teardown(the_rest_of_a_path_is_decoded, setup, web_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
