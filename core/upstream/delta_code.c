/* Code that a model has run at its service, and what that printed. A reply is text, so both stand
 * where they were, each in a fence of its own. */
#include "upstream/delta_internal.h"

#include <ctype.h>

#define FENCE_MIN  3
#define INFO_BYTES 32

/* Backticks, more than any run of them inside. */
static void put_fence(struct tt_buf *content, struct tt_str text)
{
    size_t longest = FENCE_MIN - 1, run = 0;
    for (size_t i = 0; i < text.len; i++) {
        run = text.data[i] == '`' ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    for (size_t i = 0; i <= longest; i++)
        tt_buf_putc(content, '`');
}

/* Only a word can stand behind a fence. */
static void put_info(struct tt_buf *content, struct tt_str info)
{
    for (size_t i = 0; i < info.len && i < INFO_BYTES; i++)
        if (isalnum((unsigned char)info.data[i]) || strchr("_+#-", info.data[i]))
            tt_buf_putc(content, (char)tolower((unsigned char)info.data[i]));
}

static void put_block(struct tt_buf *content, struct tt_str info, struct tt_str text)
{
    tt_buf_putc(content, '\n');
    put_fence(content, text);
    put_info(content, info);
    tt_buf_putc(content, '\n');
    tt_buf_append_str(content, text);
    if (text.len > 0 && text.data[text.len - 1] != '\n')
        tt_buf_putc(content, '\n');
    put_fence(content, text);
    tt_buf_putc(content, '\n');
}

/* "OUTCOME_FAILED" -> "failed"; what went well needs no word. */
static struct tt_str info_of(struct tt_str language, struct tt_str outcome)
{
    static const struct tt_str head = {"OUTCOME_", 8};
    if (outcome.len == 0)
        return tt_str_eq(language, TT_STR("LANGUAGE_UNSPECIFIED")) ? TT_STR("") : language;
    if (tt_str_starts(outcome, head))
        outcome = tt_str_of(outcome.data + head.len, outcome.len - head.len);
    return tt_str_eq(outcome, TT_STR("OK")) ? TT_STR("output") : outcome;
}

void tt_delta_code(const struct tt_json_value *value, struct tt_buf *content)
{
    struct tt_buf text = {0}, language = {0}, outcome = {0};
    struct tt_json_value member;
    struct tt_str key;
    size_t cursor = 0;
    while (value->type == TT_JSON_OBJECT && tt_json_next_member(value, &cursor, &key, &member)) {
        struct tt_buf *to =
            tt_str_eq(key, TT_STR("\"language\""))                                       ? &language
            : tt_str_eq(key, TT_STR("\"outcome\""))                                      ? &outcome
            : tt_str_eq(key, TT_STR("\"code\"")) || tt_str_eq(key, TT_STR("\"output\"")) ? &text
                                                                                         : NULL;
        if (to && member.type == TT_JSON_STRING)
            tt_json_unescape(member.raw, NULL, to);
    }
    put_block(content, info_of(tt_buf_str(&language), tt_buf_str(&outcome)), tt_buf_str(&text));
    tt_buf_free(&text);
    tt_buf_free(&language);
    tt_buf_free(&outcome);
}
