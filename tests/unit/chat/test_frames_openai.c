/* Streams as OpenAI's chunks, byte by byte. */
#include "serve/web.h"

static const char app[] =
    "local json, db, time, llm = require 'tide.json', require 'tide.db', require 'tide.time',\n"
    "  require 'tide.llm'\n" RIG_BEGIN "local plays = {\n"
    "  short = {text = '潮 \"a\"\\n🌊'},\n"
    "  thinking = {text = 'yes', reasoning = 'hm'},\n"
    "  calling = {text = '', tool_calls = '[{\"index\":0,\"id\":\"c\"}]\\n[{\"index\":1}]\\n'},\n"
    "  failing = {text = 'part', error = 'upstream_failed'},\n"
    "  failing_at_once = {text = '', error = 'upstream_failed'},\n"
    "  empty = {text = ''},\n"
    "  paced = {text = ('潮🌊x'):rep(50), piece = 7, pace_ms = 1},\n"
    "  endless = {text = ('x'):rep(100000), piece = 1, pace_ms = 20},\n"
    "}\n"
    "return {" RIG_ERRORS ", handle = function(route, req)\n"
    "  local r = assert(begin(plays[req.params.name]))\n"
    "  if req.params.name == 'endless' then r:first(1000) r:stop() end\n"
    "  if req.params.name ~= 'paced' then r:wait() end\n"
    "  local chunks = {form = req.query.form, id = 'c-1', created = 5, model = 'a\"b',\n"
    "    include_usage = req.query.usage == '1'}\n"
    "  if req.query.old then return {stream = r, openai = chunks} end\n"
    "  return {stream = r, chunks = chunks}\n"
    "end, routes = {\n"
    "  {method = 'GET', path = '/:name', auth = 'none', handler = function() end},\n"
    "}}\n";

static int setup(void **state)
{
    return web_setup(state, app, true);
}

#define HEAD                                                                                       \
    "data: {\"id\":\"c-1\",\"object\":\"chat.completion.chunk\",\"created\":5,"                    \
    "\"model\":\"a\\\"b\",\"choices\":["
#define CHOICE(delta, reason)                                                                      \
    "{\"index\":0,\"delta\":{" delta "},\"logprobs\":null,\"finish_reason\":" reason "}"
#define CHUNK(delta)   HEAD CHOICE(delta, "null") "]}\n\n"
#define LAST(reason)   HEAD CHOICE("", reason) "]}\n\n"
#define COUNTED(delta) HEAD CHOICE(delta, "null") "],\"usage\":null}\n\n"
#define COUNTED_LAST   HEAD CHOICE("", "\"stop\"") "],\"usage\":null}\n\n"
#define ROLE           "\"role\":\"assistant\",\"content\":\"\",\"refusal\":null"
#define DONE           "data: [DONE]\n\n"

static void chunks_have_exact_bytes(void **state)
{
    struct web *web = *state;

    web_expect(web, "/short",
               CHUNK(ROLE) CHUNK("\"content\":\"潮 \\\"a\\\"\\n🌊\"") LAST("\"stop\"") DONE);
    assert_true(web_has(web, "Content-Type: text/event-stream"));
    assert_true(web_has(web, "Cache-Control: no-cache, no-transform"));
    web_expect(web, "/thinking",
               CHUNK(ROLE) CHUNK("\"reasoning_content\":\"hm\"") CHUNK("\"content\":\"yes\"")
                   LAST("\"stop\"") DONE);
    web_expect(web, "/empty", CHUNK(ROLE) LAST("\"stop\"") DONE);
}

static void a_form_has_a_name(void **state)
{
    struct web *web = *state;

    web_expect(web, "/empty?form=chat", CHUNK(ROLE) LAST("\"stop\"") DONE);
    web_expect(web, "/empty?old=1", CHUNK(ROLE) LAST("\"stop\"") DONE);
    web_get(web, "/empty?form=other");
    assert_non_null(strstr(web->body, "internal_error"));
}

#define TEXT_HEAD                                                                                  \
    "data: {\"id\":\"c-1\",\"object\":\"text_completion\",\"created\":5,"                          \
    "\"model\":\"a\\\"b\",\"choices\":["
#define TEXT(text, reason)                                                                         \
    TEXT_HEAD "{\"text\":\"" text "\",\"index\":0,\"logprobs\":null,\"finish_reason\":" reason "}"

static void texts_have_exact_bytes(void **state)
{
    struct web *web = *state;

    web_expect(web, "/short?form=text",
               TEXT("潮 \\\"a\\\"\\n🌊", "null") "]}\n\n" TEXT("", "\"stop\"") "]}\n\n" DONE);
    web_expect(web, "/thinking?form=text",
               TEXT("yes", "null") "]}\n\n" TEXT("", "\"stop\"") "]}\n\n" DONE);
    web_get(web, "/empty?form=text&usage=1");
    static const char begin[] =
        TEXT("", "\"stop\"") "],\"usage\":null}\n\n" TEXT_HEAD "],\"usage\":{\"prompt_tokens\":";
    assert_memory_equal(web->body, begin, sizeof(begin) - 1);
}

static void tool_calls_are_told_entry_by_entry(void **state)
{
    web_expect(*state, "/calling",
               CHUNK(ROLE) CHUNK("\"tool_calls\":[{\"index\":0,\"id\":\"c\"}]")
                   CHUNK("\"tool_calls\":[{\"index\":1}]") LAST("\"tool_calls\"") DONE);
}

static void usage_comes_last_and_without_a_choice(void **state)
{
    struct web *web = *state;

    web_get(web, "/thinking?usage=1");
    static const char begin[] = COUNTED(ROLE) COUNTED("\"reasoning_content\":\"hm\"")
        COUNTED("\"content\":\"yes\"") COUNTED_LAST HEAD "],\"usage\":{\"prompt_tokens\":";
    assert_memory_equal(web->body, begin, sizeof(begin) - 1);
    assert_non_null(strstr(web->body, "\"total_tokens\":"));
    size_t length = strlen(web->body);
    assert_string_equal(web->body + length - strlen(DONE), DONE);
}

#define ERROR                                                                                      \
    "data: {\"error\":{\"message\":\"Upstream failed\",\"type\":\"server_error\","                 \
    "\"param\":null,\"code\":\"upstream_failed\"}}\n\n"

static void failures_are_error_objects_without_a_marker(void **state)
{
    struct web *web = *state;

    web_expect(web, "/failing", CHUNK(ROLE) CHUNK("\"content\":\"part\"") ERROR);
    web_expect(web, "/failing_at_once", ERROR);
}

/* Our word for it is none that these clients know. */
static void a_stopped_reply_has_stopped(void **state)
{
    struct web *web = *state;

    web_get(web, "/endless");
    assert_non_null(strstr(web->body, LAST("\"stop\"") DONE));
}

static void paced_text_arrives_whole(void **state)
{
    static const char key[] = "\"delta\":{\"content\":\"";
    struct web *web = *state;
    struct tt_buf text = {0}, want = {0};

    web_get(web, "/paced");
    for (const char *p = web->body; (p = strstr(p, key));) {
        p += sizeof(key) - 1;
        const char *end = strchr(p, '"'); /* no quotes in this text */
        tt_buf_append(&text, p, (size_t)(end - p));
    }
    for (int i = 0; i < 50; i++)
        tt_buf_append_z(&want, "潮🌊x");
    assert_true(tt_str_eq(tt_buf_str(&text), tt_buf_str(&want)));
    tt_buf_free(&text);
    tt_buf_free(&want);
}

#define WEB_TEST(function) cmocka_unit_test_setup_teardown(function, setup, web_teardown)

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        WEB_TEST(chunks_have_exact_bytes),
        WEB_TEST(a_form_has_a_name),
        WEB_TEST(texts_have_exact_bytes),
        WEB_TEST(tool_calls_are_told_entry_by_entry),
        WEB_TEST(usage_comes_last_and_without_a_choice),
        WEB_TEST(failures_are_error_objects_without_a_marker),
        WEB_TEST(a_stopped_reply_has_stopped),
        WEB_TEST(paced_text_arrives_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
