/* tidetalk_without_nul(text): the text with U+FFFD for each U+0000. SQLite's own replace() takes a
 * NUL for the end of a text. For migrations. */
#pragma once
#include <sqlite3.h>

/* Fails: an SQLite code. */
int tt_sqlite_without_nul_register(sqlite3 *handle);
