/* Where Redis is, as the operator writes it: redis://[[user]:password@]host[:port][/database], or
 * unix://[[user]:password@]/path[?db=database] for a socket. Errors never repeat the text, since it
 * may hold a password. */
#pragma once
#include "base/err.h"
#include "base/str.h"

struct tt_redis_url {
    char path[108];     /* of a socket, as long as the kernel takes; "" = TCP */
    char host[256];     /* lower or upper case as written; IPv6 without brackets; "" with a path */
    uint16_t port;      /* default 6379 */
    int database;       /* default 0 */
    char user[128];     /* "" = none: AUTH with the password alone */
    char password[512]; /* "" = no AUTH */
};

/* -1 with code "invalid_setting". Owns: the caller wipes. Thread: any. */
int tt_redis_url_parse(struct tt_str text, struct tt_redis_url *out, struct tt_err *err);

/* The same as a check of a setting; empty is allowed (no Redis). */
int tt_redis_url_check(struct tt_str text, struct tt_err *err);
