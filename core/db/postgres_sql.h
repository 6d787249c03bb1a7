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

/* The end of parentheses that open at `at`. */
size_t tt_pg_skip_parentheses(struct tt_str sql, size_t at);

/* The table into which a statement inserts, as it stands there; "" if it is another statement. */
struct tt_str tt_pg_inserted_table(struct tt_str sql);
/* Whether it is INSERT INTO … (columns) VALUES (…) and nothing more: one row, or an error. *columns
 * has the parentheses. */
bool tt_pg_inserts_one(struct tt_str sql, struct tt_str *columns);
/* Lets parameters of such a statement stand for the numbers that sequences have given last.
 * `sequences` has one for each parameter, or NULL. (postgres_set_sql.c) */
void tt_pg_use_sequences(struct tt_buf *sql, const char *const *sequences, size_t count);

/* ---- one statement for many rows (postgres_set_sql.c) ---- */

enum tt_pg_set {
    TT_PG_SET_NONE,    /* there is no such form */
    TT_PG_SET_ROWS,    /* each inserts one row; they are answered in order */
    TT_PG_SET_CHANGES, /* the answer has the place, from 1, of each that has changed a row */
    TT_PG_SET_COUNT    /* the answer is only how many rows there are */
};

/* Of a statement with $1, $2… */
enum tt_pg_set tt_pg_set_of(struct tt_str sql);
/* Which parameters say what row it is: those behind WHERE, and only if there are none, those in
 * parentheses there, which say more of conditions. keys[i] is that of parameter i + 1. */
void tt_pg_set_keys(struct tt_str sql, bool *keys, size_t count);
/* Appends the form for many. `types` has one for each parameter, such as "bigint", or NULL if it is
 * NULL for all; the other ones are arrays in the order of the parameters. */
void tt_pg_set_text(struct tt_str sql, enum tt_pg_set set, const char *const *types, size_t count,
                    struct tt_buf *out);
