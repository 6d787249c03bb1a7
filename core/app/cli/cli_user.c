/* user: accounts, through the routes of account/admin_user_routes.lua. */
#include "app/cli/cli_internal.h"
#include "base/json.h"
#include "base/url.h"

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

static const struct tt_cli_column columns[] = {{"id", "id", 6},
                                               {"username", "username", 30},
                                               {"role", "role", 6},
                                               {"disabled", "disabled", 9},
                                               {"created_at", "created", 0}};

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

    struct tt_str body = request->body.len ? tt_buf_str(&request->body) : (struct tt_str){0};
    request->status = tt_cli_scripts_request(settings, request->method, request->path.data, body,
                                             &request->answer, &err);
    if (request->status < 0)
        return tt_cli_fail(TT_EXIT_FAILED, "user: %s", err.message);
    if (request->status >= 400) {
        tt_cli_pick(tt_buf_str(&request->answer), "error", &text);
        code = tt_cli_fail(TT_EXIT_FAILED, "user: %.*s", (int)text.len, text.data ? text.data : "");
    } else if (!name) {
        tt_cli_print_table(tt_buf_str(&request->answer), columns, TT_COUNT(columns));
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
