/* Streams of events that a script sends: how they look, what nobody can put into them, and how they
 * end. What they share with answers in chunks is in test_chunks.c. */
#include "serve/events.h"
#include "serve/web.h"

static const char APP[] =
    "local task = require 'tide.task'\n"
    "local time = require 'tide.time'\n"
    "local notes = {}\n"
    "local function note(name) notes[name] = (notes[name] or 0) + 1 end\n"
    "local function tell(value) return function(send)\n"
    "  local ok, err = pcall(send, value)\n"
    "  if not ok then send(err:match('send: .*')) end end end\n"
    "local answers = {\n"
    "  all = function(send) send{event = 'tick', id = 7, retry = 250, data = 'a', comment = 'c'}\n"
    "    send('one\\ntwo\\r\\nthree\\rfour\\n') send('') send{json = {b = {1, 'x\\ny'}}}\n"
    "    send{comment = 'only\\nthis'} end,\n"
    "  split = tell{data = 'x', event = 'a\\ndata: forged'},\n"
    "  carriage = tell{id = '1\\r2'},\n"
    "  nul = tell{id = '1\\0002'},\n"
    "  unknown = tell{dta = 'x'},\n"
    "  empty = tell{},\n"
    "  bytes = tell('\\xff'),\n"
    "  minus = tell{retry = -1},\n"
    "  raises = function(send) send('one') error('no more') end,\n"
    "  fails = function(send) send('one') time.sleep(1) return nil, {code = 'busy'} end,\n"
    "  fails_first = function() return nil, {code = 'busy'} end,\n"
    "  parallel = function(send) task.all({function() for i = 1, 9 do send('a') end end,\n"
    "    function() for i = 1, 9 do send('b') end end}) end,\n"
    "  polite = function(send) while send('tick') do time.sleep(1) end note('asked') send('bye')\n"
    "    end,\n"
    "  sleeps = function(send) local guard <close> = setmetatable({},\n"
    "    {__close = function() note('closed') end}) send('tick') time.sleep(600000) end,\n"
    "}\n"
    "return {" RIG_ERRORS
    ", handle = function(route, req) return route.handler(req) end, routes = {\n"
    "  {method = 'GET', path = '/note/:name', auth = 'none', handler = function(req)\n"
    "    return {body = tostring(notes[req.params.name] or 0)} end},\n"
    "  {method = 'GET', path = '/:name', auth = 'none', handler = function(req)\n"
    "    return {events = answers[req.params.name], headers = {['X-Name'] = 'x'}} end}}}\n";

static int setup(void **state)
{
    return web_setup(state, APP, false);
}

static void expect(struct web *web, const char *path, const char *want)
{
    web_get(web, path);
    assert_int_equal(web->status, 200);
    assert_string_equal(web->body, want);
}

static void has_all_fields(void **state)
{
    struct web *web = *state;

    expect(web, "/all",
           ": c\nid: 7\nevent: tick\nretry: 250\ndata: a\n\n"
           "data: one\ndata: two\ndata: three\ndata: four\ndata: \n\n"
           "data: \n\n"
           "data: {\"b\":[1,\"x\\ny\"]}\n\n"
           ": only\n: this\n\n");
    assert_true(web_has(web, "Content-Type: text/event-stream"));
    assert_true(web_has(web, "Cache-Control: no-cache, no-transform"));
    assert_true(web_has(web, "X-Name: x"));
    web_raw(web, "HEAD /sleeps HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_int_equal(web->status, 200);
    assert_string_equal(web->body, "");
}

static void no_text_begins_a_field(void **state)
{
    struct web *web = *state;

    expect(web, "/split", "data: send: 'event' has a line break or a NUL; it is one line\n\n");
    expect(web, "/carriage", "data: send: 'id' has a line break or a NUL; it is one line\n\n");
    expect(web, "/nul", "data: send: 'id' has a line break or a NUL; it is one line\n\n");
    expect(web, "/unknown",
           "data: send: an event has no field 'dta'; there are data, json, event, "
           "id, retry and comment\n\n");
    expect(web, "/empty", "data: send: the event is empty\n\n");
    expect(web, "/bytes", "data: send: 'data' is not valid UTF-8\n\n");
    expect(web, "/minus",
           "data: send: 'retry' must be milliseconds, an integer that is not "
           "negative\n\n");
}

static void expect_error(struct web *web, const char *path, const char *before, const char *code)
{
    char want[256];

    web_get(web, path);
    assert_int_equal(web->status, 200);
    snprintf(want, sizeof(want), "%sevent: error\ndata: {\"error\":\"", before);
    assert_memory_equal(web->body, want, strlen(want));
    snprintf(want, sizeof(want), "\"code\":\"%s\"", code);
    assert_non_null(strstr(web->body, want));
    assert_string_equal(web->body + strlen(web->body) - 3, "}\n\n");
}

static void a_failure_is_an_event(void **state)
{
    struct web *web = *state;

    expect_error(web, "/raises", "data: one\n\n", "internal_error");
    expect_error(web, "/fails", "data: one\n\n", "busy");
    expect_error(web, "/fails_first", "", "busy");
}

static void several_tasks_may_send(void **state)
{
    struct web *web = *state;
    int a = 0, b = 0;

    web_get(web, "/parallel");
    for (const char *p = web->body; *p; p += 9) {
        a += strncmp(p, "data: a\n\n", 9) == 0;
        b += strncmp(p, "data: b\n\n", 9) == 0;
    }
    assert_int_equal(a, 9);
    assert_int_equal(b, 9);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

/* A stream whose first event has come. */
static int open_stream(struct web *web, const char *request)
{
    int fd = web_connect(web, request);

    tt_buf_clear(&web->answer);
    RIG_WAIT(web->rig,
             (web_read(web, fd), strstr(web->answer.len ? web->answer.data : "", "tick")));
    return fd;
}

static void read_to_end(struct web *web, int fd)
{
    RIG_WAIT(web->rig, web_read(web, fd));
    close(fd);
    web_parse(web);
}

static void expect_note(struct web *web, const char *path, const char *count)
{
    web_get(web, path);
    assert_string_equal(web->body, count);
}

static void asked_streams_end_by_themselves(void **state)
{
    struct web *web = *state;
    int fd = open_stream(web, GET("/polite"));

    tt_events_ask_old(&web->dispatcher); /* it is not */
    assert_int_equal(web->rig->tide.runtime.task_count, 1);
    tt_events_ask_all(&web->dispatcher);
    read_to_end(web, fd);
    assert_string_equal(web->body + strlen(web->body) - 11, "data: bye\n\n");
    expect_note(web, "/note/asked", "1");
    web_get(web, "/polite"); /* one that begins afterwards is asked at once */
    assert_string_equal(web->body, "data: tick\n\ndata: bye\n\n");
}

static void others_are_ended(void **state)
{
    struct web *web = *state;
    struct tt_generation *now = web->dispatcher.generation;
    int fd = open_stream(web, GET("/sleeps"));

    web->rig->serving.old_events_ms = 1;
    web->dispatcher.generation = NULL; /* as if others served */
    tt_events_ask_old(&web->dispatcher);
    web->dispatcher.generation = now;
    read_to_end(web, fd);
    assert_string_equal(web->body, "data: tick\n\n"); /* whole: its client comes back */
    expect_note(web, "/note/closed", "1");

    fd = open_stream(web, GET("/sleeps"));
    tt_events_end_all(&web->dispatcher);
    read_to_end(web, fd);
    expect_note(web, "/note/closed", "2");

    fd = open_stream(web, GET("/sleeps"));
    close(fd);
    RIG_WAIT(web->rig, web->rig->tide.runtime.task_count == 0);
    expect_note(web, "/note/closed", "3");
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(has_all_fields, setup, web_teardown),
        cmocka_unit_test_setup_teardown(no_text_begins_a_field, setup, web_teardown),
        cmocka_unit_test_setup_teardown(a_failure_is_an_event, setup, web_teardown),
        cmocka_unit_test_setup_teardown(several_tasks_may_send, setup, web_teardown),
        cmocka_unit_test_setup_teardown(asked_streams_end_by_themselves, setup, web_teardown),
        cmocka_unit_test_setup_teardown(others_are_ended, setup, web_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
