/* Ends of replies that the database cannot take, and sums of tokens at their limit. */
#include "script/support.h"

static int setup(void **state)
{
    struct rig *rig = rig_new();
    rig_open_db(rig, NULL);
    *state = rig;
    return 0;
}

/* Sums stop at 2^53, and a row that is over it already stays as it is. */
static void sums_of_tokens_stay_integers(void **state)
{
    struct rig *rig = *state;

    rig_expect_begun(
        rig,
        "begin({text = 'a'}):wait() "
        "local function add(entry) entry.user_id = 1 entry.model_name = 'm' "
        "assert(db.write({llm.usage_statement(entry)})) "
        "local x = db.one('SELECT * FROM usage_days') "
        "return {x.requests, x.input_tokens, x.output_tokens, x.estimated} end "
        "local function set(n) assert(db.write({{'UPDATE usage_days SET requests = ?1, "
        "input_tokens = ?1, output_tokens = ?1, estimated = ?1, charged_twice = ?1', {n}}})) end "
        "local out = {add({input_tokens = math.maxinteger, output_tokens = -5})} "
        "for _, n in ipairs({(1 << 53) - 1, math.maxinteger, math.mininteger}) do set(n) "
        "out[#out + 1] = add({input_tokens = 7, output_tokens = 7, estimated = true}) "
        "for i = 1, 4 do out[#out][i] = out[#out][i] - n end end return out",
        "[[1,1000000000,0,0],[1,1,1,1],[0,0,0,0],[1,7,7,1]]");
}

/* A failure that would come again for ever leaves its part out and keeps nothing in memory. */
static void an_end_that_can_never_be_stored_ends(void **state)
{
    static const struct {
        const char *trigger, *want;
    } cases[] = {
        {"BEFORE INSERT ON usage_days",
         "[\"complete\",\"潮水\",null,\"complete\",\"潮水\",null,0]"},
        {"BEFORE UPDATE ON chat_messages WHEN new.content <> ''",
         "[\"error\",\"潮水\",\"reply_not_stored\",\"error\",\"\",\"reply_not_stored\",1]"},
        {"BEFORE UPDATE ON chat_messages",
         "[\"error\",\"潮水\",\"reply_not_stored\",\"streaming\",\"\",null,1]"},
    };
    struct rig *rig = *state;

    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        char body[2048];
        snprintf(body, sizeof(body),
                 "begin({text = 'a'}):wait() "
                 "db.write({{[[CREATE TRIGGER no %s BEGIN SELECT RAISE(ABORT, 'no'); END]]}}) "
                 "local r = begin({text = '潮水'}, {counted_as = 'm'}) local w = r:wait() "
                 "local x = row(r.message_id) local n = db.one('SELECT COUNT(*) AS n FROM "
                 "usage_days').n db.write({{'DROP TRIGGER no'}, {'DELETE FROM usage_days'}}) "
                 "local null = json.null return {w.status, w.content, w.error and w.error.code or "
                 "null, x.status, x.content, x.error_code or null, n}",
                 cases[i].trigger);
        rig_expect_begun(rig, body, cases[i].want);
        rig_ticks(rig, 2);
        assert_int_equal(tt_running_replies_count(&rig->tide.chat), 0);
        assert_true(tt_list_empty(&rig->tide.chat.running)); /* none is kept to be tried later */
        assert_int_equal(tt_reply_memory_used(), 0);
    }
}

#define END_TEST(function) cmocka_unit_test_setup_teardown(function, setup, rig_teardown)

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        END_TEST(sums_of_tokens_stay_integers),
        END_TEST(an_end_that_can_never_be_stored_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
