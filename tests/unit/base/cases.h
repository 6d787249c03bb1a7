/* Cases as data: small text files under tests/data, so that a parser gets a new case without new
 * code. '#' in the first column is a comment; "%XX" stands for that byte (so "%25" is a percent
 * sign and "%0A" a line feed). Blocks of lines are separated by empty lines. Brings cmocka
 * with it; include as "base/cases.h" from any layer's test. */
#pragma once
#include "base/buf.h"
#include "base/mem.h"
#include "unit_test.h"

#include <stdio.h>
#include <stdlib.h>

struct cases {
    struct tt_buf text;
    struct tt_str rest;
    int line; /* of the line last returned */
};

static inline void cases_open(struct cases *cases, const char *name)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/%s", TT_TEST_DATA, name);
    FILE *f = fopen(path, "re");
    if (!f)
        fail_msg("cannot open %s", path);
    *cases = (struct cases){0};
    size_t n;
    do {
        char *to = tt_buf_reserve(&cases->text, 65536);
        n = fread(to, 1, 65536, f);
        cases->text.len += n;
    } while (n > 0);
    fclose(f);
    cases->rest = tt_buf_str(&cases->text);
}

static inline void cases_close(struct cases *cases)
{
    tt_buf_free(&cases->text);
}

/* The next line that is no comment, without its line feed. */
static inline bool cases_line(struct cases *cases, struct tt_str *line)
{
    while (cases->rest.data && cases->rest.len > 0 && tt_str_split(&cases->rest, '\n', line)) {
        cases->line++;
        if (line->len == 0 || line->data[0] != '#')
            return true;
    }
    return false;
}

/* The next block: its lines, at most `max`. Returns their number, 0 at the end of the file. */
static inline int cases_block(struct cases *cases, struct tt_str *lines, int max)
{
    int count = 0;
    struct tt_str line;
    while (cases_line(cases, &line)) {
        if (line.len == 0 && count > 0)
            return count;
        if (line.len > 0) {
            if (count == max)
                fail_msg("line %d: the block is too long", cases->line);
            lines[count++] = line;
        }
    }
    return count;
}

/* The bytes that a case's text stands for. Owns: the caller, tt_buf_free. */
static inline struct tt_buf cases_bytes(struct tt_str text)
{
    struct tt_buf out = {0};
    tt_buf_append(&out, "", 0);
    for (size_t i = 0; i < text.len; i++) {
        char hex[3] = {0};
        if (text.data[i] != '%' || i + 2 >= text.len) {
            tt_buf_putc(&out, text.data[i]);
            continue;
        }
        memcpy(hex, text.data + i + 1, 2);
        tt_buf_putc(&out, (char)strtol(hex, NULL, 16));
        i += 2;
    }
    return out;
}

/* A copy in memory of exactly its size, so that the sanitizer sees every read past the end. */
static inline struct tt_str cases_exact(struct tt_str s)
{
    char *copy = malloc(s.len ? s.len : 1);
    if (s.len > 0)
        memcpy(copy, s.data, s.len);
    return tt_str_of(copy, s.len);
}

/* Calls f for each line "input => result" of a file, both with %XX as bytes. Returns how many. */
static inline int cases_each(const char *name, void (*f)(struct tt_str, struct tt_str, int line))
{
    struct cases cases;
    struct tt_str line;
    int count = 0;
    cases_open(&cases, name);
    while (cases_line(&cases, &line)) {
        if (line.len == 0)
            continue;
        const char *arrow = memmem(line.data, line.len, " => ", 4);
        assert_non_null(arrow);
        struct tt_buf text = cases_bytes(tt_str_of(line.data, (size_t)(arrow - line.data)));
        struct tt_buf want =
            cases_bytes(tt_str_of(arrow + 4, (size_t)(line.data + line.len - arrow - 4)));
        struct tt_str exact = cases_exact(tt_buf_str(&text));
        f(exact, tt_buf_str(&want), cases.line);
        free((char *)exact.data);
        tt_buf_free(&text);
        tt_buf_free(&want);
        count++;
    }
    cases_close(&cases);
    return count;
}

#define assert_text_equal(got, want)                                                               \
    do {                                                                                           \
        struct tt_str got_ = (got), want_ = (want);                                                \
        if (!tt_str_eq(got_, want_))                                                               \
            fail_msg("got \"%.*s\", want \"%.*s\"", TT_STR_ARG(got_), TT_STR_ARG(want_));          \
    } while (0)
