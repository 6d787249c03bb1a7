/* queue: the jobs of tide.queue for the operator, through the routes of queue/queue_routes.lua. */
#include "app/cli/cli_internal.h"
#include "base/url.h"

#include <stdio.h>

static const struct tt_cli_column queue_columns[] = {
    {"name", "queue", 30}, {"declared", "declared", 8}, {"waiting", "waiting", 8},
    {"later", "later", 8}, {"running", "running", 8},   {"dead", "dead", 0}};
static const struct tt_cli_column job_columns[] = {
    {"id", "id", 8},          {"attempt", "attempts", 8}, {"updated_at", "changed", 27},
    {"user_id", "user", 8},   {"key", "key", 20},         {"error", "error", 40},
    {"payload", "payload", 0}};

struct words {
    const char *verb, *name, *status;
};

/* Builds the request; false when the words are not of this command. */
static bool build(const struct words *words, const char **method, struct tt_buf *path)
{
    bool retries = strcmp(words->verb, "retry") == 0, removes = strcmp(words->verb, "remove") == 0;

    *method = retries ? "POST" : removes ? "DELETE" : "GET";
    if (strcmp(words->verb, "list") == 0 && !words->name) {
        tt_buf_append_z(path, "/admin/queues");
    } else if (strcmp(words->verb, "jobs") == 0 && words->name) {
        tt_buf_append_z(path, "/admin/queues/");
        tt_url_encode(tt_str_from(words->name), path);
        tt_buf_append_z(path, "/jobs?status=");
        tt_url_encode(tt_str_from(words->status ? words->status : "dead"), path);
    } else if ((retries || removes) && words->name && !words->status) {
        tt_buf_append_z(path, "/admin/queue-jobs/");
        tt_url_encode(tt_str_from(words->name), path);
        tt_buf_append_z(path, retries ? "/retry" : "");
    } else {
        return false;
    }
    return true;
}

static int print_answer(const struct words *words, int status, struct tt_str answer)
{
    struct tt_buf text = {0};
    int code = TT_EXIT_OK;

    if (status >= 400) {
        tt_cli_pick(answer, "error", &text);
        code =
            tt_cli_fail(TT_EXIT_FAILED, "queue: %.*s", (int)text.len, text.data ? text.data : "");
    } else if (strcmp(words->verb, "list") == 0) {
        tt_cli_print_table(answer, queue_columns, TT_COUNT(queue_columns));
    } else if (strcmp(words->verb, "jobs") == 0) {
        tt_cli_print_table(answer, job_columns, TT_COUNT(job_columns));
    } else {
        printf("%s: %s\n", words->verb, words->name);
    }
    tt_buf_free(&text);
    return code;
}

int tt_cli_queue(int argc, char **argv)
{
    struct tt_settings settings;
    struct tt_buf path = {0}, answer = {0};
    struct tt_err err = {0};
    const char *method;
    int code = TT_EXIT_USAGE;

    if (tt_cli_settings_and_files(&settings, &argc, argv) != 0)
        return TT_EXIT_USAGE;
    struct words words = {argc > 0 ? argv[0] : "", argc > 1 ? argv[1] : NULL,
                          argc > 2 ? argv[2] : NULL};
    if (argc > 3 || !build(&words, &method, &path)) {
        tt_cli_fail(0, "usage: tidetalk queue (list | jobs QUEUE [dead|waiting|later|running] | "
                       "retry ID | remove ID) [--setting=value …]");
    } else {
        struct tt_str body = strcmp(method, "POST") == 0 ? TT_STR("{}") : (struct tt_str){0};
        int status = tt_cli_scripts_request(&settings, method, path.data, body, &answer, &err);
        code = status < 0 ? tt_cli_fail(TT_EXIT_FAILED, "queue: %s", err.message)
                          : print_answer(&words, status, tt_buf_str(&answer));
    }
    tt_buf_free(&path);
    tt_buf_free(&answer);
    tt_settings_free(&settings);
    return code;
}
