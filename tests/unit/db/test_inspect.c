/* What is found in a database before it is served, in all the states that a loss or a kill leaves
 * it in; and that looking changes none of them. */
#include "db/inspect.h"
#include "support.h"

#include <sys/stat.h>

#define ID "0a1b2c3d"

static const char schema[] =
    "CREATE TABLE schema_migrations (version INTEGER);"
    "CREATE TABLE users (id INTEGER);"
    "CREATE TABLE user_apis (api_key_sealed TEXT NOT NULL);"
    "CREATE TABLE settings (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL,"
    " updated_at TEXT NOT NULL) STRICT, WITHOUT ROWID;";

static int setup(void **state)
{
    struct fixture *f = TT_NEW(struct fixture);
    make_folder(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    remove_folder(*state);
    free(*state);
    return 0;
}

static void put(const struct fixture *f, const char *end, const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s%s", f->path, end);
    write_text_file(path, text);
}

static int64_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? st.st_size : -1;
}

static struct tt_db_contents inspect(const struct fixture *f, const char *seal_id)
{
    struct tt_db_contents contents;
    struct tt_err err = {0};
    int64_t before = size_of(f->path);
    if (tt_db_inspect(f->url, seal_id, &contents, &err) != 0)
        fail_msg("%s", err.message);
    assert_int_equal(size_of(f->path), before);
    return contents;
}

static void no_file_and_no_bytes(void **state)
{
    struct fixture *f = *state;
    struct tt_db_contents contents = inspect(f, ID);
    assert_true(contents.missing && !contents.empty && !contents.log_left && !contents.has_users);
    put(f, "-wal", "");
    assert_false(inspect(f, ID).log_left);
    put(f, "-wal", "pages");
    assert_true(inspect(f, ID).log_left);
    put(f, "", "");
    contents = inspect(f, ID);
    assert_true(!contents.missing && contents.empty && contents.log_left);
    char log[128];
    snprintf(log, sizeof(log), "%s-wal", f->path);
    assert_int_equal(size_of(log), 5); /* never opened: SQLite would have removed it */
}

static void what_is_no_database_is_told(void **state)
{
    struct fixture *f = *state;
    struct tt_db_contents contents;
    struct tt_err err = {0};
    put(f, "",
        "something else, and longer than a header of SQLite, which has a hundred bytes; so "
        "it must be read to be known");
    assert_int_equal(tt_db_inspect(f->url, ID, &contents, &err), -1);
    assert_string_equal(err.code, "database_unavailable");
    assert_non_null(strstr(err.message, f->path));
}

static void tables_and_users(void **state)
{
    struct fixture *f = *state;
    outside_exec(f->path, "PRAGMA journal_mode=WAL; CREATE TABLE other (id INTEGER)");
    struct tt_db_contents contents = inspect(f, ID);
    assert_true(contents.empty && !contents.missing);
    outside_exec(f->path, "CREATE TABLE schema_migrations (version INTEGER)");
    contents = inspect(f, ID); /* all migrations were undone */
    assert_false(contents.empty || contents.has_users || contents.unreadable > 0);
    outside_exec(f->path, "DROP TABLE schema_migrations");
    outside_exec(f->path, schema);
    assert_false(inspect(f, ID).has_users);
    outside_exec(f->path, "INSERT INTO users VALUES (1)");
    assert_true(inspect(f, ID).has_users);
}

static void sealed_keys(void **state)
{
    struct fixture *f = *state;
    struct tt_err err = {0};
    outside_exec(f->path, schema);
    outside_exec(f->path, "PRAGMA journal_mode=WAL");
    f->loop = tt_loop_new(&err);
    open_db(f, NULL);
    outside_exec(f->path, "INSERT INTO user_apis VALUES ('v1." ID ".abc'), ('v1." ID ".def')");
    assert_int_equal(inspect(f, ID).unreadable, 0);
    struct tt_db_contents contents = inspect(f, ""); /* the secret file is gone */
    assert_int_equal(contents.unreadable, 2);
    assert_string_equal(contents.sealed_with, ID);

    contents = inspect(f, "ffffffff");
    assert_int_equal(contents.unreadable, 2);
    assert_false(contents.accepted);
    assert_int_equal(tt_db_accept_seal_key(f->db, f->loop, "ffffffff", &err), 0);
    assert_true(inspect(f, "ffffffff").accepted);
    assert_int_equal(tt_db_accept_seal_key(f->db, f->loop, "eeeeeeee", &err), 0);
    assert_false(inspect(f, "ffffffff").accepted);
    assert_true(inspect(f, "eeeeeeee").accepted);
    assert_false(inspect(f, "").accepted);
    close_db(f);
    tt_loop_free(f->loop);
}

static void copy(const char *from, const char *to)
{
    char bytes[4096];
    size_t n;
    FILE *in = fopen(from, "r"), *out = fopen(to, "w");
    assert_true(in && out);
    while ((n = fread(bytes, 1, sizeof(bytes), in)) > 0)
        assert_int_equal(fwrite(bytes, 1, n, out), n);
    fclose(in);
    fclose(out);
}

/* As a process leaves it that was killed within a transaction before the database was a WAL one. */
static void a_journal_is_rolled_back(void **state)
{
    struct fixture *f = *state;
    char other[128], from[160], to[160];
    snprintf(other, sizeof(other), "%s.other", f->path);
    outside_exec(other, schema);
    sqlite3 *handle = outside_open(other);
    assert_int_equal(
        sqlite3_exec(handle,
                     "PRAGMA cache_size=1; BEGIN; INSERT INTO users VALUES (1);"
                     "CREATE TABLE more (a); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 "
                     "FROM n LIMIT 200) INSERT INTO more SELECT randomblob(2000) FROM n",
                     NULL, NULL, NULL),
        SQLITE_OK);
    copy(other, f->path);
    snprintf(from, sizeof(from), "%s-journal", other);
    snprintf(to, sizeof(to), "%s-journal", f->path);
    copy(from, to);
    sqlite3_close(handle);

    struct tt_db_contents contents;
    struct tt_err err = {0};
    if (tt_db_inspect(f->url, ID, &contents, &err) != 0)
        fail_msg("%s", err.message);
    assert_false(contents.empty || contents.missing || contents.has_users);
}

TEST_GROUP
{
#define INSPECT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        INSPECT_TEST(no_file_and_no_bytes),     INSPECT_TEST(what_is_no_database_is_told),
        INSPECT_TEST(tables_and_users),         INSPECT_TEST(sealed_keys),
        INSPECT_TEST(a_journal_is_rolled_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
