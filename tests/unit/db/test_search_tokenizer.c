/* What is found and what is not, through a real FTS5 table: cases as "text | query | yes or no". */
#include "db/sqlite_fts5.h"
#include "support.h"

static const struct {
    const char *text, *query;
    int found;
} cases[] = {
    {"我在北京工作", "\"北京\"", 1},
    {"我在北京工作", "\"京北\"", 0},
    {"我在北京工作", "\"北\"", 1},
    {"我在北京工作", "\"作\"", 1},
    {"我在北京工作", "\"北京工\"", 1},
    {"我在北京工作", "\"北工\"", 0},
    {"我在北京工作", "\"我在北京工作\"", 1},
    {"我在北京工作", "\"我在北京工作吗\"", 0},
    {"京北京", "\"北京\"", 1},
    {"北", "\"北\"", 1},
    {"北 京", "\"北京\"", 0},
    {"用Lua写路由", "\"lua\"", 1},
    {"用Lua写路由", "\"用Lua\"", 1},
    {"用Lua写路由", "\"Lua写\"", 1},
    {"用Lua写路由", "\"用Lua写路由\"", 1},
    {"使用Lua写路由", "\"使用Lua写\"", 1},
    {"用Lua写路由", "\"写Lua\"", 0},
    {"用Lua写路由", "\"lu\"*", 1},
    {"用Lua写路由", "\"lu\"", 0},
    {"The Crème brûlée", "\"creme\"", 1},
    {"The Crème brûlée", "\"BRÛLÉE\"", 1},
    {"東京タワー", "\"タワ\"", 1},
    {"東京タワー", "\"京タ\"", 1},
    {"안녕하세요", "\"하세\"", 1},
    {"𠮷野家", "\"𠮷野\"", 1},
    {"🌊 潮聊 🌊", "\"潮聊\"", 1},
    {"price: 42 yuan", "\"42\"", 1},
    {"", "\"x\"", 0},
    {"北京", "\"。\" OR \"北\"", 1},
};

static void finds_what_it_should(void **state)
{
    sqlite3 *handle = NULL;
    (void)state;
    tt_fts5_setup();
    assert_int_equal(sqlite3_open(":memory:", &handle), SQLITE_OK);
    assert_int_equal(sqlite3_exec(handle,
                                  "CREATE VIRTUAL TABLE t USING fts5(c, tokenize = 'tidetalk')",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        sqlite3_stmt *statement = NULL;
        sqlite3_exec(handle, "DELETE FROM t", NULL, NULL, NULL);
        sqlite3_prepare_v2(handle, "INSERT INTO t VALUES (?)", -1, &statement, NULL);
        sqlite3_bind_text(statement, 1, cases[i].text, -1, SQLITE_STATIC);
        assert_int_equal(sqlite3_step(statement), SQLITE_DONE);
        sqlite3_finalize(statement);
        sqlite3_prepare_v2(handle, "SELECT count(*) FROM t WHERE t MATCH ?", -1, &statement, NULL);
        sqlite3_bind_text(statement, 1, cases[i].query, -1, SQLITE_STATIC);
        assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
        if (sqlite3_column_int(statement, 0) != cases[i].found)
            fail_msg("'%s' in '%s': %sfound", cases[i].query, cases[i].text,
                     cases[i].found ? "not " : "");
        sqlite3_finalize(statement);
    }
    sqlite3_close(handle);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_it_should),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
