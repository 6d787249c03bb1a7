/* A part ends between words where a blank is near, and begins up to OVERLAP bytes before the end of
 * the one before it: so each phrase that is shorter than that stands whole in one of them. */
#include "db/sqlite_parts.h"

#include <stdbool.h>
#include <stddef.h>

#define PART      (16 << 10)
#define OVERLAP   1024 /* more than a query may have */
#define WORD_NEAR 256

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool continues_character(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

static int to_character(const char *text, int at)
{
    for (int i = 0; i < 3 && at > 0 && continues_character(text[at]); i++)
        at--;
    return at;
}

static int end_of(const char *text, int size, int from)
{
    int end = from + PART;
    if (end >= size)
        return size;
    for (int at = end; at > end - WORD_NEAR; at--)
        if (is_blank(text[at]))
            return at;
    return to_character(text, end);
}

static int begin_of(const char *text, int from)
{
    int begin = from - OVERLAP;
    if (begin <= 0)
        return 0;
    for (int at = begin; at < begin + WORD_NEAR; at++)
        if (is_blank(text[at]))
            return at;
    return to_character(text, begin);
}

/* What the cut looks at: [start, start + len) of a message's text of `size` bytes. Read as a blob,
 * because a column would be read whole for each part, some 15 ms of 8 MB. */
struct window {
    char *text;
    int start, len, size;
};

static int read_window(sqlite3 *handle, sqlite3_int64 id, const char *column, int from,
                       struct window *window)
{
    sqlite3_blob *blob = NULL;
    int rc = sqlite3_blob_open(handle, "main", "chat_messages", column, id, 0, &blob);

    if (rc == SQLITE_OK) {
        window->size = sqlite3_blob_bytes(blob);
        if (from > window->size)
            rc = SQLITE_RANGE;
    }
    if (rc == SQLITE_OK) {
        int stop = window->size - from > PART + 1 ? from + PART + 1 : window->size;
        window->start = from > OVERLAP + 3 ? from - OVERLAP - 3 : 0; /* a character before it */
        window->len = stop - window->start;
        window->text = sqlite3_malloc(window->len + 1);
        rc = window->text ? sqlite3_blob_read(blob, window->text, window->len, window->start)
                          : SQLITE_NOMEM;
    }
    sqlite3_blob_close(blob);
    return rc;
}

/* The user data tells which of the two functions it is. */
static void part(sqlite3_context *context, int count, sqlite3_value **values)
{
    struct window window = {0};
    int from = sqlite3_value_int(values[1]);
    const char *column = (const char *)sqlite3_value_text(values[2]);
    (void)count;
    int rc = from < 0 ? SQLITE_RANGE
                      : read_window(sqlite3_context_db_handle(context),
                                    sqlite3_value_int64(values[0]), column, from, &window);
    if (rc != SQLITE_OK) {
        sqlite3_free(window.text);
        sqlite3_result_error_code(context, rc);
        return;
    }
    int at = from - window.start;
    int end = end_of(window.text, window.size - window.start, at);
    int begin = begin_of(window.text, at);
    if (sqlite3_user_data(context))
        sqlite3_result_int(context, window.start + end);
    else
        sqlite3_result_text(context, window.text + begin, end - begin, SQLITE_TRANSIENT);
    sqlite3_free(window.text);
}

int tt_sqlite_parts_register(sqlite3 *handle)
{
    static int ends;
    const int flags = SQLITE_UTF8 | SQLITE_DIRECTONLY;
    int rc = sqlite3_create_function(handle, "tidetalk_part", 3, flags, NULL, part, NULL, NULL);
    if (rc != SQLITE_OK)
        return rc;
    return sqlite3_create_function(handle, "tidetalk_part_end", 3, flags, &ends, part, NULL, NULL);
}
