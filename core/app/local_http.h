/* A small HTTP client for the program's own commands: one request to this machine's server, on its
 * admin socket or its public address. Not for upstreams (llm/client does that). */
#pragma once
#include "base/buf.h"
#include "base/err.h"

/* Sends one request and reads the whole answer (at most 16 MiB; each read and write may take
 * limit_s, 0 = any time). `address`: "unix:/path" or
 * "host:port" (0.0.0.0 and [::] mean the loopback). Returns the status or -1 ("not_reachable"). The
 * body is appended. Thread: any, blocking. */
int tt_local_http_within(int limit_s, const char *address, const char *method, const char *path,
                         struct tt_str json, struct tt_buf *body, struct tt_err *err);
int tt_local_http(const char *address, const char *method, const char *path, struct tt_str json,
                  struct tt_buf *body, struct tt_err *err); /* within 30 s */
