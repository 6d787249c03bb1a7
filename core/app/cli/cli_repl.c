/* repl: lines of Lua in the real environment: the scripts on the disk, a worker, the database. It
 * uses a copy of the database, so that anything may be tried and a running server is never
 * affected; --write uses the data folder itself, which no server may hold then. */
#include "app/app.h"
#include "app/cli/cli_internal.h"
#include "app/cli/folders.h"
#include "app/cli/latch.h"
#include "app/cli/repl_help.h"
#include "app/data_check.h"
#include "app/worker.h"
#include "base/log.h"
#include "base/mem.h"
#include "script/eval.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

struct line {
    struct tt_mail mail;
    struct tt_vm *vm;
    struct tt_str source;
    enum tt_eval_result result;
    struct tt_latch over;
};

/* ---- one line, on the worker ---- */

static void finish(void *arg, enum tt_eval_result result, struct tt_str text)
{
    struct line *line = arg;

    if (result == TT_EVAL_DONE && text.len > 0)
        fwrite(text.data, 1, text.len, stdout);
    else if (result == TT_EVAL_FAILED)
        fprintf(stderr, "%.*s\n", TT_STR_ARG(text));
    fflush(stdout);
    line->result = result;
    tt_latch_open(&line->over);
}

static void begin(struct tt_mail *mail)
{
    struct line *line = TT_CONTAINER_OF(mail, struct line, mail);
    tt_eval(line->vm, line->source, finish, line);
}

static enum tt_eval_result run_line(struct tt_worker *worker, struct tt_str source)
{
    struct line line = {
        .mail = {.deliver = begin}, .vm = worker->dispatcher.generation->vms[0], .source = source};

    tt_latch_create(&line.over);
    tt_loop_post(worker->loop, &line.mail);
    tt_latch_wait(&line.over);
    return line.result;
}

/* ---- all lines ---- */

static bool tell_help(const struct tt_settings *settings, struct tt_str line)
{
    struct tt_buf text = {0};
    struct tt_str name;

    if (!tt_repl_help_asked(line, &name))
        return false;
    tt_repl_help(settings, name, &text);
    fwrite(text.data, 1, text.len, stdout);
    fflush(stdout);
    tt_buf_free(&text);
    return true;
}

/* The exit code: with input from a pipe, one failed line makes the whole fail. */
static int read_lines(struct tt_app *app, bool terminal)
{
    struct tt_buf source = {0};
    char *text = NULL;
    size_t size = 0;
    int code = TT_EXIT_OK;

    while (!interrupted) {
        if (terminal)
            fprintf(stderr, source.len ? ">> " : "> ");
        ssize_t n = getline(&text, &size, stdin);
        if (n < 0)
            break;
        if (source.len == 0 && tell_help(app->settings, tt_str_of(text, (size_t)n)))
            continue;
        tt_buf_append(&source, text, (size_t)n);
        enum tt_eval_result result = run_line(&app->workers[0], tt_buf_str(&source));
        if (result == TT_EVAL_UNFINISHED && n > 1)
            continue; /* an empty line abandons the input */
        tt_buf_clear(&source);
        if (result != TT_EVAL_DONE && !terminal)
            code = TT_EXIT_FAILED;
    }
    if (source.len > 0 && !interrupted)
        code = tt_cli_fail(TT_EXIT_FAILED, "repl: the input ends within a statement");
    free(text);
    tt_buf_free(&source);
    return code;
}

/* Only the main thread gets them, in getline: the copy of the database must not be left behind. The
 * second one ends the process at once. */
static void take_signals(sigset_t *set)
{
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};

    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    pthread_sigmask(SIG_BLOCK, set, NULL); /* the threads that are started now inherit this */
}

static int serve_lines(const struct tt_settings *settings)
{
    struct tt_app app;
    struct tt_err err = {0};
    sigset_t set;

    take_signals(&set);
    if (tt_app_start(&app, settings, false, NULL, &err) != 0)
        return tt_cli_fail(TT_EXIT_USAGE, "repl: %s", err.message);
    app.workers[0].tide.runtime.prints = true;
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    if (isatty(STDIN_FILENO))
        fprintf(stderr,
                "lines of Lua; help says what there is, an empty line gives up, Ctrl-D ends\n");
    int code = read_lines(&app, isatty(STDIN_FILENO));
    tt_app_stop(&app, 0);
    return code;
}

/* ---- the copy ---- */

/* Arguments that set the settings to the copy in `folder`. */
static int copy_settings(const struct tt_settings *real, const char *folder, int argc, char **argv,
                         struct tt_settings *copy)
{
    char data[4300], secret[4300];
    const char *own[] = {data, secret, "--database-url=", "--admin-listen=", "--redis-url="};
    char **words = tt_alloc(((size_t)argc + TT_COUNT(own) + 1) * sizeof(char *));
    bool has_secret = access(real->secret_file, F_OK) == 0;

    snprintf(data, sizeof(data), "--data-dir=%s", folder);
    snprintf(secret, sizeof(secret), "--secret-file=%s", has_secret ? real->secret_file : "");
    memcpy(words, argv, (size_t)argc * sizeof(char *));
    for (size_t i = 0; i < TT_COUNT(own); i++)
        words[argc++] = (char *)(uintptr_t)own[i];
    int result = tt_cli_settings(copy, &argc, words);
    free(words);
    return result;
}

static int run_on_copy(const struct tt_settings *real, int argc, char **argv)
{
    char folder[4000], copy_url[4100];
    struct tt_settings settings;
    struct tt_data_loss loss;
    struct tt_err err = {0};
    int code = TT_EXIT_USAGE;

    if (tt_data_check(real, &loss, &err) != 0)
        return tt_cli_fail(TT_EXIT_USAGE, "repl: %s", err.message);
    if (tt_cli_make_folder("repl", folder, sizeof(folder)) != 0)
        return tt_cli_fail(TT_EXIT_FAILED, "repl: %s: %s", folder, strerror(errno));
    tt_db_default_url(folder, copy_url, sizeof(copy_url));
    if (tt_db_exists(real->database_url) && tt_db_copy(real->database_url, copy_url, &err) != 0) {
        code = tt_cli_fail(TT_EXIT_FAILED, "repl: %s", err.message);
    } else if (copy_settings(real, folder, argc, argv, &settings) == 0) {
        code = serve_lines(&settings);
        tt_settings_free(&settings);
    }
    tt_cli_remove_folder(folder);
    return code;
}

int tt_cli_repl(int argc, char **argv)
{
    bool write = tt_cli_flag(&argc, argv, "--write");
    int words = argc, code;
    char **kept = tt_alloc((size_t)(argc + 1) * sizeof(char *));
    struct tt_settings settings;

    memcpy(kept, argv, (size_t)argc * sizeof(char *));
    tt_log_setup(TT_LOG_ERROR, TT_LOG_TEXT);
    signal(SIGPIPE, SIG_IGN);
    if (tt_cli_settings_and_files(&settings, &argc, argv) != 0) {
        free(kept);
        return TT_EXIT_USAGE;
    }
    if (argc > 0)
        code = tt_cli_fail(TT_EXIT_USAGE, "repl: unknown flag '%s'; see --help", argv[0]);
    else
        code = write ? serve_lines(&settings) : run_on_copy(&settings, words, kept);
    tt_settings_free(&settings);
    free(kept);
    return code;
}
