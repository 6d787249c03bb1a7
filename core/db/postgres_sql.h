/* A statement of the product in PostgreSQL's form. Private to db, and used by its postgres*.c. */
#pragma once
#include "base/buf.h"
#include "base/err.h"

struct tt_pg_text {
    struct tt_buf sql;   /* with $1, $2… */
    size_t parameters;   /* that it has */
    struct tt_str table; /* into which it inserts, as `sql` has it; "" otherwise */
    bool returns;        /* the word RETURNING is in it */
};

/* Replaces ? and ?1 outside of texts, names and comments. Refuses what is no query and no change of
 * rows: BEGIN, COMMIT, SET and the like would reach other jobs. Owns: the caller, out->sql, also
 * after a failure. Fails: "sql_error". */
int tt_pg_translate(struct tt_str sql, struct tt_pg_text *out, struct tt_err *err);

/* The end of a text, a quoted name or a comment that begins at `at`; `at` if none does. */
size_t tt_pg_skip_quoted(struct tt_str sql, size_t at);
bool tt_pg_in_word(char c); /* of keywords and names */
