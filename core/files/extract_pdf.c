/* PDF: a child process does it, because the parser of this format is large and old, and its input
 * comes from strangers. The child is forked (posix_spawn cannot set limits), its output is read
 * with a cap and a deadline, and every failure ends with SIGKILL and a wait: no child is left
 * behind, and since it is not waited for earlier, its number cannot have been reused. */
#include "base/clock.h"
#include "files/extract_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_MS 50 /* between two questions whether anybody still waits */

struct child {
    pid_t pid;
    int out;
    uint64_t deadline_ms;
    const struct tt_extract_stop *stop;
};

static int timed_out(struct tt_err *err)
{
    return tt_err_set(err, 422, "extract_timeout", "pdftotext took too long");
}

static int start(struct child *child, int fd, const struct tt_extract_limits *limits,
                 struct tt_err *err)
{
    const char *const argv[] = {limits->pdftotext, "-q", "-enc", "UTF-8", "-eol", "unix",
                                "-nopgbrk",        "-",  "-",    NULL};
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return tt_extract_failed(err, "no pipe for pdftotext");
    child->pid = fork();
    if (child->pid == 0)
        tt_extract_sandbox_exec(argv, fd, ends[1], limits);
    close(ends[1]);
    child->out = ends[0];
    if (child->pid < 0)
        return tt_extract_failed(err, "no process for pdftotext");
    fcntl(child->out, F_SETFL, O_NONBLOCK);
    return 0;
}

/* Waits a little for `fd` (-1 = only time passes). 0, or -1 when the time is over. */
static int wait_a_bit(const struct child *child, int fd, int ms, struct tt_err *err)
{
    struct pollfd wanted = {.fd = fd, .events = POLLIN};
    if (child->stop && child->stop->stopped(child->stop->arg))
        return tt_extract_failed(err, "nobody waits for the text any more");
    if (tt_clock_mono_ms() >= child->deadline_ms)
        return timed_out(err);
    poll(&wanted, 1, ms);
    return 0;
}

static int read_output(struct child *child, struct tt_buf *out, struct tt_err *err)
{
    char piece[65536];
    for (;;) {
        if (wait_a_bit(child, child->out, LOOK_MS, err) != 0)
            return -1;
        ssize_t n = read(child->out, piece, sizeof(piece));
        if (n == 0)
            return 0;
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n < 0)
            return tt_extract_failed(err, "reading what pdftotext writes");
        if (tt_buf_append(out, piece, (size_t)n) != 0)
            return tt_extract_too_large(err, "the text of the PDF is too long");
    }
}

static int judge(int status, const struct tt_extract_limits *limits, struct tt_err *err)
{
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)
        return timed_out(err);
    if (WIFSIGNALED(status))
        return tt_err_set(err, 422, "extract_failed", "pdftotext ended by signal %d",
                          WTERMSIG(status));
    switch (WEXITSTATUS(status)) {
    case 0:
        return 0;
    case 3:
        return tt_extract_failed(err, "the PDF forbids taking its text");
    case 126:
        return tt_extract_failed(err, "no sandbox for pdftotext");
    case 127:
        return tt_err_set(err, 422, "extract_failed", "cannot run %s", limits->pdftotext);
    default:
        return tt_err_set(err, 422, "extract_failed", "pdftotext: exit %d (no PDF?)",
                          WEXITSTATUS(status));
    }
}

/* After its output ended the child has nothing to do but to end. */
static int await_end(struct child *child, const struct tt_extract_limits *limits,
                     struct tt_err *err)
{
    int status = 0;
    for (;;) {
        pid_t pid = waitpid(child->pid, &status, WNOHANG);
        if (pid < 0 && errno != EINTR) {
            child->pid = -1;
            return tt_extract_failed(err, "pdftotext was waited for by another");
        }
        if (pid > 0) {
            child->pid = -1;
            return judge(status, limits, err);
        }
        if (wait_a_bit(child, -1, 2, err) != 0)
            return -1;
    }
}

static void end(struct child *child)
{
    if (child->out >= 0)
        close(child->out);
    if (child->pid <= 0)
        return;
    kill(child->pid, SIGKILL);
    while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

int tt_extract_pdf(int fd, const struct tt_extract_limits *limits,
                   const struct tt_extract_stop *stop, struct tt_buf *out, struct tt_err *err)
{
    struct child child = {-1, -1, tt_clock_mono_ms() + limits->wall_ms, stop};
    int rc = start(&child, fd, limits, err);
    if (rc == 0)
        rc = read_output(&child, out, err);
    if (rc == 0)
        rc = await_end(&child, limits, err);
    end(&child);
    return rc;
}
