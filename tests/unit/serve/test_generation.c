/* What is checked before scripts may serve: routes and error texts. */
#include "script/support.h"

static void load(struct rig *rig, const char *routes, const char *errors)
{
    struct tt_buf text = {0};
    tt_buf_printf(&text,
                  "local function h() end\n"
                  "return {handle = h, routes = %s, errors = %s}",
                  routes, errors);
    rig_put(rig, "lua/app.lua", text.data);
    tt_buf_free(&text);
    rig_try_load(rig);
}

#define OK_ERRORS "{internal_error = {status = 500, en = 'e', zh = 'z'}}"

static void refuses(struct rig *rig, const char *routes, const char *errors, const char *want)
{
    load(rig, routes, errors);
    assert_null(rig->generation);
    assert_string_equal(rig->err.code, "script_error");
    if (strcmp(rig->errors.data, want) != 0)
        fail_msg("%s\n%s\ngot  %swant %s", routes, errors, rig->errors.data, want);
}

static void routes_become_plain_data(void **state)
{
    struct rig *rig = *state;
    struct tt_router_match match;

    load(rig,
         "{{method = 'GET', path = '/a/:id', auth = 'user', handler = h},"
         " {method = 'POST', path = '/a', auth = 'none', handler = h, request = {}, body_max = 7},"
         " {method = 'PUT', path = '/b', auth = 'admin', handler = h, request = {},"
         "  listener = 'admin'}}",
         OK_ERRORS);
    assert_non_null(rig->generation);
    const struct tt_generation *generation = rig->generation;
    assert_int_equal(generation->route_count, 3);
    assert_int_equal(generation->routes[0].auth, TT_AUTH_USER);
    assert_false(generation->routes[0].reads_body);
    assert_int_equal(generation->routes[1].auth, TT_AUTH_NONE);
    assert_true(generation->routes[1].reads_body);
    assert_int_equal(generation->routes[1].body_max, 7);
    assert_int_equal(generation->routes[2].listener, TT_LISTENER_ADMIN);
    assert_int_equal(generation->routes[2].body_max, 4096);
    tt_router_match(generation->router[TT_LISTENER_PUBLIC], TT_STR("GET"), TT_STR("/a/5/"), &match);
    assert_int_equal(match.value, 0);
    tt_router_match(generation->router[TT_LISTENER_PUBLIC], TT_STR("PUT"), TT_STR("/b"), &match);
    assert_int_equal(match.value, -1);
    tt_router_match(generation->router[TT_LISTENER_ADMIN], TT_STR("PUT"), TT_STR("/b"), &match);
    assert_int_equal(match.value, 2);
}

static void wrong_routes_are_all_told_with_their_place(void **state)
{
    struct rig *rig = *state;

    refuses(rig,
            "{{method = 'GET', path = '/a', auth = 'user', handler = h},\n"
            " {method = 'GET', path = '/b', handler = h},\n"
            " {method = 'GET', path = '/c', auth = 'user', handler = 1},\n"
            " {path = '/d', auth = 'user', handler = h},\n"
            " 5}",
            OK_ERRORS,
            "app.lua:1: route 2 (GET /b): 'auth' must be \"none\", \"user\" or \"admin\"\n"
            "app.lua:1: route 3 (GET /c): 'handler' is a number, not a function\n"
            "app.lua:1: route 4 (? /d): needs 'method' and 'path'\n"
            "app.lua:1: route 5 (? ?): is a number, not a table\n");
    refuses(rig, "{{method = 'GET', path = '/a', auth = 'x', handler = function()\nend}}",
            OK_ERRORS,
            "app.lua:2: route 1 (GET /a): 'auth' must be \"none\", \"user\" or \"admin\"\n");
    refuses(rig, "{{method = 'GET', path = '/a', auth = 'user', handler = h, listener = 'x'}}",
            OK_ERRORS, "app.lua:1: route 1 (GET /a): 'listener' must be \"public\" or \"admin\"\n");
    refuses(rig, "{{method = 'GET', path = '/a', auth = 'user', handler = h, body_max = -1}}",
            OK_ERRORS, "app.lua:1: route 1 (GET /a): 'body_max' is negative\n");
    refuses(rig, "{{method = 1, path = '/a', auth = 'user', handler = h}}", OK_ERRORS,
            "app.lua:1: route 1 (? /a): field 'method' must be a string, not a number\n");
}

static void equal_routes_are_refused(void **state)
{
    struct rig *rig = *state;

    load(rig,
         "{{method = 'GET', path = '/a/:x', auth = 'none', handler = h},"
         " {method = 'GET', path = '/a/:y', auth = 'none', handler = h},"
         " {method = 'GET', path = '/a/:x', auth = 'none', handler = h, listener = 'admin'}}",
         OK_ERRORS);
    assert_null(rig->generation);
    assert_true(
        tt_str_starts(tt_buf_str(&rig->errors), TT_STR("app.lua:1: route 2 (GET /a/:y): ")));
    assert_null(strstr(rig->errors.data, "route 3"));
    load(rig, "{{method = 'GET', path = 'a', auth = 'none', handler = h}}", OK_ERRORS);
    assert_null(rig->generation);
    assert_non_null(strstr(rig->errors.data, "route 1 (GET a): "));
}

static void error_texts_are_checked(void **state)
{
    struct rig *rig = *state;

    refuses(rig, "{}", "nil", "app.lua:1: 'errors' must be a table\n");
    refuses(rig, "{}", "{}", "app.lua:1: the error code 'internal_error' is missing\n");
    refuses(rig, "{}", "{5}", "app.lua:1: 'errors' maps codes to tables\n");
    refuses(rig, "{}", "{x = {status = 200, en = 'a', zh = 'b'}}",
            "app.lua:1: 'x' needs status (400-599), en and zh\n");
    refuses(rig, "{}", "{x = {status = 400, en = 'a'}}",
            "app.lua:1: 'x' needs status (400-599), en and zh\n");
    refuses(rig, "{}", "{x = {status = 400, en = 5}}",
            "app.lua:1: field 'en' must be a string, not a number\n");
    refuses(rig, "{}", "{[('x'):rep(40)] = {status = 400, en = 'a', zh = 'b'}}",
            "app.lua:1: the error code 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' is too long\n");
    /* Both kinds of diagnostics at once. */
    refuses(rig, "{5}", "nil",
            "app.lua:1: 'errors' must be a table\n"
            "app.lua:1: route 1 (? ?): is a number, not a table\n");
}

static void texts_are_found_by_code(void **state)
{
    struct rig *rig = *state;

    load(rig, "{}",
         "{internal_error = {status = 500, en = 'e', zh = 'z'},"
         " a = {status = 400, en = 'A', zh = '甲'}}");
    assert_non_null(rig->generation);
    const struct tt_error_text *text = tt_generation_error(rig->generation, TT_STR("a"));
    assert_int_equal(text->status, 400);
    assert_true(tt_str_eq(text->zh, TT_STR("甲")));
    text = tt_generation_error(rig->generation, TT_STR("unknown"));
    assert_true(tt_str_eq(text->code, TT_STR("internal_error")));
}

static void every_worker_has_its_state(void **state)
{
    struct rig *rig = *state;
    struct tt_tide second = rig->tide;
    struct tt_runtime *runtimes[] = {&rig->tide.runtime, &second.runtime};
    struct tt_diagnostics diagnostics = {0};
    struct tt_err err = {0};

    second.runtime.worker = 1;
    tt_list_init(&second.runtime.tasks);
    rig_put(rig, "lua/app.lua", "return {handle = function() end, routes = {}, " RIG_ERRORS "}");
    rig->generation = tt_generation_new(tt_bundle_read(rig_sources(rig), NULL, &err), 7, runtimes,
                                        2, &rig->serving, &diagnostics, &err);
    assert_non_null(rig->generation);
    assert_int_equal(rig->generation->vm_count, 2);
    assert_ptr_equal(rig->generation->vms[1]->runtime, &second.runtime);
    assert_ptr_not_equal(rig->generation->vms[0]->L, rig->generation->vms[1]->L);
    assert_int_equal(rig->generation->vms[1]->generation, 7);
    tt_generation_unref(tt_generation_ref(rig->generation));
    assert_int_equal(atomic_load(&rig->generation->references), 1);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(routes_become_plain_data), RIG_TEST(wrong_routes_are_all_told_with_their_place),
        RIG_TEST(equal_routes_are_refused), RIG_TEST(error_texts_are_checked),
        RIG_TEST(texts_are_found_by_code),  RIG_TEST(every_worker_has_its_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
