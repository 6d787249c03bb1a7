/* Tokens that were found genuine before. A client sends the same one with each request: checking
 * its signature and reading its claims is an eighth of what listing sessions costs. A token is
 * known again by a keyed 128-bit hash of all its bytes, which nobody outside the process can aim
 * at; the token itself is not kept. Only what never changes is remembered: expiry is checked each
 * time, and whether the token was revoked is the caller's question to the database, as ever. */
#pragma once
#include "base/secret.h"

struct tt_token_memo;

/* Owns: the caller, tt_token_memo_free. About 90 KB. */
struct tt_token_memo *tt_token_memo_new(void);
void tt_token_memo_free(struct tt_token_memo *memo); /* NULL is fine */

/* As tt_token_verify, with the same keys each time. The claims are valid until the next call.
 * Fails: NULL. Thread: one at a time. */
const struct tt_claims *tt_token_memo_verify(struct tt_token_memo *memo, const struct tt_keys *keys,
                                             struct tt_str token, int64_t now_s,
                                             struct tt_err *err);
