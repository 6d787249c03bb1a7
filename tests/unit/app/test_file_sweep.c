/* The sweep at start with more rows than a query's page: files of every page stay. */
#include "app/file_sweep.h"
#include "app/support.h"
#include "db/migrate.h"
#include "files/store.h"

#include <fcntl.h>
#include <sqlite3.h>

#define ROWS 1203 /* two whole pages and a part of one */

/* A file of its own for each row, numbers with gaps as rows have that others were deleted between.
 */
static void put_rows(const char *path)
{
    static const char sql[] =
        "INSERT INTO users (id, username, password_hash, created_at, updated_at)"
        " VALUES (1, 'u', 'h', 't', 't');"
        "INSERT INTO chat_sessions (id, session_id, user_id, title, model_name, created_at,"
        " updated_at) VALUES (1, 's', 1, 't', 'm', 't', 't');"
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1203)"
        " INSERT INTO uploaded_files (id, user_id, session_row, file_name, file_type, file_key,"
        " file_size, created_at, updated_at)"
        " SELECT i, 1, 1, 'f', '.txt', printf('%032x', i * 7919), 1, 't', 't' FROM n;";
    sqlite3 *db;
    char *message = NULL;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s", message);
    sqlite3_close(db);
}

static void file_path(char out[128], int row)
{
    char key[TT_STORE_KEY_SIZE];
    snprintf(key, sizeof(key), "%032x", (unsigned)row * 7919);
    snprintf(out, 128, "files/%.2s/%s", key, key);
}

static void put_file(int row)
{
    char path[128], shard[9];
    file_path(path, row);
    snprintf(shard, sizeof(shard), "%.8s", path); /* "files/ab" */
    mkdir(shard, 0700);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static bool has_file(int row)
{
    char path[128];
    file_path(path, row);
    return access(path, F_OK) == 0;
}

static void files_of_all_pages_stay(void **state)
{
    struct home *home = *state;
    struct tt_migrate_report report = {0};

    if (tt_db_migrate("sqlite:tidetalk.db", SOURCE "/migrations", false, &report, &home->err) != 0)
        fail_msg("%s", home->err.message);
    tt_buf_free(&report.text);
    put_rows("tidetalk.db");
    tt_store_close(tt_store_open(&(struct tt_store_place){.folder = "files"},
                                 &home->err)); /* makes the folders */
    for (int row = 1; row <= ROWS + 2; row++)  /* the last two have no row */
        put_file(row);

    struct tt_store *store = tt_store_open(&(struct tt_store_place){.folder = "files"}, &home->err);
    struct tt_db *db =
        tt_db_open(&(struct tt_db_settings){.url = "sqlite:tidetalk.db"}, NULL, &home->err);
    struct tt_aux *aux = tt_aux_new("files", 1, 4, &home->err);
    assert_int_equal(tt_app_sweep_files(store, db, aux, &home->err), 0);
    while (has_file(ROWS + 1) || has_file(ROWS + 2) || tt_aux_busy(aux) > 0)
        usleep(1000); /* the test's own time limit ends this */
    tt_aux_free(aux);
    for (int row = 1; row <= ROWS; row++)
        if (!has_file(row))
            fail_msg("the file of row %d was taken for an orphan", row);
    tt_db_close(db);
    tt_store_close(store);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {HOME_TEST(files_of_all_pages_stay)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
