/* From the table of settings to the current values: defaults, file, environment, flags, and values
 * that follow from them. */
#include "app/settings/settings.h"
#include "app/settings/settings_table.h"
#include "base/mem.h"
#include "db/db.h"
#include "http/http.h"
#include "tide/tide.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PATH_MAX_BYTES  4096
#define ADMIN_TOKEN_MIN 16 /* characters */

/* The file: named by --config or TIDETALK_CONFIG (then it must exist), otherwise ./tidetalk.yaml.
 * The flag is removed from the arguments. */
static const char *config_path(int *argc, char **argv, bool *named)
{
    const char *path = getenv("TIDETALK_CONFIG");

    for (int i = 0; i < *argc; i++) {
        int words = 0;
        if (strncmp(argv[i], "--config=", 9) == 0) {
            path = argv[i] + 9;
            words = 1;
        } else if (strcmp(argv[i], "--config") == 0 && i + 1 < *argc) {
            path = argv[i + 1];
            words = 2;
        }
        if (words) {
            memmove(&argv[i], &argv[i + words], (size_t)(*argc - i - words) * sizeof(char *));
            *argc -= words;
            i--;
        }
    }
    *named = path && *path;
    return *named ? path : "tidetalk.yaml";
}

/* scheme://host[:port][/path[/]] (settings.c has checked it) */
static struct tt_str base_path_of(struct tt_str public_url)
{
    const char *end = public_url.data + public_url.len;
    const char *host = public_url.len ? strstr(public_url.data, "://") + 3 : end;
    const char *path = memchr(host, '/', (size_t)(end - host));

    if (!path)
        return TT_STR("");
    return tt_str_of(path, (size_t)(end - path) - (end[-1] == '/'));
}

/* The folders of scripts: those of `scripts`, otherwise lua_dir. */
static void derive_roots(struct tt_settings *settings)
{
    const struct tt_conf_value *list = tt_conf_get(settings->conf, "scripts");
    size_t count = list->item_count ? list->item_count : 1;

    settings->roots = tt_alloc(count * sizeof(*settings->roots));
    settings->roots[0] =
        tt_installed_find(tt_conf_get(settings->conf, "lua_dir"), settings->installed.lua_dir);
    for (size_t i = 0; i < list->item_count; i++)
        settings->roots[i] = list->items[i].data;
    settings->lua_dir = settings->roots[0];
    settings->scripts.root_count = count;
}

static void derive(struct tt_settings *settings)
{
    const struct tt_conf *conf = settings->conf;
    const char *database = tt_conf_get(conf, "database_url")->text.data;
    const char *admin = tt_conf_get(conf, "admin.listen")->text.data;
    const char *secret = tt_conf_get(conf, "secret_file")->text.data;

    settings->listen = tt_conf_get(conf, "listen")->text.data;
    settings->data_dir = tt_conf_get(conf, "data_dir")->text.data;
    settings->personas =
        tt_installed_find(tt_conf_get(conf, "personas"), settings->installed.personas);
    derive_roots(settings);
    settings->scripts = (struct tt_script_sources){
        .roots = settings->roots,
        .root_count = settings->scripts.root_count,
        .plugins_dir = tt_conf_get(conf, "plugins_dir")->text.data,
        .personas = settings->personas,
        .config = settings->config_file,
    };
    settings->migrations_dir =
        tt_installed_find(tt_conf_get(conf, "migrations_dir"), settings->installed.migrations_dir);
    settings->base_path = base_path_of(tt_conf_get(conf, "public_url")->text);
    settings->workers = (int)tt_conf_get(conf, "workers")->integer;
    if (settings->workers == 0)
        settings->workers = (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (settings->workers > TT_WORKERS_MAX)
        settings->workers = TT_WORKERS_MAX;
    if (*secret)
        snprintf(settings->secret_file, sizeof(settings->secret_file), "%s", secret);
    else
        snprintf(settings->secret_file, sizeof(settings->secret_file), "%s/secret.key",
                 settings->data_dir);
    snprintf(settings->lock_file, sizeof(settings->lock_file), "%s/lock", settings->data_dir);
    if (*database)
        snprintf(settings->database_url, sizeof(settings->database_url), "%s", database);
    else
        tt_db_default_url(settings->data_dir, settings->database_url,
                          sizeof(settings->database_url));
    settings->replicated = tt_str_eq(tt_conf_get(conf, "durability")->text, TT_STR("replicated"));
    if (*admin)
        snprintf(settings->admin_listen, sizeof(settings->admin_listen), "%s", admin);
    else
        snprintf(settings->admin_listen, sizeof(settings->admin_listen), "unix:%s/admin.sock",
                 settings->data_dir);
}

static int check_folder(const struct tt_settings *settings, struct tt_err *err)
{
    const struct tt_conf_value *folder = tt_conf_get(settings->conf, "data_dir");

    if (folder->text.len > PATH_MAX_BYTES)
        return tt_err_set(err, 0, "invalid_setting", "%s: data_dir: longer than %d bytes",
                          folder->origin, PATH_MAX_BYTES);
    return 0;
}

static int check_durability(const struct tt_settings *settings, struct tt_err *err)
{
    const struct tt_conf_value *durability = tt_conf_get(settings->conf, "durability");

    if (settings->replicated && strcmp(tt_db_dialect(settings->database_url), "postgres") != 0)
        return tt_err_set(err, 0, "invalid_setting",
                          "%s: durability: replicated needs database_url: postgres://…",
                          durability->origin);
    return 0;
}

/* The first line of the file that the setting `file_key` names, or the text of `key`. */
static int read_secret(const struct tt_settings *settings, const char *key, const char *file_key,
                       char *out, size_t size, struct tt_err *err)
{
    const struct tt_conf_value *file = tt_conf_get(settings->conf, file_key);

    snprintf(out, size, "%.*s", TT_STR_ARG(tt_conf_get(settings->conf, key)->text));
    if (file->text.len == 0)
        return 0;
    int fd = open(file->text.data, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, out, size - 1);
    if (fd >= 0)
        close(fd);
    if (len < 0)
        return tt_err_set(err, 0, "invalid_setting", "%s: %s: %s: %s", file->origin, file_key,
                          file->text.data, strerror(errno));
    out[len] = 0;
    out[strcspn(out, "\r\n")] = 0;
    return 0;
}

static int check_files_url(struct tt_settings *settings, struct tt_err *err)
{
    const struct tt_conf_value *url = tt_conf_get(settings->conf, "files_url");

    if (!tt_str_starts(url->text, TT_STR("s3:")))
        return 0;
    if (read_secret(settings, "s3.secret_key", "s3.secret_key_file", settings->s3_secret_key,
                    sizeof(settings->s3_secret_key), err) != 0)
        return -1;
    if (tt_conf_get(settings->conf, "s3.access_key")->text.len > 0 && *settings->s3_secret_key)
        return 0;
    return tt_err_set(err, 0, "invalid_setting",
                      "%s: files_url: a bucket needs s3.access_key, and s3.secret_key or "
                      "s3.secret_key_file",
                      url->origin);
}

/* A unix socket has the permissions of its file. A port of the loopback is open to every user of
 * the machine, so it needs a token; any other port would be open to everybody without TLS. */
static int check_admin(struct tt_settings *settings, struct tt_err *err)
{
    const char *origin = tt_conf_get(settings->conf, "admin.listen")->origin;
    struct tt_str address = tt_str_from(settings->admin_listen);

    if (tt_str_starts(address, TT_STR("unix:")))
        return 0;
    if (!tt_str_starts(address, TT_STR("127.0.0.1:")) && !tt_str_starts(address, TT_STR("[::1]:")))
        return tt_err_set(err, 0, "invalid_setting",
                          "%s: admin.listen: needs unix:<path>, 127.0.0.1:port or [::1]:port",
                          origin);
    if (read_secret(settings, "admin.token", "admin.token_file", settings->admin_token,
                    sizeof(settings->admin_token), err) != 0)
        return -1;
    if (strlen(settings->admin_token) < ADMIN_TOKEN_MIN)
        return tt_err_set(err, 0, "invalid_setting",
                          "%s: admin.listen: a port needs a token of at least %d characters: set "
                          "admin.token_file or admin.token",
                          origin, ADMIN_TOKEN_MIN);
    return 0;
}

static void begin(struct tt_settings *settings, const char *path)
{
    memset(settings, 0, sizeof(*settings));
    snprintf(settings->config_file, sizeof(settings->config_file), "%s", path);
    settings->conf = tt_conf_new(tt_settings_table, tt_settings_count);
    tt_conf_leave_out(settings->conf, "plugins"); /* see script/plugin_values.h */
}

int tt_settings_load(struct tt_settings *settings, int argc, char **argv, int *argc_rest,
                     char **rest, struct tt_err *err)
{
    bool named;
    const char *path = config_path(&argc, argv, &named);

    begin(settings, path);
    if (tt_conf_read_file(settings->conf, path, named, err) != 0 ||
        tt_conf_read_env(settings->conf, err) != 0 ||
        tt_conf_read_flags(settings->conf, argc, argv, argc_rest, rest, err) != 0 ||
        check_folder(settings, err) != 0)
        return -1;
    derive(settings);
    return check_durability(settings, err) == 0 && check_admin(settings, err) == 0
               ? check_files_url(settings, err)
               : -1;
}

int tt_settings_check_files(const struct tt_settings *settings, struct tt_err *err)
{
    const struct {
        const char *key, *path;
    } files[] = {{"lua_dir", settings->lua_dir},
                 {"personas", settings->personas},
                 {"migrations_dir", settings->migrations_dir}};
    char places[2 * PATH_MAX_BYTES];

    for (size_t i = 0; i < TT_COUNT(files); i++) {
        const struct tt_conf_value *value = tt_conf_get(settings->conf, files[i].key);
        if (strcmp(value->origin, "default") != 0 || access(files[i].path, F_OK) == 0)
            continue;
        tt_installed_places(places, sizeof(places));
        return tt_err_set(err, 0, "invalid_setting",
                          "%s is in neither of %s: start in the folder that has it, or set %s",
                          files[i].path, places, files[i].key);
    }
    return 0;
}

static void note(struct tt_buf *diagnostics, int result, struct tt_err *err)
{
    if (result != 0)
        tt_buf_printf(diagnostics, "%s\n", err->message);
    *err = (struct tt_err){0};
}

/* One source after the other, whatever the previous one contained. */
void tt_settings_collect(struct tt_settings *settings, int argc, char **argv, int *argc_rest,
                         char **rest, struct tt_buf *diagnostics)
{
    struct tt_err err = {0};
    bool named;
    const char *path = config_path(&argc, argv, &named);

    begin(settings, path);
    tt_conf_collect(settings->conf, diagnostics);
    note(diagnostics, tt_conf_read_file(settings->conf, path, named, &err), &err);
    note(diagnostics, tt_conf_read_env(settings->conf, &err), &err);
    note(diagnostics, tt_conf_read_flags(settings->conf, argc, argv, argc_rest, rest, &err), &err);
    tt_conf_collect(settings->conf, NULL);
    int folder = check_folder(settings, &err);
    note(diagnostics, folder, &err);
    if (folder != 0)
        return; /* nothing can be derived from it */
    derive(settings);
    note(diagnostics, check_durability(settings, &err), &err);
    note(diagnostics, check_admin(settings, &err), &err);
    note(diagnostics, check_files_url(settings, &err), &err);
}

void tt_settings_free(struct tt_settings *settings)
{
    tt_conf_free(settings->conf);
    explicit_bzero(settings->admin_token, sizeof(settings->admin_token));
    explicit_bzero(settings->s3_secret_key, sizeof(settings->s3_secret_key));
    settings->conf = NULL;
    free(settings->roots);
    settings->roots = NULL;
}

int64_t tt_settings_int(const struct tt_settings *settings, const char *key)
{
    return tt_conf_get(settings->conf, key)->integer;
}

void tt_settings_fill_runtime(const struct tt_settings *settings, struct tt_runtime *runtime)
{
    runtime->memory_max = (size_t)tt_settings_int(settings, "limits.script_memory");
    runtime->time_ms = tt_settings_int(settings, "limits.script_time");
    runtime->load_ms = tt_settings_int(settings, "limits.script_load_time");
    runtime->prints = tt_settings_int(settings, "dev") != 0;
    runtime->modules = tt_tide_modules;
}

int tt_settings_check_file_type(struct tt_str value, struct tt_err *err)
{
    bool good = tt_str_starts(value, TT_STR(".")) && value.len > 1 && value.len <= 16;
    for (size_t i = 0; good && i < value.len; i++)
        good = !(value.data[i] >= 'A' && value.data[i] <= 'Z') && (value.data[i] != '.' || i == 0);
    return good ? 0
                : tt_err_set(err, 0, "invalid_setting",
                             "needs an extension in small letters with its dot, such as .txt");
}

void tt_settings_fill_http(const struct tt_settings *settings, struct tt_http_settings *http)
{
    http->head_max = (size_t)tt_settings_int(settings, "limits.head");
    http->connections_max = (int)tt_settings_int(settings, "limits.connections");
    http->per_address_max = (int)tt_settings_int(settings, "limits.per_address");
    http->head_timeout_ms = (uint64_t)tt_settings_int(settings, "limits.head_timeout");
    http->idle_timeout_ms = (uint64_t)tt_settings_int(settings, "limits.idle_timeout");
    http->body_rate_min = (size_t)tt_settings_int(settings, "limits.body_rate");
}

int tt_settings_for_lua(const char *key, struct tt_tide_setting *out, void *arg)
{
    const struct tt_settings *settings = arg;
    const struct tt_conf_option *option;
    const struct tt_conf_value *value = tt_conf_find(settings->conf, key, &option);

    if (!value || option->secret)
        return -1;
    *out = (struct tt_tide_setting){.text = value->text,
                                    .integer = value->integer,
                                    .items = value->items,
                                    .item_count = value->item_count};
    switch (option->type) {
    case TT_CONF_STRING:
    case TT_CONF_ENUM:
        out->type = TT_SETTING_STRING;
        break;
    case TT_CONF_BOOL:
        out->type = TT_SETTING_BOOL;
        break;
    case TT_CONF_LIST:
        out->type = TT_SETTING_LIST;
        break;
    default:
        out->type = TT_SETTING_INT;
    }
    return 0;
}

void tt_settings_help(struct tt_buf *out)
{
    tt_conf_help(tt_settings_table, tt_settings_count, out);
}
