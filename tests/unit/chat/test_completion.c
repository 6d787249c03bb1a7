/* Whole answers of OpenAI's completions, byte by byte. */
#include "serve/web.h"

static const char app[] =
    "local json, db, time, llm = require 'tide.json', require 'tide.db', require 'tide.time',\n"
    "  require 'tide.llm'\n" RIG_BEGIN "local plays = {\n"
    "  short = {text = '潮 \"a\"\\n🌊'},\n"
    "  thinking = {text = 'yes', reasoning = 'hm'},\n"
    "  calling = {text = '', tool_calls = '[{\"index\":1,\"id\":\"d\"},'\n"
    "    .. '{\"index\":0,\"id\":\"c\",\"extra_content\":{\"x\":1}}]\\n'\n"
    "    .. '[{\"index\":1,\"function\":{\"name\":\"g\",\"arguments\":\"{\\\\\"b\\\\\":\"}}]\\n'\n"
    "    .. '[{\"index\":0,\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}},'\n"
    "    .. '{\"index\":1,\"function\":{\"arguments\":\"2}\"}}]\\n'},\n"
    "  failing = {text = 'part', error = 'upstream_failed'},\n"
    "  endless = {text = ('x'):rep(100000), piece = 1, pace_ms = 20},\n"
    "}\n"
    "return {" RIG_ERRORS ", handle = function(route, req)\n"
    "  local r = assert(begin(plays[req.params.name]))\n"
    "  if req.params.name == 'endless' then r:first(1000)\n"
    "    if req.query.early then\n"
    "      local ok, why = pcall(r.completion, r, {id = '', model = ''})\n"
    "      r:stop()\n"
    "      return {json = {why = why}}\n"
    "    end\n"
    "    r:stop()\n"
    "  end\n"
    "  local status, err = r:ended()\n"
    "  if req.query.status then return {json = {status = status, code = err and err.code}} end\n"
    "  return {json = r:completion{form = req.query.form, id = 'c-1', created = 5, "
    "model = 'a\"b'}}\n"
    "end, routes = {\n"
    "  {method = 'GET', path = '/:name', auth = 'none', handler = function() end},\n"
    "}}\n";

static int setup(void **state)
{
    return web_setup(state, app, true);
}

/* Fixed text up to the usage. */
static void expect_begin(struct web *web, const char *path, const char *begin)
{
    web_get(web, path);
    if (strncmp(web->body, begin, strlen(begin)) != 0)
        fail_msg("%s:\nwant %s\nhave %s", path, begin, web->body);
}

#define CHAT(message, reason)                                                                      \
    "{\"id\":\"c-1\",\"object\":\"chat.completion\",\"created\":5,\"model\":\"a\\\"b\","           \
    "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\"," message                       \
    "},\"logprobs\":null,\"finish_reason\":\"" reason "\"}],\"usage\":{\"prompt_tokens\":"

static void answers_have_exact_bytes(void **state)
{
    struct web *web = *state;

    expect_begin(web, "/short", CHAT("\"content\":\"潮 \\\"a\\\"\\n🌊\",\"refusal\":null", "stop"));
    expect_begin(web, "/thinking",
                 CHAT("\"content\":\"yes\",\"refusal\":null,\"reasoning_content\":\"hm\"", "stop"));
    static const char end[] = ",\"total_tokens\":0}}";
    assert_string_equal(web->body + strlen(web->body) - strlen(end), end);
}

static void texts_have_exact_bytes(void **state)
{
    expect_begin(*state, "/thinking?form=text",
                 "{\"id\":\"c-1\",\"object\":\"text_completion\",\"created\":5,"
                 "\"model\":\"a\\\"b\",\"choices\":[{\"text\":\"yes\",\"index\":0,"
                 "\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":");
}

/* By their index, whatever pieces they came in. */
static void calls_are_whole_and_in_order(void **state)
{
    expect_begin(*state, "/calling",
                 CHAT("\"content\":null,\"refusal\":null,\"tool_calls\":["
                      "{\"id\":\"c\",\"type\":\"function\",\"function\":{\"name\":\"f\","
                      "\"arguments\":\"{}\"},\"extra_content\":{\"x\":1}},"
                      "{\"id\":\"d\",\"type\":\"function\",\"function\":{\"name\":\"g\","
                      "\"arguments\":\"{\\\"b\\\":2}\"}}]",
                      "tool_calls"));
}

/* Our word for it is none that these clients know. */
static void a_stopped_reply_has_stopped(void **state)
{
    struct web *web = *state;

    web_get(web, "/endless");
    assert_non_null(strstr(web->body, "\"finish_reason\":\"stop\"}]"));
    web_expect(web, "/endless?status=1", "{\"status\":\"stopped\"}");
}

static void the_end_is_told_without_the_text(void **state)
{
    web_expect(*state, "/short?status=1", "{\"status\":\"complete\"}");
    web_expect(*state, "/failing?status=1", "{\"code\":\"upstream_failed\",\"status\":\"error\"}");
}

static void a_running_reply_is_no_answer_yet(void **state)
{
    struct web *web = *state;

    web_get(web, "/endless?early=1");
    assert_non_null(strstr(web->body, "has not ended"));
}

#define WEB_TEST(function) cmocka_unit_test_setup_teardown(function, setup, web_teardown)

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        WEB_TEST(answers_have_exact_bytes),         WEB_TEST(texts_have_exact_bytes),
        WEB_TEST(calls_are_whole_and_in_order),     WEB_TEST(a_stopped_reply_has_stopped),
        WEB_TEST(the_end_is_told_without_the_text), WEB_TEST(a_running_reply_is_no_answer_yet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
