/* A statement of the product in PostgreSQL's form. Private to db, and used by its postgres*.c. */
#pragma once
#include "base/buf.h"
#include "base/err.h"

struct tt_pg_text {
    struct tt_buf sql; /* with $1, $2… */
    size_t parameters; /* that it has */
    bool returns;      /* the word RETURNING is in it */
};

/* Replaces ? and ?1 outside of texts, names and comments. Refuses what is no query and no change of
 * rows: BEGIN, COMMIT, SET and the like would reach other jobs. Owns: the caller, out->sql, also
 * after a failure. Fails: "sql_error". */
int tt_pg_translate(struct tt_str sql, struct tt_pg_text *out, struct tt_err *err);

/* The end of a text, a quoted name or a comment that begins at `at`; `at` if none does. */
size_t tt_pg_skip_quoted(struct tt_str sql, size_t at);
bool tt_pg_in_word(char c); /* of keywords and names */
/* The first that is neither a blank, a comment nor one of `more`, from `at` on. */
size_t tt_pg_skip_blanks(struct tt_str sql, size_t at, const char *more);
/* The next word, quoted text or sign from *at on; empty at the end. */
struct tt_str tt_pg_take(struct tt_str sql, size_t *at);

/* The table into which a statement inserts, as it stands there; "" if it is another statement. */
struct tt_str tt_pg_inserted_table(struct tt_str sql);
/* Whether it is INSERT INTO … (columns) VALUES (…) and nothing more: one row, or an error. *columns
 * has the parentheses. */
bool tt_pg_inserts_one(struct tt_str sql, struct tt_str *columns);
/* Lets a parameter stand, where it is NULL, for the number that the sequence has given last. */
void tt_pg_use_sequence(struct tt_buf *sql, size_t number, struct tt_str sequence);
