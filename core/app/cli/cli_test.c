/* test: each file of tests runs in its own process, each of its cases in a real server with its own
 * data folder: a copy of a template that one server has made, so that no case waits for migrations.
 * So no case affects another, and one that breaks its process breaks only itself: the rest of its
 * file goes on in another process. This process has no threads, because a process with threads
 * could not fork safely; so it loads no script either. */
#include "app/cli/cli_test.h"

#include "app/cli/cli_internal.h"
#include "app/cli/folders.h"
#include "base/log.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATH_BYTES 4096
#define FILES_MAX  1000

struct test_files {
    char *paths[FILES_MAX];
    size_t count;
};

/* ---- finding and reading ---- */

static void add_file(struct test_files *files, const char *path)
{
    if (files->count < FILES_MAX)
        files->paths[files->count++] = tt_strndup(path, strlen(path));
}

static void find_files(struct test_files *files, const char *folder)
{
    char path[PATH_BYTES];
    struct stat status;
    DIR *directory = opendir(folder);

    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        if (entry->d_name[0] == '.' ||
            snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name) >= PATH_BYTES ||
            stat(path, &status) != 0)
            continue;
        if (S_ISDIR(status.st_mode))
            find_files(files, path);
        else if (tt_str_ends(tt_str_from(path), TT_STR("_test.lua")))
            add_file(files, path);
    }
    if (directory)
        closedir(directory);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* ---- reporting ---- */

static void print_indented(const char *indent, struct tt_str text)
{
    struct tt_str line;
    while (text.len > 0) {
        tt_str_split(&text, '\n', &line);
        printf("%s%.*s\n", indent, TT_STR_ARG(line));
    }
}

static void report_case(bool ok, const char *file, struct tt_str name, int ms)
{
    printf("%s - %s: %.*s (%d ms)\n", ok ? "ok" : "not ok", file, TT_STR_ARG(name), ms);
}

/* ---- one file ---- */

struct totals {
    int passed, failed;
};

static pid_t fork_file(const struct tt_cli_test_run *run, int ends[2])
{
    fflush(stdout);
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -1;
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        tt_cli_test_run_file(run, ends[1]);
    }
    close(ends[1]);
    return child;
}

static void count_case(const struct tt_cli_test_run *run, const struct tt_cli_test_record *record,
                       struct totals *totals)
{
    bool ok = record->failure.len == 0;

    report_case(ok, run->file, tt_buf_str(&record->name), record->ms);
    print_indented("    ", tt_buf_str(&record->failure));
    if (record->output.len > 0)
        printf("    output:\n");
    print_indented("      ", tt_buf_str(&record->output));
    totals->passed += ok;
    totals->failed += !ok;
}

/* The process ended in the middle of a case. */
static void describe_end(int status, const struct tt_cli_test_run *run,
                         struct tt_cli_test_record *record)
{
    struct tt_buf *failure = &record->failure;

    tt_buf_clear(failure);
    tt_buf_clear(&record->output);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        tt_buf_printf(failure, "took longer than %d s\n", TT_CLI_TEST_CASE_MAX_S);
    else if (WIFSIGNALED(status))
        tt_buf_printf(failure, "the process died by signal %d\n", WTERMSIG(status));
    else
        tt_buf_printf(failure, "the process ended with %d\n", WEXITSTATUS(status));
    tt_cli_test_read_output(run, &record->output);
}

/* Reads the records of one process; returns how many cases are done with, the one included that
 * ended the process. *whole: there are no more. */
static size_t read_records(const struct tt_cli_test_run *run, pid_t child, int fd,
                           struct totals *totals, bool *whole)
{
    struct tt_cli_test_record record = {0};
    size_t done = run->first;
    bool inside = false;
    int status = 0;

    *whole = false;
    while (!*whole && tt_cli_test_read_record(fd, &record) == 0) {
        inside = record.kind == TT_TEST_BEGUN;
        *whole = record.kind == TT_TEST_NO_MORE;
        if (record.kind != TT_TEST_ENDED)
            continue;
        count_case(run, &record, totals);
        done++;
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (!*whole) {
        if (!inside)
            tt_buf_clear(&record.name);
        describe_end(status, run, &record);
        count_case(run, &record, totals);
        done++;
        *whole = !inside; /* the file itself breaks it */
    }
    tt_cli_test_free_record(&record);
    return done;
}

static void run_file(struct tt_cli_test_run *run, struct totals *totals)
{
    bool whole = false;
    int ends[2];

    for (run->first = 0; !whole;) {
        pid_t child = fork_file(run, ends);
        if (child < 0) {
            printf("not ok - %s: %s\n", run->file, strerror(errno));
            totals->failed++;
            return;
        }
        run->first = read_records(run, child, ends[0], totals, &whole);
        close(ends[0]);
    }
}

/* ---- all of them ---- */

/* In a process of its own, because a server has threads. */
static int make_template(const struct tt_cli_test_run *run)
{
    int status = 0;

    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        tt_cli_test_make_template(run);
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return child > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : TT_EXIT_FAILED;
}

static int run_files(const struct test_files *files, struct tt_cli_test_run *run)
{
    char folder[PATH_BYTES - 64];
    struct totals totals = {0};

    if (tt_cli_make_folder("test", folder, sizeof(folder)) != 0)
        return tt_cli_fail(TT_EXIT_FAILED, "test: %s: %s", folder, strerror(errno));
    run->folder = folder;
    int code = make_template(run);
    for (size_t i = 0; code == TT_EXIT_OK && i < files->count; i++) {
        run->file = files->paths[i];
        run_file(run, &totals);
    }
    tt_cli_remove_folder(folder);
    run->folder = NULL;
    if (code != TT_EXIT_OK)
        return code;
    printf("%d passed, %d failed\n", totals.passed, totals.failed);
    return totals.failed > 0 ? TT_EXIT_FAILED : TT_EXIT_OK;
}

/* The tests of the plugins that are not disabled. */
static void find_in_plugins(struct test_files *files, const char *plugins_dir)
{
    char path[PATH_BYTES];
    DIR *directory = plugins_dir ? opendir(plugins_dir) : NULL;

    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        if (!tt_plugin_is_name(tt_str_from(entry->d_name)))
            continue;
        snprintf(path, sizeof(path), "%s/%s/.disabled", plugins_dir, entry->d_name);
        if (access(path, F_OK) == 0)
            continue;
        snprintf(path, sizeof(path), "%s/%s/tests", plugins_dir, entry->d_name);
        find_files(files, path);
    }
    if (directory)
        closedir(directory);
}

static int collect(struct test_files *files, const struct tt_settings *settings, const char *path)
{
    char tests[PATH_BYTES];
    struct stat status;

    snprintf(tests, sizeof(tests), "%s/tests", settings->lua_dir);
    if (path && stat(path, &status) != 0)
        return tt_cli_fail(TT_EXIT_USAGE, "test: %s: %s", path, strerror(errno));
    if (!path || S_ISDIR(status.st_mode))
        find_files(files, path ? path : tests);
    else
        add_file(files, path);
    if (!path)
        find_in_plugins(files, settings->scripts.plugins_dir);
    qsort(files->paths, files->count, sizeof(char *), by_name);
    if (files->count == 0)
        return tt_cli_fail(TT_EXIT_USAGE, "test: no *_test.lua in %s", path ? path : tests);
    return TT_EXIT_OK;
}

int tt_cli_test(int argc, char **argv)
{
    struct test_files files = {0};
    struct tt_settings settings;
    bool output = tt_cli_flag(&argc, argv, "--output");
    /* Each child reads them again, with more flags after them: all but the path. */
    struct tt_cli_test_run run = {
        .output = output, .argc = argc, .argv = tt_alloc((size_t)(argc + 1) * sizeof(char *))};

    memcpy(run.argv, argv, (size_t)argc * sizeof(char *));
    if (tt_cli_settings_and_files(&settings, &argc, argv) != 0) {
        free(run.argv);
        return TT_EXIT_USAGE;
    }
    tt_log_setup(TT_LOG_ERROR, TT_LOG_TEXT);
    int code = argc > 1 ? tt_cli_fail(TT_EXIT_USAGE, "test: one PATH at most")
                        : collect(&files, &settings, argc == 1 ? argv[0] : NULL);
    if (code == TT_EXIT_OK)
        code = run_files(&files, &run);
    for (size_t i = 0; i < files.count; i++)
        free(files.paths[i]);
    tt_settings_free(&settings);
    free(run.argv);
    return code;
}
