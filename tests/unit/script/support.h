/* What the tests of script share: a folder with scripts, a worker's environment without a worker,
 * and a way to run Lua in a task and look at what it returned (as JSON). Everything in one thread:
 * the test turns the loop itself. */
#pragma once
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "chat/running_reply.h"
#include "db/migrate.h"
#include "script/timers.h"
#include "script/value.h"
#include "serve/dispatch.h"
#include "unit_test.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct rig {
    char dir[64], lua[96], plugins[96], personas[96], database[96], database_url[128];
    const char *roots[2]; /* of the scripts; the first one is lua */
    size_t root_count;
    struct tt_script_sources sources;
    struct tt_loop *loop;
    struct tt_tide tide;
    struct tt_serve_settings serving;
    struct tt_registry *registry;
    struct tt_egress *egress;
    struct tt_resolver *resolver;
    struct tt_keys keys;
    struct tt_aux *aux;
    struct tt_db *db;
    struct tt_generation *generation;
    struct tt_buf errors; /* of the last load */
    struct tt_err err;    /* of the last load */
    /* of the last task: */
    struct tt_task *task;
    bool ended;
    struct tt_err error;
    char result[1 << 16];
};

/* ---- the folder ---- */

static inline void rig_put(struct rig *rig, const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", rig->dir, name);
    for (char *slash = path + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = 0;
        mkdir(path, 0700);
    }
    write_text_file(path, text);
}

static inline const struct tt_script_sources *rig_sources(struct rig *rig)
{
    rig->roots[0] = rig->lua;
    rig->sources =
        (struct tt_script_sources){rig->roots, rig->root_count, rig->plugins, rig->personas, NULL};
    return &rig->sources;
}

static inline void rig_remove(struct rig *rig, const char *name)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", rig->dir, name);
    assert_int_equal(remove(path), 0);
}

static inline int rig_remove_entry(const char *path, const struct stat *st, int type,
                                   struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static inline int rig_setting(const char *key, struct tt_tide_setting *out, void *arg)
{
    static const struct tt_str items[] = {{"a", 1}, {"b", 1}};
    (void)arg;
    *out = (struct tt_tide_setting){.type = TT_SETTING_INT, .integer = 1000};
    if (strncmp(key, "upstream.", 9) == 0)
        return 0;
    if (strcmp(key, "a.list") == 0)
        *out = (struct tt_tide_setting){.type = TT_SETTING_LIST, .items = items, .item_count = 2};
    else if (strcmp(key, "an.empty_list") == 0)
        *out = (struct tt_tide_setting){.type = TT_SETTING_LIST};
    else if (strcmp(key, "a.text") == 0)
        *out = (struct tt_tide_setting){.type = TT_SETTING_STRING, .text = TT_STR("x")};
    else if (strcmp(key, "a.bool") == 0)
        *out = (struct tt_tide_setting){.type = TT_SETTING_BOOL, .integer = 1};
    else
        return -1;
    return 0;
}

static inline struct rig *rig_new(void)
{
    struct rig *rig = TT_NEW(struct rig);
    struct tt_err err = {0};

    tt_log_setup(TT_LOG_ERROR, TT_LOG_TEXT);
    tt_secret_setup();
    snprintf(rig->dir, sizeof(rig->dir), "/tmp/tt_script_test.XXXXXX");
    assert_non_null(mkdtemp(rig->dir));
    snprintf(rig->lua, sizeof(rig->lua), "%s/lua", rig->dir);
    snprintf(rig->plugins, sizeof(rig->plugins), "%s/plugins", rig->dir);
    rig->root_count = 1;
    snprintf(rig->personas, sizeof(rig->personas), "%s/style.yaml", rig->dir);
    snprintf(rig->database, sizeof(rig->database), "%s/tidetalk.db", rig->dir);
    rig_put(rig, "style.yaml", "personas:\n  - name: First\n    content: You are first.\n");
    rig->loop = tt_loop_new(&err);
    assert_non_null(rig->loop);
    rig->registry = tt_registry_new(4, 0);
    rig->egress = tt_egress_new(NULL, 0, &err);
    memset(&rig->keys, 7, sizeof(rig->keys));
    snprintf(rig->keys.seal_id, sizeof(rig->keys.seal_id), "12345678");
    tt_runtime_create(&rig->tide.runtime);
    tt_chat_create(&rig->tide.chat);
    rig->tide.runtime.loop = rig->tide.chat.loop = rig->loop;
    rig->tide.runtime.modules = tt_tide_modules;
    rig->tide.chat.registry = rig->registry;
    rig->tide.egress = rig->egress;
    rig->tide.keys = &rig->keys;
    rig->tide.tokens = tt_token_memo_new();
    rig->tide.runtime.memory_max = 16u << 20;
    rig->tide.runtime.time_ms = 10000; /* sanitizers are slow; test_watchdog.c has its own */
    rig->serving.body_max = 4096;
    rig->tide.setting = rig_setting;
    rig->tide.runtime.workers = 1;
    rig->tide.shared = tt_shared_new(1u << 20);
    return rig;
}

/* Threads for what blocks, and a migrated database with one user (1) and one session (row 1). */
static inline void rig_open_aux(struct rig *rig)
{
    rig->aux = tt_aux_new("test", 2, 16, &rig->err);
    assert_non_null(rig->aux);
    rig->tide.password_aux = rig->aux;
}

static inline void rig_open_db(struct rig *rig, const struct tt_db_settings *given)
{
    struct tt_db_settings settings = given ? *given : (struct tt_db_settings){0};
    struct tt_migrate_report report = {0};

    snprintf(rig->database_url, sizeof(rig->database_url), "%s:%s",
             getenv("TEST_DATABASE") ? getenv("TEST_DATABASE") : "sqlite", rig->database);
    settings.url = rig->database_url;
    if (!rig->aux)
        rig_open_aux(rig);
    if (tt_db_migrate(settings.url, TT_TEST_DATA "/../../migrations", false, &report, &rig->err))
        fail_msg("%s", rig->err.message);
    tt_buf_free(&report.text);
    rig->db = tt_db_open(&settings, rig->aux, &rig->err);
    assert_non_null(rig->db);
    rig->tide.chat.db = rig->db;
    assert_int_equal(tt_db_attach(rig->db, rig->loop, &rig->err), 0);
}

/* Upstream calls, to what the policy lets through. */
static inline void rig_open_client(struct rig *rig)
{
    rig->resolver = tt_resolver_new(rig->aux);
    struct tt_client_settings settings = {.egress = rig->egress, .resolver = rig->resolver};
    rig->tide.chat.client = tt_client_new(rig->loop, &settings, &rig->err);
    assert_non_null(rig->tide.chat.client);
}

static inline void rig_ticks(struct rig *rig, int turns)
{
    for (int i = 0; i < turns; i++)
        tt_loop_tick(rig->loop, 1);
}

#define RIG_WAIT(rig, condition)                                                                   \
    do {                                                                                           \
        uint64_t rig_end_ = tt_clock_mono_ms() + 10000;                                            \
        while (!(condition) && tt_clock_mono_ms() < rig_end_)                                      \
            tt_loop_tick((rig)->loop, 5);                                                          \
        assert_true(condition);                                                                    \
    } while (0)

static inline void rig_free(struct rig *rig)
{
    tt_timers_stop(&rig->tide.runtime.timers);
    tt_task_cancel_all(&rig->tide.runtime);
    rig->tide.runtime.closing = true;
    tt_running_replies_abandon(&rig->tide.chat);
    rig_ticks(rig, 3);
    if (rig->db)
        tt_db_detach(rig->db, rig->loop);
    tt_db_close(rig->db);
    tt_aux_free(rig->aux);
    rig_ticks(rig, 3);
    assert_int_equal(rig->tide.runtime.task_count, 0);
    tt_client_free(rig->tide.chat.client);
    tt_timers_destroy(&rig->tide.runtime.timers);
    tt_generation_unref(rig->generation);
    tt_loop_free(rig->loop);
    tt_resolver_free(rig->resolver);
    tt_shared_free(rig->tide.shared);
    tt_token_memo_free(rig->tide.tokens);
    tt_registry_free(rig->registry);
    tt_egress_free(rig->egress);
    tt_buf_free(&rig->errors);
    nftw(rig->dir, rig_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(rig);
}

/* ---- scripts ---- */

/* A generation of the folder as it is now; NULL with rig->err and rig->errors. */
static inline struct tt_generation *rig_build(struct rig *rig, int number)
{
    struct tt_runtime *runtimes[] = {&rig->tide.runtime};
    struct tt_diagnostics diagnostics = {0};
    struct tt_generation *generation = NULL;

    rig->err = (struct tt_err){0};
    tt_buf_clear(&rig->errors);
    struct tt_bundle *bundle = tt_bundle_read(rig_sources(rig), NULL, &rig->err);
    if (bundle)
        generation =
            tt_generation_new(bundle, number, runtimes, 1, &rig->serving, &diagnostics, &rig->err);
    tt_diagnostics_print(&diagnostics, &rig->errors);
    tt_diagnostics_free(&diagnostics);
    return generation;
}

/* Loads the folder as the rig's generation. */
static inline struct tt_generation *rig_try_load(struct rig *rig)
{
    tt_generation_unref(rig->generation);
    rig->generation = NULL;
    rig->generation = rig_build(rig, 1);
    return rig->generation;
}

static inline void rig_load(struct rig *rig)
{
    if (!rig_try_load(rig))
        fail_msg("%s\n%s", rig->err.message, rig->errors.data ? rig->errors.data : "");
}

#define RIG_ERRORS                                                                                 \
    "errors = {\n"                                                                                 \
    "  internal_error = {status = 500, en = 'Internal error', zh = '内部错误'},\n"             \
    "  not_found = {status = 404, en = 'Not found', zh = '未找到'},\n"                          \
    "  method_not_allowed = {status = 405, en = 'Wrong method', zh = '方法不对'},\n"           \
    "  unauthorized = {status = 401, en = 'Log in', zh = '请登录'},\n"                          \
    "  body_too_large = {status = 413, en = 'Too large', zh = '太大'},\n"                        \
    "  unsupported_media_type = {status = 415, en = 'JSON only', zh = '只收 JSON'},\n"           \
    "  script_memory = {status = 500, en = 'No memory', zh = '内存不足'},\n"                   \
    "  busy = {status = 503, en = 'Busy', zh = '忙'},\n"                                          \
    "  upstream_failed = {status = 502, en = 'Upstream failed', zh = '上游失败'},\n"           \
    "  session_deleted = {status = 404, en = 'Deleted', zh = '已删除'},\n"                      \
    "  missing_field = {status = 400, en = 'Field {field} is missing, {field}!',\n"                \
    "    zh = '缺少字段 {field}'},\n"                                                          \
    "}"

static inline void rig_load_body(struct rig *rig, const char *body)
{
    struct tt_buf text = {0};
    tt_buf_printf(&text,
                  "local json, db, crypto, time, log, config, text, llm = require 'tide.json',\n"
                  "  require 'tide.db', require 'tide.crypto', require 'tide.time',\n"
                  "  require 'tide.log', require 'tide.config', require 'tide.text',\n"
                  "  require 'tide.llm'\n"
                  "return {handle = function() %s end, routes = {}, " RIG_ERRORS "}\n",
                  body);
    rig_put(rig, "lua/app.lua", text.data);
    tt_buf_free(&text);
    rig_load(rig);
}

/* Lua: `begin(play, more)` takes the turn of session "s" of user 1, stores a turn as
 * chat/turns.lua does and starts the reply; returns it, or nil and the error. */
#define RIG_BEGIN                                                                                  \
    "local function insert(role, status) return {[[INSERT INTO chat_messages (user_id,"            \
    "  session_row, role, content, status, created_at, updated_at)"                                \
    "  VALUES (1, 1, ?, '', ?, 't', 't')]], {role, status}, expect = 1} end\n"                     \
    "local function begin(play, more)\n"                                                           \
    "  local turn, err = llm.enter(1, 's')\n"                                                      \
    "  if not turn then return nil, err end\n"                                                     \
    "  local saved = assert(db.write({\n"                                                          \
    "    {[[INSERT OR IGNORE INTO users (id, username, password_hash, created_at, updated_at)"     \
    "       VALUES (1, 'u', 'h', 't', 't')]]},\n"                                                  \
    "    {[[INSERT OR IGNORE INTO chat_sessions (id, session_id, user_id, title, model_name,"      \
    "       created_at, updated_at) VALUES (1, 's', 1, 't', 'm', 't', 't')]]},\n"                  \
    "    insert('user', 'complete'), insert('assistant', 'streaming')}))\n"                        \
    "  local spec = {turn = turn, user_id = 1, session_id = 's', session_row = 1,\n"               \
    "    user_message_id = saved[3].id, message_id = saved[4].id, play = play}\n"                  \
    "  for k, v in pairs(more or {}) do spec[k] = v end\n"                                         \
    "  return llm.start(spec)\n"                                                                   \
    "end\n"                                                                                        \
    "local function row(id) return db.one([[SELECT status, content, reasoning, finish_reason,"     \
    "  error_code, usage, (SELECT COUNT(*) FROM reply_chunks) AS chunks"                           \
    "  FROM chat_messages WHERE id = ?]], {id}) end\n"

/* ---- tasks ---- */

static inline int rig_after(lua_State *L, int status, lua_KContext context)
{
    struct rig *rig = (struct rig *)context;
    struct tt_buf *buf = tt_value_scratch(L);
    (void)status;
    lua_settop(L, 2);
    tt_value_encode(L, lua_isnil(L, 1) ? 2 : 1, buf);
    snprintf(rig->result, sizeof(rig->result), "%s", buf->data);
    return 0;
}

static inline int rig_entry(lua_State *L)
{
    struct rig *rig = lua_touserdata(L, 1);
    lua_settop(L, 0);
    lua_rawgeti(L, LUA_REGISTRYINDEX, rig->generation->vms[0]->handle_ref);
    lua_callk(L, 0, 2, (lua_KContext)rig, rig_after);
    return rig_after(L, LUA_OK, (lua_KContext)rig);
}

static inline void rig_on_end(const struct tt_err *error, void *arg)
{
    struct rig *rig = arg;
    rig->ended = true;
    if (error) {
        rig->error = *error;
        snprintf(rig->result, sizeof(rig->result), "%s: %s", error->code, error->message);
    }
}

/* Begins the loaded handle as a task. */
static inline void rig_start(struct rig *rig)
{
    rig->ended = false;
    rig->error = (struct tt_err){0};
    snprintf(rig->result, sizeof(rig->result), "(nothing)");
    rig->task = tt_task_new(rig->generation->vms[0], rig_on_end, rig);
    assert_non_null(rig->task);
    tt_task_start(rig->task, rig_entry);
}

/* Runs a function's body to its end: what it returned as JSON (nil: its second result), or the
 * error's code and text. */
static inline const char *rig_eval(struct rig *rig, const char *body)
{
    rig_load_body(rig, body);
    rig_start(rig);
    RIG_WAIT(rig, rig->ended);
    return rig->result;
}

static inline void rig_expect(struct rig *rig, const char *body, const char *want)
{
    const char *got = rig_eval(rig, body);
    if (strcmp(got, want) != 0)
        fail_msg("%s\n  got  %s\n  want %s", body, got, want);
}

/* The same after RIG_BEGIN. */
static inline void rig_expect_begun(struct rig *rig, const char *body, const char *want)
{
    char whole[8192];
    snprintf(whole, sizeof(whole), RIG_BEGIN "%s", body);
    rig_expect(rig, whole, want);
}

/* The result holds this text. */
static inline void rig_expect_in(struct rig *rig, const char *body, const char *part)
{
    const char *got = rig_eval(rig, body);
    if (!strstr(got, part))
        fail_msg("%s\n  got  %s\n  want …%s…", body, got, part);
}

static inline int rig_setup(void **state)
{
    *state = rig_new();
    return 0;
}

static inline int rig_teardown(void **state)
{
    rig_free(*state);
    return 0;
}

#define RIG_TEST(function) cmocka_unit_test_setup_teardown(function, rig_setup, rig_teardown)
