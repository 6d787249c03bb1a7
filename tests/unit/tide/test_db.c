/* db.write's `expect`: how many rows a statement must change, none of them included. */
#include "script/support.h"

static int setup(void **state)
{
    *state = rig_new();
    rig_open_db(*state, NULL);
    return 0;
}

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

#define DB_TEST(function) cmocka_unit_test_setup_teardown(function, setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DB_TEST(as_many_rows_as_expected_change),
        DB_TEST(other_numbers_of_rows_fail_the_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
