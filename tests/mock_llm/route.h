/*
 * From a parsed HTTP request to the program that answers it. Programs that depend on nothing but
 * the path, the model and a few flags are kept, so that the usual benchmark request costs one
 * look-up and one send.
 */
#ifndef MOCK_ROUTE_H
#define MOCK_ROUTE_H

#include "chat.h"
#include "http.h"
#include "program.h"

#define ROUTE_CACHE 256

/* One for each thread: nothing in it is shared. */
struct router {
    struct chat_request chat;
    struct buf key;
    struct {
        struct buf key;
        struct program *program;
    } cache[ROUTE_CACHE];
};

/* Never NULL; the caller owns one reference. */
struct program *route_request(struct router *rt, const struct http_request *r);

/* The mock's own pages are neither counted nor recorded. */
bool route_is_own_page(struct slice target);

void router_free(struct router *rt);

#endif
