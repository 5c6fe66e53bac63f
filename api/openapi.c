/* SPDX-License-Identifier: MIT */
/* Serves openapi.yaml as it was when the program was built, and the same as JSON.
 *
 * The JSON form is made when it is asked for: the document is small, clients keep it by
 * its entity tag, and so there is neither a second copy to fall out of step nor a cache
 * to guard. Plain scalars are read by YAML's core schema (null, true, false, numbers);
 * everything quoted or folded is text. Aliases were resolved by libyaml. */
#include "api/openapi.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <yaml.h>

#include "api/printer.h"
#include "storage/digest.h"

#define DEPTH_MAX 64

struct conversion {
    yaml_document_t *document;
    struct printer printer;
    struct err_info *info;
};

/* True when the text is one of JSON's numbers, which are YAML's, too. */
static bool is_number(const char *text, size_t size)
{
    char *end = NULL;
    if (size == 0 || size > 40 || !(text[0] == '-' || (text[0] >= '0' && text[0] <= '9')))
        return false;
    double value = strtod(text, &end);
    return end == text + size && isfinite(value) && !strpbrk(text, "xXpP_");
}

static void convert_scalar(struct conversion *c, const yaml_node_t *node)
{
    const char *text = (const char *)node->data.scalar.value;
    size_t size = node->data.scalar.length;
    struct span span = span_of(text, size);
    bool plain = node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;

    if (plain && (size == 0 || span_equal(span, span_of_text("null"))))
        printer_null(&c->printer);
    else if (plain && span_equal(span, span_of_text("true")))
        printer_flag(&c->printer, true);
    else if (plain && span_equal(span, span_of_text("false")))
        printer_flag(&c->printer, false);
    else if (plain && is_number(text, size))
        printer_json(&c->printer, span);
    else
        printer_span(&c->printer, span);
}

static enum err convert(struct conversion *c, int index, unsigned depth);

static enum err convert_mapping(struct conversion *c, const yaml_node_t *node,
                                unsigned depth)
{
    printer_open(&c->printer, '{');
    for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = yaml_document_get_node(c->document, pair->key);
        if (!key || key->type != YAML_SCALAR_NODE)
            return err_set(c->info, ERR_SYNTAX, "A key is not a scalar.");
        /* printer_key escapes nothing, so keys go the way of texts. */
        printer_span(&c->printer,
                     span_of(key->data.scalar.value, key->data.scalar.length));
        buffer_append_char(c->printer.out, ':');
        c->printer.comma = false;
        enum err code = convert(c, pair->value, depth + 1);
        if (code)
            return code;
    }
    printer_close(&c->printer, '}');
    return ERR_OK;
}

static enum err convert_sequence(struct conversion *c, const yaml_node_t *node,
                                 unsigned depth)
{
    printer_open(&c->printer, '[');
    for (const yaml_node_item_t *item = node->data.sequence.items.start;
         item < node->data.sequence.items.top; item++) {
        enum err code = convert(c, *item, depth + 1);
        if (code)
            return code;
    }
    printer_close(&c->printer, ']');
    return ERR_OK;
}

static enum err convert(struct conversion *c, int index, unsigned depth)
{
    const yaml_node_t *node = yaml_document_get_node(c->document, index);
    if (!node || depth > DEPTH_MAX)
        return err_set(c->info, ERR_SYNTAX, "The document is nested too deeply.");
    switch (node->type) {
    case YAML_MAPPING_NODE:
        return convert_mapping(c, node, depth);
    case YAML_SEQUENCE_NODE:
        return convert_sequence(c, node, depth);
    case YAML_SCALAR_NODE:
        convert_scalar(c, node);
        return ERR_OK;
    case YAML_NO_NODE:
    default:
        return err_set(c->info, ERR_SYNTAX, "The document is empty.");
    }
}

enum err openapi_to_json(struct span yaml, struct buffer *json, struct err_info *info)
{
    yaml_parser_t parser;
    yaml_document_t document;
    if (!yaml_parser_initialize(&parser))
        return err_set(info, ERR_NO_MEMORY, "Not enough memory to read the document.");
    yaml_parser_set_input_string(&parser, (const unsigned char *)yaml.bytes, yaml.size);
    if (!yaml_parser_load(&parser, &document)) {
        enum err code =
            err_set_place(info, ERR_SYNTAX, parser.problem_offset,
                          parser.problem_mark.line + 1, "The document is not YAML.");
        yaml_parser_delete(&parser);
        return code;
    }
    struct conversion c = {.document = &document, .info = info};
    printer_init(&c.printer, json);
    enum err code = convert(&c, 1, 0);
    yaml_document_delete(&document);
    yaml_parser_delete(&parser);
    return code ? code : json->failed;
}

static bool not_modified(struct exchange *x, const char *form)
{
    char digest[STORE_DIGEST_SIZE], etag[80];
    digest_sha256(span_of(openapi_yaml, openapi_yaml_size), digest);
    (void)snprintf(etag, sizeof etag, "%.32s-%s", digest, form);
    return exchange_not_modified(x, etag);
}

enum err openapi_get_yaml(struct exchange *x, struct err_info *info)
{
    (void)info;
    if (not_modified(x, "yaml"))
        return ERR_OK;
    return exchange_reply_static(x, 200, "application/yaml", openapi_yaml,
                                 openapi_yaml_size);
}

enum err openapi_get_json(struct exchange *x, struct err_info *info)
{
    struct buffer json;
    if (not_modified(x, "json"))
        return ERR_OK;
    buffer_init(&json, PRINTER_REPLY_MAX);
    enum err code =
        openapi_to_json(span_of(openapi_yaml, openapi_yaml_size), &json, info);
    if (code) {
        buffer_fini(&json);
        return code;
    }
    return exchange_reply_json_take(x, 200, &json);
}
