/* Finding the command and its help. */
#include "app/cli/cli.h"

#include "app/cli/cli_internal.h"

#include <stdarg.h>
#include <stdio.h>

static const struct tt_command commands[] = {
    {"serve", "[--accept-loss]", "start the server",
     "Exits with 0 after SIGTERM or SIGINT, with 2 when it cannot start. It refuses to start when\n"
     "the database is missing but uploaded files or the secret file exist, or when stored API "
     "keys\n"
     "were encrypted with another secret file. --accept-loss starts anyway: such uploads are\n"
     "deleted, and such API keys must be entered again. The log says what is lost.\n",
     tt_cli_serve},
    {"dev", "[--accept-loss]", "start the server for writing scripts",
     "Like serve, but loads scripts and personas whenever they change on the disk, or reports "
     "what\n"
     "is wrong with them, with file and line, and what check warns of. Answers show the errors of\n"
     "scripts. Unless log.level is set, the log has what scripts write from info on, and from the\n"
     "server warnings and errors.\n",
     tt_cli_dev},
    {"check", "[--data] [--json]", "validate settings, personas and scripts, or the data folder",
     "Prints all findings as file:line:column: severity: message (code). Exits with 1 if there is\n"
     "an error among them, and with 0 if there are only warnings. --json prints an array of\n"
     "objects with file, line, column, severity (error or warning), code and message.\n"
     "--data checks the data instead of the scripts, and changes nothing: the database's "
     "structure\n"
     "and references, whether stored API keys open with the secret file, whether each uploaded "
     "file\n"
     "has its row and each row its file, and names that differ only in case.\n",
     tt_cli_check},
    {"routes", "[--json]", "list the routes of the scripts",
     "--json prints an array of objects with method, path, auth, listener, file and line.\n",
     tt_cli_routes},
    {"reload", "[--dry-run] [--force] [--wait]", "load the changed scripts into the running server",
     "All workers change at once, or none if anything is wrong with the scripts: then every\n"
     "diagnostic is printed as file:line: message, and the command exits with 1.\n"
     "--dry-run only checks. --force also loads scripts that were rolled back before. --wait "
     "waits\n"
     "as long as it takes; without it the command stops waiting after 30 s (the server "
     "continues).\n",
     tt_cli_reload},
    {"rollback", "[--wait]", "bring back the scripts that served before the current ones",
     "They come from the database, not from the files on the disk. Scripts that were rolled back\n"
     "are not loaded again unless they change or reload gets --force.\n",
     tt_cli_rollback},
    {"profile", "[SECONDS] [--json]", "show where the scripts of the running server spend time",
     "By function and line, over all workers, for 1s to 60s (10s by default). Costs next to "
     "nothing\n"
     "while it runs, and nothing otherwise.\n",
     tt_cli_profile},
    {"admin", "", "open a port of the running server for the operator's browser",
     "Prints a URL that lets one browser in, once. The port is on the loopback and closes after\n"
     "admin.port_life.\n",
     tt_cli_admin},
    {"new", "(plugin | route | hook | tool | provider | policy | test) NAME",
     "create a small working plugin with its test",
     "Creates plugins/NAME/plugin.lua, with one thing of this kind, and\n"
     "plugins/NAME/tests/NAME_test.lua; or with `test` only lua/tests/NAME_test.lua. Refuses if "
     "one\n"
     "of them exists.\n",
     tt_cli_new},
    {"test", "[--output] [PATH]", "run the Lua tests of the scripts",
     "PATH is a file or folder; by default lua/tests and the tests of all plugins. Each case of a\n"
     "*_test.lua runs in a server of its own: empty data folder, no network, a scripted model. "
     "See\n"
     "lua/types/test.lua. What a case prints and logs is shown when it fails; --output shows it "
     "of\n"
     "all.\n",
     tt_cli_test},
    {"repl", "[--write]", "run lines of Lua with the scripts and the database",
     "Names and locals last until the end. help lists what there is, help db.query shows it;\n"
     "inspect(value) shows all of a value. Works on a copy of the database, so it never disturbs "
     "a\n"
     "running server. --write works on the data folder itself, when no server uses it. With input\n"
     "from a pipe it exits with 1 if a line failed.\n",
     tt_cli_repl},
    {"plugin", "(list | check NAME | enable NAME | disable NAME | remove NAME [--data])",
     "manage the plugins in plugins_dir",
     "list prints name, state, place in the order, and version. check prints the findings of\n"
     "tidetalk check that are about one plugin. remove --data deletes its tables too. What "
     "changes\n"
     "takes effect with the next reload.\n",
     tt_cli_plugin},
    {"diff", "", "show which scripts of an overlay shadow others",
     "One line per file, which says whether the file that it shadows has changed since the "
     "overlay\n"
     "was written. Exits with 1 if one has.\n",
     tt_cli_diff},
    {"migrate", "[--dry-run] [--down VERSION]", "bring the database to the newest schema",
     "serve does this automatically. --dry-run only lists. --down goes back to VERSION, and\n"
     "refuses while a server is running.\n",
     tt_cli_migrate},
    {"backup", "FILE", "write the database to a new file, also while the server runs",
     "FILE is verified before it gets its name; an existing one is never overwritten. It is the\n"
     "database as it was at one moment. What else a backup needs is printed.\n",
     tt_cli_backup},
    {"restore", "FILE", "make the database from a file that backup has written",
     "Refuses while a server is running, if a database exists, and if FILE is damaged.\n",
     tt_cli_restore},
    {"copy", "--from URL --to URL", "copy all rows into another database, of any kind",
     "URL is sqlite:PATH or postgres://…; the target must have no users. Prints the rows of each\n"
     "table and a hash of their values, which is the same on both sides. Refuses while a server\n"
     "is running. Uploaded files and the secret file stay where they are.\n",
     tt_cli_copy},
    {"secret", "rotate", "make a new key and seal all stored API keys with it",
     "Refuses while a server is running. All logins end; personal API keys stay valid. A backup "
     "from\n"
     "before needs the secret file from before. May be killed at any moment: the next start, or\n"
     "another rotation, goes on.\n",
     tt_cli_secret},
    {"user",
     "(add NAME [--admin] [--email ADDRESS] | list | passwd NAME | disable NAME | enable NAME |"
     " unlock NAME)",
     "manage accounts",
     "Asks for passwords on a terminal, otherwise reads one line from standard input. unlock "
     "forgets\n"
     "the failed logins of an account, so that it need not wait.\n"
     "Works while a server is running (through its admin socket) and without one.\n",
     tt_cli_user},
    {"queue", "(list | jobs QUEUE [STATUS] | retry ID | remove ID)",
     "show the jobs of queues, and retry or remove them",
     "jobs shows those of a status (dead, waiting, later, running), by default dead ones: these\n"
     "have failed too often. Works while a server is running and without one.\n",
     tt_cli_queue},
    {"nodes", "", "list the servers that share the database", "", tt_cli_nodes},
    {"drain", "", "let the running server take no new turns, and wait until it is idle",
     "For a server that is one of several (nodes.listen): turns go on at the others, its running\n"
     "replies end. Then it may be stopped.\n",
     tt_cli_drain},
    {"health", "", "check whether the server is ready (0 yes, 1 no)", "", tt_cli_health},
    {"config", "show", "print every setting in effect and where it comes from", "", tt_cli_config},
    {"version", "", "print the versions of the program and its libraries", "", tt_cli_version},
};

static void print_usage(FILE *to)
{
    fprintf(to, "usage: tidetalk <command> [arguments]\n\n");
    for (size_t i = 0; i < TT_COUNT(commands); i++)
        fprintf(to, "  %-9s %s\n", commands[i].name, commands[i].summary);
    fprintf(to,
            "\ntidetalk <command> --help says more. Exit codes: 0 done, 1 failed, 2 wrong usage "
            "or settings.\n");
}

static void print_help(const struct tt_command *command)
{
    struct tt_buf settings = {0};
    bool has_settings = command->run != tt_cli_version;

    printf("usage: tidetalk %s%s%s%s\n\n%s.\n%s", command->name, *command->arguments ? " " : "",
           command->arguments, has_settings ? " [--setting=value …]" : "", command->summary,
           command->help);
    if (has_settings) {
        tt_settings_help(&settings);
        printf("\nSettings come from defaults, then tidetalk.yaml (or --config FILE), then the\n"
               "environment, then flags:\n\n%.*s",
               (int)settings.len, settings.data);
        tt_buf_free(&settings);
    }
}

int tt_cli_fail(int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "tidetalk: ");
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    va_end(args);
    return code;
}

bool tt_cli_flag(int *argc, char **argv, const char *flag)
{
    for (int i = 0; i < *argc; i++) {
        if (strcmp(argv[i], flag) != 0)
            continue;
        memmove(&argv[i], &argv[i + 1], (size_t)(*argc - i - 1) * sizeof(char *));
        (*argc)--;
        return true;
    }
    return false;
}

const char *tt_cli_value(int *argc, char **argv, const char *flag)
{
    size_t len = strlen(flag);

    for (int i = 0; i < *argc; i++) {
        const char *value = NULL;
        int words = 0;
        if (strcmp(argv[i], flag) == 0 && i + 1 < *argc) {
            value = argv[i + 1];
            words = 2;
        } else if (strncmp(argv[i], flag, len) == 0 && argv[i][len] == '=') {
            value = argv[i] + len + 1;
            words = 1;
        }
        if (!words)
            continue;
        memmove(&argv[i], &argv[i + words], (size_t)(*argc - i - words) * sizeof(char *));
        *argc -= words;
        return value;
    }
    return NULL;
}

struct tt_json_value tt_cli_pick(struct tt_str json, const char *dotted, struct tt_buf *text)
{
    struct tt_json_path path;
    struct tt_json_value value = {0};

    if (tt_json_path_parse(&path, dotted, NULL) != 0 ||
        tt_json_select(json, &path, 1, &value, NULL) != 0)
        value.type = TT_JSON_NONE;
    tt_buf_clear(text);
    if (value.type == TT_JSON_STRING)
        tt_json_unescape(value.raw, NULL, text);
    else if (value.type != TT_JSON_NONE)
        tt_buf_append_str(text, value.raw);
    return value;
}

int tt_cli_settings(struct tt_settings *settings, int *argc, char **argv)
{
    struct tt_err err = {0};
    int rest = 0;

    if (tt_settings_load(settings, *argc, argv, &rest, argv, &err) != 0) {
        tt_cli_fail(0, "%s", err.message);
        tt_settings_free(settings);
        return -1;
    }
    *argc = rest;
    return 0;
}

int tt_cli_settings_and_files(struct tt_settings *settings, int *argc, char **argv)
{
    struct tt_err err = {0};

    if (tt_cli_settings(settings, argc, argv) != 0)
        return -1;
    if (tt_settings_check_files(settings, &err) == 0)
        return 0;
    tt_cli_fail(0, "%s", err.message);
    tt_settings_free(settings);
    return -1;
}

int tt_cli_main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";

    if (!*name || strcmp(name, "help") == 0 || strcmp(name, "--help") == 0) {
        print_usage(*name ? stdout : stderr);
        return *name ? TT_EXIT_OK : TT_EXIT_USAGE;
    }
    if (strcmp(name, "--version") == 0)
        name = "version";
    for (size_t i = 0; i < TT_COUNT(commands); i++) {
        if (strcmp(commands[i].name, name) != 0)
            continue;
        argc -= 2;
        argv += 2;
        if (tt_cli_flag(&argc, argv, "--help")) {
            print_help(&commands[i]);
            return TT_EXIT_OK;
        }
        return commands[i].run(argc, argv);
    }
    print_usage(stderr);
    return tt_cli_fail(TT_EXIT_USAGE, "there is no command '%s'", name);
}
