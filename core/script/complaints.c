/* Complaints come as Lua writes them: "file:line: message\nstack traceback:\n…". */
#include "script/complaints.h"

#include "base/mem.h"

#include <stdlib.h>

#define TRACEBACK "\nstack traceback:"

/* Where the message begins behind "file:line: ", 0 when there is no such beginning. */
static size_t read_place(struct tt_str text, struct tt_complaint *complaint)
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
        complaint->file = tt_str_of(text.data, colon);
        complaint->line = (int)line;
        return end + 2;
    }
    return 0;
}

static bool is_told(const struct tt_complaints *complaints, const struct tt_complaint *wanted)
{
    for (size_t i = 0; i < complaints->count; i++) {
        const struct tt_complaint *told = &complaints->items[i];
        if (told->line == wanted->line && tt_str_eq(told->file, wanted->file) &&
            tt_str_eq(told->message, wanted->message))
            return true;
    }
    return false;
}

void tt_complaints_add(struct tt_complaints *complaints, const char *file, struct tt_str text)
{
    struct tt_complaint complaint = {.phase = complaints->phase ? complaints->phase : "load",
                                     .file = tt_str_from(file),
                                     .line = *file ? 1 : 0,
                                     .traceback = TT_STR("")};
    size_t start = read_place(text, &complaint);
    const char *stack = memmem(text.data, text.len, TRACEBACK, sizeof(TRACEBACK) - 1);
    size_t end = stack ? (size_t)(stack - text.data) : text.len;

    complaint.message = tt_str_trim(tt_str_of(text.data + start, end > start ? end - start : 0));
    if (is_told(complaints, &complaint))
        return;
    if (stack && memmem(stack, text.len - end, ".lua:", 5)) /* else only of the core's functions */
        complaint.traceback =
            tt_arena_str(&complaints->arena, tt_str_of(stack + 1, text.len - end - 1));
    complaint.file = tt_arena_str(&complaints->arena, complaint.file);
    complaint.message = tt_arena_str(&complaints->arena, complaint.message);
    if (complaints->count == complaints->capacity) {
        complaints->capacity = complaints->capacity ? complaints->capacity * 2 : 8;
        complaints->items =
            tt_realloc(complaints->items, complaints->capacity * sizeof(struct tt_complaint));
    }
    complaints->items[complaints->count++] = complaint;
}

void tt_complaints_print(const struct tt_complaints *complaints, struct tt_buf *out)
{
    for (size_t i = 0; i < complaints->count; i++) {
        const struct tt_complaint *complaint = &complaints->items[i];
        if (complaint->file.len)
            tt_buf_printf(out, "%s:%d: ", complaint->file.data, complaint->line);
        tt_buf_printf(out, "%s\n", complaint->message.data);
        if (complaint->traceback.len)
            tt_buf_printf(out, "%s\n", complaint->traceback.data);
    }
}

void tt_complaints_free(struct tt_complaints *complaints)
{
    free(complaints->items);
    tt_arena_destroy(&complaints->arena);
    *complaints = (struct tt_complaints){0};
}
