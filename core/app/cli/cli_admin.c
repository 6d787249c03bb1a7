/* Requests to the admin listener of the running server, and the command that opens a port of it. */
#include "app/cli/cli_internal.h"
#include "upstream/local_call.h"

#include <stdio.h>
#include <unistd.h>

/* A relative path means another file in another folder. */
static void say_where(const struct tt_settings *settings, struct tt_err *err)
{
    const struct tt_conf_value *folder = tt_conf_get(settings->conf, "data_dir");
    char here[4096], why[sizeof(err->message)];

    if (!tt_str_starts(tt_str_from(settings->admin_listen), TT_STR("unix:")) ||
        tt_str_starts(folder->text, TT_STR("/")) || !getcwd(here, sizeof(here)))
        return;
    snprintf(why, sizeof(why), "%s", err->message);
    tt_err_set(err, err->status, err->code,
               "%s (looked in %s; --data_dir=PATH names the data folder of the running server)",
               why, here);
}

int tt_cli_admin_request(const struct tt_settings *settings, const char *method, const char *path,
                         struct tt_str json, int limit_s, struct tt_buf *answer, struct tt_err *err)
{
    struct tt_buf headers = {0};

    if (settings->admin_token[0])
        tt_buf_printf(&headers, "Authorization: Bearer %s\r\n", settings->admin_token);
    if (json.data)
        tt_buf_append_z(&headers, "Content-Type: application/json\r\n");
    struct tt_local_request request = {.address = settings->admin_listen,
                                       .method = method,
                                       .path = path,
                                       .headers = tt_buf_str(&headers),
                                       .body = json,
                                       .limit_s = limit_s};
    int status = tt_local_send(&request, NULL, answer, err);
    if (status < 0)
        say_where(settings, err);
    if (headers.data)
        explicit_bzero(headers.data, headers.len);
    tt_buf_free(&headers);
    return status;
}

int tt_cli_admin(int argc, char **argv)
{
    struct tt_settings settings;
    struct tt_buf answer = {0}, text = {0};
    struct tt_err err = {0};
    int code = TT_EXIT_OK;

    if (tt_cli_settings(&settings, &argc, argv) != 0)
        return TT_EXIT_USAGE;
    int status = tt_cli_admin_request(&settings, "POST", "/admin/port", (struct tt_str){0},
                                      TT_LOCAL_LIMIT_S, &answer, &err);
    if (status < 0) {
        code = tt_cli_fail(TT_EXIT_FAILED, "admin: %s", err.message);
    } else if (status != 200) {
        tt_cli_pick(tt_buf_str(&answer), "error", &text);
        code = tt_cli_fail(TT_EXIT_FAILED, "admin: %s", text.len ? text.data : "refused");
    } else {
        tt_cli_pick(tt_buf_str(&answer), "url", &text);
        printf("%s\n", text.data);
    }
    tt_buf_free(&answer);
    tt_buf_free(&text);
    tt_settings_free(&settings);
    return code;
}
