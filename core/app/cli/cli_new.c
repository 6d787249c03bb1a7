/* new: a small plugin with one route, hook, tool or the like, and its test, from the templates
 * among the scripts: so that a newcomer begins with something that works and shows how it is done.
 * No existing file is changed; if the result does not pass the check, nothing of it is kept. */
#include "app/cli/cli_internal.h"
#include "base/buf.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_MAX_BYTES 32 /* the templates' lines stay within 80 */
#define PATH_BYTES     4096
#define TEMPLATE_MAX   (64u << 10)
#define PLACEHOLDER    "sample" /* in a template: the name */

/* Each has templates KIND.lua and KIND_test.lua; `test` is only a test. */
static const struct kind {
    const char *name, *what;
} kinds[] = {
    {"plugin", "a plugin with a setting, a route and a hook"},
    {"route", "a plugin with a route"},
    {"hook", "a plugin with a hook"},
    {"tool", "a plugin with a tool that a model may call"},
    {"provider", "a plugin with a provider of models"},
    {"policy", "a plugin with a policy in place of the server's"},
    {"test", "a test of a plugin, or of changed scripts"},
};

struct new_files {
    char folder[PATH_BYTES], tests[PATH_BYTES]; /* of the plugin; "" for a test */
    char plugin[PATH_BYTES], test[PATH_BYTES];
    bool made_folder, made_plugin, made_tests, made_test;
};

static bool is_name(const char *name)
{
    return tt_plugin_is_name(tt_str_from(name)) && strlen(name) <= NAME_MAX_BYTES &&
           name[0] >= 'a' && name[0] <= 'z';
}

/* ---- templates ---- */

/* From the first folder of scripts that has it. */
static int read_template(const struct tt_settings *settings, const char *name, struct tt_buf *text,
                         struct tt_err *err)
{
    char path[PATH_BYTES];
    FILE *file = NULL;

    for (size_t i = 0; !file && i < settings->scripts.root_count; i++) {
        snprintf(path, sizeof(path), "%s/templates/%s.lua", settings->scripts.roots[i], name);
        file = fopen(path, "re");
    }
    char *room = file ? tt_buf_reserve(text, TEMPLATE_MAX) : NULL;
    if (room)
        text->len = fread(room, 1, TEMPLATE_MAX, file);
    if (file)
        fclose(file);
    return room ? 0
                : tt_err_set(err, 500, "internal_error",
                             "no folder of scripts has templates/%s.lua, which comes with the "
                             "server's scripts",
                             name);
}

static void fill_in(struct tt_str text, const char *name, struct tt_buf *out)
{
    const char *at;

    while (text.len > 0 &&
           (at = memmem(text.data, text.len, PLACEHOLDER, sizeof(PLACEHOLDER) - 1))) {
        size_t before = (size_t)(at - text.data), used = before + sizeof(PLACEHOLDER) - 1;
        tt_buf_append(out, text.data, before);
        tt_buf_append_z(out, name);
        text = tt_str_of(text.data + used, text.len - used);
    }
    tt_buf_append_str(out, text);
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

static int write_from_template(const struct tt_settings *settings, const char *template,
                               const char *name, const char *path, struct tt_err *err)
{
    struct tt_buf text = {0}, filled = {0};
    int result = read_template(settings, template, &text, err);

    if (result == 0) {
        fill_in(tt_buf_str(&text), name, &filled);
        result = write_new(path, tt_buf_str(&filled), err);
    }
    tt_buf_free(&text);
    tt_buf_free(&filled);
    return result;
}

/* ---- making ---- */

static bool make_folder(const char *path)
{
    return mkdir(path, 0777) == 0;
}

static void undo(const struct new_files *files)
{
    if (files->made_test)
        unlink(files->test);
    if (files->made_tests)
        rmdir(files->tests);
    if (files->made_plugin)
        unlink(files->plugin);
    if (files->made_folder)
        rmdir(files->folder);
}

static int make_plugin(const struct tt_settings *settings, const struct kind *kind,
                       const char *name, struct new_files *files, struct tt_err *err)
{
    make_folder(settings->scripts.plugins_dir); /* else making the next one gives the reason */
    files->made_folder = make_folder(files->folder);
    if (!files->made_folder)
        return tt_err_set(err, 500, "internal_error", "%s: %s", files->folder,
                          errno == EEXIST ? "exists already" : strerror(errno));
    files->made_plugin = write_from_template(settings, kind->name, name, files->plugin, err) == 0;
    return files->made_plugin ? 0 : -1;
}

static int make(const struct tt_settings *settings, const struct kind *kind, const char *name,
                struct new_files *files, struct tt_err *err)
{
    char template[64];
    bool only_test = strcmp(kind->name, "test") == 0;

    if (!only_test && make_plugin(settings, kind, name, files, err) != 0)
        return -1;
    files->made_tests = make_folder(files->tests);
    snprintf(template, sizeof(template), "%s%s", kind->name, only_test ? "" : "_test");
    files->made_test = write_from_template(settings, template, name, files->test, err) == 0;
    return files->made_test ? 0 : -1;
}

/* A test of a plugin that exists goes into the plugin's folder, any other one beside the scripts,
 * unless these came with the program. */
static int name_test(const struct tt_settings *settings, const char *name, struct new_files *files,
                     struct tt_err *err)
{
    const char *plugins = settings->scripts.plugins_dir;

    snprintf(files->plugin, PATH_BYTES, "%s/%s/plugin.lua", plugins, name);
    bool of_plugin = access(files->plugin, F_OK) == 0;
    files->plugin[0] = '\0';
    if (!of_plugin && settings->lua_dir == settings->installed.lua_dir)
        return tt_err_set(err, 0, "not_found",
                          "there is no plugin %s, and the scripts in %s came with the program: "
                          "name a plugin of yours, or make one with its test by "
                          "`tidetalk new plugin %s`",
                          name, settings->lua_dir, name);
    if (of_plugin)
        snprintf(files->tests, PATH_BYTES, "%s/%s/tests", plugins, name);
    else
        snprintf(files->tests, PATH_BYTES, "%s/tests", settings->lua_dir);
    return 0;
}

static int name_files(const struct tt_settings *settings, const struct kind *kind, const char *name,
                      struct new_files *files, struct tt_err *err)
{
    if (strcmp(kind->name, "test") == 0) {
        if (name_test(settings, name, files, err) != 0)
            return -1;
    } else {
        snprintf(files->folder, PATH_BYTES, "%s/%s", settings->scripts.plugins_dir, name);
        snprintf(files->plugin, PATH_BYTES, "%s/%s/plugin.lua", settings->scripts.plugins_dir,
                 name);
        snprintf(files->tests, PATH_BYTES, "%s/%s/tests", settings->scripts.plugins_dir, name);
    }
    if (snprintf(files->test, PATH_BYTES, "%s/%s_test.lua", files->tests, name) >= PATH_BYTES)
        files->test[0] = '\0'; /* cannot be opened, so it is refused */
    return 0;
}

/* For editors: where the annotations are. Only where there is no such file yet. */
static void write_editor_settings(const struct tt_settings *settings)
{
    char path[PATH_BYTES], types[PATH_BYTES], full[PATH_BYTES];
    struct tt_buf text = {0};
    struct tt_json_writer w = {.buf = &text};
    bool found = false;

    for (size_t i = 0; !found && i < settings->scripts.root_count; i++) {
        snprintf(types, sizeof(types), "%s/types", settings->scripts.roots[i]);
        found = realpath(types, full) != NULL;
    }
    if (!found)
        return;
    snprintf(path, sizeof(path), "%s/.luarc.json", settings->scripts.plugins_dir);
    tt_buf_append_z(&text,
                    "{\n  \"runtime\": { \"version\": \"Lua 5.4\", \"path\": [\"?.lua\"] },\n"
                    "  \"workspace\": { \"library\": [");
    tt_json_str(&w, tt_str_from(full));
    tt_buf_append_z(&text, "] }\n}\n");
    write_new(path, tt_buf_str(&text), NULL);
    tt_buf_free(&text);
}

static int make_and_check(const struct tt_settings *settings, const struct kind *kind,
                          const char *name)
{
    struct new_files files = {0};
    struct tt_tide tide = {0};
    struct tt_err err = {0};
    struct tt_generation *before = tt_cli_load(settings, &tide, &err), *after = NULL;
    int code = TT_EXIT_FAILED;

    if (!before)
        return tt_cli_fail(TT_EXIT_FAILED, "new: the scripts have errors, correct them first");
    tt_generation_unref(before);
    if (name_files(settings, kind, name, &files, &err) == 0 &&
        make(settings, kind, name, &files, &err) == 0)
        after = tt_cli_load(settings, &tide, &err);
    if (after) {
        if (*files.plugin) {
            write_editor_settings(settings);
            printf("%s: %s\n", files.plugin, kind->what);
        }
        printf("%s: its test, run it with: tidetalk test %s\n", files.test, files.test);
        code = TT_EXIT_OK;
    } else {
        undo(&files);
        tt_cli_fail(0, "new: %s; nothing was changed", err.message);
    }
    tt_generation_unref(after);
    return code;
}

static const struct kind *find_kind(const char *name)
{
    for (size_t i = 0; i < TT_COUNT(kinds); i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    return NULL;
}

int tt_cli_new(int argc, char **argv)
{
    struct tt_settings settings;
    int code;

    if (tt_cli_settings(&settings, &argc, argv) != 0)
        return TT_EXIT_USAGE;
    const struct kind *kind = argc == 2 ? find_kind(argv[0]) : NULL;
    if (!kind)
        code = tt_cli_fail(TT_EXIT_USAGE,
                           "usage: tidetalk new (plugin | route | hook | tool | provider | policy "
                           "| test) NAME [--setting=value …]");
    else if (!is_name(argv[1]))
        code = tt_cli_fail(TT_EXIT_USAGE,
                           "new: '%s' is not a valid name: small letters, digits and _, at most %d",
                           argv[1], NAME_MAX_BYTES);
    else
        code = make_and_check(&settings, kind, argv[1]);
    tt_settings_free(&settings);
    return code;
}
