/* The one table of settings. Everything that reads, checks, prints or documents a setting works
 * from its row here. */
#include "app/settings.h"

#include "cache/redis_url.h"
#include "llm/egress.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PATH_MAX_BYTES 4096

static int check_address(struct tt_str value, struct tt_err *err)
{
    ptrdiff_t colon = -1;
    uint64_t port;

    if (tt_str_starts(value, TT_STR("unix:")))
        return value.len > 5 ? 0 : tt_err_set(err, 0, "invalid_setting", "unix: needs a path");
    for (size_t i = 0; i < value.len; i++)
        if (value.data[i] == ':')
            colon = (ptrdiff_t)i;
    struct tt_str digits = tt_str_of(value.data + colon + 1, value.len - (size_t)(colon + 1));
    if (colon <= 0 || tt_str_to_u64(digits, &port) != 0 || port > 65535)
        return tt_err_set(err, 0, "invalid_setting",
                          "needs host:port, such as 127.0.0.1:8080 or [::1]:8080");
    return 0;
}

static int check_database(struct tt_str value, struct tt_err *err)
{
    if (value.len == 0 || tt_str_starts(value, TT_STR("sqlite:")))
        return 0;
    return tt_err_set(err, 0, "invalid_setting", "only sqlite:<path> is supported");
}

static int check_origin(struct tt_str value, struct tt_err *err)
{
    size_t scheme = tt_str_starts(value, TT_STR("https://"))  ? 8
                    : tt_str_starts(value, TT_STR("http://")) ? 7
                                                              : 0;
    /* Compared byte by byte with what browsers send: a path would never match. */
    if (scheme && value.len > scheme && !memchr(value.data + scheme, '/', value.len - scheme))
        return 0;
    return tt_err_set(
        err, 0, "invalid_setting",
        "needs scheme://host[:port] without a path, such as https://chat.example.org");
}

static int check_public_url(struct tt_str value, struct tt_err *err)
{
    return value.len == 0 ? 0 : check_origin(value, err);
}

static int check_file_type(struct tt_str value, struct tt_err *err)
{
    bool good = tt_str_starts(value, TT_STR(".")) && value.len > 1 && value.len <= 16;
    for (size_t i = 0; good && i < value.len; i++)
        good = !(value.data[i] >= 'A' && value.data[i] <= 'Z') && (value.data[i] != '.' || i == 0);
    return good ? 0
                : tt_err_set(err, 0, "invalid_setting",
                             "needs an extension in small letters with its dot, such as .txt");
}

static const struct tt_conf_option options[] = {
    {.key = "listen",
     .env = "TIDETALK_LISTEN",
     .fallback = "127.0.0.1:8080",
     .check = check_address,
     .help = "address of the public listener"},
    {.key = "data_dir",
     .env = "TIDETALK_DATA_DIR",
     .fallback = "./data",
     .help = "folder of database, key file, lock and admin socket"},
    {.key = "database_url",
     .env = "TIDETALK_DATABASE_URL",
     .fallback = "",
     .check = check_database,
     .help = "sqlite:<path>; empty: tidetalk.db in the data folder"},
    {.key = "redis_url",
     .env = "TIDETALK_REDIS_URL",
     .fallback = "",
     .secret = true,
     .check = tt_redis_url_check,
     .help = "redis://[[user]:password@]host[:port][/db]; empty: no Redis"},
    {.key = "redis.timeout",
     .env = "TIDETALK_REDIS_TIMEOUT",
     .type = TT_CONF_DURATION,
     .fallback = "20ms",
     .min = 1,
     .max = 10000,
     .help = "after which Redis counts as down"},
    {.key = "cache.memory",
     .env = "TIDETALK_CACHE_MEMORY",
     .type = TT_CONF_SIZE,
     .fallback = "64MiB",
     .min = 1048576,
     .max = 1099511627776,
     .help = "the cache in this process"},
    {.key = "cache.value_max",
     .env = "TIDETALK_CACHE_VALUE_MAX",
     .type = TT_CONF_SIZE,
     .fallback = "1MiB",
     .min = 1024,
     .max = 67108864,
     .help = "largest value that is cached"},
    {.key = "shared.memory",
     .env = "TIDETALK_SHARED_MEMORY",
     .type = TT_CONF_SIZE,
     .fallback = "16MiB",
     .min = 65536,
     .max = 1099511627776,
     .help = "what scripts share (tide.shared)"},
    {.key = "workers",
     .env = "TIDETALK_WORKERS",
     .type = TT_CONF_INT,
     .fallback = "0",
     .max = TT_WORKERS_MAX,
     .help = "worker threads; 0: one a core"},
    {.key = "lua_dir",
     .env = "TIDETALK_LUA_DIR",
     .fallback = "lua",
     .help = "folder of the scripts"},
    {.key = "personas",
     .env = "TIDETALK_PERSONAS",
     .fallback = "style.yaml",
     .help = "file of the personas"},
    {.key = "migrations_dir",
     .env = "TIDETALK_MIGRATIONS_DIR",
     .fallback = "migrations",
     .help = "folder of the database migrations"},
    {.key = "secret_file",
     .env = "TIDETALK_SECRET_FILE",
     .fallback = "",
     .help = "key file (made at the first start); empty: secret.key in the data folder"},
    {.key = "public_url",
     .env = "TIDETALK_PUBLIC_URL",
     .fallback = "",
     .check = check_public_url,
     .help = "how browsers reach the server; https makes cookies Secure"},
    {.key = "trusted_proxies",
     .env = "TIDETALK_TRUSTED_PROXIES",
     .type = TT_CONF_LIST,
     .fallback = "",
     .check = tt_egress_check_item,
     .help = "proxies whose X-Forwarded-For and -Proto are believed (cidr)"},
    {.key = "cors.origins",
     .env = "TIDETALK_CORS_ORIGINS",
     .type = TT_CONF_LIST,
     .fallback = "",
     .check = check_origin,
     .help = "origins of other sites that may call the API"},
    {.key = "outbound.allow",
     .env = "TIDETALK_OUTBOUND_ALLOW",
     .type = TT_CONF_LIST,
     .fallback = "",
     .check = tt_egress_check_item,
     .help = "addresses open to users' upstreams besides the public internet: cidr or host[:port]"},
    {.key = "outbound.public",
     .env = "TIDETALK_OUTBOUND_PUBLIC",
     .type = TT_CONF_BOOL,
     .fallback = "true",
     .help =
         "whether users' upstreams may be public addresses; false: only those of outbound.allow"},
    {.key = "admin.listen",
     .env = "TIDETALK_ADMIN_LISTEN",
     .fallback = "",
     .check = NULL,
     .help = "admin listener, unix:<path>; empty: admin.sock in the data folder"},
    {.key = "demo",
     .env = "TIDETALK_DEMO",
     .type = TT_CONF_BOOL,
     .fallback = "true",
     .help = "the built-in model 'demo'"},
    {.key = "registration",
     .env = "TIDETALK_REGISTRATION",
     .type = TT_CONF_BOOL,
     .fallback = "true",
     .help = "whether anybody may register"},
    {.key = "dev",
     .env = "TIDETALK_DEV",
     .type = TT_CONF_BOOL,
     .fallback = "false",
     .help = "details of script errors in answers"},
    {.key = "token.ttl",
     .env = "TIDETALK_TOKEN_TTL",
     .type = TT_CONF_DURATION,
     .fallback = "24h",
     .min = 1000,
     .max = 31536000000,
     .help = "life of an access token"},
    {.key = "history.pairs",
     .env = "TIDETALK_HISTORY_PAIRS",
     .type = TT_CONF_INT,
     .fallback = "10",
     .max = 1000,
     .help = "question and answer pairs sent along as history"},
    {.key = "title.ask_model",
     .env = "TIDETALK_TITLE_ASK_MODEL",
     .type = TT_CONF_BOOL,
     .fallback = "false",
     .help = "ask the model for a session's title after its first reply"},
    {.key = "drain",
     .env = "TIDETALK_DRAIN",
     .type = TT_CONF_DURATION,
     .fallback = "30s",
     .max = 3600000,
     .help = "how long running replies may go on after SIGTERM"},
    {.key = "limits.body",
     .env = "TIDETALK_LIMITS_BODY",
     .type = TT_CONF_SIZE,
     .fallback = "1MiB",
     .min = 1024,
     .max = 1073741824,
     .help = "request body of JSON routes"},
    {.key = "limits.upload",
     .env = "TIDETALK_LIMITS_UPLOAD",
     .type = TT_CONF_SIZE,
     .fallback = "10MiB",
     .min = 1,
     .max = 1099511627776,
     .help = "one uploaded file"},
    {.key = "limits.user_files",
     .env = "TIDETALK_LIMITS_USER_FILES",
     .type = TT_CONF_SIZE,
     .fallback = "1GiB",
     .max = 1125899906842624,
     .help = "all files of one user"},
    {.key = "files.types",
     .env = "TIDETALK_FILES_TYPES",
     .type = TT_CONF_LIST,
     .fallback = "",
     .check = check_file_type,
     .help = "extensions that may be uploaded, such as .txt; empty: all"},
    {.key = "files.text_types",
     .env = "TIDETALK_FILES_TEXT_TYPES",
     .type = TT_CONF_LIST,
     .fallback = "",
     .check = check_file_type,
     .help = "further extensions of text files, whose text models may read"},
    {.key = "limits.head",
     .env = "TIDETALK_LIMITS_HEAD",
     .type = TT_CONF_SIZE,
     .fallback = "16KiB",
     .min = 4096,
     .max = 1048576,
     .help = "request head"},
    {.key = "limits.connections",
     .env = "TIDETALK_LIMITS_CONNECTIONS",
     .type = TT_CONF_INT,
     .fallback = "0",
     .max = 1000000,
     .help = "open connections; 0: from the open-files limit"},
    {.key = "limits.per_address",
     .env = "TIDETALK_LIMITS_PER_ADDRESS",
     .type = TT_CONF_INT,
     .fallback = "0",
     .max = 1000000,
     .help = "connections from one address; 0: no limit"},
    {.key = "limits.head_timeout",
     .env = "TIDETALK_LIMITS_HEAD_TIMEOUT",
     .type = TT_CONF_DURATION,
     .fallback = "5s",
     .min = 100,
     .max = 600000,
     .help = "until a request's head is complete"},
    {.key = "limits.idle_timeout",
     .env = "TIDETALK_LIMITS_IDLE_TIMEOUT",
     .type = TT_CONF_DURATION,
     .fallback = "75s",
     .min = 1000,
     .max = 3600000,
     .help = "kept-alive connections without a request"},
    {.key = "limits.body_rate",
     .env = "TIDETALK_LIMITS_BODY_RATE",
     .type = TT_CONF_SIZE,
     .fallback = "512",
     .max = 1073741824,
     .help = "slowest upload, bytes a second; 0: any"},
    {.key = "limits.script_memory",
     .env = "TIDETALK_LIMITS_SCRIPT_MEMORY",
     .type = TT_CONF_SIZE,
     .fallback = "64MiB",
     .min = 4194304,
     .max = 4294967296,
     .help = "a script state"},
    {.key = "limits.script_time",
     .env = "TIDETALK_LIMITS_SCRIPT_TIME",
     .type = TT_CONF_DURATION,
     .fallback = "50ms",
     .min = 1,
     .max = 3600000,
     .help = "CPU time of a request's script between two waits; then it is stopped"},
    {.key = "limits.script_load_time",
     .env = "TIDETALK_LIMITS_SCRIPT_LOAD_TIME",
     .type = TT_CONF_DURATION,
     .fallback = "2s",
     .min = 1,
     .max = 3600000,
     .help = "CPU time of loading the scripts into one state"},
    {.key = "limits.reply_memory",
     .env = "TIDETALK_LIMITS_REPLY_MEMORY",
     .type = TT_CONF_SIZE,
     .fallback = "1GiB",
     .min = 16777216,
     .max = 1099511627776,
     .help = "texts of all running replies"},
    {.key = "upstream.connect_timeout",
     .env = "TIDETALK_UPSTREAM_CONNECT_TIMEOUT",
     .type = TT_CONF_DURATION,
     .fallback = "10s",
     .max = 3600000,
     .help = "until connected"},
    {.key = "upstream.first_byte_timeout",
     .env = "TIDETALK_UPSTREAM_FIRST_BYTE_TIMEOUT",
     .type = TT_CONF_DURATION,
     .fallback = "120s",
     .max = 3600000,
     .help = "until the first byte of an upstream's answer"},
    {.key = "upstream.between_timeout",
     .env = "TIDETALK_UPSTREAM_BETWEEN_TIMEOUT",
     .type = TT_CONF_DURATION,
     .fallback = "60s",
     .max = 3600000,
     .help = "between an upstream's bytes"},
    {.key = "upstream.total_timeout",
     .env = "TIDETALK_UPSTREAM_TOTAL_TIMEOUT",
     .type = TT_CONF_DURATION,
     .fallback = "30m",
     .max = 86400000,
     .help = "a whole upstream call"},
    {.key = "upstream.ca_file",
     .env = "TIDETALK_UPSTREAM_CA_FILE",
     .fallback = "",
     .help = "certificates to trust instead of the system's"},
    {.key = "log.level",
     .env = "TIDETALK_LOG_LEVEL",
     .type = TT_CONF_ENUM,
     .fallback = "info",
     .choices = "debug|info|warn|error",
     .help = "least level that is logged"},
    {.key = "log.format",
     .env = "TIDETALK_LOG_FORMAT",
     .type = TT_CONF_ENUM,
     .fallback = "json",
     .choices = "json|text",
     .help = "form of the log on standard error"},
};

/* The file: named by --config or TIDETALK_CONFIG (then it must exist), else ./tidetalk.yaml. The
 * flag is taken out of the words. */
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

static void derive(struct tt_settings *settings)
{
    const struct tt_conf *conf = settings->conf;
    const char *database = tt_conf_get(conf, "database_url")->text.data;
    const char *admin = tt_conf_get(conf, "admin.listen")->text.data;
    const char *secret = tt_conf_get(conf, "secret_file")->text.data;

    settings->listen = tt_conf_get(conf, "listen")->text.data;
    settings->data_dir = tt_conf_get(conf, "data_dir")->text.data;
    settings->lua_dir = tt_conf_get(conf, "lua_dir")->text.data;
    settings->personas = tt_conf_get(conf, "personas")->text.data;
    settings->migrations_dir = tt_conf_get(conf, "migrations_dir")->text.data;
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
        snprintf(settings->database, sizeof(settings->database), "%s", database + 7);
    else
        snprintf(settings->database, sizeof(settings->database), "%s/tidetalk.db",
                 settings->data_dir);
    if (*admin)
        snprintf(settings->admin_listen, sizeof(settings->admin_listen), "%s", admin);
    else
        snprintf(settings->admin_listen, sizeof(settings->admin_listen), "unix:%s/admin.sock",
                 settings->data_dir);
}

int tt_settings_load(struct tt_settings *settings, int argc, char **argv, int *argc_rest,
                     char **rest, struct tt_err *err)
{
    bool named;
    const char *path = config_path(&argc, argv, &named);

    memset(settings, 0, sizeof(*settings));
    settings->conf = tt_conf_new(options, TT_COUNT(options));
    if (tt_conf_read_file(settings->conf, path, named, err) != 0 ||
        tt_conf_read_env(settings->conf, err) != 0 ||
        tt_conf_read_flags(settings->conf, argc, argv, argc_rest, rest, err) != 0)
        return -1;
    if (tt_conf_get(settings->conf, "data_dir")->text.len > PATH_MAX_BYTES)
        return tt_err_set(err, 0, "invalid_setting", "%s: data_dir: longer than %d bytes",
                          tt_conf_get(settings->conf, "data_dir")->origin, PATH_MAX_BYTES);
    derive(settings);
    if (!tt_str_starts(tt_str_from(settings->admin_listen), TT_STR("unix:")))
        return tt_err_set(err, 0, "invalid_setting", "%s: admin.listen: needs unix:<path>",
                          tt_conf_get(settings->conf, "admin.listen")->origin);
    return 0;
}

void tt_settings_free(struct tt_settings *settings)
{
    tt_conf_free(settings->conf);
    settings->conf = NULL;
}

int64_t tt_settings_int(const struct tt_settings *settings, const char *key)
{
    return tt_conf_get(settings->conf, key)->integer;
}

int tt_settings_for_lua(const char *key, struct tt_lua_setting *out, void *arg)
{
    const struct tt_settings *settings = arg;

    for (size_t i = 0; i < TT_COUNT(options); i++) {
        const struct tt_conf_option *option = &options[i];
        if (option->secret || strcmp(option->key, key) != 0)
            continue;
        const struct tt_conf_value *value = tt_conf_get(settings->conf, key);
        *out = (struct tt_lua_setting){.text = value->text,
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
    return -1;
}

void tt_settings_help(struct tt_buf *out)
{
    tt_conf_help(options, TT_COUNT(options), out);
}
