/* What this server adds to FTS5, SQLite's full-text search: the tokenizer "tidetalk"
 * (sqlite_fts5_tokenizer.h) and the function tidetalk_snippet (sqlite_fts5_snippet.h). */
#pragma once

/* Registers both for every connection that is opened from now on. Thread: any, once. */
void tt_fts5_setup(void);
