/* new: the first version of a route, provider or the like, from a template, so that a newcomer
 * starts with something that works and shows how it is done. No existing file is changed except
 * app.lua, by one line; if the result does not pass the check, nothing of it is kept. */
#include "app/cli/cli_internal.h"
#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_MAX_BYTES 32 /* the templates' lines stay within 80 */
#define PATH_BYTES     4096

/* @ is the name. */
static const char route_template[] =
    "--- Says a text back at /api/@.\n"
    "--- A place to begin; types/route.lua lists what a route may have.\n"
    "\n"
    "local objects = require \"web.objects\"\n"
    "\n"
    "---@type table<string, fun(req: tide.Request)>\n"
    "local handlers = {}\n"
    "\n"
    "function handlers.create(req)\n"
    "  return { json = { user = req.user.username, text = req.body.text } }\n"
    "end\n"
    "\n"
    "---@type tide.Route[]\n"
    "return {\n"
    "  {\n"
    "    method = \"POST\",\n"
    "    path = \"/api/@\",\n"
    "    auth = \"user\",\n"
    "    summary = \"Say a text back\",\n"
    "    request = {\n"
    "      fields = {\n"
    "        { name = \"text\", type = \"string\", required = true, max = 200 },\n"
    "      },\n"
    "    },\n"
    "    response = objects.object({ user = \"string\", text = \"string\" }),\n"
    "    handler = handlers.create,\n"
    "  },\n"
    "}\n";

static const char test_template[] =
    "local test = require \"tide.test\"\n"
    "\n"
    "---@param user? tide.TestUser\n"
    "---@param body table\n"
    "---@return tide.TestResponse\n"
    "local function send(user, body)\n"
    "  return test.request({\n"
    "    path = \"/api/@\",\n"
    "    user = user,\n"
    "    json = body,\n"
    "  })\n"
    "end\n"
    "\n"
    "test.case(\"@ says the text back\", function()\n"
    "  local user = test.user()\n"
    "  local answer = send(user, { text = \"hello\" })\n"
    "  test.equal(answer.status, 200)\n"
    "  test.equal(answer.json, { user = user.username, text = \"hello\" })\n"
    "end)\n"
    "\n"
    "test.case(\"@ wants a text\", function()\n"
    "  test.equal(send(test.user(), {}).json.code, \"missing_field\")\n"
    "end)\n"
    "\n"
    "test.case(\"@ is for users\", function()\n"
    "  test.equal(send(nil, { text = \"hello\" }).status, 401)\n"
    "end)\n";

struct handler_files {
    char route[PATH_BYTES], test[PATH_BYTES], app[PATH_BYTES];
    bool made_route, made_test, changed_app;
    struct tt_buf app_before;
};

static bool is_name(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");
    return len > 0 && len <= NAME_MAX_BYTES && !name[len] && name[0] >= 'a' && name[0] <= 'z';
}

static int write_new(const char *path, struct tt_str text, struct tt_err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    ssize_t written = fd >= 0 ? write(fd, text.data, text.len) : -1;

    if (fd < 0)
        return tt_err_set(err, 500, "internal_error", "%s: %s", path,
                          errno == EEXIST ? "exists already" : strerror(errno));
    close(fd);
    if (written == (ssize_t)text.len)
        return 0;
    unlink(path);
    return tt_err_set(err, 500, "internal_error", "%s: %s", path, strerror(errno));
}

static int write_template(const char *path, const char *template, const char *name,
                          struct tt_err *err)
{
    struct tt_buf text = {0};

    for (const char *at = template; *at; at++) {
        if (*at == '@' && strncmp(at, "@type", 5) != 0 && strncmp(at, "@param", 6) != 0 &&
            strncmp(at, "@return", 7) != 0)
            tt_buf_append_z(&text, name);
        else
            tt_buf_putc(&text, *at);
    }
    int result = write_new(path, tt_buf_str(&text), err);
    tt_buf_free(&text);
    return result;
}

static int read_whole(const char *path, struct tt_buf *text, struct tt_err *err)
{
    FILE *file = fopen(path, "re");
    char *room = file ? tt_buf_reserve(text, 1 << 20) : NULL;

    if (room)
        text->len = fread(room, 1, 1 << 20, file);
    int problem = errno;
    if (file)
        fclose(file);
    return room ? 0 : tt_err_set(err, 500, "internal_error", "%s: %s", path, strerror(problem));
}

/* Completely or not at all: a new file is renamed over the old one. */
static int replace_file(const char *path, struct tt_str text, struct tt_err *err)
{
    char beside[PATH_BYTES + 8];

    snprintf(beside, sizeof(beside), "%s.new", path);
    unlink(beside);
    if (write_new(beside, text, err) != 0)
        return -1;
    if (rename(beside, path) == 0)
        return 0;
    unlink(beside);
    return tt_err_set(err, 500, "internal_error", "%s: %s", path, strerror(errno));
}

/* The end of the last line of app.lua that names routes: `  require "chat.chat_routes",`. */
static const char *last_routes_line(const char *app)
{
    static const char line_start[] = "\n  require \"";
    const char *last = NULL;

    for (const char *at = app; (at = strstr(at, line_start)); at++) {
        const char *end = strchr(at + 1, '\n');
        const char *routes = strstr(at, "routes");
        if (end && routes && routes < end)
            last = end;
    }
    return last;
}

/* Adds the route to app.lua, after the last one there. */
static int enter_route(struct handler_files *files, const char *name, struct tt_err *err)
{
    struct tt_buf text = {0};

    if (read_whole(files->app, &files->app_before, err) != 0)
        return -1;
    tt_buf_putc(&files->app_before, '\0');
    files->app_before.len--;
    const char *end = last_routes_line(files->app_before.data);
    if (!end)
        return tt_err_set(err, 500, "internal_error",
                          "%s: no line 'require \"….…_routes\",' after which to put the new one",
                          files->app);
    size_t head = (size_t)(end - files->app_before.data) + 1;
    tt_buf_append(&text, files->app_before.data, head);
    tt_buf_printf(&text, "  require \"routes.%s\",\n", name);
    tt_buf_append(&text, files->app_before.data + head, files->app_before.len - head);
    int result = replace_file(files->app, tt_buf_str(&text), err);
    tt_buf_free(&text);
    return result;
}

static void undo(struct handler_files *files)
{
    if (files->changed_app)
        replace_file(files->app, tt_buf_str(&files->app_before), NULL);
    if (files->made_route)
        unlink(files->route);
    if (files->made_test)
        unlink(files->test);
}

/* If it cannot be created, opening the file in it gives the reason. */
static void make_folder(const struct tt_settings *settings, const char *name)
{
    char path[PATH_BYTES];

    snprintf(path, sizeof(path), "%s/%s", settings->lua_dir, name);
    mkdir(path, 0777);
}

static int make_handler(const struct tt_settings *settings, struct handler_files *files,
                        const char *name, struct tt_err *err)
{
    make_folder(settings, "routes");
    make_folder(settings, "tests");
    files->made_route = write_template(files->route, route_template, name, err) == 0;
    if (!files->made_route)
        return -1;
    files->made_test = write_template(files->test, test_template, name, err) == 0;
    if (!files->made_test)
        return -1;
    files->changed_app = enter_route(files, name, err) == 0;
    return files->changed_app ? 0 : -1;
}

static int new_handler(const struct tt_settings *settings, const char *name)
{
    struct handler_files files = {0};
    struct tt_tide tide = {0};
    struct tt_err err = {0};
    struct tt_generation *before = tt_cli_load(settings, &tide, &err), *after = NULL;
    int code = TT_EXIT_FAILED;

    if (!before)
        return tt_cli_fail(TT_EXIT_FAILED, "new: the scripts have errors, correct them first");
    tt_generation_unref(before);
    snprintf(files.route, sizeof(files.route), "%s/routes/%s.lua", settings->lua_dir, name);
    snprintf(files.test, sizeof(files.test), "%s/tests/%s_test.lua", settings->lua_dir, name);
    snprintf(files.app, sizeof(files.app), "%s/app.lua", settings->lua_dir);
    if (make_handler(settings, &files, name, &err) == 0)
        after = tt_cli_load(settings, &tide, &err);
    if (after) {
        printf("%s: POST /api/%s\n%s: its test, run it with: tidetalk test %s\n%s: one line\n",
               files.route, name, files.test, files.test, files.app);
        code = TT_EXIT_OK;
    } else {
        undo(&files);
        tt_cli_fail(0, "new: %s; nothing was changed", err.message);
    }
    tt_generation_unref(after);
    tt_buf_free(&files.app_before);
    return code;
}

int tt_cli_new(int argc, char **argv)
{
    struct tt_settings settings;
    int code;

    if (tt_cli_settings(&settings, &argc, argv) != 0)
        return TT_EXIT_USAGE;
    if (argc != 2 || strcmp(argv[0], "handler") != 0)
        code = tt_cli_fail(TT_EXIT_USAGE, "usage: tidetalk new handler NAME [--setting=value …]");
    else if (!is_name(argv[1]))
        code = tt_cli_fail(TT_EXIT_USAGE,
                           "new: '%s' is not a valid name: small letters, digits and _, at most %d",
                           argv[1], NAME_MAX_BYTES);
    else
        code = new_handler(&settings, argv[1]);
    tt_settings_free(&settings);
    return code;
}
