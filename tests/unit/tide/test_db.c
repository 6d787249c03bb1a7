/* tide.db with an engine that answers at once, and with one that is always late: the same answers,
 * and a clear error where only the first one works. */
#include "script/support.h"

static int setup(void **state)
{
    struct rig *rig = rig_new();
    rig_open_db(rig, NULL);
    *state = rig;
    return 0;
}

static int setup_late(void **state)
{
    int before = setenv("TEST_DATABASE", "sqlite-late", 1);
    int failed = setup(state);
    unsetenv("TEST_DATABASE");
    return before || failed;
}

static int teardown(void **state)
{
    rig_free(*state);
    return 0;
}

static void run_body(struct rig *rig, const char *body, bool waits)
{
    rig_load_body(rig, body);
    rig_start(rig);
    if (rig->ended == waits)
        fail_msg("%s: it %s", body, waits ? "did not wait" : "waited");
    RIG_WAIT(rig, rig->ended);
}

static void assert_result(struct rig *rig, const char *body, bool waits, const char *expected)
{
    run_body(rig, body, waits);
    if (strcmp(rig->result, expected) != 0)
        fail_msg("%s\n-> %s", body, rig->result);
}

static void reads(struct rig *rig, bool late)
{
    assert_result(rig,
                  "local r = db.query('SELECT 1 AS a, NULL AS b UNION SELECT 2, ?', {'x'}) "
                  "return {#r, r[1].a, r[1].b == nil, r[2].b}",
                  late, "[2,1,true,\"x\"]");
    assert_result(rig, "return #db.query('SELECT 1 WHERE 1 = 0')", late, "0");
    assert_result(rig, "return db.one('SELECT 7 AS a UNION SELECT 8 ORDER BY 1')", late,
                  "{\"a\":7}");
    assert_result(rig, "return select('#', db.one('SELECT 1 WHERE 1 = 0'))", late, "0");
    assert_result(rig, "local _, err = db.query('SELECT nothing') return err.code", late,
                  "\"sql_error\"");
    assert_result(rig, "local _, err = db.one('DELETE FROM users') return err.code", late,
                  "\"sql_error\"");
    assert_result(rig, "return db.fetch('SELECT 1 AS a')", true, "[{\"a\":1}]");
    /* in a coroutine of the script, and protected */
    assert_result(rig,
                  "local a, b = coroutine.wrap(function() return pcall(db.one, 'SELECT 5 AS a') "
                  "end)() return {a, b.a}",
                  late, "[true,5]");
}

static void an_engine_that_answers_at_once(void **state)
{
    reads(*state, false);
}

static void an_engine_that_is_late(void **state)
{
    reads(*state, true);
}

#define SORT "table.sort({2, 1}, function(a, b) return db.one('SELECT 1 AS a').a == 2 end)"

static void where_nothing_can_wait(void **state)
{
    struct rig *rig = *state;
    assert_result(rig, SORT " return 1", false, "1");
}

static void where_nothing_can_wait_late(void **state)
{
    static const char *const bodies[] = {
        SORT,
        "('x'):gsub('x', function() db.query('SELECT 1') end)",
        "local t = setmetatable({}, {__lt = function() db.one('SELECT 1') end}) "
        "table.sort({t, t})",
    };
    struct rig *rig = *state;
    for (size_t i = 0; i < TT_COUNT(bodies); i++) {
        run_body(rig, bodies[i], false);
        assert_string_equal(rig->error.code, "internal_error");
        if (!strstr(rig->error.message, "waits, which is not possible here"))
            fail_msg("%s\n-> %s", bodies[i], rig->error.message);
    }
    /* Nothing is left of them: the next one answers. */
    assert_result(rig, "return db.one('SELECT 1 AS a').a", true, "1");
}

/* What a task asked goes with it. */
static void a_task_ends_that_waits_for_rows(void **state)
{
    struct rig *rig = *state;
    rig_load_body(rig, "return db.query('SELECT 1')");
    rig_start(rig);
    assert_false(rig->ended);
    tt_task_cancel(rig->task);
    rig_ticks(rig, 10);
    assert_false(rig->ended);
}

static void ids_of_earlier_statements(void **state)
{
    struct rig *rig = *state;
    assert_result(rig,
                  "db.write({{'CREATE TABLE a (id INTEGER PRIMARY KEY)'},"
                  "  {'CREATE TABLE b (a_id, c_id)'}})\n"
                  "local done = assert(db.write({{'INSERT INTO a VALUES (7)'},"
                  "  {'INSERT INTO a VALUES (9)'},"
                  "  {'INSERT INTO b VALUES (?, ?)', {db.id_of(1), db.id_of(2)}, expect = 1}}))\n"
                  "local row = db.one('SELECT a_id, c_id FROM b') return {row.a_id, row.c_id}",
                  true, "[7,9]");
    assert_result(rig,
                  "local _, err = db.write({{'INSERT INTO b VALUES (?, 1)', {db.id_of(1)}}}) "
                  "return {err.code, err.statement}",
                  true, "[\"sql_error\",1]");
    run_body(rig, "db.one('SELECT ?', {db.id_of(1)})", false);
    assert_non_null(strstr(rig->error.message, "db.id_of is for db.write"));
    run_body(rig, "db.id_of(0)", false);
    assert_non_null(strstr(rig->error.message, "number of a statement"));
}

static void texts_have_no_nul(void **state)
{
    struct rig *rig = *state;
    assert_result(
        rig,
        "db.write({{'CREATE TABLE n (a TEXT)'}})\n"
        "assert(db.write({{'INSERT INTO n VALUES (?), (?)', {'a\\0b\\0', 'c'}}}))\n"
        "return {db.one('SELECT hex(a) AS h FROM n').h, db.one('SELECT ? AS a', {'\\0'}).a}",
        true, "[\"61EFBFBD62EFBFBD\",\"\xEF\xBF\xBD\"]");
}

/* ---- db.write's `expect`: how many rows a statement must change, none of them included ---- */

#define USERS                                                                                      \
    "for i = 1, 2 do assert(db.write({{[[INSERT INTO users (username, password_hash, created_at, " \
    "updated_at) VALUES (?, 'h', 't', 't')]], {'u' .. i}}})) end "                                 \
    "local function try(where, expect) local done, err = db.write({"                               \
    "{[[UPDATE users SET email = 'first']]}, "                                                     \
    "{'UPDATE users SET role = role WHERE ' .. where, expect = expect}}) "                         \
    "local n = db.one([[SELECT COUNT(*) AS n FROM users WHERE email = 'first']]).n "               \
    "assert(db.write({{[[UPDATE users SET email = '']]}})) "                                       \
    "return {done and done[2].changes or err.code, n} end "

static void as_many_rows_as_expected_change(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig,
               USERS "return {try('id < 0', 0), try('id > 0', 2), try('id > 0', nil), "
                     "try('id < 0', nil)}",
               "[[0,2],[2,2],[2,2],[0,2]]");
}

/* The whole job is undone. */
static void other_numbers_of_rows_fail_the_job(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig,
               USERS "return {try('id > 0', 0), try(\"username = 'u1'\", 0), try('id < 0', 1), "
                     "try('id > 0', 1), try('id > 0', 3)}",
               "[[\"unexpected_changes\",0],[\"unexpected_changes\",0],[\"unexpected_changes\",0],"
               "[\"unexpected_changes\",0],[\"unexpected_changes\",0]]");
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_engine_that_answers_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(an_engine_that_is_late, setup_late, teardown),
        cmocka_unit_test_setup_teardown(where_nothing_can_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(where_nothing_can_wait_late, setup_late, teardown),
        cmocka_unit_test_setup_teardown(a_task_ends_that_waits_for_rows, setup_late, teardown),
        cmocka_unit_test_setup_teardown(ids_of_earlier_statements, setup, teardown),
        cmocka_unit_test_setup_teardown(texts_have_no_nul, setup, teardown),
        cmocka_unit_test_setup_teardown(as_many_rows_as_expected_change, setup, teardown),
        cmocka_unit_test_setup_teardown(other_numbers_of_rows_fail_the_job, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
