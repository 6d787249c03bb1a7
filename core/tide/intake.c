/* Bytes come from the socket, through the parser, into the upload, which an aux thread writes. If
 * more than a little waits to be written, the body is paused, so a fast client cannot fill the
 * memory and a slow disk slows down only its own clients. Mistakes are answered at once, in the
 * middle of the body. The API defines the name `file`; other parts with a file name are refused,
 * because they would be lost silently. */
#include "tide/intake.h"

#include "base/utf8.h"
#include "files/upload.h"
#include "http/multipart.h"
#include "script/task.h"
#include "script/value.h"

#define PENDING_MAX (256u * 1024) /* bytes that wait to be written before the body pauses */
#define FIELDS_MAX  16
#define FIELD_MAX   4096
#define TYPE_MAX    16 /* bytes of an extension with its dot; a longer one is part of the name */
#define UPLOAD_META "tide.upload"

struct field {
    struct tt_str name; /* in the exchange's arena */
    struct tt_buf value;
};

struct tt_intake {
    struct tt_http_exchange *exchange;
    struct tt_tide *tide;
    struct tt_multipart *multipart;
    struct tt_upload *upload; /* NULL: no file, or given up */
    struct tt_str file_name;
    char type[TYPE_MAX + 1];
    struct field fields[FIELDS_MAX];
    int field_count;
    struct field *field; /* of the current part; NULL: it is the file or empty */
    bool kept;
    void (*on_kept)(void *arg, const char *key, const struct tt_err *err);
    void *on_kept_arg;
    void **handle; /* the Lua upload's pointer to here, cleared at the end */
};

/* ---- the file ---- */

static void on_drained(void *arg)
{
    struct tt_intake *intake = arg;
    tt_http_resume_body(intake->exchange); /* the next append reports a failure */
}

static void on_committed(void *arg, const struct tt_err *err)
{
    struct tt_intake *intake = arg;
    if (intake->on_kept)
        intake->on_kept(intake->on_kept_arg, err ? "" : tt_upload_key(intake->upload), err);
}

/* ".gz" of "a.tar.gz"; "" if there is none. Bytes other than ASCII letters do not change. */
static void set_type(struct tt_intake *intake)
{
    struct tt_str name = intake->file_name;
    size_t dot = name.len;
    while (dot > 0 && name.data[dot - 1] != '.')
        dot--;
    size_t len = dot > 0 ? name.len - dot + 1 : 0;
    if (len < 2 || len > TYPE_MAX)
        return;
    for (size_t i = 0; i < len; i++) {
        char c = name.data[dot - 1 + i];
        intake->type[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
}

static int begin_file(struct tt_intake *intake, const struct tt_multipart_part *part,
                      struct tt_err *err)
{
    struct tt_tide *tide = intake->tide;
    const struct tt_upload_handler handler = {on_drained, on_committed, intake};
    if (part->filename.len == 0)
        return 0; /* nothing was chosen */
    if (intake->upload || !tt_str_eq(part->name, TT_STR("file")))
        return tt_err_set(err, 400, "multipart_invalid", "a second file");
    intake->file_name = tt_arena_str(tt_http_arena(intake->exchange), part->filename);
    set_type(intake);
    intake->upload = tt_upload_new(tide->store, tide->file_aux, tide->runtime.loop,
                                   tt_http_owner(intake->exchange, 0), tide->upload_max, &handler);
    return 0;
}

/* ---- the parts ---- */

static int on_part_begin(void *arg, const struct tt_multipart_part *part, struct tt_err *err)
{
    struct tt_intake *intake = arg;
    intake->field = NULL;
    if (part->filename.data)
        return begin_file(intake, part, err);
    if (intake->field_count == FIELDS_MAX)
        return tt_err_set(err, 413, "multipart_too_many_parts", "more than %d fields", FIELDS_MAX);
    intake->field = &intake->fields[intake->field_count++];
    intake->field->name = tt_arena_str(tt_http_arena(intake->exchange), part->name);
    return 0;
}

static int on_part_data(void *arg, struct tt_str data, struct tt_err *err)
{
    struct tt_intake *intake = arg;
    if (intake->field)
        return tt_utf8_append_without_nul(&intake->field->value, data);
    if (!intake->upload)
        return tt_err_set(err, 400, "multipart_invalid", "a file without a name");
    return tt_upload_append(intake->upload, data, err);
}

static int on_part_end(void *arg, struct tt_err *err)
{
    struct tt_intake *intake = arg;
    (void)err;
    intake->field = NULL;
    return 0;
}

int tt_intake_feed(struct tt_intake *intake, struct tt_str bytes, struct tt_err *err)
{
    if (tt_multipart_feed(intake->multipart, bytes, err) != 0)
        return -1;
    if (intake->upload && tt_upload_pending(intake->upload) > PENDING_MAX)
        tt_http_pause_body(intake->exchange);
    return 0;
}

struct tt_intake *tt_intake_open(struct tt_http_exchange *exchange, struct tt_tide *tide,
                                 struct tt_err *err)
{
    struct tt_intake *intake = tt_arena_alloc(tt_http_arena(exchange), sizeof(*intake));
    const struct tt_multipart_limits limits = {.field_max = FIELD_MAX};
    const struct tt_multipart_handler handler = {on_part_begin, on_part_data, on_part_end, intake};
    struct tt_str type = tt_http_header(exchange, "Content-Type");

    intake->exchange = exchange;
    intake->tide = tide;
    intake->multipart = tt_multipart_new(type.data ? type : TT_STR(""), &limits, &handler, err);
    return intake->multipart ? intake : NULL;
}

int tt_intake_end(struct tt_intake *intake, struct tt_err *err)
{
    return tt_multipart_end(intake->multipart, err);
}

void tt_intake_close(struct tt_intake *intake)
{
    if (!intake)
        return;
    if (intake->handle)
        *intake->handle = NULL;
    tt_upload_free(intake->upload);
    tt_multipart_free(intake->multipart);
    for (int i = 0; i < intake->field_count; i++)
        tt_buf_free(&intake->fields[i].value);
}

/* ---- as Lua sees it ---- */

static int upload_gc(lua_State *L)
{
    void **handle = luaL_checkudata(L, 1, UPLOAD_META);
    struct tt_intake *intake = *handle;
    if (intake)
        intake->handle = NULL;
    *handle = NULL;
    return 0;
}

static void push_handle(lua_State *L, struct tt_intake *intake)
{
    void **handle = lua_newuserdatauv(L, sizeof(void *), 0);
    *handle = NULL;
    if (luaL_newmetatable(L, UPLOAD_META)) {
        tt_value_hide_metatable(L);
        lua_pushcfunction(L, upload_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    if (intake->handle)
        *intake->handle = NULL; /* at the end only one handle is cleared */
    *handle = intake;
    intake->handle = handle;
}

void tt_intake_push_upload(lua_State *L, struct tt_intake *intake)
{
    if (!intake || !intake->upload) {
        lua_pushnil(L);
        return;
    }
    lua_createtable(L, 0, 4);
    lua_pushlstring(L, intake->file_name.data, intake->file_name.len);
    lua_setfield(L, -2, "file_name");
    lua_pushstring(L, intake->type);
    lua_setfield(L, -2, "file_type");
    lua_pushinteger(L, (lua_Integer)tt_upload_size(intake->upload));
    lua_setfield(L, -2, "size");
    push_handle(L, intake);
    lua_setfield(L, -2, "handle");
}

void tt_intake_push_fields(lua_State *L, struct tt_intake *intake)
{
    if (!intake) {
        lua_pushnil(L);
        return;
    }
    lua_createtable(L, 0, intake->field_count);
    /* Of several with the same name the first counts. */
    for (int i = intake->field_count - 1; i >= 0; i--) {
        const struct field *field = &intake->fields[i];
        lua_pushlstring(L, field->name.data, field->name.len);
        tt_task_push_taken(L, tt_buf_str(&field->value));
        lua_rawset(L, -3);
    }
}

struct tt_intake *tt_intake_check(lua_State *L, int index)
{
    luaL_checktype(L, index, LUA_TTABLE);
    lua_pushliteral(L, "handle");
    lua_rawget(L, index);
    void **handle = luaL_testudata(L, -1, UPLOAD_META);
    if (!handle)
        luaL_argerror(L, index, "is no upload");
    lua_pop(L, 1);
    return *handle;
}

int tt_intake_keep(struct tt_intake *intake,
                   void (*on_kept)(void *arg, const char *key, const struct tt_err *err), void *arg,
                   struct tt_err *err)
{
    if (intake->kept || !intake->upload)
        return tt_err_set(err, 409, "conflict", "the upload was kept already");
    if (tt_upload_commit(intake->upload, err) != 0)
        return -1;
    intake->kept = true;
    intake->on_kept = on_kept;
    intake->on_kept_arg = arg;
    return 0;
}

void tt_intake_forget(struct tt_intake *intake)
{
    intake->on_kept = NULL;
    tt_upload_free(intake->upload);
    intake->upload = NULL;
}
