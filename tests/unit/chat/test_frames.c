/* Streams, byte by byte (docs/streaming.md). */
#include "base/utf8.h"
#include "serve/web.h"

static const char app[] =
    "local json, db, time, llm = require 'tide.json', require 'tide.db', require 'tide.time',\n"
    "  require 'tide.llm'\n" RIG_BEGIN "local plays = {\n"
    "  short = {text = '潮 \"a\"\\n🌊'},\n"
    "  thinking = {text = 'yes', reasoning = 'hm'},\n"
    "  calling = {text = 'a', tool_calls = '[{\"index\":0}]\\n[{\"index\":1}]\\n'},\n"
    "  large_call = {text = ('x'):rep(1000),\n"
    "    tool_calls = '[\"' .. ('0123456789'):rep(20000) .. '\"]\\n'},\n"
    "  failing = {text = 'part', error = 'upstream_failed'},\n"
    "  failing_at_once = {text = '', error = 'upstream_failed'},\n"
    "  odd_code = {text = 'a', error = 'no_such_code'},\n"
    "  empty = {text = ''},\n"
    "  paced = {text = ('潮🌊x'):rep(50), piece = 7, pace_ms = 1},\n"
    "  endless = {text = ('x'):rep(100000), piece = 1, pace_ms = 20},\n"
    "  large = {text = ('0123456789'):rep(100000)},\n"
    "}\n"
    "return {" RIG_ERRORS ", handle = function(route, req)\n"
    "  local name, q = req.params.name, req.query\n"
    "  if name == 'follow' then\n"
    "    local r = llm.find(1, 's')\n"
    "    return {stream = r, after = math.tointeger(tonumber(q.after or 0))}\n"
    "  end\n"
    "  local r = assert(begin(plays[name]))\n"
    "  if q.wait then r:wait() end\n"
    "  if q.first then r:first(1000) end\n"
    "  return {stream = r, after = math.tointeger(tonumber(q.after or 0)),\n"
    "    headers = {['X-Extra'] = 'x'}}\n"
    "end, routes = {\n"
    "  {method = 'GET', path = '/:name', auth = 'none', handler = function() end},\n"
    "}}\n";

static int setup(void **state)
{
    return web_setup(state, app, true);
}

#define END(place, ids)                                                                            \
    "id: " place ".end\ndata: {\"content\":\"\",\"done\":true," ids                                \
    ",\"usage\":null,\"finish_reason\":\"stop\"}\n\n"

static void frames_have_exact_bytes(void **state)
{
    struct web *web = *state;

    web_expect(web, "/short?wait=1",
               "id: 2.12\ndata: {\"content\":\"潮 \\\"a\\\"\\n🌊\",\"done\":false}\n\n" END(
                   "2.12", "\"message_id\":2,\"user_message_id\":1"));
    assert_true(web_has(web, "Content-Type: text/event-stream"));
    assert_true(web_has(web, "Cache-Control: no-cache, no-transform"));
    assert_true(web_has(web, "X-Accel-Buffering: no"));
    assert_true(web_has(web, "X-Script-Generation: 1"));
    assert_true(web_has(web, "X-Extra: x"));
    assert_true(web_has(web, "Transfer-Encoding: chunked"));
    web_expect(web, "/thinking",
               "id: 4.2\ndata: {\"reasoning\":\"hm\"}\n\n"
               "id: 4.5\ndata: {\"content\":\"yes\",\"done\":false}\n\n" END(
                   "4.5", "\"message_id\":4,\"user_message_id\":3"));
    web_expect(web, "/empty", END("6.0", "\"message_id\":6,\"user_message_id\":5"));
}

#define END_CALLS(place, ids)                                                                      \
    "id: " place ".end\ndata: {\"content\":\"\",\"done\":true," ids                                \
    ",\"usage\":null,\"finish_reason\":\"tool_calls\"}\n\n"

/* An entry a frame, however near they came, and never a part of one. */
static void tool_calls_are_whole_frames(void **state)
{
    static const char head[] = "data: {\"tool_calls\":[\"0123";
    struct web *web = *state;

    web_expect(web, "/calling?wait=1",
               "id: 2.1\ndata: {\"content\":\"a\",\"done\":false}\n\n"
               "id: 2.15\ndata: {\"tool_calls\":[{\"index\":0}]}\n\n"
               "id: 2.29\ndata: {\"tool_calls\":[{\"index\":1}]}\n\n" END_CALLS(
                   "2.29", "\"message_id\":2,\"user_message_id\":1"));
    web_expect(web, "/calling?wait=1&after=15",
               "id: 4.29\ndata: {\"tool_calls\":[{\"index\":1}]}\n\n" END_CALLS(
                   "4.29", "\"message_id\":4,\"user_message_id\":3"));
    web_expect(web, "/calling?wait=1&after=20",
               "id: 6.29\ndata: {\"tool_calls\":[{\"index\":1}]}\n\n" END_CALLS(
                   "6.29", "\"message_id\":6,\"user_message_id\":5"));
    web_get(web, "/large_call?wait=1&after=1000");
    const char *frame = strstr(web->body, head);
    assert_non_null(frame);
    assert_int_equal(strspn(frame + strlen(head) - 4, "0123456789"), 200000);
    assert_non_null(strstr(frame, "789\"]}\n\nid: 8.201005.end\n"));
}

static void failures_end_with_an_error_frame(void **state)
{
    struct web *web = *state;

    web_expect(web, "/failing?wait=1",
               "id: 2.4\ndata: {\"content\":\"part\",\"done\":false}\n\n"
               "id: 2.4.end\ndata: {\"error\":\"Upstream failed\",\"code\":\"upstream_failed\","
               "\"done\":true,\"message_id\":2,\"user_message_id\":1}\n\n");
    web_ask(web, "GET", "/failing_at_once", "Accept-Language: zh\r\n", NULL);
    assert_string_equal(web->body, "id: 4.0.end\ndata: {\"error\":\"上游失败\","
                                   "\"code\":\"upstream_failed\",\"done\":true,"
                                   "\"message_id\":4,\"user_message_id\":3}\n\n");
    /* A code without a text of its own keeps its name. */
    web_get(web, "/odd_code?wait=1");
    assert_non_null(strstr(web->body, "\"error\":\"Internal error\",\"code\":\"no_such_code\""));
}

static void positions_are_where_the_log_is(void **state)
{
    struct web *web = *state;

    web_expect(web, "/short?wait=1&after=4",
               "id: 2.12\ndata: {\"content\":\"\\\"a\\\"\\n🌊\",\"done\":false}\n\n" END(
                   "2.12", "\"message_id\":2,\"user_message_id\":1"));
    web_expect(web, "/thinking?wait=1&after=2",
               "id: 4.5\ndata: {\"content\":\"yes\",\"done\":false}\n\n" END(
                   "4.5", "\"message_id\":4,\"user_message_id\":3"));
    web_expect(web, "/short?wait=1&after=12",
               END("6.12", "\"message_id\":6,\"user_message_id\":5"));
    web_expect(web, "/short?wait=1&after=-5",
               "id: 8.12\ndata: {\"content\":\"潮 \\\"a\\\"\\n🌊\",\"done\":false}\n\n" END(
                   "8.12", "\"message_id\":8,\"user_message_id\":7"));
}

/* Beyond what there is: all of it in one frame, then the rest as always. */
static void a_reset_has_everything(void **state)
{
    struct web *web = *state;

    web_expect(
        web, "/short?wait=1&after=13",
        "id: 2.12\ndata: {\"reset\":true,\"content\":\"潮 \\\"a\\\"\\n🌊\",\"done\":false}\n\n" END(
            "2.12", "\"message_id\":2,\"user_message_id\":1"));
    web_expect(
        web, "/thinking?wait=1&after=999",
        "id: 4.5\ndata: {\"reset\":true,\"content\":\"yes\",\"reasoning\":\"hm\",\"done\":false}"
        "\n\n" END("4.5", "\"message_id\":4,\"user_message_id\":3"));
    web_expect(web, "/empty?wait=1&after=1",
               "id: 6.0\ndata: {\"reset\":true,\"content\":\"\",\"done\":false}\n\n" END(
                   "6.0", "\"message_id\":6,\"user_message_id\":5"));
}

/* The text of all delta frames, and the check that ids rise to the lengths told. */
static void gather(const char *body, struct tt_buf *out)
{
    static const char data[] = "\ndata: {\"content\":\"";
    for (const char *p = body; (p = strstr(p, data));) {
        p += sizeof(data) - 1;
        const char *end = strchr(p, '"'); /* no quotes in these texts */
        tt_buf_append(out, p, (size_t)(end - p));
        p = end;
    }
    tt_buf_append(out, "", 0);
}

static void paced_text_arrives_whole(void **state)
{
    struct web *web = *state;
    struct tt_buf text = {0}, want = {0};

    web_get(web, "/paced");
    gather(web->body, &text);
    for (int i = 0; i < 50; i++)
        tt_buf_append_z(&want, "潮🌊x");
    assert_string_equal(text.data, want.data);
    assert_non_null(strstr(web->body, "id: 2.400.end\ndata: {\"content\":\"\",\"done\":true"));
    assert_int_equal(tt_utf8_valid(tt_str_from(web->body)), 1);
    tt_buf_free(&text);
    tt_buf_free(&want);
}

static void large_text_arrives_whole(void **state)
{
    struct web *web = *state;
    struct tt_buf text = {0};

    web_get(web, "/large?wait=1");
    gather(web->body, &text);
    assert_int_equal(text.len, 1000000);
    for (size_t i = 0; i < text.len; i++)
        assert_int_equal(text.data[i], '0' + (char)(i % 10));
    tt_buf_free(&text);
}

/* Two that follow from the middle of a running reply, beside the one that began it. */
static void several_readers_see_the_same(void **state)
{
    struct web *web = *state;
    struct rig *rig = web->rig;
    int first = web_connect(web, "GET /paced HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    struct tt_buf text = {0};

    RIG_WAIT(rig, tt_running_replies_count(&rig->tide.chat) == 1);
    rig_ticks(rig, 5);
    web_get(web, "/follow?after=24");
    gather(web->body, &text);
    assert_int_equal(text.len, 400 - 24);
    tt_buf_free(&text);
    tt_buf_clear(&web->answer);
    RIG_WAIT(rig, web_read(web, first));
    web_parse(web);
    gather(web->body, &text);
    assert_int_equal(text.len, 400);
    tt_buf_free(&text);
    close(first);
}

static void head_has_no_body(void **state)
{
    struct web *web = *state;

    web_ask(web, "HEAD", "/short", "", NULL);
    assert_int_equal(web->status, 200);
    assert_string_equal(web->body, "");
    RIG_WAIT(web->rig, tt_running_replies_count(&web->rig->tide.chat) == 0);
}

static void old_clients_get_plain_bytes(void **state)
{
    struct web *web = *state;

    web_raw(web, "GET /short?wait=1 HTTP/1.0\r\nHost: x\r\n\r\n");
    assert_int_equal(web_count(web, "Transfer-Encoding"), 0);
    assert_non_null(strstr(web->body, "\"finish_reason\":\"stop\"}\n\n"));
}

/* A client that leaves at any point ends its stream, not the reply. */
static void leaving_ends_the_stream_only(void **state)
{
    struct web *web = *state;
    struct rig *rig = web->rig;

    for (int turns = 0; turns < 30; turns += 3) {
        int fd = web_connect(web, "GET /paced HTTP/1.1\r\nHost: x\r\n\r\n");
        rig_ticks(rig, turns);
        close(fd);
        RIG_WAIT(rig, tt_http_server_active(web->server) == 0);
        RIG_WAIT(rig, rig->tide.runtime.task_count == 0 &&
                          tt_running_replies_count(&rig->tide.chat) == 0);
    }
    rig_expect(rig,
               "local r = db.one([[SELECT COUNT(*) AS n, SUM(status = 'complete') AS c, "
               "MIN(LENGTH(content)) AS l FROM chat_messages WHERE role = 'assistant']]) "
               "return {r.n == r.c, r.l}",
               "[true,150]");
}

/* The server goes while streams run; then the reply. */
static void the_end_of_the_server(void **state)
{
    struct web *web = *state;
    struct rig *rig = web->rig;
    int fd = web_connect(web, "GET /endless HTTP/1.1\r\nHost: x\r\n\r\n");

    RIG_WAIT(rig, tt_running_replies_count(&rig->tide.chat) == 1);
    rig_ticks(rig, 20);
    assert_int_equal(tt_http_server_active(web->server), 1);
    close(fd);
}

#define WEB_TEST(function) cmocka_unit_test_setup_teardown(function, setup, web_teardown)

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        WEB_TEST(frames_have_exact_bytes),
        WEB_TEST(tool_calls_are_whole_frames),
        WEB_TEST(failures_end_with_an_error_frame),
        WEB_TEST(positions_are_where_the_log_is),
        WEB_TEST(a_reset_has_everything),
        WEB_TEST(paced_text_arrives_whole),
        WEB_TEST(large_text_arrives_whole),
        WEB_TEST(several_readers_see_the_same),
        WEB_TEST(head_has_no_body),
        WEB_TEST(old_clients_get_plain_bytes),
        WEB_TEST(leaving_ends_the_stream_only),
        WEB_TEST(the_end_of_the_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
