/* One test case in its own server: empty data folder, one worker, a port of the loopback, the
 * scripted upstream as the only address that may be called. Everything else is as in any server. */
#include "app/app.h"
#include "app/cli/cli_internal.h"
#include "app/cli/cli_test.h"
#include "app/cli/latch.h"
#include "app/worker.h"
#include "base/log.h"
#include "base/mem.h"
#include "upstream/local_call.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define FLAGS_OWN 9

struct running {
    struct tt_mail mail;
    struct tt_vm *vm;
    const struct tt_cli_test_run *run;
    struct tt_buf *failure;
    struct tt_latch over;
};

static int send_request(void *arg, const char *method, const char *path, struct tt_str headers,
                        struct tt_str body, struct tt_buf *answer_head, struct tt_buf *answer_body,
                        struct tt_err *err)
{
    const struct tt_app *app = arg;
    char address[64];

    snprintf(address, sizeof(address), "127.0.0.1:%d", app->port);
    struct tt_local_request request = {address, method, path, headers, body, TT_LOCAL_LIMIT_S};
    return tt_local_send(&request, answer_head, answer_body, err);
}

/* ---- on the worker ---- */

static void finish(void *arg, struct tt_str failure)
{
    struct running *running = arg;

    tt_buf_append_str(running->failure, failure);
    tt_latch_open(&running->over);
}

static void begin(struct tt_mail *mail)
{
    struct running *running = TT_CONTAINER_OF(mail, struct running, mail);
    struct tt_testing *testing = tt_tide_of_runtime(running->vm->runtime)->testing;
    struct tt_buf failure = {0};

    if (tt_cli_test_load(running->vm, running->run->file, &failure) == 0 &&
        running->run->number < testing->count)
        tt_testing_run(running->vm, &testing->cases[running->run->number], finish, running);
    else
        finish(running, failure.len ? tt_buf_str(&failure) : TT_STR("the case is gone"));
    tt_buf_free(&failure);
}

static void run_in(struct tt_app *app, const struct tt_cli_test_run *run, struct tt_buf *failure)
{
    struct tt_worker *worker = &app->workers[0];
    struct running running = {.mail = {.deliver = begin},
                              .vm = worker->dispatcher.generation->vms[0],
                              .run = run,
                              .failure = failure};

    tt_latch_create(&running.over);
    tt_loop_post(worker->loop, &running.mail);
    tt_latch_wait(&running.over);
}

/* ---- the server ---- */

static void serve_and_run(const struct tt_settings *settings, struct tt_testing *testing,
                          const struct tt_cli_test_run *run, struct tt_buf *failure)
{
    struct tt_app app;
    struct tt_err err = {0};

    if (tt_app_start(&app, settings, true, &err) != 0) {
        tt_buf_printf(failure, "the server does not start: %s", err.message);
        return;
    }
    testing->send = send_request;
    testing->send_arg = &app;
    testing->aux = app.aux;
    app.workers[0].tide.testing = testing;
    run_in(&app, run, failure);
    int unscripted = tt_test_upstream_unscripted(testing->upstream);
    if (failure->len > 0 && unscripted > 0)
        tt_buf_printf(failure, "\nthe model was asked %d times more than test.upstream scripted",
                      unscripted);
    tt_app_stop(&app, 0);
    testing->send_arg = NULL;
}

/* A file that says otherwise (tidetalk.yaml, the environment) must not affect a test. */
static int read_settings(const struct tt_cli_test_run *run, int port, struct tt_settings *settings)
{
    char folder[4200], allow[64];
    const char *own[FLAGS_OWN] = {
        "--listen=127.0.0.1:0", "--workers=1",     "--redis-url=",      "--database-url=",
        "--secret-file=",       "--admin-listen=", "--log-level=error", "--registration=yes"};
    char **argv = tt_alloc((size_t)(run->argc + FLAGS_OWN + 3) * sizeof(char *));
    int argc = run->argc;

    snprintf(folder, sizeof(folder), "--data-dir=%s/data", run->folder);
    snprintf(allow, sizeof(allow), "--outbound-allow=127.0.0.1:%d", port);
    memcpy(argv, run->argv, (size_t)argc * sizeof(char *));
    for (int i = 0; i < FLAGS_OWN && own[i]; i++)
        argv[argc++] = (char *)(uintptr_t)own[i];
    argv[argc++] = folder;
    argv[argc++] = allow;
    argv[argc++] = "--outbound-public=no";
    int result = tt_cli_settings(settings, &argc, argv);
    free(argv);
    return result;
}

void tt_cli_test_run_case(const struct tt_cli_test_run *run, struct tt_buf *failure)
{
    struct tt_testing testing = {0};
    struct tt_settings settings;
    struct tt_err err = {0};

    signal(SIGPIPE, SIG_IGN);
    tt_log_setup(TT_LOG_ERROR, TT_LOG_TEXT);
    testing.upstream = tt_test_upstream_open(&err);
    if (!testing.upstream) {
        tt_buf_append_z(failure, err.message);
    } else if (read_settings(run, tt_test_upstream_port(testing.upstream), &settings) != 0) {
        tt_buf_append_z(failure, "settings are refused");
    } else {
        serve_and_run(&settings, &testing, run, failure);
        tt_settings_free(&settings);
    }
    tt_test_upstream_close(testing.upstream);
    tt_testing_free(&testing);
}
