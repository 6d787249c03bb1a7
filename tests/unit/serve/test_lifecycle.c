/* What one script state hands to the next. */
#include "script/support.h"
#include "serve/lifecycle.h"

static void load(struct rig *rig, const char *more)
{
    struct tt_buf text = {0};
    tt_buf_printf(&text,
                  "local log, time = require 'tide.log', require 'tide.time'\n"
                  "local seen = 'nothing'\n"
                  "return {handle = function() return seen end, routes = {}, " RIG_ERRORS ", %s}",
                  more);
    rig_put(rig, "lua/app.lua", text.data);
    tt_buf_free(&text);
    rig_load(rig);
}

static void exports(struct rig *rig, const char *more, const char *want)
{
    struct tt_buf state = {0};

    load(rig, more);
    assert_int_equal(tt_lifecycle_export_state(rig->generation->vms[0], &state, &rig->err), 0);
    assert_string_equal(state.data ? state.data : "", want);
    assert_int_equal(rig->tide.runtime.task_count, 0);
    tt_buf_free(&state);
}

static void cannot_export(struct rig *rig, const char *more, const char *part)
{
    struct tt_buf state = {0};

    load(rig, more);
    assert_int_equal(tt_lifecycle_export_state(rig->generation->vms[0], &state, &rig->err), -1);
    if (!strstr(rig->err.message, part))
        fail_msg("\"%s\" is not in \"%s\"", part, rig->err.message);
    assert_int_equal(state.len, 0);
    assert_int_equal(rig->tide.runtime.task_count, 0);
    tt_buf_free(&state);
}

static void state_is_exported_as_json(void **state)
{
    struct rig *rig = *state;

    exports(rig, "x = 1", "");
    exports(rig, "export_state = function() end", "");
    exports(rig, "export_state = function() return {a = {1, 2}} end", "{\"a\":[1,2]}");
    exports(rig, "export_state = function() return false end", "false");
}

static void what_cannot_be_exported_is_told(void **state)
{
    struct rig *rig = *state;

    cannot_export(rig, "export_state = 5", "'export_state' is a number, not a function");
    cannot_export(rig, "export_state = function() error('no') end", ": no\n");
    cannot_export(rig, "export_state = function() return print_ end", "print_");
    cannot_export(rig, "export_state = function() return function() end end", "function");
    cannot_export(rig, "export_state = function() time.sleep(1) end", "waits");
    cannot_export(rig, "export_state = function() return ('x'):rep(5 << 20) end", "4 MiB");
}

static void starts(struct rig *rig, const char *more, const char *given, const char *want)
{
    struct tt_diagnostics diagnostics = {0};

    load(rig, more);
    assert_int_equal(tt_lifecycle_start(rig->generation->vms[0], tt_str_from(given), &diagnostics),
                     0);
    assert_int_equal(diagnostics.count, 0);
    rig_start(rig);
    RIG_WAIT(rig, rig->ended);
    assert_string_equal(rig->result, want);
}

static void refuses_to_start(struct rig *rig, const char *more, const char *message)
{
    struct tt_diagnostics diagnostics = {0};

    load(rig, more);
    assert_int_equal(tt_lifecycle_start(rig->generation->vms[0], TT_STR("{}"), &diagnostics), -1);
    assert_int_equal(diagnostics.count, 1);
    assert_string_equal(diagnostics.items[0].file.data, "app.lua");
    assert_string_equal(diagnostics.items[0].phase, "on_start");
    if (!strstr(diagnostics.items[0].message.data, message))
        fail_msg("\"%s\" is not in \"%s\"", message, diagnostics.items[0].message.data);
    tt_diagnostics_free(&diagnostics);
}

static void the_next_one_gets_it(void **state)
{
    struct rig *rig = *state;

    starts(rig, "x = 1", "{}", "\"nothing\"");
    starts(rig, "on_start = function(s) seen = s == nil end", "", "true");
    starts(rig, "on_start = function(s) seen = s.a[2] end", "{\"a\":[1,2]}", "2");
    starts(rig, "on_start = function(s) seen = 1 return true end", "{}", "1");
}

static void it_may_refuse(void **state)
{
    struct rig *rig = *state;

    refuses_to_start(rig, "on_start = 5", "'on_start' is a number, not a function");
    refuses_to_start(rig, "on_start = function() error('no') end", "no");
    refuses_to_start(rig, "on_start = function() return false, 'not now' end", "refuses: not now");
    refuses_to_start(rig, "on_start = function() time.sleep(1) end", "cannot be called here");
}

/* The state must live until a task of it that waits has ended, whoever else lets go of it. */
static void stopping_may_wait(void **state)
{
    struct rig *rig = *state;

    load(rig, "on_stop = function() time.sleep(20) log.debug('over') end");
    tt_lifecycle_stop(rig->generation->vms[0]);
    assert_int_equal(rig->tide.runtime.task_count, 1);
    tt_generation_unref(rig->generation);
    rig->generation = NULL;
    RIG_WAIT(rig, rig->tide.runtime.task_count == 0);

    load(rig, "x = 1");
    tt_lifecycle_stop(rig->generation->vms[0]);
    assert_int_equal(rig->tide.runtime.task_count, 0);
    load(rig, "on_stop = function() error('no') end");
    tt_lifecycle_stop(rig->generation->vms[0]);
    assert_int_equal(rig->tide.runtime.task_count, 0);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(state_is_exported_as_json), RIG_TEST(what_cannot_be_exported_is_told),
        RIG_TEST(the_next_one_gets_it),      RIG_TEST(it_may_refuse),
        RIG_TEST(stopping_may_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
