#include "db/sqlite_without_nul.h"

#include "base/buf.h"
#include "base/utf8.h"

static void without_nul(sqlite3_context *context, int count, sqlite3_value **values)
{
    struct tt_buf clean = {0};
    struct tt_str text;
    (void)count;
    text.data = (const char *)sqlite3_value_text(values[0]);
    text.len = (size_t)sqlite3_value_bytes(values[0]);
    if (!text.data) {
        sqlite3_result_null(context);
        return;
    }
    tt_utf8_append_without_nul(&clean, text);
    sqlite3_result_text64(context, clean.data ? clean.data : "", clean.len, SQLITE_TRANSIENT,
                          SQLITE_UTF8);
    tt_buf_free(&clean);
}

int tt_sqlite_without_nul_register(sqlite3 *handle)
{
    const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
    return sqlite3_create_function(handle, "tidetalk_without_nul", 1, flags, NULL, without_nul,
                                   NULL, NULL);
}
