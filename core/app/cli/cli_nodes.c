/* nodes, drain: the servers that share a database, through the admin listener of one of them. */
#include "app/cli/cli_internal.h"
#include "upstream/local_call.h"

#include <stdio.h>
#include <unistd.h>

#define LOOK_US 200000

static const struct tt_cli_column columns[] = {{"id", "id", 5},
                                               {"name", "name", 20},
                                               {"address", "address", 22},
                                               {"state", "state", 9},
                                               {"load", "load", 6},
                                               {"version", "version", 8},
                                               {"age_us", "age_us", 10},
                                               {"script_generation", "scripts", 8},
                                               {"generation", "generation", 0}};

static int fail(const char *command, struct tt_str answer)
{
    struct tt_buf text = {0};

    tt_cli_pick(answer, "error", &text);
    int code = tt_cli_fail(TT_EXIT_FAILED, "%s: %s", command, text.len ? text.data : "refused");
    tt_buf_free(&text);
    return code;
}

/* Sends the request and appends the answer; the exit code, TT_EXIT_OK if it went well. */
static int ask(const struct tt_settings *settings, const char *command, const char *method,
               const char *path, struct tt_buf *answer)
{
    struct tt_err err = {0};
    int status = tt_cli_admin_request(settings, method, path, (struct tt_str){0}, TT_LOCAL_LIMIT_S,
                                      answer, &err);

    if (status < 0)
        return tt_cli_fail(TT_EXIT_FAILED, "%s: %s", command, err.message);
    return status == 200 ? TT_EXIT_OK : fail(command, tt_buf_str(answer));
}

static int read_words(struct tt_settings *settings, int argc, char **argv, const char *command)
{
    if (tt_cli_settings(settings, &argc, argv) != 0)
        return TT_EXIT_USAGE;
    if (argc == 0)
        return TT_EXIT_OK;
    tt_settings_free(settings);
    return tt_cli_fail(TT_EXIT_USAGE, "%s: unknown word '%s'; see --help", command, argv[0]);
}

int tt_cli_nodes(int argc, char **argv)
{
    struct tt_settings settings;
    struct tt_buf answer = {0}, shared = {0};
    int code = read_words(&settings, argc, argv, "nodes");

    if (code != TT_EXIT_OK)
        return code;
    code = ask(&settings, "nodes", "GET", "/admin/nodes", &answer);
    if (code == TT_EXIT_OK &&
        tt_cli_pick(tt_buf_str(&answer), "shared", &shared).type != TT_JSON_TRUE)
        printf("this server is alone: nodes.listen is not set\n");
    else if (code == TT_EXIT_OK)
        tt_cli_print_table(tt_buf_str(&answer), columns, TT_COUNT(columns));
    tt_buf_free(&answer);
    tt_buf_free(&shared);
    tt_settings_free(&settings);
    return code;
}

/* -1: it failed, and was told. */
static int64_t ask_running(const struct tt_settings *settings)
{
    struct tt_buf answer = {0}, text = {0};
    int64_t running = -1;

    if (ask(settings, "drain", "POST", "/admin/drain", &answer) == TT_EXIT_OK) {
        tt_cli_pick(tt_buf_str(&answer), "running", &text);
        if (tt_str_to_i64(tt_buf_str(&text), &running) != 0)
            running = 0;
    }
    tt_buf_free(&answer);
    tt_buf_free(&text);
    return running;
}

int tt_cli_drain(int argc, char **argv)
{
    struct tt_settings settings;
    int64_t running, told = -1;
    int code = read_words(&settings, argc, argv, "drain");

    if (code != TT_EXIT_OK)
        return code;
    while ((running = ask_running(&settings)) > 0) {
        if (running != told)
            printf("draining: %lld sessions are busy\n", (long long)running);
        fflush(stdout);
        told = running;
        usleep(LOOK_US);
    }
    if (running == 0)
        printf("drained: nothing runs on this node any more, it may be stopped\n");
    tt_settings_free(&settings);
    return running == 0 ? TT_EXIT_OK : TT_EXIT_FAILED;
}
