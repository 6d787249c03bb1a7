/* Values between Lua and the core. */
#include "script/support.h"

static void json_survives_a_round_trip(void **state)
{
    struct rig *rig = *state;
    static const char *const texts[] = {
        "1",
        "-1",
        "0",
        "true",
        "null",
        "\"\"",
        "\"潮聊 🌊 \\\"\\\\\\n\"",
        "1.5",
        "9007199254740991",
        "-9007199254740991",
        "9007199254740992",
        "1e+100",
        "[]",
        "{}",
        "[[]]",
        "[{}]",
        "{\"a\":[]}",
        "[[],{},[{}],[[]],1]",
        "{\"a\":{\"b\":[1,{\"c\":[]}]}}",
        "[null,1]",
        "{\"\":[]}",
    };
    for (size_t i = 0; i < TT_COUNT(texts); i++) {
        char body[256];
        snprintf(body, sizeof(body), "return (json.decode [==[%s]==])", texts[i]);
        rig_expect(rig, body, texts[i]);
    }
}

static void whole_numbers_are_integers(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig, "return math.type(json.decode('1'))", "\"integer\"");
    rig_expect(rig, "return math.type(json.decode('[2.0]')[1])", "\"integer\"");
    rig_expect(rig, "return math.type(json.decode('{\"a\":[1e3]}').a[1])", "\"integer\"");
    rig_expect(rig, "return math.type(json.decode('9007199254740992'))", "\"integer\"");
    rig_expect(rig, "return math.type(json.decode('9007199254740994'))", "\"float\"");
    rig_expect(rig, "return math.type(json.decode('1.5'))", "\"float\"");
    rig_expect(rig, "return json.decode('-0')", "0");
    rig_expect(rig, "return {math.maxinteger, math.mininteger, 1e15, 2^53}",
               "[9223372036854775807,-9223372036854775808,1000000000000000,9007199254740992]");
    rig_expect(rig, "return {0/0, 1/0, -1/0}", "[null,null,null]");
}

static void empty_arrays_stay_arrays(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig, "return json.is_array(json.decode('[]'))", "true");
    rig_expect(rig, "return json.is_array(json.decode('{}'))", "false");
    rig_expect(rig, "return (json.decode ' [ [ \\n] , { } , { \"a\" : [ ] } ] ')",
               "[[],{},{\"a\":[]}]");
    /* Brackets inside strings and escaped keys lead nobody astray. */
    rig_expect(rig, "return json.decode('[\"[]\",{},\"\\\\\\\\\",[],\"\\\\\"[]\"]')",
               "[\"[]\",{},\"\\\\\",[],\"\\\"[]\"]");
    rig_expect(rig, "return json.is_array(json.decode('{\"a\\\\u0062\":[]}').ab)", "true");
    rig_expect(rig, "return json.is_array(json.decode('{\"\\\\ud83c\\\\udf0a\":[]}')['🌊'])",
               "true");
    rig_expect(rig, "return json.is_array(json.decode('{\"\\\\u0000\":[]}')['\\u{FFFD}'])", "true");
    rig_expect(rig, "return json.array()", "[]");
    rig_expect(rig, "return {a = json.array({})}", "{\"a\":[]}");
    rig_expect(rig, "return {}", "{}");
}

static void nul_is_replaced(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig, "return (json.decode [==[\"a\\u0000\\\\u0000\\\\\\u0000\"]==])",
               "\"a\xEF\xBF\xBD\\\\u0000\\\\\xEF\xBF\xBD\"");
    rig_expect(rig, "return {json.decode('{\"\\\\u0000\":[]}'), json.decode('\"\\\\u0001\"')}",
               "[{\"\xEF\xBF\xBD\":[]},\"\\u0001\"]");
}

/* Lua's own order differs from state to state. */
static void members_are_sorted(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig, "return {b = 1, a = {d = 2, c = 3}, ab = 4, [10] = 5, [9] = 6, ['9a'] = 7}",
               "{\"10\":5,\"9\":6,\"9a\":7,\"a\":{\"c\":3,\"d\":2},\"ab\":4,\"b\":1}");
    rig_expect(rig,
               "local many, want = {}, {}\n"
               "for i = 1, 100 do local k = ('k%03d'):format(i * 37 % 101) many[k] = i end\n"
               "for k, v in pairs(many) do want[#want + 1] = ('\"%s\":%d'):format(k, v) end\n"
               "table.sort(want)\n"
               "return json.encode(many) == '{' .. table.concat(want, ',') .. '}'",
               "true");
}

/* Of equal keys the last one counts, for what it is as well. */
static void equal_keys_do_not_confuse_arrays(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig, "return (json.decode '{\"a\":[],\"a\":{}}')", "{\"a\":{}}");
    rig_expect(rig, "return (json.decode '{\"a\":{},\"a\":[]}')", "{\"a\":[]}");
    rig_expect(rig, "return (json.decode '{\"a\":[],\"a\":1}')", "{\"a\":1}");
    rig_expect(rig, "return (json.decode '{\"a\":{\"b\":[]},\"a\":{\"b\":{}}}')",
               "{\"a\":{\"b\":{}}}");
    rig_expect(rig, "return (json.decode '{\"a\":[[1],[]],\"a\":{\"b\":[]}}')",
               "{\"a\":{\"b\":[]}}");
    rig_expect(rig, "return (json.decode '{\"a\":{\"b\":[]},\"a\":[{}]}')", "{\"a\":[{}]}");
}

/* Every text of JSONTestSuite's kind in tests/data/json that must pass decodes, each that must fail
 * gives invalid_json; nothing raises. */
static void bad_json_is_an_error_and_no_exception(void **state)
{
    struct rig *rig = *state;
    static const char *const bad[] = {
        "",
        "[",
        "]",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "{\"a\"}",
        "01",
        "1.",
        ".5",
        "+1",
        "0x10",
        "NaN",
        "Infinity",
        "-",
        "nul",
        "[1 2]",
        "'a'",
        "\"a",
        "\"\\x\"",
        "1 2",
        "[]]",
        "{1:2}",
        "// a",
        "[,1]",
        "\"\t\"",
        "tRue",
        "\"\\u12\"",
        "\"\\ud800\"",
        "{\"a\":[}",
        "[[]",
        "\xEF\xBB\xBF[]",
    };
    for (size_t i = 0; i < TT_COUNT(bad); i++) {
        char body[256];
        snprintf(body, sizeof(body),
                 "local v, e = json.decode([==[%s]==]) return {v == nil, e.code, e.status}",
                 bad[i]);
        rig_expect(rig, body, "[true,\"invalid_json\",400]");
    }
    rig_expect(rig, "local v, e = json.decode('\"\\xff\"') return {v == nil, e.code}",
               "[true,\"invalid_json\"]");
    rig_expect(rig, "local v, e = json.decode('[]\\0') return e.code", "\"invalid_json\"");
    rig_expect_in(rig, "return json.decode()", "bad argument");
    rig_expect_in(rig, "return json.decode({})", "bad argument");
}

static void depth_is_limited_both_ways(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig, "return (select(2, json.decode(('['):rep(65) .. (']'):rep(65)))).code",
               "\"invalid_json\"");
    rig_expect(rig, "return #json.encode(json.decode(('['):rep(60) .. (']'):rep(60)))", "120");
    rig_expect(rig, "return (json.decode(('{\"a\":'):rep(60) .. '[]' .. ('}'):rep(60))) ~= nil",
               "true");
    rig_expect_in(rig, "local t = {} t.t = t return json.encode(t)", "nested deeper than");
    rig_expect_in(rig, "local t = {} t[1] = t return json.encode(t)", "nested deeper than");
    /* What a handler returns is encoded by the same code. */
    rig_expect_in(rig, "local t = {} t.t = t return t", "nested deeper than");
}

static void shared_tables_cannot_blow_up(void **state)
{
    struct rig *rig = *state;

    rig_expect_in(rig,
                  "local t = {('x'):rep(1000)} for i = 1, 50 do t = {t, t} end "
                  "return json.encode(t)",
                  "too large");
    rig_expect(rig, "return json.encode({1})", "\"[1]\"");
}

static void what_is_no_json_is_refused(void **state)
{
    struct rig *rig = *state;

    rig_expect_in(rig, "return json.encode(function() end)", "a function cannot be encoded");
    rig_expect_in(rig, "return json.encode({a = {json.encode}})", "a function cannot be encoded");
    rig_expect_in(rig, "return json.encode({[true] = 1})", "a key must be a string");
    rig_expect_in(rig, "return json.encode({[1.5] = 1})", "a key must be a string");
    rig_expect_in(rig, "return json.encode()", "bad argument");
    rig_expect(rig, "return {[2] = 'b'}", "{\"2\":\"b\"}");
    rig_expect(rig, "return json.null", "null");
    rig_expect(rig, "return {a = json.null}", "{\"a\":null}");
    rig_expect(rig, "return '\\xff'", "\"\xEF\xBF\xBD\"");
    rig_expect_in(rig, "return json.array(1)", "table expected");
    rig_expect_in(rig, "return json.is_array(1)", "table expected");
}

static void secrets_stay_secret(void **state)
{
    struct rig *rig = *state;
    static const char make[] = "local k = crypto.unseal(crypto.seal('sk-key', 'b'), 'b') ";
    static const struct {
        const char *use, *want;
    } cases[] = {
        {"return tostring(k)", "\"[secret]\""},
        {"return k", "a userdata cannot be encoded"},
        {"return json.encode({k})", "a userdata cannot be encoded"},
        {"return 'x' .. k", "attempt to concatenate"},
        {"log.error('x', {k = k})", "log: field 'k' is a userdata"},
        {"return string.format('%s', k)", "\"[secret]\""},
        {"return crypto.sha256(k)", "bad argument"},
        {"return db.query('SELECT ?', {k})", "argument 1 of the statement is a tide.Secret"},
        {"return #k", "attempt to get length"},
    };
    rig_open_db(rig, NULL);
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        char body[256];
        snprintf(body, sizeof(body), "%s %s", make, cases[i].use);
        if (i == 7)
            rig_expect_in(rig, body, "argument 1 of the statement is a userdata");
        else
            rig_expect_in(rig, body, cases[i].want);
    }
    rig_expect(rig, "local k, e = crypto.unseal(crypto.seal('k', 'a'), 'b') return e.code",
               "\"secret_unreadable\"");
    rig_expect(rig, "return tostring(crypto.unseal(crypto.seal('', 'a'), 'a'))", "\"[secret]\"");
}

static void the_small_modules_do_what_they_say(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig, "return {text.count('潮聊🌊'), text.prefix('潮聊🌊', 2), text.valid('\\xff')}",
               "[3,\"潮聊\",false]");
    rig_expect(rig, "return {text.has_cjk('a潮'), text.has_cjk('abc'), text.has_cjk('\\xff潮')}",
               "[true,false,true]");
    rig_expect_in(rig, "return text.prefix('a', -1)", "not negative");
    rig_expect(rig, "return {config.get('a.text'), config.get('a.bool'), config.get('a.list')}",
               "[\"x\",true,[\"a\",\"b\"]]");
    rig_expect(rig, "return config.get('an.empty_list')", "[]");
    rig_expect_in(rig, "return config.get('no.such')", "there is no setting 'no.such'");
    rig_expect(rig, "local a, b = time.now(), time.now() return {a < b, #a, a:sub(-1)}",
               "[true,27,\"Z\"]");
    rig_expect(rig, "return time.unix_ns() < time.unix_ns()", "true");
    rig_expect(rig,
               "return {#crypto.random_hex(16), crypto.equal('a', 'a'), crypto.equal('a', 'b')}",
               "[32,true,false]");
    rig_expect_in(rig, "return crypto.random_hex(65)", "1 to 64 bytes");
    rig_expect(rig, "return crypto.sha256('abc'):sub(1, 8)", "\"ba7816bf\"");
    rig_expect_in(rig, "log.error('x', {a = {}})", "log: field 'a' is a table");
    rig_expect_in(rig, "log.error('x', {1})", "log: field names must be strings");
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(json_survives_a_round_trip),
        RIG_TEST(whole_numbers_are_integers),
        RIG_TEST(empty_arrays_stay_arrays),
        RIG_TEST(nul_is_replaced),
        RIG_TEST(members_are_sorted),
        RIG_TEST(equal_keys_do_not_confuse_arrays),
        RIG_TEST(bad_json_is_an_error_and_no_exception),
        RIG_TEST(depth_is_limited_both_ways),
        RIG_TEST(shared_tables_cannot_blow_up),
        RIG_TEST(what_is_no_json_is_refused),
        RIG_TEST(secrets_stay_secret),
        RIG_TEST(the_small_modules_do_what_they_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
