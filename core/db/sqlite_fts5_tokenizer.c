/* Positions, in text that is written without blanks between words (a run): each character has one,
 * and its pair with the next character has the same position. So a phrase of pairs matches exactly
 * where the characters are neighbours: a query searches for the pairs (rare, fast) and, if other
 * text follows the run, for its last character, which keeps positions in step. Everything between
 * runs goes to unicode61. */
#include "db/sqlite_fts5_tokenizer.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

struct tokenizer {
    fts5_tokenizer words; /* unicode61's functions */
    Fts5Tokenizer *state;
};

typedef int take_token(void *context, int flags, const char *token, int size, int start, int end);

/* One call's output, shifted by the position of its piece in the whole text. */
struct shifted {
    void *context;
    take_token *take;
    int offset;
    int rc; /* the result for the last token */
};

/* Blocks of Unicode 15 that are written without blanks between words. */
static bool without_blanks(uint32_t c)
{
    return (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x4E00 && c <= 0x9FFF) || /* Han */
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x20000 && c <= 0x3FFFF) ||
           (c >= 0x3040 && c <= 0x30FF) || (c >= 0x31F0 && c <= 0x31FF) || /* kana */
           (c >= 0xAC00 && c <= 0xD7A3) || c == 0x3005 || c == 0x3007;     /* Hangul, 々〇 */
}

/* The length of the character at the start, and whether it belongs to a run. An invalid byte counts
 * as a character of its own, outside of runs. */
static size_t step(struct tt_str text, bool *in_run)
{
    uint32_t c = 0;
    size_t n = tt_utf8_decode(text, &c);
    *in_run = n > 0 && without_blanks(c);
    return n > 0 ? n : 1;
}

/* Where the ASCII ends that begins at `at`: most texts are nothing else, and looked at by the
 * character they cost a fifth of what their words cost. */
static size_t skip_ascii(struct tt_str text, size_t at)
{
    for (uint64_t eight; at + sizeof(eight) <= text.len; at += sizeof(eight)) {
        memcpy(&eight, text.data + at, sizeof(eight));
        if (eight & 0x8080808080808080u)
            break;
    }
    while (at < text.len && (unsigned char)text.data[at] < 0x80)
        at++;
    return at;
}

static int take_shifted(void *arg, int flags, const char *token, int size, int start, int end)
{
    struct shifted *shifted = arg;
    shifted->rc = shifted->take(shifted->context, flags, token, size, start + shifted->offset,
                                end + shifted->offset);
    return shifted->rc;
}

static int tokenize_words(struct tokenizer *tokenizer, void *context, int flags,
                          struct tt_str whole, size_t start, size_t end, take_token *take)
{
    struct shifted shifted = {.context = context, .take = take, .offset = (int)start};
    int rc = tokenizer->words.xTokenize(tokenizer->state, &shifted, flags, whole.data + start,
                                        (int)(end - start), take_shifted);
    return rc == SQLITE_OK ? shifted.rc : rc; /* unicode61 turns DONE into OK */
}

/* `start`..`end` is a run; `more`: text follows it. */
static int tokenize_run(void *context, int flags, struct tt_str whole, size_t start, size_t end,
                        bool more, take_token *take)
{
    bool query = flags & FTS5_TOKENIZE_QUERY;
    bool in_run;
    int rc = SQLITE_OK;

    for (size_t at = start, next; at < end && rc == SQLITE_OK; at = next) {
        const char *text = whole.data + at;
        next = at + step(tt_str_of(text, end - at), &in_run);
        size_t after =
            next < end ? next + step(tt_str_of(whole.data + next, end - next), &in_run) : next;
        bool last = next >= end;
        bool single = !query || (last && (at == start || more));
        if (single)
            rc = take(context, 0, text, (int)(next - at), (int)at, (int)next);
        if (!last && rc == SQLITE_OK)
            rc = take(context, single ? FTS5_TOKEN_COLOCATED : 0, text, (int)(after - at), (int)at,
                      (int)after);
    }
    return rc;
}

static int tokenize(Fts5Tokenizer *self, void *context, int flags, const char *data, int size,
                    take_token *take)
{
    struct tokenizer *tokenizer = (struct tokenizer *)self;
    struct tt_str text = tt_str_of(data, size > 0 ? (size_t)size : 0);
    int rc = SQLITE_OK;

    for (size_t start = 0, end; start < text.len && rc == SQLITE_OK; start = end) {
        bool run, same;
        end = start + step(tt_str_of(text.data + start, text.len - start), &run);
        for (size_t n; end < text.len; end += n) {
            if (!run && (end = skip_ascii(text, end)) == text.len)
                break;
            n = step(tt_str_of(text.data + end, text.len - end), &same);
            if (same != run)
                break;
        }
        rc = run ? tokenize_run(context, flags, text, start, end, end < text.len, take)
                 : tokenize_words(tokenizer, context, flags, text, start, end, take);
    }
    return rc == SQLITE_DONE ? SQLITE_OK : rc; /* DONE: no more tokens are wanted */
}

static void destroy(Fts5Tokenizer *self)
{
    struct tokenizer *tokenizer = (struct tokenizer *)self;
    tokenizer->words.xDelete(tokenizer->state);
    free(tokenizer);
}

static int create(void *arg, const char **args, int count, Fts5Tokenizer **out)
{
    static const char *settings[] = {"remove_diacritics", "2"};
    fts5_api *api = arg;
    void *words_arg = NULL;
    struct tokenizer *tokenizer = TT_NEW(struct tokenizer);
    (void)args;
    (void)count;
    int rc = api->xFindTokenizer(api, "unicode61", &words_arg, &tokenizer->words);

    if (rc == SQLITE_OK)
        rc = tokenizer->words.xCreate(words_arg, settings, 2, &tokenizer->state);
    if (rc != SQLITE_OK) {
        free(tokenizer);
        return rc;
    }
    *out = (Fts5Tokenizer *)tokenizer;
    return SQLITE_OK;
}

int tt_fts5_tokenizer_register(struct fts5_api *api)
{
    static const fts5_tokenizer functions = {
        .xCreate = create, .xDelete = destroy, .xTokenize = tokenize};
    return api->xCreateTokenizer(api, "tidetalk", api, (fts5_tokenizer *)&functions, NULL);
}
