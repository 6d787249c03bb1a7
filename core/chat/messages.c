#include "chat/messages.h"

#include "base/mem.h"
#include "reply/tokens.h"

#include <stdlib.h>

static const char *const role_names[] = {"user", "assistant", "system", "developer", "tool"};

int tt_message_role_of(struct tt_str name)
{
    for (size_t i = 0; i < TT_COUNT(role_names); i++)
        if (tt_str_eq(name, tt_str_from(role_names[i])))
            return (int)i;
    return -1;
}

struct tt_str tt_message_role_name(const struct tt_message *message)
{
    return tt_str_from(role_names[message->role]);
}

/* ---- adding and removing ---- */

struct tt_message *tt_messages_insert(struct tt_messages *messages, size_t at)
{
    if (messages->count == TT_MESSAGES_COUNT_MAX)
        return NULL;
    if (messages->count == messages->capacity) {
        messages->capacity = messages->capacity ? 2 * messages->capacity : 8;
        messages->list = tt_realloc(messages->list, messages->capacity * sizeof(*messages->list));
    }
    struct tt_message *message = &messages->list[at];
    memmove(message + 1, message, (messages->count - at) * sizeof(*message));
    messages->count++;
    *message = (struct tt_message){0};
    return message;
}

int tt_messages_put(struct tt_messages *messages, struct tt_str text, struct tt_message_text *out)
{
    *out = (struct tt_message_text){messages->texts.len, text.len};
    return tt_buf_append_str(&messages->texts, text);
}

void tt_messages_remove(struct tt_messages *messages, size_t at)
{
    struct tt_message *message = &messages->list[at];

    memmove(message, message + 1, (messages->count - at - 1) * sizeof(*message));
    messages->count--;
}

void tt_messages_free(struct tt_messages *messages)
{
    tt_buf_free(&messages->texts);
    free(messages->list);
    messages->list = NULL;
    messages->count = messages->capacity = 0;
}

/* ---- rows ---- */

enum column { ROLE, CONTENT, ID, FILE_IDS, COLUMNS };

static int find_columns(const struct tt_db_rows *rows, int found[COLUMNS], struct tt_err *err)
{
    static const char *const names[COLUMNS] = {"role", "content", "id", "file_ids"};

    for (int i = 0; i < COLUMNS; i++) {
        found[i] = -1;
        for (int column = 0; column < rows->columns; column++)
            if (tt_str_eq(rows->names[column], tt_str_from(names[i])))
                found[i] = column;
    }
    if (rows->columns > 0 && (found[ROLE] < 0 || found[CONTENT] < 0))
        return tt_err_set(err, 500, "sql_error", "messages need the columns role and content");
    return 0;
}

static struct tt_str column_text(const struct tt_db_rows *rows, int column)
{
    bool is_text = column >= 0 && rows->values[column].type == TT_DB_TEXT;

    return is_text ? rows->values[column].text : TT_STR("");
}

static int add_row(struct tt_messages *messages, const struct tt_db_rows *rows,
                   const int columns[COLUMNS], struct tt_err *err)
{
    int role = tt_message_role_of(column_text(rows, columns[ROLE]));
    struct tt_message *message = tt_messages_insert(messages, messages->count);

    if (role < 0)
        return tt_err_set(err, 500, "sql_error", "a message has no known role");
    if (!message ||
        tt_messages_put(messages, column_text(rows, columns[CONTENT]), &message->text) != 0 ||
        tt_messages_put(messages, column_text(rows, columns[FILE_IDS]), &message->file_ids) != 0)
        return messages->texts.no_memory
                   ? tt_err_set(err, 503, "no_memory", "no memory for a conversation")
                   : tt_err_set(err, 400, "too_many_rows", "too long a conversation");
    message->role = (unsigned)role;
    if (columns[ID] >= 0 && rows->values[columns[ID]].type == TT_DB_INT)
        message->id = rows->values[columns[ID]].integer;
    return 0;
}

int tt_messages_read(struct tt_messages *messages, struct tt_db_rows *rows, struct tt_err *err)
{
    int columns[COLUMNS], more;

    if (find_columns(rows, columns, err) != 0)
        return TT_DB_FAILED;
    while ((more = tt_db_next(rows, err)) == TT_DB_ROW)
        if (add_row(messages, rows, columns, err) != 0)
            return TT_DB_FAILED;
    return more;
}

/* ---- looking ---- */

struct tt_str tt_messages_text(const struct tt_messages *messages, struct tt_message_text text)
{
    return text.len > 0 ? tt_str_of(messages->texts.data + text.at, text.len) : TT_STR("");
}

size_t tt_messages_bytes_of(const struct tt_messages *messages, const struct tt_message *message)
{
    (void)messages;
    return message->text.len;
}

size_t tt_messages_tokens_of(const struct tt_messages *messages, const struct tt_message *message)
{
    struct tt_str text = tt_messages_text(messages, message->text);
    return (size_t)tt_tokens_of(tt_tokens_quarters(text));
}

/* ---- cutting ---- */

static void keep_from(struct tt_messages *messages, size_t first)
{
    messages->count -= first;
    memmove(messages->list, messages->list + first, messages->count * sizeof(*messages->list));
}

static void keep_turns(struct tt_messages *messages)
{
    const struct tt_message *asked = NULL;
    size_t kept = 0;

    for (size_t i = 0; i < messages->count; i++) {
        const struct tt_message *message = &messages->list[i];
        if (message->role == TT_MESSAGE_USER) {
            asked = message;
        } else if (message->role == TT_MESSAGE_ASSISTANT) {
            if (asked && (message->text.len > 0 || message->value)) {
                const struct tt_message pair[2] = {*asked, *message};
                memcpy(&messages->list[kept], pair, sizeof(pair));
                kept += 2;
            }
            asked = NULL;
        }
    }
    messages->count = kept;
}

void tt_messages_keep_pairs(struct tt_messages *messages, size_t limit)
{
    keep_turns(messages);
    if (messages->count / 2 > limit)
        keep_from(messages, messages->count - 2 * limit);
}

void tt_messages_keep_fitting(struct tt_messages *messages, size_t limit,
                              size_t (*size)(const struct tt_messages *messages,
                                             const struct tt_message *message))
{
    size_t used = 0;

    keep_turns(messages);
    size_t first = messages->count;
    while (first > 0) {
        used += size(messages, &messages->list[first - 1]);
        used += size(messages, &messages->list[first - 2]);
        if (used > limit)
            break;
        first -= 2;
    }
    keep_from(messages, first);
}
