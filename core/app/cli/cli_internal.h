/* Shared by the command files. */
#pragma once
#include "app/settings/settings.h"
#include "base/json.h"
#include "serve/generation.h"
#include "tide/tide.h"

enum { TT_EXIT_OK = 0, TT_EXIT_FAILED = 1, TT_EXIT_USAGE = 2 };

struct tt_command {
    const char *name;
    const char *arguments; /* for the usage line */
    const char *summary;
    const char *help;                  /* further lines of --help, may be "" */
    int (*run)(int argc, char **argv); /* without the command's name */
};

/* Settings from flags; other words are left in argv[0..*argc). Prints problems and returns -1. */
int tt_cli_settings(struct tt_settings *settings, int *argc, char **argv);
/* The same for commands that read scripts, personas or migrations: these must be there. */
int tt_cli_settings_and_files(struct tt_settings *settings, int *argc, char **argv);

/* Removes a flag of the command itself from the words; true if it was there. */
bool tt_cli_flag(int *argc, char **argv, const char *flag);
/* The same with a value (--flag VALUE or --flag=VALUE), NULL if absent. */
const char *tt_cli_value(int *argc, char **argv, const char *flag);

/* The value at a path of a JSON text (as base/json.h writes it), its plain text in *text. */
struct tt_json_value tt_cli_pick(struct tt_str json, const char *dotted, struct tt_buf *text);

/* Sends a request to the admin listener of the settings, with its token: the status, or -1. The
 * answer's body is appended. limit_s: as in upstream/local_call.h. */
int tt_cli_admin_request(const struct tt_settings *settings, const char *method, const char *path,
                         struct tt_str json, int limit_s, struct tt_buf *answer,
                         struct tt_err *err);

/* The same to a route of the scripts, also when no server runs: then this process answers. */
int tt_cli_scripts_request(const struct tt_settings *settings, const char *method, const char *path,
                           struct tt_str body, struct tt_buf *answer, struct tt_err *err);

/* Prints the objects of an answer's "data". */
struct tt_cli_column {
    const char *key, *title;
    int width; /* 0: the last one */
};
void tt_cli_print_table(struct tt_str answer, const struct tt_cli_column *columns, size_t count);

/* check --data: the data folder instead of the scripts. */
struct tt_cli_findings;
void tt_cli_check_data(struct tt_cli_findings *findings, const struct tt_settings *settings);

/* Tells what a reload would refuse of the migrations of plugins, or of one plugin: each plugin's
 * first mistake, "path:line: message". Touches no data. */
typedef void tt_cli_told_fn(void *arg, const struct tt_err *err);
void tt_cli_check_migrations(const struct tt_settings *settings, const struct tt_bundle *bundle,
                             const char *plugin, tt_cli_told_fn *told, void *arg);

int tt_cli_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A generation built from the disk without a server: enough to validate, never to serve. Parts that
 * `tide` has already are kept; it must outlive the generation. Fails: NULL; the problems are
 * printed. */
struct tt_generation *tt_cli_load(const struct tt_settings *settings, struct tt_tide *tide,
                                  struct tt_err *err);

int tt_cli_serve(int argc, char **argv);
int tt_cli_dev(int argc, char **argv);
int tt_cli_check(int argc, char **argv);
/* The findings of `check` that are about one plugin. */
int tt_cli_check_plugin(const struct tt_settings *settings, const char *name);
int tt_cli_plugin(int argc, char **argv);
int tt_cli_diff(int argc, char **argv);
int tt_cli_routes(int argc, char **argv);
int tt_cli_admin(int argc, char **argv);
int tt_cli_migrate(int argc, char **argv);
int tt_cli_backup(int argc, char **argv);
int tt_cli_restore(int argc, char **argv);
int tt_cli_copy(int argc, char **argv);
int tt_cli_secret(int argc, char **argv);
int tt_cli_reload(int argc, char **argv);
int tt_cli_rollback(int argc, char **argv);
int tt_cli_profile(int argc, char **argv);
int tt_cli_user(int argc, char **argv);
int tt_cli_queue(int argc, char **argv);
int tt_cli_nodes(int argc, char **argv);
int tt_cli_drain(int argc, char **argv);
int tt_cli_health(int argc, char **argv);
int tt_cli_config(int argc, char **argv);
int tt_cli_test(int argc, char **argv);
int tt_cli_repl(int argc, char **argv);
int tt_cli_new(int argc, char **argv);
int tt_cli_version(int argc, char **argv);
