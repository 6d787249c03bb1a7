/* Errors come in Lua's form: "file:line: message\nstack traceback:\n…". */
#include "script/diagnostics.h"

#include "base/mem.h"

#include <stdlib.h>

#define TRACEBACK "\nstack traceback:"

/* Where the message begins behind "file:line: ", 0 when there is no such beginning. */
static size_t read_place(struct tt_str text, struct tt_diagnostic *diagnostic)
{
    for (size_t colon = 1; colon < text.len && text.data[colon] != '\n'; colon++) {
        size_t end = colon + 1;
        uint64_t line;
        if (text.data[colon] != ':')
            continue;
        while (end < text.len && text.data[end] >= '0' && text.data[end] <= '9')
            end++;
        if (end + 1 >= text.len || text.data[end] != ':' || text.data[end + 1] != ' ' ||
            tt_str_to_u64(tt_str_of(text.data + colon + 1, end - colon - 1), &line) != 0 ||
            line > INT32_MAX)
            continue;
        diagnostic->file = tt_str_of(text.data, colon);
        diagnostic->line = (int)line;
        return end + 2;
    }
    return 0;
}

static bool is_told(const struct tt_diagnostics *diagnostics, const struct tt_diagnostic *wanted)
{
    for (size_t i = 0; i < diagnostics->count; i++) {
        const struct tt_diagnostic *told = &diagnostics->items[i];
        if (told->line == wanted->line && tt_str_eq(told->file, wanted->file) &&
            tt_str_eq(told->message, wanted->message))
            return true;
    }
    return false;
}

void tt_diagnostics_add(struct tt_diagnostics *diagnostics, const char *file, struct tt_str text)
{
    struct tt_diagnostic diagnostic = {.phase = diagnostics->phase ? diagnostics->phase : "load",
                                       .file = tt_str_from(file),
                                       .line = *file ? 1 : 0,
                                       .traceback = TT_STR("")};
    size_t start = read_place(text, &diagnostic);
    const char *stack = memmem(text.data, text.len, TRACEBACK, sizeof(TRACEBACK) - 1);
    size_t end = stack ? (size_t)(stack - text.data) : text.len;

    diagnostic.message = tt_str_trim(tt_str_of(text.data + start, end > start ? end - start : 0));
    if (is_told(diagnostics, &diagnostic))
        return;
    if (stack && memmem(stack, text.len - end, ".lua:", 5)) /* else only of the core's functions */
        diagnostic.traceback =
            tt_arena_str(&diagnostics->arena, tt_str_of(stack + 1, text.len - end - 1));
    diagnostic.file = tt_arena_str(&diagnostics->arena, diagnostic.file);
    diagnostic.message = tt_arena_str(&diagnostics->arena, diagnostic.message);
    if (diagnostics->count == diagnostics->capacity) {
        diagnostics->capacity = diagnostics->capacity ? diagnostics->capacity * 2 : 8;
        diagnostics->items =
            tt_realloc(diagnostics->items, diagnostics->capacity * sizeof(struct tt_diagnostic));
    }
    diagnostics->items[diagnostics->count++] = diagnostic;
}

void tt_diagnostics_print(const struct tt_diagnostics *diagnostics, struct tt_buf *out)
{
    for (size_t i = 0; i < diagnostics->count; i++) {
        const struct tt_diagnostic *diagnostic = &diagnostics->items[i];
        if (diagnostic->file.len)
            tt_buf_printf(out, "%s:%d: ", diagnostic->file.data, diagnostic->line);
        tt_buf_printf(out, "%s\n", diagnostic->message.data);
        if (diagnostic->traceback.len)
            tt_buf_printf(out, "%s\n", diagnostic->traceback.data);
    }
}

void tt_diagnostics_free(struct tt_diagnostics *diagnostics)
{
    free(diagnostics->items);
    tt_arena_destroy(&diagnostics->arena);
    *diagnostics = (struct tt_diagnostics){0};
}
