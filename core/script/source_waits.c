/* A function of the same file that calls one that waits waits too, however far down; functions that
 * it only makes (for task.spawn, say) do not count. */
#include "script/source_waits.h"

#include "base/mem.h"
#include "script/lua_source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct named_function {
    struct tt_str name; /* the last part: "by_age" of M.by_age */
    size_t begin;       /* the token `function` */
    char waits[80];     /* "tide.db.query", "" = it does not */
};

/* One file. */
struct search {
    const struct tt_bundle_file *file;
    struct tt_lua_source source;
    struct named_function *functions;
    size_t function_count;
    struct tt_diagnostics *diagnostics;
};

/* ---- which functions wait ---- */

/* Without "tide."; the same as those with ---@async in lua/types/ (a spec compares them). */
static const char *const waiting[] = {
    "cache.get",
    "chat.append",
    "chat.ask",
    "chat.branch",
    "chat.history",
    "chat.session",
    "chat.sessions",
    "chat.stop",
    "chat.title",
    "chat.turn",
    "crypto.password_hash",
    "crypto.password_verify",
    "db.fetch",
    "db.fetch_json",
    "db.json",
    "db.messages",
    "db.one",
    "db.query",
    "db.write",
    "file_store.read",
    "file_store.read_image",
    "file_store.read_text",
    "file_store.remove",
    "file_store.store",
    "file_store.write",
    "files.delete",
    "files.get",
    "files.keep",
    "files.list",
    "files.range",
    "files.read",
    "files.read_image",
    "files.read_text",
    "files.remove",
    "files.store",
    "files.text",
    "files.write",
    "http.request",
    "http.stream",
    "llm.enter",
    "models.embed",
    "models.list",
    "models.rerank",
    "models.resolve",
    "nodes.list",
    "nodes.owner_of_session",
    "nodes.with_current_scripts",
    "queue.push",
    "search.count",
    "search.find",
    "search.index",
    "search.json",
    "task.all",
    "time.sleep",
    "usage.add",
    "usage.check",
    "usage.days",
    "users.find",
    "users.get",
    "users.list",
};

static bool is_waiting(const char *function)
{
    for (size_t i = 0; i < TT_COUNT(waiting); i++)
        if (strcmp(waiting[i], function) == 0)
            return true;
    return false;
}

static const struct named_function *find_function(const struct search *search, struct tt_str name)
{
    for (size_t i = 0; i < search->function_count; i++)
        if (tt_str_eq(search->functions[i].name, name))
            return &search->functions[i];
    return NULL;
}

/* The waiting function that is called at the token `i`, if any: "tide.db.query". */
static bool is_waiting_call(const struct search *search, size_t i, char *name, size_t size)
{
    const struct tt_lua_source *source = &search->source;
    const struct named_function *function = NULL;

    if (source->tokens[i].type != TT_LUA_NAME || !tt_lua_source_is(source, i + 1, "("))
        return false;
    bool field = i >= 2 && tt_lua_source_is(source, i - 1, ".");
    struct tt_str module = field && tt_lua_source_is_free_name(source, i - 2)
                               ? tt_lua_source_module(source, source->tokens[i - 2].text)
                               : (struct tt_str){0};
    if (module.data) {
        snprintf(name, size, "%.*s.%.*s", TT_STR_ARG(module), TT_STR_ARG(source->tokens[i].text));
        return strncmp(name, "tide.", 5) == 0 && is_waiting(name + 5);
    }
    if (!tt_lua_source_is(source, i - (i > 0), "function"))
        function = find_function(search, source->tokens[i].text);
    snprintf(name, size, "%s", function ? function->waits : "");
    return function && function->waits[0];
}

/* The first waiting call in the function whose `function` is at `begin`, not counting functions
 * within; its token, or 0. */
static size_t find_wait(const struct search *search, size_t begin, char *name, size_t size)
{
    size_t end = tt_lua_source_end(&search->source, begin);

    for (size_t i = begin + 1; i < end; i++) {
        if (tt_lua_source_is(&search->source, i, "function"))
            i = tt_lua_source_end(&search->source, i);
        else if (is_waiting_call(search, i, name, size))
            return i;
    }
    return 0;
}

/* `function a.b(`, `local function a(` and `a = function(`. */
static void read_functions(struct search *search)
{
    const struct tt_lua_source *source = &search->source;

    for (size_t i = 0; i < source->count; i++) {
        size_t name = i + 1;
        if (!tt_lua_source_is(source, i, "function"))
            continue;
        while (tt_lua_source_is(source, name + 1, ".") || tt_lua_source_is(source, name + 1, ":"))
            name += 2;
        if (tt_lua_source_is(source, name, "(") && i >= 2 && tt_lua_source_is(source, i - 1, "="))
            name = i - 2;
        if (name >= source->count || source->tokens[name].type != TT_LUA_NAME)
            continue;
        search->functions = tt_realloc(search->functions, (search->function_count + 1) *
                                                              sizeof(struct named_function));
        search->functions[search->function_count++] =
            (struct named_function){.name = source->tokens[name].text, .begin = i};
    }
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t n = 0; n < search->function_count; n++) {
            struct named_function *function = &search->functions[n];
            char waits[sizeof(function->waits)];
            if (function->waits[0] || !find_wait(search, function->begin, waits, sizeof(waits)))
                continue;
            snprintf(function->waits, sizeof(function->waits), "%s", waits);
            changed = true;
        }
    }
}

/* ---- where nothing may ---- */

static void report(struct search *search, size_t token, const char *name, const char *where)
{
    struct tt_buf text = {0};

    search->diagnostics->phase = "cannot_wait";
    tt_buf_printf(&text, "%s:%d: %s waits, which is not possible in %s", search->file->path.data,
                  search->source.tokens[token].line, name, where);
    tt_diagnostics_add(search->diagnostics, search->file->path.data, tt_buf_str(&text));
    tt_buf_free(&text);
}

/* A function that must not wait, at the token `i`: `function`, or the name of one. */
static void check_function(struct search *search, size_t i, const char *where)
{
    const struct tt_lua_source *source = &search->source;
    const struct named_function *function;
    char name[80];

    if (tt_lua_source_is(source, i, "function")) {
        size_t token = find_wait(search, i, name, sizeof(name));
        if (token)
            report(search, token, name, where);
    } else if (i < source->count && source->tokens[i].type == TT_LUA_NAME &&
               (function = find_function(search, source->tokens[i].text)) && function->waits[0]) {
        report(search, i, function->waits, where);
    }
}

/* The arguments of the call whose bracket is at `open`: functions in them, and as the last one the
 * name of one. */
static void check_arguments(struct search *search, size_t open, const char *where)
{
    const struct tt_lua_source *source = &search->source;
    size_t end = tt_lua_source_end(source, open), i = open + 1;

    for (; i < end; i = tt_lua_source_end(source, i) + 1)
        if (tt_lua_source_is(source, i, "function"))
            check_function(search, i, where);
    if (end > open + 1 && !tt_lua_source_is(source, end - 1, "end"))
        check_function(search, end - 1, where);
}

/* The functions that on_delta, whose `function` is at `begin`, makes. */
static void check_filters(struct search *search, size_t begin)
{
    size_t end = tt_lua_source_end(&search->source, begin);

    for (size_t i = begin + 1; i < end; i++) {
        if (!tt_lua_source_is(&search->source, i, "function"))
            continue;
        check_function(search, i, "the filter of on_delta");
        i = tt_lua_source_end(&search->source, i);
    }
}

static void check_token(struct search *search, size_t i)
{
    const struct tt_lua_source *source = &search->source;
    bool member = i >= 1 && tt_lua_source_is(source, i - 1, ".");

    if (tt_lua_source_is(source, i, "sort") && member && i >= 2 &&
        tt_lua_source_is(source, i - 2, "table") && tt_lua_source_is(source, i + 1, "("))
        check_arguments(search, i + 1, "a comparator of table.sort");
    else if (tt_lua_source_is(source, i, "gsub") && tt_lua_source_is(source, i + 1, "("))
        check_arguments(search, i + 1, "a callback of gsub");
    else if (tt_lua_source_is(source, i, "__tostring") && tt_lua_source_is(source, i + 1, "="))
        check_function(search, i + 2, "a metamethod that tostring calls");
}

static void search_file(struct search *search)
{
    tt_lua_source_read(&search->source, search->file->bytes);
    read_functions(search);
    for (size_t i = 0; i < search->source.count; i++)
        check_token(search, i);
    for (size_t n = 0; n < search->function_count; n++)
        if (tt_str_eq(search->functions[n].name, TT_STR("on_delta")))
            check_filters(search, search->functions[n].begin);
    free(search->functions);
    tt_lua_source_free(&search->source);
}

int tt_source_waits_advise(lua_State *L)
{
    const struct tt_bundle *bundle = tt_vm_of(L)->bundle;

    for (size_t i = 0; i < bundle->file_count; i++) {
        struct search search = {.file = &bundle->files[i], .diagnostics = lua_touserdata(L, 1)};
        if (tt_str_ends(search.file->path, TT_STR(".lua")))
            search_file(&search);
    }
    return 0;
}
