/* FTS5 reports hits as positions of tokens, phrase by phrase. They are visited in the order of the
 * text, and the span with the most different phrases is chosen, the earliest among equals. The
 * table's tokenizer then counts up to that position, so words are cut by the same code that indexed
 * the text. */
#include "db/sqlite_fts5_snippet.h"

#include <stdbool.h>
#include <stddef.h>

#define CHARACTERS_MAX 300   /* of the text in a snippet */
#define BEFORE         40    /* characters before the first hit, at least, where there are any */
#define WORD_MAX       20    /* characters that may be left out to end between words */
#define SPAN           24    /* tokens; phrases within it count as together */
#define PHRASES_MAX    16    /* the most phrases that are searched for */
#define HITS_MAX       65536 /* hits to visit: all of a message, see migrations/sqlite/0016 */
#define ELLIPSIS       "…"

/* The hits of one phrase in the column. */
struct phrase {
    Fts5PhraseIter iter;
    int column;   /* the iterator's current column */
    int position; /* of the next hit; -1: no more */
    int last;     /* of the previous hit; -1: none yet */
};

struct hits {
    const Fts5ExtensionApi *api;
    Fts5Context *fts;
    int column;
    struct phrase phrases[PHRASES_MAX];
    int count; /* phrases that occur in the column */
};

/* ---- finding the place ---- */

/* Advances from the current hit. FTS5 continues from the values that it returned before. */
static void skip_other_columns(struct hits *hits, struct phrase *phrase)
{
    while (phrase->column >= 0 && phrase->column != hits->column)
        hits->api->xPhraseNext(hits->fts, &phrase->iter, &phrase->column, &phrase->position);
    if (phrase->column < 0)
        phrase->position = -1;
}

static void next_hit(struct hits *hits, struct phrase *phrase)
{
    phrase->last = phrase->position;
    hits->api->xPhraseNext(hits->fts, &phrase->iter, &phrase->column, &phrase->position);
    skip_other_columns(hits, phrase);
}

static int find_phrases(struct hits *hits)
{
    int all = hits->api->xPhraseCount(hits->fts);

    for (int i = 0; i < all && hits->count < PHRASES_MAX; i++) {
        struct phrase *phrase = &hits->phrases[hits->count];
        int rc = hits->api->xPhraseFirst(hits->fts, i, &phrase->iter, &phrase->column,
                                         &phrase->position);
        if (rc != SQLITE_OK)
            return rc;
        phrase->last = -1;
        skip_other_columns(hits, phrase);
        hits->count += phrase->position >= 0;
    }
    return SQLITE_OK;
}

static struct phrase *earliest(struct hits *hits)
{
    struct phrase *found = NULL;
    for (int i = 0; i < hits->count; i++) {
        struct phrase *phrase = &hits->phrases[i];
        if (phrase->position >= 0 && (!found || phrase->position < found->position))
            found = phrase;
    }
    return found;
}

/* The number of phrases in the span that ends with the hit at `end`; *start: the first hit in it.
 */
static int count_in_span(const struct hits *hits, int end, int *start)
{
    int count = 0;
    *start = end;
    for (int i = 0; i < hits->count; i++) {
        int last = hits->phrases[i].last;
        if (last < 0 || end - last >= SPAN)
            continue;
        count++;
        if (last < *start)
            *start = last;
    }
    return count;
}

/* The position of the token at which the best span begins. */
static int best_position(struct hits *hits)
{
    int best = 0, best_count = 0;
    struct phrase *phrase;

    for (int seen = 0; seen < HITS_MAX && best_count < hits->count; seen++) {
        int start, end;
        if (!(phrase = earliest(hits)))
            break;
        end = phrase->position;
        next_hit(hits, phrase);
        int count = count_in_span(hits, end, &start);
        if (count > best_count) {
            best_count = count;
            best = start;
        }
    }
    return best;
}

/* ---- cutting the text ---- */

struct search {
    int wanted, position; /* of tokens; position is -1 before the first */
    int offset;           /* of the wanted one in the text */
};

static int count_token(void *arg, int flags, const char *token, int size, int start, int end)
{
    struct search *search = arg;
    (void)token, (void)size, (void)end;
    if (!(flags & FTS5_TOKEN_COLOCATED) || search->position < 0)
        search->position++;
    if (search->position < search->wanted)
        return SQLITE_OK;
    if (search->position == search->wanted && search->offset < 0)
        search->offset = start;
    return SQLITE_DONE;
}

static bool starts_character(char byte)
{
    return ((unsigned char)byte & 0xC0) != 0x80;
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\n' || byte == '\t' || byte == '\r';
}

/* The end of up to `characters` after `at`. */
static int forward(const char *text, int size, int at, int *characters)
{
    for (; at<size && * characters> 0; --*characters)
        do
            at++;
        while (at < size && !starts_character(text[at]));
    return at;
}

static int backward(const char *text, int at, int characters)
{
    for (; at > 0 && characters > 0; characters--)
        do
            at--;
        while (at > 0 && !starts_character(text[at]));
    return at;
}

/* Whether a word (or another run without blanks) begins at `at`, which is inside the text. */
static bool word_begins(const char *text, int at)
{
    return is_blank(text[at - 1]) && !is_blank(text[at]);
}

static bool word_ends(const char *text, int at)
{
    return !is_blank(text[at - 1]) && is_blank(text[at]);
}

/* The part of the text around `offset`, cut between words if blanks are near. */
static void cut(const char *text, int size, int offset, int *begin, int *end)
{
    int left = CHARACTERS_MAX - BEFORE, word = WORD_MAX;

    *end = forward(text, size, offset, &left);
    *begin = backward(text, offset, BEFORE + left);
    if (*begin > 0) {
        int at = *begin, stop = forward(text, offset, *begin, &word);
        while (at < stop && !word_begins(text, at))
            at++;
        *begin = at < stop ? at : *begin;
    }
    if (*end < size) {
        int at = *end, stop = backward(text, *end, WORD_MAX);
        while (at > stop && !word_ends(text, at))
            at--;
        *end = at > stop ? at : *end;
    }
}

static void answer(sqlite3_context *context, const char *text, int size, int offset)
{
    int begin, end;
    cut(text, size, offset, &begin, &end);
    char *out = sqlite3_mprintf("%s%.*s%s", begin > 0 ? ELLIPSIS : "", end - begin, text + begin,
                                end < size ? ELLIPSIS : "");
    if (out)
        sqlite3_result_text(context, out, -1, sqlite3_free);
    else
        sqlite3_result_error_nomem(context);
}

static void snippet(const Fts5ExtensionApi *api, Fts5Context *fts, sqlite3_context *context,
                    int count, sqlite3_value **values)
{
    struct hits hits = {.api = api, .fts = fts};
    struct search search = {.position = -1, .offset = -1};
    const char *text = NULL;
    int size = 0;

    if (count != 1) {
        sqlite3_result_error(context, "tidetalk_snippet(table, column) takes a column", -1);
        return;
    }
    hits.column = sqlite3_value_int(values[0]);
    int rc = api->xColumnText(fts, hits.column, &text, &size);
    if (rc == SQLITE_OK)
        rc = find_phrases(&hits);
    if (rc == SQLITE_OK && hits.count > 0) {
        search.wanted = best_position(&hits);
        rc = api->xTokenize(fts, text, size, &search, count_token);
    }
    if (rc != SQLITE_OK)
        sqlite3_result_error_code(context, rc);
    else
        answer(context, text ? text : "", text ? size : 0, search.offset > 0 ? search.offset : 0);
}

int tt_fts5_snippet_register(struct fts5_api *api)
{
    return api->xCreateFunction(api, "tidetalk_snippet", NULL, snippet, NULL);
}
