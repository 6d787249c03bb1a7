/* serve and dev: the server until a signal ends it. Signals are blocked in all threads and read
 * here; dev also waits for changes of the scripts. */
#include "app/app.h"
#include "app/cli/cli_internal.h"
#include "app/cli/dev_report.h"
#include "app/cli/script_watch.h"
#include "app/reload/builder.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

static int block_signals(void)
{
    sigset_t set;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

#define QUIET_MS 50  /* a change is acted on when nothing more has come for this time */
#define RENEW_MS 500 /* how often dev looks for folders that exist again */

/* The builder logs the result. */
static void on_reloaded(const struct tt_reload_result *result, void *arg)
{
    (void)result;
    (void)arg;
}

/* True if the server must end. */
static bool take_signal(int fd, struct tt_app *app)
{
    const struct tt_reload_request reload = {.action = TT_RELOAD, .who = "signal"};
    struct signalfd_siginfo info;
    ssize_t n = read(fd, &info, sizeof(info));

    if (n < 0 && errno == EINTR)
        return false;
    if (n != sizeof(info) || info.ssi_signo != SIGHUP)
        return true;
    tt_builder_submit(app->builder, &reload, NULL, on_reloaded, NULL);
    return false;
}

/* `watch` NULL: signals only. */
static void wait_for_end(int signals, struct tt_cli_watch *watch, struct tt_app *app,
                         struct tt_dev_report *report)
{
    const struct tt_reload_request reload = {
        .action = TT_RELOAD, .who = "dev", .force = true, .told = true};
    struct pollfd fds[] = {{.fd = signals, .events = POLLIN},
                           {.fd = watch ? tt_cli_watch_fd(watch) : -1, .events = POLLIN}};
    bool changed = false;

    for (;;) {
        int limit = !watch ? -1 : changed ? QUIET_MS : RENEW_MS;
        int ready = poll(fds, 2, limit);
        if (ready > 0 && fds[0].revents && take_signal(signals, app))
            return;
        if (ready > 0 && fds[1].revents && tt_cli_watch_read(watch))
            changed = true;
        if (ready != 0 || !watch)
            continue;
        tt_cli_watch_renew(watch);
        if (changed)
            tt_builder_submit(app->builder, &reload, NULL, tt_dev_report_reload, report);
        changed = false;
    }
}

/* Each connection and each upstream call needs a descriptor: the soft limit is raised to the hard
 * one. */
static void raise_open_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static bool is_default(const struct tt_settings *settings, const char *key)
{
    return strcmp(tt_conf_get(settings->conf, key)->origin, "default") == 0;
}

/* What developers see unless a setting says otherwise: text, what their scripts log, and of the
 * server only what is wrong. */
static void setup_log(const struct tt_settings *settings, bool dev)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    struct tt_str level = tt_conf_get(settings->conf, "log.level")->text;
    struct tt_str format = tt_conf_get(settings->conf, "log.format")->text;
    bool text = tt_str_eq(format, TT_STR("text")) || (dev && is_default(settings, "log.format"));
    enum tt_log_level lowest = TT_LOG_INFO;

    for (size_t i = 0; i < TT_COUNT(levels); i++)
        if (tt_str_eq(level, tt_str_from(levels[i])))
            lowest = (enum tt_log_level)i;
    bool quiet = dev && is_default(settings, "log.level");
    tt_log_setup(quiet ? TT_LOG_WARN : lowest, text ? TT_LOG_TEXT : TT_LOG_JSON);
    tt_log_setup_scripts(lowest);
}

static int serve(const struct tt_settings *settings, bool dev)
{
    struct tt_app app;
    struct tt_err err = {0};
    struct tt_cli_watch *watch = NULL;
    struct tt_dev_report report = {.settings = settings};

    setup_log(settings, dev);
    raise_open_files();
    int signals = block_signals();
    if (dev && !(watch = tt_cli_watch_open(&settings->scripts, &err))) {
        close(signals);
        return tt_cli_fail(TT_EXIT_USAGE, "dev: %s", err.message);
    }
    if (tt_app_start(&app, settings, true, NULL, &err) != 0) {
        tt_cli_watch_close(watch);
        close(signals);
        return tt_cli_fail(TT_EXIT_USAGE, "cannot start: %s", err.message);
    }
    tt_log(TT_LOG_INFO, "ready", TT_F_Z("listen", settings->listen), TT_F_INT("port", app.port),
           TT_F_INT("workers", app.worker_count), TT_F_Z("version", TT_VERSION),
           TT_F_INT("start_ms", (int64_t)(tt_clock_mono_ms() - app.started_ms)));
    if (dev)
        tt_dev_report_ready(&report, &app);
    wait_for_end(signals, watch, &app, &report);
    tt_log(TT_LOG_INFO, "stopping");
    tt_app_stop(&app, (uint64_t)tt_settings_int(settings, "drain"));
    tt_log(TT_LOG_INFO, "stopped");
    tt_cli_watch_close(watch);
    close(signals);
    return TT_EXIT_OK;
}

static int serve_words(const char *command, int argc, char **argv, bool dev)
{
    struct tt_settings settings;
    bool accept_loss = tt_cli_flag(&argc, argv, "--accept-loss");

    if (tt_cli_settings_and_files(&settings, &argc, argv) != 0)
        return TT_EXIT_USAGE;
    settings.accept_loss = accept_loss;
    int code =
        argc > 0 ? tt_cli_fail(TT_EXIT_USAGE, "%s: unknown flag '%s'; see --help", command, argv[0])
                 : serve(&settings, dev);
    tt_settings_free(&settings);
    return code;
}

int tt_cli_serve(int argc, char **argv)
{
    return serve_words("serve", argc, argv, false);
}

/* The same with defaults for developers, unless the arguments say otherwise. */
int tt_cli_dev(int argc, char **argv)
{
    static const char *const own[] = {"--dev=yes"};
    char **words = tt_alloc((TT_COUNT(own) + (size_t)argc + 1) * sizeof(char *));

    for (size_t i = 0; i < TT_COUNT(own); i++)
        words[i] = (char *)(uintptr_t)own[i];
    memcpy(words + TT_COUNT(own), argv, (size_t)argc * sizeof(char *));
    int code = serve_words("dev", argc + (int)TT_COUNT(own), words, true);
    free(words);
    return code;
}
