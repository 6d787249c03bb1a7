/* Any text can be put into the search index, found in it and taken out again, and the index stays
 * sound; any words make a query that FTS5 accepts. The input is the words up to the first NUL, and
 * the text. */
#include "db/sqlite_fts5.h"
#include "db/sqlite_internal.h"
#include "fuzz.h"

#include <sqlite3.h>

static sqlite3 *handle;

static void stop(void)
{
    sqlite3_close(handle);
}

static void run(const char *sql)
{
    check(sqlite3_exec(handle, sql, NULL, NULL, NULL) == SQLITE_OK);
}

static void begin(void)
{
    tt_fts5_setup();
    check(sqlite3_open(":memory:", &handle) == SQLITE_OK);
    run("CREATE TABLE messages (id INTEGER PRIMARY KEY, owner TEXT, content TEXT);"
        "CREATE VIRTUAL TABLE message_search USING fts5 (owner, content, content = 'messages',"
        " content_rowid = 'id', tokenize = 'tidetalk', prefix = '3 4 5')");
    atexit(stop);
}

static void run_with(const char *sql, struct tt_str text)
{
    sqlite3_stmt *statement = NULL;
    int rc;

    check(sqlite3_prepare_v2(handle, sql, -1, &statement, NULL) == SQLITE_OK);
    sqlite3_bind_text(statement, 1, text.data ? text.data : "", (int)text.len, SQLITE_STATIC);
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW)
        ;
    check(rc == SQLITE_DONE);
    sqlite3_finalize(statement);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *nul = size > 0 ? memchr(data, 0, size) : NULL;
    size_t cut = nul ? (size_t)(nul - (const char *)data) : size;
    struct tt_search search = {.user_id = 1, .words = tt_str_of((const char *)data, cut)};
    struct tt_str text = tt_str_of((const char *)data + cut, size - cut);
    struct tt_buf expression = {0};

    if (!handle)
        begin();
    run("BEGIN");
    run_with("INSERT INTO messages (id, owner, content) VALUES (1, 'u1', ?1)", text);
    run("INSERT INTO message_search (rowid, owner, content) SELECT id, owner, content FROM "
        "messages");
    run("INSERT INTO message_search (message_search, rank) VALUES ('integrity-check', 1)");
    tt_sqlite_search_expression(&expression, &search);
    run_with("SELECT tidetalk_snippet(message_search, 1) FROM message_search"
             " WHERE message_search MATCH ?1",
             tt_buf_str(&expression));
    run("INSERT INTO message_search (message_search, rowid, owner, content)"
        " SELECT 'delete', id, owner, content FROM messages");
    run("DELETE FROM messages");
    run("INSERT INTO message_search (message_search, rank) VALUES ('integrity-check', 1)");
    run("ROLLBACK");
    tt_buf_free(&expression);
    return 0;
}
