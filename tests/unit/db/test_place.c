/* The database of a URL as messages show it. */
#include "db/db.h"
#include "unit_test.h"

static void test_without_secrets(void **state)
{
    static const char *const cases[][2] = {
        {"sqlite:data/a@b?c.db", "data/a@b?c.db"},
        {"postgres://user@host/name", "//user@host/name"},
        {"postgres://user:secret@host:5432/name?sslmode=disable", "//user@host:5432/name"},
        {"postgres://user:sec@ret@host/name", "//user@host/name"},
        {"postgres://host/name?user=me@there&password=secret", "//host/name"},
        {"postgres://user:sec?ret@host/name", "//user@host/name"},
        {"postgres://host?user=me@there&password=secret", "//host?user=me@there"},
        {"postgres:///name?password=a@b", "///name"},
    };
    (void)state;
    for (size_t i = 0; i < TT_COUNT(cases); i++)
        assert_string_equal(tt_db_place(cases[i][0]), cases[i][1]);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_without_secrets)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
