/* tidetalk_snippet(table, column): a part of a text that a query of an FTS5 table found, around the
 * place where most of the query's phrases stand together; "…" where text was left out. FTS5's own
 * snippet() compares each hit with all others, and SQLite cannot interrupt it: a message that
 * repeats one word 170,000 times held a thread for minutes. This one looks at a bounded number of
 * hits and reads the text once, up to the place. */
#pragma once
#include <sqlite3.h>

/* Makes the function known to the connection. Returns SQLite's code. */
int tt_fts5_snippet_register(struct fts5_api *api);
