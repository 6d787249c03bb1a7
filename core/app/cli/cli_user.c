/* user: the admin routes of the scripts (account/admin_user_routes.lua), over the admin socket of
 * the running server. If none runs, this process serves that socket itself for the moment, so users
 * are created by one piece of code only. */
#include "app/app.h"
#include "app/cli/cli_internal.h"
#include "base/json.h"
#include "base/log.h"
#include "base/url.h"
#include "upstream/local_call.h"

#include <signal.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#define PASSWORD_MAX 512

struct request {
    const char *method;
    struct tt_buf path, body, answer;
    int status;
};

/* Reads one line; on a terminal without echo. */
static int read_password(char *password, size_t size)
{
    struct termios before, silent;
    bool terminal = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &before) == 0;

    if (terminal) {
        fprintf(stderr, "Password: ");
        silent = before;
        silent.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    }
    char *line = fgets(password, (int)size, stdin);
    if (terminal) {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        fprintf(stderr, "\n");
    }
    if (!line)
        return -1;
    password[strcspn(password, "\r\n")] = 0;
    return password[0] ? 0 : -1;
}

/* Sends a request to the server that holds the folder, or to one in this process. */
static int send_request(const struct tt_settings *settings, struct request *request,
                        struct tt_err *err)
{
    struct tt_app app;
    struct tt_str body = request->body.len ? tt_buf_str(&request->body) : (struct tt_str){0};
    int lock = tt_app_lock(settings, err);
    bool own = lock >= 0;

    if (own)
        close(lock);
    else if (strcmp(err->code, "data_dir_locked") != 0)
        return -1;
    tt_log_setup(TT_LOG_ERROR, TT_LOG_TEXT);
    signal(SIGPIPE, SIG_IGN);
    if (own && tt_app_start(&app, settings, false, err) != 0)
        return -1;
    request->status = tt_cli_admin_request(settings, request->method, request->path.data, body,
                                           TT_LOCAL_LIMIT_S, &request->answer, err);
    if (own)
        tt_app_stop(&app, 1000);
    return request->status < 0 ? -1 : 0;
}

static void print_users(struct tt_str answer)
{
    struct tt_buf text = {0};
    struct tt_json_value list = tt_cli_pick(answer, "data", &text), user;
    size_t cursor = 0;

    printf("%-6s %-30s %-6s %-9s %s\n", "id", "username", "role", "disabled", "created");
    while (tt_json_next(&list, &cursor, &user)) {
        static const char *const keys[] = {"id", "username", "role", "disabled", "created_at"};
        static const int widths[] = {6, 30, 6, 9, 0};
        for (size_t i = 0; i < TT_COUNT(keys); i++) {
            tt_cli_pick(user.raw, keys[i], &text);
            printf("%-*.*s%s", widths[i], (int)text.len, text.data ? text.data : "",
                   i + 1 < TT_COUNT(keys) ? " " : "\n");
        }
    }
    tt_buf_free(&text);
}

static void put_field(struct tt_json_writer *w, const char *key, const char *value)
{
    tt_json_key(w, tt_str_from(key));
    tt_json_str(w, tt_str_from(value));
}

static int build_request(struct request *request, const char *verb, const char *name, bool admin,
                         const char *email)
{
    struct tt_json_writer w = {.buf = &request->body};
    char password[PASSWORD_MAX];
    bool needs_password = strcmp(verb, "add") == 0 || strcmp(verb, "passwd") == 0;

    if (needs_password && read_password(password, sizeof(password)) != 0)
        return tt_cli_fail(-1, "user: a password is needed, one line on standard input");
    bool unlocks = strcmp(verb, "unlock") == 0;
    request->method = strcmp(verb, "add") == 0 || unlocks ? "POST" : "PATCH";
    tt_buf_append_z(&request->path, "/admin/users");
    tt_json_begin_object(&w);
    if (strcmp(verb, "add") == 0) {
        put_field(&w, "username", name);
        put_field(&w, "role", admin ? "admin" : "user");
        if (email)
            put_field(&w, "email", email);
    } else {
        tt_buf_putc(&request->path, '/');
        tt_url_encode(tt_str_from(name), &request->path);
        tt_buf_append_z(&request->path, unlocks ? "/unlock" : "");
    }
    if (needs_password) {
        put_field(&w, "password", password);
        explicit_bzero(password, sizeof(password));
    } else if (!unlocks) {
        tt_json_key(&w, TT_STR("disabled"));
        tt_json_bool(&w, strcmp(verb, "disable") == 0);
    }
    tt_json_end_object(&w);
    return 0;
}

static int run_user(const struct tt_settings *settings, struct request *request, const char *verb,
                    const char *name)
{
    struct tt_err err = {0};
    struct tt_buf text = {0};
    int code = TT_EXIT_OK;

    if (send_request(settings, request, &err) != 0)
        return tt_cli_fail(TT_EXIT_FAILED, "user: %s", err.message);
    if (request->status >= 400) {
        tt_cli_pick(tt_buf_str(&request->answer), "error", &text);
        code = tt_cli_fail(TT_EXIT_FAILED, "user: %.*s", (int)text.len, text.data ? text.data : "");
    } else if (!name) {
        print_users(tt_buf_str(&request->answer));
    } else {
        printf("%s: %s\n", verb, name);
    }
    tt_buf_free(&text);
    return code;
}

int tt_cli_user(int argc, char **argv)
{
    static const char *const verbs[] = {"add", "passwd", "disable", "enable", "unlock"};
    struct tt_settings settings;
    struct request request = {.method = "GET"};
    bool admin = tt_cli_flag(&argc, argv, "--admin"), known = false;
    const char *email = tt_cli_value(&argc, argv, "--email");
    int code = TT_EXIT_USAGE;

    if (tt_cli_settings_and_files(&settings, &argc, argv) != 0)
        return TT_EXIT_USAGE;
    for (size_t i = 0; argc == 2 && i < TT_COUNT(verbs); i++)
        known = known || strcmp(argv[0], verbs[i]) == 0;
    if (argc == 1 && strcmp(argv[0], "list") == 0) {
        tt_buf_append_z(&request.path, "/admin/users");
        code = run_user(&settings, &request, argv[0], NULL);
    } else if (!known) {
        tt_cli_fail(0, "usage: tidetalk user (add NAME [--admin] [--email ADDRESS] | list | passwd "
                       "NAME | disable NAME | enable NAME | unlock NAME) [--setting=value …]");
    } else if (build_request(&request, argv[0], argv[1], admin, email) == 0) {
        code = run_user(&settings, &request, argv[0], argv[1]);
    }
    if (request.body.data)
        explicit_bzero(request.body.data, request.body.len);
    tt_buf_free(&request.path);
    tt_buf_free(&request.body);
    tt_buf_free(&request.answer);
    tt_settings_free(&settings);
    return code;
}
