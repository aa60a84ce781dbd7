"""What a call costs next to doing it by hand, counted in bytecode instructions of one process: no clock is read.

By hand is `urllib3.PoolManager.request` and plain pydantic models with the same fields. What C code does is not in the
count; `python -m benchmarks` counts that as well.
"""

import gzip
import json
import sys
import threading
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

import pytest
import urllib3
from core_support import IMAGE
from pydantic import BaseModel
from transport.fault_server import http_response

from performance.by_hand import PlainImage, PlainPage
from performance.served import TOKEN, served

HEADERS = {
    "accept": "application/json",
    "accept-encoding": "gzip",
    "api-version": "2025112000.0.0",
    "user-agent": "by-hand",
    "authorization": f"Bearer {TOKEN}",
}
_WARM_UP = 3


def chunked(body: bytes) -> bytes:
    """Return a compressed response as the real service frames it."""
    coded = gzip.compress(body, mtime=0)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n"
    return head + b"transfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(coded), coded)


def plain(body: bytes) -> bytes:
    """Return a response with its length."""
    return http_response(200, body, "content-type: application/json")


def instructions(work: Callable[[], object]) -> int:
    """Return how many bytecode instructions `work` takes in this thread."""
    for _ in range(_WARM_UP):
        work()
    return _monitored(work) if sys.version_info >= (3, 12) else _traced(work)


def instructions_by_hand(model: type[BaseModel], url: str) -> int:
    """Return how many a call by hand takes."""
    with urllib3.PoolManager() as manager:
        return instructions(
            lambda: model.model_validate_json(manager.request("GET", url, headers=HEADERS).data)
        )


def _traced(work: Callable[[], object]) -> int:
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def _monitored(work: Callable[[], object]) -> int:
    # From 3.12 on a trace function misses instructions.
    monitoring: Any = vars(sys)["monitoring"]
    tool, event = monitoring.PROFILER_ID, monitoring.events.INSTRUCTION
    this_thread = threading.get_ident()
    count = 0

    def note(_code: CodeType, _offset: int) -> None:
        nonlocal count
        count += threading.get_ident() == this_thread

    monitoring.use_tool_id(tool, "instructions")
    monitoring.register_callback(tool, event, note)
    monitoring.set_events(tool, event)
    try:
        work()
    finally:
        monitoring.set_events(tool, 0)
        monitoring.free_tool_id(tool)
    return count


@pytest.mark.parametrize("framed", [plain, chunked])
def test_a_view_takes_no_more_instructions_than_handwritten_code(framed: Callable[[bytes], bytes]) -> None:
    """With every safety on, `image_view` takes no more instructions than a call by hand."""
    with served(framed(json.dumps(IMAGE).encode())) as (images, url):
        ours = instructions(lambda: images.image_view("debian-13"))
        assert ours <= instructions_by_hand(PlainImage, f"{url}/v1/images/debian-13")


@pytest.mark.parametrize("framed", [plain, chunked])
def test_a_page_takes_no_more_instructions_than_handwritten_code(framed: Callable[[bytes], bytes]) -> None:
    """With every safety on, `image_list` of 100 images takes no more instructions than a call by hand."""
    body = json.dumps({"items": [IMAGE] * 100, "next_page": "x"}).encode()
    with served(framed(body)) as (images, url):
        ours = instructions(lambda: images.image_list(limit=100))
        assert ours <= instructions_by_hand(PlainPage, f"{url}/v1/images?limit=100")
