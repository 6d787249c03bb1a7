/* The engine writes the query, and the interface runs it: in the background, because nobody knows
 * how much it has to search. */
#include "db/search.h"

#include "db/engine.h"

typedef struct tt_db_query make_query_fn(struct tt_arena *arena, const struct tt_search *search);

static int ask(struct tt_db *db, struct tt_loop *loop, make_query_fn *make,
               const struct tt_search *search, tt_db_rows_fn *on_rows, void *arg,
               struct tt_db_pending **pending, struct tt_err *err)
{
    struct tt_arena arena = {0};
    struct tt_db_query query = make(&arena, search);
    query.in_background = true;
    query.owner = (uint64_t)search->user_id;
    int failed = tt_db_read(db, loop, &query, on_rows, arg, pending, err);
    tt_arena_destroy(&arena);
    return failed;
}

int tt_search_find(struct tt_db *db, struct tt_loop *loop, const struct tt_search *search,
                   tt_db_rows_fn *on_rows, void *arg, struct tt_db_pending **pending,
                   struct tt_err *err)
{
    return ask(db, loop, db->engine->search->find, search, on_rows, arg, pending, err);
}

int tt_search_count(struct tt_db *db, struct tt_loop *loop, const struct tt_search *search,
                    tt_db_rows_fn *on_rows, void *arg, struct tt_db_pending **pending,
                    struct tt_err *err)
{
    return ask(db, loop, db->engine->search->count, search, on_rows, arg, pending, err);
}
