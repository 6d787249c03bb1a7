#include "app/cli/dev_report.h"

#include <stdio.h>

static void print_all(const struct tt_dev_report *report, const struct tt_diagnostics *diagnostics,
                      bool warnings)
{
    char path[TT_SCRIPT_PATH_BYTES];

    for (size_t i = 0; i < diagnostics->count; i++) {
        const struct tt_diagnostic *diagnostic = &diagnostics->items[i];
        tt_script_sources_place(&report->settings->scripts, diagnostic->file, path, sizeof(path));
        printf("  %s:%d: ", path, diagnostic->line);
        if (warnings)
            printf("warning: %s (%s)\n", diagnostic->message.data, diagnostic->phase);
        else
            printf("%s\n", diagnostic->message.data);
        struct tt_str rest = diagnostic->traceback, line;
        while (!warnings && rest.len > 0) {
            tt_str_split(&rest, '\n', &line);
            printf("    %.*s\n", TT_STR_ARG(line));
        }
    }
    fflush(stdout);
}

void tt_dev_report_ready(struct tt_dev_report *report, const struct tt_app *app)
{
    const struct tt_settings *settings = report->settings;

    printf("ready on %s, port %d; %s, %s and %s are loaded when they change\n", settings->listen,
           app->port, settings->lua_dir, settings->scripts.plugins_dir, settings->personas);
    print_all(report, &app->advice, true);
}

void tt_dev_report_reload(const struct tt_reload_result *result, void *arg)
{
    struct tt_dev_report *report = arg;

    if (result->diagnostics.count) {
        printf("not reloaded, generation %d keeps serving: %zu error%s\n", result->generation,
               result->diagnostics.count, tt_plural((int64_t)result->diagnostics.count));
    } else if (result->error.status) {
        printf("not reloaded, generation %d keeps serving: %s\n", result->generation,
               result->error.message);
    } else if (result->unchanged && report->refused) {
        printf("ok again, generation %d serves these files\n", result->generation);
    } else if (!result->unchanged) {
        printf("reloaded, generation %d in %llu ms:", result->generation,
               (unsigned long long)result->duration_ms);
        for (size_t i = 0; i < result->changed_count; i++)
            printf("%s %.*s", i ? "," : "", TT_STR_ARG(result->changed[i]));
        printf("\n");
    }
    report->refused = result->error.status != 0;
    print_all(report, &result->diagnostics, false);
    print_all(report, &result->advice, true);
}
