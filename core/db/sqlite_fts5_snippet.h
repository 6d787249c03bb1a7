/* tidetalk_snippet(table, column): the part of a text where most phrases of a query of an FTS5
 * table stand close together, with "…" where text was left out. FTS5's own snippet() compares each
 * hit with all others, and SQLite cannot interrupt it: a message that repeats one word 170,000
 * times held a thread for minutes. This function visits a bounded number of hits and reads the text
 * once, up to the place. */
#pragma once
#include <sqlite3.h>

/* Registers the function for the connection. Returns SQLite's code. */
int tt_fts5_snippet_register(struct fts5_api *api);
