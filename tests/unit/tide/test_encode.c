/* Small things of tide.crypto, tide.text, tide.time and tide.json as scripts call them; their rules
 * are tested where they are implemented. */
#include "script/support.h"

static void hmac_and_uuid(void **state)
{
    struct rig *rig = *state;

    /* RFC 4231, cases 1, 2 and 6 (a key longer than a block). */
    rig_expect(rig, "return crypto.hmac_sha256(('\\11'):rep(20), 'Hi There')",
               "\"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7\"");
    rig_expect(rig, "return crypto.hmac_sha256('Jefe', 'what do ya want for nothing?')",
               "\"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843\"");
    rig_expect(rig,
               "return crypto.hmac_sha256(('\\xaa'):rep(131), "
               "'Test Using Larger Than Block-Size Key - Hash Key First')",
               "\"60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54\"");
    rig_expect(rig,
               "return crypto.hmac_sha256(crypto.unseal(crypto.seal('Jefe', 'b'), 'b'), 'x') == "
               "crypto.hmac_sha256('Jefe', 'x')",
               "true");
    rig_expect(rig, "return #crypto.hmac_sha256('', '')", "64");
    rig_expect_in(rig, "crypto.hmac_sha256({}, '')", "bad argument");
    rig_expect(rig,
               "local seen = {} for i = 1, 100 do local u = crypto.uuid() assert(not seen[u]) "
               "seen[u] = true assert(u:find('^%x+%-%x+%-4%x%x%x%-[89ab]%x%x%x%-%x+$') and #u == "
               "36, u) end return 'ok'",
               "\"ok\"");
}

static void encodings(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig,
               "return {crypto.hex_encode('\\0\\255'), crypto.hex_decode('00Ff') == '\\0\\255', "
               "crypto.base64_encode('f'), crypto.base64_decode('Zg=='), "
               "crypto.base64url_encode('\\251\\255\\254'), "
               "crypto.base64url_decode('-f_-') == '\\249\\255\\254', "
               "crypto.base64_encode(''), crypto.base64_decode('')}",
               "[\"00ff\",true,\"Zg==\",\"f\",\"-__-\",true,\"\",\"\"]");
    rig_expect(rig,
               "local codes = {} for _, f in ipairs{'hex', 'base64', 'base64url'} do "
               "local v, e = crypto[f .. '_decode']('!') codes[#codes + 1] = v == nil and e.code "
               "end return codes",
               "[\"invalid_encoding\",\"invalid_encoding\",\"invalid_encoding\"]");
}

static void texts(void **state)
{
    struct rig *rig = *state;

    rig_expect(
        rig,
        "return {text.truncate('潮水', 3), text.truncate('潮水', 5), text.truncate('潮水', 6),"
        " text.truncate('潮水', 2), text.truncate('abc', 2), text.truncate('', 0)}",
        "[\"潮\",\"潮\",\"潮水\",\"\",\"ab\",\"\"]");
    rig_expect(rig, "return text.chars('a潮\\xffz')[3] == '\\xff' and text.chars('a潮é😀')",
               "[\"a\",\"潮\",\"é\",\"😀\"]");
    rig_expect(rig, "return #text.chars('')", "0");
    rig_expect_in(rig, "text.chars(('x'):rep((1 << 20) + 1))", "at most 1 MiB");
    rig_expect(rig,
               "return {text.squeeze('  a \\t\\r\\n b  '), text.squeeze('　潮　　水\\u{a0}'), "
               "text.squeeze(' \\u{2003} '), text.squeeze('x')}",
               "[\"a b\",\"潮 水\",\"\",\"x\"]");
    rig_expect(rig,
               "return {text.squeeze('\\0a\\0\\27\\u{85}\\u{9f}b\\127'), "
               "text.squeeze('\\u{feff}a\\u{ad}b')}",
               "[\"a b\",\"a\u00adb\"]");
    rig_expect_in(rig, "text.truncate('x', -1)", "not negative");
}

static void times(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig,
               "local us = time.parse('2026-01-02T03:04:05.5+08:00') "
               "return {us, time.format(us), time.format(0), time.parse(time.now()) // 1000000 - "
               "time.unix() < 2}",
               "[1767294245500000,\"2026-01-01T19:04:05.500000Z\",\"1970-01-01T00:00:00.000000Z\","
               "true]");
    rig_expect(rig, "local t, e = time.parse('yesterday') return {t == nil, e.code, e.status}",
               "[true,\"invalid_time\",400]");
}

static void json_for_people(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig, "return json.pretty({1, json.array(), 'x'})",
               "\"[\\n  1,\\n  [],\\n  \\\"x\\\"\\n]\"");
    rig_expect_in(rig, "json.pretty(dofile ~= nil)", "'dofile' is not defined");
    rig_expect_in(rig, "json.pretty()", "bad argument");
    rig_expect_in(rig, "json.pretty({f = function() end})", "function");
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(hmac_and_uuid), RIG_TEST(encodings),       RIG_TEST(texts),
        RIG_TEST(times),         RIG_TEST(json_for_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
