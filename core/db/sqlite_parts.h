/* tidetalk_part(message, byte, column) and tidetalk_part_end(message, byte, column): how this
 * column of the long message with this id is cut for the search index. */
#pragma once
#include <sqlite3.h>

/* Fails: an SQLite code. */
int tt_sqlite_parts_register(sqlite3 *handle);
