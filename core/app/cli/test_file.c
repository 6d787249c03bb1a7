/* The process of one file of tests. What its servers print goes to a file, which begins anew with
 * each case and is shown when the case fails. */
#include "app/cli/cli_internal.h"
#include "app/cli/cli_test.h"
#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES  4096
#define OUTPUT_TAIL 4000

/* ---- records ---- */

struct head {
    uint32_t kind, ms, name_len, failure_len, output_len;
};

static int write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        bytes += n;
        len -= (size_t)n;
    }
    return 0;
}

static int read_all(int fd, void *bytes, size_t len)
{
    for (char *at = bytes; len > 0;) {
        ssize_t n = read(fd, at, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

static void write_record(int fd, const struct tt_cli_test_record *record)
{
    struct tt_buf bytes = {0};
    struct head head = {.kind = record->kind,
                        .ms = (uint32_t)record->ms,
                        .name_len = (uint32_t)record->name.len,
                        .failure_len = (uint32_t)record->failure.len,
                        .output_len = (uint32_t)record->output.len};

    tt_buf_append(&bytes, (const char *)&head, sizeof(head));
    tt_buf_append_str(&bytes, tt_buf_str(&record->name));
    tt_buf_append_str(&bytes, tt_buf_str(&record->failure));
    tt_buf_append_str(&bytes, tt_buf_str(&record->output));
    write_all(fd, bytes.data, bytes.len);
    tt_buf_free(&bytes);
}

static int read_text(int fd, struct tt_buf *text, size_t len)
{
    tt_buf_clear(text);
    char *room = tt_buf_reserve(text, len + 1);
    if (!room || read_all(fd, room, len) != 0)
        return -1;
    text->len = len;
    return 0;
}

int tt_cli_test_read_record(int fd, struct tt_cli_test_record *record)
{
    struct head head;

    if (read_all(fd, &head, sizeof(head)) != 0)
        return -1;
    record->kind = (enum tt_cli_test_kind)head.kind;
    record->ms = (int)head.ms;
    if (head.kind == TT_TEST_NO_MORE)
        return 0;
    return read_text(fd, &record->name, head.name_len) == 0 &&
                   read_text(fd, &record->failure, head.failure_len) == 0
               ? read_text(fd, &record->output, head.output_len)
               : -1;
}

void tt_cli_test_free_record(struct tt_cli_test_record *record)
{
    tt_buf_free(&record->name);
    tt_buf_free(&record->failure);
    tt_buf_free(&record->output);
}

/* ---- output ---- */

static void output_path(const struct tt_cli_test_run *run, char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "%s/output", run->folder);
}

void tt_cli_test_read_output(const struct tt_cli_test_run *run, struct tt_buf *out)
{
    char path[PATH_BYTES];
    struct stat status;

    output_path(run, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (fstat(fd, &status) == 0 && status.st_size > OUTPUT_TAIL) {
        lseek(fd, -OUTPUT_TAIL, SEEK_END);
        tt_buf_append_z(out, "…");
    }
    char *room = tt_buf_reserve(out, OUTPUT_TAIL);
    ssize_t n = room ? read(fd, room, OUTPUT_TAIL) : 0;
    if (n > 0)
        out->len += (size_t)n;
    close(fd);
}

static void redirect_output(const struct tt_cli_test_run *run)
{
    char path[PATH_BYTES];

    output_path(run, path);
    int output = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    dup2(output, STDERR_FILENO);
    dup2(output, STDOUT_FILENO);
    close(output);
}

/* ---- the cases ---- */

struct running {
    struct tt_cli_test_case test;
    int fd;
};

static void tell_begin(struct tt_cli_test_case *test)
{
    const struct running *running = TT_CONTAINER_OF(test, struct running, test);
    write_record(running->fd,
                 &(struct tt_cli_test_record){.kind = TT_TEST_BEGUN, .name = test->name});
}

/* False if there is no such case, or none behind it will load. */
static bool run_case(const struct tt_cli_test_run *run, size_t number, int fd)
{
    struct running running = {.test = {.number = number, .begin = tell_begin}, .fd = fd};
    struct tt_cli_test_case *test = &running.test;
    uint64_t began_ms = tt_clock_mono_ms();

    if (ftruncate(STDOUT_FILENO, 0) != 0) /* then it shows more than this case's */
        errno = 0;
    alarm(TT_CLI_TEST_CASE_MAX_S);
    tt_cli_test_run_case(run, test);
    alarm(0);
    fflush(stdout);
    bool loads = test->there, failed = test->failure.len > 0;
    if (!loads && failed)
        tt_buf_append_z(&test->name, "does not load");
    struct tt_cli_test_record record = {.kind = TT_TEST_ENDED,
                                        .ms = (int)(tt_clock_mono_ms() - began_ms),
                                        .name = test->name,
                                        .failure = test->failure};
    if (loads && (failed || run->output))
        tt_cli_test_read_output(run, &record.output);
    if (loads || failed)
        write_record(fd, &record);
    tt_cli_test_free_record(&record);
    return loads;
}

void tt_cli_test_run_file(const struct tt_cli_test_run *run, int fd)
{
    redirect_output(run);
    for (size_t number = run->first; run_case(run, number, fd); number++)
        ;
    write_record(fd, &(struct tt_cli_test_record){.kind = TT_TEST_NO_MORE});
    _exit(TT_EXIT_OK); /* this process must not free or check what belongs to its parent */
}
