/* A file of a plugin is looked up among those that were read with its scripts: no path leads to the
 * disk. A stored file that browsers would run in the server's origin is only offered for download,
 * because its bytes are a user's. */
#include "serve/response_file.h"

#include "base/secret.h"
#include "http/content_type.h"
#include "script/value.h"
#include "serve/answer_file.h"
#include "serve/response_headers.h"

#define HASH_MAX ((size_t)1 << 20) /* of bytes whose entity tag is made here */
#define FOLDER   TT_BUNDLE_STATIC

struct reading {
    struct tt_answer_file_source source;
    struct tt_str path, name, bytes;
    const struct tt_bundle_file *file;
    bool download;
    char etag[36], disposition[1024];
};

static void set_etag(struct reading *reading, const char *hash)
{
    snprintf(reading->etag, sizeof(reading->etag), "\"%.32s\"", hash);
    reading->source.etag = tt_str_from(reading->etag);
}

static void set_hashed_etag(struct reading *reading, struct tt_str bytes)
{
    char hash[TT_SHA256_SIZE * 2 + 1];

    tt_sha256_hex(bytes, hash);
    set_etag(reading, hash);
}

/* The plugin whose handler answers, unless the response names one. */
static struct tt_str plugin_of(lua_State *L, const struct tt_request *request, int table)
{
    struct tt_str plugin = tt_value_field(L, table, "plugin");

    if (!plugin.data)
        plugin = tt_plugin_of(request->route->file);
    if (!plugin.data)
        luaL_error(L, "response field 'file.path': only a plugin's routes have files");
    return plugin;
}

static void find_file(lua_State *L, const struct tt_request *request, int table,
                      struct reading *reading)
{
    struct tt_str plugin = plugin_of(L, request, table);

    if (!tt_str_starts(reading->path, TT_STR(FOLDER)))
        luaL_error(L, "response field 'file.path' must begin with \"" FOLDER "\", the folder of "
                      "the plugin whose files are served");
    lua_pushlstring(L, TT_PLUGINS, sizeof(TT_PLUGINS) - 1);
    lua_pushlstring(L, plugin.data, plugin.len);
    lua_pushliteral(L, "/");
    lua_pushlstring(L, reading->path.data, reading->path.len);
    lua_concat(L, 4);
    struct tt_str whole = {0};
    whole.data = lua_tolstring(L, -1, &whole.len);
    if (strlen(whole.data) == whole.len)
        reading->file = tt_bundle_find(request->generation->bundle, whole);
    lua_pop(L, 1);
    if (!reading->file)
        return;
    reading->source.bytes = reading->file->bytes;
    set_etag(reading, reading->file->hash);
    if (!reading->name.data) {
        const char *slash = memrchr(reading->path.data, '/', reading->path.len);
        size_t before = (size_t)(slash + 1 - reading->path.data);
        reading->name = tt_str_of(slash + 1, reading->path.len - before);
    }
}

static void read_fields(lua_State *L, int table, struct reading *reading)
{
    reading->path = tt_value_field(L, table, "path");
    reading->source.key = tt_value_field(L, table, "key");
    reading->bytes = tt_value_field(L, table, "bytes");
    reading->name = tt_value_field(L, table, "name");
    if (!!reading->path.data + !!reading->source.key.data + !!reading->bytes.data != 1)
        luaL_error(L, "response field 'file' needs one of 'key', 'path' and 'bytes'");
    lua_pushliteral(L, "download");
    lua_rawget(L, table);
    reading->download = lua_toboolean(L, -1);
    lua_pop(L, 1);
}

/* What is said of the file beside its bytes. */
static void describe(lua_State *L, int response, struct reading *reading)
{
    struct tt_str type = tt_value_field(L, response, "content_type");
    struct tt_buf disposition = {.max = sizeof(reading->disposition) - 1};

    reading->source.type = type.data ? type : tt_http_type_of(reading->name);
    if (reading->source.key.data && !tt_http_type_is_inert(reading->source.type))
        reading->download = true;
    if (!reading->download && !(reading->name.data && reading->source.key.data))
        return;
    tt_http_put_disposition(&disposition, reading->download, reading->name);
    snprintf(reading->disposition, sizeof(reading->disposition), "%.*s", (int)disposition.len,
             disposition.data);
    tt_buf_free(&disposition);
}

static void add_headers(lua_State *L, struct tt_request *request, int count,
                        const struct reading *reading)
{
    struct tt_http_exchange *exchange = request->exchange;

    tt_response_add_headers(L, request, count);
    if (!tt_response_has_header(L, count, TT_STR("Cache-Control")))
        tt_http_add_header(exchange, TT_STR("Cache-Control"),
                           request->route->auth == TT_AUTH_NONE ? TT_STR("no-cache")
                                                                : TT_STR("private, no-cache"));
    if (reading->disposition[0])
        tt_http_add_header(exchange, TT_STR("Content-Disposition"),
                           tt_str_from(reading->disposition));
}

bool tt_response_file(lua_State *L, struct tt_request *request, int response)
{
    struct reading reading = {0};

    lua_pushliteral(L, "file");
    if (lua_rawget(L, response) == LUA_TNIL) {
        lua_pop(L, 1);
        return false;
    }
    if (!lua_istable(L, -1))
        luaL_error(L, "response field 'file' is a %s, not a table", luaL_typename(L, -1));
    int table = lua_gettop(L);
    read_fields(L, table, &reading);
    if (reading.path.data)
        find_file(L, request, table, &reading);
    if (reading.path.data && !reading.file) {
        tt_request_fail(request, &(struct tt_request_error){.code = "not_found"});
        return true;
    }
    if (reading.source.key.data)
        set_hashed_etag(&reading, reading.source.key);
    else if (reading.bytes.data && reading.bytes.len <= HASH_MAX)
        set_hashed_etag(&reading, reading.bytes);
    describe(L, response, &reading);
    int count = tt_response_gather_headers(L, request, response);
    if (reading.bytes.len > 0) {
        struct tt_buf *copy = tt_value_scratch(L);
        if (tt_buf_append_str(copy, reading.bytes) != 0)
            tt_value_raise_full(L, copy, "the response's body is too large");
        reading.source.owned = *copy;
        *copy = (struct tt_buf){.max = copy->max};
    } else if (reading.bytes.data) {
        reading.source.bytes = TT_STR("");
    }
    add_headers(L, request, count, &reading);
    tt_answer_file(request, &reading.source);
    return true;
}
