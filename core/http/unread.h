/* Bytes of answers that clients have not read yet, of all servers of the process: a client that
 * asks and never reads costs the memory of its answer until its connection ends. Large answers are
 * counted whole, from when they are made until they have left; of a stream, what the socket did not
 * take. Smaller answers are bounded by the number of connections. Thread: any. */
#pragma once
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define TT_UNREAD_COUNTED_MIN ((size_t)16 << 10)

/* The most for one owner (a user, or an address without a login), and for all; 0 = no limit. */
void tt_unread_set_max(size_t owner_max, size_t all_max);

struct tt_unread { /* of one connection; zero it first */
    uint64_t owner;
    size_t bytes;
};

/* Whether `bytes` more may wait for this owner. One who has nothing waiting may have an answer of
 * any size. Fails: "too_much_unread" (429), or "busy" (503) when it is everybody's. */
int tt_unread_check(uint64_t owner, size_t bytes, struct tt_err *err);

/* From now on so many wait in this connection; less than TT_UNREAD_COUNTED_MIN counts as none. */
void tt_unread_set(struct tt_unread *unread, size_t bytes);

size_t tt_unread_bytes(void); /* of all */
