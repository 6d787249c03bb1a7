/* What of a body is sent: all of it, the part that the client asks for, or nothing because the
 * client has it (RFC 9110, sections 13 and 14). Thread: the loop's worker. */
#pragma once
#include "http/http.h"

struct tt_http_selection {
    int status;         /* 200, 206, 304, 416 */
    uint64_t from, len; /* of the body; nothing with 416. With 304 what GET would get */
};

/* Selects for a body of `size` bytes with this entity tag (in its quotes; data == NULL: it has
 * none), and adds the headers that say so. Without `parts` it is sent as a whole. */
void tt_http_select(struct tt_http_exchange *exchange, struct tt_str etag, uint64_t size,
                    bool parts, struct tt_http_selection *selection);
