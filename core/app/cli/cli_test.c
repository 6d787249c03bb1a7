/* test: each case of the test files runs in its own process, in a real server with its own empty
 * data folder. So no case affects another, and one that breaks everything breaks only itself. This
 * process reads the files for the names of the cases, forks, and reports. It has no threads,
 * because a process with threads could not fork safely. */
#include "app/cli/cli_test.h"

#include "app/cli/cli_internal.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATH_BYTES  4096
#define FILES_MAX   1000
#define SOURCE_MAX  (1u << 20)
#define CASE_MAX_S  60
#define OUTPUT_TAIL 4000

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

static int read_source(const char *path, struct tt_buf *source)
{
    FILE *file = fopen(path, "re");
    char *room = file ? tt_buf_reserve(source, SOURCE_MAX) : NULL;

    if (room)
        source->len = fread(room, 1, SOURCE_MAX, file);
    if (file)
        fclose(file);
    return room ? 0 : -1;
}

int tt_cli_test_load(struct tt_vm *vm, const char *path, struct tt_buf *failure)
{
    struct tt_buf source = {0};
    int result = read_source(path, &source);

    if (result != 0)
        tt_buf_printf(failure, "%s: %s", path, strerror(errno));
    else
        result = tt_testing_load(vm, tt_str_from(path), tt_buf_str(&source), failure);
    tt_buf_free(&source);
    return result;
}

/* ---- reporting ---- */

static void print_indented(struct tt_str text)
{
    struct tt_str line;
    while (text.len > 0) {
        tt_str_split(&text, '\n', &line);
        printf("    %.*s\n", TT_STR_ARG(line));
    }
}

static void report_result(bool ok, const char *file, struct tt_str name, uint64_t began_ms)
{
    printf("%s - %s: %.*s (%llu ms)\n", ok ? "ok" : "not ok", file, TT_STR_ARG(name),
           (unsigned long long)(tt_clock_mono_ms() - began_ms));
}

/* ---- one case ---- */

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *at)
{
    (void)status;
    (void)type;
    (void)at;
    return remove(path);
}

static void read_all(int fd, struct tt_buf *out)
{
    char *room;
    ssize_t n = 1;

    while (n > 0 && (room = tt_buf_reserve(out, 4096))) {
        n = read(fd, room, 4096);
        if (n > 0)
            out->len += (size_t)n;
        else if (n < 0 && errno == EINTR)
            n = 1;
    }
}

static void read_output(const char *folder, struct tt_buf *out)
{
    char path[PATH_BYTES];
    struct stat status;

    snprintf(path, sizeof(path), "%s/output", folder);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (fstat(fd, &status) == 0 && status.st_size > OUTPUT_TAIL)
        lseek(fd, -OUTPUT_TAIL, SEEK_END);
    read_all(fd, out);
    close(fd);
}

/* In the child: the server's output goes to a file, which is shown if the case fails. */
static void run_child(const struct tt_cli_test_run *run, int result_fd)
{
    char path[PATH_BYTES];
    struct tt_buf failure = {0};

    snprintf(path, sizeof(path), "%s/output", run->folder);
    int output = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    dup2(output, STDERR_FILENO);
    dup2(output, STDOUT_FILENO);
    close(output);
    alarm(CASE_MAX_S);
    tt_cli_test_run_case(run, &failure);
    ssize_t written = write(result_fd, failure.data ? failure.data : "", failure.len);
    int code = failure.len == 0 && written == 0 ? TT_EXIT_OK : TT_EXIT_FAILED;
    tt_buf_free(&failure);
    fflush(NULL);
    _exit(code); /* the child must not free or check what belongs to the parent */
}

static bool judge(int status, struct tt_buf *failure, const char *folder)
{
    if (WIFSIGNALED(status))
        tt_buf_printf(failure,
                      WTERMSIG(status) == SIGALRM ? "took longer than %d s\n"
                                                  : "the process died by signal %d\n",
                      WTERMSIG(status) == SIGALRM ? CASE_MAX_S : WTERMSIG(status));
    else if (WEXITSTATUS(status) != 0 && failure->len == 0)
        tt_buf_printf(failure, "the process ended with %d\n", WEXITSTATUS(status));
    if (failure->len == 0)
        return true;
    tt_buf_putc(failure, '\n');
    read_output(folder, failure);
    return false;
}

static bool run_case(struct tt_cli_test_run *run, const struct tt_test_case *test)
{
    const char *temporary = getenv("TMPDIR");
    char folder[PATH_BYTES - 64];
    struct tt_buf failure = {0};
    uint64_t began = tt_clock_mono_ms();
    int ends[2], status = 0;

    snprintf(folder, sizeof(folder), "%s/tidetalk-test-XXXXXX",
             temporary && *temporary ? temporary : "/tmp");
    if (!mkdtemp(folder) || pipe(ends) != 0) {
        printf("not ok - %s: %s\n", folder, strerror(errno));
        return false;
    }
    run->folder = folder;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        run_child(run, ends[1]);
    }
    close(ends[1]);
    read_all(ends[0], &failure);
    close(ends[0]);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    bool ok = judge(status, &failure, folder);
    report_result(ok, run->file, test->name, began);
    print_indented(tt_buf_str(&failure));
    tt_buf_free(&failure);
    nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    run->folder = NULL;
    return ok;
}

/* ---- all of them ---- */

struct totals {
    int passed, failed;
};

static void run_file(struct tt_vm *vm, struct tt_cli_test_run *run, struct totals *totals)
{
    struct tt_testing *testing = tt_tide_of_runtime(vm->runtime)->testing;
    struct tt_buf failure = {0};
    uint64_t began = tt_clock_mono_ms();

    if (tt_cli_test_load(vm, run->file, &failure) != 0) {
        report_result(false, run->file, TT_STR("does not load"), began);
        print_indented(tt_buf_str(&failure));
        totals->failed++;
    }
    for (run->number = 0; failure.len == 0 && run->number < testing->count; run->number++) {
        if (run_case(run, &testing->cases[run->number]))
            totals->passed++;
        else
            totals->failed++;
    }
    tt_testing_free(testing);
    tt_buf_free(&failure);
}

/* One state reads all files for the names of their cases; no case runs in it. */
static int run_files(const struct test_files *files, const struct tt_settings *settings,
                     struct tt_cli_test_run *run)
{
    struct tt_testing testing = {0};
    struct tt_tide tide = {.testing = &testing};
    struct totals totals = {0};
    struct tt_err err = {0};
    struct tt_generation *generation = tt_cli_load(settings, &tide, &err);

    tt_testing_free(&testing); /* a module that should be a test may have registered cases */
    if (!generation)
        return tt_cli_fail(TT_EXIT_FAILED, "%s", err.message);
    for (size_t i = 0; i < files->count; i++) {
        run->file = files->paths[i];
        run_file(generation->vms[0], run, &totals);
    }
    tt_generation_unref(generation);
    printf("%d passed, %d failed\n", totals.passed, totals.failed);
    return totals.failed > 0 ? TT_EXIT_FAILED : TT_EXIT_OK;
}

static int collect(struct test_files *files, const struct tt_settings *settings, const char *path)
{
    char tests[PATH_BYTES];
    struct stat status;

    snprintf(tests, sizeof(tests), "%s/tests", settings->lua_dir);
    if (!path)
        path = tests;
    if (stat(path, &status) != 0)
        return tt_cli_fail(TT_EXIT_USAGE, "test: %s: %s", path, strerror(errno));
    if (S_ISDIR(status.st_mode))
        find_files(files, path);
    else
        add_file(files, path);
    qsort(files->paths, files->count, sizeof(char *), by_name);
    if (files->count == 0)
        return tt_cli_fail(TT_EXIT_USAGE, "test: no *_test.lua in %s", path);
    return TT_EXIT_OK;
}

int tt_cli_test(int argc, char **argv)
{
    struct test_files files = {0};
    struct tt_settings settings;
    /* Each child reads them again, with more flags after them: all but the path. */
    struct tt_cli_test_run run = {.argc = argc,
                                  .argv = tt_alloc((size_t)(argc + 1) * sizeof(char *))};

    memcpy(run.argv, argv, (size_t)argc * sizeof(char *));
    if (tt_cli_settings_and_files(&settings, &argc, argv) != 0) {
        free(run.argv);
        return TT_EXIT_USAGE;
    }
    tt_log_setup(TT_LOG_ERROR, TT_LOG_TEXT);
    int code = argc > 1 ? tt_cli_fail(TT_EXIT_USAGE, "test: one PATH at most")
                        : collect(&files, &settings, argc == 1 ? argv[0] : NULL);
    if (code == TT_EXIT_OK)
        code = run_files(&files, &settings, &run);
    for (size_t i = 0; i < files.count; i++)
        free(files.paths[i]);
    tt_settings_free(&settings);
    free(run.argv);
    return code;
}
