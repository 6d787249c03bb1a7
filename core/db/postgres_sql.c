/* Only what is needed to find parameters is read here; everything else is PostgreSQL's own to
 * judge. The numbers of ? are SQLite's: one more than the largest so far. */
#include "db/postgres_sql.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define SQL_SIZE_MAX   (256 << 10)
#define PARAMETERS_MAX 999

bool tt_pg_in_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

/* The end of what the quote at `at` begins. E'…' has backslashes. */
static size_t skip_quote(struct tt_str sql, size_t at)
{
    char quote = sql.data[at];
    bool escapes = quote == '\'' && at > 0 && (sql.data[at - 1] | 0x20) == 'e' &&
                   (at == 1 || !tt_pg_in_word(sql.data[at - 2]));
    size_t end = at + 1;
    while (end < sql.len && sql.data[end] != quote)
        end += escapes && sql.data[end] == '\\' ? 2 : 1;
    return end < sql.len ? end + 1 : sql.len;
}

/* Comments are nested. */
static size_t skip_comment(struct tt_str sql, size_t at)
{
    size_t depth = 0, end = at;
    do {
        bool more = end + 1 < sql.len;
        bool opens = more && sql.data[end] == '/' && sql.data[end + 1] == '*';
        bool closes = more && sql.data[end] == '*' && sql.data[end + 1] == '/';
        depth = depth + opens - closes;
        end += opens || closes ? 2 : 1;
    } while (depth > 0 && end < sql.len);
    return end;
}

/* $tag$…$tag$; `at` if there is none. */
static size_t skip_dollars(struct tt_str sql, size_t at)
{
    size_t end = at + 1;
    if (at > 0 && tt_pg_in_word(sql.data[at - 1]))
        return at;
    while (end < sql.len && tt_pg_in_word(sql.data[end]))
        end++;
    bool is_tag =
        end < sql.len && sql.data[end] == '$' && !isdigit((unsigned char)sql.data[at + 1]);
    if (!is_tag)
        return at;
    size_t tag = ++end - at;
    const char *stop = memmem(sql.data + end, sql.len - end, sql.data + at, tag);
    return stop ? (size_t)(stop - sql.data) + tag : sql.len;
}

size_t tt_pg_skip_quoted(struct tt_str sql, size_t at)
{
    char c = sql.data[at];
    char second = at + 1 < sql.len ? sql.data[at + 1] : '\0';

    if (c == '\'' || c == '"')
        return skip_quote(sql, at);
    if (c == '-' && second == '-') {
        const char *stop = memchr(sql.data + at, '\n', sql.len - at);
        return stop ? (size_t)(stop - sql.data) : sql.len;
    }
    if (c == '/' && second == '*')
        return skip_comment(sql, at);
    return c == '$' ? skip_dollars(sql, at) : at;
}

size_t tt_pg_skip_blanks(struct tt_str sql, size_t at, const char *more)
{
    while (at < sql.len) {
        char c = sql.data[at];
        size_t next = c == '-' || c == '/' ? tt_pg_skip_quoted(sql, at) : at;
        if (next == at && !isspace((unsigned char)c) && !strchr(more, c))
            break;
        at = next > at ? next : at + 1;
    }
    return at;
}

struct tt_str tt_pg_take(struct tt_str sql, size_t *at)
{
    size_t start = tt_pg_skip_blanks(sql, *at, "");
    size_t end = start;
    if (start < sql.len) {
        end = tt_pg_skip_quoted(sql, start);
        while (end == start ||
               (tt_pg_in_word(sql.data[start]) && end < sql.len && tt_pg_in_word(sql.data[end])))
            end++;
    }
    *at = end;
    return tt_str_of(sql.data + start, end - start);
}

/* The next word from *at on, outside of what is quoted; empty at the end or at another sign. */
static struct tt_str take_word(struct tt_str sql, size_t *at)
{
    for (size_t next; *at < sql.len; *at = next) {
        char c = sql.data[*at];
        next = c == '\'' || c == '"' ? *at : tt_pg_skip_quoted(sql, *at);
        if (next == *at && !isspace((unsigned char)c) && c != '(')
            break;
        next += next == *at;
    }
    size_t start = *at;
    if (start < sql.len && sql.data[start] == '"')
        *at = tt_pg_skip_quoted(sql, start);
    else
        while (*at < sql.len && tt_pg_in_word(sql.data[*at]))
            ++*at;
    return tt_str_of(sql.data + start, *at - start);
}

static bool is_allowed(struct tt_str word)
{
    static const char *const words[] = {"select", "with", "insert", "update", "delete", "values"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (tt_str_eq_nocase(word, tt_str_from(words[i])))
            return true;
    return false;
}

static int take_number(struct tt_str sql, size_t *at, size_t largest)
{
    size_t number = 0, start = ++*at;
    while (*at < sql.len && isdigit((unsigned char)sql.data[*at]) && number <= PARAMETERS_MAX)
        number = number * 10 + (size_t)(sql.data[(*at)++] - '0');
    number = *at > start ? number : largest + 1;
    return number >= 1 && number <= PARAMETERS_MAX ? (int)number : -1;
}

static int copy(struct tt_str sql, struct tt_pg_text *out, struct tt_err *err)
{
    for (size_t at = 0, next; at < sql.len; at = next) {
        next = tt_pg_skip_quoted(sql, at);
        if (next == at && sql.data[at] == '?') {
            int number = take_number(sql, &next, out->parameters);
            if (number < 0)
                return tt_err_set(err, 500, "sql_error", "a parameter has a wrong number: %.120s",
                                  out->sql.data ? out->sql.data : "");
            if ((size_t)number > out->parameters)
                out->parameters = (size_t)number;
            tt_buf_printf(&out->sql, "$%d", number);
            continue;
        }
        if (next == at && tt_pg_in_word(sql.data[at])) {
            struct tt_str word = take_word(sql, &next);
            out->returns = out->returns || tt_str_eq_nocase(word, TT_STR("returning"));
        }
        next += next == at;
        tt_buf_append(&out->sql, sql.data + at, next - at);
    }
    return 0;
}

int tt_pg_translate(struct tt_str sql, struct tt_pg_text *out, struct tt_err *err)
{
    size_t at = 0;

    *out = (struct tt_pg_text){0};
    if (sql.len == 0 || sql.len > SQL_SIZE_MAX || memchr(sql.data, '\0', sql.len))
        return tt_err_set(err, 500, "sql_error", "statement empty, too long, or with a NUL byte");
    struct tt_str first = take_word(sql, &at);
    if (!is_allowed(first))
        return tt_err_set(err, 500, "sql_error", "neither a query nor a change of rows: %.*s",
                          sql.len < 120 ? (int)sql.len : 120, sql.data);
    if (copy(sql, out, err) != 0)
        return -1;
    return 0;
}

struct tt_str tt_pg_inserted_table(struct tt_str sql)
{
    size_t at = 0;
    bool inserts = tt_str_eq_nocase(take_word(sql, &at), TT_STR("insert")) &&
                   tt_str_eq_nocase(take_word(sql, &at), TT_STR("into"));
    return inserts ? take_word(sql, &at) : TT_STR("");
}

/* The end of parentheses that open at `at`. */
static size_t skip_parentheses(struct tt_str sql, size_t at)
{
    struct tt_str token;
    int depth = 0;
    do {
        token = tt_pg_take(sql, &at);
        depth += tt_str_eq(token, TT_STR("("));
        depth -= tt_str_eq(token, TT_STR(")"));
    } while (depth > 0 && token.len > 0);
    return at;
}

static bool take_is(struct tt_str sql, size_t *at, struct tt_str wanted)
{
    return tt_str_eq_nocase(tt_pg_take(sql, at), wanted);
}

bool tt_pg_inserts_one(struct tt_str sql, struct tt_str *columns)
{
    size_t at = 0, begin;
    if (!take_is(sql, &at, TT_STR("insert")) || !take_is(sql, &at, TT_STR("into")))
        return false;
    tt_pg_take(sql, &at);
    begin = tt_pg_skip_blanks(sql, at, "");
    if (begin >= sql.len || sql.data[begin] != '(')
        return false;
    at = skip_parentheses(sql, begin);
    *columns = tt_str_of(sql.data + begin, at - begin);
    if (!take_is(sql, &at, TT_STR("values")))
        return false;
    at = skip_parentheses(sql, at);
    return tt_pg_take(sql, &at).len == 0;
}

void tt_pg_use_sequence(struct tt_buf *sql, size_t number, struct tt_str sequence)
{
    struct tt_str text = tt_buf_str(sql);
    struct tt_buf out = {0};
    char parameter[24];
    int length = snprintf(parameter, sizeof(parameter), "$%zu", number);

    for (size_t at = 0, next; at < text.len; at = next) {
        next = tt_pg_skip_quoted(text, at);
        size_t end = at + (size_t)length;
        bool is_it = next == at && end <= text.len &&
                     memcmp(text.data + at, parameter, (size_t)length) == 0 &&
                     (end == text.len || !isdigit((unsigned char)text.data[end]));
        if (is_it) {
            tt_buf_printf(&out, "coalesce(CAST(%s AS BIGINT), currval('%.*s'))", parameter,
                          TT_STR_ARG(sequence));
            next = end;
            continue;
        }
        next += next == at;
        tt_buf_append(&out, text.data + at, next - at);
    }
    tt_buf_free(sql);
    *sql = out;
}
