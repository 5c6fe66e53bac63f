# SPDX-License-Identifier: MIT
"""A validator for the part of JSON Schema that openapi.yaml uses. With `strict` it also
complains about members that the schema does not name, which clients must tolerate but
documents should not have."""
import re

KNOWN = {"$ref", "type", "enum", "const", "properties", "required", "additionalProperties",
         "items", "oneOf", "anyOf", "allOf", "pattern", "minimum", "maximum", "exclusiveMinimum",
         "minLength", "maxLength", "minItems", "maxItems", "minProperties", "description",
         "default"}
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def resolve(document, schema):
    while "$ref" in schema:
        place = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            place = place[part]
        schema = place
    return schema


def has_type(value, name):
    if name == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if name == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, TYPES[name])


def named(document, schema):
    """The members a schema names, through allOf; None when it leaves them open."""
    schema = resolve(document, schema)
    members = dict(schema.get("properties", {}))
    for part in schema.get("allOf", []):
        members.update(named(document, part))
    return members


def errors(document, schema, value, place="", strict=True):
    """Sentences about what is wrong; none when all is well."""
    schema = resolve(document, schema)
    unknown = set(schema) - KNOWN
    assert not unknown, f"the validator does not know {unknown}"
    found = []
    types = schema.get("type", [])
    types = types if isinstance(types, list) else [types]
    if types and not any(has_type(value, name) for name in types):
        return [f"{place}: {value!r:.60} is no {' or '.join(types)}"]
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{place}: {value!r:.60} is none of {schema['enum']}")
    if "const" in schema and value != schema["const"]:
        found.append(f"{place}: {value!r:.60} is not {schema['const']!r}")
    for part in schema.get("allOf", []):
        found += errors(document, part, value, place, False)
    if "oneOf" in schema:
        fits = [part for part in schema["oneOf"]
                if not errors(document, part, value, place, False)]
        if len(fits) != 1:
            found.append(f"{place}: {value!r:.60} fits {len(fits)} of oneOf")
    if "anyOf" in schema:
        tries = [errors(document, part, value, place, strict) for part in schema["anyOf"]]
        found += [] if [] in tries else min(tries, key=len)
    if isinstance(value, dict):
        found += object_errors(document, schema, value, place, strict)
    elif isinstance(value, list):
        for i, item in enumerate(value):
            if "items" in schema:
                found += errors(document, schema["items"], item, f"{place}/{i}", strict)
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", 1e18):
            found.append(f"{place}: {len(value)} items")
    elif isinstance(value, str):
        if "pattern" in schema and not re.search(schema["pattern"], value):
            found.append(f"{place}: {value!r:.60} does not match {schema['pattern']}")
        if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 1e18):
            found.append(f"{place}: {len(value)} characters")
    elif has_type(value, "number"):
        if not schema.get("minimum", value) <= value <= schema.get("maximum", value):
            found.append(f"{place}: {value} is out of range")
        if "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]:
            found.append(f"{place}: {value} is out of range")
    return found


def object_errors(document, schema, value, place, strict):
    found = [f"{place}: {name} is missing" for name in schema.get("required", [])
             if name not in value]
    if len(value) < schema.get("minProperties", 0):
        found.append(f"{place}: too few members")
    members = named(document, schema)
    more = schema.get("additionalProperties", True)
    for name, item in value.items():
        if name in schema.get("properties", {}):
            found += errors(document, schema["properties"][name], item, f"{place}/{name}",
                            strict)
        elif isinstance(more, dict):
            found += errors(document, more, item, f"{place}/{name}", strict)
        elif more is False:
            found.append(f"{place}: {name} is not allowed")
        elif strict and members and name not in members:
            found.append(f"{place}: {name} is not described")
    return found
