/* What was learnt of a configuration while it was asked (upstream/adapt.h), stored with it, so that
 * a restart does not ask wrongly again. Table user_apis. */
#pragma once
#include "chat/chat.h"
#include "reply/reply.h"

/* Stores it, unless the configuration has changed since; nothing to do when there is nothing. A
 * failure is logged: it will be learnt again. Thread: the chat's loop. */
void tt_learnt_store(struct tt_chat *chat, int64_t user_id, const struct tt_reply_learnt *learnt);
