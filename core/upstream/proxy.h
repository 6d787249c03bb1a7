/* The proxy through which calls to the public internet go, if the operator has set one: HTTP with
 * CONNECT, or SOCKS 5. It resolves the names, so what it connects to cannot be checked here; the
 * egress policy judges names and literal addresses before. Hosts of the allow list are called
 * without it. */
#pragma once
#include "base/err.h"
#include "base/url.h"

struct tt_proxy {
    bool socks;
    struct tt_url address;         /* host and port */
    char url[300];                 /* for curl, without credentials */
    char user[256], password[512]; /* "" = none */
};

/* "http://[user:password@]host:port" or "socks5h://…"; credentials may be percent-encoded. Fails:
 * -1, code "invalid_setting"; the message never repeats the text. Owns: the caller wipes. Thread:
 * any. */
int tt_proxy_parse(struct tt_str text, struct tt_proxy *out, struct tt_err *err);

/* The same on the heap, for as long as clients use it. Owns: the caller; tt_proxy_free wipes it. */
struct tt_proxy *tt_proxy_new(struct tt_str text, struct tt_err *err);
void tt_proxy_free(struct tt_proxy *proxy); /* NULL is fine */

/* The same as a check of a setting; empty is allowed (no proxy). */
int tt_proxy_check(struct tt_str text, struct tt_err *err);
