/* The few documents of S3, read by expat: elements with text, no attributes that matter. */
#include "files/s3_internal.h"

#include <expat.h>
#include <string.h>

struct reader {
    XML_Parser parser;
    struct tt_buf text; /* directly in the element that is open */
    void (*on_text)(void *arg, const char *element, struct tt_str text);
    void *arg;
};

static const char *local_name(const char *name)
{
    const char *blank = strrchr(name, ' '); /* "namespace name" */
    return blank ? blank + 1 : name;
}

static void on_start(void *arg, const XML_Char *name, const XML_Char **attributes)
{
    struct reader *reader = arg;
    (void)name, (void)attributes;
    tt_buf_clear(&reader->text);
}

static void on_end(void *arg, const XML_Char *name)
{
    struct reader *reader = arg;
    reader->on_text(reader->arg, local_name(name), tt_buf_str(&reader->text));
    tt_buf_clear(&reader->text);
}

static void on_characters(void *arg, const XML_Char *text, int len)
{
    struct reader *reader = arg;
    tt_buf_append(&reader->text, text, (size_t)len);
}

static void on_doctype(void *arg, const XML_Char *name, const XML_Char *system,
                       const XML_Char *public, int internal)
{
    struct reader *reader = arg;
    (void)name, (void)system, (void)public, (void)internal;
    XML_StopParser(reader->parser, XML_FALSE);
}

bool tt_s3_xml_each(struct tt_str xml,
                    void (*on_text)(void *arg, const char *element, struct tt_str text), void *arg)
{
    struct reader reader = {XML_ParserCreateNS(NULL, ' '), {0}, on_text, arg};

    if (!reader.parser)
        return false;
    XML_SetUserData(reader.parser, &reader);
    XML_SetElementHandler(reader.parser, on_start, on_end);
    XML_SetCharacterDataHandler(reader.parser, on_characters);
    XML_SetStartDoctypeDeclHandler(reader.parser, on_doctype);
    bool parsed =
        XML_Parse(reader.parser, xml.data ? xml.data : "", (int)xml.len, XML_TRUE) == XML_STATUS_OK;
    XML_ParserFree(reader.parser);
    tt_buf_free(&reader.text);
    return parsed;
}
