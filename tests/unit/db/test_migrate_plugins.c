/* Migrations of plugins: own numbers, own tables, all or nothing, and nothing is taken away. */
#include "db/migrate.h"
#include "support.h"

#define FILES_MAX 8

struct plugins {
    struct fixture f; /* dir and path only */
    struct tt_db_plugin_file files[FILES_MAX];
    size_t count;
    struct tt_migrate_report report;
    struct tt_err err;
};

static int setup(void **state)
{
    struct plugins *p = TT_NEW(struct plugins);

    make_folder(&p->f);
    outside_exec(
        p->f.path,
        "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);"
        "CREATE TABLE user_apis (id INTEGER PRIMARY KEY); INSERT INTO users VALUES (1, 'u')");
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct plugins *p = *state;

    tt_buf_free(&p->report.text);
    remove_folder(&p->f);
    free(p);
    return 0;
}

static void put(struct plugins *p, const char *plugin, const char *path, const char *sql)
{
    p->files[p->count++] =
        (struct tt_db_plugin_file){tt_str_from(plugin), tt_str_from(path), tt_str_from(sql)};
}

static int migrate(struct plugins *p, uint64_t hold_ms, bool dry_run)
{
    tt_buf_free(&p->report.text);
    p->err = (struct tt_err){0};
    return tt_db_migrate_plugins(p->f.url, p->files, p->count, hold_ms, dry_run, &p->report,
                                 &p->err);
}

static void applies(struct plugins *p, const char *text)
{
    if (migrate(p, 0, false) != 0)
        fail_msg("%s", p->err.message);
    assert_string_equal(p->report.text.data, text);
}

static void refuses(struct plugins *p, const char *message)
{
    assert_int_equal(migrate(p, 0, false), -1);
    if (!strstr(p->err.message, message))
        fail_msg("\"%s\" is not in \"%s\"", message, p->err.message);
}

#define MOON "plugins/moon/migrations/"

/* A single file of the plugin moon, beside what is applied. */
static void refuses_sql(struct plugins *p, const char *sql, const char *message)
{
    p->count = 0;
    put(p, "moon", MOON "0001_notes.sql",
        "CREATE TABLE moon_notes (id INTEGER PRIMARY KEY, text TEXT);");
    put(p, "moon", MOON "0002_more.sql", sql);
    refuses(p, message);
    assert_int_equal(outside_int(p->f.path, "SELECT count(*) FROM plugin_migrations"), 1);
}

static int64_t tables(struct plugins *p, const char *like)
{
    char sql[160];
    snprintf(sql, sizeof(sql), "SELECT count(*) FROM sqlite_schema WHERE name LIKE '%s'", like);
    return outside_int(p->f.path, sql);
}

static void each_plugin_has_its_own_numbers(void **state)
{
    struct plugins *p = *state;

    put(p, "moon", MOON "0001_notes.sql",
        "-- what it keeps\nCREATE TABLE moon_notes (id INTEGER PRIMARY KEY, user_id INTEGER NOT "
        "NULL"
        " REFERENCES users(id) ON DELETE CASCADE);\nINSERT INTO moon_notes SELECT 7, id FROM "
        "users;");
    put(p, "sun", "plugins/sun/migrations/1_days.sql", "CREATE TABLE sun_days (day TEXT);");
    assert_int_equal(migrate(p, 0, true), 0);
    assert_string_equal(p->report.text.data, "moon 0001 notes pending\nsun 0001 days pending\n");
    assert_int_equal(tables(p, "moon%"), 0); /* a dry run leaves nothing */
    applies(p, "moon 0001 notes applied\nsun 0001 days applied\n");
    applies(p, "moon 0001 notes done\nsun 0001 days done\n");
    put(p, "moon", MOON "0002_more.sql",
        "ALTER TABLE moon_notes ADD COLUMN text TEXT NOT NULL DEFAULT '';\n"
        "CREATE INDEX moon_notes_by_user ON moon_notes (user_id);\nDROP INDEX moon_notes_by_user;\n"
        "CREATE TRIGGER moon_clean AFTER DELETE ON moon_notes BEGIN SELECT 1; END;\n"
        "CREATE VIEW moon_all AS SELECT * FROM moon_notes;");
    applies(p, "moon 0001 notes done\nmoon 0002 more applied\nsun 0001 days done\n");
    assert_int_equal(outside_int(p->f.path, "SELECT id FROM moon_all"), 7);
}

/* The scripts of before a rollback bring fewer files than are applied. */
static void an_applied_version_needs_no_file(void **state)
{
    struct plugins *p = *state;

    put(p, "moon", MOON "0001_a.sql", "CREATE TABLE moon_a (x);");
    put(p, "moon", MOON "0002_b.sql", "CREATE TABLE moon_b (x);");
    applies(p, "moon 0001 a applied\nmoon 0002 b applied\n");
    p->count = 1;
    applies(p, "moon 0001 a done\n");
    p->count = 0;
    put(p, "moon", MOON "0001_a.sql", "CREATE TABLE moon_a (x, y);");
    refuses(p, MOON "0001_a.sql:1: was changed after it was applied");
}

static void all_of_them_or_none(void **state)
{
    struct plugins *p = *state;

    put(p, "moon", MOON "0001_a.sql", "CREATE TABLE moon_a (x);");
    put(p, "sun", "plugins/sun/migrations/0001_a.sql",
        "CREATE TABLE sun_a (x);\n\nINSERT INTO sun_b VALUES (1);");
    refuses(p, "plugins/sun/migrations/0001_a.sql:3: no such table: sun_b");
    assert_int_equal(tables(p, "moon%"), 0);
    assert_int_equal(tables(p, "sun%"), 0);
}

static void tables_of_others_are_refused(void **state)
{
    struct plugins *p = *state;
    static const char own[] = "0002_more.sql:1: users is not a table of the plugin, whose names "
                              "begin with moon_: keep what you add in a table of your own, with a "
                              "foreign key";

    put(p, "moon", MOON "0001_notes.sql",
        "CREATE TABLE moon_notes (id INTEGER PRIMARY KEY, text TEXT);");
    applies(p, "moon 0001 notes applied\n");
    refuses_sql(p, "ALTER TABLE users ADD COLUMN moon TEXT", own);
    refuses_sql(p, "UPDATE users SET name = ''", own);
    refuses_sql(p, "DELETE FROM users", own);
    refuses_sql(p, "INSERT INTO users VALUES (2, '')", own);
    refuses_sql(p, "CREATE INDEX moon_users ON users (name)", own);
    refuses_sql(p, "CREATE TRIGGER moon_t AFTER INSERT ON users BEGIN SELECT 1; END", own);
    refuses_sql(p, "CREATE TABLE notes (x)", "the name notes must begin with moon_");
    refuses_sql(p, "CREATE TABLE moonnotes (x)", "the name moonnotes must begin with moon_");
    refuses_sql(p, "CREATE INDEX by_text ON moon_notes (text)", "the name by_text must begin");
    refuses_sql(p, "DROP TABLE users", "users stays");
    refuses_sql(p, "ALTER TABLE moon_notes RENAME TO notes", "moon_notes.id is gone");
    refuses_sql(p, "PRAGMA foreign_keys=OFF", "BEGIN, COMMIT, PRAGMA, ATTACH");
    refuses_sql(p, "COMMIT", "BEGIN, COMMIT, PRAGMA, ATTACH");
    refuses_sql(p, "CREATE TEMP TABLE moon_t (x)", "temporary tables");
}

static void nothing_is_taken_away(void **state)
{
    struct plugins *p = *state;

    put(p, "moon", MOON "0001_notes.sql",
        "CREATE TABLE moon_notes (id INTEGER PRIMARY KEY, text TEXT);");
    applies(p, "moon 0001 notes applied\n");
    refuses_sql(p, "DROP TABLE moon_notes", "moon_notes stays: migrations of a plugin only add");
    refuses_sql(p, "ALTER TABLE moon_notes DROP COLUMN text", "moon_notes.text is gone");
    refuses_sql(p, "ALTER TABLE moon_notes RENAME COLUMN text TO body", "moon_notes.text is gone");
    refuses_sql(p, "ALTER TABLE moon_notes RENAME TO moon_texts", "moon_notes.id is gone");
}

static void names_that_others_have_are_refused(void **state)
{
    struct plugins *p = *state;

    put(p, "user", "plugins/user/migrations/0001_a.sql", "CREATE TABLE user_x (x);");
    refuses(p, "plugins/user/migrations/0001_a.sql:1: other tables begin with user_ already");
    p->count = 0;
    put(p, "moon", MOON "0001_a.sql", "CREATE TABLE moon_a (x);");
    applies(p, "moon 0001 a applied\n");
    put(p, "moon_phase", "plugins/moon_phase/migrations/0001_a.sql", "SELECT 1");
    refuses(p, "other tables begin with moon_phase_ already");
}

/* The progress handler counts steps, so the limit of 1 ms is met by far. */
static void what_takes_long_is_refused_online(void **state)
{
    struct plugins *p = *state;

    put(p, "moon", MOON "0001_a.sql",
        "CREATE TABLE moon_a (x);\nWITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n"
        " LIMIT 3000000) INSERT INTO moon_a SELECT max(x) FROM n;");
    assert_int_equal(migrate(p, 1, false), -1);
    if (!strstr(p->err.message, "0001_a.sql:2: takes longer than 1 ms, and nothing else can be "
                                "written meanwhile: run `tidetalk migrate`"))
        fail_msg("%s", p->err.message);
    assert_int_equal(tables(p, "moon%"), 0);
    applies(p, "moon 0001 a applied\n");
    assert_int_equal(outside_int(p->f.path, "SELECT x FROM moon_a"), 3000000);
}

static void a_file_may_be_for_one_engine(void **state)
{
    struct plugins *p = *state;

    put(p, "moon", MOON "0001_a.postgres.sql", "CREATE TABLE moon_a (x JSONB);");
    put(p, "moon", MOON "0001_a.sqlite.sql", "CREATE TABLE moon_a (x TEXT);");
    put(p, "moon", MOON "0002_b.sql", "not for this engine");
    put(p, "moon", MOON "0002_b.sqlite.sql", "CREATE TABLE moon_b (x);");
    applies(p, "moon 0001 a applied\nmoon 0002 b applied\n");
    put(p, "moon", MOON "0002_c.sqlite.sql", "CREATE TABLE moon_c (x);");
    refuses(p, "there are two files with this number");
    p->count = 0;
    put(p, "moon", MOON "0003_c.sql", "SELECT 1");
    refuses(p, MOON "0003_c.sql:1: there is no file with the number before this one");
    p->count = 0;
    put(p, "moon", MOON "notes.sql", "SELECT 1");
    refuses(p, MOON "notes.sql:1: a migration is named NUMBER_what.sql");
}

static void data_can_be_deleted(void **state)
{
    struct plugins *p = *state;

    put(p, "moon", MOON "0001_a.sql",
        "CREATE TABLE moon_a (id INTEGER PRIMARY KEY);"
        "CREATE TABLE moon_b (a INTEGER NOT NULL REFERENCES moon_a(id));"
        "INSERT INTO moon_a VALUES (1); INSERT INTO moon_b VALUES (1);"
        "CREATE VIEW moon_v AS SELECT * FROM moon_a;");
    applies(p, "moon 0001 a applied\n");
    tt_buf_free(&p->report.text);
    assert_int_equal(tt_db_drop_plugin(p->f.url, "user", &p->report, &p->err), 0);
    assert_int_equal(tables(p, "user_apis"), 1);
    tt_buf_free(&p->report.text);
    if (tt_db_drop_plugin(p->f.url, "moon", &p->report, &p->err) != 0)
        fail_msg("%s", p->err.message);
    assert_int_equal(tables(p, "moon%"), 0);
    applies(p, "moon 0001 a applied\n");
}

#define PLUGIN_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        PLUGIN_TEST(each_plugin_has_its_own_numbers),
        PLUGIN_TEST(an_applied_version_needs_no_file),
        PLUGIN_TEST(all_of_them_or_none),
        PLUGIN_TEST(tables_of_others_are_refused),
        PLUGIN_TEST(nothing_is_taken_away),
        PLUGIN_TEST(names_that_others_have_are_refused),
        PLUGIN_TEST(what_takes_long_is_refused_online),
        PLUGIN_TEST(a_file_may_be_for_one_engine),
        PLUGIN_TEST(data_can_be_deleted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
