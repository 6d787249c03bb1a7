/* Shared dictionaries as scripts see them; the rules of values are in cache/test_shared.c. */
#include "script/support.h"

#define SHARED "local d = require('tide.shared').dict('d') "

static void what_scripts_do(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig,
               SHARED "return {d:get('k') == nil, d:set('k', 'v'), d:get('k'), d:set('k', 7),"
                      " d:get('k'), d:incr('k'), d:incr('k', -3), d:ttl('k'), d:delete('k'),"
                      " d:delete('k'), d:ttl('k') == nil}",
               "[true,true,\"v\",true,7,8,5,0,true,false,true]");
    rig_expect(rig,
               SHARED "return {d:add('a', 1, 60000), d:add('a', 2), d:get('a'),"
                      " d:ttl('a') > 50000, d:set('b', 'x\\0y'), #d:get('b')}",
               "[true,false,1,true,true,3]");
    rig_expect(rig, SHARED "d:set('t', 'x') local n, e = d:incr('t') return {n == nil, e.code}",
               "[true,\"shared_not_integer\"]");
    rig_expect(rig, SHARED "local n, e = d:set('t', ('x'):rep(1 << 20)) return {n == nil, e.code}",
               "[true,\"shared_too_large\"]");
}

static void it_outlives_a_generation(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig, SHARED "return d:incr('n')", "1");
    rig_expect(rig, SHARED "return d:incr('n')", "2");
    rig_expect(rig, "return require('tide.shared').dict('other'):incr('n')", "1");
}

static void what_is_wrong_is_told(void **state)
{
    struct rig *rig = *state;
    static const struct {
        const char *call, *diagnostic;
    } cases[] = {
        {"d:set('k', 1.5)", "integer or string expected, got number"},
        {"d:set('k', true)", "integer or string expected, got boolean"},
        {"d:set('k', {})", "integer or string expected, got table"},
        {"d:set('k')", "integer or string expected, got no value"},
        {"d:set('', 1)", "shared:set: a key is 1 to 512 bytes"},
        {"d:get(('x'):rep(513))", "shared:get: a key is 1 to 512 bytes"},
        {"d:set('k', 1, -1)", "0 ms (no expiry) to 365 days"},
        {"d.get({}, 'k')", "tide.SharedDict expected"},
        {"require('tide.shared').dict('')", "a name of 1 to 64 bytes"},
        {"require('tide.shared').dict(('x'):rep(65))", "a name of 1 to 64 bytes"},
        {"require('tide.shared').dict('a\\0b')", "a name of 1 to 64 bytes"},
    };
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        char body[300];
        snprintf(body, sizeof(body), SHARED "%s", cases[i].call);
        rig_expect_in(rig, body, cases[i].diagnostic);
    }
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(what_scripts_do),
        RIG_TEST(it_outlives_a_generation),
        RIG_TEST(what_is_wrong_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
