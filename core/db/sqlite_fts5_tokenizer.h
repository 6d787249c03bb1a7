/* How messages are cut into search terms: the FTS5 tokenizer "tidetalk". Words are cut as by
 * unicode61; scripts that are written without blanks (Han, kana, Hangul) give single characters and
 * pairs of neighbours, so that queries of one or several characters both find matches. (FTS5's own
 * trigram tokenizer finds nothing for two characters, the length of most Chinese words.) */
#pragma once
#include <sqlite3.h>

/* Registers the tokenizer for the connection. Returns SQLite's code. */
int tt_fts5_tokenizer_register(struct fts5_api *api);
