/* `tidetalk test` in three files: cli_test.c finds the files, forks, and reports; test_file.c runs
 * the cases of a file in a forked process; test_case.c is the server of one case. */
#pragma once
#include "base/buf.h"
#include "tide/testing.h"

#define TT_CLI_TEST_CASE_MAX_S 60

struct tt_cli_test_run {
    int argc; /* the command line, settings among them */
    char **argv;
    const char *folder; /* of the whole run: the template, the case's data, its output */
    const char *file;
    size_t first; /* the number of the case with which to begin */
    bool output;  /* what passed cases printed is shown, too */
};

/* ---- test_file.c ---- */

enum tt_cli_test_kind {
    TT_TEST_BEGUN,  /* a case; `name` */
    TT_TEST_ENDED,  /* a case, or a file that does not load; `failure` is empty: passed. `output` is
                     * what is to be shown of what it printed */
    TT_TEST_NO_MORE /* cases in this file */
};

struct tt_cli_test_record { /* from the process of a file to its parent */
    enum tt_cli_test_kind kind;
    int ms;
    struct tt_buf name, failure, output;
};

/* Runs the cases of a file from run->first on and writes records to `fd`. Never returns. */
void tt_cli_test_run_file(const struct tt_cli_test_run *run, int fd) __attribute__((noreturn));
/* The next record; -1 at the end of the stream. Owns: the caller, tt_cli_test_free_record. */
int tt_cli_test_read_record(int fd, struct tt_cli_test_record *record);
void tt_cli_test_free_record(struct tt_cli_test_record *record);
/* Appends the end of what the server of the last case has printed. */
void tt_cli_test_read_output(const struct tt_cli_test_run *run, struct tt_buf *out);

/* ---- test_case.c ---- */

/* Makes the data folder that each case gets a copy of. Prints what is wrong with the scripts.
 * Never returns: the exit code is that of the command. */
void tt_cli_test_make_template(const struct tt_cli_test_run *run) __attribute__((noreturn));

/* Starts a server on a copy of the template and loads the file in it; then runs its case with this
 * number, if there is one. */
struct tt_cli_test_case {
    size_t number;
    void (*begin)(struct tt_cli_test_case *test); /* called with the name, before it runs */
    struct tt_buf name;                           /* "" if the file does not load */
    bool there;                                   /* else the file has no more cases */
    struct tt_buf failure;                        /* empty: passed */
};
void tt_cli_test_run_case(const struct tt_cli_test_run *run, struct tt_cli_test_case *test);
