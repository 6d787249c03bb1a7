/* `tidetalk test`: what a process that runs one test adds to its server. The tests run as tasks in
 * the server's own script state, and send it requests over HTTP like any client. */
#pragma once
#include "base/buf.h"
#include "loop/aux.h"
#include "script/vm.h"
#include "tide/test_server.h"

struct tt_test_case {
    struct tt_str file, name; /* from malloc */
    int function;             /* registry reference */
};

struct tt_testing {
    /* One request to the server, blocking: status or -1. `headers`: lines, each with its CRLF.
     * Thread: aux. */
    int (*send)(void *arg, const char *method, const char *path, struct tt_str headers,
                struct tt_str body, struct tt_buf *answer_head, struct tt_buf *answer_body,
                struct tt_err *err);
    void *send_arg;
    struct tt_aux *aux; /* where it blocks */
    struct tt_test_upstream *upstream;
    int user_count; /* made by test.user */
    int tick_count; /* run by test.tick */
    struct tt_test_case *cases;
    size_t count;
};

/* The testing of a state; raises when there is none, with `in_case` also outside of a case. */
struct tt_testing *tt_testing_check(lua_State *L, bool in_case);

/* Runs a test file in a state whose tide->testing is set; the cases that it registers by test.case
 * are added to `testing`. -1 with Lua's message and traceback in `failure`. Thread: the state's. */
int tt_testing_load(struct tt_vm *vm, struct tt_str file, struct tt_str source,
                    struct tt_buf *failure);

/* Runs a case as a task. `done` gets an empty text, or the failure. Thread: the state's. */
void tt_testing_run(struct tt_vm *vm, const struct tt_test_case *test,
                    void (*done)(void *arg, struct tt_str failure), void *arg);

/* Before and after a case: the scripted answers of other servers take the place of these, and the
 * clock is the system's again. Thread: the state's; any. */
void tt_test_world_open(struct tt_testing *testing, struct tt_vm *vm);
void tt_test_world_close(void);

void tt_testing_free(struct tt_testing *testing); /* cases only */
