/* tidetalk_part(text, byte) and tidetalk_part_end(text, byte): how a long message is cut for the
 * search index. */
#pragma once
#include <sqlite3.h>

/* Fails: an SQLite code. */
int tt_sqlite_parts_register(sqlite3 *handle);
