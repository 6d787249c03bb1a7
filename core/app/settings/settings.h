/* The settings of TideTalk: the table of options, and their values in the types that the parts of
 * the server need. Read once at start, immutable afterwards. */
#pragma once
#include "app/settings/installed.h"
#include "base/conf.h"
#include "script/sources.h"
#include "tide/setting.h"

#define TT_WORKERS_MAX 256

struct tt_http_settings;
struct tt_runtime;

struct tt_settings {
    struct tt_conf *conf;
    const char *listen, *data_dir;
    const char *lua_dir; /* the first folder of scripts */
    const char *personas, *migrations_dir;
    struct tt_script_sources scripts; /* scripts or lua_dir, plugins_dir, personas */
    const char **roots;               /* of these */
    struct {
        char lua_dir[TT_INSTALLED_PATH_BYTES], personas[TT_INSTALLED_PATH_BYTES],
            migrations_dir[TT_INSTALLED_PATH_BYTES];
    } installed;            /* what those point to when they are not in the working folder */
    char config_file[4200]; /* it need not be there */
    char secret_file[4200];
    char database_url[4200];
    char admin_listen[4200]; /* "unix:<path>" or "host:port" */
    char admin_token[513];   /* "" = the admin listener is a unix socket */
    char s3_secret_key[513]; /* "" = the files are in no bucket */
    char lock_file[4200];
    struct tt_str base_path; /* public_url's path without its last slash; "" = none */
    int workers;
    bool replicated;  /* durability */
    bool accept_loss; /* not a setting but a flag of serve, see data_check.h; false when loaded */
};

/* Reads defaults, file (--config, TIDETALK_CONFIG, or ./tidetalk.yaml if it exists), environment
 * and flags; arguments that are not flags go to rest[]. -1 with the place and the reason. Owns: the
 * caller, tt_settings_free. */
int tt_settings_load(struct tt_settings *settings, int argc, char **argv, int *argc_rest,
                     char **rest, struct tt_err *err);
/* The same, but reports all problems: one line "<origin>: …" for each in *diagnostics; a wrong
 * setting keeps its default. Owns: the caller, tt_settings_free. */
void tt_settings_collect(struct tt_settings *settings, int argc, char **argv, int *argc_rest,
                         char **rest, struct tt_buf *diagnostics);
/* Whether scripts, personas and migrations are there, if no setting says where: a start without its
 * scripts can still have those of the database. Fails: says which is not, where was looked and what
 * to do. */
int tt_settings_check_files(const struct tt_settings *settings, struct tt_err *err);
void tt_settings_free(struct tt_settings *settings);

int64_t tt_settings_int(const struct tt_settings *settings, const char *key);

/* The limits of scripts. */
void tt_settings_fill_runtime(const struct tt_settings *settings, struct tt_runtime *runtime);

/* The limits of connections, all except address and proxies. */
void tt_settings_fill_http(const struct tt_settings *settings, struct tt_http_settings *http);

/* For tide.config: 0, or -1 if there is no such key or it is secret. Thread: any. */
int tt_settings_for_lua(const char *key, struct tt_tide_setting *out, void *settings);

void tt_settings_help(struct tt_buf *out);
