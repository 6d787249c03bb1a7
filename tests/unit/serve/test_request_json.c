/* What a script gets of a JSON body, and how much of one it can be. */
#include "serve/request_json.h"
#include "serve/web.h"

static const char app[] =
    "local json = require 'tide.json'\n"
    "local function schema(more)\n"
    "  local made = {fields = {{name = 'a'}, {name = '潮'}, {name = 'r', type = 'json',"
    "    keep_null = true}}}\n"
    "  for key, value in pairs(more) do made[key] = value end\n"
    "  return made\n"
    "end\n"
    "local some, once = schema({}), schema({once = true, whole = 'whole'})\n"
    "return {" RIG_ERRORS ", handle = function(route, req) return route.handler(req) end,\n"
    "routes = {\n"
    "  {method = 'POST', path = '/json', auth = 'none', request = {}, body_max = 1 << 20, handler "
    "= function(req)\n"
    "    local body, err = req:read_json(req:header('X-Once') and once or req:header('X-Some')"
    "      and some or nil)\n"
    "    if err then return nil, {code = 'busy', message = err.code, retry_after = err.status} "
    "end\n"
    "    return {json = {body, type(body) == 'table' and json.is_array(body)}}\n"
    "  end},\n"
    "}}\n";

static int setup(void **state)
{
    tt_log_setup(TT_LOG_ERROR + 1, TT_LOG_TEXT);
    return web_setup(state, app, false);
}

static void expect_json(struct web *web, const char *headers, const char *body, const char *wanted)
{
    char lines[128];

    snprintf(lines, sizeof(lines), "Content-Type: application/json\r\n%s", headers);
    web_ask(web, "POST", "/json", lines, body);
    if (web->status != 200 || strcmp(web->body, wanted) != 0)
        fail_msg("%.200s\n-> %d %.200s", body, web->status, web->body);
}

static void expect_no_json(struct web *web, const char *headers, const char *body, const char *code)
{
    char lines[128];

    snprintf(lines, sizeof(lines), "Content-Type: application/json\r\n%s", headers);
    web->rig->serving.dev = true;
    web_ask(web, "POST", "/json", lines, body);
    if (web->status != 503 || !strstr(web->body, code))
        fail_msg("%.200s\n-> %d %.200s, not %s", body, web->status, web->body, code);
}

static void bodies_are_decoded(void **state)
{
    struct web *web = *state;
    static const char some[] = "X-Some: 1\r\n";

    expect_json(web, "", "", "[{},false]");
    expect_json(web, "", " [ ] ", "[[],true]");
    expect_json(web, "", "{\"b\":[[],{}]}", "[{\"b\":[[],{}]},false]");
    expect_json(web, some, "", "[{},false]");
    expect_json(web, some, "\n{\"a\":[1,{\"b\":[]}],\"b\":[[]]} ",
                "[{\"a\":[1,{\"b\":[]}]},false]");
    expect_json(web, some, "{\"\\u6f6e\":{\"x\":1}}", "[{\"潮\":{\"x\":1}},false]");
    expect_json(web, some, "{\"a\":1,\"b\":2,\"a\":3}", "[{\"a\":3},false]");
    expect_json(web, some, "{}", "[{},false]");
    expect_json(web, "", "[[1]]", "[[[1]],true]");
    expect_json(web, "", "5", "[5,false]");
    expect_no_json(web, some, "[[1]]", "invalid_field");
    expect_no_json(web, some, "5", "invalid_field");
}

static void some_fields_stay_as_they_came(void **state)
{
    struct web *web = *state;
    static const char some[] = "X-Some: 1\r\n", once[] = "X-Once: 1\r\n";

    expect_json(web, some, "{\"x\":[1.0],\"\\u0072\": {\"z\":1.0, \"a\":[]} ,\"a\":1.0}",
                "[{\"a\":1,\"r\":{\"z\":1.0, \"a\":[]}},false]");
    expect_json(web, some, "{\"r\":1.0,\"r\":2.0}", "[{\"r\":2.0},false]");
    expect_json(web, some, "{\"r\":1.0,\"r\":null}", "[{\"r\":null},false]");
    expect_json(web, some, "{\"r\":null,\"r\":1.0}", "[{\"r\":1.0},false]");
    expect_json(web, once, " {\"y\":1.0,\"r\":[ ],\"y\":2} ",
                "[{\"r\":[ ],\"whole\": {\"y\":1.0,\"r\":[ ],\"y\":2} },false]");
    expect_no_json(web, once, "{\"r\":1,\"r\":2}", "invalid_field");
    expect_no_json(web, once, "{\"a\":1,\"\\u0061\":2}", "invalid_field");
    expect_no_json(web, once, "{\"r\":[1,}", "invalid_json");
}

/* `count` times `item` in a list that is the field of an object. */
static char *list_of(const char *field, const char *item, size_t count)
{
    struct tt_buf out = {0};

    tt_buf_printf(&out, "{\"%s\":[", field);
    for (size_t i = 0; i < count; i++)
        tt_buf_printf(&out, "%s%s", i ? "," : "", item);
    tt_buf_printf(&out, "]}");
    return out.data;
}

static void bodies_have_bounds(void **state)
{
    struct web *web = *state;
    static const char some[] = "X-Some: 1\r\n";
    /* An object, a key and a list: 18 of the weight; an empty list has 5. */
    const size_t most = (TT_BODY_WEIGHT_MAX - 18) / 5;
    char *body, deep[2 * TT_BODY_DEPTH_MAX + 3] = "";

    expect_no_json(web, "", "{\"a\":}", "invalid_json");
    expect_no_json(web, some, "{\"b\":}", "invalid_json");
    expect_no_json(web, some, "{\"a\":1}}", "invalid_json");
    expect_no_json(web, "", " ", "invalid_json");
    memset(deep, '[', TT_BODY_DEPTH_MAX);
    memset(deep + TT_BODY_DEPTH_MAX, ']', TT_BODY_DEPTH_MAX);
    web_ask(web, "POST", "/json", "Content-Type: application/json\r\n", deep);
    assert_int_equal(web->status, 200);
    memset(deep, '[', TT_BODY_DEPTH_MAX + 1);
    memset(deep + TT_BODY_DEPTH_MAX + 1, ']', TT_BODY_DEPTH_MAX + 1);
    expect_no_json(web, "", deep, "invalid_json");
    body = list_of("a", "[]", most + 1);
    expect_no_json(web, "", body, "too_many_values");
    expect_no_json(web, some, body, "too_many_values");
    free(body);
    body = list_of("b", "[]", most + 1); /* not wanted: not built, not counted */
    expect_json(web, some, body, "[{},false]");
    free(body);
    body = list_of("a", "[]", most);
    web_ask(web, "POST", "/json", "Content-Type: application/json\r\n", body);
    assert_int_equal(web->status, 200);
    free(body);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bodies_are_decoded, setup, web_teardown),
        cmocka_unit_test_setup_teardown(some_fields_stay_as_they_came, setup, web_teardown),
        cmocka_unit_test_setup_teardown(bodies_have_bounds, setup, web_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
