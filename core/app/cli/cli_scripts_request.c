/* Requests to the admin routes of the scripts (account/admin_user_routes.lua,
 * queue/queue_routes.lua), over the admin socket of the running server. If none runs, this process
 * serves that socket itself for the moment, so what they do is in one piece of code only. */
#include "app/app.h"
#include "app/cli/cli_internal.h"
#include "base/log.h"
#include "upstream/local_call.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

int tt_cli_scripts_request(const struct tt_settings *settings, const char *method, const char *path,
                           struct tt_str body, struct tt_buf *answer, struct tt_err *err)
{
    struct tt_app app;
    int lock = tt_app_lock(settings, err);
    bool own = lock >= 0;

    if (own)
        close(lock);
    else if (strcmp(err->code, "data_dir_locked") != 0)
        return -1;
    tt_log_setup(TT_LOG_ERROR, TT_LOG_TEXT);
    signal(SIGPIPE, SIG_IGN);
    if (own && tt_app_start(&app, settings, false, NULL, err) != 0)
        return -1;
    int status = tt_cli_admin_request(settings, method, path, body, TT_LOCAL_LIMIT_S, answer, err);
    if (own)
        tt_app_stop(&app, 1000);
    return status;
}

void tt_cli_print_table(struct tt_str answer, const struct tt_cli_column *columns, size_t count)
{
    struct tt_buf text = {0};
    struct tt_json_value list = tt_cli_pick(answer, "data", &text), row;
    size_t cursor = 0;

    for (size_t i = 0; i < count; i++)
        printf("%-*s%s", columns[i].width, columns[i].title, i + 1 < count ? " " : "\n");
    while (tt_json_next(&list, &cursor, &row)) {
        for (size_t i = 0; i < count; i++) {
            tt_buf_clear(&text);
            tt_cli_pick(row.raw, columns[i].key, &text);
            printf("%-*.*s%s", columns[i].width, (int)text.len, text.data ? text.data : "",
                   i + 1 < count ? " " : "\n");
        }
    }
    tt_buf_free(&text);
}
