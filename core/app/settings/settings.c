/* The one table of settings. Everything that reads, checks, prints or documents a setting works
 * from its row here. */
#include "app/settings/settings.h"

#include "app/settings/settings_table.h"
#include "base/mem.h"
#include "cache/redis_url.h"
#include "db/db.h"
#include "upstream/egress.h"

#include <ctype.h>

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
    return value.len == 0 ? 0 : tt_db_check_url(value, err);
}

/* What follows the scheme; "" when it is no address. */
static struct tt_str after_scheme(struct tt_str value)
{
    size_t scheme = tt_str_starts(value, TT_STR("https://"))  ? 8
                    : tt_str_starts(value, TT_STR("http://")) ? 7
                                                              : value.len;
    return tt_str_of(value.data + scheme, value.len - scheme);
}

static int check_origin(struct tt_str value, struct tt_err *err)
{
    struct tt_str rest = after_scheme(value);
    /* Compared byte by byte with what browsers send: a path would never match. */
    if (rest.len > 0 && tt_str_find(rest, '/') < 0)
        return 0;
    return tt_err_set(
        err, 0, "invalid_setting",
        "needs scheme://host[:port] without a path, such as https://chat.example.org");
}

/* A segment as browsers leave it in a path; they take "." and ".." away. */
static bool is_plain_segment(struct tt_str segment)
{
    for (size_t i = 0; i < segment.len; i++)
        if (!isalnum((unsigned char)segment.data[i]) && !strchr("-_.~", segment.data[i]))
            return false;
    return segment.len > 0 && !tt_str_eq(segment, TT_STR(".")) && !tt_str_eq(segment, TT_STR(".."));
}

/* With such a first segment nobody could tell the address of the page from one below it. */
static bool is_own_root(struct tt_str segment)
{
    static const char *const roots[] = {"api",    "v1",    "admin", "assets",       "livez",
                                        "readyz", "share", "docs",  "openapi.json", "llms.txt"};

    for (size_t i = 0; i < TT_COUNT(roots); i++)
        if (tt_str_eq(segment, tt_str_from(roots[i])))
            return true;
    return false;
}

static int check_public_url(struct tt_str value, struct tt_err *err)
{
    struct tt_str rest = after_scheme(value), host = {0}, segment;
    bool good = tt_str_split(&rest, '/', &host) && host.len > 0;

    if (value.len == 0)
        return 0;
    for (bool first = true; good && rest.data && rest.len > 0; first = false) {
        tt_str_split(&rest, '/', &segment);
        if (first && is_own_root(segment))
            return tt_err_set(err, 0, "invalid_setting",
                              "the path may not begin with /%.*s: the server has addresses of its "
                              "own there",
                              TT_STR_ARG(segment));
        good = is_plain_segment(segment);
    }
    return good ? 0
                : tt_err_set(err, 0, "invalid_setting",
                             "needs scheme://host[:port], maybe with a path of letters, digits, "
                             "-, _, . and ~, such as https://example.org/chat/");
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

const struct tt_conf_option tt_settings_table[] = {
    {.key = "listen",
     .env = "TIDETALK_LISTEN",
     .fallback = "127.0.0.1:8080",
     .check = check_address,
     .help = "address of the public listener"},
    {.key = "data_dir",
     .env = "TIDETALK_DATA_DIR",
     .fallback = "./data",
     .help = "folder for the database, uploaded files, key file, lock and admin socket"},
    {.key = "database_url",
     .env = "TIDETALK_DATABASE_URL",
     .fallback = "",
     .check = check_database,
     .help = "sqlite:<path>; empty = tidetalk.db in the data folder"},
    {.key = "redis_url",
     .env = "TIDETALK_REDIS_URL",
     .fallback = "",
     .secret = true,
     .check = tt_redis_url_check,
     .help = "redis://[[user]:password@]host[:port][/db]; empty = no Redis"},
    {.key = "redis.timeout",
     .env = "TIDETALK_REDIS_TIMEOUT",
     .type = TT_CONF_DURATION,
     .fallback = "20ms",
     .min = 1,
     .max = 10000,
     .help = "timeout of a Redis command; after it Redis counts as down"},
    {.key = "cache.memory",
     .env = "TIDETALK_CACHE_MEMORY",
     .type = TT_CONF_SIZE,
     .fallback = "64MiB",
     .min = 1048576,
     .max = 1099511627776,
     .help = "memory for the in-process cache"},
    {.key = "cache.value_max",
     .env = "TIDETALK_CACHE_VALUE_MAX",
     .type = TT_CONF_SIZE,
     .fallback = "1MiB",
     .min = 1024,
     .max = 67108864,
     .help = "largest value to cache"},
    {.key = "shared.memory",
     .env = "TIDETALK_SHARED_MEMORY",
     .type = TT_CONF_SIZE,
     .fallback = "16MiB",
     .min = 65536,
     .max = 1099511627776,
     .help = "memory for values shared by scripts (tide.shared)"},
    {.key = "workers",
     .env = "TIDETALK_WORKERS",
     .type = TT_CONF_INT,
     .fallback = "0",
     .max = TT_WORKERS_MAX,
     .help = "worker threads; 0 = one per core"},
    {.key = "lua_dir",
     .env = "TIDETALK_LUA_DIR",
     .fallback = "lua",
     .help = "folder of the scripts"},
    {.key = "personas",
     .env = "TIDETALK_PERSONAS",
     .fallback = "style.yaml",
     .help = "file with the personas"},
    {.key = "migrations_dir",
     .env = "TIDETALK_MIGRATIONS_DIR",
     .fallback = "migrations",
     .help = "folder of the database migrations"},
    {.key = "secret_file",
     .env = "TIDETALK_SECRET_FILE",
     .fallback = "",
     .help = "key file, created at the first start; empty = secret.key in the data folder"},
    {.key = "public_url",
     .env = "TIDETALK_PUBLIC_URL",
     .fallback = "",
     .check = check_public_url,
     .help = "address at which browsers reach the server, maybe with a path; https makes cookies "
             "Secure"},
    {.key = "trusted_proxies",
     .env = "TIDETALK_TRUSTED_PROXIES",
     .type = TT_CONF_LIST,
     .fallback = "",
     .check = tt_egress_check_item,
     .help = "proxies whose X-Forwarded-For and -Proto are trusted (CIDR)"},
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
     .help = "addresses that users' upstreams may have besides public ones: CIDR or host[:port]"},
    {.key = "outbound.public",
     .env = "TIDETALK_OUTBOUND_PUBLIC",
     .type = TT_CONF_BOOL,
     .fallback = "true",
     .help = "allow public addresses for users' upstreams; false = only those in outbound.allow"},
    {.key = "admin.listen",
     .env = "TIDETALK_ADMIN_LISTEN",
     .fallback = "",
     .help = "unix:<path>, or 127.0.0.1:port with a token; empty = admin.sock in the data folder"},
    {.key = "admin.token",
     .env = "TIDETALK_ADMIN_TOKEN",
     .fallback = "",
     .secret = true,
     .help = "token for an admin listener on 127.0.0.1:port; at least 16 characters"},
    {.key = "admin.token_file",
     .env = "TIDETALK_ADMIN_TOKEN_FILE",
     .fallback = "",
     .help = "file with that token on its first line"},
    {.key = "admin.port_life",
     .env = "TIDETALK_ADMIN_PORT_LIFE",
     .type = TT_CONF_DURATION,
     .fallback = "15m",
     .min = 100,
     .max = 86400000,
     .help = "how long the port opened by `tidetalk admin` stays open"},
    {.key = "demo",
     .env = "TIDETALK_DEMO",
     .type = TT_CONF_BOOL,
     .fallback = "true",
     .help = "offer the built-in model 'demo'"},
    {.key = "registration",
     .env = "TIDETALK_REGISTRATION",
     .type = TT_CONF_BOOL,
     .fallback = "true",
     .help = "allow anybody to register"},
    {.key = "dev",
     .env = "TIDETALK_DEV",
     .type = TT_CONF_BOOL,
     .fallback = "false",
     .help = "show details of script errors in responses"},
    {.key = "token.ttl",
     .env = "TIDETALK_TOKEN_TTL",
     .type = TT_CONF_DURATION,
     .fallback = "24h",
     .min = 1000,
     .max = 31536000000,
     .help = "lifetime of an access token"},
    {.key = "quota.requests_per_minute",
     .env = "TIDETALK_QUOTA_REQUESTS_PER_MINUTE",
     .type = TT_CONF_INT,
     .fallback = "0",
     .max = 1000000,
     .help = "messages per minute and user; 0 = no limit"},
    {.key = "quota.tokens_per_day",
     .env = "TIDETALK_QUOTA_TOKENS_PER_DAY",
     .type = TT_CONF_INT,
     .fallback = "0",
     .max = 1000000000000,
     .help = "tokens per user and UTC day, requests and replies together; 0 = no limit"},
    {.key = "history.pairs",
     .env = "TIDETALK_HISTORY_PAIRS",
     .type = TT_CONF_INT,
     .fallback = "10",
     .max = 1000,
     .help = "question and answer pairs sent as history"},
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
     .help = "how long running replies may continue after SIGTERM"},
    {.key = "limits.body",
     .env = "TIDETALK_LIMITS_BODY",
     .type = TT_CONF_SIZE,
     .fallback = "1MiB",
     .min = 1024,
     .max = 1073741824,
     .help = "largest request body of a JSON route"},
    {.key = "limits.upload",
     .env = "TIDETALK_LIMITS_UPLOAD",
     .type = TT_CONF_SIZE,
     .fallback = "10MiB",
     .min = 1,
     .max = 1099511627776,
     .help = "largest uploaded file"},
    {.key = "limits.user_files",
     .env = "TIDETALK_LIMITS_USER_FILES",
     .type = TT_CONF_SIZE,
     .fallback = "1GiB",
     .max = 1125899906842624,
     .help = "total size of one user's files"},
    {.key = "files.types",
     .env = "TIDETALK_FILES_TYPES",
     .type = TT_CONF_LIST,
     .fallback = "",
     .check = check_file_type,
     .help = "file extensions that may be uploaded, such as .txt; empty = all"},
    {.key = "files.text_types",
     .env = "TIDETALK_FILES_TEXT_TYPES",
     .type = TT_CONF_LIST,
     .fallback = "",
     .check = check_file_type,
     .help = "additional extensions of text files that models may read"},
    {.key = "limits.head",
     .env = "TIDETALK_LIMITS_HEAD",
     .type = TT_CONF_SIZE,
     .fallback = "16KiB",
     .min = 4096,
     .max = 1048576,
     .help = "largest request head"},
    {.key = "limits.connections",
     .env = "TIDETALK_LIMITS_CONNECTIONS",
     .type = TT_CONF_INT,
     .fallback = "0",
     .max = 1000000,
     .help = "open connections per worker; 0 = derived from the open-files limit"},
    {.key = "limits.per_address",
     .env = "TIDETALK_LIMITS_PER_ADDRESS",
     .type = TT_CONF_INT,
     .fallback = "0",
     .max = 1000000,
     .help = "connections from one address, per worker; 0 = no limit"},
    {.key = "limits.head_timeout",
     .env = "TIDETALK_LIMITS_HEAD_TIMEOUT",
     .type = TT_CONF_DURATION,
     .fallback = "5s",
     .min = 100,
     .max = 600000,
     .help = "time limit for receiving a request's head"},
    {.key = "limits.idle_timeout",
     .env = "TIDETALK_LIMITS_IDLE_TIMEOUT",
     .type = TT_CONF_DURATION,
     .fallback = "75s",
     .min = 1000,
     .max = 3600000,
     .help = "how long a connection may stay open without a request"},
    {.key = "limits.body_rate",
     .env = "TIDETALK_LIMITS_BODY_RATE",
     .type = TT_CONF_SIZE,
     .fallback = "512",
     .max = 1073741824,
     .help = "minimum upload speed in bytes per second; 0 = no minimum"},
    {.key = "limits.script_memory",
     .env = "TIDETALK_LIMITS_SCRIPT_MEMORY",
     .type = TT_CONF_SIZE,
     .fallback = "64MiB",
     .min = 4194304,
     .max = 4294967296,
     .help = "memory of one script state"},
    {.key = "limits.script_time",
     .env = "TIDETALK_LIMITS_SCRIPT_TIME",
     .type = TT_CONF_DURATION,
     .fallback = "50ms",
     .min = 1,
     .max = 3600000,
     .help = "CPU time a script may use between two waits before it is stopped"},
    {.key = "limits.script_load_time",
     .env = "TIDETALK_LIMITS_SCRIPT_LOAD_TIME",
     .type = TT_CONF_DURATION,
     .fallback = "2s",
     .min = 1,
     .max = 3600000,
     .help = "CPU time for loading the scripts into one state"},
    {.key = "limits.reply_memory",
     .env = "TIDETALK_LIMITS_REPLY_MEMORY",
     .type = TT_CONF_SIZE,
     .fallback = "1GiB",
     .min = 16777216,
     .max = 1099511627776,
     .help = "memory for the texts of all running replies"},
    {.key = "limits.unread",
     .env = "TIDETALK_LIMITS_UNREAD",
     .type = TT_CONF_SIZE,
     .fallback = "512MiB",
     .max = 1099511627776,
     .help = "answers that clients have not read yet; 0 = no limit"},
    {.key = "limits.user_unread",
     .env = "TIDETALK_LIMITS_USER_UNREAD",
     .type = TT_CONF_SIZE,
     .fallback = "64MiB",
     .max = 1099511627776,
     .help = "the same of one user, or of one address without a login; 0 = no limit"},
    {.key = "limits.user_replies",
     .env = "TIDETALK_LIMITS_USER_REPLIES",
     .type = TT_CONF_INT,
     .fallback = "64",
     .max = 1000000,
     .help = "running replies of one user; 0 = no limit"},
    {.key = "reload.probation",
     .env = "TIDETALK_RELOAD_PROBATION",
     .type = TT_CONF_DURATION,
     .fallback = "60s",
     .max = 3600000,
     .help = "how long after a reload failing scripts are rolled back automatically; 0 = never"},
    {.key = "reload.probation_errors",
     .env = "TIDETALK_RELOAD_PROBATION_ERRORS",
     .type = TT_CONF_INT,
     .fallback = "5",
     .min = 1,
     .max = 1000000,
     .help = "failed requests that trigger it, if they are also a fifth of all and twice the share "
             "before"},
    {.key = "upstream.connect_timeout",
     .env = "TIDETALK_UPSTREAM_CONNECT_TIMEOUT",
     .type = TT_CONF_DURATION,
     .fallback = "10s",
     .max = 3600000,
     .help = "timeout for connecting to an upstream"},
    {.key = "upstream.first_byte_timeout",
     .env = "TIDETALK_UPSTREAM_FIRST_BYTE_TIMEOUT",
     .type = TT_CONF_DURATION,
     .fallback = "120s",
     .max = 3600000,
     .help = "timeout for the first byte of an upstream's response"},
    {.key = "upstream.between_timeout",
     .env = "TIDETALK_UPSTREAM_BETWEEN_TIMEOUT",
     .type = TT_CONF_DURATION,
     .fallback = "60s",
     .max = 3600000,
     .help = "longest pause between two parts of an upstream's response"},
    {.key = "upstream.total_timeout",
     .env = "TIDETALK_UPSTREAM_TOTAL_TIMEOUT",
     .type = TT_CONF_DURATION,
     .fallback = "30m",
     .max = 86400000,
     .help = "time limit for a whole upstream call"},
    {.key = "upstream.retries",
     .env = "TIDETALK_UPSTREAM_RETRIES",
     .type = TT_CONF_INT,
     .fallback = "2",
     .max = 3,
     .help = "how often to retry when none of a model's upstreams accepted the request"},
    {.key = "upstream.retry_wait",
     .env = "TIDETALK_UPSTREAM_RETRY_WAIT",
     .type = TT_CONF_DURATION,
     .fallback = "500ms",
     .max = 60000,
     .help = "wait before the first retry; doubled each time"},
    {.key = "upstream.retry_after_max",
     .env = "TIDETALK_UPSTREAM_RETRY_AFTER_MAX",
     .type = TT_CONF_DURATION,
     .fallback = "5s",
     .max = 600000,
     .help = "longest Retry-After to wait for; an upstream that asks for more is not retried"},
    {.key = "upstream.retry_after_send",
     .env = "TIDETALK_UPSTREAM_RETRY_AFTER_SEND",
     .type = TT_CONF_BOOL,
     .fallback = "false",
     .help = "also retry a request that was sent but got no response; it may be charged twice"},
    {.key = "upstream.balance",
     .env = "TIDETALK_UPSTREAM_BALANCE",
     .type = TT_CONF_ENUM,
     .fallback = "first",
     .choices = "first|spread",
     .help = "which of a model's API configurations to use: the oldest first, or each in turn"},
    {.key = "upstream.breaker_failures",
     .env = "TIDETALK_UPSTREAM_BREAKER_FAILURES",
     .type = TT_CONF_INT,
     .fallback = "10",
     .max = 1000000,
     .help = "consecutive failures after which an upstream is not called for a while; 0 = never"},
    {.key = "upstream.breaker_window",
     .env = "TIDETALK_UPSTREAM_BREAKER_WINDOW",
     .type = TT_CONF_DURATION,
     .fallback = "30s",
     .min = 1,
     .max = 3600000,
     .help = "time within which these failures must happen"},
    {.key = "upstream.breaker_pause",
     .env = "TIDETALK_UPSTREAM_BREAKER_PAUSE",
     .type = TT_CONF_DURATION,
     .fallback = "10s",
     .min = 1,
     .max = 3600000,
     .help = "how long it is not called before one call may try again"},
    {.key = "upstream.in_flight",
     .env = "TIDETALK_UPSTREAM_IN_FLIGHT",
     .type = TT_CONF_INT,
     .fallback = "10000",
     .max = 1000000,
     .help = "concurrent calls to one upstream (address and key); 0 = no limit"},
    {.key = "upstream.ca_file",
     .env = "TIDETALK_UPSTREAM_CA_FILE",
     .fallback = "",
     .help = "file with certificates to trust instead of the system's"},
    {.key = "log.level",
     .env = "TIDETALK_LOG_LEVEL",
     .type = TT_CONF_ENUM,
     .fallback = "info",
     .choices = "debug|info|warn|error",
     .help = "lowest level to log"},
    {.key = "log.format",
     .env = "TIDETALK_LOG_FORMAT",
     .type = TT_CONF_ENUM,
     .fallback = "json",
     .choices = "json|text",
     .help = "format of the log on standard error"},
};

const size_t tt_settings_count = TT_COUNT(tt_settings_table);
