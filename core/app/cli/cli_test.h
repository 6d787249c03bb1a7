/* `tidetalk test` in two files: cli_test.c finds the cases and forks, test_case.c runs in the
 * forked process. */
#pragma once
#include "tide/testing.h"

struct tt_cli_test_run {
    int argc; /* the command line, settings among them */
    char **argv;
    const char *file;
    size_t number;      /* of the case within the file */
    const char *folder; /* of this case's own, empty */
};

/* Runs the file's chunk in the state: its cases are added to env->testing. -1 with the reason. */
int tt_cli_test_load(struct tt_vm *vm, const char *path, struct tt_buf *failure);

/* Starts a server, runs the case in it, ends the server. `failure` is empty: passed. */
void tt_cli_test_run_case(const struct tt_cli_test_run *run, struct tt_buf *failure);
