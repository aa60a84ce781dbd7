"""The program `python -m oxide`: what it prints, its exit status, and Ctrl-C."""

import json
import os
import pty
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import oxide
from oxide._program.main import main
from oxide.testing import Answer, Delay, Refuse
from upload.disks import disk, packed
from upload.scene import PROJECT, Scene, open_scene

BASE = ["--project", PROJECT, "--name", "debian", "--os", "debian", "--version", "13"]


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with open_scene() as scene:
        monkeypatch.setenv("OXIDE_HOST", scene.simulator.url)
        monkeypatch.setenv("OXIDE_TOKEN", scene.simulator.token)
        yield scene


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "disk.xz").write_bytes(packed(disk(), "xz"))
    return str(tmp_path / "disk.xz")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: str) -> tuple[int, str, str]:
        try:
            status = main(arguments)
        except SystemExit as error:
            status = int(str(error.code))
        output = capsys.readouterr()
        return status, output.out, output.err

    return run


def test_without_arguments_the_program_prints_its_help(run: Any) -> None:
    status, out, err = run()
    assert status == 0
    assert "upload" in out
    assert "report" in out
    assert err == ""


def test_upload_prints_only_the_id_and_one_line_for_each_step(scene: Scene, file: str, run: Any) -> None:
    status, out, err = run("upload", file, *BASE, "--description", "golden")
    image = scene.images.image_view("debian", PROJECT)
    assert (status, out) == (0, f"{image.id}\n")
    assert image.description == "golden"
    assert scene.holds(image, disk())
    assert err.splitlines() == [
        "check",
        "create disk",
        f"upload ({len(disk())} bytes)",
        "finalize",
        "create image",
        "clean up",
        "done",
    ]


def test_with_json_upload_prints_the_image(scene: Scene, file: str, run: Any) -> None:
    status, out, _ = run("upload", file, *BASE, "--json", "--block-size", "512", "--workers", "2")
    assert status == 0
    assert oxide.Image.from_json(out) == scene.images.image_view("debian", PROJECT)


def test_a_dry_run_says_what_it_found_and_makes_nothing(scene: Scene, file: str, run: Any) -> None:
    import hashlib

    expected = {
        "format": "xz",
        "size": len(disk()),
        "block_size": 512,
        "sha256": hashlib.sha256(Path(file).read_bytes()).hexdigest(),
        "exists": False,
    }
    status, out, _ = run("upload", file, *BASE, "--dry-run", "--json")
    assert (status, json.loads(out)) == (0, expected)
    status, out, _ = run("upload", file, *BASE, "--dry-run")
    assert status == 0
    assert out.splitlines() == [
        "format: xz",
        f"size: {len(disk())}",
        "block_size: 512",
        f"sha256: {expected['sha256']}",
        "exists: no",
    ]
    assert scene.paths() == []
    run("upload", file, *BASE)
    status, out, _ = run("upload", file, *BASE, "--dry-run", "--json")
    assert (status, json.loads(out)) == (0, {**expected, "exists": True})


def test_a_dry_run_of_a_raw_file_computes_its_digest(scene: Scene, tmp_path: Path, run: Any) -> None:
    import hashlib

    (tmp_path / "disk").write_bytes(disk())
    _, out, _ = run("upload", str(tmp_path / "disk"), *BASE, "--dry-run", "--json")
    assert json.loads(out)["sha256"] == hashlib.sha256(disk()).hexdigest()


def test_promote_moves_the_image_to_the_silo_however_often_it_runs(scene: Scene, file: str, run: Any) -> None:
    status, first, _ = run("upload", file, *BASE, "--promote")
    assert status == 0
    assert scene.images.image_view("debian").project_id is None
    before = scene.count("/v1/disks")
    assert run("upload", file, *BASE, "--promote")[:2] == (0, first)
    assert scene.count("/v1/disks") == before
    status, _, err = run("upload", file, *BASE[:-1], "14", "--promote")
    assert status == 1
    assert "with a different version" in err


def test_after_a_lost_response_to_a_promotion_the_outcome_is_looked_up(
    scene: Scene, file: str, run: Any
) -> None:
    scene.fail("image_promote", Answer(502, after_acting=True))
    status, out, _ = run("upload", file, *BASE, "--promote", "--json")
    assert (status, json.loads(out)["project_id"]) == (0, None)


def test_a_promotion_that_fails_says_where_the_image_is(scene: Scene, file: str, run: Any) -> None:
    scene.fail("image_promote", Refuse(403, "Forbidden", "Forbidden"))
    status, out, err = run("upload", file, *BASE, "--promote")
    assert (status, out) == (1, "")
    assert f"the image is in the project, with the ID {scene.images.image_view('debian', PROJECT).id}" in err


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["upload"], 2, "required"),
        (["upload", "/no/such/file", *BASE], 2, "No such file"),
        (["upload", "FILE", *BASE, "--block-size", "1000"], 2, "block_size: must be"),
        (["upload", "FILE", *BASE, "--workers", "many"], 2, "--workers"),
        (["upload", "FILE", *BASE, "--sha256", "abc"], 2, "sha256: must be"),
        (["upload", "FILE", *BASE[:2], *BASE[4:], "--name", "Bad Name"], 2, "name must begin"),
        (["upload", "FILE", *BASE, "--profile", "unknown"], 2, "unknown"),
        (["upload", "FILE", *BASE, "--sha256", "0" * 64], 1, "SHA-256"),
        (["upload", "FILE", *BASE, "--journal", "FILE"], 2, "of another kind"),
        (["upload", "FILE", "--project", "no-such-project", *BASE[2:]], 1, "no-such-project"),
        (["upload", "FILE", *BASE, "--dry-run", "--project", "no-such-project"], 1, "no-such-project"),
        (["unknown"], 2, "invalid choice"),
    ],
)
def test_the_exit_status_distinguishes_wrong_usage_from_a_failed_call(
    arguments: list[str], status: int, text: str, scene: Scene, file: str, run: Any
) -> None:
    found, out, err = run(*(file if argument == "FILE" else argument for argument in arguments))
    assert (found, out) == (status, "")
    assert text in err
    assert scene.left() == []


def test_missing_credentials_count_as_wrong_usage(
    scene: Scene, file: str, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OXIDE_TOKEN")
    status, _, err = run("upload", file, *BASE)
    assert status == 2
    assert "OXIDE_TOKEN" in err


def test_each_warning_is_printed_on_one_line(
    scene: Scene, tmp_path: Path, run: Any, recwarn: pytest.WarningsRecorder
) -> None:
    (tmp_path / "disk").write_bytes(disk(gpt=None))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.filters", [])
        status, _, err = run("upload", str(tmp_path / "disk"), *BASE)
    assert status == 0
    assert f"warning: {tmp_path}/disk: there is no partition table" in err


def test_an_upload_with_a_journal_resumes_after_a_failure(
    scene: Scene, file: str, tmp_path: Path, run: Any
) -> None:
    journal = ["--journal", str(tmp_path / "journal")]
    scene.fail("disk_bulk_write_import", Refuse(401, "expired", "Unauthorized"))
    status, _, err = run("upload", file, *BASE, *journal)
    assert status == 1
    assert "the same call resumes with the journal" in err
    assert run("upload", file, *BASE, *journal)[0] == 0
    assert scene.holds(scene.images.image_view("debian", PROJECT), disk())
    assert scene.left() == []


def program(*arguments: str, **options: Any) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "oxide", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        **{"stderr": subprocess.PIPE, **options},
    )


def wait_for_request(scene: Scene, path: str, process: subprocess.Popen[str]) -> None:
    event = threading.Event()
    while not scene.count(path):
        assert process.poll() is None, process.communicate()
        event.wait(0.005)


def test_ctrl_c_cleans_up_and_exits_with_130(scene: Scene, file: str) -> None:
    scene.fail("disk_bulk_write_import", Delay(0.2), times=100)
    with program("upload", file, *BASE, "--workers", "1") as process:
        wait_for_request(scene, "/bulk-write", process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert (process.returncode, out) == (130, "")
    assert "Ctrl-C again leaves at once" in err
    assert "interrupted" in err
    assert scene.left() == []
    assert not scene.image_exists()


def test_a_second_ctrl_c_leaves_at_once_and_says_what_is_left(scene: Scene, file: str) -> None:
    scene.fail("disk_bulk_write_import_stop", Delay(60))
    scene.fail("disk_bulk_write_import", Answer(503), times=1000)
    with program("upload", file, *BASE) as process:
        wait_for_request(scene, "/bulk-write", process)
        process.send_signal(signal.SIGINT)
        wait_for_request(scene, "/bulk-write-stop", process)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    (left,) = scene.left()
    assert f"still on the rack: {left.rpartition(' ')[0]}" in err


@pytest.mark.parametrize("columns", [80, 0])
def test_a_terminal_shows_a_bar(scene: Scene, file: str, columns: int) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    with program("upload", file, *BASE, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 4096):
                shown += piece
        except OSError:
            # The other side is closed.
            pass
        os.close(ours)
        out, _ = process.communicate()
    assert process.returncode == 0
    assert len(out) == 37
    assert b"100%" in shown
    assert b"done:" in shown


def test_a_terminal_without_tqdm_gets_lines_and_one_hint(
    scene: Scene, file: str, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oxide._program.upload.find_spec", lambda _: None)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    status, _, err = run("upload", file, *BASE)
    assert status == 0
    assert err.startswith("for a bar: pip install 'oxide[upload]'\ncheck\n")


def test_the_report_shows_the_settings_and_that_the_api_responds(scene: Scene, run: Any) -> None:
    status, out, err = run("report")
    assert (status, err) == (0, "")
    assert f"host: '{scene.simulator.url}' (OXIDE_HOST and OXIDE_TOKEN)" in out
    assert "the API responds: 200 in " in out
    assert "API version 2025112000.0.0" in out
    assert out.endswith("the token: accepted\n")
    assert scene.simulator.token not in out


def test_the_report_says_that_the_token_is_refused(
    scene: Scene, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OXIDE_TOKEN", "oxide-token-unknown")
    status, out, _ = run("report")
    assert status == 1
    assert "the API responds: 401 in " in out
    assert "the token: refused" in out
    assert "oxide-token-unknown" not in out


def test_the_report_for_a_user_without_a_silo_role_succeeds(
    scene: Scene, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.fail("image_list", Refuse(403, "Forbidden", "Forbidden"))
    status, out, _ = run("report")
    assert status == 0
    assert "the token: accepted, but" in out


def test_the_report_says_that_the_api_does_not_respond(
    scene: Scene, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.simulator.stop()
    status, out, _ = run("report")
    scene.simulator.start()
    assert status == 1
    assert "the API does not respond: " in out


def test_the_report_without_credentials_says_what_is_missing(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OXIDE_HOST", raising=False)
    monkeypatch.delenv("OXIDE_TOKEN", raising=False)
    status, out, _ = run("report")
    assert status == 1
    assert "no request was sent to the API: " in out


def test_standard_input_can_be_uploaded(scene: Scene) -> None:
    command = [sys.executable, "-m", "oxide", "upload", "-", *BASE, "--size", str(len(disk()))]
    done = subprocess.run(command, input=disk(), capture_output=True, check=True)
    assert scene.simulator.image_content(done.stdout.decode().strip(), 0, len(disk())) == disk()
