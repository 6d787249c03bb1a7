/* The files are read anew each time: they are few, and nobody asks often. A file of types/ has a
 * comment in front of each declaration, which is shown as it is. */
#include "app/cli/repl_help.h"

#include "base/mem.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX   (1u << 20)
#define PATH_BYTES 4096

bool tt_repl_help_asked(struct tt_str line, struct tt_str *name)
{
    static const struct tt_str word = TT_STR("help");

    line = tt_str_trim(line);
    if (!tt_str_starts(line, word))
        return false;
    line = tt_str_of(line.data + word.len, line.len - word.len);
    if (line.len > 0 && !strchr(" (\"'", line.data[0]))
        return false;
    while (line.len > 0 && strchr(" (\"'", line.data[0]))
        line = tt_str_of(line.data + 1, line.len - 1);
    while (line.len > 0 && strchr(" )\"'", line.data[line.len - 1]))
        line.len--;
    *name = line;
    return true;
}

/* ---- one file ---- */

struct search {
    struct tt_str name; /* as it is asked for */
    struct tt_buf *out;
    bool found;
};

/* The module of a file: "db" of "---@meta tide.db"; data == NULL: it has none. */
static struct tt_str module_of(struct tt_str text)
{
    static const struct tt_str meta = TT_STR("---@meta tide.");
    struct tt_str line;

    tt_str_split(&text, '\n', &line);
    return tt_str_starts(line, meta) ? tt_str_of(line.data + meta.len, line.len - meta.len)
                                     : (struct tt_str){0};
}

static void put_comment(struct tt_buf *out, struct tt_str comment)
{
    struct tt_str line;

    while (comment.len > 0) {
        tt_str_split(&comment, '\n', &line);
        size_t mark = tt_str_starts(line, TT_STR("--- ")) ? 4 : 3;
        if (line.len >= mark)
            tt_buf_append(out, line.data + mark, line.len - mark);
        tt_buf_putc(out, '\n');
    }
}

/* The first sentence of a comment, on one line. */
static void put_first(struct tt_buf *out, struct tt_str comment)
{
    struct tt_str line;
    bool over = false;

    while (!over && comment.len > 0) {
        tt_str_split(&comment, '\n', &line);
        if (tt_str_starts(line, TT_STR("---@")) || line.len < 4)
            break;
        line = tt_str_of(line.data + 4, line.len - 4);
        const char *stop = memmem(line.data, line.len, ". ", 2);
        over = stop || tt_str_ends(line, TT_STR("."));
        tt_buf_putc(out, ' ');
        tt_buf_append(out, line.data, stop ? (size_t)(stop - line.data) + 1 : line.len);
    }
}

/* "db.query" of "function db.query(sql, args) end". */
static struct tt_str declared(struct tt_str line)
{
    static const struct tt_str function = TT_STR("function ");
    ptrdiff_t open = tt_str_find(line, '(');

    return tt_str_starts(line, function) && open > 0
               ? tt_str_of(line.data + function.len, (size_t)open - function.len)
               : (struct tt_str){0};
}

/* "tide.Route" of a comment's line "---@class tide.Route: tide.Other". */
static bool has_class(struct tt_str comment, struct tt_str name)
{
    static const char *const tags[] = {"---@class ", "---@alias "};
    struct tt_str line;

    while (comment.len > 0) {
        tt_str_split(&comment, '\n', &line);
        for (size_t i = 0; i < TT_COUNT(tags); i++) {
            size_t len = strlen(tags[i]);
            if (tt_str_starts(line, tt_str_from(tags[i])) &&
                tt_str_starts(tt_str_of(line.data + len, line.len - len), name) &&
                (line.len == len + name.len || strchr(" :", line.data[len + name.len])))
                return true;
        }
    }
    return false;
}

static void tell(struct search *search, struct tt_str module, struct tt_str comment,
                 struct tt_str line)
{
    struct tt_str function = declared(line), name = search->name;
    bool whole = module.data && tt_str_eq(name, module);

    if (function.data && tt_str_eq(function, name)) {
        tt_buf_append(search->out, line.data,
                      line.len - (tt_str_ends(line, TT_STR(" end")) ? 4 : 0));
        tt_buf_putc(search->out, '\n');
        put_comment(search->out, comment);
        search->found = true;
    } else if (function.data && whole) {
        tt_buf_printf(search->out, "%.*s:", TT_STR_ARG(function));
        put_first(search->out, comment);
        tt_buf_putc(search->out, '\n');
        search->found = true;
    } else if (name.len > 0 && has_class(comment, name)) {
        put_comment(search->out, comment);
        search->found = true;
    }
}

static void search_text(struct search *search, struct tt_str text)
{
    struct tt_str module = module_of(text), line, comment = {0};

    while (text.len > 0) {
        tt_str_split(&text, '\n', &line);
        bool is_comment = tt_str_starts(line, TT_STR("---"));
        if (is_comment && !comment.data)
            comment = line;
        else if (is_comment)
            comment.len = (size_t)(line.data + line.len - comment.data);
        if (is_comment && text.len > 0)
            continue;
        if (comment.data)
            tell(search, module, comment, line);
        comment = (struct tt_str){0};
    }
    if (search->name.len == 0 && module.data) {
        tt_buf_printf(search->out, "%.*s ", TT_STR_ARG(module));
        search->found = true;
    }
}

/* ---- all files ---- */

static int is_types(const struct dirent *entry)
{
    return tt_str_ends(tt_str_from(entry->d_name), TT_STR(".lua"));
}

static void search_folder(struct search *search, const char *root)
{
    char folder[PATH_BYTES - 300], path[PATH_BYTES];
    struct dirent **entries;

    snprintf(folder, sizeof(folder), "%s/types", root);
    int count = scandir(folder, &entries, is_types, alphasort);
    for (int i = 0; i < count; i++) {
        struct tt_buf text = {0};
        snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
        FILE *file = fopen(path, "re");
        char *room = file ? tt_buf_reserve(&text, FILE_MAX) : NULL;
        if (room)
            text.len = fread(room, 1, FILE_MAX, file);
        if (file)
            fclose(file);
        search_text(search, tt_buf_str(&text));
        tt_buf_free(&text);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

void tt_repl_help(const struct tt_settings *settings, struct tt_str name, struct tt_buf *out)
{
    static const struct tt_str prefix = TT_STR("tide.");
    struct search search = {.name = name, .out = out};

    if (name.len == 0)
        tt_buf_append_z(out, "modules: ");
    for (size_t i = 0; !search.found && i < settings->scripts.root_count; i++)
        search_folder(&search, settings->scripts.roots[i]);
    if (!search.found && tt_str_starts(name, prefix)) { /* tide.db.query */
        search.name = tt_str_of(name.data + prefix.len, name.len - prefix.len);
        for (size_t i = 0; !search.found && i < settings->scripts.root_count; i++)
            search_folder(&search, settings->scripts.roots[i]);
    }
    if (name.len == 0)
        tt_buf_append_z(out, "\nhelp db lists a module, help db.query shows a function, help "
                             "tide.Route a type. inspect(value) shows all of a value.\n");
    else if (!search.found)
        tt_buf_printf(out, "nothing is known about '%.*s'; help lists the modules\n",
                      TT_STR_ARG(name));
}
