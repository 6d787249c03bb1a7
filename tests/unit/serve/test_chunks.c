/* Answers that a script writes piece by piece: whole for whoever reads, bounded for whoever does
 * not, cut when the script fails, and over when the client has left. */
#include "serve/web.h"

static const char APP[] =
    "local time = require 'tide.time'\n"
    "local notes = {}\n"
    "local function note(name) notes[name] = (notes[name] or 0) + 1 end\n"
    "local PIECE = ('x'):rep(65536)\n"
    "local kept\n"
    "local answers = {\n"
    "  small = function(write) write('one') write('') write('two') end,\n"
    "  nothing = function() end,\n"
    "  large = function(write) for i = 1, 1000 do write(PIECE) note('pieces') end end,\n"
    "  raises = function(write) write('one') error('no more') end,\n"
    "  fails = function(write) write('one') time.sleep(1) return nil, {code = 'busy'} end,\n"
    "  fails_first = function() return nil, {code = 'busy'} end,\n"
    "  busy = function(write) for i = 1, 20 do write('y')\n"
    "    local n = 0 repeat n = n + 1 until n > 300000 end end,\n"
    "  keeps = function(write) kept = write write('one') end,\n"
    "  kept = function(write) local ok, err = pcall(kept, 'late')\n"
    "    write(tostring(ok) .. err:match('the answer has ended')) end,\n"
    "  leaves = function(write) note('begun')\n"
    "    local guard <close> = setmetatable({}, {__close = function() note('closed') end})\n"
    "    while true do write(PIECE) end end,\n"
    "}\n"
    "local function chunks(req)\n"
    "  return {chunks = answers[req.params.name], content_type = 'text/x-tide',\n"
    "    headers = {['X-Name'] = req.params.name}} end\n"
    "local function noted(req) return {body = tostring(notes[req.params.name] or 0)} end\n"
    "return {" RIG_ERRORS
    ", handle = function(route, req) return route.handler(req) end, routes = {\n"
    "  {method = 'GET', path = '/note/:name', auth = 'none', handler = noted},\n"
    "  {method = 'GET', path = '/:name', auth = 'none', handler = chunks}}}\n";

static int setup(void **state)
{
    return web_setup(state, APP, false);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

static int64_t noted(struct web *web, const char *name)
{
    char path[64];
    snprintf(path, sizeof(path), "/note/%s", name);
    assert_int_equal(web_ask(web, "GET", path, "", NULL), 200);
    return atoll(web->body);
}

static void comes_whole(void **state)
{
    struct web *web = *state;

    assert_int_equal(web_raw(web, GET("/small")), 200);
    assert_string_equal(web->body, "onetwo");
    assert_non_null(strstr(web->answer.data, "Content-Type: text/x-tide\r\n"));
    assert_non_null(strstr(web->answer.data, "X-Name: small\r\n"));
    assert_int_equal(web_raw(web, GET("/nothing")), 200);
    assert_string_equal(web->body, "");
    assert_int_equal(web_raw(web, GET("/busy")), 200); /* each piece has a time of its own */
    assert_int_equal(strlen(web->body), 20);
    assert_int_equal(web_raw(web, "GET /small HTTP/1.0\r\nHost: x\r\n\r\n"), 200);
    assert_string_equal(web->body, "onetwo");
}

static void head_has_no_body_and_runs_nothing(void **state)
{
    struct web *web = *state;

    assert_int_equal(web_raw(web, "HEAD /leaves HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
                     200);
    assert_string_equal(web->body, "");
    assert_non_null(strstr(web->answer.data, "X-Name: leaves\r\n"));
    assert_int_equal(noted(web, "begun"), 0);
}

/* What has come behind the head until the server closes, unparsed; "" without a head. */
static const char *read_all(struct web *web, const char *request)
{
    int fd = web_connect(web, request);
    tt_buf_clear(&web->answer);
    RIG_WAIT(web->rig, web_read(web, fd));
    close(fd);
    const char *head_end = web->answer.len ? strstr(web->answer.data, "\r\n\r\n") : NULL;
    return head_end ? head_end + 4 : "";
}

static void a_failure_cuts_the_connection(void **state)
{
    struct web *web = *state;

    assert_string_equal(read_all(web, GET("/raises")), "3\r\none\r\n");
    assert_string_equal(read_all(web, GET("/fails")), "3\r\none\r\n");
    assert_string_equal(read_all(web, GET("/fails_first")), "");
    assert_int_equal(web_raw(web, GET("/small")), 200);
}

static void waits_for_a_client_that_does_not_read(void **state)
{
    struct web *web = *state;
    int fd = web_connect(web, GET("/large"));
    int64_t before = -1, now = 0;
    size_t total = 0;

    while (now != before || now == 0) { /* until it stands still */
        before = now;
        for (int i = 0; i < 20; i++)
            tt_loop_tick(web->rig->loop, 5);
        now = noted(web, "pieces");
    }
    assert_true(now < 500); /* the kernel's buffers take some */
    for (bool closed = false; !closed;) {
        tt_buf_clear(&web->answer);
        closed = web_read(web, fd);
        total += web->answer.len;
        tt_loop_tick(web->rig->loop, 0);
    }
    close(fd);
    assert_true(total > (size_t)1000 * 65536);
    assert_int_equal(noted(web, "pieces"), 1000);
}

static void ends_when_the_client_leaves(void **state)
{
    struct web *web = *state;
    int fd = web_connect(web, GET("/leaves"));

    RIG_WAIT(web->rig, !tt_list_empty(&web->rig->tide.runtime.tasks));
    for (int i = 0; i < 20; i++)
        tt_loop_tick(web->rig->loop, 5);
    close(fd);
    RIG_WAIT(web->rig, tt_list_empty(&web->rig->tide.runtime.tasks));
    RIG_WAIT(web->rig, tt_http_server_active(web->server) == 0);
    assert_int_equal(noted(web, "begun"), 1);
    assert_int_equal(noted(web, "closed"), 1);
}

static void write_is_of_no_use_afterwards(void **state)
{
    struct web *web = *state;

    assert_int_equal(web_raw(web, GET("/keeps")), 200);
    assert_int_equal(web_raw(web, GET("/kept")), 200);
    assert_string_equal(web->body, "falsethe answer has ended");
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(comes_whole, setup, web_teardown),
        cmocka_unit_test_setup_teardown(head_has_no_body_and_runs_nothing, setup, web_teardown),
        cmocka_unit_test_setup_teardown(a_failure_cuts_the_connection, setup, web_teardown),
        cmocka_unit_test_setup_teardown(waits_for_a_client_that_does_not_read, setup, web_teardown),
        cmocka_unit_test_setup_teardown(ends_when_the_client_leaves, setup, web_teardown),
        cmocka_unit_test_setup_teardown(write_is_of_no_use_afterwards, setup, web_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
