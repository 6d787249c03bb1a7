/* What the end of a call that failed means: who is to blame, and whether another attempt may
 * follow. Pure. Thread: any. */
#pragma once
#include "reply/reply.h"
#include "upstream/breaker.h"

/* Whether the upstream itself is to blame; `has_text`: it had begun to answer. */
enum tt_breaker_fault tt_failure_fault(const struct tt_reply_outcome *outcome, bool has_text);

/* It says something about the key, and nothing about the service. */
bool tt_failure_is_about_key(const struct tt_reply_outcome *outcome);

/* A parameter of the request may have been refused: see adapt.h. */
bool tt_failure_may_be_parameter(const struct tt_reply_outcome *outcome);

/* Whether another attempt may follow, before the first text; see tt_retry_plan for the last two. */
bool tt_failure_may_follow(const struct tt_reply_outcome *outcome, bool after_send,
                           bool after_empty);
