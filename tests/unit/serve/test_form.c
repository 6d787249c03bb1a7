/* Forms and queries: what is read of them, names that come more than once, bounds. */
#include "serve/web.h"

static const char APP[] =
    "local json = require 'tide.json'\n"
    "local FIELDS = {fields = {{name = 'a', type = 'string'}, {name = 'n', type = 'number'},\n"
    "  {name = 'on', type = 'boolean'}, {name = 'list', type = 'array', max = 3,\n"
    "   items = {type = 'integer', min = 1}}, {name = 'own', type = 'string',\n"
    "   check = function(v) if v == 'spin' then while true do end end\n"
    "     return v ~= 'x' and 'is no x' or nil end}}}\n"
    "local function answer(read) return function(req)\n"
    "  local value, refusal = req[read](req, FIELDS, 'more', 1)\n" /* which is ignored */
    "  return {json = value or {refusal.code, refusal.field or '', refusal.reason or\n"
    "    refusal.message or ''}} end end\n"
    "return {" RIG_ERRORS
    ", handle = function(route, req) return route.handler(req) end, routes = {\n"
    "  {method = 'POST', path = '/form', auth = 'none', form = FIELDS,\n"
    "   handler = answer('read_form')},\n"
    "  {method = 'GET', path = '/query', auth = 'none', query = FIELDS,\n"
    "   handler = answer('read_query')}}}\n";

static int setup(void **state)
{
    return web_setup(state, APP, false);
}

static const struct {
    const char *text, *want;
} cases[] = {
    {"a=b+c%21&n=-1.5e2&on=on", "{\"a\":\"b c!\",\"n\":-150,\"on\":true}"},
    {"list=1&list=2&list=3", "{\"list\":[1,2,3]}"},
    {"list=7", "{\"list\":[7]}"},
    {"list=1&list=0", "[\"invalid_field\",\"list[2]\",\"too_small\"]"},
    {"list=1&list=x", "[\"invalid_field\",\"list[2]\",\"must_be_integer\"]"},
    {"list=1&list=1&list=1&list=1", "[\"invalid_field\",\"list\",\"too_many\"]"},
    {"a=1&a=2&a=3", "{\"a\":\"3\"}"},
    {"a=%e6%bd%ae", "{\"a\":\"\xe6\xbd\xae\"}"},
    {"a=%ff", "[\"invalid_field\",\"a\",\"not_utf8\"]"},
    {"a=%zz&&=x&b", "{\"a\":\"%zz\"}"},
    {"n=1e999", "[\"invalid_field\",\"n\",\"must_be_number\"]"},
    {"n=0x10", "[\"invalid_field\",\"n\",\"must_be_number\"]"},
    {"n=nan", "[\"invalid_field\",\"n\",\"must_be_number\"]"},
    {"n=1.", "[\"invalid_field\",\"n\",\"must_be_number\"]"},
    {"n=1%00", "[\"invalid_field\",\"n\",\"must_be_number\"]"},
    {"on=2", "[\"invalid_field\",\"on\",\"must_be_boolean\"]"},
    {"on=0", "{\"on\":false}"},
    {"own=x", "{\"own\":\"x\"}"},
    {"own=y", "[\"invalid_field\",\"own\",\"is no x\"]"},
    {"", "{}"},
};

#define FORM "Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n"

static void both_read_the_same(void **state)
{
    struct web *web = *state;

    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        char path[256];
        snprintf(path, sizeof(path), "/query?%s", cases[i].text);
        web_expect(web, path, cases[i].want);
        web_ask(web, "POST", "/form", FORM, cases[i].text);
        if (web->status != 200 || strcmp(web->body, cases[i].want) != 0)
            fail_msg("%s: %d %s", cases[i].text, web->status, web->body);
    }
}

static void forms_have_bounds(void **state)
{
    struct web *web = *state;
    struct tt_buf body = {0};

    for (int i = 0; i < 1000; i++)
        tt_buf_append_z(&body, i ? "&a=" : "a=");
    assert_int_equal(web_ask(web, "POST", "/form", FORM, body.data), 200);
    tt_buf_append_z(&body, "&a=");
    web_ask(web, "POST", "/form", FORM, body.data);
    assert_string_equal(web->body, "[\"too_many_values\",\"\",\"more than 1000 fields\"]");
    while (body.len < 5000)
        tt_buf_append_z(&body, "&b");
    assert_int_equal(web_ask(web, "POST", "/form", FORM, body.data), 413);
    tt_buf_free(&body);
    assert_int_equal(web_ask(web, "POST", "/form", "Content-Type: application/json\r\n", "{}"),
                     415);
    assert_int_equal(web_ask(web, "POST", "/form", "", "a=b"), 415);
}

static void checks_are_stopped_like_all_scripts(void **state)
{
    struct web *web = *state;

    web->rig->tide.runtime.time_ms = 50;
    assert_int_equal(web_ask(web, "POST", "/form", FORM, "own=spin"), 500);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(both_read_the_same, setup, web_teardown),
        cmocka_unit_test_setup_teardown(forms_have_bounds, setup, web_teardown),
        cmocka_unit_test_setup_teardown(checks_are_stopped_like_all_scripts, setup, web_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
