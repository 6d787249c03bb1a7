/* One test case in its own server: a copy of the template's data folder, one worker, a port of the
 * loopback, the scripted upstream as the only address that may be called. Everything else is as in
 * any server. */
#include "app/app.h"
#include "app/cli/cli_internal.h"
#include "app/cli/cli_test.h"
#include "app/cli/latch.h"
#include "app/worker.h"
#include "base/log.h"
#include "base/mem.h"
#include "upstream/local_call.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define FLAGS_OWN  11
#define PATH_BYTES 4096
#define SOURCE_MAX (1u << 20)

struct running {
    struct tt_mail mail;
    struct tt_vm *vm;
    const struct tt_cli_test_run *run;
    struct tt_cli_test_case *test;
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

static int load_file(struct tt_vm *vm, const char *path, struct tt_buf *failure)
{
    struct tt_buf source = {0};
    FILE *file = fopen(path, "re");
    char *room = file ? tt_buf_reserve(&source, SOURCE_MAX) : NULL;
    int result = -1;

    if (room)
        source.len = fread(room, 1, SOURCE_MAX, file);
    if (file)
        fclose(file);
    if (room)
        result = tt_testing_load(vm, tt_str_from(path), tt_buf_str(&source), failure);
    else
        tt_buf_printf(failure, "%s: %s", path, strerror(errno));
    tt_buf_free(&source);
    return result;
}

static void finish(void *arg, struct tt_str failure)
{
    struct running *running = arg;

    tt_buf_append_str(&running->test->failure, failure);
    tt_latch_open(&running->over);
}

static void begin(struct tt_mail *mail)
{
    struct running *running = TT_CONTAINER_OF(mail, struct running, mail);
    struct tt_testing *testing = tt_tide_of_runtime(running->vm->runtime)->testing;
    struct tt_cli_test_case *test = running->test;

    tt_test_world_open(testing, running->vm);
    bool loads = load_file(running->vm, running->run->file, &test->failure) == 0;
    test->there = loads && test->number < testing->count;
    if (!test->there) {
        tt_latch_open(&running->over);
        return;
    }
    const struct tt_test_case *found = &testing->cases[test->number];
    tt_buf_append_str(&test->name, found->name);
    test->begin(test);
    tt_testing_run(running->vm, found, finish, running);
}

static void run_in(struct tt_app *app, const struct tt_cli_test_run *run,
                   struct tt_cli_test_case *test)
{
    struct tt_worker *worker = &app->workers[0];
    struct running running = {.mail = {.deliver = begin},
                              .vm = worker->dispatcher.generation->vms[0],
                              .run = run,
                              .test = test};

    tt_latch_create(&running.over);
    tt_loop_post(worker->loop, &running.mail);
    tt_latch_wait(&running.over);
}

/* ---- the server ---- */

/* The scripts of this process's first case, with what they were compiled to: those of the next
 * cases mostly are the same. */
static struct tt_bundle *known;

static void keep_compiled(const struct tt_app *app, const struct tt_settings *settings)
{
    if (!known)
        known =
            tt_bundle_read(&settings->scripts, app->workers[0].dispatcher.generation->bundle, NULL);
}

static void serve_and_run(const struct tt_settings *settings, struct tt_testing *testing,
                          const struct tt_cli_test_run *run, struct tt_cli_test_case *test)
{
    struct tt_app app;
    struct tt_err err = {0};

    if (tt_app_start(&app, settings, true, known, &err) != 0) {
        tt_buf_printf(&test->failure, "the server does not start: %s", err.message);
        return;
    }
    keep_compiled(&app, settings);
    testing->send = send_request;
    testing->send_arg = &app;
    testing->aux = app.aux;
    app.workers[0].tide.testing = testing;
    app.workers[0].tide.runtime.prints = true;
    run_in(&app, run, test);
    int unscripted = tt_test_upstream_unscripted(testing->upstream);
    if (test->failure.len > 0 && unscripted > 0)
        tt_buf_printf(&test->failure,
                      "\nthe model was asked %d time%s more than test.upstream scripted",
                      unscripted, tt_plural(unscripted));
    tt_app_stop(&app, 0);
    tt_test_world_close();
    testing->send_arg = NULL;
}

/* A file that says otherwise (tidetalk.yaml, the environment) must not affect a test. `folder` of
 * the run has the data; port 0: no upstream. */
static int read_settings(const struct tt_cli_test_run *run, const char *folder, int port,
                         struct tt_settings *settings)
{
    char data[PATH_BYTES], allow[64];
    const char *own[FLAGS_OWN] = {
        "--listen=127.0.0.1:0", "--workers=1",          "--redis-url=",      "--database-url=",
        "--secret-file=",       "--admin-listen=",      "--log-level=error", "--log-format=text",
        "--registration=yes",   "--outbound-public=no", "--disk-reserve=0"};
    char **argv = tt_alloc((size_t)(run->argc + FLAGS_OWN + 3) * sizeof(char *));
    int argc = run->argc;

    snprintf(data, sizeof(data), "--data-dir=%s/%s", run->folder, folder);
    snprintf(allow, sizeof(allow), "--outbound-allow=127.0.0.1:%d", port);
    memcpy(argv, run->argv, (size_t)argc * sizeof(char *));
    for (int i = 0; i < FLAGS_OWN; i++)
        argv[argc++] = (char *)(uintptr_t)own[i];
    argv[argc++] = data;
    if (port)
        argv[argc++] = allow;
    int result = tt_cli_settings(settings, &argc, argv);
    free(argv);
    return result;
}

/* ---- the template ---- */

static int remove_empty(const char *path, const struct stat *status, int type, struct FTW *at)
{
    (void)status;
    (void)at;
    if (type == FTW_DP)
        rmdir(path); /* refused when something is in it */
    return 0;
}

void tt_cli_test_make_template(const struct tt_cli_test_run *run)
{
    struct tt_settings settings;
    struct tt_tide tide = {0};
    struct tt_testing testing = {0};
    struct tt_app app;
    struct tt_err err = {0};
    char template[PATH_BYTES];

    tide.testing = &testing; /* a module that should be a test may register cases */
    signal(SIGPIPE, SIG_IGN);
    if (read_settings(run, "template", 0, &settings) != 0)
        _exit(TT_EXIT_USAGE);
    struct tt_generation *generation = tt_cli_load(&settings, &tide, &err);
    if (!generation || tt_app_start(&app, &settings, false, NULL, &err) != 0)
        _exit(tt_cli_fail(TT_EXIT_FAILED, "%s", err.message));
    tt_app_stop(&app, 0);
    tt_generation_unref(generation);
    /* Folders that are empty are made again when they are needed: this leaves little to copy. */
    snprintf(template, sizeof(template), "%s/template", run->folder);
    nftw(template, remove_empty, 16, FTW_DEPTH | FTW_PHYS);
    _exit(TT_EXIT_OK);
}

static int copy_file(const char *from, const char *to, mode_t mode)
{
    int source = open(from, O_RDONLY | O_CLOEXEC);
    int target = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    ssize_t n = -1;

    if (source >= 0 && target >= 0)
        while ((n = sendfile(target, source, NULL, 1 << 20)) > 0)
            ;
    if (source >= 0)
        close(source);
    if (target >= 0)
        close(target);
    return n == 0 ? 0 : -1;
}

/* The length of the folder of which this copies, and its copy. */
static size_t template_len;
static char copy_of[PATH_BYTES];

static int copy_entry(const char *path, const struct stat *status, int type, struct FTW *at)
{
    char to[PATH_BYTES];
    (void)at;

    snprintf(to, sizeof(to), "%s%s", copy_of, path + template_len);
    if (type == FTW_D)
        return mkdir(to, 0700) == 0 || errno == EEXIST ? 0 : -1;
    return S_ISREG(status->st_mode) ? copy_file(path, to, status->st_mode & 0700) : 0;
}

/* What lies in a folder itself. */
static void remove_files(const char *folder)
{
    DIR *directory = opendir(folder);

    for (struct dirent *entry; directory && (entry = readdir(directory));)
        if (entry->d_type == DT_REG)
            unlinkat(dirfd(directory), entry->d_name, 0);
    if (directory)
        closedir(directory);
}

/* The data folder of the case, from that of the one before: the database and all else that is not
 * in a folder is replaced. Uploaded files that no row knows are removed by the server. */
static int copy_template(const struct tt_cli_test_run *run, struct tt_buf *failure)
{
    char template[PATH_BYTES];

    snprintf(template, sizeof(template), "%s/template", run->folder);
    snprintf(copy_of, sizeof(copy_of), "%s/data", run->folder);
    template_len = strlen(template);
    remove_files(copy_of);
    if (nftw(template, copy_entry, 16, FTW_PHYS) == 0)
        return 0;
    tt_buf_printf(failure, "the data folder cannot be made: %s", strerror(errno));
    return -1;
}

/* ---- a case ---- */

void tt_cli_test_run_case(const struct tt_cli_test_run *run, struct tt_cli_test_case *test)
{
    struct tt_testing testing = {0};
    struct tt_settings settings;
    struct tt_err err = {0};

    signal(SIGPIPE, SIG_IGN);
    tt_log_setup(TT_LOG_ERROR, TT_LOG_TEXT);
    tt_log_setup_scripts(TT_LOG_INFO);
    tt_password_make_cheap();
    if (copy_template(run, &test->failure) != 0)
        return;
    testing.upstream = tt_test_upstream_open(&err);
    if (!testing.upstream) {
        tt_buf_append_z(&test->failure, err.message);
    } else if (read_settings(run, "data", tt_test_upstream_port(testing.upstream), &settings) !=
               0) {
        tt_buf_append_z(&test->failure, "settings are refused");
    } else {
        serve_and_run(&settings, &testing, run, test);
        tt_settings_free(&settings);
    }
    tt_test_upstream_close(testing.upstream);
    tt_testing_free(&testing);
}
