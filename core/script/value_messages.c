/* What is no text of a conversation (parts with images, files that belong to a message) is a value
 * of Lua, kept in a table beside it. Methods that return texts make strings of them: that is what a
 * script pays for what it looks at. */
#include "script/value_messages.h"

#include "chat/messages.h"
#include "script/task.h"
#include "script/value_encode.h"
#include "script/watchdog.h"

#define CLASS "tide.Messages"

struct value {
    struct tt_messages messages;
    int values; /* of Lua that were kept so far */
};

static struct value *push_new(lua_State *L)
{
    struct value *value = lua_newuserdatauv(L, sizeof(*value), 1);

    *value = (struct value){.messages.texts.max = TT_MESSAGES_BYTES_MAX};
    luaL_setmetatable(L, CLASS);
    return value;
}

static struct value *check_value(lua_State *L)
{
    return luaL_checkudata(L, 1, CLASS);
}

static struct tt_messages *check_messages(lua_State *L)
{
    return &check_value(L)->messages;
}

/* The index of the message whose number is at 2. */
static size_t check_place(lua_State *L, const struct tt_messages *messages, size_t more)
{
    lua_Integer i = luaL_checkinteger(L, 2);

    luaL_argcheck(L, i >= 1 && (size_t)i <= messages->count + more, 2, "there is no such message");
    return (size_t)i - 1;
}

static struct tt_message *check_message(lua_State *L, struct tt_messages *messages)
{
    return &messages->list[check_place(L, messages, 0)];
}

static int messages_free(lua_State *L)
{
    tt_messages_free(check_messages(L));
    return 0;
}

/* ---- values of Lua beside it ---- */

/* Keeps the value on top of the stack, which it pops; returns its number. */
static int keep_value(lua_State *L, int index, struct value *value)
{
    if (lua_getiuservalue(L, index, 1) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_setiuservalue(L, index, 1);
    }
    lua_insert(L, -2);
    lua_rawseti(L, -2, ++value->values);
    lua_pop(L, 1);
    return value->values;
}

static void push_kept(lua_State *L, int index, int number)
{
    lua_getiuservalue(L, index, 1);
    lua_rawgeti(L, -1, number);
    lua_remove(L, -2);
}

static void push_content(lua_State *L, int index, const struct tt_messages *messages,
                         const struct tt_message *message)
{
    if (message->value)
        push_kept(L, index, message->value);
    else
        tt_task_push_taken(L, tt_messages_text(messages, message->text));
}

/* ---- adding ---- */

static unsigned check_role(lua_State *L, struct tt_str name)
{
    int role = tt_message_role_of(name);

    if (role < 0)
        luaL_error(L, "messages: there is no role '%s'", name.data ? name.data : "");
    return (unsigned)role;
}

static struct tt_message *insert(lua_State *L, struct tt_messages *messages, size_t at)
{
    struct tt_message *message = tt_messages_insert(messages, at);

    if (!message)
        luaL_error(L, "messages: more than %d of them", TT_MESSAGES_COUNT_MAX);
    return message;
}

static struct tt_message_text put(lua_State *L, struct tt_messages *messages, struct tt_str text)
{
    struct tt_message_text place;

    if (tt_messages_put(messages, text, &place) != 0)
        tt_value_raise_full(L, &messages->texts, "messages: more than 64 MiB of them");
    return place;
}

/* The content at `content`: a text, or parts. */
static void set_content(lua_State *L, int index, struct value *value, struct tt_message *message,
                        int content)
{
    struct tt_str text;

    if (lua_type(L, content) == LUA_TTABLE) {
        lua_pushvalue(L, content);
        message->value = keep_value(L, index, value);
        return;
    }
    text.data = luaL_checklstring(L, content, &text.len);
    message->value = 0;
    message->text = put(L, &value->messages, text);
}

/* The table at 3 as a message of the value at 2. */
static void add_table(lua_State *L, struct value *value)
{
    struct tt_messages *messages = &value->messages;
    unsigned role = check_role(L, tt_value_field(L, 3, "role"));
    struct tt_message *message = insert(L, messages, messages->count);

    message->role = role;
    message->id = tt_value_field_int(L, 3, "id", 0);
    message->file_ids = put(L, messages, tt_value_field(L, 3, "file_ids"));
    lua_getfield(L, 3, "content");
    set_content(L, 2, value, message, 4);
    if (lua_getfield(L, 3, "files") == LUA_TTABLE)
        message->files = keep_value(L, 2, value);
}

int tt_value_messages_new(lua_State *L)
{
    lua_settop(L, 1);
    if (!lua_isnil(L, 1))
        luaL_checktype(L, 1, LUA_TTABLE);
    struct value *value = push_new(L);
    for (lua_Integer i = 1; lua_istable(L, 1) && lua_rawgeti(L, 1, i) == LUA_TTABLE; i++) {
        add_table(L, value);
        lua_settop(L, 2);
    }
    lua_settop(L, 2);
    return 1;
}

int tt_value_messages_push_rows(lua_State *L, struct tt_db_rows *rows, struct tt_err *err)
{
    struct tt_messages *messages = &push_new(L)->messages;
    /* A client's bytes, as many as it has sent: reading them is not the script's time. */
    bool paused = tt_budget_pause_once();
    int end = tt_messages_read(messages, rows, err);

    if (paused)
        tt_budget_renew();
    tt_task_take(L, messages->texts.len);
    if (end != TT_DB_END)
        lua_pop(L, 1);
    return end;
}

/* ---- looking ---- */

static int messages_count(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)check_messages(L)->count);
    return 1;
}

static void push_str(lua_State *L, struct tt_str text)
{
    lua_pushlstring(L, text.data, text.len);
}

static int messages_role(lua_State *L)
{
    push_str(L, tt_message_role_name(check_message(L, check_messages(L))));
    return 1;
}

static int messages_content(lua_State *L)
{
    struct tt_messages *messages = check_messages(L);
    push_content(L, 1, messages, check_message(L, messages));
    return 1;
}

static int messages_id(lua_State *L)
{
    const struct tt_message *message = check_message(L, check_messages(L));

    if (!message->id)
        return 0;
    lua_pushinteger(L, message->id);
    return 1;
}

static int messages_file_ids(lua_State *L)
{
    struct tt_messages *messages = check_messages(L);
    push_str(L, tt_messages_text(messages, check_message(L, messages)->file_ids));
    return 1;
}

static int messages_files(lua_State *L)
{
    const struct tt_message *message = check_message(L, check_messages(L));

    if (!message->files)
        return 0;
    push_kept(L, 1, message->files);
    return 1;
}

static bool has_files(const struct tt_message *message)
{
    return message->files || message->file_ids.len > sizeof("[]") - 1;
}

static int messages_with_files(lua_State *L)
{
    const struct tt_messages *messages = check_messages(L);
    lua_Integer count = 0;

    lua_newtable(L);
    for (size_t i = 0; i < messages->count; i++) {
        if (!has_files(&messages->list[i]))
            continue;
        lua_pushinteger(L, (lua_Integer)i + 1);
        lua_rawseti(L, -2, ++count);
    }
    return 1;
}

static int messages_has_parts(lua_State *L)
{
    const struct tt_messages *messages = check_messages(L);
    bool found = false;

    for (size_t i = 0; i < messages->count && !found; i++)
        found = messages->list[i].value != 0;
    lua_pushboolean(L, found);
    return 1;
}

typedef size_t size_fn(const struct tt_messages *messages, const struct tt_message *message);

/* Of one message, or of all. */
static int push_size(lua_State *L, size_fn *size)
{
    struct tt_messages *messages = check_messages(L);
    size_t sum = 0;

    if (!lua_isnoneornil(L, 2)) {
        sum = size(messages, check_message(L, messages));
    } else {
        for (size_t i = 0; i < messages->count; i++)
            sum += size(messages, &messages->list[i]);
    }
    lua_pushinteger(L, (lua_Integer)sum);
    return 1;
}

static int messages_bytes(lua_State *L)
{
    return push_size(L, tt_messages_bytes_of);
}

static int messages_tokens(lua_State *L)
{
    return push_size(L, tt_messages_tokens_of);
}

/* What only rows have, into the table on top. */
static void add_row_fields(lua_State *L, const struct tt_messages *messages,
                           const struct tt_message *message)
{
    if (message->id) {
        lua_pushinteger(L, message->id);
        lua_setfield(L, -2, "id");
    }
    push_str(L, tt_messages_text(messages, message->file_ids));
    lua_setfield(L, -2, "file_ids");
    if (message->files) {
        push_kept(L, 1, message->files);
        lua_setfield(L, -2, "files");
    }
}

static int messages_tables(lua_State *L)
{
    const struct tt_messages *messages = check_messages(L);
    bool rows = lua_toboolean(L, 2);

    lua_settop(L, 1);
    lua_createtable(L, (int)messages->count, 0);
    for (size_t i = 0; i < messages->count; i++) {
        const struct tt_message *message = &messages->list[i];
        lua_createtable(L, 0, rows ? 5 : 2);
        push_str(L, tt_message_role_name(message));
        lua_setfield(L, -2, "role");
        push_content(L, 1, messages, message);
        lua_setfield(L, -2, "content");
        if (rows)
            add_row_fields(L, messages, message);
        lua_rawseti(L, 2, (lua_Integer)i + 1);
    }
    return 1;
}

/* ---- changing ---- */

static int messages_insert(lua_State *L)
{
    struct value *value = check_value(L);
    size_t at = check_place(L, &value->messages, 1);
    struct tt_str name;

    name.data = luaL_checklstring(L, 3, &name.len);
    unsigned role = check_role(L, name);
    struct tt_message *message = insert(L, &value->messages, at);
    message->role = role;
    set_content(L, 1, value, message, 4);
    return 0;
}

static int messages_add(lua_State *L)
{
    lua_settop(L, 3);
    lua_pushinteger(L, (lua_Integer)check_messages(L)->count + 1);
    lua_insert(L, 2);
    return messages_insert(L);
}

static int messages_set(lua_State *L)
{
    struct value *value = check_value(L);
    set_content(L, 1, value, check_message(L, &value->messages), 3);
    return 0;
}

static int messages_set_files(lua_State *L)
{
    struct value *value = check_value(L);
    struct tt_message *message = check_message(L, &value->messages);

    luaL_checktype(L, 3, LUA_TTABLE);
    lua_settop(L, 3);
    message->files = keep_value(L, 1, value);
    return 0;
}

static int messages_remove(lua_State *L)
{
    struct tt_messages *messages = check_messages(L);
    tt_messages_remove(messages, check_place(L, messages, 0));
    return 0;
}

static size_t check_limit(lua_State *L)
{
    lua_Integer limit = luaL_checkinteger(L, 2);
    return limit < 0 ? 0 : (size_t)limit;
}

static int messages_keep_pairs(lua_State *L)
{
    tt_messages_keep_pairs(check_messages(L), check_limit(L));
    return 0;
}

static int messages_keep_bytes(lua_State *L)
{
    tt_messages_keep_fitting(check_messages(L), check_limit(L), tt_messages_bytes_of);
    return 0;
}

static int messages_keep_tokens(lua_State *L)
{
    tt_messages_keep_fitting(check_messages(L), check_limit(L), tt_messages_tokens_of);
    return 0;
}

/* ---- for the core ---- */

bool tt_value_messages_encode(lua_State *L, int index, struct tt_value_encoder *encoder, int depth)
{
    const struct value *value = luaL_testudata(L, index, CLASS);
    struct tt_json_writer *w = &encoder->writer;

    if (!value)
        return false;
    tt_value_check_depth(L, depth + 1);
    tt_json_begin_array(w);
    for (size_t i = 0; i < value->messages.count; i++) {
        const struct tt_message *message = &value->messages.list[i];
        tt_json_begin_object(w);
        tt_json_key(w, TT_STR("content"));
        if (message->value) {
            push_kept(L, index, message->value);
            tt_value_encode_at(L, lua_gettop(L), encoder, depth + 2);
            lua_pop(L, 1);
        } else {
            tt_json_str(w, tt_messages_text(&value->messages, message->text));
        }
        tt_json_key(w, TT_STR("role"));
        tt_json_str(w, tt_message_role_name(message));
        tt_json_end_object(w);
    }
    tt_json_end_array(w);
    return true;
}

static const luaL_Reg methods[] = {
    {"role", messages_role},
    {"content", messages_content},
    {"id", messages_id},
    {"file_ids", messages_file_ids},
    {"files", messages_files},
    {"with_files", messages_with_files},
    {"has_parts", messages_has_parts},
    {"bytes", messages_bytes},
    {"tokens", messages_tokens},
    {"tables", messages_tables},
    {"add", messages_add},
    {"insert", messages_insert},
    {"set", messages_set},
    {"set_files", messages_set_files},
    {"remove", messages_remove},
    {"keep_pairs", messages_keep_pairs},
    {"keep_bytes", messages_keep_bytes},
    {"keep_tokens", messages_keep_tokens},
    {"drop", messages_free},
    {NULL, NULL},
};

void tt_value_messages_setup(lua_State *L)
{
    tt_value_new_class(L, CLASS, methods, messages_free);
    luaL_getmetatable(L, CLASS);
    lua_pushcfunction(L, messages_count);
    lua_setfield(L, -2, "__len");
    lua_pop(L, 1);
}
