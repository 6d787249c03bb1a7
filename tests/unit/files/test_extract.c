/* Text of PDF and docx files: small ones made here, broken ones, bombs; what the sandbox of the
 * child leaves and how its limits end it, tried with shell scripts in the program's place. */
#include "files/extract.h"
#include "support.h"

#include <archive.h>
#include <archive_entry.h>

static const char *const word =
    "xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\" "
    "xmlns:mc=\"http://schemas.openxmlformats.org/markup-compatibility/2006\" "
    "xmlns:m=\"http://schemas.openxmlformats.org/officeDocument/2006/math\"";

/* The text of these bytes; `code` is the error's, or "". */
static struct tt_buf extract(struct tt_str bytes, const char *extension,
                             const struct tt_extract_limits *limits, struct tt_err *err)
{
    struct tt_buf out = {0};
    *err = (struct tt_err){0};
    int fd = file_of(bytes);
    tt_buf_append_z(&out, ">");
    int rc = tt_extract_text(fd, tt_str_from(extension), limits, NULL, &out, err);
    close(fd);
    assert_int_equal(rc == 0, err->status == 0);
    if (rc != 0)
        assert_string_equal(out.data, ">");
    tt_buf_consume(&out, 1);
    return out;
}

static void expect(struct tt_str bytes, const char *extension,
                   const struct tt_extract_limits *limits, const char *code, const char *text)
{
    struct tt_err err;
    struct tt_buf out = extract(bytes, extension, limits, &err);
    if (strcmp(err.code, code) != 0)
        fail_msg("code \"%s\" (%s), want \"%s\"; text \"%s\"", err.code, err.message, code,
                 out.data);
    if (text)
        assert_text_equal(tt_buf_str(&out), tt_str_from(text));
    tt_buf_free(&out);
}

/* ---- PDF ---- */

/* One page with these lines, in WinAnsi. */
static struct tt_buf make_pdf(const char *stream)
{
    struct tt_buf pdf = {0};
    size_t offsets[6];
    tt_buf_append_z(&pdf, "%PDF-1.4\n");
    const char *const objects[] = {
        "<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R "
        "/Resources << /Font << /F1 5 0 R >> >> >>",
        NULL, "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"};
    for (int i = 1; i <= 5; i++) {
        offsets[i] = pdf.len;
        tt_buf_printf(&pdf, "%d 0 obj\n", i);
        if (objects[i - 1])
            tt_buf_append_z(&pdf, objects[i - 1]);
        else
            tt_buf_printf(&pdf, "<< /Length %zu >>\nstream\n%s\nendstream", strlen(stream), stream);
        tt_buf_append_z(&pdf, "\nendobj\n");
    }
    size_t xref = pdf.len;
    tt_buf_append_z(&pdf, "xref\n0 6\n0000000000 65535 f \n");
    for (int i = 1; i <= 5; i++)
        tt_buf_printf(&pdf, "%010zu 00000 n \n", offsets[i]);
    tt_buf_printf(&pdf, "trailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n%zu\n%%%%EOF\n", xref);
    return pdf;
}

static void reads_a_pdf(void **state)
{
    (void)state;
    if (access("/usr/bin/pdftotext", X_OK) != 0)
        skip();
    struct tt_buf pdf = make_pdf("BT /F1 12 Tf 50 700 Td (Tide \\(caf\\351\\)) Tj 0 -20 Td "
                                 "(second line) Tj ET");
    struct tt_buf blank = make_pdf("");
    const struct tt_extract_limits small = {.text_max = 5};
    expect(tt_buf_str(&pdf), ".pdf", NULL, "", "Tide (café)\nsecond line\n\n");
    expect(tt_buf_str(&pdf), "PDF", NULL, "", NULL);
    expect(tt_buf_str(&pdf), ".pdf", &small, "extract_too_large", NULL);
    expect(tt_buf_str(&blank), ".pdf", NULL, "", NULL);
    expect(TT_STR("no pdf at all"), ".pdf", NULL, "extract_failed", NULL);
    expect(TT_STR(""), ".pdf", NULL, "extract_failed", NULL);
    expect(tt_str_of(pdf.data, 40), ".pdf", NULL, "extract_failed", NULL);
    /* the extension alone decides */
    expect(tt_buf_str(&pdf), ".docx", NULL, "extract_failed", NULL);
    expect(tt_buf_str(&pdf), ".txt", NULL, "", pdf.data);
    tt_buf_free(&pdf);
    tt_buf_free(&blank);
}

/* Runs a shell script in pdftotext's place, on the input "hello". */
static void expect_script(const char *script, const struct tt_extract_limits *given,
                          const char *code, const char *text)
{
    char path[128];
    struct tt_extract_limits limits = given ? *given : (struct tt_extract_limits){0};
    snprintf(path, sizeof(path), "%s/program", folder);
    FILE *f = fopen(path, "we");
    fprintf(f, "#!/bin/sh\n%s\n", script);
    fclose(f);
    assert_int_equal(chmod(path, 0700), 0);
    limits.pdftotext = path;
    expect(TT_STR("hello"), ".pdf", &limits, code, text);
}

static void the_child_sits_in_a_sandbox(void **state)
{
    const struct tt_extract_limits limits = {.memory_max = 100 << 20, .cpu_seconds = 3};
    (void)state;
    expect_script("exec cat", NULL, "", "hello");
    expect_script("echo \"$*\"", NULL, "", "-q -enc UTF-8 -eol unix -nopgbrk - -\n");
    expect_script("exec /usr/bin/env", NULL, "", "PWD=/\n");
    /* 0 to 2, and the one that lists them; nothing of the server's */
    int stray = open("/dev/null", O_RDONLY); /* without close-on-exec */
    expect_script("exec ls /proc/self/fd", NULL, "", "0\n1\n2\n3\n");
    close(stray);
    expect_script("ulimit -t; ulimit -v; ulimit -f; ulimit -c; ulimit -n", &limits, "",
                  "3\n102400\n0\n0\n32\n");
    expect_script("while read name rest; do case $name in NoNewPrivs:|Seccomp:|SigBlk:|SigIgn:) "
                  "echo $name $rest;; esac; done </proc/self/status",
                  NULL, "",
                  "SigBlk: 0000000000000000\nSigIgn: 0000000000000000\nNoNewPrivs: "
                  "1\nSeccomp: 2\n");
    /* no other process, nothing written, nothing sent */
    char script[256];
    snprintf(script, sizeof(script), "exec touch %s/made", folder);
    expect_script(script, NULL, "extract_failed", NULL);
    snprintf(script, sizeof(script), "exec rm -f %s/input", folder);
    expect_script(script, NULL, "extract_failed", NULL);
    snprintf(script, sizeof(script), "echo x >>%s/input; exec cat %s/input", folder, folder);
    expect_script(script, NULL, "", "hello");
    expect_script("ls | cat; echo forked", NULL, "extract_failed", NULL);
    snprintf(script, sizeof(script), "kill -9 %d || echo no", (int)getpid());
    expect_script(script, NULL, "", "no\n");
    snprintf(script, sizeof(script), "%s/made", folder);
    assert_int_equal(access(script, F_OK), -1);
}

static void the_child_has_its_limits(void **state)
{
    const struct tt_extract_limits cpu = {.cpu_seconds = 1};
    const struct tt_extract_limits wall = {.wall_ms = 300};
    const struct tt_extract_limits text = {.text_max = 100000};
    (void)state;
    expect_script("while :; do :; done", &cpu, "extract_timeout", NULL);
    expect_script("exec sleep 100", &wall, "extract_timeout", NULL);
    expect_script("exec >&-; exec sleep 100", &wall, "extract_timeout", NULL);
    expect_script("while :; do echo y; done", &text, "extract_too_large", NULL);
    expect_script("exec dd if=/dev/zero of=/dev/null bs=600M count=1", NULL, "extract_failed",
                  NULL);
    expect_script("echo some; exit 1", NULL, "extract_failed", NULL);
    expect_script("exit 3", NULL, "extract_failed", NULL);
    expect_script("kill -SEGV $$", NULL, "extract_failed", NULL);
    const struct tt_extract_limits none = {.pdftotext = "/no/such/program"};
    expect(TT_STR("x"), ".pdf", &none, "extract_failed", NULL);
    /* no child is left */
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void cleans_what_comes_out(void **state)
{
    const struct tt_extract_limits limits = {.text_max = 10};
    (void)state;
    expect_script("printf 'a\\fb\\001\\033\\177c\\t\\377\\n'", NULL, "", "a\nbc\t\xEF\xBF\xBD\n");
    struct tt_buf out = {.max = 10};
    struct tt_err err = {0};
    tt_buf_append_z(&out, "12345678");
    int fd = file_of(TT_STR("abc"));
    assert_int_equal(tt_extract_text(fd, TT_STR("txt"), &limits, NULL, &out, &err), -1);
    assert_string_equal(err.code, "extract_too_large");
    assert_int_equal(out.len, 8);
    close(fd);
    tt_buf_free(&out);
    expect(TT_STR("12345678901"), "", &limits, "extract_too_large", NULL);
    expect(TT_STR("1234567890"), "", &limits, "", "1234567890");
    expect(TT_STR("\xFF\xFE"
                  "1\0002\0003\0004\0005\0006\0007\0008\0009\0000\0"),
           "md", &limits, "", "1234567890");
    expect(TT_STR("\0"), "md", &limits, "unsupported_encoding", NULL);
    expect(TT_STR("\xFF\xFE"
                  "\x11\x4E\x11\x4E\x11\x4E\x11\x4E"),
           "md", &limits, "extract_too_large", NULL); /* 8 bytes that become 12 */
    expect(TT_STR("1234567890123456789012345"), "md", &limits, "extract_too_large", NULL);
}

/* ---- docx ---- */

struct member {
    const char *name;
    struct tt_str bytes;
};

static struct tt_buf make_zip(const struct member *members, size_t count)
{
    size_t size = 0, used = 0;
    for (size_t i = 0; i < count; i++)
        size += members[i].bytes.len + 1000;
    struct tt_buf zip = {0};
    char *to = tt_buf_reserve(&zip, size);
    struct archive *archive = archive_write_new();
    archive_write_set_format_zip(archive);
    assert_int_equal(archive_write_open_memory(archive, to, size, &used), ARCHIVE_OK);
    for (size_t i = 0; i < count; i++) {
        struct archive_entry *entry = archive_entry_new();
        archive_entry_set_pathname(entry, members[i].name);
        archive_entry_set_size(entry, (la_int64_t)members[i].bytes.len);
        archive_entry_set_filetype(entry, AE_IFREG);
        assert_int_equal(archive_write_header(archive, entry), ARCHIVE_OK);
        archive_write_data(archive, members[i].bytes.data, members[i].bytes.len);
        archive_entry_free(entry);
    }
    assert_int_equal(archive_write_free(archive), ARCHIVE_OK);
    zip.len = used;
    return zip;
}

/* `body`: what stands inside w:body. `prolog`: before the document's element. */
static struct tt_buf make_docx(const char *prolog, const char *body)
{
    struct tt_buf xml = {0};
    tt_buf_printf(&xml, "%s<w:document %s><w:body>%s</w:body></w:document>", prolog, word, body);
    const struct member members[] = {{"[Content_Types].xml", TT_STR("<Types/>")},
                                     {"word/document.xml", tt_buf_str(&xml)},
                                     {"word/header1.xml", TT_STR("no")}};
    struct tt_buf zip = make_zip(members, 3);
    tt_buf_free(&xml);
    return zip;
}

static void expect_docx(const char *prolog, const char *body,
                        const struct tt_extract_limits *limits, const char *code, const char *text)
{
    struct tt_buf zip = make_docx(prolog, body);
    expect(tt_buf_str(&zip), ".docx", limits, code, text);
    tt_buf_free(&zip);
}

#define XML       "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\r\n"
#define P(inside) "<w:p><w:pPr><w:tabs><w:tab w:val=\"left\"/></w:tabs></w:pPr>" inside "</w:p>"
#define R(inside) "<w:r><w:rPr><w:b/></w:rPr>" inside "</w:r>"
#define T(text)   "<w:t xml:space=\"preserve\">" text "</w:t>"
#define TC(text)  "<w:tc><w:tcPr/><w:p><w:r><w:t>" text "</w:t></w:r></w:p></w:tc>"

static void reads_a_docx(void **state)
{
    (void)state;
    expect_docx(XML, P(R(T("潮聊 ")) R(T("&lt;tide&gt; &#38;"))) P(R(T("two"))), NULL, "",
                "潮聊 <tide> &\ntwo\n");
    expect_docx(XML, "", NULL, "", "");
    expect_docx(XML,
                P(R(T("a") "<w:tab/>" T("b") "<w:br/>" T("c") "<w:cr/>" T(
                    "d") "<w:noBreakHyphen/><w:softHyphen/>" T("e"))),
                NULL, "", "a\tb\nc\nd-e\n");
    /* white space between elements, deleted text, field codes are none of the text */
    expect_docx(XML,
                " x <w:p> y <w:r> <w:t>a</w:t> z </w:r>"
                "<w:del><w:r><w:delText>gone</w:delText></w:r></w:del>"
                "<w:ins><w:r><w:t>b</w:t></w:r></w:ins>"
                "<w:r><w:instrText>PAGE</w:instrText></w:r></w:p>",
                NULL, "", "ab\n");
    /* a text box twice: for new programs and for old ones */
    expect_docx(
        XML,
        P(R("<mc:AlternateContent><mc:Choice>" P(R(T("box"))) "</mc:Choice><mc:Fallback>" P(
            R(T("box")) "<w:r><w:tab/></w:r>") "</mc:Fallback></mc:AlternateContent>" T("after"))),
        NULL, "", "box\nafter\n");
    expect_docx(XML,
                "<w:tbl><w:tr>" TC("a") TC("b") "</w:tr><w:tr>" TC("")
                    TC("d") "</w:tr></w:tbl>" P(R(T("end"))),
                NULL, "", "a\tb\n\td\nend\n");
    expect_docx(XML, P("<m:oMath><m:r><m:t>x=1</m:t></m:r></m:oMath>"), NULL, "", "x=1\n");
    const struct tt_extract_limits small = {.text_max = 5};
    expect_docx(XML, P(R(T("1234"))), &small, "", "1234\n");
    expect_docx(XML, P(R(T("12345"))), &small, "extract_too_large", NULL);
}

static void refuses_what_is_no_docx(void **state)
{
    (void)state;
    expect(TT_STR(""), "docx", NULL, "extract_failed", NULL);
    expect(TT_STR("text"), "docx", NULL, "extract_failed", NULL);
    expect(TT_STR("PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), "docx", NULL, "extract_failed",
           NULL);
    struct member member = {"word/other.xml", TT_STR("<a/>")};
    struct tt_buf zip = make_zip(&member, 1);
    expect(tt_buf_str(&zip), "docx", NULL, "extract_failed", NULL);
    tt_buf_free(&zip);
    static const char *const contents[] = {
        "",   "<a/>",     "<w:document><w:body/></w:document>",
        "<a", "\xFF\xFE", "<?xml version=\"1.0\" encoding=\"x-unknown\"?><a/>",
    };
    for (size_t i = 0; i < TT_COUNT(contents); i++) {
        member = (struct member){"word/document.xml", tt_str_from(contents[i])};
        zip = make_zip(&member, 1);
        expect(tt_buf_str(&zip), "docx", NULL, "extract_failed", NULL);
        tt_buf_free(&zip);
    }
    /* cut at each place, and a byte changed at each place: anything but a crash */
    zip = make_docx(XML, P(R(T("text"))));
    for (size_t i = 0; i < zip.len; i++) {
        struct tt_err err;
        struct tt_buf out = extract(tt_str_of(zip.data, i), "docx", NULL, &err);
        tt_buf_free(&out);
        zip.data[i] ^= 0x5A;
        out = extract(tt_buf_str(&zip), "docx", NULL, &err);
        zip.data[i] ^= 0x5A;
        tt_buf_free(&out);
    }
    tt_buf_free(&zip);
}

#define LAUGH(a, b) "<!ENTITY " a " \"&" b ";&" b ";&" b ";&" b ";&" b ";&" b ";&" b ";&" b ";\">"

static void refuses_bombs(void **state)
{
    const struct tt_extract_limits inflate = {.inflate_max = 100000};
    (void)state;
    /* entities: inside, outside, and a document type that only says so */
    expect_docx(XML "<!DOCTYPE a [<!ENTITY l0 \"lol\">" LAUGH("l1", "l0") LAUGH("l2", "l1")
                    LAUGH("l3", "l2") LAUGH("l4", "l3") LAUGH("l5", "l4") LAUGH("l6", "l5")
                        LAUGH("l7", "l6") LAUGH("l8", "l7") LAUGH("l9", "l8") "]>",
                P(R(T("&l9;"))), NULL, "extract_failed", NULL);
    expect_docx(XML "<!DOCTYPE a [<!ENTITY f SYSTEM \"file:///etc/passwd\">]>", P(R(T("&f;"))),
                NULL, "extract_failed", NULL);
    expect_docx(XML "<!DOCTYPE w:document SYSTEM \"http://127.0.0.1/\">", P(R(T("x"))), NULL,
                "extract_failed", NULL);
    expect_docx(XML, P(R(T("&f;"))), NULL, "extract_failed", NULL);
    /* elements without end */
    struct tt_buf deep = {0};
    for (int i = 0; i < 100000; i++)
        tt_buf_append_z(&deep, "<w:p>");
    expect_docx(XML, deep.data, NULL, "extract_failed", NULL);
    /* inflation: past the size, past the ratio; text that is large but not that large is taken */
    tt_buf_clear(&deep);
    tt_buf_append_z(&deep, "<w:p><w:r><w:t>");
    while (deep.len < (5 << 20))
        tt_buf_append_z(&deep, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    tt_buf_append_z(&deep, "</w:t></w:r></w:p>");
    expect_docx(XML, deep.data, NULL, "extract_too_large", NULL);
    expect_docx(XML, deep.data, &inflate, "extract_too_large", NULL);
    deep.data[3 << 20] = '\0';
    strcpy(deep.data + (3 << 20), "</w:t></w:r></w:p>");
    expect_docx(XML, deep.data, NULL, "", NULL);
    tt_buf_free(&deep);
    /* more members than a document has */
    struct member *members = tt_alloc(10001 * sizeof(*members));
    for (int i = 0; i < 10001; i++)
        members[i] = (struct member){"x", TT_STR("")};
    members[10000] = (struct member){"word/document.xml", TT_STR("<a/>")};
    struct tt_buf zip = make_zip(members, 10001);
    expect(tt_buf_str(&zip), "docx", NULL, "extract_too_large", NULL);
    tt_buf_free(&zip);
    free(members);
}

#define EXTRACT_TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        EXTRACT_TEST(reads_a_pdf),
        EXTRACT_TEST(the_child_sits_in_a_sandbox),
        EXTRACT_TEST(the_child_has_its_limits),
        EXTRACT_TEST(cleans_what_comes_out),
        EXTRACT_TEST(reads_a_docx),
        EXTRACT_TEST(refuses_what_is_no_docx),
        EXTRACT_TEST(refuses_bombs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
