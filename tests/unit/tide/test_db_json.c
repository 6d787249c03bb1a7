/* Rows as JSON: by the schema, with an engine that answers at once and with one that is late. */
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

#define PRELUDE                                                                                    \
    "local function member(name, type, more)\n"                                                    \
    "  local m = more or {}\n"                                                                     \
    "  m.name, m.type = name, type\n"                                                              \
    "  return m\n"                                                                                 \
    "end\n"                                                                                        \
    "local function object(...) return {type = 'object', fields = {...}} end\n"                    \
    "local function write(sql, schema, args)\n"                                                    \
    "  local raw, err = db.json(sql, args, schema)\n"                                              \
    "  return raw and tostring(raw) or err.code\n"                                                 \
    "end\n"                                                                                        \
    "local function told(...)\n"                                                                   \
    "  return (table.concat({...}, ' '):gsub('[\"]', \"'\"))\n"                                    \
    "end\n"

/* `body` has `write`, which returns the text of the rows or the error's code; it returns what
 * `told` makes of texts: one, with ' for ". */
static void start(struct rig *rig, const char *body)
{
    struct tt_buf whole = {0};

    tt_buf_printf(&whole, "%s%s", PRELUDE, body);
    rig_load_body(rig, whole.data);
    tt_buf_free(&whole);
    rig_start(rig);
}

static void expect_end(struct rig *rig, const char *want)
{
    char result[512];

    RIG_WAIT(rig, rig->ended);
    assert_string_equal(rig->error.message, "");
    snprintf(result, sizeof(result), "\"%s\"", want);
    assert_string_equal(rig->result, result);
}

static void expect(struct rig *rig, const char *body, const char *want)
{
    start(rig, body);
    expect_end(rig, want);
}

static void members_come_as_declared(void **state)
{
    expect(*state,
           "return told(write('SELECT 1 AS a, ? AS t, 3 AS unused UNION ALL SELECT 2, NULL, 0',"
           "  object(member('Text', 'string', {column = 't'}), member('a', 'integer')), {'x'}))",
           "[{'Text':'x','a':1},{'a':2}]");
    expect(*state,
           "return told(write('SELECT 1 AS a WHERE 1 = 0', object(member('a', 'integer'))))", "[]");
    expect(*state, "return told(write('SELECT 1 AS b', object(member('a', 'integer'))))", "[{}]");
}

static void values_are_as_in_the_database(void **state)
{
    expect(*state,
           "local all = object(member('v', 'string'))\n"
           "return told(write('SELECT 9223372036854775807 AS v UNION ALL SELECT -5', all),"
           "  write('SELECT 0.25 AS v UNION ALL SELECT 3.0', all),"
           "  write('SELECT x\\'c3a9ff\\' AS v', all),"
           "  #write('SELECT ? AS v', all, {('潮\\n'):rep(100000)}))",
           "[{'v':9223372036854775807},{'v':-5}] [{'v':0.25},{'v':3}] [{'v':'é\xef\xbf\xbd'}] "
           "500010");
    expect(*state,
           "local raw = db.json('SELECT ? AS v', {'潮 \\\\ \\\"q\\\"\\n\\1'}, object(member('v', "
           "'string')))\n"
           "local row = json.decode(raw)[1]\n"
           "return told(row.v == '潮 \\\\ \\\"q\\\"\\n\\1' and 'same' or row.v)",
           "same");
}

static void types_decide_what_becomes_of_a_value(void **state)
{
    expect(*state,
           "local flags = object(member('b', 'boolean'))\n"
           "return told(write('SELECT 0 AS b UNION ALL SELECT 7 UNION ALL SELECT NULL', flags))",
           "[{'b':false},{'b':true},{}]");
    expect(*state,
           "local s = object(member('n', 'integer', {keep_null = true}),"
           "  member('gone', 'string', {keep_null = true}))\n"
           "return told(write('SELECT NULL AS n UNION ALL SELECT 1', s))",
           "[{'n':null,'gone':null},{'n':1,'gone':null}]");
}

static void json_in_a_column_is_written_by_the_schema(void **state)
{
    expect(
        *state,
        "local s = object(member('list', 'array', {items = {type = 'integer'}}))\n"
        "return told(write('SELECT ? AS list UNION ALL SELECT ? UNION ALL SELECT ? "
        "UNION ALL SELECT ? UNION ALL SELECT 5', s, {'[]', ' [1, 9007199254740993] ', '[', ''}))",
        "[{'list':[]},{'list':[1,9007199254740993]},{},{},{'list':5}]");
    expect(*state,
           "local s = object(member('o', 'object', {fields = {{name = 'z', type = 'integer'},"
           "  {name = 'a', type = 'array', items = object(member('y', 'string'))}}}))\n"
           "return told(write('SELECT ? AS o UNION ALL SELECT ?', s,"
           "  {'{\"q\": [1, 2], \"a\": [{\"x\":1,\"y\":2}], \"z\": 1, \"z\": 1.50}', '[3]'}))",
           "[{'o':{'z':1.50,'a':[{'y':2,'x':1}],'q':[1, 2]}},{'o':[3]}]");
    expect(*state,
           "local s = object(member('list', 'array', {items = {type = 'array'}}))\n"
           "local deep = ('['):rep(60) .. (']'):rep(60)\n"
           "return told(write('SELECT ? AS list', s, {deep}))",
           "[{}]");
}

static void an_object_may_be_made_of_the_same_row(void **state)
{
    expect(*state,
           "local s = object(member('id', 'integer'), member('limits', 'object', {fields = {"
           "  {name = 'low', type = 'integer'}, {name = 'high', column = 'h', type = 'integer'}}}),"
           "  member('none', 'object', {fields = {{name = 'x', type = 'integer'}}}))\n"
           "return told(write('SELECT 1 AS h, 2 AS low, 3 AS id', s))",
           "[{'id':3,'limits':{'low':2,'high':1}}]");
}

static void a_function_makes_values(void **state)
{
    expect(*state,
           "local function make(value)\n"
           "  if value == 'none' then return nil end\n"
           "  return json.decode('{\"made\":' .. json.encode(value) .. '}')\n"
           "end\n"
           "local s = object(member('a', 'integer'), member('m', 'object', {make = make,"
           "  fields = {{name = 'made', type = 'string'}}}),"
           "  member('k', 'string', {column = 'm', make = make, keep_null = true}))\n"
           "return told(write('SELECT 1 AS a, ? AS m UNION ALL SELECT 2, NULL UNION ALL SELECT 3, ?"
           "  UNION ALL SELECT 4, ?', s, {'x', '', 'none'}))",
           "[{'a':1,'m':{'made':'x'},'k':{'made':'x'}},{'a':2,'k':null},{'a':3,'k':null},"
           "{'a':4,'k':null}]");
    expect(*state,
           "local s = object(member('a', 'integer', {make = function() error('broken', 0) end}))\n"
           "local ok, err = pcall(db.json, 'SELECT 1 AS a', nil, s)\n"
           "return told(tostring(ok), err, write('SELECT 1 AS a', object(member('a', 'integer'))))",
           "false broken [{'a':1}]");
}

static void members_may_be_changed_by_id(void **state)
{
    expect(*state,
           "local s = object(member('Id', 'integer', {column = 'id'}), member('t', 'string'),"
           "  member('list', 'array', {items = {type = 'integer'}}))\n"
           "local sql = \"SELECT 5 AS id, 'five' AS t, '[1]' AS list UNION ALL SELECT 6, 'six', "
           "'[]'\"\n"
           "local function changed(changes) return tostring(db.json(sql, nil, s, changes)) end\n"
           "return told(changed({[6] = {t = '6', list = json.array(), no = 1}, [7] = {t = '7'}}),"
           "  changed({[5] = {list = {2, 3}}, [6] = 'no'}))",
           "[{'Id':5,'t':'five','list':[1]},{'Id':6,'t':'6','list':[]}] "
           "[{'Id':5,'t':'five','list':[2,3]},{'Id':6,'t':'six','list':[]}]");
    expect(*state,
           "local s = object(member('t', 'string'))\n"
           "local function try(sql) return tostring(db.json(sql, nil, s, {{t = 'x'}})) end\n"
           "return told(try('SELECT 1 AS t'), try('SELECT NULL AS id, 1 AS t'),"
           "  tostring(pcall(db.json, 'SELECT 1 AS t', nil, s, 'no')))",
           "[{'t':1}] [{'t':1}] false");
}

static void faults_are_told(void **state)
{
    expect(
        *state,
        "local s = object(member('a', 'integer'))\n"
        "return told(write('SELECT nothing', s), write('DELETE FROM users', s),"
        "  select(2, pcall(db.json, 'SELECT 1', nil, {type = 'array'})))",
        "sql_error sql_error bad argument #3 to 'tide.db.json' (must be the schema of an object)");
    expect(*state,
           "local s = object(member('a', 'string'), member('b', 'string', {column = 'a'}))\n"
           "return told(write(\"SELECT printf('%.40000000c', 'x') AS a\", s))",
           "too_many_rows");
}

static void reads_of_all_kinds_give_it(void **state)
{
    expect(*state,
           "local s = object(member('a', 'integer'))\n"
           "local raw = db.fetch_json('SELECT ? AS a', {5}, s)\n"
           "local found = require('tide.search').json(1, 'nothing', 5, 0, s)\n"
           "return told(json.encode({raw, found, json.is_raw(raw), json.is_raw({})}))",
           "[[{'a':5}],[],true,false]");
}

/* Over the step budget, which the rows reach on their way, they come from an aux thread; nothing of
 * the first try is left. */
static void a_slow_query_gives_all_rows(void **state)
{
    start(*state, "local s = object(member('n', 'integer'))\n"
                  "local text = write('WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 "
                  "FROM c WHERE n < 9000) SELECT n FROM c', s)\n"
                  "return told(#text, text:sub(1, 17), text:sub(-11))");
    assert_false(((struct rig *)*state)->ended);
    expect_end(*state, "97894 [{'n':1},{'n':2}, {'n':9000}]");
}

/* The schema is used when the rows come, whatever the script has let go meanwhile. */
static void the_schema_stays_while_rows_are_waited_for(void **state)
{
    struct rig *rig = *state;

    start(rig, "return told(tostring(db.fetch_json('SELECT 1 AS a', nil,"
               "  object(member('a', 'integer', {make = function(n) return n + 1 end})))))");
    assert_false(rig->ended);
    lua_gc(rig->generation->vms[0]->L, LUA_GCCOLLECT);
    expect_end(rig, "[{'a':2}]");
}

#define BOTH(test)                                                                                 \
    cmocka_unit_test_setup_teardown(test, setup, teardown),                                        \
        cmocka_unit_test_setup_teardown(test, setup_late, teardown)

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        BOTH(members_come_as_declared),
        BOTH(values_are_as_in_the_database),
        BOTH(types_decide_what_becomes_of_a_value),
        BOTH(json_in_a_column_is_written_by_the_schema),
        BOTH(an_object_may_be_made_of_the_same_row),
        BOTH(a_function_makes_values),
        BOTH(members_may_be_changed_by_id),
        BOTH(faults_are_told),
        BOTH(reads_of_all_kinds_give_it),
        BOTH(a_slow_query_gives_all_rows),
        BOTH(the_schema_stays_while_rows_are_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
