/* Which failures of requests are the scripts' own fault: those that probation counts. */
#include "serve/web.h"

static const char app[] =
    "local function fill() local t = {} for i = 1, 1e9 do t[i] = {i} end end\n"
    "local function read(req)\n"
    "  local body, kind = req:raw_body(), req:header('X-Then')\n"
    "  if kind == 'raise' then error('a bug') end\n"
    "  if kind == 'memory' then fill() end\n"
    "  if kind == 'wait' then require('tide.time').sleep(60000) return {json = #body} end\n"
    "  if kind == 'refuse' then return nil, {code = 'busy'} end\n"
    "  while true do end\n"
    "end\n"
    "return {" RIG_ERRORS ", handle = function(route, req) return route.handler(req) end,\n"
    "routes = {\n"
    "  {method = 'POST', path = '/read', auth = 'none', handler = read, request = {},\n"
    "    body_max = 100000},\n"
    "  {method = 'GET', path = '/do/memory', auth = 'none', handler = fill},\n"
    "}}\n";

static int setup(void **state)
{
    tt_log_setup(TT_LOG_ERROR + 1, TT_LOG_TEXT);
    return web_setup(state, app, false);
}

/* What a body with that many bytes brings the count of failures to. */
static unsigned long long failures_after(struct web *web, const char *then, size_t bytes)
{
    char *body = tt_alloc(bytes + 1), headers[128];

    memset(body, 'x', bytes);
    body[bytes] = 0;
    snprintf(headers, sizeof(headers), "Content-Type: application/json\r\nX-Then: %s\r\n", then);
    web_ask(web, "POST", "/read", headers, body);
    free(body);
    return atomic_load(&web->rig->generation->vms[0]->failures);
}

/* 65,536 bytes are much: with them, time and memory may have run out because of what a client has
 * sent. An error that a script raises is its own. */
static void only_failures_of_their_own_count(void **state)
{
    struct web *web = *state;

    web->rig->tide.runtime.time_ms = 50;
    assert_int_equal(failures_after(web, "loop", 65535), 1);
    assert_int_equal(web->status, 500);
    assert_int_equal(failures_after(web, "loop", 65536), 1);
    assert_int_equal(web->status, 500);
    web->rig->tide.runtime.time_ms = 10000;
    assert_int_equal(failures_after(web, "memory", 65535), 2);
    assert_non_null(strstr(web->body, "script_memory"));
    assert_int_equal(failures_after(web, "memory", 65536), 2);
    assert_non_null(strstr(web->body, "script_memory"));
    assert_int_equal(failures_after(web, "raise", 65536), 3);
    assert_int_equal(failures_after(web, "raise", 1), 4);
    assert_int_equal(failures_after(web, "refuse", 1), 4);
    assert_int_equal(web->status, 503);
    assert_int_equal(web->rig->generation->vms[0]->taken, 0);
}

/* Another request holds much: memory that runs out may be its doing, time is not. */
static void memory_is_shared(void **state)
{
    struct web *web = *state;
    struct tt_vm *vm = web->rig->generation->vms[0];
    struct tt_buf request = {0};

    tt_buf_printf(&request,
                  "POST /read HTTP/1.1\r\nHost: x\r\nX-Then: wait\r\nConnection: close\r\n"
                  "Content-Type: application/json\r\nContent-Length: 65536\r\n\r\n");
    for (int i = 0; i < 65536; i++)
        tt_buf_putc(&request, 'x');
    int fd = web_connect(web, request.data);
    tt_buf_free(&request);
    RIG_WAIT(web->rig, vm->taken == 65536);
    assert_int_equal(web_get(web, "/do/memory"), 500);
    assert_non_null(strstr(web->body, "script_memory"));
    assert_int_equal(atomic_load(&vm->failures), 0);
    tt_task_cancel_all(&web->rig->tide.runtime);
    close(fd);
    assert_int_equal(vm->taken, 0);
    assert_int_equal(web_get(web, "/do/memory"), 500);
    assert_int_equal(atomic_load(&vm->failures), 1);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_failures_of_their_own_count, setup, web_teardown),
        cmocka_unit_test_setup_teardown(memory_is_shared, setup, web_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
