/* Shared by the files of this folder. Its routes find it as the dispatcher's core_arg. */
#pragma once
#include "app/admin/admin.h"

#include <stdatomic.h>

#define TT_ADMIN_KEY_DIGITS 32

/* See admin_access.c. Only the first worker has the listener, so nothing here is locked. */
struct tt_admin_access {
    struct tt_str token; /* from the settings; empty = the listener is a unix socket */
    uint64_t window_began_ms;
    int tries; /* failed ones within the window */
    /* the port on demand: */
    uint64_t port_life_ms;
    struct tt_timer close_timer;
    char key[TT_ADMIN_KEY_DIGITS + 1], session[TT_ADMIN_KEY_DIGITS + 1]; /* "" = used up, none */
    char host[32];                                                       /* 127.0.0.1:port */
};

struct tt_admin {
    struct tt_admin_parts parts;
    struct tt_admin_access access;
    atomic_bool stopping;
};

static inline struct tt_admin *tt_admin_of(const struct tt_dispatcher *dispatcher)
{
    return dispatcher->core_arg;
}
