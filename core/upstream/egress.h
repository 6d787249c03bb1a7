/* The outbound address policy. Every connection to an address that came from a user or a script
 * must pass it twice: the URL when it is configured (a clear answer early), and the real socket
 * address when it is connected (the one that counts, since DNS may have changed by then). It denies
 * everything except public unicast; the operator's allow list permits more; metadata addresses are
 * always denied. */
#pragma once
#include "base/err.h"
#include "base/str.h"
#include "base/url.h"

#include <sys/socket.h>

struct tt_egress;

/* `allow`: items "10.0.0.0/8", "::1/128", "127.0.0.1", "host.name", "host.name:11434",
 * "127.0.0.1:9000". Fails: NULL, code "invalid_setting". Owns: the caller. Immutable afterwards. */
struct tt_egress *tt_egress_new(const struct tt_str *allow, size_t count, struct tt_err *err);
void tt_egress_free(struct tt_egress *egress);
/* From now on only allowed addresses are reached. Thread: the creator's, before others know it. */
void tt_egress_close_public(struct tt_egress *egress);
/* From now on every address is allowed but those of metadata services: for calls whose addresses
 * come from the operator alone, as those of other nodes. Thread: likewise. */
void tt_egress_open(struct tt_egress *egress);
int tt_egress_check_item(struct tt_str item, struct tt_err *err); /* for settings */

/* Checks the URL as far as possible without DNS: https only (http when the host is allowed), no
 * literal address or local name (localhost, *.local, *.internal, *.localhost) that is not allowed.
 * -1 with code "invalid_url" (400) or "address_not_allowed" (422). Thread: any. */
int tt_egress_check_url(const struct tt_egress *egress, struct tt_str url, struct tt_url *out,
                        struct tt_err *err);

/* Whether the operator's list has the host of a URL that passed the check above: it is called
 * without a proxy. Thread: any. */
bool tt_egress_is_listed(const struct tt_egress *egress, const struct tt_url *url);

/* Checks a host that is not listed and that a proxy will resolve, so that its address never shows:
 * only names with a dot, none of a metadata service. -1 with "address_not_allowed". Thread: any. */
int tt_egress_check_proxied(const struct tt_egress *egress, const struct tt_url *url,
                            struct tt_err *err);

/* Checks the address that is about to be connected for `host`. -1 with "address_not_allowed".
 * Thread: any. */
int tt_egress_check_address(const struct tt_egress *egress, const char *host, uint16_t port,
                            const struct sockaddr *address, struct tt_err *err);
