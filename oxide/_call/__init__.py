"""One call: its arguments become a request, which is sent until a response or an exception comes of it."""
