/* An answer that a script writes while it is sent: {chunks = function(write) … end}, and
 * {events = function(send) … end} (events.h). The head leaves first; then the function runs in the
 * request's task. write(bytes) waits until the client has taken what came before, so an answer of
 * any size needs memory for two pieces, and others run between two of them. The answer ends with
 * the function, and the function with the client: when that leaves, the task ends. When the
 * function fails (raises, or returns nil and an error), the connection is cut, so that a part is
 * not taken for the whole. */
#pragma once
#include "serve/request.h"

/* How such an answer is written. */
struct tt_chunks_type {
    /* What the function gets; its one upvalue is the tt_chunks. */
    lua_CFunction write;
    /* Pushes what it returns after it has waited; NULL: nothing. */
    int (*push)(lua_State *L, struct tt_request *request);
    /* The answer begins, and its task is about to run; NULL: nothing to do. */
    void (*begin)(struct tt_request *request);
    /* The function has failed: ends the stream. */
    void (*fail)(struct tt_request *request, const struct tt_request_error *error);
    /* The function runs no more; NULL: nothing to do. */
    void (*close)(struct tt_request *request);
};
extern const struct tt_chunks_type tt_chunks_plain;

/* Opens the answer; status and headers are set. The request's function is to be run with
 * tt_chunks_run, if this returns true: for HEAD, and for a client that has left, all is done. */
bool tt_chunks_open(struct tt_request *request, int status, const struct tt_chunks_type *type);

/* Runs the function at the top of the stack; ends a C function, as lua_callk does: `return
 * tt_chunks_run(L, request)`. */
int tt_chunks_run(lua_State *L, struct tt_request *request);

/* Ends a C function that writes, as tt_task_yield does; the function is `name` in errors. */
int tt_chunks_write(lua_State *L, const char *name, struct tt_str bytes);

/* The task has failed. Harmless when no function runs, as the next two. */
void tt_chunks_fail(struct tt_request *request, const struct tt_request_error *error);
/* The client has left, or nothing more is wanted: ends the task, and the answer where it is. */
void tt_chunks_abandon(struct tt_request *request);
/* The task has ended; `write` does nothing any more. */
void tt_chunks_close(struct tt_request *request);
