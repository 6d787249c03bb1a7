/* A conversation as a model gets it. All texts lie one behind the other in one buffer, and nothing
 * is taken out of it: a conversation lives as long as one request. What is no text (parts with
 * images) is kept by whoever made it, under a number. No policy is here but the one rule of all
 * providers: user and assistant alternate. Thread: the owner's. */
#pragma once
#include "base/buf.h"
#include "db/db.h"

#include <stdint.h>

#define TT_MESSAGES_BYTES_MAX ((size_t)64 << 20) /* of one conversation */
#define TT_MESSAGES_COUNT_MAX 100000

enum tt_message_role { TT_MESSAGE_USER, TT_MESSAGE_ASSISTANT, TT_MESSAGE_OTHER };

struct tt_message_text { /* where it is in the buffer */
    size_t at, len;
};

struct tt_message {
    unsigned role; /* index of its name; the first two are those of tt_message_role */
    int value;     /* > 0: the content is this value of the owner's, not a text */
    int files;     /* > 0: likewise, what belongs to the message */
    struct tt_message_text text, file_ids;
    int64_t id; /* of its row; 0 = none */
};

struct tt_messages { /* zeroed but for texts.max = empty */
    struct tt_buf texts;
    struct tt_message *list;
    size_t count, capacity;
};

/* The number of a role; -1: there is none of that name. */
int tt_message_role_of(struct tt_str name);
struct tt_str tt_message_role_name(const struct tt_message *message);

/* Makes room for a message at index `at`. Returns it, zeroed, until the next one is inserted; NULL
 * beyond TT_MESSAGES_COUNT_MAX. */
struct tt_message *tt_messages_insert(struct tt_messages *messages, size_t at);
/* Puts a text into the buffer. -1 beyond its `max`. */
int tt_messages_put(struct tt_messages *messages, struct tt_str text, struct tt_message_text *out);
/* Adds the rows of a query: columns `role` and `content`, perhaps `id` and `file_ids`; others are
 * ignored. Returns TT_DB_END, TT_DB_FAILED ("sql_error", "too_many_rows") or TT_DB_AGAIN. */
int tt_messages_read(struct tt_messages *messages, struct tt_db_rows *rows, struct tt_err *err);
void tt_messages_remove(struct tt_messages *messages, size_t at);
void tt_messages_free(struct tt_messages *messages);

struct tt_str tt_messages_text(const struct tt_messages *messages, struct tt_message_text text);
size_t tt_messages_bytes_of(const struct tt_messages *messages, const struct tt_message *message);
size_t tt_messages_tokens_of(const struct tt_messages *messages, const struct tt_message *message);

/* Keeps what alternates, a user's message with the reply that follows it, and of that the last
 * pairs: so many, or as many as together have at most `limit` of a size. A turn whose reply has no
 * text is left out as a pair. */
void tt_messages_keep_pairs(struct tt_messages *messages, size_t limit);
void tt_messages_keep_fitting(struct tt_messages *messages, size_t limit,
                              size_t (*size)(const struct tt_messages *messages,
                                             const struct tt_message *message));
