/* Streams as the events of OpenAI's Responses, byte by byte, and from any of them on. */
#include "serve/web.h"

static const char app[] =
    "local json, db, time, llm = require 'tide.json', require 'tide.db', require 'tide.time',\n"
    "  require 'tide.llm'\n" RIG_BEGIN "local plays = {\n"
    "  short = {text = '潮 \"a\"'},\n"
    "  thinking = {text = 'yes', reasoning = 'hm'},\n"
    "  calling = {text = '', tool_calls = '[{\"index\":0,\"id\":\"c\",\"type\":\"function\","
    "\"function\":{\"name\":\"f\",\"arguments\":\"{\\\\\"a\\\\\":\"}},"
    "{\"index\":1,\"id\":\"d\",\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}]\\n"
    "[{\"index\":0,\"function\":{\"arguments\":\"1}\"}}]\\n'},\n"
    "  failing = {text = 'part', error = 'upstream_failed'},\n"
    "  empty = {text = ''},\n"
    "  paced = {text = ('潮🌊x'):rep(50), reasoning = ('思'):rep(40), piece = 7, pace_ms = 1},\n"
    "  endless = {text = ('x'):rep(100000), piece = 1, pace_ms = 20},\n"
    "}\n"
    "return {" RIG_ERRORS ", handle = function(route, req)\n"
    "  local r = assert(begin(plays[req.params.name]))\n"
    "  if req.params.name == 'endless' then r:first(1000) r:stop() end\n"
    "  if req.params.name ~= 'paced' then r:wait() end\n"
    "  local parts = {form = 'responses', id = 'resp_7', head = '{\"id\":\"resp_7\"}',\n"
    "    after = math.tointeger(tonumber(req.query.after))}\n"
    "  if req.query.whole then return {json = r:response(parts, 'why')} end\n"
    "  return {stream = r, chunks = parts}\n"
    "end, routes = {\n"
    "  {method = 'GET', path = '/:name', auth = 'none', handler = function() end},\n"
    "}}\n";

static int setup(void **state)
{
    return web_setup(state, app, true);
}

#define EVENT(type, number, more)                                                                  \
    "event: response." type "\ndata: {\"type\":\"response." type                                   \
    "\",\"sequence_number\":" number more "}\n\n"
#define BEGUN                                                                                      \
    ",\"response\":{\"id\":\"resp_7\",\"status\":\"in_progress\",\"completed_at\":null,"           \
    "\"error\":null,\"incomplete_details\":null,\"output\":[],\"usage\":null}"
#define BEGIN             EVENT("created", "0", BEGUN) EVENT("in_progress", "1", BEGUN)
#define ITEM(index, item) ",\"output_index\":" index ",\"item\":" item
#define PLACE(id, index)  ",\"item_id\":\"" id "\",\"output_index\":" index
#define MESSAGE(id, status, list)                                                                  \
    "{\"id\":\"" id "\",\"type\":\"message\",\"status\":\"" status                                 \
    "\",\"role\":\"assistant\",\"content\":[" list "]}"
#define TEXT(text)                                                                                 \
    "{\"type\":\"output_text\",\"text\":\"" text "\",\"annotations\":[],\"logprobs\":[]}"
#define DONE "data: [DONE]\n\n"

/* What stands before and behind the time at which it was completed. */
static void expect_end(struct web *web, const char *before, const char *output)
{
    static const char key[] = ",\"status\":\"completed\",\"completed_at\":";
    size_t length = strlen(before);

    assert_int_equal(strncmp(web->body, before, length), 0);
    assert_int_equal(strncmp(web->body + length, key, strlen(key)), 0);
    const char *rest = strstr(web->body + length, ",\"error\":null,\"incomplete_details\":null,");
    assert_non_null(rest);
    rest = strstr(rest, "\"output\":");
    assert_int_equal(strncmp(rest, output, strlen(output)), 0);
    length = strlen(web->body);
    assert_string_equal(web->body + length - strlen(DONE), DONE);
}

#define COMPLETED(number)                                                                          \
    "event: response.completed\ndata: "                                                            \
    "{\"type\":\"response.completed\",\"sequence_number\":" number                                 \
    ",\"response\":{\"id\":\"resp_7\""

/* 7 bytes: deltas at 112, the border behind them from 113 on. */
static void events_have_exact_bytes(void **state)
{
    struct web *web = *state;

    web_get(web, "/short");
    expect_end(
        web,
        BEGIN EVENT("output_item.added", "4", ITEM("0", MESSAGE("msg_7_0", "in_progress", "")))
            EVENT("content_part.added", "5",
                  PLACE("msg_7_0", "0") ",\"content_index\":0,\"part\":" TEXT(""))
                EVENT("output_text.delta", "112",
                      PLACE("msg_7_0", "0") ",\"content_index\":0,\"delta\":\"潮 \\\"a\\\"\""
                                            ",\"logprobs\":[]")
                    EVENT("output_text.done", "113",
                          PLACE("msg_7_0", "0") ",\"content_index\":0,\"text\":\"潮 \\\"a\\\"\""
                                                ",\"logprobs\":[]")
                        EVENT("content_part.done", "114",
                              PLACE("msg_7_0", "0") ",\"content_index\":0,"
                                                    "\"part\":" TEXT("潮 \\\"a\\\""))
                            EVENT("output_item.done", "115",
                                  ITEM("0", MESSAGE("msg_7_0", "completed", TEXT("潮 \\\"a\\\""))))
                                COMPLETED("118"),
        "\"output\":[" MESSAGE("msg_7_0", "completed", TEXT("潮 \\\"a\\\"")) "],\"usage\":{");
}

static void reasoning_is_a_summary(void **state)
{
    struct web *web = *state;

    web_get(web, "/thinking");
    assert_non_null(strstr(
        web->body,
        EVENT("output_item.added", "4",
              ITEM("0", "{\"id\":\"rs_7_0\",\"type\":\"reasoning\",\"status\":\"in_progress\","
                        "\"summary\":[]}"))
            EVENT("reasoning_summary_part.added", "5",
                  PLACE("rs_7_0", "0") ",\"summary_index\":0,"
                                       "\"part\":{\"type\":\"summary_text\",\"text\":\"\"}")
                EVENT("reasoning_summary_text.delta", "32",
                      PLACE("rs_7_0", "0") ",\"summary_index\":0,\"delta\":\"hm\"")));
    /* What ends at the border, and what begins there. */
    assert_non_null(strstr(
        web->body,
        EVENT("output_item.done", "35",
              ITEM("0", "{\"id\":\"rs_7_0\",\"type\":\"reasoning\",\"status\":\"completed\","
                        "\"summary\":[{\"type\":\"summary_text\",\"text\":\"hm\"}]}"))
            EVENT("output_item.added", "36", ITEM("1", MESSAGE("msg_7_1", "in_progress", "")))));
}

static void calls_end_with_the_reply(void **state)
{
    struct web *web = *state;
    static const char *const order[] = {
        "output_item.added\",\"sequence_number\":4,\"output_index\":0",
        "arguments.delta\",\"sequence_number\":5,\"item_id\":\"fc_7_0\"",
        "output_item.added\",\"sequence_number\":6,\"output_index\":1",
        "arguments.delta\",\"sequence_number\":7,\"item_id\":\"fc_7_1\"",
        "\"item_id\":\"fc_7_0\",\"output_index\":0,\"delta\":\"1}\"",
        "\"item_id\":\"fc_7_0\",\"output_index\":0,\"arguments\":\"{\\\"a\\\":1}\"",
        "{\"id\":\"fc_7_0\",\"type\":\"function_call\",\"status\":\"completed\",\"call_id\":\"c\","
        "\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}",
        "\"item_id\":\"fc_7_1\",\"output_index\":1,\"arguments\":\"{}\"",
        "event: response.completed",
    };

    web_get(web, "/calling");
    const char *at = web->body;
    for (size_t i = 0; i < TT_COUNT(order); i++) {
        at = strstr(at, order[i]);
        assert_non_null(at);
    }
}

static void a_failure_has_its_text_and_reason(void **state)
{
    struct web *web = *state;

    web_get(web, "/failing");
    assert_non_null(strstr(web->body, "event: response.failed"));
    assert_non_null(strstr(web->body, "\"status\":\"failed\",\"completed_at\":null,"
                                      "\"error\":{\"code\":\"upstream_failed\","
                                      "\"message\":\"Upstream failed\"}"));
    assert_non_null(strstr(web->body, MESSAGE("msg_7_0", "incomplete", TEXT("part"))));
    web_get(web, "/endless");
    assert_non_null(strstr(web->body, "event: response.incomplete"));
    assert_non_null(strstr(web->body, "\"status\":\"cancelled\""));
}

static void an_empty_reply_has_no_items(void **state)
{
    struct web *web = *state;

    web_get(web, "/empty");
    expect_end(web, BEGIN COMPLETED("6"), "\"output\":[],\"usage\":");
}

static void the_object_is_that_of_the_last_event(void **state)
{
    struct web *web = *state;
    struct tt_buf whole = {0};

    web_get(web, "/failing?whole=1");
    assert_non_null(strstr(web->body, "\"message\":\"why\""));
    web_get(web, "/thinking?whole=1");
    /* Without the time. */
    tt_buf_append_z(&whole, strstr(web->body, "\"incomplete_details\""));
    whole.data[whole.len - 2] = '\0'; /* the object's brace, and the line end */
    web_get(web, "/thinking");
    assert_non_null(strstr(web->body, whole.data));
    tt_buf_free(&whole);
}

/* The texts of all deltas, and the number of the last one. */
static void gather(struct web *web, struct tt_buf *text)
{
    static const char key[] = "\"delta\":\"";

    for (const char *p = web->body; (p = strstr(p, key));) {
        p += sizeof(key) - 1;
        tt_buf_append(text, p, strcspn(p, "\"")); /* no quotes in these texts */
    }
}

static void a_reader_goes_on_behind_any_number(void **state)
{
    struct web *web = *state;
    struct tt_buf all = {0};
    char path[64];

    web_get(web, "/paced");
    gather(web, &all);
    assert_int_equal(all.len, 40 * 3 + 50 * 8);
    for (int number = 0; number < (int)all.len * 16 + 6; number += 61) {
        struct tt_buf rest = {0};
        snprintf(path, sizeof(path), "/paced?after=%d", number);
        web_get(web, path);
        gather(web, &rest);
        /* Whole characters, from the one that the number's byte belongs to. */
        size_t known = (size_t)number / 16;
        while (known < all.len && ((unsigned char)all.data[known] & 0xc0) == 0x80)
            known--;
        assert_int_equal(rest.len, all.len - known);
        assert_int_equal(memcmp(rest.data ? rest.data : "", all.data + known, rest.len), 0);
        assert_non_null(strstr(web->body, "event: response.completed"));
        tt_buf_free(&rest);
    }
    snprintf(path, sizeof(path), "/paced?after=%d", (int)all.len * 16 + 6);
    web_expect(web, path, DONE);
    tt_buf_free(&all);
}

/* Numbers go on behind what a client knew before a crash, and tell it what is left. */
static void numbers_rise_behind_what_was_lost(void **state)
{
    struct web *web = *state;

    web_get(web, "/short?after=1000");
    expect_end(
        web,
        EVENT("output_text.done", "1001",
              PLACE("msg_7_0", "0") ",\"content_index\":0,\"text\":\"潮 \\\"a\\\"\""
                                    ",\"logprobs\":[]")
            EVENT("content_part.done", "1002",
                  PLACE("msg_7_0", "0") ",\"content_index\":0,"
                                        "\"part\":" TEXT("潮 \\\"a\\\""))
                EVENT("output_item.done", "1003",
                      ITEM("0", MESSAGE("msg_7_0", "completed", TEXT("潮 \\\"a\\\""))))
                    COMPLETED("1006"),
        "\"output\":[" MESSAGE("msg_7_0", "completed", TEXT("潮 \\\"a\\\"")) "],\"usage\":{");
    web_get(web, "/calling?after=100000");
    assert_non_null(strstr(web->body, "arguments.done\",\"sequence_number\":100006,"));
    assert_non_null(strstr(web->body, "completed\",\"sequence_number\":100010,"));
}

#define WEB_TEST(function) cmocka_unit_test_setup_teardown(function, setup, web_teardown)

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        WEB_TEST(events_have_exact_bytes),
        WEB_TEST(reasoning_is_a_summary),
        WEB_TEST(calls_end_with_the_reply),
        WEB_TEST(a_failure_has_its_text_and_reason),
        WEB_TEST(an_empty_reply_has_no_items),
        WEB_TEST(the_object_is_that_of_the_last_event),
        WEB_TEST(a_reader_goes_on_behind_any_number),
        WEB_TEST(numbers_rise_behind_what_was_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
