/* reload, rollback: requests to the running server's admin listener; their results are printed. */
#include "app/cli/cli_internal.h"
#include "upstream/local_call.h"

#include <stdio.h>

static void print_errors(struct tt_str answer)
{
    struct tt_buf text = {0};
    struct tt_json_value list = tt_cli_pick(answer, "errors", &text), error;
    size_t cursor = 0;

    while (list.type == TT_JSON_ARRAY && tt_json_next(&list, &cursor, &error)) {
        tt_cli_pick(error.raw, "file", &text);
        if (text.len) {
            fprintf(stderr, "%s:", text.data);
            tt_cli_pick(error.raw, "line", &text);
            fprintf(stderr, "%s: ", text.data);
        }
        tt_cli_pick(error.raw, "message", &text);
        fprintf(stderr, "%s\n", text.len ? text.data : "?");
        tt_cli_pick(error.raw, "traceback", &text);
        if (text.len)
            fprintf(stderr, "%s\n", text.data);
    }
    tt_buf_free(&text);
}

static int report(const char *command, int status, struct tt_str answer)
{
    struct tt_buf generation = {0}, flag = {0}, text = {0};
    int code = TT_EXIT_OK;

    tt_cli_pick(answer, "generation", &generation);
    if (status != 200) {
        print_errors(answer);
        tt_cli_pick(answer, "error", &text);
        code =
            tt_cli_fail(TT_EXIT_FAILED, "%s: %s Generation %s keeps serving.", command,
                        text.len ? text.data : "refused.", generation.len ? generation.data : "?");
    } else if (tt_cli_pick(answer, "unchanged", &flag).type == TT_JSON_TRUE) {
        printf("unchanged: generation %s\n", generation.data);
    } else {
        tt_cli_pick(answer, "changed", &text);
        bool dry = tt_cli_pick(answer, "dry_run", &flag).type == TT_JSON_TRUE;
        printf("%s: generation %s, changed %s", dry ? "ok, not loaded" : "loaded", generation.data,
               text.len ? text.data : "[]");
        if (tt_cli_pick(answer, "restores", &flag).type == TT_JSON_NUMBER)
            printf(", as generation %s", flag.data);
        printf("\n");
    }
    tt_buf_free(&generation);
    tt_buf_free(&flag);
    tt_buf_free(&text);
    return code;
}

static int ask_server(const struct tt_settings *settings, const char *command, const char *path,
                      bool wait)
{
    struct tt_buf answer = {0};
    struct tt_err err = {0};
    int status = tt_cli_admin_request(settings, "POST", path, (struct tt_str){0},
                                      wait ? 0 : TT_LOCAL_LIMIT_S, &answer, &err);
    int code = status < 0 ? tt_cli_fail(TT_EXIT_FAILED, "%s: %s", command, err.message)
                          : report(command, status, tt_buf_str(&answer));
    tt_buf_free(&answer);
    return code;
}

static int run(int argc, char **argv, const char *command, const char *path)
{
    struct tt_settings settings;
    bool wait = tt_cli_flag(&argc, argv, "--wait");

    if (tt_cli_settings(&settings, &argc, argv) != 0)
        return TT_EXIT_USAGE;
    int code = argc == 0 ? ask_server(&settings, command, path, wait)
                         : tt_cli_fail(TT_EXIT_USAGE, "%s: unknown flag '%s'; see --help", command,
                                       argv[0]);
    tt_settings_free(&settings);
    return code;
}

int tt_cli_reload(int argc, char **argv)
{
    char path[64];
    bool dry_run = tt_cli_flag(&argc, argv, "--dry-run");
    bool force = tt_cli_flag(&argc, argv, "--force");

    snprintf(path, sizeof(path), "/admin/reload?dry_run=%d&force=%d", dry_run, force);
    return run(argc, argv, "reload", path);
}

int tt_cli_rollback(int argc, char **argv)
{
    return run(argc, argv, "rollback", "/admin/rollback");
}
