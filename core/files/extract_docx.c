/* Word documents: a zip whose member word/document.xml holds the text. Only that member is
 * inflated, up to a size and a ratio, into one buffer; expat then sees it whole, since feeding a
 * huge token in pieces makes it start over with each piece. A document type declaration ends it at
 * once (the format forbids them), so there are no entities to expand and nothing to fetch. Deleted
 * text, field codes and the second copy in "alternate content" for old programs are left out; rows
 * of tables become lines with tabs. Headers, footers and notes are separate members and are not
 * read. */
#include "files/extract_internal.h"

#include <archive.h>
#include <archive_entry.h>
#include <expat.h>
#include <sys/stat.h>

#define MEMBER       "word/document.xml"
#define MEMBERS_MAX  10000
#define RATIO_MAX    100
#define RATIO_FREE   ((uint64_t)4 * 1024 * 1024) /* below this the ratio does not matter */
#define ELEMENTS_MAX 512                         /* nested */

/* ---- the zip ---- */

static int open_zip(struct archive *archive, int fd, struct tt_err *err)
{
    /* By the directory at its end only: streaming a zip would have to inflate what it skips. */
    if (archive_read_support_format_zip_seekable(archive) != ARCHIVE_OK ||
        archive_read_open_fd(archive, fd, 65536) != ARCHIVE_OK)
        return tt_extract_failed(err, "the .docx is no zip file");
    return 0;
}

static int find_member(struct archive *archive, struct archive_entry **entry, struct tt_err *err)
{
    for (int i = 0; i < MEMBERS_MAX; i++) {
        int rc = archive_read_next_header(archive, entry);
        if (rc == ARCHIVE_EOF)
            return tt_extract_failed(err, "no " MEMBER " in the .docx");
        if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
            return tt_extract_failed(err, "the .docx is a broken zip file");
        const char *name = archive_entry_pathname(*entry);
        if (name && strcmp(name, MEMBER) == 0)
            return 0;
    }
    return tt_extract_too_large(err, "too many members in the .docx");
}

static int inflate_member(struct archive *archive, uint64_t file_size, struct tt_buf *xml,
                          struct tt_err *err)
{
    char piece[65536];
    for (;;) {
        ssize_t n = archive_read_data(archive, piece, sizeof(piece));
        if (n == 0)
            return 0;
        if (n < 0)
            return tt_extract_failed(err, "the .docx is broken or encrypted");
        if (tt_buf_append(xml, piece, (size_t)n) != 0)
            return tt_extract_too_large(err, "the .docx inflates to too much");
        if (xml->len > RATIO_FREE && xml->len / RATIO_MAX > file_size)
            return tt_extract_too_large(err, "the .docx inflates too far");
    }
}

static int read_member(int fd, struct tt_buf *xml, struct tt_err *err)
{
    struct archive_entry *entry = NULL;
    struct stat st;
    int rc = -1;
    struct archive *archive = archive_read_new();
    if (!archive || fstat(fd, &st) != 0) {
        tt_extract_failed(err, "no memory for a .docx");
        goto out;
    }
    if (open_zip(archive, fd, err) != 0 || find_member(archive, &entry, err) != 0)
        goto out;
    if (archive_entry_size_is_set(entry) && (uint64_t)archive_entry_size(entry) > xml->max) {
        tt_extract_too_large(err, "the .docx inflates to too much");
        goto out;
    }
    rc = inflate_member(archive, (uint64_t)st.st_size, xml, err);
out:
    if (archive)
        archive_read_free(archive);
    return rc;
}

/* ---- the XML ---- */

/* Names are "namespace local"; Word writes the first of each pair, ISO's strict form the second. */
#define WORD_1 "http://schemas.openxmlformats.org/wordprocessingml/2006/main "
#define WORD_2 "http://purl.oclc.org/ooxml/wordprocessingml/main "
#define MATH_1 "http://schemas.openxmlformats.org/officeDocument/2006/math "
#define MATH_2 "http://purl.oclc.org/ooxml/officeDocument/math "
#define COMPAT "http://schemas.openxmlformats.org/markup-compatibility/2006 "

struct reader {
    XML_Parser parser;
    struct tt_buf *out;
    int depth, texts, cells;
    int skipped; /* depth of the element that is left out with all its content; 0 = none */
    bool body;   /* the document is one of Word's */
    bool full, forbidden;
};

/* The local name of a Word (or math) element, "" for any other. */
static const char *local_name(const char *name)
{
    static const char *const known[] = {WORD_1, WORD_2, MATH_1, MATH_2};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strncmp(name, known[i], strlen(known[i])) == 0)
            return name + strlen(known[i]);
    return "";
}

static bool is(const char *local, const char *name)
{
    return strcmp(local, name) == 0;
}

static void stop(struct reader *reader, bool *why)
{
    *why = true;
    XML_StopParser(reader->parser, XML_FALSE);
}

static void put(struct reader *reader, const char *text, size_t len)
{
    if (!reader->full && tt_buf_append(reader->out, text, len) != 0)
        stop(reader, &reader->full);
}

/* Ends a cell or a row: the separators of what is inside give way. */
static void put_instead(struct reader *reader, char old, char c)
{
    struct tt_buf *out = reader->out;
    if (out->len > 0 && out->data[out->len - 1] == old)
        tt_buf_truncate(out, out->len - 1);
    put(reader, &c, 1);
}

static void XMLCALL on_start(void *arg, const char *name, const char **attributes)
{
    struct reader *reader = arg;
    const char *local = local_name(name);
    (void)attributes;
    if (++reader->depth > ELEMENTS_MAX)
        stop(reader, &reader->forbidden);
    if (reader->skipped)
        return;
    if (is(name, COMPAT "Fallback") || is(local, "pPr")) /* there, a tab is a tab stop */
        reader->skipped = reader->depth;
    else if (is(local, "body"))
        reader->body = true;
    else if (is(local, "t"))
        reader->texts++;
    else if (is(local, "tc"))
        reader->cells++;
    else if (is(local, "tab") || is(local, "ptab"))
        put(reader, "\t", 1);
    else if (is(local, "br") || is(local, "cr"))
        put(reader, reader->cells > 0 ? " " : "\n", 1);
    else if (is(local, "noBreakHyphen"))
        put(reader, "-", 1);
}

static void XMLCALL on_end(void *arg, const char *name)
{
    struct reader *reader = arg;
    const char *local = local_name(name);
    bool skipped = reader->skipped != 0;
    if (reader->skipped == reader->depth)
        reader->skipped = 0;
    reader->depth--;
    if (skipped)
        return;
    if (is(local, "t")) {
        reader->texts--;
    } else if (is(local, "p")) {
        put(reader, reader->cells > 0 ? " " : "\n", 1);
    } else if (is(local, "tc")) {
        reader->cells--;
        put_instead(reader, ' ', '\t');
    } else if (is(local, "tr")) {
        put_instead(reader, '\t', reader->cells > 0 ? ' ' : '\n');
    }
}

static void XMLCALL on_text(void *arg, const char *text, int len)
{
    struct reader *reader = arg;
    if (reader->texts > 0 && !reader->skipped)
        put(reader, text, (size_t)len);
}

static void XMLCALL on_doctype(void *arg, const char *name, const char *system_id,
                               const char *public_id, int internal)
{
    struct reader *reader = arg;
    (void)name;
    (void)system_id;
    (void)public_id;
    (void)internal;
    stop(reader, &reader->forbidden);
}

static int read_xml(struct tt_str xml, struct tt_buf *out, struct tt_err *err)
{
    struct reader reader = {.out = out, .parser = XML_ParserCreateNS(NULL, ' ')};
    if (!reader.parser)
        return tt_extract_failed(err, "no memory for a .docx");
    XML_SetUserData(reader.parser, &reader);
    XML_SetElementHandler(reader.parser, on_start, on_end);
    XML_SetCharacterDataHandler(reader.parser, on_text);
    XML_SetStartDoctypeDeclHandler(reader.parser, on_doctype);
    int rc = -1;
    bool parsed = XML_Parse(reader.parser, xml.data, (int)xml.len, XML_TRUE) == XML_STATUS_OK;
    if (reader.full)
        tt_extract_too_large(err, "the text of the .docx is too long");
    else if (reader.forbidden)
        tt_extract_failed(err, "a document type, or elements nested too deep, in the .docx");
    else if (!parsed)
        tt_err_set(err, 422, "extract_failed", "XML of the .docx, line %lu: %s",
                   (unsigned long)XML_GetCurrentLineNumber(reader.parser),
                   XML_ErrorString(XML_GetErrorCode(reader.parser)));
    else if (!reader.body)
        tt_extract_failed(err, "the .docx holds no document of Word");
    else
        rc = 0;
    XML_ParserFree(reader.parser);
    return rc;
}

int tt_extract_docx(int fd, const struct tt_extract_limits *limits, struct tt_buf *out,
                    struct tt_err *err)
{
    struct tt_buf xml = {.max = limits->inflate_max < INT32_MAX ? limits->inflate_max : INT32_MAX};
    int rc = read_member(fd, &xml, err);
    if (rc == 0)
        rc = read_xml(tt_buf_str(&xml), out, err);
    tt_buf_free(&xml);
    return rc;
}
