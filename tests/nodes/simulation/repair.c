/* The server's repair of replies (core/chat/reply_repair.c) in virtual time: what it asks of the
 * database and of timers is handed to the scheduler, which answers when it likes. */
#include "base/clock.h"
#include "db/job.h"
#include "loop/loop.h"
#include "simulation.h"

#include <lauxlib.h>
#include <stdlib.h>

static int sim_db_read(struct tt_db *db, struct tt_loop *loop, const struct tt_db_query *query,
                       tt_db_rows_fn *on_rows, void *arg, struct tt_db_pending **pending,
                       struct tt_err *err);
static int sim_db_submit(struct tt_db *db, struct tt_loop *loop, struct tt_db_job *job,
                         void (*on_done)(struct tt_db_job *job, void *arg), void *arg,
                         struct tt_err *err);
static void sim_pending_cancel(struct tt_db_pending *pending);
static void sim_timer_start(struct tt_loop *loop, struct tt_timer *timer, uint64_t delay_ms);
static void sim_timer_stop(struct tt_timer *timer);

#define tt_db_read             sim_db_read
#define tt_db_submit           sim_db_submit
#define tt_db_pending_cancel   sim_pending_cancel
#define tt_timer_start         sim_timer_start
#define tt_timer_stop          sim_timer_stop
#define tt_loop_tick(loop, ms) abort() /* only of a start, which waits */
#define tt_chat_repair_start   sim_chat_repair_start
#define tt_chat_repair_cancel  sim_chat_repair_cancel
#define tt_chat_repair_all     sim_chat_repair_all
#include "chat/reply_repair.c" // NOLINT(bugprone-suspicious-include): with the calls above

/* A repair of the simulation; it stands for the database and for the loop. */
struct running {
    lua_State *L;
    int on_request; /* in the registry: a function of what is asked, and of whom */
    struct tt_chat_repair *repair;
};

struct request {
    tt_db_rows_fn *on_rows;
    void *arg;
};

static void push_request(struct running *running, const char *kind, void *of)
{
    lua_rawgeti(running->L, LUA_REGISTRYINDEX, running->on_request);
    lua_pushstring(running->L, kind);
    lua_pushlightuserdata(running->L, of);
}

static int sim_db_read(struct tt_db *db, struct tt_loop *loop, const struct tt_db_query *query,
                       tt_db_rows_fn *on_rows, void *arg, struct tt_db_pending **pending,
                       struct tt_err *err)
{
    struct running *running = (struct running *)db;
    struct request *request = TT_NEW(struct request);
    lua_State *L = running->L;
    (void)loop, (void)err;

    *request = (struct request){on_rows, arg};
    *pending = (struct tt_db_pending *)request;
    push_request(running, "read", request);
    lua_pushlstring(L, query->sql.data, query->sql.len);
    lua_createtable(L, (int)query->count, 0);
    for (size_t i = 0; i < query->count; i++) {
        sim_push_value(L, &query->values[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_call(L, 4, 0);
    return 0;
}

static int sim_db_submit(struct tt_db *db, struct tt_loop *loop, struct tt_db_job *job,
                         void (*on_done)(struct tt_db_job *job, void *arg), void *arg,
                         struct tt_err *err)
{
    struct running *running = (struct running *)db;
    (void)loop, (void)err;

    job->on_done = on_done;
    job->arg = arg;
    push_request(running, "job", job);
    sim_push_job(running->L, job);
    lua_call(running->L, 3, 0);
    return 0;
}

static void sim_pending_cancel(struct tt_db_pending *pending)
{
    free(pending); /* nobody answers a repair that is cancelled */
}

static void sim_timer_start(struct tt_loop *loop, struct tt_timer *timer, uint64_t delay_ms)
{
    struct running *running = (struct running *)loop;
    (void)delay_ms;

    push_request(running, "timer", timer);
    lua_call(running->L, 2, 0);
}

static void sim_timer_stop(struct tt_timer *timer)
{
    (void)timer;
}

static void end(struct running *running, const char *kind, int count)
{
    lua_State *L = running->L;
    int on_request = running->on_request;

    lua_rawgeti(L, LUA_REGISTRYINDEX, on_request);
    luaL_unref(L, LUA_REGISTRYINDEX, on_request);
    free(running);
    lua_pushstring(L, kind);
    lua_pushinteger(L, count);
    lua_call(L, 2, 0);
}

static void on_done(int count, const struct tt_err *err, void *arg)
{
    end(arg, err ? "failed" : "done", count);
}

/* repair(on_request, user_id?, session_id?): the repair. on_request(kind, of, ...) is told "read"
 * with SQL and values, "job" with statements, "timer", and at last "done" or "failed". */
int sim_repair(lua_State *L)
{
    struct running *running = TT_NEW(struct running);
    struct tt_str session_id = {0};

    session_id.data = lua_tolstring(L, 3, &session_id.len);
    lua_pushvalue(L, 1);
    *running = (struct running){.L = L, .on_request = luaL_ref(L, LUA_REGISTRYINDEX)};
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
    running->L = lua_tothread(L, -1); /* the task that asks ends before it does */
    running->repair =
        tt_chat_repair_start(&(struct tt_chat_repair_spec){.db = (struct tt_db *)running,
                                                           .loop = (struct tt_loop *)running,
                                                           .shared = true,
                                                           .user_id = lua_tointeger(L, 2),
                                                           .session_id = session_id,
                                                           .on_done = on_done,
                                                           .arg = running});
    lua_pushlightuserdata(L, running);
    return 1;
}

/* cancel(repair): its node has ended; its jobs must be answered all the same */
int sim_cancel(lua_State *L)
{
    struct running *running = lua_touserdata(L, 1);

    tt_chat_repair_cancel(running->repair);
    luaL_unref(L, LUA_REGISTRYINDEX, running->on_request);
    free(running);
    return 0;
}

/* fire(timer) */
int sim_fire(lua_State *L)
{
    struct tt_timer *timer = lua_touserdata(L, 1);
    timer->on_due(timer);
    return 0;
}

#define COLUMNS 3 /* of what a repair reads, at most */

struct rows {
    struct tt_db_rows rows;
    lua_State *L; /* with the list of rows at 2 */
    lua_Integer at;
    struct tt_db_value values[COLUMNS];
};

static int next_row(struct tt_db_rows *base, struct tt_err *err)
{
    struct rows *rows = TT_CONTAINER_OF(base, struct rows, rows);
    lua_State *L = rows->L;
    (void)err;

    lua_settop(L, 2);
    if (lua_rawgeti(L, 2, ++rows->at) != LUA_TTABLE)
        return TT_DB_END;
    for (int i = 0; i < COLUMNS; i++) {
        struct tt_str text = {0};
        if (lua_rawgeti(L, 3, i + 1) == LUA_TSTRING)
            text.data = lua_tolstring(L, -1, &text.len); /* the row keeps it */
        rows->values[i] = text.data ? tt_db_text(text) : tt_db_int(lua_tointeger(L, -1));
        lua_pop(L, 1);
    }
    return TT_DB_ROW;
}

/* answer_read(request, rows) */
int sim_answer_read(lua_State *L)
{
    struct request *request = lua_touserdata(L, 1), own = *request;
    struct rows rows = {.L = L};

    rows.rows = (struct tt_db_rows){.columns = COLUMNS, .values = rows.values, .next = next_row};
    free(request);
    own.on_rows(&rows.rows, own.arg);
    return 0;
}

/* answer_job(job, outcomes, err): as sim_write returns them; neither: it is not known what became
 * of it */
int sim_answer_job(lua_State *L)
{
    struct tt_db_job *job = lua_touserdata(L, 1);

    if (lua_istable(L, 2)) {
        for (size_t i = 0; i < job->count; i++) {
            lua_rawgeti(L, 2, (lua_Integer)i + 1);
            lua_getfield(L, -1, "changes");
            job->statements[i].outcome.changes = lua_tointeger(L, -1);
            lua_pop(L, 2);
        }
    } else {
        const char *code = "database_unavailable";
        if (lua_istable(L, 3) && lua_getfield(L, 3, "code") == LUA_TSTRING)
            code = lua_tostring(L, -1);
        tt_err_set(&job->error, 409, code, "%s", code);
    }
    job->on_done(job, job->arg);
    tt_db_job_free(job);
    return 0;
}
