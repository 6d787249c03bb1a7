#include "http/content_type.h"

#include "base/mem.h"

#define ENTRY(extension, type)                                                                     \
    {                                                                                              \
        {extension, sizeof(extension) - 1},                                                        \
        {                                                                                          \
            type, sizeof(type) - 1                                                                 \
        }                                                                                          \
    }

static const struct {
    struct tt_str extension, type;
} types[] = {
    ENTRY(".html", "text/html; charset=utf-8"),
    ENTRY(".htm", "text/html; charset=utf-8"),
    ENTRY(".js", "text/javascript; charset=utf-8"),
    ENTRY(".mjs", "text/javascript; charset=utf-8"),
    ENTRY(".css", "text/css; charset=utf-8"),
    ENTRY(".txt", "text/plain; charset=utf-8"),
    ENTRY(".md", "text/markdown; charset=utf-8"),
    ENTRY(".csv", "text/csv; charset=utf-8"),
    ENTRY(".json", "application/json"),
    ENTRY(".map", "application/json"),
    ENTRY(".xml", "application/xml"),
    ENTRY(".wasm", "application/wasm"),
    ENTRY(".webmanifest", "application/manifest+json"),
    ENTRY(".pdf", "application/pdf"),
    ENTRY(".zip", "application/zip"),
    ENTRY(".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ENTRY(".svg", "image/svg+xml"),
    ENTRY(".png", "image/png"),
    ENTRY(".jpg", "image/jpeg"),
    ENTRY(".jpeg", "image/jpeg"),
    ENTRY(".gif", "image/gif"),
    ENTRY(".webp", "image/webp"),
    ENTRY(".avif", "image/avif"),
    ENTRY(".ico", "image/x-icon"),
    ENTRY(".woff", "font/woff"),
    ENTRY(".woff2", "font/woff2"),
    ENTRY(".mp3", "audio/mpeg"),
    ENTRY(".ogg", "audio/ogg"),
    ENTRY(".wav", "audio/wav"),
    ENTRY(".mp4", "video/mp4"),
    ENTRY(".webm", "video/webm"),
};

struct tt_str tt_http_type_of(struct tt_str file_name)
{
    for (size_t i = 0; i < TT_COUNT(types); i++) {
        struct tt_str extension = types[i].extension;
        if (file_name.len > extension.len &&
            tt_str_eq_nocase(
                tt_str_of(file_name.data + file_name.len - extension.len, extension.len),
                extension))
            return types[i].type;
    }
    return TT_STR("application/octet-stream");
}

bool tt_http_type_is_inert(struct tt_str type)
{
    static const char *const inert[] = {"image/png",       "image/jpeg", "image/gif",
                                        "image/webp",      "image/avif", "text/plain",
                                        "application/pdf", "text/csv",   "text/markdown"};
    struct tt_str rest = type, name;

    /* Of several types browsers take the last one. */
    if (tt_str_find(type, ',') >= 0 || !tt_str_split(&rest, ';', &name))
        return false;
    name = tt_str_trim(name);
    for (size_t i = 0; i < TT_COUNT(inert); i++)
        if (tt_str_eq_nocase(name, tt_str_from(inert[i])))
            return true;
    return tt_str_starts_nocase(name, TT_STR("audio/")) ||
           tt_str_starts_nocase(name, TT_STR("video/"));
}

static bool is_plain(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

void tt_http_put_disposition(struct tt_buf *out, bool download, struct tt_str file_name)
{
    tt_buf_append_z(out, download ? "attachment" : "inline");
    if (file_name.len == 0)
        return;
    /* For old clients what ASCII has of the name; the others read the second parameter. */
    tt_buf_append_z(out, "; filename=\"");
    for (size_t i = 0; i < file_name.len; i++)
        tt_buf_putc(out, is_plain((unsigned char)file_name.data[i]) ? file_name.data[i] : '_');
    tt_buf_append_z(out, "\"; filename*=UTF-8''");
    for (size_t i = 0; i < file_name.len; i++) {
        unsigned char c = (unsigned char)file_name.data[i];
        if (is_plain(c))
            tt_buf_putc(out, (char)c);
        else
            tt_buf_printf(out, "%%%02X", c);
    }
}
