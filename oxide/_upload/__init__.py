"""From a local disk file to an image: loaded only when it is used.

`source` reads the file, `formats` and `decoding` tell and decode what it holds, `content` makes chunks of it. `journal`
remembers what was asked for and what has arrived. `rack` makes the calls, `life` takes disk, snapshot and image through
their states, `sending` sends the chunks, `cleaning` removes what is no longer needed. `upload` puts them together.
"""
