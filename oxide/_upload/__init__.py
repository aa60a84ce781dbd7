"""Uploads a local disk file as an image; this package is loaded only when it is used.

`source` reads the file, `formats` recognizes its format, `decoding` decodes it, and `content` splits it into chunks.
`journal` remembers what was requested and what has arrived. `rack` makes the calls, `life` takes disk, snapshot and image
through their states, `sending` sends the chunks, and `cleaning` removes what is no longer needed. `upload` puts them
together.
"""
