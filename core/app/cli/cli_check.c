/* check and routes: the scripts on the disk, checked without starting anything. All findings are
 * reported at once, as compilers do, so that an editor can go to each place. Lua reports no
 * columns: the column is that of the word that the message names, or the line's first. */
#include "app/cli/cli_findings.h"
#include "app/cli/cli_internal.h"
#include "app/core_routes.h"
#include "base/json.h"
#include "serve/generation_check.h"

#include <stdio.h>

static struct tt_generation *build(const struct tt_settings *settings, struct tt_tide *tide,
                                   struct tt_diagnostics *diagnostics, struct tt_err *err)
{
    const struct tt_serve_settings serving = {
        .core_routes = tt_core_routes,
        .core_route_count = tt_core_route_count,
        .body_max = (size_t)tt_settings_int(settings, "limits.body"),
        .upload_max = (size_t)tt_settings_int(settings, "limits.upload"),
    };
    struct tt_runtime *runtimes[] = {&tide->runtime};
    struct tt_bundle *bundle = tt_bundle_read(&settings->scripts, NULL, err);

    tt_settings_fill_runtime(settings, &tide->runtime);
    tide->setting = tt_settings_for_lua;
    tide->setting_arg = (void *)(uintptr_t)settings;
    return bundle ? tt_generation_new(bundle, 1, runtimes, 1, &serving, diagnostics, err) : NULL;
}

struct tt_generation *tt_cli_load(const struct tt_settings *settings, struct tt_tide *tide,
                                  struct tt_err *err)
{
    struct tt_diagnostics diagnostics = {0};
    struct tt_buf errors = {0};
    struct tt_generation *generation = build(settings, tide, &diagnostics, err);

    tt_diagnostics_print(&diagnostics, &errors);
    fprintf(stderr, "%.*s", (int)errors.len, errors.data ? errors.data : "");
    tt_diagnostics_free(&diagnostics);
    tt_buf_free(&errors);
    return generation;
}

/* ---- settings ---- */

/* "tidetalk.yaml:3: key: what" or "TIDETALK_LISTEN: listen: what". */
static struct tt_cli_finding finding_of(struct tt_str text, const char *code)
{
    struct tt_cli_finding finding = {.severity = "error", .code = code, .message = text};
    ptrdiff_t colon = tt_str_find(text, ':');
    uint64_t line;

    if (colon > 0) {
        struct tt_str rest = tt_str_of(text.data + colon + 1, text.len - (size_t)colon - 1);
        ptrdiff_t second = tt_str_find(rest, ':');
        finding.file = tt_str_of(text.data, (size_t)colon);
        if (second > 0 && tt_str_to_u64(tt_str_of(rest.data, (size_t)second), &line) == 0) {
            finding.line = (int)line;
            finding.column = 1;
            rest = tt_str_of(rest.data + second + 1, rest.len - (size_t)second - 1);
        }
        finding.message = tt_str_trim(rest);
    }
    return finding;
}

static void tell_settings(struct tt_cli_findings *findings, struct tt_str diagnostics)
{
    struct tt_str line;
    while (diagnostics.len > 0) {
        tt_str_split(&diagnostics, '\n', &line);
        struct tt_cli_finding finding = finding_of(line, "invalid_setting");
        tt_cli_findings_add(findings, &finding);
    }
}

/* ---- scripts ---- */

static const char *code_of(const char *phase)
{
    static const struct {
        const char *phase, *code;
    } codes[] = {{"read", "unreadable"},         {"compile", "syntax_error"},
                 {"load", "load_error"},         {"personas", "invalid_persona"},
                 {"errors", "invalid_error"},    {"routes", "invalid_route"},
                 {"self_tests", "broken_policy"}};
    for (size_t i = 0; i < TT_COUNT(codes); i++)
        if (strcmp(codes[i].phase, phase) == 0)
            return codes[i].code;
    return phase; /* advice has its own code */
}

static struct tt_str line_of(struct tt_str text, int line)
{
    struct tt_str found = {0};
    while (line-- > 0 && text.len > 0)
        tt_str_split(&text, '\n', &found);
    return line < 0 ? found : (struct tt_str){0};
}

/* The column of the last word that the message names: near 'word', 'name' is …, route field 'x'. */
static int column_of(struct tt_str line, struct tt_str message)
{
    const char *close = message.len ? memrchr(message.data, '\'', message.len) : NULL;
    const char *open = close ? memrchr(message.data, '\'', (size_t)(close - message.data)) : NULL;
    const char *at = NULL;
    int first = 1;

    if (open && close > open + 1)
        at = line.len ? memmem(line.data, line.len, open + 1, (size_t)(close - open - 1)) : NULL;
    if (at)
        return (int)(at - line.data) + 1;
    while ((size_t)first <= line.len && strchr(" \t", line.data[first - 1]))
        first++;
    return (size_t)first <= line.len ? first : 1;
}

static void tell_scripts(struct tt_cli_findings *findings, const struct tt_settings *settings,
                         const struct tt_bundle *bundle, const struct tt_diagnostics *diagnostics,
                         const char *severity, const char *plugin)
{
    for (size_t i = 0; i < diagnostics->count; i++) {
        const struct tt_diagnostic *diagnostic = &diagnostics->items[i];
        char path[TT_SCRIPT_PATH_BYTES];
        if (plugin && !tt_str_eq(tt_plugin_of(diagnostic->file), tt_str_from(plugin)))
            continue;
        const struct tt_bundle_file *file =
            bundle ? tt_bundle_find(bundle, diagnostic->file) : NULL;
        struct tt_cli_finding finding = {.line = diagnostic->line,
                                         .column = 1,
                                         .severity = severity,
                                         .code = code_of(diagnostic->phase),
                                         .message = diagnostic->message};
        if (file)
            finding.column = column_of(line_of(file->bytes, diagnostic->line), diagnostic->message);
        tt_script_sources_place(&settings->scripts, diagnostic->file, path, sizeof(path));
        finding.file = tt_str_from(path);
        tt_cli_findings_add(findings, &finding);
    }
}

struct migrations {
    struct tt_cli_findings *findings;
    const struct tt_settings *settings;
};

static void tell_migration(void *arg, const struct tt_err *err)
{
    const struct migrations *told = arg;
    struct tt_cli_finding finding = finding_of(tt_str_from(err->message), err->code);
    char path[TT_SCRIPT_PATH_BYTES];

    if (finding.line == 0) { /* not about a file: they could not be tried */
        finding = (struct tt_cli_finding){.file = TT_STR("migrations of plugins"),
                                          .severity = "warning",
                                          .code = err->code,
                                          .message = tt_str_from(err->message)};
        tt_cli_findings_add(told->findings, &finding);
        return;
    }
    tt_script_sources_place(&told->settings->scripts, finding.file, path, sizeof(path));
    finding.file = tt_str_from(path);
    tt_cli_findings_add(told->findings, &finding);
}

/* Builds what a server would build; with `plugin` only what is found about that one is told. The
 * bundle is read a second time for the columns, because a generation that fails takes the first one
 * with it. */
static void check_scripts(struct tt_cli_findings *findings, const struct tt_settings *settings,
                          const char *plugin)
{
    struct tt_diagnostics diagnostics = {0}, advice = {0};
    struct tt_tide tide = {0};
    struct tt_err err = {0};
    struct tt_generation *generation = build(settings, &tide, &diagnostics, &err);
    struct tt_bundle *bundle = tt_bundle_read(&settings->scripts, NULL, NULL);

    if (generation)
        tt_generation_advise(generation, &advice);
    else if (diagnostics.count == 0) { /* not even read */
        tt_settings_check_files(settings, &err);
        diagnostics.phase = "read";
        tt_diagnostics_add(&diagnostics, "", tt_str_from(err.message));
    }
    tell_scripts(findings, settings, bundle, &diagnostics, "error", plugin);
    tell_scripts(findings, settings, bundle, &advice, "warning", plugin);
    if (bundle) {
        struct migrations told = {findings, settings};
        tt_cli_check_migrations(settings, bundle, plugin, tell_migration, &told);
    }
    if (plugin && findings->errors == 0)
        printf("ok: %s%s\n", plugin,
               generation ? "" : ", but other scripts have errors (tidetalk check)");
    else if (generation && !findings->json && findings->errors == 0)
        printf("ok: %zu route%s, %zu persona%s, scripts %.12s\n", generation->route_count,
               tt_plural((int64_t)generation->route_count), generation->bundle->persona_count,
               tt_plural((int64_t)generation->bundle->persona_count), generation->bundle->hash);
    tt_bundle_free(bundle);
    tt_generation_unref(generation);
    tt_diagnostics_free(&diagnostics);
    tt_diagnostics_free(&advice);
}

int tt_cli_check_plugin(const struct tt_settings *settings, const char *name)
{
    struct tt_cli_findings findings = {0};

    check_scripts(&findings, settings, name);
    return tt_cli_findings_print(&findings);
}

int tt_cli_check(int argc, char **argv)
{
    struct tt_cli_findings findings = {.json = tt_cli_flag(&argc, argv, "--json")};
    bool data = tt_cli_flag(&argc, argv, "--data");
    struct tt_settings settings;
    struct tt_buf diagnostics = {0};

    tt_settings_collect(&settings, argc, argv, &argc, argv, &diagnostics);
    if (argc > 0) {
        tt_buf_free(&diagnostics);
        tt_settings_free(&settings);
        return tt_cli_fail(TT_EXIT_USAGE, "check: unknown flag '%s'; see --help", argv[0]);
    }
    tell_settings(&findings, tt_buf_str(&diagnostics));
    if (data)
        tt_cli_check_data(&findings, &settings);
    else
        check_scripts(&findings, &settings, NULL);
    tt_buf_free(&diagnostics);
    tt_settings_free(&settings);
    return tt_cli_findings_print(&findings);
}

/* ---- routes ---- */

static const char *const auth_names[] = {"none", "user", "admin"};
static const char *const listener_names[] = {"public", "admin"};

static void put_text(struct tt_json_writer *w, const char *key, struct tt_str text)
{
    tt_json_key(w, tt_str_from(key));
    tt_json_str(w, text);
}

static void put_number(struct tt_json_writer *w, const char *key, int64_t number)
{
    tt_json_key(w, tt_str_from(key));
    tt_json_int(w, number);
}

static void print_json(const struct tt_generation *generation,
                       const struct tt_script_sources *sources)
{
    char file[TT_SCRIPT_PATH_BYTES];
    struct tt_buf out = {0};
    struct tt_json_writer w = {.buf = &out};

    tt_json_begin_array(&w);
    for (size_t i = 0; i < generation->route_count; i++) {
        const struct tt_route *route = &generation->routes[i];
        tt_script_sources_place(sources, route->file, file, sizeof(file));
        tt_json_begin_object(&w);
        put_text(&w, "method", route->method);
        put_text(&w, "path", route->path);
        put_text(&w, "auth", tt_str_from(auth_names[route->auth]));
        put_text(&w, "listener", tt_str_from(listener_names[route->listener]));
        if (route->reads_body)
            put_number(&w, "body_max", (int64_t)route->body_max);
        put_text(&w, "file", tt_str_from(file));
        put_number(&w, "line", route->line);
        tt_json_end_object(&w);
    }
    tt_json_end_array(&w);
    printf("%.*s\n", (int)out.len, out.data);
    tt_buf_free(&out);
}

static void print_table(const struct tt_generation *generation,
                        const struct tt_script_sources *sources)
{
    char file[TT_SCRIPT_PATH_BYTES];

    for (size_t i = 0; i < generation->route_count; i++) {
        const struct tt_route *route = &generation->routes[i];
        tt_script_sources_place(sources, route->file, file, sizeof(file));
        printf("%-7s %-45s %-6s %-7s %s:%d\n", route->method.data, route->path.data,
               auth_names[route->auth], listener_names[route->listener], file, route->line);
    }
}

int tt_cli_routes(int argc, char **argv)
{
    bool json = tt_cli_flag(&argc, argv, "--json");
    struct tt_settings settings;
    struct tt_tide tide = {0};
    struct tt_err err = {0};

    if (tt_cli_settings_and_files(&settings, &argc, argv) != 0)
        return TT_EXIT_USAGE;
    struct tt_generation *generation = tt_cli_load(&settings, &tide, &err);
    if (generation && json)
        print_json(generation, &settings.scripts);
    else if (generation)
        print_table(generation, &settings.scripts);
    else
        tt_cli_fail(0, "%s", err.message);
    int code = generation ? TT_EXIT_OK : TT_EXIT_FAILED;
    tt_generation_unref(generation);
    tt_settings_free(&settings);
    return code;
}
