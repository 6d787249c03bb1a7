#include "db/sqlite_fts5.h"

#include "db/sqlite_fts5_snippet.h"
#include "db/sqlite_fts5_tokenizer.h"
#include "db/sqlite_parts.h"
#include "db/sqlite_search_text.h"
#include "db/sqlite_without_nul.h"

#include <stddef.h>

/* How to get FTS5's interface: https://www.sqlite.org/fts5.html, 7. */
static fts5_api *find_api(sqlite3 *handle)
{
    fts5_api *api = NULL;
    sqlite3_stmt *statement = NULL;

    if (sqlite3_prepare_v2(handle, "SELECT fts5(?1)", -1, &statement, NULL) == SQLITE_OK) {
        sqlite3_bind_pointer(statement, 1, &api, "fts5_api_ptr", NULL);
        sqlite3_step(statement);
    }
    sqlite3_finalize(statement);
    return api;
}

static int register_all(sqlite3 *handle, char **message,
                        const struct sqlite3_api_routines *routines)
{
    fts5_api *api = find_api(handle);
    (void)message;
    (void)routines;
    if (!api)
        return SQLITE_ERROR;
    int rc = tt_fts5_tokenizer_register(api);
    if (rc == SQLITE_OK)
        rc = tt_fts5_snippet_register(api);
    if (rc == SQLITE_OK)
        rc = tt_sqlite_parts_register(handle);
    if (rc == SQLITE_OK)
        rc = tt_sqlite_search_text_register(handle);
    return rc == SQLITE_OK ? tt_sqlite_without_nul_register(handle) : rc;
}

void tt_fts5_setup(void)
{
    sqlite3_auto_extension((void (*)(void))register_all);
}
