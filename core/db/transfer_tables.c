#include "db/transfer_tables.h"

#include "base/mem.h"

#include <stdlib.h>

struct tt_table *tt_tables_find(const struct tt_tables *tables, struct tt_str name)
{
    for (size_t i = 0; i < tables->count; i++)
        if (tt_str_eq(tables->items[i].name, name))
            return &tables->items[i];
    return NULL;
}

static struct tt_table *add_table(struct tt_tables *tables, struct tt_str name)
{
    if (tables->count == tables->capacity) {
        tables->capacity = tables->capacity ? 2 * tables->capacity : 32;
        tables->items = tt_realloc(tables->items, tables->capacity * sizeof(*tables->items));
    }
    struct tt_table *table = &tables->items[tables->count++];
    *table = (struct tt_table){.name = tt_arena_str(&tables->arena, name)};
    return table;
}

void tt_tables_add_column(struct tt_tables *tables, struct tt_str name, struct tt_str column,
                          int64_t key)
{
    struct tt_table *table = tt_tables_find(tables, name);
    if (!table)
        table = add_table(tables, name);
    struct tt_str copy = tt_arena_str(&tables->arena, column);
    if (table->column_count < TT_TABLE_COLUMNS_MAX)
        table->columns[table->column_count++] = copy;
    if (key >= 1 && key <= TT_TABLE_KEYS_MAX) {
        table->keys[key - 1] = copy;
        if ((size_t)key > table->key_count)
            table->key_count = (size_t)key;
    }
}

void tt_tables_add_parent(struct tt_tables *tables, struct tt_str name, struct tt_str parent)
{
    struct tt_table *table = tt_tables_find(tables, name);
    if (table && !tt_str_eq(name, parent) && table->parent_count < TT_TABLE_PARENTS_MAX)
        table->parents[table->parent_count++] = tt_arena_str(&tables->arena, parent);
}

static bool is_parent(const struct tt_tables *tables, struct tt_str name)
{
    for (size_t i = 0; i < tables->count; i++)
        for (size_t k = 0; k < tables->items[i].parent_count; k++)
            if (tt_str_eq(tables->items[i].parents[k], name))
                return true;
    return false;
}

/* All its parents are among the first `count`. */
static bool is_ready(const struct tt_tables *tables, const struct tt_table *table, size_t count)
{
    for (size_t k = 0; k < table->parent_count; k++) {
        const struct tt_table *parent = tt_tables_find(tables, table->parents[k]);
        if (parent && parent >= tables->items + count)
            return false;
    }
    return true;
}

void tt_tables_sort(struct tt_tables *tables)
{
    for (size_t done = 0; done < tables->count; done++) {
        size_t best = done;
        bool found = false;
        for (size_t i = done; i < tables->count && !found; i++) {
            const struct tt_table *table = &tables->items[i];
            bool alone = table->parent_count == 0 && !is_parent(tables, table->name);
            if (!alone && is_ready(tables, table, done)) {
                best = i;
                found = true;
            }
        }
        struct tt_table swap = tables->items[done];
        tables->items[done] = tables->items[best];
        tables->items[best] = swap;
    }
}

void tt_tables_free(struct tt_tables *tables)
{
    tt_arena_destroy(&tables->arena);
    free(tables->items);
    *tables = (struct tt_tables){0};
}
