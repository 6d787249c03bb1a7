/* tide.nodes: the servers that share this one's database, and which of them a session's turn is
 * on. */
#include "base/log.h"
#include "chat/reply_repair.h"
#include "node/members.h"
#include "node/node.h"
#include "script/task.h"
#include "script/value.h"
#include "tide/modules.h"

static int nodes_is_shared(lua_State *L)
{
    lua_pushboolean(L, tt_tide_of(L)->node != NULL);
    return 1;
}

static int nodes_is_keeper(lua_State *L)
{
    lua_pushboolean(L, tt_node_is_keeper(tt_tide_of(L)->node));
    return 1;
}

static int nodes_notify(lua_State *L)
{
    tt_task_check(L, "nodes.notify");
    tt_news_notify(tt_node_news(tt_tide_of(L)->node));
    return 0;
}

static void push_node(lua_State *L, int64_t id, struct tt_str name, struct tt_str address)
{
    lua_createtable(L, 0, 3);
    lua_pushinteger(L, id);
    lua_setfield(L, -2, "id");
    lua_pushlstring(L, name.data ? name.data : "", name.len);
    lua_setfield(L, -2, "name");
    lua_pushlstring(L, address.data ? address.data : "", address.len);
    lua_setfield(L, -2, "address");
}

static int nodes_self(lua_State *L)
{
    const struct tt_node *node = tt_tide_of(L)->node;

    if (!node) {
        lua_pushnil(L);
        return 1;
    }
    push_node(L, tt_node_id(node), tt_str_from(tt_node_name(node)),
              tt_str_from(tt_node_address(node)));
    lua_pushboolean(L, tt_node_is_draining(node));
    lua_setfield(L, -2, "draining");
    return 1;
}

/* ---- reads ---- */

struct asking {
    struct tt_wait wait;
    struct tt_tide *tide;
    struct tt_db_pending *pending;
    struct tt_db_rows *rows; /* of the answer; NULL: nothing to tell */
    /* owner_of_session: */
    int64_t user_id;
    struct tt_buf session_id;
    struct tt_chat_repair *repair;
    bool repaired; /* what a dead owner left */
};

/* Whether there is a row; it is current then. */
static bool first_row(struct asking *asking, struct tt_db_rows *rows)
{
    asking->pending = NULL;
    return tt_db_next(rows, &asking->wait.err) == TT_DB_ROW;
}

static void answer_with(struct asking *asking, struct tt_db_rows *rows)
{
    tt_db_rows_take(rows);
    asking->rows = rows;
    tt_wait_done(&asking->wait);
}

static void on_node(struct tt_db_rows *rows, void *arg)
{
    struct asking *asking = arg;

    if (first_row(asking, rows))
        answer_with(asking, rows);
    else
        tt_wait_done(&asking->wait);
}

static void read_node(struct asking *asking, const char *sql, const struct tt_db_value *values,
                      size_t count, tt_db_rows_fn *on_rows)
{
    const struct tt_db_query query = {
        .sql = tt_str_from(sql), .values = values, .count = count, .rows_max = 1000};
    struct tt_tide *tide = asking->tide;

    if (tt_db_read(tide->chat.db, tide->runtime.loop, &query, on_rows, asking, &asking->pending,
                   &asking->wait.err) != 0)
        tt_wait_done(&asking->wait);
}

static void read_owner(struct asking *asking);

static void on_repaired(int count, const struct tt_err *err, void *arg)
{
    struct asking *asking = arg;

    asking->repair = NULL;
    if (count > 0)
        tt_log(TT_LOG_WARN, "a session of a dead node was taken over",
               TT_F_INT("user_id", asking->user_id), TT_F_INT("interrupted", count));
    if (err) {
        asking->wait.err = *err;
        tt_wait_done(&asking->wait);
    } else {
        read_owner(asking);
    }
}

static void take_over(struct asking *asking)
{
    asking->repaired = true;
    asking->repair = tt_chat_repair_start(
        &(struct tt_chat_repair_spec){.db = asking->tide->chat.db,
                                      .loop = asking->tide->runtime.loop,
                                      .shared = true,
                                      .user_id = asking->user_id,
                                      .session_id = tt_buf_str(&asking->session_id),
                                      .on_done = on_repaired,
                                      .arg = asking});
}

/* No turn runs there: this node, or another one. */
static void nobody(struct asking *asking)
{
    const struct tt_node *node = asking->tide->node;
    const struct tt_db_value self = tt_db_int(tt_node_id(node));

    if (!asking->wait.err.status && tt_node_is_draining(node))
        read_node(asking, tt_members_sql_other, &self, 1, on_node);
    else
        tt_wait_done(&asking->wait);
}

static void on_owner(struct tt_db_rows *rows, void *arg)
{
    struct asking *asking = arg;
    const struct tt_node *node = asking->tide->node;

    if (!first_row(asking, rows))
        nobody(asking);
    else if (rows->values[0].integer == tt_node_id(node))
        tt_wait_done(&asking->wait);
    else if (rows->values[3].integer == 0 && !asking->repaired && tt_node_may_take_over(node))
        take_over(asking);
    else
        answer_with(asking, rows);
}

static void read_owner(struct asking *asking)
{
    const struct tt_db_value values[] = {tt_db_int(asking->user_id),
                                         tt_db_text(tt_buf_str(&asking->session_id))};
    read_node(asking, tt_members_sql_owner, values, TT_COUNT(values), on_owner);
}

static int push_asked(struct tt_wait *wait, lua_State *L)
{
    const struct asking *asking = TT_CONTAINER_OF(wait, struct asking, wait);

    if (!asking->rows) {
        lua_pushnil(L);
        return 1;
    }
    const struct tt_db_value *values = asking->rows->values;
    push_node(L, values[0].integer, values[1].text, values[2].text);
    return 1;
}

static void close_asking(struct tt_wait *wait)
{
    struct asking *asking = TT_CONTAINER_OF(wait, struct asking, wait);
    if (asking->pending)
        tt_db_pending_cancel(asking->pending);
    if (asking->repair)
        tt_chat_repair_cancel(asking->repair);
    tt_db_rows_free(asking->rows);
    tt_buf_free(&asking->session_id);
}

static int nodes_owner_of_session(lua_State *L)
{
    static const struct tt_wait_type type = {.push = push_asked, .close = close_asking};
    tt_task_check(L, "nodes.owner_of_session");
    struct tt_tide *tide = tt_tide_of(L);
    lua_Integer user_id = luaL_checkinteger(L, 1);
    struct tt_str session_id;

    session_id.data = luaL_checklstring(L, 2, &session_id.len);
    if (!tide->node) {
        lua_pushnil(L);
        return 1;
    }
    tt_task_check_wait(L, "nodes.owner_of_session");
    struct asking *asking = tt_wait_new(sizeof(*asking), &type);
    asking->tide = tide;
    asking->user_id = user_id;
    tt_buf_append_str(&asking->session_id, session_id);
    read_owner(asking);
    return tt_task_yield(L, &asking->wait);
}

static int nodes_with_current_scripts(lua_State *L)
{
    static const struct tt_wait_type type = {.push = push_asked, .close = close_asking};
    struct tt_tide *tide = tt_tide_of(L);

    tt_task_check(L, "nodes.with_current_scripts");
    if (!tide->node) {
        lua_pushnil(L);
        return 1;
    }
    tt_task_check_wait(L, "nodes.with_current_scripts");
    const struct tt_db_value self = tt_db_int(tt_node_id(tide->node));
    struct asking *asking = tt_wait_new(sizeof(*asking), &type);
    asking->tide = tide;
    read_node(asking, tt_members_sql_current, &self, 1, on_node);
    return tt_task_yield(L, &asking->wait);
}

static void push_row(lua_State *L, const struct tt_db_rows *rows)
{
    lua_createtable(L, 0, rows->columns);
    for (int i = 0; i < rows->columns; i++) {
        tt_value_push_db(L, &rows->values[i]);
        lua_setfield(L, -2, rows->names[i].data);
    }
    lua_getfield(L, -1, "draining");
    lua_pushboolean(L, lua_tointeger(L, -1) == 1);
    lua_setfield(L, -3, "draining");
    lua_pop(L, 1);
    lua_getfield(L, -1, "alive");
    lua_pushboolean(L, lua_tointeger(L, -1) == 1);
    lua_setfield(L, -3, "alive");
    lua_pop(L, 1);
}

static int push_list(struct tt_wait *wait, lua_State *L)
{
    const struct asking *asking = TT_CONTAINER_OF(wait, struct asking, wait);
    lua_Integer count = 0;

    lua_createtable(L, 0, 0);
    if (!asking->rows)
        return 1;
    do {
        push_row(L, asking->rows);
        lua_rawseti(L, -2, ++count);
    } while (tt_db_next(asking->rows, NULL) == TT_DB_ROW);
    return 1;
}

static int nodes_list(lua_State *L)
{
    static const struct tt_wait_type type = {.push = push_list, .close = close_asking};
    struct tt_tide *tide = tt_tide_of(L);

    tt_task_check(L, "nodes.list");
    if (!tide->node) {
        lua_createtable(L, 0, 0);
        return 1;
    }
    tt_task_check_wait(L, "nodes.list");
    struct asking *asking = tt_wait_new(sizeof(*asking), &type);
    asking->tide = tide;
    read_node(asking, tt_members_sql_list, NULL, 0, on_node);
    return tt_task_yield(L, &asking->wait);
}

static const luaL_Reg functions[] = {{"is_shared", nodes_is_shared},
                                     {"is_keeper", nodes_is_keeper},
                                     {"notify", nodes_notify},
                                     {"self", nodes_self},
                                     {"list", nodes_list},
                                     {"owner_of_session", nodes_owner_of_session},
                                     {"with_current_scripts", nodes_with_current_scripts},
                                     {NULL, NULL}};

int tt_tide_nodes(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
