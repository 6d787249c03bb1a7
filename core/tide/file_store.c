/* tide.file_store: the bytes of uploaded files, by storage key. The database says who owns them,
 * and scripts check it: lua/tide/files.lua. Everything here runs on aux threads and waits. */
#include "files/job.h"
#include "script/file_data.h"
#include "script/task.h"
#include "script/value.h"
#include "tide/intake.h"
#include "tide/modules.h"

#define TEXT_MAX   (1024u * 1024) /* bytes of text of one file */
#define IMAGE_MAX  (32 << 20)
#define REMOVE_MAX 1000       /* keys per call */
#define BYTES_MAX  (16 << 20) /* that one call reads or writes */

/* ---- keeping an upload ---- */

struct keep {
    struct tt_wait wait;
    struct tt_intake *intake;
    char key[TT_STORE_KEY_SIZE];
};

static void on_kept(void *arg, const char *key, const struct tt_err *err)
{
    struct keep *keep = arg;
    snprintf(keep->key, sizeof(keep->key), "%s", key);
    if (err)
        keep->wait.err = *err;
    tt_wait_done(&keep->wait);
}

static int keep_push(struct tt_wait *wait, lua_State *L)
{
    lua_pushstring(L, TT_CONTAINER_OF(wait, struct keep, wait)->key);
    return 1;
}

static void keep_close(struct tt_wait *wait)
{
    struct keep *keep = TT_CONTAINER_OF(wait, struct keep, wait);
    if (!wait->done && !wait->err.status)
        tt_intake_forget(keep->intake);
}

static int files_store(lua_State *L)
{
    static const struct tt_wait_type type = {.push = keep_push, .close = keep_close};
    tt_task_check_wait(L, "file_store.store");
    struct tt_intake *intake = tt_intake_check(L, 1);

    if (!intake)
        return luaL_error(L, "file_store.store: the upload's request has ended");
    struct keep *keep = tt_wait_new(sizeof(*keep), &type);
    keep->intake = intake;
    if (tt_intake_keep(intake, on_kept, keep, &keep->wait.err) != 0)
        return tt_wait_refuse(L, &keep->wait);
    return tt_task_yield(L, &keep->wait);
}

/* ---- jobs on stored files ---- */

struct call {
    struct tt_wait wait;
    struct tt_file_job *job; /* NULL once it is done */
    struct tt_buf text;
    enum { WANTS_DONE, WANTS_TEXT, WANTS_IMAGE } wants;
};

static void on_done(void *arg, struct tt_buf *data, const struct tt_err *err)
{
    struct call *call = arg;
    call->job = NULL;
    call->text = *data;
    *data = (struct tt_buf){0};
    if (err)
        call->wait.err = *err;
    tt_wait_done(&call->wait);
}

static int call_push(struct tt_wait *wait, lua_State *L)
{
    struct call *call = TT_CONTAINER_OF(wait, struct call, wait);
    switch (call->wants) {
    case WANTS_TEXT: /* or bytes, or a key */
        tt_task_push_taken(L, tt_buf_str(&call->text));
        break;
    case WANTS_IMAGE:
        tt_value_file_push_image(L, &call->text);
        break;
    case WANTS_DONE:
        lua_pushboolean(L, true);
    }
    return 1;
}

static void call_close(struct tt_wait *wait)
{
    struct call *call = TT_CONTAINER_OF(wait, struct call, wait);
    if (call->job)
        tt_file_job_cancel(call->job);
    tt_buf_free(&call->text);
}

static struct call *call_new(int wants)
{
    static const struct tt_wait_type type = {.push = call_push, .close = call_close};
    struct call *call = tt_wait_new(sizeof(*call), &type);
    call->wants = wants;
    return call;
}

static int call_yield(lua_State *L, struct call *call)
{
    return call->job ? tt_task_yield(L, &call->wait) : tt_wait_refuse(L, &call->wait);
}

static int files_read_text(lua_State *L)
{
    tt_task_check_wait(L, "file_store.read_text");
    const struct tt_tide *tide = tt_tide_of(L);
    const struct tt_extract_limits limits = {.text_max = TEXT_MAX};
    struct tt_str key, type;

    key.data = luaL_checklstring(L, 1, &key.len);
    type.data = luaL_checklstring(L, 2, &type.len);
    struct call *call = call_new(WANTS_TEXT);
    call->job = tt_file_text_start(tide->text_aux, tide->runtime.loop, tt_task_owner(L),
                                   tide->store, key, type, &limits, on_done, call, &call->wait.err);
    return call_yield(L, call);
}

static int files_read_image(lua_State *L)
{
    tt_task_check_wait(L, "file_store.read_image");
    const struct tt_tide *tide = tt_tide_of(L);
    lua_Integer max = luaL_checkinteger(L, 2);
    struct tt_err err = {0};
    struct tt_str key;

    key.data = luaL_checklstring(L, 1, &key.len);
    luaL_argcheck(L, max > 0 && max <= IMAGE_MAX, 2, "1 byte to 32 MiB");
    if (tt_value_file_used() > TT_FILE_DATA_MAX)
        lua_gc(L, LUA_GCCOLLECT);
    if (tt_value_file_used() > TT_FILE_DATA_MAX) {
        tt_err_set(&err, 503, "busy", "images of other requests fill the memory");
        return tt_value_push_error(L, &err);
    }
    struct call *call = call_new(WANTS_IMAGE);
    call->job = tt_file_image_start(tide->file_aux, tide->runtime.loop, tt_task_owner(L),
                                    tide->store, key, (size_t)max, on_done, call, &call->wait.err);
    return call_yield(L, call);
}

static int files_read(lua_State *L)
{
    tt_task_check_wait(L, "file_store.read");
    const struct tt_tide *tide = tt_tide_of(L);
    lua_Integer offset = luaL_checkinteger(L, 2), length = luaL_checkinteger(L, 3);
    struct tt_str key;

    key.data = luaL_checklstring(L, 1, &key.len);
    luaL_argcheck(L, offset >= 0, 2, "not below 0");
    luaL_argcheck(L, length >= 0 && length <= BYTES_MAX, 3, "0 bytes to 16 MiB");
    struct call *call = call_new(WANTS_TEXT);
    call->job =
        tt_file_read_start(tide->file_aux, tide->runtime.loop, tt_task_owner(L), tide->store, key,
                           (uint64_t)offset, (size_t)length, NULL, on_done, call, &call->wait.err);
    return call_yield(L, call);
}

static int files_write(lua_State *L)
{
    tt_task_check_wait(L, "file_store.write");
    const struct tt_tide *tide = tt_tide_of(L);
    struct tt_str bytes;

    bytes.data = luaL_checklstring(L, 1, &bytes.len);
    luaL_argcheck(L, bytes.len <= BYTES_MAX, 1, "at most 16 MiB");
    struct call *call = call_new(WANTS_TEXT);
    call->job = tt_file_write_start(tide->file_aux, tide->runtime.loop, tt_task_owner(L),
                                    tide->store, bytes, on_done, call, &call->wait.err);
    return call_yield(L, call);
}

/* The keys at 1, a string or a list of them, in memory that Lua owns. */
static struct tt_str *read_keys(lua_State *L, size_t *count)
{
    bool one = lua_type(L, 1) == LUA_TSTRING;
    if (!one)
        luaL_checktype(L, 1, LUA_TTABLE);
    *count = one ? 1 : (size_t)lua_rawlen(L, 1);
    luaL_argcheck(L, *count <= REMOVE_MAX, 1, "too many keys");
    struct tt_str *keys = lua_newuserdatauv(L, (*count + 1) * sizeof(*keys), 0);
    for (size_t i = 0; i < *count; i++) {
        if (one)
            lua_pushvalue(L, 1);
        else
            lua_rawgeti(L, 1, (lua_Integer)i + 1);
        if (lua_type(L, -1) != LUA_TSTRING)
            luaL_argerror(L, 1, "a key is no string");
        keys[i].data = lua_tolstring(L, -1, &keys[i].len); /* the table keeps it */
        lua_pop(L, 1);
    }
    return keys;
}

static int files_remove(lua_State *L)
{
    tt_task_check_wait(L, "file_store.remove");
    const struct tt_tide *tide = tt_tide_of(L);
    size_t count;
    const struct tt_str *keys = read_keys(L, &count);

    if (count == 0) {
        lua_pushboolean(L, true);
        return 1;
    }
    struct call *call = call_new(WANTS_DONE);
    call->job = tt_file_remove_start(tide->file_aux, tide->runtime.loop, tide->store, keys, count,
                                     on_done, call, &call->wait.err);
    return call_yield(L, call);
}

static const luaL_Reg functions[] = {
    {"store", files_store},
    {"read", files_read},
    {"write", files_write},
    {"remove", files_remove},
    {"read_text", files_read_text},
    {"read_image", files_read_image},
    {NULL, NULL},
};

int tt_tide_file_store(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
