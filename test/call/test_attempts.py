"""How an attempt, and so the log, shows a text of the server."""

import logging

import pytest

import oxide
from oxide._call.retry import parse_retry_after
from oxide.testing import Answer, Simulator

FORGED = '{"request_id": "r", "error_code": "X\\nCRITICAL forged\\u001b[31m", "message": "m"}'


def test_a_servers_text_stays_on_one_short_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "oxide")
    with Simulator() as simulator, oxide.ApiClient(simulator.configuration()) as client:
        simulator.fail_next(Answer(400, FORGED, {"x-request-id": "i" * 60_000}))
        with pytest.raises(oxide.BadRequestException) as caught:
            oxide.ImagesApi(client).image_list()
    (attempt,) = caught.value.attempts
    assert attempt.error == "BadRequestException: X CRITICAL forged [31m"
    assert len(attempt.request_id or "") <= 200
    logged = caplog.records[-1].getMessage()
    assert logged.isprintable()
    assert len(logged) < 1000


def test_an_empty_content_encoding_is_none() -> None:
    page = '{"items": [], "next_page": null}'
    with Simulator() as simulator, oxide.ApiClient(simulator.configuration()) as client:
        simulator.fail_next(Answer(200, page, {"content-encoding": ""}))
        assert oxide.ImagesApi(client).image_list().items == []


@pytest.mark.parametrize(("text", "seconds"), [("0000000000060", 60.0), ("000", 0.0), ("60", 60.0)])
def test_leading_zeros_of_retry_after_are_ignored(text: str, seconds: float) -> None:
    assert parse_retry_after(text, 0) == seconds
