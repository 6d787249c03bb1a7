/* Scripts of migrations, taken apart as far as those of plugins need it. Private to db, and used by
 * its postgres*.c. */
#pragma once
#include "base/buf.h"

struct tt_pg_script {
    struct tt_str sql;
    size_t at; /* of the next statement */
    int line;  /* there; from 1 */
};

/* The next statement without its semicolon; *line is where it begins. False: there is none. */
bool tt_pg_script_next(struct tt_pg_script *script, struct tt_str *statement, int *line);

/* Why a migration of a plugin may not have this statement, a sentence; NULL if it may. */
const char *tt_pg_script_refusal(struct tt_str statement);

/* Appends a statement of a file for all engines. The types of its columns are SQLite's words, and
 * mean what they mean there: INTEGER has 64 bits, an INTEGER PRIMARY KEY gives numbers by itself,
 * texts are compared byte by byte. Lines stay where they are. */
void tt_pg_script_types(struct tt_str statement, struct tt_buf *out);
