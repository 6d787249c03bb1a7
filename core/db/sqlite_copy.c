/* Copies a database as it is at one moment, also while a server writes to it. */
#include "db/sqlite_internal.h"

int tt_sqlite_copy(const char *from, const char *to, struct tt_err *err)
{
    sqlite3 *source = NULL, *target = NULL;
    sqlite3_backup *backup = NULL;
    int rc = sqlite3_open_v2(from, &source, SQLITE_OPEN_READONLY, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_open_v2(to, &target, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_busy_timeout(source, 5000);
        backup = sqlite3_backup_init(target, "main", source, "main");
        rc = backup ? sqlite3_backup_step(backup, -1) : sqlite3_errcode(target);
        if (sqlite3_backup_finish(backup) == SQLITE_OK && rc == SQLITE_DONE)
            rc = SQLITE_OK;
    }
    sqlite3_close(source);
    sqlite3_close(target);
    return rc == SQLITE_OK ? 0
                           : tt_err_set(err, 503, "database_unavailable",
                                        "%s: cannot be copied: %s", from, sqlite3_errstr(rc));
}
