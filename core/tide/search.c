/* tide.search: finding messages by their text. The database engine decides how (db/search.h). */
#include "db/search.h"

#include "db/search_index.h"
#include "script/task.h"
#include "script/value.h"
#include "tide/modules.h"

/* ---- index ---- */

struct indexing {
    struct tt_wait wait;
    struct tt_search_catch_up catch_up;
};

static void indexing_done(struct tt_search_catch_up *catch_up, const struct tt_err *err)
{
    struct indexing *indexing = TT_CONTAINER_OF(catch_up, struct indexing, catch_up);
    if (err)
        indexing->wait.err = *err;
    tt_wait_done(&indexing->wait);
}

static int indexing_push(struct tt_wait *wait, lua_State *L)
{
    (void)wait;
    lua_pushboolean(L, true);
    return 1;
}

static void indexing_abandon(struct tt_wait *wait)
{
    if (tt_search_catch_up_cancel(&TT_CONTAINER_OF(wait, struct indexing, wait)->catch_up))
        tt_wait_drop(wait);
}

static int search_index(lua_State *L)
{
    static const struct tt_wait_type type = {.push = indexing_push, .abandon = indexing_abandon};
    tt_task_check_wait(L, "search.index");
    struct tt_tide *tide = tt_tide_of(L);
    lua_Integer user_id = luaL_checkinteger(L, 1);
    struct indexing *indexing = tt_wait_new(sizeof(*indexing), &type);

    int begun = tt_search_catch_up(&indexing->catch_up, tide->chat.db, tide->runtime.loop, user_id,
                                   indexing_done, &indexing->wait.err);
    if (begun == 1)
        return tt_task_yield(L, &indexing->wait);
    if (begun < 0)
        return tt_wait_refuse(L, &indexing->wait);
    tt_wait_free(&indexing->wait);
    lua_pushboolean(L, true);
    return 1;
}

/* ---- find ---- */

/* Searches never answer within the call. */
static void on_rows(struct tt_db_rows *rows, void *arg)
{
    (void)rows, (void)arg;
}

static struct tt_search check_search(lua_State *L)
{
    struct tt_search search = {.user_id = luaL_checkinteger(L, 1)};
    search.words.data = luaL_checklstring(L, 2, &search.words.len);
    search.limit = luaL_checkinteger(L, 3);
    search.offset = luaL_optinteger(L, 4, 0);
    return search;
}

static int find(lua_State *L, const char *function, enum tt_tide_rows what)
{
    tt_task_check_wait(L, function);
    struct tt_tide *tide = tt_tide_of(L);
    struct tt_search search = check_search(L);
    struct tt_db_pending *pending;
    struct tt_err err = {0};

    if (tt_search_find(tide->chat.db, tide->runtime.loop, &search, on_rows, NULL, &pending, &err) !=
        0)
        return tt_value_push_error(L, &err);
    return tt_tide_wait_rows(L, function, pending, what);
}

static int search_find(lua_State *L)
{
    return find(L, "search.find", TT_ROWS_ALL);
}

static int search_json(lua_State *L)
{
    tt_tide_check_json(L, "search.json", 5);
    return find(L, "search.json", TT_ROWS_JSON);
}

static int search_count(lua_State *L)
{
    tt_task_check_wait(L, "search.count");
    struct tt_tide *tide = tt_tide_of(L);
    struct tt_search search = check_search(L);
    struct tt_db_pending *pending;
    struct tt_err err = {0};

    if (tt_search_count(tide->chat.db, tide->runtime.loop, &search, on_rows, NULL, &pending,
                        &err) != 0)
        return tt_value_push_error(L, &err);
    return tt_tide_wait_rows(L, "search.count", pending, TT_ROWS_VALUE);
}

static const luaL_Reg functions[] = {
    {"index", search_index}, {"find", search_find}, {"json", search_json},
    {"count", search_count}, {NULL, NULL},
};

int tt_tide_search(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
