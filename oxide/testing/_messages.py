"""Lists what is uncertain about the real service and what the simulator does instead, with the uncertain messages.

The marks say how certain each choice is:

- `[C]` follows from reading the service's code; none of its own tests asserts it.
- `[P]` was observed with a small, similar program, built with other crate versions: the gist is certain, the wording
  approximate.
- `[M]` is the wording of a third-party crate, from memory.
- `[?]` is a guess.

The messages are below. These are the choices of behaviour, by module:

- `_reading`: a malformed request is a 400 even without credentials [C].
- `_application`: gzipped responses are chunked [M].
- `_clock`: times have 0, 3 or 6 digits of a second [P].
- `_api_version`: versions older than the first published one, and pre-releases, are accepted [C].
- `_parameters`: unknown parameters are ignored. If a parameter appears twice, a listing takes the last one, and other
  operations refuse a second `project` [P]. The same goes for `page_token` [?].
- `_pagination`: the form of tokens; `sort_by` and `project` may be left out of one [P].
- `_json_body`, `_bodies`: unknown fields, and anything after the object, are ignored [P]. Of several problems, the first
  in the order of the fields is reported [?], with the end of the text as its position [?].
- `_service.images`: the four operations that change something check credentials before they look at what selects the
  image; view and list do so only before they look anything up [C]. For an image in a project that the caller may not
  see, the 404 names the image, not the project [C]. No image is made from a snapshot that is still `creating` [C].
- `_service.disks`, `_service.imports`: only bulk writes and the view look at what selects the disk before they check
  credentials [C]. The message for a disk that is smaller than its snapshot or image resembles the service's [M]. Local
  disks have blocks of 4096 bytes [?].
- `_service.capacity`: the room on the rack is counted like the quota, by the sizes of disks and snapshots [?].
"""

from typing import Final

# [C] When an image is created in the silo, a name conflict is reported as a project image's, because both ways of
# creating one use the same resource type; promoting uses the right one.
CREATE_CONFLICT_KIND: Final = "project-image"
DEMOTE_CONFLICT_KIND: Final = "project-image"
PROMOTE_CONFLICT_KIND: Final = "silo-image"

# [C] A description, os or version that is too long reaches the database, whose refusal becomes a 500.
DESCRIPTION_MAX: Final = 512
OS_MAX: Final = 64
VERSION_MAX: Final = 64

# [C] Promoting a bare name never looks it up, since only a project image can be promoted.
PROMOTE_NEEDS_PROJECT_IMAGE: Final = "Cannot promote a silo image"
DEMOTE_NEEDS_SILO_IMAGE: Final = "Cannot demote a project image"

# [P] The service's parser tries a name and an ID, and reports the error of neither.
NEITHER_NAME_NOR_ID: Final = "data did not match any variant of untagged enum NameOrId"

# [P] Messages of the parsers of query strings.
LIMIT_EMPTY: Final = "cannot parse integer from empty string"
LIMIT_NOT_DIGITS: Final = "invalid digit found in string"
LIMIT_TOO_LARGE: Final = "number too large to fit in target type"
LIMIT_ZERO: Final = "invalid value: integer `0`, expected a nonzero u32"


def unknown_variant(found: str, expected: list[str]) -> str:
    """Return the message for a word that is not in a list [P]."""
    words = [f"`{word}`" for word in expected]
    listed = " or ".join(words) if len(words) < 3 else f"one of {', '.join(words)}"
    return f"unknown variant `{found}`, expected {listed}"


def duplicate_field(name: str) -> str:
    """Return the message for a key that appears twice [P]."""
    return f"duplicate field `{name}`"


def missing_field(name: str) -> str:
    """Return the message for a missing key [P]."""
    return f"missing field `{name}`"


# [M] The service's base64 decoder says what it found, and where.
NOT_BASE64: Final = "invalid base64"

# [P] What the JSON parser says that it expects, and its message about a UUID. The service's messages have more details,
# which depend on the versions of its crates.
SOURCE_TYPE: Final = "variant identifier"
STRING: Final = "a string"
UUID_STRING: Final = "a UUID string"
NOT_A_UUID: Final = "UUID parsing failed"


def wrong_type(expected: str) -> str:
    """Return the message for a JSON value of the wrong type."""
    return f"invalid type, expected {expected}"
