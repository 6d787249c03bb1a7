/* The tables of a database, as its catalogue has them: for copies. Private to db. */
#pragma once
#include "base/arena.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define TT_TABLE_COLUMNS_MAX 64
#define TT_TABLE_KEYS_MAX    8
#define TT_TABLE_PARENTS_MAX 16

struct tt_table {
    struct tt_str name;
    struct tt_str columns[TT_TABLE_COLUMNS_MAX];
    size_t column_count;
    struct tt_str keys[TT_TABLE_KEYS_MAX]; /* its primary key, in order */
    size_t key_count;
    struct tt_str parents[TT_TABLE_PARENTS_MAX]; /* tables to which it refers */
    size_t parent_count;
    bool numbered;
    int64_t last_id; /* the largest number that it has given out */
};

struct tt_tables {
    struct tt_arena arena;
    struct tt_table *items;
    size_t count, capacity;
};

/* Adds a column; `key` is its place in the primary key, from 1, or 0. Columns of a table come in a
 * row. An engine leaves out the search index, which is built anew, and what says how the schema
 * came to be. */
void tt_tables_add_column(struct tt_tables *tables, struct tt_str table, struct tt_str column,
                          int64_t key);
void tt_tables_add_parent(struct tt_tables *tables, struct tt_str table, struct tt_str parent);
struct tt_table *tt_tables_find(const struct tt_tables *tables, struct tt_str name); /* or NULL */

/* Sorts so that a table comes after those to which it refers; those that have nothing to do with
 * others come last, because triggers of others may write to them. */
void tt_tables_sort(struct tt_tables *tables);
void tt_tables_free(struct tt_tables *tables);
