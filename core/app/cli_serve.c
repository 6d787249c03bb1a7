/* serve: the server until a signal ends it. Signals are blocked in all threads and read here. */
#include "app/builder.h"
#include "app/cli_internal.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
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

/* What came of it is in the log, by the builder. */
static void on_reloaded(const struct tt_reload_result *result, void *arg)
{
    (void)result;
    (void)arg;
}

static void wait_for_end(int fd, struct tt_app *app)
{
    const struct tt_reload_request reload = {.action = TT_RELOAD, .who = "signal"};
    struct signalfd_siginfo info;

    for (;;) {
        ssize_t n = read(fd, &info, sizeof(info));
        if (n < 0 && errno == EINTR)
            continue;
        if (n != sizeof(info) || info.ssi_signo != SIGHUP)
            return;
        tt_builder_ask(app->builder, &reload, NULL, on_reloaded, NULL);
    }
}

/* Many connections and upstreams are descriptors: the soft limit is raised to the hard one. */
static void raise_open_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void setup_log(const struct tt_settings *settings)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    struct tt_str level = tt_conf_get(settings->conf, "log.level")->text;
    struct tt_str format = tt_conf_get(settings->conf, "log.format")->text;

    for (size_t i = 0; i < TT_COUNT(levels); i++)
        if (tt_str_eq(level, tt_str_from(levels[i])))
            tt_log_setup((enum tt_log_level)i,
                         tt_str_eq(format, TT_STR("text")) ? TT_LOG_TEXT : TT_LOG_JSON);
}

int tt_cli_serve(int argc, char **argv)
{
    struct tt_settings settings;
    struct tt_app app;
    struct tt_err err = {0};

    if (tt_cli_settings(&settings, &argc, argv) != 0)
        return TT_EXIT_USAGE;
    if (argc > 0) {
        tt_settings_free(&settings);
        return tt_cli_fail(TT_EXIT_USAGE, "serve: '%s' is no flag of it; see --help", argv[0]);
    }
    setup_log(&settings);
    raise_open_files();
    int signals = block_signals();
    if (tt_app_start(&app, &settings, true, &err) != 0) {
        tt_settings_free(&settings);
        close(signals);
        return tt_cli_fail(TT_EXIT_USAGE, "cannot start: %s", err.message);
    }
    tt_log(TT_LOG_INFO, "ready", TT_F_Z("listen", settings.listen), TT_F_INT("port", app.port),
           TT_F_INT("workers", app.worker_count), TT_F_Z("version", TT_VERSION),
           TT_F_INT("start_ms", (int64_t)(tt_clock_mono_ms() - app.started_ms)));
    wait_for_end(signals, &app);
    tt_log(TT_LOG_INFO, "stopping");
    tt_app_stop(&app, (uint64_t)tt_settings_int(&settings, "drain"));
    tt_log(TT_LOG_INFO, "stopped");
    tt_settings_free(&settings);
    close(signals);
    return TT_EXIT_OK;
}
