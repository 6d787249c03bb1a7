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

/* The user data tells which of the two functions it is. */
static void part(sqlite3_context *context, int count, sqlite3_value **values)
{
    const char *text = (const char *)sqlite3_value_text(values[0]);
    int size = sqlite3_value_bytes(values[0]), from = sqlite3_value_int(values[1]);
    (void)count;
    if (!text || from < 0 || from > size) {
        sqlite3_result_null(context);
        return;
    }
    int end = end_of(text, size, from), begin = begin_of(text, from);
    if (sqlite3_user_data(context))
        sqlite3_result_int(context, end);
    else
        sqlite3_result_text(context, text + begin, end - begin, SQLITE_TRANSIENT);
}

int tt_sqlite_parts_register(sqlite3 *handle)
{
    static int ends;
    const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
    int rc = sqlite3_create_function(handle, "tidetalk_part", 2, flags, NULL, part, NULL, NULL);
    if (rc != SQLITE_OK)
        return rc;
    return sqlite3_create_function(handle, "tidetalk_part_end", 2, flags, &ends, part, NULL, NULL);
}
