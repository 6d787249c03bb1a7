/* Snippets of texts that a real FTS5 table found. */
#include "base/utf8.h"
#include "db/sqlite_fts5.h"
#include "support.h"

#define CHARACTERS_MAX 302 /* with an ellipsis at both ends */

static sqlite3 *open_table(void)
{
    sqlite3 *handle = NULL;
    tt_fts5_setup();
    assert_int_equal(sqlite3_open(":memory:", &handle), SQLITE_OK);
    assert_int_equal(sqlite3_exec(handle,
                                  "CREATE VIRTUAL TABLE t USING fts5(owner, content,"
                                  " tokenize = 'tidetalk', prefix = '3 4 5')",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    return handle;
}

static void add(sqlite3 *handle, const char *text)
{
    sqlite3_stmt *statement = NULL;
    sqlite3_prepare_v2(handle, "INSERT INTO t VALUES ('tide', ?)", -1, &statement, NULL);
    sqlite3_bind_text(statement, 1, text, -1, SQLITE_STATIC);
    assert_int_equal(sqlite3_step(statement), SQLITE_DONE);
    sqlite3_finalize(statement);
}

/* `before`, the piece `times`, `after`. */
static char *repeat(const char *before, const char *piece, size_t times, const char *after)
{
    size_t length = strlen(piece);
    char *text = tt_alloc(strlen(before) + length * times + strlen(after) + 1);
    char *at = stpcpy(text, before);
    for (size_t i = 0; i < times; i++)
        at = stpcpy(at, piece);
    strcpy(at, after);
    return text;
}

/* The snippets of all rows that are found, each checked; the first is copied. Returns how many. */
static int find(sqlite3 *handle, const char *query, char *out, size_t size)
{
    sqlite3_stmt *statement = NULL;
    int rows = 0;
    char match[400];
    snprintf(match, sizeof(match), "owner : \"tide\" AND content : (%s)", query);
    assert_int_equal(sqlite3_prepare_v2(handle,
                                        "SELECT tidetalk_snippet(t, 1) FROM t WHERE t MATCH ?"
                                        " ORDER BY rowid DESC",
                                        -1, &statement, NULL),
                     SQLITE_OK);
    sqlite3_bind_text(statement, 1, match, -1, SQLITE_STATIC);
    int rc;
    for (; (rc = sqlite3_step(statement)) == SQLITE_ROW; rows++) {
        struct tt_str snippet = tt_str_from((const char *)sqlite3_column_text(statement, 0));
        assert_true(tt_utf8_valid(snippet));
        assert_in_range(tt_utf8_count(snippet), 1, CHARACTERS_MAX);
        if (rows == 0)
            snprintf(out, size, "%s", snippet.data);
    }
    assert_int_equal(rc, SQLITE_DONE);
    sqlite3_finalize(statement);
    return rows;
}

static void find_in(const char *text, const char *query, char *out, size_t size)
{
    sqlite3 *handle = open_table();
    add(handle, text);
    if (find(handle, query, out, size) != 1)
        fail_msg("'%s' is not found", query);
    sqlite3_close(handle);
}

#define FILLER "Nothing of it is written in here. "

static const struct {
    const char *piece; /* 30,000 of them, then `hit`, then 1,000 of them */
    const char *hit, *query, *shown;
} cases[] = {
    {FILLER, "The Tide comes. ", "\"tide\"", "The Tide comes."},
    {FILLER, "The Tide comes. ", "\"com\"*", "The Tide comes."},
    {FILLER, "The Tide comes. ", "\"tide comes\"", "The Tide comes."},
    {FILLER, "The Tide comes. ", "\"nothing\" \"comes\"", "The Tide comes."},
    {FILLER, "The Tide comes. ", "\"comes\" \"the\"", "The Tide comes."},
    {FILLER, "A Crème brûlée. ", "\"BRULEE\"", "A Crème brûlée."},
    {FILLER, "我在北京工作。", "\"北京\"", "我在北京工作"},
    {FILLER, "用Lua写路由", "\"用Lua写\"", "用Lua写路由"},
    {"一二三四五六七八九十。", "我在北京工作。", "\"北京\"", "我在北京工作"},
    {"一二三四五六七八九十", "我在北京工作", "\"在北京工\"", "我在北京工作"},
    {"一二三四五六七八九十", "我在北京工作", "\"京\"", "我在北京工作"},
    {"一二三四五六七八九十", "潮tide水", "\"tid\"*", "潮tide水"},
    {"x", " tide ", "\"tide\"", " tide "},
    {"🌊 ", "潮聊", "\"潮聊\"", "潮聊"},
};

static void shows_the_hit_in_the_midst_of_a_long_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        char snippet[2000];
        char *after = repeat("", cases[i].piece, 1000, "");
        char *tail = repeat(cases[i].hit, after, 1, "");
        char *text = repeat("", cases[i].piece, 30000, tail);
        find_in(text, cases[i].query, snippet, sizeof(snippet));
        if (!strstr(snippet, cases[i].shown))
            fail_msg("'%s' shows: %s", cases[i].query, snippet);
        assert_memory_equal(snippet, "…", strlen("…"));
        assert_string_equal(snippet + strlen(snippet) - strlen("…"), "…");
        free(text);
        free(tail);
        free(after);
    }
}

static void shows_the_end_of_a_text_of_a_megabyte(void **state)
{
    char snippet[2000];
    char *text = repeat("", "hello ", 170000, "to the lighthouse");
    (void)state;

    find_in(text, "\"lighthouse\"", snippet, sizeof(snippet));
    assert_memory_equal(snippet, "…hello ", strlen("…hello "));
    assert_non_null(strstr(snippet, " hello to the lighthouse"));
    assert_string_equal(strstr(snippet, "lighthouse"), "lighthouse");
    free(text);
}

static void shows_a_short_text_whole(void **state)
{
    char snippet[2000];
    (void)state;
    find_in("  The tide\n\tcomes in.", "\"comes\"", snippet, sizeof(snippet));
    assert_string_equal(snippet, "  The tide\n\tcomes in.");
}

static void cuts_between_words(void **state)
{
    char snippet[2000];
    char *text = repeat("", "morning ", 1000, "");
    char *with_hit = repeat(text, "tide ", 1, text);
    (void)state;
    find_in(with_hit, "\"tide\"", snippet, sizeof(snippet));
    assert_memory_equal(snippet, "…morning ", strlen("…morning "));
    assert_string_equal(snippet + strlen(snippet) - strlen(" morning…"), " morning…");
    free(text);
    free(with_hit);
}

/* The place where the words stand together, though each stands alone before. */
static void prefers_words_that_stand_together(void **state)
{
    char snippet[2000];
    char *apart = repeat("tide ", FILLER, 30, "moon ");
    char *text = repeat(apart, FILLER, 30, "tide and moon together");
    (void)state;
    find_in(text, "\"tide\" \"moon\"", snippet, sizeof(snippet));
    if (!strstr(snippet, "tide and moon together"))
        fail_msg("%s", snippet);
    free(apart);
    free(text);
}

/* FTS5's snippet() does not come back from one of them. */
static void many_hits_in_many_messages_are_no_work(void **state)
{
    sqlite3 *handle = open_table();
    char snippet[2000];
    char *words = repeat("", "hello ", 170000, "");
    char *chinese = repeat("", "潮水", 50000, "");
    (void)state;

    for (int i = 0; i < 100; i++)
        add(handle, i % 10 ? words : chinese);
    assert_int_equal(find(handle, "\"hello\"", snippet, sizeof(snippet)), 90);
    assert_memory_equal(snippet, "hello hello", strlen("hello hello"));
    assert_int_equal(find(handle, "\"hello\" \"hel\"*", snippet, sizeof(snippet)), 90);
    assert_int_equal(find(handle, "\"hello hello\"", snippet, sizeof(snippet)), 90);
    assert_int_equal(find(handle, "\"潮水潮\"", snippet, sizeof(snippet)), 10);
    assert_memory_equal(snippet, "潮水潮水", strlen("潮水潮水"));
    sqlite3_close(handle);
    free(words);
    free(chinese);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_the_hit_in_the_midst_of_a_long_text),
        cmocka_unit_test(shows_the_end_of_a_text_of_a_megabyte),
        cmocka_unit_test(shows_a_short_text_whole),
        cmocka_unit_test(cuts_between_words),
        cmocka_unit_test(prefers_words_that_stand_together),
        cmocka_unit_test(many_hits_in_many_messages_are_no_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
