/* Replies from llm.start to their row. */
#include "script/support.h"

static int setup(void **state)
{
    struct rig *rig = rig_new();
    rig_open_db(rig, NULL);
    rig_open_client(rig);
    *state = rig;
    return 0;
}

static void run_in(struct rig *rig, const char *body, const char *part)
{
    char whole[8192];
    snprintf(whole, sizeof(whole), RIG_BEGIN "%s", body);
    rig_expect_in(rig, whole, part);
}

static void a_played_reply_is_stored(void **state)
{
    struct rig *rig = *state;

    rig_expect_begun(
        rig,
        "local r = begin({text = '潮水\\n', reasoning = 'hm'}) local w = r:wait() local x = row(2) "
        "return {r.message_id, r.user_message_id, w.content, w.reasoning, w.status, "
        "w.finish_reason, w.error == nil, r:state(), r:length(), r:text(), r:text('reasoning'), "
        "x.status, x.content, x.reasoning, x.finish_reason, x.error_code == nil, x.chunks}",
        "[2,1,\"潮水\\n\",\"hm\",\"complete\",\"stop\",true,\"finished\",9,\"潮水\\n\",\"hm\","
        "\"complete\",\"潮水\\n\",\"hm\",\"stop\",true,0]");
    assert_int_equal(tt_running_replies_count(&rig->tide.chat), 0);
    rig_expect_begun(rig, "return {llm.find(1, 's') == nil, llm.find_message(1, 2) == nil}",
                     "[true,true]");
}

/* What the client's leaving does, with and without a word about it. */
static void a_client_that_leaves_cancels_if_asked_to(void **state)
{
    struct rig *rig = *state;
    static const char *const choices[] = {"nil", "'detach'", "'cancel'"};

    for (int i = 0; i < 3; i++) {
        char body[4096];
        snprintf(body, sizeof(body),
                 RIG_BEGIN "local r = begin({text = ('x'):rep(20), piece = 1, pace_ms = 5}, "
                           "{disconnect = %s}) return r:wait().status",
                 choices[i]);
        rig_load_body(rig, body);
        rig_start(rig);
        RIG_WAIT(rig, tt_running_replies_count(&rig->tide.chat) == 1);
        tt_task_client_left(rig->task);
        RIG_WAIT(rig, rig->ended);
        assert_string_equal(rig->result, i == 2 ? "\"stopped\"" : "\"complete\"");
        rig_load_body(rig, "return require('tide.db').one('SELECT delivered AS d FROM "
                           "chat_messages ORDER BY id DESC LIMIT 1').d");
        rig_start(rig);
        RIG_WAIT(rig, rig->ended);
        assert_string_equal(rig->result, "0");
    }
}

static void ignore(struct tt_turn *turn, const struct tt_err *err)
{
    (void)turn;
    (void)err;
}

/* A place in the queue is given up likewise. */
static void one_that_waits_gives_up_if_asked_to(void **state)
{
    struct rig *rig = *state;
    static const struct {
        const char *choice, *want;
    } cases[] = {{"'cancel'", "client_gone"}, {"'detach'", "entered"}};

    run_in(rig, "return llm.enter(1, 's', 'sometimes')", ", not sometimes");
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        struct tt_turn first = {.on_admitted = ignore};
        char body[4096];
        assert_int_equal(tt_turn_enter(rig->registry, rig->loop, &first, 1, TT_STR("s"), NULL), 0);
        snprintf(body, sizeof(body),
                 RIG_BEGIN "local turn, e = llm.enter(1, 's', %s) return turn and 'entered' or "
                           "e.code",
                 cases[i].choice);
        rig_load_body(rig, body);
        rig_start(rig);
        rig_ticks(rig, 2);
        assert_false(rig->ended);
        tt_task_client_left(rig->task);
        rig_ticks(rig, 2);
        assert_int_equal(rig->ended, i == 0);
        tt_turn_leave(&first);
        RIG_WAIT(rig, rig->ended);
        assert_non_null(strstr(rig->result, cases[i].want));
    }
}

/* Not when Lua gets around to collecting its small values. */
static void logs_are_gone_with_their_task(void **state)
{
    struct rig *rig = *state;

    rig_expect_begun(
        rig,
        "local all = {} for i = 1, 5 do "
        "all[i] = begin({text = ('x'):rep(5000)}) all[i]:wait() "
        "all[i] = llm.restore({message_id = 1, user_id = 1, status = 'complete', content = 'a'}) "
        "end return all[5]:text()",
        "\"a\"");
    rig_ticks(rig, 2);
    assert_int_equal(tt_reply_memory_used(), 0);
}

static void running_replies_are_found_by_their_owner(void **state)
{
    struct rig *rig = *state;

    rig_expect_begun(
        rig,
        "local r = begin({text = 'abc', first_ms = 30}) "
        "local out = {llm.find(1, 's').message_id, llm.find_message(1, 2):state(), "
        "llm.find(2, 's') == nil, llm.find_message(2, 2) == nil, r:first(5), r:first(10000), "
        "r:wait().content} return out",
        "[2,\"waiting\",true,true,\"waiting\",\"running\",\"abc\"]");
}

static void turns_are_taken_in_order(void **state)
{
    struct rig *rig = *state;

    rig_load_body(rig, RIG_BEGIN "local r = begin({text = 'abcdef', piece = 1, pace_ms = 3}) "
                                 "r:wait() return r.message_id");
    for (int i = 0; i < 4; i++)
        rig_start(rig);
    RIG_WAIT(rig, rig->tide.runtime.task_count == 0);
    rig_expect_begun(
        rig,
        "local s = '' for _, x in ipairs(db.query('SELECT role, status FROM chat_messages "
        "ORDER BY id')) do s = s .. x.role:sub(1, 1) .. x.status:sub(1, 1) end return s",
        "\"ucacucacucacucac\"");
}

static void a_stop_keeps_the_partial_text(void **state)
{
    struct rig *rig = *state;

    rig_expect_begun(
        rig,
        "local r = begin({text = ('x'):rep(1000), piece = 10, pace_ms = 5}) r:first(1000) "
        "local _, id = llm.stop(1, 's') local w = r:wait() local x = row(2) "
        "return {id, w.status, w.finish_reason, #w.content > 0 and #w.content < 1000, "
        "x.content == w.content, x.status, x.error_code == nil}",
        "[2,\"stopped\",\"stopped\",true,true,\"stopped\",true]");
    rig_expect_begun(
        rig,
        "local r = begin({text = ('x'):rep(1000), piece = 10, pace_ms = 5}) r:first(1000) "
        "r:stop() return r:wait().status",
        "\"stopped\"");
    rig_expect_begun(
        rig,
        "local r = begin({text = ('x'):rep(1000), piece = 10, pace_ms = 5}) r:first(1000) "
        "llm.stop(1, 's', 'shutting_down') local w = r:wait() return {w.status, w.error.code}",
        "[\"interrupted\",\"shutting_down\"]");
    rig_expect_begun(rig, "return {llm.stop(1, 'none')}", "[false]");
}

static void failures_are_stored_with_their_code(void **state)
{
    struct rig *rig = *state;

    rig_expect_begun(
        rig,
        "local r = begin({text = 'part', error = 'upstream_failed'}) local w = r:wait() "
        "local x = row(2) return {w.status, w.error.code, w.content, x.status, x.error_code, "
        "x.content}",
        "[\"error\",\"upstream_failed\",\"part\",\"error\",\"upstream_failed\",\"part\"]");
    /* Not even asked: the address is not allowed. */
    rig_expect_begun(
        rig,
        "local p = {name = 'p', framing = 'sse', stream = {content = 'a'}, whole = {content = "
        "'a'}} "
        "local r = begin(nil, {provider = p, url = 'http://127.0.0.1:1/x', "
        "headers = {['X-A'] = {'a', 'b'}}, body = '{}'}) "
        "local w = r:wait() local x = row(r.message_id) "
        "return {r:first(0), w.status, w.error.code, x.status, x.error_code}",
        "[\"finished\",\"error\",\"address_not_allowed\",\"error\",\"address_not_allowed\"]");
}

/* The rows are stored by then: a script's mistake ends them. */
static void mistakes_in_the_description_end_the_row(void **state)
{
    struct rig *rig = *state;
    static const struct {
        const char *more, *error;
    } cases[] = {
        {"{}", "needs 'provider' or 'play'"},
        {"{provider = {}}", "needs a 'name'"},
        {"{provider = {name = 'p'}}", "provider 'p': 'framing' must be"},
        {"{provider = {name = 'p', framing = 'sse'}}", "'stream' must be a table of paths"},
        {"{provider = {name = 'p', stream = {content = '..'}, whole = {}, framing = 'sse'}}",
         "provider 'p': stream.content: path \\\"..\\\": "},
        {"{provider = {name = 'p', stream = {}, whole = {contnt = 'a'}, framing = 'sse'}}",
         "provider 'p': whole.contnt: there is no such path"},
        {"{provider = {name = 'p', stream = {tool_calls = {a = 'a'}}, whole = {}, framing = "
         "'sse'}}",
         "provider 'p': tool_calls.a: there is no such path"},
        {"{provider = {name = 'p', stream = {content = {{}}}, whole = {}, framing = 'sse'}}",
         "provider 'p': stream.content: a path is a text"},
        {"{provider = {name = 'p', stream = {}, whole = {}, framing = 'sse', finish_reasons = "
         "{a = 1 == 1}}}",
         "provider 'p': finish_reasons.a: is no text"},
        {"{provider = P}", "needs 'url'"},
        {"{provider = P, url = 5}", "field 'url' must be a string, not a number"},
        {"{provider = P, url = 'u', headers = {a = 1}}", "header 'a' is a number"},
        {"{provider = P, url = 'u', headers = {a = {{}}}}", "a list within a list"},
        {"{provider = P, url = 'u', headers = {1}}", "names must be strings"},
        {"{provider = P, url = 'u', headers = {a = ('x'):rep(20000)}}", "is too long"},
        {"{provider = P, url = 'u', body = 5}", "field 'body' must be a table or a string"},
        {"{provider = P, url = 'u', body = {next}}", "cannot be encoded"},
        {"{play = {text = 'a', pace_ms = -1}}", "'pace_ms' is negative"},
        {"{play = {text = 1}}", "field 'text' must be a string"},
        {"{play = {text = 'a'}, disconnect = 'leave'}", ", not leave"},
        {"{play = {text = 'a'}, disconnect = {}}", ", not table"},
        {"{turn = 5, play = {text = 'a'}}", "'turn' is no turn"},
        {"{turn = llm.enter(1, 'x'), play = {text = {}}}", "field 'text' must be a string"},
    };
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        char body[1024];
        snprintf(body, sizeof(body),
                 "local P = {name = 'p', framing = 'sse', stream = {content = 'a'}, whole = "
                 "{content = 'a'}} "
                 "local ok, e = pcall(begin, nil, %s) local x "
                 "repeat time.sleep(5) x = db.one('SELECT status, error_code FROM chat_messages "
                 "ORDER BY id DESC LIMIT 1') until x.status ~= 'streaming' "
                 "return tostring(ok) .. x.status .. x.error_code .. tostring(e)",
                 cases[i].more);
        run_in(rig, body, "falseerrorinternal_error");
        if (!strstr(rig->result, cases[i].error))
            fail_msg("%s: %s", cases[i].more, rig->result);
    }
    rig_expect_begun(rig, "return begin({text = 'a'}):wait().status", "\"complete\"");
    run_in(rig, "return llm.start({user_id = 1})", "needs user_id, session_id");
    run_in(rig, "local t = llm.enter(1, 's') t:leave() return begin({text = 'a'}, {turn = t})",
           "'turn' is left already");
}

static void a_deleted_session_ends_the_reply(void **state)
{
    struct rig *rig = *state;

    rig_expect_begun(
        rig,
        "local r = begin({text = ('x'):rep(100), piece = 10, pace_ms = 5}) r:first(1000) "
        "db.write({{'DELETE FROM chat_sessions'}}) local w = r:wait() "
        "return {w.status, w.error.code, w.error.status}",
        "[\"error\",\"session_deleted\",404]");
}

static void texts_are_checkpointed_each_second(void **state)
{
    struct rig *rig = *state;

    rig_expect_begun(
        rig,
        "local r = begin({text = ('潮'):rep(400), piece = 10, pace_ms = 50}) time.sleep(1400) "
        "local a = db.one('SELECT COUNT(*) AS n, SUM(LENGTH(bytes)) AS size, MIN(position) AS at "
        "FROM reply_chunks') local before = row(2) local w = r:wait() local after = row(2) "
        "return {a.n >= 1, a.size > 100 and a.size < 1200 and a.size % 3, a.at, before.status, "
        "before.content, #w.content, #after.content, after.chunks}",
        "[true,0,0,\"streaming\",\"\",1200,1200,0]");
}

/* What a failed checkpoint lost is in the next one, without a hole. */
static void failed_checkpoints_are_made_good(void **state)
{
    struct rig *rig = *state;

    rig_expect_begun(
        rig,
        "db.write({{[[CREATE TRIGGER no BEFORE INSERT ON reply_chunks WHEN new.position = 0 "
        "AND (SELECT COUNT(*) FROM users) < 2 BEGIN SELECT RAISE(ABORT, 'no'); END]]}}) "
        "local r = begin({text = ('x'):rep(60000), piece = 10, pace_ms = 50}) time.sleep(1300) "
        "local none = row(2).chunks "
        "db.write({{[[INSERT INTO users (username, password_hash, created_at, updated_at) "
        "VALUES ('v', 'h', 't', 't')]]}}) local c, at, whole = nil, 0, true "
        "for _ = 1, 200 do time.sleep(50) "
        "c = db.query('SELECT position AS at, LENGTH(bytes) AS n FROM reply_chunks "
        "ORDER BY position') at, whole = 0, true "
        "for _, x in ipairs(c) do whole = whole and x.at == at at = at + x.n end "
        "if at > 300 then break end end "
        "r:stop() r:wait() return {none, #c > 0, whole, at > 300}",
        "[0,true,true,true]");
}

/* A full queue of the database only delays the end. */
static void a_busy_database_is_asked_again(void **state)
{
    struct rig *rig = *state;
    struct tt_db_settings settings = {.queue_max = 1};

    rig_free(rig);
    *state = rig = rig_new();
    rig_open_db(rig, &settings);
    rig_expect_begun(rig, "return begin({text = 'a'}):wait().status", "\"complete\"");
    rig_expect_begun(rig, "local r = begin({text = 'b', first_ms = 50}) return r.message_id", "4");
    rig_load_body(rig,
                  "local slow = [[UPDATE users SET email = (WITH RECURSIVE c(x) AS (SELECT 1 UNION "
                  "ALL SELECT x + 1 FROM c WHERE x < 1000000) SELECT MAX(x) FROM c)]] "
                  "db.write({{slow}})");
    rig_start(rig);
    usleep(20000);
    rig_start(rig);
    RIG_WAIT(rig,
             rig->tide.runtime.task_count == 0 && tt_running_replies_count(&rig->tide.chat) == 0);
    rig_expect_begun(rig, "return row(4).status", "\"complete\"");
}

static void no_memory_for_logs_is_busy(void **state)
{
    struct rig *rig = *state;

    tt_reply_set_memory_max(1);
    rig_expect_begun(
        rig,
        "local keep = begin({text = 'abc', first_ms = 1}) if keep then keep:first(1000) end "
        "local r, e = begin({text = 'a'}) time.sleep(30) local x = row(4) or row(2) "
        "return {e.code, x.status, x.error_code}",
        "[\"busy\",\"error\",\"busy\"]");
    tt_reply_set_memory_max(1u << 30);
    rig_expect_begun(rig, "return begin({text = 'a'}):wait().status", "\"complete\"");
}

static void replies_go_on_without_their_task(void **state)
{
    struct rig *rig = *state;

    rig_load_body(rig, RIG_BEGIN "begin({text = 'abcdef', piece = 1, pace_ms = 3}):wait()");
    rig_start(rig);
    RIG_WAIT(rig, tt_running_replies_count(&rig->tide.chat) == 1);
    rig_ticks(rig, 3);
    tt_task_cancel(rig->task);
    RIG_WAIT(rig, tt_running_replies_count(&rig->tide.chat) == 0);
    rig_expect_begun(rig, "return row(2).content", "\"abcdef\"");
}

/* Shutdown by force, with replies in all states; nothing may be touched or lost in memory. */
static void abandoned_replies_leave_nothing(void **state)
{
    struct rig *rig = *state;

    rig_load_body(rig, RIG_BEGIN "begin({text = 'abc', piece = 1, pace_ms = 1000}):wait()");
    rig_start(rig);
    rig_start(rig);
    RIG_WAIT(rig, tt_running_replies_count(&rig->tide.chat) == 1);
    tt_task_cancel_all(&rig->tide.runtime);
    tt_running_replies_abandon(&rig->tide.chat);
    assert_int_equal(tt_running_replies_count(&rig->tide.chat), 0);
    rig_ticks(rig, 5);
    tt_generation_unref(rig->generation); /* its garbage holds the reply as well */
    rig->generation = NULL;
    assert_int_equal(tt_reply_count(), 0);
}

static void garbage_in_the_other_calls(void **state)
{
    struct rig *rig = *state;

    run_in(rig, "local r = begin({text = 'a'}) r.wait(5)", "bad argument");
    run_in(rig, "local r = begin({text = 'a'}) r:first()", "bad argument");
    run_in(rig, "local r = begin({text = 'a'}) r:first(-1)", "not negative");
    rig_expect_begun(rig, "local r = begin({text = 'a'}) return r.no_such == nil", "true");
    rig_expect_begun(rig, "return select(2, llm.check_url('ftp://x')).code", "\"invalid_url\"");
    rig_expect_begun(rig, "return llm.check_url('https://example.org/v1')", "true");
    /* What it was given is let go of: the generation ends with the rig, which the rig checks. */
    run_in(rig, "llm.ask({play = {text = 'x'}, on_finish = function() end, on_delta = 'x'})",
           "on_delta");
    run_in(rig,
           "local t = {} for _ = 1, 50 do t = {t, t} end "
           "local p = {name = 'p', framing = 'sse', stream = {content = 'a'}, whole = {}} "
           "llm.ask({provider = p, url = 'https://example.org', body = t})",
           "ran too long");
}

/* ---- on_delta ---- */

static void a_filter_stands_before_the_log(void **state)
{
    struct rig *rig = *state;

    rig_expect_begun(
        rig,
        "local seen, held = {}, '' local r = begin({text = '潮汐潮汐', reasoning = 'why', piece = "
        "1,"
        " pace_ms = 1}, {on_delta = function(text, kind, final) "
        "seen[#seen + 1] = kind:sub(1, 1) .. text .. (final and '!' or '') "
        "if kind == 'reasoning' then return text:upper() end "
        "held = held .. text if final then return held .. '.' end "
        "if held == '潮' then return '' end local out = held held = '' return out end}) "
        "local w = r:wait() local x = row(2) "
        "return {w.content, w.reasoning, x.content, x.reasoning, r:length(), "
        "table.concat(seen, ' ')}",
        "[\"潮汐潮汐.\",\"WHY\",\"潮汐潮汐.\",\"WHY\",16,"
        "\"rw rh ry c潮 c汐 c潮 c汐 r! c!\"]");
}

static void what_is_held_back_belongs_to_a_stopped_reply(void **state)
{
    struct rig *rig = *state;

    rig_expect_begun(
        rig,
        "local held = '' local r = begin({text = ('x'):rep(1000), piece = 10, pace_ms = 5}, "
        "{on_delta = function(text, _, final) held = held .. text return final and held or '' "
        "end}) r:first(10000) local running = r:state() r:stop() local w = r:wait() "
        "return {running, w.status, #w.content >= 10 and #w.content < 1000}",
        "[\"running\",\"stopped\",true]");
}

static void a_filter_may_end_the_reply(void **state)
{
    struct rig *rig = *state;

    rig_expect_begun(
        rig,
        "local seen = 0 local r = begin({text = ('x'):rep(1000), piece = 10, pace_ms = 1}, "
        "{on_delta = function(text, kind, final) seen = seen + #text "
        "if seen == 30 and not final then return text .. '.', 'stop', 'content_filter' end "
        "return text end}) local w = r:wait() local x = row(2) "
        "return {w.status, w.finish_reason, #w.content, x.status, x.finish_reason, #x.content, "
        "seen}",
        "[\"complete\",\"content_filter\",31,\"complete\",\"content_filter\",31,30]");
}

/* Every case ends the reply, keeps what was told before, and the next turn is admitted. */
static void a_failing_filter_ends_the_reply(void **state)
{
    static const struct {
        const char *fails, *code;
    } cases[] = {
        {"error('broken')", "hook_failed"},
        {"error({})", "hook_failed"},
        {"return 5 == 5", "hook_failed"},
        {"return nil", "hook_failed"},
        {"return text, 'stop', ('x'):rep(32)", "hook_failed"},
        {"return '\\xff'", "hook_failed"},
        {"while true do end", "script_timeout"},
        {"return db.query('SELECT 1')", "hook_failed"},
        {"local t = {} while true do t[#t + 1] = ('x'):rep(1000000) .. #t end", "script_memory"},
        {"if not final then return text end error('at the end')", "hook_failed"},
    };
    struct rig *rig = *state;
    char body[1024], want[128];

    rig->tide.runtime.time_ms = 1000;
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        snprintf(body, sizeof(body),
                 "local n = 0 local r = begin({text = 'abc', piece = 1, pace_ms = 1}, "
                 "{on_delta = function(text, kind, final) n = n + 1 "
                 "if n < 2 then return text end %s end}) "
                 "local w = r:wait() local x = row(r.message_id) "
                 "return {w.status, w.error.code, x.status, x.error_code, w.content:sub(1, 1)}",
                 cases[i].fails);
        snprintf(want, sizeof(want), "[\"error\",\"%s\",\"error\",\"%s\",\"a\"]", cases[i].code,
                 cases[i].code);
        rig_expect_begun(rig, body, want);
    }
    run_in(rig, "return begin({text = 'a'}, {on_delta = 5})", "'on_delta' is a number");
    rig_expect_begun(rig, "return begin({text = 'ab'}):wait().content", "\"ab\"");
}

#define PRODUCTION_TEST(function) cmocka_unit_test_setup_teardown(function, setup, rig_teardown)

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        PRODUCTION_TEST(a_played_reply_is_stored),
        PRODUCTION_TEST(a_client_that_leaves_cancels_if_asked_to),
        PRODUCTION_TEST(one_that_waits_gives_up_if_asked_to),
        PRODUCTION_TEST(logs_are_gone_with_their_task),
        PRODUCTION_TEST(running_replies_are_found_by_their_owner),
        PRODUCTION_TEST(turns_are_taken_in_order),
        PRODUCTION_TEST(a_stop_keeps_the_partial_text),
        PRODUCTION_TEST(failures_are_stored_with_their_code),
        PRODUCTION_TEST(mistakes_in_the_description_end_the_row),
        PRODUCTION_TEST(a_deleted_session_ends_the_reply),
        PRODUCTION_TEST(texts_are_checkpointed_each_second),
        PRODUCTION_TEST(failed_checkpoints_are_made_good),
        PRODUCTION_TEST(a_busy_database_is_asked_again),
        PRODUCTION_TEST(no_memory_for_logs_is_busy),
        PRODUCTION_TEST(replies_go_on_without_their_task),
        PRODUCTION_TEST(abandoned_replies_leave_nothing),
        PRODUCTION_TEST(a_filter_stands_before_the_log),
        PRODUCTION_TEST(a_filter_may_end_the_reply),
        PRODUCTION_TEST(what_is_held_back_belongs_to_a_stopped_reply),
        PRODUCTION_TEST(a_failing_filter_ends_the_reply),
        PRODUCTION_TEST(garbage_in_the_other_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
