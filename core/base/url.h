/* URLs and percent-encoding as this server needs them (RFC 3986, http and https only). */
#pragma once
#include "base/buf.h"
#include "base/err.h"

struct tt_url {
    bool https;
    char host[256]; /* lower case, IPv6 without brackets */
    uint16_t port;
    struct tt_str path; /* from the first '/', with query; a slice of the input, may be empty */
};

/* Refuses user info, fragments, control bytes, other schemes, empty hosts, odd IPv4 spellings
 * (octal, hex, short): code "invalid_url". Thread: any. */
int tt_url_parse(struct tt_str text, struct tt_url *out, struct tt_err *err);

/* Appends s with %XX decoded (and '+' as space when `form`). -1 on a broken escape or %00. */
int tt_url_decode(struct tt_str s, bool form, struct tt_buf *out);
int tt_url_encode(struct tt_str s, struct tt_buf *out); /* everything but RFC 3986 unreserved */
