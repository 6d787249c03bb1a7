/* Streams as the events of Anthropic's Messages API, byte by byte. */
#include "serve/web.h"

static const char app[] =
    "local json, db, time, llm = require 'tide.json', require 'tide.db', require 'tide.time',\n"
    "  require 'tide.llm'\n" RIG_BEGIN "local function calls(...)\n"
    "  local lines = {}\n"
    "  for i, delta in ipairs({...}) do lines[i] = '[' .. delta .. ']\\n' end\n"
    "  return {text = '', tool_calls = table.concat(lines)}\n"
    "end\n"
    "local function first(index, arguments)\n"
    "  return ('{\"index\":%d,\"id\":\"c%d\",\"type\":\"function\",\"function\":{\"name\":\"f\",'\n"
    "    .. '\"arguments\":\"%s\"}}'):format(index, index, arguments)\n"
    "end\n"
    "local function more(index, arguments)\n"
    "  return ('{\"index\":%d,\"function\":{\"arguments\":\"%s\"}}'):format(index, arguments)\n"
    "end\n"
    "local plays = {\n"
    "  short = {text = '潮 \"a\"\\n🌊'},\n"
    "  thinking = {text = 'yes', reasoning = 'hm'},\n"
    "  calling = calls(first(0, ''), more(0, '{\\\\\"a\\\\\":'), more(0, '1}')),\n"
    "  one_by_one = calls(first(0, '{}'), first(1, '{}')),\n"
    "  by_turns = calls(first(0, '{'), first(1, '['), more(0, '}'), first(2, ''), more(1, ']'),\n"
    "    more(2, '1')),\n"
    "  failing = {text = 'part', error = 'upstream_failed'},\n"
    "  failing_at_once = {text = '', error = 'upstream_failed'},\n"
    "  empty = {text = ''},\n"
    "  endless = {text = ('x'):rep(100000), piece = 1, pace_ms = 20},\n"
    "}\n"
    "return {" RIG_ERRORS ", handle = function(route, req)\n"
    "  local r = assert(begin(plays[req.params.name]))\n"
    "  if req.params.name == 'endless' then r:first(1000) r:stop() end\n"
    "  r:wait()\n"
    "  local head = '{\"id\":\"m\"}'\n"
    "  return {stream = r, chunks = {form = 'messages', id = 'm', model = 'a',\n"
    "    head = req.query.raw and json.raw(head) or head}}\n"
    "end, routes = {\n"
    "  {method = 'GET', path = '/:name', auth = 'none', handler = function() end},\n"
    "}}\n";

static int setup(void **state)
{
    return web_setup(state, app, true);
}

#define EVENT(type, members) "event: " type "\ndata: {\"type\":\"" type "\"" members "}\n\n"
#define START                EVENT("message_start", ",\"message\":{\"id\":\"m\"}")
#define BLOCK(index, block)                                                                        \
    EVENT("content_block_start", ",\"index\":" index ",\"content_block\":{" block "}")
#define TEXT(index)     BLOCK(index, "\"type\":\"text\",\"text\":\"\",\"citations\":[]")
#define THOUGHTS(index) BLOCK(index, "\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"")
#define CALL(index, id)                                                                            \
    BLOCK(index, "\"type\":\"tool_use\",\"id\":\"" id "\",\"name\":\"f\",\"input\":{},"            \
                 "\"caller\":{\"type\":\"direct\"}")
#define DELTA(index, delta)                                                                        \
    EVENT("content_block_delta", ",\"index\":" index ",\"delta\":{" delta "}")
#define SAYS(index, text)   DELTA(index, "\"type\":\"text_delta\",\"text\":\"" text "\"")
#define THINKS(index, text) DELTA(index, "\"type\":\"thinking_delta\",\"thinking\":\"" text "\"")
#define ARGUES(index, text)                                                                        \
    DELTA(index, "\"type\":\"input_json_delta\",\"partial_json\":\"" text "\"")
#define STOP(index) EVENT("content_block_stop", ",\"index\":" index)
#define REASON(reason)                                                                             \
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"" reason \
    "\",\"stop_sequence\":null},\"usage\":{\"input_tokens\":"
#define END EVENT("message_stop", "")

/* All up to the usage, which is estimated, and the end. */
static void expect(struct web *web, const char *path, const char *begin)
{
    web_get(web, path);
    size_t length = strlen(web->body);
    assert_true(length > strlen(begin) + strlen(END));
    assert_string_equal(web->body + length - strlen(END), END);
    assert_memory_equal(web->body, begin, strlen(begin));
}

static void blocks_have_exact_bytes(void **state)
{
    struct web *web = *state;

    expect(web, "/short",
           START TEXT("0") SAYS("0", "潮 \\\"a\\\"\\n🌊") STOP("0") REASON("end_turn"));
    assert_true(web_has(web, "Content-Type: text/event-stream"));
    assert_non_null(strstr(web->body, "\"output_tokens\":0,\"cache_creation_input_tokens\":0,"));
    expect(web, "/thinking?raw=1",
           START THOUGHTS("0") THINKS("0", "hm") STOP("0") TEXT("1") SAYS("1", "yes") STOP("1")
               REASON("end_turn"));
    expect(web, "/empty", START REASON("end_turn"));
    web_get(web, "/endless");
    assert_non_null(strstr(web->body, REASON("end_turn")));
}

static void calls_are_blocks_one_after_the_other(void **state)
{
    struct web *web = *state;

    expect(web, "/calling",
           START CALL("0", "c0") ARGUES("0", "{\\\"a\\\":") ARGUES("0", "1}") STOP("0")
               REASON("tool_use"));
    expect(web, "/one_by_one",
           START CALL("0", "c0") ARGUES("0", "{}") STOP("0") CALL("1", "c1") ARGUES("1", "{}")
               STOP("1") REASON("tool_use"));
    /* While one is open the others wait, and are whole then. */
    expect(web, "/by_turns",
           START CALL("0", "c0") ARGUES("0", "{") ARGUES("0", "}") STOP("0") CALL("1", "c1")
               ARGUES("1", "[]") STOP("1") CALL("2", "c2") ARGUES("2", "1") STOP("2")
                   REASON("tool_use"));
}

#define ERROR                                                                                      \
    "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":"       \
    "\"Upstream failed\",\"code\":\"upstream_failed\"}}\n\n"

static void failures_are_error_events_and_the_last(void **state)
{
    struct web *web = *state;

    web_expect(web, "/failing", START TEXT("0") SAYS("0", "part") ERROR);
    web_expect(web, "/failing_at_once", ERROR);
}

#define WEB_TEST(function) cmocka_unit_test_setup_teardown(function, setup, web_teardown)

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        WEB_TEST(blocks_have_exact_bytes),
        WEB_TEST(calls_are_blocks_one_after_the_other),
        WEB_TEST(failures_are_error_events_and_the_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
