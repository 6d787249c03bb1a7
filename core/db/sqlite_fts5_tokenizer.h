/* How messages are cut into search terms: the FTS5 tokenizer "tidetalk". Words as unicode61 cuts
 * them; scripts that are written without blanks (Han, kana, Hangul) as single characters and as
 * pairs of neighbours, so that a query of one character and one of several both find their place.
 * (FTS5's own trigram tokenizer finds nothing for two characters, which most Chinese words have.)
 */
#pragma once
#include <sqlite3.h>

/* Makes the tokenizer known to the connection. Returns SQLite's code. */
int tt_fts5_tokenizer_register(struct fts5_api *api);
