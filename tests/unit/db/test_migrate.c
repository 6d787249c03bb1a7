/* Migrations: applied once and whole, refused when history changed, in turns with other processes.
 */
#include "db/migrate.h"
#include "support.h"

#include <sys/stat.h>
#include <sys/wait.h>

struct folder {
    struct fixture f; /* dir and path only */
    char migrations[80];
    struct tt_migrate_report report;
    struct tt_err err;
};

static void put(struct folder *d, const char *name, const char *text)
{
    char path[192];
    snprintf(path, sizeof(path), "%s/sqlite/%s", d->migrations, name);
    write_text_file(path, text);
}

static void put_folder(struct folder *d)
{
    char path[192];
    snprintf(path, sizeof(path), "%s/sqlite", d->migrations);
    assert_int_equal(mkdir(path, 0700), 0);
}

static void drop(struct folder *d, const char *name)
{
    char path[192];
    snprintf(path, sizeof(path), "%s/sqlite/%s", d->migrations, name);
    assert_int_equal(remove(path), 0);
}

static int setup(void **state)
{
    struct folder *d = TT_NEW(struct folder);
    make_folder(&d->f);
    snprintf(d->migrations, sizeof(d->migrations), "%s/migrations", d->f.dir);
    assert_int_equal(mkdir(d->migrations, 0700), 0);
    put_folder(d);
    put(d, "README.md", "not ours");
    put(d, "0001_init.up.sql",
        "-- first\n/* tables */\n"
        "CREATE TABLE a (id INTEGER PRIMARY KEY);\nINSERT INTO a VALUES (1), (2);\n"
        "CREATE TABLE b (a_id INTEGER REFERENCES a (id) ON DELETE CASCADE);\n"
        "INSERT INTO b VALUES (1);\n-- end");
    put(d, "0001_init.down.sql", "DROP TABLE b;\nDROP TABLE a;\n");
    put(d, "0002_more.up.sql", "ALTER TABLE a ADD COLUMN name TEXT;");
    put(d, "0002_more.down.sql", "ALTER TABLE a DROP COLUMN name;");
    *state = d;
    return 0;
}

static int teardown(void **state)
{
    struct folder *d = *state;
    tt_buf_free(&d->report.text);
    remove_folder(&d->f);
    free(d);
    return 0;
}

static int migrate(struct folder *d, bool dry_run)
{
    tt_buf_free(&d->report.text);
    d->err = (struct tt_err){0};
    return tt_db_migrate(d->f.url, d->migrations, dry_run, &d->report, &d->err);
}

static int migrate_down(struct folder *d, int version)
{
    tt_buf_free(&d->report.text);
    d->err = (struct tt_err){0};
    return tt_db_migrate_down(d->f.url, d->migrations, version, &d->report, &d->err);
}

static void assert_ok(struct folder *d, int status, int version, int applied, const char *text)
{
    if (status != 0)
        fail_msg("%s: %s", d->err.code, d->err.message);
    assert_int_equal(d->report.version, version);
    assert_int_equal(d->report.applied, applied);
    assert_string_equal(d->report.text.data, text);
}

static void assert_refused(struct folder *d, int status, const char *code, const char *names)
{
    assert_int_equal(status, -1);
    assert_string_equal(d->err.code, code);
    if (!strstr(d->err.message, names))
        fail_msg("%s", d->err.message);
}

static void test_applies_once(void **state)
{
    struct folder *d = *state;
    struct stat st;
    assert_ok(d, migrate(d, true), 0, 0, "0001 init pending\n0002 more pending\n");
    assert_int_not_equal(access(d->f.path, F_OK), 0); /* a dry run makes nothing */
    assert_ok(d, migrate(d, false), 2, 2, "0001 init applied\n0002 more applied\n");
    assert_int_equal(stat(d->f.path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_ok(d, migrate(d, false), 2, 0, "0001 init done\n0002 more done\n");
    assert_int_equal(outside_int(d->f.path, "SELECT count(*) FROM a WHERE name IS NULL"), 2);
    assert_int_equal(outside_int(d->f.path, "SELECT count(*) FROM schema_migrations"), 2);
    put(d, "0003_third.up.sql", "CREATE TABLE c (x);");
    assert_ok(d, migrate(d, true), 2, 0, "0001 init done\n0002 more done\n0003 third pending\n");
    assert_ok(d, migrate(d, false), 3, 1, "0001 init done\n0002 more done\n0003 third applied\n");
}

static void test_history_changed(void **state)
{
    struct folder *d = *state;
    assert_int_equal(migrate(d, false), 0);
    put(d, "0002_more.up.sql", "ALTER TABLE a ADD COLUMN name TEXT NOT NULL DEFAULT '';");
    put(d, "0003_third.up.sql", "CREATE TABLE c (x);");
    assert_refused(d, migrate(d, false), "migration_changed", "0002_more");
    assert_refused(d, migrate(d, true), "migration_changed", "0002_more");
    assert_int_equal(outside_int(d->f.path, "SELECT count(*) FROM schema_migrations"), 2);
}

static void test_missing(void **state)
{
    struct folder *d = *state;
    assert_int_equal(migrate(d, false), 0);
    drop(d, "0002_more.up.sql"); /* the newest: the program is older than its database */
    assert_refused(d, migrate(d, false), "migration_missing", "0002");
    put(d, "0003_third.up.sql", "CREATE TABLE c (x);"); /* a gap */
    assert_refused(d, migrate(d, false), "migration_missing", "0002");
    drop(d, "0003_third.up.sql");
    drop(d, "0001_init.up.sql");
    assert_refused(d, migrate(d, false), "migration_missing", "no migrations");
}

static void test_wrong_files(void **state)
{
    struct folder *d = *state;
    put(d, "0003-third.up.sql", "CREATE TABLE c (x);");
    assert_refused(d, migrate(d, false), "migration_failed", "0003-third");
    drop(d, "0003-third.up.sql");
    put(d, "0002_again.up.sql", "CREATE TABLE c (x);");
    assert_refused(d, migrate(d, false), "migration_failed", "0002");
    drop(d, "0002_again.up.sql");
    snprintf(d->migrations, sizeof(d->migrations), "%s/nowhere", d->f.dir);
    assert_refused(d, migrate(d, false), "migration_failed", "nowhere");
}

static void test_broken_sql_leaves_nothing(void **state)
{
    static const struct {
        const char *sql, *names;
    } cases[] = {
        {"CREATE TABLE c (x);\nINSERT INTO c VALUES (1);\n\nCREATE TABL d (x);\n", "line 4"},
        {"CREATE TABLE c (x);\nINSERT INTO c SELECT y FROM a;", "line 2"},
        {"CREATE TABLE c (x);\nCOMMIT;\nCREATE TABLE a (x);", "line 2"},
        {"CREATE TABLE c (x);\nDELETE FROM a;", "refer to nothing"}, /* b still refers to it */
        {"CREATE TABLE c (x NOT NULL);\nINSERT INTO c VALUES (NULL);", "NOT NULL"},
        {"CREATE TABLE c (x) -- no end\nCREATE", "line 2"},
    };
    struct folder *d = *state;
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        put(d, "0003_broken.up.sql", cases[i].sql);
        assert_refused(d, migrate(d, false), "migration_failed", "0003_broken.up.sql");
        if (!strstr(d->err.message, cases[i].names))
            fail_msg("%s: %s", cases[i].sql, d->err.message);
        assert_int_equal(d->report.version, 2);
        assert_int_equal(
            outside_int(d->f.path, "SELECT count(*) FROM sqlite_schema WHERE name = 'c'"), 0);
        assert_int_equal(outside_int(d->f.path, "SELECT count(*) FROM a"), 2);
        assert_int_equal(outside_int(d->f.path, "SELECT max(version) FROM schema_migrations"), 2);
    }
    put(d, "0003_broken.up.sql", "CREATE TABLE c (x);");
    assert_int_equal(migrate(d, false), 0);
}

/* What SQLite's manual asks for where ALTER TABLE is not enough: children must survive. */
static void test_rebuilds_a_parent_table(void **state)
{
    struct folder *d = *state;
    put(d, "0003_rebuild.up.sql",
        "CREATE TABLE a_new (id INTEGER PRIMARY KEY, name TEXT NOT NULL DEFAULT 'x');"
        "INSERT INTO a_new (id) SELECT id FROM a; DROP TABLE a;"
        "ALTER TABLE a_new RENAME TO a;");
    assert_int_equal(migrate(d, false), 0);
    assert_int_equal(outside_int(d->f.path, "SELECT count(*) FROM b WHERE a_id = 1"), 1);
}

static void test_down(void **state)
{
    struct folder *d = *state;
    assert_int_equal(migrate(d, false), 0);
    assert_ok(d, migrate_down(d, 1), 1, 1, "0002 more undone\n");
    assert_ok(d, migrate(d, false), 2, 1, "0001 init done\n0002 more applied\n");
    assert_ok(d, migrate_down(d, 0), 0, 2, "0002 more undone\n0001 init undone\n");
    assert_int_equal(outside_int(d->f.path, "SELECT count(*) FROM sqlite_schema WHERE name = 'a'"),
                     0);
    assert_int_equal(migrate_down(d, 0), 0);
    assert_int_equal(migrate(d, false), 0);
    drop(d, "0002_more.down.sql");
    assert_refused(d, migrate_down(d, 0), "migration_missing", "0002_more.down.sql");
    put(d, "0002_more.down.sql", "DROP TABLE nothing;");
    assert_refused(d, migrate_down(d, 0), "migration_failed", "0002_more.down.sql");
    assert_int_equal(outside_int(d->f.path, "SELECT max(version) FROM schema_migrations"), 2);
    assert_refused(d, migrate_down(d, -1), "migration_failed", "-1");
}

static void test_two_processes(void **state)
{
    struct folder *d = *state;
    char name[64], sql[128];
    for (int i = 3; i <= 20; i++) {
        snprintf(name, sizeof(name), "%04d_step.up.sql", i);
        snprintf(sql, sizeof(sql), "CREATE TABLE t%d (x); INSERT INTO a (name) VALUES ('%d');", i,
                 i);
        put(d, name, sql);
    }
    for (int round = 0; round < 3; round++) {
        pid_t pids[4];
        for (int i = 0; i < 4; i++) {
            pids[i] = fork();
            if (pids[i] == 0) {
                int status = migrate(d, false);
                if (status != 0)
                    fprintf(stderr, "%s\n", d->err.message);
                _exit(status != 0);
            }
        }
        for (int i = 0; i < 4; i++) {
            int status = 0;
            waitpid(pids[i], &status, 0);
            assert_int_equal(status, 0);
        }
        assert_int_equal(outside_int(d->f.path, "SELECT count(*) FROM schema_migrations"), 20);
        assert_int_equal(outside_int(d->f.path, "SELECT count(*) FROM a"), 20);
        remove(d->f.path);
    }
}

/* The project's own: up, down, up. */
static void test_ours(void **state)
{
    struct folder *d = *state;
    snprintf(d->migrations, sizeof(d->migrations), "%s", TT_TEST_DATA "/../../migrations");
    assert_int_equal(migrate(d, false), 0);
    int newest = d->report.version;
    assert_int_equal(migrate_down(d, 0), 0);
    assert_int_equal(outside_int(d->f.path, "SELECT count(*) FROM sqlite_schema WHERE name NOT"
                                            " LIKE 'sqlite%' AND name <> 'schema_migrations'"),
                     0);
    assert_int_equal(migrate(d, false), 0);
    assert_int_equal(d->report.version, newest);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_applies_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_history_changed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_missing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_broken_sql_leaves_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rebuilds_a_parent_table, setup, teardown),
        cmocka_unit_test_setup_teardown(test_down, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_processes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ours, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
