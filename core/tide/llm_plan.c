/* A script's plan for upstream/retry: which upstreams to call, in which order and after which
 * waits. Without a plan each candidate is called once, in the order of the list. */
#include "script/value.h"
#include "tide/llm_start.h"

#define CANDIDATES_MAX 16
#define STEPS_MAX      32

/* A configuration with several keys: a candidate for each, with one body. */
static void read_key(lua_State *L, int index, size_t i, struct tt_retry_candidate *candidates)
{
    int64_t body_of = tt_value_field_int(L, index, "body_of", 0);

    if (body_of < 0 || body_of > (int64_t)i || (body_of && candidates[body_of - 1].body_of))
        luaL_error(L, "candidate %d: 'body_of' must be an earlier candidate with a body",
                   (int)i + 1);
    candidates[i] = (struct tt_retry_candidate){.body_of = (size_t)body_of};
    candidates[i].group = tt_value_field_int(L, index, "group", 0);
}

static void read_candidates(lua_State *L, int index, struct tt_retry_plan *plan,
                            struct tt_arena *arena)
{
    int type = lua_getfield(L, index, "candidates");
    if (type != LUA_TNIL && type != LUA_TTABLE)
        luaL_error(L, "'candidates' is a %s, not a list", luaL_typename(L, -1));
    int list = type == LUA_TTABLE ? lua_gettop(L) : 0;
    size_t count = list ? lua_rawlen(L, list) : 1;
    if (count == 0 || count > CANDIDATES_MAX)
        luaL_error(L, "'candidates' must have 1 to %d entries", CANDIDATES_MAX);
    const void *tables[CANDIDATES_MAX];
    struct tt_retry_candidate *candidates = tt_arena_alloc(arena, count * sizeof(*candidates));
    plan->candidates = candidates;
    for (size_t i = 0; i < count; i++) {
        if (list && lua_rawgeti(L, list, (lua_Integer)i + 1) != LUA_TTABLE)
            luaL_error(L, "candidate %d is a %s, not a table", (int)i + 1, luaL_typename(L, -1));
        tables[i] = lua_topointer(L, list ? -1 : index);
        for (size_t k = 0; k < i; k++) /* a table keeps one body alive */
            if (tables[k] == tables[i])
                luaL_error(L, "candidates %d and %d are the same table", (int)k + 1, (int)i + 1);
        plan->candidate_count = i + 1;
        read_key(L, list ? lua_gettop(L) : index, i, candidates);
        tt_tide_llm_read_candidate(L, list ? lua_gettop(L) : index, &candidates[i], arena);
        lua_settop(L, list ? list : lua_gettop(L));
    }
    lua_pop(L, 1);
}

static struct tt_retry_step read_step(lua_State *L, int index, size_t candidate_count)
{
    int64_t candidate = tt_value_field_int(L, index, "candidate", 0);
    int64_t wait = tt_value_field_int(L, index, "wait", 0);
    if (candidate < 1 || (size_t)candidate > candidate_count)
        luaL_error(L, "retry: a step's 'candidate' must be 1 to %d", (int)candidate_count);
    if (wait < 0)
        luaL_error(L, "retry: a step's 'wait' is negative");
    return (struct tt_retry_step){(size_t)candidate - 1, (uint64_t)wait};
}

static void read_steps(lua_State *L, int retry, struct tt_retry_plan *plan, struct tt_arena *arena)
{
    bool listed = retry && lua_getfield(L, retry, "steps") == LUA_TTABLE;
    size_t count = listed ? lua_rawlen(L, -1) : plan->candidate_count;
    if (count == 0 || count > STEPS_MAX)
        luaL_error(L, "retry: 'steps' must have 1 to %d entries", STEPS_MAX);
    struct tt_retry_step *steps = tt_arena_alloc(arena, count * sizeof(*steps));
    for (size_t i = 0; i < count; i++) {
        steps[i].candidate = i;
        if (!listed)
            continue;
        if (lua_rawgeti(L, -1, (lua_Integer)i + 1) != LUA_TTABLE)
            luaL_error(L, "retry: step %d is a %s, not a table", (int)i + 1, luaL_typename(L, -1));
        steps[i] = read_step(L, lua_gettop(L), plan->candidate_count);
        lua_pop(L, 1);
    }
    plan->steps = steps;
    plan->step_count = count;
}

static bool read_flag(lua_State *L, int table, const char *key)
{
    lua_getfield(L, table, key);
    bool value = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

void tt_tide_llm_read_plan(lua_State *L, int index, struct tt_retry_plan *plan,
                           struct tt_arena *arena)
{
    int top = lua_gettop(L);
    read_candidates(L, index, plan, arena);
    int retry = lua_getfield(L, index, "retry") == LUA_TTABLE ? lua_gettop(L) : 0;
    read_steps(L, retry, plan, arena);
    if (retry) {
        int64_t longest = tt_value_field_int(L, retry, "retry_after_max", 0);
        plan->retry_after_max_ms = longest > 0 ? (uint64_t)longest : 0;
        plan->retry_after_send = read_flag(L, retry, "after_send");
        plan->retry_after_empty = read_flag(L, retry, "after_empty");
        plan->force = read_flag(L, retry, "force");
    }
    plan->keep_empty = read_flag(L, index, "keep_empty");
    lua_settop(L, top);
}
